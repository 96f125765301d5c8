package lines

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// A value is made on a tape.
type value func(*serde.Tape) serde.Value

func text(s string) value { return func(t *serde.Tape) serde.Value { return t.String(s) } }
func whole(n int64) value { return func(t *serde.Tape) serde.Value { return t.Int64(n) } }
func raw(s string) value  { return func(t *serde.Tape) serde.Value { return t.CopyBytes([]byte(s)) } }
func at(s string) value {
	return func(t *serde.Tape) serde.Value {
		ts, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			panic(err)
		}
		return t.Timestamp(ts)
	}
}
func number(s string) value {
	return func(t *serde.Tape) serde.Value {
		v, err := t.JSON([]byte(s), serde.Limits{})
		if err != nil {
			panic(err)
		}
		return v
	}
}

var (
	millis  = kind(table.TimestampMillis)
	microT  = kind(table.TimestampMicros)
	decimal = table.Type{Kind: table.Decimal, Precision: 5, Scale: 2}
	fixed3  = table.Type{Kind: table.Fixed, Size: 3}
	local   = table.Type{Kind: table.TimestampMillis, Local: true}
)

// conversions are values and what columns have of them as JSON: "" if they don't take them.
var conversions = []struct {
	column table.Type
	value  value
	want   string
}{
	{kind(table.Int32), whole(math.MaxInt32), "2147483647"}, {kind(table.Int32), whole(math.MaxInt32 + 1), ""}, {kind(table.Int32), whole(math.MinInt32), "-2147483648"},
	{kind(table.Int64), number("80.0"), "80"}, {kind(table.Int64), number("8e1"), "80"}, {kind(table.Int64), number("80.5"), ""}, {kind(table.Int64), number("9223372036854775808"), ""},
	{kind(table.Int64), text("1"), ""}, {kind(table.Int64), at("2026-01-31T08:00:00Z"), ""},
	{kind(table.Float64), whole(3), "3"}, {kind(table.Float64), number("1e999"), ""}, {kind(table.Float64), text("1"), ""},
	{kind(table.Float32), number("0.1"), "0.1"}, {kind(table.Float32), number("1e39"), ""}, {kind(table.Float32), number("16777217"), "16777216"},
	{kind(table.Bool), whole(1), ""}, {kind(table.Bool), number("false"), "false"},
	{kind(table.String), text("x"), `"x"`}, {kind(table.String), whole(1), ""}, {kind(table.String), raw("x"), ""}, {kind(table.String), text("\xff"), ""},
	{kind(table.String), at("2026-01-31T08:00:00Z"), `"2026-01-31T08:00:00Z"`}, {kind(table.String), func(t *serde.Tape) serde.Value { return t.Date(1) }, `"1970-01-02"`},
	{kind(table.Bytes), raw("\x00\xff"), `"AP8="`}, {kind(table.Bytes), text("AP8="), `"AP8="`}, {kind(table.Bytes), text("AP8"), ""}, {kind(table.Bytes), text("AP8=\n"), ""},
	{kind(table.Bytes), text("AP9="), ""}, {kind(table.Bytes), text(""), `""`}, {kind(table.Bytes), whole(1), ""},
	{fixed3, raw("abc"), `"YWJj"`}, {fixed3, text("YWJj"), `"YWJj"`}, {fixed3, raw("ab"), ""}, {fixed3, text("YWI="), ""}, {fixed3, whole(1), ""},
	{kind(table.UUID), text("F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6"), `"f81d4fae-7dec-11d0-a765-00a0c91e6bf6"`}, {kind(table.UUID), text("f81d4fae"), ""}, {kind(table.UUID), whole(1), ""},
	{kind(table.UUID), func(t *serde.Tape) serde.Value { return t.UUID([16]byte{15: 1}) }, `"00000000-0000-0000-0000-000000000001"`},
	{decimal, number("1.5"), "1.50"}, {decimal, number("-999.99"), "-999.99"}, {decimal, number("1000"), ""}, {decimal, number("0.001"), ""}, {decimal, number("1e2"), "100.00"},
	{decimal, number("0"), "0.00"}, {decimal, text("1.5"), ""}, {decimal, func(t *serde.Tape) serde.Value { return t.Float64(math.NaN()) }, ""},
	{table.Type{Kind: table.Decimal, Precision: 76, Scale: 38}, number("-12345678901234567890123456789012345678.00000000000000000000000000000000000001"), "-12345678901234567890123456789012345678.00000000000000000000000000000000000001"},
	{kind(table.Date), text("2026-01-31"), `"2026-01-31"`}, {kind(table.Date), text("2026-02-30"), ""}, {kind(table.Date), text("2026-1-3100"), ""}, {kind(table.Date), whole(-1), `"1969-12-31"`},
	{kind(table.Date), text("0001-01-01"), `"0001-01-01"`}, {kind(table.Date), whole(math.MaxInt32 + 1), ""}, {kind(table.Date), func(t *serde.Tape) serde.Value { return t.Date(-5) }, `"1969-12-27"`},
	{kind(table.TimeMillis), text("23:59:59.999"), `"23:59:59.999"`}, {kind(table.TimeMillis), text("23:59:59.9999"), `"23:59:59.999"`}, {kind(table.TimeMillis), text("24:00:00"), ""},
	{kind(table.TimeMillis), whole(1000), `"00:00:01"`}, {kind(table.TimeMicros), whole(1000), `"00:00:00.001"`}, {kind(table.TimeMillis), whole(86400000), ""}, {kind(table.TimeMillis), whole(-1), ""},
	{kind(table.TimeMicros), text("00:00:00Z"), ""}, {kind(table.TimeMicros), text("00:00:00+01:00"), ""}, {kind(table.TimeMicros), whole(math.MaxInt64), ""},
	{kind(table.TimeMillis), func(t *serde.Tape) serde.Value { return t.TimeOfDay(1999) }, `"00:00:00.001"`}, {kind(table.TimeMicros), func(t *serde.Tape) serde.Value { return t.TimeOfDay(1001) }, `"00:00:00.001001"`},
	{millis, at("2026-01-31T08:00:00.123Z"), `"2026-01-31T08:00:00.123Z"`}, {millis, at("2026-01-31T08:00:00.1239Z"), `"2026-01-31T08:00:00.123Z"`}, {millis, at("1969-12-31T23:59:59.9989Z"), `"1969-12-31T23:59:59.998Z"`}, {microT, at("2026-01-31T08:00:00.1234Z"), `"2026-01-31T08:00:00.1234Z"`},
	{millis, whole(-1), `"1969-12-31T23:59:59.999Z"`}, {microT, whole(1), `"1970-01-01T00:00:00.000001Z"`}, {microT, whole(-1), `"1969-12-31T23:59:59.999999Z"`}, {microT, number("9223372036854775808"), ""}, {millis, number("1.5"), ""},
	{millis, text("2026-01-31T08:00:00"), `"2026-01-31T08:00:00Z"`}, {millis, text("2026-01-31 08:00:00+01:00"), `"2026-01-31T07:00:00Z"`}, {millis, text("2026-01-31"), ""}, {millis, text("now"), ""},
	{microT, text("2026-01-31T08:00:00.1234569Z"), `"2026-01-31T08:00:00.123456Z"`}, {microT, text("2026-01-31T08:00:00.12345600000001Z"), `"2026-01-31T08:00:00.123456Z"`}, {microT, text("2026-01-31T08:00:00.123456000000Z"), `"2026-01-31T08:00:00.123456Z"`},
	{millis, text("2026-01-31T08:00:00Z" + strings.Repeat(" ", 100)), ""}, {millis, func(t *serde.Tape) serde.Value { return t.Date(1) }, ""},
	{local, text("2026-01-31T08:00:00"), `"2026-01-31T08:00:00"`}, {local, at("2026-01-31T08:00:00Z"), `"2026-01-31T08:00:00"`},
	{table.Type{Kind: table.List, Elem: &fixed3}, number(`{"a":1}`), ""}, {table.Type{Kind: table.Map, Elem: &fixed3}, number(`[]`), ""}, {table.Type{Kind: table.List, Elem: &fixed3}, number(`[]`), "[]"},
}

