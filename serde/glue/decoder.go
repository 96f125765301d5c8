package glue

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// A Decoder decodes values that AWS Glue's serializers wrote. It is safe for concurrent use. Close ends it.
type Decoder struct {
	ids        *registry.Cache[[16]byte]
	topics     *registry.Assumed // nil: every value has a header
	confluent  serde.Decoder     // nil: none
	plain      serde.Decoder     // nil: a value without a header is an error
	maxMessage int
	inflaters  inflaters
	close      []func() error
}

var (
	_ serde.Decoder    = (*Decoder)(nil)
	_ serde.SchemaUser = (*Decoder)(nil)
)

// Open makes a Decoder. It calls nothing but what the SDK asks for a profile: schemas are looked up when values name them.
func (c Config) Open(ctx context.Context) (*Decoder, error) {
	if err := c.Validate(); err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	client, err := c.Connect(ctx)
	if err != nil {
		return nil, err
	}
	d, err := c.decoder(ctx, client.versions)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	d.close = append(d.close, client.Close)
	return d, nil
}

func (c Config) decoder(ctx context.Context, from versions) (*Decoder, error) {
	settings := c.settings()
	plain, err := settings.PlainDecoder()
	if err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	d := &Decoder{plain: plain, maxMessage: int(c.MaxMessage)}
	if len(c.Confluent.URL) > 0 {
		other, err := c.Confluent.Open(ctx)
		if err != nil {
			return nil, err
		}
		d.confluent, d.close = other, append(d.close, other.Close)
	}
	d.ids = registry.NewCache(registry.Options[[16]byte]{Lookup: from.lookup, Text: FormatID, Folder: settings.Folder(), Formats: settings.Formats()})
	d.topics = c.Assume.open(from, settings)
	return d, nil
}

// Close ends the lookups that are under way. Schemas that are known can still be decoded with.
func (d *Decoder) Close() error {
	d.ids.Close()
	d.topics.Close()
	var errs []error
	for _, f := range d.close {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// Schemas are those that were looked up so far, with the topic where one was assumed.
func (d *Decoder) Schemas() []serde.SchemaUse {
	all := append(d.ids.Schemas(), d.topics.Schemas()...)
	if u, ok := d.confluent.(serde.SchemaUser); ok {
		all = append(all, u.Schemas()...)
	}
	return all
}

// Decode makes a value of what AWS Glue's serializers wrote, and null where Kafka holds no value. A value without their header is
// Confluent's or plain, as the settings say; that of a topic with an assumed schema has no header. The value borrows data, and unpacked
// data from t.
//
// An error is of type *[serde.Unavailable] while it isn't known whether the schema can be had; any other says that data can't be decoded.
func (d *Decoder) Decode(ctx context.Context, t *serde.Tape, topic string, data []byte) (serde.Value, error) {
	if data == nil {
		return t.Null(), nil
	}
	if d.topics.Has(topic) {
		return d.topics.Decode(ctx, t, topic, data)
	}
	id, payload, compressed, ok := Split(data)
	if !ok {
		return d.other(ctx, t, topic, data)
	}
	codec, err := d.ids.Codec(ctx, id)
	if err != nil {
		return serde.Value{}, err
	}
	v, err := d.payload(t, codec, payload, compressed)
	if err != nil {
		return serde.Value{}, fmt.Errorf("%s: %w", named(codec.Schema), err)
	}
	return v, nil
}

// payload decodes what is behind the header.
func (d *Decoder) payload(t *serde.Tape, codec *registry.Codec, payload []byte, compressed bool) (_ serde.Value, err error) {
	if compressed {
		if payload, err = d.inflaters.inflate(t, payload, d.maxMessage); err != nil {
			return serde.Value{}, err
		}
	}
	return codec.Decode(t, registry.GlueFraming, payload)
}

// named is a schema in messages.
func named(s *serde.Schema) string {
	switch {
	case s.Name == "":
		return "schema version " + s.ID
	case s.Version == 0:
		return fmt.Sprintf("schema %s, version %s", s.Name, s.ID)
	}
	return fmt.Sprintf("schema %s, version %d", s.Name, s.Version)
}

// confluentHeader is a zero byte and an id of four.
const confluentHeader = 5

// other decodes a value that has no header of AWS Glue.
func (d *Decoder) other(ctx context.Context, t *serde.Tape, topic string, data []byte) (serde.Value, error) {
	likeConfluent := len(data) >= confluentHeader && data[0] == 0
	switch {
	case likeConfluent && d.confluent != nil:
		return d.confluent.Decode(ctx, t, topic, data)
	case d.plain == nil:
		return serde.Value{}, fmt.Errorf("the value has no header of AWS Glue: %s; glue.plain says what such a value is, glue.assume the schema of a topic whose values have none", d.seen(data))
	}
	v, err := d.plain.Decode(ctx, t, topic, data)
	if err != nil && len(data) > 0 && (likeConfluent || data[0] == headerVersion) {
		err = fmt.Errorf("%w; %s", err, d.seen(data))
	}
	return v, err
}

// seen says what a value without a header begins with.
func (d *Decoder) seen(data []byte) string {
	begins := "it is empty"
	if len(data) > 0 {
		begins = "it begins with " + hex.EncodeToString(data[:min(len(data), confluentHeader)])
	}
	switch {
	case len(data) >= confluentHeader && data[0] == 0 && d.confluent == nil:
		return begins + ", as values of a Confluent registry do: set glue.confluent.url"
	case len(data) > 0 && data[0] == headerVersion && len(data) < HeaderSize:
		return fmt.Sprintf("%s, as AWS Glue's header does, but has only %d bytes of %d", begins, len(data), HeaderSize)
	case len(data) > 1 && data[0] == headerVersion:
		return begins + ", as AWS Glue's header does, but its second byte is neither 00 nor 05"
	}
	return begins
}
