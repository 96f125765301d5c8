package protobuf

import (
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
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
	err     error
	pool    sync.Pool // of *decoder
}

// Name is the full name: "fleet.v1.Vehicle".
func (m *Message) Name() string { return string(m.desc.FullName()) }

func (m *Message) compiled() (*program, error) {
	m.once.Do(func() { m.program, m.err = compile(m.desc, m.options.JSONNames) })
	return m.program, m.err
}
