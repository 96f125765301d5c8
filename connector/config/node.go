package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a file. They only stop what nobody writes by hand: the parser's time grows with the square of a
// document's tokens and of its nesting, and aliases of aliases multiply.
const (
	maxFile      = 1 << 20
	maxDocument  = 128 << 10
	maxDocuments = 1000
	maxNesting   = 64
	maxTokens    = 20_000 // of a document
	maxNodes     = 100_000
)

// A node is a YAML value and its place.
type node struct {
	kind   kind
	text   string  // of a scalar
	raw    string  // of a scalar: as it is written, with quotes and escapes
	items  []*node // of a list
	fields []field // of a map, in the order of the file
	at     place
}

type kind uint8

const (
	null kind = iota
	scalar
	list
	mapping
)

func (k kind) String() string {
	return [...]string{"nothing", "a text", "a list", "a map"}[k]
}

type field struct {
	name  string
	at    place
	value *node
}

// get is the value of a field, nil if there is none.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for i := range n.fields {
		if n.fields[i].name == name {
			return n.fields[i].value
		}
	}
	return nil
}

func (n *node) names() []string {
	out := make([]string, len(n.fields))
	for i, f := range n.fields {
		out[i] = f.name
	}
	return out
}

// parse splits a file into the trees of its documents; those without contents are left out.
// secrets gives the names of settings that a frame doesn't show the values of where the syntax is wrong.
func parse(name string, data []byte, secrets func() []string, ps *Problems) []*node {
	t := &text{name: name, secrets: secrets}
	if len(data) > maxFile {
		ps.add(place{text: t}, "the file is larger than %d bytes", maxFile)
		return nil
	}
	if !utf8.Valid(data) {
		ps.add(place{text: t}, "the file isn't UTF-8")
		return nil
	}
	t.lines = strings.Split(string(data), "\n")
	var roots []*node
	for i, part := range documents(t.lines) {
		if i == maxDocuments {
			ps.add(place{t, part.from + 1, 1}, "a file holds at most %d documents", maxDocuments)
			break
		}
		source := strings.Join(t.lines[part.from:part.to], "\n")
		if len(source) > maxDocument {
			ps.add(place{t, part.from + 1, 1}, "a document holds at most %d bytes", maxDocument)
			continue
		}
		if root := parseDocument(t, part.from, source, ps); root != nil {
			roots = append(roots, root)
		}
	}
	return roots
}

type span struct{ from, to int }

// documents splits lines before each "---". The parser could do it, but drops what follows an empty document.
func documents(lines []string) []span {
	var all []span
	from := 0
	for i, l := range lines {
		if i > from && strings.HasPrefix(l, "---") && (len(l) == 3 || strings.ContainsRune(" \t\r", rune(l[3]))) {
			all = append(all, span{from, i})
			from = i
		}
	}
	return append(all, span{from, len(lines)})
}

// parseDocument parses the document whose first line is the one after skip lines.
func parseDocument(t *text, skip int, source string, ps *Problems) *node {
	c := converter{text: t, skip: skip, problems: ps, anchors: map[string]*node{}}
	tokens := lexer.Tokenize(source + "\n") // without it the parser drops a tag at the end
	if len(tokens) > maxTokens {
		ps.add(c.place(tokens[maxTokens]), "the document is too large: it has more than %d names and values", maxTokens/2)
		return nil
	}
	if at := tooDeep(tokens); at != nil {
		ps.add(c.place(at), "nested deeper than %d levels", maxNesting)
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		c.syntax(err, tokens)
		return nil
	}
	var root *node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			ps.add(c.place(doc.Body.GetToken()), `a new document begins with "---"`)
			return root
		}
		root = c.node(doc.Body)
	}
	if root != nil && root.kind == null {
		return nil
	}
	return root
}

