package glue

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsglue "github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// A Getter is what a Decoder calls of AWS Glue: *glue.Client of the AWS SDK is one. It must not retry by itself: who decodes does.
type Getter interface {
	GetSchemaVersion(ctx context.Context, in *awsglue.GetSchemaVersionInput, options ...func(*awsglue.Options)) (*awsglue.GetSchemaVersionOutput, error)
}

var _ Getter = (*awsglue.Client)(nil)

const callTimeout = 10 * time.Second // of a call

// versions asks for schema versions.
type versions struct {
	api Getter
	asked
}

// A Client reads what is registered. It is safe for concurrent use. Its errors have the classes of the connector; that there is no such thing
// wraps [registry.ErrNotFound].
type Client struct {
	versions
	sdk    *awsglue.Client
	config aws.Config
}

// Connect makes the Client. It calls nothing but what the SDK asks for a profile.
func (c Connection) Connect(ctx context.Context) (*Client, error) {
	if err := c.validate(); err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	found, err := c.Load(ctx, "AWS Glue")
	if err != nil {
		return nil, err
	}
	if found.Region == "" {
		if c.Endpoint == "" {
			return nil, connector.Systemic.Errorf("the AWS Region of the AWS Glue Schema Registry isn't known: set region, or AWS_REGION")
		}
		found.Region = "us-east-1"
	}
	sdk := awsglue.NewFromConfig(found, func(o *awsglue.Options) {
		o.BaseEndpoint, o.Retryer = identity.Endpoint(c.Endpoint), aws.NopRetryer{}
	})
	c.Region = found.Region
	return &Client{versions{sdk, c.asked(&login{config: found})}, sdk, found}, nil
}

// Close closes the connections that are idle.
func (c *Client) Close() error {
	identity.Close(c.config)
	return nil
}

// Version is the schema version of an id. Needs glue:GetSchemaVersion.
func (v versions) Version(ctx context.Context, id [16]byte) (*serde.Schema, error) {
	text := FormatID(id)
	return v.get(ctx, "schema version "+text, &awsglue.GetSchemaVersionInput{SchemaVersionId: &text})
}

// Named is a version of a schema of the registry, the newest if number is 0. Needs glue:GetSchemaVersion.
func (v versions) Named(ctx context.Context, name string, number int64) (*serde.Schema, error) {
	in := &awsglue.GetSchemaVersionInput{SchemaId: v.schemaID(name), SchemaVersionNumber: &types.SchemaVersionNumber{LatestVersion: true}}
	what := "newest version"
	if number > 0 {
		in.SchemaVersionNumber = &types.SchemaVersionNumber{VersionNumber: &number}
		what = fmt.Sprintf("version %d", number)
	}
	return v.get(ctx, fmt.Sprintf("%s of schema %s in registry %s", what, name, v.registry), in)
}

// lookup is Version for a Cache, whose errors name the id.
func (v versions) lookup(ctx context.Context, id [16]byte) (*serde.Schema, error) {
	text := FormatID(id)
	return v.get(ctx, "", &awsglue.GetSchemaVersionInput{SchemaVersionId: &text})
}

func (v versions) schemaID(name string) *types.SchemaId {
	return &types.SchemaId{RegistryName: aws.String(v.registry), SchemaName: &name}
}

func (v versions) get(ctx context.Context, what string, in *awsglue.GetSchemaVersionInput) (*serde.Schema, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := v.api.GetSchemaVersion(ctx, in)
	if err != nil {
		return nil, v.failure(opVersion, what, err)
	}
	if err := usable(out, what); err != nil {
		return nil, err
	}
	return schemaOf(out), nil
}

// schemaOf is a schema version as it was answered.
func schemaOf(out *awsglue.GetSchemaVersionOutput) *serde.Schema {
	arn := aws.ToString(out.SchemaArn)
	return &serde.Schema{
		Format:  serde.Format(out.DataFormat),
		Name:    arn[strings.LastIndexByte(arn, '/')+1:], // arn:aws:glue:REGION:ACCOUNT:schema/REGISTRY/NAME
		ID:      strings.ToLower(aws.ToString(out.SchemaVersionId)),
		Version: aws.ToInt64(out.VersionNumber),
		Text:    aws.ToString(out.SchemaDefinition),
	}
}

// usable is an error unless the version may be used (API reference, "Schema registry API", SchemaVersionStatus).
func usable(out *awsglue.GetSchemaVersionOutput, what string) error {
	if what == "" {
		what = "it"
	}
	switch out.Status {
	case types.SchemaVersionStatusAvailable, "":
		if aws.ToString(out.SchemaDefinition) == "" {
			return fmt.Errorf("%s has no definition", what)
		}
		return nil
	case types.SchemaVersionStatusFailure:
		return fmt.Errorf("%s failed AWS Glue's check of its compatibility: %w", what, registry.ErrUnusable)
	case types.SchemaVersionStatusDeleting:
		return fmt.Errorf("%s is being deleted: %w", what, registry.ErrNotFound)
	}
	return fmt.Errorf("%s isn't available yet, its status is %s", what, out.Status)
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
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := c.sdk.GetSchema(ctx, &awsglue.GetSchemaInput{SchemaId: c.schemaID(name)})
	if err != nil {
		return 0, c.failure(opSchema, fmt.Sprintf("schema %s in registry %s", name, c.registry), err)
	}
	return aws.ToInt64(out.LatestSchemaVersion), nil
}

// Schemas are the names of the registry's schemas. Needs glue:ListSchemas.
func (c *Client) Schemas(ctx context.Context) ([]string, error) {
	var names []string
	pages := awsglue.NewListSchemasPaginator(c.sdk, &awsglue.ListSchemasInput{RegistryId: &types.RegistryId{RegistryName: &c.registry}})
	for pages.HasMorePages() {
		page, err := c.page(ctx, pages)
		if err != nil {
			return nil, err
		}
		for i := range page.Schemas {
			names = append(names, aws.ToString(page.Schemas[i].SchemaName))
		}
	}
	return names, nil
}

func (c *Client) page(ctx context.Context, pages *awsglue.ListSchemasPaginator) (*awsglue.ListSchemasOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	page, err := pages.NextPage(ctx)
	if err != nil {
		return nil, c.failure(opSchemas, "registry "+c.registry, err)
	}
	return page, nil
}
