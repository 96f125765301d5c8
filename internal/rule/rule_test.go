package rule

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

const flat = `{"lat":37.5,"lng":127.0,"zero":0,"n":7,"s":"héllo","vip":true,"nothing":null,"big":9007199254740993,` +
	`"max":9223372036854775807,"min":-9223372036854775808,"huge":18446744073709551616,"precise":0.12345678901234567891,` +
	`"pos":{"lat":1.5,"tags":["a","b"]},"tags":["vip","eu"],"mixed":["a",1,null],"nums":[3,1,2],"empty":[],` +
	`"odd name":1,"items":[{"sku":"x","n":2,"ok":true},{"sku":"y","n":3,"ok":false}],"text":"12","num":"1.5e3","pair":{"b":2,"a":1}}`

func record(t testing.TB) *connector.Batch {
	t.Helper()
	return connectortest.Batch(t, "cars.gps", 3,
		connectortest.R{Key: "car-1", Value: flat, Timestamp: 1700000000123, Offset: 42, Headers: []connector.Header{
			{Name: "trace", Value: []byte("old")}, {Name: "trace", Value: []byte("t-1")}, {Name: "a-b", Value: []byte("x")}, {Name: "none"}}},
		connectortest.R{NullKey: true, NullValue: true})
}

// evaluate gives the result as JSON, or the error.
func evaluate(b *connector.Batch, i int, text string) (string, error) {
	e, err := Compile(text)
	if err != nil {
		return "", err
	}
	v, err := e.Eval(b, i)
	if err != nil {
		return "", err
	}
	out, err := v.AppendJSON(nil)
	if err != nil {
		return "", err
	}
	return string(out), nil
}

type row struct{ text, want string } // want: JSON, or "error: " and a part of the message

func check(t *testing.T, b *connector.Batch, i int, rows []row) {
	t.Helper()
	for _, r := range rows {
		got, err := evaluate(b, i, r.text)
		part, isError := strings.CutPrefix(r.want, "error: ")
		switch {
		case isError && err == nil:
			t.Errorf("%s = %s, want an error with %q", r.text, got, part)
		case isError && !strings.Contains(err.Error(), part):
			t.Errorf("%s: error %q, want %q in it", r.text, err, part)
		case !isError && err != nil:
			t.Errorf("%s: %v, want %s", r.text, err, r.want)
		case !isError && got != r.want:
			t.Errorf("%s = %s, want %s", r.text, got, r.want)
		}
	}
}

func TestRoots(t *testing.T) {
	b := record(t)
	check(t, b, 0, []row{
		{`key`, `"car-1"`},
		{`topic`, `"cars.gps"`},
		{`partition`, `3`},
		{`offset`, `42`},
		{`timestamp`, `1700000000123`},
		{`connector`, `"test"`},
		{`id`, `"6d696c6c726163650000000000000001-3-42-0"`},
		{`headers.trace`, `"t-1"`},
		{`headers["a-b"]`, `"x"`},
		{`headers[lower("TRACE")]`, `"t-1"`},
		{`headers.none`, `null`},
		{`headers`, `{"trace":"t-1","a-b":"x","none":null}`},
		{`"trace" in headers`, `true`},
		{`headers.nope`, `error: header headers.nope is missing (use headers.nope ?? x or headers?.nope)`},
		{`headers?.nope`, `null`},
		{`headers.nope ?? "-"`, `"-"`},
		{`headers[value.s] ?? "-"`, `"-"`},
		{`value == nil`, `false`},
		{`value`, flat},
		{`[topic, offset]`, `["cars.gps",42]`},
	})
	check(t, b, 1, []row{
		{`value == nil`, `true`},
		{`key == nil`, `true`},
		{`value?.lat`, `null`},
		{`value.lat ?? 1`, `1`},
		{`value.lat`, `error: rule "value.lat": field value is null and has no field lat (use value.lat ?? x or value?.lat)`},
		{`key`, `null`},
		{`value`, `null`},
		{`headers`, `{}`},
	})
}

