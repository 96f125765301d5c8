package parquet

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// A levelled is a value or a null in a leaf.
type levelled struct {
	text     string
	rep, def uint8
}

// slotsOf are the slots of the open page.
func slotsOf(l *leaf) (slots []levelled) {
	b := l.values
	for i := range l.slots {
		s := levelled{text: "NULL", def: l.level}
		if l.maxRep > 0 {
			s.rep = l.rep[i]
		}
		if s.def == mixed {
			s.def = l.def[i]
		}
		if s.def == l.maxDef {
			n := l.column.width
			if l.column.lengths() {
				n = 4 + int(binary.LittleEndian.Uint32(b))
			}
			s.text, b = valueText(l.column, b[:n]), b[n:]
		}
		slots = append(slots, s)
	}
	if len(b) > 0 {
		slots = append(slots, levelled{text: fmt.Sprintf("%d bytes too many", len(b))})
	}
	return slots
}

// slotTexts are a leaf's slots with their repetition and definition levels, as the Dremel paper writes them.
func slotTexts(l *leaf) string {
	var out []string
	for _, s := range slotsOf(l) {
		out = append(out, fmt.Sprintf("%s %d %d", s.text, s.rep, s.def))
	}
	return strings.Join(out, ", ")
}

// slots are the slots of all leaves by their paths.
func (s *shredder) slots() map[string]string {
	all := make(map[string]string)
	for i := range s.leaves {
		all[strings.Join(s.leaves[i].column.path, ".")] = slotTexts(&s.leaves[i])
	}
	return all
}

