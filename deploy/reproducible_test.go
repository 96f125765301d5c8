//go:build testbed

package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBuildIsReproducible: the same sources in another folder give the same bytes, by the Dockerfile's own flags.
func TestBuildIsReproducible(t *testing.T) {
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	there := filepath.Join(t.TempDir(), "elsewhere")
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(here, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(there, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(there, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"cmd", "connector", "handlers", "internal", "serde", "sinks", "examples"} {
		if err := os.CopyFS(filepath.Join(there, folder), os.DirFS(filepath.Join(here, folder))); err != nil {
			t.Fatal(err)
		}
	}
	var built [2][]byte
	for i, dir := range []string{here, there} {
		out := filepath.Join(t.TempDir(), "millrace")
		cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-tags", "grpcnotrace", "-ldflags", "-s -w", "-o", out, "./cmd/millrace")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build in %s: %v\n%s", dir, err, said)
		}
		if built[i], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(built[0], built[1]) {
		t.Errorf("%d and %d bytes that differ", len(built[0]), len(built[1]))
	}
	if strings.Contains(string(built[0]), here) {
		t.Errorf("the binary names the folder that it was built in")
	}
}

// TestUnusedMethodsAreLeftOut: a single call that looks a method up by a name that isn't constant makes the linker keep all exported
// methods of the program, a third of the binary. The linker says what does so.
func TestUnusedMethodsAreLeftOut(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", "grpcnotrace", "-ldflags", "-s -w -dumpdep", "-o", filepath.Join(t.TempDir(), "millrace"), "../cmd/millrace")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%.2000s", err, said)
	}
	if len(said) < 1<<20 {
		t.Fatalf("the linker wrote %d bytes: what it keeps isn't among them", len(said))
	}
	for line := range strings.Lines(string(said)) {
		if strings.Contains(line, "<ReflectMethod>") {
			t.Errorf("all methods are kept because of %s", line)
		}
	}
}
