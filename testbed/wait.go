package testbed

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// FromEnv is the number in an environment variable, or another one if it isn't set.
func FromEnv[N int | uint64](t testing.TB, name string, otherwise N) N {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return N(n)
}

// WaitUntil waits for what ok reports, at most for d.
func WaitUntil(t testing.TB, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited %s in vain for %s", d, what)
}
