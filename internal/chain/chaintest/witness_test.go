package chaintest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// A witness stands in for the test of a Store: it records what a check says and keeps it from
// failing the suite's own test.
type witness struct {
	testing.TB // for what isn't recorded: Context, TempDir, ...

	mu       sync.Mutex
	said     []string
	cleanups []func()
}

func (w *witness) Helper() {}

func (w *witness) say(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

func (w *witness) Error(args ...any)                 { w.say(fmt.Sprint(args...)) }
func (w *witness) Errorf(format string, args ...any) { w.say(fmt.Sprintf(format, args...)) }
func (w *witness) Fatal(args ...any)                 { w.say(fmt.Sprint(args...)); runtime.Goexit() }
func (w *witness) Fatalf(format string, args ...any) {
	w.say(fmt.Sprintf(format, args...))
	runtime.Goexit()
}
func (w *witness) FailNow()         { w.say("failed"); runtime.Goexit() }
func (w *witness) Fail()            { w.say("failed") }
func (w *witness) Cleanup(f func()) { w.cleanups = append(w.cleanups, f) }
func (w *witness) Failed() bool     { return len(w.complaints()) > 0 }

func (w *witness) complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said
}

// complaintsOf runs a check in a goroutine of its own, so that its FailNow ends only that, and returns what it complained of.
func complaintsOf(t *testing.T, check func(testing.TB)) []string {
	t.Helper()
	w := &witness{TB: t}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() {
			for _, f := range w.cleanups {
				f()
			}
		}()
		check(w)
	})
	wg.Wait()
	return w.complaints()
}
