package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/secret"
)

// A way is how a canary comes into a setting.
type way struct {
	name  string
	write func(n int, canary string) any // what stands in the file
}

func ways(t *testing.T) []way {
	return []way{
		{"text", func(_ int, canary string) any { return canary }},
		{"environment", func(n int, canary string) any {
			t.Setenv(fmt.Sprintf("PLANTED_%d", n), canary)
			return fmt.Sprintf("${PLANTED_%d}", n)
		}},
		{"file", func(n int, canary string) any {
			path := filepath.Join(t.TempDir(), fmt.Sprint(n))
			if err := os.WriteFile(path, []byte(canary+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return settingsOf{"file": path}
		}},
		{"secret", func(n int, canary string) any {
			if canary == mark {
				return settingsOf{"secret": "planted", "field": shortField}
			}
			return settingsOf{"secret": "planted", "field": fmt.Sprint(n)}
		}},
	}
}

// planted is a secret store whose field N is the canary N, and shortField a short one.
type planted struct{}

const shortField = "short"

func (planted) Secret(_, field, _ string) (secret.Source, error) { return plantedField(field), nil }

type plantedField string

func (f plantedField) Read(context.Context, string) (string, error) {
	if f == shortField {
		return mark, nil
	}
	return canary(string(f)), nil
}

func (f plantedField) String() string { return "secret planted, field " + string(f) }

func canary(n string) string { return mark + "-" + n + "-0123456789" }

// contents are what is planted: what the setting takes, as far as that is checked without a network.
func contents(s spot, n int) string {
	c := canary(fmt.Sprint(n))
	switch s.path[len(s.path)-1] {
	case "credentials":
		return fmt.Sprintf(`{"username": %q, "password": %q}`, c, c)
	case "certificate":
		return fmt.Sprintf(`{"certificate": %q, "privateKey": %q, "privateKeyPassword": %q}`, c, c, c)
	}
	return c
}

// allPlugins is this build, with planted secrets.
func allPlugins() *config.Registry {
	r, all := plugins(), []*config.Plugin{config.Secrets(planted{})}
	for _, k := range kinds {
		all = append(all, r.Plugins(k)...)
	}
	return config.NewRegistry(all...)
}

var kinds = []config.Kind{config.KindSource, config.KindSink, config.KindDeadLetter, config.KindHandler, config.KindDecoder}

// settingsOf are settings as a file has them.
type settingsOf = map[string]any

// plainSettings are those that a plugin needs beside its secrets, by what the names of spots begin with; the longest counts. url answers everything
// with what it was sent.
func plainSettings(url, dir string) map[string]settingsOf {
	role := settingsOf{"arn": "arn:aws:iam::123456789012:role/r", "endpoint": url}
	s3 := settingsOf{"bucket": "bucket", "region": "eu-west-1", "endpoint": url, "path_style": "true", "assume_role": role}
	iam := settingsOf{"msk_iam": settingsOf{"region": "eu-west-1", "assume_role": role}}
	encrypted := settingsOf{"url": "https://127.0.0.1:1", "tls": settingsOf{"cert_file": "client.pem"}}
	named := settingsOf{"url": "http://127.0.0.1:1", "user": "u"}
	return map[string]settingsOf{
		"decoder glue":                             {"region": "eu-west-1", "endpoint": url, "assume_role": role},
		"decoder glue: confluent.password":         {"region": "eu-west-1", "confluent": named},
		"decoder glue: confluent.token":            {"region": "eu-west-1", "confluent": settingsOf{"url": "http://127.0.0.1:1"}},
		"decoder glue: confluent.tls.key_password": {"region": "eu-west-1", "confluent": encrypted},
		"decoder confluent":                        {"url": "http://127.0.0.1:1"},
		"decoder confluent: password":              named,
		"decoder confluent: tls.key_password":      encrypted,
		"source kafka: auth.msk_iam":               {"brokers": "127.0.0.1:1", "topics": "cars", "dial_timeout": "200ms", "auth": iam},
		"dead letter kafka: auth.msk_iam":          {"topic": "dlq", "brokers": "127.0.0.1:1", "dial_timeout": "200ms", "auth": iam},
		"sink redis_geo: iam": {"addrs": "127.0.0.1:1", "key": "cars", "member": "key", "longitude": "value.lng", "latitude": "value.lat", "username": "u",
			"tls": settingsOf{"enabled": "true"}, "iam": settingsOf{"cache": "cars", "region": "eu-west-1", "assume_role": role}},
		"source kafka":               {"brokers": "127.0.0.1:1", "topics": "cars", "dial_timeout": "200ms"},
		"sink redis_geo":             {"addrs": "127.0.0.1:1", "key": "cars", "member": "key", "longitude": "value.lng", "latitude": "value.lat"},
		"sink eventbridge":           {"bus": "trips", "region": "eu-west-1", "endpoint": url, "assume_role": role},
		"sink eventbridge: oversize": {"bus": "trips", "region": "eu-west-1", "endpoint": url, "oversize": settingsOf{"s3": s3}},
		"sink dynamodb":              {"table": "trips", "region": "eu-west-1", "endpoint": url, "key": settingsOf{"id": "key"}, "item": "value", "assume_role": role},
		"sink s3":                    s3,
		"dead letter s3":             s3,
		"sink file":                  {"dir": dir},
		"dead letter file":           {"dir": dir},
		"dead letter kafka":          {"topic": "dlq", "brokers": "127.0.0.1:1", "dial_timeout": "200ms"},
		"handler mask":               {"fields": settingsOf{"value.a": settingsOf{"method": "hmac"}}},
		"handler map":                {"fields": settingsOf{"value.a": settingsOf{"rule": "value.a", "mask": "hmac"}}},
		"handler set":                {"fields": settingsOf{"value.a": settingsOf{"rule": "value.a", "mask": "hmac"}}},
	}
}

// A spot is a secret setting of a plugin.
type spot struct {
	kind     config.Kind
	plugin   string
	path     []string // of names
	siblings []string // texts and secrets beside it
}

func (s spot) String() string {
	return fmt.Sprintf("%s %s: %s", s.kind, s.plugin, strings.Join(s.path, "."))
}

// spots finds every secret setting.
func spots(r *config.Registry) []spot {
	var all []spot
	for _, k := range kinds {
		for _, p := range r.Plugins(k) {
			for _, s := range secretsIn(reflect.TypeOf(p.Defaults()), nil) {
				s.kind, s.plugin = k, p.Name
				all = append(all, s)
			}
		}
	}
	return all
}

func secretsIn(t reflect.Type, path []string) []spot {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var all []spot
	var texts, secrets []string
	for _, f := range reflect.VisibleFields(t) {
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		inner := append(slices.Clone(path), name)
		switch {
		case name == "" && option == "inline" && !f.Anonymous:
			all = append(all, secretsIn(f.Type, path)...)
		case name == "" || name == "-":
		case f.Type == reflect.TypeFor[secret.Text]():
			secrets = append(secrets, name)
			all = append(all, spot{path: inner})
		case f.Type.Kind() == reflect.String:
			texts = append(texts, name)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct && keyed(f.Type.Elem()), f.Type.Kind() == reflect.Map:
			all = append(all, secretsIn(f.Type, append(inner, "value.a"))...)
		default:
			all = append(all, secretsIn(f.Type, inner)...)
		}
	}
	for i := range all {
		if all[i].siblings == nil {
			all[i].siblings = append(slices.Clone(secrets), texts...)
		}
	}
	return all
}

// keyed reports whether a list of t is written as a map.
func keyed(t reflect.Type) bool {
	return slices.ContainsFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return f.Tag.Get("key") == "true" })
}

