package protobuf_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/protobuf"
)

// TestOracle compares with dynamicpb: random messages of random schemas, as they are encoded, cut, merged, shuffled and broken.
func TestOracle(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	schemas, messages := 120, 30
	if raced {
		schemas = 30
	}
	agreed, refused := 0, 0
	for range schemas {
		text := randomSchema(random)
		desc := descriptor(t, text)
		m := message(t, text, "M0", protobuf.Options{})
		for range messages {
			data := randomBytes(random, desc)
			if compare(t, text, desc, m, data) {
				agreed++
			} else {
				refused++
			}
			if t.Failed() {
				return
			}
		}
	}
	if agreed < schemas*messages/3 || refused < schemas {
		t.Errorf("%d messages were decoded and %d refused: the test doesn't try enough", agreed, refused)
	}
}

// compare reports whether both decode data, and fails where only one does or the values differ. Then it encodes the value again.
func compare(t *testing.T, text string, desc protoreflect.MessageDescriptor, m *protobuf.Message, data []byte) bool {
	t.Helper()
	want, wantErr := expected(desc, data)
	v, err := m.Decode(serde.NewTape(), data)
	var got []byte
	if err == nil {
		got, err = v.AppendJSON(nil)
	}
	if errors.Is(wantErr, errPanic) {
		return err == nil
	}
	if err == nil && wantErr != nil && replaced(data) {
		encodes(t, m, v, desc, got, text)
		return false
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("got error %v, dynamicpb has %v\n%s\n%x", err, wantErr, text, data)
	}
	if err != nil {
		return false
	}
	same(t, got, want, text, data)
	return encodes(t, m, v, desc, got, text)
}

// replaced reports whether a message may hold an occurrence of a map's key or of a oneof that a later one replaces. What is replaced isn't in
// the value and isn't looked at, while dynamicpb refuses the message if that is broken.
func replaced(data []byte) bool {
	seen := map[protowire.Number]bool{}
	for len(data) > 0 {
		number, _, n := protowire.ConsumeField(data)
		if n < 0 {
			return false
		}
		if seen[number] || number >= 5001 { // the numbers of oneofs begin there
			return true
		}
		seen[number], data = true, data[n:]
	}
	return false
}

// encodes fails unless dynamicpb reads what a value is encoded to, as the same value.
func encodes(t *testing.T, m *protobuf.Message, v serde.Value, desc protoreflect.MessageDescriptor, got []byte, text string) bool {
	t.Helper()
	back, err := m.Append([]byte("x"), v)
	if err != nil {
		t.Fatalf("encode %s: %v\n%s", got, err, text)
	}
	want, err := expected(desc, back[1:])
	if err != nil {
		t.Fatalf("dynamicpb can't read what was encoded: %v\n%s\n%s\n%x", err, text, got, back[1:])
	}
	same(t, got, want, text, back[1:])
	return true
}

func same(t *testing.T, got []byte, want, text string, data []byte) {
	t.Helper()
	var a, b any
	for _, x := range []struct {
		text []byte
		to   *any
	}{{got, &a}, {[]byte(want), &b}} {
		d := json.NewDecoder(bytes.NewReader(x.text))
		d.UseNumber()
		if err := d.Decode(x.to); err != nil {
			t.Fatalf("%s: %v", x.text, err)
		}
	}
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("got  %s\nwant %s\n%s\n%x", got, want, text, data)
	}
}

func descriptor(t testing.TB, text string) protoreflect.MessageDescriptor {
	t.Helper()
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"s.proto": text}),
	})}
	files, err := c.Compile(context.WithoutCancel(t.Context()), "s.proto")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	set := &descriptorpb.FileDescriptorSet{}
	for i := range files[0].Imports().Len() {
		set.File = append(set.File, protodesc.ToFileDescriptorProto(files[0].Imports().Get(i).FileDescriptor))
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(files[0]))
	all, err := protodesc.NewFiles(set) // the compiler's own descriptors lack the defaults that dynamicpb needs
	if err != nil {
		t.Fatal(err)
	}
	d, err := all.FindFileByPath("s.proto")
	if err != nil {
		t.Fatal(err)
	}
	return d.Messages().Get(0)
}

