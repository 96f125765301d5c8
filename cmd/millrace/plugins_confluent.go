//go:build !no_confluent

package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/confluent"
)

func confluentPlugins() []*config.Plugin {
	return []*config.Plugin{config.Decoder("confluent", confluent.DefaultConfig)}
}

// confluentRegistry is one with Confluent's API, for the schema commands.
type confluentRegistry struct{ *confluent.Client }

// openConfluent opens the registry of a decoder's settings if they are those of confluent, or that of --url if there are no settings.
func openConfluent(settings any, o registryOptions) (schemaRegistry, bool, error) {
	var c confluent.Connection
	switch s := settings.(type) {
	case *confluent.Config:
		c = s.Connection
	case nil:
		c.URL = []string{o.url}
	default:
		return nil, false, nil
	}
	client, err := c.Connect()
	return confluentRegistry{client}, true, err
}

func (r confluentRegistry) Version(ctx context.Context, id string) (*serde.Schema, error) {
	n, err := schemaNumber(id)
	if err != nil {
		return nil, err
	}
	s, err := r.ByID(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", id, err)
	}
	return s, nil
}

func (r confluentRegistry) Versions(ctx context.Context, subject string, f func(*serde.Schema) error) error {
	if err := r.Client.Versions(ctx, subject, f); err != nil {
		return fmt.Errorf("subject %s: %w", subject, err)
	}
	return nil
}

func (r confluentRegistry) Schemas(ctx context.Context) ([]string, error) { return r.Subjects(ctx) }

func (r confluentRegistry) CheckID(id string) error {
	_, err := schemaNumber(id)
	return err
}

// schemaNumber is the id of a schema.
func schemaNumber(id string) (uint32, error) {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%.60q isn't the id of a schema, which is a number", id)
	}
	return uint32(n), nil
}

func (r confluentRegistry) ID(data []byte) (string, bool) {
	id, _, ok := confluent.Split(data)
	return strconv.FormatUint(uint64(id), 10), ok
}
