package dynamodb

import (
	"slices"
	"strings"
	"testing"
)

func TestSplitPath(t *testing.T) {
	for text, want := range map[string][]string{
		"tags":               {"tags"},
		"meta.tags":          {"meta", "tags"},
		`meta["odd.name"].x`: {"meta", "odd.name", "x"},
		`["a b"]["c\"d"]`:    {"a b", `c"d`},
		"größe.ab-c_1":       {"größe", "ab-c_1"},
		"":                   nil,
		".a":                 nil,
		"a.":                 nil,
		"a..b":               nil,
		"a[0]":               nil,
		`a["b"`:              nil,
		`a["b"]c`:            nil,
		`a[""]`:              nil,
		`a["b]`:              nil,
	} {
		got, err := splitPath(text)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestSetPathsRefused(t *testing.T) {
	for _, test := range []struct{ paths, want string }{
		{"a,a", `sets: the path "a": stands in the list twice`},
		{"a,a.b", `sets: the path "a.b": stands in the list twice, or is inside of a set`},
		{"a.b,a", `sets: the path "a": leads to a set, but another path leads inside of it`},
		{"a,b[1]", `sets: the path "b[1]": expected a name in quotes`},
	} {
		if _, err := setPaths(strings.Split(test.paths, ",")); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %s", test.paths, err, test.want)
		}
	}
}

func TestMemberStep(t *testing.T) {
	for name, want := range map[string]string{
		"a": ".a", "größe_1-x": ".größe_1-x", "": `[""]`, "a b": `["a b"]`, "a.b": `["a.b"]`, "`": "[\"`\"]", "a\n\xff": `["a\n\xff"]`,
		strings.Repeat("x", 70): `["` + strings.Repeat("x", 64) + `..."]`,
	} {
		if got := memberStep(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}
