package jsonschema

import (
	"cmp"
	"math/big"
	"slices"

	lib "github.com/santhosh-tekuri/jsonschema/v6"
)

func has(types []string, t string) bool { return slices.Contains(types, t) }

// typesOf are the types that the data may be of: "integer" only where "number" isn't.
func typesOf(facts []*lib.Schema) []string {
	types := []string{"null", "boolean", "number", "string", "array", "object"}
	for _, f := range facts {
		if f.Types == nil || f.Types.IsEmpty() {
			continue
		}
		allowed := f.Types.ToStrings()
		var both []string
		for _, t := range types {
			switch {
			case has(allowed, t), t == "integer" && has(allowed, "number"):
				both = append(both, t)
			case t == "number" && has(allowed, "integer"):
				both = append(both, "integer")
			}
		}
		types = both
	}
	return types
}

// impossible reports that no data is valid by the facts.
func impossible(facts []*lib.Schema) bool {
	for _, f := range facts {
		if f.Bool != nil && !*f.Bool {
			return true
		}
	}
	return len(typesOf(facts)) == 0
}

// values are an enum's values, nil if there is none.
func (p *prover) values(s *lib.Schema) []any {
	if s.Enum != nil {
		return s.Enum.Values
	}
	return p.enums[s]
}

// finite lists the only values that are valid by the facts, and perhaps some that aren't.
func (p *prover) finite(facts []*lib.Schema) (values []any, ok bool) {
	for _, f := range facts {
		if f.Const != nil {
			return []any{*f.Const}, true
		}
	}
	for _, f := range facts {
		if values := p.values(f); values != nil {
			return values, true
		}
	}
	types := typesOf(facts)
	for _, t := range types {
		switch t {
		case "null":
			values = append(values, nil)
		case "boolean":
			values = append(values, false, true)
		default:
			return nil, false
		}
	}
	return values, true
}

// most is the largest (sign 1) or smallest (sign -1) of the facts' numbers, nil if none has one.
func most[T any](facts []*lib.Schema, of func(*lib.Schema) *T, compare func(a, b *T) int, sign int) *T {
	var found *T
	for _, f := range facts {
		if x := of(f); x != nil && (found == nil || compare(x, found)*sign > 0) {
			found = x
		}
	}
	return found
}

func compareInts(a, b *int) int { return cmp.Compare(*a, *b) }

// atLeast proves a lower bound of a length, atMost an upper one.
func atLeast(facts []*lib.Schema, goal *lib.Schema, of func(*lib.Schema) *int) bool {
	want := of(goal)
	if want == nil || *want <= 0 {
		return true
	}
	got := most(facts, of, compareInts, 1)
	return got != nil && *got >= *want
}

func atMost(facts []*lib.Schema, goal *lib.Schema, of func(*lib.Schema) *int) bool {
	want := of(goal)
	if want == nil {
		return true
	}
	got := most(facts, of, compareInts, -1)
	return got != nil && *got <= *want
}

func keyword(path []string, k string) []string { return append(slices.Clip(path), k) }

// numbers proves bounds and multipleOf.
func numbers(path []string, facts []*lib.Schema, types []string, goal *lib.Schema) []problem {
	var found []problem
	compare := func(a, b *big.Rat) int { return a.Cmp(b) }
	low := most(facts, func(f *lib.Schema) *big.Rat { return f.Minimum }, compare, 1)
	lowX := most(facts, func(f *lib.Schema) *big.Rat { return f.ExclusiveMinimum }, compare, 1)
	high := most(facts, func(f *lib.Schema) *big.Rat { return f.Maximum }, compare, -1)
	highX := most(facts, func(f *lib.Schema) *big.Rat { return f.ExclusiveMaximum }, compare, -1)
	beyond := func(x, limit *big.Rat, sign, least int) bool { return x != nil && x.Cmp(limit)*sign >= least }
	for _, b := range []struct {
		keyword string
		want    *big.Rat
		ok      func(want *big.Rat) bool
	}{
		{"minimum", goal.Minimum, func(w *big.Rat) bool { return beyond(low, w, 1, 0) || beyond(lowX, w, 1, 0) }},
		{"exclusiveMinimum", goal.ExclusiveMinimum, func(w *big.Rat) bool { return beyond(low, w, 1, 1) || beyond(lowX, w, 1, 0) }},
		{"maximum", goal.Maximum, func(w *big.Rat) bool { return beyond(high, w, -1, 0) || beyond(highX, w, -1, 0) }},
		{"exclusiveMaximum", goal.ExclusiveMaximum, func(w *big.Rat) bool { return beyond(high, w, -1, 1) || beyond(highX, w, -1, 0) }},
	} {
		if b.want != nil && !b.ok(b.want) {
			found = append(found, problem{keyword(path, b.keyword), "is " + decimal(b.want) + " now: old data may be beyond it"})
		}
	}
	if goal.MultipleOf != nil && !multiples(facts, types, goal.MultipleOf) {
		found = append(found, problem{keyword(path, "multipleOf"), "is " + decimal(goal.MultipleOf) + " now: old data may be no multiple of it"})
	}
	return found
}

