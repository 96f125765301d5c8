package handlers

import (
	"slices"
	"testing"

	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/serde"
)

func TestParseField(t *testing.T) {
	for _, c := range []struct {
		text string
		want fieldPath
	}{
		{"a", fieldPath{{name: "a"}}},
		{"a.b-c.$d", fieldPath{{name: "a"}, {name: "b-c"}, {name: "$d"}}},
		{`["a.b"].c["\u00e9"]`, fieldPath{{name: "a.b"}, {name: "c"}, {name: "é"}}},
		{"a[*].b", fieldPath{{name: "a"}, {every: true}, {name: "b"}}},
		{"[*]", fieldPath{{every: true}}},
		{"", nil}, {".a", nil}, {"a.", nil}, {"a..b", nil}, {"a b", nil}, {"a[0]", nil}, {`[""]`, nil}, {`["a`, nil}, {`["\x"]`, nil}, {"a]", nil},
	} {
		got, err := parseField(c.text)
		if (err == nil) != (c.want != nil) || !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, %v", c.text, got, err)
		}
	}
}

// FuzzField: a path is written as it is read, and neither masking nor dropping by it panics or
// leaves what it leads to.
func FuzzField(f *testing.F) {
	for _, s := range []string{"a", "a.b", `["a b"].c`, "list[*].x", "[*][*]", `["\""]`} {
		f.Add(s)
	}
	b := connectortest.Batch(f, "t", 0, connectortest.R{Value: `{"a":{"b":1},"a b":{"c":[1]},"list":[{"x":1},{}],"\"":null}`}, connectortest.R{Value: `[[1],[]]`})
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseField(s)
		if err != nil {
			return
		}
		again, err := parseField(p.String())
		if err != nil || !slices.Equal(p, again) {
			t.Fatalf("%q is written %q and read %v, %v", s, p, again, err)
		}
		for i := range b.Len() {
			hits := 0
			v, err := p.update(b.Tape(), b.At(i).Value, 0, func(serde.Value) (serde.Value, error) { hits++; return serde.Value{}, nil })
			if err != nil {
				continue
			}
			left := 0
			if _, err := p.update(b.Tape(), v, 0, func(x serde.Value) (serde.Value, error) { left++; return x, nil }); err != nil || left != 0 {
				t.Fatalf("%q: %d of %d are left, %v", s, left, hits, err)
			}
		}
	})
}
