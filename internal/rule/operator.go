package rule

import (
	"bytes"
	"regexp"
	"regexp/syntax"

	"github.com/millrace/millrace/internal/rule/ast"
	"github.com/millrace/millrace/serde"
)

func (c *compiler) unary(n *ast.UnaryNode) code {
	x := c.expr(n.Node)
	switch n.Operator {
	case "!", "not":
		test := c.condition(n.Node, x)
		return decides(func(f *frame) (bool, bool) {
			b, ok := test(f)
			return !b, ok
		})
	case "-", "+":
		minus := n.Operator == "-"
		return code{eval: func(f *frame) val {
			v := x.eval(f)
			switch {
			case v.kind == failed:
				return fail
			case !v.numeric():
				return f.failf("%s%s: %s is %s, not a number", n.Operator, show(n.Node), show(n.Node), describe(v.kind))
			case minus:
				return f.arithmetic(subtract, integer(0), v, n)
			}
			return v
		}}
	}
	return c.fail(n, "operator %s isn't supported", n.Operator)
}

func (c *compiler) binary(n *ast.BinaryNode) code {
	switch n.Operator {
	case "&&", "and", "||", "or":
		return c.logical(n)
	case "??":
		return c.coalesce(n)
	case "==", "!=", "<", "<=", ">", ">=":
		return c.comparison(n)
	case "in":
		return c.membership(n)
	case "matches":
		return c.matches(n)
	case "contains", "startsWith", "endsWith":
		return c.search(n)
	case "..":
		return c.span(n)
	}
	var op arithmetic
	switch n.Operator {
	case "+":
		op = add
	case "-":
		op = subtract
	case "*":
		op = multiply
	case "/":
		op = divide
	case "%":
		op = modulo
	case "**", "^":
		op = power
	default:
		return c.fail(n, "operator %s isn't supported", n.Operator)
	}
	left, right := c.expr(n.Left), c.expr(n.Right)
	return code{eval: func(f *frame) val {
		a := left.eval(f)
		if a.kind == failed {
			return fail
		}
		b := right.eval(f)
		if b.kind == failed {
			return fail
		}
		if a.kind == serde.String && b.kind == serde.String && op == add {
			return f.concat(a, b)
		}
		return f.arithmetic(op, a, b, n)
	}}
}

func (f *frame) concat(a, b val) val {
	if !f.grow(len(a.text) + len(b.text)) {
		return fail
	}
	from := len(f.buf)
	f.buf = append(append(f.buf, a.text...), b.text...)
	return text(f.buf[from:len(f.buf):len(f.buf)])
}

func (c *compiler) logical(n *ast.BinaryNode) code {
	left := c.condition(n.Left, c.expr(n.Left))
	right := c.condition(n.Right, c.expr(n.Right))
	stop := n.Operator == "||" || n.Operator == "or" // the left side that decides alone
	return decides(func(f *frame) (bool, bool) {
		b, ok := left(f)
		if !ok || b == stop {
			return b, ok
		}
		return right(f)
	})
}

func (c *compiler) coalesce(n *ast.BinaryNode) code {
	var left code
	switch l := n.Left.(type) {
	case *ast.MemberNode, *ast.ChainNode:
		c.nodes++
		left = c.access(l, true)
	default:
		left = c.expr(l)
	}
	right := c.expr(n.Right)
	makeLeft, makeRight := left.maker(), right.maker()
	return code{
		eval: func(f *frame) val {
			if v := left.eval(f); v.kind != serde.Null {
				return v
			}
			return right.eval(f)
		},
		make: func(f *frame) (serde.Value, bool) {
			v, ok := makeLeft(f)
			if !ok || v.Kind() != serde.Null {
				return v, ok
			}
			return makeRight(f)
		},
	}
}

// span compiles "a..b", the list of integers from a to b.
func (c *compiler) span(n *ast.BinaryNode) code {
	from, to := c.expr(n.Left), c.expr(n.Right)
	return makes(func(f *frame) (serde.Value, bool) {
		a, b := from.eval(f), to.eval(f)
		if a.kind == failed || b.kind == failed {
			return serde.Value{}, false
		}
		if a.kind != serde.Int64 || b.kind != serde.Int64 {
			f.failf("%s: a range goes from an integer to an integer, not from %s to %s", show(n), describe(a.kind), describe(b.kind))
			return serde.Value{}, false
		}
		base := len(f.list)
		for i := a.int(); i <= b.int(); i++ {
			if !f.grow(nodeSize) {
				f.list = f.list[:base]
				return serde.Value{}, false
			}
			f.list = append(f.list, f.tape.Int64(i))
			if i == b.int() {
				break
			}
		}
		return f.array(base)
	})
}

