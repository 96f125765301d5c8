package dynamodb

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// Values of each kind, with the size that DynamoDB Local 2.6.1 counts where it isn't plain.
func TestValues(t *testing.T) {
	tape := serde.NewTape()
	json := func(text string) serde.Value {
		v, err := tape.JSON([]byte(text), serde.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	decimal, err := tape.Decimal([]byte("12.50"))
	if err != nil {
		t.Fatal(err)
	}
	u, _ := serde.ParseUUID([]byte("0f8fad5b-d9cb-469f-a165-70867728950e"))
	noon := time.Date(2026, 11, 21, 12, 0, 0, 250_000_000, time.UTC)
	tests := []struct {
		v    serde.Value
		want string
		size int
	}{
		{json(`""`), `{"S":""}`, 0},
		{json(`"é€😀"`), `{"S":"é€😀"}`, 9},
		{json(`"a\u00e9\n\"\ud83d\ude00"`), `{"S":"a\u00e9\n\"\ud83d\ude00"}`, 9},
		{tape.String("a\"\x00<é"), `{"S":"a\"\u0000<é"}`, 6},
		{tape.Int64(-1234500), `{"N":"-1234500"}`, 5},
		{decimal, `{"N":"12.50"}`, 3},
		{tape.Bool(true), `{"BOOL":true}`, 1},
		{json(`false`), `{"BOOL":false}`, 1},
		{tape.Null(), `{"NULL":true}`, 1},
		{tape.CopyBytes([]byte{0, 255}), `{"B":"AP8="}`, 2},
		{tape.CopyBytes(nil), `{"B":""}`, 0},
		{tape.Date(20_778), `{"S":"2026-11-21"}`, 10},
		{tape.TimeOfDay(43_200_000_000), `{"S":"12:00:00"}`, 8},
		{tape.Timestamp(noon), `{"S":"2026-11-21T12:00:00.25Z"}`, 23},
		{tape.UUID(u), `{"S":"0f8fad5b-d9cb-469f-a165-70867728950e"}`, 36},
		{json(`[]`), `{"L":[]}`, 3},
		{json(`{}`), `{"M":{}}`, 3},
		{json(`["a"]`), `{"L":[{"S":"a"}]}`, 5},
		{json(`["a",[],{}]`), `{"L":[{"S":"a"},{"L":[]},{"M":{}}]}`, 13},
		{json(`[[[]]]`), `{"L":[{"L":[{"L":[]}]}]}`, 11},
		{json(`{"xyz":"a","b":null}`), `{"M":{"xyz":{"S":"a"},"b":{"NULL":true}}}`, 11},
		{json(`{"a":{"b":5}}`), `{"M":{"a":{"M":{"b":{"N":"5"}}}}}`, 12},
		{json(`{"o\"dd \u00e9":1}`), `{"M":{"o\"dd é":{"N":"1"}}}`, 13},
		{json(`{"a\\c":1}`), `{"M":{"a\\c":{"N":"1"}}}`, 9},
		{json(`{"a\\b~{}":[","]}`), `{"M":{"a\\b~{}":{"L":[{"S":","}]}}}`, 15},
	}
	for _, test := range tests {
		out, size, err := appendValue([]byte("x"), test.v, nil, 1)
		if err != nil || string(out) != "x"+test.want || size != test.size {
			t.Errorf("%s, %d, %v; want %s, %d", out, size, err, test.want, test.size)
			continue
		}
		stored, err := decodeValue(out[1:])
		if err != nil || valueSize(stored) != size {
			t.Errorf("%s: %v; decoded it has %d bytes, not %d", out, err, valueSize(stored), size)
		}
	}
}

func TestValuesRefused(t *testing.T) {
	tape := serde.NewTape()
	w := tape.Write([]byte("\xff"), nil, 2)
	at := w.Begin(serde.Name{}, serde.Object)
	w.Int64(serde.NameAt(0, 1), 5)
	w.End(at, 1)
	badName, err := w.Value(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		v    serde.Value
		want string
	}{
		{serde.Value{}, "is missing"},
		{tape.String("a\xff"), "can't be stored: write JSON: the text isn't UTF-8: byte 0xFF at 1"},
		{tape.Date(1 << 30), "can't be stored: write JSON: the year is"},
		{badName, "has a name that can't be stored: the text isn't UTF-8"},
		{parse(t, `{"a":{"b c":[0,{"":1}]}}`), `attribute a["b c"][1][""] has a name of 0 bytes; DynamoDB takes 1 to 65535`},
		{parse(t, `[1,[2,1e400]]`), "attribute [1][1] is the number 1e400"},
	} {
		if out, size, err := appendValue(nil, test.v, nil, 1); err == nil || !strings.Contains(err.Error(), test.want) || size != 0 {
			t.Errorf("%s, %d, %v; want %s", out, size, err, test.want)
		}
	}
}

// Levels as DynamoDB Local 2.6.1 counts them.
func TestNesting(t *testing.T) {
	e := compiled(t, nil)
	for _, test := range []struct {
		value string
		taken bool
	}{
		{nested(31, "1"), true}, {nested(32, "1"), false}, {nested(31, "null"), true}, {nested(30, "[]"), true}, {nested(31, "[]"), false}, {nested(31, "{}"), false},
		{nested(40, `"x"`), false}, {nested(30, `{"a":1}`), true},
	} {
		_, _, err := whole(e, nil, one(t, "k", test.value), 0)
		if (err == nil) != test.taken {
			t.Errorf("%s: %v", test.value, err)
		}
		if err != nil && (connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), "lies too deep: lists and maps may stand in one another on 32 levels")) {
			t.Error(err)
		}
	}
}

