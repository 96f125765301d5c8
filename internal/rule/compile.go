package rule

import (
	"fmt"
	"strings"

	"github.com/expr-lang/expr/file"

	"github.com/millrace/millrace/internal/rule/ast"
	"github.com/millrace/millrace/serde"
)

// What a node is compiled to. A false second result, or a val of kind failed,
// says that frame.err is set.
type (
	evalFunc func(f *frame) val
	boolFunc func(f *frame) (result, ok bool)
	makeFunc func(f *frame) (v serde.Value, ok bool)
)

// A code is a compiled node: eval always, truth and make where there is a
// shorter way to a boolean or to a value for a sink, field where the node is a
// constant path: its value, Missing where the path leads nowhere.
type code struct {
	eval  evalFunc
	truth boolFunc
	make  makeFunc
	field func(f *frame) serde.Value
}

// A compiler turns one syntax tree into closures.
type compiler struct {
	source  []rune
	err     *file.Error // the first mistake
	nodes   int
	loops   int // predicates around the current node
	deepest int // most of them
	reduce  []bool
	scope   []variable
	slots   int
}

type variable struct {
	name string
	slot int
}

func (c *compiler) fail(n ast.Node, format string, args ...any) code {
	if c.err == nil {
		c.err = &file.Error{Location: n.Location(), Message: fmt.Sprintf(format, args...)}
	}
	return code{eval: func(*frame) val { return fail }}
}

// expr compiles a node. Nodes that the parser shares between two places count at each.
func (c *compiler) expr(n ast.Node) code {
	if c.nodes++; c.nodes > maxNodes {
		return c.fail(n, "the expression is too complex: it has more than %d parts", maxNodes)
	}
	if c.err != nil {
		return c.fail(n, "")
	}
	switch n := n.(type) {
	case *ast.NilNode:
		return constant(null)
	case *ast.BoolNode:
		return constant(boolean(n.Value))
	case *ast.IntegerNode:
		return constant(integer(int64(n.Value)))
	case *ast.FloatNode:
		return constant(c.literal(n))
	case *ast.StringNode:
		return constant(text([]byte(n.Value)))
	case *ast.BytesNode:
		return constant(val{kind: serde.Bytes, text: n.Value})
	case *ast.IdentifierNode:
		return c.identifier(n)
	case *ast.MemberNode, *ast.ChainNode, *ast.PointerNode:
		return c.access(n, false)
	case *ast.SliceNode:
		return c.slice(n)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.ArrayNode:
		return c.array(n)
	case *ast.MapNode:
		return c.object(n)
	case *ast.CallNode:
		return c.call(n, n.Name, n.Arguments)
	case *ast.VariableDeclaratorNode:
		return c.let(n)
	case *ast.PredicateNode:
		return c.fail(n, "a predicate can't stand here")
	}
	return c.fail(n, "%T isn't supported", n)
}

func constant(v val) code { return code{eval: func(*frame) val { return v }} }

// literal is a number as it is written, where a float64 would change it.
func (c *compiler) literal(n *ast.FloatNode) val {
	at := n.Location()
	if at.From >= 0 && at.From < at.To && at.To <= len(c.source) {
		written := []byte(strings.ReplaceAll(string(c.source[at.From:at.To]), "_", ""))
		if d, ok := parseDecimal(written); ok {
			if nearest, _ := parseDecimal(appendFloat(nil, n.Value)); d.cmp(nearest) != 0 {
				return val{kind: serde.Decimal, text: written}
			}
		}
	}
	return number(n.Value)
}

// constantOf is the value of a literal, sign included.
func constantOf(n ast.Node, x code) (val, bool) {
	switch n := n.(type) {
	case *ast.NilNode, *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.BytesNode:
		return x.eval(nil), true
	case *ast.UnaryNode:
		if _, ok := constantOf(n.Node, code{eval: func(*frame) val { return null }}); ok && n.Operator == "-" {
			f := &frame{}
			v := x.eval(f)
			return v, v.kind != failed
		}
	}
	return val{}, false
}

