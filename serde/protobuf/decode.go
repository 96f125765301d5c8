package protobuf

import (
	"fmt"
	"hash/maphash"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/millrace/millrace/serde"
)

const (
	maxDepth  = 64        // messages inside each other
	baseNodes = 16_384    // nodes that a value of any size may have, see Options.Nodes
	keepRuns  = 1 << 12   // runs, pairs and slots that a pooled decoder keeps
	keepSpare = 1 << 16   // bytes of the same
	maxKey    = 1<<16 - 1 // bytes of a map's key, which becomes a member's name
)

// Decode makes a value of a message. The value borrows data. nil, Kafka's null, becomes null; no bytes are a
// message without fields.
//
// An error says which field can't be decoded, at which byte. It is final: these bytes are no message of this type.
func (m *Message) Decode(t *serde.Tape, data []byte) (serde.Value, error) {
	if data == nil {
		return t.Null(), nil
	}
	if len(data) > math.MaxInt32 {
		return serde.Value{}, fmt.Errorf("protobuf: %s has %d bytes, at most %d are possible", m.Name(), len(data), math.MaxInt32)
	}
	p, err := m.compiled()
	if err != nil {
		return serde.Value{}, err
	}
	d, _ := m.pool.Get().(*decoder)
	if d == nil {
		d = &decoder{}
	}
	v, err := d.decode(t, p, m, data)
	d.rest()
	m.pool.Put(d)
	if err != nil {
		return serde.Value{}, fmt.Errorf("protobuf: %s: %w", m.Name(), err)
	}
	return v, nil
}

// A decoder reads a message in two passes: since fields may come in any order and several times, the first notes where they
// are, and the second writes them in the order of the schema. What it notes lies on stacks that grow with
// the depth and are reused.
type decoder struct {
	w       *serde.Writer
	src     []byte
	epoch   bool
	slots   []slot
	runs    []run // runs[0] is none
	pairs   []pair
	seen    []uint32 // a hash table of pairs: index+1
	seed    maphash.Seed
	scratch [64]byte

	keys  []byte // what the value borrows if its maps have keys that aren't text: src, and room for texts
	keyAt int    // where that room is free
	spare []byte // where keys is put together
}

// A slot says where a field is: of a single scalar the last value's body and its end; else the first and the last run. first is 0
// where the field isn't set. The slot of a oneof has the index+1 of the member that is set.
type slot struct{ first, last uint32 }

// A run is the body of a message, or fields of one number that follow one another. next continues the field, 0 if nothing does.
type run struct{ start, end, next uint32 }

func (d *decoder) decode(t *serde.Tape, p *program, m *Message, data []byte) (serde.Value, error) {
	nodes := m.options.Nodes
	if nodes <= 0 {
		nodes = len(data) + baseNodes
	}
	d.src, d.epoch = data, m.options.Timestamps == Epoch
	d.runs = append(d.runs[:0], run{})
	source := data
	if p.textKeys {
		source = d.roomForKeys(t, data)
	}
	d.w = t.Write(source, &p.names, nodes)
	if err := d.message(serde.Name{}, p.root, run{end: uint32(len(data))}, 0); err != nil {
		return serde.Value{}, err
	}
	v, err := d.w.Value(m.schema)
	if err != nil {
		return serde.Value{}, fmt.Errorf("%w (setting nodes)", err)
	}
	return v, nil
}

// rest lets go of the tape and the message, and of memory that one large message needed.
func (d *decoder) rest() {
	d.w, d.src, d.keys = nil, nil, nil
	d.slots, d.pairs = d.slots[:0], d.pairs[:0]
	if cap(d.slots)+cap(d.runs)+cap(d.pairs) > 3*keepRuns || cap(d.spare) > keepSpare {
		*d = decoder{seed: d.seed}
	}
}

