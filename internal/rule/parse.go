package rule

import (
	"fmt"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser/lexer"
	"github.com/expr-lang/expr/parser/operator"

	"github.com/millrace/millrace/internal/rule/ast"
)

// Limits of the syntax tree, for the stack and the memory of this process. No
// expression within maxNodes reaches them unless it has parentheses that do nothing.
const (
	maxDepth  = 2_000  // expressions within each other
	maxPlaces = 10_000 // nodes before compiling; the steps of a path count here and not in maxNodes
)

// A parser reads an expression by operator precedence, over the tokens and the
// operators of expr-lang.
type parser struct {
	tokens     []lexer.Token // what is still to read; the last is EOF and stays
	err        *file.Error   // the first mistake; behind it, everything is EOF
	depth      int
	places     int
	predicates int // predicates around the current token
}

// parse reads an expression. An error is a *file.Error, bound to text.
func parse(text string) (ast.Node, error) {
	source := file.NewSource(text)
	tokens, err := lexer.Lex(source)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	n := p.sequence()
	if !p.token().Is(lexer.EOF) {
		p.unexpected(p.token())
	}
	if p.err != nil {
		return nil, p.err.Bind(source)
	}
	return n, nil
}

func (p *parser) token() lexer.Token { return p.tokens[0] }

func (p *parser) isOperator(s string) bool { return p.tokens[0].Is(lexer.Operator, s) }

func (p *parser) isBracket(s string) bool { return p.tokens[0].Is(lexer.Bracket, s) }

// next reads a token.
func (p *parser) next() lexer.Token {
	t := p.tokens[0]
	if len(p.tokens) > 1 {
		p.tokens = p.tokens[1:]
	}
	return t
}

// fail keeps the first mistake and ends the text there.
func (p *parser) fail(at lexer.Token, format string, args ...any) {
	if p.err != nil {
		return
	}
	p.err = &file.Error{Location: at.Location, Message: fmt.Sprintf(format, args...)}
	p.tokens = p.tokens[len(p.tokens)-1:]
}

func (p *parser) unexpected(t lexer.Token) {
	if t.Is(lexer.Operator, ";") {
		p.fail(t, "a rule is one expression; \";\" only ends a let")
		return
	}
	p.fail(t, "unexpected token %v", t)
}

// expect reads the operator or bracket s.
func (p *parser) expect(s string) {
	t := p.token()
	if t.Value != s || t.Kind != lexer.Operator && t.Kind != lexer.Bracket {
		p.unexpected(t)
		return
	}
	p.next()
}

// identifier reads a name.
func (p *parser) identifier() lexer.Token {
	t := p.token()
	if !t.Is(lexer.Identifier) {
		p.unexpected(t)
		return t
	}
	return p.next()
}

// at is the place of a new node.
func (p *parser) at(t lexer.Token) ast.Place {
	if p.places++; p.places > maxPlaces {
		p.fail(t, "the expression is too complex: it has more than %d parts", maxPlaces)
	}
	return ast.Place(t.Location)
}

// sequence reads what stands alone: in parentheses, in braces, behind a let. A ";" may end the text.
func (p *parser) sequence() ast.Node {
	n := p.expression(0)
	if end := p.token(); end.Is(lexer.Operator, ";") {
		if p.next(); !p.token().Is(lexer.EOF) {
			p.unexpected(end)
		}
	}
	return n
}

// expression reads an operand and the operators of at least the given
// precedence behind it. With 0 it reads all there is: let, if and "?" too.
func (p *parser) expression(least int) ast.Node {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.token(), "the expression is nested too deeply: more than %d levels", maxDepth)
	}
	defer func() { p.depth-- }()
	if least > 0 {
		return p.operations(p.operand(), least)
	}
	switch {
	case p.isOperator("let"):
		return p.let()
	case p.isOperator("if"):
		return p.branch()
	}
	n := p.operations(p.operand(), least)
	for p.isOperator("?") {
		n = p.ternary(n)
	}
	return n
}

func (p *parser) let() ast.Node {
	p.next()
	name := p.identifier()
	p.expect("=")
	value := p.expression(0)
	p.expect(";")
	return &ast.VariableDeclaratorNode{Place: p.at(name), Name: name.Value, Value: value, Expr: p.sequence()}
}

// branch reads if cond { a } else { b }.
func (p *parser) branch() ast.Node {
	n := &ast.ConditionalNode{Place: p.at(p.next())}
	n.Cond = p.expression(0)
	n.Exp1 = p.block()
	p.expect("else")
	if p.isOperator("if") {
		n.Exp2 = p.expression(0)
	} else {
		n.Exp2 = p.block()
	}
	return n
}

func (p *parser) block() ast.Node {
	p.expect("{")
	n := p.sequence()
	p.expect("}")
	return n
}

func (p *parser) ternary(cond ast.Node) ast.Node {
	n := &ast.ConditionalNode{Place: p.at(p.next()), Cond: cond, Exp1: cond}
	if !p.isOperator(":") {
		n.Exp1 = p.expression(0)
	}
	p.expect(":")
	n.Exp2 = p.expression(0)
	return n
}

// operations reads the operators of at least the given precedence behind left.
func (p *parser) operations(left ast.Node, least int) ast.Node {
	previous := ""
	for p.token().Is(lexer.Operator) {
		t := p.token()
		not := t.Value == "not"
		if not {
			t = p.tokens[1]
			if t.Kind != lexer.Operator || !operator.AllowedNegateSuffix(t.Value) {
				p.unexpected(t)
				break
			}
		}
		op, ok := operator.Binary[t.Value]
		if !ok || op.Precedence < least {
			break
		}
		if previous == "??" && t.Value != "??" && t.Value != "|" {
			p.fail(t, "%s can't follow a ?? b: put parentheses around one of them, such as (a ?? b) %[1]s c", t.Value)
			break
		}
		if not {
			p.next()
		}
		p.next()
		switch {
		case t.Value == "|":
			left = p.call(p.identifier(), left)
		case operator.IsComparison(t.Value):
			left = p.comparison(left, t, op.Precedence)
		default:
			right := op.Precedence
			if op.Associativity == operator.Left {
				right++
			}
			left = &ast.BinaryNode{Place: p.at(t), Operator: t.Value, Left: left, Right: p.expression(right)}
		}
		if not {
			left = &ast.UnaryNode{Place: p.at(t), Operator: "not", Node: left}
		}
		previous = t.Value
	}
	return left
}

// comparison reads the right side of a < b, and the others of a < b < c.
func (p *parser) comparison(left ast.Node, t lexer.Token, precedence int) ast.Node {
	var all ast.Node
	for {
		right := p.expression(precedence + 1)
		n := &ast.BinaryNode{Place: p.at(t), Operator: t.Value, Left: left, Right: right}
		if all == nil {
			all = n
		} else {
			all = &ast.BinaryNode{Place: p.at(t), Operator: "&&", Left: all, Right: n}
		}
		if t = p.token(); t.Kind != lexer.Operator || !operator.IsComparison(t.Value) {
			return all
		}
		p.next()
		left = right
	}
}
