// Package deploy has the tests of what is deployed: the Dockerfiles, the image's root file system and the Helm chart. None
// needs a container engine. Those that need helm, or build the image's binary, have the tag testbed.
package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

var (
	goModVersion = regexp.MustCompile(`(?m)^go (1\.\d+)\.(\d+)$`)
	goImage      = regexp.MustCompile(`(?m)^ARG GO_VERSION=(1\.\d+)\.(\d+)$`)
	from         = regexp.MustCompile(`(?m)^FROM (.*)$`)
)

func TestDockerfiles(t *testing.T) {
	mod := goModVersion.FindStringSubmatch(read(t, "../go.mod"))
	for path, flags := range map[string][]string{
		"Dockerfile":       {`-tags "grpcnotrace,${TAGS}"`, "./cmd/millrace", `ENTRYPOINT ["/usr/bin/millrace"]`},
		"embed.Dockerfile": {"-tags timetzdata", "${MAIN}", "GOMEMLIMIT=204MiB"},
	} {
		t.Run(path, func(t *testing.T) {
			text := read(t, path)
			image := goImage.FindStringSubmatch(text)
			if len(mod) == 0 || len(image) == 0 {
				t.Fatalf("no version: go.mod %q, %s %q", mod, path, image)
			}
			if image[1] != mod[1] || patch(t, image[2]) < patch(t, mod[2]) {
				t.Errorf("built with Go %s.%s, go.mod says %s.%s: the minor must be equal, the patch not older", image[1], image[2], mod[1], mod[2])
			}
			var stages []string
			for _, stage := range from.FindAllStringSubmatch(text, -1) {
				stages = append(stages, stage[1])
			}
			if diff := cmp.Diff([]string{"--platform=$BUILDPLATFORM golang:${GO_VERSION}-alpine AS build", "scratch"}, stages); diff != "" {
				t.Errorf("stages: -want +got\n%s", diff)
			}
			for _, want := range append(flags, "CGO_ENABLED=0", "GOOS=${TARGETOS}", "GOARCH=${TARGETARCH}", "-trimpath", `-ldflags "-s -w`, "GOTOOLCHAIN=local") {
				if !strings.Contains(text, want) {
					t.Errorf("it lacks %s", want)
				}
			}
			last := text[strings.LastIndex(text, "\nFROM "):]
			for _, want := range []string{"\nUSER 65532:65532\n", "/etc/ssl/certs/ca-certificates.crt", "\nENTRYPOINT ["} {
				if strings.Count(last, want) == 0 {
					t.Errorf("the last stage lacks %q", want)
				}
			}
			if n := strings.Count(last, "\nUSER "); n != 1 {
				t.Errorf("the last stage says USER %d times", n)
			}
		})
	}
}

func patch(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The image has no time zones of its own: they must be in the binary.
func TestCommandHasTimeZones(t *testing.T) {
	paths, err := filepath.Glob("../cmd/millrace/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), `_ "time/tzdata"`) {
			return
		}
	}
	t.Error("no file of cmd/millrace imports time/tzdata")
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// values are the chart's own, each with its path and as JSON.
func values(t *testing.T) map[string]string {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(read(t, "helm/millrace/values.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	var all any
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	var walk func(path string, value any)
	walk = func(path string, value any) {
		if m, ok := value.(map[string]any); ok && len(m) > 0 {
			for name, v := range m {
				walk(strings.TrimPrefix(path+"."+name, "."), v)
			}
			return
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		out[path] = string(text)
	}
	walk("", all)
	return out
}

var row = regexp.MustCompile("(?m)^\\| `([A-Za-z.]+)` \\| `([^`]*)` \\| .+ \\|$")

// TestValuesAreDocumented: the table in the README has each value of the chart with its default, once, and no other.
func TestValuesAreDocumented(t *testing.T) {
	got := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(read(t, "README.md"), -1) {
		if _, twice := got[m[1]]; twice {
			t.Errorf("%s stands there twice", m[1])
		}
		got[m[1]] = m[2]
	}
	if diff := cmp.Diff(values(t), got); diff != "" {
		t.Errorf("-values.yaml +README.md\n%s", diff)
	}
}

// TestSchemaKnowsAllValues: a setting that is in one of the two files alone can't be set, or can't be found.
func TestSchemaKnowsAllValues(t *testing.T) {
	var schema struct {
		Properties  map[string]any
		Definitions struct {
			Connector struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "helm/millrace/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	want, got := map[string]bool{"global": true}, map[string]bool{} // global is Helm's own
	for path := range values(t) {
		name, _, _ := strings.Cut(path, ".")
		want[name] = true
	}
	for name := range schema.Properties {
		got[name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-values.yaml +values.schema.json\n%s", diff)
	}
	for name := range schema.Definitions.Connector.Properties {
		rule, _ := schema.Properties[name].(map[string]any)
		if ref := "#/definitions/connector/properties/" + name; name != "config" && rule["$ref"] != ref {
			t.Errorf("%s of the release is %v, not what it is for an entry of connectors (%s)", name, rule, ref)
		}
	}
}

// TestEmbedIsShown: the README shows embed.Dockerfile as it is.
func TestEmbedIsShown(t *testing.T) {
	_, text, _ := strings.Cut(read(t, "embed.Dockerfile"), "ARG GO_VERSION")
	if want := fmt.Sprintf("```dockerfile\nARG GO_VERSION%s```\n", text); !strings.Contains(read(t, "README.md"), want) {
		t.Errorf("the README lacks\n%s", want)
	}
}
