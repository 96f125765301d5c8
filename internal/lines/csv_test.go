package lines

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

func csvRows(t testing.TB, c CSVConfig, compression Compression, columns *table.Schema) *CSVRows {
	t.Helper()
	codec, err := NewCodec(compression, 0)
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewCSV(c, codec)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.New(columns)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readCSV reads a file with the package of the standard library.
func readCSV(t testing.TB, data []byte, separator rune) [][]string {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma = separator
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("%v: %q", err, data)
	}
	return rows
}

var everyCSV = []string{`{"a":[1,"x"]}`, "true", "-7", "9007199254740993", "0.5", "1e+300", "123456789012345678.90", "é\n", "AAH/", "AQID",
	"f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "2026-01-31", "08:09:10.123", "08:09:10.123456", "2026-01-31T08:09:10.123Z", "2026-01-31T08:09:10.123456Z",
	"2026-01-31T08:09:10.5", `{"lat":1.5,"name":null}`, `[{"lat":1,"name":"a"},{"lat":2}]`, `{"x":1,"y":2}`, "5", `{"more":[1]}`}

func TestCSVHasEveryKind(t *testing.T) {
	names := make([]string, 0, 22)
	for _, f := range every().Columns() {
		names = append(names, f.Name)
	}
	want := [][]string{names, everyCSV, everyCSV, everyCSV}
	for _, c := range []CSVConfig{{}, {Separator: ";"}, {Separator: `\t`, LineEnd: "crlf", Null: "NULL"}, DefaultCSVConfig()} {
		for compression, extension := range map[Compression]string{None: "", Gzip: ".gz", Zstd: ".zst", Snappy: ".sz"} {
			r := csvRows(t, c, compression, every())
			if got := r.format.Extension(); got != ".csv"+extension {
				t.Errorf("%s has extension %s", compression, got)
			}
			data := expand(t, extension, file(t, r, 300, parse(t, everyRow), parse(t, everyRow), parse(t, everyRow)))
			got := readCSV(t, data, rune(r.format.dialect.separator))
			if !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%v %s:\n got %q\nwant %q", c, compression, got, want)
			}
			if crlf := bytes.Contains(data, []byte("\r\n")); crlf != (c.LineEnd == "crlf") {
				t.Errorf("%v: lines end in \\r\\n: %v", c, crlf)
			}
			if r.Rested() != 3 || r.Dropped() != 0 {
				t.Errorf("%d rows rested, %d dropped", r.Rested(), r.Dropped())
			}
		}
	}
}

