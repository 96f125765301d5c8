package jsonschema

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/json"
)

// Config is the json_schema decoder's configuration.
type Config struct {
	// The JSON Schema that records must be valid by: its text, or {file: PATH}. Drafts 4, 6, 7, 2019-09 and 2020-12; draft 7 if it has no $schema.
	Schema string `yaml:"schema"`
	// Limits of a document; see their own defaults.
	Limits serde.Limits `yaml:",inline"`
}

// DefaultConfig is a Config with every limit at its default. It lacks a schema.
func DefaultConfig() Config { return Config{} }

// Validate reports a schema that can't be compiled, and limits that can't be.
func (c Config) Validate() error {
	_, err := New(c)
	return err
}

// A Decoder decodes JSON documents that are valid by a schema. It is safe for concurrent use.
//
// Validation allocates up to about 1,000 bytes for each value of a document beside the tape's memory, which are garbage when it ends. Where
// documents come from strangers, set Limits.Nodes.
type Decoder struct {
	json   *json.Decoder
	schema *Schema
	is     *serde.Schema
}

var _ serde.Decoder = (*Decoder)(nil)

// New makes a Decoder.
func New(c Config) (*Decoder, error) {
	if c.Schema == "" {
		return nil, errors.New("schema is not set, expected a JSON Schema")
	}
	s, err := Parse(c.Schema)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return NewDecoder(s, &serde.Schema{Format: serde.JSONSchema, Name: s.ID(), Text: c.Schema}, c.Limits)
}

// NewDecoder makes a Decoder of a schema that is compiled already. The values' Schema will be is, which may be nil.
func NewDecoder(s *Schema, is *serde.Schema, l serde.Limits) (*Decoder, error) {
	d, err := json.New(json.Config{Limits: l})
	if err != nil {
		return nil, err
	}
	return &Decoder{json: d, schema: s, is: is}, nil
}

// Decode makes a value of a JSON document that is valid by the schema, and null where Kafka holds no value, which isn't validated. The value borrows
// data. An error is a *[serde.SyntaxError] if data is no JSON.
func (d *Decoder) Decode(ctx context.Context, t *serde.Tape, topic string, data []byte) (serde.Value, error) {
	v, err := d.json.Decode(ctx, t, topic, data)
	if err != nil || data == nil {
		return v, err
	}
	if err := d.schema.Validate(v); err != nil {
		return serde.Value{}, err
	}
	v.SetSchema(d.is)
	return v, nil
}

// ID is the schema's $id, or its title, or nothing.
func (s *Schema) ID() string {
	obj, _ := s.docs.main.(map[string]any)
	for _, key := range []string{"$id", "id", "title"} {
		if id, ok := obj[key].(string); ok {
			return id
		}
	}
	return ""
}