func checkSlots(t *testing.T, s *shredder, want map[string]string) {
	t.Helper()
	got := s.slots()
	for path, slots := range want {
		if got[path] != slots {
			t.Errorf("%s: %s; want %s", path, got[path], slots)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d leaves; want %d", len(got), len(want))
	}
}

func addRows(t *testing.T, s *shredder, rows ...string) {
	t.Helper()
	for _, r := range rows {
		if err := s.row(fromJSON(t, r)(serde.NewTape())); err != nil {
			t.Fatalf("%s: %v", r, err)
		}
		s.count()
	}
}

func requiredOf(name string, k table.Kind) table.Field {
	return table.Field{Name: name, Type: table.Type{Kind: k}}
}

func listOf(name string, elem table.Type) table.Field {
	return table.Field{Name: name, Type: table.Type{Kind: table.List, Elem: &elem}}
}

// TestDremel has the example of the paper (figures 2 and 3). Its repeated fields are required lists of required elements.
func TestDremel(t *testing.T) {
	s := trialShredder(t, &table.Schema{Fields: []table.Field{
		requiredOf("DocId", table.Int64),
		nullableStruct("Links", listOf("Backward", table.Type{Kind: table.Int64}), listOf("Forward", table.Type{Kind: table.Int64})),
		listOf("Name", table.Type{Kind: table.Struct, Fields: []table.Field{
			listOf("Language", table.Type{Kind: table.Struct, Fields: []table.Field{requiredOf("Code", table.String), nullable("Country", table.String)}}),
			nullable("Url", table.String),
		}}),
	}})
	addRows(t, &s, `{"DocId":10,"Links":{"Backward":[],"Forward":[20,40,60]},"Name":[{"Language":[{"Code":"en-us","Country":"us"},{"Code":"en"}],"Url":"http://A"},{"Language":[],"Url":"http://B"},{"Language":[{"Code":"en-gb","Country":"gb"}]}]}`,
		`{"DocId":20,"Links":{"Backward":[10,30],"Forward":[80]},"Name":[{"Language":[],"Url":"http://C"}]}`)
	checkSlots(t, &s, map[string]string{
		"DocId":                                           "10 0 0, 20 0 0",
		"Name.list.element.Url":                           "http://A 0 2, http://B 1 2, NULL 1 1, http://C 0 2",
		"Links.Forward.list.element":                      "20 0 2, 40 1 2, 60 1 2, 80 0 2",
		"Links.Backward.list.element":                     "NULL 0 1, 10 0 2, 30 1 2",
		"Name.list.element.Language.list.element.Code":    "en-us 0 2, en 2 2, NULL 1 1, en-gb 1 2, NULL 0 1",
		"Name.list.element.Language.list.element.Country": "us 0 3, NULL 2 2, NULL 1 1, gb 1 3, NULL 0 1",
	})
}

// TestNulls has a null, an empty value and a value at each level.
func TestNulls(t *testing.T) {
	integer := table.Type{Kind: table.Int32, Nullable: true}
	inner := table.Type{Kind: table.List, Nullable: true, Elem: &integer}
	s := trialShredder(t, &table.Schema{Fields: []table.Field{
		{Name: "l", Type: table.Type{Kind: table.List, Nullable: true, Elem: &inner}},
		{Name: "m", Type: table.Type{Kind: table.Map, Nullable: true, Elem: &inner}},
		nullableStruct("s", nullableStruct("t", nullable("x", table.Int32))),
	}})
	addRows(t, &s, `{}`, `{"l":null,"m":null,"s":null}`, `{"l":[],"m":{},"s":{}}`, `{"l":[null],"m":{"a":null},"s":{"t":null}}`, `{"l":[[],[null]],"m":{"a":[],"b":[null]},"s":{"t":{}}}`,
		`{"l":[[1,null,2],null,[3]],"m":{"":[1,2],"c":[3]},"s":{"t":{"x":7}}}`, `{"l":[[4]],"s":{"t":{"x":null}}}`)
	checkSlots(t, &s, map[string]string{
		"l.list.element.list.element":    "NULL 0 0, NULL 0 0, NULL 0 1, NULL 0 2, NULL 0 3, NULL 1 4, 1 0 5, NULL 2 4, 2 2 5, NULL 1 2, 3 1 5, 4 0 5",
		"m.key_value.key":                "NULL 0 0, NULL 0 0, NULL 0 1, a 0 2, a 0 2, b 1 2,  0 2, c 1 2, NULL 0 0",
		"m.key_value.value.list.element": "NULL 0 0, NULL 0 0, NULL 0 1, NULL 0 2, NULL 0 3, NULL 1 4, 1 0 5, 2 2 5, 3 1 5, NULL 0 0",
		"s.t.x":                          "NULL 0 0, NULL 0 0, NULL 0 1, NULL 0 1, NULL 0 2, 7 0 3, NULL 0 2",
	})
}

// TestOrder has members in other orders than the fields, with more of them than a word has bits.
func TestOrder(t *testing.T) {
	var fields []table.Field
	var row, backwards []string
	for i := range 130 {
		name := fmt.Sprintf("f%d", i)
		fields = append(fields, nullable(name, table.Int32))
		row = append(row, fmt.Sprintf("%q:%d", name, i))
	}
	backwards = slices.Clone(row)
	slices.Reverse(backwards)
	s := trialShredder(t, &table.Schema{Fields: fields})
	expected := slices.Clone(s.plan.order)
	addRows(t, &s, "{"+strings.Join(row, ",")+"}", "{"+strings.Join(backwards, ",")+"}", "{"+row[64]+","+row[129]+"}")
	if !slices.Equal(s.plan.order, expected) {
		t.Error("the plan, which all files share, changed")
	}
	for i := range s.leaves {
		last := "NULL 0 0"
		if i == 64 || i == 129 {
			last = fmt.Sprintf("%d 0 1", i)
		}
		if got, want := slotTexts(&s.leaves[i]), fmt.Sprintf("%d 0 1, %d 0 1, %s", i, i, last); got != want {
			t.Errorf("leaf %d: %s; want %s", i, got, want)
		}
	}
}

func TestAliases(t *testing.T) {
	s := trialShredder(t, &table.Schema{Rest: "_rest", Fields: []table.Field{
		{Name: "a", Aliases: []string{"b", "old", "older"}, Type: table.Type{Kind: table.Int32, Nullable: true}},
		{Name: "b", Aliases: []string{"old"}, Type: table.Type{Kind: table.Int32, Nullable: true}},
	}})
	addRows(t, &s, `{"old":1}`, `{"older":2}`, `{"b":3}`, `{"older":4,"old":5}`, `{"old":6,"a":7}`, `{"a":null,"older":8}`, `{"A":9}`)
	checkSlots(t, &s, map[string]string{
		"a":     "1 0 1, 2 0 1, NULL 0 0, 5 0 1, 7 0 1, NULL 0 0, NULL 0 0",
		"b":     "NULL 0 0, NULL 0 0, 3 0 1, NULL 0 0, NULL 0 0, NULL 0 0, NULL 0 0",
		"_rest": `NULL 0 0, NULL 0 0, NULL 0 0, {"older":4} 0 1, {"old":6} 0 1, {"older":8} 0 1, {"A":9} 0 1`,
	})
}

func TestDefaults(t *testing.T) {
	with := func(f table.Field, text string) table.Field {
		f.Default = []byte(text)
		return f
	}
	point := table.Field{Name: "p", Type: table.Type{Kind: table.Struct, Fields: []table.Field{with(requiredOf("x", table.Int32), "1"), requiredOf("y", table.Int32)}}}
	s := trialShredder(t, &table.Schema{Fields: []table.Field{
		with(requiredOf("i", table.Int32), "5"), with(nullable("n", table.Int32), "null"), with(nullable("ts", table.TimestampMillis), `"2026-01-31T08:00:00Z"`),
		with(point, `{"y":2}`), with(listOf("l", table.Type{Kind: table.Int32}), `[1,2]`), with(requiredOf("j", table.JSON), `null`),
		listOf("e", table.Type{Kind: table.Struct, Fields: []table.Field{with(requiredOf("d", table.String), `"\u00e4"`)}}),
	}})
	addRows(t, &s, `{"e":[]}`, `{"i":6,"n":7,"ts":8,"p":{"y":3},"l":[],"j":1,"e":[{},{"d":"f"}]}`)
	checkSlots(t, &s, map[string]string{
		"i": "5 0 0, 6 0 0", "n": "NULL 0 0, 7 0 1", "ts": "1769846400000 0 1, 8 0 1", "p.x": "1 0 0, 1 0 0", "p.y": "2 0 0, 3 0 0", "l.list.element": "1 0 1, 2 1 1, NULL 0 0", "j": "null 0 0, 1 0 0",
		"e.list.element.d": "NULL 0 0, ä 0 1, f 1 1",
	})
	if err := s.row(fromJSON(t, `{"e":[],"i":null}`)(serde.NewTape())); err == nil || !strings.Contains(err.Error(), "column i is int32 and can't be null") {
		t.Error(err)
	}
	for _, bad := range []struct {
		field table.Field
		want  string
	}{
		{with(requiredOf("i", table.Int32), `"a"`), "default of column i: column i is int32; the value is a string"},
		{with(requiredOf("i", table.Int32), `{`), "default of column i: JSON ends early"},
		{with(requiredOf("i", table.Int32), ``), "default of column i: empty value"},
		{with(requiredOf("i", table.Int32), `null`), "can't be null"},
		{with(point, `{}`), "column p.y is int32, can't be null and has no default"},
		{with(point, `{"y":1,"z":2}`), "default of column p: it has members that the column doesn't have"},
		{listOf("e", table.Type{Kind: table.Struct, Fields: []table.Field{with(requiredOf("d", table.String), `1`)}}), "default of column e[].d: column e[].d is string; the value is an integer"},
	} {
		if _, err := newPlan(&table.Schema{Fields: []table.Field{bad.field}}); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%v; want %q", err, bad.want)
		}
	}
}

