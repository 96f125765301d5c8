package dynamodb

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// whole is a record's item, with the key that it makes.
func whole(e *itemEncoder, dst []byte, b *connector.Batch, i int) (out []byte, size int, err error) {
	keyed, size, err := e.key(dst, b, i)
	if err != nil {
		return dst, 0, err
	}
	return e.item(dst, keyed[len(dst):], size, b, i)
}

func TestItems(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		value  string
		want   string
	}{
		{"members", nil, `{"a":1,"b":null,"c":{"d":[]}}`, `"id":{"S":"k"},"a":{"N":"1"},"b":{"NULL":true},"c":{"M":{"d":{"L":[]}}}`},
		{"no members", nil, `{}`, `"id":{"S":"k"}`},
		{"key outranks members", nil, `{"id":"other","a":1}`, `"id":{"S":"k"},"a":{"N":"1"}`},
		{"only a member named like the key", nil, `{"id":"other"}`, `"id":{"S":"k"}`},
		{"inside of members it counts", nil, `{"a":{"id":"other"}}`, `"id":{"S":"k"},"a":{"M":{"id":{"S":"other"}}}`},
		{"attributes outrank members", func(c *Config) { c.Attributes = []Attribute{{"a", "value.b"}, {"n", "offset"}} },
			`{"a":1,"b":2}`, `"id":{"S":"k"},"b":{"N":"2"},"a":{"N":"2"},"n":{"N":"7"}`},
		{"missing attributes are left out, with the members of their names", func(c *Config) { c.Attributes = []Attribute{{"a", "value.none"}, {"b", "value.c"}} },
			`{"a":1,"c":null}`, `"id":{"S":"k"},"c":{"NULL":true},"b":{"NULL":true}`},
		{"attributes alone", func(c *Config) { c.Item, c.Attributes = "", []Attribute{{"x", "value.a.b"}} }, `{"a":{"b":[1]}}`, `"id":{"S":"k"},"x":{"L":[{"N":"1"}]}`},
		{"only missing ones", func(c *Config) { c.Item, c.Attributes = "", []Attribute{{"x", "value.a"}, {"y", "value.b"}} }, `{}`, `"id":{"S":"k"}`},
		{"sets of attributes", func(c *Config) {
			c.Item, c.Attributes, c.Sets = "", []Attribute{{"x", "value.a"}, {"y", "value.b"}, {"z", "value.c"}}, []string{"x", "y.tags", "z"}
		}, `{"a":["p","p"],"b":{"tags":[1]},"c":[]}`, `"id":{"S":"k"},"x":{"SS":["p"]},"y":{"M":{"tags":{"NS":["1"]}}}`},
		{"part of the value", func(c *Config) { c.Item = "value.after" }, `{"after":{"a":1},"op":"u"}`, `"id":{"S":"k"},"a":{"N":"1"}`},
		{"object of a rule", func(c *Config) { c.Item = `{a: value.x, "b c": key}` }, `{"x":5}`, `"id":{"S":"k"},"a":{"N":"5"},"b c":{"S":"k"}`},
		{"ttl after", func(c *Config) { c.TTL = TTL{Attribute: "expires", After: connector.Duration(90 * 24 * 3600e9)} },
			`{"expires":"never","a":1}`, `"id":{"S":"k"},"a":{"N":"1"},"expires":{"N":"1775001601"}`},
		{"ttl at", func(c *Config) { c.TTL = TTL{Attribute: "expires", At: "value.until"} }, `{"until":1800000000}`, `"id":{"S":"k"},"until":{"N":"1800000000"},"expires":{"N":"1800000000"}`},
		{"ttl at nothing", func(c *Config) { c.TTL = TTL{Attribute: "expires", At: "value.until"} }, `{"expires":5,"a":1}`, `"id":{"S":"k"},"a":{"N":"1"}`},
		{"ttl at null", func(c *Config) { c.TTL = TTL{Attribute: "expires", At: "value.until"} }, `{"until":null}`, `"id":{"S":"k"},"until":{"NULL":true}`},
		{"ttl for deletions only", func(c *Config) { c.TTL = TTL{Attribute: "expires"} }, `{"expires":5}`, `"id":{"S":"k"},"expires":{"N":"5"}`},
		{"names near the guard's", func(c *Config) { c.Write = writeNewest }, `{"_millrac":1,"_millrace2":2,"a":{"_millrace":3}}`,
			`"id":{"S":"k"},"_millrac":{"N":"1"},"_millrace2":{"N":"2"},"a":{"M":{"_millrace":{"N":"3"}}}`},
		{"fast has no guard", nil, `{"_millrace":1}`, `"id":{"S":"k"},"_millrace":{"N":"1"}`},
	} {
		out, size, err := whole(compiled(t, test.change), []byte("{"), one(t, "k", test.value), 0)
		if err != nil || string(out) != "{"+test.want {
			t.Errorf("%s: %s, %v; want %s", test.name, out, err, test.want)
			continue
		}
		if item, err := decodeItem(out[1:]); err != nil || itemSize(item) != size {
			t.Errorf("%s: %s: %d bytes, want %d, %v", test.name, out, size, itemSize(item), err)
		}
	}
}

