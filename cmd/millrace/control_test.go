package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector"
)

const goodToken = "0123456789abcdef"

// A lever is a connector that notes what is asked of it.
type lever struct {
	mu     sync.Mutex
	asked  []string
	refuse error
	hang   bool // a skip waits for the end of its context
	status connector.Status
}

func (l *lever) note(what string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, what)
	return l.refuse
}

// take is what was asked since it was called last.
func (l *lever) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := strings.Join(l.asked, "; ")
	l.asked = nil
	return asked
}

func (l *lever) Status() connector.Status               { return l.status }
func (l *lever) Pause(ps ...connector.Partition) error  { return l.note(fmt.Sprint("pause ", ps)) }
func (l *lever) Resume(ps ...connector.Partition) error { return l.note(fmt.Sprint("resume ", ps)) }
func (l *lever) Skip(ctx context.Context, p connector.Partition, offset int64) error {
	if l.hang {
		<-ctx.Done()
		return fmt.Errorf("bury a gap record: %w", ctx.Err())
	}
	return l.note(fmt.Sprintf("skip %s/%d", p, offset))
}

// A controlBench is a process with doubles of connectors: those of a view that run.
type controlBench struct {
	view    view
	levers  map[string]*lever
	logs    sharedBuffer
	control *control
}

func newControlBench(connectors ...connectorView) *controlBench {
	b := &controlBench{view: view{Ready: true, Reasons: []string{}, Version: "1.4.0", Connectors: connectors}, levers: map[string]*lever{}}
	b.control = &control{token: hashOf(goodToken), log: slog.New(slog.NewTextHandler(&b.logs, nil)), status: func(w http.ResponseWriter, _ *http.Request) {
		text, err := json.Marshal(b.view)
		if err != nil {
			panic(err)
		}
		respond(w, http.StatusOK, "application/json", text)
	}}
	for _, c := range connectors {
		l := &lever{status: c.Status}
		b.levers[c.Name] = l
		b.control.operands = append(b.control.operands, operand{c.Name, func() (controlled, error) {
			if c.Phase != phaseRunning {
				return nil, errors.New("connector " + c.Name + " doesn't run yet")
			}
			return l, nil
		}})
	}
	return b
}

// running is a connector with partitions.
func running(name string, ps ...connector.PartitionStatus) connectorView {
	return connectorView{Phase: phaseRunning, Status: connector.Status{Name: name, Partitions: ps}}
}

func partition(topic string, id int32, state connector.State, why string) connector.PartitionStatus {
	return connector.PartitionStatus{Partition: connector.Partition{Topic: topic, ID: id}, State: state, Position: 12, Committed: 10, End: 15, Lag: 5, LagSeconds: 1.5, Error: why}
}

// A controlRequest is a request with the token, if nothing else is said.
type controlRequest struct {
	method, path, body string
	header             http.Header
	host               string
}

func (b *controlBench) ask(q controlRequest) *httptest.ResponseRecorder {
	r := httptest.NewRequest(q.method, q.path, strings.NewReader(q.body))
	r.Host = "localhost:7780"
	if q.host != "" {
		r.Host = q.host
	}
	r.Header.Set("Authorization", "Bearer "+goodToken)
	for name, values := range q.header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	b.control.handler().ServeHTTP(w, r)
	return w
}