// message writes a message, whose body is r and what follows it.
func (d *decoder) message(name serde.Name, t *table, r run, depth int) error {
	if t.shape == asObject || t.shape == asStruct || t.shape == asList { // the others are no containers
		depth++
	}
	if depth > maxDepth {
		return fail(int(r.start), "messages nest more than %d deep", maxDepth)
	}
	if !d.w.Room(t.most) {
		return fail(int(r.start), "the value has too many parts (setting nodes)")
	}
	base, runs := len(d.slots), len(d.runs)
	d.slots = grown(d.slots, t.slots)
	clear(d.slots[base:])
	err := d.scan(t, base, int(r.start), int(r.end))
	for next := r.next; next != 0 && err == nil; {
		more := d.runs[next]
		err = d.scan(t, base, int(more.start), int(more.end))
		next = more.next
	}
	if err == nil {
		err = d.write(name, t, base, depth)
	}
	d.slots, d.runs = d.slots[:base], d.runs[:runs]
	return err
}

// grown is a stack with n more places.
func grown(s []slot, n int) []slot {
	if cap(s)-len(s) < n {
		fresh := make([]slot, len(s), max(2*cap(s), len(s)+n, 64))
		copy(fresh, s)
		s = fresh
	}
	return s[:len(s)+n]
}

// scan notes where the fields between i and end are.
func (d *decoder) scan(t *table, base, i, end int) error {
	place := 0 // in byNumber: fields mostly come by number
	for i < end {
		start := i
		tag, body, stop, next, err := d.token(i, end)
		if err != nil {
			return t.inField(err, tag)
		}
		i = next
		number, wire := int32(tag>>3), protowire.Type(tag&7)
		index := t.find(number, &place)
		if index < 0 {
			continue
		}
		f := &t.fields[index]
		if wire != f.wire && (!f.packable || wire != protowire.BytesType) {
			continue
		}
		s := &d.slots[base+index]
		if f.oneof != 0 {
			d.choose(t, base, f.oneof, index)
		}
		switch {
		case f.form != single:
			if s.first != 0 && d.runs[s.last].end == uint32(start) {
				d.runs[s.last].end = uint32(next)
			} else {
				d.addRun(s, run{start: uint32(start), end: uint32(next)})
			}
		case f.message != nil:
			d.addRun(s, run{start: uint32(body), end: uint32(stop)})
		default:
			*s = slot{uint32(body), uint32(stop)}
		}
	}
	return nil
}

// choose makes a field the member of its oneof that is set.
func (d *decoder) choose(t *table, base, oneof, index int) {
	which := &d.slots[base+len(t.fields)+oneof-1]
	if was := int(which.first) - 1; was >= 0 && was != index {
		d.slots[base+was] = slot{}
	}
	which.first = uint32(index + 1)
}

func (d *decoder) addRun(s *slot, r run) {
	at := uint32(len(d.runs))
	if s.first == 0 {
		s.first = at
	} else {
		d.runs[s.last].next = at
	}
	s.last = at
	if len(d.runs) == cap(d.runs) { // append would grow by a quarter, and copy more
		fresh := make([]run, at, max(2*at, 64))
		copy(fresh, d.runs)
		d.runs = fresh
	}
	d.runs = append(d.runs, r)
}