func TestItemSize(t *testing.T) {
	e := compiled(t, func(c *Config) { c.Attributes = []Attribute{{"text", "value.text"}} })
	fill := func(n int) string { return strings.Repeat("x", n) }
	for _, test := range []struct {
		name, value string
		want        string // "": taken, with exactly the limit
	}{
		{"border", `{"text":"` + fill(maxItemSize-len("idktext")) + `"}`, ""},
		{"one more", `{"text":"` + fill(maxItemSize-len("idktext")+1) + `"}`, "the item has 409601 bytes or more by DynamoDB's count (names and values); at most 409600 (400 KB) are possible; the largest attribute is text with 409598"},
		{"escapes count once", `{"text":"` + strings.Repeat(`\n`, maxItemSize-len("idktext")) + `"}`, ""},
		{"members", `{"text":"","a":"` + fill(maxItemSize/2) + `","b":"` + fill(maxItemSize/2) + `"}`, "the largest attribute is a with 204801"},
		{"map", `{"text":"","a":{"b":"` + fill(maxItemSize-len("idktextab")-4) + `"}}`, ""},
		{"map, one more", `{"text":"","a":{"b":"` + fill(maxItemSize-len("idktextab")-3) + `"}}`, "the item has 409601 bytes"},
		{"long map", `{"text":"","a":{"b":"` + fill(maxItemSize) + `"}}`, "attribute a has more than 409600 bytes (400 KB)"},
		{"long list", `{"text":"","a":{"b":[` + strings.Repeat("1,", 150_000) + `1]}}`, "attribute a.b has more than 409600 bytes (400 KB)"},
		{"long name", `{"text":"","` + fill(65_535) + `":"` + fill(maxItemSize-len("idktext")-65_535) + `"}`, ""},
		{"2 MB", `{"text":"` + fill(2_000_000) + `"}`, "the item has 2000007 bytes or more"},
	} {
		out, size, err := whole(e, nil, one(t, "k", test.value), 0)
		switch {
		case test.want == "" && (err != nil || size != maxItemSize):
			t.Errorf("%s: %d bytes, %v", test.name, size, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || connector.ClassOf(err) != connector.Permanent || len(out) > 0):
			t.Errorf("%s: %v; want %s", test.name, err, test.want)
		}
	}
	if err := checkSize(maxItemSize); err != nil {
		t.Error(err)
	}
	if err := checkSize(maxItemSize + 1); connector.ClassOf(err) != connector.Permanent || err == nil {
		t.Error(err)
	}
}
