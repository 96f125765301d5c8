package failpoint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/failpoint"
)

const (
	module = "../.."
	path   = "github.com/millrace/millrace/internal/failpoint"
)

// Each name stands at exactly one line, and each line's name is in the table.
func TestEachNameIsPlacedOnce(t *testing.T) {
	files := token.NewFileSet()
	placed := make(map[string]string) // where, by name
	err := filepath.WalkDir(module, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && file != module):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, point := range points(f) {
			where := files.Position(point.Pos()).String()
			name, err := strconv.Unquote(argument(point))
			if err != nil {
				t.Errorf("%s: a point's name is a text in its place", where)
				continue
			}
			if before := placed[name]; before != "" {
				t.Errorf("%s: %q is placed at %s already", where, name, before)
			}
			if !slices.Contains(failpoint.Names, name) {
				t.Errorf("%s: %q isn't in Names", where, name)
			}
			placed[name] = where
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range failpoint.Names {
		if placed[name] == "" {
			t.Errorf("%q is placed nowhere", name)
		}
		if slices.Contains(failpoint.Names[:i], name) {
			t.Errorf("%q is in Names twice", name)
		}
	}
	t.Logf("%d points", len(placed))
}

// points are the calls of Here in a file.
func points(f *ast.File) (calls []*ast.CallExpr) {
	if !slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == strconv.Quote(path) }) {
		return nil
	}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if s, ok := call.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Here" {
			if p, ok := s.X.(*ast.Ident); ok && p.Name == "failpoint" {
				calls = append(calls, call)
			}
		}
		return true
	})
	return calls
}

func argument(call *ast.CallExpr) string {
	if len(call.Args) != 1 {
		return ""
	}
	text, _ := call.Args[0].(*ast.BasicLit)
	if text == nil {
		return ""
	}
	return text.Value
}

// In an ordinary build the compiler replaces a call by nothing.
func TestCostsNothing(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-m=2", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "can inline Here with cost 0 as: func(string) {") {
		t.Errorf("the compiler says %s", out)
	}
}

// The tests of the build with the tag.
func TestWithTheTag(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-tags", "failpoints", "-run", "^TestKilled$|^TestParse$", ".").CombinedOutput()
	if err != nil || strings.Count(string(out), "--- PASS") != 2 {
		t.Errorf("%v: %s", err, out)
	}
}