func TestFields(t *testing.T) {
	check(t, record(t), 0, []row{
		{`value.lat`, `37.5`},
		{`value.pos.lat`, `1.5`},
		{`value.pos["lat"]`, `1.5`},
		{`value["pos"].tags[0]`, `"a"`},
		{`value.tags[-1]`, `"eu"`},
		{`value["odd name"]`, `1`},
		{`value.nope`, `error: field value.nope is missing (use value.nope ?? x or value?.nope)`},
		{`value["no pe"]`, `error: field value["no pe"] is missing (use value["no pe"] ?? x or value?.["no pe"])`},
		{`value.nope != 0`, `error: rule "value.nope != 0": field value.nope is missing`},
		{`value.pos.nope.x`, `error: field value.pos.nope is missing (use value.pos.nope.x ?? x or value.pos?.nope.x)`},
		{`value.tags[5]`, `error: field value.tags[5] is missing`},
		{`value.tags[-3]`, `error: field value.tags[-3] is missing`},
		{`value?.nope`, `null`},
		{`value?.nope.deeper`, `null`},
		{`value?.nope[0]`, `null`},
		{`value.tags?.[5]`, `null`},
		{`value.tags[5] ?? "none"`, `"none"`},
		{`value.pos?.nope == nil`, `true`},
		{`value.nothing`, `null`},
		{`value.nothing == nil`, `true`},
		{`value.nothing.x`, `error: field value.nothing is null and has no field x`},
		{`value.nothing?.x`, `null`},
		{`value.nothing ?? 5`, `5`},
		{`value.a.b.c.d ?? 0`, `0`},
		{`value.n.x`, `error: field value.n is an integer and has no field x`},
		{`value.n.x ?? 0`, `error: field value.n is an integer and has no field x`},
		{`value.pos[0]`, `error: field value.pos is an object and has no element 0`},
		{`value.s[1]`, `"é"`},
		{`value.s[-1]`, `"o"`},
		{`value.s[9]`, `error: value.s[9] has fewer characters`},
		{`value.s[9] ?? ""`, `""`},
		{`value[value.tags[0]]`, `true`},
		{`value[value.s]`, `error: field value["héllo"] is missing`},
		{`value.tags[value.nums[1]]`, `"eu"`},
		{`value.tags[value.lat]`, `error: the index is a number, not a text or an integer`},
		{`first(value.items).sku`, `"x"`},
		{`(value.pos).lat`, `1.5`},
		{`[1, 2][1]`, `2`},
		{`{a: {b: 7}}.a.b`, `7`},
		{`let p = value.pos; p.lat + p.lat`, `3`},
		{`let p = value.pos; p?.nope ?? 9`, `9`},
	})
}

