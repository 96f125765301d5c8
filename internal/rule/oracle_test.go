package rule

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/expr-lang/expr"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/connector/connectortest"
)

// A phrase draws expressions of one kind on which expr's own VM and this
// package have to agree: fields that are there, small numbers, ASCII texts.
type phrase struct {
	t     *rapid.T
	depth int
	loop  bool
}

func (p phrase) pick(options ...func() string) string {
	return options[rapid.IntRange(0, len(options)-1).Draw(p.t, "option")]()
}

func (p phrase) deeper() phrase { p.depth--; return p }

func (p phrase) number() string {
	leaves := []func() string{
		func() string { return fmt.Sprint(rapid.IntRange(-9, 9).Draw(p.t, "int")) },
		func() string { return fmt.Sprint(float64(rapid.IntRange(-18, 18).Draw(p.t, "half")) / 2) },
		func() string {
			return rapid.SampledFrom([]string{"value.a", "value.f", "value.pos.x", "value.nums[1]", "value.nums[-1]", `value["a"]`}).Draw(p.t, "field")
		},
	}
	if p.loop {
		leaves = append(leaves, func() string { return "#" })
	}
	if p.depth <= 0 {
		return p.pick(leaves...)
	}
	d := p.deeper()
	return p.pick(append(leaves,
		func() string {
			return "(" + d.number() + rapid.SampledFrom([]string{" + ", " - ", " * ", " / "}).Draw(p.t, "op") + d.number() + ")"
		},
		func() string { return "(" + d.truth() + " ? " + d.number() + " : " + d.number() + ")" },
		func() string { return "len(" + d.text() + ")" },
		func() string { return "len(" + d.list() + ")" },
		func() string { return "abs(" + d.number() + ")" },
		func() string { return "max(" + d.number() + ", " + d.number() + ")" },
		func() string { return "sum(" + d.list() + ")" },
		func() string { return "count(" + d.list() + ", " + d.inside().truth() + ")" },
		func() string { return "(value.none?.x ?? " + d.number() + ")" },
		func() string { return "(let v = " + d.number() + "; v + v)" },
	)...)
}

func (p phrase) inside() phrase { p.loop = true; return p }

func (p phrase) truth() string {
	leaves := []func() string{
		func() string { return rapid.SampledFrom([]string{"true", "false", "value.yes"}).Draw(p.t, "bool") },
	}
	if p.depth <= 0 {
		return p.pick(leaves...)
	}
	d := p.deeper()
	compare := func() string { return rapid.SampledFrom([]string{"==", "!=", "<", "<=", ">", ">="}).Draw(p.t, "op") }
	return p.pick(append(leaves,
		func() string { return "(" + d.number() + " " + compare() + " " + d.number() + ")" },
		func() string { return "(" + d.text() + " " + compare() + " " + d.text() + ")" },
		func() string {
			return "(" + d.truth() + rapid.SampledFrom([]string{" && ", " || ", " == "}).Draw(p.t, "op") + d.truth() + ")"
		},
		func() string { return "!" + d.truth() },
		func() string {
			return "(" + d.text() + rapid.SampledFrom([]string{" contains ", " startsWith ", " endsWith "}).Draw(p.t, "op") + d.text() + ")"
		},
		func() string { return "(" + d.text() + " in value.tags)" },
		func() string { return "(value.none == nil)" },
		func() string {
			return rapid.SampledFrom([]string{"all", "any", "none", "one"}).Draw(p.t, "f") + "(" + d.list() + ", " + d.inside().truth() + ")"
		},
	)...)
}

func (p phrase) text() string {
	leaves := []func() string{
		func() string { return `"` + rapid.StringMatching("[a-cA-C]{0,4}").Draw(p.t, "text") + `"` },
		func() string {
			return rapid.SampledFrom([]string{"value.s", "value.tags[0]", "key", "topic"}).Draw(p.t, "field")
		},
	}
	if p.depth <= 0 {
		return p.pick(leaves...)
	}
	d := p.deeper()
	return p.pick(append(leaves,
		func() string { return "(" + d.text() + " + " + d.text() + ")" },
		func() string {
			return rapid.SampledFrom([]string{"upper", "lower", "trim"}).Draw(p.t, "f") + "(" + d.text() + ")"
		},
		func() string { return "(" + d.truth() + " ? " + d.text() + " : " + d.text() + ")" },
		func() string { return "replace(" + d.text() + `, "a", "bb")` },
		func() string { return "(" + d.text() + ")[:2]" },
		func() string { return "join(value.tags, " + d.text() + ")" },
	)...)
}

func (p phrase) list() string {
	leaves := []func() string{
		func() string { return "value.nums" },
		func() string { return "1..3" },
	}
	if p.depth <= 0 {
		return p.pick(leaves...)
	}
	d := p.deeper()
	return p.pick(append(leaves,
		func() string { return "filter(" + d.list() + ", " + d.inside().truth() + ")" },
		func() string { return "map(" + d.list() + ", " + d.inside().number() + ")" },
		func() string { return "[" + d.number() + ", " + d.number() + "]" },
		func() string { return "(" + d.list() + ")[1:]" },
	)...)
}

func (p phrase) any() string {
	return p.pick(p.number, p.truth, p.text, p.list, func() string {
		return "{a: " + p.number() + ", b: {c: " + p.text() + "}}"
	})
}

// TestOracle compares with expr's VM where the two languages agree.
func TestOracle(t *testing.T) {
	const value = `{"a":3,"f":1.5,"pos":{"x":-2},"nums":[4,0,7],"tags":["ab","c"],"s":"abc","yes":true,"none":null}`
	b := connectortest.Batch(t, "cab", 0, connectortest.R{Key: "k", Value: value})
	env := map[string]any{"key": "k", "topic": "cab", "value": map[string]any{
		"a": 3, "f": 1.5, "pos": map[string]any{"x": -2}, "nums": []any{4, 0, 7}, "tags": []any{"ab", "c"}, "s": "abc", "yes": true, "none": nil,
	}}
	rapid.Check(t, func(t *rapid.T) {
		text := phrase{t: t, depth: 3}.any()
		got, err := evaluate(b, 0, text)
		if err != nil && strings.Contains(err.Error(), "division by zero") {
			return // expr's 1/0 is +Inf
		}
		program, compileErr := expr.Compile(text, expr.Env(env))
		if compileErr != nil {
			t.Skip(compileErr) // expr knows the types and refuses more, such as a range of an empty list
		}
		want, runErr := expr.Run(program, env)
		if runErr != nil && strings.Contains(runErr.Error(), "interface conversion") {
			return // expr took a conditional for an int because its first branch is one
		}
		if runErr != nil {
			t.Fatalf("%s: expr fails: %v; here: %s, %v", text, runErr, got, err)
		}
		if err != nil {
			t.Fatalf("%s: %v; expr: %v", text, err, want)
		}
		if wanted, jsonErr := json.Marshal(want); jsonErr == nil && !sameJSON(got, string(wanted)) {
			t.Fatalf("%s = %s; expr: %s", text, got, wanted)
		}
	})
}

// sameJSON compares numbers as float64.
func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}
