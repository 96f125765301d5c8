//go:build testbed

package behaviour

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// An avroType is a schema that can be changed. Its kind is the type as schemas name it, or avroRef.
type avroType struct {
	kind     string
	logical  string
	scale    int    // of a decimal
	name     string // full, of a record, an enum or a fixed
	aliases  []string
	fields   []avroField
	symbols  []string
	fallback bool // the enum has a default, its first symbol
	items    *avroType
	branches []*avroType
	size     int
}

// avroRef refers to the record that encloses all, which is never renamed.
const (
	avroRef  = "a.Root"
	avroDeep = 6 // arrays, maps and unions are short below
)

type avroField struct {
	name       string
	aliases    []string
	typ        *avroType
	hasDefault bool // see avroType.value
}

// text is the schema as JSON.
func (t *avroType) text() string {
	var parts []string
	add := func(name string, v any) {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // of strings and numbers
		}
		parts = append(parts, fmt.Sprintf("%q:%s", name, text))
	}
	raw := func(name, text string) { parts = append(parts, fmt.Sprintf("%q:%s", name, text)) }
	switch t.kind {
	case avroRef:
		return `"` + avroRef + `"`
	case "union":
		for _, b := range t.branches {
			parts = append(parts, b.text())
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	add("type", t.kind)
	if t.name != "" {
		add("name", t.name)
	}
	if t.aliases != nil {
		add("aliases", t.aliases)
	}
	if t.logical != "" {
		add("logicalType", t.logical)
	}
	switch t.kind {
	case "bytes":
		if t.logical == "decimal" {
			add("precision", 20)
			add("scale", t.scale)
		}
	case "enum":
		add("symbols", t.symbols)
		if t.fallback {
			add("default", t.symbols[0])
		}
	case "fixed":
		add("size", t.size)
	case "array":
		raw("items", t.items.text())
	case "map":
		raw("values", t.items.text())
	case "record":
		var fields []string
		for _, f := range t.fields {
			fields = append(fields, f.text())
		}
		raw("fields", "["+strings.Join(fields, ",")+"]")
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (f *avroField) text() string {
	text := fmt.Sprintf(`{"name":%q,"type":%s`, f.name, f.typ.text())
	if f.aliases != nil {
		text += fmt.Sprintf(`,"aliases":["%s"]`, strings.Join(f.aliases, `","`))
	}
	if f.hasDefault {
		if value, ok := f.typ.value(); ok {
			text += `,"default":` + value
		}
	}
	return text + "}"
}

// value is a default of the type; some have none.
func (t *avroType) value() (text string, ok bool) {
	switch t.kind {
	case avroRef:
		return "", false
	case "union":
		return t.branches[0].value()
	case "enum":
		return `"` + t.symbols[len(t.symbols)-1] + `"`, true
	case "fixed":
		return `"` + strings.Repeat(`\u00ff`, t.size) + `"`, true
	case "record":
		var members []string
		for _, f := range t.fields {
			v, ok := f.typ.value()
			if !ok {
				return "", false
			}
			members = append(members, fmt.Sprintf("%q:%s", f.name, v))
		}
		return "{" + strings.Join(members, ",") + "}", true
	}
	return map[string]string{"null": "null", "boolean": "true", "int": "7", "long": "70", "float": "0.1", "double": "1.5",
		"string": `"d"`, "bytes": `"\u00e9\u0001"`, "array": "[]", "map": "{}"}[t.kind], true
}

func (t *avroType) clone() *avroType {
	c := *t
	c.aliases, c.symbols, c.fields, c.branches = slices.Clone(t.aliases), slices.Clone(t.symbols), slices.Clone(t.fields), slices.Clone(t.branches)
	for i := range c.fields {
		c.fields[i].typ = c.fields[i].typ.clone()
	}
	for i := range c.branches {
		c.branches[i] = c.branches[i].clone()
	}
	if t.items != nil {
		c.items = t.items.clone()
	}
	return &c
}

// all is the type and those within it; those that are branches of a union are in inUnion too.
func (t *avroType) all(inUnion map[*avroType]bool) []*avroType {
	types := []*avroType{t}
	for _, f := range t.fields {
		types = append(types, f.typ.all(inUnion)...)
	}
	for _, b := range t.branches {
		inUnion[b] = true
		types = append(types, b.all(inUnion)...)
	}
	if t.items != nil {
		types = append(types, t.items.all(inUnion)...)
	}
	return types
}

func (t *avroType) has(kind string) bool {
	return slices.ContainsFunc(t.branches, func(b *avroType) bool { return b.kind == kind })
}

// An avroMaker makes schemas and values at random.
type avroMaker struct {
	r    *rand.Rand
	n    int
	root *avroType // of the values
}

func (m *avroMaker) pick(of ...string) string { return of[m.r.IntN(len(of))] }

func (m *avroMaker) unique(prefix string) string {
	m.n++
	return fmt.Sprintf("%s%d", prefix, m.n)
}

func (m *avroMaker) schema() *avroType {
	root := m.record(3)
	root.name = avroRef
	if m.r.IntN(4) == 0 {
		next := &avroType{kind: "union", branches: []*avroType{{kind: "null"}, {kind: avroRef}}}
		root.fields = append(root.fields, avroField{name: "next", typ: next})
	}
	return root
}

func (m *avroMaker) record(depth int) *avroType {
	t := &avroType{kind: "record", name: "a." + m.unique("R")}
	for range m.r.IntN(5) {
		t.fields = append(t.fields, m.field(depth-1))
	}
	return t
}

func (m *avroMaker) field(depth int) avroField {
	return avroField{name: m.unique("f"), typ: m.typ(m.anyKind(), depth), hasDefault: m.r.IntN(2) == 0}
}

func (m *avroMaker) anyKind() string {
	if m.r.IntN(2) == 0 {
		return m.pick("null", "boolean", "int", "long", "float", "double", "string", "bytes")
	}
	return m.pick("enum", "fixed", "array", "map", "record", "union", "union")
}

func (m *avroMaker) typ(kind string, depth int) *avroType {
	t := &avroType{kind: kind}
	switch {
	case kind == "enum":
		t.name, t.symbols, t.fallback = "a."+m.unique("E"), []string{"A", "B", "C"}[:1+m.r.IntN(3)], m.r.IntN(3) == 0
	case kind == "fixed":
		t.name, t.size = "a."+m.unique("F"), 1+m.r.IntN(4)
	case depth <= 0 && (kind == "array" || kind == "map" || kind == "record" || kind == "union"):
		t.kind = "string"
	case kind == "array" || kind == "map":
		t.items = m.typ(m.anyKind(), depth-1)
	case kind == "record":
		return m.record(depth)
	case kind == "union":
		for range 1 + m.r.IntN(4) {
			m.widen(t, depth-1)
		}
	default:
		m.annotate(t)
	}
	return t
}

// annotate gives a type another logical type, or none.
func (m *avroMaker) annotate(t *avroType) {
	t.logical = map[string]string{
		"int":    m.pick("", "", "date", "time-millis"),
		"long":   m.pick("", "", "time-micros", "timestamp-millis", "timestamp-micros", "local-timestamp-millis", "local-timestamp-micros"),
		"string": m.pick("", "", "uuid"),
		"bytes":  m.pick("", "", "decimal"),
	}[t.kind]
	t.scale = m.r.IntN(3)
}

// widen adds a branch that the union doesn't have yet. Of records it may have several.
func (m *avroMaker) widen(t *avroType, depth int) {
	kind := m.anyKind()
	if kind == "union" {
		kind = "null"
	}
	if b := m.typ(kind, depth); !t.has(b.kind) || b.kind == "record" {
		at := m.r.IntN(len(t.branches) + 1)
		t.branches = slices.Insert(t.branches, at, b)
	}
}

// change changes one thing in a schema.
func (m *avroMaker) change(root *avroType) {
	inUnion := map[*avroType]bool{}
	types := root.all(inUnion)
	t := types[m.r.IntN(len(types))]
	switch {
	case t.kind == avroRef || t.kind == "null" && inUnion[t]: // what ends values of records inside themselves
	case t.kind != "union" && !inUnion[t] && t != root && m.r.IntN(5) == 0: // a union of it
		inner := *t
		*t = avroType{kind: "union", branches: []*avroType{&inner}}
		m.widen(t, 1)
	case t.name != "" && t != root && m.r.IntN(3) == 0:
		m.rename(t)
	case t.kind == "record":
		m.changeRecord(t)
	case t.kind == "union":
		m.changeUnion(t)
	case t.kind == "enum":
		m.changeEnum(t)
	case t.kind == "fixed":
		t.size++
	case t.kind == "array" || t.kind == "map":
		if m.r.IntN(4) == 0 {
			t.kind = m.pick("array", "map")
		}
	case m.r.IntN(3) == 0:
		m.annotate(t)
	default:
		*t = avroType{kind: m.pick("int", "long", "long", "float", "double", "double", "string", "bytes", "null")}
	}
}

// rename gives a named type another name, with an alias or without, or only another namespace.
func (m *avroMaker) rename(t *avroType) {
	old := t.name
	switch m.r.IntN(3) {
	case 0:
		t.name, t.aliases = "b."+m.unique("N"), []string{old}
	case 1:
		t.name = "b." + m.unique("N")
	default:
		t.name = "b." + old[strings.LastIndexByte(old, '.')+1:]
	}
}

func (m *avroMaker) changeRecord(t *avroType) {
	if len(t.fields) == 0 || m.r.IntN(5) == 0 {
		t.fields = slices.Insert(t.fields, m.r.IntN(len(t.fields)+1), m.field(2))
		return
	}
	at := m.r.IntN(len(t.fields))
	f := &t.fields[at]
	switch m.r.IntN(5) {
	case 0:
		t.fields = slices.Delete(t.fields, at, at+1)
	case 1:
		f.aliases, f.name = []string{f.name}, m.unique("renamed")
	case 2:
		f.name = m.unique("renamed")
	case 3:
		f.hasDefault = !f.hasDefault
	default:
		m.r.Shuffle(len(t.fields), func(i, j int) { t.fields[i], t.fields[j] = t.fields[j], t.fields[i] })
	}
}

func (m *avroMaker) changeUnion(t *avroType) {
	at := m.r.IntN(len(t.branches))
	switch k := m.r.IntN(4); {
	case k == 0:
		m.widen(t, 1)
	case k == 1 || t.has(avroRef):
		m.r.Shuffle(len(t.branches), func(i, j int) { t.branches[i], t.branches[j] = t.branches[j], t.branches[i] })
	case k == 2 && len(t.branches) > 1:
		t.branches = slices.Delete(t.branches, at, at+1)
	default:
		*t = *t.branches[at]
	}
}

func (m *avroMaker) changeEnum(t *avroType) {
	switch at := m.r.IntN(len(t.symbols)); m.r.IntN(3) {
	case 0:
		t.symbols = slices.Insert(t.symbols, at, m.unique("S"))
	case 1:
		if len(t.symbols) > 1 {
			t.symbols = slices.Delete(t.symbols, at, at+1)
		}
	default:
		t.fallback = !t.fallback
	}
}

// value appends a value of t in the binary encoding.
func (m *avroMaker) value(dst []byte, t *avroType, depth int) []byte {
	switch t.kind {
	case avroRef:
		return m.value(dst, m.root, depth+1)
	case "boolean":
		return append(dst, byte(m.r.IntN(2)))
	case "int", "long":
		return binary.AppendVarint(dst, m.integer(t))
	case "float":
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(m.float())))
	case "double":
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(m.float()))
	case "string", "bytes":
		text := m.content(t)
		return append(binary.AppendVarint(dst, int64(len(text))), text...)
	case "fixed":
		for range t.size {
			dst = append(dst, byte(m.r.Uint32()))
		}
	case "enum":
		return binary.AppendVarint(dst, m.r.Int64N(int64(len(t.symbols))))
	case "record":
		for _, f := range t.fields {
			dst = m.value(dst, f.typ, depth+1)
		}
	case "array", "map":
		return m.elements(dst, t, depth)
	case "union":
		at := m.r.IntN(len(t.branches))
		if depth > avroDeep {
			at = max(0, slices.IndexFunc(t.branches, func(b *avroType) bool { return b.kind == "null" }))
		}
		return m.value(binary.AppendVarint(dst, int64(at)), t.branches[at], depth+1)
	}
	return dst
}

