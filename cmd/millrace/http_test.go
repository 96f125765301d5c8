package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/connectortest"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// board makes the board of a file's connectors, which don't run yet.
func (b *bench) board(t *testing.T, file string) *board {
	t.Helper()
	files, err := b.command.plugins.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&b.errs, nil))
	out := &board{budget: 1 << 20}
	for _, c := range files[0].Connectors {
		out.runners = append(out.runners, &runner{config: c, log: log, budget: connector.NewBudget(1 << 20)})
	}
	return out
}

// get asks a handler.
func get(h http.Handler, method, path string) (code int, body, contentType string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code, w.Body.String(), w.Header().Get("Content-Type")
}

// ready asks /readyz, and checks that /healthz says 200 and that /metrics and /status say the same.
func ready(t *testing.T, h http.Handler) (code int, body string) {
	t.Helper()
	if code, _, _ := get(h, "GET", "/healthz"); code != http.StatusOK {
		t.Errorf("/healthz says %d", code)
	}
	code, body, _ = get(h, "GET", "/readyz")
	_, metrics, _ := get(h, "GET", "/metrics")
	s, err := parseMetrics(metrics)
	if err != nil || (s["millrace_ready"] == 1) != (code == http.StatusOK) {
		t.Errorf("/readyz says %d, millrace_ready %v, %v", code, s["millrace_ready"], err)
	}
	var v view
	_, status, _ := get(h, "GET", "/status")
	if err := json.Unmarshal([]byte(status), &v); err != nil || v.Ready != (code == http.StatusOK) {
		t.Errorf("/status: %v\n%s", err, status)
	}
	return code, body
}

// TestReadiness goes from the start through an outage and a drain to the end.
func TestReadiness(t *testing.T) {
	file := write(t, "name: a\nsource: fake\nsink: {fake: {refuse: twice}}\n---\nname: b\nsource: fake\nsink: {fake: {refuse: hang}}\n")
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		o := b.board(t, file)
		h := o.handler()
		if code, body := ready(t, h); code != http.StatusServiceUnavailable || !strings.Contains(body, "connector a: not opened yet\nconnector b: not opened yet") {
			t.Errorf("before: %d %s", code, body)
		}
		ctx, drain := context.WithCancel(t.Context())
		defer drain()
		done := make(chan struct{}, 2)
		for _, r := range o.runners {
			go func() { r.run(ctx); done <- struct{}{} }()
			synctest.Wait() // a is the first to open a sink, which refuses
		}
		if code, body := ready(t, h); code != http.StatusServiceUnavailable || !strings.Contains(body, "connector a: not opened yet: connector a:") || strings.Contains(body, "connector b") {
			t.Errorf("while a is being opened: %d %s", code, body)
		}
		time.Sleep(10 * time.Second)
		if code, body := ready(t, h); code != http.StatusOK || body != "ready\n" {
			t.Errorf("opened: %d %s", code, body)
		}
		b.log.Append(fakePartition, connectortest.R{Value: "1"})
		time.Sleep(time.Hour) // the sink of b hangs
		if code, body := ready(t, h); code != http.StatusOK {
			t.Errorf("in an outage: %d %s", code, body)
		}
		o.draining.Store(true)
		drain()
		synctest.Wait()
		if code, body := ready(t, h); code != http.StatusServiceUnavailable || !strings.Contains(body, "told to end") {
			t.Errorf("drain: %d %s", code, body)
		}
		close(b.release)
		<-done
		<-done
	})
}

func TestReadinessOfOneThatFails(t *testing.T) {
	b := newBench()
	o := b.board(t, write(t, "name: a\nsource: fake\nsink: {fake: {refuse: fatal}}\n"))
	o.runners[0].run(t.Context())
	if code, body := ready(t, o.handler()); code != http.StatusServiceUnavailable || !strings.Contains(body, "ended before it was opened: ") || !strings.Contains(body, "this can't work") {
		t.Errorf("%d %s", code, body)
	}
}

