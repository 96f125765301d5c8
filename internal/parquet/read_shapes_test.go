package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/serde"
)

// element makes an elementMeta: "name required|optional|repeated", of a group with so many children, or else an INT32.
func element(text string, children int, converted int) elementMeta {
	name, repetition, _ := strings.Cut(text, " ")
	e := elementMeta{name: name, children: children, converted: converted, leaf: children == 0, physical: format.Int32}
	e.repetition = map[string]format.FieldRepetitionType{"required": format.Required, "optional": format.Optional, "repeated": format.Repeated}[repetition]
	return e
}

// The shapes of "Lists" and "Maps" in LogicalTypes.md of parquet-format, those of older writers too.
func TestReadShapes(t *testing.T) {
	for _, test := range []struct {
		want     string
		elements []elementMeta
	}{
		{"list<int32?>?", []elementMeta{element("x optional", 1, convertedList), element("list repeated", 1, -1), element("element optional", 0, -1)}},
		{"list<int32>?", []elementMeta{element("x optional", 1, convertedList), element("element repeated", 0, -1)}},
		{"list<struct<a int32,b int32?>>", []elementMeta{element("x required", 1, convertedList), element("element repeated", 2, -1), element("a required", 0, -1), element("b optional", 0, -1)}},
		{"list<struct<str int32>>", []elementMeta{element("x required", 1, convertedList), element("array repeated", 1, -1), element("str required", 0, -1)}},
		{"list<struct<str int32>>", []elementMeta{element("x required", 1, convertedList), element("x_tuple repeated", 1, -1), element("str required", 0, -1)}},
		{"list<int32>", []elementMeta{element("x required", 1, convertedList), element("y_tuple repeated", 1, -1), element("str required", 0, -1)}},
		{"list<struct<in list<int32>>>", []elementMeta{element("x required", 1, convertedList), element("bag repeated", 1, -1), element("in repeated", 0, -1)}},
		{"list<int32>", []elementMeta{element("x repeated", 0, -1)}},
		{"struct<list list<struct<element int32?>>>", []elementMeta{element("x required", 1, -1), element("list repeated", 1, -1), element("element optional", 0, -1)}},
		{"map<int32?>?", []elementMeta{element("x optional", 1, convertedMap), element("key_value repeated", 2, -1), element("key required", 0, -1), element("value optional", 0, -1)}},
		{"map<int32>?", []elementMeta{element("x optional", 1, convertedKeyValue), element("map repeated", 2, convertedKeyValue), element("key required", 0, -1), element("value required", 0, -1)}},
	} {
		root, leaves, err := readSchema(append([]elementMeta{element("root required", 1, -1)}, test.elements...))
		if err != nil {
			t.Error(test.want, err)
			continue
		}
		if got := readDescribe(&root.children[0].typ); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
		if root.last != len(leaves) {
			t.Error(root.last, len(leaves))
		}
	}
}

