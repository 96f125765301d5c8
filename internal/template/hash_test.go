package template_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/template"
)

// TestHash: the digits are those of XXH64, whose values for "a", "abc" and "" are published with the algorithm, and they never change.
func TestHash(t *testing.T) {
	path := template.Options{Path: true, Position: true, Time: &template.Time{}}
	for _, c := range []struct {
		text, value, want string
		o                 template.Options
	}{
		{"{hash:8:value.id}", `{"id":"a"}`, "d24ec4f1", path},
		{"{hash:1:value.id}/x", `{"id":"abc"}`, "4/x", path},
		{"{hash:2:value.id}", `{"id":""}`, "ef", path},
		{`{hash:3:value["a:}b"].c}`, `{"a:}b":{"c":"abc"}}`, "44b", path},
		{"{hash:4:key}-{hash:4:header.h}", `1`, "d24e-44bc", path},
		{"{hash:2:topic}", `1`, "9f", path},
		{"{hash:2:value.id}", `{"id":null}`, "b1", path},                          // of __null__
		{"{hash:2:value.id}", `{"id":"a/b"}`, "82", template.Options{Path: true}}, // of the value as it is, not escaped
		{"{hash:8}", `1`, "64456da7", path},                                       // of cars/7/100
	} {
		tmpl, err := template.Compile(c.text, c.o)
		if err != nil {
			t.Errorf("Compile(%q): %v", c.text, err)
			continue
		}
		b := one(t, connectortest.R{Key: "a", Value: c.value, Headers: []connector.Header{{Name: "h", Value: []byte("abc")}}})
		got, err := tmpl.Append([]byte("<"), b, 0, 100)
		if err != nil || string(got) != "<"+c.want {
			t.Errorf("%q of %s: %q, %v; want %q", c.text, c.value, got, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"{hash}": "1 to 8 digits", "{hash:0}": "1 to 8 digits", "{hash:9}": "1 to 8 digits", "{hash:x}": "1 to 8 digits", "{hash:2:}": "there is no {}",
		"{hash:2:value.}": "a name is missing", "{hash:2:time:yyyy}": "{time} can't stand here", "{hash:2:position}": "{position} can't stand here",
		"{hash:2:offset}": "a hash is of", "{hash:2:hash:2:key}": "a hash is of", "{hash.x:2}": "hash has no fields",
	} {
		if _, err := template.Compile(text, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Compile(%q): %v; want %q", text, err, want)
		}
	}
	if _, err := template.Compile("{hash:2}/x", template.Options{Path: true}); err == nil {
		t.Error("a hash of the position stands where there is none")
	}
}

func TestHashOfMissing(t *testing.T) {
	tmpl, err := template.Compile("{hash:2:value.id}", template.Options{Path: true, MissingIsError: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tmpl.Append(nil, one(t, connectortest.R{Value: "{}"}), 0, 0); err == nil || !strings.Contains(err.Error(), "{hash:2:value.id} of") {
		t.Errorf("%s, %v", got, err)
	}
}

// TestHashGroups: at one position the hash of files is the same for all records of a partition, so that it parts no group; over files it spreads.
func TestHashGroups(t *testing.T) {
	tmpl, err := template.Compile("{hash:2}/{value.a}", template.Options{Path: true, Position: true})
	if err != nil {
		t.Fatal(err)
	}
	if !tmpl.PerFile() || tmpl.HasPosition() {
		t.Error("a hash is of each file, but holds no position")
	}
	b := connectortest.Batch(t, "cars", 7, connectortest.R{Value: `{"a":1}`}, connectortest.R{Value: `{"a":2}`})
	first, _ := tmpl.Append(nil, b, 0, 0)
	second, _ := tmpl.Append(nil, b, 1, 0)
	if string(first[:2]) != string(second[:2]) {
		t.Errorf("%s and %s", first, second)
	}
	files := map[string]int{}
	for position := range int64(25_600) {
		text, err := tmpl.Append(nil, b, 0, position)
		if err != nil {
			t.Fatal(err)
		}
		files[string(text[:2])]++
	}
	for digits, n := range files {
		if len(files) != 256 || n < 50 || n > 150 {
			t.Fatalf("%d prefixes, %d files in %s", len(files), n, digits)
		}
	}
	for text, static := range map[string]bool{"{hash:2}/x": true, "{hash:2:topic}": true, "{hash:2:value.a}/x": false, "{hash:2:key}": false} {
		tmpl, err := template.Compile(text, template.Options{Path: true, Position: true})
		if err != nil {
			t.Fatal(err)
		}
		var run template.Run
		tmpl.Same(&run, b, 0)
		if tmpl.Constant() != static || tmpl.Same(&run, b, 1) != static {
			t.Errorf("%s: constant %v", text, tmpl.Constant())
		}
	}
	if tmpl, _ := template.Compile("{hash:2:key}/x", template.Options{Path: true}); tmpl.PerFile() {
		t.Error("the hash of a field is said to change with the position")
	}
}

func TestHashDoesNotAllocate(t *testing.T) {
	tmpl, err := template.Compile("{hash:2}/{hash:4:value.id}/{topic}", template.Options{Path: true, Position: true, Null: template.HiveNull})
	if err != nil {
		t.Fatal(err)
	}
	b := one(t, connectortest.R{Value: `{"id":"São Paulo"}`})
	dst := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { dst, _ = tmpl.Append(dst[:0], b, 0, 1) }); n > 0 {
		t.Errorf("Append allocates %v times", n)
	}
}

func TestNull(t *testing.T) {
	for _, c := range []struct {
		null, value, want string
		missing           bool
	}{
		{"null", `{"f":null}`, "f=null", false},
		{"null", `{}`, "f=null", false},
		{"null", `{}`, "it is missing", true},
		{"null", `{"f":null}`, "f=null", true},
		{"null", `{"f":""}`, "f=null", true},
		{"null", `{"f":"null"}`, "f=%6Eull", false}, // a text is never taken for null
		{"null", `{"f":"__null__"}`, "f=%5F_null__", false},
		{template.HiveNull, `{"f":null}`, "f=__HIVE_DEFAULT_PARTITION__", false},
		{template.HiveNull, `{"f":"__HIVE_DEFAULT_PARTITION__"}`, "f=%5F_HIVE_DEFAULT_PARTITION__", false},
		{"", `{}`, "it is missing", true},
		{"", `{"f":null}`, "f=__null__", true},
	} {
		tmpl, err := template.Compile("f={value.f}", template.Options{Path: true, Null: c.null, MissingIsError: c.missing})
		if err != nil {
			t.Fatal(err)
		}
		got, err := tmpl.Append(nil, one(t, connectortest.R{Value: c.value}), 0, 0)
		if text := fmt.Sprint(string(got), err); !strings.Contains(text, c.want) {
			t.Errorf("%+v: %s", c, text)
		}
	}
	for _, null := range []string{".x", "a/b", "a b", "é", "{", strings.Repeat("x", 201)} {
		if _, err := template.Compile("f", template.Options{Path: true, Null: null}); err == nil || !strings.Contains(err.Error(), "stands for null") {
			t.Errorf("null %q: %v", null, err)
		}
	}
	// A header that is there and null isn't missing.
	tmpl, err := template.Compile("{header.h}", template.Options{Path: true, MissingIsError: true})
	if err != nil {
		t.Fatal(err)
	}
	got, err := tmpl.Append(nil, one(t, connectortest.R{Value: "1", Headers: []connector.Header{{Name: "h"}}}), 0, 0)
	if err != nil || string(got) != template.NullSegment {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := tmpl.Append(nil, one(t, connectortest.R{Value: "1"}), 0, 0); err == nil {
		t.Errorf("a missing header gives %q", got)
	}
}
