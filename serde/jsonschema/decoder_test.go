package jsonschema_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/jsonschema"
	"github.com/millrace/millrace/serde/serdetest"
)

const vehicle = `{"$schema":"http://json-schema.org/draft-07/schema#","title":"Vehicle","type":"object","required":["id","pos"],
	"properties":{"id":{"type":"integer","minimum":1},"pos":{"type":"object","required":["lat","lng"],"additionalProperties":false,
	"properties":{"lat":{"type":"number","minimum":-90,"maximum":90},"lng":{"type":"number"}}},
	"tags":{"type":"array","items":{"type":"string","maxLength":20}},"state":{"enum":["moving","parked"]}}}`

const vehicleDoc = `{"id":9007199254740993,"pos":{"lat":40.40,"lng":49.87},"tags":["a","b"],"state":"moving"}`

func decoder(t testing.TB) *jsonschema.Decoder {
	t.Helper()
	c := jsonschema.DefaultConfig()
	c.Schema = vehicle
	d, err := jsonschema.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDecoder(t *testing.T) {
	serdetest.Test(t, decoder(t), []serdetest.Sample{
		{Name: "vehicle", Topic: "t", Data: []byte(vehicleDoc), JSON: vehicleDoc},
		{Name: "lines", Topic: "t", Data: []byte("{\n\"id\": 7, \"pos\":{\"lat\":1,\"lng\":2}}"), JSON: `{"id":7,"pos":{"lat":1,"lng":2}}`},
	})
}

func TestDecode(t *testing.T) {
	d := decoder(t)
	v, err := d.Decode(t.Context(), serde.NewTape(), "t", []byte(vehicleDoc))
	if err != nil {
		t.Fatal(err)
	}
	if s := v.Field("pos").Schema(); s == nil || s.Format != serde.JSONSchema || s.Name != "Vehicle" || s.Text != vehicle {
		t.Errorf("schema is %v", s)
	}
	_, err = d.Decode(t.Context(), serde.NewTape(), "t", []byte(`{"id":0,"pos":{"lat":"1","lng":2}}`))
	if err == nil || err.Error() != "json schema: /id: is less than 1; /pos/lat: got string, want number" {
		t.Errorf("got %v", err)
	}
	_, err = d.Decode(t.Context(), serde.NewTape(), "t", []byte(`{`))
	var syntax *serde.SyntaxError
	if !errors.As(err, &syntax) {
		t.Errorf("got %v", err)
	}
}

func TestConfig(t *testing.T) {
	for want, c := range map[string]jsonschema.Config{
		"schema is not set": {},
		"schema":            {Schema: `{"type":1}`},
		"nodes is -1":       {Schema: `{}`, Limits: serde.Limits{Nodes: -1}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := (jsonschema.Config{Schema: vehicle}).Validate(); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(vehicle, []byte(vehicleDoc))
	f.Add(`{"items":{"$ref":"#"},"uniqueItems":true}`, []byte(`[[],[1],1.5e3]`))
	f.Add(`{"patternProperties":{"^a":{"format":"regex"}}}`, []byte(`{"a":"(a{100}){9}"}`))
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		s, err := jsonschema.Parse(text)
		if err != nil {
			return
		}
		d, err := jsonschema.NewDecoder(s, nil, serde.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		v, err := d.Decode(t.Context(), serde.NewTape(), "t", data)
		if err != nil {
			if strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("the error has more than a line: %q", err)
			}
			return
		}
		if _, err := v.AppendJSON(nil); err != nil {
			t.Error(err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(vehicle, `{"type":"object"}`)
	f.Add(`{"$ref":"#/a/b","a":{"b":{"allOf":[{"$ref":"#"}]}}}`, `{"$ref":"x"}`)
	f.Add(`{"$schema":"https://json-schema.org/draft/2020-12/schema","$dynamicRef":"#a","$dynamicAnchor":"a"}`, `true`)
	f.Fuzz(func(t *testing.T, text, ref string) {
		s, err := jsonschema.Parse(text, serde.Reference{Name: "x", Text: ref})
		if err != nil {
			return
		}
		if problems := jsonschema.Compatible(s, s); len(problems) > 0 {
			t.Errorf("not compatible with itself: %q", problems)
		}
		for _, other := range []string{" " + text, ref} { // the same in other words has to be compared
			if o, err := jsonschema.Parse(other, serde.Reference{Name: "x", Text: ref}); err == nil {
				_, _ = jsonschema.Compatible(s, o), jsonschema.Compatible(o, s)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	d, tape := decoder(b), serde.NewTape()
	b.ReportAllocs()
	b.SetBytes(int64(len(vehicleDoc)))
	for b.Loop() {
		tape.Reset()
		if _, err := d.Decode(b.Context(), tape, "t", []byte(vehicleDoc)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jsonschema.Parse(vehicle); err != nil {
			b.Fatal(err)
		}
	}
}