// find is the index of the field of a number, -1 if there is none.
func (t *table) find(number int32, place *int) int {
	all := t.byNumber
	for p := *place; p < len(all) && p < *place+2; p++ {
		if all[p].number == number {
			*place = p
			return int(all[p].index)
		}
	}
	low, high := 0, len(all)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if all[middle].number < number {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == len(all) || all[low].number != number {
		return -1
	}
	*place = low
	return int(all[low].index)
}

// inField adds the name of the field to an error in its token.
func (t *table) inField(err error, tag uint64) error {
	place := 0
	if index := t.find(int32(min(tag>>3, math.MaxInt32)), &place); index >= 0 {
		return inside(err, t.fields[index].text)
	}
	return err
}

// write writes the message whose fields were noted.
func (d *decoder) write(name serde.Name, t *table, base, depth int) error {
	switch t.shape {
	case asTimestamp:
		return d.timestamp(name, t, base)
	case asDuration:
		return d.duration(name, t, base)
	case asWrapper, asStruct, asList:
		return d.field(name, &t.fields[0], base, depth)
	case asValue:
		which := d.slots[base+len(t.fields)].first
		if which <= 1 { // null_value, or nothing
			d.w.Null(name)
			return nil
		}
		return d.field(name, &t.fields[which-1], base+int(which-1), depth)
	}
	at, count := d.w.Begin(name, serde.Object), 0
	for i := range t.fields {
		f := &t.fields[i]
		if d.slots[base+i].first == 0 && f.form == single {
			switch {
			case f.oneof != 0:
				continue
			case f.required:
				return inside(fail(-1, "it is required and isn't there"), f.text)
			case f.presence:
				d.w.Null(f.name)
			default:
				d.zero(f.name, f)
			}
			count++
			continue
		}
		if err := d.field(f.name, f, base+i, depth); err != nil {
			return inside(err, f.text)
		}
		count++
	}
	d.w.End(at, count)
	return nil
}

// field writes a field by its slot. A single one that isn't set is written with its default.
func (d *decoder) field(name serde.Name, f *field, at, depth int) error {
	s := d.slots[at]
	switch {
	case f.form == mapped:
		return d.mapped(name, f, s, depth)
	case f.form == list:
		return d.list(name, f, s, depth)
	}
	return d.single(name, f, s, depth)
}

func (d *decoder) single(name serde.Name, f *field, s slot, depth int) error {
	switch {
	case f.message != nil:
		return d.message(name, f.message, d.runs[s.first], depth)
	case s.first == 0:
		d.zero(name, f)
		return nil
	}
	_, err := d.scalar(name, f, int(s.first), int(s.last))
	return err
}

// list writes an array. Its elements may come one by one, or packed in pieces, or both.
func (d *decoder) list(name serde.Name, f *field, s slot, depth int) error {
	at, count := d.w.Begin(name, serde.Array), 0
	for next := s.first; next != 0; {
		r := d.runs[next]
		next = r.next
		for i := int(r.start); i < int(r.end); {
			tag, body, stop, after, err := d.token(i, int(r.end))
			if err != nil {
				return err
			}
			i = after
			if f.message != nil {
				err = d.message(serde.Name{}, f.message, run{start: uint32(body), end: uint32(stop)}, depth)
				count++
			} else if f.packable && protowire.Type(tag&7) == protowire.BytesType {
				count, err = d.packed(f, body, stop, count)
			} else {
				_, err = d.scalar(serde.Name{}, f, body, stop)
				count++
			}
			if err != nil {
				return err
			}
		}
	}
	d.w.End(at, count)
	return nil
}

func (d *decoder) packed(f *field, i, end, count int) (int, error) {
	for i < end {
		var err error
		if i, err = d.scalar(serde.Name{}, f, i, end); err != nil {
			return count, err
		}
		count++
	}
	return count, nil
}

// A decodeError is an error in a field, whose path is put together on the way out.
type decodeError struct {
	path []string // the innermost first
	at   int      // the byte, -1 if there is none
	text string
}

func (e *decodeError) Error() string {
	var b strings.Builder
	if len(e.path) > 0 {
		b.WriteString(`field "`)
		for i := len(e.path) - 1; i >= 0; i-- {
			b.WriteString(e.path[i])
			if i > 0 {
				b.WriteByte('.')
			}
		}
		b.WriteString(`" `)
	}
	if e.at >= 0 {
		fmt.Fprintf(&b, "at byte %d", e.at)
	}
	if b.Len() == 0 {
		return e.text
	}
	return strings.TrimRight(b.String(), " ") + ": " + e.text
}

func fail(at int, format string, args ...any) error {
	return &decodeError{at: at, text: fmt.Sprintf(format, args...)}
}

// inside adds the name of the field that the error is in.
func inside(err error, field string) error {
	if e, ok := err.(*decodeError); ok { //nolint:errorlint // it is never wrapped in this package
		const most = 200
		if len(field) > most {
			field = field[:most]
		}
		e.path = append(e.path, field)
	}
	return err
}
