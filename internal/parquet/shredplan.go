package parquet

import (
	"fmt"

	"github.com/millrace/millrace/internal/cell"
	"github.com/millrace/millrace/internal/table"
)

// A plan says which parts of a row go to which leaves, and at which levels (S. Melnik and others, Dremel: Interactive Analysis of Web-Scale Datasets, 2010,
// section 4.1; Apache Parquet, Nested Encoding). It is shared by all files of a schema and doesn't change.
type plan struct {
	root  planned // a Struct
	rest  int     // the leaf that takes what no other takes; -1: there is none
	order []int32 // what a shredder expects at first: the order of the fields
}

// A planned is a column, a struct's field, or an element.
type planned struct {
	kind        table.Kind
	nullable    bool
	composed    bool  // a Struct, a List, a Map or JSON
	def         uint8 // definition level of a value that isn't null; a null has one less, an element at least one more
	rep         uint8 // repetition level of all elements of a List or Map but the first
	first, last int   // its leaves: first to last-1

	precision, scale int // of a Decimal
	size             int // in bytes, of what is a Fixed in the file

	column *cell.Column
	fields []planned
	order  int // where plan.order has the index of the field that comes first; i+1 places on, that of the one behind field i
	elem   *planned
}

// newPlan compiles a schema. It fails where Parquet can't hold the schema, or where a default isn't a value of its column.
func newPlan(s *table.Schema) (*plan, error) {
	t, err := newTree(s)
	if err != nil {
		return nil, err
	}
	row, err := cell.New(s, false)
	if err != nil {
		return nil, err
	}
	b := planner{}
	p := &plan{root: planned{kind: table.Struct, column: row}, rest: -1}
	b.fields(&p.root)
	p.order = b.order
	if s.Rest != "" {
		p.rest = b.leaves
	}
	return p, p.tryDefaults(t.newLeaves())
}

// A planner makes a plan.
type planner struct {
	leaves int
	order  []int32
	rep    uint8 // lists and maps around the node that is planned
}

func (b *planner) fields(n *planned) {
	fields := n.column.Fields
	n.fields = make([]planned, len(fields))
	n.first, n.order = b.leaves, len(b.order)
	for i := range len(fields) + 1 {
		b.order = append(b.order, int32(min(i, len(fields)-1)))
	}
	for i := range fields {
		b.node(&n.fields[i], &fields[i], n.def)
	}
	n.last = b.leaves
}

// node plans a column. def is the definition level of what contains it.
func (b *planner) node(n *planned, c *cell.Column, def uint8) {
	t := c.Type
	n.column, n.kind, n.nullable, n.precision, n.scale, n.size, n.def, n.first = c, t.Kind, t.Nullable, t.Precision, t.Scale, t.Size, def, b.leaves
	if t.Nullable {
		n.def++
	}
	defer func() { n.last = b.leaves }()
	n.composed = t.Kind == table.JSON || t.Kind >= table.Struct
	switch t.Kind {
	case table.Struct:
		b.fields(n)
		return
	case table.Map:
		b.leaves++ // of the keys
		b.elem(n)
		return
	case table.List:
		b.elem(n)
		return
	case table.Decimal:
		n.size = decimalSize(t.Precision)
	}
	b.leaves++
}

func (b *planner) elem(n *planned) {
	b.rep++
	n.rep = b.rep
	n.elem = &planned{}
	b.node(n.elem, n.column.Elem, n.def+1)
	b.rep--
}

// tryDefaults shreds each default once, so that no row fails by one. The leaves are thrown away.
func (p *plan) tryDefaults(leaves []leaf) error {
	trial := newShredder(p, leaves)
	return p.root.defaults(func(f *planned) error {
		trial.unknown = false
		if err := trial.node(f, f.column.Default, 0); err != nil {
			return fmt.Errorf("default of column %.300s: %w", f.column.Path, err)
		}
		if trial.unknown {
			return fmt.Errorf("default of column %.300s: it has members that the column doesn't have", f.column.Path)
		}
		return nil
	})
}

// defaults visits the fields that have a default.
func (n *planned) defaults(visit func(*planned) error) error {
	for i := range n.fields {
		f := &n.fields[i]
		if f.column.Default.Exists() {
			if err := visit(f); err != nil {
				return err
			}
		}
		if err := f.defaults(visit); err != nil {
			return err
		}
	}
	if n.elem != nil {
		return n.elem.defaults(visit)
	}
	return nil
}
