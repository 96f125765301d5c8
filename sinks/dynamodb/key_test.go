package dynamodb

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// bound is an encoder for a table with the partition key id and perhaps the sort key at.
func bound(t *testing.T, partition, sort string) *itemEncoder {
	t.Helper()
	e := compiled(t, func(c *Config) {
		c.Item = ""
		c.Key = []Attribute{{"id", "value.id"}}
		if sort != "" {
			c.Key = []Attribute{{"at", "value.at"}, {"id", "value.id"}}
		}
	})
	keys := tableKeys{partition: keyAttribute{"id", partition}}
	if sort != "" {
		keys.sort = keyAttribute{"at", sort}
	}
	if err := e.bind(keys); err != nil {
		t.Fatal(err)
	}
	return e
}

// Keys that are written in several ways and are one to DynamoDB.
func TestKeysCanonical(t *testing.T) {
	for _, test := range []struct {
		kind, want string
		texts      []string
	}{
		{"N", `"id":{"N":"1"}`, []string{"1", "1.0", "1e0", "10E-1", "0.1e1", "1.00000000000000000000000000000000000000000000000000"}},
		{"N", `"id":{"N":"0"}`, []string{"0", "-0", "0.0", "0e5", "-0.0e-500"}},
		{"N", `"id":{"N":"-120.5"}`, []string{"-120.5", "-1.205e2", "-120.50"}},
		{"N", `"id":{"N":"9223372036854775808"}`, []string{"9223372036854775808", "9223372036854775808.0", "9223372036854775.808e3"}},
		{"N", `"id":{"N":"1E125"}`, []string{"1e125", "10e124", "1" + strings.Repeat("0", 125)}},
		{"S", `"id":{"S":"é/a"}`, []string{`"é/a"`, `"\u00e9/a"`, `"\u00E9\/\u0061"`}},
		{"S", `"id":{"S":"1"}`, []string{`"1"`, `"\u0031"`}},
		{"S", `"id":{"S":"1.0"}`, []string{`"1.0"`}},
		{"S", `"id":{"S":"\"\\\n"}`, []string{`"\"\\\n"`, `"\u0022\u005c\u000a"`}},
	} {
		e := bound(t, test.kind, "")
		for _, text := range test.texts {
			out, size, err := e.key(nil, one(t, "", `{"id":`+text+`}`), 0)
			if err != nil || string(out) != test.want {
				t.Errorf("%.50s: %s, %v; want %s", text, out, err, test.want)
				continue
			}
			item, err := decodeItem(out)
			if err != nil || itemSize(item) != size {
				t.Errorf("%s: %d bytes, want %d, %v", out, size, itemSize(item), err)
			}
		}
	}
}

func TestKeyOrderAndItem(t *testing.T) {
	e := bound(t, "S", "N")
	b := one(t, "", `{"at":5,"id":"x"}`)
	out, size, err := e.key([]byte("{"), b, 0)
	if want := `{"id":{"S":"x"},"at":{"N":"5"}`; err != nil || string(out) != want || size != 7 {
		t.Errorf("%s, %d, %v; want %s", out, size, err, want)
	}
	if out, size, err = whole(e, []byte("{"), b, 0); err != nil || string(out) != `{"id":{"S":"x"},"at":{"N":"5"}` || size != 7 {
		t.Errorf("%s, %d, %v", out, size, err)
	}
}

func TestKeysRefused(t *testing.T) {
	long := func(n int) string { return `"` + strings.Repeat("x", n) + `"` }
	for _, test := range []struct {
		partition, sort, value string
		want                   string // "": taken
	}{
		{"S", "", `{"id":5}`, "key.id (value.id) is of kind integer, but id is of type S in the table: take string(value.id)"},
		{"S", "", `{"id":5.5}`, "is of kind number, but id is of type S in the table: take string(value.id)"},
		{"N", "", `{"id":"5"}`, "key.id (value.id) is of kind string, but id is of type N in the table: take decimal(value.id)"},
		{"B", "", `{"id":"5"}`, "is of kind string, but id is of type B in the table: take fromBase64(value.id) if the text is base64"},
		{"B", "", `{"id":5}`, "is of kind integer, but id is of type B in the table: give an expression for bytes"},
		{"S", "", `{"id":null}`, "key.id (value.id) is null"},
		{"S", "", `{}`, "key.id (value.id) is missing"},
		{"S", "", `{"id":true}`, "is of kind bool; a key is a text, a number or bytes"},
		{"S", "", `{"id":["a"]}`, "is of kind array; a key is a text"},
		{"S", "", `{"id":{}}`, "is of kind object; a key is a text"},
		{"S", "", `{"id":""}`, "key.id (value.id) has 0 bytes; DynamoDB takes 1 to 2048 in a partition key"},
		{"S", "", `{"id":` + long(1) + `}`, ""},
		{"S", "", `{"id":` + long(2048) + `}`, ""},
		{"S", "", `{"id":` + long(2049) + `}`, "has 2049 bytes; DynamoDB takes 1 to 2048 in a partition key"},
		{"S", "S", `{"id":` + long(2048) + `,"at":` + long(1024) + `}`, ""},
		{"S", "S", `{"id":"x","at":` + long(1025) + `}`, "key.at (value.at) has 1025 bytes; DynamoDB takes 1 to 1024 in a sort key"},
		{"S", "S", `{"id":"x","at":""}`, "has 0 bytes; DynamoDB takes 1 to 1024 in a sort key"},
		{"S", "N", `{"id":"x"}`, "key.at (value.at) is missing"},
		{"N", "", `{"id":` + ones39 + `}`, "key.id (value.id) is the number " + ones39 + " of 39 significant digits"},
		{"N", "", `{"id":1e126}`, "is the number 1e126; the largest"},
	} {
		out, size, err := bound(t, test.partition, test.sort).key([]byte("{"), one(t, "", test.value), 0)
		switch {
		case test.want == "" && (err != nil || size == 0):
			t.Errorf("%.50s: %v", test.value, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || connector.ClassOf(err) != connector.Permanent || string(out) != "{" || size != 0):
			t.Errorf("%.50s: %.100s, %v; want %s", test.value, out, err, test.want)
		}
	}
}

