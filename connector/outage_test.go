package connector_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// The sink is down for half an hour, while more comes than fits, as it did before: memory is as in the calm before, the sink is asked now and then, and
// all partitions write again within ten seconds of its end.
func TestAnOutage(t *testing.T) {
	const (
		partitions = 12
		outage     = 30 * time.Minute
		budget     = 2_000_000
		each       = 15_000 // records of a partition
	)
	for _, name := range []string{"loader", "keyed", "stager"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				var ps []connector.Partition
				for id := range int32(partitions) {
					ps = append(ps, connector.Partition{Topic: "cars", ID: id})
					log.Append(ps[id], numbered(each)...)
				}
				var down atomic.Bool
				var calls atomic.Int64
				ask := func() error {
					time.Sleep(50 * time.Millisecond)
					calls.Add(1)
					if down.Load() {
						return errors.New("503")
					}
					return nil
				}
				s, c := newSink(), newChain()
				load := connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
					if err := ask(); err != nil {
						return err
					}
					return s.Load(ctx, b)
				})
				c.rotation = connector.Rotation{Age: 4 * time.Second}
				c.buffered = 1000 // files are closed for memory, in the calm too
				var l connector.Loader = limited{load, connector.Limits{Records: 20}}
				if name == "keyed" {
					l = keyedFunc{limited{load, connector.Limits{Records: 20}}, keyed{s}}
				}
				r := start(t, log, func(consumer connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
					consumer.(*connectortest.Consumer).Size = 10_000
					consumer.(*connectortest.Consumer).BatchSize = 20
					if name == "stager" {
						return connector.NewStaged(consumer, slowChain{c, ask}, opts...)
					}
					return connector.New(consumer, l, opts...)
				}, connector.WithBudget(connector.NewBudget(budget)))
				peak := func(d, each time.Duration) (most int64) {
					for range d / each {
						time.Sleep(each)
						most = max(most, r.c.Status().Held)
					}
					return most
				}
				r.consumer.Assign(ps...)
				calm := peak(time.Minute, 50*time.Millisecond)
				down.Store(true)
				before := calls.Load()
				held := peak(outage, time.Second)
				asked := calls.Load() - before
				if held > calm+calm/10 {
					t.Errorf("%d bytes held during the outage, %d before", held, calm)
				}
				if perMinute := asked / int64(outage/time.Minute) / partitions; perMinute > 20 {
					t.Errorf("the sink was asked %d times a minute for each partition", perMinute)
				}
				at := map[connector.Partition]int64{}
				for _, p := range ps {
					if at[p] = log.Committed(p).At; at[p] >= each-1000 {
						t.Fatalf("nothing is left of %s", p)
					}
				}
				down.Store(false)
				began := time.Now()
				r.wait("all partitions to go on", func() bool {
					for _, p := range ps {
						if log.Committed(p).At <= at[p] {
							return false
						}
					}
					return true
				})
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("all partitions went on after %s", took)
				}
				t.Logf("held %d before, %d during; asked %.1f times a minute for each partition; went on after %s",
					calm, held, float64(asked)/outage.Minutes()/partitions, time.Since(began))
			})
		})
	}
}

// limited is a Loader with limits.
type limited struct {
	connector.Loader
	limits connector.Limits
}

func (l limited) Limits() connector.Limits { return l.limits }

// keyedFunc is a Loader with another's keys.
type keyedFunc struct {
	limited
	connector.Keyer
}

// slowChain is a chain whose commits ask first, without holding others up.
type slowChain struct {
	*chain
	ask func() error
}

func (c slowChain) Stage(ctx context.Context, p connector.Partition, at connector.Position, r connector.Retrier) (connector.Staged, error) {
	s, err := c.chain.Stage(ctx, p, at, r)
	return slowStaged{s, c.ask}, err
}

type slowStaged struct {
	connector.Staged
	ask func() error
}

func (s slowStaged) Add(ctx context.Context, b *connector.Batch) (connector.Size, error) {
	time.Sleep(time.Duration(b.Len()) * 5 * time.Millisecond)
	return s.Staged.Add(ctx, b)
}

