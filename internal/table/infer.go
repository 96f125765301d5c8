package table

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
)

// A Sample is what is known of columns from values that were looked at, such as plain JSON. Equal values in equal order give equal columns. One
// goroutine uses it at a time. It keeps nothing of the values but names, and holds at most about 16 MiB, whatever they are.
//
//   - Whole numbers are Int64. With other numbers they are Float64 if nothing of them is lost, else JSON. Numbers beyond both are Decimal with 38
//     digits, if all fit, else JSON.
//   - Texts are String; see Dates. Values of formats with more kinds have the types of these kinds.
//   - Objects are Struct. They are Map if they have more than 200 names, none of them in a tenth of the objects, and values of one type.
//   - Arrays are List.
//   - Where there were only nulls, or values of several types, or types are nested more than 16 deep, it is JSON.
//
// Everything may be null: a sample proves nothing. Names that differ from an earlier one in upper and lower case only, empty ones, and
// those of more than 255 bytes make no column (AWS Glue Web API reference, Column; Amazon Athena, Name databases, tables, and columns), and no
// more than 1,000 columns are made: such members are left to the rest.
type Sample struct {
	Dates bool // texts are dates or timestamps if all are: 2026-01-31, 2026-01-31T10:00:00.5Z

	root  seen
	nodes int // places where values were seen
}

// Bounds of a sample.
const (
	maxSampled  = 1000   // columns
	maxNested   = 16     // types inside each other
	maxHiveName = 255    // bytes (AWS Glue Web API reference, Column: Name)
	maxNodes    = 20_000 // places; each takes up to about 800 bytes with its name
	wideObject  = 200    // names: above, an object may be a map
	maxMembers  = 1000   // names of one object that are told apart
)

// A kindSet is the kinds of values that there were.
type kindSet uint16

const (
	hasBool kindSet = 1 << iota
	hasNumber
	hasString
	hasBytes
	hasDate
	hasTime
	hasTimestamp
	hasUUID
	hasArray
	hasObject
	hasDeep // an array or an object that is nested too deep
)

// seen is what was seen in one place.
type seen struct {
	kinds   kindSet
	numbers numbers
	texts   texts
	objects int
	members []member         // in the order in which they came
	index   map[string]int32 // of members, by their names in lower case
	other   *seen            // the values of members that have no place of their own
	lost    bool             // there was no room for other
	elem    *seen
}

// A member is a member of objects that were seen.
type member struct {
	name  string
	count int
	seen  seen
}

// texts says what all texts were so far.
type texts struct{ date, timestamp, other bool }

// Add looks at a value. One that isn't an object says nothing of columns.
func (s *Sample) Add(v serde.Value) {
	if v.Kind() == serde.Object {
		s.object(&s.root, v, 0)
	}
}

// Len is how many objects were looked at.
func (s *Sample) Len() int { return s.root.objects }

// Schema gives the columns of the values so far. rest is the name of the column for what has none of its own, "" without one.
func (s *Sample) Schema(name, rest string) *Schema {
	left := maxSampled
	out := &Schema{Name: name, Rest: rest}
	for i := range s.root.members {
		m := &s.root.members[i]
		if left == 0 {
			break
		}
		if rest != "" && strings.EqualFold(m.name, rest) {
			continue
		}
		out.Fields = append(out.Fields, Field{Name: m.name, Type: m.seen.fitting(&left, s.Dates)})
	}
	return out
}

func (s *Sample) value(p *seen, v serde.Value, depth int) {
	switch k := v.Kind(); k {
	case serde.Missing, serde.Null:
	case serde.Bool:
		p.kinds |= hasBool
	case serde.Int64, serde.Float64, serde.Decimal:
		p.kinds |= hasNumber
		p.numbers.add(v)
	case serde.String:
		p.kinds |= hasString
		if s.Dates {
			text, _ := v.Text()
			p.texts.add(text)
		}
	case serde.Bytes:
		p.kinds |= hasBytes
	case serde.Date:
		p.kinds |= hasDate
	case serde.Time:
		p.kinds |= hasTime
	case serde.Timestamp:
		p.kinds |= hasTimestamp
	case serde.UUID:
		p.kinds |= hasUUID
	case serde.Array, serde.Object:
		switch {
		case depth >= maxNested:
			p.kinds |= hasDeep
		case k == serde.Object:
			p.kinds |= hasObject
			s.object(p, v, depth)
		default:
			p.kinds |= hasArray
			s.array(p, v, depth)
		}
	}
}

func (s *Sample) array(p *seen, v serde.Value, depth int) {
	if p.elem == nil && v.Len() > 0 {
		if !s.room() {
			p.lost = true
			return
		}
		p.elem = &seen{}
	}
	for e := range v.Elements() {
		s.value(p.elem, e, depth+1)
	}
}

func (s *Sample) object(p *seen, v serde.Value, depth int) {
	p.objects++
	for name, x := range v.Members() {
		if m := s.member(p, name); m != nil {
			m.count++
			s.value(&m.seen, x, depth+1)
			continue
		}
		if p == &s.root {
			continue // to the rest, whatever it is
		}
		if p.other == nil {
			if !s.room() {
				p.lost = true
				continue
			}
			p.other = &seen{}
		}
		s.value(p.other, x, depth+1)
	}
}

