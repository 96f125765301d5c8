package rule

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/rule/ast"
	"github.com/millrace/millrace/serde"
)

// maxName is the longest name of a member, in bytes; the tape holds no longer ones.
const maxName = 65535

// A step leads from a value to a member or an element.
type step struct {
	name     string
	index    int
	element  bool // index counts, not name
	optional bool // "?.": null where the value is null or the member is missing
}

// An access is a constant path from a value.
type access struct {
	from  string // the value it starts at, for messages
	steps []step
	path  *serde.Path
	soft  bool // every step is optional: the left side of "??"
}

// access compiles a chain of members. soft says that it stands left of "??".
func (c *compiler) access(n ast.Node, soft bool) code {
	base, steps := c.chain(n)
	if len(steps) == 0 {
		return c.start(base, soft)
	}
	switch base := base.(type) {
	case *ast.IdentifierNode:
		if base.Value == "headers" {
			return c.header(n, steps, soft)
		}
		if scalarRoot(base.Value) {
			return c.fail(n, "%s is a text or a number: it has no members", base.Value)
		}
		if base.Value == "key" || base.Value == "value" {
			a := c.path(base, steps, soft)
			path := a.path
			if base.Value == "key" {
				return a.code(func(f *frame) serde.Value { return f.record.Key },
					func(f *frame) serde.Value { return f.record.Key.Get(path) })
			}
			return a.code(func(f *frame) serde.Value { return f.record.Value },
				func(f *frame) serde.Value { return f.record.Value.Get(path) })
		}
	case *ast.PointerNode:
		if base.Name == "" && c.loops > 0 {
			a, at := c.path(base, steps, soft), c.loops-1
			path := a.path
			return a.code(func(f *frame) serde.Value { return f.loops[at].it.v },
				func(f *frame) serde.Value { return f.loops[at].it.v.Get(path) })
		}
	}
	start := c.start(base, soft)
	a := c.path(base, steps, soft)
	return code{eval: func(f *frame) val {
		v := start.eval(f)
		if v.kind == failed {
			return fail
		}
		return a.walk(f, v)
	}}
}

// chain splits a chain of members into what it starts at and its constant
// steps. A chain stays one through "?." and parentheses.
func (c *compiler) chain(n ast.Node) (ast.Node, []step) {
	var steps []step
	for {
		switch m := n.(type) {
		case *ast.ChainNode:
			n = m.Node
			continue
		case *ast.MemberNode:
			if s, ok := stepOf(m); ok {
				steps = append(steps, s)
				n = m.Node
				continue
			}
		}
		break
	}
	for i, j := 0, len(steps)-1; i < j; i, j = i+1, j-1 {
		steps[i], steps[j] = steps[j], steps[i]
	}
	return n, steps
}

func stepOf(m *ast.MemberNode) (step, bool) {
	switch p := m.Property.(type) {
	case *ast.StringNode:
		return step{name: p.Value, optional: m.Optional}, true
	case *ast.IntegerNode:
		return step{element: true, index: p.Value, optional: m.Optional}, true
	case *ast.UnaryNode:
		if i, ok := p.Node.(*ast.IntegerNode); ok && p.Operator == "-" {
			return step{element: true, index: -i.Value, optional: m.Optional}, true
		}
	}
	return step{}, false
}

// start compiles what a chain starts at.
func (c *compiler) start(n ast.Node, soft bool) code {
	switch n := n.(type) {
	case *ast.MemberNode:
		return c.dynamic(n, soft)
	case *ast.PointerNode:
		return c.pointer(n)
	}
	return c.expr(n)
}

// pointer compiles "#", "#index" and "#acc".
func (c *compiler) pointer(n *ast.PointerNode) code {
	at := c.loops - 1
	if at < 0 {
		return c.fail(n, "# stands only in a predicate, such as filter(value.tags, # != \"\")")
	}
	switch n.Name {
	case "":
		return code{eval: func(f *frame) val { return f.loops[at].it }}
	case "index":
		return code{eval: func(f *frame) val { return integer(int64(f.loops[at].index)) }}
	case "acc":
		if c.reduce[at] {
			return code{eval: func(f *frame) val { return f.loops[at].acc }}
		}
	}
	return c.fail(n, "unknown name #%s: there are #, #index and, in reduce, #acc", n.Name)
}

// dynamic compiles x[y], where y is computed.
func (c *compiler) dynamic(n *ast.MemberNode, soft bool) code {
	property := c.expr(n.Property)
	if id, ok := n.Node.(*ast.IdentifierNode); ok && id.Value == "headers" {
		return code{eval: func(f *frame) val {
			p := property.eval(f)
			if p.kind == failed {
				return fail
			}
			if p.kind != serde.String {
				return f.failf("headers[%s]: a header's name is a text, not %s", show(n.Property), describe(p.kind))
			}
			return f.header(string(p.text), soft || n.Optional)
		}}
	}
	base := c.access(n.Node, soft)
	from := show(n.Node)
	return code{eval: func(f *frame) val {
		v := base.eval(f)
		p := property.eval(f)
		s := step{optional: n.Optional}
		switch {
		case v.kind == failed || p.kind == failed:
			return fail
		case p.kind == serde.String:
			s.name = string(p.text)
		case p.kind == serde.Int64 && p.int() == int64(int(p.int())):
			s.element, s.index = true, int(p.int())
		default:
			return f.failf("%s[%s]: the index is %s, not a text or an integer", from, show(n.Property), describe(p.kind))
		}
		a := access{from: from, steps: []step{s}, soft: soft}
		return a.walk(f, v)
	}}
}

