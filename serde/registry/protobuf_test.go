package registry_test

import (
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// TestTypeOfMessage checks that a value says which message of its schema it is, and that values of one message share what they say.
func TestTypeOfMessage(t *testing.T) {
	s := &serde.Schema{Format: serde.Protobuf, Name: "fleet", ID: "7", Version: 3, Text: `syntax = "proto3"; message Vehicle { message Pos {} } message Alarm {}`}
	codec, err := registry.Formats{}.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]*serde.Schema{}
	for range 2 {
		for i, want := range []string{"Alarm", "Vehicle", "Vehicle.Pos"} { // by AWS Glue's index
			v, err := codec.Decode(serde.NewTape(), registry.GlueFraming, []byte{byte(i)})
			if err != nil {
				t.Fatal(err)
			}
			got := v.Schema()
			if got == nil || got.Type != want || got.Name != s.Name || got.ID != s.ID || got.Version != s.Version || got.Text != s.Text {
				t.Fatalf("index %d: %+v", i, got)
			}
			if before := seen[want]; before != nil && before != got {
				t.Errorf("%s: the second value has a schema of its own", want)
			}
			seen[want] = got
		}
	}
	if codec.Schema != s || s.Type != "" {
		t.Errorf("the codec's schema was changed: %+v", codec.Schema)
	}
}
