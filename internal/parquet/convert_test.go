package parquet

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// stored is what a column of one value holds after v: numbers in decimal, bytes in hexadecimal, texts as they are.
func storedIn(t *testing.T, typ table.Type, v serde.Value) (string, error) {
	t.Helper()
	s := trialShredder(t, &table.Schema{Fields: []table.Field{{Name: "c", Type: typ}}})
	if err := s.node(&s.plan.root.fields[0], v, 0); err != nil {
		return "", err
	}
	l := &s.leaves[0]
	switch {
	case l.slots != 1 || l.rows != 1:
		t.Fatalf("%d slots, %d rows", l.slots, l.rows)
	case l.nulls == 1:
		return "null", nil
	}
	return valueText(l.column, l.values), nil
}

func trialShredder(t testing.TB, s *table.Schema) shredder {
	t.Helper()
	p, err := newPlan(s)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := newTree(s)
	if err != nil {
		t.Fatal(err)
	}
	return newShredder(p, tree.newLeaves())
}

func valueText(c *column, b []byte) string {
	switch c.physical {
	case format.Boolean:
		return fmt.Sprint(b[0] == 1)
	case format.Int32:
		return fmt.Sprint(int32(binary.LittleEndian.Uint32(b)))
	case format.Int64:
		return fmt.Sprint(int64(binary.LittleEndian.Uint64(b)))
	case format.Float:
		return fmt.Sprint(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case format.Double:
		return fmt.Sprint(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	case format.ByteArray:
		if b = b[4:]; c.kind != table.Bytes {
			return string(b)
		}
	}
	return hex.EncodeToString(b)
}

// A maker makes a value.
type maker func(*serde.Tape) serde.Value

func fromJSON(t testing.TB, text string) maker {
	return func(tape *serde.Tape) serde.Value {
		t.Helper()
		v, err := tape.JSON([]byte(text), serde.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func fromDecimal(t testing.TB, text string) maker {
	return func(tape *serde.Tape) serde.Value {
		v, err := tape.Decimal([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (m maker) in(t *testing.T, typ table.Type) (string, error) {
	t.Helper()
	return storedIn(t, typ, m(serde.NewTape()))
}

var (
	aTimestamp = maker(func(t *serde.Tape) serde.Value { return t.Timestamp(time.UnixMicro(1769846400123456)) })
	aTime      = maker(func(t *serde.Tape) serde.Value { return t.TimeOfDay(28_800_123_456) })
	aDate      = maker(func(t *serde.Tape) serde.Value { return t.Date(-719528) })
	aUUID      = maker(func(t *serde.Tape) serde.Value { return t.UUID([16]byte{0xa8, 15: 1}) })
	someBytes  = maker(func(t *serde.Tape) serde.Value { return t.CopyBytes([]byte{0xff, 0}) })
)

// TestConvert has a line for each conversion and for each refusal: a result that begins with ! is a part of the error.
func TestConvert(t *testing.T) {
	type values map[string]string // by the name of what is made, or by JSON text
	made := map[string]maker{
		"timestamp": aTimestamp, "time": aTime, "date": aDate, "uuid": aUUID, "bytes": someBytes,
		"timestamp of millis":   func(t *serde.Tape) serde.Value { return t.Timestamp(time.UnixMilli(-1)) },
		"time of millis":        func(t *serde.Tape) serde.Value { return t.TimeOfDay(86_399_999_000) },
		"timestamp before 1970": func(t *serde.Tape) serde.Value { return t.Timestamp(time.UnixMicro(-1001)) },
		"year 20000":            func(t *serde.Tape) serde.Value { return t.Timestamp(time.Unix(569e9, 0)) },
		"time of tomorrow":      func(t *serde.Tape) serde.Value { return t.TimeOfDay(86_400_000_000) },
		"NaN":                   func(t *serde.Tape) serde.Value { return t.Float64(math.NaN()) },
		"infinity":              func(t *serde.Tape) serde.Value { return t.Float64(math.Inf(-1)) },
		"int":                   func(t *serde.Tape) serde.Value { return t.Int64(-7) },
		"float":                 func(t *serde.Tape) serde.Value { return t.Float64(12.5) },
		"decimal":               fromDecimal(t, "12.50"),
		"long decimal":          fromDecimal(t, "-1234567890123456789012345.67"),
		"not UTF-8":             func(t *serde.Tape) serde.Value { return t.String("a\xff") },
		"string":                func(t *serde.Tape) serde.Value { return t.String("a\"b") },
	}
	for _, c := range []struct {
		typ    table.Type
		values values
	}{
		{table.Type{Kind: table.Bool}, values{
			"true": "true", "false": "false", "1": "!column c is boolean; the value is an integer", `"true"`: "!column c is boolean; the value is a string", "null": "!column c is boolean and can't be null",
			"{}": "!an object", "[]": "!an array", "date": "!a date",
		}},
		{table.Type{Kind: table.Bool, Nullable: true}, values{"null": "null", "0": "!an integer"}},
		{table.Type{Kind: table.Int32}, values{
			"2147483647": "2147483647", "-2147483648": "-2147483648", "2147483648": "!the value is an integer: the number doesn't fit", "1e3": "1000", "8.0": "8", "8.5": "!a number: the number doesn't fit",
			"1e400": "!the number doesn't fit", `"1"`: "!column c is int32; the value is a string", "true": "!a bool", "int": "-7", "date": "!a date", "decimal": "!doesn't fit",
		}},
		{table.Type{Kind: table.Int64}, values{
			"9223372036854775807": "9223372036854775807", "-9223372036854775808": "-9223372036854775808", "9223372036854775808": "!the number isn't an integer of 64 bits",
			"1.5": "!the number isn't an integer", "float": "!isn't an integer", "NaN": "!isn't an integer", "timestamp": "!column c is int64; the value is a timestamp", `"1"`: "!a string",
		}},
		{table.Type{Kind: table.Float64}, values{
			"1": "1", "1.25": "1.25", "9007199254740993": "9.007199254740992e+15", "0.1234567890123456789": "0.12345678901234568", "1e400": "!column c is float64; the value is a decimal: the number doesn't fit",
			"NaN": "NaN", "infinity": "-Inf", `"NaN"`: "!a string", "decimal": "12.5", "true": "!a bool",
		}},
		{table.Type{Kind: table.Float32}, values{
			"1.25": "1.25", "0.1": "0.1", "16777217": "1.6777216e+07", "1e39": "!doesn't fit", "-1e39": "!doesn't fit", "3.4028235e38": "3.4028235e+38", "NaN": "NaN", "infinity": "-Inf", `"1"`: "!a string",
		}},
		{table.Type{Kind: table.String}, values{
			`"a"`: "a", `""`: "", `"a\"\u00e4"`: "a\"\u00e4", "string": "a\"b", "1": "!column c is string; the value is an integer", "true": "!a bool", "uuid": "a8000000-0000-0000-0000-000000000001", "bytes": "!the value is bytes",
			"timestamp": "2026-01-31T08:00:00.123456Z", "time": "08:00:00.123456", "date": "0000-01-01", "year 20000": "!a timestamp: it has no text", "not UTF-8": "!a string: the text isn't UTF-8", "{}": "!an object",
		}},
		{table.Type{Kind: table.JSON}, values{
			`"a"`: `"a"`, "1.50": "1.50", "null": "null", `{"a":[1, 2]}`: `{"a":[1, 2]}`, "string": `"a\"b"`, "bytes": `"/wA="`, "date": `"0000-01-01"`, "NaN": "!column c: write JSON: the number is NaN", "not UTF-8": "!isn't UTF-8",
		}},
		{table.Type{Kind: table.JSON, Nullable: true}, values{"null": "null", "1": "1"}},
		{table.Type{Kind: table.Bytes}, values{
			"bytes": "ff00", `"/wA="`: "ff00", `""`: "", `"_wA="`: "!column c is bytes; the value is a string: the text isn't base64", `"/wA"`: "!isn't base64", `"/wB="`: "!isn't base64", `"/w\nA="`: "!isn't base64",
			"1": "!an integer", "uuid": "!a uuid", "[1]": "!an array",
		}},
		{table.Type{Kind: table.Fixed, Size: 2}, values{"bytes": "ff00", `"/wA="`: "ff00", `"/w=="`: "!column c is fixed(2); the value is a string: the number of bytes is another", `"ab"`: "!isn't base64", "null": "!can't be null", "1": "!an integer"}},
		{table.Type{Kind: table.UUID}, values{
			"uuid": "a8000000000000000000000000000001", `"A80000000000-0000-0000-000000000001"`: "!a string: the text isn't a UUID", `"A8000000-0000-0000-0000-000000000001"`: "a8000000000000000000000000000001",
			`"a8000000000000000000000000000001"`: "!isn't a UUID", "bytes": "!the value is bytes", "1": "!an integer",
		}},
		{table.Type{Kind: table.Date}, values{
			"date": "-719528", `"2026-01-31"`: "20484", `"1969-12-31"`: "-1", `"0000-01-01"`: "-719528", `"9999-12-31"`: "2932896", "20484": "20484", "-1": "-1", "2147483648": "!doesn't fit",
			`"2026-02-29"`: "!column c is date; the value is a string: the text isn't written as 2026-01-31", `"2024-02-29"`: "19782", `"2026-1-31"`: "!isn't written", `"2026-01-31T08:00:00Z"`: "!isn't written", `"31.01.2026"`: "!isn't written",
			"timestamp": "!a timestamp", "time": "!a time", "true": "!a bool",
		}},
		{table.Type{Kind: table.TimeMillis}, values{
			"time of millis": "86399999", "time": "28800123", `"08:00:00.123"`: "28800123", `"08:00:00"`: "28800000",
			`"08:00:00.1239"`: "28800123", `"08:00:00.1230000000000"`: "!isn't written", `"08:00:00.12300000"`: "28800123", "28800123": "28800123", "86400000": "!it isn't a time of a day", "-1": "!isn't a time of a day", "1.5": "!isn't an integer",
			`"24:00:00"`: "!the text isn't written as 08:00:00.123", `"08:00"`: "!isn't written", `"08:00:00Z"`: "!isn't written", `"08:00:00+01:00"`: "!isn't written", "timestamp": "!a timestamp", "time of tomorrow": "!isn't a time of a day",
		}},
		{table.Type{Kind: table.TimeMicros}, values{
			"time": "28800123456", `"08:00:00.123456"`: "28800123456", `"08:00:00.1234569"`: "28800123456", "28800123456": "28800123456", "86400000000": "!isn't a time of a day", "date": "!a date", "1.5": "!isn't an integer", "time of tomorrow": "!isn't a time of a day",
			`"08-00-00"`: "!isn't written", `"08:00:0a"`: "!isn't written",
		}},
		{table.Type{Kind: table.TimestampMillis}, values{
			"timestamp of millis": "-1", "timestamp": "1769846400123", "timestamp before 1970": "-2", `"1969-12-31T23:59:59.9989Z"`: "-2", `"2026-01-31T08:00:00Z"`: "1769846400000", `"2026-01-31T08:00:00.123Z"`: "1769846400123",
			`"2026-01-31T08:00:00.1239Z"`: "1769846400123", "1769846400123": "1769846400123", "1.7698464e12": "1769846400000", "1.5": "!isn't an integer", "1e30": "!isn't an integer", "-9223372036854775808": "-9223372036854775808",
			"date": "!a date", "true": "!a bool",
		}},
		{table.Type{Kind: table.TimestampMicros, Local: true}, values{"true": "!column c is local_timestamp_micros; the value is a bool", `"2026-01-31T08:00:00"`: "1769846400000000", `"2026-01-31T09:00:00+01:00"`: "1769846400000000"}},
		{table.Type{Kind: table.TimestampMicros}, values{
			"timestamp": "1769846400123456", `"2026-01-31T08:00:00.123456Z"`: "1769846400123456", `"2026-01-31T08:00:00.1234569Z"`: "1769846400123456", `"2026-01-31T08:00:00.1234569999999999Z"`: "1769846400123456", `"1969-12-31T23:59:59.9999999Z"`: "-1",
			`"2026-01-31T08:00:00.1234560000000000Z"`: "1769846400123456", `"2026-01-31T08:00:00.00000000000000000000000000000000000000000Z"`: "!isn't written",
			`"2026-01-31 08:00:00"`: "1769846400000000", `"2026-01-31 08:00:00.5"`: "1769846400500000", `"2026-01-31t08:00:00z"`: "1769846400000000", `"2026-01-31T13:30:00+05:30"`: "1769846400000000", `"2026-01-31T00:15:00-07:45"`: "1769846400000000",
			`"0000-01-01T00:00:00Z"`: "-62167219200000000", `"9999-12-31T23:59:59.999999Z"`: "253402300799999999", "1769846400123456": "1769846400123456", "-1": "-1", "9223372036854775807": "9223372036854775807", "9223372036854775808": "!a decimal: the number isn't an integer",
			`"2026-01-31"`: "!column c is timestamp_micros; the value is a string: the text isn't written as 2026-01-31T08:00:00Z", `"2026-02-30T08:00:00Z"`: "!isn't written", `"2026-01-31T24:00:00Z"`: "!isn't written",
			`"2026-01-31T08:00:60Z"`: "!isn't written", `"2026-01-31T08:00:00."`: "!isn't written", `"2026-01-31T08:00:00.Z"`: "!isn't written", `"2026-01-31T08:00:00+0100"`: "!isn't written", `"2026-01-31T08:00:00+24:00"`: "!isn't written",
			`"2026-01-31T08:00:00+01:60"`: "!isn't written", `"2026-01-31T08:00:00+0a:00"`: "!isn't written", `"2026-01-31T08:00:00*01:00"`: "!isn't written", `"2026-01-31T08:00:00+01.00"`: "!isn't written", `"2026-01-31x08:00:00Z"`: "!isn't written",
			`"1769846400123"`: "!isn't written", "1.5": "!isn't an integer", "date": "!a date", "[]": "!an array", `""`: "!isn't written",
		}},
		{decimalType(4, 2), values{
			"1": "100", "0": "0", "-0.0": "0", "12.5": "1250", "decimal": "1250", "float": "1250", "int": "-700", "-99.99": "-9999", "99.99": "9999", "100": "!column c is decimal(4,2); the value is an integer: it has more digits", "12.345": "!it has more digits",
			"1.345": "!a number: it has more digits behind the point", "12.340000000000": "1234", "0.01": "1", "0.001": "!behind the point", "1.2e1": "1200", "1e1000000000": "!more digits", "1e-1000000000": "!more digits", "0e999999999999": "0", "1e-99999999999999": "!more digits",
			"1e99999999999999": "!more digits", "9000e-2": "9000", "123456": "!more digits", "NaN": "!doesn't fit", `"12.50"`: "!a string", "true": "!a bool", "timestamp": "!a timestamp",
		}},
		{decimalType(9, 0), values{"999999999": "999999999", "-999999999": "-999999999", "1000000000": "!more digits", "1e9223372036854775807": "!more digits", "1.5": "!behind the point", "1.0": "1"}},
		{decimalType(18, 18), values{"0.999999999999999999": "999999999999999999", "-0.000000000000000001": "-1", "1": "!more digits"}},
		{decimalType(18, 3), values{"-123456789012345.678": "-123456789012345678"}},
		{decimalType(27, 2), values{
			"long decimal": hexOf("-123456789012345678901234567", decimalSize(27)), "1": hexOf("100", 12), "-0.01": hexOf("-1", 12), "0": hexOf("0", 12), "1e25": "!more digits", "1e24": hexOf("100000000000000000000000000", 12),
		}},
		{decimalType(76, 0), values{strings.Repeat("9", 76): hexOf(strings.Repeat("9", 76), 32), "-" + strings.Repeat("9", 76): hexOf("-"+strings.Repeat("9", 76), 32), strings.Repeat("9", 77): "!more digits", "1" + strings.Repeat("0", 90) + "1": "!more digits", "-1": strings.Repeat("ff", 32)}},
		{table.Type{Kind: table.Struct, Fields: []table.Field{{Name: "x", Type: table.Type{Kind: table.Int32}}}}, values{"[]": "!column c is struct<x:int32>; the value is an array", `{"x":5}`: "5", `{"x":"a"}`: "!column c.x is int32; the value is a string", "{}": "!column c.x is int32, can't be null and has no default; the value has no member \"x\"", "null": "!can't be null"}},
		{table.Type{Kind: table.List, Elem: &table.Type{Kind: table.Int32}}, values{"[5]": "5", "[]": "null", "{}": "!column c is list<int32>; the value is an object", "[true]": "!column c[] is int32; the value is a bool", "[null]": "!column c[] is int32 and can't be null", "1": "!an integer"}},
		{table.Type{Kind: table.Map, Elem: &table.Type{Kind: table.Int32}}, values{`{"a":5}`: "a", "{}": "null", "[]": "!column c is map<int32>; the value is an array", `{"a":"b"}`: "!column c{} is int32; the value is a string"}},
	} {
		for text, want := range c.values {
			m, ok := made[text]
			if !ok {
				m = fromJSON(t, text)
			}
			got, err := m.in(t, c.typ)
			part, refused := strings.CutPrefix(want, "!")
			switch {
			case refused && (err == nil || !strings.Contains(err.Error(), part) || connector.ClassOf(err) != connector.Permanent):
				t.Errorf("%v of %s: %q, %v; want an error with %q", c.typ.Kind, text, got, err, part)
			case !refused && (err != nil || got != want):
				t.Errorf("%v of %s: %q, %v; want %q", c.typ.Kind, text, got, err, want)
			}
		}
	}
}

func decimalType(precision, scale int) table.Type {
	return table.Type{Kind: table.Decimal, Precision: precision, Scale: scale}
}

// hexOf is a number in two's complement of so many bytes.
func hexOf(text string, size int) string {
	n, _ := new(big.Int).SetString(text, 10)
	if n.Sign() < 0 {
		n.Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	return hex.EncodeToString(n.FillBytes(make([]byte, size)))
}
