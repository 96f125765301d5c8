package protobuf

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/millrace/millrace/serde"
)

// A program is a message type with all that it contains, as tables for the decoder and the encoder.
type program struct {
	root     *table
	names    serde.Names
	textKeys bool // there are maps whose keys have to be turned into text
}

// A table is a message type.
type table struct {
	name     string
	fields   []field // in the order of the schema
	byNumber []numbered
	byName   map[string]int // indexes of fields, by their names and their JSON names
	oneofs   int
	slots    int // fields and oneofs: what a decoder keeps of a message
	most     int // members that an object has at most, itself counted
	shape    shape
}

type numbered struct{ number, index int32 }

// shape is what a message becomes: an object, or something simpler for well-known types.
type shape uint8

const (
	asObject shape = iota
	asTimestamp
	asDuration
	asWrapper // its only field
	asStruct  // its only field, a map
	asList    // its only field, an array
	asValue   // the member of its oneof that is set
)

// A field of a message.
type field struct {
	name     serde.Name
	text     string // its name for errors
	number   protowire.Number
	kind     protoreflect.Kind
	wire     protowire.Type // of one value
	form     form
	packable bool // values may come in one piece without tags
	packed   bool // the encoder writes them so
	presence bool
	required bool
	oneof    int    // 1 for the first oneof; 0: in none
	message  *table // of messages and groups
	enum     *enum
	key      *field // of a map
	value    *field
}

type form uint8

const (
	single form = iota
	list
	mapped
)

// An enum has the names of numbers and the numbers of names.
type enum struct {
	first   int32 // the default
	dense   []serde.Name
	others  map[int32]serde.Name
	numbers map[string]int32
}

func (e *enum) name(n int32) (name serde.Name, ok bool) {
	if uint32(n) < uint32(len(e.dense)) {
		name = e.dense[n]
		return name, name != serde.Name{}
	}
	name, ok = e.others[n]
	return name, ok
}

// A compiler makes tables. Messages wait in a queue, since they may contain each other.
type compiler struct {
	p         *program
	jsonNames bool
	tables    map[protoreflect.FullName]*table
	enums     map[protoreflect.FullName]*enum
	names     map[string]serde.Name
	queue     []protoreflect.MessageDescriptor
}

func compile(d protoreflect.MessageDescriptor, jsonNames bool) (*program, error) {
	c := compiler{
		p: &program{}, jsonNames: jsonNames, tables: make(map[protoreflect.FullName]*table),
		enums: make(map[protoreflect.FullName]*enum), names: make(map[string]serde.Name),
	}
	c.p.root = c.table(d)
	for len(c.queue) > 0 {
		next := c.queue[0]
		c.queue = c.queue[1:]
		if err := c.fill(c.tables[next.FullName()], next); err != nil {
			return nil, fmt.Errorf("protobuf: compile %.200s: %w", next.FullName(), err)
		}
	}
	return c.p, nil
}

// table is the table of d, which is filled later.
func (c *compiler) table(d protoreflect.MessageDescriptor) *table {
	t := c.tables[d.FullName()]
	if t == nil {
		t = &table{name: string(d.FullName()), shape: shapeOf(d)}
		c.tables[d.FullName()] = t
		c.queue = append(c.queue, d)
	}
	return t
}

func (c *compiler) fill(t *table, d protoreflect.MessageDescriptor) error {
	fields := d.Fields()
	t.fields = make([]field, fields.Len())
	t.byName = make(map[string]int, fields.Len())
	t.most = 1
	oneofs := make(map[protoreflect.FullName]int)
	for i := range t.fields {
		fd, f := fields.Get(i), &t.fields[i]
		if err := c.field(f, fd); err != nil {
			return err
		}
		if o := fd.ContainingOneof(); o != nil && !o.IsSynthetic() {
			if oneofs[o.FullName()] == 0 {
				oneofs[o.FullName()] = len(oneofs) + 1
				t.most++
			}
			f.oneof = oneofs[o.FullName()]
		} else {
			t.most++
		}
		t.byNumber = append(t.byNumber, numbered{int32(f.number), int32(i)})
	}
	t.oneofs, t.slots = len(oneofs), len(t.fields)+len(oneofs)
	slices.SortFunc(t.byNumber, func(a, b numbered) int { return int(a.number) - int(b.number) })
	return c.memberNames(t, fields)
}

// memberNames says which field a member's name means: JSON names yield to declared ones, but two fields never share a name of the output.
func (c *compiler) memberNames(t *table, fields protoreflect.FieldDescriptors) error {
	for i := range t.fields {
		if _, ok := t.byName[fields.Get(i).JSONName()]; ok && c.jsonNames {
			return fmt.Errorf("two fields have the JSON name %.200q", fields.Get(i).JSONName())
		}
		t.byName[fields.Get(i).JSONName()] = i
	}
	if c.jsonNames {
		for i := range t.fields {
			if _, ok := t.byName[string(fields.Get(i).Name())]; !ok {
				t.byName[string(fields.Get(i).Name())] = i
			}
		}
		return nil
	}
	for i := range t.fields {
		t.byName[string(fields.Get(i).Name())] = i
	}
	return nil
}

