package lines

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/cell"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

// An avroColumn is how values of a column, of a field or of an element are written by Avro's binary encoding.
type avroColumn struct {
	*cell.Column
	union       bool // of null and the type
	null, other byte // the numbers of the two as they are written

	fixed   bool         // a UUID, as 16 bytes instead of a text
	columns []avroColumn // of a Struct
	elem    *avroColumn  // of a List, of a Map

	known []byte // of a field: what is written where a value lacks the member,
	bad   error  // or why that can't be
}

// fields pairs the fields of a struct with those of their Avro schema, in the same order.
func (c *avroColumn) fields(s *avro.Schema) error {
	if s.Type != avro.Record || len(s.Fields) < len(c.Fields) {
		return fmt.Errorf("the Avro schema has %s where columns need a record of %d fields", s.Type, len(c.Fields))
	}
	c.columns = make([]avroColumn, len(c.Fields))
	for i := range c.columns {
		f := &c.columns[i]
		f.Column = &c.Fields[i]
		if err := f.compile(s.Fields[i].Type); err != nil {
			return err
		}
		f.known, f.bad = f.absent()
	}
	return nil
}

// avroTypes are the types that kinds can have.
var avroTypes = [...][]avro.Type{
	table.JSON: {avro.String}, table.Bool: {avro.Boolean}, table.Int32: {avro.Int}, table.Int64: {avro.Long}, table.Float32: {avro.Float},
	table.Float64: {avro.Double}, table.Decimal: {avro.Bytes}, table.String: {avro.String}, table.Bytes: {avro.Bytes},
	table.Fixed: {avro.Fixed}, table.UUID: {avro.String, avro.Fixed}, table.Date: {avro.Int}, table.TimeMillis: {avro.Int},
	table.TimeMicros: {avro.Long}, table.TimestampMillis: {avro.Long}, table.TimestampMicros: {avro.Long}, table.Struct: {avro.Record},
	table.List: {avro.Array}, table.Map: {avro.Map},
}

func (c *avroColumn) compile(s *avro.Schema) (err error) {
	if s, err = c.branch(s); err != nil {
		return err
	}
	t := c.Type
	fits := false
	if int(t.Kind) < len(avroTypes) {
		for _, want := range avroTypes[t.Kind] {
			fits = fits || s.Type == want
		}
	}
	if !fits || t.Kind == table.Fixed && s.Size != t.Size {
		return fmt.Errorf("column %.300s is %s; the Avro schema has %s", c.Path, t, s.Type)
	}
	switch t.Kind {
	case table.UUID:
		c.fixed = s.Type == avro.Fixed
	case table.Struct:
		return c.fields(s)
	case table.List, table.Map:
		c.elem = &avroColumn{Column: c.Elem}
		return c.elem.compile(s.Items)
	}
	return nil
}

// branch finds the type beside null.
func (c *avroColumn) branch(s *avro.Schema) (*avro.Schema, error) {
	if s.Type != avro.Union {
		if c.Type.Nullable {
			return nil, fmt.Errorf("column %.300s is nullable; the Avro schema has %s", c.Path, s.Type)
		}
		return s, nil
	}
	if len(s.Branches) != 2 || (s.Branches[0].Type == avro.Null) == (s.Branches[1].Type == avro.Null) {
		return nil, fmt.Errorf("column %.300s: the Avro schema has a union other than of null and one type", c.Path)
	}
	c.union = true
	if s.Branches[0].Type == avro.Null {
		c.other = 2 // the number 1, as a zigzag varint
		return s.Branches[1], nil
	}
	c.null = 2
	return s.Branches[0], nil
}

// absent is what is written without a member.
func (c *avroColumn) absent() ([]byte, error) {
	switch {
	case c.Default.Exists():
		w := avroWriter{}
		known, err := w.append(nil, c, c.Default)
		if err != nil {
			err = fmt.Errorf("default: %w", err)
		}
		return known, err
	case c.Type.Nullable:
		return []byte{c.null}, nil
	}
	return nil, c.Absent()
}

// An avroWriter writes rows. What it holds besides is only used during a call.
type avroWriter struct {
	slots slots
	text  []byte

	strangers bool // the row has members that no field takes
}

// reset ends a row, which may have failed halfway.
func (w *avroWriter) reset() {
	w.slots.give(0)
	w.strangers = false
}

// held is the memory held, in bytes.
func (w *avroWriter) held() int64 { return int64(cap(w.text)) + int64(cap(w.slots))*slotBytes }

// rest appends the members of v that no field takes.
func (w *avroWriter) rest(dst []byte, row *avroColumn, v serde.Value) ([]byte, error) {
	var err error
	if w.text, err = row.AppendRest(w.text[:0], v); err != nil {
		return nil, cell.RestFails(err)
	}
	return appendBytes(dst, w.text), nil
}

// appendBytes appends bytes, or a text, with their length.
func appendBytes(dst, text []byte) []byte {
	return append(binary.AppendVarint(dst, int64(len(text))), text...)
}