func TestRest(t *testing.T) {
	fields := []table.Field{
		nullable("a", table.Int32), nullableStruct("pos", nullable("lat", table.Float64), nullableStruct("deep", nullable("a", table.Int32))),
		nullableList("items", nullableStruct("", nullable("sku", table.String))), nullable("j", table.JSON),
		{Name: "m", Type: table.Type{Kind: table.Map, Nullable: true, Elem: &table.Type{Kind: table.Struct, Nullable: true, Fields: nullables(table.Int32, "a")}}},
	}
	for _, c := range []struct{ row, rest string }{
		{`{"a":1,"pos":{"lat":1,"deep":{"a":1}},"items":[{"sku":"a"}],"j":{"x":1},"m":{"k":{"a":1}}}`, ""},
		{`{"x":[1, 2],"a":1,"y\"":"z"}`, `{"x":[1, 2],"y\"":"z"}`},
		{`{"pos":{"x":1}}`, `{"pos":{"x":1}}`},
		{`{"pos":{"lat":1,"deep":{"x":null}},"x":2}`, `{"pos":{"deep":{"x":null}},"x":2}`},
		{`{"items":[{"sku":"a"},{"x":1},null],"pos":{"deep":{"a":1}}}`, `{"items":[null,{"x":1},null]}`},
		{`{"items":[{}],"m":{"k":{"a":1},"l":{"b":2},"n":null}}`, `{"m":{"l":{"b":2}}}`},
		{`{"_rest":{"x":1}}`, `{"_rest":{"x":1}}`},
	} {
		kept := trialShredder(t, &table.Schema{Fields: fields, Rest: "_rest"})
		addRows(t, &kept, c.row)
		lost := trialShredder(t, &table.Schema{Fields: fields})
		addRows(t, &lost, c.row)
		want, n := c.rest+" 0 1", int64(1)
		if c.rest == "" {
			want, n = "NULL 0 0", 0
		}
		if got := kept.slots()["_rest"]; got != want {
			t.Errorf("%s: %s; want %s", c.row, got, want)
		}
		if kept.rested != n || kept.dropped != 0 || lost.rested != 0 || lost.dropped != n {
			t.Errorf("%s: %d rested, %d dropped with a column for the rest, %d and %d without; want %d", c.row, kept.rested, kept.dropped, lost.rested, lost.dropped, n)
		}
	}
	if _, err := newPlan(&table.Schema{Fields: fields, Rest: "a"}); err == nil {
		t.Error("a column for the rest that is another column too")
	}
}

