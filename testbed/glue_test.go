//go:build testbed

package testbed

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/smithy-go"
)

// glueRecords is how many records Java writes of each format, with and without zlib: enough for all kinds of values.
const glueRecords = 300

// What Java has written it reads, and the frames are Glue's.
func TestGlueSerde(t *testing.T) {
	registry := Moto(t).Registry(t)
	serde := registry.Serde()
	var options []GlueOptions
	for _, format := range []string{GlueAvro, GlueJSON, GlueProtobuf} {
		for _, compress := range []bool{false, true} {
			options = append(options, GlueOptions{Format: format, Compress: compress, SchemaName: "vehicle-" + format, Count: glueRecords, Seed: 7})
		}
	}
	written, err := serde.Write(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	var reads []GlueRead
	for i, o := range options {
		checkFrames(t, registry, o, written[i].Values)
		reads = append(reads, GlueRead{Format: o.Format, Values: written[i].Values})
	}
	read, err := serde.Read(t.Context(), reads...)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range options {
		for j, want := range written[i].Expected {
			if got := canonical(t, read[i][j]); got != canonical(t, want) {
				t.Fatalf("%s, zlib %v, record %d:\n%s\nwant\n%s", o.Format, o.Compress, j, got, want)
			}
		}
		if distinct := slices.Compact(slices.Sorted(slices.Values(written[i].Expected))); len(distinct) < glueRecords/5 {
			t.Errorf("%s: %d different records of %d", o.Format, len(distinct), glueRecords)
		}
	}
	// Zlib changes neither the records nor what is in them.
	for i := 0; i < len(written); i += 2 {
		if !slices.Equal(written[i].Expected, written[i+1].Expected) {
			t.Errorf("%s: other records with zlib, by the same seed", options[i].Format)
		}
		if a, b := size(written[i].Values), size(written[i+1].Values); a <= b {
			t.Errorf("%s: %d bytes, %d with zlib", options[i].Format, a, b)
		}
	}
	checkEdges(t, written[0].Expected, written[4].Expected, written[4].Values)
}

func checkFrames(t *testing.T, registry *GlueRegistry, o GlueOptions, values [][]byte) {
	t.Helper()
	head := append([]byte{3, 0}, values[0][2:18]...)
	if o.Compress {
		head[1] = 5
	}
	for i, v := range values {
		if !bytes.HasPrefix(v, head) {
			t.Fatalf("%s, record %d begins with %x, want %x", o.Format, i, v[:min(18, len(v))], head)
		}
	}
	version := registry.Version(t, versionID(values[0]))
	if got := string(version.DataFormat); got != o.Format || *version.SchemaDefinition == "" || version.Status != "AVAILABLE" {
		t.Errorf("the registry holds %s %q, %s, want %s", got, *version.SchemaDefinition, version.Status, o.Format)
	}
}

// checkEdges looks for what makes the records worth reading: the ends of ranges, and all types of messages.
func checkEdges(t *testing.T, avro, protobuf []string, messages [][]byte) {
	t.Helper()
	for _, want := range []string{
		`"id":-9223372036854775808`, `"seq":2147483647`, `"day":"9999-12-31"`, `"ts_us":"0001-01-01T00:00:00Z"`, `"price":-9999999999.99`,
		`"mass":99999999999999999999999999999.999999999`, `"odometer":-1.7976931348623157e+308`, `"speed":1e-45`, `"speed":-0,`,
		`"time_ms":"23:59:59.999"`, `"charged_for":"PT0S"`, `"charged_for":"P4294967295M4294967295DT4294967.295S"`, `"sold_for":0.000`,
		`"trailer":{"load":`, `"next":{"load":`, `"reading":"CHARGING"`,
	} {
		if !slices.ContainsFunc(avro, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("no Avro record has %s", want)
		}
	}
	for _, want := range []string{`"total":18446744073709551615`, `"axles":4294967295`, `"note":null`, `"blob":"`, `"fuel":"HYDROGEN"`, `"4294967295":{`} {
		if !slices.ContainsFunc(protobuf, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("no Protobuf record has %s", want)
		}
	}
	types := make(map[byte]int)
	for _, m := range messages {
		types[m[18]]++ // the index of the message, below 128
	}
	if len(types) != 6 {
		t.Errorf("messages by index: %v, want six types", types)
	}
}

// Only the asked type is written, and another seed makes other records.
func TestGlueOptions(t *testing.T) {
	registry := Moto(t).Registry(t)
	alarms := GlueOptions{Format: GlueProtobuf, SchemaName: "alarms", Count: 20, Seed: 1, RecordType: "Alarm"}
	other := alarms
	other.Seed = 2
	written, err := registry.Serde().Write(t.Context(), alarms, other)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range append(written[0].Values, written[1].Values...) {
		if v[18] != 0 { // Alarm sorts before all others
			t.Fatalf("a message of index %d", v[18])
		}
	}
	if slices.Equal(written[0].Expected, written[1].Expected) {
		t.Error("two seeds make the same records")
	}
	alarms.RecordType = "Nobody"
	if _, err := registry.Serde().Write(t.Context(), alarms); err == nil || !strings.Contains(err.Error(), "--record-type Nobody") {
		t.Errorf("error %v", err)
	}
}

// What goes wrong in Java is in the error.
func TestGlueSerdeError(t *testing.T) {
	registry := Moto(t).Registry(t)
	unknown := append([]byte{3, 0}, make([]byte, 17)...)
	_, err := registry.Serde().Read(t.Context(), GlueRead{GlueAvro, [][]byte{unknown}})
	for _, want := range []string{"read records", "line 1", "00000000-0000-0000-0000-000000000000"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want it to say %q", err, want)
		}
	}
	ended, end := context.WithCancelCause(t.Context())
	end(errors.New("the test's end"))
	if _, err := registry.Serde().Read(ended, GlueRead{GlueAvro, nil}); err == nil || !strings.Contains(err.Error(), "the test's end") {
		t.Errorf("error %v", err)
	}
}

