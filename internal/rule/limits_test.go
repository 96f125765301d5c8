package rule

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

func TestLimits(t *testing.T) {
	b := record(t)
	check(t, b, 0, []row{
		{`any(1..200000, # > 300000)`, `false`},
		{`len(1..1000000)`, `error: the rule makes more than 16 MiB`},
		{`len(1..9223372036854775807)`, `error: the rule makes more than 16 MiB`},
		{`let l = 1..5000; any(l, any(l, any(l, false)))`, `error: the rule takes more than 4194304 steps`},
		{`len(repeat("a", 9223372036854775807))`, `error: the rule makes more than 16 MiB`},
		{`len(repeat(repeat("a", 4000), 4000))`, `16000000`},
		{`len(repeat(repeat("a", 5000), 5000))`, `error: the rule makes more than`},
		{`len(replace(repeat("a", 5000), "a", repeat("b", 5000)))`, `error: the rule makes more than`},
		{`len(split(repeat("a", 1000000), ""))`, `error: the rule makes more than`},
		{`len(reduce(1..30, #acc + #acc, "a"))`, `error: the rule makes more than`},
		{`len(map(1..1000, value))`, `1000`},
		{`len(map(1..100000, value))`, `error: the rule makes more than`},
		{`len(flatten(map(1..1000, 1..1000)))`, `error: the rule makes more than`},
		{`any(1..150000, (id + topic) == "x" || any([#, #], false))`, `error: the rule makes more than`},
		{`any(1..250000, headers == nil)`, `error: the rule makes more than`},
		{`len(uniq(1..100000))`, `error: the rule takes more than`},
		{`repeat("a", 5000000) matches "(a?){100}b"`, `error: the rule takes more than`},
		{`decimal("1e999999999") > decimal("1e999999998")`, `true`},
		{`decimal("1e999999999") + 1`, `error: the exact result has more than 1000 digits`},
		{`decimal("1e999999999") * decimal("1e999999999")`, `error: the exact result has more than 1000 digits`},
		{`decimal("1e9999999999999") > 1`, `error: the text of "1e9999999999999" isn't a number`},
		{`float(decimal("1e999"))`, `error: float(): decimal("1e999") is out of range`},
		{`int(decimal("1e999"))`, `error: out of range`},
		{`let a = value.n; map(1..3, let b = # + a; b)`, `[8,9,10]`},
	})
	deep := strings.Repeat("map(value.nums, ", maxLoops+1) + "1" + strings.Repeat(")", maxLoops+1)
	if _, err := Compile(deep); err == nil || !strings.Contains(err.Error(), "predicates stand within each other") {
		t.Errorf("%d loops: %v", maxLoops+1, err)
	}
}

// A header's name comes from the record and may be longer than the name of a member.
func TestHeaderNames(t *testing.T) {
	long := strings.Repeat("n", 70_000)
	b := connectortest.Batch(t, "t", 0, connectortest.R{Value: "1", Headers: []connector.Header{{Name: long, Value: []byte("v")}, {Name: "bad", Value: []byte("\xff")}}})
	check(t, b, 0, []row{
		{`headers`, `error: headers: the name of header 1 has 70000 bytes, at most 65535 fit into an object`},
		{`len(headers)`, `error: headers: the name of header 1`},
		{`headers.bad`, `error: write JSON: the text isn't UTF-8`},
		{`headers[repeat("x", 1000)]`, `error: is missing`},
	})
	if _, err := evaluate(b, 0, `headers[repeat("x", 100000)]`); err == nil || len(err.Error()) > 1000 {
		t.Errorf("the message has %d bytes", len(err.Error()))
	}
}

// The parser shares a node between two places of "a ?: b" and of "a < b < c":
// neither compiling nor evaluating may double with each level.
func TestSharedNodes(t *testing.T) {
	b := record(t)
	elvis := strings.Repeat("(", 200) + "false" + strings.Repeat(" ?: false)", 200)
	if got, err := evaluate(b, 0, elvis); err != nil || got != "false" {
		t.Errorf("elvis: %s, %v", got, err)
	}
	chain := strings.Repeat("1 < (", 40) + "1" + strings.Repeat(") < 2", 40)
	if _, err := Compile(chain); err == nil || !strings.Contains(err.Error(), "too complex") {
		t.Errorf("chain: %v", err)
	}
}

// The same record ends the same way whatever the evaluations before it left behind.
func TestFramesAreClean(t *testing.T) {
	b := connectortest.Batch(t, "t", 0,
		connectortest.R{Value: `{"a":[1,2,3]}`}, connectortest.R{Value: `{"a":[1,"x",3]}`}, connectortest.R{Value: `{"b":1}`})
	e, err := Compile(`let s = sum(value.a, # + 1); {n: s, list: map(value.a, # * s)}`)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for i := range b.Len() {
			v, err := e.Eval(b, i)
			if i == 0 {
				out, jsonErr := v.AppendJSON(nil)
				if err != nil || jsonErr != nil || string(out) != `{"n":9,"list":[9,18,27]}` {
					t.Fatalf("record 0: %s, %v", out, err)
				}
			} else if err == nil {
				t.Fatalf("record %d: no error", i)
			}
		}
	}
}

// The work of one evaluation doesn't count for the next.
func TestCountsBeginAnew(t *testing.T) {
	b := record(t)
	e, err := Compile(`len(map(1..40000, # + 1))`)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		if _, err := e.Eval(b, 0); err != nil {
			t.Fatalf("evaluation %d: %v", i, err)
		}
	}
}

func TestConcurrent(t *testing.T) {
	e, err := Compile(`value.n * 2 > 5 && lower(key) == "k"`)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 4 {
		b := connectortest.Batch(t, "t", 0, connectortest.R{Key: "K", Value: `{"n":3}`})
		go func(b *connector.Batch) {
			for range 1000 {
				if ok, err := e.Bool(b, 0); err != nil || !ok {
					done <- err
					return
				}
			}
			done <- nil
		}(b)
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
