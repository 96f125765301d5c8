package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/cgroup"
	"github.com/millrace/millrace/serde"
)

// A fakeSource is a source without Kafka: one partition of a Log.
type fakeSource struct{ log *connectortest.Log }

var fakePartition = connector.Partition{Topic: "t", ID: 0}

func (fakeSource) Validate() error { return nil }
func (s fakeSource) Open(context.Context) (*fakeConsumer, error) {
	return &fakeConsumer{Consumer: connectortest.NewConsumer(s.log)}, nil
}

// A fakeConsumer assigns its partition when it is first polled.
type fakeConsumer struct {
	*connectortest.Consumer
	once sync.Once
}

func (c *fakeConsumer) Poll(ctx context.Context) ([]*connector.Batch, error) {
	c.once.Do(func() { c.Assign(fakePartition) })
	return c.Consumer.Poll(ctx)
}

// A fakeSink counts what it is given. It can refuse to open.
type fakeSink struct {
	Refuse string `yaml:"refuse"` // a class of error
	bench  *bench
}

func (fakeSink) Validate() error { return nil }
func (s fakeSink) Open(context.Context) (connector.Loader, error) {
	n := s.bench.open()
	switch {
	case s.Refuse == "fatal":
		return nil, connector.Fatal.Errorf("this can't work")
	case s.Refuse == "twice" && n <= 2:
		return nil, errors.New("connection refused")
	}
	return connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
		if s.Refuse == "hang" {
			<-s.bench.release
		}
		for _, r := range b.Records() {
			s.bench.add(string(r.RawValue))
		}
		return nil
	}), nil
}

// A sharedBuffer is written by logs and by the command at once.
type sharedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *sharedBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *sharedBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// A bench is a command with fakes.
type bench struct {
	log     *connectortest.Log
	mu      sync.Mutex
	loaded  []string
	opened  int
	release chan struct{} // what a Load that hangs waits for
	signals chan os.Signal
	errs    sharedBuffer
	command *command
}

func newBench() *bench {
	b := &bench{log: connectortest.NewLog(), signals: make(chan os.Signal, 2), release: make(chan struct{})}
	b.command = &command{in: strings.NewReader(""), out: io.Discard, err: &b.errs, signals: b.signals, plugins: config.NewRegistry(
		config.Source("fake", func(string) fakeSource { return fakeSource{b.log} }),
		config.Loader("fake", func() fakeSink { return fakeSink{bench: b} }),
		config.PlainDecoder("json", serde.BytesDecoder{}), config.PlainDecoder("string", serde.StringDecoder{}),
	)}
	return b
}

// open counts, and tells which time this is.
func (b *bench) open() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened++
	return b.opened
}

func (b *bench) add(value string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.loaded = append(b.loaded, value)
}

// values are those that were loaded.
func (b *bench) values() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.loaded)
}

func (b *bench) run(args ...string) int {
	return b.command.execute(context.Background(), append([]string{"run"}, args...))
}

func TestRunDrainsAtTheFirstSignal(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	file := write(t, "name: a\nsource: fake\nsink: fake\n")
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.log.Append(fakePartition, connectortest.R{Value: "1"}, connectortest.R{Value: "2"})
		go func() {
			time.Sleep(25 * time.Second)
			b.signals <- syscall.SIGTERM
		}()
		if code := b.run(file); code != exitDone {
			t.Errorf("exit code %d\n%s", code, b.errs.String())
		}
		if !slices.Equal(b.values(), []string{"1", "2"}) || b.log.Committed(fakePartition).At != 2 {
			t.Errorf("loaded %v, committed %v", b.values(), b.log.Committed(fakePartition))
		}
		if n := strings.Count(b.errs.String(), "msg=status connector=a"); n != 2 {
			t.Errorf("%d status lines in 25 s\n%s", n, b.errs.String())
		}
	})
}

