package connector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// aged makes records that are so many seconds old.
func aged(seconds ...int) (rs []R) {
	for _, s := range seconds {
		rs = append(rs, R{Value: "v", Timestamp: time.Now().Add(-time.Duration(s) * time.Second).UnixMilli()})
	}
	return rs
}

// about compares seconds.
func about(got, want float64) bool { return math.Abs(got-want) <= 0.05*want+0.02 }

// A slow sink takes so long for each call of so many records.
type slow struct {
	connector.LoaderFunc
	records int
}

func (s slow) Limits() connector.Limits { return connector.Limits{Records: s.records, InFlight: 1} }

func takes(d time.Duration, records int) slow {
	return slow{func(context.Context, *connector.Batch) error { time.Sleep(d); return nil }, records}
}

// TestLagInSeconds follows the oldest record that isn't committed, while a sink takes records one by one and refuses one.
func TestLagInSeconds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, aged(100, 90, 80, 70, 60, 50, 40, 30, 20, 10)...)
		var accept atomic.Bool
		s := slow{func(_ context.Context, b *connector.Batch) error {
			if b.At(0).Offset >= 4 && !accept.Load() {
				return errors.New("not yet")
			}
			return nil
		}, 1}
		began := time.Now()
		r := start(t, log, loading(s))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 4)
		got := r.state(p0)
		if want := 60 + time.Since(began).Seconds(); got.Lag != 6 || !about(got.LagSeconds, want) || got.CatchUp != -1 {
			t.Errorf("before a record of 60 s: lag %d, %v s, want %v s; catch up in %v s", got.Lag, got.LagSeconds, want, got.CatchUp)
		}
		accept.Store(true)
		r.waitCommitted(p0, 10)
		if got := r.state(p0); got.Lag != 0 || got.LagSeconds != 0 || got.CatchUp != 0 {
			t.Errorf("all committed: %+v", got)
		}
		accept.Store(false)
		log.Append(p0, aged(5)...)
		time.Sleep(time.Second)
		if got := r.state(p0); got.Lag != 1 || !about(got.LagSeconds, 6) {
			t.Errorf("a record of 6 s: lag %d, %v s", got.Lag, got.LagSeconds)
		}
	})
}

// TestLagBeforeAnythingIsRead: what waits has waited since the assignment at least.
func TestLagBeforeAnythingIsRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, aged(1000)...)
		r := start(t, log, loading(newSink()))
		for range cap(r.consumer.PollErrors) {
			r.consumer.PollErrors <- errors.New("no broker")
		}
		r.consumer.Assign(p0)
		time.Sleep(20 * time.Second)
		if got := r.state(p0); got.Lag != 1 || !about(got.LagSeconds, 20) {
			t.Errorf("lag %d, %v s, want 20 s", got.Lag, got.LagSeconds)
		}
	})
}

// TestLagOfManyBatches has more batches in the open range than there are marks, drops the range and reads them again.
func TestLagOfManyBatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 1100
		log := connectortest.NewLog()
		for i := range n {
			log.Append(p0, aged(10*n-10*i)...)
		}
		log.SetCommitted(connector.Offset{Partition: p0, At: 0})
		began := time.Now()
		c := newChain()
		c.rotation = connector.Rotation{Age: time.Minute}
		var lost atomic.Bool
		c.commit = func(connector.Partition, int) error {
			if !lost.Swap(true) {
				return connector.Lost.Errorf("another process")
			}
			return nil
		}
		r := start(t, log, staging(c))
		r.consumer.BatchSize = 1
		r.consumer.Assign(p0)
		check := func(what string) {
			t.Helper()
			want := 10*n + time.Since(began).Seconds()
			if got := r.state(p0); got.Lag != n || math.Abs(got.LagSeconds-want) > 1 {
				t.Errorf("%s: lag %d, %v s, want %v s", what, got.Lag, got.LagSeconds, want)
			}
		}
		r.wait("the range", func() bool { return r.state(p0).Staged == n })
		check("in the range")
		r.wait("the loss", func() bool { return lost.Load() })
		check("while it is read again")
		r.waitCommitted(p0, n)
		if got := r.state(p0); got.LagSeconds != 0 {
			t.Errorf("%v s when all is committed", got.LagSeconds)
		}
	})
}

// TestCatchUp drains ten records a second, against none that come, and against twenty.
func TestCatchUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(10000)...)
		r := start(t, log, loading(takes(time.Second, 10)))
		r.consumer.Assign(p0)
		if got := r.state(p0); got.CatchUp != -1 {
			t.Errorf("at first: %v s", got.CatchUp)
		}
		time.Sleep(5 * time.Minute)
		got := r.state(p0)
		if want := float64(got.End-got.Position) / 10; !about(got.CatchUp, want) || !about(got.ReadRate, 10) {
			t.Errorf("catch up in %v s at %v/s, want %v s", got.CatchUp, got.ReadRate, want)
		}
		for range 100 {
			log.Append(p0, numbered(20)...)
			time.Sleep(time.Second)
		}
		if got := r.state(p0); got.CatchUp != -1 {
			t.Errorf("although the lag grows: %v s", got.CatchUp)
		}
	})
}

// TestSteadyStateIsNoBacklog: records that are under way all the time don't make it look as if the lag stayed for ever.
func TestSteadyStateIsNoBacklog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(200)...)
		r := start(t, log, loading(takes(100*time.Millisecond, 10)))
		r.consumer.Assign(p0)
		for i := range 1200 {
			log.Append(p0, numbered(10)...)
			time.Sleep(100 * time.Millisecond)
			if got := r.state(p0); i > 100 && (got.CatchUp <= 0 || got.CatchUp > 10) {
				t.Fatalf("catch up in %v s, behind by %d", got.CatchUp, got.End-got.Position)
			}
		}
	})
}

