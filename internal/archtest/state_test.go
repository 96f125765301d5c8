package archtest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// reason is how a comment of a declaration begins a line that says why a package has state or an init function.
const reason = "Package state: "

// Packages hold no state: what runs is what somebody made, and two of it don't meet. Tables that nothing writes are no state.
func TestPackagesHoldNoState(t *testing.T) {
	for _, p := range packages(t) {
		for _, found := range state(parse(t, p)) {
			t.Errorf("%s: without a line %q in its comment", found, reason+"why")
		}
	}
}

// The check above finds what it is for.
func TestStateIsFound(t *testing.T) {
	const source = `package p
import "sync"
import "errors"
var ErrX = errors.New("x")
var table = []string{"a"}
var _ error = ErrX
var counter int                      // want
var cache = map[string]int{}         // want
var pool sync.Pool                   // want
var box struct{ n int }              // want
var self counterType                 // want
var Exported = 5                     // want
// Package state: counts for a good reason.
var excused int
//go:embed a.yaml
var Embedded string
type counterType struct{ n int }
func (c *counterType) inc() { c.n++ }
func init() {}                       // want
func f(table string) int {
	table = "shadowed"
	counter++
	excused++
	cache["a"] = 1
	p := &box
	self.inc()
	return len(table) + p.n
}
`
	f, err := parser.ParseFile(fset, "p.go", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, found := range state([]*ast.File{f}) {
		got = append(got, strings.SplitN(found, ":", 3)[1])
	}
	for n, line := range strings.Split(source, "\n") {
		if strings.HasSuffix(line, "// want") {
			want = append(want, fmt.Sprint(n+1))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("found lines %v, want %v", got, want)
	}
}

// state lists the init functions and the variables of a package that are written, locked, or open to others' writing.
func state(files []*ast.File) []string {
	var found []string
	report := func(pos token.Pos, what string) {
		found = append(found, fmt.Sprintf("%s: %s", fset.Position(pos), what))
	}
	written := writes(files)
	for _, f := range files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" && !excused(d.Doc) {
					report(d.Pos(), "func init")
				}
			case *ast.GenDecl:
				if d.Tok != token.VAR {
					continue
				}
				for _, s := range d.Specs {
					v := s.(*ast.ValueSpec)
					if excused(d.Doc) || excused(v.Doc) || excused(v.Comment) {
						continue
					}
					for _, n := range v.Names {
						switch {
						case written[n.Name]:
							report(n.Pos(), "var "+n.Name+" is written")
						case synchronised(v):
							report(n.Pos(), "var "+n.Name+" is there to be changed")
						case n.IsExported() && !strings.HasPrefix(n.Name, "Err"):
							report(n.Pos(), "var "+n.Name+" can be changed by whoever imports it")
						}
					}
				}
			}
		}
	}
	return found
}

// excused tells whether a comment gives the reason, or says that the variable is a file embedded.
func excused(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	embedded := slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
	return embedded || strings.Contains(doc.Text(), reason)
}

// synchronised tells whether a variable is a lock, an atomic or a pool.
func synchronised(v *ast.ValueSpec) bool {
	found := false
	look := func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "sync" && !strings.HasPrefix(sel.Sel.Name, "Once") || x.Name == "atomic") {
				found = true
			}
		}
		_, function := n.(*ast.FuncLit)
		return !function
	}
	if v.Type != nil {
		ast.Inspect(v.Type, look)
	}
	for _, value := range v.Values {
		ast.Inspect(value, look)
	}
	return found
}

// writes are the names of the package's variables that a function assigns to, changes an element or
// field of, takes the address of, or calls a method of that can change it.
func writes(files []*ast.File) map[string]bool {
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object), Selections: make(map[*ast.SelectorExpr]*types.Selection)}
	conf := types.Config{Importer: noImports{}, Error: func(error) {}}
	pkg, _ := conf.Check("p", fset, files, info) // without imports there are errors, and this package's names
	written := make(map[string]bool)
	mark := func(e ast.Expr) {
		if id := variable(e); id != nil {
			if v, ok := info.Uses[id].(*types.Var); ok && v.Parent() == pkg.Scope() {
				written[id.Name] = true
			}
		}
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, e := range n.Lhs {
					mark(e)
				}
			case *ast.IncDecStmt:
				mark(n.X)
			case *ast.RangeStmt:
				mark(n.Key)
				mark(n.Value)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					mark(n.X)
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && slices.Contains([]string{"delete", "clear", "copy"}, id.Name) {
					mark(n.Args[0])
				}
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && changes(info.Selections[sel]) {
					mark(sel.X)
				}
			}
			return true
		})
	}
	return written
}

// changes tells whether a call takes the address of what it is called on.
func changes(s *types.Selection) bool {
	if s == nil || s.Kind() != types.MethodVal {
		return false
	}
	f, ok := s.Obj().(*types.Func)
	if !ok {
		return false
	}
	_, byPointer := f.Signature().Recv().Type().(*types.Pointer)
	_, isPointer := s.Recv().(*types.Pointer)
	return byPointer && !isPointer
}

// variable is the identifier that an assignable expression begins with: a of a.b[c].
func variable(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// noImports keeps the check to one package: what others export doesn't matter.
type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not looked at") }
