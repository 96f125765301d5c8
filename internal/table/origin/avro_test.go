package origin

import (
	"strings"
	"testing"
)

func TestAvro(t *testing.T) {
	record := func(fields string) string {
		return `{"type":"record","name":"R","namespace":"n","fields":[` + fields + `]}`
	}
	mapsTo(t, []struct{ name, schema, want string }{
		{
			"primitives", record(`{"name":"z","type":"boolean"},{"name":"a","type":"int"},{"name":"b","type":"long"},{"name":"c","type":"float"},{"name":"d","type":"double"},
				{"name":"e","type":"bytes"},{"name":"f","type":"string"},{"name":"g","type":"null"}`),
			`z boolean, a int32, b int64, c float32, d float64, e bytes, f string, g json?`,
		},
		{
			"named", record(`{"name":"a","type":{"type":"enum","name":"E","symbols":["X"]}},{"name":"b","type":{"type":"fixed","name":"F","size":4}},{"name":"c","type":"F"},
				{"name":"d","type":{"type":"fixed","name":"Z","size":0}}`),
			`a string, b fixed(4), c fixed(4), d bytes`,
		},
		{
			"logical", record(`{"name":"a","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}},
				{"name":"b","type":{"type":"fixed","name":"D","size":8,"logicalType":"decimal","precision":18}},
				{"name":"c","type":{"type":"string","logicalType":"uuid"}},{"name":"d","type":{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}},
				{"name":"e","type":{"type":"int","logicalType":"date"}},{"name":"f","type":{"type":"int","logicalType":"time-millis"}},
				{"name":"g","type":{"type":"long","logicalType":"time-micros"}},{"name":"h","type":{"type":"fixed","name":"P","size":12,"logicalType":"duration"}},
				{"name":"i","type":{"type":"bytes","logicalType":"big-decimal"}},{"name":"j","type":{"type":"bytes","logicalType":"decimal","precision":77}}`),
			`a decimal(12,2), b decimal(18,0), c uuid, d uuid, e date, f time_millis, g time_micros, h string, i json, j json`,
		},
		{
			"timestamps", record(`{"name":"a","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"b","type":{"type":"long","logicalType":"timestamp-micros"}},
				{"name":"c","type":{"type":"long","logicalType":"timestamp-nanos"}},{"name":"d","type":{"type":"long","logicalType":"local-timestamp-millis"}},
				{"name":"e","type":{"type":"long","logicalType":"local-timestamp-micros"}},{"name":"f","type":{"type":"long","logicalType":"local-timestamp-nanos"}},
				{"name":"g","type":{"type":"string","logicalType":"timestamp-millis"}}`),
			`a timestamp_millis, b timestamp_micros, c string, d timestamp_millis local, e timestamp_micros local, f string, g string`,
		},
		{
			"containers", record(`{"name":"a","type":{"type":"array","items":["null","int"]}},{"name":"b","type":{"type":"map","values":{"type":"array","items":"string"}}},
				{"name":"c","type":["null",{"type":"record","name":"C","fields":[{"name":"x","type":"int"}]}]},{"name":"d","type":"C"}`),
			`a [int32?], b map[[string]], c {x int32}?, d {x int32}`,
		},
		{"unions", record(`{"name":"a","type":["null","string"]},{"name":"b","type":["string","null"]},{"name":"c","type":["int","string"]},{"name":"d","type":["null","int","string"]},
			{"name":"e","type":["int"]},{"name":"f","type":["null"]},{"name":"g","type":["int","long"]}`), `a string?, b string?, c json, d json?, e int32, f json?, g json`},
		{
			"recursive", record(`{"name":"id","type":"int"},{"name":"next","type":["null","R"],"default":null},{"name":"all","type":{"type":"array","items":"R"}}`),
			`id int32, next json?, all [json]`,
		},
		{"empty record", record(`{"name":"a","type":{"type":"record","name":"E","fields":[]}}`), `a json`},
		{"aliases and doc", record(`{"name":"a","aliases":["old","older"],"doc":"what it is","type":"int"}`), `a int32 (old older) # what it is`},
		{"optional record", `["null",` + record(`{"name":"a","type":"int"}`) + `]`, `a int32`},
	}, avroSchema)
}

