package rule

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	exprast "github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	exprparser "github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/parser/lexer"

	"github.com/millrace/millrace/internal/rule/ast"
)

// agree compares with expr's own parser: both refuse a text, or both read the
// same tree. This parser refuses, besides, what never compiles: see converted.
func agree(t testing.TB, text string) {
	t.Helper()
	if strings.TrimSpace(text) == "" || len(text) > maxText {
		return
	}
	got, err := parse(text)
	tree, oracleErr := oracle(text)
	switch {
	case err == nil && oracleErr != nil:
		t.Errorf("%q is read as %s; expr: %v", text, dump(got), oracleErr)
	case err == nil:
		want, ok := converted(tree)
		if !ok {
			t.Errorf("%q is read as %s; expr has %s", text, dump(got), exprast.Dump(tree))
		} else if dump(got) != dump(want) {
			t.Errorf("%q\n is %s\nexpr: %s", text, dump(got), dump(want))
		}
	case oracleErr == nil && !stricter(text, err):
		if want, ok := converted(tree); ok {
			t.Errorf("%q is refused: %v; expr reads %s", text, err, dump(want))
		}
	}
	if e, ok := err.(*file.Error); err != nil && (!ok || e.Snippet == "" && strings.TrimSpace(strings.Split(text, "\n")[e.Line-1]) != "") { //nolint:errorlint // the type itself is promised
		t.Errorf("%q: the error %v shows no place", text, err)
	}
}

// oracle is expr's tree. A panic counts as refused.
func oracle(text string) (n exprast.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	tree, err := exprparser.Parse(text)
	return tree.Node, err
}

// stricter says that a text is refused on purpose though expr reads it: it is
// nested without end, or has the quoted "in" after a "not", which expr takes for the operator.
func stricter(text string, err error) bool {
	if strings.Contains(err.Error(), "nested too deeply") {
		return true
	}
	tokens, lexErr := lexer.Lex(file.NewSource(text))
	for i := range tokens {
		if lexErr == nil && tokens[i].Is(lexer.Operator, "not") && (tokens[i+1].Kind == lexer.String || tokens[i+1].Kind == lexer.Bytes) {
			return true
		}
	}
	return false
}

// converted is expr's tree as this package's; false where it has a node that none of its rules can have.
func converted(n exprast.Node) (out ast.Node, ok bool) {
	ok = true
	seen := map[exprast.Node]ast.Node{}
	var node func(n exprast.Node) ast.Node
	nodes := func(list []exprast.Node) (out []ast.Node) {
		for _, n := range list {
			out = append(out, node(n))
		}
		return out
	}
	node = func(n exprast.Node) (out ast.Node) {
		if n == nil {
			return nil
		}
		if shared := seen[n]; shared != nil {
			return shared
		}
		defer func() { seen[n] = out }()
		at := ast.Place(n.Location())
		switch n := n.(type) {
		case *exprast.NilNode:
			return &ast.NilNode{Place: at}
		case *exprast.BoolNode:
			return &ast.BoolNode{Place: at, Value: n.Value}
		case *exprast.IntegerNode:
			return &ast.IntegerNode{Place: at, Value: n.Value}
		case *exprast.FloatNode:
			return &ast.FloatNode{Place: at, Value: n.Value}
		case *exprast.StringNode:
			return &ast.StringNode{Place: at, Value: n.Value}
		case *exprast.BytesNode:
			return &ast.BytesNode{Place: at, Value: n.Value}
		case *exprast.IdentifierNode:
			return &ast.IdentifierNode{Place: at, Value: n.Value}
		case *exprast.PointerNode:
			return &ast.PointerNode{Place: at, Name: n.Name}
		case *exprast.MemberNode:
			return &ast.MemberNode{Place: at, Node: node(n.Node), Property: node(n.Property), Optional: n.Optional}
		case *exprast.ChainNode:
			return &ast.ChainNode{Place: at, Node: node(n.Node)}
		case *exprast.SliceNode:
			return &ast.SliceNode{Place: at, Node: node(n.Node), From: node(n.From), To: node(n.To)}
		case *exprast.UnaryNode:
			return &ast.UnaryNode{Place: at, Operator: n.Operator, Node: node(n.Node)}
		case *exprast.BinaryNode:
			return &ast.BinaryNode{Place: at, Operator: n.Operator, Left: node(n.Left), Right: node(n.Right)}
		case *exprast.ConditionalNode: // expr's place is behind it, or none
			return &ast.ConditionalNode{Cond: node(n.Cond), Exp1: node(n.Exp1), Exp2: node(n.Exp2)}
		case *exprast.BuiltinNode:
			return &ast.CallNode{Place: at, Name: n.Name, Arguments: nodes(n.Arguments)}
		case *exprast.CallNode:
			if callee, isName := n.Callee.(*exprast.IdentifierNode); isName {
				return &ast.CallNode{Place: at, Name: callee.Value, Arguments: nodes(n.Arguments)}
			}
		case *exprast.PredicateNode:
			return &ast.PredicateNode{Place: at, Node: node(n.Node)}
		case *exprast.VariableDeclaratorNode:
			return &ast.VariableDeclaratorNode{Place: at, Name: n.Name, Value: node(n.Value), Expr: node(n.Expr)}
		case *exprast.ArrayNode:
			return &ast.ArrayNode{Place: at, Nodes: nodes(n.Nodes)}
		case *exprast.MapNode:
			object := &ast.MapNode{Place: at}
			for _, p := range n.Pairs {
				pair := p.(*exprast.PairNode)
				object.Pairs = append(object.Pairs, ast.Pair{Key: node(pair.Key), Value: node(pair.Value)})
			}
			return object
		}
		ok = false // a sequence, a method
		return &ast.NilNode{}
	}
	return node(n), ok
}