func TestItemsRefused(t *testing.T) {
	newest := func(c *Config) { c.Write = writeNewest }
	for _, test := range []struct {
		name   string
		change func(*Config)
		value  string
		want   string
	}{
		{"array", nil, `[1]`, "item (value) is of kind array; want an object, whose members become attributes"},
		{"null", nil, `null`, "item (value) is of kind null; want an object"},
		{"missing", func(c *Config) { c.Item = "value.after" }, `{}`, "item (value.after) is of kind missing; want an object"},
		{"error of a rule", func(c *Config) { c.Item = "{a: value.x}" }, `{}`, `item: rule "{a: value.x}": `},
		{"error of an attribute", func(c *Config) { c.Attributes = []Attribute{{"a", "value.x + 1"}} }, `{}`, `attributes.a: rule "value.x + 1": `},
		{"attribute", func(c *Config) { c.Attributes = []Attribute{{"a", "value.x"}} }, `{"x":{"b":[1e400]},"a":1}`, "item (value): attribute x.b[0] is the number 1e400"},
		{"attribute alone", func(c *Config) { c.Item, c.Attributes = "", []Attribute{{"a", "value.x"}} }, `{"x":{"b":[1e400]}}`, "attributes.a (value.x): attribute a.b[0] is the number 1e400"},
		{"guard", newest, `{"a":1,"_millrace":1}`, "item (value): attribute _millrace has a name that belongs to the setting guard"},
		{"guard's counter", newest, `{"_millrace:trips/0":1}`, `item (value): attribute ["_millrace:trips/0"] has a name that belongs to the setting guard`},
		{"empty name", nil, `{"":1}`, `item (value): attribute [""] has a name of 0 bytes`},
		{"key", func(c *Config) { c.Key[0].Rule = "value.id" }, `{}`, "key.id (value.id) is missing"},
		{"ttl", func(c *Config) { c.TTL = TTL{Attribute: "expires", At: "value.until"} }, `{"until":"soon"}`, "ttl.at (value.until) is of kind string; want a timestamp, or whole seconds since 1970"},
	} {
		out, size, err := whole(compiled(t, test.change), []byte("{"), one(t, "k", test.value), 0)
		if err == nil || !strings.Contains(err.Error(), test.want) || connector.ClassOf(err) != connector.Permanent || string(out) != "{" || size != 0 {
			t.Errorf("%s: %s, %d, %v; want %s", test.name, out, size, err, test.want)
		}
	}
}