// A bed is a configuration with a canary in one setting.
type bed struct {
	spot
	text  string
	valid bool
}

// plant writes a configuration around the spot n, with as few other settings as make it valid.
func plant(t *testing.T, r *config.Registry, w way, s spot, n int, url string) bed {
	t.Helper()
	b := plantText(t, r, w.write(n, contents(s, n)), s, n, url)
	for _, odd := range []string{mark, mark + " \"\u00e9'\\"} { // too short, or of characters that aren't taken
		plantText(t, r, w.write(100+n, odd), s, 100+n, url)
	}
	return b
}

func plantText(t *testing.T, r *config.Registry, value any, s spot, n int, url string) bed {
	t.Helper()
	var first bed
	for _, others := range subsets(s.siblings, s.path[len(s.path)-1]) {
		settings := clone(settingsFor(s, url, t.TempDir()))
		at := settings
		for _, name := range s.path[:len(s.path)-1] {
			inner, ok := at[name].(settingsOf)
			if !ok {
				inner = settingsOf{}
				at[name] = inner
			}
			at = inner
		}
		for _, other := range others {
			if at[other] == nil {
				at[other] = url + "/x"
			}
		}
		at[s.path[len(s.path)-1]] = value
		b := bed{spot: s, text: document(fmt.Sprintf("c%d", n), s.kind, s.plugin, settings, t.TempDir())}
		f, err := r.Parse("canary.yaml", []byte(b.text), config.OS())
		if b.valid = err == nil; b.valid {
			_, err = f.Connectors[0].Resolve(t.Context())
		}
		mustHide(t, s.String()+": an error", fmt.Sprintf("%v %+v %#v", err, err, err))
		if b.valid {
			return b
		}
		if first.text == "" {
			first = b
		}
	}
	return first
}

