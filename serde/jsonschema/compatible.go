package jsonschema

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	lib "github.com/santhosh-tekuri/jsonschema/v6"
)

// Compatible lists why data that is valid by writer may be invalid by reader, each with the path of the member in question: "/pos/lat: ...".
// An empty list is a proof that all of it is valid. What changed in a way that this package can't decide is listed too, so that
// an incompatible change never passes; the other way round isn't so.
//
// Unlike Confluent's registry, a default doesn't make a new required member compatible: JSON Schema's
// defaults don't make data valid.
func Compatible(reader, writer *Schema) []string {
	if reader == writer || reader.docs.equal(writer.docs) {
		return nil
	}
	rc, err := reader.take()
	if err != nil {
		return []string{"/: the reader's schema: " + err.Error()}
	}
	defer reader.give(rc)
	wc, err := writer.take()
	if err != nil {
		return []string{"/: the writer's schema: " + err.Error()}
	}
	defer writer.give(wc)
	if reader.dynamic || writer.dynamic {
		return []string{undecided(nil, "a schema with $dynamicRef or $recursiveRef").String()}
	}
	no := false
	p := &prover{
		left: compareSteps, open: map[string]int{}, types: map[lib.Types]*lib.Schema{},
		enums: maps.Clone(rc.enums), nothing: lib.Schema{Bool: &no},
	}
	maps.Copy(p.enums, wc.enums)
	rc.left, wc.left = compareSteps*stepsPerValue, compareSteps*stepsPerValue
	found, enough := p.all(rc.schema, wc.schema)
	if !enough {
		return []string{"/: the schemas are too complex to be compared"}
	}
	return texts(found)
}

// compareSteps bounds the work of a comparison: a second, about.
const compareSteps = 100_000

func (d *docs) equal(o *docs) bool {
	if d.text != o.text || len(d.refs) != len(o.refs) {
		return false
	}
	for i, r := range d.refs {
		if r.url != o.refs[i].url || !equal(r.value, o.refs[i].value) {
			return false
		}
	}
	return true
}

// texts are the problems, each once.
func texts(found []problem) []string {
	var all []string
	for _, p := range found {
		all = append(all, p.String())
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A prover shows that what is valid by some schemas is valid by another.
//
// facts are schemas that the data is valid by, all of them. goal is what it shall be valid by. Both schemas are
// regarded without their neighbours, so that keywords which look at those (unevaluatedProperties, $dynamicRef) prove nothing and can't be proved.
type prover struct {
	left    int                       // steps
	depth   int                       // how deep in the data
	open    map[string]int            // what is being proved, and how deep in the data
	apart   int                       // how deep disjoint calls itself
	types   map[lib.Types]*lib.Schema // made facts about types
	enums   map[*lib.Schema][]any     // of both schemas
	nothing lib.Schema                // the made schema false
}

// all proves goal; enough is false when it took too many steps.
func (p *prover) all(goal, fact *lib.Schema) (found []problem, enough bool) {
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case tooMany:
			found, enough = nil, false
		default:
			panic(r)
		}
	}()
	return p.prove(nil, expand(nil, fact), goal), true
}

// expand adds s to facts, and what s says by $ref and allOf.
func expand(facts []*lib.Schema, s *lib.Schema) []*lib.Schema {
	var via []*lib.Schema
	for s != nil && s.Ref != nil && s.DraftVersion < 2019 { // what is beside $ref doesn't count
		if via = append(via, s); slices.Contains(via, s.Ref) {
			return facts
		}
		s = s.Ref
	}
	if s == nil || slices.Contains(facts, s) {
		return facts
	}
	facts = append(slices.Clip(facts), s)
	facts = expand(facts, s.Ref)
	for _, x := range s.AllOf {
		facts = expand(facts, x)
	}
	return facts
}