func TestEncoderRefusesSettings(t *testing.T) {
	for _, test := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Key = []Attribute{{"a", "key"}, {"b", "key"}, {"c", "key"}} }, "key: has 3 attributes"},
		{func(c *Config) { c.Key = []Attribute{{strings.Repeat("x", 256), "key"}} }, "has 256 bytes; DynamoDB takes 1 to 255"},
		{func(c *Config) { c.Key = []Attribute{{"a", "key"}, {"a", "value"}} }, `key: the attribute "a" is in key already`},
		{func(c *Config) { c.Key = []Attribute{{"a", "key +"}} }, "key.a: rule"},
		{func(c *Config) { c.Attributes = []Attribute{{"id", "key"}} }, `attributes: the attribute "id" is in key already`},
		{func(c *Config) { c.Attributes = []Attribute{{"", "key"}} }, "attributes: the name of an attribute has 0 bytes"},
		{func(c *Config) { c.Attributes = []Attribute{{strings.Repeat("x", 65_536), "key"}} }, "attributes: the name of an attribute has 65536 bytes"},
		{func(c *Config) { c.Attributes = []Attribute{{"a", ""}} }, "attributes.a: the rule is empty"},
		{func(c *Config) { c.Item = "value." }, "item: rule"},
		{func(c *Config) { c.TTL = TTL{Attribute: "id", After: 5} }, `ttl.attribute: the attribute "id" is in key already`},
		{func(c *Config) { c.TTL = TTL{Attribute: "e", At: "("} }, "ttl.at: rule"},
		{func(c *Config) { c.TTL = TTL{Attribute: strings.Repeat("x", 65_536), After: 5} }, "ttl.attribute: the name has 65536 bytes"},
		{func(c *Config) { c.Sets = []string{"a", "a"} }, `sets: the path "a"`},
		{func(c *Config) { c.Sets = []string{"id"} }, `sets: "id" is in key, and keys have no sets`},
	} {
		c := DefaultConfig()
		c.Key, c.Item = []Attribute{{"id", "key"}}, "value"
		test.change(&c)
		if _, err := c.encoder(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v; want %s", err, test.want)
		}
	}
}

