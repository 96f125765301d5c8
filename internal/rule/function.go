package rule

import (
	"bytes"
	"math"
	"strconv"

	"github.com/millrace/millrace/internal/rule/ast"
	"github.com/millrace/millrace/serde"
)

// A function is one of the language's functions without a predicate.
type function struct {
	least, most int // arguments
	call        func(f *frame, c *callSite, args []val) val
}

// A callSite is one call in an expression, for messages.
type callSite struct {
	name string
	args []ast.Node
}

const functionNames = "abs all any ceil concat contains count date decimal endsWith filter find findIndex findLast findLastIndex " +
	"first flatten float floor fromBase64 fromJSON hasPrefix hasSuffix indexOf int join keys last lastIndexOf len lower map max min none one " +
	"reduce repeat replace reverse round split string sum take toBase64 toJSON trim trimPrefix trimSuffix type uniq upper values"

func functionOf(name string) (function, bool) {
	switch name {
	case "len":
		return function{1, 1, length}, true
	case "lower":
		return function{1, 1, func(f *frame, c *callSite, a []val) val { return f.mapped(c, a, bytes.ToLower) }}, true
	case "upper":
		return function{1, 1, func(f *frame, c *callSite, a []val) val { return f.mapped(c, a, bytes.ToUpper) }}, true
	case "trim":
		return function{1, 2, trim}, true
	case "trimPrefix":
		return function{2, 2, func(f *frame, c *callSite, a []val) val { return f.edges(c, a, bytes.TrimPrefix) }}, true
	case "trimSuffix":
		return function{2, 2, func(f *frame, c *callSite, a []val) val { return f.edges(c, a, bytes.TrimSuffix) }}, true
	case "hasPrefix":
		return function{2, 2, func(f *frame, c *callSite, a []val) val { return f.tested(c, a, bytes.HasPrefix) }}, true
	case "hasSuffix":
		return function{2, 2, func(f *frame, c *callSite, a []val) val { return f.tested(c, a, bytes.HasSuffix) }}, true
	case "split":
		return function{2, 3, split}, true
	case "join":
		return function{1, 2, join}, true
	case "replace":
		return function{3, 3, replace}, true
	case "repeat":
		return function{2, 2, repeat}, true
	case "indexOf":
		return function{2, 2, func(f *frame, c *callSite, a []val) val { return f.position(c, a, bytes.Index) }}, true
	case "lastIndexOf":
		return function{2, 2, func(f *frame, c *callSite, a []val) val { return f.position(c, a, bytes.LastIndex) }}, true
	case "int":
		return function{1, 1, toInt}, true
	case "float":
		return function{1, 1, toFloat}, true
	case "decimal":
		return function{1, 1, toDecimal}, true
	case "string":
		return function{1, 1, toString}, true
	case "type":
		return function{1, 1, func(f *frame, _ *callSite, a []val) val { return f.keep(a[0].kind.String()) }}, true
	case "date":
		return function{1, 1, date}, true
	case "toJSON":
		return function{1, 1, toJSON}, true
	case "fromJSON":
		return function{1, 1, fromJSON}, true
	case "toBase64":
		return function{1, 1, toBase64}, true
	case "fromBase64":
		return function{1, 1, fromBase64}, true
	case "abs":
		return function{1, 1, absolute}, true
	case "ceil":
		return function{1, 1, func(f *frame, c *callSite, a []val) val { return f.rounded(c, a, math.Ceil) }}, true
	case "floor":
		return function{1, 1, func(f *frame, c *callSite, a []val) val { return f.rounded(c, a, math.Floor) }}, true
	case "round":
		return function{1, 2, round}, true
	case "min":
		return function{1, 100, func(f *frame, c *callSite, a []val) val { return f.extreme(c, a, less) }}, true
	case "max":
		return function{1, 100, func(f *frame, c *callSite, a []val) val { return f.extreme(c, a, greater) }}, true
	case "first":
		return function{1, 1, func(f *frame, c *callSite, a []val) val { return f.element(c, a, 0) }}, true
	case "last":
		return function{1, 1, func(f *frame, c *callSite, a []val) val { return f.element(c, a, -1) }}, true
	case "take":
		return function{2, 2, take}, true
	case "concat":
		return function{1, 100, concat}, true
	case "flatten":
		return function{1, 1, flatten}, true
	case "reverse":
		return function{1, 1, reverse}, true
	case "uniq":
		return function{1, 1, uniq}, true
	case "keys":
		return function{1, 1, func(f *frame, c *callSite, a []val) val { return f.members(c, a, true) }}, true
	case "values":
		return function{1, 1, func(f *frame, c *callSite, a []val) val { return f.members(c, a, false) }}, true
	}
	return function{}, false
}

func isPredicate(name string) bool {
	switch name {
	case "all", "any", "none", "one", "filter", "map", "count", "sum", "find", "findIndex", "findLast", "findLastIndex",
		"reduce", "sortBy", "groupBy":
		return true
	}
	return false
}

// call compiles a function call.
func (c *compiler) call(n ast.Node, name string, args []ast.Node) code {
	if isPredicate(name) {
		if len(args) == 0 {
			return c.fail(n, "%s takes a list", name)
		}
		return c.predicate(n, name, args)
	}
	fn, ok := functionOf(name)
	if !ok {
		if name == "now" {
			return c.fail(n, "there is no now(): a rule gives the same result at every replay; use timestamp")
		}
		return c.fail(n, "unknown function %s; there are %s", name, functionNames)
	}
	if len(args) < fn.least || len(args) > fn.most {
		return c.fail(n, "%s takes %s, not %d", name, arguments(fn.least, fn.most), len(args))
	}
	evals := make([]evalFunc, len(args))
	for i, a := range args {
		evals[i] = c.expr(a).eval
	}
	site := &callSite{name: name, args: args}
	return code{eval: func(f *frame) val {
		base := len(f.args)
		for _, eval := range evals {
			v := eval(f)
			if v.kind == failed {
				f.args = f.args[:base]
				return fail
			}
			f.args = append(f.args, v)
		}
		v := fn.call(f, site, f.args[base:])
		f.args = f.args[:base]
		return v
	}}
}

func arguments(least, most int) string {
	switch {
	case least == most && least == 1:
		return "one argument"
	case least == most:
		return strconv.Itoa(least) + " arguments"
	case most == 100:
		return "at least " + strconv.Itoa(least)
	}
	return strconv.Itoa(least) + " or " + strconv.Itoa(most) + " arguments"
}

// wrong is the error of an argument of the wrong kind.
func (f *frame) wrong(c *callSite, i int, v val, want string) val {
	what := c.name + "()"
	if i < len(c.args) {
		what = c.name + "(): " + show(c.args[i])
	}
	hint := ""
	if v.kind == serde.Null && i < len(c.args) {
		hint = " (use " + show(c.args[i]) + " ?? x)"
	}
	return f.failf("%s is %s, not %s%s", what, describe(v.kind), want, hint)
}