// TestCountsDontGoBack scrapes while records come, while the connector drains and after its end.
func TestCountsDontGoBack(t *testing.T) {
	file := write(t, "name: a\nsource: fake\nsink: fake\n")
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		o := b.board(t, file)
		h := o.handler()
		var before scrape
		look := func() scrape {
			_, text, contentType := get(h, "GET", "/metrics")
			s, err := parseMetrics(text)
			if err != nil || contentType != "text/plain; version=0.0.4; charset=utf-8" {
				t.Fatalf("%s: %v\n%s", contentType, err, text)
			}
			for series, n := range before {
				if now, ok := s[series]; strings.Contains(series, "_total") && (!ok || now < n) {
					t.Errorf("%s went from %v to %v (%t)", series, n, now, ok)
				}
			}
			before = s
			return s
		}
		look()
		ctx, drain := context.WithCancel(t.Context())
		defer drain()
		done := make(chan struct{})
		go func() { defer close(done); o.runners[0].run(ctx) }()
		for range 3 {
			b.log.Append(fakePartition, connectortest.R{Value: "12"}, connectortest.R{Value: "34"})
			time.Sleep(time.Minute)
			look()
		}
		s := look()
		for series, want := range map[string]float64{
			`up{connector="a"}`: 1, `records_read_total{connector="a"}`: 6, `read_bytes_total{connector="a"}`: 12, `records_written_total{connector="a"}`: 6,
			`commits_total{connector="a"}`: 3, `partition_lag{connector="a",topic="t",partition="0"}`: 0,
			`partition_lag_seconds{connector="a",topic="t",partition="0"}`: 0, `partition_catch_up_seconds{connector="a",topic="t",partition="0"}`: 0,
			`partition_committed{connector="a",topic="t",partition="0"}`: 6, `partition_position{connector="a",topic="t",partition="0"}`: 6,
			`partition_state{connector="a",topic="t",partition="0",state="running"}`: 1,
		} {
			if s["millrace_"+series] != want {
				t.Errorf("%s is %v, want %v", series, s["millrace_"+series], want)
			}
		}
		drain()
		<-done
		s = look()
		if s[`millrace_up{connector="a"}`] != 0 || s[`millrace_records_read_total{connector="a"}`] != 6 || s[`millrace_assigned_partitions{connector="a"}`] != 0 {
			t.Errorf("after the end: %v", s)
		}
	})
}

func TestStatusPage(t *testing.T) {
	file := write(t, "name: a\nsource: fake\nsink: fake\n")
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		o := b.board(t, file)
		b.log.Append(fakePartition, connectortest.R{Value: "12"})
		ctx, drain := context.WithCancel(t.Context())
		defer drain()
		done := make(chan struct{})
		go func() { defer close(done); o.runners[0].run(ctx) }()
		time.Sleep(time.Minute)
		_, text, contentType := get(o.handler(), "GET", "/status")
		var got struct {
			Connectors []map[string]any
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil || contentType != "application/json" || len(got.Connectors) != 1 {
			t.Fatalf("%s: %v\n%s", contentType, err, text)
		}
		c := got.Connectors[0]
		p := c["partitions"].([]any)[0].(map[string]any)
		if c["name"] != "a" || c["phase"] != "running" || c["totals"].(map[string]any)["records_read"] != 1. ||
			p["topic"] != "t" || p["partition"] != 0. || p["state"] != "running" || p["committed"] != 1. || p["lag"] != 0. ||
			p["lag_seconds"] != 0. || p["position"] != 1. || p["held_bytes"] != 0. || p["Topic"] != nil || p["ID"] != nil {
			t.Errorf("%s", text)
		}
		drain()
		<-done
	})
}

func TestEndpoints(t *testing.T) {
	h := (&board{}).handler()
	for _, test := range []struct {
		method, path string
		code         int
	}{
		{"GET", "/healthz", http.StatusOK}, {"HEAD", "/healthz", http.StatusOK}, {"GET", "/readyz", http.StatusOK},
		{"GET", "/status", http.StatusOK}, {"GET", "/metrics", http.StatusOK}, {"POST", "/metrics", http.StatusMethodNotAllowed},
		{"GET", "/", http.StatusNotFound}, {"GET", "/debug/pprof/", http.StatusNotFound}, {"GET", "/debug/pprof/heap", http.StatusNotFound},
	} {
		if code, _, _ := get(h, test.method, test.path); code != test.code {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, code, test.code)
		}
	}
	if code, body, _ := get(profiles(), "GET", "/debug/pprof/goroutine?debug=1"); code != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Errorf("%d %s", code, body)
	}
}