func TestNoRow(t *testing.T) {
	s := trialShredder(t, &table.Schema{Fields: nullables(table.Int32, "a"), Rest: "_rest"})
	tape := serde.NewTape()
	for _, c := range []struct {
		v    serde.Value
		want string
	}{
		{serde.Value{}, "a tombstone has no row"}, {tape.Null(), "a tombstone has no row"}, {tape.Int64(1), "the value is an integer: a row is an object"}, {tape.Array(nil), "an array"}, {tape.CopyBytes(nil), "is bytes"},
		{tape.Object([]string{"x"}, []serde.Value{tape.String("\xff")}), "column for what no other column takes: write JSON: "},
		{tape.Object([]string{"\xff"}, []serde.Value{tape.Int64(1)}), "isn't UTF-8"},
	} {
		err := s.row(c.v)
		if err == nil || !strings.Contains(err.Error(), c.want) || connector.ClassOf(err) != connector.Permanent {
			t.Errorf("%v; want %q", err, c.want)
		}
	}
	m := trialShredder(t, &table.Schema{Fields: []table.Field{{Name: "m", Type: table.Type{Kind: table.Map, Elem: &table.Type{Kind: table.Int32}}}}})
	bad := tape.Object([]string{"m"}, []serde.Value{tape.Object([]string{"\xff"}, []serde.Value{tape.Int64(1)})})
	if err := m.row(bad); err == nil || !strings.Contains(err.Error(), "the text isn't UTF-8") {
		t.Error(err)
	}
}

// TestTwice has a member twice, which no decoder makes.
func TestTwice(t *testing.T) {
	s := trialShredder(t, &table.Schema{Fields: nullables(table.Int32, "a", "b")})
	var names serde.Names
	name, err := names.Add("a")
	if err != nil {
		t.Fatal(err)
	}
	w := serde.NewTape().Write(nil, &names, 3)
	at := w.Begin(serde.Name{}, serde.Object)
	w.Int64(name, 1)
	w.Int64(name, 2)
	w.End(at, 2)
	v, err := w.Value(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.row(v); err == nil || !strings.Contains(err.Error(), "column a: the value has it twice") {
		t.Error(err)
	}
}

// TestShredAllocations: shredding allocates nothing once the leaves have grown.
func TestShredAllocations(t *testing.T) {
	records := benchRecords()
	fills := map[string]func(){"rest": filler(t, `{"a member that no column takes and that has a long name":1,"pos":{"x":{"y":2}},"a column whose name has more than 32 bytes":1}`,
		&table.Schema{Rest: "_rest", Fields: []table.Field{nullableStruct("pos", nullable("lat", table.Float64)), nullable("a column whose name has more than 32 bytes", table.Int32)}})}
	fills["texts"] = filler(t, `{"ts":"2026-01-31T13:30:00.123456+05:30","d":"2026-01-31","t":"08:00:00","u":"a8000000-0000-0000-0000-000000000001","b":"/wA=","n":-12345678901234567890.12,"m":{"k":"v"},"old":1.5e3,"j":[1]}`,
		&table.Schema{Fields: []table.Field{nullable("ts", table.TimestampMicros), nullable("d", table.Date), nullable("t", table.TimeMillis), nullable("u", table.UUID), nullable("b", table.Bytes), {Name: "n", Type: decimalType(30, 4)},
			{Name: "m", Type: table.Type{Kind: table.Map, Elem: &table.Type{Kind: table.String}}}, {Name: "new", Aliases: []string{"old"}, Type: decimalType(9, 2)}, nullable("j", table.JSON)}})
	for name, r := range records {
		fills[name] = filler(t, r.json, r.schema)
	}
	for name, fill := range fills {
		for range 256 {
			fill()
		}
		if n := testing.AllocsPerRun(200, fill); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
