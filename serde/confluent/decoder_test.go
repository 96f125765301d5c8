package confluent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/confluent"
	"github.com/millrace/millrace/serde/registry"
	"github.com/millrace/millrace/serde/serdetest"
)

func TestConformance(t *testing.T) {
	serdetest.Test(t, open(t, newFake(t).config()), samples())
}

func FuzzDecode(f *testing.F) {
	serdetest.Fuzz(f, knownIDs{open(f, newFake(f).config())}, samples())
}

// knownIDs turns ids that the registry hasn't into some that it has: a fuzzer would spend its time on lookups.
type knownIDs struct{ *confluent.Decoder }

func (k knownIDs) Decode(ctx context.Context, t *serde.Tape, topic string, data []byte) (serde.Value, error) {
	if id, payload, ok := confluent.Split(data); ok && id != 0x01020304 {
		data = append(confluent.AppendHeader(nil, 1+id%6), payload...)
	}
	return k.Decoder.Decode(ctx, t, topic, data)
}

func TestOutage(t *testing.T) {
	serdetest.TestOutage(t, serdetest.OutageHarness{
		Samples: []serdetest.Sample{car, user, trip},
		Unknown: unhex("00 00000063 00"),
		Open: func(t testing.TB) (serde.Decoder, *serdetest.Switch) {
			f := newFake(t)
			return open(t, f.config()), f.Switch
		},
	})
}

// Values tell their schema, and the decoder which it has used.
func TestSchemas(t *testing.T) {
	d := open(t, newFake(t).config())
	v, err := d.Decode(t.Context(), serde.NewTape(), "cars", car.Data)
	if err != nil {
		t.Fatal(err)
	}
	want := &serde.Schema{
		Format: serde.Avro, Name: "cars-value", ID: "2", Version: 2, Text: carSchema,
		References: []serde.Reference{{Name: "geo.Position", Text: positionSchema}},
	}
	if got := v.Schema(); !reflect.DeepEqual(got, want) {
		t.Errorf("the value's schema is %+v, want %+v", got, want)
	}
	if v, err := d.Decode(t.Context(), serde.NewTape(), "blobs", blob.Data); err != nil || v.Schema() == nil || v.Schema().ID != "16909060" {
		t.Errorf("the schema of bytes: %+v, %v", v.Schema(), err)
	}
	uses := d.Schemas()
	if len(uses) != 2 || uses[0].Topic != "" || !reflect.DeepEqual(uses[0].Schema, want) {
		t.Errorf("the decoder's schemas are %+v", uses)
	}
}

// A schema of several subjects has the first by name, with its newest version; a registry that doesn't tell is no obstacle.
func TestSubjects(t *testing.T) {
	f := newFake(t)
	f.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/schemas/ids/1/versions" {
			return false
		}
		_, err := io.WriteString(w, `[{"subject":"users-value","version":9},{"subject":"a-value","version":1},{"subject":"a-value","version":2},{"subject":"a-value","version":1}]`)
		return err == nil
	})
	d := open(t, f.config())
	expect(t, d, user)
	if s := d.Schemas()[0].Schema; s.Name != "a-value" || s.Version != 2 {
		t.Errorf("it is version %d of %s", s.Version, s.Name)
	}
	f.ClearInterceptors()
	f.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/versions") {
			http.NotFound(w, r)
			return true
		}
		return false
	})
	d = open(t, f.config())
	expect(t, d, user)
	if s := d.Schemas()[0].Schema; s.Name != "" || s.Version != 0 || s.ID != "1" {
		t.Errorf("it is version %d of %q, id %s", s.Version, s.Name, s.ID)
	}
}