func (c *compiler) identifier(n *ast.IdentifierNode) code {
	for i := len(c.scope) - 1; i >= 0; i-- {
		if c.scope[i].name == n.Value {
			slot := c.scope[i].slot
			return code{eval: func(f *frame) val { return f.vars[slot] }}
		}
	}
	if x, ok := rootOf(n.Value); ok {
		return x
	}
	return c.fail(n, "unknown name %s: a field is written with its root, such as value.%[1]s; the roots are %s", n.Value, roots)
}

func (c *compiler) let(n *ast.VariableDeclaratorNode) code {
	if _, ok := rootOf(n.Name); ok {
		return c.fail(n, "let %s hides the root of that name: choose another", n.Name)
	}
	x := c.expr(n.Value).eval
	slot := c.slots
	c.slots++
	c.scope = append(c.scope, variable{n.Name, slot})
	body := c.expr(n.Expr)
	c.scope = c.scope[:len(c.scope)-1]
	return code{eval: func(f *frame) val {
		v := x(f)
		if v.kind == failed {
			return fail
		}
		f.vars[slot] = v
		return body.eval(f)
	}}
}

// condition is x as true or false.
func (c *compiler) condition(n ast.Node, x code) boolFunc {
	if x.truth != nil {
		return x.truth
	}
	return func(f *frame) (bool, bool) {
		v := x.eval(f)
		if v.kind == serde.Bool {
			return v.bool(), true
		}
		if v.kind != failed {
			f.failf("%s is %s, not true or false", show(n), describe(v.kind))
		}
		return false, false
	}
}

// decides is the code of a node that is true or false.
func decides(truth boolFunc) code {
	return code{truth: truth, eval: func(f *frame) val {
		b, ok := truth(f)
		if !ok {
			return fail
		}
		return boolean(b)
	}}
}

// maker is x as a value for a sink.
func (x code) maker() makeFunc {
	if x.make != nil {
		return x.make
	}
	return func(f *frame) (serde.Value, bool) {
		v := x.eval(f)
		if v.kind == failed {
			return serde.Value{}, false
		}
		return f.store(v)
	}
}

// makes is the code of a node whose result is a container.
func makes(m makeFunc) code {
	return code{make: m, eval: func(f *frame) val {
		v, ok := m(f)
		if !ok {
			return fail
		}
		return f.load(v)
	}}
}

func (c *compiler) conditional(n *ast.ConditionalNode) code {
	if n.Cond == n.Exp1 { // cond ?: other, which the parser writes as cond ? cond : other
		cond, other := c.expr(n.Cond), c.expr(n.Exp2)
		test := c.condition(n.Cond, cond)
		return code{eval: func(f *frame) val {
			b, ok := test(f)
			switch {
			case !ok:
				return fail
			case b:
				return boolean(true)
			}
			return other.eval(f)
		}}
	}
	test := c.condition(n.Cond, c.expr(n.Cond))
	yes, no := c.expr(n.Exp1), c.expr(n.Exp2)
	makeYes, makeNo := yes.maker(), no.maker()
	return code{
		eval: func(f *frame) val {
			b, ok := test(f)
			switch {
			case !ok:
				return fail
			case b:
				return yes.eval(f)
			}
			return no.eval(f)
		},
		make: func(f *frame) (serde.Value, bool) {
			b, ok := test(f)
			switch {
			case !ok:
				return serde.Value{}, false
			case b:
				return makeYes(f)
			}
			return makeNo(f)
		},
	}
}

func (c *compiler) array(n *ast.ArrayNode) code {
	items := make([]makeFunc, len(n.Nodes))
	for i, item := range n.Nodes {
		items[i] = c.expr(item).maker()
	}
	looping := c.loops > 0
	return makes(func(f *frame) (serde.Value, bool) {
		base := len(f.list)
		for _, item := range items {
			v, ok := item(f)
			if !ok || looping && !f.weigh(v) {
				f.list = f.list[:base]
				return serde.Value{}, false
			}
			f.list = append(f.list, v)
		}
		return f.array(base)
	})
}

