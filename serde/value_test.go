package serde_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/serde"
)

func parse(t testing.TB, tape *serde.Tape, src string) serde.Value {
	t.Helper()
	v, err := tape.JSON([]byte(src), serde.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func written(t testing.TB, v serde.Value) string {
	t.Helper()
	out, err := v.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestNumbers(t *testing.T) {
	tape := serde.NewTape()
	none := math.NaN()
	for _, c := range []struct {
		text string
		kind serde.Kind
		f    float64 // NaN: too large
		n    int64
		isN  bool
	}{
		{"0", serde.Int64, 0, 0, true},
		{"-0", serde.Float64, 0, 0, true},
		{"-0.0", serde.Float64, 0, 0, true},
		{"80", serde.Int64, 80, 80, true},
		{"80.0", serde.Float64, 80, 80, true},
		{"8e1", serde.Float64, 80, 80, true},
		{"80.5", serde.Float64, 80.5, 0, false},
		{"-0.5", serde.Float64, -0.5, 0, false},
		{"9007199254740993", serde.Int64, 9007199254740992, 9007199254740993, true},
		{"9007199254740993.0", serde.Decimal, 9007199254740992, 9007199254740993, true},
		{"9007199254740993e0", serde.Decimal, 9007199254740992, 9007199254740993, true},
		{"9223372036854775807", serde.Int64, 1 << 63, math.MaxInt64, true},
		{"-9223372036854775808", serde.Int64, -1 << 63, math.MinInt64, true},
		{"9223372036854775808", serde.Decimal, 1 << 63, 0, false},
		{"-9223372036854775809", serde.Decimal, -1 << 63, 0, false},
		{"18446744073709551616", serde.Decimal, 1 << 64, 0, false},
		{"100000000000000000000000", serde.Decimal, 1e23, 0, false},
		{"0.1", serde.Float64, 0.1, 0, false},
		{"49.86709199999999", serde.Float64, 49.86709199999999, 0, false},
		{"0.30000000000000004", serde.Float64, 0.30000000000000004, 0, false},
		{"0.3000000000000000444", serde.Decimal, 0.30000000000000004, 0, false},
		{"0.10000000000000001", serde.Decimal, 0.1, 0, false},
		{"3.14159265358979323846", serde.Decimal, math.Pi, 0, false},
		{"1e308", serde.Float64, 1e308, 0, false},
		{"1e309", serde.Decimal, none, 0, false},
		{"5e-324", serde.Float64, 5e-324, 0, false},
		{"4e-324", serde.Decimal, 5e-324, 0, false},
		{"1e-400", serde.Decimal, 0, 0, false},
		{"0e400", serde.Float64, 0, 0, true},
		{"1e18", serde.Float64, 1e18, 1e18, true},
		{"1e19", serde.Float64, 1e19, 0, false},
		{"123456789012345678e-17", serde.Decimal, 1.23456789012345678, 0, false},
	} {
		v := parse(t, tape, "["+c.text+"]").Index(0)
		if v.Kind() != c.kind {
			t.Errorf("%s is a %s, want %s", c.text, v.Kind(), c.kind)
		}
		if f, ok := v.Float64(); ok == math.IsNaN(c.f) || ok && f != c.f {
			t.Errorf("%s: Float64 is %v %v, want %v", c.text, f, ok, c.f)
		}
		if n, ok := v.Int64(); ok != c.isN || n != c.n && ok {
			t.Errorf("%s: Int64 is %d %v, want %d %v", c.text, n, ok, c.n, c.isN)
		}
		if s := written(t, v); s != c.text {
			t.Errorf("%s is written as %s", c.text, s)
		}
		d, err := tape.Decimal([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := d.Int64(); ok != c.isN || n != c.n && ok {
			t.Errorf("decimal %s: Int64 is %d %v, want %d %v", c.text, n, ok, c.n, c.isN)
		}
		if d.Kind() != serde.Decimal || written(t, d) != c.text {
			t.Errorf("decimal %s: %s %s", c.text, d.Kind(), written(t, d))
		}
	}
	if v := parse(t, tape, "-0.0 "); true {
		if f, _ := v.Float64(); !math.Signbit(f) {
			t.Error("-0.0 lost its sign")
		}
	}
	for _, s := range []string{"", "x", "1x", "NaN", "01", " 1", "1 ", "+1", "0x10"} {
		if _, err := tape.Decimal([]byte(s)); err == nil {
			t.Errorf("Decimal takes %q", s)
		}
	}
}

func TestAccessorsOfOtherKinds(t *testing.T) {
	tape := serde.NewTape()
	values := map[serde.Kind]serde.Value{
		serde.Missing: {}, serde.Null: tape.Null(), serde.Bool: tape.Bool(true), serde.Int64: tape.Int64(7), serde.Float64: tape.Float64(7.5),
		serde.String: tape.String("seven"), serde.Bytes: tape.BorrowBytes([]byte{7}), serde.Date: tape.Date(7), serde.Time: tape.TimeOfDay(7),
		serde.Timestamp: tape.Timestamp(time.Unix(7, 0)), serde.UUID: tape.UUID([16]byte{7}), serde.Array: tape.Array([]serde.Value{tape.Null()}),
		serde.Object: tape.Object([]string{"a"}, []serde.Value{tape.Null()}),
	}
	for k, v := range values {
		if v.Kind() != k || v.Exists() != (k != serde.Missing) {
			t.Errorf("%s: got %s", k, v.Kind())
		}
		_, isBool := v.Bool()
		_, isInt := v.Int64()
		_, isFloat := v.Float64()
		_, isText := v.Text()
		_, isTime := v.Time()
		_, isMicros := v.Micros()
		_, isUUID := v.UUID()
		for what, got := range map[string][2]bool{
			"Bool": {isBool, k == serde.Bool}, "Int64": {isInt, k == serde.Int64}, "Float64": {isFloat, k == serde.Int64 || k == serde.Float64},
			"Text": {isText, k == serde.String || k == serde.Bytes}, "Time": {isTime, k == serde.Date || k == serde.Timestamp},
			"Micros": {isMicros, k == serde.Time || k == serde.Timestamp}, "UUID": {isUUID, k == serde.UUID},
			"Len":   {v.Len() > 0, k == serde.String || k == serde.Bytes || k == serde.Array || k == serde.Object},
			"Index": {v.Index(0).Exists(), k == serde.Array}, "Field": {v.Field("a").Exists(), k == serde.Object},
		} {
			if got[0] != got[1] {
				t.Errorf("%s of a %s: %v", what, k, got[0])
			}
		}
		for range v.Elements() {
			if k != serde.Array {
				t.Errorf("a %s has elements", k)
			}
		}
		for range v.Members() {
			if k != serde.Object {
				t.Errorf("a %s has members", k)
			}
		}
	}
}

func TestWrite(t *testing.T) {
	tape := serde.NewTape()
	at := time.Date(2026, 11, 3, 9, 41, 27, 512_000_999, time.FixedZone("", 4*3600))
	dec, err := tape.Decimal([]byte("12.50"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		v          serde.Value
		json, text string
	}{
		{tape.Null(), `null`, ``},
		{tape.Bool(true), `true`, `true`},
		{tape.Bool(false), `false`, `false`},
		{tape.Int64(math.MinInt64), `-9223372036854775808`, `-9223372036854775808`},
		{tape.Float64(0.1), `0.1`, `0.1`},
		{tape.Float64(100), `100`, `100`},
		{tape.Float64(1e21), `1e+21`, `1e+21`},
		{tape.Float64(1e-7), `1e-07`, `1e-07`},
		{tape.Float64(math.Copysign(0, -1)), `-0`, `-0`},
		{dec, `12.50`, `12.50`},
		{tape.String("a\"b\\c\n\x00\x1fé\u2028😀"), `"a\"b\\c\n\u0000\u001fé` + "\u2028" + `😀"`, "a\"b\\c\n\x00\x1fé\u2028😀"},
		{tape.BorrowString([]byte("eight by and more \t text")), `"eight by and more \t text"`, "eight by and more \t text"},
		{tape.String(""), `""`, ``},
		{tape.BorrowBytes([]byte{0xFB, 0xFF, 0}), `"+/8A"`, "\xfb\xff\x00"},
		{tape.CopyBytes(nil), `""`, ``},
		{tape.Timestamp(at), `"2026-11-03T05:41:27.512Z"`, `2026-11-03T05:41:27.512Z`},
		{tape.Timestamp(time.Unix(0, 0)), `"1970-01-01T00:00:00Z"`, `1970-01-01T00:00:00Z`},
		{tape.Timestamp(time.Unix(-1, 999_999_999)), `"1969-12-31T23:59:59.999999Z"`, `1969-12-31T23:59:59.999999Z`},
		{tape.Date(-1), `"1969-12-31"`, `1969-12-31`},
		{tape.Date(20_760), `"2026-11-03"`, `2026-11-03`},
		{tape.TimeOfDay(86_399_999_999), `"23:59:59.999999"`, `23:59:59.999999`},
		{tape.TimeOfDay(0), `"00:00:00"`, `00:00:00`},
		{tape.UUID([16]byte{0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0}), `"123e4567-e89b-12d3-a456-426614174000"`, `123e4567-e89b-12d3-a456-426614174000`},
		{tape.Array(nil), `[]`, `[]`},
		{tape.Object(nil, nil), `{}`, `{}`},
		{tape.Array([]serde.Value{tape.Int64(1), {}, tape.String("x")}), `[1,"x"]`, `[1,"x"]`},
		{tape.Object([]string{"a", "b", "a\n", "c"}, []serde.Value{tape.Int64(1), {}, tape.Null(), tape.Array(nil)}), `{"a":1,"a\n":null,"c":[]}`, `{"a":1,"a\n":null,"c":[]}`},
		{tape.Object([]string{"a", "b", "a"}, []serde.Value{tape.Int64(1), tape.Int64(2), tape.Int64(3)}), `{"b":2,"a":3}`, `{"b":2,"a":3}`},
		{tape.Object([]string{"a", "a"}, []serde.Value{tape.Int64(1), {}}), `{"a":1}`, `{"a":1}`},
		{parse(t, tape, ` "a\u0062" `), `"a\u0062"`, `ab`},
		{parse(t, tape, `{ "a" : 1.50 }`), `{ "a" : 1.50 }`, `{ "a" : 1.50 }`},
		{parse(t, tape, "{ \"a\" :\n [ 1.50, \" \\\" x\" ] }"), `{"a":[1.50," \" x"]}`, `{"a":[1.50," \" x"]}`},
		{parse(t, tape, "[{ \"a\" : 1 },\r{ \"b\" : 2 } ]").Index(0), `{ "a" : 1 }`, `{ "a" : 1 }`},
		{parse(t, tape, "[{ \"a\" : 1 },\r{ \"b\" : 2 } ]").Index(1), `{"b":2}`, `{"b":2}`},
	} {
		if got := written(t, c.v); got != c.json {
			t.Errorf("JSON is %s, want %s", got, c.json)
		}
		if got, err := c.v.AppendText(nil); err != nil || string(got) != c.text {
			t.Errorf("text is %s %v, want %s", got, err, c.text)
		}
		clone := serde.NewTape().Clone(c.v)
		if got := written(t, clone); got != c.json || clone.Kind() != c.v.Kind() {
			t.Errorf("the clone's JSON is %s, want %s", got, c.json)
		}
		if got := written(t, tape.Array([]serde.Value{c.v, c.v})); got != "["+c.json+","+c.json+"]" {
			t.Errorf("in an array: %s", got)
		}
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	tape := serde.NewTape()
	for what, v := range map[string]serde.Value{
		"write JSON: the number is NaN":                tape.Float64(math.NaN()),
		"write JSON: the number is -Inf":               tape.Float64(math.Inf(-1)),
		"write JSON: the value is missing":             {},
		"isn't UTF-8: byte 0xFF at 2":                  tape.BorrowString([]byte("ab\xff")),
		"isn't UTF-8: byte 0xC3 at 9":                  tape.String("ab\n345678\xc3"),
		"the year is 10000":                            tape.Timestamp(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)),
		"the year is -5877":                            tape.Date(math.MinInt32),
		"is -1 microseconds":                           tape.TimeOfDay(-1),
		`member "b": element 1: the number is +Inf`:    tape.Object([]string{"a", "b"}, []serde.Value{tape.Null(), tape.Array([]serde.Value{tape.Null(), tape.Float64(math.Inf(1))})}),
		`member name "\xff": the text isn't UTF-8: by`: tape.Object([]string{"\xff"}, []serde.Value{tape.Null()}),
	} {
		dst := []byte("kept")
		out, err := v.AppendJSON(dst)
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("got %v, want %s", err, what)
		}
		if string(out) != "kept" {
			t.Errorf("%s: dst came back as %q", what, out)
		}
	}
	if out, err := (serde.Value{}).AppendText([]byte("kept")); err != nil || string(out) != "kept" {
		t.Errorf("text of a missing value: %q %v", out, err)
	}
}

func TestWith(t *testing.T) {
	tape, other := serde.NewTape(), serde.NewTape()
	one := tape.Int64(1)
	base := `{"a":1.0,"b":{"x":[1,2]},"c":"text","d":null}`
	for _, c := range []struct {
		src    string
		names  []string
		values []serde.Value
		want   string
	}{
		{base, nil, nil, base},
		{base, []string{"b"}, []serde.Value{{}}, `{"a":1.0,"c":"text","d":null}`},
		{base, []string{"a", "d"}, []serde.Value{{}, {}}, `{"b":{"x":[1,2]},"c":"text"}`},
		{base, []string{"a", "b", "c", "d"}, make([]serde.Value, 4), `{}`},
		{base, []string{"c"}, []serde.Value{one}, `{"a":1.0,"b":{"x":[1,2]},"c":1,"d":null}`},
		{base, []string{"z", "y"}, []serde.Value{one, {}}, `{"a":1.0,"b":{"x":[1,2]},"c":"text","d":null,"z":1}`},
		{base, []string{"z", "z"}, []serde.Value{one, tape.Bool(true)}, `{"a":1.0,"b":{"x":[1,2]},"c":"text","d":null,"z":true}`},
		{base, []string{"d"}, []serde.Value{parse(t, tape, `[ 9 ]`)}, `{"a":1.0,"b":{"x":[1,2]},"c":"text","d":[ 9 ]}`},
		{base, []string{"d"}, []serde.Value{parse(t, other, `{"from":"\u0061nother tape","n":[0.10]}`)}, `{"a":1.0,"b":{"x":[1,2]},"c":"text","d":{"from":"\u0061nother tape","n":[0.10]}}`},
		{`{}`, []string{"a"}, []serde.Value{one}, `{"a":1}`},
		{`{ "a" : 1 , "b" : 2 , "c" : 3 }`, []string{"b"}, []serde.Value{{}}, `{"a" : 1,"c" : 3}`},
		{"{ \"a\" : 1 ,\n \"b\" : [ 2 ] , \"c\" : 3 }", []string{"c"}, []serde.Value{{}}, `{"a":1,"b":[2]}`},
		{`{"\u0061":1,"b":2,"c":3}`, []string{"c"}, []serde.Value{{}}, `{"a":1,"b":2}`},
		{`{"\u0061":1,"b":2,"c":3}`, []string{"a"}, []serde.Value{tape.Null()}, `{"a":null,"b":2,"c":3}`},
	} {
		for where, v := range map[string]serde.Value{"here": parse(t, tape, c.src), "elsewhere": parse(t, other, c.src)} {
			for how, v := range map[string]serde.Value{"parsed": v, "cloned": tape.Clone(v)} {
				before := written(t, v)
				w, err := tape.With(v, c.names, c.values)
				if err != nil {
					t.Fatal(err)
				}
				want, err := oracle([]byte(c.want))
				if err != nil {
					t.Fatal(err)
				}
				if s := same(w, want); s != "" {
					t.Errorf("%s with %q, %s, %s: %s", c.src, c.names, how, where, s)
				}
				if got := written(t, w); how == "parsed" && where == "here" && got != c.want {
					t.Errorf("%s with %q: got %s, want %s", c.src, c.names, got, c.want)
				}
				if written(t, v) != before {
					t.Errorf("%s was changed", c.src)
				}
				// A changed object can be changed again.
				again, err := tape.With(w, []string{"new", "a"}, []serde.Value{one, {}})
				if err != nil || again.Field("a").Exists() || !again.Field("new").Exists() {
					t.Errorf("changed again: %s %v", written(t, again), err)
				}
				back := parse(t, other, written(t, again))
				if back.Len() != again.Len() {
					t.Errorf("changed again: %s", written(t, again))
				}
				for name, m := range w.Members() {
					if name != "a" && written(t, back.Field(name)) != written(t, m) {
						t.Errorf("changed again: %s, before %s", written(t, again), written(t, w))
					}
				}
			}
		}
	}
	// A member that gets another name is no part of what is copied unchanged.
	v := parse(t, tape, `{"a":1,"b":2,"c":3}`)
	w, err := tape.With(v, []string{"b", "c", "x", "y"}, []serde.Value{{}, {}, v.Field("b"), v.Field("c")})
	if got := written(t, w); err != nil || got != `{"a":1,"x":2,"y":3}` {
		t.Errorf("renamed: got %s %v", got, err)
	}
	if _, err := tape.With(one, nil, nil); err == nil || !strings.Contains(err.Error(), "not an object but integer") {
		t.Errorf("got %v", err)
	}
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if r := recover(); r == nil {
			t.Errorf("%s didn't panic", what)
		} else if !strings.Contains(fmt.Sprint(r), "after its tape was reset") {
			t.Errorf("%s panicked with %v", what, r)
		}
	}()
	f()
}

func TestStaleValues(t *testing.T) {
	tape := serde.NewTape()
	p, err := serde.CompilePath("a")
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]serde.Value{
		"parsed": parse(t, tape, `{"a":1}`), "inner": parse(t, tape, `{"a":{"b":2}}`).Field("a"), "made": tape.Int64(1),
		"borrowed": tape.BorrowString([]byte("x")), "container": tape.Object([]string{"a"}, []serde.Value{tape.Int64(1)}),
	} {
		defer func() {
			for range 2 { // also when the tape is in use again
				mustPanic(t, name+" Kind", func() { v.Kind() })
				mustPanic(t, name+" Field", func() { v.Field("a") })
				mustPanic(t, name+" Get", func() { v.Get(p) })
				mustPanic(t, name+" Int64", func() { v.Int64() })
				mustPanic(t, name+" Text", func() { v.Text() })
				mustPanic(t, name+" AppendJSON", func() { _, _ = v.AppendJSON(nil) })
				mustPanic(t, name+" Clone", func() { serde.NewTape().Clone(v) })
				mustPanic(t, name+" Array", func() { tape.Array([]serde.Value{v}) })
				for range 300 {
					parse(t, tape, `{"a":{"b":2}}`)
					tape.Int64(1)
				}
			}
		}()
	}
	tape.Reset()
}

// Clones don't borrow: the source is overwritten, the other tape is reset.
func TestCloneBorrowsNothing(t *testing.T) {
	src := []byte(`{"a":"text","b":[1.50,"\u0062",{"c":null}],"d":"\u0065"}`)
	text := []byte("borrowed")
	from, to := serde.NewTape(), serde.NewTape()
	v, err := from.JSON(src, serde.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := from.With(v, []string{"f"}, []serde.Value{from.BorrowString(text)})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{written(t, v), written(t, w), written(t, v.Field("b")), written(t, v.Field("a"))}
	clones := []serde.Value{to.Clone(v), to.Clone(w), to.Clone(v.Field("b")), to.Clone(v.Field("a"))}
	clear(src)
	clear(text)
	from.Reset()
	for range 100 {
		parse(t, from, `["something else"]`)
	}
	for i, c := range clones {
		if got := written(t, c); got != want[i] {
			t.Errorf("got %s, want %s", got, want[i])
		}
	}
}

// Elements on a part of the tape that members with names had before.
func TestElementsAfterMembers(t *testing.T) {
	tape := serde.NewTape()
	for range 2 {
		parse(t, tape, `{"`+strings.Repeat("x", 1000)+`":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7}`)
		tape.Reset()
		for _, s := range []string{`{"\u0061":[1,2,3],"d":4}`, `[{"\u0061":1},2,3]`} {
			if got := written(t, serde.NewTape().Clone(parse(t, tape, s))); got != s {
				t.Errorf("got %s, want %s", got, s)
			}
			tape.Reset()
		}
	}
}

func TestConcurrentReads(t *testing.T) {
	tape := serde.NewTape()
	v := parse(t, tape, nestedRecord)
	v, err := tape.With(v, []string{"more", "version"}, []serde.Value{parse(t, tape, `{"x":[1e3,0.12345678901234567]}`), {}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := serde.CompilePath("items[1].price.amount")
	if err != nil {
		t.Fatal(err)
	}
	want := written(t, v)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			own := serde.NewTape()
			for range 50 {
				own.Reset()
				if f, ok := v.Get(p).Float64(); !ok || f != 24.7 {
					t.Errorf("amount is %v %v", f, ok)
				}
				if k := v.Field("more").Field("x").Index(1).Kind(); k != serde.Decimal {
					t.Errorf("got a %s", k)
				}
				if got := written(t, v); got != want {
					t.Error("written differently")
				}
				if got := written(t, own.Array([]serde.Value{v})); got != "["+want+"]" {
					t.Error("cloned differently")
				}
			}
		})
	}
	wg.Wait()
}

func TestNoAllocations(t *testing.T) {
	tape := serde.NewTape()
	flat, nested := []byte(flatRecord), []byte(nestedRecord)
	p, err := serde.CompilePath("customer.address.geo.lat")
	if err != nil {
		t.Fatal(err)
	}
	names, values, out := []string{"speed", "area"}, make([]serde.Value, 2), make([]byte, 0, 1<<20)
	work := func() {
		tape.Reset()
		for range 100 {
			a, err1 := tape.JSON(flat, serde.Limits{})
			b, err2 := tape.JSON(nested, serde.Limits{})
			values[0], values[1] = tape.Float64(1.5), b.Get(p)
			c, err3 := tape.With(a, names, values)
			d := tape.Object(names, values)
			var err4, err5 error
			out, err4 = c.AppendJSON(out[:0])
			out, err5 = d.AppendJSON(out[:0])
			for _, err := range []error{err1, err2, err3, err4, err5} {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	work()
	if n := testing.AllocsPerRun(20, work); n > 0 {
		t.Errorf("%v allocations for 200 records", n)
	}
}

func TestKindNames(t *testing.T) {
	for k, want := range map[serde.Kind]string{serde.Missing: "missing", serde.Int64: "integer", serde.Object: "object", serde.UUID: "uuid", 200: "unknown"} {
		if k.String() != want {
			t.Errorf("got %s, want %s", k, want)
		}
	}
}
