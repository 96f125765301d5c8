package avro

import (
	"bytes"
	"fmt"
	"math/big"
	"time"

	twmb "github.com/twmb/avro"
)

// sameNative compares what goavro or twmb decodes with the datum that it should be. goavro wraps the values of unions in maps.
func sameNative(s *Schema, d *datum, native any, wrapped bool) string {
	switch s.Type {
	case Union:
		if m, isMap := native.(map[string]any); isMap && wrapped {
			for _, inner := range m {
				native = inner
			}
		}
		return sameNative(s.Branches[d.branch], d.items[0], native, wrapped)
	case Record, Array, Map:
		return sameParts(s, d, native, wrapped)
	}
	wrong := fmt.Sprintf("%s: %T %v is not %+v", s.title(), native, native, *d)
	ok := false
	switch v := native.(type) {
	case nil:
		ok = s.Type == Null
	case bool:
		ok = v == (d.n == 1)
	case int32:
		ok = int64(v) == d.n
	case int64:
		ok = v == d.n
	case float32:
		ok = sameFloat(float64(v), d.f)
	case float64:
		ok = sameFloat(v, d.f)
	case string:
		ok = s.Type == Enum && v == s.Symbols[d.n] || s.Type == String && v == string(d.b)
	case []byte:
		ok = bytes.Equal(v, d.b)
	case [16]byte:
		ok = bytes.Equal(v[:], d.b)
	case twmb.Duration:
		b := v.Bytes()
		ok = bytes.Equal(b[:], d.b)
	case time.Duration:
		ok = s.Logical == TimeMillis && v == time.Duration(d.n)*time.Millisecond || s.Logical == TimeMicros && v == time.Duration(d.n)*time.Microsecond
	case time.Time:
		ok = sameTime(s, d.n, v)
	case *big.Rat:
		ok = v.FloatString(d.scale) == decimalText(d.big, d.scale)
	}
	if !ok {
		return wrong
	}
	return ""
}

func sameTime(s *Schema, n int64, v time.Time) bool {
	switch s.Logical {
	case Date:
		return v.Unix() == n*secondsOfDay
	case TimestampMillis, LocalTimestampMillis:
		return v.Equal(time.UnixMilli(n))
	case TimestampMicros, LocalTimestampMicros:
		return v.Equal(time.UnixMicro(n))
	}
	return v.Equal(time.Unix(0, n))
}

func sameParts(s *Schema, d *datum, native any, wrapped bool) string {
	list, isList := native.([]any)
	members, isMap := native.(map[string]any)
	if isList != (s.Type == Array) || !isList && !isMap || len(list)+len(members) != len(d.items) {
		return fmt.Sprintf("%s: %T %v is not %+v", s.title(), native, native, *d)
	}
	for i, item := range d.items {
		of, part := s.Items, any(nil)
		switch s.Type {
		case Array:
			part = list[i]
		case Record:
			of, part = s.Fields[i].Type, members[s.Fields[i].Name]
		default:
			part = members[d.keys[i]]
		}
		if path := sameNative(of, item, part, wrapped); path != "" {
			return path
		}
	}
	return ""
}
