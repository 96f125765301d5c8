package pattern

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/serde"
)

// A row of testdata/cases.jsonl: a rule of AWS's user guide, or of the matcher that AWS publishes, and what shows it.
type row struct {
	Operator, Rule string
	Pattern, Event json.RawMessage
	Match          bool
}

func rows(t testing.TB) []row {
	t.Helper()
	data, err := os.ReadFile("testdata/cases.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var all []row
	for line := range bytes.Lines(data) {
		var r row
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

func event(t testing.TB, text []byte) serde.Value {
	t.Helper()
	v, err := serde.NewTape().JSON(text, serde.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func compile(t testing.TB, text string) *Pattern {
	t.Helper()
	p, err := Compile([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

func TestCases(t *testing.T) {
	matches := map[string][2]int{}
	all := rows(t)
	for _, r := range all {
		if got := compile(t, string(r.Pattern)).Match(event(t, r.Event)); got != r.Match {
			t.Errorf("%s: %s: pattern %s, event %s: %t", r.Operator, r.Rule, r.Pattern, r.Event, got)
		}
		n := matches[r.Operator]
		if n[1]++; r.Match {
			n[0]++
		}
		matches[r.Operator] = n
	}
	if len(all) < 200 {
		t.Errorf("%d cases", len(all))
	}
	for operator, n := range matches {
		if n[0] == 0 || n[0] == n[1] {
			t.Errorf("%s: %d of %d cases match", operator, n[0], n[1])
		}
	}
	for _, operator := range operators() {
		if _, ok := matches[operator]; !ok {
			t.Errorf("no case of %s", operator)
		}
	}
}

// What else an event holds, and the order of its fields, changes nothing.
func TestSurroundings(t *testing.T) {
	for _, r := range rows(t) {
		p := compile(t, `{"in":`+string(r.Pattern)+`,"z":[1]}`)
		for _, text := range []string{`{"z":1,"other":[{"in":2}],"in":%s}`, `{"in":%s,"z":1}`, `{"z":[0,1],"in":[5,{"x":1},%s]}`} {
			if got := p.Match(event(t, fmt.Appendf(nil, text, r.Event))); got != r.Match {
				t.Errorf("%s: pattern %s in %s: %t", r.Rule, r.Pattern, fmt.Sprintf(text, r.Event), got)
			}
		}
	}
}

// A choice of a pattern and of one that can't match is the pattern.
func TestChoice(t *testing.T) {
	for _, r := range rows(t) {
		for _, text := range []string{`{"$or":[%s,{"never":[1]}]}`, `{"$or":[{"never":[1]},{"$or":[{"never":[1]},%s]}]}`} {
			if got := compile(t, fmt.Sprintf(text, r.Pattern)).Match(event(t, r.Event)); got != r.Match {
				t.Errorf("%s: "+text+", event %s: %t", r.Rule, r.Pattern, r.Event, got)
			}
		}
	}
}

// Values that JSON knows as texts only are matched as those, and what can't be sent is no value of any kind.
func TestKinds(t *testing.T) {
	tape := serde.NewTape()
	decimal, err := tape.Decimal([]byte("12.50"))
	if err != nil {
		t.Fatal(err)
	}
	zero := 0.0
	for _, c := range []struct {
		value   serde.Value
		pattern string
		match   bool
	}{
		{tape.Date(20_000), `"2024-10-04"`, true},
		{tape.Date(20_000), `{"prefix":"2024-"}`, true},
		{tape.Timestamp(time.UnixMilli(1_700_000_000_123)), `{"prefix":"2023-11-14T22:13:20.123"}`, true},
		{tape.TimeOfDay(3_600_000_000), `{"prefix":"01:00:00"}`, true},
		{tape.UUID([16]byte{1, 2}), `"01020000-0000-0000-0000-000000000000"`, true},
		{tape.UUID([16]byte{1, 2}), `{"wildcard":"*-0000-*"}`, true},
		{tape.BorrowBytes([]byte("key")), `"a2V5"`, true},
		{tape.BorrowBytes([]byte("key")), `"key"`, false},
		{tape.BorrowBytes(bytes.Repeat([]byte("key"), 99)), `{"suffix":"a2V5"}`, true},
		{decimal, `12.5`, true},
		{decimal, `{"numeric":["<",12.51]}`, true},
		{tape.Int64(7), `7.0`, true},
		{tape.Int64(1 << 62), `4611686018427387904`, true},
		{tape.Int64(1<<62 + 1), `4611686018427387904`, false},
		{tape.Float64(0.1), `{"numeric":["=",0.1]}`, true},
		{tape.Float64(1e300), `{"numeric":[">",1e299]}`, true},
		{tape.Float64(zero / zero), `{"exists":true}`, true},
		{tape.Float64(zero / zero), `{"numeric":["<=",0]}`, false},
		{tape.Float64(zero / zero), `{"anything-but":"NaN"}`, true},
		{tape.Bool(true), `true`, true},
		{tape.Null(), `null`, true},
		{serde.Value{}, `null`, false},
	} {
		e := tape.Object([]string{"a"}, []serde.Value{c.value})
		if got := compile(t, `{"a":[`+c.pattern+`]}`).Match(e); got != c.match {
			t.Errorf("%v against %s: %t", c.value.Kind(), c.pattern, got)
		}
	}
}

func TestFields(t *testing.T) {
	p := compile(t, `{"source":["x"],"detail":{"b.c":[1],"$or":[{"a":[1]},{"z":{"y":[{"exists":false}]}}]}}`)
	if got := p.Fields(); !slices.Equal(got, []string{"detail.a", "detail.b.c", "detail.z.y", "source"}) {
		t.Errorf("%q", got)
	}
}

func TestErrors(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 70) + `[1]` + strings.Repeat(`}`, 70)
	many := `{"x":[1]`
	for i := range 10 {
		many += fmt.Sprintf(`,"f%d":{"$or":[{"a":[1]},{"b":[1]}]}`, i)
	}
	for _, c := range []struct{ pattern, want string }{
		{``, `isn't JSON`},
		{`{"a":["x"]`, `isn't JSON`},
		{`{"a":["x"],}`, `isn't JSON`},
		{`{"a":["x"]} {}`, `isn't JSON`},
		{`{"a":["x"],"a":["y"]}`, `"a" comes twice`},
		{`{"a":[{"prefix":"x","prefix":"y"}]}`, `"prefix" comes twice`},
		{`["a"]`, `the pattern must be an object`},
		{`{}`, `the object is empty`},
		{`{"a":{}}`, `a: the object is empty`},
		{`{"a":[]}`, `a: the list is empty`},
		{`{"a":"x"}`, `a: a field takes a list of values or an object of fields, not a text; write ["x"]`},
		{`{"a":{"b":42}}`, `a.b: a field takes a list of values or an object of fields, not a number; write [42]`},
		{`{"a":["x",["y"]]}`, `a[1]: is a list`},
		{`{"a":[{}]}`, `a[0]: an operator is an object of one member, not of 0`},
		{`{"a":[{"prefix":"x","suffix":"y"}]}`, `a[0]: an operator is an object of one member, not of 2`},
		{`{"a":["y",{"contains":"x"}]}`, `a[1]: there is no operator "contains"; there are anything-but, cidr, equals-ignore-case, exists, numeric, prefix, suffix, wildcard`},
		{`{"a":[{"EXISTS":true}]}`, `there is no operator "EXISTS"`},
		{`{"a":[{"prefix":1}]}`, `a[0].prefix: takes a text, not a number`},
		{`{"a":[{"prefix":["x"]}]}`, `a[0].prefix: takes one text, not a list; write {"prefix": ...} for each`},
		{`{"a":[{"prefix":{"wildcard":"x"}}]}`, `a[0].prefix: takes a text or equals-ignore-case, not "wildcard"`},
		{`{"a":[{"prefix":{"equals-ignore-case":1}}]}`, `a[0].prefix.equals-ignore-case: takes a text`},
		{`{"a":[{"suffix":{"equals-ignore-case":"x","b":1}}]}`, `a[0].suffix: an operator is an object of one member`},
		{`{"a":[{"suffix":null}]}`, `a[0].suffix: takes a text, not null`},
		{`{"a":[{"equals-ignore-case":["x"]}]}`, `a[0].equals-ignore-case: takes one text`},
		{`{"a":[{"equals-ignore-case":{"prefix":"x"}}]}`, `a[0].equals-ignore-case: takes a text, not an object`},
		{`{"a":[{"wildcard":"a**b"}]}`, `a[0].wildcard: "a**b": two asterisks`},
		{`{"a":[{"wildcard":"a\\b"}]}`, `a backslash stands before an asterisk`},
		{`{"a":[{"wildcard":"a\\"}]}`, `a backslash stands before an asterisk`},
		{`{"a":[{"exists":"true"}]}`, `a[0].exists: takes true or false, not a text`},
		{`{"a":[{"cidr":"10.0.0.0"}]}`, `a[0].cidr: "10.0.0.0": isn't a network`},
		{`{"a":[{"cidr":"10.0.0/8"}]}`, `isn't a network`},
		{`{"a":[{"cidr":"10.0.0.0/x"}]}`, `isn't a network`},
		{`{"a":[{"cidr":"10.0.0.0/-1"}]}`, `isn't a network`},
		{`{"a":[{"cidr":"10.0.0.0/32"}]}`, `EventBridge takes at most /31`},
		{`{"a":[{"cidr":"::1/128"}]}`, `EventBridge takes at most /127`},
		{`{"a":[{"cidr":["10.0.0.0/8"]}]}`, `takes one text`},
		{`{"a":[{"anything-but":null}]}`, `a[0].anything-but: takes texts and numbers, not null`},
		{`{"a":[{"anything-but":true}]}`, `takes texts and numbers, not true or false`},
		{`{"a":[{"anything-but":["x",null]}]}`, `a[0].anything-but[1]: takes texts and numbers, not null`},
		{`{"a":[{"anything-but":["x",1]}]}`, `a[0].anything-but: takes only texts or only numbers`},
		{`{"a":[{"anything-but":[]}]}`, `a[0].anything-but: the list is empty`},
		{`{"a":[{"anything-but":{"prefix":""}}]}`, `a[0].anything-but.prefix: is empty`},
		{`{"a":[{"anything-but":{"suffix":["x",""]}}]}`, `a[0].anything-but.suffix[1]: is empty`},
		{`{"a":[{"anything-but":{"prefix":{"equals-ignore-case":"x"}}}]}`, `a[0].anything-but.prefix: takes a text, not an object`},
		{`{"a":[{"anything-but":{"wildcard":[1]}}]}`, `a[0].anything-but.wildcard[0]: takes a text, not a number`},
		{`{"a":[{"anything-but":{"wildcard":"**"}}]}`, `two asterisks`},
		{`{"a":[{"anything-but":{"cidr":"10.0.0.0/8"}}]}`, `takes values, or one of equals-ignore-case, prefix, suffix, wildcard, not "cidr"`},
		{`{"a":[{"anything-but":9007199254740993}]}`, `EventBridge compares numbers that a float64 holds`},
		{`{"a":[{"numeric":10}]}`, `a[0].numeric: takes a list such as`},
		{`{"a":[{"numeric":[]}]}`, `a[0].numeric: takes a list such as`},
		{`{"a":[{"numeric":[">",0,"<"]}]}`, `a[0].numeric: takes a list such as`},
		{`{"a":[{"numeric":[">","0"]}]}`, `a[0].numeric[1]: is "0", not a number`},
		{`{"a":[{"numeric":["!=",0]}]}`, `a[0].numeric[0]: is "!=", not one of = < <= > >=`},
		{`{"a":[{"numeric":[0,">"]}]}`, `a[0].numeric[1]: is ">", not a number`},
		{`{"a":[{"numeric":[">",0,">",1]}]}`, `a[0].numeric: a range is > or >= and then < or <=`},
		{`{"a":[{"numeric":["<",5,">",0]}]}`, `a range is > or >= and then < or <=`},
		{`{"a":[{"numeric":["=",5,"<",9]}]}`, `a range is > or >= and then < or <=`},
		{`{"a":[{"numeric":[">",5,"=",9]}]}`, `a range is > or >= and then < or <=`},
		{`{"a":[{"numeric":[">",5,"<",5.0]}]}`, `there is no number between 5 and 5.0`},
		{`{"a":[{"numeric":["<",1e400]}]}`, `a[0].numeric[1]: 1e400: EventBridge compares numbers that a float64 holds`},
		{`{"$or":{"a":[1]}}`, `$or: takes a list of at least two objects`},
		{`{"$or":[{"a":[1]}]}`, `$or: takes a list of at least two objects`},
		{`{"a":{"$or":[{"b":[1]},"c"]}}`, `a.$or[1]: is a text, not an object`},
		{`{"a":{"$or":[{"b":[1]},{}]}}`, `a.$or[1]: the object is empty`},
		{`{"$or":[{"b":[1]},{"c":{"d":["x",{"prefix":5}]}}]}`, `$or[1].c.d[1].prefix: takes a text`},
		{`{"$or":[{"a":[1]},{"prefix":["x"]}]}`, `$or[1]: a field inside $or can't be named prefix`},
		{`{"$or":[{"a":[1]},{"b":{">":[1]}}]}`, `$or[1].b: a field inside $or can't be named >`},
		{`{"a":[1],"$or":[{"a":[2]},{"b":[1]}]}`, `a: the field comes twice`},
		{`{"a":{"b":[1]},"a.b":[2]}`, `a.b: the field comes twice`},
		{many + `}`, `more than 1000 ways`},
		{`{"$or":[{"a":[1]}` + strings.Repeat(`,{"a":[1]}`, 1000) + `]}`, `more than 1000 ways`},
		{deep, `isn't JSON that can be read`},
		{`{"a":["` + strings.Repeat("x", maxSize) + `"]}`, `at most 65536 are allowed`},
	} {
		p, err := Compile([]byte(c.pattern))
		if err == nil || !strings.Contains(err.Error(), c.want) || p != nil {
			t.Errorf("%.200s: %v, want %q in it", c.pattern, err, c.want)
		}
	}
}

// The pattern belongs to itself: its text may change after Compile.
func TestOwnText(t *testing.T) {
	text := []byte(`{"a":["x",{"prefix":"y"},12.5,{"wildcard":"w*w"},{"equals-ignore-case":"E"}]}`)
	p, err := Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		text[i] = '!'
	}
	for _, value := range []string{`"x"`, `"yy"`, `12.5`, `"w-w"`, `"e"`} {
		if !p.Match(event(t, []byte(`{"a":`+value+`}`))) {
			t.Errorf("%s doesn't match any more", value)
		}
	}
}

// More conditions than a scope remembers, in a list.
func TestManyConditions(t *testing.T) {
	pattern, full := `{"a":{"z":[1]`, `{"a":[{"z":1`
	for i := range 100 {
		pattern += fmt.Sprintf(`,"f%03d":[{"exists":false}]`, i)
		full += fmt.Sprintf(`,"f%03d":1`, i+200)
	}
	p := compile(t, pattern+"}}")
	if !p.Match(event(t, []byte(full+`}]}`))) {
		t.Error("no field of the pattern is there, but it doesn't match")
	}
	if p.Match(event(t, []byte(full+`},{"f099":1}]}`))) {
		t.Error("the last field of the pattern is there, but it matches")
	}
}
