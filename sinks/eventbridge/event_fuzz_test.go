package eventbridge

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	serdejson "github.com/millrace/millrace/serde/json"
)

// Whatever a record holds, its event is one that EventBridge can read and holds what the record held, or the record is refused.
func FuzzEvent(f *testing.F) {
	f.Add([]byte("k"), []byte(`{"a":[1,2.50,"é\n\u0001"],"b":null}`), "h", []byte("v"), true)
	f.Add([]byte("\xff"), []byte(`"\"\\\/"`), "a\"b", []byte("\xff\x00"), false)
	f.Add([]byte{}, []byte(`1e400`), "", []byte(nil), true)
	shapes := map[bool]*shape{true: shapeOf(f, func(c *Config) { c.ID = "id" }), false: shapeOf(f, func(c *Config) { c.Detail, c.Meta = detailValue, true })}
	j, err := serdejson.New(serdejson.DefaultConfig())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, key, value []byte, name string, header []byte, record bool) {
		r := connector.Record{RawKey: key, RawValue: value, Offset: 7, Timestamp: 1, Headers: []connector.Header{{Name: name, Value: header}}}
		b := connector.NewBatch(connector.Source{Partition: connector.Partition{Topic: "gps"}, Connector: "cars"}, []connector.Record{r}, nil)
		b.Decode(t.Context(), serde.StringDecoder{}, j)
		if b.Err(0) != nil {
			return
		}
		var e entry
		text, err := shapes[record].append(nil, &e, b, 0)
		if err != nil {
			if record && utf8.Valid(key) && utf8.ValidString(name) {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		detail := []byte(read(t, text, e).Detail)
		want := exact(t, value)
		if !record {
			var got map[string]any
			decode(t, detail, &got)
			delete(got, "_meta")
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s became %s", value, detail)
			}
			return
		}
		var got struct {
			Headers []map[string]any
			Key     string
			Value   any
		}
		decode(t, detail, &got)
		if got.Key != string(key) || !reflect.DeepEqual(got.Value, want) || !reflect.DeepEqual(got.Headers, []map[string]any{{name: headerOf(header)}}) {
			t.Fatalf("key %q, value %s, header %q: %q became %s", key, value, name, header, detail)
		}
	})
}

func headerOf(v []byte) any {
	switch {
	case v == nil:
		return nil
	case utf8.Valid(v):
		return string(v)
	}
	return map[string]any{"base64": base64.StdEncoding.EncodeToString(v)}
}

func exact(t *testing.T, text []byte) (v any) {
	t.Helper()
	decode(t, text, &v)
	return v
}

func decode(t *testing.T, text []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}
