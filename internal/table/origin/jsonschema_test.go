package origin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
)

func TestJSONSchema(t *testing.T) {
	object := func(properties string) string { return `{"type":"object","properties":{` + properties + `}}` }
	mapsTo(t, []struct{ name, schema, want string }{
		{
			"types, in their order", object(`"z":{"type":"integer"},"y":{"type":"number"},"a":{"type":"string"},"b":{"type":"boolean"},"c":{"type":"null"},"d":{},"e":true,"f":false`),
			`z int64?, y float64?, a string?, b boolean?, c json?, d json?, e json?`,
		},
		{
			"required", `{"properties":{"a":{"type":"integer","default":5},"b":{"type":["integer","null"],"default":5},"c":{"type":"string","default":"x"}},"required":["a","b"]}`,
			`a int64=5, b int64?, c string?`,
		},
		{
			"formats", object(`"a":{"type":"string","format":"date-time"},"b":{"type":"string","format":"date"},"c":{"type":"string","format":"uuid"},"d":{"type":"string","format":"time"},
				"e":{"type":"string","format":"email"},"f":{"type":"string","contentEncoding":"base64"},"g":{"format":"date"}`),
			`a timestamp_micros?, b date?, c uuid?, d string?, e string?, f bytes?, g date?`,
		},
		{
			"lists of types", object(`"a":{"type":["string","null"]},"b":{"type":["null"]},"c":{"type":["string","integer"]},"d":{"type":["integer","number"]},"e":{"type":["object","null"],"properties":{"x":{"type":"integer"}}}`),
			`a string?, b json?, c json?, d float64?, e {x int64?}?`,
		},
		{
			"arrays", object(`"a":{"type":"array","items":{"type":"integer"}},"b":{"type":"array"},"c":{"type":"array","items":[{"type":"integer"}]},"d":{"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"string"}},
				"e":{"items":{"type":["string","null"]}},"f":{"type":"array","items":{}}`),
			`a [int64]?, b json?, c json?, d json?, e [string?]?, f [json?]?`,
		},
		{
			"maps", object(`"a":{"type":"object","additionalProperties":{"type":"integer"}},"b":{"type":"object"},"c":{"type":"object","additionalProperties":false},"d":{"type":"object","patternProperties":{"^x":{"type":"string"}},"additionalProperties":false},
				"e":{"properties":{"x":{"type":"integer"}},"additionalProperties":{"type":"string"}},"f":{"patternProperties":{"^x":{"type":"string"},"^y":{"type":"integer"}}}`),
			`a map[int64]?, b json?, c json?, d map[string]?, e {x int64?}?, f map[json]?`,
		},
		{
			"enums", object(`"a":{"enum":["x","y"]},"b":{"const":"x"},"c":{"enum":["x",null]},"d":{"enum":[1,2]},"e":{"enum":["x",1]},"f":{"const":1.5},"g":{"type":"string","enum":["x"]},"h":{"enum":[1,1.5]}`),
			`a string?, b string?, c string?, d int64?, e json?, f float64?, g string?, h float64?`,
		},
		{
			"null or", `{"properties":{"a":{"oneOf":[{"type":"null"},{"type":"integer"}]},"b":{"anyOf":[{"type":"string"},{"type":["null"]}]},"c":{"type":"string","nullable":true},"d":{"oneOf":[{"type":"integer"}]}},"required":["a","b","c","d"]}`,
			`a int64?, b string?, c string?, d int64`,
		},
		{
			"alternatives", `{"properties":{"a":{"oneOf":[{"type":"integer"},{"type":"string"}]},"b":{"anyOf":[{"type":"integer"},{"type":"number"}]},"c":{"anyOf":[{"type":"string","format":"date"},{"type":"string"}]},"d":{"oneOf":[{"type":"integer"},{"type":"string"},{"type":"null"}]},"e":{"oneOf":[{"type":"string","format":"uuid"},{"type":["string","null"]}]}},"required":["a","b","c","e"]}`,
			`a json, b float64, c string, d json?, e string?`,
		},
		{
			"alternative objects", `{"type":"object","properties":{"kind":{"type":"string"}},"required":["kind"],"oneOf":[{"properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a"]},{"properties":{"b":{"type":"string"},"c":{"type":"integer"}},"required":["b"]}]}`,
			`kind string, a int64?, b string?, c int64?`,
		},
		{"alternatives that only require", `{"properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"anyOf":[{"required":["a"]},{"required":["a","b"]}]}`, `a int64, b int64?`},
		{
			"references", `{"$ref":"#/definitions/car~1s","definitions":{"car/s":{"properties":{"pos":{"$ref":"#/definitions/pos"},"home":{"$ref":"#/definitions/pos"},"y z":{"$ref":"#/definitions/a%20b"}}},"pos":{"type":"object","properties":{"lat":{"type":"number"}}},"a b":{"type":"integer"}}}`,
			`pos {lat float64?}?, home {lat float64?}?, y z int64?`,
		},
		{"anchors", `{"$id":"https://x.example/root.json","properties":{"a":{"$ref":"#pos"},"b":{"$ref":"inner.json#/$defs/n"}},"$defs":{"p":{"$anchor":"pos","type":"integer"},"i":{"$id":"inner.json","$defs":{"n":{"type":"string"}}}}}`, `a int64?, b string?`},
		{"id that isn't one", `{"properties":{"a":{"id":"vehicle","type":"object","properties":{"n":{"$ref":"#/definitions/n"}}}},"definitions":{"n":{"type":"integer"}}}`, `a {n int64?}?`},
		{"all of", `{"allOf":[{"properties":{"a":{"type":"integer"},"b":{"type":"number"}},"required":["a"]},{"properties":{"b":{"type":"integer"},"c":{"type":"string"}}},{"required":["c"]}]}`, `a int64, b int64?, c string`},
		{"recursive", `{"properties":{"id":{"type":"integer"},"next":{"$ref":"#"},"all":{"type":"array","items":{"$ref":"#"}},"or":{"oneOf":[{"$ref":"#"},{"type":"null"}]},"mixed":{"oneOf":[{"$ref":"#"},{"type":"string"}]}}}`, `id int64?, next json?, all [json]?, or json?, mixed json?`},
		{"circular", `{"properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`, `a json?`},
		{"contradiction", object(`"a":{"allOf":[{"type":"string"},{"type":"integer"}]}`), `a json?`},
		{"description", object(`"a":{"type":"string","description":"what it is"}`), `a string? # what it is`},
		{
			"Kafka Connect", object(`"b":{"type":"integer","connect.type":"int32","connect.index":1},"a":{"type":"integer","connect.type":"int64","connect.index":0},"c":{"type":"number","connect.type":"float32","connect.index":2},
				"d":{"connect.index":3,"oneOf":[{"type":"null"},{"type":"number","title":"org.apache.kafka.connect.data.Decimal","connect.type":"bytes","connect.parameters":{"scale":"4","connect.decimal.precision":"14"}}]},
				"e":{"type":"string","connect.type":"bytes","connect.index":10},"f":{"type":"integer","title":"org.apache.kafka.connect.data.Timestamp","connect.type":"int64","connect.index":11},
				"g":{"type":"integer","title":"org.apache.kafka.connect.data.Date","connect.type":"int32","connect.index":12},
				"h":{"type":"number","title":"org.apache.kafka.connect.data.Decimal","connect.index":13},"i":{"type":"number","title":"org.apache.kafka.connect.data.Decimal","connect.parameters":{"scale":"-1"},"connect.index":14}`),
			`a int64?, b int32?, c float32?, d decimal(14,4)?, e bytes?, f timestamp_millis?, g int32?, h decimal(38,0)?, i json?`,
		},
	}, jsonSchema)
}