func TestColumnsConvert(t *testing.T) {
	for _, c := range conversions {
		columns := &table.Schema{Fields: []table.Field{field("c", c.column), field("end", kind(table.Int32))}}
		tape := serde.NewTape()
		v := tape.Object([]string{"c", "end"}, []serde.Value{c.value(tape), tape.Int64(1)})
		text, _ := v.Field("c").AppendText(nil)
		name := fmt.Sprintf("%s of %s %.50q", c.column, v.Field("c").Kind(), text)
		inAvro, inCSV := avroRows(t, AvroConfig{}, columns), csvRows(t, CSVConfig{NoHeader: true}, None, columns)
		if c.want == "" {
			expectPermanent(t, name, inAvro.Add(v), "column c is "+c.column.String()+"; the value ")
			expectPermanent(t, name+", csv", inCSV.Add(v), "column c is "+c.column.String()+"; the value ")
			continue
		}
		got, err := read(t, file(t, inAvro, 1, v)).Index(0).Field("c").AppendJSON(nil)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
		if got := readCSV(t, file(t, inCSV, 1, v), ',')[0][0]; got != strings.Trim(c.want, `"`) {
			t.Errorf("%s, csv: %s, want %s", name, got, c.want)
		}
	}
}

// Errors name the member, however deep it is.
func TestConflictsNameTheColumn(t *testing.T) {
	for row, want := range map[string]string{
		`{"a":{"x":"1"}}`:             "column a.x is int64; the value is a string",
		`{"l":[{"x":1},{"x":1.5}]}`:   "column l[].x is int64; the value is a number: the number isn't an integer of 64 bits",
		`{"m":{"k":{"x":[]}}}`:        "column m{}.x is int64; the value is an array",
		`{"m":{"k":true}}`:            "column m{} is struct<x:int64>; the value is a bool",
		`{"l":{"x":1}}`:               "column l is list<struct<x:int64>>; the value is an object",
		`{"a":{"x":1},"m":[{"x":1}]}`: "column m is map<struct<x:int64>>; the value is an array",
	} {
		r := avroRows(t, AvroConfig{}, nested("_rest"))
		expectPermanent(t, row, r.Add(parse(t, row)), want)
		if err := r.Add(parse(t, `{"a":{"x":1}}`)); err != nil { // and the next row isn't the worse for it
			t.Errorf("%s: the row behind it: %v", row, err)
		}
	}
}

