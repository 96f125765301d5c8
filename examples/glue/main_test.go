package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// The 20 Avro values that AWS's serializer wrote come out as JSON, with one question to the registry.
func TestRun(t *testing.T) {
	for name, value := range map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	folder := "../../serde/glue/testdata/"
	messages, schema := read(t, folder+"glue-avro.b64"), read(t, folder+"avro.avsc")
	id := strings.TrimSpace(read(t, folder+"glue-avro.schema-version-id"))
	calls := 0
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		var asked struct {
			SchemaVersionID string `json:"SchemaVersionId"`
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.SchemaVersionID != id {
			t.Errorf("asked for %q, %v", asked.SchemaVersionID, err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(map[string]any{"SchemaVersionId": id, "SchemaDefinition": schema, "DataFormat": "AVRO", "VersionNumber": 1, "Status": "AVAILABLE"})
	}))
	defer registry.Close()
	var out bytes.Buffer
	if err := run(t.Context(), strings.NewReader(messages), &out, registry.URL); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 20 || calls != 1 {
		t.Errorf("%d lines after %d calls", len(lines), calls)
	}
	for i, line := range lines {
		if want := fmt.Sprintf(`{"id":%d,"vin":"VIN-%d`, 1_000_000_000_000+i, i); !strings.HasPrefix(line, want) {
			t.Errorf("line %d begins %.60s, want %s", i, line, want)
		}
	}
	if err := run(t.Context(), strings.NewReader("not base64!"), &out, registry.URL); err == nil {
		t.Error("taken")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
