package kafka

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// How often a broker is connected to. Amazon MSK refuses more than 100 new connections a second to a broker with IAM, and
// 4 on its smallest ones; a connection that the broker refuses costs it as much as one that it takes.
const (
	burst       = 10                     // at once to one broker: a start makes more than five, and waits for none of them
	every       = 500 * time.Millisecond // to one broker, after that
	leastWait   = 250 * time.Millisecond // after a failure; doubled by each further one
	mostWait    = 5 * time.Second
	struggling  = 3                      // failures in a row, whatever the broker
	betweenAny  = 300 * time.Millisecond // to any broker, while struggling
	mostDoubles = 10
)

// A gate spaces out the connections of one client. It is safe for concurrent use.
type gate struct {
	jitter func() float64 // 0 to 1

	mu       sync.Mutex
	brokers  map[string]*pace
	failures int       // in a row, of all brokers
	next     time.Time // while struggling
	changed  chan struct{}
}

// A pace is how often one broker is connected to.
type pace struct {
	failures int       // in a row
	after    time.Time // not before, because of failures
	paid     time.Time // when the connections so far would be due at the pace of every
}

func newGate() *gate {
	return &gate{jitter: rand.Float64, brokers: make(map[string]*pace), changed: make(chan struct{})}
}

// wait returns when it is time to connect to the broker at address.
func (g *gate) wait(ctx context.Context, address string) error {
	for {
		wait, changed := g.take(address, time.Now())
		if wait <= 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// take takes a turn if it is time. Otherwise it says how long it is until then, if changed isn't closed before.
func (g *gate) take(address string, now time.Time) (wait time.Duration, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.pace(address)
	due := later(p.after, p.paid.Add(-(burst-1)*every))
	if g.failures >= struggling {
		due = later(due, g.next)
	}
	if due.After(now) {
		return due.Sub(now), g.changed
	}
	p.paid = later(p.paid, now).Add(every)
	p.after = now.Add(g.backoff(p.failures)) // who comes next waits for the outcome of this one
	g.next = now.Add(g.spread(betweenAny))
	return 0, nil
}

func (g *gate) pace(address string) *pace {
	p := g.brokers[address]
	if p == nil {
		p = new(pace)
		g.brokers[address] = p
	}
	return p
}

// settle tells what became of a connection: authenticated, or not.
func (g *gate) settle(address string, now time.Time, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.pace(address)
	if !ok {
		g.failures++
		p.failures++
		p.after = later(p.after, now.Add(g.backoff(p.failures)))
		return
	}
	if p.failures > 0 || g.failures > 0 {
		close(g.changed)
		g.changed = make(chan struct{})
	}
	g.failures, p.failures, p.after = 0, 0, time.Time{}
}

func (g *gate) backoff(failures int) time.Duration {
	if failures == 0 {
		return 0
	}
	return g.spread(min(leastWait<<min(failures-1, mostDoubles), mostWait))
}

// spread is d, or up to a quarter less, so that clients that failed together don't come back together.
func (g *gate) spread(d time.Duration) time.Duration {
	return d - time.Duration(g.jitter()*float64(d)/4)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
