package serde_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
)

func TestPath(t *testing.T) {
	tape := serde.NewTape()
	src := `{"lat":40.5,"pos":{"lat":1,"lng":[2]},"tags":["a","b",{"c":"d"}],"flat":[1,2,3],"odd name":{"x":3},"a.b":4,"\"":5,"'":6,"":7,"ünï":8,"snake_case-name":9,"a name longer than eight bytes":10,"a name longer than eight bytez":11,"z":12}`
	parsed := parse(t, tape, src)
	changed, err := tape.With(parsed, []string{"added"}, []serde.Value{tape.Int64(13)})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"":                                   src,
		"lat":                                "40.5",
		"pos.lat":                            "1",
		"pos.lng[0]":                         "2",
		"tags[0]":                            `"a"`,
		"tags[-1].c":                         `"d"`,
		"tags[2].c":                          `"d"`,
		"tags[-3]":                           `"a"`,
		"flat[2]":                            "3",
		"flat[-1]":                           "3",
		`["odd name"].x`:                     "3",
		`['odd name'].x`:                     "3",
		`["odd name"]["x"]`:                  "3",
		`["a.b"]`:                            "4",
		`["\""]`:                             "5",
		`['"']`:                              "5",
		`["'"]`:                              "6",
		`["\u0027"]`:                         "6",
		`[""]`:                               "7",
		"ünï":                                "8",
		"snake_case-name":                    "9",
		`["a name longer than eight bytes"]`: "10",
		`["a name longer than eight bytez"]`: "11",
		"z":                                  "12",
		"added":                              "13",
		"la":                                 "", "latt": "", "pos.lat.x": "", "pos[0]": "", "tags.c": "", "tags[3]": "", "tags[-4]": "", "tags[2].d": "", "x.y.z": "", "lng": "", "c": "", "x": "",
		"flat[2147483647]": "", "flat[-2147483647]": "", `["a name longer than eight"]`: "", "[0]": "",
	} {
		p, err := serde.CompilePath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if p.String() != path {
			t.Errorf("String is %s, want %s", p, path)
		}
		for name, v := range map[string]serde.Value{"parsed": parsed, "cloned": tape.Clone(parsed), "rebuilt": rebuild(tape, parsed), "changed": changed} {
			if path == "" && name != "parsed" || path == "added" && name != "changed" {
				continue
			}
			got := ""
			if w := v.Get(p); w.Exists() {
				got = written(t, w)
			}
			if got != want {
				t.Errorf("%s, %s: got %s, want %s", path, name, got, want)
			}
		}
		if (serde.Value{}).Get(p).Exists() {
			t.Errorf("%s leads from a missing value to one", path)
		}
	}
	if p, _ := serde.CompilePath("[1][0]"); written(t, parse(t, tape, "[0,[7]]").Get(p)) != "7" {
		t.Error("[1][0] leads elsewhere")
	}
}

func TestPathErrors(t *testing.T) {
	for path, want := range map[string]string{
		".":                                      `path ".": expected a name at position 0`,
		"a.":                                     "expected a name at position 2",
		"a..b":                                   "expected a name at position 2",
		".a":                                     "expected a name at position 0",
		"a b":                                    "expected '.' or '[' at position 1",
		"a[":                                     "the bracket at position 1 isn't closed",
		"a[]":                                    `"" at position 2 is neither an index nor a quoted name`,
		"a[x]":                                   `"x" at position 2 is neither an index nor a quoted name`,
		"a[+1]":                                  `"+1" at position 2 is neither`,
		"a[1.5]":                                 `"1.5" at position 2 is neither`,
		"a[99999999999]":                         "is neither an index",
		"a[0":                                    "the bracket at position 1 isn't closed",
		"a[0]b":                                  "expected '.' or '[' at position 4",
		`["a`:                                    "inside a string",
		`["a"`:                                   "expected ']' at position 4",
		`['a`:                                    "the quote at position 1 isn't closed",
		`["a\q"]`:                                "expected one of",
		"a*":                                     "expected '.' or '[' at position 1",
		"\xff":                                   "expected a name at position 0",
		"['\xff']":                               "isn't UTF-8",
		"[\"\xff\"]":                             "isn't UTF-8",
		"['" + strings.Repeat("x", 65536) + "']": "a name has more than 65535 bytes",
		strings.Repeat("x", 65536):               "a name has more than 65535 bytes",
	} {
		if _, err := serde.CompilePath(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %s", path, err, want)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"", "a", "a.b[0]", `["x y"][-1]`, "a[", `['"']`, "a..b", "é.x", `["\ud83d\ude00"]`} {
		f.Add(s, `{"a":{"b":[1]},"x y":[[2]]}`)
	}
	f.Fuzz(func(t *testing.T, path, src string) {
		p, err := serde.CompilePath(path)
		if err != nil {
			return
		}
		tape := serde.NewTape()
		// A path to a name written in quotes leads to the same value.
		quoted, err := tape.String(path).AppendJSON(nil)
		if err != nil {
			t.Fatalf("%q: %v", path, err)
		}
		whole, err := serde.CompilePath("[" + string(quoted) + "]")
		if err != nil {
			if len(path) > 65535 {
				return
			}
			t.Fatalf("%s: %v", quoted, err)
		}
		v := tape.Object([]string{path}, []serde.Value{tape.Int64(1)})
		if n, ok := v.Get(whole).Int64(); !ok || n != 1 {
			t.Fatalf("%s doesn't lead to its member", quoted)
		}
		if v, err := tape.JSON([]byte(src), serde.Limits{}); err == nil {
			a, b := v.Get(p), rebuild(tape, v).Get(p)
			if a.Exists() != b.Exists() || a.Exists() && fmt.Sprint(a.Kind(), a.Len()) != fmt.Sprint(b.Kind(), b.Len()) {
				t.Fatalf("%q leads to %s in %s and to %s in its copy", path, a.Kind(), src, b.Kind())
			}
		}
	})
}
