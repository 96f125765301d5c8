package parquet

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/internal/table"
)

const wantSchema = `REQUIRED 00_json BYTE_ARRAY 0 STRING
OPTIONAL 00_json_null BYTE_ARRAY 0 STRING
OPTIONAL 00_json_list {1} 3 LIST
REPEATED list {1}
OPTIONAL element BYTE_ARRAY 0 STRING
OPTIONAL 00_json_deep {1}
REQUIRED map {1} 1 MAP
REPEATED key_value {2}
REQUIRED key BYTE_ARRAY 0 STRING
OPTIONAL value {1} 3 LIST
REPEATED list {1}
OPTIONAL element BYTE_ARRAY 0 STRING
REQUIRED 01_boolean BOOLEAN
REQUIRED 02_int32 INT32
REQUIRED 03_int64 INT64
REQUIRED 04_float32 FLOAT
REQUIRED 05_float64 DOUBLE
REQUIRED 06_decimal INT32 5(9,2) DECIMAL(9,2)
REQUIRED 07_decimal INT64 5(18,18) DECIMAL(18,18)
REQUIRED 08_decimal FIXED_LEN_BYTE_ARRAY[16] 5(38,0) DECIMAL(38,0)
REQUIRED 09_string BYTE_ARRAY 0 STRING
REQUIRED 10_bytes BYTE_ARRAY
REQUIRED 11_fixed FIXED_LEN_BYTE_ARRAY[5]
REQUIRED 12_fixed FIXED_LEN_BYTE_ARRAY[100]
REQUIRED 13_uuid FIXED_LEN_BYTE_ARRAY[16] UUID
REQUIRED 14_date INT32 6 DATE
REQUIRED 15_time_millis INT32 7 TIME(isAdjustedToUTC=false,unit=MILLIS)
REQUIRED 16_time_micros INT64 8 TIME(isAdjustedToUTC=false,unit=MICROS)
REQUIRED 17_timestamp_millis INT64 9 TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS)
REQUIRED 18_timestamp_micros INT64 10 TIMESTAMP(isAdjustedToUTC=false,unit=MICROS)
OPTIONAL _rest BYTE_ARRAY 0 STRING
`

// TestSchema shows how each type is stored, and how lists and maps are: name, type, number of the older annotation, annotation.
func TestSchema(t *testing.T) {
	var scratch []byte
	f := openOracle(t, encoder(t, wide(), Options{}).File().End(&scratch))
	var got strings.Builder
	for i, e := range f.Metadata().Schema[1:] {
		numbered := e.Name[0] >= '0' && e.Name[0] <= '9'
		if i < 12 || numbered && e.RepetitionType.V == format.Required || e.Name == "_rest" {
			got.WriteString(describe(&e) + "\n")
		}
	}
	if got.String() != wantSchema {
		t.Errorf("got\n%swant\n%s", got.String(), wantSchema)
	}
}

func describe(e *format.SchemaElement) string {
	s := fmt.Sprint(e.RepetitionType.V, " ", e.Name)
	if e.Type.Valid {
		s += fmt.Sprint(" ", e.Type.V)
	}
	if e.TypeLength.Valid {
		s += fmt.Sprintf("[%d]", e.TypeLength.V)
	}
	if e.NumChildren.Valid {
		s += fmt.Sprintf(" {%d}", e.NumChildren.V)
	}
	if e.ConvertedType.Valid {
		s += fmt.Sprintf(" %d", e.ConvertedType.V)
	}
	if e.Precision.Valid {
		s += fmt.Sprintf("(%d,%d)", e.Precision.V, e.Scale.V)
	}
	return strings.TrimSpace(s + " " + e.LogicalType.String())
}

func TestDecimalSize(t *testing.T) {
	for digits := 1; digits <= maxDigits; digits++ {
		greatest := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
		greatest.Sub(greatest, big.NewInt(1))
		if got, want := decimalSize(digits), greatest.BitLen()/8+1; got != want {
			t.Errorf("%d digits take %d bytes, want %d", digits, got, want)
		}
	}
}

func TestWhatNoFileHas(t *testing.T) {
	deep := table.Type{Kind: table.Int32}
	for range 200 {
		elem := deep
		deep = table.Type{Kind: table.List, Nullable: true, Elem: &elem}
	}
	nested := table.Type{Kind: table.Int32}
	for range 300 {
		nested = table.Type{Kind: table.Struct, Fields: []table.Field{{Name: "a", Type: nested}}}
	}
	one := func(t table.Type) []table.Field { return []table.Field{{Name: "a", Type: t}} }
	for _, c := range []struct {
		fields []table.Field
		want   string
	}{
		{nil, "no groups without fields"},
		{one(table.Type{Kind: table.Struct}), "column a: Parquet has no groups"},
		{[]table.Field{{Name: "", Type: table.Type{Kind: table.Int32}}}, "no name"},
		{append(one(table.Type{Kind: table.Int32}), one(table.Type{Kind: table.Int32})...), "two fields are named \"a\""},
		{one(table.Type{Kind: table.List}), "column a: the type of its elements"},
		{one(table.Type{Kind: table.Fixed}), "column a: values can't have a size of 0"},
		{one(table.Type{Kind: table.Decimal, Precision: 77}), "column a: a decimal has 1 to 76 digits"},
		{one(table.Type{Kind: table.Decimal, Precision: 3, Scale: 4}), "column a: a decimal"},
		{one(table.Type{Kind: table.Decimal, Precision: 3, Scale: -1}), "column a: a decimal"},
		{one(table.Type{Kind: 200}), "column a: there is no type unknown"},
		{one(deep), "nested too deeply"},
		{one(nested), "nested too deeply"},
	} {
		if _, err := New(&table.Schema{Fields: c.fields}, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v; want %s", err, c.want)
		}
	}
	if _, err := New(&table.Schema{Fields: one(table.Type{Kind: table.Int32}), Rest: "a"}, Options{}); err == nil || !strings.Contains(err.Error(), "two fields") {
		t.Errorf("a column for the rest that is there already: %v", err)
	}
}