func (m *avroMaker) elements(dst []byte, t *avroType, depth int) []byte {
	n := m.r.IntN(4)
	if depth > avroDeep || n == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(n))
	for i := range n {
		if t.kind == "map" {
			dst = append(dst, 2*2, 'k', byte('0'+i))
		}
		dst = m.value(dst, t.items, depth+1)
	}
	return append(dst, 0)
}

func (m *avroMaker) integer(t *avroType) int64 {
	n := m.r.Int64N(1 << (1 + m.r.IntN(26)))
	switch {
	case t.logical == "timestamp-micros" || t.logical == "local-timestamp-micros":
		return m.r.Int64N(1 << 52)
	case t.logical == "timestamp-millis" || t.logical == "local-timestamp-millis" || t.logical == "time-micros":
		return m.r.Int64N(1 << 36)
	case t.logical == "date":
		return n % (1 << 21)
	case t.logical != "":
		return n
	case t.kind == "long" && m.r.IntN(3) == 0:
		return int64(m.r.Uint64())
	case m.r.IntN(2) == 0:
		return -n
	}
	return n
}

func (m *avroMaker) float() float64 {
	switch m.r.IntN(20) {
	case 0:
		return []float64{0, math.Copysign(0, -1), math.MaxFloat32, math.SmallestNonzeroFloat32}[m.r.IntN(4)]
	case 1, 2, 3:
		return m.r.NormFloat64() * math.Pow10(m.r.IntN(30)-10)
	}
	return float64(m.r.IntN(1e9)) / math.Pow10(m.r.IntN(7))
}

func (m *avroMaker) content(t *avroType) string {
	switch {
	case t.logical == "uuid":
		return fmt.Sprintf("%08X-0000-4000-8000-%012x", m.r.Uint32(), m.r.Uint32())
	case t.kind == "bytes" && m.r.IntN(3) == 0:
		return "\xff\x00\x80"[:1+m.r.IntN(3)]
	}
	return m.pick("", "a", "text with \"quotes\"", "\x01\x7f", "ə 😀", strings.Repeat("long ", 20))
}
