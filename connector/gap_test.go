package connector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/serde"
)

// values are v<from> to v<to-1>.
func values(from, to int) (out []string) {
	for ; from < to; from++ {
		out = append(out, fmt.Sprintf("v%d", from))
	}
	return out
}

func (r *rig) waitHalted(p connector.Partition, parts ...string) {
	r.t.Helper()
	r.wait("the halt", func() bool { return r.state(p).State == connector.StateHalted })
	for _, part := range parts {
		if got := r.state(p).Error; !strings.Contains(got, part) {
			r.t.Errorf("%q isn't in: %s", part, got)
		}
	}
}

// wantGap checks the only gap record.
func wantGap(t *testing.T, dead *connectortest.DeadLetter, from, to int64, text string) {
	t.Helper()
	buried := dead.Buried()
	if len(buried) != 1 {
		t.Fatalf("%d dead letters, want a gap record", len(buried))
	}
	f := buried[0]
	headers := fmt.Sprintf("%s=%s %s=%s", f.Record.Headers[0].Name, f.Record.Headers[0].Value, f.Record.Headers[1].Name, f.Record.Headers[1].Value)
	if want := fmt.Sprintf("millrace.gap.from=%d millrace.gap.to=%d", from, to); headers != want {
		t.Errorf("headers %s, want %s", headers, want)
	}
	r := f.Record
	if f.Stage != connector.StageGap || r.Offset != from || r.RawKey != nil || r.RawValue != nil || r.Timestamp == 0 {
		t.Errorf("stage %s, record %+v", f.Stage, r)
	}
	if f.Source.Partition != p0 || f.Source.Connector != "millrace" || f.ID != fmt.Sprintf("%x-0-%d-0", connectortest.TopicID(), from) {
		t.Errorf("source %+v, id %s", f.Source, f.ID)
	}
	if got := f.Err.Error(); !strings.Contains(got, text) || !strings.Contains(got, fmt.Sprintf("goes on at offset %d", to)) {
		t.Errorf("error %q, want %q in it", got, text)
	}
}

func TestAGapIsPassedOverAtTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		policy    connector.GapPolicy
		committed int64
		at        int64 // where it goes on
		text      string
	}{
		"expired, earliest":   {connector.GapEarliest, 10, 50, "offsets 10 to 49 of cars/0 are gone"},
		"expired, latest":     {connector.GapLatest, 10, 60, "offsets 10 to 49 of cars/0 are gone"},
		"truncated, earliest": {connector.GapEarliest, 90, 50, "cars/0 was truncated: it ends at offset 60, but offset 90"},
		"truncated, latest":   {connector.GapLatest, 90, 60, "cars/0 was truncated: it ends at offset 60, but offset 90"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(60)...)
				log.Truncate(p0, 50)
				log.SetCommitted(connector.Offset{Partition: p0, At: c.committed})
				s, dead := newSink(), &connectortest.DeadLetter{}
				r := start(t, log, loading(s), connector.WithGapPolicy(c.policy), connector.WithDeadLetter(dead))
				r.consumer.Assign(p0)
				r.waitCommitted(p0, 60)
				wantGap(t, dead, c.committed, c.at, c.text)
				if n := r.metrics.of(connector.MetricGaps); n != 1 {
					t.Errorf("%d gaps counted", n)
				}
				if n := r.metrics.of(connector.MetricBuried); n != 0 {
					t.Errorf("%d records counted as buried: a gap record is none", n)
				}
				log.Append(p0, R{Value: "v60"})
				r.waitCommitted(p0, 61)
				if got := s.values(); !slices.Equal(got, values(int(c.at), 61)) {
					t.Errorf("stored %q", got)
				}
			})
		})
	}
}

