package registry

import (
	"fmt"

	"github.com/millrace/millrace/serde"
)

// Formats says how schemas are decoded with. The zero value is the default.
type Formats struct {
	Timestamps   string       // what Avro's and Protobuf's timestamps become: rfc3339, a Timestamp, which is the default; or epoch, the number
	Reader       string       // an Avro schema that values are resolved to; "": none
	Message      string       // full name of the Protobuf message of Bare values; "": the only one that isn't inside another
	ValidateJSON bool         // JSON is validated by its schema
	Limits       serde.Limits // of JSON documents; Depth counts for Avro, and Nodes for Avro and Protobuf too
}

// A Codec decodes and encodes values of one schema. It is safe for concurrent use.
type Codec struct {
	Schema *serde.Schema

	format format
}

// A format is what a Codec knows of its schema.
type format interface {
	decode(t *serde.Tape, f Framing, data []byte) (serde.Value, error)
	append(dst []byte, f Framing, message string, v serde.Value) ([]byte, error)
}

// Validate checks the settings.
func (o Formats) Validate() error {
	_, err := o.reader()
	return err
}

// Compile makes the Codec of a schema, which must not be changed from then on. The codec's own Schema is a copy with the Reader where values are resolved to one.
func (o Formats) Compile(s *serde.Schema) (*Codec, error) {
	var (
		f   format
		err error
	)
	switch s.Format {
	case serde.Avro:
		if o.Reader != "" {
			resolved := *s
			resolved.Reader = o.Reader
			s = &resolved
		}
		f, err = o.avro(s)
	case serde.JSONSchema:
		f, err = o.json(s)
	case serde.Protobuf:
		f, err = o.protobuf(s)
	default:
		err = fmt.Errorf("its format is %q", s.Format)
	}
	if err != nil {
		return nil, err
	}
	return &Codec{Schema: s, format: f}, nil
}

// Decode is the value of what follows a wire format's header. The value borrows data; its Schema is the codec's.
func (c *Codec) Decode(t *serde.Tape, f Framing, data []byte) (serde.Value, error) {
	return c.format.decode(t, f, data)
}

// Append appends what follows a wire format's header, or of an error nothing. message is the full name of the Protobuf message, "": Formats.Message; the other
// formats have no use for it.
func (c *Codec) Append(dst []byte, f Framing, message string, v serde.Value) ([]byte, error) {
	out, err := c.format.append(dst, f, message, v)
	if err != nil {
		return dst, err
	}
	return out, nil
}
