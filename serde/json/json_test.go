package json_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/json"
)

func TestDecode(t *testing.T) {
	d, err := json.New(json.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	tape := serde.NewTape()
	v, err := d.Decode(t.Context(), tape, "t", []byte(`{"n":9007199254740993}`))
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := v.Field("n").Int64(); !ok || n != 9007199254740993 {
		t.Errorf("n is %d", n)
	}
	if v, err := d.Decode(t.Context(), tape, "t", nil); err != nil || v.Kind() != serde.Null {
		t.Errorf("nil: %s %v", v.Kind(), err)
	}
	_, err = d.Decode(t.Context(), tape, "t", []byte{})
	var syntax *serde.SyntaxError
	if !errors.As(err, &syntax) || err.Error() != "empty value: expected JSON" {
		t.Errorf("empty: %v", err)
	}
}

func TestConfig(t *testing.T) {
	d, err := json.New(json.Config{Limits: serde.Limits{Depth: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode(t.Context(), serde.NewTape(), "t", []byte(`[[]]`)); err == nil || !strings.Contains(err.Error(), "nested more than 1 deep") {
		t.Errorf("got %v", err)
	}
	for want, l := range map[string]serde.Limits{
		"depth is -1, expected 1 to":        {Depth: -1},
		"name_length is 65536, expected":    {NameLen: 65536},
		"number_length is -5, expected":     {NumberLen: -5},
		"nodes is 1073741824, expected 1 t": {Nodes: 1 << 30},
	} {
		if _, err := json.New(json.Config{Limits: l}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
