package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
)

// An Encoder writes values of one schema. It may be used by any number of goroutines.
//
// A value is written exactly or refused. Besides the kinds that decoding gives:
//
//   - numbers of any kind are taken for int, long and decimal if they are exactly such; for float and double they are rounded;
//   - a timestamp may be a Timestamp, an RFC 3339 text, or an Int64 in the unit of the type; a Timestamp that is finer than the type is refused.
//     A local timestamp is a text without a zone, or an Int64. A date and a time of day are these, their texts, or an Int64;
//   - bytes and fixed may be base64 texts, which is how JSON has them; a duration is an ISO 8601 text or its 12 bytes;
//   - dates, times, timestamps and UUIDs become their texts where the type is string.
//
// A record takes its members in any order. One that is missing has the field's default, and is an error without one; so is a member that isn't
// a field. The type of a union is chosen as follows: null for null; for a scalar, the type that is nearest to its kind (a symbol before a
// string, int and long before decimal, decimal before double but for a Float64), of equals the first, if it holds the value; for an object, the first
// record with just these fields that it can be written as, then the map, then a record whose other fields have defaults.
type Encoder struct {
	root  *shape
	depth int
	pool  sync.Pool // of *encoding
}

// Records of a union are tried one after the other, those in them too, and so on. Inside more than freeTries of such unions values are counted,
// and beyond maxWork of them the first record with the right fields is taken: equal records inside each other would be tried in all combinations.
const (
	freeTries = 3
	maxWork   = 1 << 18
)

// NewEncoder makes an Encoder.
func NewEncoder(s *Schema) (*Encoder, error) {
	if s == nil {
		return nil, errors.New("avro: encoder: there is no schema")
	}
	c := shapes{made: map[*Schema]*shape{}, defaults: defaults{left: maxDefaults}}
	root := c.of(s)
	c.setDefaults()
	e := &Encoder{root: root, depth: defaultDepth}
	e.pool.New = func() any { return new(encoding) }
	return e, nil
}

// Append appends v in Avro's binary encoding. It keeps nothing of v; dst comes back as it was after an error, which names the path of the
// member and can't be mended by trying again.
func (e *Encoder) Append(dst []byte, v serde.Value) ([]byte, error) {
	g := e.pool.Get().(*encoding)
	g.depth, g.tries, g.work = e.depth, 0, 0
	out, err := g.append(dst, e.root, v)
	if err != nil {
		return dst, err // and g isn't used again: its slots are as the error left them
	}
	e.pool.Put(g)
	return out, nil
}

// A shape is how values of a type are written. Recursive types make cycles.
type shape struct {
	*Schema
	kind     serde.Kind // see kindOf
	fields   []slot
	required int              // fields without a default
	index    map[string]int32 // of fields, of symbols
	items    *shape
	branches []*shape
	objects  int // branches that are records or maps
}

// A slot is a field of a record.
type slot struct {
	name  string
	shape *shape
	known []byte // its default as it is written, if it has one
	has   bool
	bad   error // why the default can't be written
}

// shapes makes each shape once.
type shapes struct {
	made     map[*Schema]*shape
	records  []*shape
	defaults defaults
}

func (c *shapes) of(s *Schema) *shape {
	if made, ok := c.made[s]; ok {
		return made
	}
	h := &shape{Schema: s, kind: kindOf(s)}
	c.made[s] = h
	switch s.Type {
	case Array, Map:
		h.items = c.of(s.Items)
	case Union:
		for _, b := range s.Branches {
			h.branches = append(h.branches, c.of(b))
			if b.Type == Record || b.Type == Map {
				h.objects++
			}
		}
	case Enum:
		h.index = make(map[string]int32, len(s.Symbols))
		for i, symbol := range s.Symbols {
			h.index[symbol] = int32(i)
		}
	case Record:
		h.index = make(map[string]int32, len(s.Fields))
		h.fields = make([]slot, len(s.Fields))
		c.records = append(c.records, h)
		for i := range s.Fields {
			h.index[s.Fields[i].Name] = int32(i)
			h.fields[i] = slot{name: s.Fields[i].Name, shape: c.of(s.Fields[i].Type), has: s.Fields[i].Default != nil}
			if !h.fields[i].has {
				h.required++
			}
		}
	}
	return h
}

// setDefaults writes defaults out. One that can't be written is an error of the records that need it.
func (c *shapes) setDefaults() {
	for _, h := range c.records {
		for i := range h.fields {
			if f := &h.Fields[i]; f.Default != nil {
				h.fields[i].known, h.fields[i].bad = c.defaults.field(nil, f)
			}
		}
	}
}

// A misfit is why a value can't be written.
type misfit struct {
	path []string // the innermost first
	text string
}

// Error names the member.
func (m *misfit) Error() string {
	if path := pathText(m.path); path != "" {
		return fmt.Sprintf("avro: encode: member %.300q: %s", path, m.text)
	}
	return "avro: encode: " + m.text
}

func (m *misfit) in(name string) *misfit {
	m.path = append(m.path, name)
	return m
}

func refuse(format string, args ...any) *misfit { return &misfit{text: fmt.Sprintf(format, args...)} }

// refused is a value of a kind that a type doesn't take.
func refused(h *shape, v serde.Value) *misfit {
	return refuse("the value is %s, which can't be written as %s", sample(v), h.title())
}

// title is the type as errors show it.
func (s *Schema) title() string {
	if s.Logical != NoLogical {
		return s.Type.String() + " of logical type " + s.Logical.String()
	}
	if s.Name != "" {
		return s.Type.String() + " " + s.Name
	}
	return s.Type.String()
}

