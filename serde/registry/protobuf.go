package registry

import (
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/protobuf"
)

// A protobufFormat is a .proto file, whose messages the framing names.
type protobufFormat struct {
	file *protobuf.File
	bare string // full name of the message where nothing names one
}

func (o Formats) protobuf(s *serde.Schema) (format, error) {
	file, err := protobuf.Parse(s.Text, s.References...)
	if err != nil {
		return nil, err
	}
	options := protobuf.Options{Timestamps: protobuf.Timestamps(o.Timestamps), Nodes: o.Limits.Nodes, Schema: s}
	return &protobufFormat{file.With(options), o.Message}, nil
}

func (f *protobufFormat) decode(t *serde.Tape, framing Framing, data []byte) (serde.Value, error) {
	m, data, err := f.split(framing, data)
	if err != nil {
		return serde.Value{}, err
	}
	return m.Decode(t, data)
}

// split is the message that the framing names, and what follows.
func (f *protobufFormat) split(framing Framing, data []byte) (*protobuf.Message, []byte, error) {
	switch framing {
	case GlueFraming:
		return f.file.GlueSplit(data)
	case ConfluentFraming:
		return f.file.ConfluentSplit(data)
	}
	m, err := f.file.Message(f.bare)
	return m, data, err
}

func (f *protobufFormat) append(dst []byte, framing Framing, message string, v serde.Value) ([]byte, error) {
	if message == "" {
		message = f.bare
	}
	m, err := f.file.Message(message)
	if err != nil {
		return nil, err
	}
	switch framing {
	case GlueFraming:
		dst, err = m.AppendGlueIndex(dst)
	case ConfluentFraming:
		dst, err = m.AppendConfluentIndex(dst)
	}
	if err != nil {
		return nil, err
	}
	return m.Append(dst, v)
}
