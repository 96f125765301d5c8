package origin

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// maxSteps bounds the work that a JSON Schema causes, whose alternatives multiply: a step is a schema that is looked at.
const maxSteps = 1 << 18

var errTooMuch = errors.New("the schema has too many alternatives and references inside each other")

// fromJSONSchema maps types as JSON documents hold them: a date is a text.
func fromJSONSchema(s *serde.Schema) (*table.Schema, error) {
	docs, err := readDocuments(s)
	if err != nil {
		return nil, err
	}
	j := jsonTypes{docs: docs, left: maxSteps, open: map[serde.Value]bool{}}
	t, _, err := j.typeOf([]subschema{docs.main})
	switch {
	case err != nil:
		return nil, err
	case t.Kind != table.Struct:
		return nil, errNoRow("not objects whose properties the JSON Schema names")
	}
	name := s.Name
	for _, key := range []string{"title", "$id", "id"} {
		if name == "" {
			name = text(docs.main.v.Field(key))
		}
	}
	return &table.Schema{Name: name, Fields: t.Fields}, nil
}

// jsonTypes turns JSON Schemas into columns' types. Several schemas that a value must all be valid by are looked at together: those of allOf, what $ref
// refers to, and the only alternative beside null.
type jsonTypes struct {
	docs  *documents
	left  int                  // steps
	depth int                  // of objects and arrays
	open  map[serde.Value]bool // schemas of the objects and arrays that the type is inside of
}

func (j *jsonTypes) step(n int) error {
	if j.left -= n; j.left < 0 {
		return errTooMuch
	}
	return nil
}

// Names and values that are compared in the time of a step.
const membersPerStep, valuesPerStep = 8, 64

// weight is how many steps it takes to look at a schema, which names members and values without a limit.
func weight(v serde.Value) int {
	names := v.Len() + v.Field("required").Len() + v.Field("type").Len()
	return 1 + names/membersPerStep + v.Field("enum").Len()/valuesPerStep
}

// A group is what a value must be valid by.
type group struct {
	all     []subschema
	choices [][]subschema // alternatives, of which there are two at least beside null
	null    bool          // it may be null too
	never   bool          // no value is valid
	weight  int           // steps that it takes to look at all once
}

// typeOf is the type of what is valid by all of the schemas. never means that nothing is.
func (j *jsonTypes) typeOf(all []subschema) (t table.Type, never bool, err error) {
	var g group
	for _, s := range all {
		if err := j.gather(&g, s); err != nil {
			return table.Type{}, false, err
		}
	}
	if g.never {
		return table.Type{}, true, nil
	}
	t, err = j.alternatives(&g)
	return t, false, err
}

// gather adds a schema to a group, and what it refers to.
func (j *jsonTypes) gather(g *group, s subschema) error {
	cost := weight(s.v)
	if err := j.step(cost + len(g.all)/membersPerStep); err != nil {
		return err
	}
	switch s.v.Kind() {
	case serde.Bool:
		valid, _ := s.v.Bool()
		g.never = g.never || !valid
		return nil
	case serde.Object:
	default:
		return fmt.Errorf("a schema is an object or a boolean, not %s", s.v.Kind())
	}
	if slices.ContainsFunc(g.all, func(known subschema) bool { return known.v == s.v }) {
		return nil
	}
	s.base = inner(s.v, s.base)
	g.all = append(g.all, s)
	g.weight += cost
	if null, _ := s.v.Field("nullable").Bool(); null { // OpenAPI 3.0
		g.null = true
	}
	for _, key := range []string{"$ref", "$dynamicRef", "$recursiveRef"} {
		if ref := s.v.Field(key); ref.Kind() == serde.String {
			to, err := j.docs.find(text(ref), s.base)
			if err != nil {
				return err
			}
			if err := j.gather(g, to); err != nil {
				return err
			}
		}
	}
	for e := range s.v.Field("allOf").Elements() {
		if err := j.gather(g, subschema{e, s.base}); err != nil {
			return err
		}
	}
	for _, key := range []string{"oneOf", "anyOf"} {
		if err := j.choice(g, s, key); err != nil {
			return err
		}
	}
	return nil
}

