package textline_test

import (
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/column"
	"github.com/millrace/millrace/serde/textline"
)

// combined is apache_combined as a regular expression, with the same members. The built-in pattern is a scanner
// because it takes a tenth of the time.
func combined(t testing.TB) *textline.Decoder {
	return decoder(t, func(c *textline.Config) {
		c.Regexp = `(?P<host>\S+) (?P<ident>\S+) (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<request>(?P<method>\S+) (?P<path>.*) (?P<protocol>HTTP/[^" ]*))" ` +
			`(?P<status>\S+) (?P<bytes>\S+) "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<user_agent>(?:[^"\\]|\\.)*)"`
		c.Null = []string{"-"}
		c.Types = []column.Column{{Name: "time", Type: column.Timestamp, Format: "dd/MMM/yyyy:HH:mm:ss Z"},
			{Name: "status", Type: column.Int}, {Name: "bytes", Type: column.Int}}
	})
}

func benchmark(b *testing.B, d *textline.Decoder, line string) {
	tape, ctx, data := serde.NewTape(), b.Context(), []byte(line)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for n := 0; b.Loop(); n++ {
		if _, err := d.Decode(ctx, tape, "t", data); err != nil {
			b.Fatal(err)
		}
		if n%1000 == 999 {
			tape.Reset()
		}
	}
}

func BenchmarkPatterns(b *testing.B) {
	for _, name := range textline.Patterns() {
		b.Run(name, func(b *testing.B) { benchmark(b, builtin(b, name), lines[name][0].line) })
	}
}

func BenchmarkRegexp(b *testing.B) { benchmark(b, combined(b), lines["apache_combined"][0].line) }

// The scanner and the regular expression agree, so that their times can be compared.
func TestScannerIsTheRegexp(t *testing.T) {
	line := lines["apache_combined"][0]
	if got := decode(t, combined(t), line.line); got != line.want {
		t.Errorf("got %s\nwant %s", got, line.want)
	}
}

// The scanners allocate nothing, once the tape has grown.
func TestAllocations(t *testing.T) {
	for _, name := range textline.Patterns() {
		if name == "logfmt" {
			continue // its first line has escapes, which encoding/json reads
		}
		d, tape, data, ctx := builtin(t, name), serde.NewTape(), []byte(lines[name][0].line), t.Context()
		decode := func() {
			for range 100 {
				if _, err := d.Decode(ctx, tape, "t", data); err != nil {
					t.Fatal(err)
				}
			}
			tape.Reset()
		}
		decode()
		if n := testing.AllocsPerRun(10, decode); n > 1 {
			t.Errorf("%s: 100 lines allocate %v times", name, n)
		}
	}
}
