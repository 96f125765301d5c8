package origin

import (
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/protobuf"
)

const everyProto = `syntax = "proto3"; package x;
import "google/protobuf/timestamp.proto"; import "google/protobuf/duration.proto"; import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto"; import "google/protobuf/any.proto"; import "google/protobuf/field_mask.proto"; import "google/protobuf/empty.proto";
enum State { IDLE = 0; DRIVING = 1; }
message Every {
  int32 n = 1; uint64 big = 2; State state = 3; string text = 4; bytes raw = 5;
  google.protobuf.Timestamp at = 6; google.protobuf.Duration took = 7; google.protobuf.StringValue wrapped = 8;
  google.protobuf.Struct free = 9; google.protobuf.Value any_value = 10; google.protobuf.Any any = 11; google.protobuf.FieldMask mask = 12;
  map<int64, string> names = 13; repeated google.protobuf.Timestamp times = 14; Every inner = 15; optional int32 maybe = 16;
  oneof one { int64 one_number = 17; string one_text = 18; }
  google.protobuf.Empty empty = 19; repeated uint32 packed = 20;
}
message Other { string id = 1; }`

func protoSchema(text string) *serde.Schema { return &serde.Schema{Format: serde.Protobuf, Text: text} }

func TestProtobuf(t *testing.T) {
	mapsTo(t, []struct{ name, schema, want string }{
		{
			"scalars", `syntax = "proto3"; message M { double a = 9; float b = 8; int32 c = 7; int64 d = 6; uint32 e = 5; uint64 f = 4; sint32 g = 3; sint64 h = 2;
				fixed32 i = 1; fixed64 j = 10; sfixed32 k = 11; sfixed64 l = 12; bool m = 13; string n = 14; bytes o = 15; }`,
			`a float64=0, b float32=0, c int32=0, d int64=0, e int64=0, f decimal(20,0)=0, g int32=0, h int64=0, i int64=0, j decimal(20,0)=0, k int32=0, l int64=0, ` +
				`m boolean=false, n string="", o bytes=""`,
		},
		{"enum", `syntax = "proto3"; enum E { A = 0; B = 1; } message M { E e = 1; repeated E es = 2; }`, `e string="A", es [string]=[]`},
		{
			"presence", `syntax = "proto3"; message M { optional int32 a = 1; oneof o { string b = 2; bytes c = 3; } N n = 4; message N { int32 x = 1; } }`,
			`a int32?, b string?, c bytes?, n {x int32=0}?`,
		},
		{"proto2", `syntax = "proto2"; message M { required int32 a = 1; optional int32 b = 2 [default = 5]; repeated string c = 3; }`, `a int32, b int32?, c [string]=[]`},
		{"group", `syntax = "proto2"; message M { repeated group G = 1 { optional int32 a = 2; } }`, `g [{a int32?}]=[]`},
		{"editions", `edition = "2023"; message M { int32 a = 1; int32 b = 2 [features.field_presence = IMPLICIT]; }`, `a int32?, b int32=0`},
		{"names", `syntax = "proto2"; message M { optional int32 vehicle_id = 1; optional int32 a_b = 2; optional int32 aB = 3; }`, `vehicle_id int32? (vehicleId), a_b int32?, aB int32?`},
		{
			"well-known", `syntax = "proto3"; import "google/protobuf/timestamp.proto"; import "google/protobuf/duration.proto"; import "google/protobuf/wrappers.proto";
				message M { google.protobuf.Timestamp a = 1; google.protobuf.Duration b = 2; google.protobuf.UInt64Value c = 3; repeated google.protobuf.BoolValue d = 4;
				map<string, google.protobuf.Timestamp> e = 5; }`,
			`a timestamp_micros?, b string?, c decimal(20,0)?, d [boolean]=[], e map[timestamp_micros]={}`,
		},
		{
			"free", `syntax = "proto3"; import "google/protobuf/struct.proto"; import "google/protobuf/any.proto"; import "google/protobuf/field_mask.proto";
				message M { google.protobuf.Struct a = 1; repeated google.protobuf.Value b = 2; google.protobuf.ListValue c = 3; google.protobuf.Any d = 4; google.protobuf.FieldMask e = 5; }`,
			`a json?, b [json?]=[], c json?, d {type_url string="" (typeUrl), value bytes=""}?, e {paths [string]=[]}?`,
		},
		{"map", `syntax = "proto3"; message M { map<int32, N> a = 1; message N { int32 x = 1; } }`, `a map[{x int32=0}]={}`},
		{"recursive", `syntax = "proto3"; message M { int32 id = 1; M parent = 2; repeated M children = 3; map<string, M> named = 4; }`, `id int32=0, parent json?, children [json]=[], named map[json]={}`},
		{"recursive by another", `syntax = "proto3"; message M { N n = 1; message N { int32 x = 1; M m = 2; } }`, `n {x int32=0, m json?}?`},
		{"twice", `syntax = "proto3"; message M { N a = 1; N b = 2; message N { int32 x = 1; } }`, `a {x int32=0}?, b {x int32=0}?`},
		{"empty message", `syntax = "proto3"; message M { N a = 1; int32 b = 2; message N {} }`, `a json?, b int32=0`},
	}, protoSchema)
}

