package column

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
)

// maxDepth is how deep a JSON document in a column may be nested.
const maxDepth = 64

// A Row writes one value: an object with members for columns. One goroutine uses it, between
// [Set.Begin] and End. A Row that met an error is left as it is.
type Row struct {
	// Writer puts members on the tape that are no columns. Each counts in Members.
	Writer *serde.Writer
	// Members is the number of members that were written.
	Members int

	set       *Set
	tape      *serde.Tape
	at        int
	documents []document
}

// A document is a column of JSON, which is parsed when the rest was written.
type document struct {
	column, at int
	text       []byte
}

// Begin begins a value that is decoded from src and has at most so many members and elements.
func (s *Set) Begin(t *serde.Tape, src []byte, members int) Row {
	w := t.Write(src, &s.names, 1+members)
	return Row{Writer: w, set: s, tape: t, at: w.Begin(serde.Name{}, serde.Object)}
}

// Null writes null for column i.
func (r *Row) Null(i int) {
	r.Writer.Null(r.set.fields[i].name)
	r.Members++
}

// Text reads text, which is UTF-8, as column i. It lies at byte at of what is decoded, or, if it was unpacked,
// inside where its field begins, and borrowed is false. Then it is copied.
func (r *Row) Text(i int, text []byte, at int, borrowed bool) error {
	f := &r.set.fields[i]
	r.Members++
	switch {
	case f.typ == String && borrowed:
		r.Writer.Borrow(f.name, serde.String, at, len(text))
		return nil
	case f.typ == JSON:
		r.Writer.Null(f.name)
		r.documents = append(r.documents, document{column: i, at: at, text: text})
		return nil
	case f.write(r.Writer, r.tape, text):
		return nil
	}
	return r.set.mismatch(i, at, text)
}

// Int writes column i, whose text at byte at stands for n.
func (r *Row) Int(i int, n int64, at int) error {
	if f := &r.set.fields[i]; f.typ == Int {
		r.Members++
		r.Writer.Int64(f.name, n)
		return nil
	}
	return r.Text(i, strconv.AppendInt(nil, n, 10), at, false)
}

// mismatch is the error of a text that isn't of its column's type.
func (s *Set) mismatch(i, at int, text []byte) error {
	return fmt.Errorf("column %d %q at byte %d: expected %s, found %s", i+1, s.columns[i].Name, at, s.fields[i].expects, Shape(text))
}

// Shape is what a text looks like, for messages, which may be logged and must not tell what records hold: letters as x, digits as 9, cut to 80
// characters.
func Shape(text []byte) string {
	const most = 80
	var shape []rune
	for _, c := range string(text[:min(len(text), 4*most)]) {
		switch {
		case len(shape) == most:
			return fmt.Sprintf("%q...", string(shape))
		case c >= '0' && c <= '9':
			c = '9'
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= utf8.RuneSelf:
			c = 'x'
		}
		shape = append(shape, c)
	}
	return fmt.Sprintf("%q", string(shape))
}

// CheckUTF8 is the error of bytes that aren't UTF-8.
func CheckUTF8(data []byte) error {
	if utf8.Valid(data) {
		return nil
	}
	at := serde.InvalidUTF8(data)
	return fmt.Errorf("byte 0x%02X at %d isn't UTF-8", data[at], at)
}

// Repeated is a name that two members have; ok is false if there is none. It is for values whose names aren't those of
// columns only.
func (r *Row) Repeated() (name string, ok bool) {
	r.Writer.End(r.at, r.Members)
	return r.Writer.Repeated(r.at)
}

// End ends the value. schema is what it was written with.
func (r *Row) End(schema *serde.Schema) (serde.Value, error) {
	r.Writer.End(r.at, r.Members)
	v, err := r.Writer.Value(schema)
	if err != nil || len(r.documents) == 0 {
		return v, err
	}
	return r.insert(v, schema)
}

// insert puts the JSON documents in the places of their columns.
func (r *Row) insert(v serde.Value, schema *serde.Schema) (serde.Value, error) {
	names, values := make([]string, len(r.documents)), make([]serde.Value, len(r.documents))
	for i, d := range r.documents {
		value, err := r.tape.JSON(d.text, serde.Limits{Depth: maxDepth})
		if err != nil {
			return serde.Value{}, fmt.Errorf("%w: %w", r.set.mismatch(d.column, d.at, d.text), err)
		}
		names[i], values[i] = r.set.columns[d.column].Name, value
	}
	v, err := r.tape.With(v, names, values)
	if err != nil {
		return serde.Value{}, err
	}
	v.SetSchema(schema)
	return v, nil
}
