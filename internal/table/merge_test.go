package table

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// columns reads columns as tests write them, separated by commas: "a int32", "b? string =\"x\" ~old ~older", "c struct(x int64, y? float64)",
// "l list(x? string)", with a question mark for what may be null.
func columns(t testing.TB, text string) []Field {
	t.Helper()
	var fields []Field
	for _, part := range splitColumns(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(part), " ")
		f := Field{Name: strings.TrimSuffix(name, "?")}
		spec, tail := rest, ""
		if i := strings.LastIndexByte(rest, ')'); i >= 0 {
			spec, tail = rest[:i+1], rest[i+1:]
		} else if i := strings.IndexByte(rest, ' '); i >= 0 {
			spec, tail = rest[:i], rest[i:]
		}
		f.Type = columnType(t, spec)
		f.Type.Nullable = f.Name != name
		for _, extra := range strings.Fields(tail) {
			if text, ok := strings.CutPrefix(extra, "="); ok {
				f.Default = []byte(text)
			} else {
				f.Aliases = append(f.Aliases, strings.TrimPrefix(extra, "~"))
			}
		}
		fields = append(fields, f)
	}
	return fields
}

func columnType(t testing.TB, spec string) Type {
	t.Helper()
	name, inner, _ := strings.Cut(strings.TrimSuffix(spec, ")"), "(")
	name, local := strings.CutPrefix(name, "local_")
	k := slices.Index(kindNames[:], name)
	if k < 0 {
		t.Fatalf("unknown type %q", spec)
	}
	typ := Type{Kind: Kind(k), Local: local}
	switch typ.Kind {
	case Decimal:
		if _, err := fmt.Sscanf(inner, "%d,%d", &typ.Precision, &typ.Scale); err != nil {
			t.Fatal(err)
		}
	case Fixed:
		if _, err := fmt.Sscanf(inner, "%d", &typ.Size); err != nil {
			t.Fatal(err)
		}
	case Struct:
		typ.Fields = columns(t, inner)
	case List, Map:
		typ.Elem = &columns(t, inner)[0].Type
	}
	return typ
}

// splitColumns cuts at the commas that are in no brackets.
func splitColumns(text string) []string {
	var parts []string
	depth, start := 0, 0
	for i, c := range text {
		switch {
		case strings.ContainsRune("([{", c):
			depth++
		case strings.ContainsRune(")]}", c):
			depth--
		case c == ',' && depth == 0:
			parts, start = append(parts, text[start:i]), i+1
		}
	}
	if strings.TrimSpace(text[start:]) == "" {
		return parts
	}
	return append(parts, text[start:])
}

