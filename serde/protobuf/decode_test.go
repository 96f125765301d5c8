package protobuf_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/protobuf"
	"github.com/millrace/millrace/serde/serdetest"
)

// everything has a field of each kind.
const everything = `syntax = "proto3";
package fleet.v1;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/any.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
message Vehicle {
  string vehicle_id = 1;
  int32 i32 = 2;
  int64 i64 = 3;
  uint32 u32 = 4;
  uint64 u64 = 5;
  sint32 s32 = 6;
  sint64 s64 = 7;
  fixed32 f32 = 8;
  fixed64 f64 = 9;
  sfixed32 sf32 = 10;
  sfixed64 sf64 = 11;
  float speed = 12;
  double km = 13;
  bool on = 14;
  bytes raw = 15;
  State state = 16;
  Pos pos = 17;
  repeated int32 codes = 18;
  repeated string tags = 19;
  repeated Pos track = 20;
  map<string, int64> counts = 21;
  map<int32, Pos> stops = 22;
  map<bool, string> flags = 23;
  optional int32 doors = 24;
  oneof fuel { double litres = 25; double kwh = 26; Pos station = 27; google.protobuf.StringValue note = 28; }
  google.protobuf.Timestamp at = 29;
  google.protobuf.Duration idle = 30;
  google.protobuf.Int64Value odometer = 31;
  google.protobuf.Struct extra = 32;
  google.protobuf.Value any_json = 33;
  google.protobuf.ListValue list = 34;
  google.protobuf.Any any = 35;
  google.protobuf.Empty empty = 36;
  google.protobuf.FieldMask mask = 37;
  Vehicle trailer = 38;
  map<uint64, google.protobuf.Timestamp> seen = 39;
  repeated google.protobuf.Value mixed = 40;
  repeated State states = 41;
  message Pos { double lat = 1; double lng = 2; }
  enum State { UNKNOWN = 0; MOVING = 1; PARKED = 2; LOST = -1; }
}
message Alarm { string text = 1; }
`

