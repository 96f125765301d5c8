package eventbridge

import (
	"testing"

	"github.com/millrace/millrace/connector"
)

func TestDetailTypes(t *testing.T) {
	path := DetailType{Text: "fallback-{topic}", Path: "value.type"}
	header := DetailType{Text: "fallback-{topic}", Path: "headers.type"}
	topics := DetailType{Text: "fallback", Path: "value.type", Topics: []TopicType{{"other", "Other"}, {"gps", "Of-{value.type}"}}}
	for name, tc := range map[string]struct {
		set  DetailType
		rec  connector.Record
		want string
	}{
		"text":                    {DetailType{Text: "my-{topic}-type-{topic}"}, rec1("1"), "my-gps-type-gps"},
		"text of a field":         {DetailType{Text: "{value.a}.{key}"}, rec1(`{"a":{"b":1}}`), `{"b":1}.k`},
		"path":                    {path, rec1(`{"type":"order.created"}`), "order.created"},
		"path: white space stays": {path, rec1(`{"type":" x "}`), " x "},
		"path: escapes":           {path, rec1(`{"type":"\u00e9\"中"}`), "é\"中"},
		"path: missing":           {path, rec1(`{}`), "fallback-gps"},
		"path: null":              {path, rec1(`{"type":null}`), "fallback-gps"},
		"path: empty":             {path, rec1(`{"type":""}`), "fallback-gps"},
		"path: white space only":  {path, rec1(`{"type":" \n"}`), "fallback-gps"},
		"path: a number":          {path, rec1(`{"type":7}`), "fallback-gps"},
		"path: true":              {path, rec1(`{"type":true}`), "fallback-gps"},
		"path: not an object":     {path, rec1(`["type"]`), "fallback-gps"},
		"path: a tombstone":       {path, rec1(""), "fallback-gps"},
		"path: an element":        {DetailType{Text: "x", Path: `value.items[0]["type"]`}, rec1(`{"items":[{"type":"first"}]}`), "first"},
		"path: no such header":    {header, rec1("1"), "fallback-gps"},
		"path: a header":          {header, connector.Record{Headers: []connector.Header{{Name: "type", Value: []byte("h")}}}, "h"},
		"path: an expression":     {DetailType{Text: "x", Path: `value.a + "-" + value.b`}, rec1(`{"a":"p","b":"q"}`), "p-q"},
		"topics":                  {topics, rec1(`{"type":"t"}`), "Of-t"},
	} {
		t.Run(name, func(t *testing.T) {
			got := eventOf(t, shapeOf(t, func(c *Config) { c.DetailType = tc.set }), batchOf(t, tc.rec))
			if got.DetailType != tc.want {
				t.Errorf("got %q, want %q", got.DetailType, tc.want)
			}
		})
	}
}
