package connector_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// mending is a chain that wants the offsets from..until-1 once more, and stands at next.
func mending(from, until, next int64) *chain {
	c := newChain()
	c.links[p0] = []link{{next: next}}
	c.first = func(connector.Assignment) *connector.Position {
		if c.mended != nil {
			return nil
		}
		return &connector.Position{At: 1, ReadFrom: from, Until: until, Meta: "mending"}
	}
	return c
}

func TestAStagerMendsARange(t *testing.T) {
	for name, c := range map[string]struct{ from, until, committed int64 }{
		"in the middle of a batch": {5, 17, 33},
		"a whole batch":            {10, 20, 33},
		"up to a hole":             {15, 33, 33}, // there are no offsets 30 to 39
		"one record":               {7, 8, 33},
		"the group is behind":      {7, 8, 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(30)...)
				log.Append(p0, R{Value: "v40", Offset: 40}, R{Value: "v41"})
				log.SetCommitted(connector.Offset{Partition: p0, At: c.committed, Meta: "hint"})
				m := mending(c.from, c.until, 33)
				m.rotation = connector.Rotation{Age: time.Nanosecond, Adaptive: true}
				m.sizing = func(int) connector.Size { return connector.Size{Open: 1, Full: 1, Due: true} }
				m.commit = slowCommits(func(connector.Partition, int) error { return nil })
				m.after = func(r connector.Range) *connector.Position {
					if r.Reason == connector.RotateMend {
						if o := log.Committed(p0); o.At != c.committed || o.Meta != "hint" {
							t.Errorf("committed %+v while mending", o)
						}
					}
					return nil
				}
				r := start(t, log, staging(m))
				r.consumer.Assign(p0)
				r.waitCommitted(p0, 42)
				read := min(c.until, 30) - c.from
				want := connector.Range{From: c.from, Next: c.until, First: c.from, Last: c.from + read - 1, Read: read, Written: read, Reason: connector.RotateMend}
				if m.spans()[0] != want {
					t.Errorf("mended %+v\nwant   %+v", m.spans()[0], want)
				}
				if want := values(int(c.from), int(c.from+read)); !slices.Equal(m.mended, want) {
					t.Errorf("mended %q, want %q", m.mended, want)
				}
				if got := m.all(p0); !slices.Equal(got, []string{"v40", "v41"}) || m.spans()[1].From != 33 {
					t.Errorf("then %q, %+v", got, m.spans()[1])
				}
				if n := r.metrics.of(connector.MetricWritten); n != 2 {
					t.Errorf("%d records counted as written, want 2: those mended were counted before", n)
				}
			})
		})
	}
}

// What failed the first time fails again. It is in the dead letter already, and stops nothing.
func TestWhatIsMendedIsNotBuriedAgain(t *testing.T) {
	for _, letters := range []bool{true, false} {
		t.Run(fmt.Sprintf("dead letter %t", letters), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, R{Value: "v0"}, R{Value: "\xff"}, R{Value: "refused"}, R{Value: "v3"}, R{Value: "drop"})
				m := mending(0, 5, 5)
				m.refuse = func(r *connector.Record) error {
					if text(r.Value) == "refused" {
						return connector.Permanent.Errorf("no")
					}
					return nil
				}
				dead := &connectortest.DeadLetter{}
				opts := []connector.Option{connector.WithHandlers(dropping())}
				if letters {
					opts = append(opts, connector.WithDeadLetter(dead))
				}
				r := start(t, log, staging(m), opts...)
				r.consumer.Assign(p0)
				r.wait("the mend", func() bool { return len(m.spans()) == 1 })
				want := connector.Range{From: 0, Next: 5, First: 0, Last: 4, Read: 5, Written: 2, Filtered: 1, Buried: 2, Reason: connector.RotateMend}
				if m.spans()[0] != want || !slices.Equal(m.mended, []string{"v0", "v3"}) {
					t.Errorf("mended %q, %+v, want %+v", m.mended, m.spans()[0], want)
				}
				if n := len(dead.Buried()); n != 0 {
					t.Errorf("%d dead letters", n)
				}
				log.Append(p0, R{Value: "v5"})
				r.waitCommitted(p0, 6)
				if n := r.metrics.of(connector.MetricFiltered); n != 0 {
					t.Errorf("%d records counted as filtered: they were counted before", n)
				}
			})
		})
	}
}

