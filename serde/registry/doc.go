// Package registry looks up the schemas that values name by an id, once each, and decodes with them.
//
// A [Cache] stands between a wire format (AWS Glue's, Confluent's) and the client of its registry. What it knows it keeps for ever, since
// a registered version never changes: an outage of the registry stops no value whose schema was seen before. For an id
// that it doesn't know it asks a [Folder] first, then the registry, one call at a time for each id.
//
// Errors of a Cache say whether to wait. While it isn't known whether there is such a schema they are of type *[serde.Unavailable]; what the
// registry denies for 5 minutes is given up, and asked for once a minute from then on.
package registry

import (
	"context"
	"errors"

	"github.com/millrace/millrace/serde"
)

// A Lookup asks a registry for a schema. An error that wraps ErrNotFound or ErrUnusable is what the registry answered; any other says
// nothing about the schema and has the class that the connector is to see. ctx ends after Options.CallTimeout.
type Lookup[ID comparable] func(ctx context.Context, id ID) (*serde.Schema, error)

var (
	// ErrNotFound in an error's chain: the registry answered that there is no such schema.
	ErrNotFound = errors.New("no such schema")
	// ErrUnusable in an error's chain: the registry answered that nobody may use the schema, a version that failed its check say.
	ErrUnusable = errors.New("the schema can't be used")
)

// Denied reports whether a registry answered that there is no such schema, or none that can be used.
func Denied(err error) bool { return errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnusable) }

// A Framing says what stands between a wire format's header and the value; it matters for Protobuf alone.
type Framing uint8

// The framings.
const (
	Bare             Framing = iota // nothing: the message is Formats.Message
	GlueFraming                     // the index of the message among all of the file, as a varint
	ConfluentFraming                // the path of indexes to the message, as zigzag varints behind their count
)
