package glue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zlib"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// EncoderConfig is the glue encoder's configuration.
type EncoderConfig struct {
	Connection `yaml:",inline"`
	// Name of the schema. {topic} is the name of the topic.
	Schema string `yaml:"schema"`
	// The schema itself, which must be registered under that name, in any version: its text, or {file: PATH}.
	Definition string `yaml:"definition"`
	// Format of the schema: AVRO, JSON or PROTOBUF.
	Format string `yaml:"format"`
	// Protobuf message, by its full name. Empty: the only one of the schema that isn't inside another.
	Message string `yaml:"message"`
	// Compression of values: none or zlib.
	Compression string `yaml:"compression"`
	// Whether a definition that isn't registered is. Needs glue:RegisterSchemaVersion, and glue:CreateSchema for the first one of a name.
	Register bool `yaml:"register"`
	// What later versions of a schema that is created have to be compatible with: NONE, DISABLED, BACKWARD, BACKWARD_ALL, FORWARD, FORWARD_ALL, FULL or FULL_ALL.
	Compatibility string `yaml:"compatibility"`
}

// The values of compression.
const (
	compressionNone = "none"
	compressionZlib = "zlib"
)

// compatibilities are what AWS Glue knows (API reference, CreateSchema).
var compatibilities = []string{"NONE", "DISABLED", "BACKWARD", "BACKWARD_ALL", "FORWARD", "FORWARD_ALL", "FULL", "FULL_ALL"}

// maxDefinition is the longest definition that AWS Glue takes, in characters (AWS Glue endpoints and quotas, "Schema version size").
const maxDefinition = 170_000

// DefaultEncoderConfig is the settings that need not be named. It lacks a definition.
func DefaultEncoderConfig() EncoderConfig {
	return EncoderConfig{Connection: defaultConnection(), Schema: registry.TopicField, Format: string(serde.Avro), Compression: compressionNone, Compatibility: "BACKWARD"}
}

// Validate checks the settings without a connection.
func (c EncoderConfig) Validate() error {
	errs := []error{
		c.Connection.validate(), checkName("schema", c.Schema, false),
		registry.OneOf("format", c.Format, string(serde.Avro), string(serde.JSONSchema), string(serde.Protobuf)),
		registry.OneOf("compression", c.Compression, compressionNone, compressionZlib), registry.OneOf("compatibility", c.Compatibility, compatibilities...),
	}
	switch {
	case c.Definition == "":
		errs = append(errs, errors.New("definition is missing: the schema that values are written with"))
	case len([]rune(c.Definition)) > maxDefinition:
		errs = append(errs, fmt.Errorf("definition has %d characters; AWS Glue takes %d", len([]rune(c.Definition)), maxDefinition))
	case c.Message != "" && c.Format != string(serde.Protobuf):
		errs = append(errs, fmt.Errorf("message is for format PROTOBUF, not %s", c.Format))
	default:
		if _, err := (registry.Formats{ValidateJSON: true}).Compile(c.schema()); err != nil {
			errs = append(errs, fmt.Errorf("definition: %w", err))
		}
	}
	return errors.Join(errs...)
}

// schema is what isn't registered yet.
func (c EncoderConfig) schema() *serde.Schema {
	return &serde.Schema{Format: serde.Format(c.Format), Text: c.Definition}
}

// An Encoder writes values as AWS Glue's serializers do. It is safe for concurrent use. Close ends it.
type Encoder struct {
	topics    *registry.Cache[string]
	client    *Client
	message   string
	compress  bool
	deflaters sync.Pool // of *deflater
}

var (
	_ serde.Encoder    = (*Encoder)(nil)
	_ serde.SchemaUser = (*Encoder)(nil)
)

// Open makes an Encoder. It calls nothing but what the SDK asks for a profile.
func (c EncoderConfig) Open(ctx context.Context) (*Encoder, error) {
	if err := c.Validate(); err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	client, err := c.connect(ctx, registerTimeout)
	if err != nil {
		return nil, err
	}
	r := registrar{client.versions, c}
	return &Encoder{
		topics: registry.NewCache(registry.Options[string]{
			Lookup: r.lookup, Formats: registry.Formats{ValidateJSON: true}, CallTimeout: registerTimeout,
			Text:   func(topic string) string { return "of topic " + topic },
			Topic:  func(topic string) string { return topic },
			Denied: func(err error) error { return connector.Systemic.Errorf("%v: look at schema and definition", err) },
		}),
		message: c.Message, compress: c.Compression == compressionZlib, client: client,
	}, nil
}

// Close ends the lookups that are under way.
func (e *Encoder) Close() error {
	e.topics.Close()
	return e.client.Close()
}

// Schemas are those that were found or registered so far.
func (e *Encoder) Schemas() []serde.SchemaUse { return e.topics.Schemas() }

// Encode appends v as AWS Glue's serializers write it: the header, and v by the schema of the topic, compressed if the settings say so. A null is written by the
// schema too: who wants a tombstone writes no value.
func (e *Encoder) Encode(ctx context.Context, dst []byte, topic string, v serde.Value) ([]byte, error) {
	codec, err := e.topics.Codec(ctx, topic)
	if err != nil {
		return dst, err
	}
	id, err := ParseID(codec.Schema.ID)
	if err != nil {
		return dst, &serde.Unavailable{Err: fmt.Errorf("AWS Glue's answer: %w", err)}
	}
	out := AppendHeader(dst, id, e.compress)
	if e.compress {
		out, err = e.deflated(out, codec, v)
	} else {
		out, err = codec.Append(out, registry.GlueFraming, e.message, v)
	}
	if err != nil {
		return dst, fmt.Errorf("%s: %w", named(codec.Schema), err)
	}
	return out, nil
}

// A deflater packs payloads (zlib, RFC 1950). It is reused, one value at a time.
type deflater struct {
	plain  []byte
	packed bytes.Buffer
	zlib   *zlib.Writer
}

// deflated appends v compressed.
func (e *Encoder) deflated(dst []byte, codec *registry.Codec, v serde.Value) (out []byte, err error) {
	d, ok := e.deflaters.Get().(*deflater)
	if !ok {
		d = &deflater{}
		d.zlib = zlib.NewWriter(&d.packed)
	}
	defer func() {
		if cap(d.plain) <= keepScratch && d.packed.Cap() <= keepScratch {
			e.deflaters.Put(d)
		}
	}()
	if d.plain, err = codec.Append(d.plain[:0], registry.GlueFraming, e.message, v); err != nil {
		return nil, err
	}
	d.packed.Reset()
	d.zlib.Reset(&d.packed)
	if _, err = d.zlib.Write(d.plain); err == nil {
		err = d.zlib.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("pack the payload (zlib): %w", err)
	}
	return append(dst, d.packed.Bytes()...), nil
}