func TestPlain(t *testing.T) {
	f := newFake(t)
	for _, tt := range []struct {
		plain, data, want string // want: JSON, or what the error holds
	}{
		{"json", `{"a":1}`, `{"a":1}`},
		{"json", "\x00\x00", "it begins with 0000, as the header does, but has only 2 bytes of 5"},
		{"json", "\x03\x00abcdefghijklmnopqrst", "as values of AWS Glue do: decode them with glue"},
		{"json", "", "empty value"},
		{"string", "x", `"x"`},
		{"string", "\x00", `"\u0000"`},
		{"string", "", `""`},
		{"bytes", "\xff", `"/w=="`},
		{"bytes", "\x01\x00\x00\x00\x01x", `"AQAAAAF4"`},
		{"none", "{}", "the value has no header of a Confluent serializer: it begins with 7b7d; confluent.plain says what such a value is"},
		{"none", "", "it is empty"},
		{"none", "\x00\x00", "as the header does, but has only 2 bytes of 5"},
	} {
		d := open(t, f.config(func(c *confluent.Config) { c.Plain = tt.plain }))
		got, err := decode(t, d, serdetest.Sample{Topic: "users", Data: []byte(tt.data)})
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != tt.want || !strings.Contains(got, tt.want) {
			t.Errorf("%s, %q: got %s, want %s", tt.plain, tt.data, got, tt.want)
		}
		var u *serde.Unavailable
		if errors.As(err, &u) {
			t.Errorf("%s, %q: nothing can make this value good: %v", tt.plain, tt.data, err)
		}
		expect(t, d, user) // values with a header are decoded all the same
	}
	if n := f.Requests(); n != 2*12 {
		t.Errorf("values without a header caused requests: there were %d", n)
	}
}

// Bytes that aren't in a record have no length before them, however Kafka Connect decorates their schema.
func TestBytes(t *testing.T) {
	f := newFake(t)
	for i, schema := range []string{`{"type":"bytes"}`, `{"type":"bytes","connect.version":1,"connect.name":"x"}`, `{"type":"bytesize"}`} {
		f.SeedSchema(fmt.Sprint("s", i), 1, 30+i, sr.Schema{Schema: schema})
	}
	d := open(t, f.config())
	for _, id := range []string{"1e", "1f"} {
		expect(t, d, serdetest.Sample{Name: id, Data: unhex("00 000000" + id + "04ff"), JSON: `"BP8="`})
	}
	if v, err := decode(t, d, serdetest.Sample{Data: unhex("00 00000020 04ff")}); err == nil {
		t.Errorf("a type that isn't: %s", v)
	}
}

func TestSettings(t *testing.T) {
	f := newFake(t)
	t.Run("timestamps", func(t *testing.T) {
		d := open(t, f.config(func(c *confluent.Config) { c.Timestamps = "epoch" }))
		s := user
		s.JSON = `{"name":"Aysel","age":30,"since":1694541852840}`
		expect(t, d, s)
	})
	t.Run("reader", func(t *testing.T) {
		d := open(t, f.config(func(c *confluent.Config) {
			c.Reader = `{"type":"record","name":"User","namespace":"shop","fields":[{"name":"name","type":"string"},{"name":"tier","type":"int","default":1}]}`
		}))
		s := user
		s.JSON = `{"name":"Aysel","tier":1}`
		expect(t, d, s)
	})
	t.Run("validate", func(t *testing.T) {
		bad := event
		bad.Data, bad.JSON = append(unhex("00 00000004"), `{"id":"x"}`...), `{"id":"x"}`
		expect(t, open(t, f.config()), bad)
		d := open(t, f.config(func(c *confluent.Config) { c.ValidateJSON = true }))
		expect(t, d, event)
		if _, err := decode(t, d, bad); err == nil || !strings.Contains(err.Error(), "schema 4 (events-value, version 3): ") {
			t.Errorf("error %v", err)
		}
	})
}

func TestFolder(t *testing.T) {
	folder := registry.Folder{Dir: t.TempDir()}
	if err := folder.Save(&serde.Schema{Format: serde.Avro, ID: "1", Name: "users-value", Version: 5, Text: userSchema}); err != nil {
		t.Fatal(err)
	}
	f := newFake(t)
	with := func(c *confluent.Config) { c.SchemaFolder = folder.Dir }
	d := open(t, f.config(with))
	expect(t, d, user)
	if s := d.Schemas()[0].Schema; s.Version != 5 || s.Name != "users-value" {
		t.Errorf("schema %+v", s)
	}
	d = open(t, f.config(with, func(c *confluent.Config) { c.Assume.Subject = "{topic}-value" }))
	s := user
	s.Data = user.Data[confluent.HeaderSize:]
	expect(t, d, s)
	if n := f.Requests(); n != 0 {
		t.Errorf("%d requests for schemas of the folder", n)
	}
	expect(t, d, serdetest.Sample{Topic: "cars", Data: car.Data[confluent.HeaderSize:], JSON: car.JSON}) // the folder hasn't this one
}