// choice adds alternatives to a group.
func (j *jsonTypes) choice(g *group, s subschema, key string) error {
	var others []subschema
	for e := range s.v.Field(key).Elements() {
		if types := e.Field("type"); text(types) == "null" || types.Len() == 1 && text(types.Index(0)) == "null" {
			g.null = true
			continue
		}
		others = append(others, subschema{e, s.base})
	}
	switch len(others) {
	case 0:
		return nil
	case 1:
		return j.gather(g, others[0])
	}
	g.choices = append(g.choices, others)
	return nil
}

// alternatives is the type that holds the values of each alternative.
func (j *jsonTypes) alternatives(g *group) (table.Type, error) {
	if len(g.choices) == 0 {
		return j.plain(g)
	}
	var found *table.Type
	for _, s := range g.choices[0] {
		if err := j.step(1 + len(g.all)); err != nil {
			return table.Type{}, err
		}
		one := group{all: slices.Clone(g.all), choices: slices.Clone(g.choices[1:]), null: g.null, weight: g.weight}
		if err := j.gather(&one, s); err != nil {
			return table.Type{}, err
		}
		if one.never {
			continue
		}
		t, err := j.alternatives(&one)
		if err != nil {
			return table.Type{}, err
		}
		if found == nil {
			found = &t
			continue
		}
		if err := j.step(found.Leaves() + t.Leaves()); err != nil {
			return table.Type{}, err
		}
		both := either(*found, t)
		found = &both
	}
	if found == nil {
		return table.Type{Nullable: true}, nil
	}
	return *found, nil
}

// either is the type of what is of one of two.
func either(a, b table.Type) table.Type {
	out := a
	out.Nullable = a.Nullable || b.Nullable
	switch {
	case a.Kind == table.Struct && b.Kind == table.Struct:
		out.Fields = eitherFields(a.Fields, b.Fields)
	case (a.Kind == table.List || a.Kind == table.Map) && a.Kind == b.Kind:
		elem := either(*a.Elem, *b.Elem)
		out.Elem = &elem
	case a.Kind == b.Kind && a.Local == b.Local && a.Precision == b.Precision && a.Scale == b.Scale:
	case isJSONText(a.Kind) && isJSONText(b.Kind):
		out = table.Type{Kind: table.String, Nullable: out.Nullable}
	case isJSONInteger(a.Kind) && isJSONInteger(b.Kind):
		out.Kind = table.Int64
	case isJSONNumber(a.Kind) && isJSONNumber(b.Kind):
		out.Kind = table.Float64
	default:
		out = table.Type{Nullable: out.Nullable}
	}
	return out
}

// isJSONText is of the types of JSON's texts.
func isJSONText(k table.Kind) bool {
	return k == table.String || k == table.Bytes || k == table.UUID || k == table.Date || k == table.TimestampMicros
}

func isJSONInteger(k table.Kind) bool { return k == table.Int32 || k == table.Int64 }
func isJSONNumber(k table.Kind) bool {
	return isJSONInteger(k) || k == table.Float32 || k == table.Float64
}

// eitherFields are the fields of one or both; those that one lacks are nullable.
func eitherFields(a, b []table.Field) []table.Field {
	places := make(map[string]int, len(a)+len(b))
	out := make([]table.Field, 0, len(a)+len(b))
	for _, f := range a {
		places[f.Name] = len(out)
		f.Type.Nullable = true
		out = append(out, f)
	}
	for _, f := range b {
		if i, ok := places[f.Name]; ok {
			was := a[i].Type
			out[i].Type = either(was, f.Type)
			continue
		}
		f.Type.Nullable = true
		out = append(out, f)
	}
	for i := range out {
		if out[i].Type.Nullable {
			out[i].Default = nil
		}
	}
	return out
}

// plain is the type of a group without alternatives.
func (j *jsonTypes) plain(g *group) (table.Type, error) {
	if err := j.step(g.weight); err != nil {
		return table.Type{}, err
	}
	types, null := typesOf(g.all)
	nullable := g.null || null
	var (
		t   table.Type
		err error
	)
	switch {
	case len(types) != 1:
		return table.Type{Nullable: nullable || len(types) == 0}, nil
	case types[0] == "object" || types[0] == "array":
		t, err = j.container(g.all, types[0])
	default:
		t = jsonScalar(g.all, types[0])
	}
	t.Nullable = nullable
	return t, err
}