// A registry holds schemas and their versions.
func TestGlueRegistry(t *testing.T) {
	registry := Moto(t).Registry(t)
	first := registry.CreateSchema(t, "s", GlueAvro, "BACKWARD", `{"type":"record","name":"R","fields":[]}`)
	text := `{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":1}]}`
	second := registry.AddVersion(t, "s", text)
	if first == second || registry.AddVersion(t, "s", text) != second {
		t.Errorf("versions %s and %s", first, second)
	}
	if v := registry.Version(t, second); *v.SchemaDefinition != text || aws.ToInt64(v.VersionNumber) != 2 {
		t.Errorf("version %+v", v)
	}
	for _, format := range []string{GlueAvro, GlueJSON, GlueProtobuf} {
		text, err := GlueSchema(format)
		if err != nil {
			t.Fatal(err)
		}
		registry.CreateSchema(t, "vehicle-"+format, format, "NONE", text)
	}
	if _, err := GlueSchema("XML"); err == nil {
		t.Error("there is a schema of format XML")
	}
}

// The gateway refuses as Glue does, and counts.
func TestGlueGateway(t *testing.T) {
	registry := Moto(t).Registry(t)
	id := registry.CreateSchema(t, "s", GlueAvro, "NONE", `"int"`)
	gateway := StartGlueGateway(t, registry.Endpoint)
	client := registry.At(gateway.Endpoint).Client(t)
	get := func() string {
		_, err := client.GetSchemaVersion(t.Context(), &glue.GetSchemaVersionInput{SchemaVersionId: &id})
		var refused smithy.APIError
		if errors.As(err, &refused) {
			return refused.ErrorCode() + ": " + refused.ErrorMessage()
		}
		if err != nil {
			t.Error(err)
		}
		return ""
	}
	want := func(what, want string) {
		t.Helper()
		if got := get(); got != want {
			t.Errorf("%s: error %q, want %q", what, got, want)
		}
	}
	want("at first", "")
	gateway.Throttle(2)
	want("first", "ThrottlingException: Rate exceeded")
	want("second", "ThrottlingException: Rate exceeded")
	want("third", "")
	gateway.Refuse("InternalServiceException", 1)
	want("broken", "InternalServiceException: refused by the test")
	gateway.ThrottleShare(1)
	want("all", "ThrottlingException: Rate exceeded")
	gateway.Allow()
	want("none", "")
	if calls := gateway.Calls(); calls["GetSchemaVersion"] != 7 || gateway.Refused() != 4 {
		t.Errorf("calls %v, %d refused", calls, gateway.Refused())
	}
	gateway.ThrottleShare(0.5)
	for range 40 {
		get()
	}
	if n := gateway.Refused() - 4; n < 5 || n > 35 {
		t.Errorf("%d of 40 calls refused, by a share of one half", n)
	}
	// The client of the SDK knows that it may try again.
	gateway.Throttle(2)
	patient := glue.New(registry.At(gateway.Endpoint).Client(t).Options(), func(o *glue.Options) { o.RetryMaxAttempts = 3 })
	if _, err := patient.GetSchemaVersion(t.Context(), &glue.GetSchemaVersionInput{SchemaVersionId: &id}); err != nil {
		t.Error(err)
	}
}

func TestCanonicalJSON(t *testing.T) {
	for line, want := range map[string]string{
		`{"b":1.50,"a":{"d":"\u00e9<","c":[1e5,-0]}}`: `{"a":{"c":[1e5,-0],"d":"é<"},"b":1.50}`,
		"\"\\ud83d\\ude00\"":                          `"😀"`,
	} {
		if got := canonical(t, line); got != want {
			t.Errorf("%s is %s, want %s", line, got, want)
		}
	}
	for _, line := range []string{``, `{`, `1 2`} {
		if got, err := CanonicalJSON(line); err == nil {
			t.Errorf("%q is %q", line, got)
		}
	}
}

func canonical(t *testing.T, line string) string {
	t.Helper()
	text, err := CanonicalJSON(line)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func size(values [][]byte) (n int) {
	for _, v := range values {
		n += len(v)
	}
	return n
}

// versionID is the schema version id of a framed value.
func versionID(value []byte) string {
	h := hex.EncodeToString(value[2:18])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
