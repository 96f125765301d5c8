package avro_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

// A payload is what no honest producer sends.
type payload struct {
	name           string
	schema, reader string
	data           []byte
}

// given are payloads that kill other decoders, or make them take gigabytes.
func given(t *testing.T) (all []payload) {
	f, err := os.Open("testdata/hostile.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var x struct {
			Name   string
			Schema json.RawMessage
			Hex    string `json:"data_hex"`
			Repeat []any  `json:"data_hex_repeat"`
		}
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		data := unhex(t, x.Hex)
		if x.Repeat != nil {
			data = append(bytes.Repeat(unhex(t, x.Repeat[0].(string)), int(x.Repeat[1].(float64))), unhex(t, x.Repeat[2].(string))...)
		}
		all = append(all, payload{name: x.Name, schema: string(x.Schema), data: data})
	}
	if len(all) != 16 {
		t.Fatalf("%d payloads", len(all))
	}
	return all
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const many = 1e8

// refused are payloads that must give an error.
func refused() []payload {
	array := func(item string) string { return `{"type":"array","items":` + item + `}` }
	field := func(typ string) string { return recordOf(`{"name":"f","type":` + typ + `}`) }
	huge := []byte(long(many) + long(0))
	nested := strings.Repeat(long(4000)+strings.Repeat(long(3000), 1), 4000)
	defaults := recordOf(`{"name":"a","type":"int","default":1},{"name":"b","type":"string","default":"` + strings.Repeat("b", 60_000) + `"}`)
	return []payload{
		{name: "array of a union of null", schema: array(`["null"]`), data: []byte(long(many) + strings.Repeat("\x00", 1000))},
		{name: "map of empty records", schema: `{"type":"map","values":` + recordOf(``) + `}`, data: huge},
		{name: "array of empty fixed", schema: array(`{"type":"fixed","name":"F","size":0}`), data: huge},
		{name: "array of records of null", schema: array(recordOf(`{"name":"n","type":"null"}`)), data: huge},
		{name: "array of arrays of null", schema: array(array(`"null"`)), data: []byte(long(1000) + strings.Repeat(long(1000)+long(0), 1000) + long(0))},
		{name: "negative count of null", schema: array(`"null"`), data: []byte(long(-many) + long(0) + long(0))},
		{name: "the least count of null", schema: array(`"null"`), data: []byte(long(math.MinInt64) + long(0) + long(0))},
		{name: "many blocks of null", schema: array(`"null"`), data: []byte(strings.Repeat(long(10_000), 10_000))},
		{name: "skipped array of null", schema: field(array(`"null"`)), reader: recordOf(``), data: huge},
		{name: "skipped array of empty records", schema: field(array(`{"type":"record","name":"E","fields":[]}`)), reader: recordOf(``), data: huge},
		{name: "skipped array of records of many nulls", schema: field(array(`{"type":"record","name":"E","fields":[` + nulls(200) + `]}`)), reader: recordOf(``),
			data: []byte(long(10_000) + long(0))},
		{name: "skipped arrays of arrays of null", schema: field(array(array(`"null"`))), reader: recordOf(``), data: []byte(nested)},
		{name: "skipped map of null", schema: field(`{"type":"map","values":"null"}`), reader: recordOf(``), data: huge},
		{name: "skipped recursion", schema: field(tree), reader: recordOf(``), data: bytes.Repeat([]byte(long(1)), 1_000_000)},
		{name: "skipped text of 1 TB", schema: field(`"string"`), reader: recordOf(``), data: []byte(long(1 << 40))},
		{name: "recursion without end", schema: `{"type":"record","name":"N","fields":[{"name":"n","type":"N"}]}`},
		{name: "recursion in arrays", schema: `{"type":"record","name":"N","fields":[{"name":"n","type":{"type":"array","items":"N"}}]}`, data: bytes.Repeat([]byte(long(1)), 1_000_000)},
		{name: "recursion in maps", schema: `{"type":"record","name":"N","fields":[{"name":"n","type":{"type":"map","values":"N"}}]}`, data: bytes.Repeat([]byte(long(1)+str("k")), 1_000_000)},
		{name: "records that double", schema: doubling(40)},
		{name: "skipped records that double", schema: field(doubling(40)), reader: recordOf(``)},
		{name: "defaults for nothing", schema: array(recordOf(``)), reader: array(defaults), data: []byte(long(16_000) + long(0))},
		{name: "big-decimal of the least scale", schema: logical("bytes", "big-decimal"), data: []byte(str(str("\x01") + long(-1<<31)))},
		{name: "decimal of a megabyte", schema: decimal2, data: []byte(str("\x01" + strings.Repeat("\x00", 1<<20)))},
	}
}

