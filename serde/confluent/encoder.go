package confluent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// EncoderConfig is the confluent encoder's configuration.
type EncoderConfig struct {
	Connection `yaml:",inline"`
	// Subject of the schema; {topic} is the name of the topic.
	Subject string `yaml:"subject" kind:"template"`
	// The schema itself: its text, or {file: PATH}. Empty: the newest version that the subject has when a topic is first written to.
	Definition string `yaml:"definition"`
	// Format of definition: AVRO, JSON or PROTOBUF.
	Format string `yaml:"format"`
	// What definition imports.
	References []Reference `yaml:"references"`
	// Protobuf message, by its full name. Empty: the only one that the schema has beside those inside of others.
	Message string `yaml:"message"`
	// Whether a definition becomes a version of the subject where it isn't one.
	Register bool `yaml:"register"`
}

// A Reference is a schema that a definition imports.
type Reference struct {
	// What the definition calls it: the full name of an Avro type, the path of a .proto file, the URL of a JSON Schema.
	Name string `yaml:"name" key:"true"`
	// Subject of the schema.
	Subject string `yaml:"subject"`
	// Number of the subject's version.
	Version int `yaml:"version"`
}

// DefaultEncoderConfig is the settings that need not be named. It lacks a URL.
func DefaultEncoderConfig() EncoderConfig {
	return EncoderConfig{Subject: registry.TopicField + "-value", Format: string(serde.Avro)}
}

// Validate checks the settings without a connection.
func (c EncoderConfig) Validate() error {
	errs := []error{
		c.Connection.validate(), checkSubject("subject", c.Subject, false),
		registry.OneOf("format", c.Format, string(serde.Avro), string(serde.JSONSchema), string(serde.Protobuf)),
	}
	for _, r := range c.References {
		if r.Name == "" || r.Subject == "" || r.Version < 1 || r.Version > math.MaxInt32 {
			errs = append(errs, fmt.Errorf("references: %q needs a name, a subject and a version from 1", r.Name))
		}
	}
	switch {
	case c.Definition == "" && (c.Register || len(c.References) > 0):
		errs = append(errs, errors.New("register and references need definition"))
	case len(c.Definition) > maxSchema:
		errs = append(errs, fmt.Errorf("definition has %d bytes; at most %d are possible", len(c.Definition), maxSchema))
	case c.Definition != "" && len(c.References) == 0: // what it imports can't be seen here
		if _, err := c.formats().Compile(&serde.Schema{Format: serde.Format(c.Format), Text: c.Definition}); err != nil {
			errs = append(errs, fmt.Errorf("definition: %w", err))
		}
	}
	return errors.Join(errs...)
}

// formats are how values are written: never such as don't fit their schema.
func (c EncoderConfig) formats() registry.Formats {
	return registry.Formats{Message: c.Message, ValidateJSON: true}
}

// An Encoder writes what Confluent's deserializers read. It looks up, or registers, the schema of a topic once. It is safe for
// concurrent use. Close ends it.
type Encoder struct {
	client *Client
	config EncoderConfig
	topics *registry.Cache[string]
}

var (
	_ serde.Encoder    = (*Encoder)(nil)
	_ serde.SchemaUser = (*Encoder)(nil)
)

// Open makes an Encoder. It makes no connection: the schema of a topic is looked up when it is first written to.
func (c EncoderConfig) Open(context.Context) (*Encoder, error) {
	if err := c.Validate(); err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	client, err := c.Connect()
	if err != nil {
		return nil, err
	}
	e := &Encoder{client: client, config: c}
	e.topics = registry.NewCache(registry.Options[string]{
		Lookup: e.lookup, Denied: c.denied, Formats: c.formats(), CallTimeout: callTimeout,
		Text:  func(topic string) string { return "of topic " + topic },
		Topic: func(topic string) string { return topic },
	})
	return e, nil
}

// Close ends the lookups that are under way. Topics whose schema is known can still be written to.
func (e *Encoder) Close() error {
	e.topics.Close()
	return e.client.Close()
}

