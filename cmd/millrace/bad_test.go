package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestPreviewOfBadInput: a preview says of every record what would become of it, by the same stages and reasons as the
// connector. Good neighbours stand between the bad ones.
func TestPreviewOfBadInput(t *testing.T) {
	const source = "source: {kafka: {brokers: \"localhost:1\", topics: [cars]}}\ndead_letter: {kafka: {topic: dlq}}\n"
	geo := write(t, "name: geo\n"+source+"handlers:\n- filter: value.lat != 0 && value.lng != 0\n"+
		"sink: {redis_geo: {addrs: \"localhost:1\", key: cars, longitude: value.lng, latitude: value.lat}}\n")
	files := write(t, "name: files\n"+source+"sink: {file: {dir: "+t.TempDir()+"}}\n")
	const (
		value, rule, sink = "VALUE_CONVERTER", "TRANSFORMATION", "TASK_PUT"
		good              = `{"key":"good","value":{"lng":1,"lat":2}}`
	)
	text := func(s string) string {
		quoted, _ := json.Marshal(s) // a string can always be marshalled
		return `{"key":"bad","text":` + string(quoted) + `}`
	}
	type letter struct{ stage, words string } // the zero value: written
	for _, test := range []struct {
		name, line string
		geo, files letter
	}{
		{"not JSON", text("position: 1, 2"), letter{value, "expected a value, found 'p'"}, letter{value, "expected a value, found 'p'"}},
		{"truncated", text(`{"lng": 1, "lat": 2`), letter{value, "JSON ends early at byte 19, inside an object"}, letter{value, "JSON ends early at byte 19"}},
		{"empty", text(""), letter{value, "empty value"}, letter{value, "empty value"}},
		{"NaN", text(`{"lng": NaN, "lat": 2}`), letter{value, "found 'N'"}, letter{value, "found 'N'"}},
		{"deep", text(strings.Repeat("[", 10_000)), letter{value, "nested more than 128 deep"}, letter{value, "nested more than 128 deep"}},
		{"large", text(`"` + strings.Repeat("x", 10<<20) + `"`), letter{value, "the record has 10485765 bytes; max_record allows 8388608"}, letter{value, "max_record allows 8388608"}},
		{"invalid UTF-8", "{\"key\":\"bad\",\"value\":\"caf\xe9\"}", letter{value, "byte 0xE9 isn't UTF-8"}, letter{value, "byte 0xE9 isn't UTF-8"}},
		{"a missing field", `{"key":"bad","value":{"lng":1}}`, letter{rule, "field value.lat is missing"}, letter{}},
		{"a null field", `{"key":"bad","value":{"lng":1,"lat":null}}`, letter{sink, "latitude (value.lat) is null"}, letter{}},
		{"a wrong type", `{"key":"bad","value":{"lng":"1","lat":2}}`, letter{rule, "value.lng is a text"}, letter{}},
		{"out of range", `{"key":"bad","value":{"lng":181,"lat":2}}`, letter{sink, "longitude (value.lng) is 181; Redis takes -180 to 180"}, letter{}},
		{"null key", `{"key":null,"value":{"lng":1,"lat":2}}`, letter{sink, "member (key) is null"}, letter{}},
		{"tombstone", `{"key":"bad","value":null}`, letter{sink, "the record is a tombstone"}, letter{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := strings.Join([]string{good, test.line, good}, "\n")
			for file, want := range map[string]letter{geo: test.geo, files: test.files} {
				code, out, errs := millrace(t, plugins(), in, "preview", "--records", "--json", file)
				var results []struct{ Outcome, Stage, Error string }
				for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
					var r struct{ Outcome, Stage, Error string }
					if err := d.Decode(&r); err != nil {
						t.Fatalf("%v in %.300s", err, out)
					}
					results = append(results, r)
				}
				if code != exitDone || len(results) != 3 {
					t.Fatalf("exit code %d, %d results\n%.300s", code, len(results), errs)
				}
				if results[0].Outcome != outcomeWritten || results[2].Outcome != outcomeWritten {
					t.Errorf("the neighbours: %+v, %+v", results[0], results[2])
				}
				bad := results[1]
				if want.stage == "" {
					if bad.Outcome != outcomeWritten {
						t.Errorf("%+v", bad)
					}
					continue
				}
				if bad.Outcome != outcomeDead || bad.Stage != want.stage || !strings.Contains(bad.Error, want.words) {
					t.Errorf("%s at %s: %s\nwant %s: %s", bad.Outcome, bad.Stage, bad.Error, want.stage, want.words)
				}
			}
		})
	}
}
