package table

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/serde"
)

// sampled is the columns of JSON values.
func sampled(t testing.TB, s *Sample, values ...string) *Schema {
	t.Helper()
	tape := serde.NewTape()
	for _, text := range values {
		source := []byte(text)
		v, err := tape.JSON(source, serde.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		s.Add(v)
		tape.Reset()
		clear(source) // nothing of it may be kept
	}
	return s.Schema("s", "_rest")
}

func TestInfer(t *testing.T) {
	for _, c := range []struct{ name, values, want string }{
		{"order of appearance", `{"b":1,"a":"x"} {"c":true,"a":"y"}`, "b? int64, a? string, c? boolean"},
		{"nulls", `{"a":null,"b":null} {"b":1}`, "a? json, b? int64"},
		{"numbers", `{"a":1,"b":1} {"a":2.5,"b":9007199254740993}`, "a? float64, b? int64"},
		{"integers that float64 doesn't hold", `{"a":9007199254740993,"b":9007199254740992} {"a":2.5,"b":0.5}`, "a? json, b? float64"},
		{"large integers", `{"a":1,"b":1} {"a":18446744073709551615,"b":1e40}`, "a? decimal(38,0), b? float64"},
		{"integers beyond a decimal", fmt.Sprintf(`{"a":%s1,"b":%s}`, strings.Repeat("1", 38), strings.Repeat("1", 38)), "a? json, b? decimal(38,0)"},
		{"exact decimals", `{"a":12345678901234567.891,"b":1} {"a":-0.00010,"b":0.1234567890123456789}`, "a? decimal(38,4), b? decimal(38,19)"},
		{"decimals that don't fit", `{"a":1e300} {"a":0.1234567890123456789}`, "a? json"},
		{"mixed", `{"a":1,"b":[1]} {"a":"x","b":["x"]}`, "a? json, b? list(e? json)"},
		{"objects", `{"p":{"x":1}} {"p":{"y":"z","x":2.5}} {"p":null}`, "p? struct(x? float64, y? string)"},
		{"empty objects", `{"p":{},"q":[{}]}`, "p? json, q? list(e? json)"},
		{"arrays", `{"l":[],"m":[]} {"l":[1,null]}`, "l? list(e? int64), m? list(e? json)"},
		{"arrays in arrays", `{"l":[[],[{"a":1}]]}`, "l? list(e? list(e? struct(a? int64)))"},
		{"object or array", `{"a":{"x":1}} {"a":[1]}`, "a? json"},
		{"case", `{"id":1,"ID":"x","Id":true} {"ID":2}`, "id? int64"},
		{"case in a struct", `{"p":{"X":1,"x":"y"}}`, "p? struct(X? int64)"},
		{"names", fmt.Sprintf(`{"":1,"%s":1,"%s":2}`, strings.Repeat("x", 256), strings.Repeat("y", 255)), strings.Repeat("y", 255) + "? int64"},
		{"the rest's own name", `{"_REST":1,"a":2}`, "a? int64"},
		{"texts stay texts", `{"a":"2026-01-31","b":"1"}`, "a? string, b? string"},
		{"no objects", `1 [1] "x" null`, ""},
	} {
		got := sampled(t, &Sample{}, strings.Fields(c.values)...)
		want := &Schema{Name: "s", Rest: "_rest", Fields: columns(t, c.want)}
		if !got.Equal(want) || got.Name != "s" {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, stored(t, got), stored(t, want))
		}
	}
}

func TestInferDates(t *testing.T) {
	got := sampled(t, &Sample{Dates: true},
		`{"d":"2026-01-31","t":"2026-01-31T10:00:00Z","m":"2026-01-31","l":"2026-01-31T10:00:00","n":"2026-01-31T10:00:00.1234567Z","x":"2026-02-30","p":["2026-01-01"]}`,
		`{"d":null,"t":"2026-01-31T10:00:00.123456+02:00","m":"2026-01-31T10:00:00Z","e":""}`)
	want := &Schema{Rest: "_rest", Fields: columns(t, "d? date, t? timestamp_micros, m? string, l? string, n? string, x? string, p? list(e? date), e? string")}
	if !got.Equal(want) {
		t.Errorf("%s", stored(t, got))
	}
}

func TestInferOtherKinds(t *testing.T) {
	tape := serde.NewTape()
	names := []string{"b", "d", "t", "ts", "u", "i", "f", "big"}
	number, err := tape.Decimal([]byte("123456789012345678901234567890.5"))
	if err != nil {
		t.Fatal(err)
	}
	v := tape.Object(names, []serde.Value{tape.CopyBytes([]byte("x")), tape.Date(1), tape.TimeOfDay(1), tape.Timestamp(time.Unix(1, 0)), tape.UUID([16]byte{}),
		tape.Int64(5), tape.Float64(0.5), number})
	var s Sample
	s.Add(v)
	want := &Schema{Fields: columns(t, "b? bytes, d? date, t? time_micros, ts? timestamp_micros, u? uuid, i? int64, f? float64, big? decimal(38,1)")}
	if got := s.Schema("", ""); !got.Equal(want) {
		t.Errorf("%s", stored(t, got))
	}
}

// keyed is n objects whose member p has each names that no other has.
func keyed(n, each int, value func(i int) string) []string {
	var values []string
	for i := range n {
		var members []string
		for k := range each {
			members = append(members, fmt.Sprintf(`"k%d_%d":%s`, i, k, value(i)))
		}
		values = append(values, `{"p":{`+strings.Join(members, ",")+`}}`)
	}
	return values
}

