package connector_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// lockedBuffer may be written by several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// What records hold is logged for who asks for it alone, and then the beginning of it, on one line.
func TestLogsHoldNoPayloads(t *testing.T) {
	for name, tt := range map[string]struct {
		level slog.Level
		shown bool
	}{
		"debug": {slog.LevelDebug, false},
		"asked": {slog.LevelDebug - 4, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				out := &lockedBuffer{}
				log := connectortest.NewLog()
				log.Append(p0, R{Key: "canary-key", Value: "canary-value\nINFO msg=forged \xff" + strings.Repeat("x", 10_000)}, R{Value: "good"})
				r := start(t, log, loading(newSink()), connector.WithDeadLetter(&connectortest.DeadLetter{}),
					connector.WithLogger(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: tt.level}))))
				r.consumer.Assign(p0)
				r.waitCommitted(p0, 2)
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				text := out.String()
				if !strings.Contains(text, "records are going to the dead letter") {
					t.Fatalf("nothing was logged of the burial:\n%s", text)
				}
				for _, canary := range []string{"canary-key", "canary-value"} {
					if strings.Contains(text, canary) != tt.shown {
						t.Errorf("%s is in the log: %v, want %v:\n%s", canary, !tt.shown, tt.shown, text)
					}
				}
				for line := range strings.Lines(text) {
					if strings.HasPrefix(line, "INFO msg=forged") || len(line) > 2000 {
						t.Errorf("a record wrote a line of %d bytes: %.80s", len(line), line)
					}
				}
			})
		})
	}
}
