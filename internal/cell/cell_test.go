package cell

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

func parse(t testing.TB, text string) serde.Value {
	t.Helper()
	v, err := serde.NewTape().JSON([]byte(text), serde.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// An integer counts the column's own unit; what is finer than that is cut towards the past.
func TestUnits(t *testing.T) {
	tape := serde.NewTape()
	before := tape.Timestamp(time.UnixMicro(-1))
	for _, c := range []struct {
		kind table.Kind
		v    serde.Value
		want int64
		why  Refusal
	}{
		{table.TimestampMillis, tape.Int64(-7), -7, Taken}, {table.TimestampMicros, tape.Int64(-7), -7, Taken}, {table.TimestampMicros, tape.Int64(math.MaxInt64), math.MaxInt64, Taken},
		{table.TimeMillis, tape.Int64(86_399_999), 86_399_999, Taken}, {table.TimeMillis, tape.Int64(86_400_000), 0, NoTime}, {table.TimeMicros, tape.Int64(86_400_000), 86_400_000, Taken},
		{table.TimeMicros, tape.Int64(86_400_000_000), 0, NoTime}, {table.TimeMicros, tape.Int64(-1), 0, NoTime}, {table.Date, tape.Int64(-1), -1, Taken}, {table.Date, tape.Int64(1 << 31), 0, TooLarge},
		{table.TimestampMillis, before, -1, Taken}, {table.TimestampMicros, before, -1, Taken}, {table.TimestampMillis, tape.Timestamp(time.UnixMicro(-1000)), -1, Taken},
		{table.TimestampMillis, tape.Timestamp(time.UnixMicro(1999)), 1, Taken}, {table.TimeMillis, tape.TimeOfDay(1999), 1, Taken}, {table.TimeMicros, tape.TimeOfDay(1999), 1999, Taken},
		{table.TimestampMillis, tape.String("1969-12-31T23:59:59.9999999Z"), -1, Taken}, {table.TimestampMicros, tape.String("1969-12-31T23:59:59.9999999Z"), -1, Taken},
		{table.TimestampMicros, tape.String("1970-01-01T00:00:00.0000019Z"), 1, Taken}, {table.TimeMicros, tape.String("00:00:00.0000019"), 1, Taken}, {table.TimeMillis, tape.String("00:00:00.0019999"), 1, Taken},
		{table.Date, tape.Date(-1), -1, Taken}, {table.Date, tape.String("1969-12-31"), -1, Taken}, {table.Date, before, 0, OtherKind}, {table.TimestampMillis, tape.Float64(1.5), 0, NotInteger},
		{table.Int32, tape.Float64(1.5), 0, TooLarge}, {table.Int64, tape.Float64(8), 8, Taken}, {table.Int64, tape.String("8"), 0, OtherKind}, {table.String, tape.Int64(8), 0, OtherKind},
	} {
		got, why := Integer(c.kind, c.v)
		if why != c.why || why == Taken && got != c.want {
			text, _ := c.v.AppendText(nil)
			t.Errorf("%s of %s %s: %d, %s; want %d, %s", c.kind, c.v.Kind(), text, got, why, c.want, c.why)
		}
	}
}

// TestUnscaled compares numbers in two's complement with those of package big.
func TestUnscaled(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 8))
	for i := range 20_000 {
		precision := 1 + r.IntN(MaxDigits)
		scale := r.IntN(precision + 1)
		digits := make([]byte, 1+r.IntN(precision))
		for i := range digits {
			digits[i] = byte('0' + r.IntN(10))
		}
		want, _ := new(big.Int).SetString(string(digits), 10)
		switch i {
		case 0, 1, 2, 3, 4, 5: // the edges of a byte
			precision, scale = 3, 0
			want.SetInt64([...]int64{127, 128, 129, 255, 256, 0}[i])
		}
		text := string(serde.AppendScaled(nil, []byte(want.String()), scale))
		if r.IntN(2) == 0 && want.Sign() > 0 {
			want.Neg(want)
			text = "-" + text
		}
		var u Unscaled
		if why := u.parse([]byte(text), precision, scale); why != Taken {
			t.Fatalf("%s as decimal(%d,%d): %s", text, precision, scale, why)
		}
		b := u.AppendShortest([]byte("x"))[1:]
		got := new(big.Int).SetBytes(b)
		if b[0] >= 0x80 {
			got.Sub(got, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
		size := want.BitLen()/8 + 1
		if want.Sign() < 0 {
			size = new(big.Int).Not(want).BitLen()/8 + 1
		}
		if got.Cmp(want) != 0 || len(b) != size {
			t.Fatalf("%s: %x is %s of %d bytes; want %s of %d", text, b, got, len(b), want, size)
		}
		if got := string(u.AppendText(nil, scale)); got != text {
			t.Fatalf("%s: %s", text, got)
		}
		if precision <= 18 && u.Int64() != want.Int64() {
			t.Fatalf("%s: %d, want %s", text, u.Int64(), want)
		}
	}
}

func row(t testing.TB, whole bool, fields ...table.Field) *Column {
	t.Helper()
	c, err := New(&table.Schema{Fields: fields}, whole)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The name goes before aliases, an alias before those behind it, a name before an alias of another field; and the guess is no more than one.
func TestTaker(t *testing.T) {
	c := row(t, false, table.Field{Name: "a", Aliases: []string{"x", "b", "y"}}, table.Field{Name: "b", Aliases: []string{"x", "z"}})
	for _, x := range []struct{ object, want string }{
		{`{"a":0,"b":0}`, "a0 b1"}, {`{"b":0,"a":0,"z":0}`, "b1 a0 z-1"}, {`{"x":0}`, "x0"}, {`{"y":0,"x":0}`, "y-1 x0"}, {`{"y":0,"b":0}`, "y0 b1"}, {`{"y":0}`, "y0"},
		{`{"x":0,"a":0}`, "x-1 a0"}, {`{"z":0,"":0}`, "z1 -1"},
	} {
		v := parse(t, x.object)
		for guess := -1; guess < 3; guess++ {
			var got []string
			for name := range v.Members() {
				got = append(got, fmt.Sprint(name, c.Taker(v, name, guess)))
			}
			if strings.Join(got, " ") != x.want {
				t.Errorf("%s, guess %d: %s, want %s", x.object, guess, got, x.want)
			}
		}
	}
}

func TestRest(t *testing.T) {
	integer := table.Type{Kind: table.Int32, Nullable: true}
	point := table.Type{Kind: table.Struct, Fields: []table.Field{{Name: "x", Type: integer}}}
	fields := []table.Field{{Name: "p", Type: point}, {Name: "l", Type: table.Type{Kind: table.List, Elem: &point}}, {Name: "m", Type: table.Type{Kind: table.Map, Elem: &point}}, {Name: "i", Type: integer}}
	deep, whole := row(t, false, fields...), row(t, true, fields...)
	if whole.Fields[0].Fields != nil || whole.Fields[1].Elem != nil || deep.Fields[1].Elem == nil {
		t.Errorf("whole values are looked into: %+v", whole)
	}
	if got, err := row(t, false).AppendRest(nil, parse(t, `{"a":1}`)); err != nil || string(got) != `{"a":1}` {
		t.Errorf("the rest of a row without columns: %s, %v", got, err)
	}
	for _, c := range []struct{ row, deep, whole string }{
		{`{"p":{"x":1},"l":[{}],"m":{"k":{"x":1}},"i":1}`, ``, ``},
		{`{"p":{"y":1},"i":1,"j":[1, 2]}`, `{"p":{"y":1},"j":[1, 2]}`, `{"j":[1, 2]}`},
		{`{"l":[{"x":1},{"y":1},null],"m":{"k":{"y":1},"l":{}}}`, `{"l":[null,{"y":1},null],"m":{"k":{"y":1}}}`, ``},
		{`{"p":null,"l":{"a":1},"m":[1],"i":{"a":1}}`, ``, ``}, // other kinds are refused, not left
	} {
		for name, x := range map[string]struct {
			row  *Column
			want string
		}{"deep": {deep, c.deep}, "whole": {whole, c.whole}} {
			got, err := x.row.AppendRest([]byte("before"), parse(t, c.row))
			if err != nil || string(got) != "before"+x.want {
				t.Errorf("%s, %s: %s, %v; want %s", c.row, name, got, err, x.want)
			}
		}
	}
}

func TestErrorsNameColumns(t *testing.T) {
	c := row(t, false, table.Field{Name: "m", Type: table.Type{Kind: table.Map, Elem: &table.Type{Kind: table.List, Elem: &table.Type{Kind: table.Struct, Fields: []table.Field{
		{Name: "d", Type: table.Type{Kind: table.Decimal, Precision: 5, Scale: 2}}}}}}})
	d := &c.Fields[0].Elem.Elem.Fields[0]
	tape := serde.NewTape()
	for want, err := range map[string]error{
		"column m{}[].d is decimal(5,2); the value is a string":                                                                d.Refuse(tape.String("secret"), OtherKind),
		"column m{}[].d is decimal(5,2); the value is a number: it has more digits":                                            d.Refuse(tape.Float64(1e9), Longer),
		"column m{}[].d is decimal(5,2) and can't be null; the value is null":                                                  d.Refuse(tape.Null(), OtherKind),
		`column m{}[].d is decimal(5,2), can't be null and has no default; the value has no member "d"`:                        d.Absent(),
		"column m{}[].d: the value has it twice":                                                                               d.Twice(),
		"the value is bytes: a row is an object; set envelope, which makes it a column":                                        NoRow(tape.CopyBytes(nil)),
		"the value is null: a tombstone has no row; leave such records out by a filter, or set envelope, which gives them one": NoRow(serde.Value{}),
	} {
		if err.Error() != want || connector.ClassOf(err) != connector.Permanent {
			t.Errorf("%v (%v), want %s", err, connector.ClassOf(err), want)
		}
	}
	for r := Taken; int(r) <= len(refusals); r++ {
		if r.String() == "" {
			t.Errorf("refusal %d has no text", r)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for want, f := range map[string]table.Field{
		"default of column a: JSON ends early":              {Name: "a", Default: []byte("{")},
		"column a: a decimal has 1 to 76 digits":            {Name: "a", Type: table.Type{Kind: table.Decimal, Precision: 77}},
		"column a: the type of its elements is missing":     {Name: "a", Type: table.Type{Kind: table.Map}},
		"column a[]: a decimal has 1 to 76 digits, 0 up to": {Name: "a", Type: table.Type{Kind: table.List, Elem: &table.Type{Kind: table.Decimal, Precision: 1, Scale: 2}}},
	} {
		if _, err := New(&table.Schema{Fields: []table.Field{f}}, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestText(t *testing.T) {
	tape := serde.NewTape()
	scratch := []byte("used")
	for _, c := range []struct {
		v    serde.Value
		want string
		why  Refusal
	}{
		{tape.String("ä"), "ä", Taken}, {tape.String("\xff"), "", NotUTF8}, {tape.UUID([16]byte{15: 1}), "00000000-0000-0000-0000-000000000001", Taken}, {tape.Date(0), "1970-01-01", Taken},
		{tape.TimeOfDay(1000), "00:00:00.001", Taken}, {tape.Timestamp(time.UnixMicro(0)), "1970-01-01T00:00:00Z", Taken}, {tape.Timestamp(time.Unix(1e12, 0)), "", NoText},
		{tape.Int64(1), "", OtherKind}, {tape.Bool(true), "", OtherKind}, {tape.CopyBytes([]byte("a")), "", OtherKind},
	} {
		got, why := Text(c.v, &scratch)
		if why != c.why || why == Taken && !bytes.Equal(got, []byte(c.want)) {
			t.Errorf("%s: %q, %s; want %q, %s", c.v.Kind(), got, why, c.want, c.why)
		}
	}
}