func TestControlTurnsAway(t *testing.T) {
	b := newControlBench(running("a"))
	with := func(name string, values ...string) http.Header { return http.Header{name: values} }
	for name, test := range map[string]struct {
		q    controlRequest
		code int
		want string
	}{
		"no token":          {controlRequest{header: with("Authorization")}, http.StatusUnauthorized, "token is missing or wrong"},
		"another token":     {controlRequest{header: with("Authorization", "Bearer 0123456789abcdeF")}, http.StatusUnauthorized, "token is missing or wrong"},
		"a longer token":    {controlRequest{header: with("Authorization", "Bearer "+goodToken+"0")}, http.StatusUnauthorized, "token is missing or wrong"},
		"an empty token":    {controlRequest{header: with("Authorization", "Bearer ")}, http.StatusUnauthorized, "token is missing or wrong"},
		"another scheme":    {controlRequest{header: with("Authorization", "Basic "+goodToken)}, http.StatusUnauthorized, "token is missing or wrong"},
		"no scheme":         {controlRequest{header: with("Authorization", goodToken)}, http.StatusUnauthorized, "token is missing or wrong"},
		"another host":      {controlRequest{host: "evil.example:7780"}, http.StatusForbidden, "Host isn't a loopback address"},
		"a lookalike":       {controlRequest{host: "localhost.evil.example"}, http.StatusForbidden, "Host isn't a loopback address"},
		"a lookalike of IP": {controlRequest{host: "127.0.0.1.evil.example"}, http.StatusForbidden, "Host isn't a loopback address"},
		"an address":        {controlRequest{host: "192.0.2.1:7780"}, http.StatusForbidden, "Host isn't a loopback address"},
		"an origin":         {controlRequest{header: with("Origin", "http://localhost:7780")}, http.StatusForbidden, "Origin"},
		"an empty origin":   {controlRequest{header: with("Origin", "")}, http.StatusForbidden, "Origin"},
		"a null origin":     {controlRequest{header: with("Origin", "null")}, http.StatusForbidden, "Origin"},
	} {
		for _, what := range []controlRequest{{method: "GET", path: "/status"}, {method: "POST", path: "/pause", body: "{}"}, {method: "POST", path: "/resume", body: "{}"},
			{method: "POST", path: "/skip", body: `{"partitions":["t/0"],"offset":1}`}, {method: "GET", path: "/nope"}} {
			test.q.method, test.q.path, test.q.body = what.method, what.path, what.body
			w := b.ask(test.q)
			if w.Code != test.code || !strings.Contains(w.Body.String(), test.want) || len(w.Body.String()) > 200 {
				t.Errorf("%s, %s: %d %s", name, what.path, w.Code, w.Body)
			}
			if (w.Header().Get("WWW-Authenticate") == "Bearer") != (test.code == http.StatusUnauthorized) {
				t.Errorf("%s, %s: %v", name, what.path, w.Header())
			}
		}
	}
	if asked := b.levers["a"].take(); asked != "" {
		t.Errorf("it did %s", asked)
	}
	if !strings.Contains(b.logs.String(), "level=WARN msg=\"a request was turned away\" path=/pause error=\"the token is") {
		t.Errorf("%.500s", b.logs.String())
	}
	for _, host := range []string{"localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:7780", "127.9.9.9:80", "[::1]:7780", "[::1]", "::1"} {
		if w := b.ask(controlRequest{method: "GET", path: "/status", host: host}); w.Code != http.StatusOK {
			t.Errorf("host %s: %d %s", host, w.Code, w.Body)
		}
	}
}

func TestControlRefuses(t *testing.T) {
	opening := connectorView{Phase: phaseOpening, Status: connector.Status{Name: "b"}}
	b := newControlBench(running("a", partition("t", 0, connector.StateRunning, ""), partition("t", 1, connector.StateHalted, "stuck")), opening)
	for _, test := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"POST", "/status", "", http.StatusMethodNotAllowed, ""},
		{"GET", "/pause", "", http.StatusMethodNotAllowed, ""},
		{"GET", "/skip", "", http.StatusMethodNotAllowed, ""},
		{"PUT", "/resume", "{}", http.StatusMethodNotAllowed, ""},
		{"GET", "/", "", http.StatusNotFound, ""},
		{"GET", "/metrics", "", http.StatusNotFound, ""},
		{"POST", "/pause", "", http.StatusBadRequest, "the body isn't"},
		{"POST", "/pause", "[]", http.StatusBadRequest, "the body isn't"},
		{"POST", "/pause", `{"connector":"a"`, http.StatusBadRequest, "the body isn't"},
		{"POST", "/pause", `{"connector":"a"}{}`, http.StatusBadRequest, "something follows"},
		{"POST", "/pause", `{"connector":"a","topics":["t"]}`, http.StatusBadRequest, "topics"},
		{"POST", "/pause", `{"connector":"a","partitions":["t"]}`, http.StatusBadRequest, "not TOPIC/PARTITION"},
		{"POST", "/pause", `{"connector":"a","partitions":["t/-1"]}`, http.StatusBadRequest, "not TOPIC/PARTITION"},
		{"POST", "/pause", `{"connector":"a","partitions":["x/t/0"]}`, http.StatusBadRequest, "not TOPIC/PARTITION"},
		{"POST", "/pause", `{"connector":"a","partitions":["t/2147483648"]}`, http.StatusBadRequest, "not TOPIC/PARTITION"},
		{"POST", "/pause", `{"connector":"a","offset":1}`, http.StatusBadRequest, "only a skip has an offset"},
		{"POST", "/resume", `{"connector":"a","force":true}`, http.StatusBadRequest, "only a skip has an offset"},
		{"POST", "/pause", `{"connector":"a","partitions":["` + strings.Repeat("x", controlBytes) + `"]}`, http.StatusRequestEntityTooLarge, "more than"},
		{"POST", "/pause", `{}`, http.StatusBadRequest, "several connectors; choose one: a, b"},
		{"POST", "/pause", `{"connector":"c"}`, http.StatusNotFound, `no connector "c"; it runs a, b`},
		{"POST", "/pause", `{"connector":"b"}`, http.StatusConflict, "b doesn't run yet"},
		{"POST", "/skip", `{"connector":"b","partitions":["t/1"],"offset":1}`, http.StatusConflict, "b doesn't run yet"},
		{"POST", "/skip", `{"connector":"a","partitions":["t/1"]}`, http.StatusBadRequest, "needs one partition and an offset"},
		{"POST", "/skip", `{"connector":"a","partitions":[],"offset":1}`, http.StatusBadRequest, "needs one partition and an offset"},
		{"POST", "/skip", `{"connector":"a","partitions":["t/0","t/1"],"offset":1}`, http.StatusBadRequest, "needs one partition and an offset"},
		{"POST", "/skip", `{"connector":"a","partitions":["t/1"],"offset":-1}`, http.StatusBadRequest, "needs one partition and an offset"},
		{"POST", "/skip", `{"connector":"a","partitions":["t/0"],"offset":11}`, http.StatusConflict, "partition t/0 runs, so nothing is stuck"},
	} {
		w := b.ask(controlRequest{method: test.method, path: test.path, body: test.body})
		if w.Code != test.code || !strings.Contains(w.Body.String(), test.want) || len(w.Body.String()) > 300 {
			t.Errorf("%s %s %.80s: %d %.300s", test.method, test.path, test.body, w.Code, w.Body)
		}
	}
	if asked := b.levers["a"].take(); asked != "" {
		t.Errorf("it did %s", asked)
	}
	b.levers["a"].refuse = errors.New("offset 11 is durable already")
	for _, q := range []controlRequest{{path: "/pause", body: `{"connector":"a"}`}, {path: "/skip", body: `{"connector":"a","partitions":["t/1"],"offset":11}`}} {
		q.method = "POST"
		if w := b.ask(q); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "offset 11 is durable already") {
			t.Errorf("%s: %d %s", q.path, w.Code, w.Body)
		}
	}
	if strings.Contains(b.logs.String(), "changed by request") {
		t.Errorf("%s", b.logs.String())
	}
}

