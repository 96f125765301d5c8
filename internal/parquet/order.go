package parquet

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/table"
)

// An order is how a column's values compare: parquet-format, parquet.thrift, ColumnOrder.
type order uint8

const (
	orderBytes   order = iota // unsigned, byte by byte
	orderBool                 // false before true
	orderInt32                // signed
	orderInt64                // signed
	orderFloat32              // NaN is no bound
	orderFloat64              // NaN is no bound
	orderSigned               // big-endian two's complement
)

// compare compares two values as PLAIN encodes them, without lengths. They aren't NaN.
func (o order) compare(a, b []byte) int {
	switch o {
	case orderInt32:
		return cmp.Compare(int32(binary.LittleEndian.Uint32(a)), int32(binary.LittleEndian.Uint32(b)))
	case orderInt64:
		return cmp.Compare(int64(binary.LittleEndian.Uint64(a)), int64(binary.LittleEndian.Uint64(b)))
	case orderFloat32:
		return cmp.Compare(float32At(a), float32At(b))
	case orderFloat64:
		return cmp.Compare(float64At(a), float64At(b))
	case orderSigned:
		if a[0]^b[0] >= 0x80 { // the signs differ
			return cmp.Compare(b[0], a[0])
		}
	}
	return bytes.Compare(a, b)
}

func float32At(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }
func float64At(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }

// maxBound is how many bytes a bound has at most, so that a footer stays small. Readers only need a bound, not the value.
const maxBound = 64

// Bounds are the least and greatest value of a page or chunk, as statistics have them. Both are nil if there are none: no values, only NaN, or only
// bounds that would be too long.
type bounds struct{ min, max []byte }

// merge widens b by what o has.
func (b *bounds) merge(o bounds, by order) {
	switch {
	case o.min == nil:
	case b.min == nil:
		*b = o
	default:
		if by.compare(o.min, b.min) < 0 {
			b.min = o.min
		}
		if by.compare(o.max, b.max) > 0 {
			b.max = o.max
		}
	}
}

// shorten makes bounds of the least and greatest value of a BYTE_ARRAY or FIXED_LEN_BYTE_ARRAY. It copies.
func shorten(least, greatest []byte, kind table.Kind) bounds {
	text := kind == table.String || kind == table.JSON
	b := bounds{min: bytes.Clone(least), max: bytes.Clone(greatest)}
	if len(least) > maxBound {
		b.min = bytes.Clone(beginning(least, text))
	}
	if len(greatest) > maxBound {
		b.max = above(beginning(greatest, text), text)
	}
	if b.max == nil {
		return bounds{}
	}
	if b.min == nil {
		b.min = []byte{}
	}
	return b
}

// beginning is the first bytes of v, of a text without half a character at its end.
func beginning(v []byte, text bool) []byte {
	v = v[:maxBound]
	if !text {
		return v
	}
	for n := maxBound; n > maxBound-utf8.UTFMax; n-- {
		if r, size := utf8.DecodeLastRune(v[:n]); r != utf8.RuneError || size > 1 {
			return v[:n]
		}
	}
	return v // it isn't UTF-8
}

// above is a value that is greater than all that begin with v; nil if there is none.
func above(v []byte, text bool) []byte {
	if text && utf8.Valid(v) {
		for len(v) > 0 {
			r, size := utf8.DecodeLastRune(v)
			v = v[:len(v)-size]
			if r++; r == 0xd800 { // the surrogates aren't characters
				r = 0xe000
			}
			if r <= utf8.MaxRune {
				return utf8.AppendRune(bytes.Clone(v), r)
			}
		}
		return nil
	}
	for n := len(v) - 1; n >= 0; n-- {
		if v[n] != math.MaxUint8 {
			v = bytes.Clone(v[:n+1])
			v[n]++
			return v
		}
	}
	return nil
}