func (c *compiler) field(f *field, d protoreflect.FieldDescriptor) (err error) {
	f.text = string(d.Name())
	if c.jsonNames {
		f.text = d.JSONName()
	}
	if f.name, err = c.name(f.text); err != nil {
		return err
	}
	f.number, f.kind, f.wire = d.Number(), d.Kind(), wireOf(d.Kind())
	f.presence, f.required = d.HasPresence(), d.Cardinality() == protoreflect.Required
	switch {
	case d.IsMap():
		f.form, f.key, f.value = mapped, &field{}, &field{}
		c.p.textKeys = c.p.textKeys || d.MapKey().Kind() != protoreflect.StringKind
		if err = c.field(f.key, d.MapKey()); err != nil {
			return err
		}
		return c.field(f.value, d.MapValue())
	case d.IsList():
		f.form = list
		f.packable, f.packed = f.wire != protowire.BytesType && f.wire != protowire.StartGroupType, d.IsPacked()
	}
	switch f.kind {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		f.message = c.table(d.Message())
	case protoreflect.EnumKind:
		f.enum, err = c.enum(d.Enum())
	}
	return err
}

func (c *compiler) name(text string) (serde.Name, error) {
	name, ok := c.names[text]
	if ok {
		return name, nil
	}
	name, err := c.p.names.Add(text)
	c.names[text] = name
	return name, err
}

// enum lists names by number. Where several names have one number, it is the first.
func (c *compiler) enum(d protoreflect.EnumDescriptor) (*enum, error) {
	if e := c.enums[d.FullName()]; e != nil {
		return e, nil
	}
	values := d.Values()
	e := &enum{first: int32(values.Get(0).Number()), others: make(map[int32]serde.Name), numbers: make(map[string]int32, values.Len())}
	e.dense = make([]serde.Name, values.Len())
	for i := range values.Len() {
		text, n := string(values.Get(i).Name()), int32(values.Get(i).Number())
		e.numbers[text] = n
		if _, ok := e.name(n); ok {
			continue
		}
		name, err := c.name(text)
		if err != nil {
			return nil, err
		}
		if uint32(n) < uint32(len(e.dense)) {
			e.dense[n] = name
		} else {
			e.others[n] = name
		}
	}
	c.enums[d.FullName()] = e
	return e, nil
}

func wireOf(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	}
	return protowire.VarintType
}

// shapeOf is asObject for a message that only has the name of a well-known type.
func shapeOf(d protoreflect.MessageDescriptor) shape {
	if d.ParentFile().Package() != "google.protobuf" || d.FullName().Parent() != "google.protobuf" {
		return asObject
	}
	type k = protoreflect.Kind
	is := func(numbers int, kinds ...k) bool {
		for i := range d.Fields().Len() {
			f := d.Fields().Get(i)
			if i >= len(kinds) || f.Kind() != kinds[i] || int(f.Number()) != i+1 {
				return false
			}
		}
		return d.Fields().Len() == numbers
	}
	only := func() protoreflect.FieldDescriptor { return d.Fields().Get(0) }
	const message = protoreflect.MessageKind
	switch name := d.Name(); name {
	case "Timestamp", "Duration":
		if !is(2, protoreflect.Int64Kind, protoreflect.Int32Kind) || only().IsList() || d.Fields().Get(1).IsList() {
			return asObject
		}
		if name == "Timestamp" {
			return asTimestamp
		}
		return asDuration
	case "DoubleValue", "FloatValue", "Int64Value", "UInt64Value", "Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue":
		if d.Fields().Len() == 1 && only().Message() == nil && only().Cardinality() == protoreflect.Optional && only().Enum() == nil {
			return asWrapper
		}
	case "Struct":
		if is(1, message) && only().IsMap() && only().MapKey().Kind() == protoreflect.StringKind && isType(only().MapValue(), "Value") {
			return asStruct
		}
	case "ListValue":
		if is(1, message) && only().IsList() && isType(only(), "Value") {
			return asList
		}
	case "Value":
		if is(6, protoreflect.EnumKind, protoreflect.DoubleKind, protoreflect.StringKind, protoreflect.BoolKind, message, message) &&
			d.Oneofs().Len() == 1 && d.Oneofs().Get(0).Fields().Len() == 6 && isType(d.Fields().Get(4), "Struct") && isType(d.Fields().Get(5), "ListValue") {
			return asValue
		}
	}
	return asObject
}

// isType reports whether a field's type is the well-known one of that name.
func isType(d protoreflect.FieldDescriptor, name string) bool {
	return d.Message() != nil && d.Message().FullName() == protoreflect.FullName("google.protobuf."+name)
}
