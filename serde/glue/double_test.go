package glue_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/identity"
	"github.com/millrace/millrace/serde/glue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A double is AWS Glue's Schema Registry in memory behind HTTP (protocol AWS JSON 1.1). It checks no signature.
type double struct {
	*httptest.Server
	mu       sync.Mutex
	versions []*version
	calls    map[string]int // by operation
	checks   int            // how often a new version is PENDING before it is what it is
	refuse   bool           // new versions of a schema that is there fail their check
	fault    func(operation string) *reply
}

// A version is one of a schema.
type version struct {
	id, name, format, text, status string
	number                         int64
	pending                        int
}

// A reply is an answer that a test gives.
type reply struct {
	status        int
	code, message string
}

// glueDouble is a double that ends with the test.
func glueDouble(t testing.TB) *double {
	t.Helper()
	d := &double{calls: map[string]int{}}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

// register puts a version in.
func (d *double) register(id, name, format, text string, number int64) *version {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := &version{id: id, name: name, format: format, text: text, status: "AVAILABLE", number: number}
	d.versions = append(d.versions, v)
	return v
}

// fail gives all requests a reply from now on; nil: none.
func (d *double) fail(r *reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = func(string) *reply { return r }
}

// count is how often an operation was called, or all if it is "".
func (d *double) count(operation string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for o, calls := range d.calls {
		if operation == "" || o == operation {
			n += calls
		}
	}
	return n
}

// connection is how the double is reached.
func (d *double) connection() glue.Connection {
	return glue.Connection{
		Config:   identity.Config{Region: "eu-west-1", AccessKey: secret.New("AKIDEXAMPLE"), SecretKey: secret.New("SECRETEXAMPLE")},
		Endpoint: d.URL, Registry: "fleet",
	}
}

// config is a decoder's.
func (d *double) config() glue.Config {
	c := glue.DefaultConfig()
	c.Connection = d.connection()
	return c
}

// A question has the fields of all requests.
type question struct {
	SchemaVersionID     string `json:"SchemaVersionId"`
	SchemaName          string
	SchemaDefinition    string
	DataFormat          string
	NextToken           string
	RegistryID          struct{ RegistryName string }             `json:"RegistryId"`
	SchemaID            struct{ RegistryName, SchemaName string } `json:"SchemaId"`
	SchemaVersionNumber struct {
		LatestVersion bool
		VersionNumber int64
	}
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AWSGlue.")
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	d.calls[operation]++
	fault := d.fault
	d.mu.Unlock()
	if fault != nil {
		if f := fault(operation); f != nil {
			f.write(w)
			return
		}
	}
	var q question
	if err := json.Unmarshal(body, &q); err != nil {
		(&reply{http.StatusBadRequest, "SerializationException", err.Error()}).write(w)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	answer := d.answer(operation, &q)
	if answer == nil {
		(&reply{http.StatusBadRequest, "EntityNotFoundException", "Schema is not found."}).write(w)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(answer)
}

// answer is that to a question; nil: there is no such thing.
func (d *double) answer(operation string, q *question) map[string]any {
	name := q.SchemaID.SchemaName
	switch operation {
	case "GetSchemaVersion":
		v := d.find(func(v *version) bool {
			if q.SchemaVersionID != "" {
				return v.id == q.SchemaVersionID
			}
			return v.name == name && (q.SchemaVersionNumber.LatestVersion || v.number == q.SchemaVersionNumber.VersionNumber)
		})
		if v == nil {
			return nil
		}
		return v.answer()
	case "GetSchemaByDefinition":
		if v := d.find(func(v *version) bool { return v.name == name && v.text == q.SchemaDefinition }); v != nil {
			return v.answer()
		}
	case "GetSchema":
		if v := d.find(func(v *version) bool { return v.name == name }); v != nil {
			return map[string]any{"SchemaName": name, "LatestSchemaVersion": v.number}
		}
	case "RegisterSchemaVersion":
		if last := d.find(func(v *version) bool { return v.name == name }); last != nil {
			return d.add(name, last.format, q.SchemaDefinition, last.number+1, d.refuse).answer()
		}
	case "CreateSchema":
		if q.RegistryID.RegistryName == "fleet" {
			v := d.add(q.SchemaName, q.DataFormat, q.SchemaDefinition, 1, false)
			return map[string]any{"SchemaVersionId": v.id, "SchemaVersionStatus": v.status}
		}
	case "ListSchemas":
		return d.list(q.NextToken)
	}
	return nil
}

// find is the newest version that is wanted.
func (d *double) find(wanted func(*version) bool) (found *version) {
	for _, v := range d.versions {
		if wanted(v) && (found == nil || v.number > found.number) {
			found = v
		}
	}
	return found
}

func (d *double) add(name, format, text string, number int64, refuse bool) *version {
	u := make([]byte, 16)
	_, _ = rand.Read(u)
	v := &version{
		id:   fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]),
		name: name, format: format, text: text, status: "AVAILABLE", number: number, pending: d.checks,
	}
	if refuse {
		v.status = "FAILURE"
	}
	d.versions = append(d.versions, v)
	return v
}

// list is a page of one schema.
func (d *double) list(token string) map[string]any {
	var names []string
	for _, v := range d.versions {
		if v.number == 1 {
			names = append(names, v.name)
		}
	}
	at := 0
	_, _ = fmt.Sscan(token, &at)
	if at >= len(names) {
		return map[string]any{"Schemas": []any{}}
	}
	page := map[string]any{"Schemas": []any{map[string]any{"SchemaName": names[at]}}}
	if at+1 < len(names) {
		page["NextToken"] = fmt.Sprint(at + 1)
	}
	return page
}

func (v *version) answer() map[string]any {
	status := v.status
	if v.pending > 0 {
		v.pending--
		status = "PENDING"
	}
	return map[string]any{
		"SchemaVersionId": v.id, "SchemaDefinition": v.text, "DataFormat": v.format, "VersionNumber": v.number, "Status": status,
		"SchemaArn": "arn:aws:glue:eu-west-1:123456789012:schema/fleet/" + v.name,
	}
}

func (r *reply) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(r.status)
	if r.code != "" {
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": r.code, "Message": r.message})
	}
}

// file is a file of testdata, without white space at its ends.
func file(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
