package parquet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/deprecated"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

type readPlace struct {
	Lat  float64  `parquet:"lat,split"`
	Lon  float32  `parquet:"lon,split"`
	Tags []string `parquet:"tags,list"`
	Note *string  `parquet:"note,optional"`
}

// oracleRow has columns of all the types, shapes and encodings that parquet-go writes by tags.
type oracleRow struct {
	ID      int64               `parquet:"id,delta"`
	Count   int32               `parquet:"count,delta"`
	Small   int32               `parquet:"small,dict"`
	Unsign  uint32              `parquet:"unsign"`
	Large   uint64              `parquet:"large"`
	OK      bool                `parquet:"ok"`
	Maybe   *bool               `parquet:"maybe,optional"`
	Name    string              `parquet:"name,dict"`
	City    *string             `parquet:"city,optional,dict"`
	Text    string              `parquet:"text,delta"`
	Raw     []byte              `parquet:"raw"`
	UUID    [16]byte            `parquet:"uuid,uuid"`
	Hash    [5]byte             `parquet:"hash"`
	Day     int32               `parquet:"day,date"`
	Clock   int32               `parquet:"clock,time(millisecond)"`
	Micro   int64               `parquet:"micro,time(microsecond)"`
	At      int64               `parquet:"at,timestamp(millisecond)"`
	Then    *int64              `parquet:"then,optional,timestamp(microsecond)"`
	Local   int64               `parquet:"local,timestamp(microsecond:local)"`
	Old     deprecated.Int96    `parquet:"old"`
	Price   int32               `parquet:"price,decimal(2:9)"`
	Cost    int64               `parquet:"cost,decimal(3:18)"`
	Huge    [16]byte            `parquet:"huge,decimal(4:38)"`
	Doc     []byte              `parquet:"doc,json"`
	Pos     *readPlace          `parquet:"pos,optional"`
	Nums    []int64             `parquet:"nums"`
	List    []*int64            `parquet:"list,list"`
	Matrix  []readInner         `parquet:"matrix,list"`
	Weights map[string]float64  `parquet:"weights"`
	Places  map[int64]readPlace `parquet:"places"`
	Deep    map[string][]string `parquet:"deep" parquet-value:",list"`
}

type readInner struct {
	Row []float64   `parquet:"row,list"`
	Sub []readPlace `parquet:"sub"`
}

func pointer[T any](v T) *T { return &v }

func oracleRows(n int) []oracleRow {
	rows := make([]oracleRow, n)
	for i := range rows {
		x := int64(i)
		r := oracleRow{
			ID: x * x * 1_000_003, Count: int32(-x), Small: int32(x % 3), Unsign: math.MaxUint32 - uint32(x), Large: math.MaxUint64 - uint64(x), OK: i%3 == 0,
			Name: fmt.Sprint("name", i%7), Text: strings.Repeat("ab", i%5) + fmt.Sprint(i), Raw: bytes.Repeat([]byte{byte(i), 0xff}, i%4), UUID: [16]byte{1, byte(i)},
			Hash: [5]byte{9, 8, byte(i)}, Day: int32(20_000 + x), Clock: int32(i * 1000 % 86_400_000), Micro: x * 1001, At: 1_700_000_000_000 + x,
			Local: x - 5, Old: deprecated.Int96{uint32(i) * 1000, 0, 2_440_588 + uint32(i)}, Price: int32(i - 50), Cost: -x * 1001, Doc: fmt.Appendf(nil, `{"a":[%d,null]}`, i),
			Nums: make([]int64, i%4), Huge: [16]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, byte(i), 0},
		}
		for j := range r.Nums {
			r.Nums[j] = x + int64(j)
		}
		if i%2 == 0 {
			r.Maybe, r.City, r.Then = pointer(i%4 == 0), pointer(fmt.Sprint("city", i%5)), pointer(-x)
			r.Pos = &readPlace{Lat: float64(i) / 3, Lon: float32(i) / 3, Tags: []string{"x", fmt.Sprint(i)}[:i%3]}
			r.List = []*int64{pointer(x), nil, pointer(-x)}[:i%4]
		}
		if i%5 == 0 {
			r.Matrix = []readInner{{}, {Row: []float64{1, 2}, Sub: []readPlace{{Lat: 1, Note: pointer("n")}, {Tags: []string{"t"}}}}, {Row: []float64{3}}}
			r.Weights = map[string]float64{fmt.Sprint("k", i): 0.5}
			r.Places = map[int64]readPlace{x: {Lat: 4, Tags: []string{"a", "b"}}}
			r.Deep = map[string][]string{"d": {"e", "", "f"}}
		}
		rows[i] = r
	}
	return rows
}