// array makes a list of what stands on the stack from base on, and takes it off.
func (f *frame) array(base int) (serde.Value, bool) {
	elements := f.list[base:]
	f.list = f.list[:base]
	if !f.grow(nodeSize * (1 + len(elements))) {
		return serde.Value{}, false
	}
	return f.tape.Array(elements), true
}

// collected is array as a val.
func (f *frame) collected(base int) val {
	v, ok := f.array(base)
	if !ok {
		return fail
	}
	return f.load(v)
}

// object compiles an object literal to a template: its names are fixed, and
// members that are parts of the record are copied as they are.
func (c *compiler) object(n *ast.MapNode) code {
	names := make([]string, len(n.Pairs))
	members := make([]makeFunc, len(n.Pairs))
	seen := map[string]bool{}
	for i, pair := range n.Pairs {
		name, ok := pair.Key.(*ast.StringNode)
		if !ok {
			return c.fail(pair.Key, "the names of an object are fixed: write {name: value} or {\"a name\": value}")
		}
		if seen[name.Value] {
			return c.fail(name, "%q stands twice in the object", name.Value)
		}
		seen[name.Value] = true
		names[i] = name.Value
		members[i] = c.expr(pair.Value).maker()
	}
	looping := c.loops > 0
	return makes(func(f *frame) (serde.Value, bool) {
		base := len(f.list)
		for _, member := range members {
			v, ok := member(f)
			if !ok || looping && !f.weigh(v) {
				f.list = f.list[:base]
				return serde.Value{}, false
			}
			f.list = append(f.list, v)
		}
		values := f.list[base:]
		f.list = f.list[:base]
		if !f.grow(nodeSize * (1 + len(values))) {
			return serde.Value{}, false
		}
		return f.tape.Object(names, values), true
	})
}

// nodeSize is about what a value takes on the tape, without its text.
const nodeSize = 32

// weigh counts the memory that a copy of v takes.
func (f *frame) weigh(v serde.Value) bool {
	if !f.grow(nodeSize) {
		return false
	}
	switch v.Kind() {
	case serde.String, serde.Bytes, serde.Decimal:
		return f.grow(v.Len())
	case serde.Array:
		for e := range v.Elements() {
			if !f.weigh(e) {
				return false
			}
		}
	case serde.Object:
		for name, m := range v.Members() {
			if !f.grow(len(name)) || !f.weigh(m) {
				return false
			}
		}
	}
	return true
}

// show is a node as messages name it: short, whatever the size of the expression.
func show(n ast.Node) string {
	s := showTo(n, 3)
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "..."
	}
	return s
}

func showTo(n ast.Node, depth int) string {
	if depth == 0 {
		return "..."
	}
	depth--
	switch n := n.(type) {
	case fmt.Stringer: // a literal or a name
		return n.String()
	case *ast.ChainNode:
		return showTo(n.Node, depth+1)
	case *ast.PointerNode:
		return "#" + n.Name
	case *ast.MemberNode:
		return showMember(n)
	case *ast.UnaryNode:
		return n.Operator + showTo(n.Node, depth)
	case *ast.BinaryNode:
		return showTo(n.Left, depth) + " " + n.Operator + " " + showTo(n.Right, depth)
	case *ast.CallNode:
		return showCall(n.Name, n.Arguments, depth)
	case *ast.ArrayNode:
		return "[...]"
	case *ast.MapNode:
		return "{...}"
	case *ast.SliceNode:
		return showTo(n.Node, depth) + "[:]"
	}
	return "the expression"
}

func showCall(name string, args []ast.Node, depth int) string {
	if len(args) == 0 {
		return name + "()"
	}
	more := ""
	if len(args) > 1 {
		more = ", ..."
	}
	return name + "(" + showTo(args[0], depth) + more + ")"
}