func TestInferMaps(t *testing.T) {
	one := func(int) string { return "1" }
	for _, c := range []struct {
		name   string
		values []string
		want   string
	}{
		{"200 names", keyed(200, 1, one), ""},
		{"201 names", keyed(201, 1, one), "p? map(e? int64)"},
		{"more names than are told apart", keyed(500, 5, one), "p? map(e? int64)"},
		{"each in a fifth", keyed(5, 60, one), ""},
		{"types that go together", keyed(300, 1, func(i int) string { return []string{"1", "2.5", "null"}[i%3] }), "p? map(e? float64)"},
		{"several types", keyed(300, 1, func(i int) string { return []string{"1", `"x"`}[i%2] }), "p? json"},
		{"another type beyond what is told apart", append(keyed(500, 5, one), `{"p":{"last":"x"}}`), "p? json"},
		{"another type under a name in another case", append(keyed(300, 1, one), `{"p":{"K1_0":"x"}}`), "p? json"},
		{"structs", keyed(300, 1, func(i int) string { return fmt.Sprintf(`{"a":%d,"b":[{"c":%q}]}`, i, "x") }),
			"p? map(e? struct(a? int64, b? list(e? struct(c? string))))"},
		{"one that is common", append(keyed(300, 1, one), keyed(40, 1, one)[:0]...), "p? map(e? int64)"},
	} {
		got := sampled(t, &Sample{}, c.values...)
		if c.want == "" {
			if k := got.Fields[0].Type.Kind; k != Struct {
				t.Errorf("%s: %s", c.name, k)
			}
			continue
		}
		if want := (&Schema{Rest: "_rest", Fields: columns(t, c.want)}); !got.Equal(want) {
			t.Errorf("%s:\n%.500s\nwant\n%s", c.name, stored(t, got), stored(t, want))
		}
	}
	common := keyed(300, 1, one)
	for i := range 40 {
		common = append(common, fmt.Sprintf(`{"p":{"id":%d}}`, i))
	}
	if got := sampled(t, &Sample{}, common...); got.Fields[0].Type.Kind != Struct { // id is in more than a tenth
		t.Error(got.Fields[0].Type)
	}
}

func TestInferIsBounded(t *testing.T) {
	var flat, nested strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&flat, `,"c%d":1`, i)
	}
	got := sampled(t, &Sample{}, "{"+flat.String()[1:]+"}")
	if len(got.Fields) != 1000 || got.Fields[999].Name != "c999" {
		t.Errorf("%d columns", len(got.Fields))
	}
	for i := range 600 {
		fmt.Fprintf(&nested, `,"c%d":1`, i)
	}
	object := "{" + nested.String()[1:] + "}"
	got = sampled(t, &Sample{}, `{"a":`+object+`,"b":`+object+`,"c":1}`)
	if got.Leaves() != 603 || got.Fields[0].Type.Kind != Struct || got.Fields[1].Type.Kind != JSON || got.Fields[2].Type.Kind != Int64 {
		t.Errorf("%d leaves, %s, %s", got.Leaves(), got.Fields[0].Type, got.Fields[1].Type)
	}
	got = sampled(t, &Sample{}, strings.Repeat(`{"a":`, 18)+"1"+strings.Repeat("}", 18), `{"l":`+strings.Repeat("[", 18)+"1"+strings.Repeat("]", 18)+`}`)
	for i := range got.Fields {
		n := 0
		for typ := &got.Fields[i].Type; typ.Kind != JSON; n++ {
			if typ.Elem != nil {
				typ = typ.Elem
			} else {
				typ = &typ.Fields[0].Type
			}
		}
		if n != maxNested-1 {
			t.Errorf("%d levels", n)
		}
	}
}

// Whatever the values are, the sample's memory has a bound.
func TestInferMemory(t *testing.T) {
	s := &Sample{}
	tape := serde.NewTape()
	for i := range 450 {
		var b strings.Builder
		for k := range 50 {
			fmt.Fprintf(&b, `,"%s%d_%d":1`, strings.Repeat("N", 245), i, k)
		}
		v, err := tape.JSON(fmt.Appendf(nil, `{"%s%d":{%s}}`, strings.Repeat("P", 250), i, b.String()[1:]), serde.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		s.Add(v)
		tape.Reset()
	}
	if s.nodes != maxNodes || s.Len() != 450 {
		t.Errorf("%d places, %d values", s.nodes, s.Len())
	}
	tape = nil
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if got := s.Schema("s", "_rest"); got.Leaves() > maxSampled+1 {
		t.Errorf("%d leaves", got.Leaves())
	}
	s = nil
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(before.HeapAlloc) - int64(after.HeapAlloc); held > 18<<20 {
		t.Errorf("the sample held %d KiB", held>>10)
	} else {
		t.Logf("the sample held %d KiB", held>>10)
	}
}

func TestDigits(t *testing.T) {
	for text, want := range map[string][2]int{
		"0": {0, 0}, "-0.0": {0, 0}, "1": {1, 0}, "100": {3, 0}, "1.50": {1, 1}, "-12.345": {2, 3}, "0.001": {0, 3}, "1e3": {4, 0}, "1.5E+3": {4, 0},
		"15e-3": {0, 3}, "1200e-2": {2, 0}, "120e-2": {1, 1}, "0e999999999999": {0, 0}, "1e999999999999": {32767, 32767}, "NaN": {32767, 32767},
		"0.10e1": {1, 0}, "1e40000": {32767, 32767},
	} {
		if whole, scale := digits([]byte(text)); whole != want[0] || scale != want[1] {
			t.Errorf("%s: %d, %d, want %v", text, whole, scale, want)
		}
	}
}