// tooDeep is the token at which the nesting in brackets, or of lists begun on one line, gets too deep.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, onLine, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, onLine = t.Position.Line, 0
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			brackets++
		case token.MappingEndType, token.SequenceEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			onLine++
		}
		if brackets > maxNesting || onLine > maxNesting || t.Position.Column > 1<<16 {
			return t
		}
	}
	return nil
}

// A converter makes nodes of a document's syntax tree.
type converter struct {
	text     *text
	skip     int // lines before the document
	problems *Problems
	anchors  map[string]*node
	nodes    int
	depth    int
}

func (c *converter) place(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{c.text, c.skip + 1, 1}
	}
	return place{c.text, min(c.skip+t.Position.Line, len(c.text.lines)), t.Position.Column}
}

// syntax reports what the parser says.
func (c *converter) syntax(err error, tokens token.Tokens) {
	c.text.hideNamed()
	var e yaml.Error
	if !errors.As(err, &e) {
		c.problems.add(c.place(nil), "%v", err)
		return
	}
	at, message := e.GetToken(), e.GetMessage()
	if at != nil && at.Position != nil {
		for _, t := range tokens {
			if t.Type == token.TagType && t.Position.Line == at.Position.Line {
				c.tag(t)
				return
			}
		}
	}
	message = strings.TrimSpace(message)
	for part, hint := range hints {
		if strings.Contains(message, part) {
			message += "; " + hint
		}
	}
	c.problems.add(c.place(at), "%s", message)
}

// hints say what is often meant where the parser says this.
var hints = map[string]string{
	"must be specified":            `within braces and brackets a text that holds one of , [ ] { } needs quotes: "${NAME}"`,
	"could not find flow map":      `within braces and brackets a text that holds one of , [ ] { } needs quotes: "${NAME}"`,
	"mapping value is not allowed": `a text that holds a colon and a blank needs quotes`,
	"is a reserved character":      `a text that begins with it needs quotes`,
}

// tag refuses a YAML tag, which is what an unquoted "!" begins.
func (c *converter) tag(t *token.Token) *node {
	if c.text.holdsSecret(c.place(t)) {
		c.problems.add(c.place(t), `YAML reads a text that begins with "!" as a tag; quote it`)
		return &node{at: c.place(t)}
	}
	c.problems.add(c.place(t), `YAML reads %s as a tag, not as a text; quote it: "%s ..."`, t.Value, t.Value)
	return &node{at: c.place(t)}
}

func (c *converter) node(n ast.Node) *node {
	c.depth++
	defer func() { c.depth-- }()
	if n == nil {
		return &node{at: c.place(nil)}
	}
	at := c.place(n.GetToken())
	if c.nodes++; c.nodes > maxNodes || c.depth > 4*maxNesting {
		c.problems.add(at, "the document is too large")
		return &node{at: at}
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return &node{at: at}
	case *ast.MappingNode:
		return c.mapping(n.Values, at)
	case *ast.MappingValueNode:
		return c.mapping([]*ast.MappingValueNode{n}, at)
	case *ast.SequenceNode:
		out := &node{kind: list, at: at}
		for _, v := range n.Values {
			if n.IsFlowStyle {
				if item, ok := c.colons(v); ok {
					out.items = append(out.items, item)
					continue
				}
			}
			out.items = append(out.items, c.node(v))
		}
		return out
	case *ast.LiteralNode:
		return &node{kind: scalar, text: n.Value.Value, raw: n.Value.GetToken().Origin, at: at}
	case *ast.StringNode:
		return &node{kind: scalar, text: n.Value, raw: n.GetToken().Origin, at: at}
	case *ast.TagNode:
		return c.tag(n.Start)
	case *ast.AnchorNode:
		v := c.node(n.Value)
		c.anchors[n.Name.GetToken().Value] = v
		return v
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		v, ok := c.anchors[name]
		if !ok {
			c.problems.add(at, "no anchor &%s stands before this; a text that begins with * needs quotes", name)
			return &node{at: at}
		}
		if c.nodes += size(v, maxNodes); c.nodes > maxNodes {
			c.problems.add(at, "the document is too large")
			return &node{at: at}
		}
		return v
	case ast.ScalarNode:
		return &node{kind: scalar, text: n.GetToken().Value, raw: n.GetToken().Origin, at: at}
	}
	c.problems.add(at, "%s can't stand here", strings.ToLower(fmt.Sprint(n.Type())))
	return &node{at: at}
}

