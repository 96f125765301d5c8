package connector

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// A backoff computes the waits between attempts: capped exponential with full jitter. What is blocked until somebody changes
// something waits longer, half of blocked to all of it.
type backoff struct{ base, longest, blocked time.Duration }

// mostBlocked bounds backoff.blocked, unless longest is more.
const mostBlocked = 30 * time.Second

func newBackoff(base, longest time.Duration) backoff {
	return backoff{base: base, longest: longest, blocked: max(longest, min(4*longest, mostBlocked))}
}

// wait is how long to wait after the n-th failure in a row, counted from 0.
func (b backoff) wait(n int, err error) time.Duration {
	w := b.longest
	if ClassOf(err) == Systemic {
		// No hurry, but not all partitions at once either.
		w = b.blocked/2 + rand.N(b.blocked/2+1)
	} else {
		if n < 30 && b.base<<n < b.longest {
			w = b.base << n
		}
		w = rand.N(w + 1)
	}
	return max(w, LeastWait(err))
}

// sleep waits for d; it reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// again waits before another attempt and shows the reason in status.
func (p *partition) again(ctx context.Context, attempt int, err error) bool {
	p.trouble(err)
	p.countRetries(err, 1)
	return sleep(ctx, p.c.retry.wait(attempt, err))
}

// countRetries counts attempts that will be repeated, also by the class of the error.
func (p *partition) countRetries(err error, n int) {
	p.c.count(MetricRetries, p.Partition, int64(n))
	p.c.count(MetricRetries.of(ClassOf(err).String()), p.Partition, int64(n))
}

// trouble shows an error that is being retried. The first of a row is logged.
func (p *partition) trouble(err error) {
	state := StateRetrying
	if ClassOf(err) == Systemic {
		state = StateBlocked
	}
	if !p.status.trouble(state, err) {
		return
	}
	if state == StateBlocked {
		p.log.Error("blocked until this is changed; retrying", "error", err)
	} else {
		p.log.Warn("failed; retrying", "error", err)
	}
}

// recovered ends trouble.
func (p *partition) recovered() {
	if p.status.recovered() {
		p.log.Info("going on")
	}
}

// retrier is the Retrier for this partition.
func (p *partition) retrier(ctx context.Context, what string, try func(context.Context) error) error {
	for attempt := 0; ; attempt++ {
		err := try(ctx)
		if err == nil {
			if attempt > 0 {
				p.recovered()
			}
			return nil
		}
		err = fmt.Errorf("%s: %w", what, err)
		if c := ClassOf(err); c != Retryable && c != Systemic || ctx.Err() != nil {
			return err
		}
		if !p.again(ctx, attempt, err) {
			return errors.Join(err, ctx.Err())
		}
	}
}
