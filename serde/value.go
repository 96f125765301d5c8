package serde

import (
	"iter"
	"math"
	"time"
	"unsafe"
)

// A Kind says what a Value holds.
type Kind uint8

// The kinds of values.
const (
	Missing   Kind = iota // the zero Value: a path that leads nowhere
	Null                  // JSON's null
	Bool                  // true or false
	Int64                 // an integer from -1<<63 to 1<<63-1
	Float64               // a number that float64 holds without losing a digit
	Decimal               // any other number, as its exact text
	String                // UTF-8 text
	Bytes                 // bytes; a base64 string in JSON
	Date                  // days since 1970-01-01
	Time                  // microseconds since midnight
	Timestamp             // microseconds since 1970-01-01T00:00Z
	UUID                  // 16 bytes
	Array                 // elements
	Object                // members: names, each once, with values, in order
)

var kindNames = [...]string{"missing", "null", "bool", "integer", "number", "decimal", "string",
	"bytes", "date", "time", "timestamp", "uuid", "array", "object"}

// String is the name of the kind, as error messages show it: "integer", "string", "object".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// A Value is a null, a scalar, an array or an object. It is a handle: copying it
// copies no content, and it is valid until its [Tape] is Reset and for as long as what it
// borrows doesn't change. Using it after Reset panics. The zero Value is Missing.
//
// Reading is safe from many goroutines at once while nobody makes values on the same tape.
type Value struct {
	d      *doc
	i, gen uint32
}

// node is what v points to; v isn't Missing.
func (v Value) node() *node {
	if v.d.gen != v.gen {
		panic("serde: value used after its tape was reset")
	}
	return &v.d.nodes[v.i]
}

// Kind says what v holds.
func (v Value) Kind() Kind {
	if v.d == nil {
		return Missing
	}
	n := v.node()
	if n.flag&flagUnsure != 0 {
		return classify(v.d.text(n))
	}
	return n.kind
}

// Exists reports whether v isn't Missing. A null exists.
func (v Value) Exists() bool { return v.d != nil }

// IsNull reports whether v is a Null, or Missing.
func (v Value) IsNull() bool { return v.d == nil || v.node().kind == Null }

// Bool is the content of a Bool.
func (v Value) Bool() (b, ok bool) {
	if v.d == nil {
		return false, false
	}
	n := v.node()
	return n.kind == Bool && n.x != 0, n.kind == Bool
}

// Int64 is the content of a number that is exactly an int64: 80, 80.0 and 8e1 are, 80.5 and 1e19 are not.
func (v Value) Int64() (i int64, ok bool) {
	if v.d == nil {
		return 0, false
	}
	n := v.node()
	switch {
	case n.kind == Int64:
		return int64(n.x), true
	case n.kind == Decimal || n.kind == Float64 && n.flag&flagRaw != 0:
		return exactInt(v.d.text(n))
	case n.kind == Float64:
		f := math.Float64frombits(n.x)
		if f != math.Trunc(f) || f < -1<<63 || f >= 1<<63 {
			return 0, false
		}
		return int64(f), true
	}
	return 0, false
}

// Float64 is the float64 nearest to a number of any kind. A number too large for a float64 isn't ok.
func (v Value) Float64() (f float64, ok bool) {
	if v.d == nil {
		return 0, false
	}
	n := v.node()
	switch {
	case n.kind == Int64:
		return float64(int64(n.x)), true
	case n.kind == Decimal || n.kind == Float64 && n.flag&flagRaw != 0:
		return nearest(v.d.text(n))
	case n.kind == Float64:
		return math.Float64frombits(n.x), true
	}
	return 0, false
}

// Text is the content of a String, without escapes, or of Bytes. It is borrowed and must not be changed.
func (v Value) Text() (s []byte, ok bool) {
	if v.d == nil {
		return nil, false
	}
	n := v.node()
	if n.kind != String && n.kind != Bytes {
		return nil, false
	}
	return v.d.plain(n), true
}

// Number is the JSON text of a number that was parsed or is a Decimal; ok is false for any other value.
func (v Value) Number() (text []byte, ok bool) {
	if v.d == nil {
		return nil, false
	}
	n := v.node()
	if n.kind == Decimal || (n.kind == Int64 || n.kind == Float64) && n.flag&flagRaw != 0 {
		return v.d.text(n), true
	}
	return nil, false
}

// Micros is the content of a Timestamp in microseconds since 1970-01-01T00:00Z, or of a Time in
// microseconds since midnight.
func (v Value) Micros() (us int64, ok bool) {
	if v.d == nil {
		return 0, false
	}
	n := v.node()
	if n.kind != Timestamp && n.kind != Time {
		return 0, false
	}
	return int64(n.x), true
}

