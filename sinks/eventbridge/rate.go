package eventbridge

import (
	"context"
	"fmt"
	"math"

	"golang.org/x/time/rate"

	"github.com/millrace/millrace/connector"
)

// A pace bounds the requests a second. It is safe for concurrent use; nil is no bound.
type pace struct {
	limiter *rate.Limiter
	all     float64 // requests a second of all partitions together
	shared  bool
}

func newPace(perSecond float64, shared bool) *pace {
	if perSecond == 0 {
		return nil
	}
	return &pace{limiter: rate.NewLimiter(rate.Limit(perSecond), burst(perSecond)), all: perSecond, shared: shared}
}

// burst is what may be sent at once: what a tenth of a second allows, because timers that fire late would cost requests otherwise.
func burst(perSecond float64) int { return max(1, int(math.Ceil(perSecond/10))) }

// share sets the rate to what some of all partitions may send. Who owns none keeps the part of one, so that nobody waits for ever who is about to own some.
func (p *pace) share(owned, all int) {
	if p != nil && p.shared && all > 0 {
		perSecond := p.all * float64(max(1, min(owned, all))) / float64(all)
		p.limiter.SetLimit(rate.Limit(perSecond))
		p.limiter.SetBurst(burst(perSecond))
	}
}

// wait waits for the next request's turn. If that doesn't come before ctx ends, it returns at once, with an error of class Retryable.
func (p *pace) wait(ctx context.Context) error {
	if p == nil {
		return nil
	}
	if err := p.limiter.Wait(ctx); err != nil {
		return connector.Retryable.Wrap(fmt.Errorf("rate, %g requests a second, leaves no time for it: %w", float64(p.limiter.Limit()), err))
	}
	return nil
}