// sample is the kind of a value and the beginning of a scalar.
func sample(v serde.Value) string {
	switch v.Kind() {
	case serde.Missing, serde.Null, serde.Array, serde.Object, serde.Bytes:
		return v.Kind().String()
	}
	text, err := v.AppendText(nil)
	if err != nil {
		return v.Kind().String()
	}
	return fmt.Sprintf("the %s %.60q", v.Kind(), text)
}

// An encoding is the state of one Append.
type encoding struct {
	depth int // containers that may still be entered
	tries int // unions around the value in which types are tried
	work  int // see maxWork
	slots []serde.Value
}

// append appends v as h says.
func (g *encoding) append(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	if g.tries > freeTries {
		g.work++
	}
	if h.Logical != NoLogical {
		return encodeLogical(dst, h, v)
	}
	switch h.Type {
	case Null:
		if v.Kind() == serde.Null {
			return dst, nil
		}
	case Boolean:
		if b, ok := v.Bool(); ok {
			return encodeBool(dst, b), nil
		}
	case Int, Long:
		return encodeWhole(dst, h, v)
	case Float, Double:
		return encodeFloat(dst, h, v)
	case Bytes:
		return encodeBytes(dst, h, v)
	case String:
		return encodeString(dst, h, v)
	case Fixed:
		return encodeFixed(dst, h, v)
	case Enum:
		return encodeEnum(dst, h, v)
	case Union:
		return g.union(dst, h, v)
	default:
		return g.container(dst, h, v)
	}
	return nil, refused(h, v)
}

// container appends a record, an array or a map, one level further in.
func (g *encoding) container(dst []byte, h *shape, v serde.Value) (_ []byte, m *misfit) {
	if k := v.Kind(); k != serde.Object && h.Type != Array || k != serde.Array && h.Type == Array {
		return nil, refused(h, v)
	}
	if g.depth == 0 {
		return nil, refuse("records, arrays and maps are nested more than %d deep", defaultDepth)
	}
	g.depth--
	switch h.Type {
	case Record:
		dst, m = g.record(dst, h, v)
	case Array:
		dst, m = g.array(dst, h, v)
	default:
		dst, m = g.entries(dst, h, v)
	}
	g.depth++
	return dst, m
}

// record appends the members of v for as long as they come in the order of the fields. From the first that doesn't, they are looked up.
func (g *encoding) record(dst []byte, h *shape, v serde.Value) (_ []byte, m *misfit) {
	next := 0
	for name, x := range v.Members() {
		if next == len(h.fields) || h.fields[next].name != name {
			return g.unordered(dst, h, v, next)
		}
		if dst, m = g.append(dst, h.fields[next].shape, x); m != nil {
			return nil, m.in(name)
		}
		next++
	}
	for i := range h.fields[next:] {
		if dst, m = encodeMissing(dst, h, &h.fields[next+i]); m != nil {
			return nil, m
		}
	}
	return dst, nil
}

// unordered appends the fields from the one at first, those before it being written, where the members have another order.
func (g *encoding) unordered(dst []byte, h *shape, v serde.Value, first int) (_ []byte, m *misfit) {
	base := len(g.slots)
	for range h.fields {
		g.slots = append(g.slots, serde.Value{})
	}
	for name, x := range v.Members() {
		i, ok := h.index[name]
		if !ok {
			return nil, refuse("the %s has no such field", h.title()).in(name)
		}
		g.slots[base+int(i)] = x
	}
	for i := first; i < len(h.fields); i++ {
		f := &h.fields[i]
		if x := g.slots[base+i]; !x.Exists() {
			dst, m = encodeMissing(dst, h, f)
		} else if dst, m = g.append(dst, f.shape, x); m != nil {
			m = m.in(f.name)
		}
		if m != nil {
			return nil, m
		}
	}
	clear(g.slots[base:]) // values keep their tapes in memory
	g.slots = g.slots[:base]
	return dst, nil
}

// encodeMissing appends the default of a field.
func encodeMissing(dst []byte, h *shape, f *slot) ([]byte, *misfit) {
	switch {
	case !f.has:
		return nil, refuse("it is missing, and the field of the %s has no default", h.title()).in(f.name)
	case f.bad != nil:
		return nil, refuse("it is missing, and can't have the field's default: %s", f.bad).in(f.name)
	}
	return append(dst, f.known...), nil
}

func (g *encoding) array(dst []byte, h *shape, v serde.Value) (_ []byte, m *misfit) {
	n := v.Len()
	if n == 0 {
		return append(dst, 0), nil
	}
	dst = binary.AppendVarint(dst, int64(n))
	i := 0
	for x := range v.Elements() {
		if dst, m = g.append(dst, h.items, x); m != nil {
			return nil, m.in(fmt.Sprintf("[%d]", i))
		}
		i++
	}
	return append(dst, 0), nil
}

func (g *encoding) entries(dst []byte, h *shape, v serde.Value) (_ []byte, m *misfit) {
	n := v.Len()
	if n == 0 {
		return append(dst, 0), nil
	}
	dst = binary.AppendVarint(dst, int64(n))
	for name, x := range v.Members() {
		if !utf8.ValidString(name) {
			return nil, refuse("the name isn't UTF-8").in(name)
		}
		dst = binary.AppendVarint(dst, int64(len(name)))
		if dst, m = g.append(append(dst, name...), h.items, x); m != nil {
			return nil, m.in(name)
		}
	}
	return append(dst, 0), nil
}
