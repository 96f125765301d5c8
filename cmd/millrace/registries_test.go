//go:build !no_glue && !no_confluent

package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/millrace/millrace/serde/confluent"
	"github.com/millrace/millrace/serde/glue"
)

// The schemas of the registries, and the ids of AWS Glue's versions.
const (
	clickSchema1 = `{"type":"record","name":"Click","fields":[{"name":"user","type":"long"},{"name":"page","type":"string"}]}`
	clickSchema2 = `{"type":"record","name":"Click","fields":[{"name":"user","type":"long"},{"name":"page","type":"string"},{"name":"ms","type":"int","default":0}]}`
	tripSchema   = `{"type":"object","properties":{"km":{"type":"number"}},"required":["km"]}`
	carSchema    = "syntax = \"proto3\";\nmessage Car {\n  int64 id = 1;\n  message Door { bool open = 1; }\n}\n"
	stopSchema   = `{"type":"record","name":"Stop","namespace":"geo","fields":[{"name":"at","type":"geo.Point"}]}`
	pointSchema  = `{"type":"record","name":"Point","namespace":"geo","fields":[{"name":"lat","type":"int"}]}`

	click1ID  = "11111111-1111-4111-8111-111111111111"
	click2ID  = "22222222-2222-4222-8222-222222222222"
	tripID    = "33333333-3333-4333-8333-333333333333"
	carID     = "44444444-4444-4444-8444-444444444444"
	unknownID = "99999999-9999-4999-8999-999999999999"
)

// A traffic counts and refuses the requests of a registry.
type traffic struct {
	server *httptest.Server
	mu     sync.Mutex
	asked  []string // what, by request
	signed []string // the header Authorization
	refuse int      // status of all answers from now on; 0: the registry's own
	answer string   // the body with it
}

func (f *traffic) serve(t *testing.T, what func(*http.Request) string, next http.HandlerFunc) {
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.asked, f.signed = append(f.asked, what(r)), append(f.signed, r.Header.Get("Authorization"))
		status, answer := f.refuse, f.answer
		f.mu.Unlock()
		if status == 0 {
			next(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(f.server.Close)
}

// turn gives all requests an answer from now on.
func (f *traffic) turn(status int, answer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse, f.answer = status, answer
}

// take is what was asked since it was called last.
func (f *traffic) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

// signatures are the headers Authorization of all requests.
func (f *traffic) signatures() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.signed)
}

// A glueVersion is one of a schema in the double of AWS Glue.
type glueVersion struct {
	id, name, format, text string
	number                 int
}

// A glueDouble is AWS Glue's Schema Registry "fleet" behind HTTP (protocol AWS JSON 1.1). It checks no signature.
type glueDouble struct {
	traffic
	versions []glueVersion
}

// newGlue is a double with four versions of three schemas. Credentials are in the environment.
func newGlue(t *testing.T) *glueDouble {
	t.Helper()
	nowhere := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "SECRETEXAMPLE", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "",
		"AWS_DEFAULT_REGION": "", "AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	d := &glueDouble{versions: []glueVersion{
		{click1ID, "clicks", "AVRO", clickSchema1, 1}, {click2ID, "clicks", "AVRO", clickSchema2, 2}, {tripID, "trips", "JSON", tripSchema, 1}, {carID, "cars", "PROTOBUF", carSchema, 1},
	}}
	d.serve(t, func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AWSGlue.") }, d.handle)
	return d
}

func (d *glueDouble) flags() []string {
	return []string{"--region", "eu-west-1", "--registry", "fleet", "--endpoint", d.server.URL}
}

// decoder is the decoder's settings in a configuration file, with more of them behind.
func (d *glueDouble) decoder(more string) string {
	return "{glue: {region: eu-west-1, registry: fleet, endpoint: \"" + d.server.URL + "\"" + more + "}}"
}

