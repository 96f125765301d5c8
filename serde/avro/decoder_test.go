package avro_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
	"github.com/millrace/millrace/serde/serdetest"
)

func decoder(t testing.TB, c avro.Config) *avro.Decoder {
	t.Helper()
	d, err := avro.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDecoder(t *testing.T) {
	raw, err := base64.StdEncoding.DecodeString(strings.Fields(file(t, "testdata/glue-avro.b64"))[1])
	if err != nil {
		t.Fatal(err)
	}
	data := unframed(t, raw)
	text, err := program(t, file(t, "testdata/avro.avsc"), avro.Options{}).AppendJSON(nil, data)
	if err != nil {
		t.Fatal(err)
	}
	texts := `{"type":"record","name":"T","fields":[{"name":"d","type":` + decimal2 + `},{"name":"l","type":` + logical("long", "local-timestamp-millis") +
		`},{"name":"m","type":{"type":"map","values":["null","T"]}},{"name":"s","type":{"type":"array","items":"string"}}]}`
	d := decoder(t, avro.Config{Schema: flatSchema, Topics: map[string]string{"vehicles": file(t, "testdata/avro.avsc"), "texts.*": texts, "lists": list}})
	serdetest.Test(t, d, []serdetest.Sample{
		{Name: "flat", Topic: "any", Data: flatData(), JSON: flatText},
		{Name: "vehicle", Topic: "vehicles", Data: data, JSON: string(text)},
		{Name: "texts", Topic: "texts.1", Data: []byte(str("\x04\xE2") + long(1) + long(1) + str("k") + long(0) + long(0) + long(2) + str("a") + str("é") + long(0)),
			JSON: `{"d":12.50,"l":"1970-01-01T00:00:00.001","m":{"k":null},"s":["a","é"]}`},
		{Name: "list", Topic: "lists", Data: []byte(long(3) + long(1) + long(2) + long(3) + long(0)), JSON: `[1,2,3]`},
	})
}

func TestTopics(t *testing.T) {
	d := decoder(t, avro.Config{Topics: map[string]string{"a*": `"int"`, "ab*": `"string"`, "ab": `"bytes"`, "[z]": `"boolean"`, "x?": `"long"`}})
	for topic, want := range map[string]string{"abc": `"a"`, "ab": `"YQ=="`, "ac": "avro: at byte 1: 1 bytes are left", "z": "at byte 0: a boolean", "xy": "at byte 1: 1 bytes",
		"other": `avro: there is no schema for the topic "other": set schema, or topics.other`} {
		for range 2 { // the second time it is known
			v, err := d.Decode(t.Context(), serde.NewTape(), topic, []byte(str("a")))
			got := ""
			if err != nil {
				got = err.Error()
			} else if text, err := v.AppendJSON(nil); err == nil {
				got = string(text)
			}
			if !strings.Contains(got, want) {
				t.Errorf("%s: got %s, want %s", topic, got, want)
			}
		}
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, topic := range []string{"a1", "a2", "ab", "a3"} {
				if v, err := d.Decode(t.Context(), serde.NewTape(), topic, nil); err != nil || v.Kind() != serde.Null {
					t.Error(v.Kind(), err)
				}
				if _, err := d.Decode(t.Context(), serde.NewTape(), topic, []byte(long(0))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()

	uses := decoder(t, avro.Config{Schema: ids, Topics: map[string]string{"t*": flatSchema}}).Schemas()
	if len(uses) != 2 || uses[0].Topic != "t*" || uses[0].Schema.Name != "Position" || uses[1].Topic != "" || uses[1].Schema.Name != "R" ||
		uses[1].Schema.Text != ids || uses[1].Schema.Format != serde.Avro {
		t.Errorf("got %+v", uses)
	}
	v, err := decoder(t, avro.Config{Schema: ids}).Decode(t.Context(), serde.NewTape(), "t", []byte(long(1)+str("x")))
	if err != nil || v.Schema() == nil || v.Schema().Name != "R" {
		t.Errorf("%v %v", v.Schema(), err)
	}
}

func TestDecoderErrors(t *testing.T) {
	d := decoder(t, avro.Config{Schema: ids})
	for _, x := range []struct{ data, want string }{
		{long(1) + str("abc")[:2], `avro: field "b.c" at byte 2: the length is 3 bytes, 1 are left; was it written with another version of the schema?`},
		{"\x03\x00" + strings.Repeat("\xFF", 40), `another version of the schema? It begins like a message of AWS Glue's registry: use decode: glue`},
		{"\x03\x05" + strings.Repeat("\xFF", 40), `use decode: glue`},
		{"\x00\x00\x00\x00\x07" + strings.Repeat("\xFF", 40), `use decode: confluent`},
	} {
		_, err := d.Decode(t.Context(), serde.NewTape(), "t", []byte(x.data))
		var unavailable *serde.Unavailable
		if err == nil || !strings.HasSuffix(err.Error(), x.want) || errors.As(err, &unavailable) {
			t.Errorf("%x: got %v, want %s", x.data, err, x.want)
		}
	}
}

func TestConfig(t *testing.T) {
	for want, c := range map[string]avro.Config{
		"set schema, or topics":                 avro.DefaultConfig(),
		"schema: avro:":                         {Schema: `{"type":"none"}`},
		"reader: avro:":                         {Schema: ids, Reader: `{`},
		`topics: "t": avro: compile: string`:    {Topics: map[string]string{"t": `"string"`}, Reader: `"int"`},
		`topics: the pattern "[": syntax error`: {Topics: map[string]string{"[": `"string"`}},
		`timestamps is "x"`:                     {Schema: ids, Timestamps: "x"},
		"depth is 100000":                       {Schema: ids, Limits: avro.Limits{Depth: 100_000}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	d := decoder(t, avro.Config{Schema: logical("long", "timestamp-millis"), Reader: `["null",` + logical("long", "timestamp-millis") + `]`, Timestamps: "epoch"})
	v, err := d.Decode(t.Context(), serde.NewTape(), "t", []byte(long(5)))
	if n, ok := v.Int64(); err != nil || !ok || n != 5 {
		t.Errorf("got %d %v", n, err)
	}
	if s := v.Schema(); s.Reader != `["null",`+logical("long", "timestamp-millis")+`]` || s.Text != logical("long", "timestamp-millis") || d.Schemas()[0].Schema != s {
		t.Errorf("schema %+v", s)
	}
}
