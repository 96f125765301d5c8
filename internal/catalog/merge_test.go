package catalog

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/table"
)

// Types are widened as far as Athena reads files of the narrower one, and never narrowed.
func TestWiden(t *testing.T) {
	for _, c := range []struct{ have, want, wide string }{ // wide "": they can't be the same column
		{"int", "bigint", "bigint"},
		{"bigint", "int", "bigint"},
		{"tinyint", "int", "int"},
		{"smallint", "smallint", "smallint"},
		{"integer", "int", "int"},
		{"float", "double", "double"},
		{"double", "float", "double"},
		{"decimal(10,2)", "decimal(12,2)", "decimal(12,2)"},
		{"decimal(10,2)", "decimal(10,4)", "decimal(12,4)"},
		{"decimal(12,2)", "decimal(8,4)", "decimal(14,4)"},
		{"decimal", "decimal(9,0)", "decimal"},
		{"decimal(38,0)", "decimal(38,2)", ""},
		{"varchar(10)", "string", "string"},
		{"string", "string", "string"},
		{"char(3)", "char(3)", "char(3)"},
		{"char(3)", "char(4)", ""},
		{"int", "string", ""},
		{"string", "int", ""},
		{"bigint", "double", ""},
		{"timestamp", "date", ""},
		{"array<int>", "array<bigint>", "array<bigint>"},
		{"array<int>", "array<string>", ""},
		{"array<int>", "int", ""},
		{"map<string,int>", "map<string,bigint>", "map<string,bigint>"},
		{"struct<a:int,b:string>", "struct<c:date,A:bigint>", "struct<a:bigint,b:string,c:date>"},
		{"struct<a:bigint,b:string>", "struct<a:int>", "struct<a:bigint,b:string>"},
		{"struct<a:int>", "struct<a:string>", ""},
		{"array<struct<x:map<string,array<float>>>>", "array<struct<x:map<string,array<double>>,y:int>>", "array<struct<x:map<string,array<double>>,y:int>>"},
		{"uniontype<int,string>", "int", ""},
	} {
		have, err := table.ParseHiveType(c.have)
		if err != nil {
			t.Fatal(err)
		}
		want, err := table.ParseHiveType(c.want)
		if err != nil {
			t.Fatal(err)
		}
		before := have.String()
		got, ok := widen(have, want)
		if ok != (c.wide != "") || ok && got.String() != c.wide {
			t.Errorf("%s and %s: %s, %v; want %q", c.have, c.want, got, ok, c.wide)
		}
		if have.String() != before {
			t.Errorf("%s became %s", before, have)
		}
	}
}

// A column is widened in its place, with its comment; what isn't known of it stays.
func TestWidenColumn(t *testing.T) {
	var c storedColumn
	if err := json.Unmarshal([]byte(`{"Name":"A","Type":"int","Comment":"n","Parameters":{"x":"y"}}`), &c); err != nil {
		t.Fatal(err)
	}
	wide, err := c.widen(table.HiveType{Name: "bigint"})
	if err != nil || wide.name != "a" || string(wide.raw) != `{"Comment":"n","Name":"A","Parameters":{"x":"y"},"Type":"bigint"}` {
		t.Errorf("%s, %v", wide.raw, err)
	}
	c.typ = "odd<"
	if _, err := c.widen(table.HiveType{Name: "bigint"}); err == nil {
		t.Error("a type that can't be read was widened")
	}
}

