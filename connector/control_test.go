package connector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

func (r *rig) waitState(p connector.Partition, s connector.State) {
	r.t.Helper()
	r.wait("the state "+string(s), func() bool { return r.state(p).State == s })
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestPauseAndResume(t *testing.T) {
	for _, name := range []string{"loader", "stager"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(20)...)
				log.Append(p1, numbered(20)...)
				build := loading(newSink())
				if name == "stager" {
					build = staging(newChain())
				}
				r := start(t, log, build)
				r.consumer.Assign(p0, p1)
				r.wait("reading", func() bool { return r.state(p0).Position == 20 })
				r.must(r.c.Pause(p0))
				if s := r.state(p0).State; s != connector.StatePaused {
					t.Errorf("state %s", s)
				}
				synctest.Wait()
				log.Append(p0, numbered(20)...)
				log.Append(p1, numbered(20)...)
				r.waitCommitted(p1, 40)
				r.waitCommitted(p0, 20) // what was read is finished: a file by its age
				time.Sleep(time.Hour)
				if st := r.state(p0); st.Position != 20 || st.State != connector.StatePaused {
					t.Errorf("status of a paused partition %+v", st)
				}
				r.consumer.Revoke(t.Context(), p0)
				r.consumer.Assign(p0) // a pause survives that
				r.waitState(p0, connector.StatePaused)
				time.Sleep(time.Hour)
				if at := log.Committed(p0).At; at != 20 {
					t.Errorf("committed %d of a paused partition", at)
				}
				r.must(r.c.Resume(p0))
				r.waitCommitted(p0, 40)
				if s := r.state(p0).State; s != connector.StateRunning {
					t.Errorf("state %s", s)
				}
			})
		})
	}
}

// Whatever order pauses and resumes come in, the last one counts.
func TestTheLastWishCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		r := start(t, log, loading(newSink()))
		r.must(r.c.Pause())
		r.must(r.c.Resume(p1))
		r.consumer.Assign(p0, p1)
		log.Append(p0, numbered(5)...)
		log.Append(p1, numbered(5)...)
		r.waitCommitted(p1, 5)
		time.Sleep(time.Minute)
		if s := r.state(p0); s.State != connector.StatePaused || s.Position != 0 {
			t.Errorf("status %+v", s)
		}
		for i := range 50 {
			r.must(r.c.Resume(p0))
			r.must(r.c.Pause(p0))
			if i%3 == 0 {
				log.Append(p0, R{Value: "more"})
			}
		}
		synctest.Wait()
		at := log.Committed(p0).At
		log.Append(p0, numbered(5)...)
		time.Sleep(time.Minute)
		if now := r.state(p0).Position; now > 5+17 || log.Committed(p0).At < at {
			t.Errorf("position %d", now)
		}
		before := r.state(p0).Position
		log.Append(p0, numbered(5)...)
		time.Sleep(time.Minute)
		if now := r.state(p0).Position; now != before {
			t.Errorf("a paused partition got from %d to %d", before, now)
		}
		r.must(r.c.Resume())
		r.wait("all", func() bool { return r.state(p0).Lag == 0 })
	})
}

// Backpressure and an operator pause the same partition: it goes on when both let it.
func TestAPauseAndBackpressure(t *testing.T) {
	for _, first := range []string{"operator", "sink"} {
		t.Run(first, func(t *testing.T) {
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
				r.waitCommitted(p1, 3000) // and p0 is far over its share
				r.must(r.c.Pause(p0))
				synctest.Wait()
				at := r.state(p0).Position
				if first == "operator" {
					r.must(r.c.Resume(p0))
					time.Sleep(time.Second)
					if now := r.state(p0).Position; now != at {
						t.Errorf("Resume made a partition go from %d to %d that holds too much", at, now)
					}
					close(stuck)
				} else {
					close(stuck)
					time.Sleep(time.Hour)
					if now := log.Committed(p0).At; now == 3000 {
						t.Error("read on, although it is paused")
					}
					r.must(r.c.Resume(p0))
				}
				r.waitCommitted(p0, 3000)
			})
		})
	}
}

