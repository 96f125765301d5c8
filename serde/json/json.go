// Package json decodes records that are JSON documents.
package json

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/serde"
)

// Config is the json decoder's configuration.
type Config struct {
	// Limits of a document; see their own defaults.
	Limits serde.Limits `yaml:",inline"`
}

// DefaultConfig is a Config with every limit at its default.
func DefaultConfig() Config { return Config{} }

// Validate reports limits that can't be.
func (c Config) Validate() error {
	for _, x := range []struct {
		setting string
		n, most int
	}{
		{"depth", c.Limits.Depth, 1 << 20},
		{"name_length", c.Limits.NameLen, 65_535},
		{"number_length", c.Limits.NumberLen, 1 << 20},
		{"nodes", c.Limits.Nodes, 1 << 28},
	} {
		if x.n < 0 || x.n > x.most {
			return fmt.Errorf("%s is %d, expected 1 to %d, or 0 for the default", x.setting, x.n, x.most)
		}
	}
	return nil
}

// A Decoder decodes JSON strictly; see [serde.Tape.JSON]. It is safe for concurrent use.
type Decoder struct{ limits serde.Limits }

var _ serde.Decoder = (*Decoder)(nil)

// New makes a Decoder.
func New(c Config) (*Decoder, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Decoder{limits: c.Limits}, nil
}

// Decode makes a value of a JSON document, and null where Kafka holds no value. The value borrows data.
// An error is a *[serde.SyntaxError].
func (d *Decoder) Decode(_ context.Context, t *serde.Tape, _ string, data []byte) (serde.Value, error) {
	if data == nil {
		return t.Null(), nil
	}
	return t.JSON(data, d.limits)
}