// settingsFor are those that stand beside the spot.
func settingsFor(s spot, url, dir string) settingsOf {
	longest := ""
	all := plainSettings(url, dir)
	for name := range all {
		if strings.HasPrefix(s.String(), name) && len(name) > len(longest) {
			longest = name
		}
	}
	return all[longest]
}

// subsets are those of up to three of all but one, small ones first.
func subsets(all []string, without string) [][]string {
	all = slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == without })
	out := [][]string{{}}
	for i := range all {
		out = append(out, []string{all[i]})
	}
	for i := range all {
		for j := i + 1; j < len(all); j++ {
			out = append(out, []string{all[i], all[j]})
		}
	}
	for i := range all {
		for j := i + 1; j < len(all); j++ {
			for k := j + 1; k < len(all); k++ {
				out = append(out, []string{all[i], all[j], all[k]})
			}
		}
	}
	return out
}

func clone(s settingsOf) settingsOf {
	out := settingsOf{}
	for k, v := range s {
		if inner, ok := v.(settingsOf); ok {
			v = clone(inner)
		}
		out[k] = v
	}
	return out
}

// document is a connector in YAML that uses the plugin; everything else can be opened, but the source.
func document(name string, k config.Kind, plugin string, settings settingsOf, dir string) string {
	doc := settingsOf{
		"name":   name,
		"source": settingsOf{"kafka": plainSettings("", "")["source kafka"]},
		"sink":   settingsOf{"file": settingsOf{"dir": dir}},
	}
	choice := settingsOf{plugin: settings}
	switch k {
	case config.KindHandler:
		doc["handlers"] = choice
	case config.KindDecoder:
		doc["decode"] = settingsOf{"value": choice}
	case config.KindDeadLetter:
		doc["dead_letter"] = choice
	default:
		doc[string(k)] = choice
	}
	return block(doc, "")
}

// block is YAML in lines, sorted by names.
func block(s settingsOf, indent string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if inner, ok := s[name].(settingsOf); ok {
			fmt.Fprintf(&b, "%s%s:\n%s", indent, name, block(inner, indent+"  "))
		} else {
			fmt.Fprintf(&b, "%s%s: %q\n", indent, name, s[name])
		}
	}
	return b.String()
}

// echo answers every request with an error that holds what it was sent.
func echo(t *testing.T) (url string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_ = r.Write(w)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// beds plants every spot in one way.
func beds(t *testing.T, r *config.Registry, w way) []bed {
	t.Helper()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", canary("environment"))
	t.Setenv("AWS_SESSION_TOKEN", canary("environment"))
	url := echo(t)
	var all []bed
	valid := 0
	for n, s := range spots(r) {
		b := plant(t, r, w, s, n, url)
		if b.valid {
			valid++
		} else {
			t.Logf("%s: not opened, it isn't valid alone", s)
		}
		all = append(all, b)
	}
	if len(all) < 10 || valid < len(all)*9/10 {
		t.Errorf("planted %d secrets, %d in configurations that can be opened", len(all), valid)
	}
	return all
}
