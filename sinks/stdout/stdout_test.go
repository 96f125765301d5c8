package stdout

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A screen is a writer whose next call may fail.
type screen struct {
	mu       sync.Mutex
	text     bytes.Buffer
	requests int
	fail     error
	lose     bool
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if err := s.fail; err != nil {
		s.fail = nil
		return 0, err
	}
	n, _ := s.text.Write(p)
	if s.lose {
		s.lose = false
		return 0, syscall.EIO
	}
	return n, nil
}

func TestConformance(t *testing.T) {
	sinktest.RunLoader(t, sinktest.LoaderHarness{
		Open: func(t testing.TB) sinktest.Destination {
			w := &screen{}
			c := DefaultConfig()
			c.Writer = w
			s, err := c.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return sinktest.Destination{
				Loader: s,
				Read: func() ([]sinktest.Delivery, error) {
					w.mu.Lock()
					defer w.mu.Unlock()
					var all []sinktest.Delivery
					for line := range bytes.Lines(w.text.Bytes()) {
						if string(line) == "null\n" {
							continue // a tombstone
						}
						d, err := sinktest.Parse(line)
						if err != nil {
							return nil, err
						}
						all = append(all, d)
					}
					return all, nil
				},
				Requests: func() int { w.mu.Lock(); defer w.mu.Unlock(); return w.requests },
				Fail: func(c connector.Class) bool {
					w.mu.Lock()
					defer w.mu.Unlock()
					w.fail = map[connector.Class]error{connector.Retryable: syscall.EIO, connector.Systemic: syscall.ENOSPC}[c]
					return true
				},
				LoseReply: func() { w.mu.Lock(); defer w.mu.Unlock(); w.lose = true },
			}
		},
	})
}

func TestFormats(t *testing.T) {
	for format, want := range map[string]string{
		"json":   `{"a": 1}` + "\n" + `"two\nlines"` + "\nnull\n",
		"raw":    `{"a": 1}` + "\n\n",
		"record": `{"topic":"ca<rs","partition":3,"offset":5,"timestamp":17,"key":"k\"","value":{"a": 1}}` + "\n" + `{"topic":"ca<rs","partition":3,"offset":6,"timestamp":0,"key":"","value":"two\nlines"}` + "\n" + `{"topic":"ca<rs","partition":3,"offset":7,"timestamp":0,"key":null,"value":null}` + "\n",
	} {
		var w bytes.Buffer
		s, err := Config{Format: format, Writer: &w}.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b := connectortest.Batch(t, "ca<rs", 3, connectortest.R{Key: `k"`, Value: `{"a": 1}`, Offset: 5, Timestamp: 17},
			connectortest.R{Value: `"two\nlines"`}, connectortest.R{NullKey: true, NullValue: true})
		if err := s.Load(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(w.String(), `\u003c`, "<"); got != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
		if failed := b.Err(1); (format == "raw") != (failed != nil) || failed != nil && connector.ClassOf(failed) != connector.Permanent {
			t.Errorf("%s: the record with a newline: %v", format, failed)
		}
	}
}

// TestBadRecord: no part of it is printed.
func TestBadRecord(t *testing.T) {
	for _, format := range []string{"json", "record"} {
		var w bytes.Buffer
		s, err := Config{Format: format, Writer: &w}.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b := connectortest.Batch(t, "cars", 3, connectortest.R{Value: `1`}, connectortest.R{Value: `2`}, connectortest.R{Value: `3`})
		b.At(1).Value = b.Tape().BorrowString([]byte("\xff"))
		if err := s.Load(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(w.String(), "\n"); n != 2 || strings.Contains(w.String(), "\xff") || connector.ClassOf(b.Err(1)) != connector.Permanent {
			t.Errorf("%s: %q, %v", format, w.String(), b.Err(1))
		}
	}
}

func TestBrokenPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s, err := Config{Writer: w}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	err = s.Load(t.Context(), connectortest.Batch(t, "cars", 0, connectortest.R{Value: `1`}))
	if connector.ClassOf(err) != connector.Fatal || !errors.Is(err, syscall.EPIPE) || !strings.Contains(err.Error(), "nobody reads it any more") {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
}

func TestErrors(t *testing.T) {
	for err, want := range map[error]connector.Class{
		io.ErrClosedPipe: connector.Fatal, os.ErrClosed: connector.Fatal, syscall.ENOSPC: connector.Systemic,
		syscall.EIO: connector.Retryable,
	} {
		s, openErr := Config{Writer: &screen{fail: err}}.Open(t.Context())
		if openErr != nil {
			t.Fatal(openErr)
		}
		got := s.Load(t.Context(), connectortest.Batch(t, "cars", 0, connectortest.R{Value: `1`}))
		if connector.ClassOf(got) != want || !errors.Is(got, err) {
			t.Errorf("%v: class %v of %v, want %v", err, connector.ClassOf(got), got, want)
		}
	}
	if err := (Config{Format: "csv"}).Validate(); err == nil || !strings.Contains(err.Error(), "json, raw, record") {
		t.Errorf("Validate: %v", err)
	}
	if _, err := (Config{Format: "csv"}).Open(context.Background()); connector.ClassOf(err) != connector.Fatal {
		t.Errorf("Open: class %v of %v", connector.ClassOf(err), err)
	}
}