func TestNoOffsetMovesBeforeTheGapRecordIsDurable(t *testing.T) {
	for _, staged := range []bool{false, true} {
		t.Run(fmt.Sprintf("staged %t", staged), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(60)...)
				log.Truncate(p0, 50)
				log.SetCommitted(connector.Offset{Partition: p0, At: 10, Meta: "kept"})
				c := newChain()
				make := loading(newSink())
				if staged {
					make = staging(c)
				}
				var open atomic.Bool
				dead := &connectortest.DeadLetter{Refuse: func([]connector.Failure) error {
					if open.Load() {
						return nil
					}
					return errors.New("down")
				}}
				r := start(t, log, make, connector.WithGapPolicy(connector.GapEarliest), connector.WithDeadLetter(dead))
				r.consumer.Assign(p0)
				time.Sleep(time.Minute)
				if at := log.Committed(p0).At; at != 10 || len(c.spans()) > 0 {
					t.Errorf("committed %d, ranges %+v, though the gap record isn't durable", at, c.spans())
				}
				if st := r.state(p0); st.State != connector.StateRetrying || !strings.Contains(st.Error, "write a gap record") {
					t.Errorf("status %+v", st)
				}
				open.Store(true)
				r.waitCommitted(p0, 60)
			})
		})
	}
}

func TestAGapRecordThatCannotBeKeptStopsThePartition(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(60)...)
		log.Truncate(p0, 50)
		log.SetCommitted(connector.Offset{Partition: p0, At: 10})
		dead := &connectortest.DeadLetter{Refuse: func([]connector.Failure) error { return connector.Permanent.Errorf("no key") }}
		r := start(t, log, loading(newSink()), connector.WithGapPolicy(connector.GapEarliest), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		r.waitHalted(p0, "write a gap record to the dead letter", "no key")
		if at := log.Committed(p0).At; at != 10 {
			t.Errorf("committed %d", at)
		}
	})
}

func TestAStagerGetsARangeForAGap(t *testing.T) {
	for policy, to := range map[connector.GapPolicy]int64{connector.GapEarliest: 50, connector.GapLatest: 60} {
		t.Run(string(policy), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(60)...)
				log.Truncate(p0, 50)
				log.SetCommitted(connector.Offset{Partition: p0, At: 10})
				c, dead := newChain(), &connectortest.DeadLetter{}
				r := start(t, log, staging(c), connector.WithGapPolicy(policy), connector.WithDeadLetter(dead))
				r.consumer.Assign(p0)
				r.waitCommitted(p0, to)
				if want := (connector.Range{From: 10, Next: to, First: -1, Last: -1, Reason: connector.RotateGap}); len(c.spans()) != 1 || c.spans()[0] != want {
					t.Errorf("ranges %+v, want %+v", c.spans(), want)
				}
				wantGap(t, dead, 10, to, "offsets 10 to 49")
				log.Append(p0, R{Value: "v60"})
				r.waitCommitted(p0, 61)
				if got := c.all(p0); !slices.Equal(got, values(int(to), 61)) {
					t.Errorf("lines %q", got)
				}
				if n := r.metrics.of("rotations_gap"); n != 1 {
					t.Errorf("rotations_gap is %d", n)
				}
			})
		})
	}
}

// Another process may have written the same gap, or have gone on elsewhere.
func TestTheGapOfAStagerIsLostToAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(60)...)
		log.Truncate(p0, 50)
		log.SetCommitted(connector.Offset{Partition: p0, At: 10})
		c := newChain()
		c.commit = func(p connector.Partition, attempt int) error {
			if attempt == 1 {
				c.links[p] = []link{{next: 55}}
			}
			return nil
		}
		r := start(t, log, staging(c), connector.WithGapPolicy(connector.GapEarliest))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 60)
		if got := c.all(p0); !slices.Equal(got, values(55, 60)) || c.recovers != 2 {
			t.Errorf("lines %q after %d recovers", got, c.recovers)
		}
	})
}

func TestAChainDoesNotGoBackByItself(t *testing.T) {
	for _, policy := range []connector.GapPolicy{connector.GapFail, connector.GapEarliest, connector.GapLatest} {
		t.Run(string(policy), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(60)...)
				log.SetCommitted(connector.Offset{Partition: p0, At: 90})
				c, dead := newChain(), &connectortest.DeadLetter{}
				r := start(t, log, staging(c), connector.WithGapPolicy(policy), connector.WithDeadLetter(dead))
				r.consumer.Assign(p0)
				r.waitHalted(p0, "truncated", "ends at offset 60", "offset 90", "on_gap: "+string(policy), "millrace rewind", "another chain")
				if at := log.Committed(p0).At; at != 90 || len(c.spans())+len(dead.Buried()) > 0 {
					t.Errorf("committed %d, ranges %+v, %d dead letters", at, c.spans(), len(dead.Buried()))
				}
			})
		})
	}
}

