package jsonschema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde/jsonschema"
)

func TestCompatible(t *testing.T) {
	const draft2020 = `"$schema":"https://json-schema.org/draft/2020-12/schema",`
	for _, c := range []struct{ name, writer, reader, want string }{
		{"same but for words", `{"title":"a","type":"string"}`, `{"title":"b","description":"c","type":"string"}`, ""},
		{"integer to number", `{"type":"integer"}`, `{"type":"number"}`, ""},
		{"number to integer", `{"type":"number"}`, `{"type":"integer"}`, "/: the type was number and is integer now"},
		{"type added", `{"type":"string"}`, `{"type":["string","null"]}`, ""},
		{"type removed", `{"type":["string","null"]}`, `{"type":"string"}`, "/: the type was null or string and is string now"},
		{"optional property added, closed", `{"type":"object","properties":{"a":{}},"additionalProperties":false}`,
			`{"type":"object","properties":{"a":{},"b":{"type":"string"}},"additionalProperties":false}`, ""},
		{"optional property added, open", `{"type":"object","properties":{"a":{}}}`, `{"type":"object","properties":{"a":{},"b":{"type":"string"}}}`,
			"/b: is new, and old data may hold anything under this name: additionalProperties isn't false"},
		{"any property added, open", `{"type":"object"}`, `{"type":"object","properties":{"b":true}}`, ""},
		{"property added, partly open", `{"additionalProperties":{"type":"string"}}`, `{"properties":{"b":{"type":"string"}}}`, ""},
		{"property added, by pattern", `{"patternProperties":{"^b":{"type":"string"}}}`, `{"properties":{"b":{"type":"string"}}}`, ""},
		{"pattern of the writer's under additionalProperties", `{"type":"object","additionalProperties":false,"patternProperties":{"^x":{"type":"string"}}}`, `{"additionalProperties":false}`,
			"/additionalProperties: allows less: old data may hold members with any other name"},
		{"pattern of the writer's under another pattern", `{"type":"object","additionalProperties":false,"patternProperties":{"^x":{"type":"string"}}}`, `{"patternProperties":{"y":{"type":"null"}}}`,
			"/patternProperties/y: changed; it can't be shown that old data fits"},
		{"additionalProperties don't hold for named members", `{"additionalProperties":{"type":"null"},"properties":{"a":{"type":"string"}}}`, `{"properties":{"a":{"type":"string","maxLength":1}}}`,
			"/a/maxLength: is smaller: old data may be longer"},
		{"property removed, open", `{"properties":{"a":{"type":"string"}}}`, `{}`, ""},
		{"property removed, closed", `{"properties":{"a":{"type":"string"}},"additionalProperties":false}`, `{"additionalProperties":false}`, "/a: isn't allowed any more"},
		{"closed", `{}`, `{"additionalProperties":false}`, "/additionalProperties: allows less: old data may hold members with any other name"},
		{"required added", `{"properties":{"a":{}}}`, `{"properties":{"a":{"default":1}},"required":["a"]}`, "/a: is required now, and old data may lack it"},
		{"required removed", `{"required":["a"]}`, `{}`, ""},
		{"deep", `{"properties":{"pos":{"properties":{"lat":{"type":"number"}}}}}`, `{"properties":{"pos":{"properties":{"lat":{"type":"string"}}}}}`,
			"/pos/lat: the type was number and is string now"},
		{"enum extended", `{"enum":["a","b"]}`, `{"enum":["c","b","a"]}`, ""},
		{"enum narrowed", `{"enum":["a","b"]}`, `{"enum":["a"]}`, `/: "b" was allowed and isn't any more`},
		{"enum to string", `{"enum":["a","b"]}`, `{"type":"string","maxLength":1}`, ""},
		{"enum added", `{"type":"string"}`, `{"enum":["a"]}`, "/: enum or const is new: old data may hold other values"},
		{"const to enum", `{"const":1}`, `{"enum":[1.0,2]}`, ""},
		{"boolean is finite", `{"type":"boolean"}`, `{"enum":[true,false]}`, ""},
		{"minimum lowered", `{"minimum":3}`, `{"minimum":2.5}`, ""},
		{"minimum raised", `{"type":"number","minimum":3}`, `{"minimum":3.1}`, "/minimum: is 3.1 now: old data may be beyond it"},
		{"minimum to exclusive", `{"type":"number","minimum":3}`, `{"exclusiveMinimum":3}`, "/exclusiveMinimum: is 3 now: old data may be beyond it"},
		{"exclusive to maximum", `{"exclusiveMaximum":3}`, `{"maximum":3}`, ""},
		{"exact bounds", `{"type":"number","maximum":9007199254740993}`, `{"maximum":9007199254740992}`, "/maximum: is 9007199254740992 now: old data may be beyond it"},
		{"multiples", `{"multipleOf":0.3}`, `{"multipleOf":0.1}`, ""},
		{"no multiples", `{"type":"number","multipleOf":0.1}`, `{"multipleOf":0.3}`, "/multipleOf: is 0.3 now: old data may be no multiple of it"},
		{"bounds of other types", `{"type":"string"}`, `{"minimum":3,"minItems":2,"required":["a"]}`, ""},
		{"maxLength", `{"type":"string","maxLength":3}`, `{"maxLength":2}`, "/maxLength: is smaller: old data may be longer"},
		{"pattern", `{"properties":{"a":{"type":"string","pattern":"a"}}}`, `{"properties":{"a":{"type":"string","pattern":"b"}}}`,
			"/a/pattern: changed; it can't be shown that old data fits"},
		{"pattern removed", `{"pattern":"a"}`, `{}`, ""},
		{"format added", `{"type":"string"}`, `{"type":"string","format":"date"}`, "/format: changed; it can't be shown that old data fits"},
		{"format same", `{"type":"string","format":"date","minLength":3}`, `{"type":"string","format":"date"}`, ""},
		{"items", `{"items":{"type":"integer"},"minItems":2}`, `{"items":{"type":"number"},"minItems":1}`, ""},
		{"items narrowed", `{"type":"array","items":{"type":"number"}}`, `{"items":{"type":"integer"}}`, "/items: the type was number and is integer now"},
		{"tuple to items", `{"items":[{"type":"integer"},{"type":"string"}],"additionalItems":false}`, `{"items":{"type":["integer","string"]}}`, ""},
		{"tuple, open", `{"type":"array","items":[{"type":"integer"}]}`, `{"items":{"type":"integer"}}`, "/items: the type was null or boolean or number or string or array or object and is integer now"},
		{"tuple over drafts", `{"items":[{"type":"integer"}],"additionalItems":false}`, `{` + draft2020 + `"prefixItems":[{"type":"number"}],"items":false}`, ""},
		{"unique", `{"type":"array"}`, `{"uniqueItems":true}`, "/uniqueItems: is true now: old data may have equal elements"},
		{"ref", `{"$ref":"#/definitions/a","definitions":{"a":{"type":"string"}}}`, `{"type":"string"}`, ""},
		{"recursive", `{"$ref":"#/definitions/n","definitions":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#/definitions/n"}}}}}`,
			`{"type":"object","properties":{"v":{"type":"number"},"next":{"$ref":"#"}}}`, ""},
		{"recursive narrowed", `{"type":"object","properties":{"v":{"type":"number"},"next":{"$ref":"#"}}}`,
			`{"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#"}}}`, "/v: the type was number and is integer now"},
		{"recursive in place", `{"type":"string"}`, `{"allOf":[{"$ref":"#"}]}`, "/: the schema refers to itself without end"},
		{"anyOf extended", `{"anyOf":[{"type":"string"},{"type":"integer"}]}`, `{"anyOf":[{"type":"null"},{"type":"number"},{"type":"string"}]}`, ""},
		{"anyOf narrowed", `{"anyOf":[{"type":"string"},{"type":"integer"}]}`, `{"anyOf":[{"type":"integer"}]}`, "/: no branch of anyOf takes all old data"},
		{"to oneOf", `{"type":"string"}`, `{"oneOf":[{"type":"string"},{"type":"null"}]}`, ""},
		{"to oneOf that overlaps", `{"type":"integer"}`, `{"oneOf":[{"type":"number"},{"type":"integer"}]}`,
			"/: it can't be shown that exactly one branch of oneOf takes all old data"},
		{"oneOf by constant", `{"oneOf":[{"type":"object","required":["t"],"properties":{"t":{"const":"a"}}}]}`,
			`{"oneOf":[{"type":"object","required":["t"],"properties":{"t":{"const":"a"}}},{"type":"object","required":["t"],"properties":{"t":{"const":"b"}}}]}`, ""},
		{"allOf", `{"allOf":[{"type":"object"},{"required":["a"]}]}`, `{"type":"object","required":["a"]}`, ""},
		{"types by anyOf", `{"type":["string","null"]}`, `{"anyOf":[{"type":"string"},{"type":"null"}]}`, ""},
		{"not narrowed", `{"not":{"type":["string","null"]}}`, `{"not":{"type":"null"}}`, ""},
		{"not", `{}`, `{"not":{"type":"null"}}`, "/not: changed; it can't be shown that old data fits"},
		{"contains", `{"type":"array","contains":{"type":"integer"}}`, `{"contains":{"type":"number"}}`, ""},
		{"if", `{"type":"object","required":["a","b"]}`, `{"if":{"required":["a"]},"then":{"required":["b"]}}`, ""},
		{"dependencies", `{"type":"object","dependencies":{"a":["b","c"]}}`, `{"dependencies":{"a":["b"]}}`, ""},
		{"dependencies added", `{"type":"object"}`, `{"dependencies":{"a":["b"]}}`, "/a: requires more now: b dependencies changed"},
		{"unevaluated", `{` + draft2020 + `"type":"object"}`, `{` + draft2020 + `"unevaluatedProperties":false}`, "/unevaluatedProperties: changed; it can't be shown that old data fits"},
		{"dynamic", `{"type":"object"}`, `{` + draft2020 + `"$dynamicRef":"#a","$dynamicAnchor":"a"}`, "isn't compared"},
		{"true to false", `true`, `false`, "/: nothing is allowed any more"},
		{"false to anything", `false`, `{"type":"string"}`, ""},
	} {
		got := strings.Join(jsonschema.Compatible(parse(t, c.reader), parse(t, c.writer)), "; ")
		if got != c.want && (c.want == "" || !strings.HasSuffix(c.want, "compared") || !strings.Contains(got, c.want)) {
			t.Errorf("%s\nwriter %s\nreader %s\ngot  %s\nwant %s", c.name, c.writer, c.reader, got, c.want)
		}
	}
}

func TestCompatibleIsBounded(t *testing.T) {
	var doubling strings.Builder
	for i := range 60 {
		fmt.Fprintf(&doubling, `"d%d":{"anyOf":[{"$ref":"#/definitions/d%d"},{"$ref":"#/definitions/d%d"},{"type":"null"}]},`, i, i+1, i+1)
	}
	bomb := `{"$ref":"#/definitions/d0","definitions":{` + doubling.String() + `"d60":{"type":"string","maxLength":%d}}}`
	got := jsonschema.Compatible(parse(t, fmt.Sprintf(bomb, 1)), parse(t, fmt.Sprintf(bomb, 2)))
	if len(got) == 0 {
		t.Error("it shall be incompatible")
	}
}