func TestRetriesAndBurialsByKind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(4)...)
		s := newSink()
		s.fail = func(r *connector.Record, attempt int) error {
			switch {
			case r.Offset == 1:
				return connector.Permanent.Errorf("no such member")
			case attempt == 1:
				return errors.New("busy")
			case attempt == 2:
				return connector.Systemic.Errorf("no right")
			}
			return nil
		}
		handler := connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
			for i, r := range b.Records() {
				if r.Offset == 3 {
					b.Fail(i, connector.Permanent.Errorf("no rule"))
				}
			}
			return nil
		})
		r := start(t, log, loading(s), connector.WithHandlers(handler), connector.WithDeadLetter(&connectortest.DeadLetter{}))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 4)
		for m, want := range map[connector.Metric]int64{
			"retries": 4, "retries_retryable": 2, "retries_systemic": 2,
			"records_buried": 2, "records_buried_TASK_PUT": 1, "records_buried_TRANSFORMATION": 1,
		} {
			if got := r.metrics.of(m); got != want || r.c.Status().Totals[m] != want {
				t.Errorf("%s is %d and %d, want %d", m, got, r.c.Status().Totals[m], want)
			}
		}
		if got := r.state(p0); got.Error != "" || !strings.Contains(got.LastError, "no right") || got.LastAt.IsZero() {
			t.Errorf("%+v", got)
		}
	})
}

// Those that report.
type (
	reportingConsumer struct{ *connectortest.Consumer }
	reportingLetter   struct{ connectortest.DeadLetter }
)

func (reportingConsumer) Report() connector.Report {
	return connector.Report{Principal: "User:reader", Joined: true, Ends: map[connector.Partition]int64{p0: 7}}
}
func (*reportingLetter) Report() connector.Report { return connector.Report{Principal: "User:writer"} }

func TestStatusHoldsReports(t *testing.T) {
	load := connector.LoaderFunc(func(context.Context, *connector.Batch) error { return nil })
	plain, err := connector.New(connectortest.NewConsumer(connectortest.NewLog()), load, connector.WithDeadLetter(&connectortest.DeadLetter{}))
	if err != nil {
		t.Fatal(err)
	}
	if s := plain.Status(); s.Consumer != nil || s.DeadLetter != nil {
		t.Errorf("%+v", s)
	}
	c, err := connector.New(reportingConsumer{connectortest.NewConsumer(connectortest.NewLog())}, load, connector.WithDeadLetter(&reportingLetter{}))
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Status(); s.Consumer.Principal != "User:reader" || !s.Consumer.Joined || s.DeadLetter.Principal != "User:writer" {
		t.Errorf("%+v %+v", s.Consumer, s.DeadLetter)
	}
}

// TestLagOfWhatCantBeRead: what lies behind an open transaction, or in a paused partition, isn't in any batch, and is lag.
func TestLagOfWhatCantBeRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, aged(1, 1, 1)...)
		inner := connectortest.NewConsumer(log)
		c, err := connector.New(reportingConsumer{inner}, newSink(), quiet())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		synctest.Wait()
		inner.Assign(p0)
		time.Sleep(20 * time.Second)
		if got := c.Status().Partitions[0]; got.Committed != 3 || got.End != 7 || got.Lag != 4 || !about(got.LagSeconds, 21) || got.CatchUp != -1 {
			t.Errorf("%+v", got)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestStatusInJSON holds the names: others read them.
func TestStatusInJSON(t *testing.T) {
	text, err := json.Marshal(connector.Status{Partitions: []connector.PartitionStatus{{Partition: p1}}, Consumer: &connector.Report{}})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	p := got["partitions"].([]any)[0].(map[string]any)
	var names []string
	for name := range p {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"buried", "catch_up_seconds", "committed", "emitted", "end", "filtered", "held_bytes", "lag", "lag_seconds", "partition", "position",
		"read", "read_bytes", "records_per_second", "staged", "state", "topic", "written"}
	if !slices.Equal(names, want) || p["topic"] != "cars" || p["partition"] != 1. {
		t.Errorf("%q\nwant %q", names, want)
	}
}

// TestContentsAreLoggedForWhoAsks: where a record is, is logged; what it holds, only at a level below debug, on one line.
func TestContentsAreLoggedForWhoAsks(t *testing.T) {
	for level, want := range map[slog.Level][]string{
		slog.LevelDebug:     nil,
		slog.LevelDebug - 4: {`key="k\\r\\nlevel=ERROR"`, `value="secret-`, strings.Repeat("x", 249) + "... (1007 bytes)"},
	} {
		bubble(t, func(t *testing.T) {
			log := connectortest.NewLog()
			log.Append(p0, R{Key: "k\r\nlevel=ERROR", Value: "secret-" + strings.Repeat("x", 1000)})
			s := newSink()
			s.fail = func(*connector.Record, int) error { return connector.Permanent.Errorf("no") }
			var text bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: level}))
			r := start(t, log, loading(s), connector.WithDeadLetter(&connectortest.DeadLetter{}), connector.WithLogger(logger))
			r.consumer.Assign(p0)
			r.waitCommitted(p0, 1)
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			got := text.String()
			for _, w := range want {
				if !strings.Contains(got, w) {
					t.Errorf("%s: no %q in %s", level, w, got)
				}
			}
			if want == nil && (strings.Contains(got, "secret") || strings.Contains(got, "level=ERROR")) || !strings.Contains(got, "offset=0 stage=TASK_PUT") {
				t.Errorf("%s: %s", level, got)
			}
			for _, line := range strings.Split(strings.TrimSpace(got), "\n") {
				if !strings.HasPrefix(line, "time=") {
					t.Errorf("a line that a record made: %q", line)
				}
			}
		})
	}
}