// A partition that halted at a record goes on when what was wrong is mended. Nothing is lost, and a Stager writes nothing twice.
func TestResumeStartsAHaltedPartition(t *testing.T) {
	for _, name := range []string{"loader", "keyed", "stager", "handler"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(60)...)
				var mended atomic.Bool
				fail := func(r *connector.Record, _ int) error {
					if string(r.RawValue) == "v25" && !mended.Load() {
						return connector.Permanent.Errorf("no such column")
					}
					return nil
				}
				s, c := newSink(), newChain()
				build := loading(s)
				var opts []connector.Option
				switch name {
				case "loader":
					s.fail = fail
				case "keyed":
					s.fail, s.limits.InFlight = fail, 4
					build = loading(keyed{s})
				case "stager":
					c.refuse = func(r *connector.Record) error { return fail(r, 0) }
					build = staging(c)
				case "handler":
					opts = append(opts, connector.WithHandlers(connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
						for i, r := range b.Records() {
							if err := fail(r, 0); err != nil {
								b.Fail(i, err)
							}
						}
						return nil
					})))
				}
				r := start(t, log, build, opts...)
				r.consumer.Assign(p0)
				r.waitHalted(p0, "offset 25")
				r.waitCommitted(p0, 25)
				r.must(r.c.Resume(p0)) // nothing has changed
				r.waitHalted(p0, "offset 25")
				mended.Store(true)
				log.Append(p0, R{Value: "v60"})
				r.must(r.c.Resume())
				r.waitCommitted(p0, 61)
				if st := r.state(p0); st.State != connector.StateRunning || st.Error != "" || st.LastError == "" || st.Read <= 61 {
					t.Errorf("status %+v", st)
				}
				if name == "stager" {
					wantOnce(t, c.all(p0), 61)
					return
				}
				for _, v := range values(0, 61) {
					if !slices.Contains(s.values(), v) {
						t.Errorf("%s is lost", v)
					}
				}
				if got := s.values(); name == "handler" && len(got) > 80 {
					t.Errorf("%d records written for 61", len(got))
				}
			})
		})
	}
}

// The gap is found again as long as it is there, and there is none where the log has grown since it was assigned.
func TestResumeAtAGap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(60)...)
		log.Truncate(p0, 50)
		log.SetCommitted(connector.Offset{Partition: p0, At: 10})
		r := start(t, log, loading(newSink()))
		r.consumer.Assign(p0)
		r.waitHalted(p0, "offsets 10 to 49 of cars/0 are gone")
		r.must(r.c.Resume(p0))
		r.waitHalted(p0, "offsets 10 to 49 of cars/0 are gone")
		if at := log.Committed(p0).At; at != 10 {
			t.Errorf("committed %d", at)
		}
	})
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(5)...)
		r := start(t, log, loading(newSink()))
		r.consumer.Assign(p0)
		log.Append(p0, numbered(50)...)
		r.waitCommitted(p0, 55)
		r.consumer.PollErrors <- &connector.PartitionError{Partition: p0, Err: connector.Permanent.Errorf("the log is damaged")}
		log.Append(p0, R{Value: "next"})
		r.waitHalted(p0, "damaged")
		r.must(r.c.Resume(p0))
		r.waitCommitted(p0, 56)
	})
}

// A call that hangs keeps a partition from beginning again: the same keys aren't written by two.
func TestResumeWaitsForCallsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(10)...)
		s := newSink()
		s.hang = make(chan struct{})
		var running, most atomic.Int64
		l := connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			return s.Load(ctx, b)
		})
		r := start(t, log, loading(l))
		r.consumer.Assign(p0)
		synctest.Wait()
		r.consumer.PollErrors <- &connector.PartitionError{Partition: p0, Err: connector.Permanent.Errorf("the log is damaged")}
		r.waitHalted(p0, "damaged")
		began := time.Now()
		if err := r.c.Resume(p0); err == nil || !strings.Contains(err.Error(), "cars/0") || time.Since(began) > 26*time.Second {
			t.Errorf("resumed after %s, while a call hangs: %v", time.Since(began), err)
		}
		r.waitHalted(p0)
		close(s.hang)
		r.must(r.c.Resume(p0))
		r.waitCommitted(p0, 10)
		if n := most.Load(); n != 1 {
			t.Errorf("%d calls at the same time", n)
		}
	})
}