// A chain may be ahead of the end that was looked up before: another process wrote there meanwhile.
func TestAnEndThatWasLookedUpTooEarlyIsNoTruncation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(10)...)
		c := newChain()
		c.first = func(connector.Assignment) *connector.Position {
			log.Append(p0, numbered(10)...)
			c.first, c.links[p0] = nil, []link{{next: 15}}
			return &connector.Position{At: 1, ReadFrom: 15}
		}
		r := start(t, log, staging(c))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 20)
		if got := c.all(p0); !slices.Equal(got, values(5, 10)) {
			t.Errorf("lines %q", got)
		}
	})
}

func TestATopicCreatedAgain(t *testing.T) {
	for policy, to := range map[connector.GapPolicy]int64{connector.GapFail: -1, connector.GapEarliest: 0, connector.GapLatest: 5} {
		for _, staged := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, staged %t", policy, staged), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					log := connectortest.NewLog()
					log.SetCommitted(connector.Offset{Partition: p0, At: 12, Meta: "of the old one"})
					log.Recreate(p0)
					log.Append(p0, numbered(5)...)
					c, s, dead := newChain(), newSink(), &connectortest.DeadLetter{}
					make := loading(s)
					if staged {
						make = staging(c)
					}
					r := start(t, log, make, connector.WithGapPolicy(policy), connector.WithDeadLetter(dead))
					r.consumer.Assign(p0)
					if policy == connector.GapFail {
						r.waitHalted(p0, "deleted and created again since offset 12 was committed", "of another log; the new one holds 0 to 4", "set on_gap to earliest (at offset 0) or to latest (at offset 5), or say where to begin in it with millrace move")
						if o := log.Committed(p0); o.At != 12 || o.Meta != "of the old one" || c.recovers+len(s.values()) > 0 {
							t.Errorf("committed %+v, recovered %d times, stored %q", o, c.recovers, s.values())
						}
						return
					}
					// The group's offset goes back at once: a crash must not lead to another end of the log.
					r.wait("a commit", func() bool { return log.Committed(p0).At != 12 })
					wantGap(t, dead, 12, to, "deleted and created again since offset 12")
					log.Append(p0, R{Value: "v5"})
					r.waitCommitted(p0, 6)
					got := s.values()
					if staged {
						got = c.all(p0)
						if a := c.assigned[0]; a.Committed != -1 || a.Meta != "" || a.Start != to || a.Recreated {
							t.Errorf("recovered with %+v", a)
						}
						if c.spans()[0].Reason == connector.RotateGap {
							t.Errorf("ranges %+v: the chain of a new topic is new", c.spans())
						}
					}
					if !slices.Equal(got, values(int(to), 6)) {
						t.Errorf("%q", got)
					}
				})
			})
		}
	}
}

func TestAGapWhileReading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(20)...)
		s, dead := newSink(), &connectortest.DeadLetter{}
		r := start(t, log, loading(s), connector.WithGapPolicy(connector.GapEarliest), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 20)
		r.consumer.Pause(p0)
		for i := range 40 {
			log.Append(p0, R{Value: fmt.Sprintf("v%d", 20+i)})
		}
		log.Truncate(p0, 45)
		r.consumer.Resume(p0)
		r.waitCommitted(p0, 60)
		wantGap(t, dead, 20, 45, "offsets 20 to 44 of cars/0 are gone: the log starts at 45 now")
		if got := s.values(); !slices.Equal(got, append(values(0, 20), values(45, 60)...)) {
			t.Errorf("stored %q", got)
		}
		if n := r.consumer.Held(); n != 0 {
			t.Errorf("%d batches were not released", n)
		}
	})
}

