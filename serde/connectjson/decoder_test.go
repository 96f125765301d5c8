package connectjson_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/connectjson"
	"github.com/millrace/millrace/serde/serdetest"
)

func decoder(t testing.TB, c connectjson.Config) *connectjson.Decoder {
	t.Helper()
	d, err := connectjson.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// decode returns the value as JSON, or the error's text.
func decode(t testing.TB, d *connectjson.Decoder, data string) (got string, v serde.Value) {
	t.Helper()
	v, err := d.Decode(t.Context(), serde.NewTape(), "t", []byte(data))
	if err != nil {
		return err.Error(), v
	}
	out, err := v.AppendJSON(nil)
	if err != nil {
		return err.Error(), v
	}
	return string(out), v
}

func record(schema, payload string) string {
	return `{"schema":` + schema + `,"payload":` + payload + `}`
}

const named = `{"type":%q,"name":%q}`

func TestTypes(t *testing.T) {
	d := decoder(t, connectjson.DefaultConfig())
	for _, c := range []struct {
		schema, payload, want string
		kind                  serde.Kind
	}{
		{`{"type":"int8"}`, `-128`, `-128`, serde.Int64},
		{`{"type":"int8"}`, `128`, `connect json: payload: 128 is out of the range of int8`, 0},
		{`{"type":"int8"}`, `-129`, `connect json: payload: -129 is out of the range of int8`, 0},
		{`{"type":"int16"}`, `32768`, `connect json: payload: 32768 is out of the range of int16`, 0},
		{`{"type":"int32"}`, `2147483648`, `connect json: payload: 2147483648 is out of the range of int32`, 0},
		{`{"type":"int64"}`, `9223372036854775807`, `9223372036854775807`, serde.Int64},
		{`{"type":"int64"}`, `9223372036854775808`, `connect json: payload: got decimal, want int64`, 0},
		{`{"type":"int32"}`, `7.0`, `7`, serde.Int64},
		{`{"type":"int32"}`, `7.5`, `connect json: payload: got number, want int32`, 0},
		{`{"type":"int32"}`, `"7"`, `connect json: payload: got string, want int32`, 0},
		{`{"type":"float"}`, `0.1`, `0.1`, serde.Float64},
		{`{"type":"float"}`, `1e39`, `connect json: payload: the number is out of the range of float`, 0},
		{`{"type":"double"}`, `1.50`, `1.50`, serde.Float64},
		{`{"type":"double"}`, `7`, `7`, serde.Int64},
		{`{"type":"double"}`, `"NaN"`, `write JSON: the number is NaN, which JSON can't hold`, serde.Float64},
		{`{"type":"double"}`, `"-Infinity"`, `write JSON: the number is -Inf, which JSON can't hold`, serde.Float64},
		{`{"type":"double"}`, `"x"`, `connect json: payload: got string, want double`, 0},
		{`{"type":"boolean"}`, `true`, `true`, serde.Bool},
		{`{"type":"boolean"}`, `1`, `connect json: payload: got integer, want boolean`, 0},
		{`{"type":"string"}`, `"a\u00e9"`, `"a\u00e9"`, serde.String},
		{`{"type":"string"}`, `null`, `connect json: payload: is null, and the schema says that it isn't optional`, 0},
		{`{"type":"string","optional":true}`, `null`, `null`, serde.Null},
		{`{"type":"string","default":"x"}`, `null`, `"x"`, serde.String},
		{`{"type":"bytes"}`, `"AP8="`, `"AP8="`, serde.Bytes},
		{`{"type":"bytes"}`, `"A"`, `connect json: payload: the bytes aren't base64`, 0},
		{`{"type":"bytes"}`, `1`, `connect json: payload: got integer, want bytes as a base64 string`, 0},
		{`{"type":"array","items":{"type":"int8"}}`, `[1,2]`, `[1,2]`, serde.Array},
		{`{"type":"array","items":{"type":"int8"}}`, `[1,200]`, `connect json: field "[1]": 200 is out of the range of int8`, 0},
		{`{"type":"array","items":{"type":"bytes"}}`, `["AA==",null]`, `connect json: field "[1]": is null, and the schema says that it isn't optional`, 0},
		{`{"type":"map","keys":{"type":"string"},"values":{"type":"int8"}}`, `{"a":1}`, `{"a":1}`, serde.Object},
		{`{"type":"map","keys":{"type":"string"},"values":{"type":"bytes"}}`, `{"a\n":"AA==","":"AQ=="}`, `{"a\n":"AA==","":"AQ=="}`, serde.Object},
		{`{"type":"map","keys":{"type":"string"},"values":{"type":"bytes"}}`, `{"a":1}`, `connect json: field "a": got integer, want bytes as a base64 string`, 0},
		{`{"type":"map","keys":{"type":"string"},"values":{"type":"bytes"}}`, `[]`, `connect json: payload: got array, want a map with string keys, which is an object`, 0},
		{`{"type":"map","keys":{"type":"int32"},"values":{"type":"string"}}`, `[[1,"a"],[-2,"b"]]`, `{"1":"a","-2":"b"}`, serde.Object},
		{`{"type":"map","keys":{"type":"int32"},"values":{"type":"string"}}`, `[[1,"a"],[1,"b"]]`, `connect json: payload: the key "1" comes twice`, 0},
		{`{"type":"map","keys":{"type":"int32"},"values":{"type":"string"}}`, `[["1","a"]]`, `connect json: payload: the key: got string, want int32`, 0},
		{`{"type":"map","keys":{"type":"int32"},"values":{"type":"string"}}`, `[[1]]`, `connect json: field "[0]": is no pair of a key and a value`, 0},
		{`{"type":"map","keys":{"type":"int32"},"values":{"type":"string"}}`, `{"1":"a"}`, `connect json: payload: got object, want a map with int32 keys, which is an array of pairs`, 0},
		{`{"type":"map","keys":{"type":"int8"},"values":{"type":"map","keys":{"type":"boolean"},"values":{"type":"string"}}}`,
			`[[1,[[true,"x"],[false,"y"]]],[2,[]],[3,[[true,"z"]]]]`, `{"1":{"true":"x","false":"y"},"2":{},"3":{"true":"z"}}`, serde.Object},
		{`null`, `{"any":[1.50]}`, `{"any":[1.50]}`, serde.Object},
	} {
		got, v := decode(t, d, record(c.schema, c.payload))
		if got != c.want || v.Kind() != c.kind {
			t.Errorf("%s %s\ngot  %s %s\nwant %s %s", c.schema, c.payload, v.Kind(), got, c.kind, c.want)
		}
	}
}

func TestLogicalTypes(t *testing.T) {
	for _, c := range []struct{ typ, name, payload, want, epoch string }{
		{"int32", "org.apache.kafka.connect.data.Date", `20778`, `date "2026-11-21"`, ""},
		{"int32", "org.apache.kafka.connect.data.Time", `36000123`, `time "10:00:00.123"`, ""},
		{"int32", "org.apache.kafka.connect.data.Time", `86400000`, `connect json: payload: 86400000 is no time of a day`, ""},
		{"int64", "org.apache.kafka.connect.data.Timestamp", `1795255200123`, `timestamp "2026-11-21T10:00:00.123Z"`, "1795255200123"},
		{"int64", "org.apache.kafka.connect.data.Timestamp", `9223372036854775807`, `connect json: payload: 9223372036854775807 milliseconds are out of the range of timestamps`, "9223372036854775807"},
		{"int64", "org.apache.kafka.connect.data.Timestamp", `9223372036854776`, `connect json: payload: 9223372036854776 milliseconds are out of the range of timestamps`, "9223372036854776"},
		{"int64", "org.apache.kafka.connect.data.Timestamp", `"x"`, `connect json: payload: got string, want int64`, "connect json: payload: got string, want int64"},
		{"int32", "io.debezium.time.Date", `-1`, `date "1969-12-31"`, ""},
		{"int32", "io.debezium.time.Time", `1`, `time "00:00:00.001"`, ""},
		{"int64", "io.debezium.time.MicroTime", `86399999999`, `time "23:59:59.999999"`, ""},
		{"int64", "io.debezium.time.NanoTime", `36000000001000`, `time "10:00:00.000001"`, ""},
		{"int64", "io.debezium.time.NanoTime", `36000000000001`, `string "10:00:00.000000001"`, ""},
		{"int64", "io.debezium.time.NanoTime", `-1`, `connect json: payload: -1 is no time of a day`, ""},
		{"int64", "io.debezium.time.Timestamp", `-1`, `timestamp "1969-12-31T23:59:59.999Z"`, "-1"},
		{"int64", "io.debezium.time.MicroTimestamp", `1795255200123456`, `timestamp "2026-11-21T10:00:00.123456Z"`, "1795255200123456"},
		{"int64", "io.debezium.time.NanoTimestamp", `1795255200123456000`, `timestamp "2026-11-21T10:00:00.123456Z"`, "1795255200123456000"},
		{"int64", "io.debezium.time.NanoTimestamp", `1795255200123456789`, `string "2026-11-21T10:00:00.123456789Z"`, "1795255200123456789"},
		{"int64", "io.debezium.time.NanoTimestamp", `-1`, `string "1969-12-31T23:59:59.999999999Z"`, "-1"},
		{"string", "io.debezium.time.ZonedTimestamp", `"2026-11-21T14:00:00.5+04:00"`, `timestamp "2026-11-21T10:00:00.5Z"`, `"2026-11-21T14:00:00.5+04:00"`},
		{"string", "io.debezium.time.ZonedTimestamp", `"2026-11-21T10:00:00.123456789Z"`, `string "2026-11-21T10:00:00.123456789Z"`, `"2026-11-21T10:00:00.123456789Z"`},
		{"string", "io.debezium.time.ZonedTimestamp", `"infinity"`, `string "infinity"`, `"infinity"`},
		{"string", "io.debezium.time.ZonedTime", `"10:00:00+04:00"`, `string "10:00:00+04:00"`, ""},
		{"string", "io.debezium.data.Uuid", `"09f5d5ca-4a5b-4e4f-8b4e-0123456789AB"`, `uuid "09f5d5ca-4a5b-4e4f-8b4e-0123456789ab"`, ""},
		{"string", "io.debezium.data.Uuid", `"09f5d5ca"`, `string "09f5d5ca"`, ""},
		{"string", "io.debezium.data.Json", `"{\"a\":1}"`, `string "{\"a\":1}"`, ""},
		{"string", "io.debezium.data.Enum", `"red"`, `string "red"`, ""},
		{"int32", "io.debezium.time.Unknown", `7`, `integer 7`, ""},
		{"int64", "io.debezium.time.Date", `7`, `connect json: schema: the type of io.debezium.time.Date is "int64", want int32`, ""},
	} {
		for _, epoch := range []bool{false, true} {
			conf, want := connectjson.DefaultConfig(), c.want
			if epoch {
				conf.Timestamps = "epoch"
			}
			got, v := decode(t, decoder(t, conf), record(fmt.Sprintf(named, c.typ, c.name), c.payload))
			switch {
			case epoch && c.epoch != "":
				want = c.epoch
			case v.Exists():
				got = v.Kind().String() + " " + got
			}
			if got != want {
				t.Errorf("%s %s, epoch %v: got %s, want %s", c.name, c.payload, epoch, got, want)
			}
		}
	}
}

func TestDecimals(t *testing.T) {
	d := decoder(t, connectjson.DefaultConfig())
	for _, c := range []struct{ scale, payload, want string }{
		{"2", `"BOI="`, "12.50"}, // 1250
		{"2", `"+x4="`, "-12.50"},
		{"0", `"BOI="`, "1250"},
		{"-2", `"BOI="`, "125000"},
		{"-2", `"AA=="`, "0"},
		{"2", `"AA=="`, "0.00"},
		{"5", `"/w=="`, "-0.00001"},
		{"2", `"//8="`, "-0.01"},                        // longer than it must be
		{"0", `"f/////////8="`, "9223372036854775807"},  // 8 bytes
		{"0", `"gAAAAAAAAAA="`, "-9223372036854775808"}, // 8 bytes
		{"3", `"AIAAAAAAAAAA"`, "9223372036854775.808"}, // 9 bytes
		{"0", `"/3//////////"`, "-9223372036854775809"}, // 9 bytes
		{"2", `""`, `connect json: payload: a decimal has 0 bytes, want 1 to 425`},
		{"2", `true`, `connect json: payload: got bool, want bytes as a base64 string`},
		{"2", `12.50`, "12.50"}, // decimal.format=NUMERIC
		{"2", `12.5`, "12.50"},
		{"2", `1.25E+1`, "12.50"},
		{"2", `-0.0`, "0.00"},
		{"2", `-0.01`, "-0.01"},
		{"2", `12.500`, "12.50"},
		{"2", `12`, "12.00"},
		{"2", `0`, "0.00"},
		{"2", `123456789012345678901234567890.12`, "123456789012345678901234567890.12"},
		{"2", `12.505`, `connect json: payload: the decimal has more than 2 digits behind the point`},
		{"-2", `1200`, "1200"},
		{"-2", `1250`, `connect json: payload: the decimal has more than -2 digits behind the point`},
		{"2", `1e2000`, `connect json: payload: the exponent of a decimal is beyond 1024`},
		{"1001", `1`, `connect json: schema: the parameter scale of org.apache.kafka.connect.data.Decimal is "1001", want a number from -1000 to 1000`},
		{"", `1`, `connect json: schema: the parameter scale of org.apache.kafka.connect.data.Decimal is "", want a number from -1000 to 1000`},
	} {
		got, v := decode(t, d, record(`{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"`+c.scale+`"}}`, c.payload))
		if got != c.want || v.Exists() && v.Kind() != serde.Decimal {
			t.Errorf("%s, scale %s: got %s %s, want %s", c.payload, c.scale, v.Kind(), got, c.want)
		}
	}
	variable := `{"type":"struct","name":"io.debezium.data.VariableScaleDecimal","fields":[{"type":"int32","field":"scale"},{"type":"bytes","field":"value"}]}`
	for payload, want := range map[string]string{
		`{"scale":2,"value":"BOI="}`:    "12.50",
		`{"scale":5000,"value":"BOI="}`: `connect json: field "scale": 5000 is out of the range from -1000 to 1000`,
		`{"value":"BOI="}`:              `connect json: field "scale": got missing, want int32`,
		`{"scale":2}`:                   `connect json: payload: got missing, want bytes as a base64 string`,
		`[]`:                            `connect json: payload: got array, want struct`,
	} {
		if got, _ := decode(t, d, record(variable, payload)); got != want {
			t.Errorf("%s: got %s, want %s", payload, got, want)
		}
	}
}

const orders = `{"type":"struct","name":"shop.Order","optional":false,"fields":[
	{"type":"int64","optional":false,"field":"id"},
	{"type":"string","optional":true,"field":"note"},
	{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"default":"BOI=","field":"price"},
	{"type":"int64","name":"io.debezium.time.MicroTimestamp","field":"at"},
	{"type":"struct","optional":true,"field":"pos","fields":[{"type":"double","field":"lat"},{"type":"int8","default":3,"optional":true,"field":"level"}]}]}`

func TestStructs(t *testing.T) {
	d := decoder(t, connectjson.DefaultConfig())
	for payload, want := range map[string]string{
		`{"id":1,"note":"a","price":"AA==","at":0,"pos":{"lat":1.5,"level":4}}`: `{"id":1,"note":"a","price":0.00,"at":"1970-01-01T00:00:00Z","pos":{"lat":1.5,"level":4}}`,
		`{"id":1,"at":0}`:                              `{"id":1,"note":null,"price":12.50,"at":"1970-01-01T00:00:00Z","pos":null}`,
		`{"pos":{"lat":1},"at":0,"x":[1],"id":1}`:      `{"id":1,"note":null,"price":12.50,"at":"1970-01-01T00:00:00Z","pos":{"lat":1,"level":3}}`,
		`{"id":1,"at":0,"pos":{"lat":1,"level":null}}`: `{"id":1,"note":null,"price":12.50,"at":"1970-01-01T00:00:00Z","pos":{"lat":1,"level":null}}`,
		`{"id":1,"at":0,"price":null}`:                 `{"id":1,"note":null,"price":12.50,"at":"1970-01-01T00:00:00Z","pos":null}`,
		`{"id":1,"at":0,"note":"\u0041\n"}`:            `{"id":1,"note":"A\n","price":12.50,"at":"1970-01-01T00:00:00Z","pos":null}`,
		`{"id":1}`:                                     `connect json: field "at": is missing, and the schema has no default for it and says that it isn't optional`,
		`{"id":1,"at":0,"pos":{"lat":"x"}}`:            `connect json: field "pos.lat": got string, want double`,
		`{"id":null,"at":0}`:                           `connect json: field "id": is null, and the schema says that it isn't optional`,
		`[1]`:                                          `connect json: payload: got array, want struct`,
	} {
		got, v := decode(t, d, record(orders, payload))
		if got != want {
			t.Errorf("%s\ngot  %s\nwant %s", payload, got, want)
		}
		if s := v.Schema(); v.Exists() && (s == nil || s.Format != connectjson.Format || s.Name != "shop.Order" || !strings.HasPrefix(s.Text, `{"type":"struct"`)) {
			t.Errorf("%s: schema %v", payload, s)
		}
	}
	plain := `{"type":"struct","name":"n","fields":[{"type":"int64","field":"id"},{"type":"double","field":"x","optional":true}]}`
	for payload, want := range map[string]string{
		`{"id":1, "x":1.50}`: `{"id":1, "x":1.50}`, // what needs no change is copied as it was
		`{"x":1.50,"id":1}`:  `{"id":1,"x":1.5}`,
		`{"id":1}`:           `{"id":1,"x":null}`,
		`{"id":1,"y":2}`:     `{"id":1,"x":null}`,
	} {
		got, v := decode(t, d, record(plain, payload))
		if got != want || v.Schema() == nil || v.Schema().Name != "n" {
			t.Errorf("%s: got %s, want %s", payload, got, want)
		}
	}
}

// A struct that lacks a member doesn't get that of the one before it.
func TestStructsInARow(t *testing.T) {
	schema := `{"type":"array","items":{"type":"struct","fields":[{"type":"bytes","optional":true,"field":"a"},{"type":"int8","optional":true,"field":"b"}]}}`
	got, _ := decode(t, decoder(t, connectjson.DefaultConfig()), record(schema, `[{"a":"AA==","b":1},{"b":2},{"a":"AQ=="},{}]`))
	if want := `[{"a":"AA==","b":1},{"a":null,"b":2},{"a":"AQ==","b":null},{"a":null,"b":null}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEnvelope(t *testing.T) {
	config := connectjson.DefaultConfig()
	strict := decoder(t, config)
	config.Envelope = "optional"
	lax := decoder(t, config)
	for _, doc := range []string{`{"id":1}`, `[]`, `1`, `{"schema":{"type":"int8"}}`, `{"schema":{"type":"int8"},"payload":1,"x":2}`, `{"schema":1,"payload":1}`, `{"schema":{"id":1},"payload":1}`} {
		if got, _ := decode(t, strict, doc); !strings.Contains(got, "schemas.enable=false") {
			t.Errorf("%s: %s", doc, got)
		}
		if got, _ := decode(t, lax, doc); got != doc {
			t.Errorf("%s: %s", doc, got)
		}
	}
	if got, _ := decode(t, lax, record(`{"type":"int8"}`, `1`)); got != "1" {
		t.Errorf("got %s", got)
	}
	if got, _ := decode(t, strict, `{`); !strings.Contains(got, "JSON ends early") {
		t.Errorf("got %s", got)
	}
}

func TestBadSchemas(t *testing.T) {
	d := decoder(t, connectjson.DefaultConfig())
	for schema, want := range map[string]string{
		`{"type":"int128"}`:                            `the type "int128" is not one of Kafka Connect's`,
		`{"type":"array"}`:                             `items: got missing, want an object`,
		`{"type":"map","keys":{"type":"string"}}`:      `values: got missing`,
		`{"type":"map","values":{"type":"string"}}`:    `keys: got missing`,
		`{"type":"struct"}`:                            `fields: got missing, want an array`,
		`{"type":"struct","fields":[{"type":"int8"}]}`: `fields[0]: the name of the field is missing`,
		`{"type":"struct","fields":[{"type":"int8","field":"a"},{"type":"int8","field":"a"}]}`:                `the field "a" comes twice`,
		`{"type":"struct","fields":[{"type":"x","field":"a"}]}`:                                               `field "a": the type "x"`,
		`{"type":"struct","name":"io.debezium.data.VariableScaleDecimal","fields":[]}`:                        `must have the fields scale`,
		strings.Repeat(`{"type":"array","items":`, 100) + `{"type":"int8"}` + strings.Repeat("}", 100):        `nested more than 64 deep`,
		strings.Repeat(`{"type":"array","items":`, 200) + `{"type":"int8"}` + strings.Repeat("}", 200):        `nested more than 128 deep`,
		`{"type":"struct","fields":[` + strings.Repeat(" ", 1<<20) + `"` + strings.Repeat("x", 1<<20) + `"]}`: `at most 1048576 are possible`,
	} {
		if got, _ := decode(t, d, record(schema, `1`)); !strings.Contains(got, want) || len(got) > 1000 {
			t.Errorf("%.200s: got %.300s, want %s", schema, got, want)
		}
	}
}

// Schemas and payloads that would grow without end are errors.
func TestBombs(t *testing.T) {
	d := decoder(t, connectjson.DefaultConfig())
	var wide strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&wide, `{"type":"int8","optional":true,"field":"f%d"},`, i)
	}
	structs := func(field string) string {
		return `{"type":"array","items":{"type":"struct","fields":[` + field + `]}}`
	}
	many := `[` + strings.Repeat(`{},`, 100_000) + `{}]`
	long := strings.Repeat("x", 100_000)
	numbers := `[` + strings.Repeat(`1,`, 10_000) + `1]`
	for name, c := range map[string]struct{ schema, payload, want string }{
		"missing fields":    {structs(strings.TrimSuffix(wide.String(), ",")), many, "the value has more than"},
		"long defaults":     {structs(`{"type":"string","default":"` + long + `","field":"a"}`), many, "too long for its"},
		"large defaults":    {structs(`{"type":"array","items":{"type":"int32"},"default":` + numbers + `,"field":"a"}`), many, "the value has more than"},
		"large map default": {structs(`{"type":"map","keys":{"type":"int8"},"values":{"type":"int8"},"default":[` + strings.Repeat(`[1,1],`, 10_000) + `[1,1]],"field":"a"}`), many, "the value has more than"},
		"long decimals": {`{"type":"array","items":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"1000"}}}`,
			`[` + strings.Repeat(`"AQ==",`, 100_000) + `"AQ=="]`, "too long for its"},
		"long decimal": {`{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"1"}}`, `"` + strings.Repeat("QUJD", 1000) + `"`, "a decimal has 3000 bytes"},
		"long key":     {`{"type":"map","keys":{"type":"bytes"},"values":{"type":"int8"}}`, `[["` + strings.Repeat("A", 70_000) + `",1]]`, "a key has 70000 bytes"},
	} {
		if got, _ := decode(t, d, record(c.schema, c.payload)); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %.200s, want %s", name, got, c.want)
		}
	}
}

