package glue_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsglue "github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/glue"
)

// A recorder stands before a double and keeps what it is asked: operation and members.
type recorder struct {
	*httptest.Server
	mu       sync.Mutex
	requests []any
}

func recording(t *testing.T, d *double) *recorder {
	t.Helper()
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		var members map[string]any
		if err := json.Unmarshal(body, &members); err != nil {
			t.Error(err)
		}
		_, scope, _ := strings.Cut(q.Header.Get("Authorization"), "/eu-west-1/")
		scope, _, _ = strings.Cut(scope, ",")
		r.mu.Lock()
		r.requests = append(r.requests, []any{q.Header.Get("X-Amz-Target"), q.Header.Get("Content-Type"), scope, members})
		r.mu.Unlock()
		q.Body = io.NopCloser(bytes.NewReader(body))
		d.ServeHTTP(w, q)
	}))
	t.Cleanup(r.Close)
	return r
}

// The requests are those of the SDK's client, and its signatures' scopes.
func TestRequestsOfSDK(t *testing.T) {
	const text = `{"type":"record","name":"P","doc":"<ä> & \"b\"","fields":[{"name":"x","type":"long"},{"name":"y","type":"string"}]}`
	ours := recording(t, points(t))
	c := glueDouble(t).connection()
	c.Endpoint = ours.URL
	client, err := c.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, err := range []error{
		client.Versions(t.Context(), "trips", func(*serde.Schema) error { return nil }),
		second(client.Named(t.Context(), "trips", 0)),
		second(client.Version(t.Context(), [16]byte{15: 1})),
		second(client.Schemas(t.Context())),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	e := glue.DefaultEncoderConfig()
	e.Connection, e.Definition, e.Register = c, text, true
	if _, err := encode(t, encoder(t, e), "new", `{"x":7,"y":"a"}`); err != nil {
		t.Error(err)
	}
	if _, err := client.Schemas(t.Context()); err != nil { // two pages by now
		t.Error(err)
	}

	theirs := recording(t, points(t))
	id := idOf(ours.requests) // of the schema that was created
	calls(t, theirs.URL, text, id)
	if len(ours.requests) != len(theirs.requests) {
		t.Fatalf("%d requests, the SDK's are %d", len(ours.requests), len(theirs.requests))
	}
	for i, want := range theirs.requests {
		if got := ours.requests[i]; !reflect.DeepEqual(got, want) {
			t.Errorf("sent %v, want %v", got, want)
		}
	}
}

// idOf is the id in the last request that has one.
func idOf(requests []any) (id string) {
	for _, r := range requests {
		if found, ok := r.([]any)[3].(map[string]any)["SchemaVersionId"].(string); ok {
			id = found
		}
	}
	return id
}

// calls asks by the SDK's client what the test above asks by ours. Answers don't count.
func calls(t *testing.T, endpoint, text, id string) {
	t.Helper()
	c := awsglue.New(awsglue.Options{
		HTTPClient:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		BaseEndpoint: &endpoint, Region: "eu-west-1", Retryer: aws.NopRetryer{}, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	})
	registry, schema := &types.RegistryId{RegistryName: aws.String("fleet")}, &types.SchemaId{RegistryName: aws.String("fleet"), SchemaName: aws.String("trips")}
	_, _ = c.GetSchema(t.Context(), &awsglue.GetSchemaInput{SchemaId: schema})
	for n := range int64(2) {
		_, _ = c.GetSchemaVersion(t.Context(), &awsglue.GetSchemaVersionInput{SchemaId: schema, SchemaVersionNumber: &types.SchemaVersionNumber{VersionNumber: aws.Int64(n + 1)}})
	}
	_, _ = c.GetSchemaVersion(t.Context(), &awsglue.GetSchemaVersionInput{SchemaId: schema, SchemaVersionNumber: &types.SchemaVersionNumber{LatestVersion: true}})
	_, _ = c.GetSchemaVersion(t.Context(), &awsglue.GetSchemaVersionInput{SchemaVersionId: aws.String(point1ID)})
	_, _ = c.ListSchemas(t.Context(), &awsglue.ListSchemasInput{RegistryId: registry})
	fresh := &types.SchemaId{RegistryName: aws.String("fleet"), SchemaName: aws.String("new")}
	_, _ = c.GetSchemaByDefinition(t.Context(), &awsglue.GetSchemaByDefinitionInput{SchemaId: fresh, SchemaDefinition: &text})
	_, _ = c.RegisterSchemaVersion(t.Context(), &awsglue.RegisterSchemaVersionInput{SchemaId: fresh, SchemaDefinition: &text})
	_, _ = c.CreateSchema(t.Context(), &awsglue.CreateSchemaInput{
		RegistryId: registry, SchemaName: aws.String("new"), SchemaDefinition: &text, DataFormat: types.DataFormatAvro, Compatibility: types.CompatibilityBackward,
	})
	_, _ = c.GetSchemaVersion(t.Context(), &awsglue.GetSchemaVersionInput{SchemaVersionId: &id})
	pages := awsglue.NewListSchemasPaginator(c, &awsglue.ListSchemasInput{RegistryId: registry})
	for pages.HasMorePages() {
		if _, err := pages.NextPage(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// The modes of compatibility are those of the SDK.
func TestCompatibilities(t *testing.T) {
	c := glueDouble(t).encoderConfig()
	for _, mode := range types.Compatibility("").Values() {
		c.Compatibility = string(mode)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
}
