package template_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/template"
)

const when = 1772355845123 // 2026-03-01T09:04:05.123Z

func one(t testing.TB, r connectortest.R) *connector.Batch {
	t.Helper()
	if r.Timestamp == 0 {
		r.Timestamp = when
	}
	r.Offset = 42
	return connectortest.Batch(t, "cars", 7, r)
}

func TestAppend(t *testing.T) {
	path := template.Options{Path: true, Position: true, Time: &template.Time{}}
	text := template.Options{Time: &template.Time{}}
	null := template.Options{Null: "none"}
	for _, c := range []struct {
		text, value, want string
		o                 template.Options
	}{
		{"plain", `1`, "plain", text},
		{"", `1`, "", text},
		{"{{x}}", `1`, "{x}", text},
		{"{topic}-{partition}-{offset}", `1`, "cars-7-42", text},
		{"{partition:%04d} {offset:%d} {timestamp}", `1`, "0007 42 1772355845123", text},
		{"{connector}|{key}|{id}", `1`, "test|k|6d696c6c726163650000000000000001-7-42-0", text},
		{"{value.city}", `{"city":"Zürich / Nord"}`, "Zürich / Nord", text},
		{"{value.pos.lat} {value.tags[0]} {value.tags[-1]}", `{"pos":{"lat":1.50},"tags":["a","b"]}`, "1.50 a b", text},
		{`{value["odd } name"].x}`, `{"odd } name":{"x":true}}`, "true", text},
		{"{value}", `{"a": 1}`, `{"a": 1}`, text},
		{"{value.n}", `{"n":9007199254740993}`, "9007199254740993", text},
		{"{value.city}", `{"city":""}`, "", text},
		{"{value.city}", `{"city":null}`, "none", null},
		{"{value.city}", `{}`, "none", null},
		{"{header.trace} {header[\"a:b\"]}", `1`, "second c", text},
		{"{time:yyyy-MM-dd'T'HH:mm:ss.SSS}", `1`, "2026-03-01T09:04:05.123", text},
		{"{time:yy/M/d H:m:s DDD ''uuuu'o''clock'}", `1`, "26/3/1 9:4:5 060 '2026o'clock", text},

		{"{topic}/{position:%010d}", `1`, "cars/0000000100", path},
		{"dt={time:yyyy/MM/dd}/{value.city}", `{"city":"Bern"}`, "dt=2026/03/01/Bern", path},
		{"a/{value.city}", `{"city":"../../etc/passwd"}`, "a/%2E.%2F..%2Fetc%2Fpasswd", path},
		{"a/{value.city}", `{"city":"/root"}`, "a/%2Froot", path},
		{"a/{value.city}", `{"city":".."}`, "a/%2E.", path},
		{"a/{value.city}", `{"city":"."}`, "a/%2E", path},
		{"a/{value.city}", `{"city":"x\u0000y\n%"}`, "a/x%00y%0A%25", path},
		{"a/{value.city}", `{"city":""}`, "a/__null__", path},
		{"a/{value.city}", `{"city":null}`, "a/__null__", path},
		{"a/{value.city}", `{}`, "a/__null__", path},
		{"a/{value.city}", `{"city":"__null__"}`, "a/%5F_null__", path},
		{"a/{value.pos}", `{"pos":[1,2]}`, "a/%5B1%2C2%5D", path},
		{"a/{value.pos}", `{"pos":-1.5}`, "a/-1.5", path},
		{"a/{header.none}", `1`, "a/__null__", path},
		{"a.{value.x}.{value.y}", `{"x":"..","y":".z"}`, "a.%2E..%2Ez", path},
		{"{value.city}", `{"city":"` + strings.Repeat("é", 60) + `"}`, strings.Repeat("%C3%A9", 30) + "%C3~" + "5d1b16a6b0b5ef3f", path},
	} {
		tmpl, err := template.Compile(c.text, c.o)
		if err != nil {
			t.Errorf("Compile(%q): %v", c.text, err)
			continue
		}
		b := one(t, connectortest.R{Key: "k", Value: c.value, Headers: []connector.Header{
			{Name: "trace", Value: []byte("first")}, {Name: "trace", Value: []byte("second")}, {Name: "a:b", Value: []byte("c")}}})
		got, err := tmpl.Append([]byte("<"), b, 0, 100)
		if i := strings.LastIndexByte(c.want, '~'); i > 0 && err == nil {
			got, c.want = got[:min(len(got), i+2)], c.want[:i+1] // the hash is checked elsewhere
		}
		if err != nil || string(got) != "<"+c.want {
			t.Errorf("%q of %s: %q, %v; want %q", c.text, c.value, got, err, "<"+c.want)
		}
	}
}