func TestMerge(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"equal", "a int32, b string", "a int32, b string", "a int32, b string"},
		{"order and nullability of the newer", "a int32, b? string", "b string, a int32", "b? string, a int32"},
		{"null in either", "a? int32", "a int32", "a? int32"},
		{"added", "a int32", "z string, a int32", "z? string, a int32"},
		{"added with default", "a int32", "a int32, z string =\"x\"", "a int32, z string =\"x\""},
		{"removed stays behind its neighbour", "a int32, x string =\"d\", y string, b int32", "b int32, a int32, c? int32",
			"b int32, a int32, x? string, y? string, c? int32"},
		{"the first removed goes to the end", "x string, a int32, y string", "a int32, b? int32", "a int32, y? string, b? int32, x? string"},
		{"int to long", "a int32", "a int64", "a int64"},
		{"long stays", "a int64", "a int32", "a int64"},
		{"long to double", "a int64", "a float64", "a float64"},
		{"int and float", "a int32", "a float32", "a float64"},
		{"float to double", "a float64", "a float32", "a float64"},
		{"digits", "a decimal(10,2)", "a decimal(9,4)", "a decimal(12,4)"},
		{"times", "a time_micros, b timestamp_millis, c local_timestamp_millis", "a time_millis, b timestamp_micros, c local_timestamp_micros",
			"a time_micros, b timestamp_micros, c local_timestamp_micros"},
		{"renamed", "a int32, b string", "b string, c int64 ~a", "b string, c int64 ~a"},
		{"renamed again", "c int32 ~a", "d int32 ~c", "d int32 ~c ~a"},
		{"renamed, the older knows it", "c int64 ~a", "a int32", "c int64 ~a"},
		{"renamed back", "b int32 ~a", "a int32 ~b", "a int32 ~b"},
		{"both renamed", "b int32 ~a", "c int32 ~a", "c int32 ~a ~b"},
		{"a name beats an alias", "a string, b int32", "b int32 ~a", "b int32, a? string"},
		{"an alias that is a name is none", "x string, o int32 ~x", "x string, n int32 ~x", "x string, o? int32, n? int32"},
		{"the default of older rows", "a int32 =1", "a int64", "a int64 =1"},
		{"no default where null is allowed", "a int32 =1", "a? int32", "a? int32"},
		{"structs", "p struct(x int32, y string), q int32", "q int32, p struct(z boolean, x int64)", "q int32, p struct(z? boolean, x int64, y? string)"},
		{"elements", "l list(e int32), m map(v struct(a int32))", "l list(e? int64), m map(v struct(b? string, a int32))",
			"l list(e? int64), m map(v struct(b? string, a int32))"},
		{"renamed in a struct", "p list(e struct(a int32))", "p list(e struct(b int64 ~a))", "p list(e struct(b int64 ~a))"},
	} {
		old, new := &Schema{Name: "s", Version: 1, Fields: columns(t, c.old)}, &Schema{Name: "s", Version: 2, Fields: columns(t, c.new)}
		want := &Schema{Name: "s", Version: 2, Fields: columns(t, c.want)}
		for _, args := range [][2]*Schema{{old, new}, {new, old}} {
			got, err := Merge(args[0], args[1], Backward)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			if !got.Equal(want) || got.Version != 2 {
				t.Errorf("%s: version %d\n%s\nwant\n%s", c.name, got.Version, stored(t, got), stored(t, want))
			}
		}
	}
}

func stored(t testing.TB, s *Schema) string {
	t.Helper()
	data, err := Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestMergeWithoutNumbersTakesTheOrderOfArguments(t *testing.T) {
	a, b := &Schema{Name: "s", Fields: columns(t, "a? int32, b? int32")}, &Schema{Name: "s", Version: 7, Fields: columns(t, "b? int32, a? int32")}
	for _, args := range [][2]*Schema{{a, b}, {b, a}} {
		if got, err := Merge(args[0], args[1], Backward); err != nil || !got.Equal(args[1]) {
			t.Errorf("%v, %v", got, err)
		}
	}
	other := &Schema{Name: "other", Version: 3, Fields: a.Fields} // its numbers say nothing about those of s
	if got, err := Merge(b, other, Backward); err != nil || !got.Equal(other) || got.Name != "other" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := Merge(nil, a, Backward); got != a || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := Merge(a, nil, Backward); got != a || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// A name that another column has is taken from the aliases of the result, not from those of the version.
func TestMergeChangesNoAliases(t *testing.T) {
	old, new := &Schema{Fields: columns(t, "x? int32, o? int32 ~x ~p")}, &Schema{Fields: columns(t, "n? string ~x ~q, x? int32")}
	for _, c := range []Compatibility{Backward, Forward} {
		for _, args := range [][2]*Schema{{old, new}, {new, old}} {
			if _, err := Merge(args[0], args[1], c); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(old.Fields[1].Aliases, new.Fields[0].Aliases); got != "[x p] [x q]" {
				t.Fatalf("%s: %s", c, got)
			}
		}
	}
}

func TestMergeKeepsTheRest(t *testing.T) {
	a, b := &Schema{Fields: columns(t, "a? int32"), Rest: "_rest"}, &Schema{Fields: columns(t, "a? int32")}
	for _, args := range [][2]*Schema{{a, b}, {b, a}} {
		if got, err := Merge(args[0], args[1], Backward); err != nil || got.Rest != "_rest" {
			t.Errorf("%v, %v", got, err)
		}
	}
	_, err := Merge(a, &Schema{Fields: columns(t, "_rest? json")}, Backward)
	if err == nil || !strings.Contains(err.Error(), "_rest") {
		t.Error(err)
	}
}

func TestMergeForward(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"new columns are left out", "a int64, b? string", "c string, a int32", "a int64, b? string"},
		{"a default for what is gone", "a int64, b string =\"x\"", "a int64", "a int64, b string =\"x\""},
		{"renamed", "a int64", "b int32 ~a", "a int64 ~b"},
		{"structs", "p struct(x int64, y? int32)", "p struct(z string, x int32)", "p struct(x int64, y? int32)"},
		{"null", "a? int64", "a int64", "a? int64"},
	} {
		old, new := &Schema{Name: "s", Version: 1, Fields: columns(t, c.old)}, &Schema{Name: "s", Version: 2, Fields: columns(t, c.new)}
		want := &Schema{Fields: columns(t, c.want)}
		for _, args := range [][2]*Schema{{old, new}, {new, old}} {
			got, err := Merge(args[0], args[1], Forward)
			if err != nil || !got.Equal(want) || got.Version != 1 {
				t.Errorf("%s: %v, %v", c.name, got, err)
			}
		}
	}
}