func TestAssume(t *testing.T) {
	f := newFake(t)
	f.SeedSchema("users-value", 2, 11, sr.Schema{Schema: `{"type":"record","name":"User","namespace":"shop","fields":[{"name":"name","type":"string"}]}`})
	d := open(t, f.config(func(c *confluent.Config) {
		c.Assume = confluent.Assume{
			Subject: "{topic}-value", Version: "latest", Message: "trips.Trip",
			Topics: []confluent.TopicSubject{{Topic: "old-*", Subject: "users-value", Version: "1"}, {Topic: "old-cars", Subject: "never"}},
		}
	}))
	for topic, s := range map[string]serdetest.Sample{"cars": car, "trips": trip, "old-x": user} {
		s.Topic, s.Data = topic, s.Data[confluent.HeaderSize:]
		if s.Name == trip.Name {
			s.Data = s.Data[1:] // nor are there indexes
		}
		expect(t, d, s)
	}
	expect(t, d, serdetest.Sample{Topic: "users", Data: unhex("0a417973656c"), JSON: `{"name":"Aysel"}`})
	_, err := decode(t, d, serdetest.Sample{Topic: "users", Data: user.Data[confluent.HeaderSize:]})
	if err == nil || !strings.Contains(err.Error(), "was it written with another version of users-value than 2?") {
		t.Errorf("error %v", err)
	}
	versions := map[string]string{}
	for _, use := range d.Schemas() {
		versions[use.Topic] = fmt.Sprint(use.Schema.Name, use.Schema.Version)
	}
	want := map[string]string{"cars": "cars-value2", "trips": "trips-value1", "old-x": "users-value1", "users": "users-value2"}
	if !reflect.DeepEqual(versions, want) {
		t.Errorf("schemas %v, want %v", versions, want)
	}
}

// A subject that isn't there is no fault of the records: they wait.
func TestAssumedSubjectIsMissing(t *testing.T) {
	d := open(t, newFake(t).config(func(c *confluent.Config) {
		c.Assume.Topics = []confluent.TopicSubject{{Topic: "t", Subject: "no/such subject"}}
	}))
	_, err := decode(t, d, serdetest.Sample{Topic: "t", Data: []byte("x")})
	var u *serde.Unavailable
	if !errors.As(err, &u) || errors.Is(err, registry.ErrNotFound) || connector.ClassOf(err) != connector.Systemic || !strings.Contains(err.Error(), "look at confluent.assume") {
		t.Errorf("error %v", err)
	}
	expect(t, d, user) // other topics have headers
}

func TestErrorsNameTheSchema(t *testing.T) {
	d := open(t, newFake(t).config())
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"cut":                    {user.Data[:8], "schema 1 (users-value, version 1): avro: "},
		"more behind it":         {append(append([]byte{}, user.Data...), 0), "schema 1 (users-value, version 1): avro: "},
		"no message of that":     {unhex("00 00000005 04 00 0e"), "schema 5 (trips-value, version 1): protobuf: the schema has no message with path [0 7]"},
		"negative message index": {unhex("00 00000005 01"), "schema 5 (trips-value, version 1): protobuf: "},
		"indexes cut":            {unhex("00 00000005 04"), "schema 5 (trips-value, version 1): protobuf: "},
		"no JSON":                {unhex("00 00000004 7b"), "schema 4 (events-value, version 3): "},
	} {
		_, err := decode(t, d, serdetest.Sample{Topic: "t", Data: tt.data})
		var u *serde.Unavailable
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || errors.As(err, &u) {
			t.Errorf("%s: error is %v, want %s", name, err, tt.want)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	d := open(b, newFake(b).config())
	for _, s := range samples() {
		b.Run(s.Name, func(b *testing.B) {
			b.ReportAllocs()
			tape, n := serde.NewTape(), 0
			for b.Loop() {
				if _, err := d.Decode(b.Context(), tape, s.Topic, s.Data); err != nil {
					b.Fatal(err)
				}
				if n++; n%100 == 0 {
					tape.Reset()
				}
			}
		})
	}
}
