package template

import (
	"fmt"
	"strconv"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// NullSegment stands in a path for a value that is null, missing or empty. A value
// that is this very text is escaped, so that the two are never mixed up.
const NullSegment = "__null__"

// HiveNull is what Hive, and with it Spark and Athena, call the partition of null and empty values: a choice for [Options.Null].
const HiveNull = "__HIVE_DEFAULT_PARTITION__"

// Options say what a template may hold and how its values are written.
type Options struct {
	// Path says that the text is a path below a root, with / between its segments.
	// Escape is EscapePath and Null is NullSegment unless they are given, and
	// a text that names the root itself or something outside is refused.
	Path bool
	// Escape appends the escaped form of a field's value. It must not keep v. nil appends v as it is.
	Escape func(dst, v []byte) []byte
	// Null stands for a value that is null or missing, and in a path for an empty one.
	// Without it such a record is an error. In a path it has letters, digits, - _ and . only, and a value that is this very text is escaped.
	Null string
	// MissingIsError makes a record an error whose value has no such field, or that has no such header. Null then stands for null alone.
	MissingIsError bool
	// Position allows {position} and {hash:2}.
	Position bool
	// Time allows {time:...} and says which time. nil = not allowed.
	Time *Time
}

// A Template is a compiled text setting. It is immutable and safe for concurrent use.
type Template struct {
	text   string
	parts  []part
	opts   Options
	clock  clock
	static bool          // no field changes within a batch
	timed  bool          // none but times does
	unit   time.Duration // how long all of its times show the same, at most an hour
}

type kind uint8

const (
	literal kind = iota
	topic
	partition
	connectorName
	key
	value
	header
	offset
	timestamp
	id
	timeOf
	position
	hash
)

// A part is a literal or one field.
type part struct {
	kind    kind
	text    []byte      // of a literal
	field   string      // as written, without braces
	path    *serde.Path // below key or value; nil = the whole
	header  string
	width   int // of a hash its digits
	pattern pattern
	of      *Template // what a hash is of: one field. nil = topic, partition and position
}

// Text is what the template was compiled from.
func (t *Template) Text() string { return t.text }

// Constant reports whether the text is the same for every record of a batch: it depends on
// topic, partition, connector and position only.
func (t *Template) Constant() bool { return t.static }

// HasPosition reports whether the text holds {position}.
func (t *Template) HasPosition() bool {
	for i := range t.parts {
		if t.parts[i].kind == position {
			return true
		}
	}
	return false
}

// PerFile reports whether the text depends on the position: it holds {position} or {hash:2}.
func (t *Template) PerFile() bool {
	for i := range t.parts {
		if p := &t.parts[i]; p.kind == position || p.kind == hash && p.of == nil {
			return true
		}
	}
	return false
}

// Append appends the text for the i-th record of b to dst. position is what {position} shows.
// An error is of class Permanent: it is about this record, and names the field. dst comes back unchanged then.
func (t *Template) Append(dst []byte, b *connector.Batch, i int, position int64) ([]byte, error) {
	start := len(dst)
	out := dst
	var when moment
	for n := range t.parts {
		p := &t.parts[n]
		if p.kind == literal {
			out = append(out, p.text...)
			continue
		}
		var err error
		from := len(out)
		out, err = t.appendField(out, p, b, i, position, &when)
		if err != nil {
			return dst, connector.Permanent.Errorf("{%s} of %q: %w", p.field, t.text, err)
		}
		if t.opts.Path && len(out) == from {
			out = append(out, t.opts.Null...)
		}
	}
	if t.opts.Path {
		if err := checkSegments(out[start:]); err != nil {
			return dst, connector.Permanent.Errorf("path %q: %w", t.text, err)
		}
	}
	return out, nil
}

// A Run tells without evaluating a template whether a record gives the same text as the one before. The zero Run
// is ready for use, by one goroutine.
type Run struct{ from, to int64 } // milliseconds that give the same text

// Same reports whether the i-th record of b certainly gives the same text, but for its position, as the record of the
// same topic and partition that Same was called for before. It is quick where only times vary.
func (t *Template) Same(run *Run, b *connector.Batch, i int) bool {
	if t.static {
		return true
	}
	if !t.timed {
		return false
	}
	when, err := t.clock.of(b.At(i))
	if err != nil {
		*run = Run{}
		return false
	}
	ms := when.UnixMilli()
	if ms >= run.from && ms < run.to {
		return true
	}
	run.from, run.to = window(when, t.unit)
	return false
}

func (t *Template) appendField(dst []byte, p *part, b *connector.Batch, i int, first int64, when *moment) ([]byte, error) {
	s, r := b.Source(), b.At(i)
	switch p.kind {
	case topic:
		return t.appendString(dst, s.Topic), nil
	case connectorName:
		return t.appendString(dst, s.Connector), nil
	case partition:
		return appendInt(dst, int64(s.ID), p.width), nil
	case offset:
		return appendInt(dst, r.Offset, p.width), nil
	case timestamp:
		return appendInt(dst, r.Timestamp, p.width), nil
	case position:
		return appendInt(dst, first, p.width), nil
	case hash:
		return t.appendHash(dst, p, b, i, first)
	case id:
		return b.AppendID(dst, i), nil
	case timeOf:
		if err := when.set(&t.clock, r); err != nil {
			return dst, err
		}
		return p.pattern.append(dst, when), nil
	case key:
		return t.appendValue(dst, at(r.Key, p.path))
	case value:
		return t.appendValue(dst, at(r.Value, p.path))
	default:
		v, ok := r.Header(p.header)
		switch {
		case !ok:
			return t.appendNull(dst, serde.Missing)
		case v == nil:
			return t.appendNull(dst, serde.Null)
		}
		return t.appendEscaped(dst, v), nil
	}
}

func at(v serde.Value, p *serde.Path) serde.Value {
	if p == nil {
		return v
	}
	return v.Get(p)
}

func (t *Template) appendNull(dst []byte, kind serde.Kind) ([]byte, error) {
	if t.opts.Null == "" || t.opts.MissingIsError && kind == serde.Missing {
		return dst, fmt.Errorf("it is %s", kind)
	}
	return append(dst, t.opts.Null...), nil
}

func (t *Template) appendValue(dst []byte, v serde.Value) ([]byte, error) {
	switch v.Kind() {
	case serde.Missing, serde.Null:
		return t.appendNull(dst, v.Kind())
	case serde.String, serde.Bytes:
		text, _ := v.Text()
		return t.appendEscaped(dst, text), nil
	}
	out, err := v.AppendText(dst)
	if err != nil {
		return dst, err
	}
	return t.escapeFrom(out, len(dst)), nil
}

// escapeFrom escapes what dst holds from n on. The escaped form goes behind the plain one and is then moved over it: no second buffer.
func (t *Template) escapeFrom(dst []byte, n int) []byte {
	if t.opts.Escape == nil || n == len(dst) {
		return dst
	}
	m := len(dst)
	dst = t.opts.Escape(dst, dst[n:m])
	return append(dst[:n], dst[m:]...)
}

func (t *Template) appendEscaped(dst, v []byte) []byte {
	if t.opts.Escape == nil {
		return append(dst, v...)
	}
	if len(v) == 0 {
		return dst // Append puts Null where a path needs one
	}
	return t.opts.Escape(dst, v)
}

func (t *Template) appendString(dst []byte, s string) []byte {
	return t.escapeFrom(append(dst, s...), len(dst))
}

// appendInt appends v with zeros in front up to width, the sign included, as %0*d does.
func appendInt(dst []byte, v int64, width int) []byte {
	if v < 0 {
		dst = append(dst, '-')
		width--
	}
	var digits [20]byte
	text := strconv.AppendUint(digits[:0], magnitude(v), 10)
	for range width - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}
