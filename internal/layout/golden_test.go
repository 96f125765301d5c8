package layout_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/layout"
	"github.com/millrace/millrace/internal/staging"
	"github.com/millrace/millrace/internal/template"
)

// tail stands for the number of a link and random digits, as in the README of sinks/s3.
const tail = "-0000000012-1f0a93c2"

// A sample is a record of a golden file.
type sample struct {
	Topic     string          `json:"topic"`
	Partition int32           `json:"partition"`
	Offset    int64           `json:"offset"`
	At        string          `json:"at"`
	Key       *string         `json:"key"`
	Value     json.RawMessage `json:"value"`
}

func (s sample) batch(t *testing.T) *connector.Batch {
	t.Helper()
	r := connectortest.R{Offset: s.Offset, Value: string(s.Value), NullKey: s.Key == nil}
	if s.Key != nil {
		r.Key = *s.Key
	}
	if s.At != "" {
		at, err := time.Parse(time.RFC3339, s.At)
		if err != nil {
			t.Fatal(err)
		}
		r.Timestamp = at.UnixMilli()
	}
	if s.Value == nil {
		r.Value = "{}"
	}
	return connectortest.Batch(t, s.Topic, s.Partition, r)
}

// TestGolden: from another product's settings and a record the key of its object, name for name.
func TestGolden(t *testing.T) {
	for _, name := range []string{"confluent", "firehose", "aiven"} {
		data, err := os.ReadFile("testdata/" + name + ".golden")
		if err != nil {
			t.Fatal(err)
		}
		cases := strings.Split(string(data), "\n== ")[1:]
		if len(cases) < 8 {
			t.Fatalf("%s has %d cases", name, len(cases))
		}
		for _, text := range cases {
			title, rest, _ := strings.Cut(text, "\n")
			t.Run(name+"/"+title, func(t *testing.T) { golden(t, name, rest) })
		}
	}
}

func golden(t *testing.T, product, text string) {
	settings := map[string]string{}
	var made *layout.Settings
	var at *connector.Batch
	refused := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		word, rest, _ := strings.Cut(line, " ")
		if line == "" {
			continue
		}
		if made == nil && (word == "record" || word == "refused") {
			s, err := translate(product, settings)
			if refused = word == "refused"; refused {
				if err == nil || !strings.Contains(err.Error(), rest) {
					t.Errorf("%v; want %q", err, rest)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Log(s.Path, s.Time, s.Extension, s.Notes)
			made = &s
		}
		switch word {
		case "record":
			var r sample
			if err := json.Unmarshal([]byte(rest), &r); err != nil {
				t.Fatalf("%s: %v", rest, err)
			}
			at = r.batch(t)
		case "key":
			if got, err := made.Name(at, 0, tail); err != nil || got != rest {
				t.Errorf("%s: %q, %v\nwant %q", made.Path, got, err, rest)
			}
		case "error":
			if got, err := made.Name(at, 0, tail); err == nil || !strings.Contains(err.Error(), rest) {
				t.Errorf("%s: %q, %v; want %q", made.Path, got, err, rest)
			}
		case "letter":
			if got := letterPath(t, made.DeadLetter, at); got != rest {
				t.Errorf("%s: %q; want %q", made.DeadLetter, got, rest)
			}
		default:
			key, value, found := strings.Cut(line, " =")
			if !found {
				t.Fatalf("what is %q?", line)
			}
			settings[key] = strings.TrimPrefix(value, " ")
		}
	}
	if made == nil && !refused {
		t.Fatal("no record")
	}
}

func translate(product string, settings map[string]string) (layout.Settings, error) {
	switch product {
	case "confluent":
		return layout.Confluent(settings)
	case "aiven":
		return layout.Aiven("", settings)
	}
	prefix, failures, zone := settings["prefix"], settings["failures"], settings["zone"]
	delete(settings, "prefix")
	delete(settings, "failures")
	delete(settings, "zone")
	return layout.Firehose(prefix, failures, zone, settings)
}

// letterPath evaluates the path of a dead letter, with what such a path may hold.
func letterPath(t *testing.T, path string, b *connector.Batch) string {
	t.Helper()
	p, err := template.Compile(path+"x", template.Options{Path: true, Time: &template.Time{}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Append(nil, b, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(got), "x")
}

// TestAsStaging: paths get the same names, and are unique or not, as in package staging.
func TestAsStaging(t *testing.T) {
	for _, path := range []string{"a/", "{topic}/{time:yyyy}/", "a/{topic}+{position}", "{hash:2}/a", "{hash:2}/a/", "a", "{key}"} {
		s := layout.Settings{Path: path}
		ours, unique, err := s.Compile()
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := staging.CompilePath(path, staging.Naming{})
		if err != nil || ours.Text() != theirs.Text() || unique != theirs.Unique {
			t.Errorf("%s: %s %v, %s %v, %v", path, ours.Text(), unique, theirs.Text(), theirs.Unique, err)
		}
	}
}
