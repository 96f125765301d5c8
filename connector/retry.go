package connector

import (
	"context"
	"math/rand/v2"
	"time"
)

// A backoff computes the waits between attempts: capped exponential with full jitter.
type backoff struct{ base, longest time.Duration }

// wait is how long to wait after the n-th failure in a row, counted from 0.
func (b backoff) wait(n int, err error) time.Duration {
	w := b.longest
	if ClassOf(err) == Systemic {
		// Somebody has to change something: no hurry, but not all partitions at once either.
		w = b.longest/2 + rand.N(b.longest/2+1)
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