var scalars = []string{"int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64", "float", "double", "bool", "string", "bytes"}

func pick(random *rand.Rand, from ...string) string { return from[random.IntN(len(from))] }

func randomSchema(random *rand.Rand) string {
	var b strings.Builder
	syntax := pick(random, `syntax = "proto3";`, `syntax = "proto2";`, `edition = "2023";`)
	b.WriteString(syntax + "\n")
	for _, name := range []string{"timestamp", "duration", "wrappers", "struct", "any", "empty"} {
		fmt.Fprintf(&b, "import \"google/protobuf/%s.proto\";\n", name)
	}
	const count = 4
	for i := range count {
		fmt.Fprintf(&b, "message M%d {\n", i)
		numbers := random.Perm(60)
		if random.IntN(2) == 0 {
			slices.Sort(numbers[:14])
		}
		for n := range 1 + random.IntN(12) {
			randomField(random, &b, syntax, fmt.Sprintf("field_%d", n), numbers[n]*numbers[n]+1)
		}
		if random.IntN(2) == 0 {
			fmt.Fprintf(&b, "oneof one { %s a = 5001; %s b = 5002; %s c = 5003; }\n", randomType(random), randomType(random), randomType(random))
		}
		b.WriteString("}\n")
	}
	b.WriteString("enum E { ZERO = 0; ONE = 1; MINUS = -3; FAR = 70000; }\n")
	return b.String()
}

func randomType(random *rand.Rand) string {
	switch random.IntN(10) {
	case 0, 1, 2:
		return fmt.Sprintf("M%d", random.IntN(4))
	case 3:
		return "E"
	case 4:
		return "google.protobuf." + pick(random, "Timestamp", "Duration", "Struct", "Value", "ListValue", "Any", "Empty", "StringValue", "UInt64Value", "FloatValue", "BytesValue", "BoolValue")
	}
	return pick(random, scalars...)
}

func randomField(random *rand.Rand, b *strings.Builder, syntax, name string, number int) {
	label := ""
	switch {
	case strings.Contains(syntax, "proto2"):
		label = pick(random, "optional ", "optional ", "repeated ")
		if random.IntN(8) == 0 {
			label = "required "
		}
		if random.IntN(12) == 0 {
			fmt.Fprintf(b, "%s group G%s = %d { optional int32 x = 1; repeated string y = 2; }\n", label, name, number)
			return
		}
	case strings.Contains(syntax, "proto3"):
		label = pick(random, "", "", "optional ", "repeated ")
	default:
		label = pick(random, "", "", "repeated ")
	}
	if random.IntN(6) == 0 {
		key := scalars[random.IntN(10)]
		if random.IntN(2) == 0 {
			key = pick(random, "string", "bool")
		}
		fmt.Fprintf(b, "map<%s, %s> %s = %d;\n", key, randomType(random), name, number)
		return
	}
	kind, option := randomType(random), ""
	if label == "required " && strings.HasPrefix(kind, "M") {
		kind = "string" // a message that has to hold itself can't be
	}
	isScalar := slices.Contains(scalars[:13], kind) || kind == "E"
	switch {
	case label == "repeated " && isScalar && !strings.Contains(syntax, "edition"):
		option = pick(random, "", " [packed=true]", " [packed=false]")
	case label == "repeated " && isScalar:
		option = pick(random, "", " [features.repeated_field_encoding=EXPANDED]")
	case strings.Contains(syntax, "edition") && label == "" && strings.HasPrefix(kind, "M"):
		option = pick(random, "", " [features.message_encoding=DELIMITED]")
	case strings.Contains(syntax, "edition") && label == "" && !strings.Contains(kind, "."):
		option = pick(random, "", " [features.field_presence=IMPLICIT]")
	case strings.Contains(syntax, "proto2") && kind == "int32" && label == "optional ":
		option = " [default=7]"
	}
	fmt.Fprintf(b, "%s%s %s = %d%s;\n", label, kind, name, number, option)
}