// Schemas are those that were looked up so far.
func (e *Encoder) Schemas() []serde.SchemaUse { return e.topics.Schemas() }

// Encode appends the header and the value. A null is written by the schema too: who wants a tombstone writes no value. An error is of type *[serde.Unavailable] while the registry can't be asked, or doesn't take the
// schema; any other says that v doesn't fit the schema.
func (e *Encoder) Encode(ctx context.Context, dst []byte, topic string, v serde.Value) ([]byte, error) {
	codec, err := e.topics.Codec(ctx, topic)
	if err != nil {
		return dst, err
	}
	id, err := strconv.ParseUint(codec.Schema.ID, 10, 32)
	if err != nil {
		return dst, fmt.Errorf("read the id of %s: %w", codec.Schema.Name, err)
	}
	out := AppendHeader(dst, uint32(id))
	if unframed(codec.Schema) {
		text, ok := v.Text()
		if !ok || v.Kind() != serde.Bytes {
			return dst, fmt.Errorf("%s: the value is of kind %s, want bytes", named(codec.Schema), v.Kind())
		}
		return append(out, text...), nil
	}
	if out, err = codec.Append(out, registry.ConfluentFraming, e.config.Message, v); err != nil {
		return dst, fmt.Errorf("%s: %w", named(codec.Schema), err)
	}
	return out, nil
}

// lookup finds the schema to write a topic with.
func (e *Encoder) lookup(ctx context.Context, topic string) (*serde.Schema, error) {
	subject := registry.NameFor(e.config.Subject, topic)
	s, err := e.find(ctx, subject)
	if err != nil {
		return nil, fmt.Errorf("subject %s: %w", subject, err)
	}
	return s, nil
}

// denied says what to do about a schema that isn't there, or can't be used.
func (c EncoderConfig) denied(err error) error {
	hint := "look at subject, definition and references"
	if c.Definition != "" && !c.Register && errors.Is(err, registry.ErrNotFound) {
		hint = "register the definition, or set register: true"
	}
	return connector.Systemic.Errorf("%v: %s", err, hint)
}

func (e *Encoder) find(ctx context.Context, subject string) (*serde.Schema, error) {
	if e.config.Definition == "" {
		return e.client.Named(ctx, subject, 0)
	}
	wanted := sr.Schema{Schema: e.config.Definition}
	if err := wanted.Type.UnmarshalText([]byte(e.config.Format)); err != nil {
		return nil, err
	}
	for _, r := range e.config.References {
		wanted.References = append(wanted.References, sr.SchemaReference(r))
	}
	found, err := e.client.registered(ctx, subject, wanted)
	if errors.Is(err, registry.ErrNotFound) && e.config.Register {
		found, err = e.client.register(ctx, subject, wanted)
	}
	if err != nil {
		return nil, err
	}
	found.Schema = wanted // it may have been registered in another spelling
	return e.client.schema(ctx, found)
}

// registered is the version of a subject that has the definition.
func (c *Client) registered(ctx context.Context, subject string, s sr.Schema) (found sr.SubjectSchema, err error) {
	err = c.call(ctx, func(ctx context.Context, r *sr.Client) (err error) {
		found, err = r.LookupSchema(ctx, subject, s)
		if err == nil && found.ID <= 0 {
			err = errNoSchema
		}
		return err
	})
	return found, err
}

// register makes the definition a version of the subject. Doing it twice is doing it once.
func (c *Client) register(ctx context.Context, subject string, s sr.Schema) (sr.SubjectSchema, error) {
	id := 0
	err := c.call(ctx, func(ctx context.Context, r *sr.Client) (err error) {
		id, err = r.RegisterSchema(ctx, subject, s, -1, -1)
		if err == nil && id <= 0 {
			err = errNoSchema
		}
		return err
	})
	if err != nil {
		return sr.SubjectSchema{}, err
	}
	if found, err := c.registered(ctx, subject, s); err == nil && found.ID == id {
		return found, nil
	}
	return sr.SubjectSchema{Subject: subject, ID: id}, nil // its number isn't known, which is for people
}
