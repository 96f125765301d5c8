package protobuf_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/protobuf"
)

func parse(t testing.TB, text string, refs ...serde.Reference) *protobuf.File {
	t.Helper()
	f, err := protobuf.Parse(text, refs...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const fleet = `syntax="proto3"; package fleet;
message Vehicle { string id = 1; map<string, int32> tags = 2; message Pos { double lat = 1; message Fix { int32 n = 1; } } }
message Alarm { string text = 1; }`

func TestMessage(t *testing.T) {
	f := parse(t, fleet)
	for name, want := range map[string]string{
		"":                        `the schema has several messages, and none was named: it has fleet.Vehicle, fleet.Vehicle.Pos, fleet.Vehicle.Pos.Fix, fleet.Alarm`,
		"Vehicle":                 `the schema has no message "Vehicle": it has fleet.Vehicle, `,
		"fleet.Vehicle.TagsEntry": `the schema has no message "fleet.Vehicle.TagsEntry"`,
	} {
		if _, err := f.Message(name); err == nil || !strings.HasPrefix(err.Error(), "protobuf: "+want) {
			t.Errorf("%q: got %v, want %s", name, err, want)
		}
	}
	if m, err := f.Message("fleet.Vehicle.Pos"); err != nil || m.Name() != "fleet.Vehicle.Pos" {
		t.Errorf("got %v %v", m, err)
	}
	if m, err := parse(t, `syntax="proto3"; message A {message B {}}`).Message(""); err != nil || m.Name() != "A" {
		t.Errorf("the only one: got %v %v", m, err)
	}
	if _, err := parse(t, `syntax="proto3"; enum E {Z=0;}`).Message(""); err == nil {
		t.Error("a schema without messages has one")
	}
}

// The order that AWS's Java serde showed: Alarm = 0, Vehicle = 1, Vehicle.Pos = 2. Entries of maps count too.
func TestGlueIndex(t *testing.T) {
	f := parse(t, fleet)
	for i, name := range []string{"fleet.Alarm", "fleet.Vehicle", "fleet.Vehicle.Pos", "fleet.Vehicle.Pos.Fix", "fleet.Vehicle.TagsEntry"} {
		m, err := f.GlueMessage(i)
		if err != nil || m.Name() != name || m.GlueIndex() != i {
			t.Fatalf("%d is %v %v, want %s", i, m, err, name)
		}
		head, err := m.AppendGlueIndex([]byte("x"))
		if err != nil || string(head) != "x"+string(rune(i)) {
			t.Errorf("%d: %q %v", i, head, err)
		}
		got, rest, err := f.GlueSplit(append(head[1:], "rest"...))
		if err != nil || got != m || string(rest) != "rest" {
			t.Errorf("%d: %v %q %v", i, got, rest, err)
		}
	}
	for data, want := range map[string]string{
		"": "no message index", "\x80": "no message index", "\x05": "no message with index 5: it has 5 messages", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01": "no message with index 2147483648",
	} {
		if _, _, err := f.GlueSplit([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%x: %v, want %s", data, err, want)
		}
	}
	if _, err := f.GlueMessage(-1); err == nil {
		t.Error("-1 is a message")
	}
	var many strings.Builder
	for i := range 300 {
		fmt.Fprintf(&many, "message M%03d {}\n", i)
	}
	f = parse(t, `syntax="proto3"; `+many.String())
	m, err := f.Message("M299")
	if err != nil {
		t.Fatal(err)
	}
	if head, err := m.AppendGlueIndex(nil); err != nil || !bytes.Equal(head, []byte{0xAB, 0x02}) { // not zigzag
		t.Errorf("299 is % x %v", head, err)
	}
}

func TestConfluentIndex(t *testing.T) {
	f := parse(t, fleet)
	for _, test := range []struct {
		name, head string
		path       []int
	}{
		{"fleet.Vehicle", "\x00", []int{0}},
		{"fleet.Alarm", "\x02\x02", []int{1}},
		{"fleet.Vehicle.Pos", "\x04\x00\x00", []int{0, 0}},
		{"fleet.Vehicle.Pos.Fix", "\x06\x00\x00\x00", []int{0, 0, 0}},
	} {
		m, err := f.PathMessage(test.path)
		if err != nil || m.Name() != test.name || !slices.Equal(m.Path(), test.path) {
			t.Fatalf("%v is %v %v", test.path, m, err)
		}
		head, err := m.AppendConfluentIndex(nil)
		if err != nil || string(head) != test.head {
			t.Errorf("%s: %x %v", test.name, head, err)
		}
		got, rest, err := f.ConfluentSplit(append(head, 'r'))
		if err != nil || got != m || string(rest) != "r" {
			t.Errorf("%s: %v %q %v", test.name, got, rest, err)
		}
	}
	if m, _, err := f.ConfluentSplit([]byte("\x02\x00")); err != nil || m.Name() != "fleet.Vehicle" {
		t.Errorf("[0] in full: %v %v", m, err)
	}
	for data, want := range map[string]string{
		"": "incomplete", "\x02": "incomplete", "\x01": "the message index -1 isn't possible", "\x02\x04": "no message with path [2]", "\x04\x02\x00": "no message with path [1 0]",
		"\x02\x03": "the message index -2 isn't", "\xfe\xff\xff\xff\x0f": "a path of 2147483647 message indexes is longer than the limit of 64",
	} {
		if _, _, err := f.ConfluentSplit([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%x: %v, want %s", data, err, want)
		}
	}
	if _, err := f.PathMessage(nil); err == nil {
		t.Error("no path is a message")
	}
}

func TestReferences(t *testing.T) {
	refs := []serde.Reference{{Name: "geo/pos.proto", Text: `syntax="proto3"; package geo; import "geo/unit.proto"; message Pos {Unit unit=1;}`},
		{Name: "geo/unit.proto", Text: `syntax="proto3"; package geo; enum Unit {METRE=0;}`}, {Name: "schema.proto", Text: `syntax="proto3"; message Other {}`}}
	text := `syntax="proto3"; import "geo/pos.proto"; import "schema.proto"; message V {geo.Pos pos=1; Other other=2;}`
	f := parse(t, text, refs...)
	m, err := f.Message("V")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := toJSON(m, bytesField(1)); err != nil || got != `{"pos":{"unit":"METRE"},"other":null}` {
		t.Errorf("%s %v", got, err)
	}
	if m, err = f.Message("geo.Pos"); err != nil || m.GlueIndex() != -1 || m.Path() != nil {
		t.Fatalf("a message of an import: %v %v", m, err)
	}
	if _, err := m.AppendGlueIndex(nil); err == nil {
		t.Error("a message of an import has a Glue index")
	}
	if _, err := m.AppendConfluentIndex(nil); err == nil {
		t.Error("a message of an import has a path")
	}
	for want, refs := range map[string][]serde.Reference{
		`geo/pos.proto`:                   refs[1:],
		`reference "x": the schema nests`: {{Name: "x", Text: strings.Repeat("{", 65)}},
		`more than 1048576`:               {{Name: "a", Text: strings.Repeat(" ", 600_000)}, {Name: "b", Text: strings.Repeat(" ", 600_000)}},
	} {
		if _, err := protobuf.Parse(text, refs...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := protobuf.Parse(`syntax="proto3"; import "/etc/passwd"; message V {}`); err == nil || !strings.Contains(err.Error(), "no reference of the schema") {
		t.Errorf("an import from the file system: %v", err)
	}
}

func TestDescriptorSet(t *testing.T) {
	set := &descriptorpb.FileDescriptorSet{}
	if err := (proto.UnmarshalOptions{}).Unmarshal(descriptorSet(t), set); err != nil {
		t.Fatal(err)
	}
	for _, complete := range []bool{true, false} {
		if complete {
			set.File = append([]*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(timestamppb.File_google_protobuf_timestamp_proto)}, set.File...)
		} else {
			set.File = set.File[1:]
		}
		data, err := proto.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		f, err := protobuf.ParseDescriptorSet(data)
		if err != nil {
			t.Fatal(err)
		}
		m, err := f.Message("")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := toJSON(m, bytesField(2)); err != nil || got != `{"other":null,"at":"1970-01-01T00:00:00Z"}` {
			t.Errorf("%s %v", got, err)
		}
		if _, err := f.Message("other.Other"); err != nil {
			t.Error(err)
		}
	}
	set.File = set.File[1:] // without other.proto
	data, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	for want, data := range map[string][]byte{
		`imports "other.proto" and doesn't hold it: make it with --include_imports`: data,
		"has no file": {}, "parse the descriptor set": {0xFF},
		"has 8388609 bytes": make([]byte, 8<<20+1),
	} {
		if _, err := protobuf.ParseDescriptorSet(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// descriptorSet is what protoc writes for main.proto, which imports other.proto and google/protobuf/timestamp.proto.
func descriptorSet(t testing.TB) []byte {
	t.Helper()
	text := func(s string) *string { return &s }
	optional := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
	kind := descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
	data, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		{Name: text("other.proto"), Package: text("other"), Syntax: text("proto3"), MessageType: []*descriptorpb.DescriptorProto{{Name: text("Other")}}},
		{Name: text("main.proto"), Syntax: text("proto3"), Dependency: []string{"other.proto", "google/protobuf/timestamp.proto"}, MessageType: []*descriptorpb.DescriptorProto{{
			Name: text("Main"), Field: []*descriptorpb.FieldDescriptorProto{
				{Name: text("other"), JsonName: text("other"), Number: proto.Int32(1), Label: optional, Type: kind, TypeName: text(".other.Other")},
				{Name: text("at"), JsonName: text("at"), Number: proto.Int32(2), Label: optional, Type: kind, TypeName: text(".google.protobuf.Timestamp")},
			},
		}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestConcurrentFirstUse(t *testing.T) {
	f := parse(t, everything)
	m, err := f.Message("fleet.v1.Vehicle")
	if err != nil {
		t.Fatal(err)
	}
	want, err := toJSON(m, bytesField(1, []byte("v")))
	if err != nil {
		t.Fatal(err)
	}
	f = f.With(protobuf.Options{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			m, err := f.Message("fleet.v1.Vehicle")
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := toJSON(m, bytesField(1, []byte("v"))); err != nil || got != want {
				t.Errorf("%s %v", got, err)
			}
		})
	}
	wg.Wait()
}

func TestSchemaOfValue(t *testing.T) {
	s := &serde.Schema{Format: serde.Protobuf, Name: "n", ID: "7", Version: 3, Text: fleet}
	m := message(t, fleet, "fleet.Alarm", protobuf.Options{Schema: s})
	v, err := m.Decode(serde.NewTape(), []byte{})
	want := *s
	want.Type = "fleet.Alarm"
	if err != nil || v.Schema() == nil || !reflect.DeepEqual(*v.Schema(), want) || s.Type != "" {
		t.Fatalf("%+v %v", v.Schema(), err)
	}
	again, err := m.Decode(serde.NewTape(), []byte{})
	if err != nil || again.Schema() != v.Schema() {
		t.Errorf("the second value has another schema: %p, %p, %v", again.Schema(), v.Schema(), err)
	}
	m = message(t, fleet, "fleet.Alarm", protobuf.Options{Schema: v.Schema()})
	if same, err := m.Decode(serde.NewTape(), []byte{}); err != nil || same.Schema() != v.Schema() {
		t.Errorf("a schema that has the type was copied: %+v, %v", same.Schema(), err)
	}
}
