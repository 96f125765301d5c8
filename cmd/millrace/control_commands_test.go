package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/connector"
)

// serve lets the commands of a test reach the bench.
func (b *controlBench) serve(t *testing.T) {
	t.Helper()
	s := httptest.NewServer(b.control.handler())
	t.Cleanup(s.Close)
	t.Setenv(controlVariable, s.Listener.Addr().String())
	t.Setenv(tokenVariable, goodToken)
}

func mustFit(t *testing.T, out string) {
	t.Helper()
	for line := range strings.Lines(out) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > lineWidth {
			t.Errorf("%d characters: %s", n, line)
		}
	}
}

// aProcess has a connector with troubles, and one that isn't open yet.
func aProcess() *controlBench {
	const timeout = "write to redis-1:6379: i/o timeout"
	a := running("cars",
		partition("bikes", 0, connector.StateRunning, ""),
		partition("cars.gps-v2", 0, connector.StateRetrying, timeout),
		partition("cars.gps-v2", 1, connector.StateRetrying, timeout),
		partition("cars.gps-v2", 2, connector.StateHalted, "record at offset 10: value: unexpected end of JSON input; there is no dead letter to take it, so the partition halts here"),
		partition("cars.gps-v2", 3, connector.StatePaused, ""),
		partition("cars.gps-v2", 4, connector.StateRetrying, timeout),
	)
	a.Partitions[0].Committed, a.Partitions[0].Buried = -1, 2
	a.Totals = map[connector.Metric]int64{connector.MetricWritten: 1234, connector.MetricBuried: 2, connector.MetricSkipped: 1}
	b := newControlBench(a, connectorView{Phase: phaseOpening, Failure: "connector orders: sink: dynamodb: table orders: access denied", Status: connector.Status{Name: "orders"}})
	b.view.Ready, b.view.Reasons = false, []string{"connector orders: not opened yet: connector orders: sink: dynamodb: table orders: access denied"}
	return b
}

const processStatus = `millrace 1.4.0, not ready
note: connector orders: not opened yet: connector orders: sink: dynamodb:
  table orders: access denied

connector cars: running, 6 partitions, lag 30, 1234 written, 2 dead letters, 1
  skipped

topic bikes
PARTITION  STATE    POSITION  COMMITTED  LAG  SECONDS  DEAD
        0  running        12          -    5      1.5     2

topic cars.gps-v2
PARTITION  STATE     POSITION  COMMITTED  LAG  SECONDS  DEAD
        0  retrying        12         10    5      1.5     0
        1  retrying        12         10    5      1.5     0
        2  halted          12         10    5      1.5     0
        3  paused          12         10    5      1.5     0
        4  retrying        12         10    5      1.5     0
0-1, 4: write to redis-1:6379: i/o timeout
2: record at offset 10: value: unexpected end of JSON input; there is no dead
  letter to take it, so the partition halts here

connector orders: opening, 0 partitions, lag 0, 0 written, 0 dead letters
error: connector orders: sink: dynamodb: table orders: access denied
`

func TestStatusTable(t *testing.T) {
	b := aProcess()
	b.serve(t)
	code, out, errs := millrace(t, plugins(), "", "status")
	if diff := cmp.Diff(processStatus, out); code != exitDone || diff != "" || errs != "" {
		t.Errorf("exit code %d %s\n%s", code, errs, diff)
	}
	mustFit(t, out)
	code, out, errs = millrace(t, plugins(), "", "status", "--check")
	if code != exitFailed || out != processStatus || errs != "error: cars.gps-v2 2 of connector cars: halted\n" {
		t.Errorf("exit code %d %s\n%s", code, errs, out)
	}
	_, one, _ := millrace(t, plugins(), "", "status", "--connector", "orders")
	if strings.Contains(one, "connector cars") || !strings.Contains(one, "connector orders: opening") {
		t.Error(one)
	}
	code, _, errs = millrace(t, plugins(), "", "status", "--connector", "nope")
	if code != exitFailed || !strings.Contains(errs, `no connector "nope"; it runs cars, orders`) {
		t.Errorf("exit code %d %s", code, errs)
	}
	code, out, _ = millrace(t, plugins(), "", "status", "--json")
	var v view
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != exitDone || len(v.Connectors) != 2 || v.Connectors[0].Partitions[3].State != connector.StateHalted {
		t.Errorf("exit code %d, %v\n%s", code, err, out)
	}
	if diff := cmp.Diff(b.view.Connectors[0].Status, v.Connectors[0].Status); diff != "" {
		t.Error(diff)
	}
}

