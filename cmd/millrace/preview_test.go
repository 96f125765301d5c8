package main

import (
	"strings"
	"testing"
)

const geo = `name: cars
source: {kafka: {brokers: localhost:1, topics: [cars.gps.json]}}
handlers:
- filter: value.lat != 0 && value.lng != 0
sink: {redis_geo: {addrs: localhost:1, key: "cars#{value.city}", longitude: value.lng, latitude: value.lat}}
overrides:
- {topics: "*.raw", handlers: []}
max_record: 1KiB
`

func TestPreview(t *testing.T) {
	file := write(t, geo+"dead_letter: {kafka: {topic: dlq}}\n")
	lines := []string{
		`{"key":"car-1","value":{"lng":49.8,"lat":40.4,"city":"baku"},"headers":{"a":"1","a":"<2>"},"timestamp":"2026-01-31T08:00:00Z"}`,
		`{"key":"car-2","value":{"lng":0,"lat":0}}`,
		`{"key":"car-3","text":"not JSON"}`,
		`{"key":"car-4","value":{"lng":1}}`,
		`{"key":"car-5","topic":"other.raw","value":{"lng":0,"lat":0,"city":"x"}}`,
		`{"key":"car-6","value":"` + strings.Repeat("x", 2000) + `"}`,
	}
	code, out, errs := millrace(t, plugins(), strings.Join(lines, "\n\n"), "preview", "--records", file)
	if code != exitDone {
		t.Fatal(code, errs)
	}
	for _, want := range []string{
		"cars.gps.json/0@0: 1 record for redis_geo\n",
		`  key        "car-1"` + "\n", `  value      {"lng":49.8,"lat":40.4,"city":"baku"}` + "\n", `  header     a: "<2>"` + "\n",
		"cars.gps.json/0@1: dropped by the handlers\n",
		"cars.gps.json/0@2: dead letter, at VALUE_CONVERTER: ",
		"cars.gps.json/0@3: dead letter, at TRANSFORMATION: ",
		"other.raw/0@0: 1 record for redis_geo\n",
		"cars.gps.json/0@4: dead letter, at ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	t.Log(out)
}

func TestPreviewValues(t *testing.T) {
	file := write(t, strings.Replace(geo, "latitude: value.lat", "latitude: value.lat, member: value.city", 1))
	code, out, errs := millrace(t, plugins(), `{"lng":1,"lat":2,"city":"x"}`+"\nnope\n", "preview", "--json", file)
	lines := strings.Split(out, "\n")
	if code != exitDone || len(lines) != 3 {
		t.Fatal(code, out, errs)
	}
	if !strings.Contains(lines[0], `"outcome":"written"`) || !strings.Contains(lines[1], `"outcome":"stop"`) {
		t.Error(out)
	}
}

func TestWrongSamples(t *testing.T) {
	file := write(t, geo)
	for line, want := range map[string]string{
		`{"kex": 1}`:                  `line 1: the line is no record: json: unknown field "kex"`,
		`{"value": 1} {}`:             "line 1: something follows the record",
		`{"value": 1, "text": "x"}`:   `"value", "text" and "base64" exclude each other`,
		`{"timestamp": "noon"}`:       `not "noon"`,
		`{"headers": ["a"]}`:          `"headers" is an object of texts`,
		`[`:                           "line 1: the line is no record: unexpected EOF",
		strings.Repeat("{}\n", 10001): "line 10001: a preview takes at most 10000 records",
	} {
		if code, _, errs := millrace(t, plugins(), line, "preview", "--records", file); code != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("%.40s: exit code %d, %s", line, code, errs)
		}
	}
	pattern := write(t, strings.Replace(geo, "topics: [cars.gps.json]", "topics_regex: ^cars", 1))
	if code, _, errs := millrace(t, plugins(), "{}", "preview", pattern); code != exitFailed || !strings.Contains(errs, "name the topic by --topic") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}