// path compiles constant steps.
func (c *compiler) path(base ast.Node, steps []step, soft bool) *access {
	a := &access{from: showTo(base, 3), steps: steps, soft: soft}
	text := pathText(steps)
	p, err := serde.CompilePath(text)
	if err != nil {
		c.fail(base, "%v", err)
		return a
	}
	a.path = p
	return a
}

// pathText writes steps as serde.CompilePath reads them.
func pathText(steps []step) string {
	var b strings.Builder
	for i, s := range steps {
		switch {
		case s.element:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case plainName(s.name):
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.name)
		default:
			quoted, _ := json.Marshal(s.name)
			b.WriteString("[" + string(quoted) + "]")
		}
	}
	return b.String()
}

func plainName(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// code reads the path by field, and finds out by walking from its base what
// to do where that leads nowhere.
func (a *access) code(base, field func(f *frame) serde.Value) code {
	return code{
		field: field,
		eval: func(f *frame) val {
			if v := field(f); v.Exists() {
				return f.load(v)
			}
			return a.walk(f, f.load(base(f)))
		},
		make: func(f *frame) (serde.Value, bool) {
			if v := field(f); v.Exists() {
				return v, true
			}
			v := a.walk(f, f.load(base(f)))
			if v.kind == failed {
				return serde.Value{}, false
			}
			return f.store(v)
		},
	}
}

// walk goes step by step: the slow way, which knows why a path leads nowhere.
func (a *access) walk(f *frame, v val) val {
	for i, s := range a.steps {
		soft := a.soft || s.optional
		switch {
		case v.kind == serde.Null && soft:
			return null
		case v.kind == serde.Null:
			return f.failf("field %s is null and has no %s (use %s ?? x or %s)", a.name(i), s, a.name(len(a.steps)), a.softened(i))
		case v.kind == serde.String && s.element:
			if !f.read(len(v.text)) {
				return fail
			}
			r, ok := runeAt(v.text, s.index)
			if !ok && !soft {
				return f.failf("%s has fewer characters (use %s ?? x)", a.name(i+1), a.name(len(a.steps)))
			}
			if !ok {
				return null
			}
			v = text(r)
			continue
		case s.element && v.kind != serde.Array, !s.element && v.kind != serde.Object:
			return f.failf("field %s is %s and has no %s", a.name(i), describe(v.kind), s)
		}
		if !f.spend(1 + v.v.Len()/16) {
			return fail
		}
		m := v.v.Field(s.name)
		if s.element {
			m = v.v.Index(s.index)
		}
		if !m.Exists() {
			if soft {
				return null
			}
			return f.failf("field %s is missing (use %s ?? x or %s)", a.name(i+1), a.name(len(a.steps)), a.softened(i))
		}
		v = f.load(m)
	}
	return v
}

// String is what a step asks for: "field lat" or "element 3".
func (s step) String() string {
	if s.element {
		return "element " + strconv.Itoa(s.index)
	}
	return "field " + shortened(s.name)
}

// shortened is a name as messages show it: it may come from a record.
func shortened(name string) string {
	if len(name) <= 80 {
		return name
	}
	return strings.ToValidUTF8(name[:80], "") + "..."
}

// name is the path up to n steps.
func (a *access) name(n int) string {
	var b strings.Builder
	b.WriteString(a.from)
	for _, s := range a.steps[:n] {
		s.write(&b)
	}
	return b.String()
}

// softened is the whole path with a "?." at step n.
func (a *access) softened(n int) string {
	var b strings.Builder
	b.WriteString(a.from)
	for i, s := range a.steps {
		if i == n {
			s.optional = true
		}
		s.write(&b)
	}
	return b.String()
}

func (s step) write(b *strings.Builder) {
	switch {
	case s.element || !plainName(s.name):
		if s.optional {
			b.WriteString("?.")
		}
		b.WriteByte('[')
		if s.element {
			b.WriteString(strconv.Itoa(s.index))
		} else {
			b.WriteString(strconv.Quote(shortened(s.name)))
		}
		b.WriteByte(']')
	case s.optional:
		b.WriteString("?." + shortened(s.name))
	default:
		b.WriteString("." + shortened(s.name))
	}
}

func showMember(n *ast.MemberNode) string {
	var c *compiler
	base, steps := c.chain(n)
	if len(steps) == 0 {
		return showTo(n.Node, 1) + "[...]"
	}
	a := access{from: showTo(base, 1), steps: steps}
	return a.name(len(steps))
}

// purePath finds the constant path that an expression is, if it is one.
func (c *compiler) purePath(n ast.Node) (root string, path *serde.Path, ok bool) {
	base, steps := c.chain(n)
	id, ok := base.(*ast.IdentifierNode)
	if !ok {
		return "", nil, false
	}
	if len(steps) == 0 {
		return id.Value, nil, true
	}
	for _, s := range steps {
		if s.optional {
			return "", nil, false
		}
	}
	if id.Value != "key" && id.Value != "value" {
		return "", nil, false
	}
	path, err := serde.CompilePath(pathText(steps))
	return id.Value, path, err == nil
}

// runeAt is the i-th character of s, counted from the end where i is negative.
func runeAt(s []byte, i int) ([]byte, bool) {
	if i < 0 {
		i += utf8.RuneCount(s)
	}
	if i < 0 {
		return nil, false
	}
	for len(s) > 0 {
		_, n := utf8.DecodeRune(s)
		if i == 0 {
			return s[:n], true
		}
		s = s[n:]
		i--
	}
	return nil, false
}
