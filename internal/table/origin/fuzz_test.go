package origin

import (
	"testing"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// FuzzOf reads hostile schemas: each is refused, or its columns can be stored.
func FuzzOf(f *testing.F) {
	for _, seed := range []string{
		`{"type":"record","name":"R","fields":[{"name":"a","type":["null","R"],"default":null},{"name":"b","type":{"type":"bytes","logicalType":"decimal","precision":4},"default":"A"}]}`,
		`{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"S","fields":[{"name":"x","type":"int","default":1}]},"default":{}},{"name":"b","type":{"type":"map","values":"S"}}]}`,
		everyProto,
		`syntax = "proto2"; message M { repeated group G = 1 { optional M m = 2; } map<bool, M> n = 3; }`,
		`{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"},{"$anchor":"x","properties":{"n":{"oneOf":[{"$ref":"#x"},{"type":"string"},{"type":"null"}]}}}]}}}`,
		`{"properties":{"a":{"type":["integer","null"],"connect.type":"int8","connect.index":1},"b":{"patternProperties":{"x":{"format":"date"}}}},"required":["a"]}`,
		`{"$id":"%","$dynamicRef":"#/~1/0"}`,
	} {
		for format := range uint8(3) {
			f.Add(format, seed, "", "")
			f.Add(format, `{"$ref":"x"}`, "x", seed)
		}
	}
	formats := []serde.Format{serde.Avro, serde.Protobuf, serde.JSONSchema}
	f.Fuzz(func(t *testing.T, format uint8, text, name, other string) {
		s := &serde.Schema{Format: formats[int(format)%len(formats)], Text: text}
		if other != "" {
			s.References = []serde.Reference{{Name: name, Text: other}}
		}
		for _, read := range []func() (*table.Schema, error){
			func() (*table.Schema, error) { return Of(s) },
			func() (*table.Schema, error) { return File(text, name) },
		} {
			got, err := read()
			if err != nil {
				continue
			}
			if len(got.Columns()) == 0 {
				t.Fatalf("%q: a schema without columns", text)
			}
			stored, err := table.Marshal(got)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if back, err := table.Unmarshal(stored); err != nil || !back.Equal(got) {
				t.Fatalf("%q: it is stored as another one: %v\n%s", text, err, stored)
			}
		}
	})
}
