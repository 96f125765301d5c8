package parquet

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// fuzzSchema has a column of each way to convert, at several depths.
func fuzzSchema() *table.Schema {
	point := table.Type{Kind: table.Struct, Nullable: true, Fields: []table.Field{
		nullable("x", table.Int32), {Name: "y", Aliases: []string{"z"}, Type: table.Type{Kind: table.Float64, Nullable: true}}, nullableList("l", nullable("", table.String)),
	}}
	d := decimalType(20, 4)
	d.Nullable = true
	return &table.Schema{Rest: "_rest", Fields: []table.Field{
		requiredOf("i", table.Int64), nullable("f", table.Float64), nullable("s", table.String), nullable("b", table.Bool), nullable("j", table.JSON), nullable("bytes", table.Bytes),
		nullable("u", table.UUID), nullable("date", table.Date), nullable("t", table.TimeMicros), nullable("ts", table.TimestampMicros), {Name: "d", Type: d},
		{Name: "p", Type: point}, {Name: "ps", Type: table.Type{Kind: table.List, Nullable: true, Elem: &point}}, {Name: "m", Type: table.Type{Kind: table.Map, Nullable: true, Elem: &point}},
		{Name: "ll", Type: table.Type{Kind: table.List, Elem: &table.Type{Kind: table.List, Elem: &table.Type{Kind: table.Int32}}}, Default: []byte("[[1],[]]")},
	}}
}

// expected is what assemble makes of v in a column of type typ, by other means than the shredder's. v was taken.
func expected(typ *table.Type, v serde.Value) string {
	var out []string
	switch {
	case v.IsNull() && typ.Nullable:
		return "null"
	case typ.Kind == table.Struct:
		return expectedStruct(typ.Fields, v)
	case typ.Kind == table.List:
		for e := range v.Elements() {
			out = append(out, expected(typ.Elem, e))
		}
		return "[" + strings.Join(out, ",") + "]"
	case typ.Kind == table.Map:
		for k, e := range v.Members() {
			out = append(out, strconv.Quote(k)+":"+expected(typ.Elem, e))
		}
		return "{" + strings.Join(out, ",") + "}"
	}
	return strconv.Quote(expectedScalar(typ, v))
}

func expectedStruct(fields []table.Field, v serde.Value) string {
	var out []string
	for i := range fields {
		f := &fields[i]
		m := v.Field(f.Name)
		for _, alias := range f.Aliases {
			if !m.Exists() {
				m = v.Field(alias)
			}
		}
		if !m.Exists() && f.Default != nil {
			m, _ = serde.NewTape().JSON(f.Default, serde.Limits{})
		}
		out = append(out, strconv.Quote(f.Name)+":"+expected(&f.Type, m))
	}
	return "{" + strings.Join(out, ",") + "}"
}

func expectedScalar(typ *table.Type, v serde.Value) string {
	written, _ := v.AppendJSON(nil)
	text, _ := v.Text()
	if n, ok := v.Int64(); ok {
		switch typ.Kind {
		case table.Int32, table.Int64, table.Date, table.TimeMicros, table.TimestampMicros:
			return fmt.Sprint(n)
		}
	}
	switch typ.Kind {
	case table.Bool, table.JSON:
		return string(written)
	case table.Float64:
		f, _ := strconv.ParseFloat(string(written), 64)
		return fmt.Sprint(f)
	case table.String:
		return string(text)
	case table.Bytes:
		b, _ := base64.StdEncoding.DecodeString(string(text))
		return hex.EncodeToString(b)
	case table.UUID:
		return strings.ToLower(strings.ReplaceAll(string(text), "-", ""))
	case table.Date:
		t, _ := time.Parse(time.DateOnly, string(text))
		return fmt.Sprint(t.Unix() / secondsPerDay)
	case table.TimeMicros:
		t, _ := time.Parse("15:04:05", string(text))
		return fmt.Sprint(t.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)).Microseconds())
	case table.Decimal:
		r, _ := new(big.Rat).SetString(string(written))
		r.Mul(r, big.NewRat(1e4, 1))
		return hexOf(r.Num().String(), decimalSize(20))
	}
	moment := strings.Replace(strings.ToUpper(string(text)), " ", "T", 1)
	t, err := time.Parse("2006-01-02T15:04:05Z07:00", moment)
	if err != nil {
		t, _ = time.Parse("2006-01-02T15:04:05", moment)
	}
	return fmt.Sprint(t.UnixMicro())
}

