//go:build !no_glue

package main

import (
	"context"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/glue"
)

func gluePlugins() []*config.Plugin {
	return []*config.Plugin{config.Decoder("glue", glue.DefaultConfig)}
}

// glueRegistry is AWS Glue's, for the schema commands.
type glueRegistry struct{ *glue.Client }

// openGlue opens the registry of a decoder's settings if they are those of glue, or that of the flags if there are no settings.
func openGlue(ctx context.Context, settings any, o registryOptions) (schemaRegistry, bool, error) {
	c := glue.DefaultConfig().Connection
	switch s := settings.(type) {
	case *glue.Config:
		c = s.Connection
	case nil:
		c.Region, c.Profile, c.Registry, c.Endpoint = o.region, o.profile, o.name, o.endpoint
		c.AssumeRole.ARN = o.assumeRole
	default:
		return nil, false, nil
	}
	client, err := c.Connect(ctx)
	return glueRegistry{client}, true, err
}

func (r glueRegistry) Version(ctx context.Context, id string) (*serde.Schema, error) {
	parsed, err := glue.ParseID(id)
	if err != nil {
		return nil, err
	}
	return r.Client.Version(ctx, parsed)
}

func (r glueRegistry) CheckID(id string) error {
	_, err := glue.ParseID(id)
	return err
}

func (r glueRegistry) ID(data []byte) (string, bool) {
	id, _, _, ok := glue.Split(data)
	return glue.FormatID(id), ok
}
