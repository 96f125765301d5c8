package rule

import (
	"bytes"

	"github.com/millrace/millrace/internal/rule/ast"
	"github.com/millrace/millrace/serde"
)

// comparison compiles == != < <= > >=.
func (c *compiler) comparison(n *ast.BinaryNode) code {
	left, right := c.expr(n.Left), c.expr(n.Right)
	if c.err != nil {
		return code{eval: right.eval}
	}
	set := orderings(n.Operator)
	equality := n.Operator == "==" || n.Operator == "!="
	test := func(f *frame) (bool, bool) {
		a := left.eval(f)
		if a.kind == failed {
			return false, false
		}
		b := right.eval(f)
		if b.kind == failed {
			return false, false
		}
		if equality {
			eq, ok := f.equal(a, b, n)
			return eq == (n.Operator == "=="), ok
		}
		o, ok := f.order(a, b, n)
		return ok && set.has(o), ok
	}
	if k, ok := constantOf(n.Right, right); ok && left.field != nil {
		switch {
		case k.kind == serde.Int64 && small(k.int()):
			return decides(fieldAgainstNumber(left.field, k.int(), set, test))
		case k.kind == serde.String && equality:
			return decides(fieldAgainstText(left.field, string(k.text), n.Operator == "==", test))
		}
	}
	return decides(test)
}

// fieldAgainstNumber is the short way of the commonest comparison: a field that
// is a number against an integer that a float64 holds. Everything else goes to test.
func fieldAgainstNumber(field func(f *frame) serde.Value, limit int64, set orderingSet, test boolFunc) boolFunc {
	exact := float64(limit)
	return func(f *frame) (bool, bool) {
		v := field(f)
		switch v.Kind() {
		case serde.Int64:
			n, _ := v.Int64()
			return set.has(compare(n, limit)), true
		case serde.Float64:
			x, _ := v.Float64()
			return set.has(compareFloats(x, exact)), true
		}
		return test(f)
	}
}

// fieldAgainstText is the short way of a field that is a text against a constant one.
func fieldAgainstText(field func(f *frame) serde.Value, want string, equal bool, test boolFunc) boolFunc {
	return func(f *frame) (bool, bool) {
		v := field(f)
		if v.Kind() != serde.String {
			return test(f)
		}
		s, _ := v.Text()
		return (string(s) == want) == equal, true
	}
}

// An ordering is what a comparison finds. A NaN has none with anything.
type ordering int8

const (
	less      ordering = -1
	same      ordering = 0
	greater   ordering = 1
	unordered ordering = 2
)

// An orderingSet is the orderings for which an operator holds, a bit for each.
type orderingSet uint8

func (s orderingSet) has(o ordering) bool { return s>>(o+1)&1 == 1 }

func orderings(operator string) orderingSet {
	const less, same, greater, unordered = 1, 2, 4, 8
	switch operator {
	case "==":
		return same
	case "!=":
		return less | greater | unordered
	case "<":
		return less
	case "<=":
		return less | same
	case ">":
		return greater
	}
	return greater | same
}

// incomparable is the error of a comparison of two kinds.
func (f *frame) incomparable(a, b val, n *ast.BinaryNode) {
	hint := ""
	switch {
	case a.kind == serde.String && b.numeric():
		hint = " (use float(" + show(n.Left) + "), or a text in quotes)"
	case a.numeric() && b.kind == serde.String:
		hint = " (use string(" + show(n.Left) + "), or a number without quotes)"
	}
	f.failf("%s is %s and %s is %s: they can't be compared%s", show(n.Left), describe(a.kind), show(n.Right), describe(b.kind), hint)
}

// equal compares two values of one kind; null equals only null.
func (f *frame) equal(a, b val, n *ast.BinaryNode) (eq, ok bool) {
	if a.kind == serde.Null || b.kind == serde.Null {
		return a.kind == b.kind, true
	}
	eq, comparable, ok := f.match(a, b)
	if ok && !comparable {
		f.incomparable(a, b, n)
		return false, false
	}
	return eq, ok
}

// match compares two values. Those of different kinds aren't comparable; those
// within containers are just different then.
func (f *frame) match(a, b val) (eq, comparable, ok bool) {
	if a.numeric() && b.numeric() {
		return compareNumbers(a, b) == same, true, true
	}
	if a.kind != b.kind {
		return false, false, true
	}
	switch a.kind {
	case serde.Null:
		return true, true, true
	case serde.String, serde.Bytes:
		return bytes.Equal(a.text, b.text), true, f.read(min(len(a.text), len(b.text)))
	case serde.Array:
		eq, ok = f.equalLists(a.v, b.v)
	case serde.Object:
		eq, ok = f.equalObjects(a.v, b.v)
	default:
		eq, ok = a.bits == b.bits, true
	}
	return eq, true, ok
}

