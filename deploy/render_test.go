package deploy

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"text/template"

	"github.com/goccy/go-yaml"
)

// decode reads one YAML document as Helm does: every number is a float64.
func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	m, err := fromYAML(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return m
}

func fromYAML(text string) (map[string]any, error) {
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(data, &m)
}

func readValues(t *testing.T, path string) map[string]any {
	t.Helper()
	return decode(t, read(t, path))
}

func examples(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("helm/examples/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	return paths
}

// overlay lays values over defaults, maps by their members: what Helm does with -f.
func overlay(defaults, values map[string]any) map[string]any {
	for name, value := range values {
		below, isMap := defaults[name].(map[string]any)
		above, alsoMap := value.(map[string]any)
		if isMap && alsoMap {
			value = overlay(below, above)
		}
		defaults[name] = value
	}
	return defaults
}

// render renders the chart with values over its own, and returns the objects by kind and name. What Helm and
// sprig add to text/template is doubled by functions below, as strict as theirs.
func render(t *testing.T, values map[string]any) (map[string]map[string]any, error) {
	t.Helper()
	chart := decode(t, read(t, "helm/millrace/Chart.yaml"))
	all := template.New("chart").Option("missingkey=zero")
	all.Funcs(functions(all))
	paths, err := filepath.Glob("helm/millrace/templates/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if _, err := all.New(filepath.Base(path)).Parse(read(t, path)); err != nil {
			t.Fatalf("parse %s: %v", path, err)
		}
	}
	data := map[string]any{
		"Values":  overlay(readValues(t, "helm/millrace/values.yaml"), values),
		"Release": map[string]any{"Name": "test", "Namespace": "streams", "Service": "Helm"},
		"Chart":   map[string]any{"Name": chart["name"], "Version": chart["version"], "AppVersion": chart["appVersion"]},
	}
	objects := map[string]map[string]any{}
	for _, path := range paths {
		if strings.HasSuffix(path, ".tpl") {
			continue
		}
		var out bytes.Buffer
		if err := all.ExecuteTemplate(&out, filepath.Base(path), data); err != nil {
			return nil, err
		}
		for document := range strings.SplitSeq(out.String(), "\n---\n") {
			if strings.TrimSpace(document) == "" {
				continue
			}
			o := decode(t, document)
			name := fmt.Sprintf("%s/%s", o["kind"], at(o, "metadata", "name"))
			if objects[name] != nil {
				t.Errorf("%s is rendered twice", name)
			}
			objects[name] = o
		}
	}
	return objects, nil
}

// at follows names and, for lists, indexes into a decoded document; nil if there is nothing.
func at(value any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := value.(map[string]any)
			value = m[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

func functions(all *template.Template) template.FuncMap {
	return template.FuncMap{
		"include": func(name string, data any) (string, error) {
			var out strings.Builder
			err := all.ExecuteTemplate(&out, name, data)
			return out.String(), err
		},
		"fromYaml": fromYAML,
		"toYaml": func(v any) (string, error) {
			data, err := yaml.Marshal(v)
			return strings.TrimSuffix(string(data), "\n"), err
		},
		"toJson": func(v any) (string, error) {
			data, err := json.Marshal(v)
			return string(data), err
		},
		"nindent": func(n int, s string) string {
			pad := "\n" + strings.Repeat(" ", n)
			return pad + strings.ReplaceAll(s, "\n", pad)
		},
		"quote":      func(v any) string { return fmt.Sprintf("%q", fmt.Sprint(v)) },
		"trunc":      func(n int, s string) string { return s[:min(n, len(s))] },
		"trimSuffix": func(suffix, s string) string { return strings.TrimSuffix(s, suffix) },
		"contains":   func(part, s string) bool { return strings.Contains(s, part) },
		"sha256sum":  func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) },
		"int":        func(v any) (int, error) { return toInt(v) },
		"default": func(other, v any) any {
			if empty(v) {
				return other
			}
			return v
		},
		"required": func(message string, v any) (any, error) {
			if v == nil || v == "" {
				return nil, errors.New(message)
			}
			return v, nil
		},
		"fail": func(message string) (string, error) { return "", errors.New(message) },
		"ternary": func(yes, no any, which bool) any {
			if which {
				return yes
			}
			return no
		},
		"kindIs": func(kind string, v any) bool { return v != nil && reflect.TypeOf(v).Kind().String() == kind },
		"list":   func(items ...any) []any { return items },
		"append": func(list []any, item any) []any { return append(list[:len(list):len(list)], item) },
		"dict":   dict,
		"set": func(m map[string]any, name string, v any) map[string]any {
			m[name] = v
			return m
		},
		"unset": func(m map[string]any, name string) map[string]any {
			delete(m, name)
			return m
		},
	}
}

func dict(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

func toInt(v any) (int, error) {
	switch v := v.(type) {
	case float64:
		return int(v), nil
	case int:
		return v, nil
	}
	return 0, fmt.Errorf("%v (%T) is no number", v, v)
}

func empty(v any) bool { return v == nil || reflect.ValueOf(v).IsZero() }