// dropping is a handler that drops the records "drop".
func dropping() connector.Handler {
	return connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
		for i, r := range b.Records() {
			if text(r.Value) == "drop" {
				b.Filter(i)
			}
		}
		return nil
	})
}

func TestAMendIsNeverCutShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(15)...)
		m := mending(0, 30, 30)
		m.buffered = 1000
		m.rotation = connector.Rotation{Age: time.Second, Seal: time.Minute}
		r := start(t, log, staging(m), connector.WithBudget(connector.NewBudget(100)))
		r.consumer.Assign(p0)
		time.Sleep(time.Hour) // age, memory, quiet
		if len(m.spans()) != 0 || r.state(p0).Position != 15 {
			t.Errorf("ranges %+v, position %d", m.spans(), r.state(p0).Position)
		}
		r.consumer.Revoke(t.Context(), p0)
		if len(m.spans()) != 0 || m.aborted != 1 || log.Committed(p0).At >= 0 && log.Committed(p0).At != 0 {
			t.Errorf("ranges %+v, aborted %d, committed %+v: half a mend was committed", m.spans(), m.aborted, log.Committed(p0))
		}
		log.Append(p0, numbered(20)...)
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 35)
		if m.spans()[0].Next != 30 || len(m.mended) != 30 {
			t.Errorf("ranges %+v", m.spans())
		}
	})
}

func TestAMendNeedsItsOffsets(t *testing.T) {
	for _, when := range []string{"at the start", "while reading"} {
		t.Run(when, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(20)...)
				m := mending(5, 40, 40)
				if when == "at the start" {
					log.Truncate(p0, 8)
				}
				r := start(t, log, staging(m), connector.WithGapPolicy(connector.GapEarliest))
				r.consumer.Assign(p0)
				time.Sleep(time.Second)
				if when != "at the start" {
					r.consumer.Pause(p0)
					log.Append(p0, numbered(20)...)
					log.Truncate(p0, 30)
					r.consumer.Resume(p0)
				}
				r.waitHalted(p0, "are gone: the log starts at", "needed to write a file again", "from offsets 5 to 39", "another chain")
				if len(m.spans()) > 0 {
					t.Errorf("ranges %+v", m.spans())
				}
			})
		})
	}
}

// The sink may ask for one range after the other, and after any commit.
func TestMendsFollowEachOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(40)...)
		c := newChain()
		c.rotation.Records = 10
		c.rotation.Adaptive = true
		c.after = func(r connector.Range) *connector.Position {
			switch {
			case r.Next == 20 && r.Reason == connector.RotateSize:
				return &connector.Position{At: 2, ReadFrom: 3, Until: 6}
			case r.Next == 6:
				return &connector.Position{At: 2, ReadFrom: 12, Until: 14}
			}
			return nil
		}
		r := start(t, log, staging(c))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 40)
		wantOnce(t, c.all(p0), 40)
		if want := append(values(3, 6), values(12, 14)...); !slices.Equal(c.mended, want) {
			t.Errorf("mended %q, want %q", c.mended, want)
		}
		for i, o := range log.Commits() {
			if o.At < 20 && i > 0 && log.Commits()[i-1].At >= 20 {
				t.Errorf("commits %+v", log.Commits())
			}
		}
	})
}

func TestASealFollowsOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(3)...)
		c := newChain()
		c.rotation = connector.Rotation{Age: time.Minute, Seal: time.Hour}
		r := start(t, log, staging(c))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 3)
		time.Sleep(time.Hour - 10*time.Second)
		if len(c.spans()) != 1 {
			t.Errorf("ranges %+v before the hour is over", c.spans())
		}
		time.Sleep(24 * time.Hour)
		want := connector.Range{From: 3, Next: 3, First: -1, Last: -1, Reason: connector.RotateSeal}
		if len(c.spans()) != 2 || c.spans()[1] != want {
			t.Errorf("ranges %+v, want one seal", c.spans())
		}
		if o := log.Committed(p0); o.At != 3 || o.Meta != "seq 1" {
			t.Errorf("committed %+v", o)
		}
		log.Append(p0, R{Value: "v3"})
		r.waitCommitted(p0, 4)
		wantOnce(t, c.all(p0), 4)
		time.Sleep(24 * time.Hour)
		if len(c.spans()) != 4 || c.spans()[3].Reason != connector.RotateSeal {
			t.Errorf("ranges %+v", c.spans())
		}
		if a, b := r.metrics.of("rotations_seal"), r.metrics.of("files_seal"); a != 2 || b != 0 {
			t.Errorf("%d seals with %d files counted", a, b)
		}
	})
}

// A range that is open needs no seal, even if it gets old.
func TestNoSealWhileARangeIsOpen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		c := newChain()
		c.rotation = connector.Rotation{Age: 24 * time.Hour, Seal: time.Hour}
		r := start(t, log, staging(c))
		r.consumer.Assign(p0)
		time.Sleep(30 * time.Minute)
		log.Append(p0, numbered(3)...)
		time.Sleep(8 * time.Hour)
		if len(c.spans()) != 0 {
			t.Errorf("ranges %+v", c.spans())
		}
	})
}

func TestASealThatIsLostRecovers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(10)...)
		c := newChain()
		c.rotation = connector.Rotation{Age: time.Minute, Seal: time.Hour}
		r := start(t, log, staging(c))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 10)
		r.consumer.Pause(p0)
		for i := range 5 {
			log.Append(p0, R{Value: fmt.Sprintf("v%d", 10+i)})
		}
		c.mu.Lock()
		c.links[p0] = append(c.links[p0], link{next: 12, lines: values(10, 12)})
		c.mu.Unlock()
		time.Sleep(90 * time.Minute)
		r.waitCommitted(p0, 15)
		wantOnce(t, c.all(p0), 15)
	})
}

func TestNoRangeForNothing(t *testing.T) {
	t.Run("stopped at its first record", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			log := connectortest.NewLog()
			log.Append(p0, R{Value: "\xff"}, R{Value: "v1"})
			c := newChain()
			r := start(t, log, staging(c))
			r.consumer.Assign(p0)
			r.waitHalted(p0, "offset 0")
			_ = r.stop()
			if len(c.spans()) != 0 || c.aborted == 0 {
				t.Errorf("ranges %+v, %d aborted", c.spans(), c.aborted)
			}
		})
	})
	t.Run("a batch of offsets that are written", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			log := connectortest.NewLog()
			log.Append(p0, numbered(10)...)
			c := newChain()
			again := &repeater{}
			r := start(t, log, func(consumer connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
				again.Consumer = consumer
				return connector.NewStaged(again, c, opts...)
			})
			r.consumer.Assign(p0)
			r.waitCommitted(p0, 10)
			again.add(nil, connector.NewBatch(connector.Source{Partition: p0, Next: 10}, connectortest.Records(9, R{Value: "again"}), nil))
			time.Sleep(time.Hour)
			if len(c.spans()) != 1 {
				t.Errorf("ranges %+v", c.spans())
			}
			log.Append(p0, R{Value: "v10"})
			r.waitCommitted(p0, 11)
			wantOnce(t, c.all(p0), 11)
		})
	})
	t.Run("nothing but holes", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			log := connectortest.NewLog()
			c := newChain()
			again := &repeater{}
			r := start(t, log, func(consumer connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
				again.Consumer = consumer
				return connector.NewStaged(again, c, opts...)
			})
			r.consumer.Assign(p0)
			time.Sleep(time.Second)
			again.add(nil, connector.NewBatch(connector.Source{Partition: p0, Next: 7}, nil, nil))
			r.waitCommitted(p0, 7)
			if want := (connector.Range{From: 0, Next: 7, First: -1, Last: -1, Reason: connector.RotateAge}); len(c.spans()) != 1 || c.spans()[0] != want {
				t.Errorf("ranges %+v, want %+v", c.spans(), want)
			}
		})
	})
}

// repeater is a Consumer that returns what a test adds.
type repeater struct {
	connector.Consumer
	mu      sync.Mutex
	batches []*connector.Batch
	err     error
}