func TestReadBadSchemas(t *testing.T) {
	deep := []elementMeta{element("root required", 1, -1)}
	for range mostNesting + 1 {
		deep = append(deep, element("x required", 1, -1))
	}
	with := func(change func(*elementMeta)) []elementMeta {
		e := element("x required", 0, -1)
		change(&e)
		return []elementMeta{element("root required", 1, -1), e}
	}
	for _, test := range []struct {
		want     string
		elements []elementMeta
	}{
		{"no schema", nil},
		{"has 0 columns", []elementMeta{element("root required", 0, -1)}},
		{"more columns than there are", []elementMeta{element("root required", 2, -1), element("x required", 0, -1)}},
		{"are in no group", []elementMeta{element("root required", 1, -1), element("x required", 0, -1), element("y required", 0, -1)}},
		{`two columns "x"`, []elementMeta{element("root required", 2, -1), element("x required", 0, -1), element("x required", 0, -1)}},
		{"at level 65", append(deep, element("y required", 0, -1))},
		{"repetition 7", with(func(e *elementMeta) { e.repetition = 7 })},
		{"no physical type 99", with(func(e *elementMeta) { e.physical = 99 })},
		{"77 digits", with(func(e *elementMeta) { e.logical = logicalMeta{id: logicalDecimal, precision: 77} })},
		{"DOUBLE can't hold decimals", with(func(e *elementMeta) {
			e.physical, e.logical = format.Double, logicalMeta{id: logicalDecimal, precision: 7}
		})},
		{"0 bytes", with(func(e *elementMeta) { e.physical = format.FixedLenByteArray })},
		{"a type and columns", with(func(e *elementMeta) { e.children = 1 })},
		{"65536 bytes", with(func(e *elementMeta) { e.name = strings.Repeat("x", 1<<16) })},
	} {
		if _, _, err := readSchema(test.elements); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}

// A rawPage is a page of a file that is made by hand.
type rawPage struct {
	head format.PageHeader
	body []byte
}

func dataPage(values int, encoding format.Encoding, body ...byte) rawPage {
	p := rawPage{body: body}
	p.head.Type = format.DataPage
	p.head.DataPageHeader.Set(format.DataPageHeader{NumValues: int32(values), Encoding: encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE})
	p.head.UncompressedPageSize, p.head.CompressedPageSize = int32(len(body)), int32(len(body))
	return p
}

// rawFile makes a file of one column and one row group.
func rawFile(t testing.TB, rows int64, column format.SchemaElement, change func(*format.FileMetaData), pages ...rawPage) []byte {
	t.Helper()
	var protocol thrift.CompactProtocol
	out := []byte(fileMagic)
	values := int64(0)
	for _, p := range pages {
		head, err := thrift.Marshal(&protocol, p.head)
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, head...), p.body...)
		values += int64(p.head.DataPageHeader.V.NumValues)
	}
	meta := format.FileMetaData{Version: 1, NumRows: rows, Schema: []format.SchemaElement{{Name: "root", NumChildren: thrift.New(int32(1))}, column}}
	meta.RowGroups = []format.RowGroup{{NumRows: rows, Columns: []format.ColumnChunk{{MetaData: format.ColumnMetaData{
		Type: column.Type.V, NumValues: values, TotalCompressedSize: int64(len(out) - 4), DataPageOffset: 4, PathInSchema: []string{column.Name},
	}}}}}
	if change != nil {
		change(&meta)
	}
	footer, err := thrift.Marshal(&protocol, meta)
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, footer...)
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(footer))), fileMagic...)
}

func rawColumn(physical format.Type, repetition format.FieldRepetitionType) format.SchemaElement {
	return format.SchemaElement{Name: "x", Type: thrift.New(physical), RepetitionType: thrift.New(repetition)}
}