// FuzzShred: a row is either taken, and then a reader finds its values, or it isn't, and then the file has nothing of it.
func FuzzShred(f *testing.F) {
	for _, row := range []string{
		`{}`, `null`, `[1]`, `{"i":1}`, `{"i":1.0,"f":1e400}`, `{"i":-9223372036854775808,"f":0.1234567890123456789,"s":"\u00e4\"","b":true,"j":{"a":[null]},"bytes":"/wA="}`,
		`{"i":1,"u":"a8000000-0000-0000-0000-000000000001","date":"2026-01-31","t":"08:00:00.123","ts":"2026-01-31T08:00:00.5+01:00","d":-12.3450}`,
		`{"i":1,"date":1,"t":1,"ts":-1,"d":1e-4}`, `{"i":1,"ts":"2026-01-31 08:00:00","d":12345678901234567890}`, `{"i":1,"j":"x","p":{"x":1,"z":2,"l":["a",null]},"unknown":[1]}`,
		`{"p":{"y":1,"z":2,"w":3},"i":1}`, `{"i":1,"ps":[null,{},{"x":1},{"l":[]},{"l":[null,"a"],"v":[]}],"m":{"":null,"a":{},"b":{"x":5,"o":1}},"ll":[[],[1,2]]}`, `{"i":1,"ps":[{"x":1},{"x":"a"}]}`, `{"i":1,"ll":[[1],[2,null]]}`,
	} {
		f.Add([]byte(row))
	}
	s := fuzzSchema()
	f.Fuzz(func(t *testing.T, row []byte) {
		v, err := serde.NewTape().JSON(row, serde.Limits{Depth: 16, NumberLen: 40})
		if err != nil || hugeExponent(row) {
			return
		}
		const good = `{"i":7,"s":"good","ps":[{"x":1,"l":["a","b"]},null],"m":{"k":{"y":1}},"extra":1}`
		goodValue := fromJSON(t, good)(serde.NewTape())
		file := newFile(t, s, Options{})
		var want []serde.Value
		for _, v := range []serde.Value{goodValue, v, goodValue} {
			if err = file.Add(v); err == nil {
				want = append(want, v)
			} else if connector.ClassOf(err) != connector.Permanent {
				t.Fatal(err)
			}
			if file.Rows() != int64(len(want)) {
				t.Fatalf("%d rows; want %d", file.Rows(), len(want))
			}
		}
		rows := assembleRows(s, readLeaves(t, s, wholeFile(file)))
		if len(rows) != len(want) {
			t.Fatalf("read %d rows; want %d", len(rows), len(want))
		}
		for i, got := range rows {
			w := strings.TrimSuffix(expectedStruct(s.Fields, want[i]), "}") + `,"_rest":`
			rest, ok := strings.CutPrefix(got, w)
			if !ok {
				t.Fatalf("%s:\n%s; want\n%s", row, got, w)
			}
			checkRest(t, strings.TrimSuffix(rest, "}"))
		}
	})
}

// hugeExponent finds exponents that package big can't hold.
func hugeExponent(row []byte) bool {
	for _, part := range strings.FieldsFunc(strings.ToLower(string(row)), func(r rune) bool { return !strings.ContainsRune("0123456789.+-e", r) }) {
		if _, exp, ok := strings.Cut(part, "e"); ok && len(exp) > 4 {
			return true
		}
	}
	return false
}

// checkRest checks that what no column took is null or an object with members.
func checkRest(t *testing.T, quoted string) {
	t.Helper()
	if quoted == "null" {
		return
	}
	text, err := strconv.Unquote(quoted)
	var members map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal([]byte(text), &members)
	}
	if err != nil || len(members) == 0 {
		t.Errorf("%s: %v", quoted, err)
	}
}