// add lets one of the next polls return batches and an error, together.
func (r *repeater) add(err error, bs ...*connector.Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches, r.err = bs, err
}

func (r *repeater) Poll(ctx context.Context) ([]*connector.Batch, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	bs, err := r.Consumer.Poll(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.batches != nil {
		bs, err = append(bs, r.batches...), r.err
		r.batches, r.err = nil, nil
	} else if ctx.Err() != nil && len(bs) == 0 {
		return nil, nil
	}
	return bs, err
}

// What the range speaks for is what became of the records that it speaks for, also where it has to end early.
func TestARangeThatEndsEarlyCountsOnlyItsRecords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, R{Value: "v0"}, R{Value: "drop"}, R{Value: "v2"}, R{Value: "bad"}, R{Value: "drop"}, R{Value: "drop"})
		c := newChain()
		c.refuse = func(r *connector.Record) error {
			if text(r.Value) == "bad" {
				return connector.Permanent.Errorf("no")
			}
			return nil
		}
		r := start(t, log, staging(c), connector.WithHandlers(dropping()))
		r.consumer.Assign(p0)
		r.waitHalted(p0, "offset 3")
		want := connector.Range{From: 0, Next: 3, First: 0, Last: 2, Read: 3, Written: 2, Filtered: 1, Reason: connector.RotateDrain}
		if len(c.spans()) != 1 || c.spans()[0] != want {
			t.Errorf("ranges %+v\nwant   %+v", c.spans(), want)
		}
	})
}

// A record that stops a partition stops it no more when another process got past it.
func TestAnotherProcessGetsPastTheRecord(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(3)...)
		log.Append(p0, R{Value: "\xff"})
		log.Append(p0, numbered(3)...)
		c := newChain()
		c.first = func(connector.Assignment) *connector.Position {
			if c.recovers == 2 {
				c.links[p0] = []link{{next: 5}}
			}
			return nil
		}
		r := start(t, log, staging(c))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 7)
		if got := c.all(p0); !slices.Equal(got, values(1, 3)) {
			t.Errorf("lines %q", got)
		}
	})
}

func TestASinkThatIsFullIsCommitted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(35)...)
		c := newChain()
		c.rotation.Age = time.Hour
		c.sizing = func(lines int) connector.Size {
			return connector.Size{Open: 3, Full: 2, Due: lines >= 20}
		}
		r := start(t, log, staging(c))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 20)
		if len(c.spans()) != 1 || c.spans()[0].Reason != connector.RotateSize {
			t.Errorf("ranges %+v", c.spans())
		}
		if a, b, all := r.metrics.of("rotations_size"), r.metrics.of("files_size"), r.metrics.of(connector.MetricFiles); a != 1 || b != 5 || all != 5 {
			t.Errorf("%d rotations with %d of %d files", a, b, all)
		}
		_ = r.stop()
		if a, b := r.metrics.of("rotations_drain"), r.metrics.of(connector.MetricRotations); a != 1 || b != 2 {
			t.Errorf("%d drains of %d rotations", a, b)
		}
	})
}

func TestNotesAreLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		c := newChain()
		c.first = func(connector.Assignment) *connector.Position {
			return &connector.Position{Notes: []string{"the group's offset was set back"}}
		}
		c.after = func(r connector.Range) *connector.Position {
			return &connector.Position{At: 1, ReadFrom: r.Next, Notes: []string{"a rule is short"}}
		}
		c.rotation.Age = time.Hour
		c.sizing = func(int) connector.Size { return connector.Size{Open: 1, Note: "too many open files"} }
		warned := &warnings{}
		r := start(t, log, staging(c), connector.WithLogger(slog.New(warned)))
		r.consumer.Assign(p0)
		for range 25 { // minutes
			log.Append(p0, R{Value: "x"})
			time.Sleep(time.Minute)
		}
		_ = r.stop()
		for note, times := range map[string]int{"the group's offset was set back": 1, "a rule is short": 1, "too many open files": 3} {
			if n := warned.count(note); n != times {
				t.Errorf("%q was logged %d times, want %d: %q", note, n, times, warned.lines)
			}
		}
	})
}

