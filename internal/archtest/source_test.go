package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxNames bounds what somebody has to learn who embeds the core.
const maxNames = 85

// A name of a closed set of values, such as one of the metrics, doesn't count: its type does.
func TestCoreIsSmall(t *testing.T) {
	for _, p := range packages(t) {
		if p.path() != "connector" {
			continue
		}
		var names, values []string
		for _, f := range parse(t, p) {
			for _, d := range f.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if d.Recv == nil && d.Name.IsExported() {
						names = append(names, d.Name.Name)
					}
				case *ast.GenDecl:
					for _, s := range d.Specs {
						n, v := exported(d.Tok, s)
						names, values = append(names, n...), append(values, v...)
					}
				}
			}
		}
		t.Logf("connector exports %d names and %d values of its own types", len(names), len(values))
		if len(names) > maxNames {
			t.Errorf("connector exports %d names, want at most %d: %s", len(names), maxNames, strings.Join(names, " "))
		}
	}
}

// exported returns the exported names of a declaration; constants of a type of the package apart.
func exported(tok token.Token, s ast.Spec) (names, values []string) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			names = append(names, s.Name.Name)
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			typ, _ := s.Type.(*ast.Ident)
			switch {
			case !n.IsExported():
			case tok == token.CONST && typ != nil && typ.IsExported():
				values = append(values, n.Name)
			default:
				names = append(names, n.Name)
			}
		}
	}
	return names, values
}

func TestPackagesSayWhatTheyAre(t *testing.T) {
	for _, p := range packages(t) {
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + filepath.Base(p.Dir) + " "
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("the comment of %s begins with %q, want %q", p.path(), firstWords(p.Doc), want)
		}
	}
}

func firstWords(doc string) string {
	words := strings.Fields(doc)
	return strings.Join(words[:min(3, len(words))], " ")
}

// A folder of a machine that is no other's: it works for its author alone.
var machinePath = regexp.MustCompile(`(^|[^A-Za-z0-9_.*~])/(root|home|work|tmp)/[a-z]`)

func TestNoFileNamesSomebodysFolder(t *testing.T) {
	dir := root(t)
	for _, path := range tracked(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			if os.IsNotExist(err) {
				continue // deleted and not yet committed
			}
			t.Fatal(err)
		}
		if bytes.IndexByte(data, 0) >= 0 {
			continue // not a text
		}
		for n, line := range bytes.Split(data, []byte("\n")) {
			if found := machinePath.Find(line); found != nil {
				t.Errorf("%s:%d names a folder of a machine: %s", path, n+1, line)
			}
		}
	}
}

// tracked lists the files of the repository, and those that would be added to it.
func tracked(t *testing.T, dir string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", dir, "ls-files", "-co", "--exclude-standard").Output()
	if err == nil && len(out) > 0 {
		return strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	var paths []string // an archive without its history
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == ".git" || name == ".cache" || name == "bin" {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		paths = append(paths, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func parse(t *testing.T, p pkg) []*ast.File {
	t.Helper()
	var files []*ast.File
	for _, path := range p.files() {
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

var fset = token.NewFileSet()
