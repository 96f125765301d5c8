package connector_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

func TestRevokedPartitionsAreDrainedAndCommitted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(200)...)
		s := newSink()
		s.limits = connector.Limits{Records: 10}
		slow := slowly{s, 100 * time.Millisecond}
		a := start(t, log, loading(slow), connector.WithCommitInterval(time.Hour))
		a.consumer.Assign(p0)
		time.Sleep(450 * time.Millisecond)
		a.consumer.Revoke(t.Context(), p0)
		stored := len(s.values())
		if at := log.Committed(p0).At; at != int64(stored) || stored == 0 || stored == 200 {
			t.Errorf("%d stored, %d committed when the revoke returned: want the same, and not all", stored, at)
		}
		b := start(t, log, loading(slow))
		b.consumer.Assign(p0)
		b.waitCommitted(p0, 200)
		if got := s.values(); len(got) != 200 || !slices.IsSortedFunc(got, func(x, y string) int { return len(x) - len(y) }) {
			t.Errorf("%d records stored by two members, want each of 200 once and in order", len(got))
		}
	})
}

// A revoke waits for what was begun, and for what lies before that in other lanes: not for all that is queued, and nothing is written twice.
func TestARevokeLeavesWhatIsOnlyQueued(t *testing.T) {
	for name, l := range map[string]func(slowly) connector.Loader{
		"in order": func(s slowly) connector.Loader { return s },
		"by key":   func(s slowly) connector.Loader { return slowlyKeyed{keyed{s.sink}, s.delay} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(2000)...)
				s := newSink()
				s.limits = connector.Limits{Records: 10, InFlight: 4}
				a := start(t, log, loading(l(slowly{s, time.Second})), connector.WithCommitInterval(time.Hour))
				a.consumer.BatchSize = 1000
				a.consumer.Assign(p0)
				time.Sleep(4500 * time.Millisecond)
				before := time.Now()
				a.consumer.Revoke(t.Context(), p0)
				if d := time.Since(before); d > 15*time.Second {
					t.Errorf("the revoke took %s of the 20 s that it may, with calls of 1 s", d)
				}
				stored := len(s.values())
				if at := log.Committed(p0).At; at != int64(stored) || stored == 0 || stored > 1000 {
					t.Errorf("%d stored, %d committed when the revoke returned: want the same, and not nearly all of 2,000", stored, at)
				}
				b := start(t, log, loading(l(slowly{s, time.Millisecond})))
				b.consumer.Assign(p0)
				b.waitCommitted(p0, 2000)
				if n := len(s.values()); n != 2000 {
					t.Errorf("%d records were written by two members, want each of 2,000 once", n)
				}
				if n := a.metrics.of(connector.MetricLateAcks); n > 0 {
					t.Errorf("%d late acks", n)
				}
			})
		})
	}
}

func TestARevokeReturnsThoughTheSinkHangs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(20)...)
		s := newSink()
		s.hang = make(chan struct{})
		a := start(t, log, loading(s), connector.WithDrainTimeout(7*time.Second))
		a.consumer.Assign(p0)
		time.Sleep(time.Second)
		before := time.Now()
		a.consumer.Revoke(t.Context(), p0)
		if d := time.Since(before); d != 7*time.Second {
			t.Errorf("the revoke took %s, want the drain timeout of 7s", d)
		}
		// Another member gets on; then the first one's call succeeds after all.
		s2 := newSink()
		b := start(t, log, loading(s2))
		b.consumer.Assign(p0)
		b.waitCommitted(p0, 20)
		close(s.hang)
		a.wait("the late ack", func() bool { return a.metrics.of(connector.MetricLateAcks) > 0 })
		time.Sleep(10 * time.Second)
		if commits := log.Commits(); commits[len(commits)-1].At != 20 || log.Committed(p0).At != 20 {
			t.Errorf("a late ack moved the group: %v", commits)
		}
		if n := a.consumer.Held(); n != 0 {
			t.Errorf("%d batches are still held after the late ack", n)
		}
	})
}

func TestLostPartitionsCommitNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(20)...)
		s := newSink()
		a := start(t, log, loading(s), connector.WithCommitInterval(time.Hour))
		a.consumer.Assign(p0)
		a.wait("delivery", func() bool { return len(s.values()) == 20 })
		a.consumer.Lose(p0)
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		if n := len(log.Commits()); n != 0 {
			t.Errorf("%d commits of a partition that was lost", n)
		}
	})
}

func TestReassignedPartitionsGoOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		s := newSink()
		a := start(t, log, loading(s))
		for round := range 5 {
			log.Append(p0, numbered(20)...)
			log.Append(p1, numbered(20)...)
			a.consumer.Assign(p0, p1)
			a.waitCommitted(p0, int64(20*(round+1)))
			a.waitCommitted(p1, int64(20*(round+1)))
			if round%2 == 0 {
				a.consumer.Revoke(t.Context(), p0, p1)
			} else {
				a.consumer.Lose(p0, p1)
			}
		}
		if len(s.values()) != 200 {
			t.Errorf("%d stored, want 200", len(s.values()))
		}
	})
}

