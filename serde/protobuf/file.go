package protobuf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/millrace/millrace/serde"
)

// Timestamps says what google.protobuf.Timestamp becomes.
type Timestamps string

// What a Timestamp becomes.
const (
	RFC3339 Timestamps = "rfc3339" // a serde.Timestamp, which JSON writes by RFC 3339
	Epoch   Timestamps = "epoch"   // an Int64 of microseconds since 1970-01-01T00:00Z; what is finer is cut off
)

// Options say how messages become values. The zero Options are the defaults.
type Options struct {
	// JSONNames names members as protobuf's JSON does, in lowerCamel, and not as the schema declares them.
	JSONNames bool
	// Timestamps is RFC3339 if it is empty.
	Timestamps Timestamps
	// Nodes is how many scalars, arrays and objects a value may have; each takes 24 bytes. 0 is one per byte of the message and 16,384.
	Nodes int
	// Schema is what decoded values say that they were written with, with the message's name as its Type; nil for nothing. All values of a Message
	// share one.
	Schema *serde.Schema
}

// A File is a .proto file with what it imports. It doesn't change and may be used by many goroutines.
type File struct {
	desc     protoreflect.FileDescriptor
	messages []*Message // of the file itself: each before those inside it
	top      []*Message // those that aren't inside another
	glue     []*Message // the same, in the order of Glue's index
	byName   map[string]*Message
	all      []protoreflect.FileDescriptor // desc and the imported files
}

// newFile lists the messages of main and of what it imports. others are further files whose messages can be used.
func newFile(main protoreflect.FileDescriptor, others ...protoreflect.FileDescriptor) *File {
	f := &File{desc: main, all: []protoreflect.FileDescriptor{main}}
	seen := map[string]bool{main.Path(): true}
	add := func(d protoreflect.FileDescriptor) {
		if !seen[d.Path()] && !d.IsPlaceholder() {
			seen[d.Path()] = true
			f.all = append(f.all, d)
		}
	}
	for _, d := range others {
		add(d)
	}
	for next := 0; next != len(f.all); next++ { // it grows
		for imports, j := f.all[next].Imports(), 0; j < imports.Len(); j++ {
			add(imports.Get(j).FileDescriptor)
		}
	}
	return f.With(Options{})
}

// With is the file with messages that decode by the options.
func (f *File) With(o Options) *File {
	g := &File{desc: f.desc, all: f.all, byName: make(map[string]*Message)}
	g.top = g.list(g.desc.Messages(), nil, o)
	for _, m := range g.messages {
		g.byName[m.Name()] = m
	}
	g.glue = slices.Clone(g.messages)
	slices.SortFunc(g.glue, func(a, b *Message) int { return strings.Compare(a.Name(), b.Name()) })
	for i, m := range g.glue {
		m.glue = i
	}
	for _, d := range g.all[1:] {
		g.addImported(d.Messages(), o)
	}
	return g
}

// list makes the messages of a scope and those inside them, and returns those that paths count. path leads to the scope.
func (f *File) list(in protoreflect.MessageDescriptors, path []int, o Options) (counted []*Message) {
	for i := range in.Len() {
		m := &Message{desc: in.Get(i), options: o}
		f.messages = append(f.messages, m)
		if m.desc.IsMapEntry() {
			continue
		}
		m.path = append(slices.Clip(path), len(counted))
		m.inside = f.list(m.desc.Messages(), m.path, o)
		counted = append(counted, m)
	}
	return counted
}

// addImported makes the messages of another file, which have no indexes.
func (f *File) addImported(in protoreflect.MessageDescriptors, o Options) {
	for i := range in.Len() {
		m := &Message{desc: in.Get(i), options: o, glue: -1}
		f.byName[m.Name()] = m
		f.addImported(m.desc.Messages(), o)
	}
}

// Message is the message type of a full name, "fleet.v1.Vehicle", which the file or one of its imports declares. If there is no name, it
// is the only message type that isn't inside another one.
func (f *File) Message(fullName string) (*Message, error) {
	if fullName != "" {
		if m := f.byName[fullName]; m != nil && !m.desc.IsMapEntry() {
			return m, nil
		}
		return nil, fmt.Errorf("protobuf: the schema has no message %.200q: it has %s", fullName, f.names())
	}
	switch top := f.desc.Messages(); top.Len() {
	case 0:
		return nil, errors.New("protobuf: the schema has no message")
	case 1:
		return f.byName[string(top.Get(0).FullName())], nil
	}
	return nil, fmt.Errorf("protobuf: the schema has several messages, and none was named: it has %s", f.names())
}

// names lists the file's messages for errors.
func (f *File) names() string {
	const most = 20
	names := []string{}
	for _, m := range f.messages {
		if m.desc.IsMapEntry() {
			continue
		}
		if len(names) == most {
			names = append(names, "...")
			break
		}
		names = append(names, m.Name())
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
