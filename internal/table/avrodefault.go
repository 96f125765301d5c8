package table

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/millrace/millrace/serde"
)

// appendAvroDefault appends v, which a column of the type t takes, as a default is written in Avro's schemas (specification, Complex Types: bytes
// as characters up to U+00FF, logical types as what they are kept as).
func appendAvroDefault(dst []byte, t *Type, v serde.Value) ([]byte, error) {
	if v.IsNull() {
		if !t.Nullable {
			return dst, fmt.Errorf("it is null, and %s may not be", t)
		}
		return append(dst, "null"...), nil
	}
	switch t.Kind {
	case JSON:
		text, err := v.AppendJSON(nil)
		if err != nil {
			return dst, err
		}
		return serde.AppendString(dst, text)
	case Struct, List, Map:
		return appendAvroCompound(dst, t, v)
	case Bool, String, UUID:
		if k := v.Kind(); k == serde.Bool && t.Kind == Bool || k == serde.String && t.Kind != Bool {
			return v.AppendJSON(dst)
		}
	case Int32, Int64:
		if n, ok := v.Int64(); ok && (t.Kind == Int64 || n == int64(int32(n))) {
			return strconv.AppendInt(dst, n, 10), nil
		}
	case Float32, Float64:
		if f, ok := v.Float64(); ok {
			return serde.AppendFloat64(dst, f)
		}
	case Bytes, Fixed:
		if text, ok := v.Text(); ok {
			data, err := base64.StdEncoding.AppendDecode(nil, text)
			if err == nil && (t.Kind == Bytes || len(data) == t.Size) {
				return appendAvroBytes(dst, data), nil
			}
		}
	case Decimal:
		if data, ok := decimalBytes(t, v); ok {
			return appendAvroBytes(dst, data), nil
		}
	default:
		if n, ok := timeNumber(t, v); ok {
			return strconv.AppendInt(dst, n, 10), nil
		}
	}
	return dst, fmt.Errorf("it is a %s that a column of the type %s can't have", v.Kind(), t)
}

// appendAvroCompound writes members under the names that they have in Avro. What may be null in them is a union, of which Avro 1.12 takes a default of
// either type, and older versions the first.
func appendAvroCompound(dst []byte, t *Type, v serde.Value) ([]byte, error) {
	if k := v.Kind(); t.Kind == List && k != serde.Array || t.Kind != List && k != serde.Object {
		return dst, fmt.Errorf("it is a %s that a column of the type %s can't have", k, t)
	}
	var err error
	switch t.Kind {
	case List:
		dst = append(dst, '[')
		for e := range v.Elements() {
			if dst, err = appendAvroDefault(dst, t.Elem, e); err != nil {
				return dst, err
			}
			dst = append(dst, ',')
		}
		return closed(dst, '[', ']'), nil
	case Map:
		dst = append(dst, '{')
		for name, e := range v.Members() {
			if dst, err = serde.AppendString(dst, []byte(name)); err != nil {
				return dst, err
			}
			if dst, err = appendAvroDefault(append(dst, ':'), t.Elem, e); err != nil {
				return dst, err
			}
			dst = append(dst, ',')
		}
		return closed(dst, '{', '}'), nil
	}
	dst = append(dst, '{')
	names := AvroNames(t.Fields)
	for i := range t.Fields {
		f := &t.Fields[i]
		e := v.Field(f.Name)
		if !e.Exists() && f.Default != nil {
			continue // it has its own
		}
		dst = append(append(append(dst, '"'), names[i]...), `":`...)
		if dst, err = appendAvroDefault(dst, &f.Type, e); err != nil {
			return dst, fmt.Errorf("%.100s: %w", f.Name, err)
		}
		dst = append(dst, ',')
	}
	return closed(dst, '{', '}'), nil
}

// closed ends a list, whose last comma goes.
func closed(dst []byte, open, end byte) []byte {
	if dst[len(dst)-1] == ',' {
		dst[len(dst)-1] = end
		return dst
	}
	return append(dst, end)
}

// appendAvroBytes appends bytes as the characters of the same numbers.
func appendAvroBytes(dst, data []byte) []byte {
	dst = append(dst, '"')
	for _, c := range data {
		dst = fmt.Appendf(dst, `\u%04X`, c)
	}
	return append(dst, '"')
}

// decimalBytes is a number times ten to the scale, in two's complement, most significant byte first (specification, Decimal).
func decimalBytes(t *Type, v serde.Value) ([]byte, bool) {
	text, ok := v.Number()
	if !ok {
		return nil, false
	}
	whole, scale := digits(text)
	if scale > t.Scale || whole > t.Precision-t.Scale {
		return nil, false
	}
	rat, ok := new(big.Rat).SetString(string(text))
	if !ok {
		return nil, false
	}
	rat.Mul(rat, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Scale)), nil)))
	n := rat.Num()
	size := n.BitLen()/8 + 1
	if n.Sign() < 0 {
		size = new(big.Int).Not(n).BitLen()/8 + 1
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(size*8)))
	}
	return n.FillBytes(make([]byte, size)), true
}

// timeNumber is a date or a time as the number that Avro keeps. Timestamps that are numbers are milliseconds.
func timeNumber(t *Type, v serde.Value) (int64, bool) {
	text, isText := v.Text()
	n, isNumber := v.Int64()
	if !isText && t.Kind == TimestampMicros {
		const most = 1 << 62 / 1000
		return n * 1000, isNumber && n < most && n > -most
	}
	if !isText {
		return n, isNumber && t.Kind == TimestampMillis
	}
	before, after := "", ""
	switch {
	case t.Kind == Date:
		after = "T00:00:00Z"
	case t.Kind == TimeMillis || t.Kind == TimeMicros:
		before, after = "1970-01-01T", "Z"
	case t.Local:
		after = "Z"
	}
	var at time.Time
	if at.UnmarshalText([]byte(before+string(text)+after)) != nil {
		return 0, false
	}
	switch t.Kind {
	case Date:
		return at.Unix() / (24 * 60 * 60), true
	case TimeMillis, TimestampMillis:
		return at.UnixMilli(), at.Nanosecond()%1e6 == 0
	}
	return at.UnixMicro(), at.Nanosecond()%1000 == 0
}
