package glue_test

import (
	"testing"

	"github.com/millrace/millrace/serde"
)

func FuzzDecode(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.Data)
		f.Add(compressed(f, s.Data))
	}
	f.Add([]byte(`{"a":1}`))
	f.Add([]byte{0, 0, 0, 0, 7, 14})
	d := inMemory(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		tape := serde.NewTape()
		v, err := d.Decode(t.Context(), tape, "", data)
		if (err == nil) != v.Exists() {
			t.Fatalf("value %v, error %v", v.Exists(), err)
		}
		if err != nil {
			return
		}
		text, err := v.AppendJSON(nil) // it fails for NaN, and years that JSON's dates don't have
		if err != nil {
			return
		}
		if _, err := serde.NewTape().JSON(text, serde.Limits{}); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	})
}
