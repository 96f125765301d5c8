package handlers_test

import (
	"context"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/handlers"
)

// ends is a source and a sink that are never opened.
type ends struct{}

func (ends) Validate() error                                    { return nil }
func (ends) Open(context.Context) (connector.LoaderFunc, error) { return nil, nil }

type source struct{}

func (source) Validate() error                                  { return nil }
func (source) Open(context.Context) (connector.Consumer, error) { return nil, nil }

func registry() *config.Registry {
	return config.NewRegistry(
		config.Source("queue", func(string) source { return source{} }),
		config.Loader("store", func() ends { return ends{} }),
		config.Handler("filter", handlers.DefaultFilter),
		config.Handler("map", handlers.DefaultMap),
		config.Handler("set", handlers.DefaultSet),
		config.Handler("rename", handlers.DefaultRename),
		config.Handler("drop", handlers.DefaultDrop),
		config.Handler("mask", handlers.DefaultMask),
		config.Handler("flatten", handlers.DefaultFlatten),
		config.Handler("event_pattern", handlers.DefaultEventPattern),
	)
}

func parse(t *testing.T, list string) ([]config.Choice, error) {
	t.Helper()
	text := "name: test\nsource: {queue: {}}\nhandlers:\n" + list + "\nsink: {store: {}}\n"
	f, err := registry().Parse("test.yaml", []byte(text), config.Environment{Lookup: func(name string) (string, bool) {
		return map[string]string{"MASK_KEY": maskText}[name], name == "MASK_KEY"
	}})
	if err != nil {
		return nil, err
	}
	return f.Connectors[0].Handlers, nil
}

// The forms that the package's documentation shows do what it says.
func TestFile(t *testing.T) {
	choices, err := parse(t, `
- filter: value.lat != 0 && value.lng != 0
- flatten: {path: value.items, as: item}
- set: {pos.source: topic, n: value.item.n * 2}
- rename: {car: car_id}
- drop: [driver, item]
- mask: {value.phone: keep_last, value.vin: {method: hmac, key: "${MASK_KEY}"}}
- filter: {rule: "!(value.n == nil)", tombstones: apply}
- map: {car: value.car_id, n: value.n, phone: value.phone, vin: "value.vin[:4]", from: value.pos.source}
`)
	if err != nil {
		t.Fatal(err)
	}
	var hs []connector.Handler
	for _, c := range choices {
		o, ok := c.Config.(opener)
		if !ok {
			t.Fatalf("%s: %T isn't a handler's settings", c.Name, c.Config)
		}
		hs = append(hs, open(t, o))
	}
	out, failed := through(t, "cars", hs,
		R{Key: "k", Value: `{"lat":1,"lng":2,"car":"c","driver":"d","phone":"01012345678","vin":"WDB","items":[{"n":1},{"n":2}]}`})
	expect(t, "outputs", out, []string{
		`0.1 "k" {"car":"c","n":2,"phone":"*******5678","vin":"`, `0.2 "k" {"car":"c","n":4,"phone":"*******5678"`})
	expect(t, "failures", failed, nil)
}

// A pattern is the same as a text, as JSON that is YAML, and as YAML's own maps and lists.
func TestFormsOfAPattern(t *testing.T) {
	for _, form := range []string{
		`'{"detail": {"value": {"kind": ["1", null, {"prefix": "a"}], "n": [{"numeric": [">", 1.5]}], "ok": [true]}}}'`,
		`{pattern: {"detail": {"value": {"kind": ["1", null, {"prefix": "a"}], "n": [{"numeric": [">", 1.5]}], "ok": [true]}}}}`,
		`{pattern: {detail: {value: {kind: ['1', ~, {prefix: a}], n: [{numeric: ['>', 1.5]}], ok: [true]}}}}`,
	} {
		choices, err := parse(t, "- event_pattern: "+form)
		if err != nil {
			t.Errorf("%s: %v", form, err)
			continue
		}
		out, failed := through(t, "cars", []connector.Handler{open(t, choices[0].Config.(opener))},
			R{Key: "a", Value: `{"kind":"1","n":2,"ok":true}`}, R{Key: "b", Value: `{"kind":1,"n":2,"ok":true}`}, R{Key: "c", Value: `{"kind":null,"n":2,"ok":true}`},
			R{Key: "d", Value: `{"kind":"ab","n":1.5,"ok":true}`}, R{Key: "e", Value: `{"kind":"ab","n":1.51,"ok":true}`}, R{Key: "f", Value: `{"kind":"1","n":2,"ok":"true"}`})
		expect(t, form, out, []string{`0.0 "a"`, `2.0 "c"`, `4.0 "e"`})
		expect(t, form, failed, nil)
	}
}

func TestFileErrors(t *testing.T) {
	for _, c := range []struct{ list, want string }{
		{`- filter: !value.bad`, `quote it`},
		{`- filter: lat != 0`, `unknown name lat`},
		{`- fliter: value.x`, `did you mean "filter"?`},
		{`- aggregate: {}`, `it has drop, event_pattern, filter, flatten, map, mask, rename, set`},
		{`- map: {car: value., km: 1}`, "test.yaml:4:14: car: rule \"value.\""},
		{`- mask: {value.phone: md5}`, `is none of redact, keep_last and hmac`},
		{`- mask: {value.vin: {method: hmac, key: short}}`, `hmac needs a key of at least 16 bytes`},
		{`- flatten: {path: value.a, to: b}`, `"to"`},
		{`- drop: []`, `drop needs at least one name`},
		{`- event_pattern: {pattern: {detail: {value: {n: 1}}}}`, `detail.value.n`},
		{`- event_pattern: {pattern: {account: ["1"]}}`, `not known before the event is sent`},
	} {
		_, err := parse(t, c.list)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.list, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "key: short}") {
			t.Errorf("the key is shown: %v", err)
		}
	}
}
