package serde

import "context"

// A Format is how a schema is written, and with it the values that it describes.
type Format string

// The formats, as AWS Glue's API names them (GetSchemaVersion, DataFormat).
const (
	Avro       Format = "AVRO"
	JSONSchema Format = "JSON"
	Protobuf   Format = "PROTOBUF"
)

// A Schema is what a value was written with. It is shared by all values that were, and must not be changed.
type Schema struct {
	Format  Format
	Name    string // in its registry; where there is none, that of the file or of the record
	ID      string // of this version in its registry: a UUID in AWS Glue's, a number in Confluent's; "" without a registry
	Version int64  // its number among the versions of Name, from 1; 0 if that isn't known
	Text    string // as it is registered; of a Protobuf descriptor set in a file, that in base64
	Type    string // full name of the type in Text that the value is of, where Text holds several: a Protobuf message; else ""

	// Reader is the schema that values were resolved to, as text, where they were: Avro's reader schema. Values have its members; those that only Text has are
	// gone. "": values are as Text says.
	Reader string

	References []Reference // what Text imports, if it does
}

// A Reference is a schema that another one imports.
type Reference struct {
	Name string // as the other one calls it: the full name of an Avro type, the path of a .proto file, a URL
	Text string
}

// An Encoder turns values into the bytes of keys or values of records.
//
// Encode appends to dst and keeps nothing of v. topic is the topic that the record is for, for encoders that
// choose a schema by it. An Encoder is safe for concurrent use. An error means that v can't be
// encoded, now or later, unless it is an Unavailable error. dst comes back as it was after an error.
type Encoder interface {
	Encode(ctx context.Context, dst []byte, topic string, v Value) ([]byte, error)
}

// Schema is what v, or what v is a part of, was written with: nil where its format has no schemas, and
// for values that were made, by handlers say, or cloned.
func (v Value) Schema() *Schema {
	if v.d == nil {
		return nil
	}
	v.node()
	return v.d.schema
}

// SetSchema says what v was written with. It is for decoders, which call it for a whole value that they decoded, and that
// isn't shared with others yet.
func (v Value) SetSchema(s *Schema) {
	if v.d == nil {
		return
	}
	v.node()
	v.d.schema = s
	if v.d == v.d.t.made {
		v.d.t.made = nil // what is made later isn't of this schema
	}
}

// A SchemaUser is a Decoder that tells which schemas it decodes with. Schemas may be called by any goroutine at any time
// and waits for nothing; what it returned before stays in it.
type SchemaUser interface{ Schemas() []SchemaUse }

// A SchemaUse is a schema that a Decoder decodes with.
type SchemaUse struct {
	Topic  string // of the records that are assumed to be written with it; "" where the records themselves say so
	Schema *Schema
}
