package catalog

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/table"
)

func ensure(t testing.TB, c *Catalog, want Table) Change {
	t.Helper()
	change, err := c.Ensure(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return change
}

// A new table has what Athena reads it by, and a second process changes nothing.
func TestCreate(t *testing.T) {
	d := newDouble(t)
	c := connect(t, config(d.URL, func(c *Config) { c.CreateDatabase, c.Properties = true, map[string]string{"owner": "web"} }))
	want := clicks(field("Id", table.Int64), field("city", table.String), field("at", table.TimestampMicros))
	want.Schema.Fields[0].Doc = "number\nof the click"
	if change := ensure(t, c, want); !change.Created {
		t.Errorf("change %+v", change)
	}
	if diff := cmp.Diff([]string{opGetTable, opCreateTable, opCreateDatabase, opCreateTable}, d.took()); diff != "" {
		t.Errorf("calls (want -, got +):\n%s", diff)
	}
	got := d.table(t, "clicks")
	if diff := cmp.Diff([]string{"id bigint", "at timestamp"}, columnsOf(got)); diff != "" { // city is a key
		t.Errorf("columns (want -, got +):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{
		"EXTERNAL": "TRUE", "classification": "parquet", "compressionType": "zstd", "typeOfData": "file", "millrace": "1", "owner": "web",
	}, got.properties); diff != "" {
		t.Errorf("properties (want -, got +):\n%s", diff)
	}
	if got.columns[0].comment != "number" || got.location != "s3://lake/web/" || got.kind != "EXTERNAL_TABLE" || !serdes[Parquet].reads(got.library) {
		t.Errorf("table %s", got.input)
	}
	if len(got.keys) != 2 || got.keys[0].name != "dt" || got.keys[1].typ != "string" {
		t.Errorf("keys %v", got.keys)
	}
	again := connect(t, config(d.URL, func(c *Config) { c.Properties = map[string]string{"owner": "web"} }))
	if change := ensure(t, again, want); change.Any() {
		t.Errorf("a second process changed %+v", change)
	}
	if diff := cmp.Diff([]string{opGetTable}, d.took()); diff != "" {
		t.Errorf("calls (want -, got +):\n%s", diff)
	}
}

// New columns come at the end, types get wider, and columns that are gone stay.
func TestColumnsAppear(t *testing.T) {
	d := newDouble(t, "web")
	c := connect(t, config(d.URL))
	ensure(t, c, clicks(field("a", table.Int32), field("b", table.Float32)))
	change := ensure(t, c, clicks(field("c", table.String), field("B", table.Float64), field("d", table.Int32)))
	if diff := cmp.Diff(Change{Added: []string{"c", "d"}, Widened: []string{"b float -> double"}}, change); diff != "" {
		t.Errorf("change (want -, got +):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a int", "b double", "c string", "d int"}, columnsOf(d.table(t, "clicks"))); diff != "" {
		t.Errorf("columns (want -, got +):\n%s", diff)
	}
	if change := ensure(t, c, clicks(field("a", table.Int32), field("b", table.Float32))); change.Any() {
		t.Errorf("narrower columns changed %+v", change)
	}
}

// What a second writer does between our reading and our writing isn't overwritten.
func TestSecondWriterIsNotOverwritten(t *testing.T) {
	d := newDouble(t, "web")
	c := connect(t, config(d.URL))
	ensure(t, c, clicks(field("a", table.Int32)))
	d.before[opUpdateTable] = func() {
		d.change(t, "clicks", func(input, storage record) {
			input["Description"] = encoded("clicks of the web")
			input["Retention"] = encoded(7)
			properties := map[string]string{}
			input.decode("Parameters", &properties)
			properties["numRows"] = "17"
			input["Parameters"] = encoded(properties)
			storage["Columns"] = []byte(`[{"Name":"a","Type":"bigint","Comment":"theirs","Parameters":{"pii":"no"}},{"Name":"theirs","Type":"struct<x:int>"}]`)
			storage["AdditionalLocations"] = encoded([]string{"s3://old/"})
		})
	}
	change := ensure(t, c, clicks(field("a", table.Int32), field("ours", table.String)))
	if diff := cmp.Diff(Change{Added: []string{"ours"}}, change); diff != "" {
		t.Errorf("change (want -, got +):\n%s", diff)
	}
	got := d.table(t, "clicks")
	if diff := cmp.Diff([]string{"a bigint", "theirs struct<x:int>", "ours string"}, columnsOf(got)); diff != "" {
		t.Errorf("columns (want -, got +):\n%s", diff)
	}
	if string(got.columns[0].raw) != `{"Name":"a","Type":"bigint","Comment":"theirs","Parameters":{"pii":"no"}}` {
		t.Errorf("column %s", got.columns[0].raw)
	}
	if got.properties["numRows"] != "17" || got.properties["millrace"] != "1" || string(got.input["Retention"]) != "7" ||
		string(got.input["Description"]) != `"clicks of the web"` || string(got.storage["AdditionalLocations"]) != `["s3://old/"]` {
		t.Errorf("table %s", got.input)
	}
	if diff := cmp.Diff([]string{opUpdateTable, opGetTable, opUpdateTable}, d.took()[3:]); diff != "" {
		t.Errorf("calls (want -, got +):\n%s", diff)
	}
}

// insist tries until others are out of the way.
func insist(t *testing.T, try func() error) {
	err := try()
	for err != nil && connector.ClassOf(err) == transient {
		err = try()
	}
	if err != nil {
		t.Error(err)
	}
}

// Writers at the same time, each with columns of its own, end with all columns.
func TestManyWriters(t *testing.T) {
	d := newDouble(t, "web")
	var group sync.WaitGroup
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, name := range names {
		c := connect(t, config(d.URL))
		group.Go(func() {
			insist(t, func() error {
				_, err := c.Ensure(t.Context(), clicks(field(name, table.Int32)))
				return err
			})
		})
	}
	group.Wait()
	got := columnsOf(d.table(t, "clicks"))
	slices.Sort(got)
	if diff := cmp.Diff([]string{"a int", "b int", "c int", "d int", "e int", "f int"}, got); diff != "" {
		t.Errorf("columns (want -, got +):\n%s", diff)
	}
}

// Somebody who creates the table first, or removes it before our update, is no error; somebody who is always faster is one that is tried again.
func TestRaces(t *testing.T) {
	d := newDouble(t, "web")
	c, other := connect(t, config(d.URL)), connect(t, config(d.URL))
	d.before[opCreateTable] = func() { ensure(t, other, clicks(field("b", table.Int32))) }
	ensure(t, c, clicks(field("a", table.Int32)))
	d.before[opUpdateTable] = func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.databases["web"], "clicks")
	}
	if change := ensure(t, c, clicks(field("a", table.Int32), field("c", table.Int32))); !change.Created {
		t.Errorf("change %+v", change)
	}
	d.fails[opUpdateTable] = slices.Repeat([]string{codeConflict}, attempts)
	_, err := c.Ensure(t.Context(), clicks(field("d", table.Int32)))
	if connector.ClassOf(err) != transient || err == nil || !strings.Contains(err.Error(), "web.clicks") {
		t.Errorf("%v: %v", connector.ClassOf(err), err)
	}
	ensure(t, c, clicks(field("d", table.Int32)))
	if diff := cmp.Diff([]string{"a int", "c int", "d int"}, columnsOf(d.table(t, "clicks"))); diff != "" {
		t.Errorf("columns (want -, got +):\n%s", diff)
	}
}

