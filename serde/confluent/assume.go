package confluent

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// assumed are the schemas of topics whose values have no header.
type assumed struct {
	settings Assume
	cache    *registry.Cache[string] // by topic
	client   *Client
	folder   *registry.Folder // nil: none
}

func (a Assume) open(client *Client, folder *registry.Folder, f registry.Formats) *assumed {
	s := &assumed{settings: a, client: client, folder: folder}
	s.cache = registry.NewCache(registry.Options[string]{
		Lookup: s.lookup, Formats: f, CallTimeout: callTimeout,
		Text:  func(topic string) string { return "of topic " + topic },
		Topic: func(topic string) string { return topic },
	})
	return s
}

// of is the subject of a topic, false if its values have headers. It is nil where the general one counts.
func (a *assumed) of(topic string) (*TopicSubject, bool) {
	for i := range a.settings.Topics {
		t := &a.settings.Topics[i]
		if ok, err := path.Match(t.Topic, topic); ok && err == nil {
			return t, true
		}
	}
	return nil, a.settings.Subject != ""
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
		return serde.Value{}, fmt.Errorf("%w; was it written with another version of %s than %d?", err, s.Name, s.Version)
	}
	return v, nil
}

// lookup finds the schema of a topic. That there is none has to be mended in the settings or in the registry: it isn't the records' fault.
func (a *assumed) lookup(ctx context.Context, topic string) (*serde.Schema, error) {
	subject, version := a.settings.Subject, a.settings.Version
	if t, _ := a.of(topic); t != nil {
		subject = t.Subject
		if t.Version != "" {
			version = t.Version
		}
	}
	s, err := a.version(ctx, strings.ReplaceAll(subject, topicField, topic), version)
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrUnusable) {
		// Without what it wraps, so that it isn't given up.
		return nil, connector.Systemic.Errorf("%v: look at confluent.assume", err)
	}
	return s, err
}

// version is a subject's, by the folder or else the registry.
func (a *assumed) version(ctx context.Context, subject, version string) (*serde.Schema, error) {
	number, err := versionNumber(version)
	if err != nil {
		return nil, fmt.Errorf("read the version of %s: %w", subject, err)
	}
	if a.folder != nil {
		if s, ok, err := a.folder.Named(subject, number); ok || err != nil {
			return s, err
		}
	}
	return a.client.Named(ctx, subject, number)
}
