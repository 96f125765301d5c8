package chain

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/failpoint"
)

// parallel is how many calls of one machine are made at a time.
const parallel = 16

// Run makes the calls of a machine until it has ended or a call is in doubt, whose error it returns then: call it again with the same
// machine after a wait. The machine's own error comes back when it has ended.
func Run(ctx context.Context, s Store, m Machine) error {
	for {
		calls := m.Calls()
		if len(calls) == 0 {
			return m.Err()
		}
		answers := make([]Answer, len(calls))
		var g errgroup.Group
		g.SetLimit(parallel)
		for i := range calls {
			g.Go(func() error {
				answers[i] = Make(ctx, s, calls[i])
				return nil
			})
		}
		_ = g.Wait() // the errors are in the answers
		var doubt error
		for i := range calls {
			m.Answer(calls[i], answers[i])
			if !answers[i].settled() && doubt == nil {
				doubt = answers[i].Err
			}
		}
		if doubt != nil && len(m.Calls()) > 0 {
			return doubt
		}
	}
}

// Make makes one call.
func Make(ctx context.Context, s Store, c Call) (a Answer) {
	switch c.Op {
	case OpList:
		a.Keys, a.More, a.Err = s.List(ctx, c.Key, c.After, c.Max)
	case OpGet:
		a.Body, a.Err = s.Get(ctx, c.Key)
	case OpPut:
		a.Err = s.Put(ctx, c.Key, c.Body)
	case OpComplete:
		failpoint.Here("complete.before")
		a.Err = s.Complete(ctx, c.Object, c.Fresh)
		failpoint.Here("complete.after")
	case OpLook:
		a.Sight, a.Err = s.Look(ctx, c.Object)
	case OpAbort:
		a.Err = s.Abort(ctx, c.Object)
	case OpUploads:
		if cleaner, ok := s.(Cleaner); ok {
			a.Uploads, a.Err = cleaner.Uploads(ctx, c.Key)
		}
	}
	return a
}

// NewAttempt is 128 random bits in hex.
func NewAttempt() string { return randomHex(16) }

// NewTail is 32 random bits in hex, which tell an object's key from those of all others with its number.
func NewTail() string { return randomHex(4) }

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand
	return hex.EncodeToString(b)
}
