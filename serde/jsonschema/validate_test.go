package jsonschema_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/jsonschema"
)

func parse(t testing.TB, text string, refs ...serde.Reference) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.Parse(text, refs...)
	if err != nil {
		t.Fatalf("%.200s: %v", text, err)
	}
	return s
}

// check validates a JSON document and returns the error's text, "" for a valid one.
func check(t testing.TB, s *jsonschema.Schema, doc string) string {
	t.Helper()
	v, err := serde.NewTape().JSON([]byte(doc), serde.Limits{})
	if err != nil {
		t.Fatalf("%.200s: %v", doc, err)
	}
	if err := s.Validate(v); err != nil {
		return err.Error()
	}
	return ""
}

func TestValidate(t *testing.T) {
	for _, c := range []struct{ schema, doc, want string }{
		{`{"properties":{"pos":{"properties":{"lat":{"type":"number"}}}}}`, `{"pos":{"lat":"secret"}}`, "/pos/lat: got string, want number"},
		{`{"maximum":9007199254740992}`, `9007199254740993`, "/: is more than 9007199254740992"},
		{`{"maximum":9007199254740993}`, `9007199254740993`, ""},
		{`{"maximum":0.1}`, `0.10000000000000000001`, "/: is more than 0.1"},
		{`{"const":1}`, `1.0`, ""},
		{`{"const":9007199254740993}`, `9007199254740992`, "/: must be 9007199254740993"},
		{`{"type":"integer"}`, `1e2`, ""},
		{`{"type":"integer"}`, `1.5`, "/: got number, want integer"},
		{`{"required":["a","b","c","d"]}`, `{"b":1}`, `/: missing "a", "c", "d"`},
		{`{"required":["a","b","c","d","e"]}`, `{"b":1}`, `/: missing "a", "c", "d" and 1 more`},
		{`{"additionalProperties":false,"properties":{"a":{}}}`, `{"a":1,"x":1,"y":2}`, `/: the schema doesn't allow "x", "y"`},
		{`{"enum":["a",2,null]}`, `"secret"`, `/: is none of "a", 2, null`},
		{`{"pattern":"^a+$"}`, `"secret"`, `/: doesn't match the pattern "^a+$"`},
		{`{"format":"date-time"}`, `"secret"`, "/: is no valid date-time"},
		{`{"minLength":3}`, `"ab"`, "/: got 2 characters, want at least 3"},
		{`{"minLength":3}`, `"əəə"`, ""},
		{`{"uniqueItems":true}`, `[1,2,1.0]`, "/: elements 0 and 2 are equal"},
		{`{"items":{"type":"string"}}`, `["a",1,2,3,4,5]`, "/1: got number, want string; /2: got number, want string; /3: got number, want string; and 2 more"},
		{`{"additionalProperties":{"type":"string"}}`, `{"h":1,"g":1,"f":1,"e":1,"d":1,"c":1,"b":1,"a":1}`,
			"/a: got number, want string; /b: got number, want string; /c: got number, want string; and 5 more"},
		{`{"anyOf":[{"type":"string"},{"properties":{"a":{"type":"string"}}}]}`, `{"a":1}`, "/: fits none of the 2 schemas of anyOf (/a: got number, want string)"},
		{`{"oneOf":[{"type":"number"},{"type":"integer"}]}`, `1`, "/: fits more than one schema of oneOf"},
		{`{"not":{"type":"string"}}`, `"a"`, "/: is what not excludes"},
		{`{"properties":{"a/b~c":false}}`, `{"a/b~c":1}`, "/a~1b~0c: nothing is allowed here"},
		{`{"propertyNames":{"maxLength":2}}`, `{"abc":1}`, `/: the name "abc" isn't allowed`},
		{`{"contains":{"type":"string"}}`, `[1]`, "/: no element fits contains"},
		{`{"multipleOf":0.01}`, `0.29`, ""},
		{`{"multipleOf":0.01}`, `0.295`, "/: is no multiple of 0.01"},
		{`{"maximum":5}`, `1e401`, "a number has an exponent beyond 400"},
		{`{"$ref":"#/definitions/a","definitions":{"a":{"type":"null"}}}`, `1`, "/: got number, want null"},
		// Draft 7 is the default: exclusiveMinimum is a number, prefixItems no keyword, and what is beside $ref has no effect.
		{`{"exclusiveMinimum":3,"prefixItems":[false]}`, `3`, "/: must be more than 3"},
		{`{"prefixItems":[false]}`, `[3]`, ""},
		{`{"$schema":"https://json-schema.org/draft/2020-12/schema","prefixItems":[false]}`, `[3]`, "/0: nothing is allowed here"},
		{`{"$schema":"http://json-schema.org/draft-04/schema#","minimum":3,"exclusiveMinimum":true}`, `3`, "/: must be more than 3"},
		{`{"$schema":"http://json-schema.org/draft-06/schema#","const":3}`, `4`, "/: must be 3"},
		{`{"$schema":"https://json-schema.org/draft/2019-09/schema","unevaluatedProperties":false,"properties":{"a":{}}}`, `{"a":1,"b":2}`, "/b: nothing is allowed here"},
		{`{"$ref":"http://json-schema.org/draft-07/schema#"}`, `{"type":1}`, `/type: fits none of the 2 schemas of anyOf (/type: is none of "array", "boolean", "integer", "null", "number" and 2 more)`},
		{`false`, `1`, "/: nothing is allowed here"},
		{`true`, `1`, ""},
	} {
		got := strings.TrimPrefix(check(t, parse(t, c.schema), c.doc), "json schema: ")
		if got != c.want {
			t.Errorf("%s\n%s\ngot  %s\nwant %s", c.schema, c.doc, got, c.want)
		}
		if strings.Contains(got, "secret") {
			t.Errorf("%s shows the value", got)
		}
	}
}