func TestAppendErrors(t *testing.T) {
	for _, c := range []struct {
		text, value, want string
		o                 template.Options
	}{
		{"cars#{value.city}", `{"town":1}`, `{value.city} of "cars#{value.city}": it is missing`, template.Options{}},
		{"{value.city}", `{"city":null}`, `{value.city} of "{value.city}": it is null`, template.Options{}},
		{"{header.x}", `1`, `{header.x} of "{header.x}": it is missing`, template.Options{}},
		{"{time:HH}", `{}`, `{time:HH} of "{time:HH}": the time is missing`, template.Options{Time: &template.Time{From: "value.at"}}},
		{"{time:HH}", `{"at":"yesterday"}`, `"yesterday" is no time`, template.Options{Time: &template.Time{From: "value.at"}}},
		{"{time:HH}", `{"at":{}}`, `the time is object`, template.Options{Time: &template.Time{From: "value.at"}}},
		{"{time:yyyy}", `{"at":9223372036854775807}`, `isn't one of 0 to 9999`, template.Options{Time: &template.Time{From: "value.at"}}},
		{"{value.a}{value.a}", `{"a":"` + strings.Repeat("x", 199) + `"}`, "would have 398 bytes, more than 255", template.Options{Path: true}},
		{strings.Repeat("{value.a}/", 6) + "x", `{"a":"` + strings.Repeat("x", 199) + `"}`, "would have 1201 bytes, more than 1024", template.Options{Path: true}},
	} {
		tmpl, err := template.Compile(c.text, c.o)
		if err != nil {
			t.Errorf("Compile(%q): %v", c.text, err)
			continue
		}
		got, err := tmpl.Append([]byte("before"), one(t, connectortest.R{Value: c.value}), 0, 0)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q of %s: error %v; want %q", c.text, c.value, err, c.want)
		}
		if connector.ClassOf(err) != connector.Permanent {
			t.Errorf("%q of %s: class %v", c.text, c.value, connector.ClassOf(err))
		}
		if string(got) != "before" {
			t.Errorf("%q of %s left %q", c.text, c.value, got)
		}
	}
}

func TestNullKeyAndTombstone(t *testing.T) {
	tmpl, err := template.Compile("{key}/{value.city}", template.Options{Path: true})
	if err != nil {
		t.Fatal(err)
	}
	got, err := tmpl.Append(nil, one(t, connectortest.R{NullKey: true, NullValue: true}), 0, 0)
	if err != nil || string(got) != "__null__/__null__" {
		t.Errorf("null key and tombstone: %q, %v", got, err)
	}
}

func TestCompileErrors(t *testing.T) {
	path := template.Options{Path: true, Position: true, Time: &template.Time{}}
	for _, c := range []struct {
		text, want string
		o          template.Options
	}{
		{"dt={tiem:yyyy}", "there is no {tiem}: it can hold {topic}", path},
		{"dt={tiem:yyyy}", "\n  dt={tiem:yyyy}\n      ^", path},
		{"ä={x}", "\n  ä={x}\n     ^", path},
		{"{topic", "isn't closed", path},
		{"{a{b}", "isn't closed", path},
		{"topic}", "closes nothing", path},
		{"{}", "there is no {}", path},
		{"{topic.x}", "topic has no fields", path},
		{"{topic:%d}", "topic takes no format", path},
		{"{value.a:%d}", "value takes no format", path},
		{"{position:%10d}", "%010d", path},
		{"{position:%041d}", "at most %040d", path},
		{"{position:}", "%010d", path},
		{"{value.}", "{value.}", path},
		{"{value[}", "{value[}", path},
		{"{value.a b}", "{value.a b}", path},
		{"{header}", "{header.NAME}", path},
		{"{header.}", "{header.NAME}", path},
		{"{time}", "pattern is missing", path},
		{"{time:YYYY}", "write yyyy", path},
		{"{time:hh}", "write HH", path},
		{"{time:yyy}", `"yyy" means nothing`, path},
		{"{time:dd'}", "isn't closed", path},
		{"{time:EEE}", `"EEE" means nothing`, path},
		{"{time:yyyy}", "{time} can't stand here", template.Options{}},
		{"{position}", "{position} can't stand here", template.Options{}},
		{"", "empty", path},
		{"/a", "not with /", path},
		{"a/", "end in /", path},
		{"a//b", "//", path},
		{"a/../b", "can't hold ..", path},
		{"./a", "can't hold . ", path},
		{"{time:'..'}/a", "can't hold ..", path},
		{"a\x00", "control character", path},
		{strings.Repeat("x", 5000), "too long", path},
		{"x", "no time zone", template.Options{Time: &template.Time{Zone: "Mars/Base"}}},
		{"x", "timestamp, wall", template.Options{Time: &template.Time{From: "now"}}},
		{"x", "a name is missing", template.Options{Time: &template.Time{From: "value."}}},
	} {
		_, err := template.Compile(c.text, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Compile(%.40q): %v; want %q", c.text, err, c.want)
		}
		if err == nil {
			continue
		}
		if _, ok := errors.AsType[*template.Error](err); !ok {
			t.Errorf("Compile(%.40q): %T", c.text, err)
		}
	}
}