// want is the row as JSON, as Read's value has it.
func (r *oracleRow) want() string {
	var b strings.Builder
	text := func(v any) string {
		out, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return string(out)
	}
	scaled := func(x int64, scale int) string { return string(serde.AppendScaled(readSign(x), readDigits(x), scale)) }
	place := func(p *readPlace) string {
		if p == nil {
			return "null"
		}
		tags := p.Tags
		if tags == nil {
			tags = []string{}
		}
		return fmt.Sprintf(`{"lat":%s,"lon":%s,"tags":%s,"note":%s}`, text(p.Lat), text(p.Lon), text(tags), text(p.Note))
	}
	list := func(n int, each func(i int) string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = each(i)
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	at := func(us int64) string {
		return text(time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.999999Z"))
	}
	clock := func(us int64) string { return text(time.UnixMicro(us).UTC().Format("15:04:05.999999")) }
	fmt.Fprintf(&b, `{"id":%d,"count":%d,"small":%d,"unsign":%d,"large":%d,"ok":%v,"maybe":%s,"name":%q,"city":%s,"text":%q,"raw":%s,`,
		r.ID, r.Count, r.Small, r.Unsign, r.Large, r.OK, text(r.Maybe), r.Name, text(r.City), r.Text, text(r.Raw))
	u := r.UUID
	fmt.Fprintf(&b, `"uuid":"%x-%x-%x-%x-%x","hash":%s,"day":%q,"clock":%s,"micro":%s,"at":%s,`, u[:4], u[4:6], u[6:8], u[8:10], u[10:],
		text(r.Hash[:]), time.Unix(int64(r.Day)*86400, 0).UTC().Format(time.DateOnly), clock(int64(r.Clock)*1000), clock(r.Micro), at(r.At*1000))
	then := "null"
	if r.Then != nil {
		then = at(*r.Then)
	}
	huge := new(big.Int).Sub(new(big.Int).SetBytes(r.Huge[:]), new(big.Int).Lsh(big.NewInt(1), 128))
	fmt.Fprintf(&b, `"then":%s,"local":%s,"old":%s,"price":%s,"cost":%s,"huge":%s,"doc":%s,"pos":%s,"nums":%s,`, then, at(r.Local),
		at((int64(r.Old[2])-2_440_588)*86_400_000_000+int64(r.Old[0])/1000), scaled(int64(r.Price), 2), scaled(r.Cost, 3),
		scaled(huge.Int64(), 4), r.Doc, place(r.Pos), list(len(r.Nums), func(i int) string { return text(r.Nums[i]) }))
	fmt.Fprintf(&b, `"list":%s,"matrix":%s,`, list(len(r.List), func(i int) string { return text(r.List[i]) }), list(len(r.Matrix), func(i int) string {
		m := r.Matrix[i]
		return fmt.Sprintf(`{"row":%s,"sub":%s}`, list(len(m.Row), func(j int) string { return text(m.Row[j]) }), list(len(m.Sub), func(j int) string { return place(&m.Sub[j]) }))
	}))
	weights, places, deep := "", "", ""
	for k, v := range r.Weights {
		weights = fmt.Sprintf(`%q:%s`, k, text(v))
	}
	for k, v := range r.Places {
		places = fmt.Sprintf(`"%d":%s`, k, place(&v))
	}
	for k, v := range r.Deep {
		deep = fmt.Sprintf(`%q:%s`, k, text(v))
	}
	fmt.Fprintf(&b, `"weights":{%s},"places":{%s},"deep":{%s}}`, weights, places, deep)
	return b.String()
}

func readSign(x int64) []byte {
	if x < 0 {
		return []byte("-")
	}
	return nil
}

func readDigits(x int64) []byte { return new(big.Int).Abs(big.NewInt(x)).Append(nil, 10) }

func oracleFile(t testing.TB, rows []oracleRow, options ...pq.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pq.NewGenericWriter[oracleRow](&b, options...)
	for len(rows) > 0 {
		n := min(len(rows), 170)
		if _, err := w.Write(rows[:n]); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil { // a row group
			t.Fatal(err)
		}
		rows = rows[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readAll reads all rows as JSON.
func readAll(t testing.TB, file []byte) (rows []string, err error) {
	t.Helper()
	r, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	tape := serde.NewTape()
	for {
		tape.Reset()
		v, err := r.Read(tape)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		text, err := v.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, string(text))
	}
}

func TestReadOracle(t *testing.T) {
	rows := oracleRows(500)
	for _, codec := range []compress.Codec{&pq.Uncompressed, &pq.Snappy, &pq.Gzip, &pq.Zstd} {
		for _, version := range []int{1, 2} {
			for _, page := range []int{100, 1 << 20} {
				t.Run(fmt.Sprint(codec, " v", version, " ", page), func(t *testing.T) {
					file := oracleFile(t, rows, pq.Compression(codec), pq.DataPageVersion(version), pq.PageBufferSize(page))
					got, err := readAll(t, file)
					if err != nil || len(got) != len(rows) {
						t.Fatal(len(got), err)
					}
					for i := range rows {
						if want := rows[i].want(); got[i] != want {
							t.Fatalf("row %d\n%s\nwant\n%s", i, got[i], want)
						}
					}
				})
			}
		}
	}
}

func TestReadSchema(t *testing.T) {
	file := oracleFile(t, nil)
	r, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(serde.NewTape()); !errors.Is(err, io.EOF) || r.Rows() != 0 {
		t.Error(err)
	}
	var b strings.Builder
	for _, f := range r.Schema().Fields {
		fmt.Fprintf(&b, "%s %s\n", f.Name, readDescribe(&f.Type))
	}
	const want = `id int64
count int32
small int32
unsign int64
large decimal(20,0)
ok boolean
maybe boolean?
name string
city string?
text string
raw bytes
uuid uuid
hash fixed(5)
day date
clock time_millis
micro time_micros
at timestamp_millis
then timestamp_micros?
local timestamp_micros local
old timestamp_micros
price decimal(9,2)
cost decimal(18,3)
huge decimal(38,4)
doc json
pos struct<lat float64,lon float32,tags list<string>,note string?>?
nums list<int64>
list list<int64?>
matrix list<struct<row list<float64>,sub list<struct<lat float64,lon float32,tags list<string>,note string?>>>>
weights map<float64>
places map<struct<lat float64,lon float32,tags list<string>,note string?>>
deep map<list<string>>
`
	if b.String() != want {
		t.Error(b.String())
	}
}

func readDescribe(t *table.Type) string {
	s := t.Kind.String()
	switch t.Kind {
	case table.Decimal:
		s += fmt.Sprintf("(%d,%d)", t.Precision, t.Scale)
	case table.Fixed:
		s += fmt.Sprintf("(%d)", t.Size)
	case table.List, table.Map:
		s += "<" + readDescribe(t.Elem) + ">"
	case table.Struct:
		var parts []string
		for _, f := range t.Fields {
			parts = append(parts, f.Name+" "+readDescribe(&f.Type))
		}
		s += "<" + strings.Join(parts, ",") + ">"
	}
	if t.Local {
		s += " local"
	}
	if t.Nullable {
		s += "?"
	}
	return s
}
