package confluent_test

import (
	"encoding/hex"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/confluent"
	"github.com/millrace/millrace/serde/serdetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The schemas of the registry in these tests.
const (
	userSchema = `{"type":"record","name":"User","namespace":"shop","fields":[` +
		`{"name":"name","type":"string"},{"name":"age","type":["null","int"]},` +
		`{"name":"since","type":{"type":"long","logicalType":"timestamp-millis"}}]}`
	positionSchema = `{"type":"record","name":"Position","namespace":"geo","fields":[{"name":"lat","type":"double"},{"name":"lng","type":"double"}]}`
	carSchema      = `{"type":"record","name":"Car","namespace":"geo","fields":[{"name":"id","type":"long"},{"name":"at","type":"geo.Position"}]}`
	eventSchema    = `{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}`
	pointSchema    = "syntax = \"proto3\";\npackage geo;\nmessage Point { double lat = 1; double lng = 2; }\n"
	tripSchema     = "syntax = \"proto3\";\npackage trips;\nimport \"geo/point.proto\";\n" +
		"message Trip {\n  string id = 1;\n  geo.Point from = 2;\n  message Stop {\n    int32 n = 1;\n    message Door { bool open = 1; }\n  }\n}\n" +
		"message Other { string x = 1; }\n"
)

// A fake is a registry with those schemas behind a switch.
type fake struct {
	*srfake.Registry
	*serdetest.Switch
	url string
}

func newFake(t testing.TB, options ...srfake.Option) *fake {
	r := srfake.NewRegistry(options...)
	r.SeedSchema("users-value", 1, 1, sr.Schema{Schema: userSchema})
	r.SeedSchema("position", 1, 3, sr.Schema{Schema: positionSchema})
	r.SeedSchema("cars-value", 2, 2, sr.Schema{Schema: carSchema, References: []sr.SchemaReference{{Name: "geo.Position", Subject: "position", Version: 1}}})
	r.SeedSchema("events-value", 3, 4, sr.Schema{Schema: eventSchema, Type: sr.TypeJSON})
	r.SeedSchema("geo", 1, 6, sr.Schema{Schema: pointSchema, Type: sr.TypeProtobuf})
	r.SeedSchema("trips-value", 1, 5, sr.Schema{Schema: tripSchema, Type: sr.TypeProtobuf, References: []sr.SchemaReference{{Name: "geo/point.proto", Subject: "geo", Version: 1}}})
	r.SeedSchema("blobs-value", 1, 0x01020304, sr.Schema{Schema: `"bytes"`})
	f := &fake{Registry: r, Switch: serdetest.NewSwitch(r.Handler())}
	server := httptest.NewServer(f.Switch)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// config is a decoder's, with changes.
func (f *fake) config(changes ...func(*confluent.Config)) confluent.Config {
	c := confluent.DefaultConfig()
	c.URL = []string{f.url}
	for _, change := range changes {
		change(&c)
	}
	return c
}

func open(t testing.TB, c confluent.Config) *confluent.Decoder {
	t.Helper()
	d, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// unhex reads bytes in hexadecimal with spaces.
func unhex(text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// What serializers write for values of those schemas, taken apart by hand.
var (
	user  = serdetest.Sample{Name: "Avro", Topic: "users", Data: unhex("00 00000001 0a417973656c 02 3c d0c285a9d162"), JSON: `{"name":"Aysel","age":30,"since":"2023-09-12T18:04:12.84Z"}`}
	car   = serdetest.Sample{Name: "Avro with a reference", Topic: "cars", Data: unhex("00 00000002 0e 0000000000344440 000000000000e0bf"), JSON: `{"id":7,"at":{"lat":40.40625,"lng":-0.5}}`}
	event = serdetest.Sample{Name: "JSON", Topic: "events", Data: slices.Concat(unhex("00 00000004"), []byte(`{"id":9007199254740993}`)), JSON: `{"id":9007199254740993}`}
	trip  = serdetest.Sample{
		Name: "Protobuf", Topic: "trips",
		Data: slices.Concat(unhex("00 00000005 00 0a02"), []byte("t1"), unhex("1209 09 0000000000344440")),
		JSON: `{"id":"t1","from":{"lat":40.40625,"lng":0}}`,
	}
	other = serdetest.Sample{Name: "Protobuf, the second message", Topic: "trips", Data: unhex("00 00000005 02 02 0a0168"), JSON: `{"x":"h"}`}
	door  = serdetest.Sample{Name: "Protobuf, a message in a message in a message", Topic: "trips", Data: unhex("00 00000005 06 00 00 00 0801"), JSON: `{"open":true}`}
	blob  = serdetest.Sample{Name: "Avro bytes", Topic: "blobs", Data: unhex("00 01020304 fe00"), JSON: `"/gA="`}
	plain = serdetest.Sample{Name: "plain JSON", Topic: "users", Data: []byte(`{"a":[1]}`), JSON: `{"a":[1]}`}
)

func samples() []serdetest.Sample {
	return []serdetest.Sample{user, car, event, trip, other, door, blob, plain}
}

func decode(t *testing.T, d serde.Decoder, s serdetest.Sample) (string, error) {
	t.Helper()
	v, err := d.Decode(t.Context(), serde.NewTape(), s.Topic, s.Data)
	if err != nil {
		return "", err
	}
	text, err := v.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), nil
}

func expect(t *testing.T, d serde.Decoder, s serdetest.Sample) {
	t.Helper()
	if got, err := decode(t, d, s); err != nil || got != s.JSON {
		t.Errorf("%s: got %s, %v, want %s", s.Name, got, err, s.JSON)
	}
}