func TestShutdownDrainsAndCommits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(500)...)
		s := newSink()
		s.limits = connector.Limits{Records: 5}
		slow := slowly{s, 50 * time.Millisecond}
		a := start(t, log, loading(slow), connector.WithCommitInterval(time.Hour))
		a.consumer.Assign(p0)
		time.Sleep(time.Second)
		if err := a.stop(); err != nil {
			t.Fatal(err)
		}
		if at, n := log.Committed(p0).At, len(s.values()); at != int64(n) || n == 0 || n == 500 {
			t.Errorf("%d stored, %d committed, want the same and not all", n, at)
		}
	})
}

func TestADeadSinkHoldsBoundedMemory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		for range 1000 {
			log.Append(p0, numbered(10)...)
			log.Append(p1, numbered(10)...)
		}
		down := true
		s := newSink()
		s.whole = func(int) error {
			if down {
				return errors.New("connection refused")
			}
			return nil
		}
		budget := connector.NewBudget(10_000)
		r := start(t, log, func(c connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
			c.(*connectortest.Consumer).Size = 1000
			return connector.New(c, s, opts...)
		}, connector.WithBudget(budget))
		r.consumer.Assign(p0, p1)
		time.Sleep(time.Hour)
		held := r.consumer.Held()
		time.Sleep(5 * time.Hour)
		if later := r.consumer.Held(); later != held || held > 40 {
			t.Errorf("%d batches held after an hour, %d after six", held, later)
		}
		// A rebalance completes meanwhile.
		before := time.Now()
		r.consumer.Revoke(t.Context(), p1)
		if d := time.Since(before); d > 20*time.Second {
			t.Errorf("the revoke took %s", d)
		}
		s.mu.Lock()
		down = false
		s.mu.Unlock()
		r.waitCommitted(p0, 10_000)
		r.consumer.Assign(p1)
		r.waitCommitted(p1, 10_000)
	})
}

func TestASlowPartitionDoesNotStopOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		for range 300 {
			log.Append(p0, numbered(10)...)
			log.Append(p1, numbered(10)...)
		}
		s := newSink()
		stuck := make(chan struct{})
		l := connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
			if b.Source().ID == 0 {
				select {
				case <-stuck:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return s.Load(ctx, b)
		})
		r := start(t, log, func(c connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
			c.(*connectortest.Consumer).Size = 20_000
			return connector.New(c, l, opts...)
		}, connector.WithBudget(connector.NewBudget(4_000_000)))
		r.consumer.Assign(p0, p1)
		r.waitCommitted(p1, 3000)
		if n := r.consumer.Pauses(); n < 1 || n > 20 {
			t.Errorf("%d pauses: want some, and far fewer than fetches", n)
		}
		close(stuck)
		r.waitCommitted(p0, 3000)
	})
}

func TestAFailedCommitIsRepeatedAndOffsetsOnlyGoForward(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(20)...)
		fails := 3
		r := start(t, log, func(c connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
			c.(*connectortest.Consumer).CommitError = func([]connector.Offset) error {
				if fails--; fails >= 0 {
					return errors.New("coordinator not available")
				}
				return nil
			}
			return connector.New(c, newSink(), opts...)
		})
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 20)
		log.Append(p0, numbered(5)...)
		r.waitCommitted(p0, 25)
		last := int64(-1)
		for _, o := range log.Commits() {
			if o.At < last {
				t.Errorf("commits went back: %v", log.Commits())
			}
			last = o.At
		}
	})
}

func TestPollErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p1, numbered(5)...)
		r := start(t, log, loading(newSink()))
		r.consumer.Assign(p0, p1)
		r.consumer.PollErrors <- errors.Join(
			&connector.PartitionError{Partition: p0, Err: connector.Permanent.Errorf("offsets 3 to 9 are gone")},
			errors.New("broker 1 doesn't answer"))
		r.waitCommitted(p1, 5)
		r.wait("the halt", func() bool { return r.state(p0).State == connector.StateHalted })
		if got := r.state(p0).Error; got != "partition cars/0: offsets 3 to 9 are gone" {
			t.Errorf("error %q", got)
		}
		log.Append(p0, numbered(5)...)
		log.Append(p1, numbered(5)...)
		r.waitCommitted(p1, 10)
		if at := log.Committed(p0).At; at > 0 {
			t.Errorf("committed %d of a halted partition", at)
		}
		r.consumer.PollErrors <- connector.Fatal.Errorf("topic cars doesn't exist")
		r.wait("the end", r.consumer.Closed)
		if err := r.stop(); err == nil {
			t.Error("Run returned nil after a fatal error")
		}
	})
}