// A client that keeps no connections.
func fetch(t *testing.T, url string) (code int, body string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// address waits until the log says where a flag's server listens.
func (b *bench) address(t *testing.T, flag string) string {
	t.Helper()
	form := regexp.MustCompile(`msg=listening flag=` + flag + ` address=(\S+)`)
	for t.Context().Err() == nil {
		if m := form.FindStringSubmatch(b.errs.String()); m != nil {
			return m[1]
		}
		time.Sleep(time.Millisecond)
	}
	return ""
}

// TestRunServes uses the ports of a run until it has ended: while it drains they answer, afterwards they are free.
func TestRunServes(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	b := newBench()
	b.log.Append(fakePartition, connectortest.R{Value: "1"})
	file := write(t, "name: a\nsource: fake\nsink: {fake: {refuse: hang}}\n")
	ended := make(chan int, 1)
	go func() { ended <- b.run("--http", "127.0.0.1:0", "--pprof", "127.0.0.1:0", file) }()
	address, profiles := b.address(t, "--http"), b.address(t, "--pprof")
	until := func(want int) {
		for {
			if code, _ := fetch(t, "http://"+address+"/readyz"); code == want {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	until(http.StatusOK)
	for url, want := range map[string]int{
		address + "/healthz": http.StatusOK, address + "/debug/pprof/": http.StatusNotFound, profiles + "/debug/pprof/": http.StatusOK, profiles + "/metrics": http.StatusNotFound,
	} {
		if code, _ := fetch(t, "http://"+url); code != want {
			t.Errorf("%s: %d, want %d", url, code, want)
		}
	}
	for { // the sink has the record
		if _, text := fetch(t, "http://"+address+"/metrics"); strings.Contains(text, `millrace_loads_total{connector="a"} 1`) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	b.signals <- syscall.SIGTERM
	until(http.StatusServiceUnavailable)
	if code, _ := fetch(t, "http://"+address+"/healthz"); code != http.StatusOK {
		t.Errorf("/healthz says %d in the drain", code)
	}
	close(b.release)
	if code := <-ended; code != exitDone {
		t.Errorf("exit code %d\n%s", code, b.errs.String())
	}
	for _, a := range []string{address, profiles} {
		l, err := net.Listen("tcp", a)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
}

func TestRunRefusesAddresses(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := write(t, "name: a\nsource: fake\nsink: fake\n")
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--http", taken.Addr().String()}, exitFailed, "--http " + taken.Addr().String() + ": listen tcp"},
		{[]string{"--http", "127.0.0.1:0", "--pprof", taken.Addr().String()}, exitFailed, "--pprof " + taken.Addr().String() + ": listen tcp"},
		{[]string{"--http", "8080"}, exitUsage, "--http needs an address such as :8080"},
		{[]string{"--pprof", "6060"}, exitUsage, "--pprof needs an address such as localhost:6060"},
		{[]string{"--pprof", ":6060"}, exitUsage, "--pprof :6060 isn't a loopback address"},
		{[]string{"--pprof", "0.0.0.0:6060"}, exitUsage, "isn't a loopback address"},
		{[]string{"--pprof", "[::]:6060"}, exitUsage, "isn't a loopback address"},
	} {
		b := newBench()
		if code := b.run(append(test.args, file)...); code != test.code || !strings.Contains(b.errs.String(), test.want) || b.opened != 0 {
			t.Errorf("%v: exit code %d, opened %d times\n%s", test.args, code, b.opened, b.errs.String())
		}
	}
}

// TestServersHaveLimits: a client that sends or reads nothing holds no connection for ever.
func TestServersHaveLimits(t *testing.T) {
	l, err := listen("--http", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := start("--http", l, (&board{}).handler(), writeTimeout, slog.New(slog.DiscardHandler))
	defer s.close()
	if h := s.http; h.ReadHeaderTimeout <= 0 || h.ReadTimeout <= 0 || h.WriteTimeout <= 0 || h.IdleTimeout <= 0 || h.MaxHeaderBytes <= 0 || h.ErrorLog == nil {
		t.Errorf("%+v", h)
	}
}

// A joiningConsumer reports whether it joined, and as whom.
type joiningConsumer struct {
	*connectortest.Consumer
	joined atomic.Bool
}

func (c *joiningConsumer) Report() connector.Report {
	return connector.Report{Joined: c.joined.Load(), Principal: "User:cars", Rebalances: 1}
}

// TestReadinessNeedsTheGroup joins the group without being given any partition, and leaves it.
func TestReadinessNeedsTheGroup(t *testing.T) {
	consumer := &joiningConsumer{Consumer: connectortest.NewConsumer(connectortest.NewLog())}
	conn, err := connector.New(consumer, connector.LoaderFunc(func(context.Context, *connector.Batch) error { return nil }), connector.WithName("a"))
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{config: &config.Connector{Name: "a"}}
	r.progress.Store(&progress{phase: phaseRunning, conn: conn})
	o := &board{runners: []*runner{r}}
	if code, body := ready(t, o.handler()); code != http.StatusServiceUnavailable || body != "not ready\nconnector a: hasn't joined its group yet\n" {
		t.Errorf("before: %d %s", code, body)
	}
	consumer.joined.Store(true)
	if code, body := ready(t, o.handler()); code != http.StatusOK {
		t.Errorf("joined: %d %s", code, body)
	}
	_, text, _ := get(o.handler(), "GET", "/status")
	for _, want := range []string{`"principal": "User:cars"`, `"partitions": []`, `"rebalances": 1`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	consumer.joined.Store(false)
	r.progress.Store(&progress{phase: phaseEnded, conn: conn, err: errors.New("refused")})
	if code, body := ready(t, o.handler()); code != http.StatusServiceUnavailable || !strings.Contains(body, "connector a: ended before it joined its group: refused") {
		t.Errorf("ended: %d %s", code, body)
	}
}
