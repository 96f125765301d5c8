package avro

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/millrace/millrace/serde"
)

// Config is the avro decoder's configuration: for records that don't say which schema they were written with.
type Config struct {
	// Schema that records were written with, as JSON text: `{file: vehicle.avsc}` reads it from a file.
	Schema string `yaml:"schema"`
	// Topics whose records have schemas of their own: topics, or patterns as of shell file names (`cars.*`), with their schemas. The topic itself goes
	// before patterns, a longer pattern before a shorter one.
	Topics map[string]string `yaml:"topics"`
	// Reader is the schema that records are read with, by Avro's rules of schema resolution. Without it they are read as they were written.
	Reader string `yaml:"reader"`
	// Timestamps are read as timestamps (`rfc3339`, the default) or as the integers that were written (`epoch`).
	Timestamps string `yaml:"timestamps"`
	// Limits of a record; see their own defaults.
	Limits Limits `yaml:",inline"`
}

// DefaultConfig is a Config with every limit at its default. It has no schema yet.
func DefaultConfig() Config { return Config{} }

// Validate reports schemas and limits that can't be.
func (c Config) Validate() error {
	_, err := New(c)
	return err
}

// A Decoder decodes Avro's binary encoding with schemas of its configuration. It is safe for concurrent use.
type Decoder struct {
	routes   []route // the one that goes first is first
	fallback *route  // for other topics; nil: they are refused
	found    atomic.Pointer[map[string]*route]
}

var (
	_ serde.Decoder    = (*Decoder)(nil)
	_ serde.SchemaUser = (*Decoder)(nil)
)

// A route is a pattern of topics and what their records are read with.
type route struct {
	pattern string
	program *Program
}

// New makes a Decoder.
func New(c Config) (*Decoder, error) {
	if c.Schema == "" && len(c.Topics) == 0 {
		return nil, errors.New("there is no schema: set schema, or topics")
	}
	var reader *Schema
	if c.Reader != "" {
		var err error
		if reader, err = Parse(c.Reader); err != nil {
			return nil, fmt.Errorf("reader: %w", err)
		}
	}
	d := &Decoder{}
	d.found.Store(&map[string]*route{})
	if c.Schema != "" {
		r, err := c.route("", c.Schema, reader)
		if err != nil {
			return nil, fmt.Errorf("schema: %w", err)
		}
		d.fallback = &r
	}
	patterns := slices.SortedFunc(maps.Keys(c.Topics), func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	for _, pattern := range patterns {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("topics: the pattern %q: %w", pattern, err)
		}
		r, err := c.route(pattern, c.Topics[pattern], reader)
		if err != nil {
			return nil, fmt.Errorf("topics: %q: %w", pattern, err)
		}
		d.routes = append(d.routes, r)
	}
	return d, nil
}

func (c Config) route(pattern, text string, reader *Schema) (route, error) {
	writer, err := Parse(text)
	if err != nil {
		return route{}, err
	}
	p, err := Compile(writer, Options{
		Reader: reader, Timestamps: c.Timestamps, Limits: c.Limits,
		Schema: &serde.Schema{Format: serde.Avro, Name: writer.Name, Text: text, Reader: c.Reader},
	})
	return route{pattern: pattern, program: p}, err
}

// Schemas are those of the configuration, each with its pattern of topics.
func (d *Decoder) Schemas() []serde.SchemaUse {
	var uses []serde.SchemaUse
	for i := range d.routes {
		uses = append(uses, serde.SchemaUse{Topic: d.routes[i].pattern, Schema: d.routes[i].program.schema})
	}
	if d.fallback != nil {
		uses = append(uses, serde.SchemaUse{Schema: d.fallback.program.schema})
	}
	return uses
}

// Decode makes a value of data, which it borrows, and null where Kafka holds no value.
func (d *Decoder) Decode(_ context.Context, t *serde.Tape, topic string, data []byte) (serde.Value, error) {
	if data == nil {
		return t.Null(), nil
	}
	r := (*d.found.Load())[topic]
	if r == nil {
		if r = d.route(topic); r == nil {
			return serde.Value{}, fmt.Errorf("avro: there is no schema for the topic %q: set schema, or topics.%s", topic, topic)
		}
	}
	v, err := r.program.Decode(t, data)
	if err != nil {
		return v, fmt.Errorf("%w; was it written with another version of the schema?%s", err, framed(data))
	}
	return v, nil
}

// maxTopics bounds those that a Decoder remembers.
const maxTopics = 10_000

// route finds the schema of a topic that wasn't seen before, and remembers it.
func (d *Decoder) route(topic string) *route {
	r := d.fallback
	for i := range d.routes {
		if d.routes[i].pattern == topic {
			r = &d.routes[i]
			break
		}
		if ok, _ := path.Match(d.routes[i].pattern, topic); ok && r == d.fallback {
			r = &d.routes[i]
		}
	}
	seen := d.found.Load()
	if r != nil && len(*seen) < maxTopics {
		with := maps.Clone(*seen)
		with[strings.Clone(topic)] = r
		d.found.CompareAndSwap(seen, &with) // or another topic was found at the same time, and this one will be again
	}
	return r
}

// framed says that data begins like a message that names its schema in a registry.
func framed(data []byte) string {
	switch {
	case len(data) >= 18 && data[0] == 3 && (data[1] == 0 || data[1] == 5):
		return " It begins like a message of AWS Glue's registry: use decode: glue"
	case len(data) >= 5 && data[0] == 0 && data[1] == 0:
		return " It begins like a message of Confluent's registry: use decode: confluent"
	}
	return ""
}
