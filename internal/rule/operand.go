package rule

import (
	"errors"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/parser/lexer"
	"github.com/expr-lang/expr/parser/operator"
	"github.com/expr-lang/expr/parser/utils"

	"github.com/millrace/millrace/internal/rule/ast"
)

// operand reads what operators stand between.
func (p *parser) operand() ast.Node {
	t := p.token()
	switch t.Kind {
	case lexer.Identifier:
		return p.name()
	case lexer.Number:
		return p.number() // no members: 1[0]
	case lexer.String:
		p.next()
		return p.members(&ast.StringNode{Place: p.at(t), Value: t.Value})
	case lexer.Bytes:
		p.next()
		return p.members(&ast.BytesNode{Place: p.at(t), Value: []byte(t.Value)})
	case lexer.Bracket:
		switch t.Value {
		case "(":
			p.next()
			n := p.sequence()
			p.expect(")")
			return p.members(n)
		case "[":
			return p.members(p.array())
		case "{":
			return p.members(p.object())
		}
	case lexer.Operator:
		if op, ok := operator.Unary[t.Value]; ok {
			p.next()
			return p.members(&ast.UnaryNode{Place: p.at(t), Operator: t.Value, Node: p.expression(op.Precedence)})
		}
		switch {
		case t.Value == "::": // a function even if something else has its name
			p.next()
			return p.members(p.call(p.identifier()))
		case p.predicates > 0 && (t.Value == "#" || t.Value == "."):
			return p.members(p.pointer())
		}
	}
	p.unexpected(t)
	return &ast.NilNode{}
}

// name reads a constant, a call or a root.
func (p *parser) name() ast.Node {
	t := p.next()
	switch t.Value {
	case "true", "false":
		return &ast.BoolNode{Place: p.at(t), Value: t.Value == "true"}
	case "nil":
		return &ast.NilNode{Place: p.at(t)}
	}
	if p.isBracket("(") {
		return p.members(p.call(t))
	}
	return p.members(&ast.IdentifierNode{Place: p.at(t), Value: t.Value})
}

// pointer reads "#" and "#index"; a "." is left for members.
func (p *parser) pointer() ast.Node {
	n := &ast.PointerNode{Place: p.at(p.token())}
	if p.isOperator("#") {
		p.next()
		if p.token().Is(lexer.Identifier) {
			n.Name = p.next().Value
		}
	}
	return n
}

// number reads a number: decimal, or an integer that begins with 0x, 0b or 0o.
func (p *parser) number() ast.Node {
	t := p.next()
	text := strings.ReplaceAll(t.Value, "_", "")
	lower := strings.ToLower(text)
	if !strings.HasPrefix(lower, "0x") && strings.ContainsAny(lower, ".e") {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			p.fail(t, "invalid float literal: %v", errors.Unwrap(err))
		}
		return &ast.FloatNode{Place: p.at(t), Value: x}
	}
	base := 10
	if len(lower) > 1 && strings.Contains("xbo", lower[1:2]) {
		base = 0 // as the prefix says
	}
	i, err := strconv.ParseInt(text, base, strconv.IntSize)
	if err != nil {
		p.fail(t, "invalid integer literal: %v", errors.Unwrap(err))
	}
	return &ast.IntegerNode{Place: p.at(t), Value: int(i)}
}

// list reads items between brackets, of which the opening one comes next.
func (p *parser) list(open, end string, item func()) {
	p.expect(open)
	for first := true; !p.isBracket(end) && p.err == nil; first = false {
		if !first {
			p.expect(",")
			if p.isBracket(end) {
				break
			}
		}
		item()
	}
	p.expect(end)
}

func (p *parser) array() ast.Node {
	n := &ast.ArrayNode{Place: p.at(p.token())}
	p.list("[", "]", func() { n.Nodes = append(n.Nodes, p.expression(0)) })
	return n
}

func (p *parser) object() ast.Node {
	n := &ast.MapNode{Place: p.at(p.token())}
	p.list("{", "}", func() {
		key := p.key()
		p.expect(":")
		n.Pairs = append(n.Pairs, ast.Pair{Key: key, Value: p.expression(0)})
	})
	return n
}

