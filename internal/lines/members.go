package lines

import (
	"github.com/millrace/millrace/internal/cell"
	"github.com/millrace/millrace/serde"
)

// slots are the members that the fields of structs take, Missing where there is none: those of the structs that are being written, the innermost last.
type slots []serde.Value

const slotBytes = 16 // of memory

// take adds n empty slots, which begin at base.
func (s *slots) take(n int) (base int) {
	base = len(*s)
	for range n {
		*s = append(*s, serde.Value{})
	}
	return base
}

// give takes them away. Values keep their tapes in memory, so none stays.
func (s *slots) give(base int) {
	clear((*s)[base:])
	*s = (*s)[:base]
}

// find takes a slot for each field of c and finds their members of v. strangers: there are members that no field takes.
func (s *slots) find(c *cell.Column, v serde.Value) (base int, strangers bool, err error) {
	base = s.take(len(c.Fields))
	found := (*s)[base:]
	next := 0
	for name, x := range v.Members() {
		i := c.Taker(v, name, next)
		switch {
		case i < 0:
			strangers = true
			continue
		case found[i].Exists():
			return base, strangers, c.Fields[i].Twice()
		}
		found[i], next = x, i+1
	}
	return base, strangers, nil
}