// room takes a place.
func (s *Sample) room() bool {
	if s.nodes == maxNodes {
		return false
	}
	s.nodes++
	return true
}

// member is the place of a name, nil if it has none. It is valid until the next one is made.
func (s *Sample) member(p *seen, name string) *member {
	if name == "" || len(name) > maxHiveName || !utf8.ValidString(name) {
		return nil
	}
	key := strings.ToLower(name)
	if i, ok := p.index[key]; ok {
		if p.members[i].name != name {
			return nil
		}
		return &p.members[i]
	}
	if len(p.members) == maxMembers || !s.room() {
		return nil
	}
	if p.index == nil {
		p.index = map[string]int32{}
	}
	name = strings.Clone(name)
	if key == name {
		key = name // and not the borrowed one, which ToLower gives if there is nothing to do
	}
	p.index[key] = int32(len(p.members))
	p.members = append(p.members, member{name: name})
	return &p.members[len(p.members)-1]
}

func (t *texts) add(text []byte) {
	var parsed time.Time
	switch {
	case t.other:
	case len(text) == len(time.DateOnly) && parsed.UnmarshalText(append(bytes.Clone(text), "T00:00:00Z"...)) == nil:
		t.date = true
	case len(text) > len(time.DateOnly) && len(text) <= len("2026-01-31T10:00:00.123456+00:00") && parsed.UnmarshalText(text) == nil && parsed.Nanosecond()%1000 == 0:
		t.timestamp = true
	default:
		t.other = true
	}
}

// fitting is the type of the values that were seen, if it needs no more columns than are left.
func (p *seen) fitting(left *int, dates bool) Type {
	t := p.typ(dates)
	if n := t.Leaves(); n <= *left {
		*left -= n
		return t
	}
	*left--
	return Type{Kind: JSON, Nullable: true}
}

// typ is the type of all values that were seen.
func (p *seen) typ(dates bool) Type {
	t := Type{Kind: JSON, Nullable: true}
	switch p.kinds {
	case hasBool:
		t.Kind = Bool
	case hasNumber:
		p.numbers.typ(&t)
	case hasString:
		switch {
		case !dates || p.texts.other || p.texts.date == p.texts.timestamp:
			t.Kind = String
		case p.texts.date:
			t.Kind = Date
		default:
			t.Kind = TimestampMicros
		}
	case hasBytes:
		t.Kind = Bytes
	case hasDate:
		t.Kind = Date
	case hasTime:
		t.Kind = TimeMicros
	case hasTimestamp:
		t.Kind = TimestampMicros
	case hasUUID:
		t.Kind = UUID
	case hasArray:
		if !p.lost {
			elem := Type{Kind: JSON, Nullable: true}
			if p.elem != nil {
				elem = p.elem.typ(dates)
			}
			t.Kind, t.Elem = List, &elem
		}
	case hasObject:
		p.objectType(&t, dates)
	}
	return t
}

// objectType makes t a Struct or a Map, or leaves it JSON.
func (p *seen) objectType(t *Type, dates bool) {
	if p.wide() {
		all := seen{}
		for i := range p.members {
			all.absorb(&p.members[i].seen)
		}
		if p.other != nil {
			all.absorb(p.other)
		}
		if elem := all.typ(dates); elem.Kind != JSON && !p.lost {
			t.Kind, t.Elem = Map, &elem
		}
		return
	}
	if p.lost || len(p.members) == 0 || len(p.members) == maxMembers {
		return
	}
	t.Kind, t.Fields = Struct, make([]Field, len(p.members))
	for i := range p.members {
		t.Fields[i] = Field{Name: p.members[i].name, Type: p.members[i].seen.typ(dates)}
	}
}

// wide reports whether the names look like keys: there are many, and each is rare.
func (p *seen) wide() bool {
	return len(p.members) > wideObject && !slices.ContainsFunc(p.members, func(m member) bool { return m.count*10 >= p.objects })
}

// absorb adds to p what was seen in q, which stays as it is.
func (p *seen) absorb(q *seen) {
	p.kinds |= q.kinds
	p.numbers.absorb(&q.numbers)
	p.texts.date = p.texts.date || q.texts.date
	p.texts.timestamp = p.texts.timestamp || q.texts.timestamp
	p.texts.other = p.texts.other || q.texts.other
	p.objects += q.objects
	p.lost = p.lost || q.lost
	for i := range q.members {
		p.absorbMember(&q.members[i])
	}
	p.other = absorbed(p.other, q.other)
	p.elem = absorbed(p.elem, q.elem)
}

// absorbed is p with what was seen in q, which stays as it is.
func absorbed(p, q *seen) *seen {
	switch {
	case q == nil:
		return p
	case p == nil:
		p = &seen{}
	}
	p.absorb(q)
	return p
}

func (p *seen) absorbMember(m *member) {
	key := strings.ToLower(m.name)
	i, ok := p.index[key]
	if ok && p.members[i].name != m.name || !ok && len(p.members) == maxMembers {
		p.other = absorbed(p.other, &m.seen)
		return
	}
	if !ok {
		if p.index == nil {
			p.index = map[string]int32{}
		}
		i = int32(len(p.members))
		p.index[key] = i
		p.members = append(p.members, member{name: m.name})
	}
	p.members[i].count += m.count
	p.members[i].seen.absorb(&m.seen)
}
