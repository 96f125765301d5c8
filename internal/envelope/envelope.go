package envelope

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// Config is the setting envelope: records are written whole, with where they come from, instead of their values alone.
type Config struct {
	// Write envelopes. Any other of these settings does so too.
	Enabled bool `yaml:"enabled" short:"true"`
	// Members of the envelope: topic, partition, offset, timestamp, timestamp_type, key, headers, value. Default all of them.
	Fields []string `yaml:"fields"`
	// key and value are Kafka's bytes, not what decoders and handlers made of them: what millrace restore writes back is then the same byte for byte.
	Raw bool `yaml:"raw"`
}

// On reports whether records are written as envelopes.
func (c Config) On() bool { return c.Enabled || c.Raw || len(c.Fields) > 0 }

// Validate reports settings that can't be.
func (c Config) Validate() error {
	for i, f := range c.Fields {
		switch {
		case !slices.Contains(memberNames[:], f):
			return fmt.Errorf("envelope.fields has %.100q; an envelope has %s", f, strings.Join(memberNames[:], ", "))
		case slices.Contains(c.Fields[:i], f):
			return fmt.Errorf("envelope.fields has %q twice", f)
		}
	}
	return nil
}

// A Form is how a file holds values.
type Form uint8

// The forms.
const (
	JSON    Form = iota // lines of JSON, which have no bytes
	Columns             // columns, or fields, with types
)

// The members, in their order.
const (
	inTopic = iota
	inPartition
	inOffset
	inTimestamp
	inTimestampType
	inKey
	inHeaders
	inValue
	members
)

var memberNames = [members]string{"topic", "partition", "offset", "timestamp", "timestamp_type", "key", "headers", "value"}

// contentNames are the names of a member that may hold bytes.
type contentNames struct{ plain, base64 string }

var (
	inKeyNames   = contentNames{"key", "key_base64"}
	inValueNames = contentNames{"value", "value_base64"} // of headers too
)

// headerName is the other member of a header.
const headerName = "name"

// A Compiled makes envelopes. It is safe for concurrent use.
type Compiled struct {
	form Form
	raw  bool
	has  [members]bool

	drafts sync.Pool // of *draft
}

// New makes a Compiled.
func New(c Config, f Form) (*Compiled, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	e := &Compiled{form: f, raw: c.Raw}
	for i, name := range memberNames {
		e.has[i] = len(c.Fields) == 0 || slices.Contains(c.Fields, name)
	}
	return e, nil
}

// A draft is an envelope while it is made.
type draft struct {
	names   [members]string
	values  [members]serde.Value
	n       int
	header  [2]serde.Value
	headers []serde.Value
}

func (d *draft) put(name string, v serde.Value) {
	d.names[d.n], d.values[d.n] = name, v
	d.n++
}

// Wrap makes the envelope of the i-th record of b. t is the tape of the record's values. The envelope refers to them and borrows the record's
// bytes: it is valid for as long as both are. An error is about this record and Permanent.
func (e *Compiled) Wrap(t *serde.Tape, b *connector.Batch, i int) (serde.Value, error) {
	d, _ := e.drafts.Get().(*draft)
	if d == nil {
		d = new(draft)
	}
	r, s := b.At(i), b.Source()
	for member, has := range e.has {
		if !has {
			continue
		}
		name := memberNames[member]
		switch member {
		case inTopic:
			d.put(name, t.String(s.Topic))
		case inPartition:
			d.put(name, t.Int64(int64(s.ID)))
		case inOffset:
			d.put(name, t.Int64(r.Offset))
		case inTimestamp:
			d.put(name, timestamp(t, r.Timestamp))
		case inTimestampType:
			d.put(name, t.String(r.TimestampType()))
		case inKey:
			d.put(e.content(t, inKeyNames, r.Key, r.RawKey))
		case inHeaders:
			v, err := e.headers(t, d, r.Headers)
			if err != nil {
				return serde.Value{}, err
			}
			d.put(name, v)
		case inValue:
			d.put(e.content(t, inValueNames, r.Value, r.RawValue))
		}
	}
	v := t.Object(d.names[:d.n], d.values[:d.n])
	clear(d.headers) // values keep their tapes in memory
	*d = draft{headers: d.headers[:0]}
	e.drafts.Put(d)
	return v, nil
}

// content is a key or a value.
func (e *Compiled) content(t *serde.Tape, names contentNames, v serde.Value, raw []byte) (string, serde.Value) {
	switch {
	case e.raw:
		return e.bytes(t, names, raw)
	case !v.Exists():
		return names.plain, t.Null()
	case v.Kind() == serde.Bytes && e.form == JSON:
		return names.base64, v
	}
	return names.plain, v
}

// bytes is a member of Kafka's bytes.
func (e *Compiled) bytes(t *serde.Tape, names contentNames, raw []byte) (string, serde.Value) {
	switch {
	case raw == nil:
		return names.plain, t.Null()
	case e.form == Columns:
		return names.plain, t.BorrowBytes(raw)
	case utf8.Valid(raw):
		return names.plain, t.BorrowString(raw)
	}
	return names.base64, t.BorrowBytes(raw)
}

// timestamp is null where a record has none.
func timestamp(t *serde.Tape, ms int64) serde.Value {
	const first, end = -62167219200_000, 253402300800_000 // the years 0 and 10000 in milliseconds: RFC 3339 has four digits
	switch {
	case ms == connector.NoTimestamp:
		return t.Null()
	case ms < first || ms >= end:
		return t.Int64(ms)
	}
	return t.Timestamp(time.UnixMilli(ms))
}

func (e *Compiled) headers(t *serde.Tape, d *draft, headers []connector.Header) (serde.Value, error) {
	for _, h := range headers {
		if !utf8.ValidString(h.Name) {
			return serde.Value{}, connector.Permanent.Errorf("envelope: the name of the header %.100q isn't UTF-8", h.Name)
		}
		names := [2]string{headerName}
		d.header[0] = t.String(h.Name)
		names[1], d.header[1] = e.bytes(t, inValueNames, h.Value)
		d.headers = append(d.headers, t.Object(names[:], d.header[:]))
	}
	return t.Array(d.headers), nil
}

// Columns are those of envelopes, of the form Columns, around keys and values of the given types: nil for bytes, Type{Kind: table.Struct} with the
// fields of a schema for its rows. Raw keys and values are bytes whatever is given.
func (e *Compiled) Columns(key, value *table.Type) *table.Schema {
	binary := table.Type{Kind: table.Bytes, Nullable: true}
	header := table.Type{Kind: table.Struct, Fields: []table.Field{
		{Name: headerName, Type: table.Type{Kind: table.String}}, {Name: inValueNames.plain, Type: binary},
	}}
	content := func(t *table.Type) table.Type {
		if t == nil || e.raw {
			return binary
		}
		nullable := *t
		nullable.Nullable = true
		return nullable
	}
	types := [members]table.Type{
		inTopic: {Kind: table.String}, inPartition: {Kind: table.Int32}, inOffset: {Kind: table.Int64},
		inTimestamp: {Kind: table.TimestampMillis, Nullable: true}, inTimestampType: {Kind: table.String},
		inKey: content(key), inHeaders: {Kind: table.List, Elem: &header}, inValue: content(value),
	}
	s := &table.Schema{Name: "Record"}
	for i, t := range types {
		if e.has[i] {
			s.Fields = append(s.Fields, table.Field{Name: memberNames[i], Type: t})
		}
	}
	return s
}
