package chain

import (
	"context"
	"time"

	"github.com/millrace/millrace/connector"
)

// tries is how often Try makes a call. The waits between them add up to 3 s.
const tries = 6

// Try makes a call of a Store until its answer isn't in doubt: for what has nobody behind it who would retry, as commands. A recovery and a
// loader don't need it; their connector asks again.
func Try(ctx context.Context, call func() error) error {
	for wait, n := 100*time.Millisecond, 1; ; wait, n = 2*wait, n+1 {
		err := call()
		if (&Answer{Err: err}).settled() || n == tries || connector.ClassOf(err) != connector.Retryable {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(max(wait, connector.LeastWait(err))):
		}
	}
}
