package registry

import (
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/jsonschema"
)

// A jsonFormat is JSON, validated or not.
type jsonFormat struct {
	attached *serde.Schema
	limits   serde.Limits
	schema   *jsonschema.Schema // nil: it isn't validated
}

func (o Formats) json(s *serde.Schema) (format, error) {
	f := &jsonFormat{attached: s, limits: o.Limits}
	if !o.ValidateJSON {
		return f, nil
	}
	var err error
	f.schema, err = jsonschema.Parse(s.Text, s.References...)
	return f, err
}

func (f *jsonFormat) decode(t *serde.Tape, _ Framing, data []byte) (serde.Value, error) {
	v, err := t.JSON(data, f.limits)
	if err != nil {
		return serde.Value{}, err
	}
	if err := f.validate(v); err != nil {
		return serde.Value{}, err
	}
	v.SetSchema(f.attached)
	return v, nil
}

func (f *jsonFormat) append(dst []byte, _ Framing, _ string, v serde.Value) ([]byte, error) {
	if err := f.validate(v); err != nil {
		return nil, err
	}
	return v.AppendJSON(dst)
}

func (f *jsonFormat) validate(v serde.Value) error {
	if f.schema == nil {
		return nil
	}
	return f.schema.Validate(v)
}