func TestMergeRefuses(t *testing.T) {
	for _, c := range []struct {
		mode           Compatibility
		old, new, want string
	}{
		{Backward, "pos struct(lat float64)", "pos struct(lat string)", "column pos.lat: string in version 3, float64 in version 2"},
		{Backward, "items list(e struct(price int32))", "items list(e struct(price string))", "column items[].price: string in version 3, int32 in version 2"},
		{Backward, "m map(e int32)", "m map(e boolean)", "column m{}: boolean in version 3, int32 in version 2"},
		{Backward, "a string", "a bytes", "column a: bytes"},
		{Backward, "a json", "a string", "column a: string in version 3, json in version 2"},
		{Backward, "a date", "a timestamp_millis", "column a: timestamp_millis"},
		{Backward, "a timestamp_millis", "a local_timestamp_millis", "column a: local_timestamp_millis in version 3, timestamp_millis in version 2"},
		{Backward, "a timestamp_micros", "a local_timestamp_millis", "column a: local_timestamp_millis in version 3, timestamp_micros in version 2"},
		{Backward, "a fixed(4)", "a fixed(5)", "column a: fixed(5) in version 3, fixed(4)"},
		{Backward, "a decimal(70,0)", "a decimal(70,70)", "column a: decimal(70,70)"},
		{Backward, "a list(e int32)", "a map(e int32)", "column a: map<int32> in version 3, list<int32> in version 2"},
		{Backward, "a int32, b int32", "a string, b string", "column a: string in version 3, int32 in version 2; column b: string in version 3"},
		{Backward, "a int32 ", "b string ~a", "column b: string in version 3, int32 in version 2"},
		{Forward, "a int32", "a int64", "column a: int64 in version 3, int32 in version 2"},
		{Forward, "a int32", "a? int32", "column a: int32 or null in version 3, int32 and never null in version 2"},
		{Forward, "a int32, b int32", "a int32", "column b: it isn't in version 3, and in version 2 it has no default and is never null"},
		{Full, "a int32", "a int64", "column a: int64 in version 3, int32 in version 2"},
		{Full, "a int32", "a int32, b int32", "column b: it isn't in version 2, and in version 3 it has no default"},
		{Full, "a int32, b int32", "a int32", "column b: it isn't in version 3, and in version 2 it has no default"},
		{None, "a int32", "a int64", "column a: int64 in version 3, int32 in version 2"},
		{None, "a int32", "a? int32", "column a: int32 or null in version 3"},
		{None, "a int32, b int32", "b int32, a int32", "differ in the order"},
		{None, "a int32, b int32", "a int32, c int32", "column c: it isn't in version 2; column b: it isn't in version 3"},
		{None, "a int32", "b int32 ~a", "column b: it is named a in version 2"},
	} {
		_, err := Merge(&Schema{Name: "s", Version: 2, Fields: columns(t, c.old)}, &Schema{Name: "s", Version: 3, Fields: columns(t, c.new)}, c.mode)
		var bad *Incompatible
		if !errors.As(err, &bad) || len(bad.Conflicts) == 0 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s and %s: %v\nwant %s", c.mode, c.old, c.new, err, c.want)
		}
	}
}

