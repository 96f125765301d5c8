package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The types of Thrift's compact protocol (thrift-compact-protocol.md of apache/thrift).
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// mostThrift is how deep structures may lie in each other. Parquet's own have less than ten levels.
const mostThrift = 32

var errThriftEnd = errors.New("it ends too early")

// A thriftReader reads the compact protocol until the first error. It allocates nothing: what a list says of its length is no reason to make room for so
// much, as the decoder of parquet-go does.
type thriftReader struct {
	b     []byte
	at    int
	depth int
	err   error
}

func (r *thriftReader) fail(err error) {
	if r.err == nil {
		r.err = err
		r.at = len(r.b)
	}
}

func (r *thriftReader) byte() byte {
	if r.at >= len(r.b) {
		r.fail(errThriftEnd)
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *thriftReader) uvarint() uint64 {
	x, n := binary.Uvarint(r.b[r.at:])
	switch {
	case n > 0:
		r.at += n
		return x
	case n == 0:
		r.fail(errThriftEnd)
	default:
		r.fail(errors.New("a number has more than 64 bits"))
	}
	return 0
}

func (r *thriftReader) zigzag() int64 {
	x := r.uvarint()
	return int64(x>>1) ^ -int64(x&1)
}

// int64 reads a field of any type of integer.
func (r *thriftReader) int64(typ byte) int64 {
	switch typ {
	case thriftByte:
		return int64(int8(r.byte()))
	case thriftI16, thriftI32, thriftI64:
		return r.zigzag()
	}
	r.mismatch(typ, "an integer")
	return 0
}

// int reads an integer of 32 bits.
func (r *thriftReader) int(typ byte) int {
	x := r.int64(typ)
	if x < math.MinInt32 || x > math.MaxInt32 {
		r.fail(fmt.Errorf("the number %d has more than 32 bits", x))
		return 0
	}
	return int(x)
}

// bool reads a field, whose value is in its type.
func (r *thriftReader) bool(typ byte) bool {
	if typ != thriftTrue && typ != thriftFalse {
		r.mismatch(typ, "a boolean")
	}
	return typ == thriftTrue
}

// bytes reads a text, which is borrowed.
func (r *thriftReader) bytes(typ byte) []byte {
	if typ != thriftBinary {
		r.mismatch(typ, "a text")
		return nil
	}
	return r.next(r.uvarint())
}

func (r *thriftReader) next(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.b)-r.at) {
		r.fail(errThriftEnd)
		return nil
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at]
}

func (r *thriftReader) mismatch(typ byte, want string) {
	r.fail(fmt.Errorf("a field has type %d, and should be %s", typ, want))
}

// deeper begins a structure or a list.
func (r *thriftReader) deeper() bool {
	r.depth++
	if r.depth > mostThrift {
		r.fail(fmt.Errorf("it has more than %d levels", mostThrift))
	}
	return r.err == nil
}

// fields calls field for each field of a structure; it must read or skip it.
func (r *thriftReader) fields(typ byte, field func(id int, typ byte)) {
	if typ != thriftStruct {
		r.mismatch(typ, "a structure")
	}
	defer func() { r.depth-- }()
	if !r.deeper() {
		return
	}
	for id := 0; r.err == nil; {
		head := r.byte()
		typ := head & 0x0f
		if r.err != nil || typ == 0 {
			return
		}
		if delta := head >> 4; delta != 0 {
			id += int(delta)
		} else {
			id = int(int16(r.zigzag()))
		}
		field(id, typ)
	}
}

// list calls element for each element of a list, which it must read or skip: each has at least a byte, so that the end of the bytes bounds them.
func (r *thriftReader) list(typ byte, element func(typ byte)) {
	if typ != thriftList && typ != thriftSet {
		r.mismatch(typ, "a list")
	}
	defer func() { r.depth-- }()
	if !r.deeper() {
		return
	}
	head := r.byte()
	n := uint64(head >> 4)
	if n == 15 {
		n = r.uvarint()
	}
	for range n {
		if r.err != nil {
			return
		}
		element(head & 0x0f)
	}
}

// skip passes over a field.
func (r *thriftReader) skip(typ byte) {
	if typ == thriftTrue || typ == thriftFalse {
		return
	}
	r.skipElement(typ)
}

// skipElement passes over an element, which differs from a field where it is a boolean.
func (r *thriftReader) skipElement(typ byte) {
	switch typ {
	case thriftTrue, thriftFalse, thriftByte:
		r.byte()
	case thriftI16, thriftI32, thriftI64:
		r.uvarint()
	case thriftDouble:
		r.next(8)
	case thriftBinary:
		r.bytes(typ)
	case thriftList, thriftSet:
		r.list(typ, r.skipElement)
	case thriftMap:
		r.skipMap()
	case thriftStruct:
		r.fields(typ, func(_ int, typ byte) { r.skip(typ) })
	default:
		r.fail(fmt.Errorf("there is no type %d", typ))
	}
}

func (r *thriftReader) skipMap() {
	defer func() { r.depth-- }()
	if !r.deeper() {
		return
	}
	n := r.uvarint()
	if n == 0 {
		return
	}
	types := r.byte()
	for range n {
		if r.err != nil {
			return
		}
		r.skipElement(types >> 4)
		r.skipElement(types & 0x0f)
	}
}