// randomBytes encodes one or two random messages and changes the bytes in one of several ways.
func randomBytes(random *rand.Rand, desc protoreflect.MessageDescriptor) []byte {
	encode := func() []byte {
		m := dynamicpb.NewMessage(desc)
		fillMessage(random, m, 0)
		data, err := proto.MarshalOptions{AllowPartial: true}.Marshal(m)
		if err != nil {
			return nil
		}
		return data
	}
	data := encode()
	switch random.IntN(8) {
	case 0:
		data = append(data, encode()...) // merged
	case 1:
		data = shuffled(random, append(data, encode()...))
	case 2: // with what the schema doesn't know
		data = append(data, "\xf2\xff\x7f\x02ab\xfb\xff\x7f\x08\x01\xfc\xff\x7f"...)
	case 3:
		data = data[:random.IntN(len(data)+1)]
	case 4, 5:
		for range 1 + random.IntN(3) {
			if len(data) > 0 {
				data[random.IntN(len(data))] ^= 1 << random.IntN(8)
			}
		}
	}
	return data
}

func shuffled(random *rand.Rand, data []byte) []byte {
	var fields [][]byte
	for len(data) > 0 {
		_, _, n := protowire.ConsumeField(data)
		if n < 0 {
			break
		}
		fields = append(fields, data[:n])
		data = data[n:]
	}
	random.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	return bytes.Join(fields, nil)
}

func fillMessage(random *rand.Rand, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.Cardinality() != protoreflect.Required && (random.IntN(3) == 0 || depth > 2 && f.Message() != nil) {
			continue
		}
		switch {
		case f.IsMap():
			for range random.IntN(10 - 3*depth) {
				m.Mutable(f).Map().Set(randomScalar(random, f.MapKey()).MapKey(), randomValue(random, f.MapValue(), m.Mutable(f).Map().NewValue, depth))
			}
		case f.IsList():
			for range random.IntN(5 - depth) {
				m.Mutable(f).List().Append(randomValue(random, f, m.Mutable(f).List().NewElement, depth))
			}
		default:
			m.Set(f, randomValue(random, f, func() protoreflect.Value { return m.NewField(f) }, depth))
		}
	}
	switch m.Descriptor().FullName() { // mostly in range
	case "google.protobuf.Timestamp", "google.protobuf.Duration":
		if random.IntN(10) > 0 {
			m.Set(fields.Get(0), protoreflect.ValueOfInt64(random.Int64N(1e9)))
			m.Set(fields.Get(1), protoreflect.ValueOfInt32(random.Int32N(1000)*1000*random.Int32N(2)))
		}
	}
}

func randomValue(random *rand.Rand, f protoreflect.FieldDescriptor, fresh func() protoreflect.Value, depth int) protoreflect.Value {
	if f.Message() == nil {
		return randomScalar(random, f)
	}
	v := fresh()
	fillMessage(random, v.Message(), depth+1)
	return v
}

func randomScalar(random *rand.Rand, f protoreflect.FieldDescriptor) protoreflect.Value {
	x := random.Uint64() >> random.IntN(64)
	if random.IntN(4) == 0 {
		x = -x
	}
	if random.IntN(8) == 0 {
		x = 0
	}
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(x&1 == 1)
	case protoreflect.EnumKind:
		n := []protoreflect.EnumNumber{0, 1, -3, 70000, 17}[random.IntN(5)]
		if f.Enum().FullName() != "E" {
			n = 0
		}
		return protoreflect.ValueOfEnum(n)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(x))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(int64(x))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(x))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(x)
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(int64(x)) / 8)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(int64(x)) / 8)
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(binaryText(random))
	}
	return protoreflect.ValueOfString(pick(random, "", "a", "b", "Bakı", "long enough to need a length of its own", strconv.Itoa(int(x%40))))
}

func binaryText(random *rand.Rand) []byte {
	b := make([]byte, random.IntN(6))
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}