func (f *frame) equalLists(a, b serde.Value) (eq, ok bool) {
	if a.Len() != b.Len() {
		return false, true
	}
	i := 0
	for x := range a.Elements() {
		// Index may walk the list: counted as if it did.
		if !f.spend(1 + i) {
			return false, false
		}
		eq, _, ok := f.match(f.load(x), f.load(b.Index(i)))
		if !ok || !eq {
			return false, ok
		}
		i++
	}
	return true, true
}

func (f *frame) equalObjects(a, b serde.Value) (eq, ok bool) {
	if a.Len() != b.Len() {
		return false, true
	}
	for name, x := range a.Members() {
		if !f.spend(1 + b.Len()) {
			return false, false
		}
		y := b.Field(name)
		if !y.Exists() {
			return false, true
		}
		eq, _, ok := f.match(f.load(x), f.load(y))
		if !ok || !eq {
			return false, ok
		}
	}
	return true, true
}

// order compares two numbers, two texts or two times.
func (f *frame) order(a, b val, n *ast.BinaryNode) (ordering, bool) {
	if a.numeric() && b.numeric() {
		return compareNumbers(a, b), true
	}
	for _, side := range []struct {
		v val
		n ast.Node
	}{{a, n.Left}, {b, n.Right}} {
		if side.v.kind == serde.Null {
			f.failf("%s is null and can't be compared by %s (use %s ?? x)", show(side.n), n.Operator, show(side.n))
			return unordered, false
		}
	}
	if a.kind == b.kind {
		switch a.kind {
		case serde.String, serde.Bytes:
			return ordering(bytes.Compare(a.text, b.text)), f.read(min(len(a.text), len(b.text)))
		case serde.Timestamp, serde.Date, serde.Time:
			return compare(a.int(), b.int()), true
		}
		f.failf("%s is %s: %s compares numbers, texts and times", show(n.Left), describe(a.kind), n.Operator)
		return unordered, false
	}
	f.incomparable(a, b, n)
	return unordered, false
}

// membership compiles "x in list", "name in object" and "n in a..b".
func (c *compiler) membership(n *ast.BinaryNode) code {
	left := c.expr(n.Left)
	if r, ok := n.Right.(*ast.BinaryNode); ok && r.Operator == ".." {
		return c.within(n, left, r)
	}
	right := c.expr(n.Right)
	return decides(func(f *frame) (bool, bool) {
		a := left.eval(f)
		if a.kind == failed {
			return false, false
		}
		b := right.eval(f)
		switch b.kind {
		case failed:
			return false, false
		case serde.Array:
			return f.inList(a, b, n)
		case serde.Object:
			if a.kind != serde.String {
				f.failf("%s is %s: the names of an object are texts", show(n.Left), describe(a.kind))
				return false, false
			}
			return b.v.Field(string(a.text)).Exists(), f.spend(1 + b.v.Len())
		}
		f.failf("%s is %s: in takes a list or an object", show(n.Right), describe(b.kind))
		return false, false
	})
}

func (f *frame) inList(a, list val, n *ast.BinaryNode) (found, ok bool) {
	mixed := serde.Missing
	for e := range list.v.Elements() {
		if !f.spend(1) {
			return false, false
		}
		b := f.load(e)
		eq, _, ok := f.match(a, b)
		if !ok || eq {
			return eq, ok
		}
		if a.kind == serde.String && b.numeric() || a.numeric() && b.kind == serde.String {
			mixed = b.kind
		}
	}
	if mixed != serde.Missing {
		f.failf("%s is %s and %s holds %s: they can't be compared", show(n.Left), describe(a.kind), show(n.Right), describe(mixed))
		return false, false
	}
	return false, true
}

// within compiles "n in a..b" without making the list.
func (c *compiler) within(n *ast.BinaryNode, left code, span *ast.BinaryNode) code {
	from, to := c.expr(span.Left), c.expr(span.Right)
	return decides(func(f *frame) (bool, bool) {
		v, a, b := left.eval(f), from.eval(f), to.eval(f)
		if v.kind == failed || a.kind == failed || b.kind == failed {
			return false, false
		}
		if !v.numeric() || a.kind != serde.Int64 || b.kind != serde.Int64 {
			f.failf("%s: a number is looked for in a range of integers, not %s in %s..%s", show(n), describe(v.kind), describe(a.kind), describe(b.kind))
			return false, false
		}
		if v, ok := wholeNumber(v); ok {
			return a.int() <= v && v <= b.int(), true
		}
		return false, true
	})
}
