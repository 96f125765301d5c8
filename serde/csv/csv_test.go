package csv_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/column"
	"github.com/millrace/millrace/serde/csv"
	"github.com/millrace/millrace/serde/serdetest"
)

// columns reads "id:int, ts:timestamp(dd.MM.yyyy)".
func columns(text string) []column.Column {
	var all []column.Column
	for one := range strings.SplitSeq(text, ", ") {
		name, typ, _ := strings.Cut(one, ":")
		typ, format, _ := strings.Cut(strings.TrimSuffix(typ, ")"), "(")
		all = append(all, column.Column{Name: name, Type: column.Type(typ), Format: format})
	}
	return all
}

func decoder(t testing.TB, change func(*csv.Config)) *csv.Decoder {
	t.Helper()
	c := csv.DefaultConfig()
	c.Columns = columns("id:int, name, ok:bool")
	if change != nil {
		change(&c)
	}
	d, err := csv.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// decode is the JSON of what data decodes to, or the error.
func decode(t testing.TB, d serde.Decoder, data string) string {
	t.Helper()
	v, err := d.Decode(t.Context(), serde.NewTape(), "t", []byte(data))
	if err != nil {
		return err.Error()
	}
	out, err := v.AppendJSON(nil)
	if err != nil {
		return "JSON: " + err.Error()
	}
	return string(out)
}

func TestDecode(t *testing.T) {
	semicolon := func(c *csv.Config) { c.Delimiter, c.Quote = ";", "'" }
	trim := func(c *csv.Config) { c.Trim = true }
	loose := func(c *csv.Config) { c.Extra, c.Missing = "ignore", "null" }
	for _, x := range []struct {
		name   string
		change func(*csv.Config)
		data   string
		want   string
	}{
		{"plain", nil, "1,a,true", `{"id":1,"name":"a","ok":true}`},
		{"line feed", nil, "1,a,true\n", `{"id":1,"name":"a","ok":true}`},
		{"carriage return and line feed", nil, "1,a,true\r\n", `{"id":1,"name":"a","ok":true}`},
		{"carriage return at the end", nil, "1,a,true\r", `{"id":1,"name":"a","ok":true}`},
		{"empty lines behind", nil, "1,a,true\r\n\n\r\n", `{"id":1,"name":"a","ok":true}`},
		{"byte order mark", nil, "\xef\xbb\xbf1,a,true", `{"id":1,"name":"a","ok":true}`},
		{"quotes", nil, `"1","a,b","t"`, `{"id":1,"name":"a,b","ok":true}`},
		{"doubled quotes", nil, `1,"""a"" b""",f`, `{"id":1,"name":"\"a\" b\"","ok":false}`},
		{"line break inside", nil, "1,\"a\r\nb\n\",f\n", `{"id":1,"name":"a\r\nb\n","ok":false}`},
		{"UTF-8", nil, "1,Bakı,f", `{"id":1,"name":"Bakı","ok":false}`},
		{"empty is null", nil, ",,", `{"id":null,"name":null,"ok":null}`},
		{"empty in quotes is text", nil, `1,"",`, `{"id":1,"name":"","ok":null}`},
		{"empty in quotes is no number", nil, `"",a,t`, `csv: column 1 "id" at byte 1: expected int, found ""`},
		{"empty in quotes, quoted_null", func(c *csv.Config) { c.QuotedNull = true }, `"","",""`, `{"id":null,"name":"","ok":null}`},
		{"another null", func(c *csv.Config) { c.Null = []string{`\N`} }, `\N,,\N`, `{"id":null,"name":"","ok":null}`},
		{"two nulls", func(c *csv.Config) { c.Null = []string{"", "NULL"} }, `,NULL,"1"`, `{"id":null,"name":null,"ok":true}`},
		{"a null in quotes is a text", func(c *csv.Config) { c.Null = []string{"NULL"} }, `1,"NULL",0`, `{"id":1,"name":"NULL","ok":false}`},
		{"delimiter and quote", semicolon, `1;'a;"''';f`, `{"id":1,"name":"a;\"'","ok":false}`},
		{"tab", func(c *csv.Config) { c.Delimiter = `\t` }, "1\ta b\tf", `{"id":1,"name":"a b","ok":false}`},
		{"no quotes", func(c *csv.Config) { c.Quote = "none" }, `1,"a",f`, `{"id":1,"name":"\"a\"","ok":false}`},
		{"spaces stay", nil, `1, a ,f`, `{"id":1,"name":" a ","ok":false}`},
		{"trim", trim, " 1\t,  a b ,\"f\"  \n", `{"id":1,"name":"a b","ok":false}`},
		{"trim to nothing", trim, `  , " a " ,  `, `{"id":null,"name":" a ","ok":null}`},
		{"extra and missing", loose, "1", `{"id":1,"name":null,"ok":null}`},
		{"nothing", loose, "", `{"id":null,"name":null,"ok":null}`},
		{"extra", loose, "1,a,t,x,\"y\n\",z\n", `{"id":1,"name":"a","ok":true}`},

		{"too few", nil, "1,a\n", `csv: the record ends at byte 3 after 2 of 3 columns; "ok" is missing (missing: null reads it as null)`},
		{"too many", nil, "1,a,t,", `csv: field 4 begins at byte 6, and there are 3 columns; extra: ignore leaves such fields out`},
		{"two records", nil, "1,a,t\n2,b,f\n", `csv: a second record begins at byte 6: "9,x,x\n"; a message holds one record`},
		{"an empty line in front", nil, "\n1,a,t", `csv: the record ends at byte 0 after 1 of 3 columns; "name" is missing (missing: null reads it as null)`},
		{"type", nil, "1,a,maybe", `csv: column 3 "ok" at byte 4: expected bool, found "xxxxx"`},
		{"type, cut", nil, strings.Repeat("x", 81) + ",a,t", `csv: column 1 "id" at byte 0: expected int, found "` + strings.Repeat("x", 80) + `"...`},
		{"open quote", nil, `1,"a""`, `csv: column 2 "name": the quote at byte 2 isn't closed`},
		{"behind a quote", nil, `1,"a"b,t`, `csv: column 2 "name": expected a delimiter at byte 5 behind a quoted field, found "x,x" (a quote inside is written twice)`},
		{"quote inside", nil, `1,a"b",t`, `csv: column 2 "name": a quote at byte 3 of a field without quotes; a field that holds quotes is quoted, and they are written twice`},
		{"carriage return inside", nil, "1,a\rb,t", `csv: column 2 "name": a carriage return at byte 3 of a field without quotes`},
		{"carriage return behind a quote", nil, "1,a,\"t\"\r", `{"id":1,"name":"a","ok":true}`},
		{"not UTF-8", nil, "1,a\xffb,t", `csv: byte 0xFF at 3 isn't UTF-8`},
		{"open quote in an extra field", loose, `1,a,t,"`, `csv: column 4: the quote at byte 6 isn't closed`},
	} {
		t.Run(x.name, func(t *testing.T) {
			if got := decode(t, decoder(t, x.change), x.data); got != x.want {
				t.Errorf("%q\n got %s\nwant %s", x.data, got, x.want)
			}
		})
	}
}

func TestSchema(t *testing.T) {
	d := decoder(t, func(c *csv.Config) { c.Columns = columns("id, at:timestamp(dd.MM.yyyy), doc:json") })
	v, err := d.Decode(t.Context(), serde.NewTape(), "t", []byte(`1,31.01.2026,"{""a"":1.50}"`))
	if err != nil {
		t.Fatal(err)
	}
	want := serde.Schema{Format: "CSV", Name: "csv",
		Text: `[{"name":"id","type":"string"},{"name":"at","type":"timestamp","format":"dd.MM.yyyy"},{"name":"doc","type":"json"}]`}
	if s := v.Schema(); s == nil || s.Format != want.Format || s.Name != want.Name || s.Text != want.Text {
		t.Errorf("got %+v\nwant %+v", s, want)
	}
}

func TestConfig(t *testing.T) {
	c := csv.DefaultConfig()
	c.Columns = columns("a, b")
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*csv.Config){
		"columns: csv needs at least one column":             func(c *csv.Config) { c.Columns = nil },
		`columns: column "a": there are two of this name`:    func(c *csv.Config) { c.Columns = columns("a, a") },
		`columns: column "a": type is "text", expected one`:  func(c *csv.Config) { c.Columns = columns("a:text") },
		`delimiter is "", expected one ASCII character`:      func(c *csv.Config) { c.Delimiter = "" },
		`delimiter is "||", expected`:                        func(c *csv.Config) { c.Delimiter = "||" },
		`delimiter is "§", expected`:                         func(c *csv.Config) { c.Delimiter = "§" },
		`delimiter is "\n", expected`:                        func(c *csv.Config) { c.Delimiter = "\n" },
		`quote is ",", the same as delimiter`:                func(c *csv.Config) { c.Quote = "," },
		`quote is "", expected one ASCII character or none`:  func(c *csv.Config) { c.Quote = "" },
		`extra is "skip", expected fail or ignore`:           func(c *csv.Config) { c.Extra = "skip" },
		`missing is "ignore", expected fail or null`:         func(c *csv.Config) { c.Missing = "ignore" },
		`trim: the delimiter is white space`:                 func(c *csv.Config) { c.Trim, c.Delimiter = true, "\t" },
		"delimiter is \"\", expected one ASCII character th": func(c *csv.Config) { c.Delimiter, c.Extra = "", "?" },
	} {
		c := csv.DefaultConfig()
		c.Columns = columns("a, b")
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestConformance(t *testing.T) {
	d := decoder(t, func(c *csv.Config) {
		c.Columns = columns("id:int, price:decimal, at:timestamp, raw:bytes, key:uuid, name, doc:json")
		c.Extra = "ignore"
	})
	serdetest.Test(t, d, []serdetest.Sample{
		{Name: "all", Topic: "t", Data: []byte("7,12.50,2026-01-31 08:15:30+01:00,AP9h,0e37df36-f698-11e6-8dd4-cb9ced3df976,\"a \"\"b\"\"\",\"{\"\"x\"\":[1.50,null]}\"\n"),
			JSON: `{"id":7,"price":12.50,"at":"2026-01-31T07:15:30Z","raw":"AP9h","key":"0e37df36-f698-11e6-8dd4-cb9ced3df976","name":"a \"b\"","doc":{"x":[1.50,null]}}`},
		{Name: "nulls", Topic: "t", Data: []byte(",,,,,,"), JSON: `{"id":null,"price":null,"at":null,"raw":null,"key":null,"name":null,"doc":null}`},
		{Name: "unquoted JSON", Topic: "t", Data: []byte(",,,,,x,12.50\r\n"), JSON: `{"id":null,"price":null,"at":null,"raw":null,"key":null,"name":"x","doc":12.50}`},
	})
}