func TestAttributes(t *testing.T) {
	c := DefaultConfig()
	c.Sets = []string{"tags", "m.tags"}
	list, err := c.attributes("update.set", []Attribute{{"tags", "value.x"}, {"n", "value.x"}, {"m", "value.x"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		attribute int
		value     string
		set, add  string // "": left out; an error begins with !
	}{
		{0, `{"x":["a","a"]}`, `{"SS":["a"]}`, `{"SS":["a"]}`},
		{0, `{"x":[]}`, ``, ``},
		{0, `{}`, ``, ``},
		{0, `{"x":null}`, `{"NULL":true}`, `!update.set.tags (value.x) is of kind null; sets names tags, so that only an array can be added to it`},
		{0, `{"x":5}`, `!update.set.tags (value.x): attribute tags is of kind integer; sets names it`, `!is of kind integer; sets names tags`},
		{0, `{"x":[null]}`, `!update.set.tags (value.x): attribute tags[0] is of kind null`, `!attribute tags[0] is of kind null`},
		{1, `{"x":5.50}`, `{"N":"5.50"}`, `{"N":"5.50"}`},
		{1, `{"x":1e126}`, `!attribute n is the number 1e126`, `!attribute n is the number 1e126`},
		{1, `{}`, ``, ``},
		{1, `{"x":"a"}`, `{"S":"a"}`, `!update.set.n (value.x) is of kind string; only numbers and sets can be added`},
		{1, `{"x":null}`, `{"NULL":true}`, `!is of kind null; only numbers`},
		{1, `{"x":[1]}`, `{"L":[{"N":"1"}]}`, `!is an array; to add its elements to a set, name n in sets`},
		{2, `{"x":{"tags":[1,1]}}`, `{"M":{"tags":{"NS":["1"]}}}`, `!is of kind object; only numbers`},
	} {
		a, b := &list[test.attribute], one(t, "k", test.value)
		for _, try := range []struct {
			want string
			f    func([]byte, *connector.Batch, int) ([]byte, int, bool, error)
		}{{test.set, a.value}, {test.add, a.addend}} {
			out, size, there, err := try.f([]byte("x"), b, 0)
			if refused, ok := strings.CutPrefix(try.want, "!"); ok {
				if err == nil || !strings.Contains(err.Error(), refused) || connector.ClassOf(err) != connector.Permanent || string(out) != "x" {
					t.Errorf("%s: %s, %v; want %s", test.value, out, err, refused)
				}
				continue
			}
			if err != nil || there != (try.want != "") || string(out) != "x"+try.want {
				t.Errorf("%s: %s, %v, %v; want %s", test.value, out, there, err, try.want)
				continue
			}
			if !there {
				continue
			}
			if v, err := decodeValue(out[1:]); err != nil || size != valueSize(v)+len(a.name) {
				t.Errorf("%s: %d bytes, %v", out, size, err)
			}
		}
	}
}

func TestTTL(t *testing.T) {
	tape := serde.NewTape()
	second := int64(1_800_000_000)
	for _, test := range []struct {
		v    serde.Value
		want int64 // -1: refused; -2: none
	}{
		{tape.Int64(second), second}, {tape.Float64(5), 5}, {tape.Int64(0), 0}, {tape.Int64(lastSecond), lastSecond}, {tape.Int64(lastSecond + 1), -1},
		{tape.Int64(1_767_225_600_123), -1}, {tape.Int64(-1), -1}, {tape.Float64(5.5), -1}, {tape.String("5"), -1}, {tape.Bool(true), -1},
		{tape.Null(), -2}, {serde.Value{}, -2}, {tape.Date(1), 86_400}, {tape.TimeOfDay(5), -1},
		{timestamp(t, tape, 1_000_000), 1}, {timestamp(t, tape, 1_000_001), 2}, {timestamp(t, tape, -1), 0}, {timestamp(t, tape, -1_000_000), -1},
	} {
		e := compiled(t, func(c *Config) { c.TTL = TTL{Attribute: "e", At: "value"} })
		b := connector.NewBatch(connector.Source{}, []connector.Record{{Value: test.v}}, nil)
		s, there, err := e.expires.seconds(b, 0)
		if (err != nil) != (test.want == -1) || there != (test.want >= 0) || there && s != test.want || err != nil && connector.ClassOf(err) != connector.Permanent {
			t.Errorf("%s: %d, %v, %v; want %d", test.v.Kind(), s, there, err, test.want)
		}
	}
	for after, want := range map[connector.Duration]string{1e9: "1767225602", 877e6: "1767225601", 878e6: "1767225602", 1e6: "1767225601"} {
		e := compiled(t, func(c *Config) { c.TTL = TTL{Attribute: "ex", After: after} })
		out, size, there, err := e.ttl(nil, one(t, "k", `{}`), 0)
		if err != nil || !there || string(out) != `{"N":"`+want+`"}` || size != 2+6 {
			t.Errorf("%d: %s, %d, %v, %v", after, out, size, there, err)
		}
	}
	e := compiled(t, func(c *Config) { c.TTL = TTL{Attribute: "e", After: 1e9} })
	b := connector.NewBatch(connector.Source{}, []connector.Record{{Timestamp: -1}}, nil)
	if _, _, there, err := e.ttl(nil, b, 0); err == nil || there || connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), "ttl.after: the record has no timestamp") {
		t.Error(err)
	}
}

func timestamp(t *testing.T, tape *serde.Tape, us int64) serde.Value {
	t.Helper()
	w := tape.Write(nil, nil, 1)
	w.Timestamp(serde.Name{}, us)
	v, err := w.Value(nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// An item costs no memory but its text's.
func TestItemAllocates(t *testing.T) {
	e := compiled(t, func(c *Config) { c.Sets = []string{"tags"} })
	b := one(t, "k", strings.TrimSuffix(flatRecord, "}")+`,"tags":["a","b","b"],"n":{"l":[1,2.5,{"x y":true}]}}`)
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { dst, _, _ = whole(e, dst[:0], b, 0) }); n > 0 || len(dst) < 100 {
		t.Errorf("%v allocations, %s", n, dst)
	}
}
