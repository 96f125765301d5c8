package avro

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/serde"
)

func mustParse(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatalf("%.200s: %v", text, err)
	}
	return s
}

func mustEncoder(t testing.TB, text string) *Encoder {
	t.Helper()
	e, err := NewEncoder(mustParse(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func parseJSON(t testing.TB, tape *serde.Tape, text string) serde.Value {
	t.Helper()
	v, err := tape.JSON([]byte(text), serde.Limits{})
	if err != nil {
		t.Fatalf("%.200s: %v", text, err)
	}
	return v
}

const (
	logicalInt   = `{"type":"int","logicalType":"%s"}`
	logicalLong  = `{"type":"long","logicalType":"%s"}`
	decimal42    = `{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`
	fixedDecimal = `{"type":"fixed","name":"D","size":%d,"logicalType":"decimal","precision":%d,"scale":%d}`
	durationType = `{"type":"fixed","name":"P","size":12,"logicalType":"duration"}`
	bothRecords  = `[{"type":"record","name":"A","fields":[{"name":"x","type":"int"}]},{"type":"record","name":"B","fields":[{"name":"x","type":"string"}]},{"type":"map","values":"boolean"}]`
)

// Encodings by the specification. want is hexadecimal, or what the error says after "!".
func TestEncode(t *testing.T) {
	for _, x := range []struct{ schema, json, want string }{
		{`"null"`, `null`, ""},
		{`"null"`, `0`, "!the integer \"0\", which can't be written as null"},
		{`"boolean"`, `true`, "01"},
		{`"boolean"`, `"true"`, "!can't be written as boolean"},
		{`"int"`, `-64`, "7f"},
		{`"int"`, `8e1`, "a001"},
		{`"int"`, `2147483647`, "feffffff0f"},
		{`"int"`, `2147483648`, "!can't be written as int"},
		{`"int"`, `-2147483649`, "!can't be written as int"},
		{`"int"`, `1.5`, "!can't be written as int"},
		{`"int"`, `"1"`, "!can't be written as int"},
		{`"int"`, `null`, "!the value is null"},
		{`"long"`, `-9223372036854775808`, "ffffffffffffffffff01"},
		{`"long"`, `9223372036854775808`, "!can't be written as long"},
		{`"float"`, `0.1`, "cdcccc3d"},
		{`"float"`, `1e39`, "!can't be written as float"},
		{`"double"`, `0.1`, "9a9999999999b93f"},
		{`"double"`, `9007199254740993`, "0000000000004043"},
		{`"double"`, `1e400`, "!can't be written as double"},
		{`"string"`, `"h\u00e9"`, "0668c3a9"},
		{`"string"`, `1`, "!can't be written as string"},
		{`"bytes"`, `"AP8="`, "0400ff"},
		{`"bytes"`, `""`, "00"},
		{`"bytes"`, `"AP8"`, "!isn't base64 of bytes"},
		{`"bytes"`, `"A\nP8="`, "!isn't base64 of bytes"},
		{`"bytes"`, `"AP!="`, "!isn't base64 of bytes"},
		{`"bytes"`, `1`, "!can't be written as bytes"},
		{`{"type":"fixed","name":"F","size":2}`, `"AP8="`, "00ff"},
		{`{"type":"fixed","name":"F","size":3}`, `"AP8="`, "!isn't base64 of fixed F"},
		{`{"type":"enum","name":"E","symbols":["A","B"]}`, `"B"`, "02"},
		{`{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}`, `"C"`, "!can't be written as enum E"},
		{`{"type":"array","items":"int"}`, `[]`, "00"},
		{`{"type":"array","items":"int"}`, `[1,2]`, "04020400"},
		{`{"type":"array","items":"int"}`, `[1,"2"]`, `!member "[1]": the value is the string "2"`},
		{`{"type":"map","values":"int"}`, `{"a":1}`, "0202610200"},
		{`{"type":"map","values":"int"}`, `{"a":{}}`, `!member "a"`},
		{`{"type":"map","values":"int"}`, `[]`, "!can't be written as map"},
		{`{"type":"array","items":"int"}`, `{}`, "!can't be written as array"},

		{fmt.Sprintf(logicalInt, "date"), `"1969-12-31"`, "01"},
		{fmt.Sprintf(logicalInt, "date"), `"2026-11-21"`, "d4c402"},
		{fmt.Sprintf(logicalInt, "date"), `3`, "06"},
		{fmt.Sprintf(logicalInt, "date"), `"2026-11-21T00:00:00Z"`, "!can't be written as int of logical type date"},
		{fmt.Sprintf(logicalInt, "time-millis"), `"00:00:01.5"`, "b817"},
		{fmt.Sprintf(logicalInt, "time-millis"), `"00:00:00.0001"`, "!can't be written as int of logical type time-millis"},
		{fmt.Sprintf(logicalInt, "time-millis"), `86400000`, "!can't be written"},
		{fmt.Sprintf(logicalLong, "time-micros"), `"00:00:00.000001"`, "02"},
		{fmt.Sprintf(logicalLong, "time-micros"), `-1`, "!can't be written"},
		{fmt.Sprintf(logicalLong, "timestamp-millis"), `"1970-01-01T01:00:00.001+01:00"`, "02"},
		{fmt.Sprintf(logicalLong, "timestamp-millis"), `"1969-12-31T23:59:59.999Z"`, "01"},
		{fmt.Sprintf(logicalLong, "timestamp-millis"), `"1970-01-01T00:00:00.0001Z"`, "!can't be written"},
		{fmt.Sprintf(logicalLong, "timestamp-millis"), `7`, "0e"},
		{fmt.Sprintf(logicalLong, "timestamp-millis"), `"1970-01-01T00:00:00"`, "!can't be written"},
		{fmt.Sprintf(logicalLong, "timestamp-micros"), `"1970-01-01T00:00:00.000001Z"`, "02"},
		{fmt.Sprintf(logicalLong, "timestamp-nanos"), `"1970-01-01T00:00:00.000000001Z"`, "02"},
		{fmt.Sprintf(logicalLong, "timestamp-nanos"), `"1970-01-01T00:00:00.0000000001Z"`, "!can't be written"},
		{fmt.Sprintf(logicalLong, "timestamp-nanos"), `"1677-09-21T00:12:43.145224192Z"`, "ffffffffffffffffff01"},
		{fmt.Sprintf(logicalLong, "timestamp-nanos"), `"1677-09-21T00:12:43.145224191Z"`, "!can't be written"},
		{fmt.Sprintf(logicalLong, "timestamp-nanos"), `"2262-04-11T23:47:16.854775807Z"`, "feffffffffffffffff01"},
		{fmt.Sprintf(logicalLong, "timestamp-nanos"), `"2262-04-11T23:47:16.854775808Z"`, "!can't be written"},
		{fmt.Sprintf(logicalLong, "local-timestamp-millis"), `"1970-01-01T00:00:00.001"`, "02"},
		{fmt.Sprintf(logicalLong, "local-timestamp-millis"), `"1970-01-01T00:00:00.001Z"`, "!can't be written"},
		{fmt.Sprintf(logicalLong, "local-timestamp-nanos"), `"1970-01-01T00:00:00.000000001"`, "02"},

		{decimal42, `12.5`, "0404e2"},
		{decimal42, `"12.50"`, "0404e2"},
		{decimal42, `-0.01`, "02ff"},
		{decimal42, `-1.28`, "0280"},
		{decimal42, `1.28`, "040080"},
		{decimal42, `0`, "0200"},
		{decimal42, `0e5000`, "0200"},
		{decimal42, `12.5000000000000000000000000`, "0404e2"},
		{decimal42, `1e1`, "0403e8"},
		{decimal42, `12.505`, "!rounding it to the 2 decimals"},
		{decimal42, `100`, "!has 4 digits, 2 of them decimals"},
		{decimal42, `1e1000000000`, "!has 4 digits"},
		{decimal42, `"1,5"`, "!can't be written as bytes of logical type decimal"},
		{decimal42, `".5"`, "!can't be written as bytes of logical type decimal"},
		{decimal42, `"5."`, "!can't be written as bytes of logical type decimal"},
		{decimal42, `""`, "!can't be written as bytes of logical type decimal"},
		{fmt.Sprintf(fixedDecimal, 4, 9, 0), `-1`, "ffffffff"},
		{fmt.Sprintf(fixedDecimal, 1, 9, 0), `128`, "!the 1 bytes of fixed of logical type decimal don't hold"},
		{fmt.Sprintf(fixedDecimal, 1, 9, 0), `-128`, "80"},
		{fmt.Sprintf(fixedDecimal, 9, 20, 0), `-99999999999999999999`, "fa9438a1d29cf00001"},
		{fmt.Sprintf(fixedDecimal, 9, 20, 0), `99999999999999999999`, "056bc75e2d630fffff"},
		{fmt.Sprintf(fixedDecimal, 8, 20, 0), `99999999999999999999`, "!don't hold"},
		{fmt.Sprintf(fixedDecimal, 12, 20, 0), `-99999999999999999999`, "fffffffa9438a1d29cf00001"},
		{fmt.Sprintf(fixedDecimal, 12, 20, 0), `-5`, "fffffffffffffffffffffffb"},
		{`{"type":"bytes","logicalType":"big-decimal"}`, `12.50`, "080404e204"},
		{`{"type":"bytes","logicalType":"big-decimal"}`, `1e3`, "080403e800"},
		{`{"type":"bytes","logicalType":"big-decimal"}`, `1e9999`, "!more than 4096 digits"},

		{`{"type":"string","logicalType":"uuid"}`, `"no UUID"`, "0e6e6f2055554944"},
		{`{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}`, `"00112233-4455-6677-8899-aabbccddeeff"`, "00112233445566778899aabbccddeeff"},
		{`{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}`, `"00112233-4455-6677-8899-aabbccddeefg"`, "!can't be written"},
		{durationType, `"P1M2DT3.004S"`, "0100000002000000bc0b0000"},
		{durationType, `"P1Y1W"`, "0c0000000700000000000000"},
		{durationType, `"PT1H1M"`, "0000000000000000e0d83700"},
		{durationType, `"P"`, "!can't be written"},
		{durationType, `"PT"`, "!can't be written"},
		{durationType, `"P1D1M"`, "!can't be written"},
		{durationType, `"PT0.0001S"`, "!can't be written"},
		{durationType, `"PT1.5M"`, "!can't be written"},
		{durationType, `"P4294967296D"`, "!can't be written"},

		{`["null","int"]`, `null`, "00"},
		{`["int","null"]`, `null`, "02"},
		{`["null","int"]`, `"x"`, "!none of the types of the union: null, int"},
		{`["int","long"]`, `3000000000`, "0280f882ad16"},
		{`["long","int"]`, `1`, "0002"},
		{`["double","long"]`, `1`, "0202"},
		{`["long","double"]`, `1.5`, "02000000000000f83f"},
		{`["float","double"]`, `0.1`, "029a9999999999b93f"},
		{`["float","double"]`, `0.5`, "000000003f"},
		{`["bytes","string"]`, `"AP8="`, "02084150383d"},
		{`["string",{"type":"enum","name":"E","symbols":["A"]}]`, `"A"`, "0200"},
		{`["string",{"type":"enum","name":"E","symbols":["A"]}]`, `"B"`, "000242"},
		{`[` + fmt.Sprintf(logicalLong, "timestamp-millis") + `,"string"]`, `"1970-01-01T00:00:00.001Z"`, "0230313937302d30312d30315430303a30303a30302e3030315a"},
		{`["null",` + fmt.Sprintf(logicalLong, "timestamp-millis") + `]`, `"1970-01-01T00:00:00.001Z"`, "0202"},
		{`["double",` + decimal42 + `]`, `12345678901234567890123`, "008ab373b215ea8444"},
		{bothRecords, `{"x":1}`, "0002"},
		{bothRecords, `{"x":"1"}`, "020231"},
		{bothRecords, `{"x":true}`, "040202780100"},
		{bothRecords, `{"y":true}`, "040202790100"},
		{`[{"type":"record","name":"A","fields":[{"name":"x","type":"int","default":1}]},{"type":"map","values":"int"}]`, `{}`, "0200"},
		{`[{"type":"record","name":"A","fields":[{"name":"x","type":"int","default":1}]},{"type":"map","values":"int"}]`, `{"x":1}`, "0002"},
		{`[{"type":"record","name":"A","fields":[{"name":"x","type":"int","default":1}]},{"type":"record","name":"B","fields":[]}]`, `{}`, "02"},
		{bothRecords, `{"x":1.5}`, "!member \"x\": the value is the number \"1.5\", which can't be written as int"},
	} {
		tape := serde.NewTape()
		dst := []byte("before")
		out, err := mustEncoder(t, x.schema).Append(dst, parseJSON(t, tape, x.json))
		if want, isError := strings.CutPrefix(x.want, "!"); isError {
			if err == nil || !strings.Contains(err.Error(), want) || string(out) != "before" {
				t.Errorf("%s as %s: got %x %v, want an error with %q", x.json, x.schema, out, err, want)
			}
			continue
		}
		if got := hex.EncodeToString(out[len(dst):]); err != nil || got != x.want {
			t.Errorf("%s as %s: got %s %v, want %s", x.json, x.schema, got, err, x.want)
		}
	}
}

// Values that JSON has no kind for.
func TestEncodeKinds(t *testing.T) {
	tape := serde.NewTape()
	id := [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	millis, micros, nanos := fmt.Sprintf(logicalLong, "timestamp-millis"), fmt.Sprintf(logicalLong, "timestamp-micros"), fmt.Sprintf(logicalLong, "timestamp-nanos")
	at := tape.Timestamp(time.UnixMicro(-1))
	for _, x := range []struct {
		schema string
		v      serde.Value
		want   string
	}{
		{fmt.Sprintf(logicalInt, "date"), tape.Date(-1), "01"},
		{`"int"`, tape.Date(1), "!can't be written as int"},
		{fmt.Sprintf(logicalInt, "time-millis"), tape.TimeOfDay(2000), "04"},
		{fmt.Sprintf(logicalInt, "time-millis"), tape.TimeOfDay(2001), "!can't be written"},
		{fmt.Sprintf(logicalLong, "time-micros"), tape.TimeOfDay(2001), "a21f"},
		{micros, at, "01"},
		{millis, at, "!can't be written as long of logical type timestamp-millis"},
		{millis, tape.Timestamp(time.UnixMilli(-1)), "01"},
		{nanos, at, "cf0f"},
		{nanos, tape.Timestamp(time.Date(2263, 1, 1, 0, 0, 0, 0, time.UTC)), "!can't be written"},
		{fmt.Sprintf(logicalLong, "local-timestamp-micros"), at, "!can't be written"},
		{`"long"`, at, "!can't be written as long"},
		{`"string"`, at, "36313936392d31322d33315432333a35393a35392e3939393939395a"},
		{`"string"`, tape.UUID(id), "4830303031303230332d303430352d303630372d303830392d306130623063306430653066"},
		{`"string"`, tape.Date(0), "14313937302d30312d3031"},
		{`"string"`, tape.BorrowString([]byte("\xff")), "!isn't UTF-8"},
		{`"string"`, tape.CopyBytes([]byte("x")), "!can't be written as string"},
		{`"bytes"`, tape.CopyBytes([]byte("x")), "0278"},
		{`{"type":"fixed","name":"F","size":16}`, tape.UUID(id), "000102030405060708090a0b0c0d0e0f"},
		{`{"type":"fixed","name":"F","size":2}`, tape.CopyBytes([]byte("xyz")), "!the value has 3 bytes, fixed F has 2"},
		{`{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}`, tape.UUID(id), "000102030405060708090a0b0c0d0e0f"},
		{durationType, tape.CopyBytes(make([]byte, 12)), "000000000000000000000000"},
		{durationType, tape.CopyBytes(make([]byte, 11)), "!the value has 11 bytes"},
		{`"double"`, tape.Float64(math.NaN()), "010000000000f87f"},
		{`"float"`, tape.Float64(math.Inf(1)), "0000807f"},
		{decimal42, tape.Float64(0.1), "020a"},
		{decimal42, tape.Float64(math.NaN()), "!can't be written"},
		{decimal42, tape.Int64(-1), "029c"},
		{`"int"`, serde.Value{}, "!the value is missing"},
		{`["null","string",` + micros + `]`, at, "0401"},
		{`["null","string",` + millis + `]`, at, "0236313936392d31322d33315432333a35393a35392e3939393939395a"},
		{`["string",{"type":"string","logicalType":"uuid"}]`, tape.Null(), "!twice"},
		{`["string",{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}]`, tape.UUID(id), "02000102030405060708090a0b0c0d0e0f"},
		{`["bytes",{"type":"fixed","name":"F","size":1}]`, tape.CopyBytes([]byte("x")), "000278"},
		{`[{"type":"fixed","name":"F","size":2},{"type":"fixed","name":"G","size":1}]`, tape.CopyBytes([]byte("x")), "0278"},
		{`["double","float"]`, tape.Float64(math.NaN()), "00010000000000f87f"},
		{`["null","double"]`, tape.Int64(1<<53 + 1), "020000000000004043"},
	} {
		s, err := Parse(x.schema)
		var out []byte
		if err == nil {
			var e *Encoder
			if e, err = NewEncoder(s); err == nil {
				out, err = e.Append(nil, x.v)
			}
		}
		if want, isError := strings.CutPrefix(x.want, "!"); isError {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s as %s: got %x %v, want an error with %q", x.v.Kind(), x.schema, out, err, want)
			}
		} else if got := hex.EncodeToString(out); err != nil || got != x.want {
			t.Errorf("%s as %s: got %s %v, want %s", x.v.Kind(), x.schema, got, err, x.want)
		}
	}
}

const tree = `{"type":"record","name":"a.Tree","fields":[
	{"name":"id","type":"int"},
	{"name":"name","type":"string","default":"?"},
	{"name":"color","type":{"type":"enum","name":"Color","symbols":["RED","BLUE"]},"default":"BLUE"},
	{"name":"raw","type":"bytes","default":"\u0000\u00ff"},
	{"name":"left","type":["null","Tree"],"default":null},
	{"name":"pair","type":{"type":"array","items":"int"},"default":[1,2]},
	{"name":"bad","type":"Color","default":"GREEN"}]}`

func TestEncodeRecords(t *testing.T) {
	e := mustEncoder(t, tree)
	for _, x := range []struct{ json, want string }{
		{`{"id":1,"name":"abc","color":"RED","raw":"AP8=","left":null,"pair":[],"bad":"RED"}`, "020661626300" + "0400ff" + "00" + "00" + "00"},
		{`{"bad":"RED","id":1}`, "02023f02" + "0400ff" + "00" + "04020400" + "00"},
		{`{"bad":"RED","pair":[],"left":{"bad":"BLUE","id":2},"name":"","id":1}`, "020002" + "0400ff" + "02" + "04023f02" + "0400ff" + "00" + "04020400" + "02" + "00" + "00"},
		{`{"id":1}`, `!member "bad": it is missing, and can't have the field's default: the default "GREEN": the enum "a.Color" has no symbol "GREEN"`},
		{`{"name":"x"}`, `!member "id": it is missing, and the field of the record a.Tree has no default`},
		{`{"id":1,"nam":"x","bad":"RED"}`, `!member "nam": the record a.Tree has no such field`},
		{`{"id":1,"bad":"RED","left":{"id":2,"bad":"RED","left":{"id":"3","bad":"RED"}}}`, `!member "left.left.id": the value is the string "3"`},
		{`{"id":1,"bad":"RED","left":{"id":2,"bad":"RED","x":1}}`, `!member "left.x": the record a.Tree has no such field`},
		{`[]`, "!the value is array, which can't be written as record a.Tree"},
	} {
		tape := serde.NewTape()
		out, err := e.Append(nil, parseJSON(t, tape, x.json))
		if want, isError := strings.CutPrefix(x.want, "!"); isError {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %x %v, want an error with %q", x.json, out, err, want)
			}
		} else if got := hex.EncodeToString(out); err != nil || got != x.want {
			t.Errorf("%s: got %s %v, want %s", x.json, got, err, x.want)
		}
	}
}

// list is a record nested so deep.
func list(depth int) string {
	return strings.Repeat(`{"next":`, depth-1) + `{"next":null}` + strings.Repeat("}", depth-1)
}

const listSchema = `{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}`

func TestEncodeDepth(t *testing.T) {
	e := mustEncoder(t, listSchema)
	for range 2 { // an error leaves nothing behind
		for depth, fails := range map[int]bool{64: false, 65: true} {
			v, err := serde.NewTape().JSON([]byte(list(depth)), serde.Limits{Depth: 100})
			if err != nil {
				t.Fatal(err)
			}
			if _, err = e.Append(nil, v); (err != nil) != fails {
				t.Errorf("depth %d: %v", depth, err)
			}
		}
	}
}

// Types of equal records inside each other must not be tried in all combinations.
func TestEncodeTries(t *testing.T) {
	fields := `"fields":[{"name":"x","type":["null","A","B"]},{"name":"y","type":"%s"}]}`
	schema := `{"type":"record","name":"Top","fields":[{"name":"x","type":["null",{"type":"record","name":"A","fields":[
		{"name":"x","type":["null","A",{"type":"record","name":"B",` + fmt.Sprintf(fields, "string") + `]},{"name":"y","type":"int"}]},"B"]}]}`
	e := mustEncoder(t, schema)
	text := `{"x":null,"y":true}` // fits neither
	for range 60 {
		text = `{"x":` + text + `,"y":1}`
	}
	if _, err := e.Append(nil, parseJSON(t, serde.NewTape(), `{"x":`+text+`}`)); err == nil {
		t.Error("a boolean was written as an int or a string")
	}
	if out, err := e.Append(nil, parseJSON(t, serde.NewTape(), `{"x":{"x":{"x":null,"y":"s"},"y":1}}`)); err != nil || hex.EncodeToString(out) != "0204000273"+"02" {
		t.Errorf("got %x, %v", out, err)
	}
}

// Values keep their tapes in memory: none of them stays behind, not even of types that were tried in vain.
func TestEncodeKeepsNothing(t *testing.T) {
	e := mustEncoder(t, `{"type":"array","items":[{"type":"record","name":"A","fields":[{"name":"x","type":"int"},{"name":"y","type":"int"}]},
		{"type":"record","name":"B","fields":[{"name":"x","type":"int"},{"name":"y","type":"string"}]}]}`)
	v := parseJSON(t, serde.NewTape(), `[{"y":"1","x":1},{"y":"1","x":1},{"y":1,"x":1}]`)
	g := encoding{depth: defaultDepth}
	if _, m := g.append(nil, e.root, v); m != nil {
		t.Fatal(m)
	}
	if len(g.slots) > 0 || cap(g.slots) > 4 {
		t.Errorf("%d slots, room for %d", len(g.slots), cap(g.slots))
	}
	for _, x := range g.slots[:cap(g.slots)] {
		if x.Exists() {
			t.Errorf("%s stays behind", x.Kind())
		}
	}
}
