package confluent_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/confluent"
	"github.com/millrace/millrace/serde/registry"
	"github.com/millrace/millrace/serde/serdetest"
)

func openEncoder(t *testing.T, f *fake, change func(*confluent.EncoderConfig)) *confluent.Encoder {
	t.Helper()
	c := confluent.DefaultEncoderConfig()
	c.URL = []string{f.url}
	change(&c)
	e, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func newest(*confluent.EncoderConfig) {}

func TestEncoderConformance(t *testing.T) {
	f := newFake(t)
	d := open(t, f.config())
	t.Run("newest", func(t *testing.T) {
		serdetest.TestEncoder(t, openEncoder(t, f, newest), d, []serdetest.Sample{user, car, event, blob})
	})
	for _, s := range []serdetest.Sample{trip, other, door} {
		message := map[string]string{trip.Name: "trips.Trip", other.Name: "trips.Other", door.Name: "trips.Trip.Stop.Door"}[s.Name]
		t.Run(message, func(t *testing.T) {
			e := openEncoder(t, f, func(c *confluent.EncoderConfig) { c.Message = message })
			serdetest.TestEncoder(t, e, d, []serdetest.Sample{s})
			v, err := d.Decode(t.Context(), serde.NewTape(), s.Topic, s.Data)
			if err != nil {
				t.Fatal(err)
			}
			if data, err := e.Encode(t.Context(), nil, s.Topic, v); err != nil || !bytes.HasPrefix(data, s.Data[:confluent.HeaderSize+1]) {
				t.Errorf("encoded as %x, %v, want the header and the indexes of %x", data, err, s.Data)
			}
		})
	}
	if uses := openEncoder(t, f, newest).Schemas(); len(uses) != 0 {
		t.Errorf("%d schemas before the first value", len(uses))
	}
}

func encode(t *testing.T, e serde.Encoder, topic, text string) ([]byte, error) {
	t.Helper()
	v, err := serde.NewTape().JSON([]byte(text), serde.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return e.Encode(t.Context(), nil, topic, v)
}

const strangeSchema = `{"type": "record", "name": "Strange", "fields": [{"name": "n", "type": "int"}]}`

// A definition is registered once for each topic, where that is asked for.
func TestRegistering(t *testing.T) {
	f := newFake(t)
	var posted atomic.Int32
	f.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/versions") {
			posted.Add(1)
		}
		return false
	})
	define := func(register bool) func(*confluent.EncoderConfig) {
		return func(c *confluent.EncoderConfig) { c.Definition, c.Register = strangeSchema, register }
	}
	_, err := encode(t, openEncoder(t, f, define(false)), "new", `{"n":1}`)
	var u *serde.Unavailable
	if !errors.As(err, &u) || errors.Is(err, registry.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
	expectError(t, err, connector.Systemic, "register the definition, or set register")

	e := openEncoder(t, f, define(true))
	d := open(t, f.config())
	for _, topic := range []string{"new", "users", "new"} {
		data, err := encode(t, e, topic, `{"n":-1}`)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, d, serdetest.Sample{Topic: topic, Data: data, JSON: `{"n":-1}`})
	}
	if n := posted.Load(); n != 2 {
		t.Errorf("registered %d times, want once for each topic", n)
	}
	for _, use := range e.Schemas() {
		if want := map[string]int64{"new": 1, "users": 2}[use.Topic]; use.Schema.Version != want || use.Schema.Name != use.Topic+"-value" {
			t.Errorf("topic %s: %s version %d, want %d", use.Topic, use.Schema.Name, use.Schema.Version, want)
		}
	}
	if _, err := encode(t, openEncoder(t, f, define(false)), "new", `{"n":1}`); err != nil { // it is there now
		t.Error(err)
	}
	if n := posted.Load(); n != 2 {
		t.Errorf("registered %d times", n)
	}
}

func TestRegisteringWithReferences(t *testing.T) {
	f := newFake(t)
	e := openEncoder(t, f, func(c *confluent.EncoderConfig) {
		c.Subject, c.Definition, c.Register = "fleet-{topic}", carSchema, true
		c.References = []confluent.Reference{{Name: "geo.Position", Subject: "position", Version: 1}}
	})
	data, err := encode(t, e, "x", car.JSON)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, open(t, f.config()), serdetest.Sample{Topic: "x", Data: data, JSON: car.JSON})
	if s, ok := f.GetSchema("fleet-x", 1); !ok || len(s.References) != 1 {
		t.Errorf("registered is %+v", s)
	}
}

func TestEncodingFails(t *testing.T) {
	f := newFake(t)
	f.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/subjects/strict-value/versions") {
			w.WriteHeader(http.StatusConflict)
			_, err := w.Write([]byte(`{"error_code":409,"message":"Schema being registered is incompatible with an earlier schema"}`))
			return err == nil
		}
		return false
	})
	f.SeedSchema("strict-value", 1, 20, sr.Schema{Schema: `"int"`})
	var u *serde.Unavailable
	e := openEncoder(t, f, func(c *confluent.EncoderConfig) { c.Definition, c.Register = strangeSchema, true })
	_, err := encode(t, e, "strict", `{"n":1}`)
	expectError(t, err, connector.Systemic, "incompatible with an earlier schema")
	if !errors.As(err, &u) {
		t.Errorf("%v buries the record", err)
	}
	_, err = encode(t, openEncoder(t, f, newest), "nothing", `{"n":1}`)
	expectError(t, err, connector.Systemic, "look at subject, definition and references")

	e = openEncoder(t, f, newest)
	for topic, text := range map[string]string{"users": `{"name":1}`, "events": `{"id":"x"}`, "blobs": `"text"`} {
		if _, err := encode(t, e, topic, text); err == nil || errors.As(err, &u) || !strings.Contains(err.Error(), topic+"-value") {
			t.Errorf("%s as %s: error is %v", text, topic, err)
		}
	}
}
