package glue

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/json"
	"github.com/millrace/millrace/serde/registry"
)

// A Decoder decodes values that AWS Glue's serializers wrote. It is safe for concurrent use. Close ends it.
type Decoder struct {
	ids        *registry.Cache[[16]byte]
	topics     *assumed      // nil: every value has a header
	confluent  serde.Decoder // nil: none
	plain      serde.Decoder // nil: a value without a header is an error
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
	d, err := New(ctx, c, client.sdk)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	d.close = append(d.close, client.Close)
	return d, nil
}

// New makes a Decoder that asks api. Of the settings by which AWS Glue is reached only the registry's name counts, for Assume.
func New(ctx context.Context, c Config, api Getter) (*Decoder, error) {
	if err := c.Validate(); err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	from := versions{api, asked{c.Registry, c.Region, c.Endpoint}}
	folder := c.folder()
	d := &Decoder{maxMessage: int(c.MaxMessage)}
	if err := d.openOthers(ctx, c); err != nil {
		return nil, err
	}
	d.ids = registry.NewCache(registry.Options[[16]byte]{Lookup: from.lookup, Text: FormatID, Folder: folder, Formats: c.formats()})
	if c.Assume.Schema != "" || len(c.Assume.Topics) > 0 {
		d.topics = c.Assume.open(from, folder, c.formats())
	}
	return d, nil
}

func (c Config) folder() *registry.Folder {
	if c.SchemaFolder == "" {
		return nil
	}
	return &registry.Folder{Dir: c.SchemaFolder}
}

// openOthers makes the decoders of values that aren't AWS Glue's.
func (d *Decoder) openOthers(ctx context.Context, c Config) (err error) {
	switch c.Plain {
	case plainString:
		d.plain = serde.StringDecoder{}
	case plainBytes:
		d.plain = serde.BytesDecoder{}
	case plainJSON:
		if d.plain, err = json.New(json.Config{Limits: c.Limits}); err != nil {
			return connector.Fatal.Wrap(err)
		}
	}
	if len(c.Confluent.URL) == 0 {
		return nil
	}
	other, err := c.Confluent.Open(ctx)
	if err != nil {
		return err
	}
	d.confluent, d.close = other, append(d.close, other.Close)
	return nil
}

// Close ends the lookups that are under way. Schemas that are known can still be decoded with.
func (d *Decoder) Close() error {
	d.ids.Close()
	if d.topics != nil {
		d.topics.cache.Close()
	}
	var errs []error
	for _, f := range d.close {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// Schemas are those that were looked up so far, with the topic where one was assumed.
func (d *Decoder) Schemas() []serde.SchemaUse {
	all := d.ids.Schemas()
	if d.topics != nil {
		all = append(all, d.topics.cache.Schemas()...)
	}
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
	if d.topics != nil {
		if _, ok := d.topics.of(topic); ok {
			return d.topics.decode(ctx, t, topic, data)
		}
	}
	id, payload, compressed, ok := Split(data)
	if !ok {
		return d.other(ctx, t, topic, data)
	}
	codec, err := d.ids.Codec(ctx, id)
	if err != nil {
		return serde.Value{}, err
	}
	if compressed {
		if payload, err = d.inflaters.inflate(t, payload, d.maxMessage); err != nil {
			return serde.Value{}, err
		}
	}
	v, err := codec.Decode(t, registry.GlueFraming, payload)
	if err != nil {
		return serde.Value{}, fmt.Errorf("%s: %w", named(codec.Schema), err)
	}
	return v, nil
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
		begins = "it begins with " + hex.EncodeToString(data[:min(len(data), HeaderSize)])
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
