package glue

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// topicField is where the topic's name stands in that of a schema.
const topicField = "{topic}"

// assumed are the schemas of topics whose values have no header.
type assumed struct {
	settings Assume
	cache    *registry.Cache[string] // by topic
	from     versions
	folder   *registry.Folder
}

func (a Assume) open(from versions, folder *registry.Folder, f registry.Formats) *assumed {
	s := &assumed{settings: a, from: from, folder: folder}
	s.cache = registry.NewCache(registry.Options[string]{
		Lookup: s.lookup, Formats: f,
		Text:  func(topic string) string { return "of topic " + topic },
		Topic: func(topic string) string { return topic },
	})
	return s
}

// of is the schema of a topic, false if its values have headers.
func (a *assumed) of(topic string) (*TopicSchema, bool) {
	for i := range a.settings.Topics {
		t := &a.settings.Topics[i]
		if ok, err := path.Match(t.Topic, topic); ok && err == nil {
			return t, true
		}
	}
	return nil, a.settings.Schema != ""
}

// decode decodes a value without a header.
func (a *assumed) decode(ctx context.Context, t *serde.Tape, topic string, data []byte) (serde.Value, error) {
	codec, err := a.cache.Codec(ctx, topic)
	if err != nil {
		return serde.Value{}, err
	}
	v, err := codec.Decode(t, registry.Bare, data)
	if err != nil {
		s := codec.Schema
		version := s.ID
		if s.Version > 0 {
			version = strconv.FormatInt(s.Version, 10)
		}
		return serde.Value{}, fmt.Errorf("%w; was it written with another version of %s than %s?", err, s.Name, version)
	}
	return v, nil
}

// lookup finds the schema of a topic. That there is none has to be mended in the settings or in the registry: it isn't the records' fault.
func (a *assumed) lookup(ctx context.Context, topic string) (*serde.Schema, error) {
	name, version := a.settings.Schema, a.settings.Version
	if t, _ := a.of(topic); t != nil {
		name = t.Schema
		if t.Version != "" {
			version = t.Version
		}
	}
	s, err := a.version(ctx, strings.ReplaceAll(name, topicField, topic), version)
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrUnusable) {
		// Without what it wraps, so that it isn't given up.
		return nil, connector.Systemic.Errorf("%v: look at glue.assume", err)
	}
	return s, err
}

// version is a schema's, by the folder or else the registry.
func (a *assumed) version(ctx context.Context, name, version string) (*serde.Schema, error) {
	if id, err := ParseID(version); err == nil {
		if s, ok, err := a.find(func(f *registry.Folder) (*serde.Schema, bool, error) { return f.Find(FormatID(id)) }); ok || err != nil {
			return s, err
		}
		return a.from.Version(ctx, id)
	}
	number := int64(0)
	if version != latest {
		n, err := strconv.ParseInt(version, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read the version of %s: %w", name, err)
		}
		number = n
	}
	if s, ok, err := a.find(func(f *registry.Folder) (*serde.Schema, bool, error) { return f.Named(name, number) }); ok || err != nil {
		return s, err
	}
	return a.from.Named(ctx, name, number)
}

// find asks the folder, if there is one.
func (a *assumed) find(ask func(*registry.Folder) (*serde.Schema, bool, error)) (*serde.Schema, bool, error) {
	if a.folder == nil {
		return nil, false, nil
	}
	return ask(a.folder)
}
