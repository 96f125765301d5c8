package connector

import (
	"sync"
	"time"
)

// A Rate bounds the bytes of keys and values that connectors read in a second, all that share it together. It is safe for concurrent use.
//
// A fetch is never refused for its size: it is charged when it has come, and nothing is read before what was charged is paid.
// What wasn't used is kept for a second.
type Rate struct {
	bytesPerSecond int64

	mu   sync.Mutex
	paid time.Time // when all that was charged is paid
}

// rateBurst is how long what a Rate allows is kept for later.
const rateBurst = time.Second

// NewRate makes a Rate of so many bytes a second. Zero or less bounds nothing.
func NewRate(bytesPerSecond int64) *Rate { return &Rate{bytesPerSecond: bytesPerSecond} }

// WithRate bounds how fast a connector reads. Default: as fast as the sink takes it.
func WithRate(r *Rate) Option { return func(s *settings) { s.rate = r } }

// bounds reports whether r is one that bounds anything; nil is none.
func (r *Rate) bounds() bool { return r != nil && r.bytesPerSecond > 0 }

// charge notes bytes that were read.
func (r *Rate) charge(bytes int64, now time.Time) {
	if !r.bounds() || bytes <= 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if kept := now.Add(-rateBurst); r.paid.Before(kept) {
		r.paid = kept
	}
	r.paid = r.paid.Add(time.Duration(float64(bytes) / float64(r.bytesPerSecond) * float64(time.Second)))
}

// wait is how long nothing may be read, 0 if something may.
func (r *Rate) wait(now time.Time) time.Duration {
	if !r.bounds() {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, r.paid.Sub(now))
}