func message(t testing.TB, text, name string, o protobuf.Options) *protobuf.Message {
	t.Helper()
	f, err := protobuf.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	m, err := f.With(o).Message(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func toJSON(m *protobuf.Message, data []byte) (string, error) {
	v, err := m.Decode(serde.NewTape(), data)
	if err != nil {
		return "", err
	}
	out, err := v.AppendJSON(nil)
	return string(out), err
}

// wire makes bytes of hexadecimal text, in which spaces separate.
func wire(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestDecode(t *testing.T) {
	for _, test := range []struct{ name, schema, data, want string }{
		{"nothing", `int32 a=1; string b=2; bool c=3; bytes d=4; repeated int32 e=5; map<string,int32> f=6; optional int32 g=7; M h=8; double i=9; E j=10; enum E {X=0;}`, "",
			`{"a":0,"b":"","c":false,"d":"","e":[],"f":{},"g":null,"h":null,"i":0,"j":"X"}`},
		{"order of the schema", `int32 b=2; int32 a=1;`, "08 01 10 02", `{"b":2,"a":1}`},
		{"last wins", `int32 a=1; string s=2;`, "08 01 12 01 61 08 05 12 01 62", `{"a":5,"s":"b"}`},
		{"messages merge", `P p=1; message P {int32 x=1; int32 y=2; repeated int32 z=3; P q=4;}`, "0a 06 08 01 10 01 18 01 0a 04 10 07 18 02 0a 04 22 02 08 03 0a 04 22 02 10 04",
			`{"p":{"x":1,"y":7,"z":[1,2],"q":{"x":3,"y":4,"z":[],"q":null}}}`},
		{"packed, unpacked and between", `repeated int32 a=1; int32 b=2;`, "0a 02 01 02 08 03 10 09 0a 01 04 0a 00", `{"a":[1,2,3,4],"b":9}`},
		{"packed fixed", `repeated fixed32 a=1; repeated double b=2;`, "0a 08 01000000 02000000 12 08 000000000000f03f", `{"a":[1,2],"b":[1]}`},
		{"unsigned", `uint64 a=1; fixed64 b=2; uint32 c=3; int32 d=4;`, "08 ffffffffffffffffff01 11 ffffffffffffffff 18 ffffffff0f 20 ffffffffffffffffff01",
			`{"a":18446744073709551615,"b":18446744073709551615,"c":4294967295,"d":-1}`},
		{"zigzag", `sint32 a=1; sint64 b=2;`, "08 01 10 ffffffffffffffffff01", `{"a":-1,"b":-9223372036854775808}`},
		{"zigzag of too many bits", `sint32 a=1;`, "08 8280808010", `{"a":1}`},
		{"float", `float a=1;`, "0d cdcccc3d", `{"a":0.1}`},
		{"enum", `E a=1; repeated E b=2; enum E {option allow_alias=true; X=0; Y=1; Z=1; N=-5; B=1000;}`, "08 01 12 0e fbffffffffffffffff01 00 e807 63",
			`{"a":"Y","b":["N","X","B",99]}`},
		{"unknown fields and groups", `int32 a=1;`, "12 01 00 1b 08 01 23 24 1c 25 00000000 31 0000000000000000 08 02", `{"a":2}`},
		{"another wire type is unknown", `int32 a=1; string b=2; repeated string c=3;`, "0a 01 05 10 01 18 01", `{"a":0,"b":"","c":[]}`},
		{"another wire type in a list", `repeated int32 a=1; repeated fixed32 b=2;`, "0d 01000000 08 02 10 03", `{"a":[2],"b":[]}`},
		{"map: last value, place of the first", `map<string,int32> m=1;`, "0a 05 0a 01 61 10 01 0a 05 0a 01 62 10 02 0a 05 0a 01 61 10 03", `{"m":{"a":3,"b":2}}`},
		{"map: defaults", `map<string,int32> a=1; map<int32,P> b=2; map<bool,E> c=3; message P {int32 x=1;} enum E {Z=0;}`, "0a 00 12 00 1a 00 1a 02 08 01",
			`{"a":{"":0},"b":{"0":{"x":0}},"c":{"false":"Z","true":"Z"}}`},
		{"map: merged and turned round", `map<int64,P> a=1; message P {int32 x=1; int32 y=2;}`, "0a 13 12 02 08 01 12 02 10 02 08 ffffffffffffffffff01",
			`{"a":{"-1":{"x":1,"y":2}}}`},
		{"map: another wire type for the key", `map<int32,int32> m=1;`, "0a 07 08 05 0a 01 61 10 01", `{"m":{"5":1}}`},
		{"map: all keys", `map<sint32,int32> a=1; map<fixed32,int32> b=2; map<sfixed64,int32> c=3; map<uint64,int32> d=4; map<sfixed32,int32> e=5; map<fixed64,int32> f=6;`,
			"0a 02 08 01 12 05 0d ffffffff 1a 09 09 feffffffffffffff 22 0b 08 ffffffffffffffffff01 2a 05 0d ffffffff 32 09 09 ffffffffffffffff",
			`{"a":{"-1":0},"b":{"4294967295":0},"c":{"-2":0},"d":{"18446744073709551615":0},"e":{"-1":0},"f":{"18446744073709551615":0}}`},
		{"oneof", `oneof o {int32 a=1; P p=2; string s=3;} message P {int32 x=1; int32 y=2;}`, "08 01 12 02 08 01 12 02 10 02", `{"p":{"x":1,"y":2}}`},
		{"oneof: another member between", `oneof o {int32 a=1; P p=2;} message P {int32 x=1; int32 y=2;}`, "12 02 08 01 08 01 12 02 10 02", `{"p":{"x":0,"y":2}}`},
		{"oneof: zero", `oneof o {int32 a=1; string s=3;} int32 z=4;`, "1a 00 20 00", `{"s":"","z":0}`},
		{"optional zero", `optional int32 a=1; optional string b=2;`, "08 00", `{"a":0,"b":null}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := message(t, `syntax="proto3"; message M {`+test.schema+`}`, "", protobuf.Options{})
			if got, err := toJSON(m, wire(t, test.data)); err != nil || got != test.want {
				t.Errorf("got  %s %v\nwant %s", got, err, test.want)
			}
		})
	}
}

func TestDecodeProto2(t *testing.T) {
	m := message(t, `syntax="proto2"; message M {
		required int32 id=1; optional int32 n=2 [default=5]; repeated group G=3 {optional int32 x=1;} optional group H=4 {required int32 y=1;} optional E e=5;
		repeated int32 p=6 [packed=true]; map<string,E> m=7; extensions 100 to 200; enum E {A=3; B=4;} } extend M {optional int32 more=100;}`, "", protobuf.Options{})
	got, err := toJSON(m, wire(t, "08 01 1b 08 02 1c 1b 1c 23 08 01 24 23 08 09 24 a006 07 28 07 3a 00"))
	want := `{"id":1,"n":null,"g":[{"x":2},{"x":null}],"h":{"y":9},"e":7,"p":[],"m":{"":"A"}}`
	if err != nil || got != want {
		t.Errorf("got  %s %v\nwant %s", got, err, want)
	}
	for data, want := range map[string]string{
		"10 01":             `protobuf: M: field "id": it is required and isn't there`,
		"08 01 23 24":       `protobuf: M: field "h.y": it is required and isn't there`,
		"08 01 23 08 01":    `protobuf: M: field "h" at byte 3: a group has no end`,
		"08 01 23 08 01 1c": `protobuf: M: field "h" at byte 5: the end of group 3 is inside group 4`,
		"08 01 24":          `protobuf: M: field "h" at byte 2: the wire type 4 isn't possible here`,
	} {
		if _, err := toJSON(m, wire(t, data)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", data, err, want)
		}
	}
}

func TestEditions(t *testing.T) {
	m := message(t, `edition = "2023"; message M { int32 a=1; int32 b=2 [features.field_presence=IMPLICIT]; M c=3 [features.message_encoding=DELIMITED];
		int32 d=4 [features.field_presence=LEGACY_REQUIRED]; repeated int32 e=5 [features.repeated_field_encoding=EXPANDED]; }`, "", protobuf.Options{})
	got, err := toJSON(m, wire(t, "1b 20 02 1c 20 01 28 01 28 02"))
	if want := `{"a":null,"b":0,"c":{"a":null,"b":0,"c":null,"d":2,"e":[]},"d":1,"e":[1,2]}`; err != nil || got != want {
		t.Errorf("got  %s %v\nwant %s", got, err, want)
	}
}

func TestErrors(t *testing.T) {
	m := message(t, everything, "fleet.v1.Vehicle", protobuf.Options{})
	for data, want := range map[string]string{
		"08":                                    `field "vehicle_id" at byte 1: expected a number, found no varint`,
		"80":                                    `at byte 0: expected a tag, found no varint`,
		"00":                                    `at byte 0: the field number 0 isn't possible`,
		"0f":                                    `field "vehicle_id" at byte 0: the wire type 7 isn't possible here`,
		"0a 05 61":                              `field "vehicle_id" at byte 1: 5 bytes are announced, 1 are there`,
		"0a ffffffffffffffffff01":               `field "vehicle_id" at byte 1: 18446744073709551615 bytes are announced, 0 are there`,
		"0a 02 61 ff":                           `field "vehicle_id" at byte 3: the text isn't UTF-8`,
		"8a01 02 09 00":                         `field "pos.lat" at byte 4: the message ends inside a number`,
		"9201 01 80":                            `field "codes" at byte 3: expected a number, found no varint`,
		"aa01 03 0a 01 ff":                      `field "counts" at byte 5: a key isn't UTF-8`,
		"ea01 07 08 808080808020":               `field "at" at byte 4: a timestamp of 1099511627776 seconds and 0 nanoseconds is not between`,
		"8a01 02 0a 03 0a 01 61":                `field "pos.lat" at byte 4: 3 bytes are announced, 0 are there`,
		"f201 0d 08 ffffffffffffffffff01 10 01": `field "idle" at byte`,
		"f201 0d 08 01 10 ffffffffffffffffff01": `field "idle" at byte 6: a duration of 1 seconds and -1 nanoseconds is out of range`,
		"8501 00 00 00":                         `field "state" at byte 2: the message ends inside a number`,
		"10 ffffffffffffffffff02":               `field "i32" at byte 1: expected a number, found no varint`,
	} {
		if got, err := toJSON(m, wire(t, data)); err == nil || !strings.HasPrefix(err.Error(), "protobuf: fleet.v1.Vehicle: "+want) {
			t.Errorf("%s: got %s %v, want %s", data, got, err, want)
		}
	}
	if got, err := toJSON(m, nil); err != nil || got != "null" {
		t.Errorf("nil: %s %v", got, err)
	}
}

// bytesField is a field of bytes: text, a message, or something packed.
func bytesField(number protowire.Number, parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), all)
}

func TestWellKnown(t *testing.T) {
	ts := func(s, n uint64) []byte {
		return protowire.AppendVarint(append(protowire.AppendVarint([]byte{0x08}, s), 0x10), n)
	}
	negative := func(i int64) uint64 { return uint64(i) }
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"timestamp", bytesField(29, ts(1, 500_000_000)), `"at":"1970-01-01T00:00:01.5Z"`},
		{"timestamp of nanoseconds", bytesField(29, ts(1, 1)), `"at":"1970-01-01T00:00:01.000000001Z"`},
		{"timestamp before 1970", bytesField(29, ts(negative(-1), 1000)), `"at":"1969-12-31T23:59:59.000001Z"`},
		{"timestamp of no bytes", bytesField(29), `"at":"1970-01-01T00:00:00Z"`},
		{"duration", bytesField(30, ts(1, 500_000_000)), `"idle":"PT1.5S"`},
		{"duration below zero", bytesField(30, ts(0, negative(-250_000_000))), `"idle":"-PT0.25S"`},
		{"duration of nothing", bytesField(30), `"idle":"PT0S"`},
		{"wrapper", bytesField(31, []byte{0x08, 0x05}), `"odometer":5`},
		{"wrapper of zero", bytesField(31), `"odometer":0`},
		{"wrapper in a oneof", bytesField(28, bytesField(1, []byte("x"))), `"note":"x"`},
		{"struct", bytesField(32, bytesField(1, bytesField(1, []byte("a")), bytesField(2, []byte{0x20, 1})), bytesField(1, bytesField(1, []byte("b")), bytesField(2, bytesField(5)))),
			`"extra":{"a":true,"b":{}}`},
		{"value", bytesField(33, bytesField(6, bytesField(1, []byte{0x08, 0}), bytesField(1), bytesField(1, bytesField(3, []byte("s"))))), `"any_json":[null,null,"s"]`},
		{"value in a list", append(bytesField(40), bytesField(40, []byte{0x11, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F})...), `"mixed":[null,1.5]`},
		{"list", bytesField(34), `"list":[]`},
		{"any", bytesField(35, bytesField(1, []byte("t")), bytesField(2, []byte{1})), `"any":{"type_url":"t","value":"AQ=="}`},
		{"empty", bytesField(36), `"empty":{}`},
		{"mask", bytesField(37, bytesField(1, []byte("a.b"))), `"mask":{"paths":["a.b"]}`},
		{"in a map", bytesField(39, []byte{0x08, 0x07, 0x12, 0}), `"seen":{"7":"1970-01-01T00:00:00Z"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := message(t, everything, "fleet.v1.Vehicle", protobuf.Options{})
			if got, err := toJSON(m, test.data); err != nil || !strings.Contains(got, test.want) {
				t.Errorf("got %s %v, want %s", got, err, test.want)
			}
		})
	}
	m := message(t, everything, "fleet.v1.Vehicle", protobuf.Options{Timestamps: protobuf.Epoch, JSONNames: true})
	if got, err := toJSON(m, bytesField(29, ts(1, 1999))); err != nil || !strings.Contains(got, `"at":1000001,`) || !strings.Contains(got, `"anyJson":null`) {
		t.Errorf("epoch: %s %v", got, err)
	}
	own := message(t, `syntax="proto3"; package google.protobuf; message Timestamp {string text=1;} message Value {int32 a=1;}`, "google.protobuf.Timestamp", protobuf.Options{})
	if got, err := toJSON(own, bytesField(1, []byte("x"))); err != nil || got != `{"text":"x"}` {
		t.Errorf("a message with the name of a well-known type: %s %v", got, err)
	}
}

func TestConformance(t *testing.T) {
	d, err := protobuf.New(protobuf.Config{Schema: everything, Message: "fleet.v1.Vehicle"})
	if err != nil {
		t.Fatal(err)
	}
	const rest = `"i32":0,"i64":0,"u32":0,"u64":0,"s32":0,"s64":0,"f32":0,"f64":0,"sf32":0,"sf64":0,"speed":0,"km":0,"on":false,"raw":"","state":"UNKNOWN"`
	const tail = `"doors":null,"at":null,"idle":null,"odometer":null,"extra":null,"any_json":null,"list":null,"any":null,"empty":null,"mask":null,"trailer":null,"seen":{},"mixed":[],"states":[]`
	pos := []byte{0x09, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F}
	full := append(bytesField(1, []byte("v1")), bytesField(17, pos)...)
	full = append(full, bytesField(18, []byte{1, 2, 3})...)
	full = append(full, bytesField(20, pos)...)
	full = append(full, bytesField(21, bytesField(1, []byte("k")), []byte{0x10, 9})...)
	full = append(full, bytesField(22, []byte{0x08, 42}, bytesField(2, pos))...)
	serdetest.Test(t, d, []serdetest.Sample{
		{Name: "empty", Topic: "t", Data: []byte{}, JSON: `{"vehicle_id":"",` + rest + `,"pos":null,"codes":[],"tags":[],"track":[],"counts":{},"stops":{},"flags":{},` + tail + `}`},
		{Name: "full", Topic: "t", Data: full, JSON: `{"vehicle_id":"v1",` + rest + `,"pos":{"lat":1.5,"lng":0},"codes":[1,2,3],"tags":[],"track":[{"lat":1.5,"lng":0}],"counts":{"k":9},"stops":{"42":{"lat":1.5,"lng":0}},"flags":{},` + tail + `}`},
	})
}
