package protobuf

import (
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/millrace/millrace/serde"
)

// A Message is a message type of a [File]. It may be used by many goroutines.
type Message struct {
	desc    protoreflect.MessageDescriptor
	options Options
	path    []int      // nil for messages of imported files
	inside  []*Message // that a path counts
	glue    int        // -1 for messages of imported files

	once    sync.Once
	program *program // compiled when it is first used
	schema  *serde.Schema
	err     error
	pool    sync.Pool // of *decoder
}

// Name is the full name: "fleet.v1.Vehicle".
func (m *Message) Name() string { return string(m.desc.FullName()) }

// Descriptor is how the schema declares the message. It doesn't change.
func (m *Message) Descriptor() protoreflect.MessageDescriptor { return m.desc }

func (m *Message) compiled() (*program, error) {
	m.once.Do(func() {
		m.program, m.err = compile(m.desc, m.options.JSONNames)
		m.schema = m.typed(m.options.Schema)
	})
	return m.program, m.err
}

// typed is a schema with the message's name as its Type.
func (m *Message) typed(s *serde.Schema) *serde.Schema {
	if s == nil || s.Type == m.Name() {
		return s
	}
	with := *s
	with.Type = m.Name()
	return &with
}
