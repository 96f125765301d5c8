package origin

import (
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

// Values that were resolved to a reader's schema have its columns, and the version of the schema that they were written with.
func TestColumnsOfTheReader(t *testing.T) {
	const (
		writer = `{"type":"record","name":"W","fields":[{"name":"id","type":"int"},{"name":"gone","type":"string"}]}`
		reader = `{"type":"record","name":"R","aliases":["W"],"fields":[{"name":"number","type":"long","aliases":["id"]},{"name":"added","type":"double","default":1.5}]}`
	)
	d, err := avro.New(avro.Config{Schema: writer, Reader: reader})
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.Decode(t.Context(), serde.NewTape(), "t", []byte{14, 0})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []serde.Schema{
		*v.Schema(),
		{Format: serde.Avro, ID: "7", Version: 3, Text: `"unknown"`, Reader: reader, References: []serde.Reference{{Name: "x", Text: "{"}}},
	} {
		columns, err := Of(&s)
		if err != nil {
			t.Fatal(err)
		}
		if got := shownFields(columns.Fields); got != "number int64 (id), added float64=1.5" || columns.Name != "R" || columns.ID != s.ID || columns.Version != s.Version {
			t.Errorf("%s, id %s, version %d: %s", columns.Name, columns.ID, columns.Version, got)
		}
	}
	for _, name := range []string{"number", "added"} {
		if !v.Field(name).Exists() {
			t.Errorf("the value has no %s", name)
		}
	}
}
