package jsonschema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	lib "github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaOf is what the library keeps as nil, bool or *Schema; nil allows everything.
func (p *prover) schemaOf(x any) *lib.Schema {
	switch x := x.(type) {
	case *lib.Schema:
		return x
	case bool:
		if !x {
			return &p.nothing
		}
	}
	return nil
}

// below proves something about parts of the data.
func (p *prover) below(path []string, facts []*lib.Schema, goal *lib.Schema) []problem {
	p.depth++
	defer func() { p.depth-- }()
	return p.prove(path, expandAll(facts), goal)
}

// element is the schema of an array's i-th element, nil if there is none, and fixed is the number of those that have their own.
func (p *prover) element(s *lib.Schema, i int) (of *lib.Schema, fixed int) {
	if s.DraftVersion >= 2020 {
		if i < len(s.PrefixItems) {
			return s.PrefixItems[i], len(s.PrefixItems)
		}
		return s.Items2020, len(s.PrefixItems)
	}
	switch items := s.Items.(type) {
	case *lib.Schema:
		return items, 0
	case []*lib.Schema:
		if i < len(items) {
			return items[i], len(items)
		}
		return p.schemaOf(s.AdditionalItems), len(items)
	}
	return nil, 0
}

// arrays proves what is about arrays.
func (p *prover) arrays(path []string, facts []*lib.Schema, goal *lib.Schema) []problem {
	var found []problem
	maxItems := func(s *lib.Schema) *int { return s.MaxItems }
	if !atLeast(facts, goal, func(s *lib.Schema) *int { return s.MinItems }) {
		found = append(found, problem{keyword(path, "minItems"), "is larger: old data may have fewer elements"})
	}
	if !atMost(facts, goal, maxItems) {
		found = append(found, problem{keyword(path, "maxItems"), "is smaller: old data may have more elements"})
	}
	if goal.UniqueItems && !slices.ContainsFunc(facts, func(f *lib.Schema) bool { return f.UniqueItems }) {
		found = append(found, problem{keyword(path, "uniqueItems"), "is true now: old data may have equal elements"})
	}
	if goal.UnevaluatedItems != nil {
		found = append(found, undecided(keyword(path, "unevaluatedItems"), ""))
	}
	_, last := p.element(goal, 0)
	for _, f := range facts {
		_, fixed := p.element(f, 0)
		last = max(last, fixed)
	}
	longest := most(facts, maxItems, compareInts, -1)
	for i := 0; i <= last; i++ {
		p.step(1)
		if longest != nil && i >= *longest {
			break
		}
		want, _ := p.element(goal, i)
		if want == nil {
			continue
		}
		var of []*lib.Schema
		for _, f := range facts {
			if s, _ := p.element(f, i); s != nil {
				of = append(of, s)
			}
		}
		at := strconv.Itoa(i)
		if i == last {
			at = "items"
		}
		found = append(found, p.below(keyword(path, at), of, want)...)
	}
	return append(found, p.contains(path, facts, goal)...)
}

// contains proves contains, minContains and maxContains by the same keywords of one fact.
func (p *prover) contains(path []string, facts []*lib.Schema, goal *lib.Schema) []problem {
	if goal.Contains == nil {
		return nil
	}
	least := func(s *lib.Schema) int {
		if s.MinContains != nil {
			return *s.MinContains
		}
		return 1
	}
	p.depth++
	defer func() { p.depth-- }()
	for _, f := range facts {
		if f.Contains == nil {
			continue
		}
		enough := least(goal) <= 0 || least(f) >= least(goal) && p.covers(goal.Contains, f.Contains)
		notMore := goal.MaxContains == nil || f.MaxContains != nil && *f.MaxContains <= *goal.MaxContains && p.covers(f.Contains, goal.Contains)
		if enough && notMore {
			return nil
		}
	}
	return []problem{undecided(keyword(path, "contains"), "")}
}

// memberFacts is what the facts say about the value of a member.
func (p *prover) memberFacts(facts []*lib.Schema, name string) []*lib.Schema {
	var of []*lib.Schema
	for _, f := range facts {
		evaluated := false
		if s := f.Properties[name]; s != nil {
			of, evaluated = append(of, s), true
		}
		for re, s := range f.PatternProperties {
			if re.MatchString(name) {
				of, evaluated = append(of, s), true
			}
		}
		if s := p.schemaOf(f.AdditionalProperties); !evaluated && s != nil {
			of = append(of, s)
		}
	}
	return of
}

