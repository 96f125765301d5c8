package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/parquet-go/parquet-go/format"
)

// plainDictionary is PLAIN_DICTIONARY, the name of RLE_DICTIONARY, and of PLAIN in dictionaries, in files of format version 1.
const plainDictionary format.Encoding = 2

// A valueReader gives the values of a page, one after the other.
type valueReader interface {
	next() (scalar, error)
}

var (
	errValues = errors.New("it has fewer values than it says")
	errLevels = errors.New("it has fewer levels than it says")
)

// newValueReader makes the reader of a page with count values, nulls counted too.
func newValueReader(l *readLeaf, e format.Encoding, b []byte, count int, dict []scalar) (valueReader, error) {
	integer := l.physical == format.Int32 || l.physical == format.Int64
	texts := l.physical == format.ByteArray
	switch {
	case e == format.Plain && l.physical == format.Boolean:
		return &bitReader{b: b}, nil
	case e == format.Plain:
		return &plainReader{b: b, leaf: l}, nil
	case e == plainDictionary || e == format.RLEDictionary:
		return newDictReader(b, dict)
	case e == format.RLE && l.physical == format.Boolean:
		runs, _, err := cut(b)
		return &runReader{hybridReader{b: runs, width: 1}}, err
	case e == format.DeltaBinaryPacked && integer:
		r := &deltaReader{b: b}
		return r, r.begin(count)
	case e == format.DeltaLengthByteArray && texts:
		r := &lengthReader{}
		return r, r.begin(b, count)
	case e == format.DeltaByteArray && (texts || l.physical == format.FixedLenByteArray):
		r := &prefixReader{width: l.width}
		return r, r.begin(b, count)
	case e == format.ByteStreamSplit && l.width > 0:
		return &splitReader{b: b, leaf: l, n: len(b) / l.width, scratch: make([]byte, l.width)}, nil
	}
	return nil, fmt.Errorf("encoding %s of %s isn't supported", e, l.physical)
}

// cut takes the bytes whose length stands before them.
func cut(b []byte) (head, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errLevels
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, errLevels
	}
	return b[4 : 4+n], b[4+n:], nil
}

// A plainReader reads PLAIN (Encodings.md of parquet-format), but for booleans.
type plainReader struct {
	b    []byte
	leaf *readLeaf
}

func (r *plainReader) next() (scalar, error) {
	n := r.leaf.width
	if n == 0 {
		if len(r.b) < 4 {
			return scalar{}, errValues
		}
		size := binary.LittleEndian.Uint32(r.b)
		r.b = r.b[4:]
		if uint64(size) > uint64(len(r.b)) {
			return scalar{}, errValues
		}
		n = int(size)
	}
	if len(r.b) < n {
		return scalar{}, errValues
	}
	s := r.leaf.scalar(r.b[:n])
	r.b = r.b[n:]
	return s, nil
}

// scalar makes a scalar of a value's bytes.
func (l *readLeaf) scalar(b []byte) scalar {
	switch l.physical {
	case format.Int32, format.Float:
		return scalar{bits: uint64(binary.LittleEndian.Uint32(b))}
	case format.Int64, format.Double:
		return scalar{bits: binary.LittleEndian.Uint64(b)}
	}
	return scalar{bytes: b}
}

// A bitReader reads PLAIN booleans: a bit each, the lowest first.
type bitReader struct {
	b  []byte
	at int
}

func (r *bitReader) next() (scalar, error) {
	if r.at/8 >= len(r.b) {
		return scalar{}, errValues
	}
	bit := r.b[r.at/8] >> (r.at % 8) & 1
	r.at++
	return scalar{bits: uint64(bit)}, nil
}

// A runReader reads RLE booleans.
type runReader struct{ hybridReader }

func (r *runReader) next() (scalar, error) {
	x, ok := r.hybridReader.next()
	if !ok {
		return scalar{}, errValues
	}
	return scalar{bits: uint64(x)}, nil
}

// A dictReader reads indexes of a dictionary.
type dictReader struct {
	runs hybridReader
	dict []scalar
}

func newDictReader(b []byte, dict []scalar) (valueReader, error) {
	if len(b) == 0 { // a page of nulls
		return &dictReader{}, nil
	}
	if b[0] > 32 {
		return nil, fmt.Errorf("its indexes have %d bits", b[0])
	}
	return &dictReader{runs: hybridReader{b: b[1:], width: int(b[0])}, dict: dict}, nil
}

func (r *dictReader) next() (scalar, error) {
	x, ok := r.runs.next()
	switch {
	case !ok:
		return scalar{}, errValues
	case uint64(x) >= uint64(len(r.dict)):
		return scalar{}, fmt.Errorf("a value has index %d, and the dictionary has %d", x, len(r.dict))
	}
	return r.dict[x], nil
}

// readDict reads the values of a dictionary page. They borrow b.
func readDict(l *readLeaf, b []byte, count int) ([]scalar, error) {
	least := max(l.width, 4)
	if l.physical == format.Boolean || count > len(b)/least {
		return nil, errValues
	}
	dict := make([]scalar, count)
	r := plainReader{b: b, leaf: l}
	for i := range dict {
		var err error
		if dict[i], err = r.next(); err != nil {
			return nil, err
		}
	}
	return dict, nil
}

// A hybridReader reads numbers as runs, or packed ("Run Length Encoding / Bit-Packing Hybrid" in Encodings.md of parquet-format).
type hybridReader struct {
	b      []byte
	width  int // bits of a number, at most 32
	left   int // of the run
	packed []byte
	at     int // bits of packed that are read; -1 in a run of equal numbers
	value  uint32
}

// next is the next number; ok is false if there is none.
func (r *hybridReader) next() (x uint32, ok bool) {
	for r.left == 0 {
		if !r.run() {
			return 0, false
		}
	}
	r.left--
	if r.at < 0 {
		return r.value, true
	}
	x = uint32(unpack(r.packed, r.at, r.width))
	r.at += r.width
	return x, true
}

// run begins the next run.
func (r *hybridReader) run() bool {
	head, n := binary.Uvarint(r.b)
	if n <= 0 || head > 1<<32 {
		return false
	}
	r.b = r.b[n:]
	count := int(head >> 1)
	if head&1 == 1 {
		size := min(count*r.width, len(r.b)) // the last run may end early
		r.packed, r.b, r.at = r.b[:size], r.b[size:], 0
		if r.left = count * 8; r.width > 0 {
			r.left = size * 8 / r.width
		}
		return true
	}
	size := (r.width + 7) / 8
	if size > len(r.b) {
		return false
	}
	r.value = 0
	for i, c := range r.b[:size] {
		r.value |= uint32(c) << (8 * i)
	}
	r.b, r.left, r.at = r.b[size:], count, -1
	return true
}

// unpack is the number of so many bits that begins at a bit, the lowest first. What is behind the bytes is 0.
func unpack(b []byte, at, width int) uint64 {
	if width == 0 {
		return 0
	}
	i, shift := at/8, at%8
	var x, more uint64
	if i+9 <= len(b) {
		x, more = binary.LittleEndian.Uint64(b[i:]), uint64(b[i+8])
	} else {
		var tail [9]byte
		copy(tail[:], b[min(i, len(b)):])
		x, more = binary.LittleEndian.Uint64(tail[:]), uint64(tail[8])
	}
	x >>= shift
	if shift > 0 {
		x |= more << (64 - shift)
	}
	return x & (1<<uint(width) - 1)
}

// bitsFor is how many bits levels up to most have.
func bitsFor(most int) int { return bits.Len(uint(most)) }