func TestComparison(t *testing.T) {
	check(t, record(t), 0, []row{
		{`value.lat != 0 && value.lng != 0`, `true`},
		{`value.zero == 0.0`, `true`},
		{`value.lng == 127`, `true`},
		{`value.big == 9007199254740992.0`, `false`},
		{`value.big > 9007199254740992.0`, `true`},
		{`9007199254740993 == 9007199254740992.0`, `false`},
		{`value.big == 9007199254740993`, `true`},
		{`value.max < value.huge`, `true`},
		{`value.huge == 18446744073709551616.0`, `true`},
		{`value.huge == 18446744073709551617.0`, `false`},
		{`value.precise == 0.12345678901234567891`, `true`},
		{`value.precise > 0.12345678901234567`, `true`},
		{`value.precise == 0.1234567890123456789`, `false`},
		{`0.1 == 0.10`, `true`},
		{`1 < 2 < 3`, `true`},
		{`-1 < 0`, `true`},
		{`value.s == "héllo"`, `true`},
		{`"a" < "b"`, `true`},
		{`value.text == 12`, `error: value.text is a text and 12 is an integer: they can't be compared (use float(value.text), or a text in quotes)`},
		{`value.n > "5"`, `error: value.n is an integer and "5" is a text: they can't be compared`},
		{`value.n != "5"`, `error: can't be compared`},
		{`value.vip == "true"`, `error: value.vip is a boolean and "true" is a text`},
		{`value.vip == 1`, `error: can't be compared`},
		{`value.vip == true`, `true`},
		{`value.vip < true`, `error: value.vip is a boolean: < compares numbers, texts and times`},
		{`value.nothing == 5`, `false`},
		{`value.nothing != 5`, `true`},
		{`value.nothing < 5`, `error: value.nothing is null and can't be compared by < (use value.nothing ?? x)`},
		{`5 == nil`, `false`},
		{`nil == nil`, `true`},
		{`value.tags == ["vip", "eu"]`, `true`},
		{`value.tags == ["vip"]`, `false`},
		{`value.pair == {a: 1, b: 2.0}`, `true`},
		{`value.pair == {a: 1, b: 3}`, `false`},
		{`value.pair == {a: 1, c: 2}`, `false`},
		{`value.pair == [1]`, `error: value.pair is an object and [...] is a list`},
		{`[1, "a"] == [1, 2]`, `false`},
		{`date("2026-01-02") > date("2026-01-01T23:59:59Z")`, `true`},
		{`date(timestamp) == date("2023-11-14T22:13:20.123Z")`, `true`},
		{`date(timestamp) > 5`, `error: can't be compared`},
		{`int(date("1969-12-31T23:59:59.9999Z"))`, `-1`},
	})
}

func TestLogic(t *testing.T) {
	check(t, record(t), 0, []row{
		{`!value.vip`, `false`},
		{`not value.vip || true`, `true`},
		{`value.vip or value.nope`, `true`},
		{`false and value.nope`, `false`},
		{`true and value.n`, `error: value.n is an integer, not true or false`},
		{`!value.s`, `error: value.s is a text, not true or false`},
		{`value.vip ? "yes" : "no"`, `"yes"`},
		{`if value.n > 5 { "big" } else { "small" }`, `"big"`},
		{`value.n ? 1 : 2`, `error: value.n is an integer, not true or false`},
		{`(value.n == 1) ?: "other"`, `"other"`},
		{`value.vip ?: 1`, `true`},
	})
}