func TestProtobufErrors(t *testing.T) {
	var doubling, deep strings.Builder
	doubling.WriteString(`syntax = "proto3"; message M { M0 a = 1; M0 b = 2; }`)
	deep.WriteString(`syntax = "proto3"; message M { M0 a = 1; }`)
	for i := range 40 {
		name, next := "M"+strconv.Itoa(i), "M"+strconv.Itoa(i+1)
		doubling.WriteString("message " + name + " { " + next + " a = 1; " + next + " b = 2; int32 c = 3; }")
		deep.WriteString("message " + name + " { " + next + " a = 1; }")
	}
	doubling.WriteString("message M40 { int32 a = 1; }")
	deep.WriteString("message M40 { int32 a = 1; }")
	named := func(message, text string) func(string) *serde.Schema {
		return func(string) *serde.Schema { return &serde.Schema{Format: serde.Protobuf, Text: text, Type: message} }
	}
	isRefused(t, []struct{ name, schema, want string }{{"no message", "", `"x.None"`}}, named("x.None", everyProto))
	isRefused(t, []struct{ name, schema, want string }{{"not named", "", "several messages"}}, named("", everyProto))
	isRefused(t, []struct{ name, schema, want string }{{"too many", "", "the schema has more than 10000 columns"}}, named("M", doubling.String()[:strings.Index(doubling.String(), "message M14")]+"message M14 { int32 a = 1; }"))
	isRefused(t, []struct{ name, schema, want string }{{"too deep", "", "more than 32 deep"}}, named("M", deep.String()))
	isRefused(t, []struct{ name, schema, want string }{
		{"no text", "", "no message"},
		{"nonsense", "nonsense", "parse the schema"},
		{"no fields", `syntax = "proto3"; message M {}`, "no fields"},
	}, protoSchema)
	isRefused(t, []struct{ name, schema, want string }{{"well-known", "", "rows need columns"}}, func(string) *serde.Schema {
		return &serde.Schema{Format: serde.Protobuf, Text: everyProto, Type: "google.protobuf.Timestamp"}
	})
}

// TestMessageOfSeveral takes the columns of the message that a value was decoded as.
func TestMessageOfSeveral(t *testing.T) {
	for message, want := range map[string]string{"x.Other": `id string=""`, "x.Every": "n int32=0, big"} {
		d, err := protobuf.New(protobuf.Config{Schema: everyProto, Message: message})
		if err != nil {
			t.Fatal(err)
		}
		v, err := d.Decode(t.Context(), serde.NewTape(), "t", []byte{})
		if err != nil {
			t.Fatal(err)
		}
		columns, err := Of(v.Schema())
		if err != nil {
			t.Fatal(err)
		}
		if columns.Name != message || !strings.HasPrefix(shownFields(columns.Fields), want) {
			t.Errorf("%s: %s %s", message, columns.Name, shownFields(columns.Fields))
		}
	}
}

// TestJSONNames finds members by the names of protobuf's JSON.
func TestJSONNames(t *testing.T) {
	d, err := protobuf.New(protobuf.Config{Schema: `syntax = "proto3"; message M { int32 vehicle_id = 1; }`, JSONNames: true})
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.Decode(t.Context(), serde.NewTape(), "t", []byte{8, 7})
	if err != nil {
		t.Fatal(err)
	}
	columns, err := Of(v.Schema())
	if err != nil {
		t.Fatal(err)
	}
	f := columns.Fields[0]
	if n, ok := v.Field(f.Aliases[0]).Int64(); f.Name != "vehicle_id" || !ok || n != 7 {
		t.Errorf("%+v", f)
	}
}
