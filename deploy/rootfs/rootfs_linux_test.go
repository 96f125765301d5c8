package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func theDockerfile(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What is built here is what the Dockerfile's last stage says.
func TestImageOfTheDockerfile(t *testing.T) {
	d, err := parseDockerfile(theDockerfile(t))
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.image()
	if err != nil {
		t.Fatal(err)
	}
	want := image{
		copies:     []copied{{"build", roots, roots}, {"build", "/out/millrace", "/usr/bin/millrace"}},
		user:       "65532:65532",
		entrypoint: []string{"/usr/bin/millrace"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(image{}, copied{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	command, env, err := d.goBuild("build", map[string]string{"TAGS": "no_s3", "TARGETARCH": "arm64"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(command, "CGO_ENABLED=0 ") || !strings.HasSuffix(command, "-o /out/millrace ./cmd/millrace") {
		t.Errorf("the command is %q", command)
	}
	for name, want := range map[string]string{"TAGS": "no_s3", "TARGETARCH": "arm64", "VERSION": "dev", "GOTOOLCHAIN": "local"} {
		if env[name] != want {
			t.Errorf("%s is %q, want %q", name, env[name], want)
		}
	}
}

// A Dockerfile that makes another image than this program would is refused.
func TestDockerfileIsRefused(t *testing.T) {
	for _, test := range []struct{ from, to, want string }{
		{"FROM scratch", "FROM alpine", "on alpine, not on scratch"},
		{"EXPOSE 8080", "RUN rm /x", "has RUN"},
		{"EXPOSE 8080", "ADD x /x", "has ADD"},
		{"COPY --from=build /etc/ssl/certs/ca-certificates.crt", "COPY --chmod=777 x", "isn't COPY --from=STAGE"},
		{"COPY --from=build /etc/ssl/certs/ca-certificates.crt", "COPY --from=build etc/x", "isn't COPY --from=STAGE"},
		{"USER 65532:65532", "", "lacks"},
		{`["/usr/bin/millrace"]`, "/usr/bin/millrace", "isn't a JSON list"},
	} {
		text := strings.Replace(theDockerfile(t), test.from, test.to, 1)
		d, err := parseDockerfile(text)
		if err == nil {
			_, err = d.image()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s for %s: %v, want %q", test.to, test.from, err, test.want)
		}
	}
	if _, err := parseDockerfile("FROM scratch\n"); err == nil {
		t.Error("one stage is enough")
	}
	d, err := parseDockerfile(strings.Replace(theDockerfile(t), "go build", "make", 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.goBuild("build", nil); err == nil {
		t.Error("no go build, no error")
	}
}

func TestContext(t *testing.T) {
	g, err := readIgnored("../Dockerfile.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		".git": true, "deploy": true, "cmd": false, "sinks/s3/testdata": true, "sinks/s3/s3_test.go": true, "testdata": true,
		"sinks/s3/s3.go": false, "cmd/deploy": false, "go.mod": false,
	} {
		if got := g.has(name); got != want {
			t.Errorf("%s ignored: %v", name, got)
		}
	}
	from, to := t.TempDir(), t.TempDir()
	for _, name := range []string{"a/b.go", "a/b_test.go", "deploy/x", "c"} {
		if err := os.MkdirAll(filepath.Join(from, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(from, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyContext(from, to, g); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := filepath.WalkDir(to, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			got = append(got, strings.TrimPrefix(path, to+"/"))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a/b.go", "c"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestUser(t *testing.T) {
	for user, ok := range map[string]bool{"65532:65532": true, "65532": false, "nobody:nobody": false, "0:0": false, "65532:0": false, "": false} {
		if _, _, err := ids(user); (err == nil) != ok {
			t.Errorf("%q: %v", user, err)
		}
	}
}
