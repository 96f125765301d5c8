package registry_test

import (
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// Values that are resolved to a reader's schema say so; the schema that was looked up stays as it is.
func TestReaderIsInTheSchema(t *testing.T) {
	const reader = `"double"`
	for _, c := range []struct {
		formats registry.Formats
		schema  serde.Schema
		want    string
	}{
		{registry.Formats{Reader: reader}, serde.Schema{Format: serde.Avro, Name: "n", ID: "7", Text: `"long"`}, reader},
		{registry.Formats{}, serde.Schema{Format: serde.Avro, Name: "n", ID: "7", Text: `"long"`}, ""},
		{registry.Formats{Reader: reader}, serde.Schema{Format: serde.JSONSchema, Name: "n", ID: "7", Text: `{}`}, ""},
	} {
		codec, err := c.formats.Compile(&c.schema)
		if err != nil {
			t.Fatal(err)
		}
		v, err := codec.Decode(serde.NewTape(), registry.Bare, []byte{'2'})
		if err != nil {
			t.Fatal(err)
		}
		if s := v.Schema(); s != codec.Schema || s.Reader != c.want || s.Name != "n" || s.ID != "7" || s.Text != c.schema.Text || c.schema.Reader != "" {
			t.Errorf("%+v: the value has %+v, the codec %+v", c.schema, s, codec.Schema)
		}
	}
}