func TestControlChanges(t *testing.T) {
	b := newControlBench(running("a", partition("t", 0, connector.StateRunning, ""), partition("t.x-y", 1, connector.StateHalted, "stuck")))
	for _, test := range []struct{ path, body, asked, answer, line string }{
		{"/pause", `{}`, "pause []", `{"done":"pause","connector":"a","partitions":[]}`, `change=pause connector=a partitions=all`},
		{"/pause", `{"connector":"a","partitions":["t/0","t.x-y/1"]}`, "pause [t/0 t.x-y/1]", `{"done":"pause","connector":"a","partitions":["t/0","t.x-y/1"]}`,
			`change=pause connector=a partitions="t/0, t.x-y/1"`},
		{"/resume", `{"partitions":["t/7"]}`, "resume [t/7]", `{"done":"resume","connector":"a","partitions":["t/7"]}`, `change=resume connector=a partitions=t/7`},
		{"/skip", `{"partitions":["t.x-y/1"],"offset":0}`, "skip t.x-y/1/0", `{"done":"skip","connector":"a","partitions":["t.x-y/1"],"offset":0}`,
			`change=skip connector=a partitions=t.x-y/1 offset=0`},
		{"/skip", `{"partitions":["t/0"],"offset":9,"force":true}`, "skip t/0/9", `{"done":"skip","connector":"a","partitions":["t/0"],"offset":9}`,
			`change=skip connector=a partitions=t/0 offset=9`},
	} {
		w := b.ask(controlRequest{method: "POST", path: test.path, body: test.body})
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != test.answer {
			t.Errorf("%s %s: %d %s", test.path, test.body, w.Code, got)
		}
		if asked := b.levers["a"].take(); asked != test.asked {
			t.Errorf("%s %s: it did %s", test.path, test.body, asked)
		}
		if !strings.Contains(b.logs.String(), `level=WARN msg="changed by request" `+test.line+"\n") {
			t.Errorf("no %s in\n%s", test.line, b.logs.String())
		}
	}
}

// TestSkipEndsInTime: the dead letter doesn't answer, and the client has gone already.
func TestSkipEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newControlBench(running("a"))
		b.levers["a"].hang = true
		ctx, leave := context.WithCancel(t.Context())
		leave()
		r := httptest.NewRequest(http.MethodPost, "/skip", strings.NewReader(`{"partitions":["t/1"],"offset":4}`)).WithContext(ctx)
		r.Host = "localhost"
		r.Header.Set("Authorization", "Bearer "+goodToken)
		w, start := httptest.NewRecorder(), time.Now()
		b.control.handler().ServeHTTP(w, r)
		if d := time.Since(start); w.Code != http.StatusGatewayTimeout || d != skipTimeout || skipTimeout >= controlTimeout || !strings.Contains(w.Body.String(), "not done within 1m0s") {
			t.Errorf("%d after %s: %s", w.Code, d, w.Body)
		}
	})
}

