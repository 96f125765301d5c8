package handlers_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/handlers"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/json"
)

type R = connectortest.R

type opener interface {
	Validate() error
	Open(ctx context.Context) (connector.Handler, error)
}

func open(t testing.TB, c opener) connector.Handler {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	h, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// through passes records through handlers as a Connector does. It gives the
// outputs as "offset.index key value" and the failures as "offset.index error".
func through(t testing.TB, topic string, hs []connector.Handler, rs ...R) (out, failed []string) {
	t.Helper()
	value, err := json.New(json.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	p, err := connector.PreviewBatch(t.Context(), connectortest.Raw(topic, 0, rs...), serde.StringDecoder{}, value, 1<<30, hs...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Outputs.Len() {
		r := p.Outputs.At(i)
		out = append(out, fmt.Sprintf("%d.%d %s %s", r.Offset, r.Index, show(r.Key), show(r.Value)))
	}
	for _, f := range p.Failures {
		if connector.ClassOf(f.Err) != connector.Permanent {
			t.Errorf("%v is %v", f.Err, connector.ClassOf(f.Err))
		}
		failed = append(failed, fmt.Sprintf("%d.%d %v", f.Record.Offset, f.Record.Index, f.Err))
	}
	return out, failed
}

func show(v serde.Value) string {
	out, err := v.AppendJSON(nil)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// expect compares; of an error only the given part.
func expect(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.EqualFunc(got, want, strings.Contains) {
		return
	}
	t.Errorf("%s:\n got %q\nwant %q", what, got, want)
}

var positions = []R{
	{Key: "a", Value: `{"lat":1.5,"lng":2,"driver":"d1"}`},
	{Key: "b", Value: `{"lat":0,"lng":2}`},
	{Key: "c", Value: `{"lng":2}`},
	{Key: "d", NullValue: true},
	{Key: "e", Value: `{"lat":"1.5","lng":2}`},
}

func TestFilter(t *testing.T) {
	h := open(t, handlers.Filter{Rule: "value.lat != 0 && value.lng != 0"})
	out, failed := through(t, "gps", []connector.Handler{h}, positions...)
	expect(t, "outputs", out, []string{`0.0 "a" {"lat":1.5,"lng":2,"driver":"d1"}`, `3.0 "d" null`})
	expect(t, "failures", failed, []string{
		`2.0 filter: rule "value.lat != 0 && value.lng != 0": field value.lat is missing (use value.lat ?? x or value?.lat)`,
		`4.0 filter: rule "value.lat != 0 && value.lng != 0": value.lat is a text and 0 is an integer`,
	})
	h = open(t, handlers.Filter{Rule: "value != nil", Tombstones: handlers.Apply})
	if out, _ := through(t, "gps", []connector.Handler{h}, positions...); len(out) != 4 {
		t.Errorf("with tombstones: %q", out)
	}
	h = open(t, handlers.Filter{Rule: "value?.lat"})
	_, failed = through(t, "gps", []connector.Handler{h}, positions[0])
	expect(t, "no boolean", failed, []string{`0.0 filter: rule "value?.lat": value?.lat is a number, not true or false`})
}

func TestMap(t *testing.T) {
	h := open(t, handlers.Map{Fields: []handlers.Field{
		{Name: "car", Rule: "value.car_id"},
		{Name: "started", Rule: "value.start_ts"},
		{Name: "km", Rule: "value.distance_m / 1000"},
		{Name: "big", Rule: "value.n"},
		{Name: "phone", Rule: "value.phone", Mask: handlers.KeepLast, Keep: 2},
		{Name: "odd name", Rule: "{at: timestamp, where: [topic, offset]}"},
	}})
	out, failed := through(t, "trips", []connector.Handler{h},
		R{Key: "k", Timestamp: 5, Value: `{"car_id":"c-1","start_ts":1700000000123,"distance_m":12345,"n":9007199254740993,"phone":"010-1234"}`},
		R{Key: "k", Value: `{"car_id":"c-1"}`},
		R{Key: "k", NullValue: true})
	expect(t, "outputs", out, []string{
		`0.0 "k" {"car":"c-1","started":1700000000123,"km":12.345,"big":9007199254740993,"phone":"******34","odd name":{"at":5,"where":["trips",0]}}`,
		`2.0 "k" null`,
	})
	expect(t, "failures", failed, []string{`1.0 map: field started: rule "value.start_ts": field value.start_ts is missing`})
}

func TestSet(t *testing.T) {
	h := open(t, handlers.Set{Fields: []handlers.Field{
		{Name: "a", Rule: "value.a + 1"},
		{Name: "pos.source", Rule: "topic"},
		{Name: "new.deep", Rule: "value.a"},
		{Name: `["odd.name"]`, Rule: "key", Mask: handlers.Redact},
	}})
	out, failed := through(t, "t", []connector.Handler{h},
		R{Key: "k", Value: `{"a":1,"pos":{"x":2},"z":1e2}`},
		R{Key: "k", Value: `{"a":1,"pos":3}`},
		R{Key: "k", Value: `{"a":1,"pos":null}`},
		R{Key: "k", Value: `[1]`})
	expect(t, "outputs", out, []string{`0.0 "k" {"a":2,"pos":{"x":2,"source":"t"},"z":1e2,"new":{"deep":1},"odd.name":"***"}`})
	expect(t, "failures", failed, []string{
		`1.0 set pos.source: field pos is an integer, not an object`,
		`2.0 set pos.source: field pos is null, not an object`,
		`3.0 set: field a: rule "value.a + 1": field value is a list and has no field a`,
	})
	h = open(t, handlers.Set{Fields: []handlers.Field{{Name: "deleted", Rule: "value == nil"}}, Tombstones: handlers.Apply})
	out, _ = through(t, "t", []connector.Handler{h}, R{Key: "k", NullValue: true})
	expect(t, "tombstone", out, []string{`0.0 "k" {"deleted":true}`})
	// What was a tombstone has a value now, which the next rule sees.
	out, _ = through(t, "t", []connector.Handler{h, open(t, handlers.Filter{Rule: "!value.deleted"})}, R{Key: "k", NullValue: true})
	expect(t, "filtered", out, nil)
}

func TestDrop(t *testing.T) {
	h := open(t, handlers.Drop{Fields: []string{"a", "pos.acc", "list[*].secret", `["odd name"]`}})
	out, failed := through(t, "t", []connector.Handler{h},
		R{Value: `{"a":1,"b":2,"pos":{"acc":1,"x":1},"list":[{"secret":1,"y":1},{"y":2},null],"odd name":1}`},
		R{Value: `{"b":2}`},
		R{NullValue: true},
		R{Value: `{"list":{"secret":1}}`},
		R{Value: `"text"`},
		R{Value: `{"pos":[{"acc":1}]}`})
	expect(t, "outputs", out, []string{
		`0.0 "" {"b":2,"pos":{"x":1},"list":[{"y":1},{"y":2},null]}`, `1.0 "" {"b":2}`, `2.0 "" null`})
	expect(t, "failures", failed, []string{
		`3.0 drop list[*].secret: field list is an object, not a list`,
		`4.0 drop pos.acc: the value is a text, not an object`,
		`5.0 drop pos.acc: field pos is a list, not an object (write pos[*].acc for every element)`,
	})
}

func TestRename(t *testing.T) {
	h := open(t, handlers.Rename{Fields: []handlers.Renamed{
		{From: "a", To: "b"}, {From: "b", To: "a"}, {From: "pos.lat", To: "latitude"}, {From: "list[*].n", To: "m"}, {From: "nope", To: "x"}}})
	out, failed := through(t, "t", []connector.Handler{h},
		R{Value: `{"a":1,"b":2,"pos":{"lat":1,"x":1},"list":[{"n":1},{}]}`},
		R{Value: `{"c":1}`},
		R{Value: `{"pos":{"lat":1,"latitude":1}}`},
		R{Value: `{"pos":1}`},
		R{NullValue: true})
	expect(t, "outputs", out, []string{
		`0.0 "" {"b":1,"a":2,"pos":{"latitude":1,"x":1},"list":[{"m":1},{}]}`, `1.0 "" {"c":1}`, `4.0 "" null`})
	expect(t, "failures", failed, []string{
		`2.0 rename: the object has two fields pos.latitude then`,
		`3.0 rename: field pos is an integer, not an object`,
	})
}

const maskText = "0123456789abcdef"

func TestMask(t *testing.T) {
	h := open(t, handlers.Mask{Fields: []handlers.MaskedField{
		{Path: "key", Method: handlers.HMAC, Key: secret.New(maskText)},
		{Path: "value.phone", Method: handlers.KeepLast},
		{Path: "value.name", Method: handlers.Redact},
		{Path: "value.contacts[*].mail", Method: handlers.HMAC, Key: secret.New(maskText)},
		{Path: `value["card no"]`, Method: handlers.KeepLast, Keep: 3},
	}})
	out, failed := through(t, "t", []connector.Handler{h},
		R{Key: "k", Value: `{"phone":"010-héé1","name":"Ann","contacts":[{"mail":"a@b"},{"mail":null},{}],"card no":12345}`},
		R{Key: "k", Value: `{"phone":"1234","name":{"first":"A"},"contacts":null}`},
		R{Key: "k", NullValue: true},
		R{Key: "k", Value: `{"contacts":{"mail":"a@b"}}`},
		R{Key: "k", Value: `{"phone":{"home":"1"}}`},
		R{Key: "k", Value: `{"phone":true}`},
		R{NullKey: true, Value: `{"other":1}`})
	// HMAC-SHA256 of "k" and of "a@b", computed by openssl dgst -sha256 -hmac 0123456789abcdef.
	const k, mail = "e51aafa1d4392040fcc4f20192c9dad2ac19262d236b87c4595a1aaf2af1e518", "1a96317a95e681022442aa2a173cf256fdea8657c01f4a5361acc8d55714a11a"
	expect(t, "outputs", out, []string{
		`0.0 "` + k + `" {"phone":"****héé1","name":"***","contacts":[{"mail":"` + mail + `"},{"mail":null},{}],"card no":"**345"}`,
		`1.0 "` + k + `" {"phone":"****","name":null,"contacts":null}`,
		`2.0 "` + k + `" null`,
		`6.0 null {"other":1}`,
	})
	expect(t, "failures", failed, []string{
		`3.0 mask value.contacts[*].mail: field contacts is an object, not a list`,
		`4.0 mask value.phone: keep_last takes a scalar, not an object: name the fields in it`,
		`5.0 mask value.phone: keep_last takes a text or a number, not a bool`,
	})
}

func TestFlatten(t *testing.T) {
	const order = `{"id":7,"items":[{"sku":"x"},{"sku":"y"}],"in":{"list":[1,2],"z":0}}`
	for _, c := range []struct {
		name    string
		flatten handlers.Flatten
		records []R
		out     []string
		failed  []string
	}{
		{"in place", handlers.Flatten{Path: "value.items"}, []R{{Key: "k", Value: order}},
			[]string{`0.1 "k" {"id":7,"items":{"sku":"x"},"in":{"list":[1,2],"z":0}}`, `0.2 "k" {"id":7,"items":{"sku":"y"},"in":{"list":[1,2],"z":0}}`}, nil},
		{"renamed", handlers.Flatten{Path: "value.items", As: "item"}, []R{{Key: "k", Value: order}},
			[]string{`0.1 "k" {"id":7,"in":{"list":[1,2],"z":0},"item":{"sku":"x"}}`, `"item":{"sku":"y"}}`}, nil},
		{"nested", handlers.Flatten{Path: `value["in"].list`, As: "n"}, []R{{Key: "k", Value: order}},
			[]string{`"in":{"z":0,"n":1}}`, `"in":{"z":0,"n":2}}`}, nil},
		{"the value itself", handlers.Flatten{Path: "value"}, []R{{Key: "k", Value: `[1,{"a":2}]`}}, []string{`0.1 "k" 1`, `0.2 "k" {"a":2}`}, nil},
		{"an expression", handlers.Flatten{Path: `filter(value.items, .sku == "y")`, As: "item"}, []R{{Key: "k", Value: order}},
			[]string{`"item":{"sku":"y"}}`}, nil},
		{"empty, missing, wrong", handlers.Flatten{Path: "value.items"},
			[]R{{Key: "k", Value: `{"items":[]}`}, {Key: "k", Value: `{}`}, {Key: "k", Value: `{"items":3}`}, {Key: "k", NullValue: true}, {Key: "k", Value: `{"items":null}`}},
			[]string{`3.0 "k" null`},
			[]string{`1.0 flatten: rule "value.items": field value.items is missing`, `2.0 flatten: value.items is an integer, not a list`}},
		{"optional", handlers.Flatten{Path: "value?.items"}, []R{{Key: "k", Value: `{}`}, {Key: "k", Value: `{"items":[1]}`}},
			[]string{`1.1 "k" {"items":1}`}, nil},
		{"too many", handlers.Flatten{Path: "value.items"},
			[]R{{Key: "k", Value: `{"items":[0` + strings.Repeat(",0", 100_000) + `]}`}}, nil,
			[]string{`0.0 flatten: value.items has 100001 elements, at most 100000 are allowed`}},
		{"too large", handlers.Flatten{Path: "value.items"},
			[]R{{Key: "k", Value: `{"rest":"` + strings.Repeat("x", 7000) + `","items":[0` + strings.Repeat(",0", 9_999) + `]}`}}, nil,
			[]string{`0.0 flatten: 10000 elements with 7011 bytes of the rest each are more than 64 MiB`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, failed := through(t, "t", []connector.Handler{open(t, c.flatten)}, c.records...)
			expect(t, "outputs", out, c.out)
			expect(t, "failures", failed, c.failed)
		})
	}
}

// A failed child is buried as that child; its siblings and neighbours go on.
func TestChain(t *testing.T) {
	hs := []connector.Handler{
		open(t, handlers.Flatten{Path: "value.items", As: "item"}),
		open(t, handlers.Filter{Rule: "value.item.n > 1"}),
		open(t, handlers.Map{Fields: []handlers.Field{{Name: "id", Rule: "id"}, {Name: "twice", Rule: "value.item.n * 2"}}}),
	}
	out, failed := through(t, "t", hs,
		R{Key: "k", Value: `{"items":[{"n":1},{"n":2},{"x":0},{"n":4}]}`}, R{Key: "l", Value: `{"items":[{"n":5}]}`})
	expect(t, "outputs", out, []string{
		`0.2 "k" {"id":"6d696c6c726163650000000000000001-0-0-2","twice":4}`,
		`0.4 "k" {"id":"6d696c6c726163650000000000000001-0-0-4","twice":8}`,
		`1.1 "l" {"id":"6d696c6c726163650000000000000001-0-1-1","twice":10}`,
	})
	expect(t, "failures", failed, []string{`0.3 filter: rule "value.item.n > 1": field value.item.n is missing`})
}

func TestValidate(t *testing.T) {
	field := func(name, rule string) []handlers.Field { return []handlers.Field{{Name: name, Rule: rule}} }
	mask := func(path string, m handlers.Method, keep int, key secret.Text) opener {
		return handlers.Mask{Fields: []handlers.MaskedField{{Path: path, Method: m, Keep: keep, Key: key}}}
	}
	for _, c := range []struct {
		config opener
		want   string
	}{
		{handlers.Filter{}, `rule: the rule is empty: if it begins with "!", quote it`},
		{handlers.Filter{Rule: "lat != 0"}, "rule: rule \"lat != 0\": unknown name lat"},
		{handlers.Filter{Rule: "true", Tombstones: "keep"}, `tombstones: "keep" is neither pass nor apply`},
		{handlers.Map{}, `fields: map needs at least one field`},
		{handlers.Map{Fields: field("car", "value.")}, `car: rule "value."`},
		{handlers.Map{Fields: field("", "value")}, `fields: field 1 needs a name`},
		{handlers.Map{Fields: append(field("a", "1"), field("a", "2")...)}, `a: the field is named twice`},
		{handlers.Map{Fields: append(field("a", "x"), field("b", "y")...)}, `b: rule "y": unknown name y`},
		{handlers.Map{Fields: []handlers.Field{{Name: "a", Rule: "key", Mask: "md5"}}}, `a: mask "md5" is none of redact, keep_last and hmac`},
		{handlers.Map{Fields: []handlers.Field{{Name: "a", Rule: "key", Keep: 3}}}, `a: mask "" is none of`},
		{handlers.Set{}, `fields: set needs`},
		{handlers.Set{Fields: field("a[*].b", "1")}, `a[*].b: [*] can't be set`},
		{handlers.Set{Fields: field("a b", "1")}, `a b: "a b" isn't the name of a field`},
		{handlers.Drop{}, `fields: drop needs`},
		{handlers.Drop{Fields: []string{"a..b"}}, `fields: "a..b" isn't the name of a field`},
		{handlers.Drop{Fields: []string{`["a`}}, `isn't closed`},
		{handlers.Rename{}, `fields: rename needs`},
		{handlers.Rename{Fields: []handlers.Renamed{{From: "a"}}}, `a: the new name is empty`},
		{handlers.Rename{Fields: []handlers.Renamed{{From: "a[*]", To: "b"}}}, `a[*]: elements of a list have no names`},
		{handlers.Mask{}, `fields: mask needs`},
		{mask("phone", handlers.Redact, 0, secret.Text{}), `phone: a path begins with value or key: write value.phone`},
		{mask("value.phone", "", 0, secret.Text{}), `value.phone: mask "" is none of`},
		{mask("value.phone", handlers.HMAC, 0, secret.Text{}), `value.phone: hmac needs a key of at least 16 bytes`},
		{mask("value.phone", handlers.HMAC, 0, secret.New("short")), `hmac needs a key of at least 16 bytes`},
		{mask("value.phone", handlers.Redact, 0, secret.New(maskText)), `key is a setting of hmac, not of redact`},
		{mask("value.phone", handlers.Redact, 3, secret.Text{}), `keep is a setting of keep_last, not of redact`},
		{mask("value.phone", handlers.KeepLast, -1, secret.Text{}), `keep is a number from 1 to 1000`},
		{handlers.Flatten{}, `path: the rule is empty`},
		{handlers.Flatten{Path: "map(value.a, #)"}, `as: the path map(value.a, #) isn't a field of the value: name the element with as`},
		{handlers.Flatten{Path: "value.a", Tombstones: "x"}, `tombstones:`},
	} {
		err := c.config.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T: error %v, want %q in it", c.config, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), maskText) {
			t.Errorf("%v shows the key", err)
		}
		if _, openErr := c.config.Open(t.Context()); openErr == nil {
			t.Errorf("%T opens, but isn't valid: %v", c.config, err)
		}
	}
}