// A large enum is a set; it must know numbers by their value.
func TestLargeEnum(t *testing.T) {
	var b strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&b, `%d,"s%d",`, i, i)
	}
	s := parse(t, `{"items":{"enum":[`+b.String()+`null,true,{"a":[1]}]}}`)
	for _, ok := range []string{`0`, `49999.0`, `1e3`, `"s7"`, `null`, `true`, `{"a":[1.0]}`} {
		if got := check(t, s, "["+ok+"]"); got != "" {
			t.Errorf("%s: %s", ok, got)
		}
	}
	for _, bad := range []string{`50000`, `0.5`, `"s"`, `"1"`, `false`, `{"a":[2]}`, `{"a":1}`, `[]`, `9007199254740993`} {
		if got := check(t, s, "["+bad+"]"); got != "json schema: /0: is none of the values of enum" {
			t.Errorf("%s: %q", bad, got)
		}
	}
}

func TestValidateMadeValues(t *testing.T) {
	tape := serde.NewTape()
	s := parse(t, `{"properties":{"b":{"const":"AP8="},"u":{"format":"uuid"},"d":{"format":"date"},"f":{"const":0.5}}}`)
	v := tape.Object([]string{"b", "u", "d", "f"}, []serde.Value{tape.CopyBytes([]byte{0, 0xFF}), tape.UUID([16]byte{1}), tape.Date(20000), tape.Float64(0.5)})
	if err := s.Validate(v); err != nil {
		t.Error(err)
	}
	if err := s.Validate(serde.Value{}); err == nil {
		t.Error("a missing value is valid")
	}
}

