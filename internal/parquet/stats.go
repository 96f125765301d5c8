package parquet

import (
	"bytes"
	"encoding/binary"
	"math"
)

// bounds finds the least and greatest value of the open page.
func (l *leaf) bounds() bounds {
	if len(l.values) == 0 {
		return bounds{}
	}
	switch l.column.order {
	case orderBool:
		return boundsBool(l.values)
	case orderInt32:
		return boundsInt32(l.values)
	case orderInt64:
		return boundsInt64(l.values)
	case orderFloat32:
		return boundsFloat32(l.values)
	case orderFloat64:
		return boundsFloat64(l.values)
	}
	switch w := l.column.width; {
	case w == 0:
		least, greatest := textBounds(l.values)
		return shorten(least, greatest, l.column.kind)
	case w <= maxBound:
		return boundsFixed(l.values, w, l.column.order)
	}
	return bounds{} // a part of such a value isn't a value of the type
}

func boundsBool(v []byte) bounds {
	b := bounds{min: []byte{0}, max: []byte{1}}
	if bytes.IndexByte(v, 0) < 0 {
		b.min = b.max
	}
	if bytes.IndexByte(v, 1) < 0 {
		b.max = b.min
	}
	return b
}

func boundsInt32(v []byte) bounds {
	least, greatest := int32(math.MaxInt32), int32(math.MinInt32)
	for ; len(v) >= 4; v = v[4:] {
		x := int32(binary.LittleEndian.Uint32(v))
		least, greatest = min(least, x), max(greatest, x)
	}
	return pair32(uint32(least), uint32(greatest))
}

func boundsInt64(v []byte) bounds {
	least, greatest := int64(math.MaxInt64), int64(math.MinInt64)
	for ; len(v) >= 8; v = v[8:] {
		x := int64(binary.LittleEndian.Uint64(v))
		least, greatest = min(least, x), max(greatest, x)
	}
	return pair64(uint64(least), uint64(greatest))
}

// boundsFloat32 leaves NaN out; zeros are the lesser and the greater zero: parquet.thrift, ColumnOrder.
func boundsFloat32(v []byte) bounds {
	least, greatest := float32(math.Inf(1)), float32(math.Inf(-1))
	some := false
	for ; len(v) >= 4; v = v[4:] {
		x := float32At(v)
		if x < least {
			least = x
		}
		if x > greatest {
			greatest = x
		}
		some = some || x == x
	}
	switch {
	case !some:
		return bounds{}
	case least == 0:
		least = float32(math.Copysign(0, -1))
	}
	if greatest == 0 {
		greatest = 0 // not -0
	}
	return pair32(math.Float32bits(least), math.Float32bits(greatest))
}

// boundsFloat64 is as boundsFloat32.
func boundsFloat64(v []byte) bounds {
	least, greatest := math.Inf(1), math.Inf(-1)
	some := false
	for ; len(v) >= 8; v = v[8:] {
		x := float64At(v)
		if x < least {
			least = x
		}
		if x > greatest {
			greatest = x
		}
		some = some || x == x
	}
	switch {
	case !some:
		return bounds{}
	case least == 0:
		least = math.Copysign(0, -1)
	}
	if greatest == 0 {
		greatest = 0 // not -0
	}
	return pair64(math.Float64bits(least), math.Float64bits(greatest))
}

func pair32(least, greatest uint32) bounds {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, 8), least)
	b = binary.LittleEndian.AppendUint32(b, greatest)
	return bounds{min: b[:4:4], max: b[4:]}
}

func pair64(least, greatest uint64) bounds {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 16), least)
	b = binary.LittleEndian.AppendUint64(b, greatest)
	return bounds{min: b[:8:8], max: b[8:]}
}

func boundsFixed(v []byte, width int, by order) bounds {
	least, greatest := v[:width], v[:width]
	for ; len(v) >= width; v = v[width:] {
		if x := v[:width]; by.compare(x, least) < 0 {
			least = x
		} else if by.compare(x, greatest) > 0 {
			greatest = x
		}
	}
	return bounds{min: bytes.Clone(least), max: bytes.Clone(greatest)}
}

// textBounds finds the bounds of BYTE_ARRAYs. They lie in v.
func textBounds(v []byte) (least, greatest []byte) {
	least, v = nextText(v)
	greatest = least
	for len(v) > 0 {
		var x []byte
		x, v = nextText(v)
		if bytes.Compare(x, least) < 0 {
			least = x
		} else if bytes.Compare(x, greatest) > 0 {
			greatest = x
		}
	}
	return least, greatest
}

// nextText cuts the first BYTE_ARRAY off v.
func nextText(v []byte) (text, rest []byte) {
	n := 4 + int(binary.LittleEndian.Uint32(v))
	return v[4:n], v[n:]
}