// TestStatusCheck is for probes: what waits or was asked to is no reason.
func TestStatusCheck(t *testing.T) {
	for state, want := range map[connector.State]int{
		connector.StateRunning: exitDone, connector.StateRecovering: exitDone, connector.StateRetrying: exitDone, connector.StatePaused: exitDone,
		connector.StateBlocked: exitFailed, connector.StateHalted: exitFailed,
	} {
		b := newControlBench(running("a", partition("t", 0, state, "")))
		b.serve(t)
		if code, _, errs := millrace(t, plugins(), "", "status", "--check"); code != want {
			t.Errorf("%s: exit code %d %s", state, code, errs)
		}
		if code, _, errs := millrace(t, plugins(), "", "status"); code != exitDone {
			t.Errorf("%s: exit code %d %s", state, code, errs)
		}
		b.view.Connectors[0].Phase = phaseEnded
		b.view.Connectors[0].Failure = "broken"
		if code, _, errs := millrace(t, plugins(), "", "status", "--check", "--json"); code != exitFailed || !strings.Contains(errs, "connector a failed") {
			t.Errorf("failed: exit code %d %s", code, errs)
		}
	}
}

const manyStatus = `millrace 1.4.0, ready

connector a: running, 500 partitions, lag 2500, 0 written, 0 dead letters

topic few
200 partitions: 200 running; lag 1000, 1.5 s; 0 dead letters

topic many
300 partitions: 298 running, 1 paused, 1 blocked; lag 1500, 1.5 s; 1 dead
  letter
PARTITION  STATE    POSITION  COMMITTED  LAG  SECONDS  DEAD
        7  blocked        12         10    5      1.5     1
        8  running        12         10    5      1.5     0
      299  paused         12         10    5      1.5     0
7: access denied
8: commit: refused

497 partitions that run aren't shown; --all shows them.
`

func TestStatusOfMany(t *testing.T) {
	c := running("a")
	for topic, n := range map[string]int32{"few": 200, "many": 300} {
		for i := range n {
			c.Partitions = append(c.Partitions, partition(topic, i, connector.StateRunning, ""))
		}
		if topic == "few" && len(c.Partitions) > 200 { // the order of a map
			c.Partitions = append(c.Partitions[300:], c.Partitions[:300]...)
		}
	}
	many := c.Partitions[200:]
	many[7].State, many[7].Error, many[7].Buried = connector.StateBlocked, "access denied", 1
	many[8].Error = "commit: refused"
	many[299].State = connector.StatePaused
	newControlBench(c).serve(t)
	_, out, _ := millrace(t, plugins(), "", "status")
	if diff := cmp.Diff(manyStatus, out); diff != "" {
		t.Error(diff)
	}
	_, out, _ = millrace(t, plugins(), "", "status", "--all")
	if n := strings.Count(out, "running"); n != 499 || strings.Contains(out, "--all") {
		t.Errorf("%d lines of those that run", n)
	}
}

// TestStatusOfStrangers: long numbers, and texts that would move the cursor.
func TestStatusOfStrangers(t *testing.T) {
	p := partition("t", 0, connector.StateRetrying, "refused \x1b[2Jby\u009b1m \a"+strings.Repeat("x", 300))
	p.Position, p.Committed, p.Lag = 9223372036854775806, 9223372036854775800, 9223372036854775000
	newControlBench(running("a", p)).serve(t)
	_, out, _ := millrace(t, plugins(), "", "status")
	if strings.ContainsAny(out, "\x1b\a\u009b") || !strings.Contains(out, "0: refused \\u001b[2Jby\\u009b1m\n  \\u0007xxx") {
		t.Errorf("%q", out)
	}
	if !strings.Contains(out, "partition 0, state retrying, position 9223372036854775806, committed\n9223372036854775800, lag 9223372036854775000, seconds 1.5, dead 0\n") {
		t.Errorf("%s", out)
	}
}

