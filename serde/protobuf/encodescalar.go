package protobuf

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/millrace/millrace/serde"
)

// scalar appends a scalar without its tag.
func (e *encoder) scalar(dst []byte, f *field, v serde.Value) ([]byte, error) {
	switch f.kind {
	case protoreflect.BoolKind:
		b, ok := v.Bool()
		if !ok {
			return nil, unfit(v, "a bool")
		}
		return protowire.AppendVarint(dst, protowire.EncodeBool(b)), nil
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return float(dst, f.kind, v)
	case protoreflect.StringKind:
		return textOf(dst, v)
	case protoreflect.BytesKind:
		return bytesOf(dst, v)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return unsigned(dst, f.kind, v)
	case protoreflect.EnumKind:
		return symbol(dst, f.enum, v)
	}
	x, ok := v.Int64()
	switch {
	case !ok:
		return nil, unfit(v, "an integer of the type "+f.kind.String())
	case !inRange(f.kind, x):
		return nil, fail(-1, "%d is out of the range of %s", x, f.kind)
	}
	return appendInteger(dst, f.kind, x), nil
}

func float(dst []byte, k protoreflect.Kind, v serde.Value) ([]byte, error) {
	x, ok := v.Float64()
	if !ok {
		return nil, unfit(v, "a number of the type "+k.String())
	}
	if k == protoreflect.DoubleKind {
		return protowire.AppendFixed64(dst, math.Float64bits(x)), nil
	}
	single := float32(x)
	if math.IsInf(float64(single), 0) && !math.IsInf(x, 0) {
		return nil, fail(-1, "%g is out of the range of float", x)
	}
	return protowire.AppendFixed32(dst, math.Float32bits(single)), nil
}

func unsigned(dst []byte, k protoreflect.Kind, v serde.Value) ([]byte, error) {
	if x, ok := v.Int64(); ok {
		if x < 0 {
			return nil, fail(-1, "%d is out of the range of %s", x, k)
		}
		return appendUnsigned(dst, k, uint64(x)), nil
	}
	number, ok := v.Number()
	if !ok {
		return nil, unfit(v, "an integer of the type "+k.String())
	}
	x, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		return nil, fail(-1, "%.40s is no integer of the type %s", number, k)
	}
	return appendUnsigned(dst, k, x), nil
}

func symbol(dst []byte, e *enum, v serde.Value) ([]byte, error) {
	if name, ok := v.Text(); ok && v.Kind() == serde.String {
		n, ok := e.numbers[string(name)]
		if !ok {
			return nil, fail(-1, "the enum has no value %.200q", name)
		}
		return appendInteger(dst, protoreflect.EnumKind, int64(n)), nil
	}
	x, ok := v.Int64()
	switch {
	case !ok:
		return nil, unfit(v, "the name or the number of an enum's value")
	case !inRange(protoreflect.EnumKind, x):
		return nil, fail(-1, "%d is out of the range of enum", x)
	}
	return appendInteger(dst, protoreflect.EnumKind, x), nil
}

// textOf appends a string: what isn't one but has a text in JSON is written as that.
func textOf(dst []byte, v serde.Value) ([]byte, error) {
	switch v.Kind() {
	case serde.String:
		s, _ := v.Text()
		if !utf8.Valid(s) {
			return nil, fail(-1, "the text isn't UTF-8")
		}
		return protowire.AppendBytes(dst, s), nil
	case serde.UUID, serde.Date, serde.Time, serde.Timestamp:
		start := len(dst)
		dst, err := v.AppendText(dst)
		if err != nil {
			return nil, fail(-1, "%v", err)
		}
		return withLength(dst, start), nil
	}
	return nil, unfit(v, "a string")
}

func bytesOf(dst []byte, v serde.Value) ([]byte, error) {
	switch v.Kind() {
	case serde.Bytes:
		b, _ := v.Text()
		return protowire.AppendBytes(dst, b), nil
	case serde.UUID:
		u, _ := v.UUID()
		return protowire.AppendBytes(dst, u[:]), nil
	case serde.String:
		s, _ := v.Text()
		start := len(dst)
		dst, err := base64.StdEncoding.AppendDecode(dst, s)
		if err != nil {
			return nil, fail(-1, "the text isn't base64")
		}
		return withLength(dst, start), nil
	}
	return nil, unfit(v, "bytes")
}

func (e *encoder) timestamp(dst []byte, v serde.Value) ([]byte, error) {
	var ts time.Time
	switch v.Kind() {
	case serde.Timestamp, serde.Date:
		ts, _ = v.Time()
	case serde.String:
		s, _ := v.Text()
		var err error
		if ts, err = time.Parse(time.RFC3339Nano, string(s)); err != nil {
			return nil, fail(-1, "%.100q is no time by RFC 3339", s)
		}
	default:
		us, ok := v.Int64()
		if !ok || !e.epoch {
			return nil, unfit(v, "a timestamp")
		}
		ts = time.UnixMicro(us)
	}
	if s := ts.Unix(); s < minSeconds || s > maxSeconds {
		return nil, fail(-1, "the timestamp is not between the years 1 and 9999")
	}
	return appendParts(dst, ts.Unix(), int64(ts.Nanosecond())), nil
}

func (e *encoder) duration(dst []byte, v serde.Value) ([]byte, error) {
	s, ok := v.Text()
	if !ok || v.Kind() != serde.String {
		return nil, unfit(v, "a duration")
	}
	seconds, nanos, err := parseDuration(string(s))
	if err != nil {
		return nil, fail(-1, "%.100q: %v", s, err)
	}
	return appendParts(dst, seconds, nanos), nil
}

// appendParts appends the fields of a Timestamp or a Duration.
func appendParts(dst []byte, seconds, nanos int64) []byte {
	if seconds != 0 {
		dst = protowire.AppendVarint(protowire.AppendTag(dst, 1, protowire.VarintType), uint64(seconds))
	}
	if nanos != 0 {
		dst = protowire.AppendVarint(protowire.AppendTag(dst, 2, protowire.VarintType), uint64(nanos))
	}
	return dst
}
