package table

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

const everyKind = `b boolean =true, i int32 =-5, l? int64, f float32 =1.5, d float64, n decimal(10,2) =-12.5, s? string ="x" ~t, raw bytes ="AP8=", fx fixed(2) ="QUI=",
	u uuid, dt date ="1969-12-31", tm time_millis ="10:00:00.5", tu time_micros ="00:00:00.000001", ts timestamp_millis ="1970-01-01T00:00:01.5Z",
	tsu timestamp_micros =1500, lts local_timestamp_millis ="1970-01-01T00:00:01", ltu? local_timestamp_micros, j? json ={"a":[1]},
	p? struct(x? int32, y struct(z string ="q")), li list(e? struct(a int32)), m map(v? list(e int32)), ld list(e int32) =[1,2], md map(v string) ={"a":"b"}`

func TestAvroOfEveryKind(t *testing.T) {
	s := &Schema{Name: "com.acme.Order", Fields: columns(t, strings.ReplaceAll(everyKind, "\n\t", " ")), Rest: "_rest"}
	s.Fields[0].Doc = "a doc"
	text, err := s.Avro()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"type":"record","name":"com.acme.Order","fields":[`,
		`{"name":"b","type":"boolean","default":true,"doc":"a doc"}`,
		`{"name":"l","type":["null","long"],"default":null}`,
		`{"name":"n","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2},"default":"\u00FB\u001E"}`,
		`{"name":"s","type":["string","null"],"default":"x","aliases":["t"]}`,
		`{"name":"raw","type":"bytes","default":"\u0000\u00FF"}`,
		`{"name":"fx","type":{"type":"fixed","name":"com.acme.Order_fx","size":2},"default":"\u0041\u0042"}`,
		`{"name":"u","type":{"type":"string","logicalType":"uuid"}}`,
		`"logicalType":"date"},"default":-1}`,
		`"logicalType":"time-millis"},"default":36000500}`,
		`"logicalType":"time-micros"},"default":1}`,
		`"logicalType":"timestamp-millis"},"default":1500}`,
		`"logicalType":"timestamp-micros"},"default":1500000}`,
		`"logicalType":"local-timestamp-millis"},"default":1000}`,
		`{"name":"j","type":["string","null"],"default":"{\"a\":[1]}"}`,
		`"type":["null",{"type":"record","name":"com.acme.Order_p","fields":[`,
		`{"name":"_rest","type":["null","string"],"default":null,"doc":"members that have no column of their own, as JSON"}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s isn't in it", want)
		}
	}
	parses(t, text)
	if t.Failed() {
		t.Log(text)
	}
}

// parses checks a schema with the project's own parser and with goavro.
func parses(t testing.TB, text string) *avro.Schema {
	t.Helper()
	parsed, err := avro.Parse(text)
	if err != nil {
		t.Errorf("%v in\n%s", err, text)
		return nil
	}
	if _, err := goavro.NewCodec(text); err != nil {
		t.Errorf("goavro: %v in\n%s", err, text)
	}
	return parsed
}

// Rows that lack what has a default are written with it, by the encoder that files are written with.
func TestAvroEncodesRows(t *testing.T) {
	s := &Schema{Name: "r", Fields: columns(t, strings.ReplaceAll(everyKind, "\n\t", " "))}
	text, err := s.Avro()
	if err != nil {
		t.Fatal(err)
	}
	parsed := parses(t, text)
	e, err := avro.NewEncoder(parsed)
	if err != nil {
		t.Fatal(err)
	}
	tape := serde.NewTape()
	v, err := tape.JSON([]byte(`{"d":2,"u":"00000000-0000-0000-0000-000000000000","li":[null,{"a":1}],"m":{"k":[3]}}`), serde.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := e.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	p, err := avro.Compile(parsed, avro.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.AppendJSON(nil, data)
	const want = `{"b":true,"i":-5,"l":null,"f":1.5,"d":2,"n":-12.50,"s":"x","raw":"AP8=","fx":"QUI=","u":"00000000-0000-0000-0000-000000000000","dt":"1969-12-31",` +
		`"tm":"10:00:00.5","tu":"00:00:00.000001","ts":"1970-01-01T00:00:01.5Z","tsu":"1970-01-01T00:00:01.5Z","lts":"1970-01-01T00:00:01","ltu":null,"j":"{\"a\":[1]}",` +
		`"p":null,"li":[null,{"a":1}],"m":{"k":[3]},"ld":[1,2],"md":{"a":"b"}}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}

func TestAvroNames(t *testing.T) {
	names := []string{"a_b", "a-b", "a b", "1x", "", "größe", "ok", "a_b_2", "_1x", "名"}
	fields := make([]Field, len(names))
	for i, n := range names {
		fields[i].Name = n
	}
	want := []string{"a_b", "a_b_3", "a_b_4", "_1x_2", "_", "gr__e", "ok", "a_b_2", "_1x", "__2"}
	if got := AvroNames(fields); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	s := &Schema{Name: "my topic-value", Fields: columns(t, "a-b int32 ~a.c ~ok2, a_b struct(x-y fixed(2), x_y fixed(2))")}
	text, err := s.Avro()
	if err != nil {
		t.Fatal(err)
	}
	parses(t, text)
	for _, want := range []string{`"name":"my_topic_value"`, `{"name":"a_b_2","type":"int","aliases":["ok2"],"name.original":"a-b"}`, `"name.original":"x-y"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s isn't in %s", want, text)
		}
	}
	for _, name := range []string{"", "int", "\xff", ".", "..a", "a.b.1"} {
		text, err := (&Schema{Name: name, Fields: columns(t, "a int32")}).Avro()
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		parses(t, text)
	}
}

// Types that are named after their path never have the name of another one.
func TestAvroTypeNamesAreUnique(t *testing.T) {
	s := &Schema{Name: "r", Fields: columns(t, "a struct(b struct(x int32), b_c fixed(1)), a_b struct(c fixed(2)), a_b_2 fixed(3), l list(e struct(x int32)), l_l list(e struct(l int32))")}
	text, err := s.Avro()
	if err != nil {
		t.Fatal(err)
	}
	parses(t, text)
}

func TestAvroRefuses(t *testing.T) {
	for spec, want := range map[string]string{
		`a int32 ="x"`: "default of the column \"a\": it is a string", `a int32 =3000000000`: "integer", `a int32 =null`: "it is null", `a date ="2026-02-30"`: "type date",
		`a decimal(3,1) =1.25`: "decimal(3,1)", `a decimal(3,1) =100`: "decimal", `a fixed(2) ="AA=="`: "fixed(2)", `a bytes ="?"`: "bytes",
		`a timestamp_millis ="2026-01-01T00:00:00.0001Z"`: "timestamp_millis", `a list(e int32) ={}`: "list<int32>", `a struct(b int32) ={}`: "b: it is null",
		`a boolean =1`: "boolean", `a timestamp_micros =9223372036854775807`: "timestamp_micros", `a decimal(3,1) =1e30000`: "decimal", `a date =5`: "type date",
	} {
		s := &Schema{Fields: columns(t, spec)}
		if text, err := s.Avro(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %s", spec, err, text)
		}
	}
	if _, err := (*Schema)(nil).Avro(); err == nil {
		t.Error("nil was taken")
	}
}

func TestDecimalBytes(t *testing.T) {
	for text, want := range map[string]string{"0": "00", "1": "64", "1.27": "7f", "1.28": "0080", "-1.28": "80", "-1.29": "ff7f", "327.68": "008000", "-0.01": "ff", "1e2": "2710"} {
		v, err := serde.NewTape().JSON([]byte(text), serde.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		data, ok := decimalBytes(&Type{Kind: Decimal, Precision: 10, Scale: 2}, v)
		if got := fmt.Sprintf("%x", data); !ok || got != want {
			t.Errorf("%s: %s %v, want %s", text, got, ok, want)
		}
	}
}
