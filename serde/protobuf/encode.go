package protobuf

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/millrace/millrace/serde"
)

// Append encodes an object as a message, the reverse of Decode. Members that are null or absent are not set; members that the schema
// doesn't know are an error. Fields without presence are left out where they have their default.
//
// Numbers must fit their type exactly, but a float rounds. Enums are given by name or number, bytes as Bytes, a UUID or
// a String of base64, timestamps as a Timestamp, a Date or a String by RFC 3339, and as an Int64 with
// the option Epoch. dst comes back as it was after an error.
func (m *Message) Append(dst []byte, v serde.Value) ([]byte, error) {
	p, err := m.compiled()
	if err != nil {
		return dst, err
	}
	e := encoder{epoch: m.options.Timestamps == Epoch}
	out, err := e.message(dst, p.root, v, 1)
	if err != nil {
		return dst, fmt.Errorf("protobuf: encode %s: %w", m.Name(), err)
	}
	return out, nil
}

type encoder struct{ epoch bool }

// message appends the body of a message.
func (e *encoder) message(dst []byte, t *table, v serde.Value, depth int) ([]byte, error) {
	if depth > 2*maxDepth { // a Value and its Struct are two messages
		return nil, fail(-1, "it nests more than %d deep", maxDepth)
	}
	switch t.shape {
	case asTimestamp:
		return e.timestamp(dst, v)
	case asDuration:
		return e.duration(dst, v)
	case asWrapper, asStruct, asList:
		return e.field(dst, &t.fields[0], v, depth)
	case asValue:
		return e.value(dst, t, v, depth)
	}
	return e.object(dst, t, v, depth)
}

func (e *encoder) object(dst []byte, t *table, v serde.Value, depth int) ([]byte, error) {
	if v.Kind() != serde.Object {
		return nil, unfit(v, "an object")
	}
	set := make([]bool, t.slots)
	for name, member := range v.Members() {
		i, ok := t.byName[name]
		if !ok {
			return nil, fail(-1, "the schema has no field %.200q in %.200s", name, t.name)
		}
		f := &t.fields[i]
		if set[i] {
			return nil, inside(fail(-1, "it is there by its name and by its JSON name"), f.text)
		}
		if member.Kind() == serde.Null && (!f.takesNull() || f.oneof == 0 && !f.required) {
			continue
		}
		set[i] = true
		if f.oneof != 0 {
			which := &set[len(t.fields)+f.oneof-1]
			if *which {
				return nil, inside(fail(-1, "another member of its oneof is set too"), f.text)
			}
			*which = true
		}
		var err error
		if dst, err = e.field(dst, f, member, depth); err != nil {
			return nil, inside(err, f.text)
		}
	}
	for i := range t.fields {
		if f := &t.fields[i]; f.required && !set[i] {
			return nil, inside(fail(-1, "it is required and isn't there"), f.text)
		}
	}
	return dst, nil
}

// field appends a field with its tags.
func (e *encoder) field(dst []byte, f *field, v serde.Value, depth int) ([]byte, error) {
	switch f.form {
	case list:
		return e.list(dst, f, v, depth)
	case mapped:
		return e.mapped(dst, f, v, depth)
	}
	start := len(dst)
	dst, err := e.single(dst, f, v, depth)
	if err != nil {
		return nil, err
	}
	if !f.presence && isZero(dst[start:], f) {
		return dst[:start], nil
	}
	return dst, nil
}

// isZero reports whether a tag and a value say what the absence of both does.
func isZero(b []byte, f *field) bool {
	for _, c := range b[protowire.SizeTag(f.number):] {
		if c != 0 {
			return false
		}
	}
	return true
}

// single appends one value with its tag.
func (e *encoder) single(dst []byte, f *field, v serde.Value, depth int) ([]byte, error) {
	dst = protowire.AppendTag(dst, f.number, f.wire)
	switch {
	case f.message == nil:
		return e.scalar(dst, f, v)
	case f.wire == protowire.StartGroupType:
		dst, err := e.message(dst, f.message, v, depth+1)
		if err != nil {
			return nil, err
		}
		return protowire.AppendTag(dst, f.number, protowire.EndGroupType), nil
	}
	start := len(dst)
	dst, err := e.message(dst, f.message, v, depth+1)
	if err != nil {
		return nil, err
	}
	return withLength(dst, start), nil
}

// withLength puts the length of dst[start:] in front of it.
func withLength(dst []byte, start int) []byte {
	n := len(dst) - start
	size := protowire.SizeVarint(uint64(n))
	var room [10]byte
	dst = append(dst, room[:size]...)
	copy(dst[start+size:], dst[start:start+n])
	protowire.AppendVarint(dst[:start], uint64(n))
	return dst
}