func nulls(n int) string {
	var fields []string
	for i := range n {
		fields = append(fields, fmt.Sprintf(`{"name":"n%d","type":"null"}`, i))
	}
	return strings.Join(fields, ",")
}

// doubling is a schema of records without data, each of which has the next twice.
func doubling(n int) string {
	if n == 0 {
		return `"null"`
	}
	return fmt.Sprintf(`{"type":"record","name":"D%d","fields":[{"name":"a","type":%s},{"name":"b","type":%s}]}`, n, doubling(n-1), again(n-1))
}

func again(n int) string {
	if n == 0 {
		return `"null"`
	}
	return fmt.Sprintf(`"D%d"`, n)
}

// large are payloads that may be read or not, but not take more memory than they should.
func large() []payload {
	array := func(item string) string { return `{"type":"array","items":` + item + `}` }
	items := func(item string) []byte {
		n := 1 << 18 / len(item)
		return []byte(long(int64(n)) + strings.Repeat(item, n) + long(0))
	}
	var keys strings.Builder
	for i := range 1 << 15 {
		keys.WriteString(str(fmt.Sprintf("%05x", i)))
	}
	return []payload{
		{name: "local timestamps", schema: array(logical("long", "local-timestamp-micros")), data: items("\x02")},
		{name: "nanoseconds", schema: array(logical("long", "timestamp-nanos")), data: items("\x02")},
		{name: "a few local timestamps", schema: array(logical("long", "local-timestamp-micros")), data: []byte(long(2500) + strings.Repeat("\x02", 2500) + long(0))},
		{name: "booleans", schema: array(`"boolean"`), data: items("\x01")},
		{name: "nulls", schema: array(`"null"`), data: []byte(long(16_000) + long(0))},
		{name: "unions of null", schema: array(`["null"]`), data: items("\x00")},
		{name: "empty arrays", schema: array(array(`"null"`)), data: items("\x00")},
		{name: "arrays of null", schema: array(array(`"null"`)), data: items("\x06\x00")},
		{name: "empty maps", schema: array(`{"type":"map","values":"null"}`), data: items("\x00")},
		{name: "records in records", schema: array(`{"type":"record","name":"A","fields":[{"name":"b","type":{"type":"record","name":"B","fields":[{"name":"c","type":"int"}]}}]}`), data: items("\x02")},
		{name: "small decimals", schema: array(strings.Replace(decimal2, `"scale":2`, `"scale":40`, 1)), data: items("\x02\x01")},
		{name: "long decimals", schema: array(strings.Replace(decimal2, "40", "4096", 1)), data: items(str("\x7F" + strings.Repeat("\x55", 1700)))},
		{name: "big-decimals", schema: array(logical("bytes", "big-decimal")), data: items(str(str("\x01") + long(-4096)))},
		{name: "durations", schema: array(fixed12), data: items(strings.Repeat("\xFF", 12))},
		{name: "UUIDs", schema: array(logical("string", "uuid")), data: items(str("7f3c9a10-55e2-4c1b-9a7d-3e21aabbccdd"))},
		{name: "keys", schema: `{"type":"map","values":"null"}`, data: []byte(long(1<<15) + keys.String() + long(0))},
		{name: "repeated keys", schema: `{"type":"map","values":"null"}`, data: items("\x02k")},
		{name: "defaults", schema: array(recordOf(`{"name":"a","type":"int"}`)), reader: array(recordOf(`{"name":"a","type":"int"},{"name":"d","type":{"type":"array","items":"int"},"default":[1,2,3]}`)), data: items("\x02")},
		{name: "copied defaults", schema: array(recordOf(`{"name":"a","type":"int"}`)), reader: array(recordOf(`{"name":"a","type":"int"},{"name":"d","type":"bytes","default":"0123456789"}`)), data: items("\x02")},
	}
}

