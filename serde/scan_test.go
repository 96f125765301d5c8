package serde_test

import (
	"bytes"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
)

var documents = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `nulL`, `tru`, `truE`, `fals`, `falsy`, `nullx`, `null null`, `x`,
	`0`, `-0`, `1`, `-1`, `01`, `-01`, `00`, `+1`, `1.`, `.5`, `-`, `-.5`, `1.5`, `1e5`, `1E+5`, `1e-5`, `1e`, `1e+`, `1.e5`, `1.5e`, `0.0`, `0e0`, `-0.0`,
	`0.1`, `12345678`, `123456789`, `1234567890123456`, `0.12345678`, `1.123456789`, `12345678.12345678`, `1x`, `1.5x`, `0x10`, `1_000`, `NaN`, `Infinity`, `-Infinity`, `-x`,
	`9007199254740993`, `9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `-9223372036854775809`, `99999999999999999999`,
	`0.30000000000000004`, `0.3000000000000000444`, `40.409264`, `49.86709199999999`, `1e308`, `1e309`, `5e-324`, `1e-400`, `1.7976931348623157e308`, `123456789012345.6`, `1234567890123456.5`,
	`100000000000000000000000`, `1e22`, `1e23`, `2.2250738585072011e-308`, `0.000000000000000000000000000001`, `0e99999999999999999999`, `1e99999999999999999999`, `1e-99999999999999999999`,
	`[]`, `[ ]`, `[1]`, `[1,2,3]`, `[1,]`, `[,1]`, `[1 2]`, `[`, `[1`, `[1,`, `]`, `[]]`, `[[]]`, `[[],[]]`, `[[[1],2],3]`, `[}`, `{]`,
	`{}`, `{ }`, `{"a":1}`, `{ "a" : 1 , "b" : 2 }`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{"a",1}`, `{a:1}`, `{'a':1}`, `{"a":1 "b":2}`, `{"a":1`, `{"a":`, `{"a"`, `{"a`, `{`, `{1:2}`, `{"":1}`,
	`{"a":{"b":{"c":[1,{"d":2}]}}}`, `{"a":1,"b":2,"a":3}`, `{"a":{"a":{"a":1}}}`, `{"a":1,"\u0061":2}`, `{"\u0061":1,"a":2}`, `{"\u0061":1,"b":{"a":1},"\u0062":2}`,
	`{"\u0061bc":[1,"x",{"y":2}],"d":[{"\u0065fg":1},4,"z"]}`, `{"y":{"x":1},"x":{"y":1,"x":2},"z":[{"y":1},{"x":1}]}`,
	`[{"a":1,"b":2},{"b":1,"a":2},{"a":1,"a":2}]`, `[{"a":1,"b":2},{"b":1,"a":2},{"c":1,"b":2,"a":3},{"a":1,"b":2,"c":3}]`,
	`[{"a":1,"b":2},{"b":1,"a":2,"b":3}]`, `{"longer than sixteen bytes":1,"longer than sixteen bytez":2}`,
	`{"exactly8":1,"exactly9!":2,"fourteen bytes":3,"fifteen bytes!!":4,"sixteen bytes!!!":5,"seventeen bytes!!":6}`,
	`{"a\"b":1,"a\\":2,"a\\":3}`, `{"a\\":1,"b":2}`, `{"a` + "\b" + `":1}`,
	`""`, `"a"`, `"`, `"a`, `"\`, `"\"`, `"\"\\\/\b\f\n\r\t"`, `"\x"`, `"\u"`, `"\u00"`, `"\u004"`, `"\u0041"`, `"\uD83D\uDE00"`, `"\ud83d\ude00 and more"`, `"\ud83d"`, `"\ude00"`, `"\ud83d\ud83d"`, `"\ud83dx"`,
	`"\ud83d\n"`, `"\ud83d\u0041"`, `"\ud83d\`, `"\ud83d\u`, `"\ud83d\ude0`, `"\ud83d\ude00`, `"\u00zz"`, `"\u0000"`,
	"\"\x00\"", "\"a\nb\"", "\"tab\there\"", "\"\x1f\"", "\"\x7f\"", "\"\xff\"", "\"\xc3\xa9\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xc0\xaf\"",
	"\"Az\xc9\x99rbaycan, Bak\xc4\xb1\"", "\"12345678\xc3\xa9 12345678\"", "\"12345678\xc3 12345678\"", "{\"\xff\":1}", "{\"\xc9\x99\":1,\"\xc9\x99\":2}", "{\"\xc9\x99\":1,\"\\u0259\":2}",
	"\ufeff{}", "\ufeff", "{\n  \"a\": [\n    1,\r\n    \"x y\"\n  ]\n}\n", "[1]\n", "\n[1]", "\t[\t1\t]\t", "\v1", "1\f", "\u00a01", "[1]\x00", "{}x", "// comment\n1", "[1]//x", "\x00\x00\x00\x00\x01\x02\x03", "\x03\x00abcdefghijk",
	`"` + strings.Repeat("x", 100) + `"`, `"` + strings.Repeat("x", 100) + `\n"`, `{"` + strings.Repeat("x", 300) + `":1}`,
}

func TestJSONAgainstOracle(t *testing.T) {
	tape := serde.NewTape()
	for range 3 { // what the tape remembers must not change anything
		for _, s := range documents {
			check(t, tape, []byte(s))
			check(t, serde.NewTape(), []byte(s))
			check(t, tape, []byte(`{"before":[`+s+`],"after":{"x":`+s+`}}`))
			for n := range min(len(s), 60) {
				check(t, tape, []byte(s[:n]))
			}
		}
		tape.Reset()
	}
}

func FuzzJSON(f *testing.F) {
	for i, s := range documents {
		f.Add([]byte(s), []byte(documents[(i+7)%len(documents)]))
	}
	f.Add([]byte(flatRecord), []byte(nestedRecord))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		tape := serde.NewTape()
		for range 2 {
			check(t, tape, a)
			check(t, tape, b)
			check(t, tape, a)
			tape.Reset()
		}
	})
}

func TestJSONMessages(t *testing.T) {
	long := strings.Repeat("9", 2000)
	for src, want := range map[string]string{
		``:                           "empty value: expected JSON",
		` `:                          "JSON ends early at byte 1, before a value",
		`{"a":1 x`:                   "invalid JSON at byte 7: expected ',' or '}' after a member, found 'x'",
		`{"name": "abcdefghijk`:      "JSON ends early at byte 21, inside a string",
		`{"a":1`:                     "JSON ends early at byte 6, inside an object",
		`{"a"`:                       "JSON ends early at byte 4, inside an object",
		`[1`:                         "JSON ends early at byte 2, inside an array",
		`[1,]`:                       "invalid JSON at byte 3: expected a value, found ']'",
		`[1;2]`:                      "invalid JSON at byte 2: expected ',' or ']' after an element, found ';'",
		`{"a":1,}`:                   "invalid JSON at byte 7: expected a member name, found '}'",
		`{a:1}`:                      "invalid JSON at byte 1: expected a member name or '}', found 'a'",
		`{"a"=1}`:                    "invalid JSON at byte 4: expected ':' after a member name, found '='",
		`{"a":1,"b":2,"a":3}`:        `invalid JSON at byte 13: the member name "a" comes twice`,
		`{"a":1}}`:                   "invalid JSON at byte 7: expected nothing behind the value, found '}'",
		`1, `:                        "invalid JSON at byte 1: expected nothing behind the value, found ','",
		`1,`:                         "invalid JSON at byte 1: expected nothing behind the value, found ','",
		`[],1`:                       "invalid JSON at byte 2: expected nothing behind the value, found ','",
		`[NaN]`:                      "invalid JSON at byte 1: expected a value, found 'N'",
		`[01]`:                       "invalid JSON at byte 1: expected no digit after a leading 0",
		`[1.]`:                       "invalid JSON at byte 3: expected a digit after the decimal point, found ']'",
		`[+1]`:                       "invalid JSON at byte 1: expected a value, found '+'",
		`[-]`:                        "invalid JSON at byte 2: expected a digit, found ']'",
		`-`:                          "JSON ends early at byte 1, inside a number",
		`1e`:                         "JSON ends early at byte 2, inside a number",
		`1e+x`:                       "invalid JSON at byte 3: expected a digit of the exponent, found 'x'",
		`tru`:                        "JSON ends early at byte 3, inside true",
		`[True]`:                     "invalid JSON at byte 1: expected a value, found 'T'",
		`[nil]`:                      "invalid JSON at byte 1: expected a value, found 'n'; did it mean null?",
		"\"a\nb\"":                   "invalid JSON at byte 2: control character 0x0A in a string; it must be written as \\u000a",
		"\"ab\xffc\"":                "invalid JSON at byte 3: byte 0xFF isn't UTF-8",
		"\"ab\xc3":                   "JSON ends early at byte 4, inside a string",
		`"\q"`:                       `invalid JSON at byte 1: expected one of \" \\ \/ \b \f \n \r \t \u, found '\' and 'q'`,
		`"\u12g4"`:                   "invalid JSON at byte 5: expected a hexadecimal digit, found 'g'",
		`"\ud800 "`:                  `invalid JSON at byte 1: lone surrogate \ud800`,
		"\ufeff{}":                   "invalid JSON at byte 0: expected a value, found a byte order mark",
		"\x00\x00\x00\x00\x07ab":     "invalid JSON at byte 0: expected a value, found byte 0x00; it looks like a schema registry message (Confluent wire format), not JSON",
		"\x03\x00abcdefghijklmnopqr": "invalid JSON at byte 0: expected a value, found byte 0x03; it looks like a schema registry message (AWS Glue wire format), not JSON",
		"hello":                      "invalid JSON at byte 0: expected a value, found 'h'",
		"[əa]":                       "invalid JSON at byte 1: expected a value, found 'ə'",
		long:                         "invalid JSON at byte 0: a number of 2000 characters is longer than the limit of 1024",
		strings.Repeat("[", 129):     "invalid JSON at byte 128: arrays and objects are nested more than 128 deep",
	} {
		_, err := serde.NewTape().JSON([]byte(src), serde.Limits{})
		if err == nil || err.Error() != want {
			t.Errorf("%.60q:\n got %v\nwant %s", src, err, want)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		src  string
		l    serde.Limits
		want string
	}{
		{`[[1]]`, serde.Limits{Depth: 2}, ""},
		{`[[[1]]]`, serde.Limits{Depth: 2}, "nested more than 2 deep"},
		{`{"abcd":1}`, serde.Limits{NameLen: 4}, ""},
		{`{"abcde":1}`, serde.Limits{NameLen: 4}, "a member name of 5 bytes is longer than the limit of 4"},
		{`{"ab\u00e9":1}`, serde.Limits{NameLen: 4}, ""},
		{`[12345]`, serde.Limits{NumberLen: 5}, ""},
		{`[-12345]`, serde.Limits{NumberLen: 5}, "a number of 6 characters is longer than the limit of 5"},
		{`[123.45]`, serde.Limits{NumberLen: 5}, "a number of 6 characters is longer than the limit of 5"},
		{`[1,2,3]`, serde.Limits{Nodes: 4}, ""},
		{`[1,2,3,4]`, serde.Limits{Nodes: 4}, "more than the limit of 4 values"},
		{`[` + strings.Repeat("1,", 5000) + `1]`, serde.Limits{Nodes: 5000}, "more than the limit of 5000 values"},
		{`{"` + strings.Repeat("x", 65535) + `":1}`, serde.Limits{}, ""},
		{`{"` + strings.Repeat("x", 65536) + `":1}`, serde.Limits{}, "a member name of 65536 bytes is longer than the limit of 65535"},
	} {
		tape := serde.NewTape()
		for range 2 {
			_, err := tape.JSON([]byte(c.src), c.l)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("%.40s %+v: %v", c.src, c.l, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%.40s %+v: got %v, want %s", c.src, c.l, err, c.want)
			}
		}
	}
	// A name that the tape knows from a document with wider limits is still too long.
	tape := serde.NewTape()
	if _, err := tape.JSON([]byte(`{"abcde":1,"more":"than 17 bytes"}`), serde.Limits{}); err != nil {
		t.Fatal(err)
	}
	if _, err := tape.JSON([]byte(`{"abcde":1,"more":"than 17 bytes"}`), serde.Limits{NameLen: 4}); err == nil {
		t.Error("a known name passed a narrower limit")
	}
}

func TestHugeDocuments(t *testing.T) {
	tape := serde.NewTape()
	for _, n := range []int{127, 128, 129, 10_000, 5_000_000} {
		_, err := tape.JSON([]byte(strings.Repeat("[", n)+strings.Repeat("]", n)), serde.Limits{})
		if (err == nil) != (n <= 128) {
			t.Errorf("%d deep: %v", n, err)
		}
		_, err = tape.JSON([]byte(strings.Repeat(`{"a":`, n)), serde.Limits{})
		if err == nil {
			t.Errorf("%d objects that aren't closed were accepted", n)
		}
	}
	v, err := tape.JSON([]byte(strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)), serde.Limits{Depth: 10_000})
	if err != nil || v.Len() != 1 {
		t.Errorf("10,000 deep, allowed: %v", err)
	}

	var big bytes.Buffer
	big.WriteString(`{"records":[`)
	for i := 0; big.Len() < 10<<20; i++ {
		if i > 0 {
			big.WriteByte(',')
		}
		big.WriteString(`{"id":` + strconv.Itoa(i) + `,"text":"` + strings.Repeat("x", 100) + `"}`)
	}
	big.WriteString(`]}`)
	tape.Reset()
	v, err = tape.JSON(big.Bytes(), serde.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	last := v.Field("records").Index(-1)
	if n, _ := last.Field("id").Int64(); int(n) != v.Field("records").Len()-1 {
		t.Errorf("the last of %d has id %d", v.Field("records").Len(), n)
	}
	if held := tape.Bytes(); held > 4*big.Len() {
		t.Errorf("the tape holds %d bytes for a document of %d", held, big.Len())
	}
	tape.Reset()
	if held := tape.Bytes(); held > 4<<20 {
		t.Errorf("the tape still holds %d bytes after Reset", held)
	}

	// Names that all differ, twice, then one of them again.
	var names bytes.Buffer
	for i := range 200_000 {
		names.WriteString(`"name ` + strconv.Itoa(i) + `":0,`)
	}
	if _, err := tape.JSON([]byte(`{`+names.String()+`"end":1}`), serde.Limits{}); err != nil {
		t.Error(err)
	}
	if _, err := tape.JSON([]byte(`{`+names.String()+`"name 77777":1}`), serde.Limits{}); err == nil || !strings.Contains(err.Error(), `"name 77777" comes twice`) {
		t.Errorf("got %v", err)
	}
	tape.Reset()
	if held := tape.Bytes(); held > 4<<20 {
		t.Errorf("the tape still holds %d bytes after Reset", held)
	}
}

// The names in an object come in any order, with gaps, from one record to the next.
func TestNamesInAnyOrder(t *testing.T) {
	tape := serde.NewTape()
	seed := uint64(1)
	random := func(n int) int {
		seed = seed*6364136223846793005 + 1442695040888963407
		return int(seed>>33) % n
	}
	var twice int
	for range 3000 {
		var doc func(depth int) string
		doc = func(depth int) string {
			if depth == 0 || random(4) == 0 {
				return strconv.Itoa(random(100))
			}
			if random(4) == 0 {
				return "[" + doc(depth-1) + "," + doc(depth-1) + "]"
			}
			s, from := "{", random(10)
			for k := range random(8) {
				name := "field " + strings.Repeat("x", (from+k*random(3))%20)
				if k > 0 {
					s += ","
				}
				s += `"` + name + `":` + doc(depth-1)
			}
			return s + "}"
		}
		src := []byte(doc(4))
		if _, err := oracle(src); err != nil {
			twice++
		}
		check(t, tape, src)
		if random(100) == 0 {
			tape.Reset()
		}
	}
	if twice < 100 || twice > 2900 {
		t.Errorf("%d of 3000 documents have a name twice: the test doesn't show much", twice)
	}
}

func TestManyRandomNames(t *testing.T) {
	tape := serde.NewTape()
	for i := range 20_000 {
		s := strconv.Itoa(i)
		v, err := tape.JSON([]byte(`{"a`+s+`":1,"b`+s+`":{"c`+s+`":2,"same":3},"same":4}`), serde.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := v.Field("same").Int64(); n != 4 {
			t.Fatalf("record %d: same is %d", i, n)
		}
		if i%100 == 0 {
			tape.Reset()
		}
	}
	tape.Reset()
	if held := tape.Bytes(); held > 1<<20 {
		t.Errorf("the tape holds %d bytes", held)
	}
}

// rational is a number's exact value; ok is false where that would take too long.
func rational(text string) (*big.Rat, bool) {
	if _, exp, found := strings.Cut(strings.ToLower(text), "e"); found {
		if n, err := strconv.Atoi(exp); err != nil || n > 400 || n < -400 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(text)
}

// shortest reports whether the shortest text of f is the number exact.
func shortest(exact *big.Rat, f float64) bool {
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'e', -1, 64))
	return ok && r.Cmp(exact) == 0
}
