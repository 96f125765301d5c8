package glue

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awsjson"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

const callTimeout = 10 * time.Second // of a call

// versions asks for schema versions.
type versions struct {
	call             caller
	registry, region string
}

// A Client reads what is registered. It is safe for concurrent use. Its errors have the classes of the connector; that there is no such thing
// wraps [registry.ErrNotFound].
type Client struct {
	versions
	connection *awsjson.Client
}

// Connect makes the Client. It calls nothing but what the SDK asks for a profile.
func (c Connection) Connect(ctx context.Context) (*Client, error) {
	return c.connect(ctx, callTimeout)
}

func (c Connection) connect(ctx context.Context, timeout time.Duration) (*Client, error) {
	if err := c.validate(); err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	connection, err := awsjson.Connect(ctx, service(), c.Config, awsjson.Options{Endpoint: c.Endpoint, Place: "the AWS Glue Schema Registry", Timeout: timeout})
	if err != nil {
		return nil, err
	}
	return &Client{versions{connection.Call, c.Registry, connection.Region()}, connection}, nil
}

// Close closes the connections that are idle.
func (c *Client) Close() error { return c.connection.Close() }

// Version is the schema version of an id. Needs glue:GetSchemaVersion.
func (v versions) Version(ctx context.Context, id [16]byte) (*serde.Schema, error) {
	text := FormatID(id)
	return v.get(ctx, "schema version "+text, byID{text})
}

// Named is a version of a schema of the registry, the newest if number is 0. Needs glue:GetSchemaVersion.
func (v versions) Named(ctx context.Context, name string, number int64) (*serde.Schema, error) {
	what := "newest version"
	if number > 0 {
		what = fmt.Sprintf("version %d", number)
	}
	in := byNumber{v.schema(name), versionNumber{LatestVersion: number <= 0, VersionNumber: max(number, 0)}}
	return v.get(ctx, fmt.Sprintf("%s of schema %s in registry %s", what, name, v.registry), in)
}

// lookup is Version for a Cache, whose errors name the id.
func (v versions) lookup(ctx context.Context, id [16]byte) (*serde.Schema, error) {
	return v.get(ctx, "", byID{FormatID(id)})
}

// get asks for a version by its id or its number.
func (v versions) get(ctx context.Context, what string, in any) (*serde.Schema, error) {
	out, err := ask[version](ctx, v.call, opVersion, in)
	if err != nil {
		return nil, v.failure(opVersion, what, err)
	}
	if err := out.usable(what); err != nil {
		return nil, err
	}
	return out.schema(), nil
}

// Versions calls f with the versions of a schema, the oldest first; those that were deleted are left out. Needs glue:GetSchema and
// glue:GetSchemaVersion.
func (c *Client) Versions(ctx context.Context, name string, f func(*serde.Schema) error) error {
	newest, err := c.newest(ctx, name)
	if err != nil {
		return err
	}
	for n := int64(1); n <= newest; n++ {
		s, err := c.Named(ctx, name, n)
		if registry.Denied(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := f(s); err != nil {
			return err
		}
	}
	return nil
}

// newest is the number of a schema's newest version.
func (c *Client) newest(ctx context.Context, name string) (int64, error) {
	out, err := ask[schemaAnswer](ctx, c.call, opSchema, ofSchema{SchemaID: c.schema(name)})
	if err != nil {
		return 0, c.failure(opSchema, fmt.Sprintf("schema %s in registry %s", name, c.registry), err)
	}
	return out.LatestSchemaVersion, nil
}

// Schemas are the names of the registry's schemas. Needs glue:ListSchemas.
func (c *Client) Schemas(ctx context.Context) ([]string, error) {
	var names []string
	for token := ""; ; {
		page, err := ask[schemasAnswer](ctx, c.call, opSchemas, ofRegistry{RegistryID: registryID{c.registry}, NextToken: token})
		if err != nil {
			return nil, c.failure(opSchemas, "registry "+c.registry, err)
		}
		for _, s := range page.Schemas {
			names = append(names, s.SchemaName)
		}
		if token = page.NextToken; token == "" {
			return names, nil
		}
	}
}