func TestHostile(t *testing.T) {
	for _, x := range append(given(t), refused()...) {
		t.Run(x.name, func(t *testing.T) {
			p := x.program(t)
			if _, err := both(t, p, x.data); err == nil || !strings.HasPrefix(err.Error(), "avro: ") {
				t.Errorf("got %v", err)
			}
			x.checkMemory(t, p)
		})
	}
	for _, x := range large() {
		t.Run(x.name, func(t *testing.T) {
			p := x.program(t)
			_, _ = both(t, p, x.data)
			x.checkMemory(t, p)
		})
	}
}

func (x *payload) program(t *testing.T) *avro.Program {
	var o avro.Options
	if x.reader != "" {
		o.Reader = parse(t, x.reader)
	}
	return program(t, x.schema, o)
}

// checkMemory measures what decoding on an empty tape takes, and how long the text gets.
func (x *payload) checkMemory(t *testing.T, p *avro.Program) {
	most := 64*len(x.data) + 1<<20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := p.Decode(serde.NewTape(), x.data)
	runtime.ReadMemStats(&after)
	if n := int(after.TotalAlloc - before.TotalAlloc); n > most {
		t.Errorf("Decode of %d bytes allocated %d, at most %d are allowed; %v", len(x.data), n, most, err)
	}
	if text, err := p.AppendJSON(nil, x.data); len(text) > most+200_000 {
		t.Errorf("%d bytes became %d, %v", len(x.data), len(text), err)
	}
}

// A schema of the greatest length that AWS Glue takes, 170,000 characters, doesn't take a multiple of its size for each use of a type or a name.
func TestLargeSchemas(t *testing.T) {
	var symbols, types, fields []string
	for i := range 10_000 {
		symbols = append(symbols, fmt.Sprintf(`"S%04d"`, i))
	}
	for i := range 1_500 {
		types = append(types, fmt.Sprintf(`{"type":"fixed","name":"F%d","size":1}`, i))
		fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":"E"}`, i))
	}
	for name, schema := range map[string]string{
		"symbols": recordOf(`{"name":"e","type":` + enumOf(``, strings.Join(symbols, ",")) + `},` + strings.Join(fields, ",")),
		"names":   recordOf(`{"name":"` + strings.Repeat("n", 65_535) + `","type":[` + strings.Join(types, ",") + `]}`),
		"depth":   strings.Repeat(`{"type":"array","items":`, 60) + `"int"` + strings.Repeat(`}`, 60),
	} {
		s := parse(t, schema)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := avro.Compile(s, avro.Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
			t.Errorf("%s: compiling %d characters allocated %d", name, len(schema), n)
		}
	}
}

