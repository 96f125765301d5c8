package connector_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
)

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "90d": 90 * 24 * time.Hour,
		"1d12h": 36 * time.Hour, "0.5d": 12 * time.Hour, "250ms": 250 * time.Millisecond, "0s": 0,
	} {
		var d connector.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%s is %s, %v", text, time.Duration(d), err)
		}
		var again connector.Duration
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("%s prints as %s, which reads as %s, %v", text, d, again, err)
		}
	}
	for _, text := range []string{"", "5", "m", "5 minutes", "d", "1d2", "NaNd", "1e9d", "-40000d"} {
		var d connector.Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken for %s", text, d)
		} else if !strings.Contains(err.Error(), "such as 90s, 5m or 90d") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"128MiB": 128 << 20, "128MB": 128e6, "1.5GiB": 3 << 29, "512KiB": 512 << 10, "100B": 100, "10kB": 10_000, "0B": 0, "2 MiB": 2 << 20,
	} {
		var b connector.Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || int64(b) != want {
			t.Errorf("%s is %d, %v", text, int64(b), err)
		}
		var again connector.Bytes
		if err := again.UnmarshalText([]byte(b.String())); err != nil || again != b {
			t.Errorf("%s prints as %s, which reads as %d, %v", text, b, int64(again), err)
		}
	}
	for _, text := range []string{"", "128", "MiB", "-1MiB", "1e30TiB", "12XB"} {
		var b connector.Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken for %d", text, int64(b))
		} else if !strings.Contains(err.Error(), "needs a unit") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestClassesAndWaits(t *testing.T) {
	err := fmt.Errorf("put object k: %w", connector.Systemic.Errorf("access denied: %w", io.EOF))
	if connector.ClassOf(err) != connector.Systemic || !errors.Is(err, io.EOF) {
		t.Errorf("class %s", connector.ClassOf(err))
	}
	if c := connector.ClassOf(connector.Permanent.Wrap(err)); c != connector.Permanent {
		t.Errorf("the outermost class counts, got %s", c)
	}
	if c := connector.ClassOf(io.EOF); c != connector.Retryable {
		t.Errorf("an error without a class is %s", c)
	}
	waiting := connector.WithWait(time.Minute, err)
	if connector.LeastWait(waiting) != time.Minute || connector.ClassOf(waiting) != connector.Systemic {
		t.Errorf("wait %s, class %s", connector.LeastWait(waiting), connector.ClassOf(waiting))
	}
	if w := connector.LeastWait(connector.Retryable.Wrap(waiting)); w != time.Minute {
		t.Errorf("a class hides the wait: %s", w)
	}
	if connector.Fatal.Wrap(nil) != nil || connector.WithWait(time.Second, nil) != nil {
		t.Error("nil became an error")
	}
}
