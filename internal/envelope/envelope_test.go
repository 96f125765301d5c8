package envelope

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
	"github.com/millrace/millrace/serde/json"
)

var source = connector.Source{Partition: connector.Partition{Topic: "cars", ID: 3}}

// batch decodes records.
func batch(t testing.TB, key, value serde.Decoder, records ...connector.Record) *connector.Batch {
	t.Helper()
	b := connector.NewBatch(source, records, nil)
	b.Decode(t.Context(), key, value)
	for i := range records {
		if err := b.Err(i); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func compiled(t testing.TB, c Config, f Form) *Compiled {
	t.Helper()
	e, err := New(c, f)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func wrap(t testing.TB, e *Compiled, b *connector.Batch, i int) serde.Value {
	t.Helper()
	v, err := e.Wrap(b.Tape(), b, i)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func jsonDecoder(t testing.TB) serde.Decoder {
	t.Helper()
	d, err := json.New(json.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const at = 1769846400123 // 2026-01-31T08:00:00.123Z

func TestLines(t *testing.T) {
	text, raw, values := serde.StringDecoder{}, serde.BytesDecoder{}, jsonDecoder(t)
	headers := []connector.Header{{Name: "a", Value: []byte("é")}, {Name: "a", Value: []byte{0xff}}, {Name: "", Value: nil}, {Name: "e", Value: []byte{}}}
	const begin = `{"topic":"cars","partition":3,"offset":7,"timestamp":"2026-01-31T08:00:00.123Z","timestamp_type":"CreateTime",`
	for _, c := range []struct {
		name       string
		config     Config
		key, value serde.Decoder
		record     connector.Record
		want       string
	}{
		{"text and JSON", Config{}, text, values, connector.Record{RawKey: []byte("k"), RawValue: []byte(`{"a": 1.50}`)}, begin + `"key":"k","headers":[],"value":{"a": 1.50}}`},
		{"tombstone", Config{}, text, values, connector.Record{}, begin + `"key":null,"headers":[],"value":null}`},
		{"bytes", Config{}, raw, raw, connector.Record{RawKey: []byte("k"), RawValue: []byte{}}, begin + `"key_base64":"aw==","headers":[],"value_base64":""}`},
		{"headers", Config{}, text, text, connector.Record{Headers: headers}, begin + `"key":null,"headers":[{"name":"a","value":"é"},{"name":"a","value_base64":"/w=="},{"name":"","value":null},{"name":"e","value":""}],"value":null}`},
		{"raw", Config{Raw: true}, text, values, connector.Record{RawKey: []byte("k"), RawValue: []byte(`{"a": 1}`)}, begin + `"key":"k","headers":[],"value":"{\"a\": 1}"}`},
		{"raw bytes", Config{Raw: true}, raw, raw, connector.Record{RawKey: []byte{0xff}, RawValue: []byte{}}, begin + `"key_base64":"/w==","headers":[],"value":""}`},
		{"raw null", Config{Raw: true}, raw, raw, connector.Record{}, begin + `"key":null,"headers":[],"value":null}`},
		{"fields", Config{Fields: []string{"value", "topic"}}, text, text, connector.Record{RawValue: []byte("v")}, `{"topic":"cars","value":"v"}`},
		{"the broker's time", Config{Fields: []string{"timestamp", "timestamp_type"}}, text, text, connector.Record{LogAppendTime: true}, `{"timestamp":"2026-01-31T08:00:00.123Z","timestamp_type":"LogAppendTime"}`},
	} {
		c.record.Offset, c.record.Timestamp = 7, at
		b := batch(t, c.key, c.value, c.record)
		got, err := wrap(t, compiled(t, c.config, JSON), b, 0).AppendJSON(nil)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v\nwant %s", c.name, got, err, c.want)
		}
	}
}

func TestTimestamps(t *testing.T) {
	e := compiled(t, Config{Fields: []string{"timestamp", "timestamp_type", "value"}}, JSON)
	for ms, want := range map[int64]string{
		connector.NoTimestamp: `{"timestamp":null,"timestamp_type":"NoTimestampType","value":null}`,
		0:                     `{"timestamp":"1970-01-01T00:00:00Z","timestamp_type":"CreateTime","value":null}`,
		253402300799_999:      `{"timestamp":"9999-12-31T23:59:59.999Z","timestamp_type":"CreateTime","value":null}`,
		253402300800_000:      `{"timestamp":253402300800000,"timestamp_type":"CreateTime","value":null}`,
		at * 1000:             `{"timestamp":1769846400123000,"timestamp_type":"CreateTime","value":null}`, // microseconds by mistake
		1<<63 - 1:             `{"timestamp":9223372036854775807,"timestamp_type":"CreateTime","value":null}`,
	} {
		v := wrap(t, e, batch(t, serde.StringDecoder{}, serde.StringDecoder{}, connector.Record{Timestamp: ms}), 0)
		text, err := v.AppendJSON(nil)
		if err != nil || string(text) != want {
			t.Errorf("%d: %s, %v; want %s", ms, text, err, want)
		}
		var r Record
		if err := Read(reparse(t, text), &r); err != nil || r.Timestamp != ms {
			t.Errorf("%d comes back as %d, %v", ms, r.Timestamp, err)
		}
	}
}

func reparse(t testing.TB, text []byte) serde.Value {
	t.Helper()
	v, err := serde.NewTape().JSON(text, serde.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// random records, with texts as keys where keyed. Values are JSON texts without line breaks.
func random(r *rand.Rand, binary bool) connector.Record {
	some := func(pieces []string) []byte {
		if r.IntN(5) == 0 {
			return nil
		}
		text := []byte{}
		for range r.IntN(5) {
			text = append(text, pieces[r.IntN(len(pieces))]...)
		}
		return text
	}
	texts := []string{"a", "é", `"`, "\\", "\n", "世", "", "\x00"}
	if binary {
		texts = append(texts, "\xff", "\x80")
	}
	record := connector.Record{Offset: r.Int64(), Timestamp: r.Int64N(1 << 41), RawKey: some(texts), RawValue: some(texts), LogAppendTime: r.IntN(2) == 0}
	for range r.IntN(4) {
		record.Headers = append(record.Headers, connector.Header{Name: string(some([]string{"n", "é", " "})), Value: some([]string{"x", "\xff", "é"})})
	}
	return record
}

// TestRoundTrip takes random records through lines of JSON and through the columns of Avro files.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	var out Record
	for range 2000 {
		for _, c := range []struct {
			name    string
			config  Config
			decoder serde.Decoder
			column  *table.Type
			binary  bool
		}{
			{"raw", Config{Raw: true}, serde.BytesDecoder{}, nil, true}, {"bytes", Config{}, serde.BytesDecoder{}, nil, true},
			{"texts", Config{}, serde.StringDecoder{}, &table.Type{Kind: table.String}, false},
		} {
			record := random(r, c.binary)
			b := batch(t, c.decoder, c.decoder, record)
			text, err := wrap(t, compiled(t, c.config, JSON), b, 0).AppendJSON(nil)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.ContainsRune(text, '\n') {
				t.Fatalf("%q has a line break", text)
			}
			expectRead(t, c.name+" by JSON", reparse(t, text), &out, record)
			e := compiled(t, c.config, Columns)
			expectRead(t, c.name+" by value", wrap(t, e, b, 0), &out, record)
			if r.IntN(20) == 0 {
				expectRead(t, c.name+" by Avro", throughAvro(t, wrap(t, e, b, 0), e.Columns(c.column, c.column)), &out, record)
			}
		}
	}
}

func expectRead(t *testing.T, name string, v serde.Value, out *Record, want connector.Record) {
	t.Helper()
	if err := Read(v, out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	same := out.Topic == source.Topic && out.Partition == source.ID && out.Offset == want.Offset && out.Timestamp == want.Timestamp &&
		equal(out.Key, want.RawKey) && equal(out.Value, want.RawValue) && len(out.Headers) == len(want.Headers)
	for i := range want.Headers {
		same = same && out.Headers[i].Name == want.Headers[i].Name && equal(out.Headers[i].Value, want.Headers[i].Value)
	}
	if !same {
		t.Fatalf("%s: %+v comes back as %+v", name, want, *out)
	}
}

// equal tells nil from empty.
func equal(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

// throughAvro writes a file of one row, and reads it.
func throughAvro(t *testing.T, v serde.Value, columns *table.Schema) serde.Value {
	t.Helper()
	f, err := lines.NewAvro(lines.AvroConfig{Compression: "none"})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := f.New(columns)
	if err != nil {
		t.Fatal(err)
	}
	if err := rows.Add(v); err != nil {
		t.Fatal(err)
	}
	var scratch []byte
	d, err := avro.NewContainer(avro.DefaultContainerConfig())
	if err != nil {
		t.Fatal(err)
	}
	back, err := d.Decode(t.Context(), serde.NewTape(), "", rows.Block(&scratch))
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// JSON that was written without line breaks comes back byte for byte from lines, and by its columns from Avro.
func TestJSONRoundTrip(t *testing.T) {
	const value = `{"id": 1.50, "pos":{"lat":1, "name":"\u00e9"}, "tags":["a"] }`
	b := batch(t, serde.StringDecoder{}, jsonDecoder(t), connector.Record{RawKey: []byte("k"), RawValue: []byte(value), Timestamp: at})
	text, err := wrap(t, compiled(t, Config{}, JSON), b, 0).AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	var r Record
	if err := Read(reparse(t, text), &r); err != nil || string(r.Value) != value {
		t.Errorf("%s, %v; want %s", r.Value, err, value)
	}
	elem := table.Type{Kind: table.String}
	pos := table.Type{Kind: table.Struct, Fields: []table.Field{{Name: "lat", Type: table.Type{Kind: table.Float64}}, {Name: "name", Type: elem}}}
	column := table.Type{Kind: table.Struct, Fields: []table.Field{
		{Name: "id", Type: table.Type{Kind: table.Float64}}, {Name: "pos", Type: pos}, {Name: "tags", Type: table.Type{Kind: table.List, Elem: &elem}},
	}}
	e := compiled(t, Config{}, Columns)
	if err := Read(throughAvro(t, wrap(t, e, b, 0), e.Columns(&elem, &column)), &r); err != nil {
		t.Fatal(err)
	}
	if want := `{"id":1.5,"pos":{"lat":1,"name":"é"},"tags":["a"]}`; string(r.Value) != want || string(r.Key) != "k" || r.Timestamp != at {
		t.Errorf("%s, want %s", r.Value, want)
	}
}

func TestColumns(t *testing.T) {
	texts := &table.Type{Kind: table.String}
	for _, c := range []struct {
		config     Config
		key, value *table.Type
		want       string
	}{
		{Config{}, texts, nil, "topic string, partition int32, offset int64, timestamp timestamp_millis?, timestamp_type string, key string?, headers list<struct<name:string,value:bytes>>, value bytes?"},
		{Config{Raw: true, Fields: []string{"value", "key"}}, texts, texts, "key bytes?, value bytes?"},
	} {
		var got []string
		for _, f := range compiled(t, c.config, Columns).Columns(c.key, c.value).Fields {
			text := f.Name + " " + f.Type.String()
			if f.Type.Nullable {
				text += "?"
			}
			got = append(got, text)
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%v: %s, want %s", c.config, strings.Join(got, ", "), c.want)
		}
	}
	if texts.Nullable {
		t.Error("the given type was changed")
	}
}

func TestReadTakes(t *testing.T) {
	for text, want := range map[string]string{
		`{"value":"v"}`:                              "||-1|-1|-1|<nil>|v|0",
		`{"key":1,"value":[1, 2],"more":{}}`:         "||-1|-1|-1|1|[1, 2]|0",
		`{"key":true,"value":{"a":null},"offset":5}`: "||-1|5|-1|true|{\"a\":null}|0",
		`{"value":"v","timestamp":5,"topic":null}`:   "||-1|-1|5|<nil>|v|0",
		`{"value":null,"timestamp":"1970-01-01T00:00:01.0009+00:00","partition":9,"headers":null}`: "||9|-1|1000|<nil>|<nil>|0",
		`{"value_base64":null,"key_base64":"","headers":[{"name":"a","value_base64":"eA=="}]}`:     "||-1|-1|-1||<nil>|1",
	} {
		var r Record
		if err := Read(reparse(t, []byte(text)), &r); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		show := func(b []byte) string {
			if b == nil {
				return "<nil>"
			}
			return string(b)
		}
		if got := fmt.Sprintf("|%s|%d|%d|%d|%s|%s|%d", r.Topic, r.Partition, r.Offset, r.Timestamp, show(r.Key), show(r.Value), len(r.Headers)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                                                 "expected an object, found array",
		`{"a":1}`:                                            "there is neither a key nor a value",
		`{"value":1,"topic":1}`:                              "member topic: expected a string, found integer",
		`{"value":1,"partition":-1}`:                         "member partition: expected an integer from 0 to 2147483647",
		`{"value":1,"partition":1e10}`:                       "member partition",
		`{"value":1,"offset":"1"}`:                           "member offset: expected an integer",
		`{"value":1,"timestamp":"now"}`:                      "member timestamp: expected a time",
		`{"value":1,"timestamp":-2}`:                         "member timestamp: expected a timestamp",
		`{"value":1,"value_base64":null}`:                    "member value_base64: it is there as a text and as base64",
		`{"value_base64":"x"}`:                               "member value_base64: it isn't base64",
		`{"key_base64":1}`:                                   "member key_base64: expected a base64 text, found integer",
		`{"value":1,"headers":{}}`:                           "member headers: expected a list, found object",
		`{"value":1,"headers":[1]}`:                          "header 0: expected an object",
		`{"value":1,"headers":[{}]}`:                         "header 0: it has no name",
		`{"value":1,"headers":[{"name":"a"},{"name":null}]}`: "header 1: its name: expected a string, found null",
		`{"value":1,"headers":[{"name":"a","value":"x","value_base64":"eA=="}]}`: "it is there as a text and as base64",
	} {
		var r Record
		err := Read(reparse(t, []byte(text)), &r)
		if err == nil || !strings.Contains(err.Error(), want) || connector.ClassOf(err) != connector.Permanent {
			t.Errorf("%s: %v, want a permanent error with %q", text, err, want)
		}
	}
}

func TestHeaderNamesAreUTF8(t *testing.T) {
	b := batch(t, serde.StringDecoder{}, serde.StringDecoder{}, connector.Record{Headers: []connector.Header{{Name: "\xff"}}})
	_, err := compiled(t, Config{}, JSON).Wrap(b.Tape(), b, 0)
	if err == nil || connector.ClassOf(err) != connector.Permanent {
		t.Errorf("%v, want a permanent error", err)
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Fields: []string{"offset", "size"}}, `envelope.fields has "size"; an envelope has topic, partition`}, {Config{Fields: []string{"key", "key"}}, `"key" twice`},
	} {
		if err := c.config.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.config, err, c.want)
		}
		if _, err := New(c.config, JSON); err == nil {
			t.Errorf("%v is compiled", c.config)
		}
	}
	for _, c := range []struct {
		config Config
		on     bool
	}{{Config{}, false}, {Config{Enabled: true}, true}, {Config{Raw: true}, true}, {Config{Fields: []string{"key"}}, true}} {
		if c.config.On() != c.on || c.config.Validate() != nil {
			t.Errorf("%v is on: %v", c.config, c.config.On())
		}
	}
}

// Times finer than Kafka's are cut off, before 1970 too.
func TestReadCutsMicroseconds(t *testing.T) {
	tape := serde.NewTape()
	v := tape.Object([]string{"timestamp", "key"}, []serde.Value{tape.Timestamp(time.UnixMicro(1999)), tape.UUID([16]byte{15: 1})})
	var r Record
	if err := Read(v, &r); err != nil || r.Timestamp != 1 || string(r.Key) != "00000000-0000-0000-0000-000000000001" {
		t.Errorf("%d, %s, %v", r.Timestamp, r.Key, err)
	}
}

func TestReadTellsEmptyFromNull(t *testing.T) {
	tape := serde.NewTape()
	v := tape.Object([]string{"key", "value"}, []serde.Value{tape.BorrowBytes(nil), tape.String("")})
	var r Record
	if err := Read(v, &r); err != nil || r.Key == nil || r.Value == nil {
		t.Errorf("%v, %v, %v", r.Key, r.Value, err)
	}
}

func TestReadUsesMemoryAgain(t *testing.T) {
	v := reparse(t, []byte(`{"topic":"cars","key":1,"headers":[{"name":"a","value_base64":"eA=="},{"name":"b","value":"x"}],"value":{"a":1}}`))
	other := reparse(t, []byte(`{"topic":"cars","key":1,"headers":[{"name":"z","value":"x"}],"value":null}`))
	var r Record
	for range 100 {
		if err := Read(v, &r); err != nil {
			t.Fatal(err)
		}
	}
	if cap(r.room) > 100 {
		t.Errorf("%d bytes are held", cap(r.room))
	}
	if n := testing.AllocsPerRun(100, func() {
		if err := Read(v, &r); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("Read allocates %v times", n)
	}
	if err := Read(other, &r); err != nil || len(r.Headers) != 1 || r.Headers[0].Name != "z" || r.Value != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestWrapDoesNotCopyTheValue(t *testing.T) {
	value := []byte(`{"a":"` + strings.Repeat("x", 1<<20) + `"}`)
	b := batch(t, serde.StringDecoder{}, jsonDecoder(t), connector.Record{RawKey: []byte("k"), RawValue: value, Headers: []connector.Header{{Name: "h", Value: []byte("v")}}})
	e, tape := compiled(t, Config{}, JSON), b.Tape()
	before := tape.Bytes()
	if n := testing.AllocsPerRun(20, func() { wrap(t, e, b, 0) }); n > 0 && !raced { // under the race detector a sync.Pool forgets at random
		t.Errorf("Wrap allocates %v times", n)
	}
	if grown := tape.Bytes() - before; grown > 1<<17 {
		t.Errorf("the tape has grown by %d bytes", grown)
	}
}

func BenchmarkWrap(b *testing.B) {
	records := make([]connector.Record, 100)
	for i := range records {
		records[i] = connector.Record{RawKey: []byte("car-000001"), RawValue: []byte(`{"a":1}`), Headers: []connector.Header{{Name: "h", Value: []byte("v")}}, Timestamp: at}
	}
	e := compiled(b, Config{}, JSON)
	b.ReportAllocs()
	for b.Loop() {
		batch := batch(b, serde.StringDecoder{}, jsonDecoder(b), records...)
		for i := range records {
			if _, err := e.Wrap(batch.Tape(), batch, i); err != nil {
				b.Fatal(err)
			}
		}
	}
}
