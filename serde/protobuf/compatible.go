package protobuf

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

const maxProblems = 100 // that Compatible lists

// Compatible says, in short sentences, why messages written with writer can't be read with reader, or would lose values: nothing
// if they can. Messages are compared by their full names, fields by their numbers, as the bytes have them.
func Compatible(reader, writer *File) []string {
	c := comparison{seen: make(map[protoreflect.FullName]bool)}
	for _, w := range writer.messages {
		if w.desc.IsMapEntry() {
			continue
		}
		if r := reader.byName[w.Name()]; r == nil {
			c.add("message %s is missing", w.Name())
		} else {
			c.message(r.desc, w.desc)
		}
	}
	for len(c.queue) > 0 {
		next := c.queue[0]
		c.queue = c.queue[1:]
		c.fields(next.reader, next.writer)
	}
	return c.problems
}

// A comparison collects what is wrong. Messages wait in a queue, since they may contain each other.
type comparison struct {
	problems []string
	seen     map[protoreflect.FullName]bool
	queue    []versions
}

type versions struct {
	reader, writer protoreflect.MessageDescriptor
}

func (c *comparison) add(format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

// message compares two messages of one name later, once.
func (c *comparison) message(r, w protoreflect.MessageDescriptor) {
	if !c.seen[w.FullName()] {
		c.seen[w.FullName()] = true
		c.queue = append(c.queue, versions{r, w})
	}
}

func (c *comparison) fields(r, w protoreflect.MessageDescriptor) {
	for i := range w.Fields().Len() {
		wf := w.Fields().Get(i)
		if rf := r.Fields().ByNumber(wf.Number()); rf != nil {
			c.field(rf, wf)
		} else if moved := r.Fields().ByName(wf.Name()); moved != nil {
			c.add("field %s has the number %d, and %d for the writer", path(moved), moved.Number(), wf.Number())
		}
	}
	for i := range r.Fields().Len() {
		rf := r.Fields().Get(i)
		if rf.Cardinality() != protoreflect.Required {
			continue
		}
		if wf := w.Fields().ByNumber(rf.Number()); wf == nil || wf.Cardinality() != protoreflect.Required {
			c.add("field %s (%d) is required, and the writer may leave it out", path(rf), rf.Number())
		}
	}
	for i := range r.Oneofs().Len() {
		c.oneof(r.Oneofs().Get(i), w)
	}
}

// field compares two fields of one number.
func (c *comparison) field(r, w protoreflect.FieldDescriptor) {
	rt, wt := typeOf(r), typeOf(w)
	switch {
	case r.IsMap() && w.IsMap():
		c.field(r.MapKey(), w.MapKey())
		c.field(r.MapValue(), w.MapValue())
	case r.IsMap() != w.IsMap(), kindGroup(r) != kindGroup(w), r.Message() != nil && r.Message().FullName() != w.Message().FullName():
		if r.Name() != w.Name() {
			c.add("field number %d of %s is %s %s, and was used for %s %s by the writer", r.Number(), r.Parent().FullName(), rt, r.Name(), wt, w.Name())
		} else {
			c.add("field %s (%d) is %s, and %s for the writer", path(r), r.Number(), rt, wt)
		}
	case w.IsList() && !r.IsList() && r.Message() == nil && !isText(r):
		c.add("field %s (%d) is %s, and %s for the writer", path(r), r.Number(), rt, wt)
	case r.Message() != nil:
		c.message(r.Message(), w.Message())
	}
}

// oneof finds fields that the writer can set together and that exclude each other for the reader.
func (c *comparison) oneof(r protoreflect.OneofDescriptor, w protoreflect.MessageDescriptor) {
	var first protoreflect.FieldDescriptor
	for i := range r.Fields().Len() {
		f := w.Fields().ByNumber(r.Fields().Get(i).Number())
		switch {
		case f == nil:
		case first == nil:
			first = f
		case f.ContainingOneof() == nil || f.ContainingOneof() != first.ContainingOneof():
			c.add("oneof %s.%s has %s and %s, which the writer may set together", r.Parent().FullName(), r.Name(), first.Name(), f.Name())
			return
		}
	}
}

func path(f protoreflect.FieldDescriptor) string {
	return fmt.Sprintf("%s.%s", f.Parent().FullName(), f.Name())
}

// typeOf is a field's type as the schema writes it.
func typeOf(f protoreflect.FieldDescriptor) string {
	name := f.Kind().String()
	switch {
	case f.IsMap():
		return "map<" + typeOf(f.MapKey()) + ", " + typeOf(f.MapValue()) + ">"
	case f.Message() != nil:
		name = string(f.Message().FullName())
		if f.Kind() == protoreflect.GroupKind {
			name = "group " + name
		}
	case f.Enum() != nil:
		name = string(f.Enum().FullName())
	}
	if f.IsList() {
		return "repeated " + name
	}
	return name
}

// kindGroup is the first of the kinds that can be read as each other (protobuf.dev, "Updating A Message Type").
func kindGroup(f protoreflect.FieldDescriptor) protoreflect.Kind {
	for _, group := range [][]protoreflect.Kind{
		{protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.BoolKind, protoreflect.EnumKind},
		{protoreflect.Sint32Kind, protoreflect.Sint64Kind},
		{protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind},
		{protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind},
		{protoreflect.StringKind, protoreflect.BytesKind},
	} {
		if slices.Contains(group, f.Kind()) {
			return group[0]
		}
	}
	return f.Kind()
}

func isText(f protoreflect.FieldDescriptor) bool {
	return f.Kind() == protoreflect.StringKind || f.Kind() == protoreflect.BytesKind
}
