package registry

import (
	"fmt"
	"sync"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

// An avroFormat reads by a program of the schema and the reader's, and writes by the schema alone.
type avroFormat struct {
	program *avro.Program
	encoder func() (*avro.Encoder, error)
}

func (o Formats) avro(s *serde.Schema) (format, error) {
	writer, err := avro.Parse(s.Text, s.References...)
	if err != nil {
		return nil, err
	}
	options := avro.Options{Schema: s, Timestamps: o.Timestamps, Limits: avro.Limits{Depth: o.Limits.Depth, Nodes: o.Limits.Nodes}}
	if options.Reader, err = o.reader(); err != nil {
		return nil, err
	}
	program, err := avro.Compile(writer, options)
	if err != nil {
		return nil, err
	}
	return &avroFormat{program, sync.OnceValues(func() (*avro.Encoder, error) { return avro.NewEncoder(writer) })}, nil
}

// reader is the reader's schema, nil if there is none.
func (o Formats) reader() (*avro.Schema, error) {
	if o.Reader == "" {
		return nil, nil
	}
	s, err := avro.Parse(o.Reader)
	if err != nil {
		return nil, fmt.Errorf("reader: %w", err)
	}
	return s, nil
}

func (f *avroFormat) decode(t *serde.Tape, _ Framing, data []byte) (serde.Value, error) {
	return f.program.Decode(t, data)
}

func (f *avroFormat) append(dst []byte, _ Framing, _ string, v serde.Value) ([]byte, error) {
	e, err := f.encoder()
	if err != nil {
		return nil, err
	}
	return e.Append(dst, v)
}
