package protobuf

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/millrace/millrace/serde"
)

// Config is the protobuf decoder's configuration: for messages whose schema is known beforehand.
type Config struct {
	// The schema: text of a .proto file, of at most 1 MiB. It may import google/protobuf/*.proto and nothing else; a descriptor_set can hold any imports.
	Schema string `yaml:"schema"`
	// Path of a FileDescriptorSet, instead of schema, as `protoc --include_imports --descriptor_set_out=PATH` and `buf build -o PATH` write it.
	DescriptorSet string `yaml:"descriptor_set"`
	// Full name of the message type, such as fleet.v1.Vehicle. It may be left out where the schema has only one that isn't inside another.
	Message string `yaml:"message"`
	// Name members as protobuf's JSON does, such as vehicleId, and not as the schema declares them, such as vehicle_id.
	JSONNames bool `yaml:"json_names"`
	// What google.protobuf.Timestamp becomes: rfc3339, a timestamp that JSON shows by RFC 3339, or epoch, an integer of microseconds since 1970. Default rfc3339.
	Timestamps Timestamps `yaml:"timestamps"`
	// Values of a message, arrays and objects counted too. Each takes 24 bytes of memory. Default: the bytes of the message and 16384.
	Nodes int `yaml:"nodes"`
}

// DefaultConfig is a Config without a schema, which Validate asks for.
func DefaultConfig() Config { return Config{Timestamps: RFC3339} }

const maxNodes = 1 << 28

// Validate compiles the schema's text, if there is one, and looks for the message in it. It doesn't read the descriptor set.
func (c Config) Validate() error {
	switch {
	case c.Schema == "" && c.DescriptorSet == "":
		return errors.New("set schema or descriptor_set")
	case c.Schema != "" && c.DescriptorSet != "":
		return errors.New("schema and descriptor_set are both set; set one of them")
	case c.Timestamps != "" && c.Timestamps != RFC3339 && c.Timestamps != Epoch:
		return fmt.Errorf("timestamps is %q, expected rfc3339 or epoch", c.Timestamps)
	case c.Nodes < 0 || c.Nodes > maxNodes:
		return fmt.Errorf("nodes is %d, expected 1 to %d, or 0 for the default", c.Nodes, maxNodes)
	case c.DescriptorSet != "":
		return nil
	}
	_, err := c.message()
	return err
}

// message is the message type that the configuration names.
func (c Config) message() (*Message, error) {
	f, text, err := c.file()
	if err != nil {
		return nil, err
	}
	m, err := f.Message(c.Message)
	if err != nil {
		return nil, fmt.Errorf("%w (setting message)", err)
	}
	f = f.With(Options{
		JSONNames: c.JSONNames, Timestamps: c.Timestamps, Nodes: c.Nodes,
		Schema: &serde.Schema{Format: serde.Protobuf, Name: m.Name(), Text: text},
	})
	if m, err = f.Message(m.Name()); err != nil {
		return nil, err
	}
	_, err = m.compiled()
	return m, err
}

// file is the schema, and its text as ParseSchema takes it.
func (c Config) file() (*File, string, error) {
	if c.DescriptorSet == "" {
		f, err := Parse(c.Schema)
		if err != nil {
			return nil, "", fmt.Errorf("%w (setting schema)", err)
		}
		return f, c.Schema, nil
	}
	data, err := readFile(c.DescriptorSet)
	if err != nil {
		return nil, "", fmt.Errorf("protobuf: read descriptor_set: %w", err)
	}
	f, err := ParseDescriptorSet(data)
	if err != nil {
		return nil, "", fmt.Errorf("%w (descriptor_set %s)", err, c.DescriptorSet)
	}
	return f, base64.StdEncoding.EncodeToString(data), nil
}

// readFile reads a file, but not much more than a descriptor set may have.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSet+1))
}

// A Decoder decodes messages of one type. It is safe for concurrent use.
type Decoder struct{ message *Message }

var _ serde.Decoder = (*Decoder)(nil)

// New makes a Decoder. It reads the descriptor set, if there is one.
func New(c Config) (*Decoder, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m, err := c.message()
	if err != nil {
		return nil, err
	}
	return &Decoder{message: m}, nil
}

// Decode makes a value of a message, and null where Kafka holds no value. The value borrows data.
func (d *Decoder) Decode(_ context.Context, t *serde.Tape, _ string, data []byte) (serde.Value, error) {
	return d.message.Decode(t, data)
}
