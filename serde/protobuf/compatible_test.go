package protobuf_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/serde/protobuf"
)

func TestCompatible(t *testing.T) {
	for _, test := range []struct{ name, reader, writer, want string }{
		{"the same", `message M {optional int32 a=1; optional M m=2; map<string,M> x=3;}`, `message M {optional int32 a=1; optional M m=2; map<string,M> x=3;}`, ""},
		{"fields added and removed", `message M {optional int32 a=1; optional int32 b=2;}`, `message M {optional int32 a=1; optional string c=3;}`, ""},
		{"renamed", `message M {optional int32 new=1;}`, `message M {optional int32 old=1;}`, ""},
		{"integers", `message M {optional int32 a=1; optional bool b=2; optional E c=3; enum E {Z=0;}}`, `message M {optional uint64 a=1; optional int64 b=2; optional uint32 c=3;}`, ""},
		{"text", `message M {optional string a=1; repeated bytes b=2; optional sfixed32 c=3; optional fixed64 d=4; optional sint32 e=5;}`,
			`message M {optional bytes a=1; optional string b=2; optional fixed32 c=3; optional sfixed64 d=4; optional sint64 e=5;}`, ""},
		{"zigzag", `message M {optional sint32 a=1;}`, `message M {optional int32 a=1;}`, "field M.a (1) is sint32, and int32 for the writer"},
		{"fixed", `message M {optional fixed64 a=1;}`, `message M {optional fixed32 a=1;}`, "field M.a (1) is fixed64, and fixed32 for the writer"},
		{"number used again", `message M {optional string name=1;}`, `message M {optional int32 id=1;}`, "field number 1 of M is string name, and was used for int32 id by the writer"},
		{"moved", `message M {optional string name=2;}`, `message M {optional string name=1;}`, "field M.name has the number 2, and 1 for the writer"},
		{"message removed", `message A {}`, `message A {} message B {message C {}}`, "message B is missing\nmessage B.C is missing"},
		{"other message", `message A {optional X a=1;} message X {} message Y {}`, `message A {optional Y a=1;} message X {} message Y {}`, "field A.a (1) is X, and Y for the writer"},
		{"group", `message A {optional group G=1 {}}`, `message A {optional G g=1; message G {}}`, "field A.g (1) is group A.G, and A.G for the writer"},
		{"required added", `message M {required int32 a=1;}`, `message M {optional int32 b=2;}`, "field M.a (1) is required, and the writer may leave it out"},
		{"required now", `message M {required int32 a=1;}`, `message M {optional int32 a=1;}`, "field M.a (1) is required, and the writer may leave it out"},
		{"required removed", `message M {}`, `message M {required int32 a=1;}`, ""},
		{"repeated to single", `message M {optional int32 a=1; optional string b=2;}`, `message M {repeated int32 a=1; repeated string b=2;}`, "field M.a (1) is int32, and repeated int32 for the writer"},
		{"single to repeated", `message M {repeated int32 a=1;}`, `message M {optional int32 a=1;}`, ""},
		{"map", `message M {map<string,int32> a=1; map<string,string> b=2;}`, `message M {map<string,string> a=1; repeated string b=2;}`,
			"field M.AEntry.value (2) is int32, and string for the writer\nfield M.b (2) is map<string, string>, and repeated string for the writer"},
		{"into a oneof", `message M {oneof o {int32 a=1; int32 b=2;}}`, `message M {optional int32 a=1; optional int32 b=2;}`, "oneof M.o has a and b, which the writer may set together"},
		{"one into a oneof", `message M {oneof o {int32 a=1; int32 b=2; int32 c=3;}}`, `message M {oneof p {int32 a=1; int32 b=2;}}`, ""},
		{"out of a oneof", `message M {optional int32 a=1; optional int32 b=2;}`, `message M {oneof o {int32 a=1; int32 b=2;}}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := protobuf.Compatible(parse(t, `syntax="proto2"; `+test.reader), parse(t, `syntax="proto2"; `+test.writer))
			if strings.Join(got, "\n") != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// Types of other files are compared too.
func TestCompatibleImports(t *testing.T) {
	const well = `syntax="proto3"; package google.protobuf; message Timestamp {string at=1;} message M {Timestamp at=1;}`
	got := protobuf.Compatible(parse(t, well), parse(t, `syntax="proto3"; package google.protobuf; import "google/protobuf/timestamp.proto"; message M {Timestamp at=1;}`))
	if want := "field number 1 of google.protobuf.Timestamp is string at, and was used for int64 seconds by the writer"; len(got) != 1 || got[0] != want {
		t.Errorf("got %q", got)
	}
}