// A member that comes twice, which no decoder makes, isn't lost silently.
func TestTwice(t *testing.T) {
	var names serde.Names
	name, err := names.Add("id")
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
	for format, r := range map[string]rower{"avro": avroRows(t, AvroConfig{}, projection("")), "csv": csvRows(t, CSVConfig{}, None, projection(""))} {
		expectPermanent(t, format, r.Add(v), "column id: the value has it twice")
	}
}

// Milliseconds that are more than 64 bits of microseconds are no other time.
func TestCSVTimesWithoutText(t *testing.T) {
	r := csvRows(t, CSVConfig{}, None, &table.Schema{Fields: []table.Field{field("c", millis)}})
	for _, ms := range []string{"18446744073709552", "-18446744073709552", "253402300800000"} { // the first is 384 microseconds more than 1<<64
		expectPermanent(t, ms, r.Add(parse(t, `{"c":`+ms+`}`)), "column c is timestamp_millis; the value is an integer: it has no text")
	}
}

// Values keep their tapes in memory.
func TestRowsKeepNoValues(t *testing.T) {
	inAvro, inCSV := avroRows(t, AvroConfig{}, nested("_rest")), csvRows(t, CSVConfig{}, None, nested("_rest"))
	for _, row := range []string{`{"a":{"x":"1"}}`, `{"l":[{"x":1,"y":1},{"x":1.5}]}`, `{"a":{"x":1},"b":2}`, `{"a":{"x":"1"}}`, `{"a":1}`} {
		for _, r := range []rower{inAvro, inCSV} {
			_ = r.Add(parse(t, row)) // some are refused
		}
	}
	for _, s := range []slots{inAvro.writer.slots, inCSV.slots} {
		for _, x := range s[:cap(s)] {
			if x.Exists() {
				t.Fatalf("a value is kept: %d of %d slots are in use", len(s), cap(s))
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	columns := &table.Schema{Fields: []table.Field{
		{Name: "bytes", Type: kind(table.Bytes), Default: []byte(`"AP8="`)},
		{Name: "decimal", Type: nullable(decimal), Default: []byte(`1.5`)},
		{Name: "struct", Type: table.Type{Kind: table.Struct, Fields: []table.Field{{Name: "x", Type: kind(table.Int32), Default: []byte("3")}}}, Default: []byte(`{}`)},
		{Name: "list", Type: table.Type{Kind: table.List, Elem: &decimal}, Default: []byte(`[]`)},
		{Name: "null", Type: nullable(kind(table.String)), Default: []byte(`null`)},
	}}
	data := file(t, avroRows(t, AvroConfig{}, columns), 1, parse(t, `{}`))
	if got := readText(t, data); got != `[{"bytes":"AP8=","decimal":1.50,"struct":{"x":3},"list":[],"null":null}]` {
		t.Error(got)
	}
	if got := string(file(t, csvRows(t, CSVConfig{NoHeader: true}, None, columns), 1, parse(t, `{}`))); got != "AP8=,1.50,{},[],\n" {
		t.Error(got)
	}
}

// TestRandomRows writes rows of random columns, and reads them back: by other paths they are the same.
func TestRandomRows(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for range 300 {
		g := generator{r: r, tape: serde.NewTape()}
		columns := &table.Schema{Name: "random", Fields: g.fields(3)}
		values := make([]serde.Value, 1+r.IntN(5))
		want := make([]string, len(values))
		for i := range values {
			values[i] = g.object(columns.Fields)
			text, err := values[i].AppendJSON(nil)
			if err != nil {
				t.Fatal(err)
			}
			want[i] = string(text)
		}
		data := file(t, avroRows(t, avroConfigs[r.IntN(len(avroConfigs))], columns), int64(r.IntN(500)), values...)
		if got := readText(t, data); got != "["+strings.Join(want, ",")+"]" {
			t.Fatalf("columns %+v:\n got %s\nwant %s", columns, got, want)
		}
		expectCSV(t, columns, values)
	}
}

// expectCSV compares fields with the values' texts.
func expectCSV(t *testing.T, columns *table.Schema, values []serde.Value) {
	t.Helper()
	data := file(t, csvRows(t, CSVConfig{NoHeader: true, Null: "NULL"}, None, columns), 1<<20, values...)
	reader := csv.NewReader(bytes.NewReader(data))
	rows, err := reader.ReadAll()
	if err != nil || len(rows) != len(values) {
		t.Fatalf("%d rows for %d, %v: %q", len(rows), len(values), err, data)
	}
	for i, v := range values {
		for n, f := range columns.Fields {
			x := v.Field(f.Name)
			text, err := x.AppendText(nil)
			switch {
			case x.IsNull():
				text = []byte("NULL")
			case x.Kind() == serde.Bytes:
				text, err = x.AppendJSON(nil)
				text = bytes.Trim(text, `"`)
			}
			// encoding/csv makes one byte of the line break \r\n.
			if want := strings.ReplaceAll(string(text), "\r\n", "\n"); err != nil || rows[i][n] != want {
				t.Fatalf("column %s %s: %q, want %q, %v", f.Name, f.Type, rows[i][n], want, err)
			}
		}
	}
}

// A generator makes columns, and values that are the same when they are read back.
type generator struct {
	r    *rand.Rand
	tape *serde.Tape
	n    int
}

func (g *generator) fields(depth int) []table.Field {
	fields := make([]table.Field, 1+g.r.IntN(6))
	for i := range fields {
		g.n++
		fields[i] = table.Field{Name: fmt.Sprint("f", g.n), Type: g.typ(depth)}
	}
	return fields
}

func (g *generator) typ(depth int) table.Type {
	kinds := []table.Kind{table.Bool, table.Int32, table.Int64, table.Float64, table.Decimal, table.String, table.Bytes, table.Fixed, table.UUID,
		table.Date, table.TimeMicros, table.TimestampMillis, table.TimestampMicros, table.Struct, table.List, table.Map}
	if depth == 0 {
		kinds = kinds[:len(kinds)-3]
	}
	t := table.Type{Kind: kinds[g.r.IntN(len(kinds))], Nullable: g.r.IntN(3) == 0}
	switch t.Kind {
	case table.Decimal:
		t.Precision = 1 + g.r.IntN(38)
		t.Scale = g.r.IntN(t.Precision + 1)
	case table.Fixed:
		t.Size = 1 + g.r.IntN(20)
	case table.Struct:
		t.Fields = g.fields(depth - 1)
	case table.List, table.Map:
		elem := g.typ(depth - 1)
		t.Elem = &elem
	}
	return t
}

func (g *generator) object(fields []table.Field) serde.Value {
	names, values := make([]string, len(fields)), make([]serde.Value, len(fields))
	for i := range fields {
		names[i], values[i] = fields[i].Name, g.value(&fields[i].Type)
	}
	return g.tape.Object(names, values)
}

func (g *generator) value(t *table.Type) serde.Value {
	if t.Nullable && g.r.IntN(3) == 0 {
		return g.tape.Null()
	}
	const tenMillennia = 250_000_000_000 // seconds: less than the years that RFC 3339 writes
	switch t.Kind {
	case table.Bool:
		return g.tape.Bool(g.r.IntN(2) == 0)
	case table.Int32:
		return g.tape.Int64(int64(int32(g.r.Uint32())))
	case table.Int64:
		return g.tape.Int64(int64(g.r.Uint64()) >> g.r.IntN(64))
	case table.Float64:
		return g.tape.Float64(g.r.NormFloat64() * math.Pow(10, float64(g.r.IntN(600)-300)))
	case table.Decimal:
		return g.decimal(t)
	case table.String:
		return g.tape.String(g.string())
	case table.Bytes:
		return g.tape.CopyBytes(g.bytes(g.r.IntN(20)))
	case table.Fixed:
		return g.tape.CopyBytes(g.bytes(t.Size))
	case table.UUID:
		return g.tape.UUID([16]byte(g.bytes(16)))
	case table.Date:
		return g.tape.Date(int32(g.r.Int64N(2_000_000) - 700_000))
	case table.TimeMicros:
		return g.tape.TimeOfDay(g.r.Int64N(24 * 60 * 60 * 1_000_000))
	case table.TimestampMillis:
		return g.tape.Timestamp(time.UnixMilli(g.r.Int64N(tenMillennia * 1000)))
	case table.TimestampMicros:
		return g.tape.Timestamp(time.UnixMicro(g.r.Int64N(tenMillennia * 1_000_000)))
	case table.Struct:
		return g.object(t.Fields)
	}
	values := make([]serde.Value, g.r.IntN(4))
	names := []string{"k", `"`, "é", ","}
	for i := range values {
		values[i] = g.value(t.Elem)
	}
	if t.Kind == table.Map {
		return g.tape.Object(names[:len(values)], values)
	}
	return g.tape.Array(values)
}

func (g *generator) decimal(t *table.Type) serde.Value {
	digits := make([]byte, 1+g.r.IntN(t.Precision))
	for i := range digits {
		digits[i] = byte('0' + g.r.IntN(10))
	}
	if digits[0] = byte('1' + g.r.IntN(9)); g.r.IntN(10) == 0 {
		digits = []byte("0")
	}
	text := serde.AppendScaled(nil, digits, t.Scale)
	if g.r.IntN(2) == 0 && string(digits) != "0" {
		text = slices.Insert(text, 0, '-')
	}
	v, err := g.tape.Decimal(text)
	if err != nil {
		panic(err)
	}
	return v
}

func (g *generator) string() string {
	pieces := []string{"a", "é", ",", `"`, "\n", "\r", " ", "NULL", "\t", "世", "\x00", ""}
	text := ""
	for range g.r.IntN(6) {
		text += pieces[g.r.IntN(len(pieces))]
	}
	return text
}

func (g *generator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.r.Uint32())
	}
	return b
}
