package avro_test

import (
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

// both decodes data to a value and to text, which must agree, and returns the text.
func both(t testing.TB, p *avro.Program, data []byte) (string, error) {
	t.Helper()
	text, textErr := p.AppendJSON(nil, data)
	v, err := p.Decode(serde.NewTape(), data)
	if err != nil {
		if textErr == nil {
			t.Errorf("%.100x: Decode says %v, AppendJSON gives %s", data, err, text)
		}
		return "", err
	}
	want, err := v.AppendJSON(nil)
	if (err == nil) != (textErr == nil) || err == nil && string(text) != string(want) {
		t.Errorf("%.100x: AppendJSON gives %s, %v; the value's gives %s, %v", data, text, textErr, want, err)
	}
	return string(text), textErr
}

func TestFlat(t *testing.T) {
	p := program(t, flatSchema, avro.Options{})
	if got, err := both(t, p, flatData()); err != nil || got != flatText {
		t.Errorf("got %s %v", got, err)
	}
}