func (s slowStaged) Commit(ctx context.Context, r connector.Range) (connector.Position, error) {
	if err := s.ask(); err != nil {
		return connector.Position{}, err
	}
	return s.Staged.Commit(ctx, r)
}

// The dead letter is down: nothing of what waits for it is committed, memory stays, partitions without failures go on, and so does all when it is back.
func TestTheDeadLetterIsDown(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, mixed(5_000, func(i int) bool { return i%50 == 7 })...)
				log.Append(p1, numbered(2_000)...)
				var down atomic.Bool
				down.Store(true)
				dead := &connectortest.DeadLetter{Refuse: func([]connector.Failure) error {
					if down.Load() {
						return errors.New("down")
					}
					return nil
				}}
				build, opts := w.make()
				r := start(t, log, build, append(opts, connector.WithDeadLetter(dead), connector.WithBudget(connector.NewBudget(1_000_000)))...)
				r.consumer.Assign(p0, p1)
				r.waitCommitted(p1, 2_000)
				time.Sleep(time.Hour)
				held, batches := r.c.Status().Held, r.consumer.Held()
				time.Sleep(6 * time.Hour)
				if now := r.c.Status().Held; now > held || held > 1_100_000 || r.consumer.Held() > batches {
					t.Errorf("%d bytes held after an hour, %d after seven", held, now)
				}
				if at := log.Committed(p0).At; at > 7 {
					t.Errorf("committed %d, and the record at 7 is nowhere", at)
				}
				if st := r.state(p0); st.State != connector.StateRetrying {
					t.Errorf("status %+v", st)
				}
				down.Store(false)
				r.waitCommitted(p0, 5_000)
				if n := len(dead.Buried()); n != 100 {
					t.Errorf("%d buried, want 100", n)
				}
			})
		})
	}
}

// One record among a thousand is found by halves.
func TestPoisonIsFoundByHalves(t *testing.T) {
	for _, poison := range [][]int64{{0}, {499}, {500}, {999}, {3, 700}, {10, 11, 12}} {
		t.Run(fmt.Sprint(poison), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(1000)...)
				s := newSink()
				calls := 0
				l := connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
					calls++
					for _, r := range b.Records() {
						for _, bad := range poison {
							if r.Offset == bad {
								return connector.Permanent.Errorf("400")
							}
						}
					}
					return s.Load(ctx, b)
				})
				dead := &connectortest.DeadLetter{}
				r := start(t, log, func(c connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
					c.(*connectortest.Consumer).BatchSize = 1000
					return connector.New(c, l, opts...)
				}, connector.WithDeadLetter(dead))
				r.consumer.Assign(p0)
				r.waitCommitted(p0, 1000)
				if most := 1 + 20*len(poison); calls > most {
					t.Errorf("%d calls, want at most %d", calls, most)
				}
				if len(dead.Buried()) != len(poison) || len(s.values()) != 1000-len(poison) {
					t.Errorf("%d buried, %d written", len(dead.Buried()), len(s.values()))
				}
			})
		})
	}
}

// The sink goes down while a call is taken apart: what is left is tried again as a whole, nothing is buried for it.
func TestAnOutageDuringABisection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(64)...)
		s := newSink()
		calls, down := 0, 0
		l := connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
			if calls++; calls > 3 && calls <= 10 {
				down++
				return errors.New("503")
			}
			for _, r := range b.Records() {
				if r.Offset == 50 {
					return connector.Permanent.Errorf("400")
				}
			}
			return s.Load(ctx, b)
		})
		dead := &connectortest.DeadLetter{}
		r := start(t, log, func(c connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
			c.(*connectortest.Consumer).BatchSize = 64
			return connector.New(c, l, opts...)
		}, connector.WithDeadLetter(dead))
		began := time.Now()
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 64)
		if fs := dead.Buried(); len(fs) != 1 || fs[0].Record.Offset != 50 || len(s.values()) != 63 || down != 7 {
			t.Errorf("buried %+v, %d written, %d calls while it was down", fs, len(s.values()), down)
		}
		if time.Since(began) < time.Second {
			t.Error("calls to a sink that was down followed each other at once")
		}
	})
}
