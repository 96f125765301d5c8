package serde

import (
	"fmt"
	"math"
	"slices"
)

// A Name is the name of a member: one of a schema, made by [Names.Add], or one that lies in the bytes that are decoded,
// made by [NameAt]. The zero Name is that of elements and of whole values, which have none.
type Name struct {
	off  uint32
	n    uint16
	flag flag
}

// NameAt is the name that lies at off in what is decoded. n is at most 65,535.
func NameAt(off, n int) Name { return Name{off: uint32(off), n: uint16(n)} }

// Names are the texts that values of a schema have in common: names of members and symbols of enumerations. They are written to a tape once,
// however many values refer to them. Names is filled before its first use by a Writer; from then on it
// doesn't change and may be used by any number of goroutines.
type Names struct{ text []byte }

// Add adds a text and returns where it is. A text has at most 65,535 bytes.
func (s *Names) Add(text string) (Name, error) {
	if len(text) > maxNameLen {
		return Name{}, fmt.Errorf("the name %.40q... has %d bytes; at most %d are possible", text, len(text), maxNameLen)
	}
	if len(s.text) > math.MaxInt32 {
		return Name{}, fmt.Errorf("the names of a schema have more than %d bytes", math.MaxInt32)
	}
	name := Name{off: uint32(len(s.text) + 1), n: uint16(len(text)), flag: flagNameBuf}
	if plainASCII(text) {
		name.flag |= flagNameQuoted
	}
	s.text = append(append(append(s.text, '"'), text...), `":`...)
	return name, nil
}

// A Writer puts one value on a tape, part by part, in the order in which a format other than JSON holds them. Texts that lie in
// the bytes that are decoded are borrowed, everything else is copied.
//
// A container begins with Begin and ends with End; what is written between is in it. In an object each part has its name. A Writer
// checks nothing that its format makes sure of: texts must be UTF-8, names unique (see Repeated), numbers valid.
type Writer struct {
	t     *Tape
	src   []byte
	nodes []node // the part of the tape that is free; it begins with what was written
	n     int    // nodes that were written
	most  int
	names uint32 // where the names of the schema are in t.buf
	over  bool   // there were more than most, and they are lost
	texts int    // of t.buf, before the value
	begun doc    // what Repeated looks at
}

// Write begins a value that is decoded from src with the names of a schema, which may be nil. The value may have most
// nodes: scalars, arrays and objects, each of which takes 24 bytes.
// A tape has one Writer at a time; no other value can be made until its Value was called.
func (t *Tape) Write(src []byte, names *Names, most int) *Writer {
	w := &t.writer
	w.t, w.src, w.nodes, w.n, w.most, w.over = t, src, t.free(), 0, max(most, 1), false
	w.nodes = w.nodes[:min(len(w.nodes), w.most)]
	if names != nil {
		w.names = t.bind(names)
	}
	w.texts = len(t.buf)
	return w
}

// bind is where the names are in the tape's text.
func (t *Tape) bind(names *Names) uint32 {
	if t.boundLast == names {
		return t.boundAt
	}
	at, ok := t.bound[names]
	if !ok {
		at = t.reserve(len(names.text))
		t.buf = append(t.buf, names.text...)
		if t.bound == nil {
			t.bound = make(map[*Names]uint32)
		}
		t.bound[names] = at
	}
	t.boundLast, t.boundAt = names, at
	return at
}

// put writes a node.
func (w *Writer) put(name Name, k Kind, fl flag, off, n uint32, x uint64) {
	if w.n == len(w.nodes) && !w.grow() {
		return
	}
	if name.flag != 0 {
		name.off += w.names
	}
	nd := &w.nodes[w.n] // filled in place: a literal would be built elsewhere and copied
	nd.kind, nd.flag, nd.nameLen, nd.name = k, fl|name.flag, name.n, name.off
	nd.off, nd.n, nd.x = off, n, x
	w.n++
}

// grow makes room for at least one more node, if there may be one.
func (w *Writer) grow() bool {
	if w.n >= w.most {
		w.over = true
		return false
	}
	w.nodes = w.t.more(w.nodes[:w.n], w.size())
	w.nodes = w.nodes[:min(len(w.nodes), w.most)]
	return true
}

// size is that of the next chunk of a value that has outgrown one. All chunks of a value together have at most 1.25 times the nodes that it may
// have and 13568 more, so that a decoder can bound the memory that bytes of a producer take: a large value soon gets room for most.
func (w *Writer) size() int {
	const few = 8192
	n := max(4*w.n, minChunk)
	if n > few {
		if n = 2 * w.n; n > few && n > w.most/8 {
			return w.most
		}
	}
	return min(n, w.most)
}

// Room reports whether n more nodes may be written.
func (w *Writer) Room(n int) bool { return n <= w.most-w.n }

// Null writes a null.
func (w *Writer) Null(name Name) { w.put(name, Null, 0, 0, 0, 0) }

