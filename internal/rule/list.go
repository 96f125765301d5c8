package rule

import "github.com/millrace/millrace/serde"

// element is the first or the last element; null where the list is empty.
func (f *frame) element(c *callSite, args []val, at int) val {
	if args[0].kind != serde.Array {
		return f.wrong(c, 0, args[0], "a list")
	}
	n := args[0].v.Len()
	if n == 0 {
		return null
	}
	if at < 0 {
		at += n
	}
	if !f.spend(1 + at) {
		return fail
	}
	return f.load(args[0].v.Index(at))
}

func take(f *frame, c *callSite, args []val) val {
	if args[0].kind != serde.Array {
		return f.wrong(c, 0, args[0], "a list")
	}
	if args[1].kind != serde.Int64 || args[1].int() < 0 {
		return f.failf("take(): %s isn't an integer from 0", show(c.args[1]))
	}
	return f.sublist(args[0], 0, int(min(args[1].int(), int64(args[0].v.Len()))))
}

// push collects an element, weighed.
func (f *frame) push(v serde.Value) bool {
	f.list = append(f.list, v)
	return f.weigh(v)
}

// drop takes what was collected off again.
func (f *frame) drop(base int) val {
	f.list = f.list[:base]
	return fail
}

func concat(f *frame, c *callSite, args []val) val {
	base := len(f.list)
	for i, a := range args {
		if a.kind != serde.Array {
			f.list = f.list[:base]
			return f.wrong(c, i, a, "a list")
		}
		for e := range a.v.Elements() {
			if !f.push(e) {
				return f.drop(base)
			}
		}
	}
	return f.collected(base)
}

// flatten puts the elements of lists in a list in their place, one level deep.
func flatten(f *frame, c *callSite, args []val) val {
	if args[0].kind != serde.Array {
		return f.wrong(c, 0, args[0], "a list")
	}
	base := len(f.list)
	for e := range args[0].v.Elements() {
		if e.Kind() != serde.Array {
			if !f.push(e) {
				return f.drop(base)
			}
			continue
		}
		for inner := range e.Elements() {
			if !f.push(inner) {
				return f.drop(base)
			}
		}
	}
	return f.collected(base)
}

func reverse(f *frame, c *callSite, args []val) val {
	if args[0].kind != serde.Array {
		return f.wrong(c, 0, args[0], "a list")
	}
	base := len(f.list)
	for e := range args[0].v.Elements() {
		if !f.push(e) {
			return f.drop(base)
		}
	}
	for i, j := base, len(f.list)-1; i < j; i, j = i+1, j-1 {
		f.list[i], f.list[j] = f.list[j], f.list[i]
	}
	return f.collected(base)
}

// uniq keeps the first of equal elements.
func uniq(f *frame, c *callSite, args []val) val {
	if args[0].kind != serde.Array {
		return f.wrong(c, 0, args[0], "a list")
	}
	base := len(f.list)
next:
	for e := range args[0].v.Elements() {
		v := f.load(e)
		for _, kept := range f.list[base:] {
			eq, _, ok := f.match(v, f.load(kept))
			if !ok || !f.spend(1) {
				return f.drop(base)
			}
			if eq {
				continue next
			}
		}
		if !f.push(e) {
			return f.drop(base)
		}
	}
	return f.collected(base)
}

// members are the names or the values of an object.
func (f *frame) members(c *callSite, args []val, names bool) val {
	if args[0].kind != serde.Object {
		return f.wrong(c, 0, args[0], "an object")
	}
	base := len(f.list)
	for name, m := range args[0].v.Members() {
		if names {
			m = f.tape.String(name)
		}
		if !f.push(m) {
			return f.drop(base)
		}
	}
	return f.collected(base)
}
