package glue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsglue "github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// A Registrar is what an Encoder calls of AWS Glue: *glue.Client of the AWS SDK is one. It must not retry by itself.
type Registrar interface {
	Getter
	GetSchemaByDefinition(ctx context.Context, in *awsglue.GetSchemaByDefinitionInput, options ...func(*awsglue.Options)) (*awsglue.GetSchemaByDefinitionOutput, error)
	RegisterSchemaVersion(ctx context.Context, in *awsglue.RegisterSchemaVersionInput, options ...func(*awsglue.Options)) (*awsglue.RegisterSchemaVersionOutput, error)
	CreateSchema(ctx context.Context, in *awsglue.CreateSchemaInput, options ...func(*awsglue.Options)) (*awsglue.CreateSchemaOutput, error)
}

var _ Registrar = (*awsglue.Client)(nil)

const (
	registerTimeout = time.Minute            // of finding or registering a definition, with the check of its compatibility
	checkPause      = 500 * time.Millisecond // between two questions whether a version is available
)

// A registrar finds the version of a definition, and registers it if it may.
type registrar struct {
	versions
	api    Registrar
	config EncoderConfig
}

// lookup is the version of the definition in the schema for a topic.
func (r registrar) lookup(ctx context.Context, topic string) (*serde.Schema, error) {
	name := registry.NameFor(r.config.Schema, topic)
	what := fmt.Sprintf("the definition in schema %s of registry %s", name, r.registry)
	id, err := r.find(ctx, name, what)
	if errors.Is(err, registry.ErrNotFound) {
		if !r.config.Register {
			// Without what it wraps: somebody has to register it.
			_, _, text := said(err)
			return nil, connector.Systemic.Errorf("%s doesn't have %s (%s): register it, or set register: true", r.place(), what, text)
		}
		id, err = r.register(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	return r.available(ctx, id, what)
}

// find is the id of the version that has the definition.
func (r registrar) find(ctx context.Context, name, what string) (id string, err error) {
	out, err := r.api.GetSchemaByDefinition(ctx, &awsglue.GetSchemaByDefinitionInput{SchemaId: r.schemaID(name), SchemaDefinition: &r.config.Definition})
	if err != nil {
		return "", r.failure(opDefinition, what, err)
	}
	return aws.ToString(out.SchemaVersionId), nil
}

// register adds a version, to a schema that it creates if there is none.
func (r registrar) register(ctx context.Context, name string) (id string, err error) {
	what := fmt.Sprintf("schema %s in registry %s", name, r.registry)
	out, err := r.api.RegisterSchemaVersion(ctx, &awsglue.RegisterSchemaVersionInput{SchemaId: r.schemaID(name), SchemaDefinition: &r.config.Definition})
	if err == nil {
		return aws.ToString(out.SchemaVersionId), nil
	}
	if err = r.failure(opRegister, what, err); !errors.Is(err, registry.ErrNotFound) {
		return "", err
	}
	made, err := r.api.CreateSchema(ctx, &awsglue.CreateSchemaInput{
		RegistryId: &types.RegistryId{RegistryName: &r.registry}, SchemaName: &name, SchemaDefinition: &r.config.Definition,
		DataFormat: types.DataFormat(r.config.Format), Compatibility: types.Compatibility(r.config.Compatibility),
	})
	if err == nil {
		return aws.ToString(made.SchemaVersionId), nil
	}
	if err = r.failure(opCreate, what, err); errors.Is(err, registry.ErrNotFound) {
		return "", connector.Systemic.Errorf("%v (create the registry, or look at registry)", err)
	}
	return "", err
}

// available is a version once AWS Glue has checked it.
func (r registrar) available(ctx context.Context, id, what string) (*serde.Schema, error) {
	for {
		out, err := r.api.GetSchemaVersion(ctx, &awsglue.GetSchemaVersionInput{SchemaVersionId: &id})
		switch {
		case err != nil:
			return nil, r.failure(opVersion, "schema version "+id, err)
		case out.Status == types.SchemaVersionStatusFailure:
			return nil, connector.Systemic.Errorf("%s isn't compatible with the versions before: change definition, or the schema's compatibility", what)
		case out.Status != types.SchemaVersionStatusPending:
			if err := usable(out, what); err != nil {
				return nil, err
			}
			return schemaOf(out), nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s isn't available yet: %w", what, context.Cause(ctx))
		case <-time.After(checkPause):
		}
	}
}
