package parquet

import (
	"slices"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/cell"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// Add appends a row: v is an object whose members are the columns' values. It keeps nothing of v. The error is Permanent and about this
// value; no part of the row stays.
func (f *File) Add(v serde.Value) error {
	if err := f.shred.row(v); err != nil {
		f.undoRow()
		return err
	}
	if err := f.endRow(); err != nil {
		return err
	}
	f.shred.count()
	return nil
}

// Dropped is how many rows had members that no column took, which are lost: the schema has no column for the rest.
func (f *File) Dropped() int64 { return f.shred.dropped }

// Rested is how many rows have members in the column for the rest.
func (f *File) Rested() int64 { return f.shred.rested }

// A shredder appends rows to the leaves of a file. One goroutine uses it.
type shredder struct {
	plan    *plan
	leaves  []leaf
	order   []int32  // the field that came behind another in the record before, see planned.order
	seen    []uint64 // a bit per field of each struct around the node that is shredded
	scratch []byte
	unknown bool // the row has members that no column takes

	dropped, rested int64
}

func newShredder(p *plan, leaves []leaf) shredder {
	return shredder{plan: p, leaves: leaves, order: slices.Clone(p.order)}
}

// row appends v to the leaves. After an error a part of it is there.
func (s *shredder) row(v serde.Value) error {
	if v.Kind() != serde.Object {
		return cell.NoRow(v)
	}
	s.seen, s.unknown = s.seen[:0], false
	if err := s.members(&s.plan.root, v, 0); err != nil {
		return err
	}
	return s.addRest(v)
}

// count counts a row that was appended.
func (s *shredder) count() {
	switch {
	case !s.unknown:
	case s.plan.rest < 0:
		s.dropped++
	default:
		s.rested++
	}
}

// node appends v, which is the value of n or, if it is Missing, none. rep is its repetition level.
func (s *shredder) node(n *planned, v serde.Value, rep uint8) error {
	if v.IsNull() && (n.nullable || n.kind != table.JSON) {
		if !n.nullable {
			return n.column.Refuse(v, cell.OtherKind)
		}
		s.null(n, rep, n.def-1)
		return nil
	}
	if n.composed {
		return s.composed(n, v, rep)
	}
	if why := s.scalar(n, v, rep); why != cell.Taken {
		return n.column.Refuse(v, why)
	}
	return nil
}

// composed appends a value that may have others in it.
func (s *shredder) composed(n *planned, v serde.Value, rep uint8) error {
	switch n.kind {
	case table.Struct:
		return s.members(n, v, rep)
	case table.List:
		return s.list(n, v, rep)
	case table.Map:
		return s.entries(n, v, rep)
	}
	return s.json(n, v, rep)
}

// null appends a slot without a value to each leaf of n. def is the level up to which there is something.
func (s *shredder) null(n *planned, rep, def uint8) {
	for i := n.first; i < n.last; i++ {
		s.leaves[i].null(rep, def)
	}
}

// members appends a struct.
func (s *shredder) members(n *planned, v serde.Value, rep uint8) error {
	if v.Kind() != serde.Object {
		return n.column.Refuse(v, cell.OtherKind)
	}
	base := len(s.seen)
	for range (len(n.fields) + 63) / 64 {
		s.seen = append(s.seen, 0)
	}
	seen, order := s.seen[base:], s.order[n.order:n.order+len(n.fields)+1]
	at, found := 0, 0
	for name, member := range v.Members() {
		i := n.column.Taker(v, name, int(order[at]))
		if i < 0 {
			s.unknown = true
			continue
		}
		order[at] = int32(i)
		at = i + 1
		word, bit := i/64, uint64(1)<<(i%64)
		if seen[word]&bit != 0 {
			return n.fields[i].column.Twice()
		}
		seen[word] |= bit
		if err := s.node(&n.fields[i], member, rep); err != nil {
			return err
		}
		found++
	}
	if found < len(n.fields) {
		if err := s.missing(n, seen, rep); err != nil {
			return err
		}
	}
	s.seen = s.seen[:base]
	return nil
}

// missing appends what fields have that the value has no member for. seen has a bit for each of the others.
func (s *shredder) missing(n *planned, seen []uint64, rep uint8) error {
	for i := range n.fields {
		if seen[i/64]>>(i%64)&1 != 0 {
			continue
		}
		f := &n.fields[i]
		switch {
		case f.column.Default.Exists():
			if err := s.node(f, f.column.Default, rep); err != nil {
				return err
			}
		case f.nullable:
			s.null(f, rep, f.def-1)
		default:
			return f.column.Absent()
		}
	}
	return nil
}

// list appends an array.
func (s *shredder) list(n *planned, v serde.Value, rep uint8) error {
	if v.Kind() != serde.Array {
		return n.column.Refuse(v, cell.OtherKind)
	}
	if v.Len() == 0 {
		s.null(n, rep, n.def)
		return nil
	}
	for e := range v.Elements() {
		if err := s.node(n.elem, e, rep); err != nil {
			return err
		}
		rep = n.rep
	}
	return nil
}

// entries appends an object as a map. Its first leaf has the keys.
func (s *shredder) entries(n *planned, v serde.Value, rep uint8) error {
	if v.Kind() != serde.Object {
		return n.column.Refuse(v, cell.OtherKind)
	}
	if v.Len() == 0 {
		s.null(n, rep, n.def)
		return nil
	}
	for key, e := range v.Members() {
		if !utf8.ValidString(key) {
			return n.column.Refuse(v, cell.NotUTF8)
		}
		s.scratch = append(s.scratch[:0], key...)
		s.leaves[n.first].bytes(rep, s.scratch)
		if err := s.node(n.elem, e, rep); err != nil {
			return err
		}
		rep = n.rep
	}
	return nil
}

// json appends v's JSON text: a String has its quotes there, so that the column is always JSON.
func (s *shredder) json(n *planned, v serde.Value, rep uint8) error {
	l := &s.leaves[n.first]
	b, err := v.AppendJSON(l.begin(rep))
	if err != nil {
		return n.column.Fail(err)
	}
	l.end(b)
	return nil
}

// scalar appends a value of a column that is a leaf.
func (s *shredder) scalar(n *planned, v serde.Value, rep uint8) (why cell.Refusal) {
	l := &s.leaves[n.first]
	switch n.kind {
	case table.Bool:
		var b bool
		if b, why = cell.Bool(v); why == cell.Taken {
			l.bool(rep, b)
		}
	case table.Float32:
		var f float32
		if f, why = cell.Float32(v); why == cell.Taken {
			l.float32(rep, f)
		}
	case table.Float64:
		var f float64
		if f, why = cell.Float64(v); why == cell.Taken {
			l.float64(rep, f)
		}
	case table.Int32, table.Date, table.TimeMillis:
		var x int64
		if x, why = cell.Integer(n.kind, v); why == cell.Taken {
			l.int32(rep, int32(x))
		}
	case table.Int64, table.TimeMicros, table.TimestampMillis, table.TimestampMicros:
		var x int64
		if x, why = cell.Integer(n.kind, v); why == cell.Taken {
			l.int64(rep, x)
		}
	case table.String:
		var text []byte
		if text, why = cell.Text(v, &s.scratch); why == cell.Taken {
			l.bytes(rep, text)
		}
	case table.Decimal:
		return s.decimal(l, n, v, rep)
	case table.Bytes, table.Fixed, table.UUID:
		return s.bytes(l, n, v, rep)
	default:
		return cell.OtherKind
	}
	return why
}

func (s *shredder) bytes(l *leaf, n *planned, v serde.Value, rep uint8) (why cell.Refusal) {
	var b []byte
	switch n.kind {
	case table.Bytes:
		b, why = cell.Bytes(v, &s.scratch)
	case table.Fixed:
		b, why = cell.Fixed(v, n.size, &s.scratch)
	case table.UUID:
		var u [16]byte
		u, why = cell.UUID(v)
		b = append(s.scratch[:0], u[:]...)
		s.scratch = b
	default:
		why = cell.OtherKind
	}
	if why == cell.Taken {
		l.bytes(rep, b)
	}
	return why
}

// decimal appends a number as an INT32 of up to 9 digits, an INT64 of up to 18, or bytes (Apache Parquet, Logical Types, DECIMAL).
func (s *shredder) decimal(l *leaf, n *planned, v serde.Value, rep uint8) cell.Refusal {
	var u cell.Unscaled
	if why := u.Set(v, n.precision, n.scale, &s.scratch); why != cell.Taken {
		return why
	}
	switch {
	case n.precision <= 9:
		l.int32(rep, int32(u.Int64()))
	case n.precision <= 18:
		l.int64(rep, u.Int64())
	default:
		b := u.BigEndian()
		l.bytes(rep, b[len(b)-n.size:])
	}
	return cell.Taken
}

// addRest appends what no other column takes to the column for that.
func (s *shredder) addRest(v serde.Value) error {
	switch {
	case s.plan.rest < 0:
		return nil
	case !s.unknown:
		s.leaves[s.plan.rest].null(0, 0)
		return nil
	}
	l := &s.leaves[s.plan.rest]
	b, err := s.plan.root.column.AppendRest(l.begin(0), v)
	if err != nil {
		return cell.RestFails(err)
	}
	l.end(b)
	return nil
}
