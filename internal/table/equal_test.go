package table

import (
	"strings"
	"testing"
)

func TestEqual(t *testing.T) {
	const base = "a int32 =1 ~x ~y, p struct(x int64, y? decimal(5,2)), l list(e fixed(3)), at timestamp_millis"
	s := &Schema{Name: "s", Fields: columns(t, base)}
	for _, same := range []string{base, strings.Replace(base, "~x ~y", "~y ~x", 1)} {
		o := &Schema{Name: "other", ID: "2", Version: 2, Fields: columns(t, same)}
		o.Fields[1].Doc = "a doc"
		if !s.Equal(o) || !o.Equal(s) {
			t.Errorf("%s: not equal", same)
		}
	}
	for _, change := range [][2]string{
		{"a int32", "b int32"}, {"a int32", "a int64"}, {"a int32", "a? int32"}, {"=1", "=2"}, {"=1", ""}, {"~x", "~z"}, {"~x", ""}, {"x int64", "x int32"},
		{"y? decimal(5,2)", "y? decimal(6,2)"}, {"y? decimal(5,2)", "y? decimal(5,1)"}, {"fixed(3)", "fixed(4)"}, {"list(", "map("}, {"at ", "at local_"},
		{"at timestamp_millis", ""}, {"e fixed", "e? fixed"},
	} {
		text := strings.Replace(base, change[0], change[1], 1)
		if o := (&Schema{Name: "s", Fields: columns(t, text)}); text == base || s.Equal(o) || o.Equal(s) {
			t.Errorf("%s: equal", text)
		}
	}
	if s.Equal(nil) || (*Schema)(nil).Equal(s) || !(*Schema)(nil).Equal(nil) || s.Equal(&Schema{Fields: s.Fields, Rest: "r"}) {
		t.Error("nil or the rest")
	}
}

func TestLeaves(t *testing.T) {
	s := &Schema{Fields: columns(t, "a int32, p struct(x int64, q struct(y string, z json)), l list(e struct(a int32, b int32)), m map(v string)"), Rest: "_rest"}
	if n := s.Leaves(); n != 9 {
		t.Error(n)
	}
	if c := s.Columns(); len(c) != 5 || c[4].Name != "_rest" || c[4].Type.Kind != JSON || !c[4].Type.Nullable || len(s.Fields) != 4 {
		t.Error(c)
	}
	s.Rest = ""
	if n := s.Leaves(); n != 8 || len(s.Columns()) != 4 {
		t.Error(n)
	}
}

func TestTypeString(t *testing.T) {
	for spec, want := range map[string]string{
		"decimal(10,2)": "decimal(10,2)", "fixed(16)": "fixed(16)", "local_timestamp_micros": "local_timestamp_micros", "json": "json",
		"struct(lat float64, l list(e map(v? string)))": "struct<lat:float64,l:list<map<string>>>",
	} {
		if got := columnType(t, spec).String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	long := Type{Kind: Struct}
	for range 10_000 { // a hostile schema costs no more than what is shown
		long.Fields = append(long.Fields, Field{Name: "größe"})
	}
	if got := long.String(); len(got) > shown+3 || !strings.HasSuffix(got, "...") || strings.ToValidUTF8(got, "") != got {
		t.Errorf("%q", got)
	}
}
