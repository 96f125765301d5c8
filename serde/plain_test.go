package serde_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
)

func TestPlainDecoders(t *testing.T) {
	tape := serde.NewTape()
	for name, d := range map[string]serde.Decoder{"string": serde.StringDecoder{}, "bytes": serde.BytesDecoder{}} {
		for _, data := range [][]byte{nil, {}, []byte("key-1"), []byte("Bakı"), []byte("\xffkey")} {
			v, err := d.Decode(t.Context(), tape, "t", data)
			switch text, _ := v.Text(); {
			case data == nil:
				if err != nil || v.Kind() != serde.Null {
					t.Errorf("%s of nil: %s %v", name, v.Kind(), err)
				}
			case name == "string" && strings.HasPrefix(string(data), "\xff"):
				if err == nil || err.Error() != "decode a string: byte 0xFF at 0 isn't UTF-8" {
					t.Errorf("%s of %q: %v", name, data, err)
				}
			case err != nil || string(text) != string(data) || v.Kind().String() != name:
				t.Errorf("%s of %q: %s %q %v", name, data, v.Kind(), text, err)
			}
		}
	}
}
