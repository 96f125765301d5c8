package eventbridge

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

const arn = `arn:aws:s3:::bucket/k"é`

// offloadOf is the detail of an event with its part in S3, and that part.
func offloadOf(t *testing.T, s *shape, value string) (detail, kept string) {
	t.Helper()
	b := batchOf(t, rec1(value))
	text, ok, err := s.offloaded([]byte("before"), b, 0)
	if err != nil {
		t.Fatal(err)
	}
	kept, _ = strings.CutPrefix(string(text), "before")
	if ok != (kept != "") {
		t.Errorf("offloaded is %t with %q", ok, kept)
	}
	var e entry
	text, err = s.offload(nil, &e, b, 0, arn)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, text, e).Detail, kept
}

func TestOffload(t *testing.T) {
	const (
		head = `{"topic":"gps","partition":3,"offset":7,"timestamp":1700000000123,"timestampType":"CreateTime","headers":[],"key":"k"`
		ref  = `"dataref":"arn:aws:s3:::bucket/k\"é","datarefJsonPath":`
	)
	for name, tc := range map[string]struct {
		detail, field, value string
		want, kept           string
	}{
		"value":              {detailRecord, "value", `{"a":1}`, head + `,` + ref + `"$.detail.value"}`, `{"a":1}`},
		"value, false":       {detailRecord, "value", `false`, head + `,` + ref + `"$.detail.value"}`, `false`},
		"value, null":        {detailRecord, "value", `null`, head + `,"value":null}`, ""},
		"value, a tombstone": {detailRecord, "value", ``, head + `,"value":null}`, ""},
		"field":              {detailRecord, "value.b", `{"a":1,"b":"x\u00e9/y","c":[1.0]}`, head + `,"value":{"a":1,"c":[1.0]},` + ref + `"$.detail.value.b"}`, `"x\u00e9/y"`},
		"field, alone":       {detailRecord, "value.b", `{"b":{}}`, head + `,"value":{},` + ref + `"$.detail.value.b"}`, `{}`},
		"field, []":          {detailRecord, "value.b", `{"b":[]}`, head + `,"value":{},` + ref + `"$.detail.value.b"}`, `[]`},
		"field, empty text":  {detailRecord, "value.b", `{"b":""}`, head + `,"value":{},` + ref + `"$.detail.value.b"}`, `""`},
		"field, missing":     {detailRecord, "value.b", `{"a":{"b":1}}`, head + `,"value":{"a":{"b":1}}}`, ""},
		"field, null":        {detailRecord, "value.b", `{"b":null}`, head + `,"value":{"b":null}}`, ""},
		"field of an array":  {detailRecord, "value.b", `[{"b":1}]`, head + `,"value":[{"b":1}]}`, ""},
		"deep":               {detailRecord, "value.a.b", `{"x":1,"a":{"c":1,"b":2,"d":[]},"b":3}`, head + `,"value":{"x":1,"a":{"c":1,"d":[]},"b":3},` + ref + `"$.detail.value.a.b"}`, `2`},
		"odd names":          {detailRecord, `value["a b"].c['"']`, `{"a b":{"c":{"\"":1}}}`, head + `,"value":{"a b":{"c":{}}},` + ref + `"$.detail.value['a b'].c['\"']"}`, `1`},
		"quotes in names":    {detailRecord, `value["a'\\]"]`, `{"a'\\]":1}`, head + `,"value":{},` + ref + `"$.detail.value['a\\'\\\\]']"}`, `1`},
		"flat":               {detailValue, "value.b", `{"a":1,"b":2}`, `{"a":1,` + ref + `"$.detail.b"}`, `2`},
		"flat, alone":        {detailValue, "value.b", `{"b":2}`, `{` + ref + `"$.detail.b"}`, `2`},
		"flat, all":          {detailValue, "value", `{"b":2}`, `{` + ref + `"$.detail"}`, `{"b":2}`},
		"flat, missing":      {detailValue, "value.b", `{"a":1}`, `{"a":1}`, ""},
		"flat, done before":  {detailValue, "value.b", `{"dataref":1}`, `{"dataref":1}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := shapeOf(t, func(c *Config) { c.Detail, c.Oversize.S3.Field = tc.detail, tc.field })
			if detail, kept := offloadOf(t, s, tc.value); detail != tc.want || kept != tc.kept {
				t.Errorf("got  %s\nwant %s\nkept %s, want %s", detail, tc.want, kept, tc.kept)
			}
		})
	}
}

func TestOffloadWithMore(t *testing.T) {
	s := shapeOf(t, func(c *Config) { c.ID = "id" })
	if detail, _ := offloadOf(t, s, "1"); !strings.HasSuffix(detail, `"datarefJsonPath":"$.detail.value","id":"ab000000000000000000000000000000-3-7-0"}`) {
		t.Errorf("record: got %s", detail)
	}
	s = shapeOf(t, func(c *Config) { c.Detail, c.Meta, c.Oversize.S3.Field = detailValue, true, "value.a" })
	if detail, _ := offloadOf(t, s, `{"a":1}`); !strings.HasPrefix(detail, `{"dataref":"`) || !strings.Contains(detail, `","datarefJsonPath":"$.detail.a","_meta":{"topic":`) {
		t.Errorf("value: got %s", detail)
	}
}

func TestOffloadUnusable(t *testing.T) {
	s := shapeOf(t, func(c *Config) { c.Detail, c.Oversize.S3.Field = detailValue, "value.a" })
	var e entry
	for _, value := range []string{`{"a":1,"dataref":2}`, `{"a":1,"datarefJsonPath":2}`} {
		b := batchOf(t, rec1(value))
		_, err := s.offload(nil, &e, b, 0, arn)
		_, ok, before := s.offloaded(nil, b, 0)
		for _, err := range []error{err, before} {
			if ok || err == nil || !strings.Contains(err.Error(), "oversize.s3: the value has a field dataref") || connector.ClassOf(err) != connector.Permanent {
				t.Errorf("%s: %v", value, err)
			}
		}
	}
	b := batchOf(t, rec1(`{}`))
	b.At(0).Value = b.Tape().Object([]string{"a"}, []serde.Value{b.Tape().Float64(nan())})
	out, ok, err := s.offloaded([]byte("before"), b, 0)
	if err == nil || ok || string(out) != "before" || connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), "value.a: write JSON") {
		t.Errorf("NaN: %q, %t, %v", out, ok, err)
	}
}

// TestOffloadNotJSON: what stays in the detail, or stands in it for the part, can be no JSON either.
func TestOffloadNotJSON(t *testing.T) {
	for _, detail := range []string{detailRecord, detailValue} {
		s := shapeOf(t, func(c *Config) { c.Detail, c.Oversize.S3.Field = detail, "value.a.b" })
		for want, tc := range map[string]struct {
			arn  string
			deep bool
		}{
			`value: member "n": write JSON`:             {arn, false},
			`value: member "a": member "n": write JSON`: {arn, true},
			"oversize.s3.prefix: the text isn't UTF-8":  {"\xff", false},
		} {
			b := batchOf(t, rec1(`{"a":{"b":1}}`))
			tape, n := b.Tape(), serde.Value{}
			if tc.arn == arn {
				n = tape.Float64(nan())
			}
			a, root := b.At(0).Value.Field("a"), n
			if tc.deep {
				a, root = tape.Object([]string{"b", "n"}, []serde.Value{a.Field("b"), n}), serde.Value{}
			}
			b.At(0).Value = tape.Object([]string{"a", "n"}, []serde.Value{a, root})
			var e entry
			out, err := s.offload([]byte("before"), &e, b, 0, tc.arn)
			if err == nil || !strings.Contains(err.Error(), want) || string(out) != "before" || connector.ClassOf(err) != connector.Permanent {
				t.Errorf("detail: %s: %q, %v; want %s", detail, out, err, want)
			}
		}
	}
}