func TestCSVProjectsRows(t *testing.T) {
	for _, c := range projected {
		r := csvRows(t, CSVConfig{NoHeader: true}, None, projection(""))
		err := r.Add(parse(t, c.row))
		if c.err != "" {
			expectPermanent(t, c.name, err, c.err)
			if r.Pending() != 0 || r.Rows() != 0 {
				t.Errorf("%s: %d bytes of the bad row stay", c.name, r.Pending())
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := string(file(t, csvRows(t, CSVConfig{NoHeader: true}, None, projection("")), 1, parse(t, c.row))); got != c.csv+"\n" {
			t.Errorf("%s: %s, want %s", c.name, got, c.csv)
		}
	}
}

func TestCSVKeepsTheRest(t *testing.T) {
	r := csvRows(t, CSVConfig{NoHeader: true, Null: `\N`}, None, projection("_rest"))
	got := string(file(t, r, 1<<20, parse(t, `{"id":1,"tag":"x","_rest":2,"pos":{"lat":1,"more":2}}`), parse(t, `{"id":2,"tag":"y"}`)))
	// A struct is there as a whole.
	if want := `1,"{""lat"":1,""more"":2}",x,7,\N,"{""_rest"":2}"` + "\n" + `2,\N,y,7,\N,\N` + "\n"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if r.Rested() != 1 {
		t.Errorf("%d rows rested", r.Rested())
	}
}

func TestCSVWithoutRows(t *testing.T) {
	for _, c := range []struct {
		config      CSVConfig
		compression Compression
		want        string
	}{
		{CSVConfig{}, None, "a,l,m\n"}, {CSVConfig{NoHeader: true}, None, ""}, {CSVConfig{}, Gzip, "a,l,m\n"},
	} {
		r := csvRows(t, c.config, c.compression, nested(""))
		data := file(t, r, 1)
		if c.compression == Gzip {
			data = expand(t, ".gz", data)
		}
		if string(data) != c.want {
			t.Errorf("%v %s: %q, want %q", c.config, c.compression, data, c.want)
		}
	}
}

func TestCSVQuotes(t *testing.T) {
	texts := []string{"plain", "", "a,b", `a"b`, `"`, "a\nb", "a\rb", "\r\n", " a", "a\t", "NULL", "é", "=1+1", "\x00", "a;b", `\.`}
	for _, c := range []struct {
		config CSVConfig
		want   string
	}{
		{CSVConfig{NoHeader: true}, `plain,"","a,b","a""b","""","a` + "\n" + `b","a` + "\r" + `b","` + "\r\n" + `"," a","a` + "\t" + `",NULL,é,=1+1,` + "\x00" + `,a;b,\.,` + "\n"},
		{CSVConfig{NoHeader: true, Null: "NULL", Separator: ";"}, `plain;"";a,b;"a""b";"""";"a` + "\n" + `b";"a` + "\r" + `b";"` + "\r\n" + `";" a";"a` + "\t" + `";"NULL";é;=1+1;` + "\x00" + `;"a;b";\.;NULL` + "\n"},
	} {
		columns, values, names := &table.Schema{}, []serde.Value{}, []string{}
		tape := serde.NewTape()
		for i, text := range append(texts, "null") {
			names = append(names, fmt.Sprint("c", i))
			columns.Fields = append(columns.Fields, field(names[i], nullable(kind(table.String))))
			values = append(values, tape.String(text))
		}
		values[len(texts)] = tape.Null()
		r := csvRows(t, c.config, None, columns)
		if got := string(file(t, r, 1, tape.Object(names, values))); got != c.want {
			t.Errorf("%v:\n got %q\nwant %q", c.config, got, c.want)
		}
	}
}

// An empty line is passed over by readers.
func TestCSVNullAlone(t *testing.T) {
	columns := &table.Schema{Fields: []table.Field{field("a", nullable(kind(table.String)))}}
	data := file(t, csvRows(t, DefaultCSVConfig(), None, columns), 1, parse(t, `{"a":null}`), parse(t, `{}`), parse(t, `{"a":"x"}`))
	if got := readCSV(t, data, ','); len(got) != 4 {
		t.Errorf("%q are %d lines", data, len(got))
	}
}

func TestCSVNumbersThatJSONHasNot(t *testing.T) {
	columns := &table.Schema{Fields: []table.Field{field("a", kind(table.Float64)), field("b", kind(table.Float32)), field("c", kind(table.Float64))}}
	tape := serde.NewTape()
	v := tape.Object([]string{"a", "b", "c"}, []serde.Value{tape.Float64(math.NaN()), tape.Float64(math.Inf(-1)), tape.Float64(math.Inf(1))})
	if got := string(file(t, csvRows(t, CSVConfig{NoHeader: true}, None, columns), 1, v)); got != "NaN,-Infinity,Infinity\n" {
		t.Errorf("%q", got)
	}
}

func TestCSVConfig(t *testing.T) {
	if err := DefaultCSVConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		config CSVConfig
		want   string
	}{
		{CSVConfig{Separator: "||"}, `csv.separator is "||"`}, {CSVConfig{Separator: `"`}, "csv.separator"}, {CSVConfig{Separator: "\n"}, "csv.separator"},
		{CSVConfig{Separator: "é"}, "csv.separator"}, {CSVConfig{LineEnd: "cr"}, `csv.line_end is "cr"`}, {CSVConfig{Null: "a,b"}, "csv.null"},
		{CSVConfig{Null: "a\n"}, "csv.null"}, {CSVConfig{Separator: ";", Null: ";"}, "csv.null"},
	} {
		if err := c.config.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.config, err, c.want)
		}
	}
	r := csvRows(t, CSVConfig{}, None, every())
	if r.format.Name() != "csv" {
		t.Errorf("it is called %s", r.format.Name())
	}
	for _, columns := range []*table.Schema{nil, {}} {
		if _, err := r.format.New(columns); err == nil {
			t.Error("a file without columns")
		}
	}
}

func TestCSVAddDoesNotAllocate(t *testing.T) {
	if raced {
		return // under the race detector a sync.Pool forgets at random
	}
	r := csvRows(t, DefaultCSVConfig(), None, flat())
	v := parse(t, flatRow)
	var scratch []byte
	if n := testing.AllocsPerRun(1000, func() {
		if err := r.Add(v); err != nil {
			t.Fatal(err)
		}
		if r.Pending() > 4096 {
			r.Next(len(r.Block(&scratch)), 1<<20)
		}
	}); n > 0 {
		t.Errorf("Add allocates %v times", n)
	}
	if r.Next(0, 0); r.Held() != 0 {
		t.Errorf("%d bytes are held after the end", r.Held())
	}
}
