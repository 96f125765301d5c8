//go:build testbed

package behaviour

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/glue"
	"github.com/millrace/millrace/testbed"
)

// javaRecords is how many records Java and Millrace write for each other, of each format, with zlib and without.
const javaRecords = 1000

// connection is how Millrace reaches a registry of moto.
func connection(r *testbed.GlueRegistry) glue.Connection {
	c := glue.DefaultConfig().Connection
	c.Region, c.Endpoint, c.Registry = r.Region, r.Endpoint, r.Name
	c.AccessKey, c.SecretKey = secret.New("millrace"), secret.New("millrace")
	return c
}

// What AWS's own serde for Java writes, Millrace reads, and the other way round: Avro, JSON Schema and Protobuf, with zlib and without.
func TestGlueRoundTripWithJava(t *testing.T) {
	registry := testbed.Moto(t).Registry(t)
	var options []testbed.GlueOptions
	for _, format := range []string{testbed.GlueAvro, testbed.GlueJSON, testbed.GlueProtobuf} {
		for _, compress := range []bool{false, true} {
			options = append(options, testbed.GlueOptions{Format: format, Compress: compress, SchemaName: "vehicle-" + format, Count: javaRecords, Seed: 6})
		}
	}
	written, err := registry.Serde().Write(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	c := glue.DefaultConfig()
	c.Connection = connection(registry)
	decoder, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = decoder.Close() }()
	var back []testbed.GlueRead
	for i, o := range options {
		name := fmt.Sprintf("%s, zlib %v", o.Format, o.Compress)
		values := make([]serde.Value, javaRecords)
		tape := serde.NewTape()
		for j, message := range written[i].Values {
			if values[j], err = decoder.Decode(t.Context(), tape, "vehicles", message); err != nil {
				t.Fatalf("%s, record %d: %v", name, j, err)
			}
			sameJSON(t, fmt.Sprintf("%s, record %d, from Java", name, j), text(t, values[j]), written[i].Expected[j])
			if s := values[j].Schema(); s == nil || s.Version != 1 || s.Name != o.SchemaName || len(s.ID) != 36 {
				t.Fatalf("%s: written with %+v", name, s)
			}
		}
		back = append(back, testbed.GlueRead{Format: o.Format, Values: encodeAgain(t, registry, o, values, messageTypes(o, written[i-i%2].Values))})
	}
	read, err := registry.Serde().Read(t.Context(), back...)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, o := range options {
		for j, line := range read[i] {
			sameJSON(t, fmt.Sprintf("%s, zlib %v, record %d, read by Java", o.Format, o.Compress, j), line, written[i].Expected[j])
			n++
		}
	}
	t.Logf("%d records of 3 formats, with zlib and without, from Java and back", n)
}

// encodeAgain writes what was decoded, under a name of its own, which Millrace registers.
func encodeAgain(t *testing.T, registry *testbed.GlueRegistry, o testbed.GlueOptions, values []serde.Value, types []string) [][]byte {
	t.Helper()
	e := glue.DefaultEncoderConfig()
	e.Connection = connection(registry)
	e.Format, e.Definition, e.Register, e.Schema = o.Format, values[0].Schema().Text, true, "millrace-{topic}"
	if o.Compress {
		e.Compression = "zlib"
	}
	encoders := map[string]*glue.Encoder{}
	var messages [][]byte
	for i, v := range values {
		e.Message = types[i]
		encoder := encoders[e.Message]
		if encoder == nil {
			var err error
			if encoder, err = e.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = encoder.Close() })
			encoders[e.Message] = encoder
		}
		out, err := encoder.Encode(t.Context(), nil, o.Format, v)
		if err != nil {
			t.Fatalf("%s, record %d: encode: %v", o.Format, i, err)
		}
		messages = append(messages, out)
	}
	return messages
}

// messageTypes are the types of messages by their index in front of a value that isn't compressed, "" for the other formats.
func messageTypes(o testbed.GlueOptions, plain [][]byte) []string {
	types := make([]string, len(plain))
	if o.Format != testbed.GlueProtobuf {
		return types
	}
	names := map[byte]string{0: "Alarm", 1: "Depot", 3: "Depot.Gate", 4: "Depot.Gate.Lock", 5: "Vehicle", 10: "Vehicle.Pos"} // with the entries of maps between them
	for i, v := range plain {
		types[i] = "testbed.glue." + names[v[18]]
	}
	return types
}

func text(t *testing.T, v serde.Value) string {
	t.Helper()
	out, err := v.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func sameJSON(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, err := testbed.CanonicalJSON(got)
	if err != nil {
		t.Fatalf("%s: %v in %s", what, err, got)
	}
	w, err := testbed.CanonicalJSON(want)
	if err != nil {
		t.Fatal(err)
	}
	if g != w {
		at := 0
		for at < min(len(g), len(w)) && g[at] == w[at] {
			at++
		}
		from := max(0, at-100)
		t.Fatalf("%s:\n%.300s\nwant\n%.300s", what, g[from:], w[from:])
	}
}
