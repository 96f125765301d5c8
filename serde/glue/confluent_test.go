package glue_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A topic may hold values of both registries, and plain ones.
func TestMigration(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
		switch {
		case strings.HasPrefix(r.URL.Path, "/schemas/ids/7/"):
			_, _ = w.Write([]byte(`[{"subject":"s","version":1}]`))
		case r.URL.Path == "/schemas/ids/7":
			_, _ = w.Write([]byte(`{"schema":"\"long\""}`))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(other.Close)
	c := fleet(t).config()
	c.Confluent.URL = []string{other.URL}
	d := open(t, c)
	expect(t, d, "", []byte{0, 0, 0, 0, 7, 14}, "7")
	expect(t, d, "", ping(t, 0), strings.Split(file(t, "glue-json.expected.jsonl"), "\n")[0])
	expect(t, d, "", []byte(`{"a":1}`), `{"a":1}`)
	fails(t, d, "", []byte{0, 0, 0, 0}, false) // too short for a header
	var names []string
	for _, use := range d.Schemas() {
		names = append(names, use.Schema.Name)
	}
	if strings.Join(names, " ") != "pings s" {
		t.Errorf("schemas of %v", names)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