// Bool writes a Bool.
func (w *Writer) Bool(name Name, b bool) {
	x := uint64(0)
	if b {
		x = 1
	}
	w.put(name, Bool, 0, 0, 0, x)
}

// Int64 writes an Int64.
func (w *Writer) Int64(name Name, i int64) { w.put(name, Int64, 0, 0, 0, uint64(i)) }

// Date writes a Date of days since 1970-01-01.
func (w *Writer) Date(name Name, days int32) { w.put(name, Date, 0, 0, 0, uint64(int64(days))) }

// Time writes a Time of microseconds since midnight.
func (w *Writer) Time(name Name, us int64) { w.put(name, Time, 0, 0, 0, uint64(us)) }

// Timestamp writes a Timestamp of microseconds since 1970-01-01T00:00Z.
func (w *Writer) Timestamp(name Name, us int64) { w.put(name, Timestamp, 0, 0, 0, uint64(us)) }

// Float64 writes a Float64.
func (w *Writer) Float64(name Name, f float64) { w.put(name, Float64, 0, 0, 0, math.Float64bits(f)) }

// Float32 writes a Float64 whose text is the shortest that is f as a float32: 0.1, not 0.10000000149011612.
func (w *Writer) Float32(name Name, f float32) {
	w.put(name, Float64, 0, 0, singlePrecision, math.Float64bits(float64(f)))
}

// singlePrecision in a made Float64's n says that it was a float32.
const singlePrecision = 4

// Borrow writes a String, Bytes or a UUID that are n bytes at off of what is decoded.
func (w *Writer) Borrow(name Name, k Kind, off, n int) {
	w.put(name, k, 0, uint32(off), uint32(n), 0)
}

// Copy writes a String, Bytes, a UUID of 16 bytes, or a Decimal of a number's JSON text.
func (w *Writer) Copy(name Name, k Kind, text []byte) {
	if t := w.t; cap(t.buf)-len(t.buf) < len(text) {
		t.buf = slices.Grow(t.buf, max(len(t.buf), len(text))) // twice as much: what a decoder bounds, see size, grows in few steps
	}
	off, n := w.t.keep(borrow(text))
	w.put(name, k, flagBuf, off, n, 0)
}

// Symbol writes a String that is one of the names of the schema.
func (w *Writer) Symbol(name, text Name) {
	w.put(name, String, flagBuf, text.off+w.names, uint32(text.n), 0)
}

// Begin begins an Array or an Object. Its result is for End.
func (w *Writer) Begin(name Name, k Kind) (at int) {
	at = w.n
	w.put(name, k, 0, 0, 0, 0)
	return at
}

// End ends the container that began at, with so many elements or members.
func (w *Writer) End(at, count int) {
	if !w.over {
		w.nodes[at].x = uint64(count)<<32 | uint64(w.n)
	}
}

// Repeated is a name that two members of the object have that began at and has ended; ok is false if there is none.
func (w *Writer) Repeated(at int) (name string, ok bool) {
	const few = 8
	if w.over {
		return "", false
	}
	w.begun = doc{t: w.t, src: w.src, nodes: w.nodes[:w.n]}
	defer func() { w.begun = doc{} }()
	d := &w.begun
	end, count := uint32(d.nodes[at].x), int(d.nodes[at].x>>32)
	set := &w.t.names
	if count > few {
		set.begin()
	}
	for i := uint32(at) + 1; i < end; i = d.after(i) {
		name := d.name(&d.nodes[i])
		if count > few {
			if !set.add(d, uint32(at), i, name) {
				return string(name), true
			}
			continue
		}
		for j := uint32(at) + 1; j < i; j = d.after(j) {
			if string(d.name(&d.nodes[j])) == string(name) {
				return string(name), true
			}
		}
	}
	return "", false
}

// Discard ends the writing without a value.
func (w *Writer) Discard() {
	w.t.buf = w.t.buf[:w.texts]
	*w = Writer{}
}

// Value ends the writing. It fails when the value has more nodes than it may have.
func (w *Writer) Value(s *Schema) (Value, error) {
	if w.over {
		most := w.most
		*w = Writer{}
		return Value{}, fmt.Errorf("the value has more than %d parts", most)
	}
	t, n := w.t, w.n
	d := t.newDoc(w.src, w.nodes[:n:n])
	d.schema = s
	t.used += n
	t.made = nil
	w.src, w.nodes = nil, nil
	return Value{d: d, gen: t.gen}, nil
}

// Keep copies bytes to the tape's memory, where they are valid, and don't move, until Reset: what a decoder has to unpack before
// it decodes it.
func (t *Tape) Keep(b []byte) []byte {
	at := int(t.reserve(len(b)))
	t.buf = append(slices.Grow(t.buf, len(b)), b...)
	return t.buf[at:len(t.buf):len(t.buf)]
}