// The cache is emptied when it is full; what is decoded doesn't change.
func TestManySchemas(t *testing.T) {
	d := decoder(t, connectjson.DefaultConfig())
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			tape := serde.NewTape()
			for i := range 3000 {
				name := fmt.Sprint("f", i%1500)
				schema := `{"type":"struct","name":"` + name + `","fields":[{"type":"bytes","field":"` + name + `"}]}`
				v, err := d.Decode(t.Context(), tape, "t", []byte(record(schema, `{"`+name+`":"AA=="}`)))
				if err != nil || v.Field(name).Kind() != serde.Bytes || v.Schema().Name != name {
					t.Errorf("worker %d, %s: %v", worker, name, err)
					return
				}
				tape.Reset()
			}
		})
	}
	wg.Wait()
}

var samples = []serdetest.Sample{
	{Name: "order", Topic: "t", Data: []byte(record(orders, `{"id":1,"note":"a\"b","at":1795255200123456,"pos":{"lat":40.4}}`)),
		JSON: `{"id":1,"note":"a\"b","price":12.50,"at":"2026-11-21T10:00:00.123456Z","pos":{"lat":40.4,"level":3}}`},
	{Name: "as it is", Topic: "t", Data: []byte(record(`{"type":"struct","fields":[{"type":"string","field":"a"}]}`, `{"a":"x"}`)), JSON: `{"a":"x"}`},
	{Name: "map", Topic: "t", Data: []byte(record(`{"type":"map","keys":{"type":"int8"},"values":{"type":"string"}}`, `[[1,"x"],[2,"y"]]`)), JSON: `{"1":"x","2":"y"}`},
	{Name: "no schema", Topic: "t", Data: []byte(`{"schema":null,"payload":[1]}`), JSON: `[1]`},
}