// objects proves what is about objects.
func (p *prover) objects(path []string, facts []*lib.Schema, goal *lib.Schema) []problem {
	found := p.shape(path, facts, goal)
	known := map[string]bool{}
	for _, s := range append(slices.Clip(facts), goal) {
		for name := range s.Properties {
			known[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		of := p.memberFacts(facts, name)
		for _, want := range p.memberFacts([]*lib.Schema{goal}, name) {
			found = append(found, p.member(path, name, of, goal, want)...)
		}
	}
	for re, want := range goal.PatternProperties {
		if !slices.ContainsFunc(facts, func(f *lib.Schema) bool { return p.patternFits(f, re.String(), want) }) {
			found = append(found, undecided(append(keyword(path, "patternProperties"), re.String()), ""))
		}
	}
	if want := p.schemaOf(goal.AdditionalProperties); want != nil {
		if !slices.ContainsFunc(facts, func(f *lib.Schema) bool { return p.additionalFits(f, goal, want) }) {
			found = append(found, problem{keyword(path, "additionalProperties"), "allows less: old data may hold members with any other name"})
		}
	}
	return append(found, p.dependencies(path, facts, goal)...)
}

// member proves the schema of one member.
func (p *prover) member(path []string, name string, of []*lib.Schema, goal, want *lib.Schema) []problem {
	found := p.below(keyword(path, name), of, want)
	switch {
	case len(found) == 0:
		return nil
	case len(of) == 0 && goal.Properties[name] != nil:
		return []problem{{keyword(path, name), "is new, and old data may hold anything under this name: additionalProperties isn't false"}}
	case want == &p.nothing:
		return []problem{{keyword(path, name), "isn't allowed any more"}}
	}
	return found
}

// patternFits reports whether f makes all members that match the pattern, and aren't among its properties, valid by want.
func (p *prover) patternFits(f *lib.Schema, pattern string, want *lib.Schema) bool {
	for re, s := range f.PatternProperties {
		if re.String() == pattern && len(p.below(nil, []*lib.Schema{s}, want)) == 0 {
			return true
		}
	}
	additional := p.schemaOf(f.AdditionalProperties)
	return additional != nil && len(f.PatternProperties) == 0 && len(p.below(nil, []*lib.Schema{additional}, want)) == 0
}

// additionalFits reports whether f makes all members that neither it nor goal knows by name, and no pattern of goal matches, valid by want.
func (p *prover) additionalFits(f, goal, want *lib.Schema) bool {
	additional := p.schemaOf(f.AdditionalProperties)
	if additional == nil || len(p.below(nil, []*lib.Schema{additional}, want)) > 0 {
		return false
	}
	for re, s := range f.PatternProperties {
		same := false
		for other := range goal.PatternProperties {
			same = same || other.String() == re.String()
		}
		if !same && len(p.below(nil, []*lib.Schema{s}, want)) > 0 {
			return false
		}
	}
	return true
}

// shape proves required, the number of members and their names.
func (p *prover) shape(path []string, facts []*lib.Schema, goal *lib.Schema) []problem {
	var found []problem
	required := map[string]bool{}
	for _, f := range facts {
		for _, name := range f.Required {
			required[name] = true
		}
	}
	for _, name := range goal.Required {
		if !required[name] {
			found = append(found, problem{keyword(path, name), "is required now, and old data may lack it"})
		}
	}
	if goal.MinProperties != nil && len(required) < *goal.MinProperties && !atLeast(facts, goal, func(s *lib.Schema) *int { return s.MinProperties }) {
		found = append(found, problem{keyword(path, "minProperties"), "is larger: old data may have fewer members"})
	}
	if !atMost(facts, goal, func(s *lib.Schema) *int { return s.MaxProperties }) && !fewer(facts, *goal.MaxProperties) {
		found = append(found, problem{keyword(path, "maxProperties"), "is smaller: old data may have more members"})
	}
	if goal.PropertyNames != nil {
		names := []*lib.Schema{p.ofType("string")}
		for _, f := range facts {
			if f.PropertyNames != nil {
				names = append(names, f.PropertyNames)
			}
		}
		if len(p.below(path, names, goal.PropertyNames)) > 0 {
			found = append(found, undecided(keyword(path, "propertyNames"), ""))
		}
	}
	if goal.UnevaluatedProperties != nil {
		found = append(found, undecided(keyword(path, "unevaluatedProperties"), ""))
	}
	return found
}

// fewer reports whether a fact allows no more than n members, all by name.
func fewer(facts []*lib.Schema, n int) bool {
	return slices.ContainsFunc(facts, func(f *lib.Schema) bool {
		return f.AdditionalProperties == false && len(f.PatternProperties) == 0 && len(f.Properties) <= n
	})
}

// dependencies proves dependencies, dependentRequired and dependentSchemas.
func (p *prover) dependencies(path []string, facts []*lib.Schema, goal *lib.Schema) []problem {
	var found []problem
	for name, want := range dependent(goal) {
		ok := impossible(p.memberFacts(facts, name))
		for _, f := range facts {
			if ok {
				break
			}
			got := dependent(f)[name]
			ok = !slices.ContainsFunc(want.required, func(r string) bool { return !slices.Contains(got.required, r) && !requires(facts, r) })
			for _, s := range want.schemas {
				of := facts
				for _, x := range got.schemas {
					of = expand(of, x)
				}
				ok = ok && len(p.prove(path, of, s)) == 0
			}
		}
		if !ok {
			found = append(found, problem{keyword(path, name), fmt.Sprintf("requires more now: %s", strings.TrimSpace(strings.Join(want.required, ", ")+" dependencies changed"))})
		}
	}
	return found
}

type dependence struct {
	required []string
	schemas  []*lib.Schema
}

// dependent is what members of s depend on, whichever keyword says it.
func dependent(s *lib.Schema) map[string]dependence {
	all := map[string]dependence{}
	for name, x := range s.Dependencies {
		d := all[name]
		if list, ok := x.([]string); ok {
			d.required = append(d.required, list...)
		}
		d.schemas = append(d.schemas, schemasOf(x)...)
		all[name] = d
	}
	for name, list := range s.DependentRequired {
		d := all[name]
		d.required = append(d.required, list...)
		all[name] = d
	}
	for name, x := range s.DependentSchemas {
		d := all[name]
		d.schemas = append(d.schemas, x)
		all[name] = d
	}
	return all
}