func TestArithmetic(t *testing.T) {
	check(t, record(t), 0, []row{
		{`value.n / 2`, `3.5`},
		{`8 / 2`, `4`},
		{`value.max + 1`, `error: value.max + 1: integer overflow`},
		{`value.min - 1`, `error: integer overflow`},
		{`-value.min`, `error: integer overflow`},
		{`value.max * 2`, `error: integer overflow`},
		{`value.min * -1`, `error: integer overflow`},
		{`value.min / -1`, `error: integer overflow`},
		{`4611686018427387904 * -2`, `-9223372036854775808`},
		{`value.max - 1`, `9223372036854775806`},
		{`1 / 0`, `error: 1 / 0: division by zero`},
		{`1.5 / 0`, `error: division by zero`},
		{`1 % 0`, `error: division by zero`},
		{`value.huge / 0`, `error: division by zero`},
		{`7 % 4`, `3`},
		{`-7 % 4`, `-3`},
		{`7.5 % 2`, `error: % takes integers`},
		{`2 ** 62`, `4611686018427387904`},
		{`2 ** 63`, `error: integer overflow`},
		{`2 ^ -1`, `0.5`},
		{`10.5 ** 400`, `error: the result isn't a finite number`},
		{`value.big / 1`, `9007199254740993`},
		{`value.big / 2`, `4503599627370496`},
		{`value.big + 0.5`, `9007199254740993.5`},
		{`value.huge + 1`, `18446744073709551617`},
		{`value.huge - 18446744073709551615.0`, `1`},
		{`value.huge * 10`, `184467440737095516160`},
		{`value.huge / 3`, `6148914691236517205.333333333333333`},
		{`value.precise * 2`, `0.24691357802469135782`},
		{`-value.huge`, `-18446744073709551616`},
		{`0.1 + 0.2`, `0.30000000000000004`},
		{`decimal("0.1") + decimal("0.2")`, `0.3`},
		{`1e308 * 10.5`, `error: the result isn't a finite number`},
		{`value.lat + 1`, `38.5`},
		{`value.s + "!"`, `"héllo!"`},
		{`value.s + 1`, `error: value.s + 1: value.s is a text, not a number (use string() to join texts, float() or int() to add)`},
		{`value.n * value.text`, `error: value.text is a text, not a number (use float(value.text) or int(value.text))`},
		{`value.nothing + 1`, `error: value.nothing is null, not a number (use value.nothing ?? 0)`},
		{`value.nope + 1`, `error: field value.nope is missing`},
		{`date("2026-01-01") - 1`, `error: (use int(date("2026-01-01")), in milliseconds)`},
		{`-value.s`, `error: value.s is a text, not a number`},
		{`abs(-5)`, `5`},
		{`abs(value.min)`, `error: overflow`},
		{`abs(-1.5)`, `1.5`},
		{`floor(1.5)`, `1`},
		{`ceil(-1.5)`, `-1`},
		{`round(2.5)`, `3`},
		{`round(-2.5)`, `-3`},
		{`round(value.precise)`, `0`},
		{`ceil(value.precise)`, `1`},
		{`floor(-value.precise)`, `-1`},
		{`round(1.005, 2)`, `1.01`},
		{`round(12345.678, 1)`, `12345.7`},
		{`round(decimal("18446744073709551615.55"), 1)`, `18446744073709551615.6`},
		{`round(1, 16)`, `error: from 0 to 15`},
		{`min(3, 1.5, 2)`, `1.5`},
		{`max(value.nums)`, `3`},
		{`max(value.tags)`, `error: an element of value.tags is a text`},
		{`min([])`, `null`},
		{`sum(value.nums)`, `6`},
		{`sum(value.items, .n)`, `5`},
		{`sum(value.tags)`, `error: not a number`},
		{`int("12")`, `12`},
		{`int(" 12")`, `error: int(): the text of " 12" isn't an integer`},
		{`int(-1.9)`, `-1`},
		{`int(value.huge)`, `error: out of range`},
		{`int(1e19)`, `error: out of range`},
		{`int(decimal("12.9999999999999999999"))`, `12`},
		{`float(value.num)`, `1500`},
		{`float("0x10")`, `error: isn't a number`},
		{`float("NaN")`, `error: isn't a number`},
		{`float("1e999")`, `error: out of range`},
		{`float(value.nothing)`, `error: float(): value.nothing is null, not a number or a text (use value.nothing ?? x)`},
		{`string(value.n) + "km"`, `"7km"`},
		{`string(value.lat)`, `"37.5"`},
		{`string(value.pos)`, `"{\"lat\":1.5,\"tags\":[\"a\",\"b\"]}"`},
		{`string(1 / 4)`, `"0.25"`},
		{`type(value.n)`, `"integer"`},
		{`type(value?.nope)`, `"null"`},
		{`1_000 + 0x10`, `1016`},
	})
}