func TestConstant(t *testing.T) {
	o := template.Options{Path: true, Position: true, Time: &template.Time{}}
	for text, want := range map[string]bool{
		"{topic}/{partition}/{connector}-{position}": true,
		"a": true, "{key}": false, "{value.a}": false, "{offset}": false, "{time:yyyy}": false, "{id}": false, "{header.x}": false,
	} {
		tmpl, err := template.Compile(text, o)
		if err != nil {
			t.Fatal(err)
		}
		if tmpl.Constant() != want {
			t.Errorf("%q: Constant is %v", text, !want)
		}
		if has := strings.Contains(text, "position"); tmpl.HasPosition() != has {
			t.Errorf("%q: HasPosition is %v", text, !has)
		}
	}
}

func TestTimeFrom(t *testing.T) {
	for _, c := range []struct{ from, zone, value, want string }{
		{"", "", `1`, "2026-03-01 09"},
		{"timestamp", "Asia/Seoul", `1`, "2026-03-01 18"},
		{"value.at", "", `{"at":1772355845123}`, "2026-03-01 09"},
		{"value.at", "", `{"at":1772355845123.7}`, "2026-03-01 09"},
		{"value.at", "", `{"at":"1772355845123"}`, "2026-03-01 09"},
		{"value.at", "", `{"at":"2026-12-31T23:59:59.999Z"}`, "2026-12-31 23"},
		{"value.at", "", `{"at":"2026-12-31T23:59:59+02:00"}`, "2026-12-31 21"},
		{"value.at", "Asia/Seoul", `{"at":"2026-12-31T23:59:59"}`, "2026-12-31 23"},
		{"value.at", "Asia/Seoul", `{"at":"2026-12-31 23:59:59Z"}`, "2027-01-01 08"},
		{"value.at", "Asia/Seoul", `{"at":"2026-12-31"}`, "2026-12-31 00"},
		{"value", "", `0`, "1970-01-01 00"},
		{"header.sent", "", `1`, "2001-02-03 04"},
	} {
		tmpl, err := template.Compile("{time:yyyy-MM-dd HH}", template.Options{Time: &template.Time{From: c.from, Zone: c.zone}})
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		b := one(t, connectortest.R{Value: c.value, Headers: []connector.Header{{Name: "sent", Value: []byte("2001-02-03T04:05:06Z")}}})
		got, err := tmpl.Append(nil, b, 0, 0)
		if err != nil || string(got) != c.want {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

// TestSame: where Same says so, the texts are equal, in every zone, through each change of its offset.
func TestSame(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Africa/Monrovia"} {
		for text, least := range map[string]int{
			"{time:yyyy-MM-dd}": 800, "{time:yyyy}/{time:HH}": 800, "{time:HH-mm}": 0, "{time:ss}": 0, "{time:SSS}": 0,
			"{topic}/{partition}": 1000, "{time:HH}/{key}": -1,
		} {
			tmpl, err := template.Compile(text, template.Options{Path: true, Time: &template.Time{Zone: zone}})
			if err != nil {
				t.Fatal(err)
			}
			for _, start := range []int64{
				-1, 0, when,
				time.Date(1972, 1, 6, 23, 30, 0, 0, time.UTC).UnixMilli(), // Monrovia's offset loses 44 minutes 30 seconds at 00:44:30
				time.Date(2026, 3, 28, 20, 0, 0, 0, time.UTC).UnixMilli(), time.Date(2026, 10, 24, 20, 0, 0, 0, time.UTC).UnixMilli(),
				time.Date(2026, 4, 4, 10, 0, 0, 0, time.UTC).UnixMilli(), time.Date(2026, 10, 3, 10, 0, 0, 0, time.UTC).UnixMilli(),
			} {
				var rs []connectortest.R
				for i := range int64(1001) { // forth, and back at other times
					at := start + min(i, 1000-i)*60_022 + i
					rs = append(rs, connectortest.R{Key: "k", Value: "1", Timestamp: at})
				}
				b := connectortest.Batch(t, "cars", 0, rs...)
				var run template.Run
				var before string
				same := 0
				for i := range b.Len() {
					text, err := tmpl.Append(nil, b, i, 0)
					if err != nil {
						t.Fatal(err)
					}
					if tmpl.Same(&run, b, i) && i > 0 {
						same++
						if string(text) != before {
							t.Fatalf("%s in %s: Same, but %s after %s", tmpl.Text(), zone, text, before)
						}
					}
					before = string(text)
				}
				if same < least || least < 0 && same > 0 {
					t.Errorf("%s in %s: %d are the same", text, zone, same)
				}
			}
		}
	}
}

func TestEscapePath(t *testing.T) {
	values := []string{"", "a", ".", "..", "...", ".a", "a.", "a/b", "a\\b", "%", "%2F", "~", "__null__", "%5F_null__", "\x00", "é", "\xff", " ",
		strings.Repeat("a", 199), strings.Repeat("a", 200), strings.Repeat("a", 201), strings.Repeat("a", 200) + "b", strings.Repeat("/", 300), strings.Repeat("/", 301)}
	values = append(values, string(template.EscapePath(nil, []byte(values[len(values)-1]))))
	seen := map[string]string{}
	for _, v := range values {
		got := string(template.EscapePath([]byte("x"), []byte(v)))[1:]
		checkPart(t, v, got)
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q both give %q", v, other, got)
		}
		seen[got] = v
	}
}

// checkPart fails where a value's text could change the shape of a path.
func checkPart(t *testing.T, v, got string) {
	t.Helper()
	if len(got) > 200 || strings.HasPrefix(got, ".") || got == template.NullSegment || (got == "") != (v == "") {
		t.Errorf("%.80q gives %q", v, got)
	}
	for i := range len(got) {
		if c := got[i]; c <= ' ' || c >= 0x7f || c == '/' || c == '\\' {
			t.Errorf("%.80q gives %q", v, got)
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	tmpl, err := template.Compile("{topic}/dt={time:yyyy-MM-dd}/hour={time:HH}/{value.city}/{value.n}/{key}/{header.h}/{connector}-{id}-{position:%010d}", template.Options{Path: true, Position: true, Time: &template.Time{}})
	if err != nil {
		t.Fatal(err)
	}
	b := one(t, connectortest.R{Key: "k/1", Value: `{"city":"São Paulo","n":12}`, Headers: []connector.Header{{Name: "h", Value: []byte("v")}}})
	dst := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { dst, _ = tmpl.Append(dst[:0], b, 0, 1) }); n > 0 {
		t.Errorf("Append allocates %v times", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	tmpl, err := template.Compile("dt={time:yyyy-MM-dd}/hour={time:HH}/{value.city}", template.Options{Path: true, Time: &template.Time{}})
	if err != nil {
		b.Fatal(err)
	}
	batch := one(b, connectortest.R{Value: `{"city":"Bern"}`})
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = tmpl.Append(dst[:0], batch, 0, 1)
	}
}

// FuzzTemplate: no text and no value makes a path leave its root or hold what no file name holds.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"a/{value}", "{topic}/{key}.{header.x}", "{{{value}}}", "{time:yyyy/MM/dd'x'}/{position:%010d}", "{value}{value}/..{value}", `{value["a"]}`, ".{value}", "{key}/./{value}", "{hash:2}/{hash:3:key}/{position}"} {
		for _, v := range []string{"..", "/", "", ".", "\x00", "../../x", "__null__", "\xff\xfe", strings.Repeat("é", 300)} {
			f.Add(s, v, int64(when))
		}
	}
	f.Fuzz(func(t *testing.T, text, value string, at int64) {
		tmpl, err := template.Compile(text, template.Options{Path: true, Position: true, Time: &template.Time{}})
		plain, plainErr := template.Compile(text, template.Options{Position: true, Time: &template.Time{}, Null: "-"})
		if plainErr != nil && err == nil {
			t.Fatalf("%q is a path, but no text: %v", text, plainErr)
		}
		if plainErr != nil {
			return
		}
		b := connectortest.Batch(t, "cars", 7, connectortest.R{
			Value: `{"a":1}`, Timestamp: at, Headers: []connector.Header{{Name: "x", Value: []byte(value)}}})
		b.At(0).Key, b.At(0).Value = b.Tape().BorrowBytes([]byte(value)), b.Tape().BorrowBytes([]byte(value))
		if _, err := plain.Append(nil, b, 0, at); err != nil && connector.ClassOf(err) != connector.Permanent {
			t.Fatalf("%q of %q: class %v", text, value, connector.ClassOf(err))
		}
		if err != nil {
			return
		}
		got, err := tmpl.Append(nil, b, 0, at)
		if err != nil {
			return
		}
		p := string(got)
		if p == "" || strings.HasPrefix(p, "/") || len(p) > template.MaxPath {
			t.Fatalf("%q of %q gives %q", text, value, p)
		}
		for i := range len(p) {
			if p[i] < ' ' || p[i] == 0x7f {
				t.Fatalf("%q of %q gives %q", text, value, p)
			}
		}
		for segment := range strings.SplitSeq(p, "/") {
			if segment == "" || segment == "." || segment == ".." || len(segment) > template.MaxSegment {
				t.Fatalf("%q of %q gives %q", text, value, p)
			}
		}
		checkPart(t, value, string(template.EscapePath(nil, []byte(value))))
	})
}