func (d *glueDouble) handle(w http.ResponseWriter, r *http.Request) {
	var q struct {
		ID       string                                    `json:"SchemaVersionId"`
		Schema   struct{ RegistryName, SchemaName string } `json:"SchemaId"`
		Registry struct{ RegistryName string }             `json:"RegistryId"`
		Number   struct {
			LatestVersion bool
			VersionNumber int
		} `json:"SchemaVersionNumber"`
	}
	_ = json.NewDecoder(r.Body).Decode(&q)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	var found *glueVersion // the newest that is meant
	var names []map[string]string
	for i := range d.versions {
		v := &d.versions[i]
		if v.number == 1 {
			names = append(names, map[string]string{"SchemaName": v.name})
		}
		named := v.name == q.Schema.SchemaName && q.Schema.RegistryName == "fleet" && (q.Number.VersionNumber == 0 || q.Number.VersionNumber == v.number)
		if v.id == q.ID || named {
			found = v
		}
	}
	var answer any
	switch operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AWSGlue."); {
	case operation == "ListSchemas" && q.Registry.RegistryName == "fleet":
		answer = map[string]any{"Schemas": names}
	case operation == "GetSchema" && found != nil:
		answer = map[string]any{"SchemaName": found.name, "LatestSchemaVersion": found.number}
	case operation == "GetSchemaVersion" && found != nil:
		answer = map[string]any{
			"SchemaVersionId": found.id, "SchemaDefinition": found.text, "DataFormat": found.format, "VersionNumber": found.number, "Status": "AVAILABLE",
			"SchemaArn": "arn:aws:glue:eu-west-1:123456789012:schema/fleet/" + found.name,
		}
	default:
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]string{"__type": "EntityNotFoundException", "Message": "Schema is not found."}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// A confluentDouble is a registry with Confluent's API.
type confluentDouble struct{ traffic }

func newConfluent(t *testing.T) *confluentDouble {
	t.Helper()
	r := srfake.NewRegistry()
	r.SeedSchema("clicks-value", 1, 1, sr.Schema{Schema: clickSchema1})
	r.SeedSchema("clicks-value", 2, 2, sr.Schema{Schema: clickSchema2})
	r.SeedSchema("geo-point", 1, 3, sr.Schema{Schema: pointSchema})
	r.SeedSchema("stops-value", 1, 4, sr.Schema{Schema: stopSchema, References: []sr.SchemaReference{{Name: "geo.Point", Subject: "geo-point", Version: 1}}})
	r.SeedSchema("trips-value", 1, 5, sr.Schema{Schema: tripSchema, Type: sr.TypeJSON})
	r.SeedSchema("cars-value", 1, 6, sr.Schema{Schema: carSchema, Type: sr.TypeProtobuf})
	d := &confluentDouble{}
	d.serve(t, func(r *http.Request) string { return r.URL.Path }, r.Handler().ServeHTTP)
	return d
}

func (d *confluentDouble) decoder(more string) string {
	return "{confluent: {url: \"" + d.server.URL + "\"" + more + "}}"
}

// framed is a payload behind AWS Glue's header.
func framed(id, payload string) string {
	parsed, err := glue.ParseID(id)
	if err != nil {
		panic(err)
	}
	return string(glue.AppendHeader(nil, parsed, false)) + payload
}

// numbered is a payload behind Confluent's header.
func numbered(id uint32, payload string) string {
	return string(confluent.AppendHeader(nil, id)) + payload
}

// produce starts a Kafka with values in one partition of the topic clicks. A value "" is null.
func produce(t *testing.T, values ...string) (brokers string) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "clicks"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("clicks"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, v := range values {
		r := kgo.Record{Key: []byte("key"), Value: []byte(v)}
		if v == "" {
			r.Value = nil
		}
		if err := client.ProduceSync(t.Context(), &r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(cluster.ListenAddrs(), ",")
}

// decodingFile is a configuration file of a connector of the topic clicks.
func decodingFile(t *testing.T, brokers, key, value string) string {
	t.Helper()
	return write(t, "name: clicks\nsource: {kafka: {brokers: \""+brokers+"\", topics: [clicks]}}\ndecode: {key: "+key+", value: "+value+"}\nsink: stdout\n")
}

// filesIn are the names in a folder.
func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range all {
		names = append(names, filepath.Base(path))
	}
	slices.Sort(names)
	return names
}