func TestRunStopsAtTheSecondSignal(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	file := write(t, "name: a\nsource: fake\nsink: {fake: {refuse: hang}}\n")
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.log.Append(fakePartition, connectortest.R{Value: "1"})
		go func() {
			for range 2 {
				time.Sleep(time.Second)
				b.signals <- syscall.SIGINT
			}
		}()
		start := time.Now()
		code := b.run(file)
		if d := time.Since(start); code != exitFailed || d != 2*time.Second || !strings.Contains(b.errs.String(), "it will be read again") {
			t.Errorf("exit code %d after %s\n%s", code, d, b.errs.String())
		}
		close(b.release)
	})
}

func TestRunGoesOnWithoutTheOneThatFails(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	file := write(t, "name: a\nsource: fake\nsink: {fake: {refuse: fatal}}\n---\nname: b\nsource: fake\nsink: fake\n")
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.log.Append(fakePartition, connectortest.R{Value: "1"})
		go func() {
			time.Sleep(time.Second)
			if !slices.Equal(b.values(), []string{"1"}) {
				t.Errorf("loaded %v", b.values())
			}
			b.signals <- syscall.SIGINT
		}()
		if code := b.run("--log", "json", file); code != exitFailed {
			t.Errorf("exit code %d", code)
		}
		for _, want := range []string{`"msg":"failed","connector":"a"`, "this can't work", "1 of 2 connectors failed: a"} {
			if !strings.Contains(b.errs.String(), want) {
				t.Errorf("no %q in\n%s", want, b.errs.String())
			}
		}
	})
}

func TestRunEndsWhenAllFail(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	b := newBench()
	if code := b.run(write(t, "name: a\nsource: fake\nsink: {fake: {refuse: fatal}}\n")); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
}

func TestRunOpensAgain(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	file := write(t, "name: a\nsource: fake\nsink: {fake: {refuse: twice}}\n")
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.log.Append(fakePartition, connectortest.R{Value: "1"})
		go func() {
			time.Sleep(10 * time.Second)
			b.signals <- syscall.SIGTERM
		}()
		if code := b.run(file); code != exitDone || b.opened != 3 || !slices.Equal(b.values(), []string{"1"}) {
			t.Errorf("exit code %d, opened %d times, loaded %v\n%s", code, b.opened, b.values(), b.errs.String())
		}
	})
}

// TestSizes: the flag outranks all, and who sets GOMEMLIMIT has sized the process.
func TestSizes(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	if budget, limit := (runOptions{budget: 40 << 20}).sizes(); budget != 40<<20 || limit <= 0 || limit > 130<<20 {
		t.Errorf("--budget 40MiB: %d, %d", budget, limit)
	}
	container, _ := cgroup.MemoryLimit()
	want, _ := cgroup.Sizes(container, 0, defaultBudget)
	if budget, _ := (runOptions{}).sizes(); budget != want {
		t.Errorf("in a container of %d: %d, want %d", container, budget, want)
	}
	t.Setenv("GOMEMLIMIT", "1GiB")
	if budget, _ := (runOptions{}).sizes(); budget != defaultBudget {
		t.Errorf("with GOMEMLIMIT: %d", budget)
	}
}

func TestStatusLine(t *testing.T) {
	before := connector.Status{Totals: map[connector.Metric]int64{connector.MetricRead: 100}}
	now := connector.Status{
		Totals: map[connector.Metric]int64{connector.MetricRead: 350, connector.MetricWritten: 340, connector.MetricBuried: 2},
		Held:   77,
		Partitions: []connector.PartitionStatus{
			{Partition: connector.Partition{Topic: "t", ID: 0}, State: connector.StateRunning, Committed: 10, End: 15, Lag: 5},
			{Partition: connector.Partition{Topic: "t", ID: 1}, State: connector.StateHalted, Committed: -1, Position: 1, End: 4, Lag: 3, Error: "stuck"},
		},
	}
	got := statusLine(before, now, 10*time.Second)
	want := []any{"records_per_s", int64(25), "lag", int64(8), "written", int64(340), "dead_letters", int64(2), "partitions", 2,
		"held_bytes", int64(77), "halted", 1, "error", "t/1: stuck"}
	if !slices.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
}
