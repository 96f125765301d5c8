package glue_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/glue"
)

const proto = `syntax = "proto3"; package p; message B { string s = 1; message C { int64 n = 1; } } message A { int64 n = 1; }`

// encoderConfig is that of an encoder that writes points.
func (d *double) encoderConfig() glue.EncoderConfig {
	c := glue.DefaultEncoderConfig()
	c.Connection, c.Definition = d.connection(), point2
	return c
}

func encoder(t testing.TB, c glue.EncoderConfig) *glue.Encoder {
	t.Helper()
	e, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// encode is what e makes of a JSON text, behind what was there.
func encode(t testing.TB, e *glue.Encoder, topic, text string) ([]byte, error) {
	t.Helper()
	v, err := serde.NewTape().JSON([]byte(text), serde.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := e.Encode(t.Context(), []byte("before"), topic, v)
	if rest, ok := strings.CutPrefix(string(out), "before"); !ok || err != nil && rest != "" {
		t.Fatalf("before became %q", out)
	}
	return out[len("before"):], err
}

// What the encoder writes, the decoder reads, in every format, compressed or not, registered or found.
func TestRoundTrip(t *testing.T) {
	for name, x := range map[string]struct{ format, definition, message, text string }{
		"avro":           {"AVRO", point2, "", `{"x":7,"y":"a"}`},
		"json":           {"JSON", `{"type":"object"}`, "", `{"x":7.50}`},
		"protobuf":       {"PROTOBUF", proto, "p.A", `{"n":7}`},
		"inside another": {"PROTOBUF", proto, "p.B.C", `{"n":7}`},
	} {
		for _, compression := range []string{"none", "zlib"} {
			t.Run(name+" "+compression, func(t *testing.T) {
				server := glueDouble(t)
				c := server.encoderConfig()
				c.Format, c.Definition, c.Message, c.Compression, c.Register = x.format, x.definition, x.message, compression, true
				d := open(t, server.config())
				for range 2 { // registers, then finds
					e := encoder(t, c)
					for range 2 {
						data, err := encode(t, e, "points", x.text)
						if err != nil {
							t.Fatal(err)
						}
						if _, _, packed, ok := glue.Split(data); !ok || packed != (compression == "zlib") {
							t.Errorf("header %x", data[:18])
						}
						expect(t, d, "", data, x.text)
					}
					if all := e.Schemas(); len(all) != 1 || all[0].Topic != "points" || all[0].Schema.Name != "points" || all[0].Schema.Version != 1 {
						t.Errorf("schemas %v", all)
					}
				}
				if n, m := server.count("CreateSchema"), server.count("GetSchemaByDefinition"); n != 1 || m != 2 {
					t.Errorf("%d schemas created and %d definitions looked for, want 1 and 2", n, m)
				}
			})
		}
	}
}

// A version is written with once AWS Glue has checked it.
func TestRegisterVersion(t *testing.T) {
	server := points(t)
	server.versions = server.versions[:1]
	server.checks = 2
	c := server.encoderConfig()
	c.Schema, c.Register = "trips", true
	e := encoder(t, c)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := encode(t, e, "t", `{"x":7,"y":"a"}`); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n, m := server.count("RegisterSchemaVersion"), server.count("GetSchemaVersion"); n != 1 || m != 2 {
		t.Errorf("%d versions registered and %d asked for, want 1 and 2", n, m)
	}
	if got := e.Schemas()[0].Schema; got.Version != 2 || got.Text != point2 {
		t.Errorf("schema %+v", got)
	}
}

func TestEncoderErrors(t *testing.T) {
	server := points(t)
	server.versions = server.versions[:1]
	unavailable := func(c glue.EncoderConfig, class connector.Class, want string) {
		t.Helper()
		_, err := encode(t, encoder(t, c), "trips", `{"x":7,"y":"a"}`)
		if _, ok := errors.AsType[*serde.Unavailable](err); !ok || connector.ClassOf(err) != class || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: class %s, want %s: %s", err, connector.ClassOf(err), class, want)
		}
	}
	c := server.encoderConfig()
	unavailable(c, connector.Systemic, "set register: true")
	c.Register, server.refuse = true, true
	unavailable(c, connector.Systemic, "isn't compatible with the versions before")
	c.Schema, c.Registry = "new", "nowhere"
	unavailable(c, connector.Systemic, "look at registry")
	server.fault = func(operation string) *reply {
		if operation == "RegisterSchemaVersion" {
			return &reply{http.StatusBadRequest, "AccessDeniedException", "no"}
		}
		return nil
	}
	unavailable(c, connector.Systemic, "glue:RegisterSchemaVersion")
	server.fail(&reply{http.StatusBadRequest, "ThrottlingException", "Rate exceeded"})
	unavailable(c, connector.Retryable, "Rate exceeded")

	e := encoder(t, points(t).encoderConfig())
	if _, err := encode(t, e, "trips", `{"x":"seven"}`); err == nil || !strings.Contains(err.Error(), "schema trips, version 2: ") {
		t.Errorf("a value that doesn't fit: %v", err)
	}
}

func TestValidateEncoder(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*glue.EncoderConfig)
		want   string
	}{
		"good":          {func(*glue.EncoderConfig) {}, ""},
		"no definition": {func(c *glue.EncoderConfig) { c.Definition = "" }, "definition is missing"},
		"too long":      {func(c *glue.EncoderConfig) { c.Definition = strings.Repeat(" ", 170_001) }, "170001 characters"},
		"broken":        {func(c *glue.EncoderConfig) { c.Definition = "{" }, "definition: "},
		"format":        {func(c *glue.EncoderConfig) { c.Format = "avro" }, "format is"},
		"message":       {func(c *glue.EncoderConfig) { c.Message = "p.A" }, "message is for format PROTOBUF"},
		"compression":   {func(c *glue.EncoderConfig) { c.Compression = "gzip" }, "compression is"},
		"compatibility": {func(c *glue.EncoderConfig) { c.Compatibility = "SOME" }, "compatibility is"},
		"schema":        {func(c *glue.EncoderConfig) { c.Schema = "a b" }, "schema is"},
		"registry":      {func(c *glue.EncoderConfig) { c.Registry = "" }, "registry is"},
	} {
		c := glueDouble(t).encoderConfig()
		x.change(&c)
		check(t, name, c.Validate(), x.want)
	}
}

// check compares an error with what it must say, "" for none.
func check(t *testing.T, name string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s: %v, want %q", name, err, want)
	}
}