// Time is the content of a Timestamp, or midnight of a Date, in UTC.
func (v Value) Time() (t time.Time, ok bool) {
	if v.d == nil {
		return time.Time{}, false
	}
	switch n := v.node(); n.kind {
	case Timestamp:
		return time.UnixMicro(int64(n.x)).UTC(), true
	case Date:
		return time.Unix(int64(n.x)*secondsOfDay, 0).UTC(), true
	}
	return time.Time{}, false
}

// UUID is the content of a UUID.
func (v Value) UUID() (u [16]byte, ok bool) {
	if v.d == nil {
		return u, false
	}
	n := v.node()
	if n.kind == UUID {
		copy(u[:], v.d.text(n))
	}
	return u, n.kind == UUID
}

// Len is the number of an array's elements, of an object's members, or of the bytes of a String or of Bytes. Any other value has 0.
func (v Value) Len() int {
	if v.d == nil {
		return 0
	}
	switch n := v.node(); n.kind {
	case Array, Object:
		return int(n.x >> 32)
	case String, Bytes:
		return len(v.d.plain(n))
	}
	return 0
}

// Index is the i-th element of an array, counted from the end where i is negative. It is Missing if
// there is none. Elements is the way to visit all.
func (v Value) Index(i int) Value {
	if v.d == nil {
		return Value{}
	}
	v.node()
	if j := v.d.element(v.i, i); j != 0 {
		return v.d.value(j)
	}
	return Value{}
}

// Field is an object's member, Missing if there is none.
func (v Value) Field(name string) Value {
	if v.d == nil {
		return Value{}
	}
	n := v.node()
	if n.kind != Object {
		return Value{}
	}
	d, end := v.d, uint32(n.x)
	for j := v.i + 1; j < end; j = d.after(j) {
		if m := &d.nodes[j]; int(m.nameLen) == len(name) && string(d.name(m)) == name {
			return d.value(j)
		}
	}
	return Value{}
}

// Elements visits an array's elements. Any other value has none.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.d == nil {
			return
		}
		n := v.node()
		if n.kind != Array {
			return
		}
		d, end := v.d, uint32(n.x)
		for j := v.i + 1; j < end; j = d.after(j) {
			if !yield(d.value(j)) {
				return
			}
		}
	}
}

// Members visits an object's members in their order. The names are borrowed: a name that is kept must be cloned.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.d == nil {
			return
		}
		n := v.node()
		if n.kind != Object {
			return
		}
		d, end := v.d, uint32(n.x)
		for j := v.i + 1; j < end; j = d.after(j) {
			if !yield(borrow(d.name(&d.nodes[j])), d.value(j)) {
				return
			}
		}
	}
}

// after is the node behind i and what i contains.
func (d *doc) after(i uint32) uint32 {
	if n := &d.nodes[i]; n.kind >= Array {
		return uint32(n.x)
	}
	return i + 1
}

// value is the handle of node i, or of what it refers to.
func (d *doc) value(i uint32) Value {
	if n := &d.nodes[i]; n.kind == Missing {
		d, i = d.t.doc(uint32(n.x>>32)), uint32(n.x)
	}
	return Value{d: d, i: i, gen: d.gen}
}

// element is the node of an array's i-th element, 0 if there is none.
func (d *doc) element(array uint32, i int) uint32 {
	n := &d.nodes[array]
	if n.kind != Array {
		return 0
	}
	count, end := int(n.x>>32), uint32(n.x)
	if i < 0 {
		i += count
	}
	if i < 0 || i >= count {
		return 0
	}
	j := array + 1
	if int(end-j) == count { // no element contains another
		return j + uint32(i)
	}
	for range i {
		j = d.after(j)
	}
	return j
}

// text is the span of n: JSON text where n was parsed.
func (d *doc) text(n *node) []byte {
	if n.flag&flagBuf != 0 {
		return d.t.buf[n.off : n.off+n.n]
	}
	return d.src[n.off : n.off+n.n]
}

// plain is the text of a String or of Bytes.
func (d *doc) plain(n *node) []byte {
	if n.flag&flagEscaped != 0 {
		off, size := uint32(n.x>>32), uint32(n.x)
		return d.t.buf[off : off+size]
	}
	return d.text(n)
}

func (d *doc) name(n *node) []byte {
	if n.flag&(flagNameBuf|flagNameThere) != 0 {
		if n.flag&flagNameThere != 0 {
			d = d.t.doc(uint32(n.x >> 32))
			return d.name(&d.nodes[uint32(n.x)])
		}
		return d.t.buf[n.name : n.name+uint32(n.nameLen)]
	}
	return d.src[n.name : n.name+uint32(n.nameLen)]
}

// borrow is b as a string that shares its bytes.
func borrow(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
