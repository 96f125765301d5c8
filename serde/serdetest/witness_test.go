package serdetest

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A witness stands in for the test of a decoder: it records what a check says and keeps it from
// failing the suite's own test.
type witness struct {
	testing.TB // for what isn't recorded: Context, TempDir, ...

	mu   sync.Mutex
	said []string
}

func (w *witness) Helper() {}

func (w *witness) Errorf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.said) < 1000 {
		w.said = append(w.said, fmt.Sprintf(format, args...))
	}
}

func (w *witness) Fatalf(format string, args ...any) {
	w.Errorf(format, args...)
	runtime.Goexit()
}

// expectComplaint runs a check that has something to complain about; the complaint must hold want.
func expectComplaint(t *testing.T, want string, run func(testing.TB)) {
	t.Helper()
	w := &witness{TB: t}
	var wg sync.WaitGroup
	wg.Go(func() { run(w) }) // its Goexit ends only this goroutine
	wg.Wait()
	for _, s := range w.said {
		if strings.Contains(s, want) {
			return
		}
	}
	if len(w.said) == 0 {
		t.Errorf("no complaint, want %q", want)
		return
	}
	t.Errorf("%d complaints, the first %.300q, want %q", len(w.said), w.said[0], want)
}
