package eventbridge

import (
	"errors"
	"fmt"
	"sync"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/rule"
	"github.com/millrace/millrace/internal/template"
	"github.com/millrace/millrace/serde"
)

// A shape makes events of records. It is immutable and safe for concurrent use.
type shape struct {
	source    *template.Template
	types     detailTypes
	envelope  envelope
	time      *rule.Expr // nil: the event's time is that of its arrival
	trace     string     // name of the header with the trace header, "" for none
	resources []byte     // the entry's member, with the commas around it
	bus       []byte     // the same
	fixed     int        // bytes of the resources, which are the same in every event
	scratch   sync.Pool  // of *scratch
}

// An entry is what is known of an entry of a PutEvents request besides its text.
type entry struct {
	size int // bytes by EventBridge's formula: see size.go
}

// A scratch is memory that one call uses.
type scratch struct {
	text   []byte // short texts, before they are escaped
	detail []byte // the detail, before it is escaped
}

// maxScratch bounds the memory of a scratch that is kept, in bytes: a detail as large as EventBridge takes.
const maxScratch = 1 << 20

// shape compiles the settings that say what an event looks like. An error names each setting that can't be.
func (c Config) shape() (*shape, error) {
	s := &shape{trace: c.TraceHeader}
	s.scratch.New = func() any { return &scratch{} }
	var errs [5]error
	s.source, errs[0] = compileSource(c.Source)
	s.types, errs[1] = c.DetailType.compile()
	s.envelope, errs[2] = c.envelope()
	if c.Time != "" {
		if s.time, errs[3] = rule.Compile(c.Time); errs[3] != nil {
			errs[3] = fmt.Errorf("time: %w", errs[3])
		}
	}
	errs[4] = s.compileFixed(c)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	return s, nil
}

// compileFixed makes the members that are the same in all events.
func (s *shape) compileFixed(c Config) error {
	var err error
	s.resources = append(s.resources, `,"Resources":[`...)
	for n, arn := range c.Resources {
		if n > 0 {
			s.resources = append(s.resources, ',')
		}
		if s.resources, err = serde.AppendString(s.resources, []byte(arn)); err != nil {
			return fmt.Errorf("resources: %w", err)
		}
		s.fixed += len(arn)
	}
	s.resources = append(s.resources, `],"DetailType":`...)
	if s.bus, err = serde.AppendString([]byte(`,"EventBusName":`), []byte(c.Bus)); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	return nil
}

// append appends the entry of a PutEvents request for the i-th record of b, and fills e. An error is of class Permanent, and dst comes back as it was.
func (s *shape) append(dst []byte, e *entry, b *connector.Batch, i int) ([]byte, error) {
	return s.entry(dst, e, b, i, "")
}

// offload is append with the part of the detail at oversize.s3.field replaced by a reference to the object of S3 that holds it. Where there
// is no such part, see offloaded, it is append.
func (s *shape) offload(dst []byte, e *entry, b *connector.Batch, i int, arn string) ([]byte, error) {
	if !s.envelope.part.in(b, i) {
		arn = ""
	}
	return s.entry(dst, e, b, i, arn)
}

// offloaded appends the JSON of the part of the detail at oversize.s3.field. ok is false where that is missing or null.
// An error is of class Permanent, and dst comes back as it was.
func (s *shape) offloaded(dst []byte, b *connector.Batch, i int) (out []byte, ok bool, err error) {
	v := s.envelope.part.of(b, i)
	if v.IsNull() {
		return dst, false, nil
	}
	if !s.envelope.record { // nothing is put into S3 for a record that makes no event
		if err := s.envelope.checkValue(b.At(i).Value, true); err != nil {
			return dst, false, connector.Permanent.Wrap(err)
		}
	}
	if out, err = v.AppendJSON(dst); err != nil {
		return dst, false, connector.Permanent.Errorf("%s: %w", s.envelope.part.field, err)
	}
	return out, true, nil
}

func (s *shape) entry(dst []byte, e *entry, b *connector.Batch, i int, arn string) ([]byte, error) {
	x := s.scratch.Get().(*scratch)
	out, err := s.appendEntry(dst, x, e, b, i, arn)
	if cap(x.detail) <= maxScratch {
		s.scratch.Put(x)
	}
	if err != nil {
		return dst, connector.Permanent.Wrap(err)
	}
	return out, nil
}

func (s *shape) appendEntry(dst []byte, x *scratch, e *entry, b *connector.Batch, i int, arn string) ([]byte, error) {
	*e = entry{size: s.fixed}
	dst, err := s.appendSource(append(dst, `{"Source":`...), x, e, b, i)
	if err != nil {
		return nil, err
	}
	if dst, err = s.types.append(append(dst, s.resources...), x, e, b, i); err != nil {
		return nil, err
	}
	if x.detail, err = s.envelope.append(x.detail[:0], x, b, i, arn); err != nil {
		return nil, err
	}
	e.size += len(x.detail)
	dst = append(appendEscaped(append(dst, `,"Detail":"`...), x.detail), '"')
	dst = append(dst, s.bus...)
	if dst, err = s.appendTime(dst, e, b, i); err != nil {
		return nil, err
	}
	return append(s.appendTrace(dst, e, b.At(i)), '}'), nil
}

// appendSource appends the event's source as a JSON string.
func (s *shape) appendSource(dst []byte, x *scratch, e *entry, b *connector.Batch, i int) ([]byte, error) {
	var err error
	if x.text, err = s.source.Append(x.text[:0], b, i, 0); err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	if err := checkSource(x.text); err != nil {
		return nil, err
	}
	if dst, err = serde.AppendString(dst, x.text); err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	e.size += len(x.text)
	return dst, nil
}

// appendTrace appends the trace header. One that EventBridge wouldn't take is left out: the event counts for more than its trace.
func (s *shape) appendTrace(dst []byte, e *entry, r *connector.Record) []byte {
	if s.trace == "" {
		return dst
	}
	text, _ := r.Header(s.trace)
	if len(text) == 0 || len(text) > maxTrace {
		return dst
	}
	out, err := serde.AppendString(append(dst, `,"TraceHeader":`...), text)
	if err != nil {
		return dst
	}
	e.size += len(text)
	return out
}
