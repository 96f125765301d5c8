package registry_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// assumed decodes by s, whose version is the schema's text.
func assumed(t *testing.T, s serde.Schema, assumptions ...registry.Assumption) *registry.Assumed {
	t.Helper()
	a := registry.NewAssumed(registry.AssumedOptions{
		Assumptions: assumptions,
		Find: func(_ context.Context, name, version string) (*serde.Schema, error) {
			if version == "" {
				return nil, registry.ErrNotFound
			}
			found := s
			found.Format, found.Text = serde.Avro, version
			if s.Name == "" && s.ID == "" {
				found.Name, found.Version = name, 1
			}
			return &found, nil
		},
		Denied: func(err error) error { return errors.New(err.Error() + ": look at the settings") },
	})
	t.Cleanup(a.Close)
	return a
}

func TestAssumed(t *testing.T) {
	a := assumed(t, serde.Schema{},
		registry.Assumption{Topic: "car-?", Schema: "{topic}-value", Version: `"long"`},
		registry.Assumption{Topic: "car-*", Schema: "never", Version: `"bytes"`},
		registry.Assumption{Topic: "t", Schema: "s", Version: `"string"`})
	for topic, want := range map[string]string{"car-1": "7", "car-22": "", "t": "", "others": "", "car": ""} {
		if has := a.Has(topic); has == (topic == "others" || topic == "car") {
			t.Errorf("%s: %t", topic, has)
		}
		if want == "" {
			continue
		}
		v, err := a.Decode(t.Context(), serde.NewTape(), topic, []byte{14})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.AppendJSON(nil); err != nil || string(got) != want || v.Schema().Name != topic+"-value" {
			t.Errorf("%s: %s of %s, %v", topic, got, v.Schema().Name, err)
		}
	}
	if all := a.Schemas(); len(all) != 1 || all[0].Topic != "car-1" {
		t.Errorf("schemas %v", all)
	}
	if _, err := a.Decode(t.Context(), serde.NewTape(), "others", nil); err == nil {
		t.Error("a topic without a schema was decoded")
	}
	var none *registry.Assumed
	if none.Has("t") || none.Schemas() != nil {
		t.Error("nil has a topic")
	}
	none.Close()
}

// What a value may have been written with instead is said by what is known of the schema.
func TestAssumedAnotherVersion(t *testing.T) {
	for want, s := range map[string]serde.Schema{
		"with another version of cars than 3?":  {Name: "cars", ID: "7", Version: 3},
		"with another version of cars than 7?":  {Name: "cars", ID: "7"},
		"with another schema than 7?":           {ID: "7"},
		"with another version of cars than 12?": {Name: "cars", Version: 12},
	} {
		a := assumed(t, s, registry.Assumption{Topic: "*", Version: `"long"`})
		_, err := a.Decode(t.Context(), serde.NewTape(), "t", []byte{1, 2})
		if err == nil || waits(err) || !strings.HasSuffix(err.Error(), "; was it written "+want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Settings name the schema: no record is given up for one that isn't there, or that nobody can decode with.
func TestAssumedIsNeverGivenUp(t *testing.T) {
	for version, want := range map[string]string{"": "no such schema", `{"type":"x"}`: "s, version 1: the schema can't be used: "} {
		synctest.Test(t, func(t *testing.T) {
			a := assumed(t, serde.Schema{}, registry.Assumption{Topic: "t", Schema: "s", Version: version})
			for range 20 {
				_, err := a.Decode(t.Context(), serde.NewTape(), "t", nil)
				if !waits(err) || registry.Denied(err) || !strings.HasPrefix(err.Error(), "schema of topic t: "+want) || !strings.HasSuffix(err.Error(), ": look at the settings") {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
			}
			a.Close()
		})
	}
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]int64{"latest": 0, "1": 1, "2147483647": 2147483647} {
		if n, ok := registry.ParseVersion(text); n != want || !ok {
			t.Errorf("%s: %d, %t", text, n, ok)
		}
	}
	for _, text := range []string{"", "0", "-1", "newest", "1.0", "2147483648", "Latest"} {
		if n, ok := registry.ParseVersion(text); ok {
			t.Errorf("%q: %d", text, n)
		}
	}
}

func TestCheckTopics(t *testing.T) {
	for pattern, good := range map[string]bool{"cars": true, "car-*": true, "car-?": true, "": false, "[": false} {
		if err := registry.CheckTopics(pattern); good != (err == nil) {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestSettings(t *testing.T) {
	good := registry.Settings{Timestamps: registry.TimestampsEpoch, Plain: registry.PlainNone}
	if d, err := good.PlainDecoder(); d != nil || err != nil || good.Validate() != nil || good.Folder() != nil {
		t.Errorf("got %v, %v", d, errors.Join(err, good.Validate()))
	}
	bad := registry.Settings{Timestamps: "unix", Plain: "xml", Reader: "{", Limits: serde.Limits{Depth: -1}}
	err := bad.Validate()
	for _, want := range []string{`timestamps is "unix"; it must be one of rfc3339, epoch`, `plain is "xml"`, "reader: ", "limits: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %s", err, want)
		}
	}
	for plain, want := range map[string]string{registry.PlainJSON: "7", registry.PlainString: `"7"`, registry.PlainBytes: `"Nw=="`} {
		d, err := registry.Settings{Plain: plain}.PlainDecoder()
		if err != nil {
			t.Fatal(err)
		}
		v, err := d.Decode(t.Context(), serde.NewTape(), "", []byte("7"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.AppendJSON(nil); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", plain, got, err)
		}
	}
	if f := (registry.Settings{SchemaFolder: "d"}).Folder(); f == nil || f.Dir != "d" {
		t.Errorf("folder %v", f)
	}
}
