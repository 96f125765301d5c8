package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector/config"
)

//go:generate go test . -run TestReference -update

var update = flag.Bool("update", false, "write the reference anew")

const (
	root   = "../.."
	module = "github.com/millrace/millrace"
)

// TestReference compares what is generated from the Config structs and their comments with the files: the comments
// that the command prints, the tables of the sinks' READMEs and of docs/configuration.md, and the JSON
// Schema. After a change of a setting: go generate ./cmd/millrace
func TestReference(t *testing.T) {
	p := plugins()
	docs := readComments(t, p)
	text, err := json.MarshalIndent(docs, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	check(t, "comments.json", append(text, '\n'))
	schema, err := p.Schema(docs)
	if err != nil {
		t.Fatal(err)
	}
	check(t, filepath.Join(root, "docs/millrace.schema.json"), schema)
	checkPart(t, filepath.Join(root, "docs/configuration.md"), configuration(p, docs))
	for _, sink := range p.Plugins(config.KindSink) {
		checkPart(t, filepath.Join(root, folder(sink.Defaults()), "README.md"), config.Markdown(sink.Settings(docs)))
	}
}

// check compares a file with what it should hold, or writes it.
func check(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s isn't what the structs say; run: go generate ./cmd/millrace", path)
	}
}

// The generated part of a Markdown file stands between two lines. The second is added where it is missing.
const begin, end = "<!-- reference -->\n", "<!-- /reference -->\n"

// checkPart compares the generated part of a Markdown file with what it should hold, or writes it.
func checkPart(t *testing.T, path, text string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	before, after, found := strings.Cut(string(data), begin)
	if !found {
		t.Errorf("%s has no line %q", path, strings.TrimSpace(begin))
		return
	}
	if _, rest, ok := strings.Cut(after, end); ok {
		after = rest
	}
	check(t, path, []byte(before+begin+text+end+after))
}

// configuration is the reference of everything that a file may hold.
func configuration(r *config.Registry, docs config.Docs) string {
	var b strings.Builder
	b.WriteString("\n## A connector\n\n" + config.Markdown(r.ConnectorSettings(docs)))
	for _, k := range []struct {
		kind    config.Kind
		title   string
		comment string
	}{
		{config.KindSource, "Sources", ""},
		{config.KindDecoder, "Decoders", "For `decode: {key: ..., value: ...}`.\n"},
		{config.KindHandler, "Handlers", "Items of the list `handlers`, in the order in which records pass them.\n"},
		{config.KindSink, "Sinks", ""},
		{config.KindDeadLetter, "Dead letters", "Besides these there is `none`, the default.\n"},
	} {
		fmt.Fprintf(&b, "\n## %s\n", k.title)
		if k.comment != "" {
			b.WriteString("\n" + k.comment)
		}
		for _, p := range r.Plugins(k.kind) {
			fmt.Fprintf(&b, "\n### %s\n\n%s", p.Name, config.Markdown(p.Settings(docs)))
		}
	}
	return b.String() + "\n"
}

// readComments collects the comments of the plugins' packages: of the package, its types and their fields.
func readComments(t *testing.T, r *config.Registry) config.Docs {
	t.Helper()
	folders := map[string]bool{"connector/config": true, "serde": true, "serde/column": true, "internal/staging": true, "internal/identity": true, "internal/bucket": true,
		"internal/lines": true, "internal/envelope": true, "internal/columns": true, "internal/catalog": true, "internal/template": true}
	for _, k := range []config.Kind{config.KindSource, config.KindSink, config.KindDeadLetter, config.KindHandler, config.KindDecoder} {
		for _, p := range r.Plugins(k) {
			if f := folder(p.Defaults()); f != "" {
				folders[f] = true
			}
		}
	}
	docs := config.Docs{}
	for f := range folders {
		path := module + "/" + f
		d := parsePackage(t, filepath.Join(root, f), path)
		docs[path] = strings.TrimSpace(d.Doc)
		for _, typ := range d.Types {
			addFields(docs, path, typ)
		}
	}
	return docs
}

// parsePackage parses the package in a folder.
func parsePackage(t *testing.T, folder, path string) *doc.Package {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	d, err := doc.NewFromFiles(set, files, path, doc.AllDecls)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// addFields adds the comments of a type's settings.
func addFields(docs config.Docs, path string, typ *doc.Type) {
	for _, spec := range typ.Decl.Specs {
		s, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		st, ok := s.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range st.Fields.List {
			if f.Tag == nil || !strings.Contains(f.Tag.Value, "yaml:") {
				continue
			}
			comment := f.Doc.Text()
			if comment == "" {
				comment = f.Comment.Text()
			}
			for _, name := range f.Names {
				docs[path+"."+typ.Name+"."+name.Name] = strings.TrimSpace(comment)
			}
		}
	}
}

// folder is where the package of a Config lies, "" for a struct without a name.
func folder(c any) string {
	path := reflect.TypeOf(c).Elem().PkgPath()
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
}

// TestEverySettingIsDocumented finds settings without a comment.
func TestEverySettingIsDocumented(t *testing.T) {
	p := plugins()
	docs, err := docs()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []config.Kind{config.KindSource, config.KindSink, config.KindDeadLetter, config.KindHandler, config.KindDecoder} {
		for _, plugin := range p.Plugins(k) {
			for _, s := range plugin.Settings(docs) {
				if s.Doc == "" {
					t.Errorf("%s %s: the setting %s has no comment", k, plugin.Name, s.Name)
				}
			}
		}
	}
	for _, s := range p.ConnectorSettings(docs) {
		if s.Doc == "" {
			t.Errorf("the setting %s has no comment", s.Name)
		}
	}
}

// TestSamples checks every configuration file that people copy from.
func TestSamples(t *testing.T) {
	for _, pattern := range []string{"sinks/*/sample.yaml", "examples/*/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			env := config.Environment{
				Lookup:   func(string) (string, bool) { return "", false },
				ReadFile: func(string) ([]byte, error) { return []byte("the contents of a file\n"), nil },
			}
			if _, err := plugins().Parse(f, data, env); err != nil {
				t.Error(err)
			}
		}
	}
}
