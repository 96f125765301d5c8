package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

var errDelta = errors.New("its deltas can't be decoded")

// A deltaReader reads DELTA_BINARY_PACKED (Encodings.md of parquet-format).
type deltaReader struct {
	b      []byte // what comes behind the miniblock that is read
	left   int    // values
	perMin int    // values of a miniblock
	widths []byte // bits of the values of the block's miniblocks that aren't begun
	minis  int

	value  int64 // the next one
	least  int64
	packed []byte
	width  int
	at     int // bits of packed that are read
	rest   int // values of the miniblock that are left
}

// begin reads the header. There are at most so many values.
func (r *deltaReader) begin(most int) error {
	block, minis, total := r.uvarint(), r.uvarint(), r.uvarint()
	r.value = r.zigzag()
	const mostBlock = 1 << 20 // writers have 128
	switch {
	case r.b == nil:
		return errDelta
	case block == 0 || block > mostBlock || minis == 0 || minis > block || block%minis != 0 || block/minis%8 != 0:
		return fmt.Errorf("its deltas have blocks of %d values in %d parts", block, minis)
	case total > uint64(most):
		return fmt.Errorf("it has %d deltas for %d values", total, most)
	}
	r.perMin, r.minis, r.left = int(block/minis), int(minis), int(total)
	return nil
}

// uvarint reads a number; b is nil after an error.
func (r *deltaReader) uvarint() uint64 {
	x, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b = nil
		return 0
	}
	r.b = r.b[n:]
	if r.b == nil {
		r.b = []byte{}
	}
	return x
}

func (r *deltaReader) zigzag() int64 {
	x := r.uvarint()
	return int64(x>>1) ^ -int64(x&1)
}

func (r *deltaReader) next() (scalar, error) {
	if r.left == 0 {
		return scalar{}, errValues
	}
	value := r.value
	if r.left--; r.left > 0 {
		if r.rest == 0 {
			if err := r.miniblock(); err != nil {
				return scalar{}, err
			}
		}
		r.value += r.least + int64(unpack(r.packed, r.at, r.width))
		r.at += r.width
		r.rest--
	}
	return scalar{bits: uint64(value)}, nil
}

// miniblock begins the next miniblock, and a block before it where one ended.
func (r *deltaReader) miniblock() error {
	if len(r.widths) == 0 {
		r.least = r.zigzag()
		if len(r.b) < r.minis {
			return errDelta
		}
		r.widths, r.b = r.b[:r.minis], r.b[r.minis:]
	}
	r.width, r.widths = int(r.widths[0]), r.widths[1:]
	if r.width > 64 {
		return fmt.Errorf("its deltas have %d bits", r.width)
	}
	size := r.perMin / 8 * r.width
	if size > len(r.b) {
		// The last one may end with its last value.
		if need := (r.left*r.width + 7) / 8; r.left >= r.perMin || need > len(r.b) {
			return errDelta
		}
		size = len(r.b)
	}
	r.packed, r.b, r.at, r.rest = r.b[:size], r.b[size:], 0, r.perMin
	return nil
}

// lengths reads all values, which are lengths in bytes, and returns what is behind them.
func lengths(b []byte, most int) ([]int, []byte, error) {
	r := deltaReader{b: b}
	if err := r.begin(most); err != nil {
		return nil, nil, err
	}
	all := make([]int, r.left)
	for i := range all {
		s, err := r.next()
		if err != nil {
			return nil, nil, err
		}
		n := int64(s.bits)
		if n < 0 || n > math.MaxInt32 {
			return nil, nil, fmt.Errorf("a value has %d bytes", n)
		}
		all[i] = int(n)
	}
	return all, r.b, nil
}

// A lengthReader reads DELTA_LENGTH_BYTE_ARRAY: all lengths, and then all bytes.
type lengthReader struct {
	lengths []int
	b       []byte
}

func (r *lengthReader) begin(b []byte, most int) (err error) {
	r.lengths, r.b, err = lengths(b, most)
	return err
}

func (r *lengthReader) next() (scalar, error) {
	if len(r.lengths) == 0 || r.lengths[0] > len(r.b) {
		return scalar{}, errValues
	}
	n := r.lengths[0]
	s := scalar{bytes: r.b[:n]}
	r.lengths, r.b = r.lengths[1:], r.b[n:]
	return s, nil
}

// A prefixReader reads DELTA_BYTE_ARRAY: how much each value has in common with the one before, and the rest of it.
type prefixReader struct {
	prefixes []int
	rest     lengthReader
	value    []byte
	width    int // of each value; 0 if they differ
}

func (r *prefixReader) begin(b []byte, most int) (err error) {
	if r.prefixes, b, err = lengths(b, most); err != nil {
		return err
	}
	return r.rest.begin(b, most)
}

func (r *prefixReader) next() (scalar, error) {
	rest, err := r.rest.next()
	switch {
	case err != nil:
		return scalar{}, err
	case len(r.prefixes) == 0 || r.prefixes[0] > len(r.value):
		return scalar{}, errValues
	}
	r.value = append(r.value[:r.prefixes[0]], rest.bytes...)
	r.prefixes = r.prefixes[1:]
	switch {
	case len(r.value) > mostPage:
		return scalar{}, fmt.Errorf("a value has more than %d bytes", mostPage)
	case r.width > 0 && len(r.value) != r.width:
		return scalar{}, fmt.Errorf("a value has %d bytes, not %d", len(r.value), r.width)
	}
	return scalar{bytes: r.value}, nil
}

// A splitReader reads BYTE_STREAM_SPLIT: the first bytes of all values, then the second ones, and so on.
type splitReader struct {
	b       []byte
	leaf    *readLeaf
	n, at   int
	scratch []byte
}

func (r *splitReader) next() (scalar, error) {
	if r.at == r.n {
		return scalar{}, errValues
	}
	for i := range r.scratch {
		r.scratch[i] = r.b[i*r.n+r.at]
	}
	r.at++
	return r.leaf.scalar(r.scratch), nil
}
