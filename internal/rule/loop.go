package rule

import (
	"github.com/millrace/millrace/internal/rule/ast"
	"github.com/millrace/millrace/serde"
)

// A visit is what a predicate's function does with one element. It reports
// whether the loop goes on.
type visit func(f *frame, l *loop, element serde.Value) (more bool)

// A looping is a function with a predicate, such as filter.
type looping struct {
	visit visit
	begin func(f *frame, l *loop)
	end   func(f *frame, l *loop, base int) val
}

// predicate compiles a function that runs an expression for each element of a list.
func (c *compiler) predicate(n ast.Node, name string, args []ast.Node) code {
	list := c.expr(args[0])
	if c.loops == maxLoops {
		return c.fail(n, "more than %d predicates stand within each other", maxLoops)
	}
	c.deepest = max(c.deepest, c.loops+1)
	body, cost := code{}, 1
	var where ast.Node
	if len(args) > 1 {
		p, ok := args[1].(*ast.PredicateNode)
		if !ok {
			return c.fail(args[1], "%s takes a predicate", name)
		}
		before := c.nodes
		where = p.Node
		c.loops++
		c.reduce = append(c.reduce, name == "reduce")
		body = c.expr(p.Node)
		c.loops--
		c.reduce = c.reduce[:len(c.reduce)-1]
		cost += c.nodes - before
	}
	var initial evalFunc
	if len(args) > 2 {
		if name != "reduce" {
			return c.fail(n, "%s takes a list and a predicate", name)
		}
		initial = c.expr(args[2]).eval
	}
	run, ok := c.loop(n, name, where, body, initial)
	if !ok {
		return c.fail(n, "the function %s isn't supported; there are %s", name, functionNames)
	}
	at := c.loops
	return code{eval: func(f *frame) val {
		v := list.eval(f)
		if v.kind == failed {
			return fail
		}
		if v.kind != serde.Array {
			return f.failf("%s: %s is %s, not a list", name, show(args[0]), describe(v.kind))
		}
		l := &f.loops[at]
		*l = loop{index: -1, acc: null}
		if run.begin != nil {
			run.begin(f, l)
		}
		base := len(f.list)
		for element := range v.v.Elements() {
			if !f.spend(cost) {
				break
			}
			l.it = f.load(element)
			l.index++
			if !run.visit(f, l, element) || f.err != nil {
				break
			}
		}
		if f.err != nil {
			f.list = f.list[:base]
			return fail
		}
		return run.end(f, l, base)
	}}
}

func (c *compiler) loop(n ast.Node, name string, where ast.Node, body code, initial evalFunc) (looping, bool) {
	var test boolFunc
	if where != nil && name != "map" && name != "sum" && name != "reduce" {
		test = c.condition(where, body)
	}
	if test == nil && name == "count" {
		at := c.loops
		test = func(f *frame) (bool, bool) { return f.truthOf(f.loops[at].it, "count") }
	}
	switch name {
	case "all":
		return quantifier(test, false, true), true
	case "any":
		return quantifier(test, true, false), true
	case "none":
		none := quantifier(test, true, false)
		any := none.end
		none.end = func(f *frame, l *loop, base int) val { return boolean(!any(f, l, base).bool()) }
		return none, true
	case "one", "count":
		return counter(test, name == "one"), true
	case "filter":
		return looping{
			visit: func(f *frame, l *loop, e serde.Value) bool {
				ok, _ := test(f)
				if !ok {
					return true
				}
				f.list = append(f.list, e)
				return f.weigh(e)
			},
			end: collected,
		}, true
	case "map":
		make := body.maker()
		return looping{
			visit: func(f *frame, l *loop, _ serde.Value) bool {
				v, ok := make(f)
				f.list = append(f.list, v)
				return ok && f.weigh(v)
			},
			end: collected,
		}, true
	case "find", "findLast", "findIndex", "findLastIndex":
		return finder(test, name), true
	case "sum":
		return c.summing(n, body), true
	case "reduce":
		return reducing(body, initial), true
	}
	return looping{}, false
}

func (f *frame) truthOf(v val, name string) (bool, bool) {
	if v.kind != serde.Bool {
		f.failf("%s: an element is %s, not true or false", name, describe(v.kind))
		return false, false
	}
	return v.bool(), true
}

func collected(f *frame, _ *loop, base int) val { return f.collected(base) }

// quantifier stops at the first element for which test gives stop, with the
// result stop; without one, the result is otherwise.
func quantifier(test boolFunc, stop, otherwise bool) looping {
	return looping{
		begin: func(_ *frame, l *loop) { l.acc = boolean(otherwise) },
		visit: func(f *frame, l *loop, _ serde.Value) bool {
			b, ok := test(f)
			if ok && b == stop {
				l.acc = boolean(stop)
				return false
			}
			return ok
		},
		end: func(_ *frame, l *loop, _ int) val { return l.acc },
	}
}

func counter(test boolFunc, one bool) looping {
	return looping{
		begin: func(_ *frame, l *loop) { l.acc = integer(0) },
		visit: func(f *frame, l *loop, _ serde.Value) bool {
			b, ok := test(f)
			if b {
				l.acc.bits++
			}
			return ok
		},
		end: func(_ *frame, l *loop, _ int) val {
			if one {
				return boolean(l.acc.int() == 1)
			}
			return l.acc
		},
	}
}

func finder(test boolFunc, name string) looping {
	last := name == "findLast" || name == "findLastIndex"
	index := name == "findIndex" || name == "findLastIndex"
	return looping{
		visit: func(f *frame, l *loop, _ serde.Value) bool {
			b, ok := test(f)
			if !b {
				return ok
			}
			l.acc = l.it
			if index {
				l.acc = integer(int64(l.index))
			}
			return last
		},
		end: func(f *frame, l *loop, _ int) val {
			if index && l.acc.kind == serde.Null {
				return integer(-1)
			}
			return l.acc
		},
	}
}

func (c *compiler) summing(n ast.Node, body code) looping {
	return looping{
		begin: func(_ *frame, l *loop) { l.acc = integer(0) },
		visit: func(f *frame, l *loop, _ serde.Value) bool {
			v := l.it
			if body.eval != nil {
				v = body.eval(f)
			}
			if v.kind == failed {
				return false
			}
			l.acc = f.arithmetic(add, l.acc, v, n)
			return l.acc.kind != failed
		},
		end: func(_ *frame, l *loop, _ int) val { return l.acc },
	}
}

// reducing folds a list; without an initial value it starts with the first element.
func reducing(body code, initial evalFunc) looping {
	return looping{
		begin: func(f *frame, l *loop) {
			if initial != nil {
				l.acc = initial(f)
			}
		},
		visit: func(f *frame, l *loop, _ serde.Value) bool {
			if initial == nil && l.index == 0 {
				l.acc = l.it
				return true
			}
			l.acc = body.eval(f)
			return l.acc.kind != failed
		},
		end: func(_ *frame, l *loop, _ int) val { return l.acc },
	}
}