// Each limit can be set, and is named where it is exceeded.
func TestLimits(t *testing.T) {
	for want, x := range map[string]struct {
		schema, data string
		limits       avro.Limits
	}{
		"nested more than 1 deep, the limit depth":          {`{"type":"array","items":` + list + `}`, long(1) + long(0) + long(0), avro.Limits{Depth: 1}},
		"exceeds the limit items of 2":                      {list, long(2) + long(1) + long(1) + long(1) + long(1) + long(0), avro.Limits{Items: 2}},
		"more than the limit text_length of 3":              {`"string"`, str("abcd"), avro.Limits{TextLen: 3}},
		"the length is 4 bytes, more than the limit":        {`"bytes"`, str("abcd"), avro.Limits{TextLen: 3}},
		"the record has more than 3 parts, the limit nodes": {ids, long(1) + str("x"), avro.Limits{Nodes: 3}},
		"the record may have 2 parts, the limit nodes":      {list, long(2) + long(1) + long(1) + long(0), avro.Limits{Nodes: 2}},
	} {
		p := program(t, x.schema, avro.Options{Limits: x.limits})
		if _, err := both(t, p, []byte(x.data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		l := x.limits
		p = program(t, x.schema, avro.Options{Limits: avro.Limits{Depth: 2 * l.Depth, Items: 2 * l.Items, TextLen: 2 * l.TextLen, Nodes: 2 * l.Nodes}})
		if _, err := both(t, p, []byte(x.data)); err != nil {
			t.Errorf("%s: with twice as much: %v", want, err)
		}
	}
	exact := program(t, ids, avro.Options{Limits: avro.Limits{Nodes: 4}})
	if _, err := both(t, exact, []byte(long(1)+str("x"))); err != nil {
		t.Error(err)
	}
	// Many containers one behind the other aren't deep.
	inner := `{"type":"record","name":"I","fields":[{"name":"m","type":` + attrs + `},{"name":"l","type":` + list + `}]}`
	flat := recordOf(`{"name":"all","type":{"type":"array","items":` + inner + `}},{"name":"again","type":{"type":"array","items":"I"}}`)
	items := long(200) + strings.Repeat(long(0)+long(0), 200) + long(0)
	for _, reader := range []string{flat, recordOf(`{"name":"again","type":{"type":"array","items":` + inner + `}}`)} {
		if _, err := both(t, program(t, flat, avro.Options{Reader: parse(t, reader)}), []byte(items+items)); err != nil {
			t.Error(err)
		}
	}
	// Decode and AppendJSON count alike.
	texts := recordOf(`{"name":"u","type":` + logical("string", "uuid") + `},{"name":"d","type":` + decimal2 + `},{"name":"l","type":` + logical("long", "local-timestamp-millis") +
		`},{"name":"p","type":` + fixed12 + `},{"name":"n","type":` + logical("long", "timestamp-nanos") + `}`)
	reader := strings.Replace(texts, `]}`, `,{"name":"z","type":"bytes","default":"0123456789"}]}`, 1)
	data := str("7f3c9a10-55e2-4c1b-9a7d-3e21aabbccdd") + str("\x04\xE2") + long(1) + strings.Repeat("\x01", 12) + long(1)
	refused := 0
	for nodes := range 60 {
		p := program(t, texts, avro.Options{Reader: parse(t, reader), Limits: avro.Limits{Nodes: nodes + 1}})
		if _, err := both(t, p, []byte(data)); err != nil {
			refused = nodes + 1
		}
	}
	// The record and 6 members; 16, 5, 23, 30, 30 and 10 bytes of text, by three.
	if want := 1 + 6 + 6 + 2 + 8 + 10 + 10 + 4 - 1; refused != want {
		t.Errorf("%d nodes are too few, and one more isn't; want %d", refused, want)
	}
	p := program(t, list, avro.Options{Limits: avro.Limits{JSONLen: 5}})
	if _, err := p.AppendJSON([]byte("0123456789"), []byte(long(3)+long(1)+long(1)+long(1)+long(0))); err == nil || !strings.Contains(err.Error(), "more than 5 bytes, the limit json_length") {
		t.Errorf("got %v", err)
	}
	if text, err := p.AppendJSON(bytes.Repeat([]byte(" "), 100), []byte(long(1)+long(1)+long(0))); err != nil || len(text) != 103 {
		t.Errorf("behind other text: %q %v", text, err)
	}
	for want, l := range map[string]avro.Limits{
		"depth is 4097":     {Depth: 4097},
		"items is -1":       {Items: -1},
		"text_length is -1": {TextLen: -1},
		"nodes is -1":       {Nodes: -1},
		"json_length is -1": {JSONLen: -1},
	} {
		if err := l.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