func TestDecoder(t *testing.T) {
	serdetest.Test(t, decoder(t, connectjson.DefaultConfig()), samples)
	serdetest.Test(t, decoder(t, connectjson.Config{Envelope: "optional"}), samples)
}

func TestConfig(t *testing.T) {
	for want, c := range map[string]connectjson.Config{
		`timestamps is "utc", expected rfc3339 or epoch`:     {Timestamps: "utc"},
		`envelope is "maybe", expected required or optional`: {Envelope: "maybe"},
		`depth is -1`: {Limits: serde.Limits{Depth: -1}},
	} {
		if _, err := connectjson.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range samples {
		f.Add(s.Data)
	}
	for _, schema := range []string{`{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"-3"}}`,
		`{"type":"array","items":{"type":"int64","name":"io.debezium.time.NanoTimestamp"}}`,
		`{"type":"array","items":{"type":"string","name":"io.debezium.data.Uuid","default":"x"}}`} {
		for _, payload := range []string{`1.5e2`, `"AQID"`, `[1,null]`, `["09f5d5ca-4a5b-4e4f-8b4e-0123456789ab"]`} {
			f.Add([]byte(record(schema, payload)))
		}
	}
	d := decoder(f, connectjson.Config{Envelope: "optional"})
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		v, err := d.Decode(t.Context(), serde.NewTape(), "t", data)
		if !bytes.Equal(data, before) {
			t.Fatal("Decode changed its input")
		}
		if err != nil {
			return
		}
		out, err := v.AppendJSON(nil)
		if err != nil {
			return // NaN, or a year beyond 9999
		}
		if _, err := serde.NewTape().JSON(out, serde.Limits{}); err != nil {
			t.Errorf("%s is no JSON: %v", out, err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct{ name, payload string }{
		{"typed", `{"id":9007199254740993,"note":"call before","price":"BOI=","at":1795255200123456,"pos":{"lat":40.4,"level":2}}`},
	} {
		b.Run(c.name, func(b *testing.B) { benchmark(b, record(orders, c.payload)) })
	}
	b.Run("as it is", func(b *testing.B) {
		benchmark(b, record(`{"type":"struct","name":"n","fields":[{"type":"int64","optional":false,"field":"id"},{"type":"string","optional":true,"field":"note"}]}`, `{"id":1,"note":"x"}`))
	})
}

func benchmark(b *testing.B, doc string) {
	d, tape, data := decoder(b, connectjson.DefaultConfig()), serde.NewTape(), []byte(doc)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		tape.Reset()
		if _, err := d.Decode(b.Context(), tape, "t", data); err != nil {
			b.Fatal(err)
		}
	}
}