// What the table can't take is an error that names it, or is left alone where that is set; the rest is done.
func TestIncompatible(t *testing.T) {
	text, number := clicks(field("a", table.String)), clicks(field("a", table.Int32), field("b", table.Int32))
	elsewhere := clicks(field("a", table.String), field("b", table.Int32))
	elsewhere.Location = "s3://lake/other/"
	lines := clicks(field("a", table.String), field("b", table.Int32))
	lines.Format = JSON
	for name, test := range map[string]struct {
		want    Table
		message string
		columns []string // with ignore
	}{
		"type":   {number, "column a is string: the objects have int", []string{"a string", "b int"}},
		"folder": {elsewhere, "its folder is s3://lake/web/, the objects are in s3://lake/other/", []string{"a string"}},
		"format": {lines, "ParquetHiveSerDe doesn't read json", []string{"a string"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t, "web")
			c := connect(t, config(d.URL))
			ensure(t, c, text)
			_, err := c.Ensure(t.Context(), test.want)
			if connector.ClassOf(err) != blocking || err == nil || !strings.Contains(err.Error(), test.message) {
				t.Errorf("%v: %v, want %q", connector.ClassOf(err), err, test.message)
			}
			if diff := cmp.Diff([]string{"a string"}, columnsOf(d.table(t, "clicks"))); diff != "" {
				t.Errorf("columns (want -, got +):\n%s", diff)
			}
			lenient := connect(t, config(d.URL, func(c *Config) { c.OnIncompatible = incompatibleIgnore }))
			change := ensure(t, lenient, test.want)
			if len(change.Ignored) != 1 || !strings.Contains(change.Ignored[0], test.message) {
				t.Errorf("ignored %q", change.Ignored)
			}
			if diff := cmp.Diff(test.columns, columnsOf(d.table(t, "clicks"))); diff != "" {
				t.Errorf("columns (want -, got +):\n%s", diff)
			}
		})
	}
}