func TestMergeShowsTenConflicts(t *testing.T) {
	var a, b []Field
	for i := range 30 {
		a = append(a, Field{Name: fmt.Sprint("c", i), Type: Type{Kind: Int32}})
		b = append(b, Field{Name: fmt.Sprint("c", i), Type: Type{Kind: String}})
	}
	_, err := Merge(&Schema{Fields: a}, &Schema{Fields: b}, Backward)
	if err == nil || strings.Count(err.Error(), "column c") != 10 || !strings.HasSuffix(err.Error(), "; and 20 more") ||
		!strings.Contains(err.Error(), "string in the newer version, int32 in the older version") {
		t.Error(err)
	}
}

func TestMergeFullAndNoneTakeWhatIsCompatible(t *testing.T) {
	old, new := &Schema{Fields: columns(t, "a? int32, b string =\"x\"")}, &Schema{Fields: columns(t, "a int32, c? int64")}
	if got, err := Merge(old, new, Full); err != nil || !got.Equal(&Schema{Fields: columns(t, "a? int32, b? string, c? int64")}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := Merge(old, &Schema{Version: 2, Fields: old.Fields}, None); err != nil || got.Version != 2 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Merge(old, new, "backwards"); err == nil {
		t.Error("taken")
	}
	if c, err := ParseCompatibility("BACKWARD"); c != Backward || err != nil {
		t.Error(c, err)
	}
}

// Versions that rename what they have add columns up; at the bound they get files of their own.
func TestMergeIsBounded(t *testing.T) {
	many := func(prefix string) []Field {
		var fields []Field
		for i := range 6000 {
			fields = append(fields, Field{Name: fmt.Sprint(prefix, i), Type: Type{Kind: Int32}})
		}
		return fields
	}
	_, err := Merge(&Schema{Fields: many("a")}, &Schema{Fields: many("b")}, Backward)
	if err == nil || !strings.Contains(err.Error(), "more than 10000 columns") {
		t.Error(err)
	}
}

func TestMergeChangesNeither(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		versions := history(t)
		var before []string
		for _, v := range versions {
			before = append(before, snapshot(t, v))
		}
		all := mergeAll(t, versions)
		text := snapshot(t, all)
		mergeAll(t, append([]*Schema{all}, versions...))
		for i, v := range versions {
			if snapshot(t, v) != before[i] {
				t.Fatalf("version %d was changed", i+1)
			}
		}
		if snapshot(t, all) != text {
			t.Fatal("what was merged was changed")
		}
	})
}

func TestMergeIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		versions := history(t)
		all := mergeAll(t, versions)
		for _, v := range append(versions, all) {
			for _, args := range [][2]*Schema{{all, v}, {v, all}} {
				again, err := Merge(args[0], args[1], Backward)
				if err != nil {
					t.Fatal(err)
				}
				if canonical(again.Fields) != canonical(all.Fields) {
					t.Fatalf("merged once more with version %d:\n%s\nbefore\n%s", v.Version, canonical(again.Fields), canonical(all.Fields))
				}
				if args[0] == all && !again.Equal(all) {
					t.Fatalf("merged once more with version %d, the order is other:\n%s\nbefore\n%s", v.Version, snapshot(t, again), snapshot(t, all))
				}
			}
		}
	})
}

func TestMergeHasNoOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		versions := history(t)
		want := canonical(mergeAll(t, versions).Fields)
		for range 4 {
			shuffled := rapid.Permutation(versions).Draw(t, "order")
			if got := canonical(mergeAll(t, shuffled).Fields); got != want {
				t.Fatalf("in another order:\n%s\nwant\n%s", got, want)
			}
			half := rapid.IntRange(0, len(versions)).Draw(t, "half")
			both, err := Merge(mergeAll(t, shuffled[:half]), mergeAll(t, shuffled[half:]), Backward)
			if err != nil {
				t.Fatal(err)
			}
			if got := canonical(both.Fields); got != want {
				t.Fatalf("two halves merged:\n%s\nwant\n%s", got, want)
			}
		}
	})
}

func TestMergeHoldsRowsOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		versions := history(t)
		all := mergeAll(t, rapid.Permutation(versions).Draw(t, "order"))
		for _, v := range versions {
			row := randomRow(t, v.Fields)
			if err := holdsRow(v.Fields, row); err != nil {
				t.Fatalf("the test itself: %v", err)
			}
			if err := holdsRow(all.Fields, row); err != nil {
				t.Fatalf("row of version %d: %v\n%s\nin\n%s", v.Version, err, snapshot(t, v), snapshot(t, all))
			}
		}
	})
}