// TestAvroDefaults checks that defaults are as values of ours print.
func TestAvroDefaults(t *testing.T) {
	for _, c := range []struct{ typ, text, want string }{
		{`"int"`, `5`, `5`},
		{`"string"`, `"x\"y"`, `"x\"y"`},
		{`"double"`, `1`, `1`},
		{`"float"`, `0.1`, `0.1`},
		{`"double"`, `"NaN"`, ``},
		{`"boolean"`, `true`, `true`},
		{`["null","int"]`, `null`, ``},
		{`["int","null"]`, `7`, `7`},
		{`["null","string"]`, `"second"`, `"second"`},
		{`["null",{"type":"enum","name":"E","symbols":["A","B"]}]`, `"A"`, `"A"`},
		{`"long"`, `-0`, `0`},
		{`{"type":"string","logicalType":"uuid"}`, `"0000000A-0000-0000-0000-000000000000"`, `"0000000a-0000-0000-0000-000000000000"`},
		{`"bytes"`, `"ÿA"`, `"/0E="`},
		{`{"type":"fixed","name":"F","size":2}`, `"ÿA"`, `"/0E="`},
		{`{"type":"fixed","name":"F","size":2}`, `"three"`, ``},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, `"\u0004\u00d2"`, `12.34`},
		{`{"type":"int","logicalType":"date"}`, `1`, `"1970-01-02"`},
		{`{"type":"int","logicalType":"time-millis"}`, `1500`, `"00:00:01.5"`},
		{`{"type":"long","logicalType":"timestamp-millis"}`, `1500`, `"1970-01-01T00:00:01.5Z"`},
		{`{"type":"long","logicalType":"local-timestamp-micros"}`, `1500000`, `"1970-01-01T00:00:01.5"`},
		{`{"type":"enum","name":"E","symbols":["A","B"]}`, `"B"`, `"B"`},
		{`{"type":"enum","name":"E","symbols":["A","B"]}`, `"C"`, ``},
		{`{"type":"array","items":"bytes"}`, `["ÿ"]`, `["/w=="]`},
		{`{"type":"array","items":"int"}`, `[]`, `[]`},
		{`{"type":"map","values":"long"}`, `{"a":1}`, `{"a":1}`},
		{`{"type":"record","name":"I","fields":[{"name":"x","type":"int","default":3},{"name":"y","type":"bytes"}]}`, `{"y":"ÿ"}`, `{"x":3,"y":"/w=="}`},
	} {
		s, err := Of(avroSchema(`{"type":"record","name":"R","fields":[{"name":"a","aliases":["b"],"type":` + c.typ + `,"default":` + c.text + `}]}`))
		if err != nil {
			t.Errorf("%s, default %s: %v", c.typ, c.text, err)
			continue
		}
		if got := string(s.Fields[0].Default); got != c.want {
			t.Errorf("%s, default %s: got %s, want %s", c.typ, c.text, got, c.want)
		}
	}
}

func TestAvroErrors(t *testing.T) {
	var doubling, deep strings.Builder
	for range 14 {
		doubling.WriteString(`{"type":"record","name":"#","fields":[{"name":"a","type":`)
	}
	doubling.WriteString(`"int"`)
	text := doubling.String()
	for i := range 14 {
		name := "R" + strings.Repeat("x", i)
		at := strings.LastIndex(text, `"#"`)
		text = text[:at] + `"` + name + `"` + text[at+3:]
		inner := `"int"`
		if i > 0 {
			inner = `"R` + strings.Repeat("x", i-1) + `"`
		}
		text += `},{"name":"b","type":` + inner + `}]}`
	}
	deep.WriteString(strings.Repeat(`{"type":"array","items":`, 32) + `"int"` + strings.Repeat("}", 32))
	record := func(fields string) string { return `{"type":"record","name":"R","fields":[` + fields + `]}` }
	isRefused(t, []struct{ name, schema, want string }{
		{"no record", `"string"`, `rows need columns, and the values are of the Avro type string`},
		{"array", `{"type":"array","items":"int"}`, "array"},
		{"union", `["int","string"]`, "union"},
		{"null", `"null"`, "null"},
		{"no fields", record(""), "no fields"},
		{"nonsense", `{`, "schema"},
		{"doubling", text, "the schema has more than 10000 columns"},
		{"wide", record(repeated(10_001, `{"name":"f#","type":"int"}`)), "more than 10000 columns"},
		{"deep", record(`{"name":"a","type":` + deep.String() + `}`), "column a: types are nested more than 32 deep"},
		{"many defaults", record(repeated(600, `{"name":"f#","type":{"type":"array","items":"int"},"default":[1]}`)), "defaults"},
		{"long defaults", `{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"L","fields":[{"name":"l","type":"string","default":"` +
			strings.Repeat("x", 60_000) + `"}]},"default":{}},` + repeated(20, `{"name":"f#","type":"L","default":{}}`) + `]}`, "defaults have more than"},
	}, avroSchema)
	if s, err := Of(avroSchema(record(repeated(10_000, `{"name":"f#","type":"int"}`)))); err != nil || len(s.Fields) != 10_000 {
		t.Errorf("as many as are allowed: %v", err)
	}
}