// container is the type of objects and arrays.
func (j *jsonTypes) container(all []subschema, of string) (table.Type, error) {
	if slices.ContainsFunc(all, func(s subschema) bool { return j.open[s.v] }) {
		return table.Type{}, nil
	}
	if j.depth++; j.depth > maxDepth {
		return table.Type{}, fmt.Errorf("types are nested more than %d deep", maxDepth)
	}
	for _, s := range all {
		j.open[s.v] = true
	}
	defer func() {
		j.depth--
		for _, s := range all {
			delete(j.open, s.v)
		}
	}()
	if of == "array" {
		return j.array(all)
	}
	return j.object(all)
}

func (j *jsonTypes) array(all []subschema) (table.Type, error) {
	var items []subschema
	for _, s := range all {
		v := s.v.Field("items")
		if v.Kind() == serde.Array || s.v.Field("prefixItems").Exists() {
			return table.Type{}, nil // each element has a type of its own
		}
		if v.Exists() {
			items = append(items, subschema{v, s.base})
		}
	}
	return j.elements(table.List, items)
}

// elements is a List or a Map of what is valid by the schemas, JSON if there are none.
func (j *jsonTypes) elements(k table.Kind, all []subschema) (table.Type, error) {
	if len(all) == 0 {
		return table.Type{}, nil
	}
	elem, never, err := j.typeOf(all)
	if err != nil || never {
		return table.Type{}, err
	}
	return table.Type{Kind: k, Elem: &elem}, nil
}

// A property has the schemas of a member.
type property struct {
	name  string
	all   []subschema
	index int64 // its place among the fields of a Kafka Connect schema, -1 if it has none
}

func (j *jsonTypes) object(all []subschema) (table.Type, error) {
	properties, required, err := j.properties(all)
	if err != nil {
		return table.Type{}, err
	}
	if len(properties) == 0 {
		return j.mapOf(all)
	}
	fields := make([]table.Field, 0, len(properties))
	for _, p := range properties {
		t, never, err := j.typeOf(p.all)
		if err != nil {
			return table.Type{}, within(p.name, err)
		}
		if never {
			continue
		}
		f := table.Field{Name: p.name, Type: t, Doc: first(p.all, "description")}
		if !required[p.name] {
			f.Type.Nullable = true
		} else if !t.Nullable {
			f.Default = jsonDefault(p.all)
		}
		fields = append(fields, f)
	}
	if len(fields) == 0 {
		return table.Type{}, nil
	}
	return table.Type{Kind: table.Struct, Fields: fields}, nil
}

// properties are those that the schemas name, in their order, and the names of those that have to be there.
func (j *jsonTypes) properties(all []subschema) (found []property, required map[string]bool, err error) {
	places := map[string]int{}
	required = map[string]bool{}
	indexed := true
	for _, s := range all {
		for e := range s.v.Field("required").Elements() {
			required[text(e)] = true
		}
		for borrowed, v := range s.v.Field("properties").Members() {
			if err := j.step(1); err != nil {
				return nil, nil, err
			}
			i, ok := places[borrowed]
			if !ok {
				name := strings.Clone(borrowed)
				i = len(found)
				places[name] = i
				found = append(found, property{name: name, index: -1})
			}
			found[i].all = append(found[i].all, subschema{v, s.base})
			if at, ok := v.Field("connect.index").Int64(); ok {
				found[i].index = at
			}
		}
	}
	for _, p := range found {
		indexed = indexed && p.index >= 0
	}
	if indexed { // Connect's converter writes properties in no order
		slices.SortStableFunc(found, func(a, b property) int { return int(min(max(a.index-b.index, -1), 1)) })
	}
	return found, required, nil
}

// mapOf is the type of objects whose properties aren't named: a Map where all have one schema.
func (j *jsonTypes) mapOf(all []subschema) (table.Type, error) {
	var found *table.Type
	for _, s := range all {
		of := []serde.Value{s.v.Field("additionalProperties")}
		for _, v := range s.v.Field("patternProperties").Members() {
			of = append(of, v)
		}
		for _, v := range of {
			if v.Kind() != serde.Object {
				continue
			}
			t, never, err := j.typeOf([]subschema{{v, s.base}})
			if err != nil {
				return table.Type{}, err
			}
			if never {
				continue
			}
			if found != nil {
				t = either(*found, t)
			}
			found = &t
		}
	}
	if found == nil {
		return table.Type{}, nil
	}
	return table.Type{Kind: table.Map, Elem: found}, nil
}