// prove lists why facts don't imply goal; path is where in the data.
func (p *prover) prove(path []string, facts []*lib.Schema, goal *lib.Schema) []problem {
	if p.left--; p.left < 0 {
		panic(tooMany{})
	}
	if goal == nil || slices.Contains(facts, goal) || impossible(facts) {
		return nil
	}
	key := name(facts, goal)
	if at, ok := p.open[key]; ok {
		if at < p.depth { // by induction over the depth of the data
			return nil
		}
		return []problem{{path, "the schema refers to itself without end"}}
	}
	p.open[key] = p.depth
	defer delete(p.open, key)
	if values, ok := p.finite(facts); ok {
		return p.members(path, values, goal)
	}
	found := p.keywords(path, facts, goal)
	if len(found) == 0 {
		return nil
	}
	return p.byBranch(path, facts, goal, found)
}

// name identifies what is to be proved.
func name(facts []*lib.Schema, goal *lib.Schema) string {
	all := make([]string, 0, len(facts)+1)
	for _, f := range facts {
		all = append(all, fmt.Sprintf("%p", f))
	}
	slices.Sort(all)
	return strings.Join(append(all, fmt.Sprintf("%p", goal)), " ")
}

// members checks the only values that there are.
func (p *prover) members(path []string, values []any, goal *lib.Schema) []problem {
	var found []problem
	for _, v := range values {
		p.step(1)
		if goal.Validate(v) != nil {
			found = append(found, problem{path, fmt.Sprintf("%s was allowed and isn't any more", constants([]any{v}))})
		}
	}
	return found
}

func (p *prover) step(n int) {
	if p.left -= n; p.left < 0 {
		panic(tooMany{})
	}
}

// byBranch tries to prove goal for every branch of an anyOf or oneOf among the facts, and for each of several types. It returns found, or what is
// wrong with the branches.
func (p *prover) byBranch(path []string, facts []*lib.Schema, goal *lib.Schema, found []problem) []problem {
	for i, f := range facts {
		for _, branches := range [][]*lib.Schema{f.AnyOf, f.OneOf} {
			known := func(b *lib.Schema) bool { return len(expand(facts, b)) == len(facts) }
			if len(branches) == 0 || slices.ContainsFunc(branches, known) {
				continue
			}
			var failed []problem
			for _, b := range branches {
				failed = append(failed, p.prove(path, expand(facts, b), goal)...)
			}
			if len(failed) == 0 {
				return nil
			}
			if i == 0 || len(goal.AnyOf)+len(goal.OneOf) > 0 {
				found = failed
			}
		}
	}
	if types := typesOf(facts); len(types) > 1 && len(types) < 6 && (len(goal.AnyOf) > 0 || len(goal.OneOf) > 0 || goal.Ref != nil) {
		var failed []problem
		for _, t := range types {
			failed = append(failed, p.prove(path, append(slices.Clip(facts), p.ofType(t)), goal)...)
		}
		if len(failed) == 0 {
			return nil
		}
	}
	return found
}

// ofType is the fact that the data is of a type, the same each time.
func (p *prover) ofType(t string) *lib.Schema {
	var types lib.Types
	types.Add(t)
	if p.types[types] == nil {
		p.types[types] = &lib.Schema{Types: &types}
	}
	return p.types[types]
}

// keywords proves each keyword of goal.
func (p *prover) keywords(path []string, facts []*lib.Schema, goal *lib.Schema) []problem {
	if goal.Bool != nil {
		if *goal.Bool {
			return nil
		}
		return []problem{{path, "nothing is allowed any more"}}
	}
	var found []problem
	if goal.Ref != nil {
		found = p.prove(path, facts, goal.Ref)
		if goal.DraftVersion < 2019 && goal.Const == nil { // the library minds a const beside $ref
			return found
		}
	}
	types := typesOf(facts)
	found = append(found, p.general(path, facts, types, goal)...)
	if has(types, "integer") || has(types, "number") {
		found = append(found, numbers(path, facts, types, goal)...)
	}
	if has(types, "string") {
		found = append(found, strs(path, facts, goal)...)
	}
	if has(types, "array") {
		found = append(found, p.arrays(path, facts, goal)...)
	}
	if has(types, "object") {
		found = append(found, p.objects(path, facts, goal)...)
	}
	return append(found, p.combined(path, facts, goal)...)
}