func TestABudgetIsSharedWithFloors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		budget := connector.NewBudget(2_000_000)
		stuck, free := connectortest.NewLog(), connectortest.NewLog()
		for range 100 {
			stuck.Append(p0, numbered(10)...)
			free.Append(p0, numbered(10)...)
		}
		dead := newSink()
		dead.whole = func(int) error { return errors.New("down") }
		build := func(l connector.Loader) func(connector.Consumer, ...connector.Option) (*connector.Connector, error) {
			return func(c connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
				c.(*connectortest.Consumer).Size = 40_000
				return connector.New(windowed{c, 100_000}, l, opts...)
			}
		}
		a := start(t, stuck, build(dead), connector.WithBudget(budget), connector.WithName("a"))
		b := start(t, free, build(newSink()), connector.WithBudget(budget), connector.WithName("b"))
		a.consumer.Assign(p0)
		time.Sleep(time.Hour)
		b.consumer.Assign(p0)
		b.waitCommitted(p0, 1000)
		if held := a.c.Status().Held; held > 2_000_000 {
			t.Errorf("a stuck connector holds %d of 2000000", held)
		}
	})
}

// slowly is a sink that takes its time.
type slowly struct {
	*sink
	delay time.Duration
}

func (s slowly) Load(ctx context.Context, b *connector.Batch) error {
	time.Sleep(s.delay)
	return s.sink.Load(ctx, b)
}

type slowlyKeyed struct {
	keyed
	delay time.Duration
}

// Key spreads the keys over all lanes.
func (s slowlyKeyed) Key(b *connector.Batch, i int) (uint64, bool) {
	return uint64(b.At(i).Offset+1) * 0x9e3779b97f4a7c15, true
}

func (s slowlyKeyed) Load(ctx context.Context, b *connector.Batch) error {
	time.Sleep(s.delay)
	return s.keyed.Load(ctx, b)
}

// windowed is a Consumer that says how much one Poll may return.
type windowed struct {
	connector.Consumer
	window int64
}

func (w windowed) Window() int64 { return w.window }

func TestExpiredOffsetsStopThePartition(t *testing.T) {
	for name, c := range map[string]struct {
		committed int64
		want      string
	}{
		"expired":   {10, "offsets 10 to 49 of cars/0 are gone"},
		"truncated": {90, "ends at offset 60, but offset 90 was to be read next"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(60)...)
				log.Append(p1, numbered(5)...)
				log.Truncate(p0, 50)
				log.SetCommitted(connector.Offset{Partition: p0, At: c.committed})
				s := newSink()
				r := start(t, log, loading(s))
				r.consumer.Assign(p0, p1)
				r.waitCommitted(p1, 5)
				if st := r.state(p0); st.State != connector.StateHalted || !strings.Contains(st.Error, c.want) || !strings.Contains(st.Error, "set on_gap to earliest (at offset 50) or to latest (at offset 60)") {
					t.Errorf("status %+v", st)
				}
				if at := log.Committed(p0).At; at != c.committed || len(s.values()) != 5 {
					t.Errorf("went on: committed %d, stored %v", at, s.values())
				}
			})
		})
	}
}

func TestARevokeDoesNotWaitForWhatHasNotBegun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(20)...)
		h := connector.HandlerFunc(func(context.Context, *connector.Batch) error { return errors.New("lookup is down") })
		r := start(t, log, loading(newSink()), connector.WithHandlers(h))
		r.consumer.Assign(p0)
		time.Sleep(time.Minute)
		before := time.Now()
		r.consumer.Revoke(t.Context(), p0)
		if d := time.Since(before); d > 0 {
			t.Errorf("the revoke took %s though nothing had reached the sink", d)
		}
	})
}

func TestABatchOfAnEarlierAssignmentIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		s := newSink()
		late := &latePoll{gate: make(chan struct{})}
		r := start(t, log, func(c connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
			late.Consumer = c
			return connector.New(late, s, opts...)
		})
		r.consumer.Assign(p0)
		time.Sleep(time.Second)
		late.armed.Store(true)
		log.Append(p0, numbered(10)...)
		time.Sleep(time.Second) // the batch is fetched, but its Poll hasn't returned
		r.consumer.Lose(p0)
		r.consumer.Assign(p0)
		time.Sleep(time.Second)
		late.armed.Store(false)
		close(late.gate)
		r.waitCommitted(p0, 10)
		if n := len(s.values()); n != 10 {
			t.Errorf("%d records delivered, want 10: a batch of the assignment before came through", n)
		}
	})
}

// latePoll is a Consumer whose Poll returns late while it is armed.
type latePoll struct {
	connector.Consumer
	armed atomic.Bool
	gate  chan struct{}
}

func (l *latePoll) Poll(ctx context.Context) ([]*connector.Batch, error) {
	bs, err := l.Consumer.Poll(ctx)
	if l.armed.Load() && len(bs) > 0 {
		<-l.gate
	}
	return bs, err
}
