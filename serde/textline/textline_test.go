package textline_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/column"
	"github.com/millrace/millrace/serde/serdetest"
	"github.com/millrace/millrace/serde/textline"
)

func decoder(t testing.TB, change func(*textline.Config)) *textline.Decoder {
	t.Helper()
	c := textline.DefaultConfig()
	change(&c)
	d, err := textline.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func builtin(t testing.TB, name string) *textline.Decoder {
	t.Helper()
	return decoder(t, func(c *textline.Config) { c.Pattern = name })
}

func expression(t testing.TB, text string, types ...column.Column) *textline.Decoder {
	t.Helper()
	return decoder(t, func(c *textline.Config) { c.Regexp, c.Types = text, types })
}

// decode is the JSON of what a line decodes to, or the error.
func decode(t testing.TB, d serde.Decoder, line string) string {
	t.Helper()
	v, err := d.Decode(t.Context(), serde.NewTape(), "t", []byte(line))
	if err != nil {
		return err.Error()
	}
	out, err := v.AppendJSON(nil)
	if err != nil {
		return "JSON: " + err.Error()
	}
	return string(out)
}

func TestRegexp(t *testing.T) {
	status := column.Column{Name: "status", Type: column.Int}
	plain := expression(t, `(?P<method>[A-Z]+) (?P<status>\d*)(?: (?P<note>.+))?`, status)
	dash := decoder(t, func(c *textline.Config) {
		c.Regexp, c.Null, c.Types = `(?P<status>\S+) (?P<user>\S+)`, []string{"-"}, []column.Column{status}
	})
	multi := decoder(t, func(c *textline.Config) { c.Regexp, c.MultiLine = `(?s)(?P<first>[^\n]*)\n(?P<rest>.*)`, true })
	either := expression(t, `(?P<a>a)|(?P<b>b)`)
	for _, x := range []struct {
		name string
		d    serde.Decoder
		line string
		want string
	}{
		{"all groups", plain, "GET 200 not bad", `{"method":"GET","status":200,"note":"not bad"}`},
		{"a group that takes no part", plain, "GET 200\n", `{"method":"GET","status":200,"note":null}`},
		{"an empty group", plain, "GET \r\n", `{"method":"GET","status":null,"note":null}`},
		{"another type", plain, "GET 99999999999999999999", `text line: regexp: column 2 "status" at byte 4: expected int, found "99999999999999999999"`},
		{"the whole line", plain, " GET 200", `text line: regexp: the line doesn't match; it begins with " xxx 999"`},
		{"a long line", plain, strings.Repeat("x", 81), `text line: regexp: the line doesn't match; it begins with "` + strings.Repeat("x", 80) + `"...`},
		{"null", dash, "- -", `{"status":null,"user":null}`},
		{"a second line", plain, "GET 200\nGET 201", `text line: a second line begins at byte 8: "xxx 999"; a message holds one line`},
		{"lines", multi, "a\nb\nc\n", `{"first":"a","rest":"b\nc"}`},
		{"alternatives", either, "b", `{"a":null,"b":"b"}`},
		{"alternatives match the whole line", either, "ab", `text line: regexp: the line doesn't match; it begins with "xx"`},
		{"not UTF-8", plain, "GET 200 \xff", `text line: byte 0xFF at 8 isn't UTF-8`},
	} {
		if got := decode(t, x.d, x.line); got != x.want {
			t.Errorf("%s: %q\n got %s\nwant %s", x.name, x.line, got, x.want)
		}
	}
}

func TestLineLength(t *testing.T) {
	d := decoder(t, func(c *textline.Config) { c.Regexp, c.LineLength = `(?P<a>.*)`, 5 })
	if got := decode(t, d, "12345\r\n"); got != `{"a":"12345"}` {
		t.Error(got)
	}
	if got := decode(t, d, "123456"); got != "text line: the line has 6 bytes; line_length allows 5" {
		t.Error(got)
	}
}

func TestConfig(t *testing.T) {
	for want, c := range map[string]textline.Config{
		"text_line needs a pattern or a regexp, and not both":      {},
		"text_line needs a pattern or a regexp, and not both ":     {Pattern: "alb", Regexp: `(?P<a>.)`},
		`pattern is "apache", expected one of apache_common, apac`: {Pattern: "apache"},
		"regexp: group 2 has no name; write (?P<name>...)":         {Regexp: `(?P<a>.)(.)`},
		`regexp: ".*" has no groups`:                               {Regexp: `.*`},
		"regexp: error parsing regexp: missing closing )":          {Regexp: `(?P<a>.`},
		"regexp: error parsing regexp: unexpected )":               {Regexp: `(?P<a>.))|(?:`},
		"regexp: two groups have the name a":                       {Regexp: `(?P<a>.)(?P<a>.)`},
		"regexp: it has 10001 characters; at most 10000":           {Regexp: strings.Repeat("x", 10001)},
		`types: regexp has no "b"; it has a`:                       {Regexp: `(?P<a>.)`, Types: []column.Column{{Name: "b"}}},
		`types: column "a": type is "number"`:                      {Regexp: `(?P<a>.)`, Types: []column.Column{{Name: "a", Type: "number"}}},
		`types: alb has no "host"; it has type, time, elb`:         {Pattern: "alb", Types: []column.Column{{Name: "host"}}},
		"types: structured_data is an object; its type can't":      {Pattern: "syslog_rfc5424", Types: []column.Column{{Name: "structured_data"}}},
		"null: the built-in patterns know what null is":            {Pattern: "alb", Null: []string{"-"}},
		"multi_line: the built-in patterns know":                   {Pattern: "alb", MultiLine: true},
		"line_length is -1, expected 1 to":                         {Pattern: "alb", LineLength: -1},
		"line_length is 0, expected 1 to":                          {Pattern: "alb", LineLength: 0},
	} {
		if c.LineLength == 0 && !strings.HasPrefix(want, "line_length is 0") {
			c.LineLength = textline.DefaultConfig().LineLength
		}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Every pattern has lines in lines_test.go.
func TestPatterns(t *testing.T) {
	for _, name := range textline.Patterns() {
		if len(lines[name]) == 0 {
			t.Errorf("%s has no lines", name)
		}
		d := builtin(t, name)
		for _, x := range lines[name] {
			if got := decode(t, d, x.line); got != x.want {
				t.Errorf("%s: %q\n got %s\nwant %s", name, x.line, got, x.want)
			}
		}
	}
}

func TestTypesOfPatterns(t *testing.T) {
	d := decoder(t, func(c *textline.Config) {
		c.Pattern = "apache_common"
		c.Types = []column.Column{{Name: "status"}, {Name: "bytes", Type: column.Decimal}}
	})
	v, err := d.Decode(t.Context(), serde.NewTape(), "t", []byte(`::1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 5`))
	if err != nil {
		t.Fatal(err)
	}
	if status, bytes := v.Field("status").Kind(), v.Field("bytes").Kind(); status != serde.String || bytes != serde.Decimal {
		t.Errorf("status is %s, bytes is %s", status, bytes)
	}
	s := v.Schema()
	if s == nil || s.Format != "TEXT" || s.Name != "apache_common" || !strings.Contains(s.Text, `{"name":"bytes","type":"decimal"}`) {
		t.Errorf("the schema is %+v", s)
	}

	rsyslog := decoder(t, func(c *textline.Config) {
		c.Pattern, c.Types = "syslog_rfc3164", []column.Column{{Name: "timestamp", Type: column.Timestamp}, {Name: "severity"}}
	})
	want := `{"facility":4,"severity":"2","timestamp":"2003-10-11T22:14:15.003Z","hostname":"host","app_name":"su","proc_id":null,"message":"failed"}`
	if got := decode(t, rsyslog, "<34>2003-10-11T22:14:15.003Z host su: failed"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	d = decoder(t, func(c *textline.Config) {
		c.Pattern, c.Types = "logfmt", []column.Column{{Name: "n", Type: column.Int}, {Name: "ok", Type: column.Bool}, {Name: "doc", Type: column.JSON}}
	})
	want = `{"n":7,"ok":true,"doc":{"a":1.50},"x":"7"}`
	if got := decode(t, d, `n=7 ok doc="{\"a\":1.50}" x=7`); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got, want := decode(t, d, `n ok= doc=`), `{"n":null,"ok":null,"doc":null}`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got, want := decode(t, d, `x=1 n=x`), `text line: logfmt: column 1 "n" at byte 6: expected int, found "x"`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestConformance(t *testing.T) {
	for _, name := range textline.Patterns() {
		var samples []serdetest.Sample
		for _, x := range lines[name] {
			if strings.HasPrefix(x.want, "{") {
				samples = append(samples, serdetest.Sample{Name: x.want[:min(40, len(x.want))], Topic: "t", Data: []byte(x.line), JSON: x.want})
			}
		}
		t.Run(name, func(t *testing.T) { serdetest.Test(t, builtin(t, name), samples[:min(2, len(samples))]) })
	}
	t.Run("regexp", func(t *testing.T) {
		d := expression(t, `(?P<at>\S+) (?P<level>[A-Z]+) (?P<message>.*)`, column.Column{Name: "at", Type: column.Timestamp})
		serdetest.Test(t, d, []serdetest.Sample{{Name: "line", Topic: "t", Data: []byte("2026-01-31T08:15:30.5Z WARN no route\n"),
			JSON: `{"at":"2026-01-31T08:15:30.5Z","level":"WARN","message":"no route"}`}})
	})
}

func FuzzDecode(f *testing.F) {
	var decoders []*textline.Decoder
	for _, name := range textline.Patterns() {
		decoders = append(decoders, builtin(f, name))
		for _, x := range lines[name] {
			f.Add([]byte(x.line))
		}
	}
	decoders = append(decoders, expression(f, `(?P<a>[^ ]*) ?(?P<b>.*)`, column.Column{Name: "b", Type: column.JSON}))
	f.Fuzz(func(t *testing.T, data []byte) {
		tape := serde.NewTape()
		for _, d := range decoders {
			v, err := d.Decode(t.Context(), tape, "t", data)
			if err != nil {
				continue
			}
			if _, err := v.AppendJSON(nil); err != nil {
				t.Errorf("%q: %v", data, err)
			}
		}
	})
}
