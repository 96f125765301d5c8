package registry

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/serde"
)

const (
	// TopicField is where the topic's name stands in that of a schema.
	TopicField = "{topic}"
	// Latest is the newest version of a schema.
	Latest = "latest"
)

// An Assumption is the schema of topics whose values have no header.
type Assumption struct {
	Topic   string // a pattern of package path; "*" is any topic
	Schema  string // its name, with TopicField in it or not
	Version string // as AssumedOptions.Find takes it
}

// AssumedOptions are those of Assumed.
type AssumedOptions struct {
	Assumptions []Assumption // the first that fits counts
	// Find is the version of a schema; its errors are as those of a Lookup.
	Find        func(ctx context.Context, name, version string) (*serde.Schema, error)
	Denied      func(error) error // as in Options
	Formats     Formats
	CallTimeout time.Duration // of Find; 0: 10 seconds
}

// Assumed decodes values that have no header, by the schemas of their topics. The version of a topic is chosen once. It is safe for
// concurrent use. Close ends it.
type Assumed struct {
	assumptions []Assumption
	topics      *Cache[string]
}

// NewAssumed makes an Assumed. It looks nothing up.
func NewAssumed(o AssumedOptions) *Assumed {
	a := &Assumed{assumptions: o.Assumptions}
	a.topics = NewCache(Options[string]{
		Lookup: func(ctx context.Context, topic string) (*serde.Schema, error) {
			s := a.of(topic)
			if s == nil {
				return nil, fmt.Errorf("no schema is assumed: %w", ErrUnusable)
			}
			return o.Find(ctx, NameFor(s.Schema, topic), s.Version)
		},
		Denied: o.Denied, Formats: o.Formats, CallTimeout: o.CallTimeout,
		Text:  func(topic string) string { return "of topic " + topic },
		Topic: func(topic string) string { return topic },
	})
	return a
}

// of is what counts for a topic, nil if its values have headers.
func (a *Assumed) of(topic string) *Assumption {
	for i := range a.assumptions {
		if ok, err := path.Match(a.assumptions[i].Topic, topic); ok && err == nil {
			return &a.assumptions[i]
		}
	}
	return nil
}

// Has reports whether a topic's values have no header. A nil Assumed has no topic.
func (a *Assumed) Has(topic string) bool { return a != nil && a.of(topic) != nil }

// Decode decodes a value of a topic that a has. Its errors are as those of Cache.
func (a *Assumed) Decode(ctx context.Context, t *serde.Tape, topic string, data []byte) (serde.Value, error) {
	codec, err := a.topics.Codec(ctx, topic)
	if err != nil {
		return serde.Value{}, err
	}
	v, err := codec.Decode(t, Bare, data)
	if err != nil {
		return serde.Value{}, fmt.Errorf("%w; was it written with %s?", err, otherThan(codec.Schema))
	}
	return v, nil
}

// otherThan says what a value that can't be decoded may have been written with. A schema of a Folder may have no name, and no number.
func otherThan(s *serde.Schema) string {
	switch {
	case s.Name == "":
		return "another schema than " + s.ID
	case s.Version == 0:
		return fmt.Sprintf("another version of %s than %s", s.Name, s.ID)
	}
	return fmt.Sprintf("another version of %s than %d", s.Name, s.Version)
}

// Schemas are those that were looked up so far, with their topics. A nil Assumed has none.
func (a *Assumed) Schemas() []serde.SchemaUse {
	if a == nil {
		return nil
	}
	return a.topics.Schemas()
}

// Close ends the lookups that are under way. A nil Assumed has none.
func (a *Assumed) Close() {
	if a != nil {
		a.topics.Close()
	}
}

// NameFor is the name of a schema for a topic.
func NameFor(name, topic string) string { return strings.ReplaceAll(name, TopicField, topic) }

// CheckTopics checks the pattern of an Assumption.
func CheckTopics(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
		return fmt.Errorf("assume.topics: %q is no pattern of topics", pattern)
	}
	return nil
}

// ParseVersion is the number of a version, 0 for the newest; ok is false if text is none.
func ParseVersion(text string) (number int64, ok bool) {
	if text == Latest {
		return 0, true
	}
	n, err := strconv.ParseInt(text, 10, 32) // a 32-bit number for Confluent's registry, and at most 100,000 for AWS Glue
	return n, err == nil && n > 0
}