func (e *encoder) list(dst []byte, f *field, v serde.Value, depth int) (_ []byte, err error) {
	if v.Kind() != serde.Array {
		return nil, unfit(v, "an array")
	}
	start, i := len(dst), 0
	if f.packed && v.Len() > 0 {
		dst = protowire.AppendTag(dst, f.number, protowire.BytesType)
		start = len(dst)
	}
	for element := range v.Elements() {
		switch {
		case element.Kind() == serde.Null && !f.takesNull():
			err = unfit(element, "no null in a repeated field")
		case f.packed:
			dst, err = e.scalar(dst, f, element)
		default:
			dst, err = e.single(dst, f, element, depth)
		}
		if err != nil {
			return nil, inside(err, strconv.Itoa(i))
		}
		i++
	}
	if f.packed && i > 0 {
		dst = withLength(dst, start)
	}
	return dst, nil
}

// takesNull reports whether a null is a value of the type, and not its absence.
func (f *field) takesNull() bool { return f.message != nil && f.message.shape == asValue }

func (e *encoder) mapped(dst []byte, f *field, v serde.Value, depth int) (_ []byte, err error) {
	if v.Kind() != serde.Object {
		return nil, unfit(v, "an object")
	}
	for key, member := range v.Members() {
		dst = protowire.AppendTag(dst, f.number, protowire.BytesType)
		start := len(dst)
		if dst, err = appendKey(protowire.AppendTag(dst, f.key.number, f.key.wire), f.key, key); err != nil {
			return nil, err
		}
		if member.Kind() == serde.Null && !f.value.takesNull() {
			err = unfit(member, "no null in a map")
		} else {
			dst, err = e.single(dst, f.value, member, depth)
		}
		if err != nil {
			return nil, inside(err, strings.Clone(key))
		}
		dst = withLength(dst, start)
	}
	return dst, nil
}

// appendKey appends a map's key, given as text.
func appendKey(dst []byte, f *field, key string) ([]byte, error) {
	wrong := func() error { return fail(-1, "the key %.200q is no %s", key, f.kind) }
	switch f.kind {
	case protoreflect.StringKind:
		return protowire.AppendString(dst, key), nil
	case protoreflect.BoolKind:
		if key != "true" && key != "false" {
			return nil, wrong()
		}
		return protowire.AppendVarint(dst, protowire.EncodeBool(key == "true")), nil
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		x, err := strconv.ParseUint(key, 10, 64)
		if err != nil {
			return nil, wrong()
		}
		return appendUnsigned(dst, f.kind, x), nil
	}
	x, err := strconv.ParseInt(key, 10, 64)
	if err != nil || !inRange(f.kind, x) {
		return nil, wrong()
	}
	return appendInteger(dst, f.kind, x), nil
}

// value appends a google.protobuf.Value, whose members are null, number, string, bool, struct and list.
func (e *encoder) value(dst []byte, t *table, v serde.Value, depth int) ([]byte, error) {
	switch v.Kind() {
	case serde.Null:
		return protowire.AppendVarint(protowire.AppendTag(dst, t.fields[0].number, protowire.VarintType), 0), nil
	case serde.Int64, serde.Float64, serde.Decimal:
		return e.single(dst, &t.fields[1], v, depth)
	case serde.Bool:
		return e.single(dst, &t.fields[3], v, depth)
	case serde.Object:
		return e.single(dst, &t.fields[4], v, depth)
	case serde.Array:
		return e.single(dst, &t.fields[5], v, depth)
	}
	return e.single(dst, &t.fields[2], v, depth)
}

var errMissing = errors.New("the value is missing")

// unfit is the error of a value that is not of the kind that its field needs.
func unfit(v serde.Value, want string) error {
	if !v.Exists() {
		return errMissing
	}
	return fail(-1, "expected %s, found %s", want, v.Kind())
}

// inRange reports whether a kind of integers, the unsigned ones of 64 bits aside, has x.
func inRange(k protoreflect.Kind, x int64) bool {
	switch k {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.EnumKind:
		return x >= math.MinInt32 && x <= math.MaxInt32
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return x >= 0 && x <= math.MaxUint32
	}
	return true
}

// appendInteger appends x, which is in the kind's range.
func appendInteger(dst []byte, k protoreflect.Kind, x int64) []byte {
	switch k {
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return protowire.AppendVarint(dst, protowire.EncodeZigZag(x))
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.AppendFixed32(dst, uint32(x))
	case protoreflect.Sfixed64Kind:
		return protowire.AppendFixed64(dst, uint64(x))
	}
	return protowire.AppendVarint(dst, uint64(x))
}

func appendUnsigned(dst []byte, k protoreflect.Kind, x uint64) []byte {
	if k == protoreflect.Fixed64Kind {
		return protowire.AppendFixed64(dst, x)
	}
	return protowire.AppendVarint(dst, x)
}