// AvroSerDe reads files by a schema in the table: it grows with the columns, and keeps what others wrote into it.
func TestAvroSchema(t *testing.T) {
	d := newDouble(t, "web")
	c := connect(t, config(d.URL))
	want := clicks(field("Id", table.Int32), field("city", table.String), field("odd-name", table.UUID))
	want.Format, want.Schema.Name = Avro, "web.Click"
	want.Schema.Fields[0].Type.Nullable = false
	ensure(t, c, want)
	literal := func() (s avroRecord) {
		t.Helper()
		if err := json.Unmarshal([]byte(d.table(t, "clicks").serde[avroLiteral]), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	fields := func(s avroRecord) (list []string) {
		for _, f := range s.Fields {
			list = append(list, string(f.RawMessage))
		}
		return list
	}
	first := []string{`{"name":"Id","type":["null","int"],"default":null}`, `{"name":"odd_name","type":["null",{"type":"string","logicalType":"uuid"}],"default":null}`}
	if diff := cmp.Diff(first, fields(literal())); diff != "" {
		t.Errorf("schema (want -, got +):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"id int", "odd_name string"}, columnsOf(d.table(t, "clicks"))); diff != "" {
		t.Errorf("columns (want -, got +):\n%s", diff)
	}
	theirs := `{"name":"odd_name","type":["null","string"],"default":null,"doc":"theirs"}`
	d.change(t, "clicks", func(_, storage record) {
		storage["SerdeInfo"] = encoded(map[string]any{"SerializationLibrary": serdes[Avro].library, "Parameters": map[string]string{
			avroLiteral: `{"type":"record","name":"Click","namespace":"web","fields":[` + first[0] + "," + theirs + `]}`, "other": "x",
		}})
	})
	want.Schema.Fields = []table.Field{field("Id", table.Int64), field("odd-name", table.UUID), field("n", table.Int32)}
	ensure(t, c, want)
	if diff := cmp.Diff([]string{`{"name":"Id","type":["null","long"],"default":null}`, theirs, `{"name":"n","type":["null","int"],"default":null}`}, fields(literal())); diff != "" {
		t.Errorf("schema (want -, got +):\n%s", diff)
	}
	if got := d.table(t, "clicks"); got.serde["other"] != "x" || literal().Namespace != "web" {
		t.Errorf("serde %v", got.serde)
	}
	// A partition is read by the same schema.
	register(t, c, want, days(0, 1))
	if p := d.partition(t, "0/x"); p.serde[avroLiteral] != d.table(t, "clicks").serde[avroLiteral] {
		t.Errorf("partition %v", p.serde)
	}
	want.Schema.Fields = append(want.Schema.Fields, field("k", table.Int32))
	ensure(t, c, want)
	register(t, c, want, days(0, 1))
	if p := d.partition(t, "0/x"); !strings.Contains(p.serde[avroLiteral], `"name":"k"`) {
		t.Errorf("partition %v", p.serde)
	}
	d.change(t, "clicks", func(_, storage record) {
		storage["SerdeInfo"] = encoded(map[string]any{"SerializationLibrary": serdes[Avro].library, "Parameters": map[string]string{avroLiteral: `"int"`}})
	})
	want.Schema.Fields = append(want.Schema.Fields, field("m", table.Int32))
	if _, err := c.Ensure(t.Context(), want); err == nil || !strings.Contains(err.Error(), "isn't the schema of a record") {
		t.Errorf("%v", err)
	}
}

// Columns of JSON and CSV have the types that are read from their texts.
func TestTypesOfTexts(t *testing.T) {
	all := []table.Field{field("id", table.UUID), field("at", table.TimestampMillis), field("t", table.TimeMicros), field("b", table.Bytes), field("n", table.Int32)}
	for format, want := range map[Format][]string{
		JSON: {"id string", "at timestamp", "t string", "b string", "n int", "_rest string"},
		CSV:  {"id string", "at string", "t string", "b string", "n string", "_rest string"},
	} {
		d := newDouble(t, "web")
		c := connect(t, config(d.URL))
		made := clicks(all...)
		made.Format, made.Compression, made.Schema.Rest = format, "", "_rest"
		made.Dialect = Dialect{Separator: ';', Header: true}
		ensure(t, c, made)
		got := d.table(t, "clicks")
		if diff := cmp.Diff(want, columnsOf(got)); diff != "" {
			t.Errorf("%s (want -, got +):\n%s", format, diff)
		}
		if format == CSV && (got.properties["skip.header.line.count"] != "1" || got.serde["separatorChar"] != ";" || got.serde["quoteChar"] != `"`) ||
			got.properties["compressionType"] != "none" || string(got.storage["Compressed"]) != "false" {
			t.Errorf("%s: %v, %v", format, got.properties, got.serde)
		}
		if format == JSON && got.serde["case.insensitive"] != "TRUE" {
			t.Errorf("serde %v", got.serde)
		}
	}
}

// Columns of CSV are found by their place.
func TestPlacesOfCSV(t *testing.T) {
	for name, c := range map[string]struct {
		names   string
		message string
	}{
		"at the end":    {"a b c", ""},
		"fewer":         {"a", ""},
		"in the middle": {"a c b", "column c is new, and number 2"},
		"other order":   {"b a", "column b is number 2, and number 1 in the objects"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t, "web")
			made := clicks(field("a", table.Int32), field("b", table.Int32))
			made.Format = CSV
			ensure(t, connect(t, config(d.URL)), made)
			d.change(t, "clicks", func(_, storage record) {
				storage["Columns"] = []byte(`[{"Name":"a","Type":"int"},{"Name":"b","Type":"string"}]`)
			}) // theirs
			var fields []table.Field
			for name := range strings.FieldsSeq(c.names) {
				fields = append(fields, field(name, table.Int32))
			}
			made.Schema = &table.Schema{Fields: fields}
			_, err := connect(t, config(d.URL)).Ensure(t.Context(), made)
			if (err == nil) != (c.message == "") || err != nil && !strings.Contains(err.Error(), c.message) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Columns that a registry's schema gives aren't ours to change.
func TestColumnsOfARegistry(t *testing.T) {
	d := newDouble(t, "web")
	c := connect(t, config(d.URL))
	ensure(t, c, clicks(field("a", table.Int32)))
	d.change(t, "clicks", func(_, storage record) {
		storage["SchemaReference"] = encoded(map[string]string{"SchemaVersionId": "x"})
	})
	ensure(t, c, clicks(field("a", table.Int32)))
	if _, err := c.Ensure(t.Context(), clicks(field("b", table.Int32))); err == nil || !strings.Contains(err.Error(), "a schema in a registry, which lacks some: b") {
		t.Errorf("%v", err)
	}
}

// A type is wide enough for itself.
func FuzzWiden(f *testing.F) {
	for _, text := range []string{"int", "decimal(10,2)", "struct<a:array<int>,b:map<string,date>>"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := table.ParseHiveType(text)
		if err != nil {
			return
		}
		if same, ok := widen(got, got); ok && same.String() != got.String() && !strings.Contains(strings.ToLower(text), "integer") {
			t.Errorf("%q was widened to %s", text, same)
		}
	})
}