// warnings is a log of warnings.
type warnings struct {
	mu    sync.Mutex
	lines []string
}

func (w *warnings) count(text string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.lines {
		n += strings.Count(l, text)
	}
	return n
}

func (w *warnings) Enabled(_ context.Context, l slog.Level) bool { return l == slog.LevelWarn }
func (w *warnings) WithAttrs([]slog.Attr) slog.Handler           { return w }
func (w *warnings) WithGroup(string) slog.Handler                { return w }
func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	w.lines = append(w.lines, line)
	return nil
}

func TestTheFirstRangeIsShorter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const age = 10 * time.Second
		log := connectortest.NewLog()
		c := newChain()
		var ps []connector.Partition
		for id := range int32(8) {
			ps = append(ps, connector.Partition{Topic: "cars", ID: id})
		}
		at := map[connector.Partition][]time.Duration{}
		began := time.Now()
		c.commit = func(p connector.Partition, _ int) error {
			at[p] = append(at[p], time.Since(began))
			return nil
		}
		r := start(t, log, staging(c))
		r.consumer.Assign(ps...)
		for range 300 {
			for _, p := range ps {
				log.Append(p, R{Value: "x"})
			}
			time.Sleep(100 * time.Millisecond)
		}
		_ = r.stop()
		var first []time.Duration
		for _, p := range ps {
			if at[p][0] < age/2 || at[p][0] >= age {
				t.Errorf("%s: the first commit after %s", p, at[p][0])
			}
			if d := at[p][1] - at[p][0]; d < age || d > age+200*time.Millisecond {
				t.Errorf("%s: the second commit %s after the first", p, d)
			}
			first = append(first, at[p][0])
		}
		slices.Sort(first)
		for i := range first[1:] {
			if d := first[i+1] - first[i]; d < age/2/8/3 {
				t.Errorf("two partitions commit within %s: %s", d, first)
			}
		}
	})
}

// Age counts from the first record, whatever Stage takes.
func TestAgeCountsFromTheFirstRecord(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(1)...)
		c := newChain()
		c.rotation.Age = 20 * time.Second
		slow := slowStager{c, 4 * time.Second}
		r := start(t, log, staging(slow))
		before := time.Now()
		r.consumer.Assign(p0)
		r.wait("the commit", func() bool { return len(c.all(p0)) == 1 })
		if d := time.Since(before); d >= 20*time.Second {
			t.Errorf("committed after %s", d)
		}
		before = time.Now()
		log.Append(p0, numbered(1)...)
		r.wait("the commit", func() bool { return len(c.all(p0)) == 2 })
		if d := time.Since(before); d < 20*time.Second || d > 20*time.Second+time.Second/2 {
			t.Errorf("committed after %s", d)
		}
	})
}

type slowStager struct {
	*chain
	delay time.Duration
}

func (s slowStager) Stage(ctx context.Context, p connector.Partition, at connector.Position, r connector.Retrier) (connector.Staged, error) {
	time.Sleep(s.delay)
	return s.chain.Stage(ctx, p, at, r)
}

func TestAStagerKnowsConnectorAndPlan(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.SetCommitted(connector.Offset{Partition: p0, At: 0, Meta: "hint"})
		c := newChain()
		c.first = func(connector.Assignment) *connector.Position {
			time.Sleep(time.Minute) // commits go on meanwhile
			return nil
		}
		r := start(t, log, staging(c), connector.WithName("lake"), connector.WithPlan("abc"), connector.WithGapPolicy(connector.GapLatest))
		r.consumer.Assign(p0)
		time.Sleep(30 * time.Second)
		if o := log.Committed(p0); o.Meta != "hint" {
			t.Errorf("committed %+v before the sink has said where the partition stands", o)
		}
		time.Sleep(time.Minute)
		c.mu.Lock()
		a := c.assigned[0]
		c.mu.Unlock()
		if a.Connector != "lake" || a.Plan != "abc" || a.OnGap != connector.GapLatest || a.Group != "script" || a.Initial != 0 || a.Meta != "hint" {
			t.Errorf("recovered with %+v", a)
		}
	})
}
