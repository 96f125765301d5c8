package stdout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/serde"
)

// Config is the settings of the stdout sink.
type Config struct {
	// Format of a line: json (the value as JSON, null for a tombstone), raw (texts and bytes as they are, other values as
	// JSON, an empty line for a tombstone; a text with a newline goes to the dead letter) or record (a JSON object of topic,
	// partition, offset, timestamp in milliseconds, key and value).
	Format string `yaml:"format" short:"true"`
	// Writer is where lines go instead of the standard output. Load is its only user while the sink is open.
	Writer io.Writer `yaml:"-" json:"-"`
}

// DefaultConfig is the settings that a file need not name.
func DefaultConfig() Config { return Config{Format: "json"} }

// formatRecord is the format that only this sink has.
const formatRecord = "record"

// Validate checks the settings.
func (c Config) Validate() error {
	if c.Format == formatRecord {
		return nil
	}
	if _, err := lines.ParseFormat(c.Format); err != nil {
		return fmt.Errorf("format: there is no format %q: json, raw, record", c.Format)
	}
	return nil
}

// Open makes the Loader.
func (c Config) Open(context.Context) (*Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	s := &Sink{w: c.Writer, record: c.Format == formatRecord}
	if s.w == nil {
		s.w = os.Stdout
	}
	if !s.record {
		s.format, _ = lines.ParseFormat(c.Format) // Validate has checked it
	}
	return s, nil
}

// A Sink prints records. It is safe for concurrent use: batches don't mix.
type Sink struct {
	format lines.Format
	record bool

	mu  sync.Mutex
	w   io.Writer
	buf []byte
}

var (
	_ connector.Loader  = (*Sink)(nil)
	_ connector.Limited = (*Sink)(nil)
)

// Limits: one batch at a time, and much time for it, because whoever reads may read slowly.
func (s *Sink) Limits() connector.Limits {
	return connector.Limits{InFlight: 1, Timeout: 24 * time.Hour}
}

// Load writes the batch's lines with one call of Write.
func (s *Sink) Load(ctx context.Context, b *connector.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	s.buf = s.buf[:0]
	for i, r := range b.Records() {
		var err error
		if s.record {
			s.buf, err = appendRecord(s.buf, b.Source(), r)
		} else {
			s.buf, err = s.format.Append(s.buf, r.Value)
		}
		if err != nil {
			b.Fail(i, connector.Permanent.Errorf("write the record as a line: %w", err))
		}
	}
	if len(s.buf) == 0 {
		return nil
	}
	_, err := s.w.Write(s.buf)
	if cap(s.buf) > 4<<20 {
		s.buf = nil
	}
	return classify(err)
}

func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe), errors.Is(err, os.ErrClosed):
		return connector.Fatal.Errorf("write to the standard output: nobody reads it any more: %w", err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return connector.Systemic.Errorf("write to the standard output: %w", err)
	}
	return fmt.Errorf("write to the standard output: %w", err)
}

// appendRecord appends a record as an object. After an error dst comes back unchanged.
func appendRecord(dst []byte, s *connector.Source, r *connector.Record) ([]byte, error) {
	topic, err := json.Marshal(s.Topic)
	if err != nil {
		return dst, err
	}
	out := append(dst, `{"topic":`...)
	out = append(out, topic...)
	out = append(out, `,"partition":`...)
	out = strconv.AppendInt(out, int64(s.ID), 10)
	out = append(out, `,"offset":`...)
	out = strconv.AppendInt(out, r.Offset, 10)
	out = append(out, `,"timestamp":`...)
	out = strconv.AppendInt(out, r.Timestamp, 10)
	out = append(out, `,"key":`...)
	if out, err = appendValue(out, r.Key); err != nil {
		return dst, fmt.Errorf("key: %w", err)
	}
	out = append(out, `,"value":`...)
	if out, err = appendValue(out, r.Value); err != nil {
		return dst, fmt.Errorf("value: %w", err)
	}
	return append(out, "}\n"...), nil
}

func appendValue(dst []byte, v serde.Value) ([]byte, error) {
	if !v.Exists() {
		return append(dst, "null"...), nil
	}
	return v.AppendJSON(dst)
}