func TestStatusColors(t *testing.T) {
	var out bytes.Buffer
	p := statusPrinter{out: &out, color: true}
	p.print(&aProcess().view)
	for _, want := range []string{"\x1b[31m        2  halted", "\x1b[33m        0  retrying", "\x1b[33m        3  paused", "\n        0  running"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestPauseAndResume(t *testing.T) {
	ps := []connector.PartitionStatus{partition("t", 0, connector.StateRunning, ""), partition("t", 1, connector.StateRunning, ""), partition("t.x-y", 0, connector.StateRunning, "")}
	b := newControlBench(running("a", ps...), running("b", partition("u", 0, connector.StateRunning, "")))
	b.serve(t)
	for _, test := range []struct {
		args      string
		code      int
		a, b      string // what was asked
		out, errs string
	}{
		{"pause t/1", exitDone, "pause [t/1]", "", "connector a: paused t/1\n", ""},
		{"pause t", exitDone, "pause [t/0 t/1]", "", "connector a: paused t/0, t/1\n", ""},
		{"pause t/1 t t.x-y t/1", exitDone, "pause [t/1 t/0 t.x-y/0]", "", "connector a: paused t/1, t/0, t.x-y/0\n", ""},
		{"pause --connector b", exitDone, "", "pause []", "connector b: paused all (1 partition now)\n", ""},
		{"resume u", exitDone, "", "resume [u/0]", "connector b: resumed u/0\n", ""},
		{"resume t/9", exitDone, "resume [t/9]", "", "note: not in this process now, resumed in case it gets them: t/9\n", ""},
		{"pause t/9 t/0", exitDone, "pause [t/9 t/0]", "", "connector a: paused t/0\nnote: not in this process now, paused in case it gets them: t/9\n", ""},
		{"pause --json t/0", exitDone, "pause [t/0]", "", `{"done":"pause","connector":"a","partitions":["t/0"]}` + "\n", ""},
		{"pause --json --connector b", exitDone, "", "pause []", `{"done":"pause","connector":"b","partitions":[]}` + "\n", ""},
		{"pause", exitFailed, "", "", "", "several connectors; choose one by --connector: a, b"},
		{"pause t u", exitFailed, "", "", "", "choose one by --connector: a, b"},
		{"pause --connector a u", exitFailed, "", "", "", "connector a has no partition of topic u in this process now"},
		{"pause --connector c", exitFailed, "", "", "", `no connector "c"; it runs a, b`},
		{"pause t/x", exitUsage, "", "", "", `"t/x" is neither TOPIC/PARTITION`},
		{"pause t/0/1", exitUsage, "", "", "", `"t/0/1" is neither TOPIC/PARTITION`},
		{"resume t/", exitUsage, "", "", "", `"t/" is neither TOPIC/PARTITION`},
		{"resume --at 192.0.2.1:7780", exitUsage, "", "", "", "--at 192.0.2.1:7780 isn't a loopback address: the token would be readable"},
		{"resume --at 7780", exitUsage, "", "", "", "--at needs an address such as localhost:7780"},
		{"status x", exitUsage, "", "", "", "unknown command"},
	} {
		code, out, errs := millrace(t, plugins(), "", strings.Fields(test.args)...)
		if code != test.code || out != test.out || !strings.Contains(errs, test.errs) || (errs == "") != (test.errs == "") {
			t.Errorf("%s: exit code %d\n%s%s", test.args, code, out, errs)
		}
		if a, other := b.levers["a"].take(), b.levers["b"].take(); a != test.a || other != test.b {
			t.Errorf("%s: a did %q, b did %q", test.args, a, other)
		}
	}
}

const skipTable = `CONNECTOR  PARTITION  OFFSET  COMMITTED  STATE
a          t/1        10      10         halted
error: record at offset 10: no JSON
The sink won't get this record. A gap record in the dead letter stands for it,
  if the connector has one.
`

func skipBench(t *testing.T) *controlBench {
	b := newControlBench(running("a", partition("t", 0, connector.StateRunning, ""), partition("t", 1, connector.StateHalted, "record at offset 10: no JSON")))
	b.serve(t)
	return b
}

func TestSkip(t *testing.T) {
	b := skipBench(t)
	for _, test := range []struct {
		args      string
		code      int
		asked     string
		out, errs string
	}{
		{"t/1/10 --yes", exitDone, "skip t/1/10", skipTable + "t/1/10 is skipped.\n", ""},
		{"t/1/10 --yes --json", exitDone, "skip t/1/10", `{"done":"skip","connector":"a","partitions":["t/1"],"offset":10}` + "\n", ""},
		{"t/1/10", exitFailed, "", skipTable, "nobody is here to be asked: nothing was changed; add --yes"},
		{"t/1/10 --json", exitFailed, "", "", "add --yes"},
		{"t/1/9 --yes", exitFailed, "", "", "offset 9 of partition t/1 is committed already: the next one is 10"},
		{"t/0/11 --yes", exitFailed, "", "", "partition t/0 runs, so nothing is stuck there: nothing was changed; --force"},
		{"t/0/11 --yes --force --json", exitDone, "skip t/0/11", `{"done":"skip","connector":"a","partitions":["t/0"],"offset":11}` + "\n", ""},
		{"t/2/10 --yes", exitFailed, "", "", "doesn't have partition t/2 in this process now"},
		{"t/1 --yes", exitUsage, "", "", "not TOPIC/PARTITION/OFFSET"},
		{"--yes", exitUsage, "", "", "accepts 1 arg"},
		{"t/1/10 --yes --connector b", exitFailed, "", "", `no connector "b"`},
	} {
		code, out, errs := millrace(t, plugins(), "y\n", append([]string{"skip"}, strings.Fields(test.args)...)...)
		if code != test.code || out != test.out || !strings.Contains(errs, test.errs) || (errs == "") != (test.errs == "") {
			t.Errorf("%s: exit code %d\n%s%s", test.args, code, out, errs)
		}
		if asked := b.levers["a"].take(); asked != test.asked {
			t.Errorf("%s: it did %q", test.args, asked)
		}
	}
	b.levers["a"].refuse = errors.New("offset 10 is durable already")
	if code, _, errs := millrace(t, plugins(), "", "skip", "--yes", "t/1/10"); code != exitFailed || !strings.Contains(errs, "refused (409): offset 10 is durable already") {
		t.Errorf("exit code %d %s", code, errs)
	}
	b.view.Connectors[0].Phase = phaseEnded
	if code, _, errs := millrace(t, plugins(), "", "skip", "--yes", "t/1/10"); code != exitFailed || !strings.Contains(errs, "isn't running: ended") {
		t.Errorf("exit code %d %s", code, errs)
	}
}

func TestSkipAsks(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, " YES\n": true, "n\n": false, "\n": false, "": false, "yes, do": false} {
		var out bytes.Buffer
		c := &command{in: strings.NewReader(answer), out: &out}
		if got := c.ask(t.Context(), "Skip it? (y/N) "); got != want || out.String() != "Skip it? (y/N) " {
			t.Errorf("%q: %t %q", answer, got, out.String())
		}
	}
	// Nobody answers, and then the command is stopped.
	in, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer hold.Close()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if c := (&command{in: in, out: new(bytes.Buffer)}); c.ask(ctx, "") {
		t.Error("the end is no yes")
	}
	// A device is a terminal: without an answer nothing happens.
	b := skipBench(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var out, errs bytes.Buffer
	c := &command{in: null, out: &out, err: &errs, plugins: plugins()}
	if code := c.execute(t.Context(), []string{"skip", "t/1/10"}); code != exitFailed || out.String() != skipTable+"Skip it? (y/N) " || b.levers["a"].take() != "" {
		t.Errorf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
	out.Reset() // a question would be no JSON
	if code := c.execute(t.Context(), []string{"skip", "--json", "t/1/10"}); code != exitFailed || out.String() != "" || !strings.Contains(errs.String(), "add --yes") {
		t.Errorf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
}

// TestControlCommandsFail: what isn't there, doesn't let us in, or isn't a process of ours.
func TestControlCommandsFail(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	l.Close()
	var seen []string
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Host)
		http.Redirect(w, r, "http://192.0.2.1/status", http.StatusTemporaryRedirect)
	}))
	defer stranger.Close()
	odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, "text/html", []byte("<html>"))
	}))
	defer odd.Close()
	aProcess().serve(t)
	own := os.Getenv(controlVariable)
	t.Setenv("HTTP_PROXY", stranger.URL)
	wrong := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(wrong, []byte("another-token-of-26-letters\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--at", gone}, exitFailed, "connection refused; does the process run with --control"},
		{[]string{"--at", stranger.Listener.Addr().String()}, exitFailed, "refused (307)"},
		{[]string{"--at", odd.Listener.Addr().String()}, exitFailed, "read the answer of " + odd.Listener.Addr().String()},
		{[]string{"--at", own, "--control-token", wrong}, exitFailed, "refused (401): the token is missing or wrong"},
		{[]string{"--at", own, "--control-token", "none.txt"}, exitUsage, "open none.txt"},
	} {
		code, out, errs := millrace(t, plugins(), "", append([]string{"status"}, test.args...)...)
		if code != test.code || out != "" || !strings.Contains(errs, test.want) || strings.Contains(errs, "another-token") {
			t.Errorf("%v: exit code %d\n%s%s", test.args, code, out, errs)
		}
	}
	if len(seen) != 1 {
		t.Errorf("asked for %v", seen)
	}
	t.Setenv(tokenVariable, "")
	if code, _, errs := millrace(t, plugins(), "", "status", "--at", own); code != exitUsage || !strings.Contains(errs, "a token is needed") {
		t.Errorf("exit code %d %s", code, errs)
	}
}

// TestControlCommandsAreStopped by a signal while the process doesn't answer.
func TestControlCommandsAreStopped(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(asked); <-release }))
	defer s.Close()
	defer close(release)
	t.Setenv(tokenVariable, goodToken)
	signals := make(chan os.Signal, 1)
	go func() { <-asked; signals <- os.Interrupt }()
	var errs bytes.Buffer
	c := &command{in: strings.NewReader(""), out: new(bytes.Buffer), err: &errs, signals: signals, plugins: plugins()}
	start := time.Now()
	if code := c.execute(t.Context(), []string{"status", "--at", s.Listener.Addr().String()}); code != exitFailed || !strings.Contains(errs.String(), "stopped by interrupt") {
		t.Errorf("exit code %d after %s: %s", code, time.Since(start), errs.String())
	}
}