func TestReferences(t *testing.T) {
	order := `{"$id":"https://example.com/order.json","properties":{"customer":{"$ref":"customer.json"}}}`
	customer := `{"properties":{"name":{"type":"string"},"address":{"$ref":"address.json#/definitions/a"}}}`
	address := `{"definitions":{"a":{"required":["city"]}}}`
	for name, refs := range map[string][]serde.Reference{
		"by URL":  {{Name: "https://example.com/customer.json", Text: customer}, {Name: "https://example.com/address.json", Text: address}},
		"by name": {{Name: "customer.json", Text: customer}, {Name: "./address.json", Text: address}},
	} {
		s := parse(t, order, refs...)
		if got := check(t, s, `{"customer":{"name":1}}`); got != "json schema: /customer/name: got number, want string" {
			t.Errorf("%s: %q", name, got)
		}
		if got := check(t, s, `{"customer":{"address":{}}}`); got != `json schema: /customer/address: missing "city"` {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, c := range []struct{ schema, want string }{
		{order, "https://example.com/customer.json"},
		{`{"$ref":"other.json"}`, `"other.json"`},
		{`{"$ref":"file:///etc/passwd"}`, "file:///etc/passwd"},
		{`{"$ref":"/etc/passwd"}`, "etc/passwd"},
		{`{"$ref":"http://127.0.0.1:1/x.json"}`, "http://127.0.0.1:1/x.json"},
		{`{"$schema":"http://127.0.0.1:1/meta.json"}`, "http://127.0.0.1:1/meta.json"},
		{`{"$ref":"#/definitions/none"}`, "#/definitions/none"},
		{`{"$ref":"#none"}`, "none"},
	} {
		if _, err := jsonschema.Parse(c.schema); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.schema, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ schema, want string }{
		{``, "empty value"},
		{`[]`, "no valid schema"},
		{`{"type":"strin"}`, "no valid schema: /type: "},
		{`{"properties":{"a":{"minLength":-1}}}`, "/properties/a/minLength: is less than 0"},
		{`{"pattern":"(?=a)"}`, `the pattern "(?=a)" at /pattern can't be used`},
		{`{"pattern":"(a)\\1"}`, `can't be used`},
		{`{"patternProperties":{"(?!a)":{}}}`, `the pattern "(?!a)" at /patternProperties can't be used`},
		{`{"pattern":"` + strings.Repeat("a", 20_000) + `"}`, "more than 10000 bytes"},
		{`{"pattern":"` + strings.Repeat("a{1000}", 20) + `"}`, "instructions"},
		{`{"maximum":1e999999}`, "exponent"},
		{strings.Repeat(`{"not":`, 200) + `{}` + strings.Repeat(`}`, 200), "nested more than 128 deep"},
		{`{"enum":["` + strings.Repeat("x", 1<<20) + `"]}`, "more than 1048576 bytes"},
		{`{"properties":{"a":{},"a":{}}}`, "comes twice"},
	} {
		_, err := jsonschema.Parse(c.schema)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "json schema: ") {
			t.Errorf("%.100s: %.300v, want %s", c.schema, err, c.want)
		} else if len(err.Error()) > 2000 {
			t.Errorf("%.100s: the error has %d characters", c.schema, len(err.Error()))
		}
	}
}

// Small schemas that take exponential time, or text without end, in a validator without a budget.
func TestBombs(t *testing.T) {
	nested := strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100)
	var doubling, refs, many, patterns strings.Builder
	for i := range 60 {
		fmt.Fprintf(&doubling, `"d%d":{"allOf":[{"$ref":"#/definitions/d%d"},{"$ref":"#/definitions/d%d"}]},`, i, i+1, i+1)
	}
	for i := range 9_000 {
		fmt.Fprintf(&many, `"property_%06d":{},`, i)
	}
	for i := range 3000 {
		fmt.Fprintf(&refs, `{"$ref":"#/enum/%d"},`, i)
		fmt.Fprintf(&patterns, `"a{1000}%d":{},`, i)
	}
	for name, c := range map[string]struct{ schema, doc, want string }{
		"doubling with each level":      {`{"properties":{"a":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}`, nested, "too many steps"},
		"doubling with each level, any": {`{"type":"object","properties":{"a":{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}}}`, nested, "too many steps"},
		"doubling in not":               {`{"type":"object","properties":{"a":{"not":{"allOf":[{"$ref":"#"},{"not":{"$ref":"#"}}]}}}}`, nested, "too many steps"},
		"doubling definitions":          {`{"$ref":"#/definitions/d0","definitions":{` + doubling.String() + `"d60":{}}}`, `1`, "too many steps"},
		"recursive":                     {`{"$ref":"#"}`, `1`, "without end"},
		"recursive over two":            {`{"$ref":"#/definitions/a","definitions":{"a":{"$ref":"#/definitions/b"},"b":{"$ref":"#/definitions/a"}}}`, `1`, "without end"},
		"recursive on parts":            {`{"properties":{"a":{"$ref":"#"}},"additionalProperties":false}`, nested, "got"},
		"170,000 characters":            {`{"properties":{` + many.String() + `"z":{"type":"null"}}}`, `{"z":1}`, "/z: got number, want null"},
		"slow pattern":                  {`{"items":{"pattern":"` + strings.Repeat("(a|b|ab)*", 100) + `c"}}`, `["` + strings.Repeat("ab", 1<<19) + `"]`, "too many steps"},
		"large regex":                   {`{"items":{"format":"regex"}}`, `[` + strings.Repeat(`"(a{1000})",`, 999) + `1]`, "too many steps"},
	} {
		s := parse(t, c.schema)
		got := check(t, s, c.doc)
		if name == "recursive on parts" {
			if got != "" {
				t.Errorf("%s: %.200s", name, got)
			}
			continue
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %.200q, want %s", name, got, c.want)
		}
		if got := check(t, s, `{}`); strings.Contains(got, "steps") && name != "doubling definitions" {
			t.Errorf("%s: and then {}: %s", name, got)
		}
	}
	for name, c := range map[string]struct{ schema, want string }{
		"refs to what is no schema": {`{"allOf":[` + refs.String() + `{}],"enum":[` + strings.Repeat(`{},`, 8000) + `1]}`, "too large"},
		"patterns":                  {`{"patternProperties":{` + patterns.String() + `"x":{}}}`, "can't be used"},
		"many schemas":              {`{"enum":[` + strings.Repeat(`true,`, 20_000) + `1]}`, "too large"},
		"many values":               {`{"enum":[` + strings.Repeat(`1,`, 250_000) + `1]}`, "more than the limit"},
	} {
		if _, err := jsonschema.Parse(c.schema); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %.200v, want %s", name, err, c.want)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	s := parse(t, `{"properties":{"a":{"type":"string","pattern":"^x"}},"patternProperties":{"^b":{"enum":[1,2,3]}}}`)
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			for range 50 {
				if got := check(t, s, `{"a":"x","b1":2}`); got != "" {
					t.Error(got)
				}
				if got := check(t, s, `{"a":"y","b1":4}`); !strings.Contains(got, "/a: ") || !strings.Contains(got, "/b1: ") {
					t.Error(got)
				}
			}
		})
	}
	wg.Wait()
}