const (
	maxPattern     = 1_000 // bytes of a regular expression
	maxPatternSize = 2_000 // instructions that it compiles to
)

// matches compiles "x matches pattern". RE2's work grows with the size of the
// pattern times the length of the text: both are counted.
func (c *compiler) matches(n *ast.BinaryNode) code {
	left := c.expr(n.Left)
	pattern, ok := n.Right.(*ast.StringNode)
	if !ok {
		return c.fail(n.Right, "the pattern of matches is a constant text")
	}
	if len(pattern.Value) > maxPattern {
		return c.fail(pattern, "the pattern has %d bytes, at most %d are allowed", len(pattern.Value), maxPattern)
	}
	tree, err := syntax.Parse(pattern.Value, syntax.Perl)
	if err != nil {
		return c.fail(pattern, "the pattern isn't a regular expression (RE2): %v", err)
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return c.fail(pattern, "the pattern isn't a regular expression (RE2): %v", err)
	}
	size := len(program.Inst)
	if size > maxPatternSize {
		return c.fail(pattern, "the pattern is too large: it compiles to %d instructions, at most %d are allowed", size, maxPatternSize)
	}
	re, err := regexp.Compile(pattern.Value)
	if err != nil {
		return c.fail(pattern, "the pattern isn't a regular expression (RE2): %v", err)
	}
	return decides(func(f *frame) (bool, bool) {
		v, ok := f.textFor(left, n.Left, "matches")
		if !ok || !f.spend(1+len(v)*size/16) {
			return false, false
		}
		return re.Match(v), true
	})
}

// textFor evaluates an operand that has to be a text.
func (f *frame) textFor(x code, n ast.Node, what string) ([]byte, bool) {
	v := x.eval(f)
	if v.kind == serde.String {
		return v.text, true
	}
	if v.kind != failed {
		f.failf("%s is %s: %s takes a text", show(n), describe(v.kind), what)
	}
	return nil, false
}

func (c *compiler) search(n *ast.BinaryNode) code {
	test := bytes.Contains
	switch n.Operator {
	case "startsWith":
		test = bytes.HasPrefix
	case "endsWith":
		test = bytes.HasSuffix
	}
	left, right := c.expr(n.Left), c.expr(n.Right)
	return decides(func(f *frame) (bool, bool) {
		a, ok := f.textFor(left, n.Left, n.Operator)
		if !ok {
			return false, false
		}
		b, ok := f.textFor(right, n.Right, n.Operator)
		if !ok || !f.read(len(a)+len(b)) {
			return false, false
		}
		return test(a, b), true
	})
}

// slice compiles x[from:to], of lists and of texts by characters.
func (c *compiler) slice(n *ast.SliceNode) code {
	x := c.expr(n.Node)
	bound := func(n ast.Node) evalFunc {
		if n == nil {
			return nil
		}
		return c.expr(n).eval
	}
	from, to := bound(n.From), bound(n.To)
	return code{eval: func(f *frame) val {
		v := x.eval(f)
		size := 0
		switch v.kind {
		case failed:
			return fail
		case serde.String:
			if !f.read(len(v.text)) {
				return fail
			}
			size = runes(v.text)
		case serde.Array:
			size = v.v.Len()
		default:
			return f.failf("%s is %s: a text or a list can be cut by [from:to]", show(n.Node), describe(v.kind))
		}
		a, ok := f.bound(from, 0, size, n)
		if !ok {
			return fail
		}
		b, ok := f.bound(to, size, size, n)
		if !ok {
			return fail
		}
		b = max(a, b)
		if v.kind == serde.String {
			return text(cut(v.text, a, b))
		}
		return f.sublist(v, a, b)
	}}
}

// bound evaluates one bound of a slice; negative ones count from the end.
func (f *frame) bound(x evalFunc, without, size int, n ast.Node) (int, bool) {
	if x == nil {
		return without, true
	}
	v := x(f)
	if v.kind == failed {
		return 0, false
	}
	if v.kind != serde.Int64 {
		f.failf("%s: the bounds are integers, not %s", show(n), describe(v.kind))
		return 0, false
	}
	at := v.int()
	if at < 0 {
		at += int64(size)
	}
	return int(max(0, min(at, int64(size)))), true
}

// sublist makes a list of the elements from a to b-1.
func (f *frame) sublist(list val, a, b int) val {
	base, i := len(f.list), 0
	for e := range list.v.Elements() {
		if i >= b {
			break
		}
		if i >= a {
			if !f.weigh(e) {
				f.list = f.list[:base]
				return fail
			}
			f.list = append(f.list, e)
		}
		i++
		if !f.spend(1) {
			f.list = f.list[:base]
			return fail
		}
	}
	return f.collected(base)
}