// append appends v.
func (w *avroWriter) append(dst []byte, c *avroColumn, v serde.Value) ([]byte, error) {
	k := c.Type.Kind
	if v.IsNull() && (k != table.JSON || c.Type.Nullable) {
		if !c.Type.Nullable {
			return nil, c.Refuse(v, cell.OtherKind)
		}
		return append(dst, c.null), nil
	}
	if c.union {
		dst = append(dst, c.other)
	}
	switch k {
	case table.Struct:
		return w.struc(dst, c, v)
	case table.List:
		return w.list(dst, c, v)
	case table.Map:
		return w.entries(dst, c, v)
	case table.JSON:
		return w.json(dst, c, v)
	}
	dst, why := w.scalar(dst, c, v)
	if why != cell.Taken {
		return nil, c.Refuse(v, why)
	}
	return dst, nil
}

// scalar appends a value that has no others in it.
func (w *avroWriter) scalar(dst []byte, c *avroColumn, v serde.Value) ([]byte, cell.Refusal) {
	switch c.Type.Kind {
	case table.Bool:
		b, why := cell.Bool(v)
		if b {
			return append(dst, 1), why
		}
		return append(dst, 0), why
	case table.Float64:
		f, why := cell.Float64(v)
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), why
	case table.Float32:
		f, why := cell.Float32(v)
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(f)), why
	case table.String, table.Bytes, table.Fixed, table.UUID, table.Decimal:
		return w.bytes(dst, c, v)
	}
	n, why := cell.Integer(c.Type.Kind, v)
	return binary.AppendVarint(dst, n), why
}

func (w *avroWriter) bytes(dst []byte, c *avroColumn, v serde.Value) ([]byte, cell.Refusal) {
	switch c.Type.Kind {
	case table.String:
		text, why := cell.Text(v, &w.text)
		return appendBytes(dst, text), why
	case table.Bytes:
		b, why := cell.Bytes(v, &w.text)
		return appendBytes(dst, b), why
	case table.Fixed:
		b, why := cell.Fixed(v, c.Type.Size, &w.text)
		return append(dst, b...), why
	case table.UUID:
		u, why := cell.UUID(v)
		if c.fixed {
			return append(dst, u[:]...), why
		}
		return serde.AppendUUID(append(dst, 2*36), u), why // the length of the text, as a varint
	}
	var u cell.Unscaled
	if why := u.Set(v, c.Type.Precision, c.Type.Scale, &w.text); why != cell.Taken {
		return nil, why
	}
	w.text = u.AppendShortest(w.text[:0])
	return appendBytes(dst, w.text), cell.Taken
}

func (w *avroWriter) json(dst []byte, c *avroColumn, v serde.Value) ([]byte, error) {
	var err error
	if w.text, err = v.AppendJSON(w.text[:0]); err != nil {
		return nil, c.Fail(err)
	}
	return appendBytes(dst, w.text), nil
}

func (w *avroWriter) list(dst []byte, c *avroColumn, v serde.Value) (_ []byte, err error) {
	if v.Kind() != serde.Array {
		return nil, c.Refuse(v, cell.OtherKind)
	}
	if n := v.Len(); n > 0 {
		dst = binary.AppendVarint(dst, int64(n))
	}
	for x := range v.Elements() {
		if dst, err = w.append(dst, c.elem, x); err != nil {
			return nil, err
		}
	}
	return append(dst, 0), nil
}

func (w *avroWriter) entries(dst []byte, c *avroColumn, v serde.Value) (_ []byte, err error) {
	if v.Kind() != serde.Object {
		return nil, c.Refuse(v, cell.OtherKind)
	}
	if n := v.Len(); n > 0 {
		dst = binary.AppendVarint(dst, int64(n))
	}
	for name, x := range v.Members() {
		if !utf8.ValidString(name) {
			return nil, c.Refuse(v, cell.NotUTF8)
		}
		dst = append(binary.AppendVarint(dst, int64(len(name))), name...)
		if dst, err = w.append(dst, c.elem, x); err != nil {
			return nil, err
		}
	}
	return append(dst, 0), nil
}

func (w *avroWriter) struc(dst []byte, c *avroColumn, v serde.Value) ([]byte, error) {
	if v.Kind() != serde.Object {
		return nil, c.Refuse(v, cell.OtherKind)
	}
	return w.fields(dst, c, v)
}

// fields appends the fields of an object.
func (w *avroWriter) fields(dst []byte, c *avroColumn, v serde.Value) ([]byte, error) {
	base, strangers, err := w.slots.find(c.Column, v)
	if err != nil {
		return nil, err
	}
	w.strangers = w.strangers || strangers
	for i := range c.columns {
		f := &c.columns[i]
		x := w.slots[base+i]
		switch {
		case x.Exists():
			if dst, err = w.append(dst, f, x); err != nil {
				return nil, err
			}
		case f.bad != nil:
			return nil, f.bad
		default:
			dst = append(dst, f.known...)
		}
	}
	w.slots.give(base)
	return dst, nil
}
