package staging

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
)

func TestPrefix(t *testing.T) {
	for _, c := range [][3]string{
		{"", "telemetry/{topic}/x", "telemetry"}, {"", "a/b/{topic}+{partition}", "a/b"}, {"", "{topic}/x", ""}, {"", "", ""},
		{"", "a/b{key}/c", "a"}, {"", "a/{{b}}/{key}/c", "a/{b}"}, {"", "a/b/", "a/b"}, {"", "a/b", "a"}, {"", "dt={time:yyyy/MM}/", ""},
		{"links", "telemetry/{topic}/", "links"}, {"/", "telemetry/{topic}/", ""}, {"/a/b/", "", "a/b"},
	} {
		if got := Prefix(c[0], c[1]); got != c[2] {
			t.Errorf("prefix %q of path %q is %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

func TestCompilePath(t *testing.T) {
	for text, c := range map[string]struct {
		unique bool
		fails  string
	}{
		"":                            {unique: true},
		"a/{topic}/":                  {unique: true},
		"a/{topic}":                   {unique: true},
		"a/{position}/":               {unique: true}, // the file's name is given here
		"a/{position:%010d}":          {},
		"{position}/x":                {},
		"a/_millrace/{key}":           {fails: "a folder _millrace"},
		"a/_millrace":                 {fails: "a folder _millrace"},
		"a/{nothing}":                 {fails: "there is no {nothing}"},
		"../{topic}":                  {fails: "can't hold .."},
		"a/_millrace-{key}/_millrace": {fails: "a folder _millrace"},
	} {
		p, err := CompilePath(text, DefaultNaming())
		switch {
		case c.fails != "":
			if err == nil || !strings.Contains(err.Error(), c.fails) || !strings.HasPrefix(err.Error(), "path") {
				t.Errorf("%q: %v", text, err)
			}
		case err != nil:
			t.Errorf("%q: %v", text, err)
		case p.Unique != c.unique || !p.Unique && !p.HasPosition():
			t.Errorf("%q: unique %v", text, p.Unique)
		}
	}
}

func TestCheckLinks(t *testing.T) {
	for _, ok := range [][2]string{{"", "main"}, {"/", "v2"}, {"/a b/c/", "A-b_c.1"}} {
		if err := CheckLinks(ok[0], ok[1]); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range [][3]string{
		{"", "", "chain is empty"}, {"", "a/b", `chain is "a/b"`}, {"", ".a", "begin with a dot"}, {"", strings.Repeat("x", 101), "101 bytes"},
		{"a//b", "main", "it can't hold //"}, {"a/../b", "main", "it can't hold .."}, {"a/_millrace", "main", "_millrace lies below"},
		{"a\n", "main", "control character"}, {strings.Repeat("x", 256), "main", "256 bytes"},
	} {
		if err := CheckLinks(bad[0], bad[1]); err == nil || !strings.Contains(err.Error(), bad[2]) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestRotate(t *testing.T) {
	want := connector.Rotation{Size: 128 << 20, Age: 5 * time.Minute, Adaptive: true, Seal: time.Hour}
	if got := DefaultRotate().Rotation(); got != want || DefaultRotate().Validate() != nil {
		t.Errorf("%+v", got)
	}
	for want, change := range map[string]func(*Rotate){
		"rotate.size is 0B":        func(r *Rotate) { r.Size = 0 },
		"rotate.age is 0s":         func(r *Rotate) { r.Age = 0 },
		"rotate.records is -1":     func(r *Rotate) { r.Records = -1 },
		"rotate.seal_after is -1s": func(r *Rotate) { r.SealAfter = connector.Duration(-time.Second) },
	} {
		r := DefaultRotate()
		change(&r)
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
