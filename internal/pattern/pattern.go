package pattern

import (
	"slices"
	"strings"
	"sync"

	"github.com/millrace/millrace/serde"
)

// A Pattern is a compiled event pattern. It is immutable and safe for concurrent use.
type Pattern struct {
	branches []branch // one of them must match; there are more than one where the pattern has $or
}

// A branch is conditions on different fields, in the order of their paths. All of them must hold.
type branch []*condition

// A condition says what a field may hold.
type condition struct {
	path   string    // names of the field and of what it is in, joined by dots
	ends   []int     // where in path each name ends
	tests  []test    // one of them must hold for one of the field's values,
	absent bool      // or, with {"exists": false}, the field has none
	rooms  sync.Pool // of *[]byte, for values that are written to be tested
}

func newCondition(path string, tests []test, absent bool) *condition {
	c := &condition{path: path, tests: tests, absent: absent}
	c.rooms.New = func() any { return new([]byte) }
	for i := range path {
		if path[i] == '.' {
			c.ends = append(c.ends, i)
		}
	}
	c.ends = append(c.ends, len(path))
	return c
}

// start is where in path the name of a level begins.
func (c *condition) start(level int) int {
	if level == 0 {
		return 0
	}
	return c.ends[level-1] + 1
}

// Fields are the fields that the pattern looks at, each once, as names joined by dots, in order.
func (p *Pattern) Fields() []string {
	var all []string
	for _, b := range p.branches {
		for _, c := range b {
			all = append(all, c.path)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Match reports whether an event, which is an object, matches. It allocates nothing.
func (p *Pattern) Match(event serde.Value) bool {
	for _, b := range p.branches {
		if b.match(event) {
			return true
		}
	}
	return false
}

func (b branch) match(event serde.Value) bool {
	var none scope
	ok, _ := b.object(event, 0, len(b), 0, &none)
	return ok
}

// product combines two lists of branches: one of each list must match.
func product(a, b []branch) []branch {
	var all []branch
	for _, x := range a {
		for _, y := range b {
			all = append(all, slices.Concat(x, y))
		}
	}
	return all
}

func (b branch) sort() {
	slices.SortFunc(b, func(x, y *condition) int { return strings.Compare(x.path, y.path) })
}
