package avro

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/millrace/millrace/serde"
)

// Options of Compile. The zero Options read what was written, with the default limits.
type Options struct {
	// Reader is the schema that the data is read with; nil: the one that wrote it.
	Reader *Schema
	// Schema is what decoded values say they were written with; it may be nil.
	Schema *serde.Schema
	// Timestamps says how they are read: "" and "rfc3339" as Timestamps, "epoch" as the integers that were written.
	Timestamps string
	// Limits of a value.
	Limits Limits
}

// A Program reads values of one schema. It doesn't change, and may be used by any number of goroutines.
//
// The members of a record come in the order of the writer's fields; behind them are those that only the reader's schema has, with their
// defaults, in the order of its fields. A program for the schemas of a value needs no allocation to decode it.
type Program struct {
	root   [1]op
	names  *serde.Names
	schema *serde.Schema
	limits Limits
	keys   sync.Pool // of *keySet
}

// Compile makes a program that reads what was written with a schema. It fails where data of writer can never be read with the reader's
// schema; where that depends on which type of a union, or which symbol, was written, Decode fails. Items of an array or a map that can never be
// read fail here too, though those that are empty could be.
//
// A reader's schema chooses members, their names and their types, not their order: that stays the writer's, see [Program].
func Compile(writer *Schema, o Options) (*Program, error) {
	if writer == nil {
		return nil, errors.New("avro: compile: there is no schema")
	}
	if err := o.Limits.Validate(); err != nil {
		return nil, fmt.Errorf("avro: compile: %w", err)
	}
	reader := o.Reader
	if reader == nil {
		reader = writer
	}
	c, err := newCompiler(o.Timestamps)
	if err != nil {
		return nil, fmt.Errorf("avro: compile: %w", err)
	}
	p := &Program{names: c.names, schema: o.Schema, limits: o.Limits.withDefaults()}
	p.keys.New = func() any { return new(keySet) }
	if p.root[0], err = c.resolve(writer, reader, member{}); err != nil {
		return nil, fmt.Errorf("avro: compile: %w", err)
	}
	return p, nil
}

// Decode makes a value of data, which it borrows.
func (p *Program) Decode(t *serde.Tape, data []byte) (serde.Value, error) {
	if len(data) > math.MaxInt32 {
		return serde.Value{}, tooLong(data)
	}
	d := decoding{input: p.input(data)}
	d.w = t.Write(data, p.names, d.left)
	d.left--
	i, f := d.run(p.root[:], 0)
	if f == nil && i < len(data) {
		f = d.trailing(i)
	}
	if f != nil {
		d.w.Discard()
		return serde.Value{}, f
	}
	return d.w.Value(p.schema)
}

// AppendJSON appends the text that the value of data has, which is what Decode and AppendJSON of its Value give. dst comes back as it was
// after an error.
func (p *Program) AppendJSON(dst, data []byte) ([]byte, error) {
	if len(data) > math.MaxInt32 {
		return dst, tooLong(data)
	}
	j := printing{input: p.input(data), pool: &p.keys}
	j.most = len(dst) + p.limits.output(len(data))
	j.left--
	out, i, f := j.run(dst, p.root[:], 0)
	if f == nil && i < len(data) {
		f = j.trailing(i)
	}
	if j.keys != nil {
		j.keys.done()
		p.keys.Put(j.keys)
	}
	if f != nil {
		return dst, f
	}
	return out, nil
}

func (p *Program) input(data []byte) input {
	return input{data: data, left: p.limits.nodes(len(data)), limits: &p.limits}
}

func tooLong(data []byte) error {
	return fmt.Errorf("avro: %d bytes are more than the limit of %d", len(data), math.MaxInt32)
}

// An op is how one value is read: a member of a record, an element, a type of a union.
type op struct {
	code  code
	long  bool       // what begins with an integer begins with a long, not an int
	keyed bool       // the name is the key of the map
	scale uint16     // digits behind a decimal's point
	n     int32      // bytes of a fixed; symbols of an enum that is skipped
	name  serde.Name // of the member
	text  string     // what AppendJSON writes first: comma, name, opening quote or bracket; all of a constant
	of    *node      // what belongs to a container, a union, an enum or a constant
}

// A node is what ops refer to. Recursive types make cycles of nodes.
type node struct {
	ops     []op
	members int      // of a record, those that nobody reads not counted
	fields  []string // names of a record's ops, for errors
	parts   int      // nodes and work that a record or a constant stands for
	symbols []symbol // of an enum
	fail    string   // why it can't be read; "" if it can

	number   int64 // of a constant
	float    float64
	constant []byte
	symbol   serde.Name
}

// A symbol of an enum, as the reader's schema has it; fail says why it has none.
type symbol struct {
	name serde.Name
	text string // quoted
	fail string
}

// A code says what an op does.
type code uint8

// First those that begin with an integer.
const (
	opInteger code = iota
	opFloatOfInteger
	opDoubleOfInteger
	opDate
	opTimeMillis
	opTimeMicros
	opTimestampMillis
	opTimestampMicros
	opTimestampNanos
	opLocalMillis
	opLocalMicros
	opLocalNanos
	opString
	opUUIDText
	opBytes
	opDecimal
	opBigDecimal
	opEnum
	opUnion

	opNull
	opBool
	opFloat
	opDouble
	opDoubleOfFloat
	opFixed
	opFixedDecimal
	opFixedUUID
	opDuration
	opRecord
	opArray
	opMap
	opSkip
	opFail

	// Constants: defaults of fields that weren't written.
	opConstNull
	opConstBool
	opConstInt
	opConstFloat
	opConstFloat32
	opConstDate
	opConstTime
	opConstTimestamp
	opConstSymbol
	opConstString
	opConstBytes
	opConstDecimal
	opConstUUID
	opConstArray
	opConstObject
)

// A fault is why bytes can't be decoded.
type fault struct {
	at   int      // byte
	op   int      // index of the op in the list that runs
	path []string // of the value, the innermost first
	text string
}

// in says that the value lies in the member or the element with this name.
func (f *fault) in(name string, op int) *fault {
	f.path, f.op = append(f.path, name), op
	return f
}

// Error names the field and the byte.
func (f *fault) Error() string {
	if path := pathText(f.path); path != "" {
		return fmt.Sprintf("avro: field %.300q at byte %d: %s", path, f.at, f.text)
	}
	return fmt.Sprintf("avro: at byte %d: %s", f.at, f.text)
}

// pathText joins names, the innermost first: pos.lat, tags[2].
func pathText(names []string) string {
	path := ""
	for _, name := range names {
		switch {
		case path == "" || path[0] == '[':
			path = name + path
		default:
			path = name + "." + path
		}
	}
	return path
}