func TestTexts(t *testing.T) {
	check(t, record(t), 0, []row{
		{`len(value.s)`, `5`},
		{`value.s[:2]`, `"hé"`},
		{`value.s[1:3]`, `"él"`},
		{`value.s[-2:]`, `"lo"`},
		{`value.s[3:2]`, `""`},
		{`value.s[:]`, `"héllo"`},
		{`value.s[len(value.s) - 1]`, `"o"`},
		{`value.s[:"a"]`, `error: the bounds are integers, not a text`},
		{`indexOf(value.s, "llo")`, `2`},
		{`value.s[indexOf(value.s, "l"):]`, `"llo"`},
		{`lastIndexOf(value.s, "l")`, `3`},
		{`indexOf(value.s, "z")`, `-1`},
		{`upper(value.s)`, `"HÉLLO"`},
		{`lower("ÀB")`, `"àb"`},
		{`trim("  a ")`, `"a"`},
		{`trim("xxaxx", "x")`, `"a"`},
		{`trimPrefix("abc", "ab")`, `"c"`},
		{`trimSuffix("abc", "bc")`, `"a"`},
		{`split("a,b,,c", ",")`, `["a","b","","c"]`},
		{`split("a,b,c", ",", 2)`, `["a","b,c"]`},
		{`split(value.s, "")`, `["h","é","l","l","o"]`},
		{`split("", ",")`, `[""]`},
		{`join(value.tags, "-")`, `"vip-eu"`},
		{`join(["", "a"], "-")`, `"-a"`},
		{`join(value.mixed, "-")`, `error: an element of value.mixed is an integer`},
		{`replace("aXbX", "X", "--")`, `"a--b--"`},
		{`repeat("ab", 3)`, `"ababab"`},
		{`repeat("ab", -1)`, `error: isn't an integer from 0`},
		{`value.s contains "ll"`, `true`},
		{`value.s startsWith "h"`, `true`},
		{`value.s endsWith "x"`, `false`},
		{`hasPrefix(value.s, "hé") && hasSuffix(value.s, "lo")`, `true`},
		{`value.s not contains "z"`, `true`},
		{`value.n contains "7"`, `error: value.n is an integer: contains takes a text`},
		{`value.s matches "^h.l+o$"`, `true`},
		{`value.n matches "7"`, `error: value.n is an integer: matches takes a text`},
		{`lower(value.n)`, `error: lower(): value.n is an integer, not a text`},
		{`len(value.n)`, `error: len(): value.n is an integer, not a text, a list or an object`},
		{`toBase64("a")`, `"YQ=="`},
		{`string(fromBase64("YQ=="))`, `"a"`},
		{`fromBase64("?")`, `error: isn't base64`},
		{`toJSON(value.tags)`, `"[\"vip\",\"eu\"]"`},
		{`fromJSON("{\"a\": [1]}").a[0]`, `1`},
		{`fromJSON("{")`, `error: fromJSON()`},
		{`date("yesterday")`, `error: is neither like`},
		{`date(1700000000123)`, `"2023-11-14T22:13:20.123Z"`},
	})
}

