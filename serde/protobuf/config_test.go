package protobuf_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/protobuf"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) } // the compiler has goroutines

func TestConfig(t *testing.T) {
	for want, c := range map[string]protobuf.Config{
		"set schema or descriptor_set":                                      protobuf.DefaultConfig(),
		"schema and descriptor_set are both set":                            {Schema: fleet, DescriptorSet: "x"},
		`timestamps is "iso", expected rfc3339 or epoch`:                    {Schema: fleet, Message: "fleet.Alarm", Timestamps: "iso"},
		"nodes is -1, expected 1 to":                                        {Schema: fleet, Message: "fleet.Alarm", Nodes: -1},
		"none was named: it has fleet.Vehicle, fleet.Vehicle.Pos":           {Schema: fleet},
		`no message "Alarm": it has fleet.Vehicle, fleet.Vehicle.Pos, flee`: {Schema: fleet, Message: "Alarm"},
		"schema.proto:1:1: syntax error":                                    {Schema: "nonsense"},
		`two fields have the JSON name "aB"`:                                {Schema: `syntax="proto2"; message M {optional int32 aB=1; optional int32 a_b=2;}`, JSONNames: true},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, err := protobuf.New(c); err == nil {
			t.Errorf("New takes what Validate refuses: %s", want)
		}
	}
}

func TestNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.binpb")
	if err := os.WriteFile(path, descriptorSet(t), 0o600); err != nil {
		t.Fatal(err)
	}
	data := []byte{0x12, 0} // field 2, of no bytes
	for want, c := range map[string]protobuf.Config{
		`{"other":null,"at":0}`: {DescriptorSet: path, Timestamps: protobuf.Epoch},
		`{}`:                    {DescriptorSet: path, Message: "other.Other"},
		`{"vehicleId":""}`:      {Schema: `syntax="proto3"; message V {string vehicle_id=1;}`, JSONNames: true},
	} {
		d, err := protobuf.New(c)
		if err != nil {
			t.Fatal(err)
		}
		v, err := d.Decode(t.Context(), serde.NewTape(), "t", data)
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.AppendJSON(nil)
		if err != nil || string(got) != want {
			t.Errorf("got %s %v, want %s", got, err, want)
		}
		s := v.Schema()
		if s == nil || s.Format != serde.Protobuf || s.Name == "" || s.Type != s.Name || c.Schema != "" && s.Text != c.Schema {
			t.Fatalf("schema %+v", s)
		}
		if f, err := protobuf.ParseSchema(s); err != nil {
			t.Errorf("schema %+v: %v", s, err)
		} else if _, err := f.Message(s.Type); err != nil {
			t.Errorf("schema %+v: %v", s, err)
		}
	}
	if _, err := protobuf.New(protobuf.Config{DescriptorSet: path + "x"}); err == nil || !strings.Contains(err.Error(), "read descriptor_set") {
		t.Errorf("a file that isn't there: %v", err)
	}
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := protobuf.New(protobuf.Config{DescriptorSet: path}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that is none: %v", err)
	}
}