// While a partition is being resumed, it is revoked, lost, or the connector stops.
func TestResumeWhilePartitionsGo(t *testing.T) {
	for _, what := range []string{"revoke", "lose", "stop"} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(10)...)
				c := newChain()
				c.commit = func(connector.Partition, int) error { return errors.New("503") }
				r := start(t, log, staging(c))
				r.consumer.Assign(p0)
				time.Sleep(12 * time.Second) // the commit is under way
				resumed := make(chan error, 1)
				go func() { resumed <- r.c.Skip(t.Context(), p0, 3) }()
				time.Sleep(time.Second)
				switch what {
				case "revoke":
					r.consumer.Revoke(t.Context(), p0)
				case "lose":
					r.consumer.Lose(p0)
				case "stop":
					r.must(r.stop())
				}
				skipped := <-resumed == nil
				if skipped && what != "revoke" { // both wait for the same commit: the one that is first has its way
					t.Error("the record was skipped, although the partition is gone")
				}
				synctest.Wait()
				if what != "stop" && len(r.c.Status().Partitions) != 0 {
					t.Errorf("a partition that is gone goes on: %+v", r.c.Status().Partitions)
				}
				if what == "stop" {
					return
				}
				r.consumer.Assign(p0)
				c.mu.Lock()
				c.commit = nil
				c.mu.Unlock()
				r.waitCommitted(p0, 10)
				rows := c.all(p0)
				if skipped {
					rows = slices.Insert(rows, 3, "v3")
				}
				wantOnce(t, rows, 10)
			})
		})
	}
}

// Both wait for the same call. Whoever is first, nothing is left of the partition.
func TestARevokeAndAResumeAtTheSameTime(t *testing.T) {
	for range 50 {
		bubble(t, func(t *testing.T) {
			log := connectortest.NewLog()
			log.Append(p0, numbered(10)...)
			s := newSink()
			s.hang = make(chan struct{})
			r := start(t, log, loading(s))
			r.consumer.Assign(p0, p1) // for the other one, which is idle, polls go on
			synctest.Wait()
			r.consumer.PollErrors <- &connector.PartitionError{Partition: p0, Err: connector.Permanent.Errorf("the log is damaged")}
			r.waitHalted(p0, "damaged")
			done := make(chan struct{}, 2)
			go func() { _ = r.c.Resume(p0); done <- struct{}{} }()
			go func() { r.consumer.Revoke(t.Context(), p0, p1); done <- struct{}{} }()
			synctest.Wait()
			close(s.hang)
			<-done
			<-done
			if ps := r.c.Status().Partitions; len(ps) != 0 {
				t.Fatalf("a partition that was revoked goes on: %+v", ps)
			}
		})
	}
}

