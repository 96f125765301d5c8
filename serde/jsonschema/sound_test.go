package jsonschema_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millrace/millrace/serde/jsonschema"
)

// A maker makes small random schemas and documents. They share few names and values, so that much is nearly compatible.
type maker struct{ *rand.Rand }

func pick[T any](m maker, from ...T) T { return from[m.IntN(len(from))] }

func (m maker) chance(percent int) bool { return m.IntN(100) < percent }

func (m maker) scalar() any {
	return pick[any](m, nil, true, false, 0, 1, 2, 3, 1.5, -1, "", "a", "b", "ab", "abc", "2026-11-21")
}

func (m maker) doc(depth int) any {
	if depth == 0 || m.chance(40) {
		return m.scalar()
	}
	if m.chance(40) {
		list := []any{}
		for range m.IntN(4) {
			list = append(list, m.doc(depth-1))
		}
		return list
	}
	obj := map[string]any{}
	for range m.IntN(4) {
		obj[m.name()] = m.doc(depth - 1)
	}
	return obj
}

func (m maker) name() string { return pick(m, "a", "b", "c", "ab") }

func (m maker) schemas(n, depth int) []any {
	list := []any{}
	for range n {
		list = append(list, m.schema(depth))
	}
	return list
}

func (m maker) named(n int, name func() string, depth int) map[string]any {
	obj := map[string]any{}
	for range n {
		obj[name()] = m.schema(depth)
	}
	return obj
}

// schema makes a schema of a few keywords. #/definitions/x is always there.
func (m maker) schema(depth int) any {
	if m.chance(8) {
		return m.chance(70)
	}
	s := map[string]any{}
	for range 1 + m.IntN(3) {
		m.keyword(s, depth)
	}
	return s
}

func (m maker) pattern() string { return pick(m, "^a", "b$", "^(a|b)$") }

func (m maker) keyword(s map[string]any, depth int) {
	type set func()
	leaf := []set{
		func() { s["type"] = pick(m, "null", "boolean", "integer", "number", "string", "array", "object") },
		func() {
			s["type"] = pick(m, []string{"string", "null"}, []string{"integer", "string"}, []string{"object", "array"})
		},
		func() { s["enum"] = []any{m.scalar(), m.scalar(), m.doc(1)} },
		func() { s["const"] = m.scalar() },
		func() {
			s[pick(m, "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")] = pick[any](m, 0, 1, 1.5, 2)
		},
		func() { s["multipleOf"] = pick[any](m, 0.5, 1, 2) },
		func() { s[pick(m, "minLength", "maxLength")] = m.IntN(3) },
		func() { s["pattern"] = m.pattern() },
		func() { s["format"] = pick(m, "date", "ipv4") },
		func() { s[pick(m, "minItems", "maxItems", "minProperties", "maxProperties")] = m.IntN(3) },
		func() { s["uniqueItems"] = true },
		func() { s["required"] = []string{m.name()} },
		func() { s["dependencies"] = map[string]any{m.name(): []string{m.name()}} },
	}
	if depth == 0 {
		leaf[m.IntN(len(leaf))]()
		return
	}
	deep := []set{
		func() { s["properties"] = m.named(1+m.IntN(2), m.name, depth-1) },
		func() { s["properties"] = m.named(1+m.IntN(2), m.name, depth-1); s["additionalProperties"] = false },
		func() { s["patternProperties"] = m.named(1, m.pattern, depth-1) },
		func() { s["additionalProperties"] = m.schema(depth - 1) },
		func() { s["propertyNames"] = m.schema(0) },
		func() { s["dependencies"] = map[string]any{m.name(): m.schema(depth - 1)} },
		func() { s["items"] = m.schema(depth - 1) },
		func() { s["items"] = m.schemas(1+m.IntN(2), depth-1); s["additionalItems"] = m.schema(depth - 1) },
		func() { s["contains"] = m.schema(depth - 1) },
		func() { s["allOf"] = m.schemas(1+m.IntN(2), depth-1) },
		func() { s["anyOf"] = m.schemas(1+m.IntN(2), depth-1) },
		func() { s["oneOf"] = m.schemas(1+m.IntN(2), depth-1) },
		func() { s["not"] = m.schema(depth - 1) },
		func() { s["if"], s["then"], s["else"] = m.schema(0), m.schema(depth-1), m.schema(depth-1) },
		func() { s["$ref"] = pick(m, "#", "#/definitions/x") },
		func() { s["prefixItems"] = m.schemas(1+m.IntN(2), depth-1) }, // 2020-12 only; ignored by draft 7
		func() { s["dependentRequired"] = map[string]any{m.name(): []string{m.name()}} },
		func() { s["minContains"], s["contains"] = m.IntN(3), m.schema(0) },
		func() { s["maxContains"], s["contains"] = m.IntN(3), m.schema(0) },
		func() { s["unevaluatedProperties"] = false },
	}
	if m.chance(40) {
		leaf[m.IntN(len(leaf))]()
	} else {
		deep[m.IntN(len(deep))]()
	}
}

// changed is a copy of a schema with a keyword dropped, added or made anew somewhere.
func (m maker) changed(v any, depth int) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		at := m.IntN(len(v) + 1)
		i := 0
		for _, k := range slices.Sorted(maps.Keys(v)) { // the same with each run
			x := v[k]
			if i == at && m.chance(50) {
				x = m.changed(x, depth-1)
			} else if i == at && m.chance(70) && k != "definitions" {
				i++
				continue
			}
			out[k] = x
			i++
		}
		if m.chance(20) && depth > 0 {
			m.keyword(out, depth-1)
		}
		return out
	case []any:
		out := append([]any{}, v...)
		if len(out) > 0 {
			i := m.IntN(len(out))
			out[i] = m.changed(out[i], depth-1)
		}
		return out
	case int:
		return max(0, v+m.IntN(3)-1)
	}
	return v
}

func (m maker) root(draft string) map[string]any {
	s, ok := m.schema(2).(map[string]any)
	if !ok {
		s = map[string]any{}
	}
	s["definitions"] = map[string]any{"x": m.schema(1)}
	s["$schema"] = draft
	return s
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What Compatible calls compatible, is: no document that is valid by the writer's schema is invalid by the reader's.
func TestCompatibleIsSound(t *testing.T) {
	m := maker{rand.New(rand.NewPCG(6, 7))}
	docs := make([]string, 150)
	for i := range docs {
		docs[i] = text(t, m.doc(3))
	}
	const pairs = 3000
	compatible, valid := 0, 0
	for range pairs {
		draft := pick(m, "http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2019-09/schema")
		w := m.root(draft)
		r := m.changed(w, 3)
		if m.chance(30) {
			r = m.root(draft)
		}
		writer, err := jsonschema.Parse(text(t, w))
		if err != nil {
			continue // items is a list in 2020-12, say
		}
		reader, err := jsonschema.Parse(text(t, r))
		if err != nil || len(jsonschema.Compatible(reader, writer)) > 0 {
			continue
		}
		compatible++
		for _, doc := range docs {
			if check(t, writer, doc) != "" {
				continue
			}
			valid++
			if got := check(t, reader, doc); got != "" {
				t.Fatalf("writer %s\nreader %s\nare compatible, but not for %s: %s", text(t, w), text(t, r), doc, got)
			}
		}
	}
	t.Logf("%d of %d pairs compatible, %d documents", compatible, pairs, valid)
	if compatible < pairs/20 || valid < pairs {
		t.Errorf("only %d compatible pairs and %d valid documents: the test shows nothing", compatible, valid)
	}
}
