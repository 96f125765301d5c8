package table_test

import (
	"testing"

	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/internal/table/origin"
	"github.com/millrace/millrace/serde"
)

// What is taken from the Avro schema of columns is these columns, but that JSON is text there.
func TestAvroComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, s := range table.History(t) {
			text, err := s.Avro()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := goavro.NewCodec(text); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			back, err := origin.Of(&serde.Schema{Format: serde.Avro, Name: "s", Text: text})
			if err != nil {
				t.Fatal(err)
			}
			if want := table.JSONAsText(s); !back.Equal(want) {
				t.Fatalf("%s\nwant\n%s", table.Snapshot(t, back), table.Snapshot(t, want))
			}
		}
	})
}
