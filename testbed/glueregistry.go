package testbed

import (
	"context"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
)

// A GlueRegistry is a registry of moto's Glue Schema Registry, which gives each schema version a random id. Of the calls that a client may
// need, ListSchemas, ListSchemaVersions and CheckSchemaVersionValidity answer 500. It checks no compatibility, and takes all keys.
type GlueRegistry struct {
	Endpoint string
	Region   string
	Name     string
}

// Registry makes a registry in moto that is named after the test, and deleted after it: moto has ten at most.
func (s *S3) Registry(t testing.TB) *GlueRegistry {
	t.Helper()
	r := &GlueRegistry{Endpoint: s.Endpoint, Region: s.Region, Name: Name(t)}
	if _, err := r.Client(t).CreateRegistry(deadline(t), &glue.CreateRegistryInput{RegistryName: &r.Name}); err != nil {
		t.Fatalf("create registry %s: %v", r.Name, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
		defer cancel()
		_, _ = r.Client(t).DeleteRegistry(ctx, &glue.DeleteRegistryInput{RegistryId: &types.RegistryId{RegistryName: &r.Name}}) // best effort: moto may be down
	})
	return r
}

// At is the same registry by another endpoint: a GlueGateway's, or a Proxy's.
func (r *GlueRegistry) At(endpoint string) *GlueRegistry {
	other := *r
	other.Endpoint = endpoint
	return &other
}

// Serde is AWS's serde for Java beside this registry.
func (r *GlueRegistry) Serde() GlueSerde {
	return GlueSerde{Endpoint: r.Endpoint, Region: r.Region, Registry: r.Name}
}

// Client returns a client that doesn't retry, so that a test sees the answers.
func (r *GlueRegistry) Client(t testing.TB) *glue.Client {
	t.Helper()
	return glue.New(glue.Options{
		HTTPClient:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, // a test that looks for leaks finds no idle connection
		BaseEndpoint: &r.Endpoint, Region: r.Region, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("millrace", "millrace", ""),
	})
}

// CreateSchema registers a schema and returns the id of its first version. The format is GlueAvro, GlueJSON or GlueProtobuf, the compatibility
// NONE, BACKWARD or another of Glue's.
func (r *GlueRegistry) CreateSchema(t testing.TB, name, format, compatibility, text string) string {
	t.Helper()
	answer, err := r.Client(t).CreateSchema(deadline(t), &glue.CreateSchemaInput{
		RegistryId: &types.RegistryId{RegistryName: &r.Name}, SchemaName: &name, DataFormat: types.DataFormat(format),
		Compatibility: types.Compatibility(compatibility), SchemaDefinition: &text,
	})
	if err != nil {
		t.Fatalf("create schema %s: %v", name, err)
	}
	return *answer.SchemaVersionId
}

// AddVersion registers another version of a schema and returns its id: that of the same text, if it is there.
func (r *GlueRegistry) AddVersion(t testing.TB, name, text string) string {
	t.Helper()
	answer, err := r.Client(t).RegisterSchemaVersion(deadline(t), &glue.RegisterSchemaVersionInput{
		SchemaId: &types.SchemaId{RegistryName: &r.Name, SchemaName: &name}, SchemaDefinition: &text,
	})
	if err != nil {
		t.Fatalf("register a version of schema %s: %v", name, err)
	}
	return *answer.SchemaVersionId
}

// Version returns a schema version as the registry has it.
func (r *GlueRegistry) Version(t testing.TB, id string) *glue.GetSchemaVersionOutput {
	t.Helper()
	answer, err := r.Client(t).GetSchemaVersion(deadline(t), &glue.GetSchemaVersionInput{SchemaVersionId: &id})
	if err != nil {
		t.Fatalf("get schema version %s: %v", id, err)
	}
	return answer
}
