package glue_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde/glue"
	"github.com/millrace/millrace/serde/registry"
)

const (
	point1 = `{"type":"record","name":"P","fields":[{"name":"x","type":"long"}]}`
	point2 = `{"type":"record","name":"P","fields":[{"name":"x","type":"long"},{"name":"y","type":"string"}]}`

	point1ID = "00000000-0000-0000-0000-000000000001"
	point2ID = "00000000-0000-0000-0000-000000000002"
)

// points is a double with two versions of the schema trips.
func points(t testing.TB) *double {
	d := glueDouble(t)
	d.register(point1ID, "trips", "AVRO", point1, 1)
	d.register(point2ID, "trips", "AVRO", point2, 2)
	return d
}

// Values of the two versions, bare.
var (
	bare1 = []byte{14}
	bare2 = []byte{14, 2, 'a'}
)

func TestAssume(t *testing.T) {
	for name, x := range map[string]struct {
		assume glue.Assume
		topic  string
		data   []byte
		want   string
	}{
		"topic's name": {glue.Assume{Schema: "{topic}", Version: "latest"}, "trips", bare2, `{"x":7,"y":"a"}`},
		"number":       {glue.Assume{Schema: "{topic}", Version: "1"}, "trips", bare1, `{"x":7}`},
		"id":           {glue.Assume{Schema: "any", Version: point1ID}, "other", bare1, `{"x":7}`},
		"single topic": {glue.Assume{Version: "2", Topics: []glue.TopicSchema{{Topic: "t*", Schema: "{topic}s"}}}, "trip", bare2, `{"x":7,"y":"a"}`},
		"own version":  {glue.Assume{Version: "2", Topics: []glue.TopicSchema{{Topic: "t", Schema: "no"}, {Topic: "t?", Schema: "trips", Version: "1"}}}, "ti", bare1, `{"x":7}`},
		"others":       {glue.Assume{Version: "2", Topics: []glue.TopicSchema{{Topic: "t", Schema: "no"}}}, "other", []byte("[1]"), `[1]`},
		"null":         {glue.Assume{Schema: "{topic}", Version: "1"}, "trips", nil, `null`},
	} {
		t.Run(name, func(t *testing.T) {
			c := points(t).config()
			c.Assume = x.assume
			expect(t, open(t, c), x.topic, x.data, x.want)
		})
	}
}

// The version that was chosen first stays, and is shown with its topic.
func TestAssumedVersionStays(t *testing.T) {
	server := points(t)
	c := server.config()
	c.Assume.Schema = "{topic}"
	d := open(t, c)
	expect(t, d, "trips", bare2, `{"x":7,"y":"a"}`)
	server.register("00000000-0000-0000-0000-000000000003", "trips", "AVRO", point1, 3)
	expect(t, d, "trips", bare2, `{"x":7,"y":"a"}`)
	fails(t, d, "trips", bare1, false, "; was it written with another version of trips than 2?")
	if n := server.count(""); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
	if all := d.Schemas(); len(all) != 1 || all[0].Topic != "trips" || all[0].Schema.Version != 2 {
		t.Errorf("schemas %v", all)
	}
	// What looks like a header is none: the value was written without.
	fails(t, d, "trips", append([]byte{3, 0}, make([]byte, 20)...), false, "was it written with another version")
}

// A schema that isn't there is a mistake of the settings, for which no record is given up.
func TestAssumedSchemaMissing(t *testing.T) {
	server := points(t)
	c := server.config()
	c.Assume.Schema = "trisp"
	err := failure(t, open(t, c), "trips", bare1, true, "schema of topic trips: ", "newest version of schema trisp in registry fleet", "look at glue.assume")
	if got := connector.ClassOf(err); got != connector.Systemic {
		t.Errorf("class %s, want systemic", got)
	}
}

// Not even after the 5 minutes in which what a value names has to appear.
func TestAssumedSchemaIsNeverGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := glue.DefaultConfig()
		c.Assume.Schema = "trisp"
		d, err := glue.Asking(t.Context(), c, memory{}.call)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		for range 20 {
			fails(t, d, "trips", bare1, true, "look at glue.assume")
			time.Sleep(time.Minute)
		}
	})
}

// A value without a header doesn't name its message either.
func TestAssumedMessage(t *testing.T) {
	server := glueDouble(t)
	server.register(point1ID, "s", "PROTOBUF", proto, 1)
	for message, want := range map[string]string{"p.A": `{"n":7}`, "p.B.C": `{"n":7}`, "p.B": `{"s":"a"}`} {
		c := server.config()
		c.Assume = glue.Assume{Schema: "s", Version: "latest", Message: message}
		data := []byte{8, 7}
		if message == "p.B" {
			data = []byte{10, 1, 'a'}
		}
		expect(t, open(t, c), "t", data, want)
	}
	c := server.config()
	c.Assume.Schema = "s"
	fails(t, open(t, c), "t", []byte{8, 7}, false, "several messages")
}

func TestAssumeByFolder(t *testing.T) {
	server := points(t)
	client, err := server.config().Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c := server.config()
	c.SchemaFolder = t.TempDir()
	if err := client.Versions(t.Context(), "trips", registry.Folder{Dir: c.SchemaFolder}.Save); err != nil {
		t.Fatal(err)
	}
	server.Close()
	for version, data := range map[string][]byte{"latest": bare2, "1": bare1, point1ID: bare1} {
		c.Assume = glue.Assume{Schema: "trips", Version: version}
		want := `{"x":7}`
		if len(data) > 1 {
			want = `{"x":7,"y":"a"}`
		}
		expect(t, open(t, c), "any", data, want)
	}
	c.Assume.Version = "3"
	fails(t, open(t, c), "any", bare1, true, "look at endpoint")
}

// Values are read by a newer schema, whatever version wrote them.
func TestReader(t *testing.T) {
	c := points(t).config()
	c.Reader = strings.Replace(point2, `"string"}`, `"string","default":"none"}`, 1)
	d := open(t, c)
	for text, data := range map[string][]byte{point1ID: bare1, point2ID: bare2} {
		id, err := glue.ParseID(text)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"x":7,"y":"none"}`
		if len(data) > 1 {
			want = `{"x":7,"y":"a"}`
		}
		expect(t, d, "", append(glue.AppendHeader(nil, id, false), data...), want)
	}
}