// Keys of kinds that JSON doesn't have.
func TestKeyKinds(t *testing.T) {
	tape := serde.NewTape()
	u, _ := serde.ParseUUID([]byte("0f8fad5b-d9cb-469f-a165-70867728950e"))
	for _, test := range []struct {
		v          serde.Value
		kind, want string // want "": refused
	}{
		{tape.UUID(u), "S", `"id":{"S":"0f8fad5b-d9cb-469f-a165-70867728950e"}`},
		{tape.Date(20_778), "S", `"id":{"S":"2026-11-21"}`},
		{tape.TimeOfDay(0), "S", `"id":{"S":"00:00:00"}`},
		{tape.Timestamp(time.UnixMilli(0)), "S", `"id":{"S":"1970-01-01T00:00:00Z"}`},
		{tape.CopyBytes([]byte{0, 255}), "B", `"id":{"B":"AP8="}`},
		{tape.Int64(-7), "N", `"id":{"N":"-7"}`},
		{tape.Float64(2.50), "N", `"id":{"N":"2.5"}`},
		{tape.Timestamp(time.UnixMilli(0)), "N", ""},
		{tape.CopyBytes([]byte("x")), "S", ""},
		{tape.CopyBytes(nil), "B", ""},
		{tape.String("a\xff"), "S", ""},
	} {
		f := keyField{name: "id", is: scalar(test.kind[0]), most: maxPartitionKey}
		f.expression, _ = compileExpression("key.id", "value.id")
		out, _, err := f.append(nil, test.v)
		if (err != nil) != (test.want == "") || err == nil && string(out) != test.want {
			t.Errorf("%s for %s: %s, %v", test.v.Kind(), test.kind, out, err)
		}
		if f.is = 0; test.v.Len() > 0 && test.want != "" { // not bound
			if out, _, err := f.append(nil, test.v); err != nil || string(out) != test.want {
				t.Errorf("%s, not bound: %s, %v", test.v.Kind(), out, err)
			}
		}
	}
}

func TestBind(t *testing.T) {
	for _, test := range []struct {
		key  string
		keys tableKeys
		want string
	}{
		{"id", tableKeys{partition: keyAttribute{"id", "S"}}, ""},
		{"at,id", tableKeys{partition: keyAttribute{"id", "S"}, sort: keyAttribute{"at", "N"}}, ""},
		{"id", tableKeys{partition: keyAttribute{"trip", "S"}}, `key: the table's primary key has the attribute "trip" of type S`},
		{"id", tableKeys{partition: keyAttribute{"id", "S"}, sort: keyAttribute{"at", "N"}}, `key: the table's primary key has the attribute "at" of type N`},
		{"id,at", tableKeys{partition: keyAttribute{"id", "S"}}, `key: "at" doesn't belong to the table's primary key`},
	} {
		e := compiled(t, func(c *Config) {
			c.Key = nil
			for name := range strings.SplitSeq(test.key, ",") {
				c.Key = append(c.Key, Attribute{name, "key"})
			}
		})
		err := e.bind(test.keys)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %s", test.key, err, test.want)
		}
	}
}

// What DynamoDB answers is found again by the same bytes.
func TestAnswered(t *testing.T) {
	e := bound(t, "S", "N")
	for _, test := range []struct{ id, at, answer string }{
		{`"x"`, "1.50", `{"at":{"N":"1.5"},"other":{"S":"y"},"id":{"S":"x"}}`},
		{`"x"`, "1e2", `{"at":{"N":"100"},"id":{"S":"x"}}`},
		{`"x"`, "1e-20", `{"at":{"N":"0.00000000000000000001"},"id":{"S":"x"}}`},
		{`"x"`, "-1e125", `{"at":{"N":"-1` + strings.Repeat("0", 125) + `"},"id":{"S":"x"}}`},
		{`"é\n<"`, "0", `{"at":{"N":"0"},"id":{"S":"\u00e9\u000a\u003c"}}`},
	} {
		var answer map[string]json.RawMessage
		if err := json.Unmarshal([]byte(test.answer), &answer); err != nil {
			t.Fatal(err)
		}
		want, _, err := e.key(nil, one(t, "", fmt.Sprintf(`{"id":%s,"at":%s}`, test.id, test.at)), 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.answered(nil, answer); err != nil || string(got) != string(want) {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	bytes := bound(t, "B", "")
	if got, err := bytes.answered([]byte("x"), map[string]json.RawMessage{"id": json.RawMessage(`{"B":"AP8="}`)}); err != nil || string(got) != `x"id":{"B":"AP8="}` {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{`{}`, `{"id":null}`, `{"id":{"BOOL":true}}`, `{"id":{"N":"NaN"}}`, `{"id":{"N":""}}`, `{"id":{"N":"true"}}`, `{"id":{"S":5}}`} {
		var answer map[string]json.RawMessage
		if err := json.Unmarshal([]byte(bad), &answer); err != nil {
			t.Fatal(err)
		}
		if got, err := bytes.answered([]byte("x"), answer); err == nil || string(got) != "x" {
			t.Errorf("%s: %s, %v", bad, got, err)
		}
	}
}