// Tables that aren't ours to change, and definitions that the Data Catalog can't hold.
func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		theirs  func(input, storage record)
		want    func(*Table)
		message string
	}{
		"iceberg": {func(input, _ record) { input["Parameters"] = encoded(map[string]string{"table_type": "ICEBERG"}) }, nil, "a table of ICEBERG"},
		"view":    {func(input, _ record) { input["TableType"] = encoded("VIRTUAL_VIEW") }, nil, "it is a view"},
		"link":    {func(input, _ record) { input["TargetTable"] = encoded(map[string]string{"Name": "other"}) }, nil, "a link to another table"},
		"keys":    {nil, func(t *Table) { t.Keys = KeysOf("dt={time:yyyy-MM-dd}/") }, "its partition keys are (dt, city), those of path (dt)"},
		"case":    {nil, func(t *Table) { t.Schema.Fields = append(t.Schema.Fields, field("A", table.Int32)) }, "columns a and A differ by case only"},
		"members": {nil, func(t *Table) {
			t.Schema.Fields[0].Type = table.Type{Kind: table.Struct, Fields: []table.Field{field("x", table.Int32), field("X", table.Int32)}}
		}, `"x" and "X"`},
		"key twins":   {nil, func(t *Table) { t.Keys = KeysOf("a={key}/A={key}/") }, "a= and A= are the same partition key"},
		"no columns":  {nil, func(t *Table) { t.Schema = nil }, "columns aren't known"},
		"only keys":   {nil, func(t *Table) { t.Schema.Fields[0].Name = "City" }, "all of its columns are partition keys"},
		"format":      {nil, func(t *Table) { t.Format = "raw" }, `no format "raw"`},
		"name":        {nil, func(t *Table) { t.Name = "a.b" }, `"a.b" isn't a name`},
		"folder":      {nil, func(t *Table) { t.Location = "/data/" }, `"/data/" isn't a folder`},
		"csv and key": {nil, func(t *Table) { t.Format, t.Schema.Fields[0].Name = CSV, "DT" }, "DT is a partition key too"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t, "web")
			c := connect(t, config(d.URL, func(c *Config) { c.OnIncompatible = incompatibleIgnore }))
			ensure(t, c, clicks(field("a", table.Int32)))
			if test.theirs != nil {
				d.change(t, "clicks", test.theirs)
			}
			want := clicks(field("a", table.Int32))
			if test.want != nil {
				test.want(&want)
			}
			_, err := c.Ensure(t.Context(), want)
			if connector.ClassOf(err) != blocking || err == nil || !strings.Contains(err.Error(), test.message) {
				t.Errorf("%v: %v, want %q", connector.ClassOf(err), err, test.message)
			}
		})
	}
}

// The properties of the settings win, others stay, and old versions are kept unless that is set.
func TestProperties(t *testing.T) {
	d := newDouble(t, "web")
	ensure(t, connect(t, config(d.URL)), clicks(field("a", table.Int32)))
	c := connect(t, config(d.URL, func(c *Config) { c.Properties = map[string]string{"owner": "web", "classification": "x"} }))
	if change := ensure(t, c, clicks(field("a", table.Int32))); !change.Other {
		t.Errorf("change %+v", change)
	}
	got := d.table(t, "clicks")
	if got.properties["owner"] != "web" || got.properties["classification"] != "x" || got.properties["compressionType"] != "zstd" {
		t.Errorf("properties %v", got.properties)
	}
	if d.databases["web"]["clicks"].archived != 1 {
		t.Error("no old version was kept")
	}
	c = connect(t, config(d.URL, func(c *Config) { c.SkipArchive = true }))
	ensure(t, c, clicks(field("b", table.Int32)))
	if d.databases["web"]["clicks"].archived != 1 {
		t.Error("an old version was kept")
	}
}

// The account, and names in capitals.
func TestNames(t *testing.T) {
	d := newDouble(t, "web")
	d.account = "123456789012"
	c := connect(t, config(d.URL, func(c *Config) {
		c.Database, c.CatalogID, c.Location = "Web", d.account, "s3://lake/elsewhere"
	}))
	ensure(t, c, clicks(field("a", table.Int32)))
	if got := d.table(t, "clicks"); got.location != "s3://lake/elsewhere/" {
		t.Errorf("location %s", got.location)
	}
	want := clicks(field("b", table.Int32))
	want.Name = "CLICKS"
	if change := ensure(t, c, want); len(change.Added) != 1 {
		t.Errorf("change %+v", change)
	}
}

// A table's columns can be read.
func TestSchema(t *testing.T) {
	d := newDouble(t, "web")
	c := connect(t, config(d.URL))
	ensure(t, c, clicks(field("a", table.Int32), table.Field{Name: "l", Type: table.Type{Kind: table.List, Elem: &table.Type{Kind: table.Date}}}))
	got, err := c.Schema(t.Context(), "Clicks")
	if err != nil || len(got.Fields) != 2 || got.Fields[0].Type.Kind != table.Int32 || got.Fields[1].Type.Elem.Kind != table.Date {
		t.Errorf("schema %v, %v", got, err)
	}
	if _, err := c.Schema(t.Context(), "none"); connector.ClassOf(err) != blocking || err == nil {
		t.Errorf("%v: %v", connector.ClassOf(err), err)
	}
	d.change(t, "clicks", func(_, storage record) { storage["Columns"] = []byte(`[{"Name":"a","Type":"uniontype<int,string>"}]`) })
	if _, err := c.Schema(t.Context(), "clicks"); connector.ClassOf(err) != blocking || err == nil {
		t.Errorf("%v: %v", connector.ClassOf(err), err)
	}
}