func TestLists(t *testing.T) {
	check(t, record(t), 0, []row{
		{`"vip" in value.tags`, `true`},
		{`"us" in value.tags`, `false`},
		{`"us" not in value.tags`, `true`},
		{`3.0 in value.nums`, `true`},
		{`"3" in value.nums`, `error: "3" is a text and value.nums holds an integer: they can't be compared`},
		{`1 in value.mixed`, `true`},
		{`"a" in value.mixed`, `true`},
		{`nil in value.mixed`, `true`},
		{`"lat" in value`, `true`},
		{`"nope" in value`, `false`},
		{`value.n in 1..7`, `true`},
		{`7.5 in 1..9`, `false`},
		{`value.s in 1..9`, `error: a number is looked for in a range`},
		{`value.s in value.s`, `error: in takes a list or an object`},
		{`value.n in [1, 7]`, `true`},
		{`1..3`, `[1,2,3]`},
		{`3..1`, `[]`},
		{`9223372036854775806..9223372036854775807`, `[9223372036854775806,9223372036854775807]`},
		{`value.tags[:1]`, `["vip"]`},
		{`value.nums[1:]`, `[1,2]`},
		{`len(value.tags)`, `2`},
		{`all(value.items, .n > 1)`, `true`},
		{`any(value.items, .ok)`, `true`},
		{`none(value.items, .n > 5)`, `true`},
		{`one(value.items, .ok)`, `true`},
		{`count(value.items, .n > 2)`, `1`},
		{`count([true, false, true])`, `2`},
		{`count([1])`, `error: an element is an integer, not true or false`},
		{`filter(value.items, .ok)`, `[{"sku":"x","n":2,"ok":true}]`},
		{`map(value.items, .sku)`, `["x","y"]`},
		{`map(value.items, ({s: .sku, i: #index, t: topic}))`, `[{"s":"x","i":0,"t":"cars.gps"},{"s":"y","i":1,"t":"cars.gps"}]`},
		{`map(value.items, .nope)`, `error: field #.nope is missing`},
		{`map(value.items, .nope ?? 0)`, `[0,0]`},
		{`map(value.nums, # * 2)`, `[6,2,4]`},
		{`find(value.items, .n == 3).sku`, `"y"`},
		{`find(value.items, .n == 9)`, `null`},
		{`findIndex(value.items, .n == 3)`, `1`},
		{`findLast(value.nums, # < 3)`, `2`},
		{`findLastIndex(value.nums, # > 9)`, `-1`},
		{`reduce(value.nums, #acc + #)`, `6`},
		{`reduce(value.tags, #acc + #, "")`, `"vipeu"`},
		{`map(value.items, filter(value.nums, # > 1))`, `[[3,2],[3,2]]`},
		{`value.tags | filter(# != "eu") | len()`, `1`},
		{`first(value.nums)`, `3`},
		{`last(value.nums)`, `2`},
		{`first(value.empty)`, `null`},
		{`take(value.nums, 2)`, `[3,1]`},
		{`concat(value.nums, [9])`, `[3,1,2,9]`},
		{`flatten([[1, 2], 3, []])`, `[1,2,3]`},
		{`reverse(value.nums)`, `[2,1,3]`},
		{`uniq([1, 1.0, "a", "a", nil])`, `[1,"a",null]`},
		{`keys(value.pair)`, `["b","a"]`},
		{`values(value.pair)`, `[2,1]`},
		{`filter(value.n, true)`, `error: filter: value.n is an integer, not a list`},
		{`filter(value.nums, #)`, `error: # is an integer, not true or false`},
		{`{a: value.lat, "b c": {d: value.tags}, e: value.n + 1}`, `{"a":37.5,"b c":{"d":["vip","eu"]},"e":8}`},
		{`{}`, `{}`},
		{`{a: value?.nope}`, `{"a":null}`},
		{`{a: value.nope}`, `error: field value.nope is missing`},
	})
}

