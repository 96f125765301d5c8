package protobuf_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// errPanic is dynamicpb's panic over a map's entry with a key and a second one of another wire type (v1.36.12, unmarshalMap).
var errPanic = errors.New("dynamicpb panics")

// expected is the JSON of what dynamicpb decodes.
func expected(desc protoreflect.MessageDescriptor, data []byte) (_ string, err error) {
	defer func() {
		if r := recover(); r != nil && strings.Contains(fmt.Sprint(r), "cannot convert nil to map key") {
			err = errPanic
		} else if r != nil {
			panic(r)
		}
	}()
	m := dynamicpb.NewMessage(desc)
	if err := (proto.UnmarshalOptions{Resolver: &protoregistry.Types{}}).Unmarshal(data, m); err != nil {
		return "", err
	}
	var b strings.Builder
	err = writeMessage(&b, m)
	return b.String(), err
}

func writeMessage(b *strings.Builder, m protoreflect.Message) error {
	fields := m.Descriptor().Fields()
	get := func(i int) protoreflect.Value { return m.Get(fields.Get(i)) }
	if m.Descriptor().FullName().Parent() == "google.protobuf" {
		switch name := m.Descriptor().Name(); {
		case name == "Timestamp":
			return writeTimestamp(b, get(0).Int(), get(1).Int())
		case name == "Duration":
			return writeDuration(b, get(0).Int(), get(1).Int())
		case strings.HasSuffix(string(name), "Value") && name != "Value", name == "Struct":
			return writeField(b, fields.Get(0), get(0))
		case name == "Value":
			which := m.WhichOneof(m.Descriptor().Oneofs().Get(0))
			if which == nil || which.Number() == 1 {
				b.WriteString("null")
				return nil
			}
			return writeField(b, which, m.Get(which))
		}
	}
	b.WriteByte('{')
	comma := ""
	for i := range fields.Len() {
		f := fields.Get(i)
		if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() && !m.Has(f) {
			continue
		}
		fmt.Fprintf(b, "%s%q:", comma, f.Name())
		comma = ","
		if f.HasPresence() && !m.Has(f) {
			b.WriteString("null")
		} else if err := writeField(b, f, m.Get(f)); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func writeField(b *strings.Builder, f protoreflect.FieldDescriptor, v protoreflect.Value) (err error) {
	switch {
	case f.IsMap():
		b.WriteByte('{')
		comma := ""
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			if !utf8.ValidString(k.String()) {
				err = errors.New("a key isn't UTF-8")
				return false
			}
			key, _ := json.Marshal(k.String())
			fmt.Fprintf(b, "%s%s:", comma, key)
			comma = ","
			err = writeOne(b, f.MapValue(), v)
			return err == nil
		})
		b.WriteByte('}')
	case f.IsList():
		b.WriteByte('[')
		for i := range v.List().Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err = writeOne(b, f, v.List().Get(i)); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	default:
		return writeOne(b, f, v)
	}
	return err
}

func writeOne(b *strings.Builder, f protoreflect.FieldDescriptor, v protoreflect.Value) error {
	switch x := v.Interface().(type) {
	case protoreflect.Message:
		return writeMessage(b, x)
	case protoreflect.EnumNumber:
		if d := f.Enum().Values().ByNumber(x); d != nil {
			fmt.Fprintf(b, "%q", d.Name())
		} else {
			fmt.Fprint(b, int32(x))
		}
	case string:
		if !utf8.ValidString(x) {
			return errors.New("not UTF-8")
		}
		text, err := json.Marshal(x)
		b.Write(text)
		return err
	case []byte:
		fmt.Fprintf(b, "%q", base64.StdEncoding.EncodeToString(x))
	case float32:
		return writeFloat(b, float64(x), 32)
	case float64:
		return writeFloat(b, x, 64)
	default:
		fmt.Fprint(b, x)
	}
	return nil
}

func writeFloat(b *strings.Builder, x float64, bits int) error {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return errors.New("not a number that JSON has")
	}
	format := byte('f')
	if a := math.Abs(x); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	b.WriteString(strconv.FormatFloat(x, format, -1, bits))
	return nil
}

func writeTimestamp(b *strings.Builder, s, n int64) error {
	ts := time.Unix(s, n).UTC()
	if n < 0 || n > 999_999_999 || s > 1<<40 || s < -1<<40 || ts.Year() < 1 || ts.Year() > 9999 {
		return errors.New("out of range")
	}
	layout := "2006-01-02T15:04:05.999999Z"
	if n%1000 != 0 {
		layout = "2006-01-02T15:04:05.000000000Z"
	}
	fmt.Fprintf(b, "%q", ts.Format(layout))
	return nil
}

func writeDuration(b *strings.Builder, s, n int64) error {
	if max(s, -s) > 315_576_000_000 || s == math.MinInt64 || max(n, -n) > 999_999_999 || s > 0 && n < 0 || s < 0 && n > 0 {
		return errors.New("out of range")
	}
	sign := ""
	if s < 0 || n < 0 {
		sign, s, n = "-", -s, -n
	}
	fraction := ""
	if n > 0 {
		fraction = strings.TrimRight(fmt.Sprintf(".%09d", n), "0")
	}
	fmt.Fprintf(b, `"%sPT%d%sS"`, sign, s, fraction)
	return nil
}