func (p *parser) key() ast.Node {
	t := p.token()
	switch {
	case t.Is(lexer.Identifier), t.Is(lexer.String), t.Is(lexer.Number):
		p.next()
		return &ast.StringNode{Place: p.at(t), Value: t.Value}
	case t.Is(lexer.Bracket, "("):
		return p.expression(0)
	}
	p.fail(t, "unexpected token %v: an object is written {name: value} or {\"a name\": value}", t)
	return &ast.NilNode{}
}

// call reads the arguments of a function. Behind a "|" it has one already.
func (p *parser) call(name lexer.Token, args ...ast.Node) ast.Node {
	n := &ast.CallNode{Place: p.at(name), Name: name.Value, Arguments: args}
	if isPredicate(name.Value) {
		p.predicateCall(n)
		return n
	}
	p.list("(", ")", func() { n.Arguments = append(n.Arguments, p.expression(0)) })
	return n
}

// predicateCall reads (list, predicate) and, where the function takes it, a
// third argument; the list is there already behind a "|".
func (p *parser) predicateCall(n *ast.CallNode) {
	p.expect("(")
	piped := len(n.Arguments) > 0
	if !piped {
		p.required(n.Name)
		n.Arguments = append(n.Arguments, p.expression(0))
	}
	if (n.Name == "count" || n.Name == "sum") && p.isBracket(")") {
		p.next()
		return
	}
	p.required(n.Name)
	if !piped {
		p.expect(",")
	}
	n.Arguments = append(n.Arguments, p.predicate())
	if (n.Name == "reduce" || n.Name == "sortBy") && !p.isBracket(")") {
		p.expect(",")
		n.Arguments = append(n.Arguments, p.expression(0))
	}
	if p.isOperator(",") {
		p.next()
	}
	p.expect(")")
}

// required fails where the arguments of a function with a predicate end too early.
func (p *parser) required(name string) {
	if p.isBracket(")") {
		p.fail(p.token(), "%s takes a list and a predicate, such as %[1]s(value.list, # > 0)", name)
	}
}

func (p *parser) predicate() ast.Node {
	p.predicates++
	defer func() { p.predicates-- }()
	n := &ast.PredicateNode{Place: p.at(p.token())}
	if p.isBracket("{") {
		n.Node = p.block()
	} else {
		n.Node = p.expression(0)
	}
	return n
}

// members reads .name, ?.name, [index] and [from:to] behind n.
func (p *parser) members(n ast.Node) ast.Node {
	for {
		t := p.token()
		switch {
		case t.Is(lexer.Operator, "?.") && p.tokens[1].Is(lexer.Bracket, "["):
			p.next()
			n = p.index(n, true)
		case t.Is(lexer.Operator, ".", "?."):
			p.next()
			n = p.member(n, t.Value == "?.")
		case t.Is(lexer.Bracket, "["):
			n = p.index(n, false)
		default:
			return n
		}
	}
}

// member reads a name. A chain goes on: a?.b.c is one.
func (p *parser) member(of ast.Node, optional bool) ast.Node {
	t := p.token()
	// "in" and the like are names here.
	if t.Kind != lexer.Identifier && (t.Kind != lexer.Operator || !utils.IsValidIdentifier(t.Value)) {
		p.fail(t, "unexpected token %v: a name follows a dot", t)
		return of
	}
	p.next()
	if p.isBracket("(") {
		p.fail(t, "values have no methods")
	}
	chain, inChain := of.(*ast.ChainNode)
	if inChain {
		of = chain.Node
	}
	n := &ast.MemberNode{Place: p.at(t), Node: of, Property: &ast.StringNode{Place: p.at(t), Value: t.Value}, Optional: optional}
	if inChain || optional {
		return &ast.ChainNode{Place: p.at(t), Node: n}
	}
	return n
}

// index reads [i] or [from:to]. It doesn't go on with a chain: in a?.b[0] the chain is a?.b.
func (p *parser) index(of ast.Node, optional bool) ast.Node {
	t := p.next()
	var from, to ast.Node
	if !p.isOperator(":") {
		from = p.expression(0)
	}
	if p.isOperator(":") {
		p.next()
		if !p.isBracket("]") {
			to = p.expression(0)
		}
		p.expect("]")
		return &ast.SliceNode{Place: p.at(t), Node: of, From: from, To: to}
	}
	p.expect("]")
	n := &ast.MemberNode{Place: p.at(t), Node: of, Property: from, Optional: optional}
	if optional {
		return &ast.ChainNode{Place: p.at(t), Node: n}
	}
	return n
}