func TestCompileErrors(t *testing.T) {
	for _, r := range []row{
		{``, `the rule is empty: if it begins with "!", quote it`},
		{"  \n", `quote it`},
		{`value.lat !=`, "unexpected token EOF (1:12)\n | value.lat !="},
		{`lat != 0`, "unknown name lat: a field is written with its root, such as value.lat; the roots are " + roots + " (1:1)\n | lat != 0\n | ^"},
		{`1 + valeu.x`, "unknown name valeu"},
		{`1 + valeu.x`, "\n | 1 + valeu.x\n | ....^"},
		{`$env`, `unknown name $env`},
		{`now()`, `there is no now()`},
		{`rand()`, `unknown function rand; there are abs`},
		{`env("HOME")`, `unknown function env`},
		{`sortBy(value.a, .b)`, `the function sortBy isn't supported`},
		{`value.Foo()`, `values have no methods`},
		{`topic.x`, `topic is a text or a number: it has no members`},
		{`headers.a.b`, `a header is a text`},
		{`value.s matches value.t`, `the pattern of matches is a constant text`},
		{`value.s matches "("`, `the pattern isn't a regular expression`},
		{`value.s matches "(a{900}){900}"`, `the pattern`},
		{`value.s matches "a{1000}b{999}c{999}"`, `the pattern is too large`},
		{`#`, `unexpected token`},
		{`map(value.a, #acc)`, `unknown name #acc`},
		{`map(value.a, #foo)`, `unknown name #foo`},
		{`{a: 1, a: 2}`, `"a" stands twice`},
		{`{(value.a): 2}`, `the names of an object are fixed`},
		{`let value = 1; value`, `hides the root`},
		{`1; 2`, `a rule is one expression`},
		{`len()`, `len takes one argument, not 0`},
		{`split("a")`, `split takes 2 or 3 arguments, not 1`},
		{`max()`, `max takes at least 1, not 0`},
		{`18446744073709551616`, `invalid integer literal`},
		{`value.tags[99999999999]`, `99999999999`},
		{strings.Repeat("1+", 1500) + "1", `too complex`},
		{strings.Repeat("(", 5000) + "1", ``},
		{strings.Repeat("a", 20000), `at most 16384`},
		{"value.a == \"\xff\"", `isn't UTF-8`},
	} {
		_, err := Compile(r.text)
		if err == nil || !strings.Contains(err.Error(), r.want) {
			t.Errorf("Compile(%.60q): error %v, want %q in it", r.text, err, r.want)
		}
	}
}

func TestBool(t *testing.T) {
	b := record(t)
	for _, r := range []row{
		{`value.vip`, `true`},
		{`value.n > 7`, `false`},
		{`value.n`, `rule "value.n": value.n is an integer, not true or false`},
		{`value.nothing`, `rule "value.nothing": value.nothing is null, not true or false`},
		{`value.vip ? nil : 1`, `is null, not true or false`},
	} {
		e, err := Compile(r.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Bool(b, 0)
		switch {
		case err != nil && !strings.Contains(err.Error(), r.want):
			t.Errorf("%s: %v, want %q", r.text, err, r.want)
		case err == nil && (r.want == "true") != got:
			t.Errorf("%s = %v, want %s", r.text, got, r.want)
		}
	}
}

func TestText(t *testing.T) {
	b := record(t)
	for _, r := range []row{
		{`value.s`, `héllo`},
		{`value.n`, `7`},
		{`value.n + 1`, `8`},
		{`value.nothing`, ``},
		{`value.tags`, `["vip","eu"]`},
		{`value.huge + 1`, `18446744073709551617`},
		{`1 / 4`, `0.25`},
		{`true`, `true`},
		{`date(0)`, `1970-01-01T00:00:00Z`},
		{`topic + "/" + string(partition)`, `cars.gps/3`},
	} {
		e, err := Compile(r.text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.Text([]byte("> "), b, 0); err != nil || string(got) != "> "+r.want {
			t.Errorf("%s = %q, %v, want %q", r.text, got, err, r.want)
		}
	}
}

func TestPath(t *testing.T) {
	for _, r := range []struct {
		text, root, path string
		ok               bool
	}{
		{`value.lat`, "value", "lat", true},
		{` value.pos["odd name"].tags[-1]`, "value", `pos["odd name"].tags[-1]`, true},
		{`value`, "value", "", true},
		{`key`, "key", "", true},
		{`key.id`, "key", "id", true},
		{`topic`, "topic", "", true},
		{`value?.lat`, "", "", false},
		{`value.lat ?? 0`, "", "", false},
		{`value.lat + 0`, "", "", false},
		{`value[topic]`, "", "", false},
		{`headers.x`, "", "", false},
	} {
		e, err := Compile(r.text)
		if err != nil {
			t.Fatal(err)
		}
		path, root, ok := e.Path()
		if ok != r.ok || root != r.root || path != nil && path.String() != r.path || path == nil && r.path != "" {
			t.Errorf("%s: Path() = %v, %q, %v", r.text, path, root, ok)
		}
	}
}