// general proves what holds for values of all types.
func (p *prover) general(path []string, facts []*lib.Schema, types []string, goal *lib.Schema) []problem {
	var found []problem
	if goal.Types != nil && !goal.Types.IsEmpty() {
		allowed := goal.Types.ToStrings()
		var lost []string
		for _, t := range types {
			if !has(allowed, t) && (t != "integer" || !has(allowed, "number")) {
				lost = append(lost, t)
			}
		}
		if len(lost) > 0 {
			found = append(found, problem{path, fmt.Sprintf("the type was %s and is %s now", strings.Join(types, " or "), strings.Join(allowed, " or "))})
		}
	}
	if goal.Const != nil || p.values(goal) != nil {
		found = append(found, problem{path, "enum or const is new: old data may hold other values"})
	}
	if goal.Format != nil && goal.Format.Name != "" && !slices.ContainsFunc(facts, func(f *lib.Schema) bool {
		return f.Format != nil && f.Format.Name == goal.Format.Name
	}) && has(types, "string") {
		found = append(found, undecided(append(slices.Clip(path), "format"), ""))
	}
	return found
}

// undecided is about a keyword that may be compatible, for all that is known.
func undecided(path []string, keyword string) problem {
	if keyword != "" {
		return problem{path, keyword + " isn't compared; it can't be shown that old data fits"}
	}
	return problem{path, "changed; it can't be shown that old data fits"}
}

// combined proves allOf, anyOf, oneOf, not, if.
func (p *prover) combined(path []string, facts []*lib.Schema, goal *lib.Schema) []problem {
	var found []problem
	for _, g := range goal.AllOf {
		found = append(found, p.prove(path, facts, g)...)
	}
	if len(goal.AnyOf) > 0 && p.firstOf(path, facts, goal.AnyOf) < 0 {
		found = append(found, problem{path, "no branch of anyOf takes all old data"})
	}
	if len(goal.OneOf) > 0 && !p.exactlyOne(path, facts, goal.OneOf) {
		found = append(found, problem{path, "it can't be shown that exactly one branch of oneOf takes all old data"})
	}
	if goal.Not != nil && !p.disjoint(facts, goal.Not) {
		ok := slices.ContainsFunc(facts, func(f *lib.Schema) bool {
			return f.Not != nil && p.covers(f.Not, goal.Not)
		})
		if !ok {
			found = append(found, undecided(append(slices.Clip(path), "not"), ""))
		}
	}
	if goal.If != nil {
		found = append(found, p.prove(path, facts, goal.Then)...)
		found = append(found, p.prove(path, facts, goal.Else)...)
	}
	return found
}

// covers reports whether a takes all that b does. Either may be of the reader or of the writer.
func (p *prover) covers(a, b *lib.Schema) bool {
	return len(p.prove(nil, expand(nil, b), a)) == 0
}

func (p *prover) firstOf(path []string, facts, goals []*lib.Schema) int {
	for i, g := range goals {
		if len(p.prove(path, facts, g)) == 0 {
			return i
		}
	}
	return -1
}

// exactlyOne reports whether one of the goals takes all data and the others none, or the facts have the same oneOf.
func (p *prover) exactlyOne(path []string, facts, goals []*lib.Schema) bool {
	if i := p.firstOf(path, facts, goals); i >= 0 {
		alone := true
		for j, g := range goals {
			alone = alone && (j == i || p.disjoint(facts, g))
		}
		if alone {
			return true
		}
	}
	for _, f := range facts {
		if len(f.OneOf) != len(goals) {
			continue
		}
		same := true
		for i, g := range goals {
			same = same && p.covers(g, f.OneOf[i]) && p.covers(f.OneOf[i], g)
		}
		if same {
			return true
		}
	}
	return false
}