func TestReadHostile(t *testing.T) {
	number := rawColumn(format.Int32, format.Required)
	maybe := rawColumn(format.Int32, format.Optional)
	list := rawColumn(format.Int32, format.Repeated)
	text := rawColumn(format.ByteArray, format.Required)
	text.LogicalType.Value = &format.StringType{}
	chunk := func(f func(*format.ColumnMetaData)) func(*format.FileMetaData) {
		return func(m *format.FileMetaData) { f(&m.RowGroups[0].Columns[0].MetaData) }
	}
	sized := func(p rawPage, size, packed int32) rawPage {
		p.head.UncompressedPageSize, p.head.CompressedPageSize = size, packed
		return p
	}
	zstd := chunk(func(c *format.ColumnMetaData) { c.Codec = format.Zstd })
	one := dataPage(1, format.Plain, 1, 0, 0, 0)
	if got, err := readAll(t, rawFile(t, 1, number, nil, one)); err != nil || fmt.Sprint(got) != `[{"x":1}]` {
		t.Fatal(got, err)
	}
	for _, test := range []struct {
		want string
		file []byte
	}{
		{"too few for a Parquet file", []byte("PAR1PAR1")},
		{"it is no Parquet file", []byte("PAR1aaaaaaaaaaaaaaa")},
		{"is encrypted", []byte("PAR1aaaaaaaaPARE")},
		{"its footer should have 4294967295 bytes", []byte("PAR1aaaa\xff\xff\xff\xffPAR1")},
		{"its footer: it ends too early", []byte("PAR1\x19\xfc\xff\xff\xff\x7f\x00\x00\x08\x00\x00\x00PAR1")},
		{"it has fewer values", rawFile(t, 2, number, nil, dataPage(2, format.Plain, 1, 0, 0, 0))},
		{"encoding DELTA_BYTE_ARRAY of INT32 isn't supported", rawFile(t, 1, number, nil, dataPage(1, format.DeltaByteArray, 1))},
		{"a value has index 0, and the dictionary has 0", rawFile(t, 1, number, nil, dataPage(1, format.RLEDictionary, 0, 2))},
		{"its indexes have 33 bits", rawFile(t, 1, number, nil, dataPage(1, format.RLEDictionary, 33, 2))},
		{"a page has 3 values, and the column has 1 left", rawFile(t, 1, number, chunk(func(c *format.ColumnMetaData) { c.NumValues = 1 }), dataPage(3, format.Plain, 1, 0, 0, 0))},
		{"it has 2 values for 1 rows", rawFile(t, 1, number, nil, dataPage(2, format.Plain, 1, 0, 0, 0, 1, 0, 0, 0))},
		{"the file has 1 rows, not 5", rawFile(t, 1, number, func(m *format.FileMetaData) { m.NumRows = 5 }, one)},
		{"the data of the file end at", rawFile(t, 1, number, chunk(func(c *format.ColumnMetaData) { c.TotalCompressedSize = 1 << 40 }), one)},
		{"the data of the file end at", rawFile(t, 1, number, chunk(func(c *format.ColumnMetaData) { c.DataPageOffset = -1 }), one)},
		{"its type is DOUBLE, and INT32 in the schema", rawFile(t, 1, number, chunk(func(c *format.ColumnMetaData) { c.Type = format.Double }), one)},
		{"0 columns and 1 rows", rawFile(t, 1, number, func(m *format.FileMetaData) { m.RowGroups[0].Columns = nil }, one)},
		{"should have 2000000000 bytes", rawFile(t, 1, number, nil, sized(one, 4, 2_000_000_000))},
		{"it has 2000000000 bytes, uncompressed", rawFile(t, 1, number, zstd, sized(one, 2_000_000_000, 4))},
		{"compression ZSTD", rawFile(t, 1, number, zstd, sized(one, 200_000_000, 4))},
		{"compression SNAPPY: it doesn't unpack to the size", rawFile(t, 1, number, chunk(func(c *format.ColumnMetaData) { c.Codec = format.Snappy }), sized(one, 200_000_000, 4))},
		{"compression BROTLI isn't supported", rawFile(t, 1, number, chunk(func(c *format.ColumnMetaData) { c.Codec = format.Brotli }), one)},
		{"it has fewer levels", rawFile(t, 1, maybe, nil, dataPage(1, format.Plain, 9, 0, 0, 0))},
		{"it has fewer levels", rawFile(t, 2, maybe, nil, dataPage(2, format.Plain, 2, 0, 0, 0, 2, 0))},
		{"its levels are 1 and 1, where 0 and 1 should be", rawFile(t, 1, list, nil, dataPage(1, format.Plain, 2, 0, 0, 0, 2, 1, 2, 0, 0, 0, 2, 1, 7, 0, 0, 0))},
		{"more values than its rows", rawFile(t, 1, list, nil, dataPage(2, format.Plain, 2, 0, 0, 0, 4, 0, 2, 0, 0, 0, 4, 1, 7, 0, 0, 0, 8, 0, 0, 0))},
		{"a text isn't UTF-8", rawFile(t, 1, text, nil, dataPage(1, format.Plain, 1, 0, 0, 0, 0xff))},
		{"it has fewer values", rawFile(t, 1, text, nil, dataPage(1, format.Plain, 0xff, 0xff, 0xff, 0xff, 0xff))},
		{"it has 1000000 deltas for 1 values", rawFile(t, 1, number, nil, dataPage(1, format.DeltaBinaryPacked, append(binary.AppendUvarint([]byte{0x80, 1, 4}, 1_000_000), 0)...))},
		{"blocks of 7 values", rawFile(t, 1, number, nil, dataPage(1, format.DeltaBinaryPacked, 7, 1, 1, 0))},
	} {
		got, err := readAll(t, test.file)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v %v, want %s", got, err, test.want)
		}
	}
}

// A page that is damaged is found by its checksum, where it has one.
func TestReadChecksum(t *testing.T) {
	page := dataPage(1, format.Plain, 1, 0, 0, 0)
	page.head.CRC = 5
	if _, err := readAll(t, rawFile(t, 1, rawColumn(format.Int32, format.Required), nil, page)); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Error(err)
	}
}

