package protobuf

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/millrace/millrace/serde"
)

// A schema as AWS's serializer registers it: maps are lists of entries.
const asRegistered = `syntax = "proto3";
package fleet; // a comment with map_entry
import "other.proto";
message Vehicle {
  string vin = 1;
  repeated AttrsEntry attrs = 2;
  other.Depot depot = 3;
  message AttrsEntry {
    option map_entry = true;
    string key = 1;
    int32 value = 2;
  }
}
`

const otherAsRegistered = `syntax = "proto3";
package other;
message Depot {
  repeated .other.Depot.GatesEntry gates = 1;
  message GatesEntry { option map_entry = true; int64 key = 1; string value = 2; }
}
`

func TestMapEntriesAsAWSRegistersThem(t *testing.T) {
	f, err := Parse(asRegistered, serde.Reference{Name: "other.proto", Text: otherAsRegistered})
	if err != nil {
		t.Fatal(err)
	}
	m, err := f.Message("")
	if err != nil {
		t.Fatal(err)
	}
	entry := protowire.AppendTag(nil, 1, protowire.BytesType)
	entry = protowire.AppendString(entry, "seats")
	entry = protowire.AppendVarint(protowire.AppendTag(entry, 2, protowire.VarintType), 5)
	gate := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7)
	gate = protowire.AppendString(protowire.AppendTag(gate, 2, protowire.BytesType), "north")
	depot := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), gate)
	data := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), entry)
	data = protowire.AppendBytes(protowire.AppendTag(data, 3, protowire.BytesType), depot)
	v, err := m.Decode(serde.NewTape(), data)
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.AppendJSON(nil)
	if want := `{"vin":"","attrs":{"seats":5},"depot":{"gates":{"7":"north"}}}`; err != nil || string(got) != want {
		t.Errorf("%s %v, want %s", got, err, want)
	}
	out, err := m.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := m.Decode(serde.NewTape(), out); err != nil {
		t.Error(err)
	} else if text, err := again.AppendJSON(nil); err != nil || string(text) != string(got) {
		t.Errorf("encoded: %s %v", text, err)
	}
}

// An entry that isn't one is refused as before.
func TestWrongMapEntries(t *testing.T) {
	for _, text := range []string{
		strings.Replace(asRegistered, "AttrsEntry {", "AttrEntry {", 1),
		strings.Replace(asRegistered, "string key = 1;", "double key = 1;", 1),
		strings.Replace(asRegistered, "int32 value = 2;", "", 1),
		strings.Replace(asRegistered, "= true", "= false", 1),
		strings.Replace(asRegistered, "option map_entry", "option option map_entry", 1),
	} {
		if _, err := Parse(text, serde.Reference{Name: "other.proto", Text: otherAsRegistered}); err == nil {
			t.Errorf("taken:\n%s", text)
		}
	}
}