// multiples reports whether all data are multiples of m.
func multiples(facts []*lib.Schema, types []string, m *big.Rat) bool {
	if m.Sign() == 0 {
		return false
	}
	isMultiple := func(x *big.Rat) bool { return new(big.Rat).Quo(x, m).IsInt() }
	if !has(types, "number") && isMultiple(big.NewRat(1, 1)) {
		return true
	}
	return slices.ContainsFunc(facts, func(f *lib.Schema) bool { return f.MultipleOf != nil && isMultiple(f.MultipleOf) })
}

// strs proves lengths and patterns.
func strs(path []string, facts []*lib.Schema, goal *lib.Schema) []problem {
	var found []problem
	if !atLeast(facts, goal, func(s *lib.Schema) *int { return s.MinLength }) {
		found = append(found, problem{keyword(path, "minLength"), "is larger: old data may be shorter"})
	}
	if !atMost(facts, goal, func(s *lib.Schema) *int { return s.MaxLength }) {
		found = append(found, problem{keyword(path, "maxLength"), "is smaller: old data may be longer"})
	}
	if goal.Pattern != nil && !slices.ContainsFunc(facts, func(f *lib.Schema) bool {
		return f.Pattern != nil && f.Pattern.String() == goal.Pattern.String()
	}) {
		found = append(found, undecided(keyword(path, "pattern"), ""))
	}
	return found
}

// disjoint reports whether it is certain that no data of the facts is valid by s: by type, by constants, or by such a member that both require.
func (p *prover) disjoint(facts []*lib.Schema, s *lib.Schema) bool {
	const deepest = 8 // members in members
	p.step(1)
	if p.apart++; p.apart > deepest {
		p.apart--
		return false
	}
	defer func() { p.apart-- }()
	other := expand(nil, s)
	if impossible(append(slices.Clip(facts), other...)) {
		return true
	}
	for _, x := range [2][2][]*lib.Schema{{facts, other}, {other, facts}} {
		if values, ok := p.finite(x[0]); ok && p.noneFits(values, x[1]) {
			return true
		}
	}
	if only(typesOf(facts), "object") || only(typesOf(other), "object") {
		return p.disjointMember(facts, other)
	}
	return false
}

func only(types []string, t string) bool { return len(types) == 1 && types[0] == t }

// noneFits reports whether none of the values is among those of the facts, or of their types.
func (p *prover) noneFits(values []any, facts []*lib.Schema) bool {
	if others, ok := p.finite(facts); ok {
		return !slices.ContainsFunc(values, func(v any) bool {
			return slices.ContainsFunc(others, func(o any) bool { return equal(v, o) })
		})
	}
	return false
}

// disjointMember finds a member that both require and whose values can't be valid by both.
func (p *prover) disjointMember(a, b []*lib.Schema) bool {
	for _, f := range a {
		for _, name := range f.Required {
			if !requires(b, name) {
				continue
			}
			x, y := p.memberFacts(a, name), p.memberFacts(b, name)
			if len(x) == 0 || len(y) == 0 {
				continue
			}
			x = expandAll(x)
			for _, g := range y {
				if p.disjoint(x, g) {
					return true
				}
			}
		}
	}
	return false
}

func requires(facts []*lib.Schema, name string) bool {
	return slices.ContainsFunc(facts, func(f *lib.Schema) bool { return slices.Contains(f.Required, name) })
}

func expandAll(facts []*lib.Schema) []*lib.Schema {
	var all []*lib.Schema
	for _, f := range facts {
		all = expand(all, f)
	}
	return all
}
