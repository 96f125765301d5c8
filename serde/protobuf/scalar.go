package protobuf

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/millrace/millrace/serde"
)

// token reads the tag at i and finds the field's body: for text, bytes and messages what is behind their length. next is behind the field.
// Nothing of it lies behind end.
func (d *decoder) token(i, end int) (tag uint64, body, stop, next int, err error) {
	start := i
	tag, i, ok := varint(d.src, i, end)
	if !ok {
		return 0, 0, 0, 0, fail(start, "expected a tag, found no varint")
	}
	if number := tag >> 3; number == 0 || number > uint64(protowire.MaxValidNumber) {
		return 0, 0, 0, 0, fail(start, "the field number %d isn't possible", number)
	}
	body = i
	switch protowire.Type(tag & 7) {
	case protowire.VarintType:
		if _, i, ok = varint(d.src, i, end); !ok {
			return tag, 0, 0, 0, fail(body, "expected a number, found no varint")
		}
		return tag, body, i, i, nil
	case protowire.Fixed32Type:
		i += 4
	case protowire.Fixed64Type:
		i += 8
	case protowire.BytesType:
		n, after, ok := varint(d.src, i, end)
		if !ok {
			return tag, 0, 0, 0, fail(body, "expected a length, found no varint")
		}
		if n > uint64(end-after) {
			return tag, 0, 0, 0, fail(body, "%d bytes are announced, %d are there", n, end-after)
		}
		return tag, after, after + int(n), after + int(n), nil
	case protowire.StartGroupType:
		stop, next, err = d.group(i, end, tag>>3)
		return tag, body, stop, next, err
	default:
		return tag, 0, 0, 0, fail(start, "the wire type %d isn't possible here", tag&7)
	}
	if i > end {
		return tag, 0, 0, 0, fail(body, "the message ends inside a number")
	}
	return tag, body, i, i, nil
}

// group finds the end of a group that began before i: stop is before its last tag, next behind it.
func (d *decoder) group(i, end int, number uint64) (stop, next int, err error) {
	var open [maxDepth]uint64
	open[0] = number
	depth, begin := 1, i
	for depth > 0 {
		start := i
		tag, after, ok := varint(d.src, i, end)
		if !ok {
			return 0, 0, fail(begin, "a group has no end")
		}
		switch protowire.Type(tag & 7) {
		case protowire.StartGroupType:
			if depth == maxDepth {
				return 0, 0, fail(start, "groups nest more than %d deep", maxDepth)
			}
			open[depth] = tag >> 3
			depth++
			i = after
		case protowire.EndGroupType:
			depth--
			if open[depth] != tag>>3 {
				return 0, 0, fail(start, "the end of group %d is inside group %d", tag>>3, open[depth])
			}
			stop, i = start, after
		default:
			if _, _, _, i, err = d.token(start, end); err != nil {
				return 0, 0, err
			}
		}
	}
	return stop, i, nil
}

// varint reads the varint at i. ok is false if it doesn't end before end or has more than 64 bits.
func varint(b []byte, i, end int) (x uint64, next int, ok bool) {
	if i < end && b[i] < 0x80 {
		return uint64(b[i]), i + 1, true
	}
	for shift := 0; i < end && shift < 64; shift += 7 {
		c := b[i]
		i++
		if c < 0x80 {
			if shift == 63 && c > 1 {
				return 0, i, false
			}
			return x | uint64(c)<<shift, i, true
		}
		x |= uint64(c&0x7F) << shift
	}
	return 0, i, false
}

// scalar writes the scalar at i, which for texts is all up to end, and returns what is behind it.
func (d *decoder) scalar(name serde.Name, f *field, i, end int) (next int, err error) {
	switch f.wire {
	case protowire.VarintType:
		x, next, ok := varint(d.src, i, end)
		if !ok {
			return 0, fail(i, "expected a number, found no varint")
		}
		d.varint(name, f, x)
		return next, nil
	case protowire.Fixed32Type:
		if end-i < 4 {
			return 0, fail(i, "a number of 4 bytes has %d", end-i)
		}
		d.fixed32(name, f.kind, binary.LittleEndian.Uint32(d.src[i:]))
		return i + 4, nil
	case protowire.Fixed64Type:
		if end-i < 8 {
			return 0, fail(i, "a number of 8 bytes has %d", end-i)
		}
		d.fixed64(name, f.kind, binary.LittleEndian.Uint64(d.src[i:]))
		return i + 8, nil
	}
	if f.kind == protoreflect.BytesKind {
		d.w.Borrow(name, serde.Bytes, i, end-i)
		return end, nil
	}
	if text := d.src[i:end]; !utf8.Valid(text) {
		return 0, fail(i+serde.InvalidUTF8(text), "the text isn't UTF-8")
	}
	d.w.Borrow(name, serde.String, i, end-i)
	return end, nil
}

func (d *decoder) varint(name serde.Name, f *field, x uint64) {
	switch f.kind {
	case protoreflect.BoolKind:
		d.w.Bool(name, x != 0)
	case protoreflect.EnumKind:
		d.enum(name, f.enum, int32(x))
	case protoreflect.Uint64Kind:
		d.unsigned(name, x)
	default:
		d.w.Int64(name, integer(f.kind, x))
	}
}

// integer is what a varint means for a kind, uint64 aside.
func integer(k protoreflect.Kind, x uint64) int64 {
	switch k {
	case protoreflect.Int32Kind:
		return int64(int32(x))
	case protoreflect.Uint32Kind:
		return int64(uint32(x))
	case protoreflect.Sint32Kind:
		return int64(int32(protowire.DecodeZigZag(x & math.MaxUint32)))
	case protoreflect.Sint64Kind:
		return protowire.DecodeZigZag(x)
	}
	return int64(x)
}

func (d *decoder) enum(name serde.Name, e *enum, n int32) {
	if symbol, ok := e.name(n); ok {
		d.w.Symbol(name, symbol)
		return
	}
	d.w.Int64(name, int64(n))
}

func (d *decoder) unsigned(name serde.Name, x uint64) {
	if x <= math.MaxInt64 {
		d.w.Int64(name, int64(x))
		return
	}
	d.w.Copy(name, serde.Decimal, strconv.AppendUint(d.scratch[:0], x, 10))
}

func (d *decoder) fixed32(name serde.Name, k protoreflect.Kind, x uint32) {
	switch k {
	case protoreflect.FloatKind:
		d.w.Float32(name, math.Float32frombits(x))
	case protoreflect.Sfixed32Kind:
		d.w.Int64(name, int64(int32(x)))
	default:
		d.w.Int64(name, int64(x))
	}
}

func (d *decoder) fixed64(name serde.Name, k protoreflect.Kind, x uint64) {
	switch k {
	case protoreflect.DoubleKind:
		d.w.Float64(name, math.Float64frombits(x))
	case protoreflect.Sfixed64Kind:
		d.w.Int64(name, int64(x))
	default:
		d.unsigned(name, x)
	}
}

// zero writes the default of a scalar that has no presence.
func (d *decoder) zero(name serde.Name, f *field) {
	switch f.kind {
	case protoreflect.BoolKind:
		d.w.Bool(name, false)
	case protoreflect.EnumKind:
		d.enum(name, f.enum, f.enum.first)
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		d.w.Float64(name, 0)
	case protoreflect.StringKind:
		d.w.Borrow(name, serde.String, 0, 0)
	case protoreflect.BytesKind:
		d.w.Borrow(name, serde.Bytes, 0, 0)
	default:
		d.w.Int64(name, 0)
	}
}
