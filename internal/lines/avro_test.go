package lines

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

// rower is what files of all formats have.
type rower interface {
	Add(v serde.Value) error
	Rows() int64
	Pending() int64
	Encoded() int64
	Held() int64
	Pack(most int64)
	Block(scratch *[]byte) []byte
	Next(n int, keep int64)
	End(scratch *[]byte) []byte
	Rested() int64
	Dropped() int64
}

func field(name string, t table.Type) table.Field { return table.Field{Name: name, Type: t} }

func nullable(t table.Type) table.Type {
	t.Nullable = true
	return t
}

func kind(k table.Kind) table.Type { return table.Type{Kind: k} }

// every has a column of each kind.
func every() *table.Schema {
	point := table.Type{Kind: table.Struct, Fields: []table.Field{field("lat", kind(table.Float64)), field("name", nullable(kind(table.String)))}}
	long, points := kind(table.Int64), point
	return &table.Schema{Name: "example.Every", Rest: "_rest", Fields: []table.Field{
		field("json", nullable(kind(table.JSON))), field("bool", kind(table.Bool)), field("int32", kind(table.Int32)), field("int64", long),
		field("float32", kind(table.Float32)), field("float64", kind(table.Float64)),
		field("decimal", table.Type{Kind: table.Decimal, Precision: 20, Scale: 2}), field("string", kind(table.String)),
		field("bytes", kind(table.Bytes)), field("fixed", table.Type{Kind: table.Fixed, Size: 3}), field("uuid", kind(table.UUID)),
		field("date", kind(table.Date)), field("time_millis", kind(table.TimeMillis)), field("time_micros", kind(table.TimeMicros)),
		field("millis", kind(table.TimestampMillis)), field("micros", kind(table.TimestampMicros)),
		field("local", table.Type{Kind: table.TimestampMicros, Local: true}), field("struct", point),
		field("list", table.Type{Kind: table.List, Elem: &points}), field("map", table.Type{Kind: table.Map, Elem: &long}),
		field("maybe", nullable(kind(table.Int32))),
	}}
}

const everyRow = `{"json":{"a":[1,"x"]},"bool":true,"int32":-7,"int64":9007199254740993,"float32":0.5,"float64":1e300,"decimal":123456789012345678.9,
"string":"é\n","bytes":"AAH/","fixed":"AQID","uuid":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6","date":"2026-01-31","time_millis":"08:09:10.123",
"time_micros":"08:09:10.123456","millis":"2026-01-31T08:09:10.123Z","micros":"2026-01-31T09:09:10.123456+01:00","local":"2026-01-31T08:09:10.5",
"struct":{"lat":1.5,"name":null},"list":[{"lat":1,"name":"a"},{"lat":2}],"map":{"x":1,"y":2},"maybe":5,"more":[1]}`