// TestControlOfRunners: a connector can be asked while it runs, and says else why it can't.
func TestControlOfRunners(t *testing.T) {
	b := newBench()
	o := b.board(t, write(t, "name: a\nsource: fake\nsink: fake\n"))
	r := o.runners[0]
	if _, err := r.running(); err == nil || err.Error() != "connector a doesn't run yet" {
		t.Errorf("%v", err)
	}
	r.progress.Store(&progress{phase: phaseOpening, err: errors.New("refused")})
	if _, err := r.running(); err == nil || err.Error() != "connector a doesn't run yet: refused" {
		t.Errorf("%v", err)
	}
	conn := new(connector.Connector)
	r.progress.Store(&progress{phase: phaseRunning, conn: conn})
	if got, err := r.running(); err != nil || got != controlled(conn) {
		t.Errorf("%v %v", got, err)
	}
	r.progress.Store(&progress{phase: phaseEnded, conn: conn, err: errors.New("broken")})
	if _, err := r.running(); err == nil || err.Error() != "connector a has ended: broken" {
		t.Errorf("%v", err)
	}
}

func TestToken(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct{ environment, path, want, err string }{
		{"", "", "", "a token is needed: name a file"},
		{goodToken, "", goodToken, ""},
		{"0123456789abcde", "", "", "MILLRACE_CONTROL_TOKEN: the token has 15 characters; it needs 16 to 4096"},
		{"", file(goodToken + "\r\n"), goodToken, ""},
		{goodToken, file(strings.Repeat("f", mostToken)), strings.Repeat("f", mostToken), ""},
		{goodToken, file(strings.Repeat("f", mostToken+1)), "", "token: the token has"},
		{goodToken, file(""), "", "token: the token has 0 characters"},
		{goodToken, file("0123456789 abcdef"), "", "token: the token has a space"},
		{goodToken, file("0123456789\nabcdef"), "", "token: the token has a space"},
		{goodToken, file("0123456789äabcdef"), "", "token: the token has a space"},
		{goodToken, "none.txt", "", "--control-token: open none.txt"},
	} {
		t.Setenv(tokenVariable, test.environment)
		got, err := readToken(test.path)
		if test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "abcde")) || test.err == "" && err != nil {
			t.Errorf("%q %s: %v", test.environment, test.path, err)
		}
		if text, _ := got.Known(); text != test.want {
			t.Errorf("%q %s: %q", test.environment, test.path, text)
		}
	}
}

func TestParseOffset(t *testing.T) {
	for text, want := range map[string]string{
		"t/0/1": "t/0 1", "cars.gps-v2_x/12/9223372036854775807": "cars.gps-v2_x/12 9223372036854775807",
		"t/0": "", "t": "", "": "", "/0/1": "", "t//1": "", "t/0/": "", "t/0/-1": "", "t/-1/0": "", "t/+1/0": "", "a/t/0/1": "", "t/0/9223372036854775808": "", "t/2147483648/1": "",
		"./0/1": "", "../0/1": "", "t t/0/1": "", "t\n/0/1": "", strings.Repeat("t", 250) + "/0/1": "",
	} {
		p, at, err := parseOffset(text)
		got := fmt.Sprintf("%s %d", p, at)
		if (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}

func TestRunRefusesControl(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	file := write(t, "name: a\nsource: fake\nsink: fake\n")
	for _, test := range []struct {
		token string
		args  []string
		want  string
	}{
		{goodToken, []string{"--control", "0.0.0.0:7780"}, "--control 0.0.0.0:7780 isn't a loopback address: "},
		{goodToken, []string{"--control", ":7780"}, "isn't a loopback address"},
		{goodToken, []string{"--control", "[::]:7780"}, "isn't a loopback address"},
		{goodToken, []string{"--control", "192.0.2.1:7780"}, "isn't a loopback address"},
		{goodToken, []string{"--control", "7780"}, "--control needs an address such as localhost:7780"},
		{"", []string{"--control", "localhost:0"}, "a token is needed"},
		{"short", []string{"--control", "localhost:0"}, "the token has 5 characters"},
		{goodToken, []string{"--control", "localhost:0", "--control-token", "none.txt"}, "open none.txt"},
		{goodToken, []string{"--control-token", "none.txt"}, "--control-token is for --control"},
	} {
		t.Setenv(tokenVariable, test.token)
		b := newBench()
		if code := b.run(append(slices.Clone(test.args), file)...); code != exitUsage || !strings.Contains(b.errs.String(), test.want) || b.opened != 0 {
			t.Errorf("%v: exit code %d, opened %d times\n%s", test.args, code, b.opened, b.errs.String())
		}
	}
}