// TestReferencedSchemas checks what stands in other schemas.
func TestReferencedSchemas(t *testing.T) {
	s := &serde.Schema{
		Format: serde.JSONSchema, Name: "vehicle",
		Text: `{"properties":{"a":{"$ref":"pos.json"},"b":{"$ref":"pos.json#/$defs/n"},"c":{"$ref":"https://x.example/other.json"},"d":{"$ref":"./dot.json"},"e":{"$ref":"deep/er.json"}}}`,
		References: []serde.Reference{
			{Name: "pos.json", Text: `{"properties":{"lat":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"number"}}}`},
			{Name: "https://x.example/other.json", Text: `{"type":"string"}`},
			{Name: "./dot.json", Text: `{"type":"boolean"}`},
			{Name: "er.json", Text: `{"type":"integer"}`},
		},
	}
	got, err := Of(s)
	if err != nil {
		t.Fatal(err)
	}
	if want, shown := `a {lat float64?}?, b float64?, c string?, d boolean?, e int64?`, shownFields(got.Fields); shown != want || got.Name != "vehicle" {
		t.Errorf("%s: got %s, want %s", got.Name, shown, want)
	}
}

func TestJSONSchemaErrors(t *testing.T) {
	alternatives := `{"type":"object","properties":{"a":{"type":"integer"}},"allOf":[` + repeated(30, `{"oneOf":[{"title":"a"},{"title":"b"}]}`) + `]}`
	shared := func(schema string) string { // 9,000 properties of it
		return `{"$defs":{"b":` + schema + `},"properties":{` + strings.ReplaceAll(repeated(9_000, `"p#":{"$ref":"@/$defs/b"}`), "@", "#") + `}}`
	}
	var doubling strings.Builder
	doubling.WriteString(`{"$ref":"#/$defs/d0","$defs":{"d20":{"type":"integer"}`)
	for i := range 20 {
		fmt.Fprintf(&doubling, `,"d%d":{"properties":{"a":{"$ref":"#/$defs/d%d"},"b":{"$ref":"#/$defs/d%d"}}}`, i, i+1, i+1)
	}
	doubling.WriteString(`}}`)
	isRefused(t, []struct{ name, schema, want string }{
		{"no object", `{"type":"string"}`, "rows need columns"},
		{"no properties", `{"type":"object"}`, "rows need columns"},
		{"true", `true`, "rows need columns"},
		{"false", `false`, "rows need columns"},
		{"a number", `5`, "an object or a boolean"},
		{"no JSON", `{`, ""},
		{"not there", `{"properties":{"a":{"$ref":"other.json"}}}`, `column a: the schema refers to "other.json"`},
		{"not there either", `{"properties":{"a":{"$ref":"#/$defs/x"}}}`, `"#/$defs/x"`},
		{"no anchor", `{"properties":{"a":{"$ref":"#x"}}}`, `"#x"`},
		{"no URL", `{"properties":{"a":{"$ref":"%zz"}}}`, `no URL`},
		{"no name", `{"properties":{"":{"type":"string"}}}`, "no name"},
		{"alternatives", alternatives, "too many alternatives"},
		{"all of", shared(`{"allOf":[` + repeated(900, `{"title":"#"}`) + `]}`), "too many alternatives"},
		{"many keywords", shared(`{` + repeated(40_000, `"k#":1`) + `}`), "too many alternatives"},
		{"many required", shared(`{"type":"object","properties":{"x":true},"required":[` + repeated(40_000, `"k#"`) + `]}`), "too many alternatives"},
		{"many values", shared(`{"enum":[` + repeated(40_000, `"k#"`) + `]}`), "too many alternatives"},
		{"many types", shared(`{"allOf":[{"type":[` + repeated(20_000, `"k#"`) + `]},{"type":[` + repeated(20_000, `"k#"`) + `]}]}`), "too many alternatives"},
		{"objects of many", `{"oneOf":[` + repeated(2_000, `{"properties":{"a#":true,"b#":true}}`) + `]}`, "too many alternatives"},
		{"doubling", doubling.String(), ""},
		{"wide", `{"properties":{` + repeated(10_001, `"f#":{"type":"integer"}`) + `}}`, "more than 10000 columns"},
		{"deep", `{"properties":{"a":` + strings.Repeat(`{"type":"array","items":`, 32) + `{"type":"integer"}` + strings.Repeat("}", 32) + `}}`, "more than 32 deep"},
		{"long", `{"title":"` + strings.Repeat("x", maxSchemaBytes) + `"}`, "bytes"},
	}, jsonSchema)
	many := &serde.Schema{Format: serde.JSONSchema, Text: `{}`, References: make([]serde.Reference, maxReferences+1)}
	if _, err := Of(many); err == nil || !strings.Contains(err.Error(), "references") {
		t.Errorf("too many references: %v", err)
	}
}
