package avro

import (
	"os"
	"testing"
)

func TestParse(t *testing.T) {
	text, err := os.ReadFile("testdata/avro.avsc")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "testbed.fleet.Vehicle" || len(s.Fields) != 19 || s.Fields[10].Type.Scale != 2 {
		t.Errorf("got %+v", s)
	}
}
