package connectjson

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/json"
)

// Format is the format of the schemas that this package attaches to values: Kafka Connect's, in JSON.
const Format serde.Format = "CONNECT"

// Config is the connect_json decoder's configuration.
type Config struct {
	// What becomes of timestamps: rfc3339 makes timestamps, written as "2026-11-21T10:00:00.123Z"; epoch leaves the integer that the producer
	// sent, in the unit of its type. Default rfc3339.
	Timestamps string `yaml:"timestamps"`
	// Whether records without the envelope {"schema": ..., "payload": ...} are errors (required) or plain JSON (optional). Default required.
	Envelope string `yaml:"envelope"`
	// Limits of a document, schema and payload together; see their own defaults.
	Limits serde.Limits `yaml:",inline"`
}

const (
	rfc3339  = "rfc3339"
	epoch    = "epoch"
	required = "required"
	optional = "optional"
)

// DefaultConfig requires the envelope and makes timestamps.
func DefaultConfig() Config { return Config{Timestamps: rfc3339, Envelope: required} }

// Validate reports settings that can't be.
func (c Config) Validate() error {
	switch c.Timestamps {
	case "", rfc3339, epoch:
	default:
		return fmt.Errorf("timestamps is %q, expected rfc3339 or epoch", c.Timestamps)
	}
	switch c.Envelope {
	case "", required, optional:
	default:
		return fmt.Errorf("envelope is %q, expected required or optional", c.Envelope)
	}
	return json.Config{Limits: c.Limits}.Validate()
}

// A Decoder decodes records in Connect's envelope. It keeps the schemas that it has compiled, and is safe for concurrent use.
type Decoder struct {
	json     *json.Decoder
	epoch    bool
	optional bool
	cache    cache
	encoders sync.Pool // of *encoder
}

var _ serde.Decoder = (*Decoder)(nil)

// New makes a Decoder.
func New(c Config) (*Decoder, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	j, err := json.New(json.Config{Limits: c.Limits})
	if err != nil {
		return nil, err
	}
	return &Decoder{
		json: j, epoch: c.Timestamps == epoch, optional: c.Envelope == optional,
		encoders: sync.Pool{New: func() any { return new(encoder) }},
	}, nil
}

// Decode makes a value of a record's payload, and null where Kafka holds no value. The value borrows data.
//
// A struct has the fields of its schema in the schema's order: one that the payload lacks is its default, else null if it is
// optional, else an error; one that is null stays null if it is optional and is its default else. Members that the schema doesn't have
// are left out, as Connect does.
func (d *Decoder) Decode(ctx context.Context, t *serde.Tape, topic string, data []byte) (serde.Value, error) {
	v, err := d.json.Decode(ctx, t, topic, data)
	if err != nil || data == nil {
		return v, err
	}
	schema, payload, ok := envelope(v)
	if !ok {
		if d.optional {
			return v, nil
		}
		return serde.Value{}, errors.New(`connect json: the record isn't {"schema": ..., "payload": ...}; was it written with schemas.enable=false? ` +
			`then use the json decoder, or set envelope: optional`)
	}
	if schema.Kind() == serde.Null {
		return payload, nil
	}
	e := d.encoders.Get().(*encoder)
	defer func() {
		e.clear()
		d.encoders.Put(e)
	}()
	c, err := d.compiled(e, schema)
	if err != nil {
		return serde.Value{}, fmt.Errorf("connect json: schema: %w", err)
	}
	if c.root.asIs && fits(c.root, payload) {
		payload.SetSchema(c.schema)
		return payload, nil
	}
	v, err = e.encode(t, c, d.epoch, data, payload)
	if err != nil {
		return serde.Value{}, fmt.Errorf("connect json: %w", err)
	}
	return v, nil
}

// envelope takes the envelope apart. It has no more than two members, and a schema is null or an object with a type.
func envelope(v serde.Value) (schema, payload serde.Value, ok bool) {
	if v.Kind() != serde.Object || v.Len() != 2 {
		return schema, payload, false
	}
	schema, payload = v.Field("schema"), v.Field("payload")
	switch schema.Kind() {
	case serde.Null:
		return schema, payload, payload.Exists()
	case serde.Object:
		return schema, payload, payload.Exists() && schema.Field("type").Kind() == serde.String
	}
	return schema, payload, false
}

// compiled is the schema, compiled now if it is new.
func (d *Decoder) compiled(e *encoder, schema serde.Value) (*compiled, error) {
	var err error
	if e.buf, err = schema.AppendJSON(e.buf[:0]); err != nil {
		return nil, err
	}
	if c := d.cache.get(e.buf); c != nil {
		return c, nil
	}
	c, err := compile(schema, string(e.buf))
	if err != nil {
		return nil, err
	}
	d.cache.put(c)
	return c, nil
}