func newAvro(t testing.TB, c AvroConfig) *Avro {
	t.Helper()
	f, err := NewAvro(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func avroRows(t testing.TB, c AvroConfig, columns *table.Schema) *AvroRows {
	t.Helper()
	r, err := newAvro(t, c).New(columns)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parse(t testing.TB, text string) serde.Value {
	t.Helper()
	v, err := serde.NewTape().JSON([]byte(text), serde.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// file adds values and ends the file, with a block whenever one is longer than limit.
func file(t testing.TB, r rower, limit int64, values ...serde.Value) (out []byte) {
	t.Helper()
	var scratch []byte
	take := func() {
		p := r.Block(&scratch)
		if again := bytes.Clone(p); !bytes.Equal(again, r.Block(&scratch)) {
			t.Fatal("Block differs when it is called again")
		}
		out = append(out, p...)
		r.Next(len(p), limit)
	}
	for _, v := range values {
		if err := r.Add(v); err != nil {
			t.Fatal(err)
		}
		if r.Pending() >= limit {
			take()
		}
	}
	take()
	if p := r.Block(&scratch); len(p) > 0 || r.Pending() != 0 {
		t.Errorf("an empty block has %d bytes", len(p))
	}
	if r.Rows() != int64(len(values)) {
		t.Errorf("%d rows, want %d", r.Rows(), len(values))
	}
	return append(out, r.End(&scratch)...)
}

// read decodes a container by the decoder of this project: an array of rows.
func read(t testing.TB, data []byte) serde.Value {
	t.Helper()
	d, err := avro.NewContainer(avro.ContainerConfig{Records: "array", MaxOutput: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.Decode(t.Context(), serde.NewTape(), "", data)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func readText(t testing.TB, data []byte) string {
	t.Helper()
	text, err := read(t, data).AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var avroConfigs = []AvroConfig{{}, {Compression: "none"}, {Compression: "deflate"}, {Compression: "deflate", Level: 9}, {Compression: "snappy"}, {Compression: "zstandard"}, {Compression: "zstd", Level: 1}}

const everyBack = `{"json":"{\"a\":[1,\"x\"]}","bool":true,"int32":-7,"int64":9007199254740993,"float32":0.5,"float64":1e+300,"decimal":123456789012345678.90,` +
	`"string":"é\n","bytes":"AAH/","fixed":"AQID","uuid":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6","date":"2026-01-31","time_millis":"08:09:10.123",` +
	`"time_micros":"08:09:10.123456","millis":"2026-01-31T08:09:10.123Z","micros":"2026-01-31T08:09:10.123456Z","local":"2026-01-31T08:09:10.5",` +
	`"struct":{"lat":1.5,"name":null},"list":[{"lat":1,"name":"a"},{"lat":2,"name":null}],"map":{"x":1,"y":2},"maybe":5,"_rest":"{\"more\":[1]}"}`

func TestAvroHasEveryKind(t *testing.T) {
	for _, c := range avroConfigs {
		r := avroRows(t, c, every())
		data := file(t, r, 300, parse(t, everyRow), parse(t, everyRow), parse(t, everyRow))
		if got := readText(t, data); got != "["+everyBack+","+everyBack+","+everyBack+"]" {
			t.Errorf("%v:\n got %s\nwant %s", c, got, everyBack)
		}
		if r.Rested() != 3 || r.Dropped() != 0 {
			t.Errorf("%v: %d rows rested, %d dropped", c, r.Rested(), r.Dropped())
		}
		if c.Compression != "zstandard" && c.Compression != "zstd" { // goavro doesn't have it
			everyByGoavro(t, c, data)
		}
	}
}

// everyByGoavro compares with what another reader makes of each logical type.
func everyByGoavro(t *testing.T, c AvroConfig, data []byte) {
	t.Helper()
	r, err := goavro.NewOCFReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for ; r.Scan(); rows++ {
		row, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		m := row.(map[string]any)
		for name, want := range map[string]any{
			"bool": true, "int32": int32(-7), "int64": int64(9007199254740993), "float32": float32(0.5), "float64": 1e300,
			"decimal": big.NewRat(1234567890123456789, 10), "string": "é\n", "bytes": []byte{0, 1, 255}, "fixed": []byte{1, 2, 3},
			"date": time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), "time_millis": 8*time.Hour + 9*time.Minute + 10123*time.Millisecond,
			"time_micros": 8*time.Hour + 9*time.Minute + 10123456*time.Microsecond, "millis": time.Date(2026, 1, 31, 8, 9, 10, 123e6, time.UTC),
			"micros": time.Date(2026, 1, 31, 8, 9, 10, 123456e3, time.UTC), "map": map[string]any{"x": int64(1), "y": int64(2)},
			"struct": map[string]any{"lat": 1.5, "name": nil}, "maybe": map[string]any{"int": int32(5)}, "_rest": map[string]any{"string": `{"more":[1]}`},
		} {
			if got := m[name]; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%v: goavro reads %s as %v (%T), want %v", c, name, got, got, want)
			}
		}
	}
	if err := r.Err(); err != nil || rows != 3 {
		t.Errorf("%v: goavro reads %d rows: %v", c, rows, err)
	}
}

func TestAvroWithoutRowsIsAFile(t *testing.T) {
	for _, c := range avroConfigs {
		if got := readText(t, file(t, avroRows(t, c, every()), 1)); got != "[]" {
			t.Errorf("%v: %s", c, got)
		}
	}
}

func TestAvroMarkersDiffer(t *testing.T) {
	f := newAvro(t, AvroConfig{})
	columns := every()
	a, err := f.New(columns)
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.New(columns)
	if err != nil {
		t.Fatal(err)
	}
	if a.marker == b.marker || a.table != b.table {
		t.Errorf("two files have the marker %x and %x; their columns are compiled once: %v", a.marker, b.marker, a.table == b.table)
	}
}

// projected are rows and what columns make of them, in every format.
var projected = []struct {
	name, row, avro, csv, err string
}{
	{"in order", `{"id":1,"pos":{"lat":2},"tag":"x"}`, `{"id":1,"pos":{"lat":2},"tag":"x","size":7,"note":null}`, `1,"{""lat"":2}",x,7,`, ""},
	{"another order", `{"tag":"x","pos":{"lat":2},"id":1,"note":"n"}`, `{"id":1,"pos":{"lat":2},"tag":"x","size":7,"note":"n"}`, `1,"{""lat"":2}",x,7,n`, ""},
	{"an alias", `{"number":1,"label":"x"}`, `{"id":1,"pos":null,"tag":"x","size":7,"note":null}`, `1,,x,7,`, ""},
	{"the name before aliases", `{"number":9,"id":1,"tag":"x"}`, `{"id":1,"pos":null,"tag":"x","size":7,"note":null}`, `1,,x,7,`, ""},
	{"the first alias before others", `{"no":9,"number":1,"tag":"x"}`, `{"id":1,"pos":null,"tag":"x","size":7,"note":null}`, `1,,x,7,`, ""},
	{"the first alias before others, turned", `{"number":1,"no":9,"tag":"x"}`, `{"id":1,"pos":null,"tag":"x","size":7,"note":null}`, `1,,x,7,`, ""},
	{"null", `{"id":1,"pos":null,"tag":"","note":null,"size":8}`, `{"id":1,"pos":null,"tag":"","size":8,"note":null}`, `1,,"",8,`, ""},
	{"missing", `{"tag":"x"}`, "", "", "column id is int64, can't be null and has no default; the value has no member \"id\""},
	{"null where none is", `{"id":null,"tag":"x"}`, "", "", "column id is int64 and can't be null; the value is null"},
	{"a conflict", `{"id":"1","tag":"x"}`, "", "", "column id is int64; the value is a string"},
	{"no object", `[1]`, "", "", "the value is an array: a row is an object"},
	{"a tombstone", `null`, "", "", "a tombstone has no row"},
	{"a struct that is none", `{"id":1,"tag":"x","pos":[]}`, "", "", "column pos is struct<lat:float64>; the value is an array"},
}

func projection(rest string) *table.Schema {
	return &table.Schema{Name: "p", Rest: rest, Fields: []table.Field{
		{Name: "id", Aliases: []string{"number", "no"}, Type: kind(table.Int64)},
		{Name: "pos", Type: table.Type{Kind: table.Struct, Nullable: true, Fields: []table.Field{field("lat", kind(table.Float64))}}},
		{Name: "tag", Aliases: []string{"label", "id"}, Type: kind(table.String)},
		{Name: "size", Type: kind(table.Int32), Default: []byte("7")},
		{Name: "note", Type: nullable(kind(table.String))},
	}}
}

func TestAvroProjectsRows(t *testing.T) {
	for _, c := range projected {
		r := avroRows(t, AvroConfig{Compression: "none"}, projection(""))
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
		if got := readText(t, file(t, avroRows(t, AvroConfig{}, projection("")), 1, parse(t, c.row))); got != "["+c.avro+"]" {
			t.Errorf("%s: %s, want %s", c.name, got, c.avro)
		}
	}
}

func expectPermanent(t *testing.T, name string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || connector.ClassOf(err) != connector.Permanent {
		t.Errorf("%s: %v (%v), want a permanent error with %q", name, err, connector.ClassOf(err), want)
	}
}

// rests are rows and what no column of nested takes of them.
var rests = []struct{ row, rest string }{
	{`{"a":{"x":1},"l":[{"x":1},{"x":2}],"m":{"k":{"x":1}}}`, ""},
	{`{"_rest":1}`, `{"_rest":1}`},
	{`{"new":{"y":[1, 2]},"a":{"x":1}}`, `{"new":{"y":[1, 2]}}`},
	{`{"a":{"x":1,"y":"\u00e9","z":null}}`, `{"a":{"y":"\u00e9","z":null}}`},
	{`{"l":[{"x":1},null,{"y":2,"x":1}],"a":null}`, `{"l":[null,null,{"y":2}]}`},
	{`{"m":{"a\"b":{"x":1,"y":1},"k":{"x":1}},"b":{"y":3}}`, `{"m":{"a\"b":{"y":1}},"b":{"y":3}}`},
	{`{"a":{"xx":2,"x":1}}`, `{"a":{"xx":2}}`}, // xx is an alias of x
	{`{"a":{"xx":2}}`, ""},
}

func nested(rest string) *table.Schema {
	s := table.Type{Kind: table.Struct, Nullable: true, Fields: []table.Field{{Name: "x", Aliases: []string{"xx"}, Type: nullable(kind(table.Int64))}}}
	a, b := s, s
	return &table.Schema{Name: "n", Rest: rest, Fields: []table.Field{
		field("a", s), field("l", nullable(table.Type{Kind: table.List, Elem: &a})), field("m", nullable(table.Type{Kind: table.Map, Elem: &b})),
	}}
}

func TestAvroKeepsTheRest(t *testing.T) {
	for _, c := range rests {
		r := avroRows(t, AvroConfig{}, nested("_rest"))
		v := read(t, file(t, r, 1, parse(t, c.row))).Index(0)
		got, _ := v.Field("_rest").Text()
		if string(got) != c.rest || v.Field("_rest").IsNull() != (c.rest == "") {
			t.Errorf("the rest of %s is %s, want %s", c.row, got, c.rest)
		}
		without := avroRows(t, AvroConfig{}, nested(""))
		file(t, without, 1, parse(t, c.row))
		want := int64(0)
		if c.rest != "" {
			want = 1
		}
		if r.Rested() != want || r.Dropped() != 0 || without.Dropped() != want || without.Rested() != 0 {
			t.Errorf("%s: %d rested, %d dropped; without the column %d, %d", c.row, r.Rested(), r.Dropped(), without.Rested(), without.Dropped())
		}
	}
}

func TestAvroConfig(t *testing.T) {
	if err := DefaultAvroConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		config AvroConfig
		want   string
	}{
		{AvroConfig{Compression: "gzip"}, `avro.compression is "gzip": none, deflate, snappy, zstandard`},
		{AvroConfig{Compression: "deflate", Level: 10}, "avro.level: "}, {AvroConfig{Level: 1}, "codec snappy has no level 1"},
	} {
		if err := c.config.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.config, err, c.want)
		}
	}
	f := newAvro(t, AvroConfig{})
	if f.Name() != "avro" || f.Extension() != ".avro" {
		t.Errorf("%s has extension %s", f.Name(), f.Extension())
	}
	if _, err := f.New(nil); err == nil {
		t.Error("a file without columns")
	}
}

func TestAvroKeepsMemoryWithinBounds(t *testing.T) {
	r := avroRows(t, AvroConfig{}, every())
	if r.Held() != 0 {
		t.Errorf("an empty file holds %d bytes", r.Held())
	}
	file(t, r, 1<<20, parse(t, everyRow))
	r.Next(0, 0)
	if r.Held() != 0 {
		t.Errorf("%d bytes are held after the end", r.Held())
	}
}

const flatRow = `{"id":12345,"name":"a text that is some bytes long","speed":12.5,"at":"2026-01-31T08:09:10.123Z","on":true,"amount":12.50,"raw":"AAEC","more":"rest"}`

func flat() *table.Schema {
	return &table.Schema{Name: "flat", Rest: "_rest", Fields: []table.Field{
		field("id", kind(table.Int64)), field("name", nullable(kind(table.String))), field("speed", kind(table.Float64)),
		field("at", kind(table.TimestampMillis)), field("on", kind(table.Bool)),
		field("amount", table.Type{Kind: table.Decimal, Precision: 10, Scale: 2}), field("raw", kind(table.Bytes)),
	}}
}

func TestAvroAddDoesNotAllocate(t *testing.T) {
	if raced {
		return // under the race detector a sync.Pool forgets at random
	}
	r := avroRows(t, AvroConfig{}, flat())
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
}

func BenchmarkAvroAdd(b *testing.B) {
	r := avroRows(b, AvroConfig{}, flat())
	v := parse(b, flatRow)
	var scratch []byte
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Add(v); err != nil {
			b.Fatal(err)
		}
		if r.Pending() > AvroBlock {
			r.Next(len(r.Block(&scratch)), 1<<20)
		}
	}
}