// A file that is cut off anywhere, or has a byte changed, is an error or rows, and no panic.
func TestReadDamaged(t *testing.T) {
	file := oracleFile(t, oracleRows(12))
	for n := range len(file) / 7 {
		if _, err := readAll(t, file[:n*7]); err == nil {
			t.Fatal(n)
		}
		damaged := slices.Clone(file)
		damaged[n*7] ^= 0x5a
		if r, err := Open(bytes.NewReader(damaged), int64(len(damaged))); err == nil {
			tape := serde.NewTape()
			for err == nil {
				tape.Reset()
				_, err = r.Read(tape)
			}
			r.Close()
		}
	}
}

func TestReadConversions(t *testing.T) {
	for _, test := range []struct {
		convert convert
		s       scalar
		want    string
	}{
		{toTimestamp(1, 1000), scalar{bits: 1_000_000}, `"1970-01-01T00:00:00.001Z"`},
		{toTimestamp(1, 1000), scalar{bits: 1_000_001}, "error: a time has nanoseconds"},
		{toTimestamp(1000, 1), scalar{bits: math.MaxInt64}, "error: the timestamp 9223372036854775807 is out of range"},
		{toTime(1000, 1), scalar{bits: 86_400_000}, "error: the time of day 86400000 is none"},
		{toTime(1, 1000), scalar{bits: 86_399_999_999_000}, `"23:59:59.999999"`},
		{toTime(1, 1), scalar{bits: math.MaxUint64}, "error: the time of day -1 is none"},
		{fromFloat16, scalar{bytes: []byte{0x00, 0x3e}}, "1.5"},
		{fromFloat16, scalar{bytes: []byte{0x01, 0x80}}, "-5.9604645e-08"},
		{toJSON, scalar{bytes: []byte(`{"a":[1,{}]}`)}, `{"a":[1,{}]}`},
		{toJSON, scalar{bytes: []byte(`{`)}, "error: its JSON"},
		{fromUint64, scalar{bits: math.MaxUint64}, "18446744073709551615"},
		{fromInt96, scalar{bytes: []byte{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}}, "error: the timestamp's Julian day"},
		{fromInt96, scalar{bytes: []byte{0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0}}, "error: the timestamp has"},
		{func(t *serde.Tape, s scalar) (serde.Value, error) { return toDecimal(t, s.bytes, 2) }, scalar{}, "error: a decimal has 0 bytes"},
		{func(t *serde.Tape, s scalar) (serde.Value, error) { return toDecimal(t, s.bytes, 2) }, scalar{bytes: append(make([]byte, 100), 7)}, "0.07"},
		{func(t *serde.Tape, s scalar) (serde.Value, error) { return toDecimal(t, s.bytes, 2) }, scalar{bytes: bytes.Repeat([]byte{7}, 100)}, "error: a decimal has 100 bytes"},
	} {
		v, err := test.convert(serde.NewTape(), test.s)
		got := fmt.Sprint("error: ", err)
		if err == nil {
			text, _ := v.AppendJSON(nil)
			got = string(text)
		}
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}

// A dictionary stays, while the window moves on over the column's pages.
func TestReadLongColumn(t *testing.T) {
	type row struct {
		Name string `parquet:"name,dict"`
		Text string `parquet:"text"`
	}
	var out bytes.Buffer
	w := pq.NewGenericWriter[row](&out, pq.PageBufferSize(20_000), pq.Compression(&pq.Uncompressed))
	const rows = 100_000
	name := func(i int) string { return fmt.Sprintf("name %100d", i*7919%3000) }
	for i := range rows {
		if _, err := w.Write([]row{{name(i), fmt.Sprint("text", i)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Open(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	tape := serde.NewTape()
	for i := range rows {
		tape.Reset()
		v, err := r.Read(tape)
		if err != nil {
			t.Fatal(i, err)
		}
		got, _ := v.Field("name").Text()
		text, _ := v.Field("text").Text()
		if string(got) != name(i) || string(text) != fmt.Sprint("text", i) {
			t.Fatalf("row %d: %s %s", i, got, text)
		}
	}
	for _, c := range r.columns {
		if cap(c.buf) > 2*readAhead {
			t.Errorf("column %s holds %d bytes", c.leaf.path, cap(c.buf))
		}
	}
}
