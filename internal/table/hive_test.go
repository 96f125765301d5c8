package table

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestHive(t *testing.T) {
	for _, c := range []struct{ spec, parquet, json string }{
		{"json", "string", "string"},
		{"boolean", "boolean", "boolean"},
		{"int32", "int", "int"},
		{"int64", "bigint", "bigint"},
		{"float32", "float", "float"},
		{"float64", "double", "double"},
		{"decimal(38,9)", "decimal(38,9)", "decimal(38,9)"},
		{"decimal(39,0)", "", "string"},
		{"string", "string", "string"},
		{"bytes", "binary", "string"},
		{"fixed(3)", "binary", "string"},
		{"uuid", "binary", "string"},
		{"date", "date", "date"},
		{"time_millis", "int", "string"},
		{"time_micros", "bigint", "string"},
		{"timestamp_millis", "timestamp", "timestamp"},
		{"local_timestamp_micros", "timestamp", "timestamp"},
		{"list(e map(v? int64))", "array<map<string,bigint>>", "array<map<string,bigint>>"},
		{"struct(a int32, Bc list(e struct(x.y decimal(10,2))), größe uuid)", "struct<a:int,bc:array<struct<x.y:decimal(10,2)>>,größe:binary>",
			"struct<a:int,bc:array<struct<x.y:decimal(10,2)>>,größe:string>"},
		{"struct(a int32, A int32)", "", ""},
		{"struct(a-b int32)", "", ""},
		{"struct()", "", ""},
	} {
		typ := columnType(t, c.spec)
		for d, want := range []string{c.parquet, c.json} {
			got, err := Dialect(d).Hive(typ)
			if (err == nil) != (want != "") || got.String() != want {
				t.Errorf("%s, dialect %d: %s, %v, want %s", c.spec, d, got, err, want)
			}
		}
	}
	wide := Type{Kind: Struct}
	for i := range 2000 {
		wide.Fields = append(wide.Fields, Field{Name: strings.Repeat("x", 70) + strings.Repeat("y", i%50) + strings.Repeat("z", i/50)})
	}
	if _, err := HiveParquet.Hive(wide); err == nil || !strings.Contains(err.Error(), "131072") {
		t.Error(err)
	}
	deep := Type{Kind: Int32}
	for range 70 {
		elem := deep
		deep = Type{Kind: List, Elem: &elem}
	}
	if _, err := HiveParquet.Hive(deep); err == nil {
		t.Error("a deep type was taken")
	}
	if _, err := HiveParquet.Hive(Type{Kind: 99}); err == nil {
		t.Error("an unknown type was taken")
	}
}

func TestParseHive(t *testing.T) {
	for text, spec := range map[string]string{
		"boolean": "boolean", "tinyint": "int32", "SMALLINT": "int32", "int": "int32", "integer": "int32", "bigint": "int64", "float": "float32",
		"double": "float64", " double  precision ": "float64", "decimal": "decimal(10,0)", "decimal(38)": "decimal(38,0)",
		"decimal( 10 , 2 )": "decimal(10,2)", "numeric(3,3)": "decimal(3,3)", "string": "string", "char(3)": "string", "varchar(65535)": "string",
		"binary": "bytes", "date": "date", "timestamp": "timestamp_micros", "timestamp with local time zone": "timestamp_micros",
		"array<string>": "list(e? string)", "map<string,array<int>>": "map(v? list(e? int32))", "map<varchar(10), int>": "map(v? int32)",
		"struct<a:int,b:decimal(10,2)>":                "struct(a? int32, b? decimal(10,2))",
		"STRUCT < a : INT , B:array<struct<c:date>> >": "struct(a? int32, B? list(e? struct(c? date)))",
		"struct<`a:b`:int,`x<y`:string>":               "struct(a:b? int32, x<y? string)",
		"struct<a-b:int,$date:bigint,1:int>":           "struct(a-b? int32, $date? int64, 1? int32)",
		"array<struct<a:int>>\n":                       "list(e? struct(a? int32))",
	} {
		want := columnType(t, spec)
		want.Nullable = true
		if got, err := ParseHive(text); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
	}
	got, err := ParseHive("struct<`a``b`:int comment 'it''s',c:int>")
	if err != nil || got.Fields[0].Name != "a`b" || got.Fields[0].Doc != "it's" || got.Fields[1].Name != "c" {
		t.Errorf("%v %v", got, err)
	}
}

func TestParseHiveRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"": "name of a type is missing", "uniontype<int,string>": "uniontype is no type that can be a column", "text": "text is no type", `not "text"`: "the end", "void": "no type",
		"int int": "int int is no type", "int,": "the end", "array": "array has in brackets", "array<int": `">" is missing`, "array<>": "name of a type",
		"array<int,int>": "array<int,int> has in brackets", "map<int,string>": "the keys of a map are int32", "map<string>": "has in brackets",
		"map<string,int,int>": "has in brackets", "map<void,int>": "void is no type", "array<void>": "void is no type", "struct<a:void>": "void is no type",
		"struct": "struct has in brackets", "struct<>": "name of a field", "struct<a>": "name of a field", "struct<a:>": "name of a type", "struct<a:int,>": "name of a field",
		"struct<a:int b:int>": `">"`, "struct<a:int,a:int>": `"a" twice`, "struct<:int>": "name of a field", "struct<a:int": `">" is missing`,
		"struct<``:int>": "is empty", "struct<`a:int>": "has no end", "struct<a:int comment>": "int comment is no type", "decimal()": "a number belongs at byte 8",
		"decimal(39)": "1 to 38 digits", "decimal(0)": "1 to 38 digits", "decimal(5,6)": "as many behind the point", "decimal(5,2": `")" is missing`,
		"decimal(5,2,1)": "has in brackets", "char(x)": "a number", "char(1,2)": "has in brackets", "varchar(99999999999999999999)": "a number", "int(5)": "has in brackets",
		"interval day to second": "no type", "struct<\xff:int>": "UTF-8", "struct<`\xff`:int>": "UTF-8", "timestamp with": "no type",
		strings.Repeat("array<", 70) + "int" + strings.Repeat(">", 70): "more than 64 deep",
		"struct<" + strings.Repeat("a:int,", 20000) + "a:int>":         "twice",
		"uniontype<" + strings.Repeat("int,", 20000):                   "name of a type is missing",
		strings.Repeat(" ", maxHiveType+1):                             "131073 bytes",
	} {
		if got, err := ParseHive(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: %s, %v, want %s", text, got, err, want)
		}
	}
	var many strings.Builder
	for i := range MaxColumns {
		fmt.Fprintf(&many, "%x:int,", i)
	}
	if got, err := ParseHive("struct<" + many.String() + "z:int>"); err == nil || !strings.Contains(err.Error(), "more than 10000 types") {
		t.Errorf("%s, %v", got, err)
	}
}

// What can't be a column is kept as it is written.
func TestParseHiveType(t *testing.T) {
	for text, want := range map[string]string{
		"BIGINT": "bigint", " array < int > ": "array<int>", "decimal( 10 , 2 )": "decimal(10,2)", "struct<aB:int,c d:string>": "struct<aB:int,c d:string>",
		"timestamp  with time zone": "timestamp with time zone", "uniontype<int, char(3)>": "uniontype<int,char(3)>", "integer": "integer",
		"map<string,struct<a:array<date>>>": "map<string,struct<a:array<date>>>", "struct": "struct", "struct<a(b)'c:int>": "struct<a(b)'c:int>",
		"struct<`a`:int,` b`:int,`c:``d`:tinyint COMMENT \"it's\", `e``f`:int comment 'g'>": "struct<a:int,` b`:int,`c:``d`:tinyint comment 'it''s',`e``f`:int comment 'g'>",
	} {
		if got, err := ParseHiveType(text); err != nil || got.String() != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"<", "int>", "struct<a:int,", "decimal(", "decimal(1;2)", "int,int", "a)b", "decimal(1)<int>", strings.Repeat("array<", 100)} {
		if got, err := ParseHiveType(text); err == nil {
			t.Errorf("%.50s: %s", text, got)
		}
	}
}

func TestFromHive(t *testing.T) {
	s, err := FromHive("db.t", []HiveColumn{{"id", "bigint", "the key"}, {"pos", "struct<lat:double>", ""}})
	if err != nil || !s.Equal(&Schema{Fields: columns(t, "id? int64, pos? struct(lat? float64)")}) || s.Name != "db.t" || s.Fields[0].Doc != "the key" {
		t.Errorf("%v %v", s, err)
	}
	for _, bad := range [][]HiveColumn{{{"id", "text", ""}}, {{"id", "int", ""}, {"id", "int", ""}}, {{"", "int", ""}}} {
		if _, err := FromHive("db.t", bad); err == nil || !strings.Contains(err.Error(), `"db.t"`) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// What is parsed is printed as a text that is parsed as the same; what is a column is one again.
func FuzzParseHive(f *testing.F) {
	for _, text := range []string{
		"array<struct<a:int,b:decimal(10,2)>>", "map<string,`x`>", "struct<`a``b`:int comment 'x',c-d:varchar(3)>", "timestamp with local time zone", "uniontype<int,char(3)>",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := ParseHiveType(text)
		if err != nil {
			return
		}
		again, err := ParseHiveType(parsed.String())
		if len(parsed.String()) <= maxHiveType && (err != nil || !reflect.DeepEqual(again, parsed)) {
			t.Fatalf("%#v, then %#v, %v", parsed, again, err)
		}
		typ, err := ParseHive(text)
		if err != nil {
			return
		}
		if _, err := Marshal(&Schema{Fields: []Field{{Name: "c", Type: typ}}}); err != nil {
			t.Fatal(err)
		}
		column, err := HiveParquet.Hive(typ)
		if err != nil {
			return // names that Athena doesn't take
		}
		back, err := ParseHive(column.String())
		if err != nil {
			t.Fatalf("%s: %v", column, err)
		}
		if twice, err := HiveParquet.Hive(back); err != nil || twice.String() != column.String() {
			t.Fatalf("%s, then %s, %v", column, twice, err)
		}
	})
}
