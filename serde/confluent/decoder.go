package confluent

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// callTimeout is how long a schema may take with all that it imports.
const callTimeout = 30 * time.Second

// A Decoder decodes values that Confluent's serializers wrote. It is safe for concurrent use. Close ends it.
type Decoder struct {
	client *Client
	ids    *registry.Cache[uint32]
	topics *registry.Assumed // nil: every value has a header
	plain  serde.Decoder     // nil: a value without a header is an error
}

var (
	_ serde.Decoder    = (*Decoder)(nil)
	_ serde.SchemaUser = (*Decoder)(nil)
)

// Open makes a Decoder. It makes no connection: schemas are looked up when values name them.
func (c Config) Open(context.Context) (*Decoder, error) {
	if err := c.Validate(); err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	settings := c.settings()
	plain, err := settings.PlainDecoder()
	if err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	client, err := c.Connect()
	if err != nil {
		return nil, err
	}
	return &Decoder{
		client: client, plain: plain, topics: c.Assume.open(client, settings),
		ids: registry.NewCache(registry.Options[uint32]{
			Lookup: client.ByID, Text: idText, Folder: settings.Folder(), Formats: settings.Formats(), CallTimeout: callTimeout,
		}),
	}, nil
}

// Close ends the lookups that are under way. Schemas that are known can still be decoded with.
func (d *Decoder) Close() error {
	d.ids.Close()
	d.topics.Close()
	return d.client.Close()
}

// Schemas are those that were looked up so far, with the topic where one was assumed.
func (d *Decoder) Schemas() []serde.SchemaUse {
	return append(d.ids.Schemas(), d.topics.Schemas()...)
}

// Decode makes a value of what Confluent's serializers wrote, and null where Kafka holds no value. A value without their header is
// plain, as the settings say; that of a topic with an assumed schema has no header. The value borrows data.
//
// An error is of type *[serde.Unavailable] while it isn't known whether the schema can be had; any other says that data can't be decoded.
func (d *Decoder) Decode(ctx context.Context, t *serde.Tape, topic string, data []byte) (serde.Value, error) {
	if data == nil {
		return t.Null(), nil
	}
	if d.topics.Has(topic) {
		return d.topics.Decode(ctx, t, topic, data)
	}
	id, payload, ok := Split(data)
	if !ok {
		return d.bare(ctx, t, topic, data)
	}
	codec, err := d.ids.Codec(ctx, id)
	if err != nil {
		return serde.Value{}, err
	}
	v, err := decode(ctx, t, codec, topic, payload)
	if err != nil {
		return serde.Value{}, fmt.Errorf("%s: %w", named(codec.Schema), err)
	}
	return v, nil
}

func decode(ctx context.Context, t *serde.Tape, codec *registry.Codec, topic string, payload []byte) (serde.Value, error) {
	if !unframed(codec.Schema) {
		return codec.Decode(t, registry.ConfluentFraming, payload)
	}
	v, err := serde.BytesDecoder{}.Decode(ctx, t, topic, payload)
	if err == nil {
		v.SetSchema(codec.Schema)
	}
	return v, err
}

// unframed reports whether values of a schema are plain bytes: of the Avro type bytes, alone and not inside a record, Confluent's serializer writes
// them without the length that Avro has before them (AbstractKafkaAvroSerializer). A logical type isn't looked at. Registries hold schemas in
// this spelling, which is that of Avro's Java library.
func unframed(s *serde.Schema) bool {
	const object = `{"type":"bytes"`
	return s.Format == serde.Avro && (s.Text == `"bytes"` ||
		strings.HasPrefix(s.Text, object+"}") || strings.HasPrefix(s.Text, object+","))
}

// named is a schema in messages.
func named(s *serde.Schema) string {
	if s.Name == "" {
		return "schema " + s.ID
	}
	return fmt.Sprintf("schema %s (%s, version %d)", s.ID, s.Name, s.Version)
}

// bare decodes a value that has no header.
func (d *Decoder) bare(ctx context.Context, t *serde.Tape, topic string, data []byte) (serde.Value, error) {
	if d.plain == nil {
		return serde.Value{}, fmt.Errorf("the value has no header of a Confluent serializer: %s; confluent.plain says what such a value is, confluent.assume the schema of a topic whose values have none", seen(data))
	}
	v, err := d.plain.Decode(ctx, t, topic, data)
	if err != nil && len(data) > 0 && data[0] < ' ' {
		err = fmt.Errorf("%w; %s", err, seen(data))
	}
	return v, err
}

// seen says what a value without a header begins with.
func seen(data []byte) string {
	const awsGlue = 3 // begins a value of AWS Glue's serializers
	if len(data) == 0 {
		return "it is empty"
	}
	begins := "it begins with " + hex.EncodeToString(data[:min(len(data), HeaderSize)])
	switch {
	case data[0] == 0:
		return fmt.Sprintf("%s, as the header does, but has only %d bytes of %d", begins, len(data), HeaderSize)
	case data[0] == awsGlue && len(data) > 1 && (data[1] == 0 || data[1] == 5):
		return begins + ", as values of AWS Glue do: decode them with glue"
	}
	return begins
}
