//go:build testbed

package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/millrace/millrace/testbed"
)

// The oldest Kubernetes that the chart says it is for, and the newest whose schemas there are.
var kubernetes = []string{"1.25.0", "1.37.0"}

// helm runs helm, and returns what it printed to the standard output. The error has the rest.
func helm(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	path, err := testbed.Helm(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir())
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return out, errors.New(said.String())
	}
	return out, nil
}

// template renders the chart as the release "test" in the namespace "streams", with values over its own, the last of
// which count. A value is a path or, after a line break, YAML.
func template(t *testing.T, version string, values ...string) ([]byte, error) {
	t.Helper()
	args := []string{"template", "test", "helm/millrace", "--namespace", "streams", "--kube-version", version}
	for i, v := range values {
		if strings.HasPrefix(v, "\n") {
			path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.yaml", i))
			if err := os.WriteFile(path, []byte(v), 0o600); err != nil {
				t.Fatal(err)
			}
			v = path
		}
		args = append(args, "--values", v)
	}
	return helm(t, args...)
}

// render is what template prints, by kind and name.
func render(t *testing.T, values ...string) (map[string]map[string]any, error) {
	t.Helper()
	out, err := template(t, kubernetes[1], values...)
	if err != nil {
		return nil, err
	}
	objects := map[string]map[string]any{}
	for document := range strings.SplitSeq("\n"+string(out), "\n---\n") {
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
	return objects, nil
}

// must renders an example with further values over it.
func must(t *testing.T, example, further string) map[string]map[string]any {
	t.Helper()
	objects, err := render(t, "helm/examples/"+example, "\n"+further)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// decode reads one YAML document; every number is a float64.
func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return m
}

func examples(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("helm/examples/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	return paths
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