// colons makes one text of host:9092 in a list in brackets. YAML says that it is one, but the parser reads a
// map there when the list itself is in braces.
func (c *converter) colons(n ast.Node) (*node, bool) {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) == 1 && m.Start.Type != token.MappingStartType {
		n = m.Values[0]
	}
	pair, ok := n.(*ast.MappingValueNode)
	if !ok || pair.Value == nil {
		return nil, false
	}
	key, colon, value := pair.Key.GetToken(), pair.Start, pair.Value.GetToken()
	if _, ok := pair.Value.(ast.ScalarNode); !ok || quoted(key) || quoted(value) || !adjacent(key, colon) || !adjacent(colon, value) {
		return nil, false
	}
	return &node{kind: scalar, text: key.Value + colon.Value + value.Value, at: c.place(key)}, true
}

func quoted(t *token.Token) bool {
	return t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
}

// adjacent reports whether b begins where a ends.
func adjacent(a, b *token.Token) bool {
	return a.Position.Line == b.Position.Line && a.Position.Column+utf8.RuneCountInString(a.Value) == b.Position.Column
}

func (c *converter) mapping(values []*ast.MappingValueNode, at place) *node {
	out := &node{kind: mapping, at: at}
	lines := make(map[string]int, len(values)) // of the names that are set
	var merged []*node
	for i, v := range values {
		if v.Key.IsMergeKey() {
			merged = append(merged, c.node(v.Value))
			continue
		}
		if _, ok := v.Key.(ast.ScalarNode); !ok {
			c.problems.add(c.place(v.Key.GetToken()), "a setting's name is a text")
			continue
		}
		f := field{name: v.Key.GetToken().Value, at: c.place(v.Key.GetToken())}
		if i == 0 {
			out.at = f.at
		}
		f.value = c.node(v.Value)
		if first, ok := lines[f.name]; ok {
			c.problems.add(f.at, "%q is set twice, first in line %d", f.name, first)
			continue
		}
		lines[f.name] = f.at.line
		out.fields = append(out.fields, f)
	}
	for _, m := range merged {
		c.merge(out, m)
	}
	return out
}

// merge adds the fields of m, a map or a list of maps behind "<<:", that out doesn't have.
func (c *converter) merge(out, m *node) {
	switch m.kind {
	case mapping:
		for _, f := range m.fields {
			if out.find(f.name) == nil {
				out.fields = append(out.fields, f)
			}
		}
	case list:
		for _, item := range m.items {
			c.merge(out, item)
		}
	default:
		c.problems.add(m.at, "<<: takes a map, not %s", m.kind)
	}
}

func (n *node) find(name string) *field {
	for i := range n.fields {
		if n.fields[i].name == name {
			return &n.fields[i]
		}
	}
	return nil
}

// size counts n's nodes, up to limit.
func size(n *node, limit int) int {
	total := 1
	for _, i := range n.items {
		if total > limit {
			return total
		}
		total += size(i, limit-total)
	}
	for _, f := range n.fields {
		if total > limit {
			return total
		}
		total += size(f.value, limit-total)
	}
	return total
}

// overlay is base with what top sets: maps merge, everything else replaces.
func overlay(base, top *node) *node {
	if base == nil || base.kind != mapping || top.kind != mapping {
		return top
	}
	out := &node{kind: mapping, at: top.at, fields: append([]field(nil), base.fields...)}
	for _, f := range top.fields {
		if g := out.find(f.name); g != nil {
			*g = field{f.name, f.at, overlay(g.value, f.value)}
		} else {
			out.fields = append(out.fields, f)
		}
	}
	return out
}
