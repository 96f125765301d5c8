package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/millrace/millrace/"

// A pkg is what go list says of a package of this module, with paths relative to the module.
type pkg struct {
	ImportPath, Dir, Name, Doc string
	GoFiles, Imports, Deps     []string // Deps: all that is reached, directly or not
	Standard                   bool
}

// path is the package's folder: "connector/kafka".
func (p pkg) path() string { return strings.TrimPrefix(p.ImportPath, module) }

// files are the paths of the package's files, without tests.
func (p pkg) files() []string {
	var paths []string
	for _, name := range p.GoFiles {
		paths = append(paths, filepath.Join(p.Dir, name))
	}
	return paths
}

// packages lists the module's packages.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,Name,Doc,GoFiles,Imports,Deps", "./...")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		if len(p.GoFiles) > 0 { // others are tests only
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		t.Fatal("go list names no package")
	}
	return all
}

// root is the folder of go.mod.
func root(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatalf("go list -m: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// own tells whether an import is of this module, and its path.
func own(importPath string) (path string, ok bool) { return strings.CutPrefix(importPath, module) }

// third tells whether an import is of another module: those begin with a host name.
func third(importPath string) bool {
	host, _, _ := strings.Cut(importPath, "/")
	_, ok := own(importPath)
	return !ok && strings.Contains(host, ".")
}

// under tells whether a path is folder or lies in it.
func under(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func underAny(path string, folders []string) bool {
	for _, f := range folders {
		if under(path, f) {
			return true
		}
	}
	return false
}
