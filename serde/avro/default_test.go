package avro

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
)

// What Java's Schema.Parser (1.11) says, but for the unions: it takes their first branch only, 1.12 any. want is what an encoder writes, or after "!" why
// it can't, or "?" for a default that Parse refuses.
func TestDefaults(t *testing.T) {
	for _, x := range []struct{ typ, value, want string }{
		{`"null"`, `null`, ""},
		{`"null"`, `"null"`, "?"},
		{`"boolean"`, `true`, "01"},
		{`"boolean"`, `"true"`, "?"},
		{`"int"`, `1`, "02"},
		{`"int"`, `-0`, "00"},
		{`"int"`, `1.0`, "?"},
		{`"int"`, `1e0`, "?"},
		{`"int"`, `3000000000`, "?"},
		{`"int"`, `"1"`, "?"},
		{`"int"`, `null`, "?"},
		{`"long"`, `3000000000`, "80f882ad16"},
		{`"long"`, `9223372036854775808`, "?"},
		{`"float"`, `1`, "0000803f"},
		{`"float"`, `1e400`, "0000807f"},
		{`"float"`, `"NaN"`, "0000c07f"},
		{`"double"`, `"-Infinity"`, "000000000000f0ff"},
		{`"double"`, `"1.5"`, "000000000000f83f"},
		{`"double"`, `"abc"`, "?"},
		{`"double"`, `"INF"`, "?"},
		{`"double"`, `"infinity"`, "?"},
		{`"double"`, `"1_000"`, "?"},
		{`"double"`, `""`, "?"},
		{`"double"`, `true`, "?"},
		{`"string"`, `"é"`, "04c3a9"},
		{`"string"`, `1`, "?"},
		{`"string"`, `null`, "?"},
		{`"bytes"`, `"\u00ff\u0000"`, "04ff00"},
		{`"bytes"`, `"\u0100"`, "!bytes are characters up to U+00FF, not U+0100"},
		{`"bytes"`, `1`, "?"},
		{`{"type":"fixed","name":"F","size":2}`, `"\u00ffa"`, "ff61"},
		{`{"type":"fixed","name":"F","size":2}`, `"abc"`, `!it has 3 bytes, the fixed "F" has 2`},
		{`{"type":"enum","name":"E","symbols":["A","B"]}`, `"B"`, "02"},
		{`{"type":"enum","name":"E","symbols":["A","B"]}`, `"C"`, `!the enum "E" has no symbol "C"`},
		{`["null","int"]`, `null`, "00"},
		{`["null","int"]`, `1`, "0202"},
		{`["int","null"]`, `"x"`, "?"},
		{`{"type":"array","items":"int"}`, `[1,2]`, "04020400"},
		{`{"type":"array","items":"int"}`, `[1,"x"]`, "?"},
		{`{"type":"array","items":"int"}`, `{}`, "?"},
		{`{"type":"map","values":"int"}`, `{"a":1}`, "0202610200"},
		{`{"type":"map","values":"int"}`, `{"a":"1"}`, "?"},
		{`{"type":"record","name":"R","fields":[{"name":"x","type":"int"}]}`, `{"x":1}`, "02"},
		{`{"type":"record","name":"R","fields":[{"name":"x","type":"int"}]}`, `{}`, "?"},
		{`{"type":"record","name":"R","fields":[{"name":"x","type":"int","default":5}]}`, `{}`, "0a"},
		{`{"type":"record","name":"R","fields":[{"name":"x","type":"int","default":5}]}`, `{"y":1}`, "0a"},
		{`{"type":"int","logicalType":"date"}`, `"2026-01-01"`, "?"},
		{`{"type":"int","logicalType":"date"}`, `1`, "02"},
		{`{"type":"record","name":"Top2","fields":[{"name":"r","type":"Top2","default":{}}]}`, `{}`, "!too many values"},
	} {
		schema := fmt.Sprintf(`{"type":"record","name":"Top","fields":[{"name":"f","type":%s,"default":%s}]}`, x.typ, x.value)
		s, err := Parse(schema)
		if x.want == "?" {
			if err == nil || !strings.Contains(err.Error(), `field "f" of "Top": the default `+x.value) {
				t.Errorf("%s: got %v, want it to be refused", schema, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", schema, err)
			continue
		}
		out, err := encodeEmpty(s)
		if want, isError := strings.CutPrefix(x.want, "!"); isError {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %x %v, want an error with %q", schema, out, err, want)
			}
		} else if got := hex.EncodeToString(out); err != nil || got != x.want {
			t.Errorf("%s: got %s %v, want %s", schema, got, err, x.want)
		}
	}
}

// Defaults that stand for defaults that stand for more, twice each.
func TestDefaultsDouble(t *testing.T) {
	text := `{"type":"record","name":"R0","fields":[{"name":"x","type":"int","default":1}]}`
	for i := 1; i < 40; i++ {
		text = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s,"default":{}},{"name":"b","type":"R%d","default":{}}]}`, i, text, i-1)
	}
	if _, err := encodeEmpty(mustParse(t, text)); err == nil || !strings.Contains(err.Error(), "the default has too many values") {
		t.Errorf("got %v", err)
	}
	reader := mustParse(t, `{"type":"record","name":"T","fields":[{"name":"d","default":{},"type":`+text+`}]}`)
	if _, err := Compile(mustParse(t, `{"type":"record","name":"T","fields":[]}`), Options{Reader: reader}); err == nil || !strings.Contains(err.Error(), "the default has too many values") {
		t.Errorf("as the reader's schema: got %v", err)
	}
	union := `[{"type":"record","name":"A","fields":[{"name":"x","type":["null","A","B"],"default":null}]},{"type":"record","name":"B","fields":[{"name":"x","type":["null","A","B"],"default":null}]}]`
	union = strings.Replace(union, `["null","A","B"]`, `["null","A",{"type":"record","name":"B","fields":[{"name":"x","type":["null","A","B"],"default":null}]}]`, 1)
	union = union[:strings.LastIndex(union, `,{"type":"record","name":"B"`)] + `,"B"]`
	value := strings.Repeat(`{"x":`, 50) + "1" + strings.Repeat("}", 50)
	_, err := Parse(`{"type":"record","name":"T","fields":[{"name":"f","type":` + union + `,"default":` + value + `}]}`)
	if err == nil || !strings.Contains(err.Error(), "too many values") {
		t.Errorf("got %v", err)
	}
}

// encodeEmpty writes a record with all its defaults.
func encodeEmpty(s *Schema) ([]byte, error) {
	e, err := NewEncoder(s)
	if err != nil {
		return nil, err
	}
	v, err := serde.NewTape().JSON([]byte("{}"), serde.Limits{})
	if err != nil {
		return nil, err
	}
	return e.Append(nil, v)
}