func TestSkip(t *testing.T) {
	for _, name := range []string{"loader", "handler", "stager", "without dead letter"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(40)...)
				s, c := newSink(), newChain()
				fail := func(r *connector.Record, _ int) error {
					if string(r.RawValue) == "v25" {
						return errors.New("busy for ever")
					}
					return nil
				}
				build := loading(s)
				dead := &connectortest.DeadLetter{Refuse: func(fs []connector.Failure) error {
					if fs[0].Stage != connector.StageGap {
						return connector.Permanent.Errorf("too large for the dead letter")
					}
					return nil
				}}
				opts := []connector.Option{connector.WithDeadLetter(dead)}
				halts := true
				switch name {
				case "loader":
					s.fail, halts = fail, false // it is being tried again
				case "without dead letter":
					s.fail = func(r *connector.Record, n int) error {
						if err := fail(r, n); err != nil {
							return connector.Permanent.Wrap(err)
						}
						return nil
					}
					opts = nil
				case "handler":
					opts = append(opts, connector.WithHandlers(connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
						for i, r := range b.Records() {
							if err := fail(r, 0); err != nil {
								b.Fail(i, connector.Permanent.Wrap(err))
							}
						}
						return nil
					})))
				case "stager":
					c.refuse = func(r *connector.Record) error { return connector.Permanent.Wrap(fail(r, 0)) }
					build = staging(c)
				}
				r := start(t, log, build, opts...)
				r.consumer.Assign(p0)
				if halts {
					r.waitHalted(p0, "offset 25")
				}
				r.waitCommitted(p0, 25)
				for offset, want := range map[int64]string{24: "durable", 999: "ended at offset 40"} {
					if err := r.c.Skip(t.Context(), p0, offset); err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("skip of %d: %v", offset, err)
					}
				}
				if err := r.c.Skip(t.Context(), p1, 3); err == nil || !strings.Contains(err.Error(), "doesn't own") {
					t.Errorf("skip of another's: %v", err)
				}
				r.must(r.c.Skip(t.Context(), p0, 25))
				r.waitCommitted(p0, 40)
				if n := r.metrics.of(connector.MetricSkipped); n != 1 {
					t.Errorf("%d counted as skipped", n)
				}
				want := slices.Delete(values(0, 40), 25, 26)
				got := s.values()
				if name == "stager" {
					got = c.all(p0)
					if !slices.Equal(got, want) {
						t.Errorf("written %v", got)
					}
					last := c.spans()[len(c.spans())-1]
					last.Reason = ""
					if last != (connector.Range{From: 25, Next: 40, First: 25, Last: 39, Read: 15, Written: 14, Buried: 1}) {
						t.Errorf("range %+v", last)
					}
				}
				for _, v := range want {
					if !slices.Contains(got, v) {
						t.Errorf("%s is lost", v)
					}
				}
				if slices.Contains(got, "v25") {
					t.Error("the skipped record was written")
				}
				if name == "without dead letter" {
					return
				}
				fs := dead.Buried()
				if len(fs) != 1 || fs[0].Stage != connector.StageGap || fs[0].Record.Offset != 25 || fs[0].Err.Error() != "offset 25 of cars/0 was skipped by an operator" ||
					fmt.Sprintf("%s", fs[0].Record.Headers) != "[{millrace.gap.from 25} {millrace.gap.to 26}]" {
					t.Errorf("buried %+v", fs)
				}
			})
		})
	}
}

// Without its gap record nothing is skipped.
func TestASkipWaitsForItsGapRecord(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(40)...)
		s := newSink()
		s.fail = func(r *connector.Record, _ int) error {
			if string(r.RawValue) == "v25" {
				return errors.New("busy for ever")
			}
			return nil
		}
		dead := &connectortest.DeadLetter{Refuse: func([]connector.Failure) error { return errors.New("down") }}
		r := start(t, log, loading(keyed{s}), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 25)
		if err := r.c.Skip(t.Context(), p0, 30); err == nil || !strings.Contains(err.Error(), "durable already") {
			t.Errorf("skip of what was written, although it isn't committed: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := r.c.Skip(ctx, p0, 25); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("skipped without dead letter: %v", err)
		}
		time.Sleep(time.Hour)
		if at := log.Committed(p0).At; at != 25 {
			t.Errorf("committed %d", at)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.attempts["v25"] < 100 {
			t.Errorf("the record was sent %d times: it isn't tried any more", s.attempts["v25"])
		}
	})
}

// What was skipped stays so, without another gap record, when the range of it is lost before its commit.
func TestASkipSurvivesAnotherAssignment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(40)...)
		c := newChain()
		c.rotation.Age = time.Hour
		c.refuse = func(r *connector.Record) error {
			if string(r.RawValue) == "v25" {
				return connector.Permanent.Errorf("no")
			}
			return nil
		}
		dead := &connectortest.DeadLetter{Refuse: func(fs []connector.Failure) error {
			if fs[0].Stage != connector.StageGap {
				return connector.Permanent.Errorf("too large for the dead letter")
			}
			return nil
		}}
		r := start(t, log, staging(c), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		r.waitHalted(p0, "offset 25")
		r.must(r.c.Skip(t.Context(), p0, 25))
		r.wait("reading", func() bool { return r.state(p0).Position == 40 })
		r.consumer.Lose(p0) // before the range was committed
		r.consumer.Assign(p0)
		r.wait("reading", func() bool { return r.state(p0).Position == 40 })
		time.Sleep(time.Hour)
		r.waitCommitted(p0, 40)
		if n := len(c.all(p0)); n != 39 || len(dead.Buried()) != 1 {
			t.Errorf("%d lines, %d dead letters", n, len(dead.Buried()))
		}
	})
}