// What was read before the gap showed is durable before the gap record is, which is before an offset moves.
func TestAGapIsBehindWhatIsQueued(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		s, dead, polls := newSink(), &connectortest.DeadLetter{}, &repeater{}
		s.limits = connector.Limits{Records: 1}
		dead.Refuse = func([]connector.Failure) error {
			if got := s.values(); !slices.Equal(got, values(0, 23)) {
				t.Errorf("the gap record came after %q", got)
			}
			return nil
		}
		r := start(t, log, func(consumer connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
			polls.Consumer = consumer
			return connector.New(polls, slowly{s, time.Second}, opts...)
		}, connector.WithGapPolicy(connector.GapEarliest), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		time.Sleep(time.Second)
		r.consumer.Pause(p0)
		log.Append(p0, numbered(60)...)
		log.Truncate(p0, 45)
		var batches []*connector.Batch
		for first, next := 0, 10; first < 23; first, next = next, min(next+10, 23) { // the last one is small: nobody waits for it otherwise
			rs := connectortest.Records(int64(first), numbered(60)[first:next]...)
			batches = append(batches, connector.NewBatch(connector.Source{Partition: p0, Next: int64(next)}, rs, nil))
		}
		polls.add(&connector.PartitionError{Partition: p0, Gap: true, LogStart: 45, LogEnd: 60, Err: connector.Permanent.Errorf("gone")}, batches...)
		r.waitCommitted(p0, 60)
		wantGap(t, dead, 23, 45, "offsets 23 to 44")
		if got := s.values(); !slices.Equal(got, append(values(0, 23), values(45, 60)...)) {
			t.Errorf("stored %q", got)
		}
	})
}

func TestOneGapBehindAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(20)...)
		dead := &connectortest.DeadLetter{}
		r := start(t, log, loading(newSink()), connector.WithGapPolicy(connector.GapEarliest), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 20)
		for i, want := range []int64{40, 60} {
			r.consumer.Pause(p0)
			log.Append(p0, numbered(20)...)
			log.Truncate(p0, want)
			r.consumer.Resume(p0)
			r.waitCommitted(p0, want)
			if b := dead.Buried(); len(b) != i+1 || b[i].Record.Offset != want-20 {
				t.Errorf("dead letters %+v", b)
			}
		}
	})
}

func TestATruncationWhileReading(t *testing.T) {
	for policy, to := range map[connector.GapPolicy]int{connector.GapEarliest: 0, connector.GapLatest: 20} {
		t.Run(string(policy), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(30)...)
				s := newSink()
				r := start(t, log, loading(s), connector.WithGapPolicy(policy))
				r.consumer.Assign(p0)
				r.waitCommitted(p0, 30)
				log.Cut(p0, 20)
				r.waitCommitted(p0, 20)
				log.Append(p0, R{Value: "new"})
				r.waitCommitted(p0, 21)
				if got, want := s.values(), append(append(values(0, 30), values(to, 20)...), "new"); !slices.Equal(got, want) {
					t.Errorf("stored %q\nwant   %q", got, want)
				}
				if n := r.metrics.of(connector.MetricGaps); n != 1 {
					t.Errorf("%d gaps", n)
				}
			})
		})
	}
}

func TestAStagersGapWhileReading(t *testing.T) {
	for _, policy := range []connector.GapPolicy{connector.GapFail, connector.GapLatest} {
		t.Run(string(policy), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(30)...)
				c := newChain()
				c.rotation.Age = time.Hour
				r := start(t, log, staging(c), connector.WithGapPolicy(policy))
				r.consumer.Assign(p0)
				time.Sleep(time.Second)
				r.consumer.Pause(p0)
				log.Append(p0, numbered(30)...)
				log.Truncate(p0, 45)
				r.consumer.Resume(p0)
				want := []connector.Range{{From: 0, Next: 30, First: 0, Last: 29, Read: 30, Written: 30, Reason: connector.RotateDrain}}
				if policy == connector.GapFail {
					r.waitHalted(p0, "offsets 30 to 44", "set on_gap to earliest (at offset 45)")
				} else {
					r.waitCommitted(p0, 60)
					want = append(want, connector.Range{From: 30, Next: 60, First: -1, Last: -1, Reason: connector.RotateGap})
				}
				wantOnce(t, c.all(p0), 30)
				if !slices.Equal(c.spans(), want) {
					t.Errorf("ranges %+v\nwant   %+v", c.spans(), want)
				}
			})
		})
	}
}

