// Package deploy has the tests of what is deployed: the Dockerfiles and the Helm chart. They need neither a
// container engine nor helm.
package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

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
		"Dockerfile":       {`-tags "${TAGS}"`, "./cmd/millrace", `ENTRYPOINT ["/usr/bin/millrace"]`},
		"embed.Dockerfile": {"-tags timetzdata", "${MAIN}", "GOMEMLIMIT=218MiB"},
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
			for _, want := range []string{"\nUSER 65534:65534\n", "/etc/ssl/certs/ca-certificates.crt", "\nENTRYPOINT ["} {
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
