package pattern

import (
	"strings"

	"github.com/millrace/millrace/serde"
)

// Matching walks the event along the paths of a branch. Conditions whose paths go through the same list of objects are neighbours, because they are in
// the order of their paths; they are tried together on each element. Once they hold in one element, no other condition depends on which it was.

// A scope is the outermost list on the way for which no element is settled yet: {"exists": false} speaks of all of it.
// A condition that finds a value inside settles the elements that the value is in.
type scope struct {
	list  serde.Value // Missing: every list on the way is settled
	level int         // names of the path that lead to the list

	known, there uint64 // of the first 64 conditions: whether it was found out if their field is in the list, and if it is
}

// holds reports whether the field of b[i] has a value in the list.
func (s *scope) holds(b branch, i int) bool {
	if i >= 64 {
		return b[i].found(s.list, s.level, false)
	}
	bit := uint64(1) << i
	if s.known&bit == 0 {
		s.known |= bit
		if b[i].found(s.list, s.level, false) {
			s.there |= bit
		}
	}
	return s.there&bit != 0
}

// object matches the conditions from lo to hi on an object, to which the first level names of their paths led. found says whether one
// of them found a value.
func (b branch) object(v serde.Value, lo, hi, level int, s *scope) (ok, found bool) {
	var settled scope
	for i := lo; i < hi; {
		m, next, several := b[i].member(v, level)
		end, hit := i+1, false
		switch {
		case several:
			ok, hit = b.single(v, i, level, s)
		case !m.Exists():
			ok = b.absent(i, s)
		case next == len(b[i].ends):
			ok, hit = b.single(m, i, next, s)
		default:
			end = b.together(v, i, hi, level, next)
			ok, hit = b.inside(m, i, end, next, s)
		}
		if !ok {
			return false, false
		}
		if hit {
			found, s = true, &settled
		}
		i = end
	}
	return true, found
}

// member is where the path goes on in an object from a level: the member and how many names then led there. several says that there is more than one such member.
func (c *condition) member(v serde.Value, level int) (m serde.Value, next int, several bool) {
	rest := c.path[c.start(level):]
	for name, f := range v.Members() {
		n := leads(name, rest)
		switch {
		case n == 0:
		case m.Exists():
			return m, next, true
		default:
			m, next = f, level+n
		}
	}
	return m, next, false
}

// leads is how many names of a path a member's name stands for, 0 if the path doesn't begin with it. One with dots in it stands for several.
func leads(name, path string) int {
	if len(path) < len(name) || len(path) > len(name) && path[len(name)] != '.' || path[:len(name)] != name {
		return 0
	}
	return 1 + strings.Count(name, ".")
}

// together is the end of the conditions from i on that go through the same member, which the first next names lead to.
func (b branch) together(v serde.Value, i, hi, level, next int) int {
	shared := b[i].path[:b[i].ends[next-1]+1] // with its dot
	for j := i + 1; j < hi; j++ {
		if !strings.HasPrefix(b[j].path, shared) {
			return j
		}
		if _, n, several := b[j].member(v, level); n != next || several {
			return j
		}
	}
	return hi
}

// inside matches conditions on what isn't the end of their paths.
func (b branch) inside(v serde.Value, lo, hi, level int, s *scope) (ok, found bool) {
	switch v.Kind() {
	case serde.Object:
		return b.object(v, lo, hi, level, s)
	case serde.Array:
		return b.list(v, lo, hi, level, s)
	}
	return b.allAbsent(lo, hi, s), false
}

// list matches conditions on a list of objects: all on one of its elements.
func (b branch) list(v serde.Value, lo, hi, level int, s *scope) (ok, found bool) {
	own := scope{list: v, level: level}
	if !s.list.Exists() {
		s = &own
	}
	for e := range v.Elements() {
		if k := e.Kind(); k != serde.Object && k != serde.Array {
			continue
		}
		if ok, found = b.inside(e, lo, hi, level, s); ok {
			return ok, found
		}
	}
	return b.allAbsent(lo, hi, s), false
}

func (b branch) allAbsent(lo, hi int, s *scope) bool {
	for i := lo; i < hi; i++ {
		if !b.absent(i, s) {
			return false
		}
	}
	return true
}

// absent matches a condition whose field isn't here.
func (b branch) absent(i int, s *scope) bool {
	return b[i].absent && (!s.list.Exists() || !s.holds(b, i))
}

// single matches one condition on all that its path leads to from v.
func (b branch) single(v serde.Value, i, level int, s *scope) (ok, found bool) {
	switch c := b[i]; {
	case len(c.tests) > 0 && c.found(v, level, true):
		return true, true
	case !c.absent:
		return false, false
	case s.list.Exists():
		return !s.holds(b, i), false
	default:
		return !c.found(v, level, false), false
	}
}

// found reports whether the path leads from v to a value, with test to one for which a test holds.
func (c *condition) found(v serde.Value, level int, test bool) bool {
	if _, number := v.Number(); number { // asked first: the kind of a number with many digits takes time
		return level == len(c.ends) && (!test || c.test(v))
	}
	switch v.Kind() {
	case serde.Missing:
		return false
	case serde.Array:
		for e := range v.Elements() {
			if c.found(e, level, test) {
				return true
			}
		}
		return false
	case serde.Object:
		if level == len(c.ends) {
			return false
		}
		rest := c.path[c.start(level):]
		for name, m := range v.Members() {
			if n := leads(name, rest); n > 0 && c.found(m, level+n, test) {
				return true
			}
		}
		return false
	}
	return level == len(c.ends) && (!test || c.test(v))
}

func (c *condition) test(v serde.Value) bool {
	var s scalar
	if s.set(v) {
		return c.any(&s)
	}
	room := c.rooms.Get().(*[]byte)
	s.write(v, room)
	ok := c.any(&s)
	c.rooms.Put(room)
	return ok
}

func (c *condition) any(s *scalar) bool {
	for i := range c.tests {
		if c.tests[i].holds(s) {
			return true
		}
	}
	return false
}