// dump shows a whole tree, with places. A node that stands in two places is shown once.
func dump(n ast.Node) string {
	var b strings.Builder
	seen := map[any]int{}
	var show func(v reflect.Value)
	show = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Interface:
			if v.IsNil() {
				b.WriteString("-")
				return
			}
			show(v.Elem())
		case reflect.Pointer:
			if i := seen[v.Interface()]; i > 0 {
				fmt.Fprintf(&b, "(node %d again)", i)
				return
			}
			seen[v.Interface()] = len(seen) + 1
			show(v.Elem())
		case reflect.Struct:
			fmt.Fprintf(&b, "(%s", v.Type().Name())
			for i := range v.NumField() {
				if v.Type() == reflect.TypeFor[ast.ConditionalNode]() && i == 0 {
					continue
				}
				b.WriteString(" ")
				show(v.Field(i))
			}
			b.WriteString(")")
		case reflect.Slice:
			b.WriteString("[")
			for i := range v.Len() {
				b.WriteString(" ")
				show(v.Index(i))
			}
			b.WriteString("]")
		default:
			fmt.Fprintf(&b, "%#v", v.Interface())
		}
	}
	show(reflect.ValueOf(&n).Elem())
	return b.String()
}

// Every kind of node, every operator beside every other, and what is nearly right.
var parsed = []string{
	`nil`, `true`, `false`, `value`, `"a\n\u00e9"`, `'a'`, "`a``b`", `b"a\xff"`, `1`, `02`, `010`, `08`, `1_000`, `0x1F`, `0XfF`, `0b101`, `0o17`, `.5`, `1.`, `1.5e-3`, `1E3`,
	`9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `1e999`, `0x`, `0b1.1`, `0b1e3`, `0x1e3`, `0o8`, `1__0`, `0x_f`, `1..2`, `1...2`, `1a`,
	`value.a.b`, `value . a`, `value?.a.b`, `value.a?.b?.c`, `(value?.a).b`, `value?.a[0].b`, `value.a?.[0]`, `value?.["a"]?.b[1]`, `value.in.not.let`, `value.true`, `value.a[-1]`,
	`value[a.b]`, `value[1:2]`, `value[:2]`, `value[1:]`, `value[:]`, `value?.[1:2]`, `value[a ? b : c]`, `value[a ? b : c:d]`, `value[::f():1]`, `value[]`, `value[1`, `value[1:2:3]`, `value.`, `value.1`, `value.+`, `value?.`, `value..a`,
	`"abc"[0]`, `b"abc"[0]`, `[1, 2][0]`, `{a: 1}.a`, `1[0]`, `true.a`, `nil[0]`, `(1)[0]`, `-1[0]`, `!true.a`, `-value.a`, `f()[0].a`, `f()()`, `value.f()`, `value?.f().a`, `value.f`, `f`,
	`-a`, `+a`, `!a`, `not a`, `--a`, `!!a`, `not not a`, `!-a`, `-!a`, `-a ** b`, `a ** -b`, `not a in b`, `!a == b`, `not a == b`, `-a.b`, `-f()`, `*a`, `a not`, `a !`,
	`a ** b ** c`, `a ^ b ^ c`, `(a ** b) ** c`, `a - b - c`, `a - (b - c)`, `a .. b .. c`, `a ?? b ?? c`, `a ?? (b + c)`, `a ?? b + c`, `a + b ?? c`, `a + b ?? c + d`, `a ?? b ** c`, `a ?? -b`, `a ?? -b + c`, `a ?? b | f()`, `a ?? b ? c : d`, `a ?? b in c`, `a ?? b not in c`, `a ?? b.c`, `(a ?? b).c`,
	`a < b < c`, `a < b <= c > d >= e`, `a < b == c`, `a == b < c`, `a == b == c`, `a < b == c < d`, `1 < a + 1 < b && c`, `a in b in c`, `a < b in c`, `not a < b < c`, `a < (b < c)`,
	`a not in b`, `a not contains b`, `a not startsWith b and c`, `a + b not in c`, `a not in b not in c`, `a not matches "b" == c`, `a not b`, `a not == b`, `a not not in b`, `a not "in" b`, `a not in`, `a  not  in b`,
	`a ? b : c`, `a ? b : c ? d : e`, `a ? b ? c : d : e`, `a ?: b`, `a ?: b ?: c`, `a ? b : c ?: d`, `a ?? b ?: c`, `(a ?: b) ?: c`, `a ? : b`, `a ? b`, `a ? b :`, `a ? ::f() : b`, `a ? .5 : b`, `a ?.5 : b`, `a ? let x = b; x : c`, `a ? b : if c {1} else {2} ? d : e`,
	`if a {b} else {c}`, `if a {b} else if c {d} else {e}`, `if a {let x = b; x} else {c}`, `if a {b}`, `if a b else c`, `if {a: 1} {b} else {c}`, `if a {b} else {c} + 1`, `1 + if a {b} else {c}`, `(if a {b} else {c}) + 1`, `if a {b;} else {c}`, `if a {b; c} else {d}`, `if a {} else {c}`, `else`,
	`let x = 1; x`, `let x = 1; let y = x; y`, `let x = let y = 1; y; x`, `let x = (let y = 1; y); x`, `let x = 1;`, `let x = 1`, `let x 1; x`, `let = 1; x`, `let true = 1; true`, `let x = 1; x;`, `let x = 1; x; x`, `let x = a ? b : c; x`, `1 + let x = 1; x`, `(let x = 1; x)`, `[let x = 1; x, 2]`,
	`a;`, `a;;`, `;`, `a; b`, `(a;)`, `(a; b)`, `(a;`, `f(a; b)`, `[a; b]`,
	`[]`, `[1]`, `[1,]`, `[1, 2,]`, `[,]`, `[1 2]`, `[1,,2]`, `[`, `]`, `[1`, `[1,`,
	`{}`, `{a: 1}`, `{a: 1,}`, `{"a b": 1, 'c': 2, 3: 4, 0x1: 5, true: 6}`, `{(a): 1}`, `{("a"): 1}`, `{(a) + b: 1}`, `{a: {b: [{}]}}`, `{,}`, `{a}`, `{a: }`, `{a 1}`, `{a: 1, , b: 2}`, `{not: 1}`, `{[a]: 1}`, `{a: 1`, `{`, `}`, `{a: b ? c : d}`, `{a: let x = 1; x}`, `{"a": 1}["a"]`,
	`f()`, `f(a)`, `f(a,)`, `f(a, b)`, `f(,)`, `f(a b)`, `f(`, `f)`, `f(a`, `len(a)`, `now()`, `true()`, `::f(a)`, `::len(a).b`, `::f`, `::filter(a, #)`, `::`, `::true(1)`, `a.::f()`, `$env`, `$env["a"]`, `bitand(1, 2)`, `duration("1s")`,
	`a | f()`, `a | f(b)`, `a | f(b,) | g(c)`, `a | f`, `a |`, `a | f().b`, `(a | f()).b`, `a + b | f()`, `a | f() + b`, `a ? b : c | f()`, `[a | f()]`, `a | true()`, `a | 1`, `a || b | f()`, `f(a | g())`, `a | ::f()`, `-a | f()`, `a < b | f()`, `not a | f()`, `a ?? b | f() ?? c`, `a ?? b | f() + c`,
	`filter(a, # > 1)`, `filter(a, .b)`, `filter(a, .b.c[0] == #.d)`, `filter(a, {# > 1})`, `filter(a, {let x = #; x})`, `map(a, {b: #})`, `map(a, ({b: #}))`, `filter(a, #index > 1)`, `filter(a, # index)`, `filter(a, #.index)`, `filter(a, ##)`, `filter(a, #)`, `filter(a, #1)`, `filter(a, .)`, `filter(a, ..1)`, `filter(a, ?.b)`, `filter(a, #?.b)`, `filter(a, .[0])`, `filter(a, #[0])`,
	`filter()`, `filter(a)`, `filter(a,)`, `filter(a, #,)`, `filter(a, #, 1)`, `filter(a #)`, `filter(a, #`, `filter(a; #)`, `filter(a, #; 1)`, `filter(a, {#; 1})`, `filter(#, true)`, `filter`, `filter.a`, `map(a, map(#, # + #index))`, `map(filter(a, #), .b)`,
	`count(a)`, `count(a,)`, `count(a, #)`, `count(a, #,)`, `count()`, `sum(a)`, `sum(a, .b)`, `sum(a, .b, 1)`, `reduce(a, # + #acc)`, `reduce(a, # + #acc, 0)`, `reduce(a, # + #acc, 0,)`, `reduce(a, # + #acc,)`, `reduce(a, #, 0, 1)`, `reduce(a, #, #)`, `sortBy(a, .b)`, `sortBy(a, .b, "desc")`, `groupBy(a, .b)`,
	`a | filter(#)`, `a | filter(#,)`, `a | filter()`, `a | filter(, #)`, `a | filter(a, #)`, `a | count()`, `a | count(#)`, `a | count(,)`, `a | sum(.b) | f()`, `a | reduce(#acc + #, 0)`, `a | reduce(#acc + #,)`, `a | map(# | f(#))`, `a | map(#) | filter(.b)`,
	`#`, `.a`, `#index`, `a b`, `a "b"`, `(a`, `a)`, `()`, `(())`, `((a))`, `(a)(b)`, `a // b`, `a /* b */ + c`, `// a`, `/* a`, `a = b`, `a & b`, `a === b`, `a <> b`, `a =< b`, `@`, `a @`, `"a`, `'a\q'`, `"\`, "a\n+\n  b.", "a\n\n", `é.ü + 1`, `a, b`, `,`, `? a`, `a ?`, `a : b`,
}

func TestParse(t *testing.T) {
	for _, text := range parsed {
		agree(t, text)
	}
	operators := strings.Fields(`| or || and && == != < > >= <= in matches contains startsWith endsWith .. + - * / % ** ^ ?? not_in not_contains ? ?: : ; . = , let`)
	for _, a := range operators {
		for _, b := range operators {
			agree(t, "a "+strings.ReplaceAll(a, "_", " ")+" b "+strings.ReplaceAll(b, "_", " ")+" c")
			agree(t, "a() "+strings.ReplaceAll(a, "_", " ")+" -b() "+strings.ReplaceAll(b, "_", " ")+" not c() + d : e")
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, r := range []row{
		{`a +`, "unexpected token EOF (1:3)\n | a +\n | ..^"},
		{`a b`, "unexpected token Identifier(\"b\") (1:3)\n | a b\n | ..^"},
		{`(a; b)`, "a rule is one expression; \";\" only ends a let (1:3)\n | (a; b)\n | ..^"},
		{`filter(a, #; 1)`, "a rule is one expression; \";\" only ends a let (1:12)"},
		{`a ?? b + c`, "+ can't follow a ?? b: put parentheses around one of them, such as (a ?? b) + c (1:8)"},
		{`a.f(1)`, `values have no methods (1:3)`},
		{`a.[0]`, `unexpected token Bracket("["): a name follows a dot (1:3)`},
		{`filter(a)`, "filter takes a list and a predicate, such as filter(value.list, # > 0) (1:9)"},
		{`a | any()`, "any takes a list and a predicate"},
		{`{[a]: 1}`, `unexpected token Bracket("["): an object is written {name: value} or {"a name": value} (1:2)`},
		{`1 + 9223372036854775808`, `invalid integer literal: value out of range (1:5)`},
		{`0o8 `, `bad number syntax: "0o8" (1:3)`},
		{`0x + 1`, `invalid integer literal: invalid syntax (1:1)`},
		{`1e999`, `invalid float literal: value out of range (1:1)`},
		{"a &&\n  'b", "literal not terminated (2:5)\n |   'b\n | ....^"},
		{strings.Repeat("(", maxDepth+1) + "1", `the expression is nested too deeply: more than 2000 levels (1:2001)`},
		{strings.Repeat("-", maxDepth+1) + "1", `nested too deeply`},
		{strings.Repeat("[", 8000), `nested too deeply`},
		{strings.Repeat("if a {1} else ", 1100), `unexpected token EOF`},
		{"a" + strings.Repeat(".a", maxPlaces/2), `too complex: it has more than 10000 parts`},
	} {
		_, err := parse(r.text)
		if err == nil || !strings.Contains(err.Error(), r.want) {
			t.Errorf("parse(%.60q): error %.300v, want %q in it", r.text, err, r.want)
		}
	}
}

// Behind the first mistake nothing is read: that bounds the stack.
func TestParseStops(t *testing.T) {
	tokens, err := lexer.Lex(file.NewSource(strings.Repeat("[", 8000)))
	if err != nil {
		t.Fatal(err)
	}
	p := &parser{tokens: tokens}
	p.sequence()
	if p.err == nil || p.places > maxDepth || p.depth != 0 {
		t.Errorf("%d nodes, depth %d, error %v", p.places, p.depth, p.err)
	}
}

// Parentheses, unlike every other nesting, make no node: they alone could go on for ever.
func TestParseDeep(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("(", maxDepth-1) + "1" + strings.Repeat(")", maxDepth-1),
		strings.Repeat("-", maxDepth-1) + "1",
		"1" + strings.Repeat("+1", 4000),
		"a" + strings.Repeat(".b", 3000),
	} {
		if _, err := parse(text); err != nil {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// A sentence makes expressions from random bytes: mostly right ones, because
// what is wrong is wrong in few ways.
type sentence struct {
	choices []byte
	depth   int
	out     strings.Builder
}

func (s *sentence) choose(n int) int {
	if len(s.choices) == 0 {
		return 0
	}
	c := s.choices[0]
	s.choices = s.choices[1:]
	return int(c) % n
}

func (s *sentence) one(of ...string) { s.write(of[s.choose(len(of))]) }

// write replaces each "_" by an expression.
func (s *sentence) write(form string) {
	for i, part := range strings.Split(form, "_") {
		if i > 0 {
			s.expression()
		}
		s.out.WriteString(part)
	}
}

func (s *sentence) expression() {
	if s.depth++; s.depth > 12 || s.out.Len() > 400 {
		s.one("1", "value", "#")
	} else {
		switch s.choose(8) {
		case 0, 1:
			s.one("value", "key", "1", "2.5", `"a"`, "true", "nil", "#", ".x", "#index", "b'x'", "topic", "x", "1e400", "99999999999999999999")
		case 2, 3:
			s.one("_ + _", "_ - _", "_ * _", "_ ** _", "_ ?? _", "_ < _", "_ >= _", "_ == _", "_ && _", "_ or _", "_ in _", "_ not in _", "_ not matches _",
				"_ .. _", "_ contains _", "_ ^ _", "_ % _", "_ | len()", "_ | filter(_)", "_ | count()", "_ | split(_)", "_ != _", "_ and _")
		case 4:
			s.one("-_", "!_", "not _", "+_", "(_)", "(_)", "(_)", "::len(_)")
		case 5:
			s.one("_.a", "_?.b", "_[_]", "_?.[_]", "_[_:_]", "_[:_]", "_[_:]", "_.in", "_[0]", "_[-1]", `_["k"]`, "_.f()")
		case 6:
			s.one("_ ? _ : _", "_ ?: _", "if _ {_} else {_}", "if _ {_} else if _ {_} else {_}", "let x = _; _", "[_, _]", "[_,]", "{a: _, 'b': _}", "{(_): _}", "{1: _}", "_;", "_; _")
		case 7:
			s.one("len(_)", "max(_, _)", "filter(_, _)", "map(_, {_})", "count(_)", "sum(_, _)", "reduce(_, _, _)", "reduce(_, _)", "any(_, _,)", "sortBy(_, _, _)",
				"f(_)", "trim(_,)", "now()", "filter(_)", "len(_ _)", "_ _", "_ + ", "(_", "_ not _")
		}
	}
	s.depth--
}

func sentenceOf(choices []byte) string {
	s := &sentence{choices: choices}
	s.expression()
	return s.out.String()
}

func TestParseSentences(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	read := 0
	for range 20_000 {
		choices := make([]byte, random.IntN(60))
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		text := sentenceOf(choices)
		agree(t, text)
		if _, err := parse(text); err == nil {
			read++
		}
		if t.Failed() {
			return
		}
	}
	if read < 2_000 {
		t.Errorf("only %d sentences are right", read)
	}
}

// FuzzParse compares with expr's parser on a text, and on a sentence made from choices.
func FuzzParse(f *testing.F) {
	for i, text := range parsed {
		f.Add(text, []byte{byte(i), byte(i / 2), byte(i / 3), byte(i * 7), byte(i * 11), byte(i * 13)})
	}
	f.Fuzz(func(t *testing.T, text string, choices []byte) {
		agree(t, text)
		agree(t, sentenceOf(choices))
	})
}