// An error of an offset that isn't read any more does no harm.
func TestAGapThatIsOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(30)...)
		s, dead := newSink(), &connectortest.DeadLetter{}
		r := start(t, log, loading(s), connector.WithGapPolicy(connector.GapEarliest), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 30)
		r.consumer.PollErrors <- &connector.PartitionError{Partition: p0, Gap: true, LogStart: 5, LogEnd: 40, Err: connector.Permanent.Errorf("offset 3 is out of range")}
		log.Append(p0, R{Value: "v30"})
		r.waitCommitted(p0, 31)
		wantOnce(t, s.values(), 31)
		if len(dead.Buried()) > 0 {
			t.Errorf("a gap record: %+v", dead.Buried())
		}
	})
}

// A drain doesn't wait for a gap record.
func TestADrainEndsAGap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(60)...)
		log.Truncate(p0, 50)
		log.SetCommitted(connector.Offset{Partition: p0, At: 10})
		dead := &connectortest.DeadLetter{Refuse: func([]connector.Failure) error { return errors.New("down") }}
		r := start(t, log, staging(newChain()), connector.WithGapPolicy(connector.GapEarliest), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		time.Sleep(time.Minute)
		before := time.Now()
		r.consumer.Revoke(t.Context(), p0)
		if d := time.Since(before); d > 0 {
			t.Errorf("the revoke took %s", d)
		}
		if at := log.Committed(p0).At; at != 10 {
			t.Errorf("committed %d", at)
		}
	})
}

// Windows whose records are read again are forgotten; others are kept.
func TestWindowsAndATruncation(t *testing.T) {
	for policy, want := range map[connector.GapPolicy]string{connector.GapEarliest: "[13]", connector.GapLatest: "[23]"} {
		t.Run(string(policy), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(20)...)
				s := newSink()
				w := &tally{ends: time.Now().Add(time.Hour)}
				r := start(t, log, loading(s), connector.WithGapPolicy(policy), connector.WithHandlers(w))
				r.consumer.Assign(p0)
				r.wait("reading", func() bool { return r.state(p0).Position == 20 })
				log.Cut(p0, 10)
				r.wait("the gap", func() bool { return r.metrics.of(connector.MetricGaps) == 1 })
				log.Append(p0, numbered(3)...)
				r.wait("reading on", func() bool { return r.state(p0).Position == 13 })
				time.Sleep(2 * time.Hour)
				if got := fmt.Sprint(s.values()); got != want {
					t.Errorf("the window counted %s, want %s", got, want)
				}
			})
		})
	}
}

func TestGapPolicyIsChecked(t *testing.T) {
	log := connectortest.NewLog()
	_, err := connector.New(connectortest.NewConsumer(log), newSink(), connector.WithGapPolicy("newest"))
	if err == nil || !strings.Contains(err.Error(), `no gap policy "newest"`) {
		t.Errorf("%v", err)
	}
}

// tally is a Windowed handler with one window, that counts its records.
type tally struct {
	ends  time.Time
	n     int
	first int64
}

func (w *tally) Handle(_ context.Context, b *connector.Batch) error {
	for i, r := range b.Records() {
		if w.n == 0 {
			w.first = r.Offset
		}
		w.n++
		b.Filter(i)
	}
	return nil
}

func (w *tally) Hold(connector.Partition) (int64, string, bool) { return w.first, "", w.n > 0 }
func (w *tally) Restore(connector.Partition, string)            {}
func (w *tally) Reset(connector.Partition)                      { w.n = 0 }
func (w *tally) Close(_ context.Context, p connector.Partition, now time.Time) (*connector.Batch, error) {
	if w.n == 0 || now.Before(w.ends) {
		return nil, nil
	}
	r := connectortest.Records(w.first, R{Value: "sum"})
	r[0].Value = serde.NewTape().String(fmt.Sprint(w.n))
	w.n = 0
	return connector.NewBatch(connector.Source{Partition: p, Next: w.first + 1}, r, nil), nil
}
