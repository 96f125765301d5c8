package lines

import (
	"bytes"
	"compress/gzip"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/serde"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var codecs = []struct {
	compression Compression
	level       int
	extension   string
}{{None, 0, ""}, {"", 0, ""}, {Gzip, 0, ".gz"}, {Gzip, 1, ".gz"}, {Gzip, 9, ".gz"}, {Zstd, 0, ".zst"}, {Zstd, 1, ".zst"}, {Zstd, 22, ".zst"}, {Snappy, 0, ".sz"}}

// expand reads a stream with somebody else's decoder where there is one: the gzip of the standard library, the program zstd.
func expand(t *testing.T, extension string, stream []byte) []byte {
	t.Helper()
	switch extension {
	case ".gz":
		r, err := gzip.NewReader(bytes.NewReader(stream))
		if err != nil {
			t.Fatal(err)
		}
		out, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return out
	case ".sz":
		out, err := io.ReadAll(snappy.NewReader(bytes.NewReader(stream)))
		if err != nil {
			t.Fatal(err)
		}
		return out
	case ".zst":
		if program, err := exec.LookPath("zstd"); err == nil {
			cmd := exec.Command(program, "-dc")
			cmd.Stdin = bytes.NewReader(stream)
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		r, err := zstd.NewReader(bytes.NewReader(stream))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		out, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	return stream
}

func TestBlocksMakeOneStream(t *testing.T) {
	rows := positions(3000)
	for _, c := range codecs {
		codec, err := NewCodec(c.compression, c.level)
		if err != nil {
			t.Fatal(err)
		}
		if codec.Extension() != c.extension {
			t.Errorf("%s has extension %q", c.compression, codec.Extension())
		}
		tape := serde.NewTape()
		w := NewWriter(codec, JSON)
		var stream, scratch []byte
		for _, row := range rows {
			v, err := tape.JSON(row[:len(row)-1], serde.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Add(v); err != nil {
				t.Fatal(err)
			}
			if w.Pending() >= 64<<10 {
				p := w.Block(&scratch)
				if again := w.Block(&scratch); !bytes.Equal(p, again) {
					t.Fatalf("%s: Block differs when it is called again", c.compression)
				}
				stream = append(stream, p...)
				w.Next(len(p), 64<<10)
				tape.Reset()
			}
		}
		p := w.Block(&scratch)
		stream = append(stream, p...)
		w.Next(len(p), 0)
		if w.Held() != 0 || w.Pending() != 0 {
			t.Errorf("%s holds %d bytes after the end", c.compression, w.Held())
		}
		if w.Rows() != 3000 || w.Finished() != int64(len(stream)) {
			t.Errorf("%s: %d rows in %d bytes of %d", c.compression, w.Rows(), w.Finished(), len(stream))
		}
		if len(w.Block(&scratch)) != 0 {
			t.Errorf("%s: an empty block isn't empty", c.compression)
		}
		if got := expand(t, c.extension, stream); !bytes.Equal(got, bytes.Join(rows, nil)) {
			t.Errorf("%s level %d: the stream expands to %d other bytes", c.compression, c.level, len(got))
		}
	}
}

func TestFormats(t *testing.T) {
	tape := serde.NewTape()
	parse := func(s string) serde.Value {
		v, err := tape.JSON([]byte(s), serde.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		format Format
		value  serde.Value
		want   string // "" = an error
	}{
		{JSON, parse(`{"a": [1, 2.50],"b":"é\n"}`), `{"a": [1, 2.50],"b":"é\n"}` + "\n"},
		{JSON, parse("{\n \"a\": 1\n}"), `{"a":1}` + "\n"},
		{JSON, tape.Null(), "null\n"},
		{JSON, tape.String("a\nb"), `"a\nb"` + "\n"},
		{JSON, serde.Value{}, ""},
		{JSON, tape.BorrowString([]byte("\xff")), ""},
		{Raw, tape.BorrowBytes([]byte("\xff\x00")), "\xff\x00\n"},
		{Raw, tape.String("text"), "text\n"},
		{Raw, tape.Null(), "\n"},
		{Raw, parse(`{"a":1}`), `{"a":1}` + "\n"},
		{Raw, tape.String("two\nlines"), ""},
		{Format(""), tape.Null(), "null\n"},
		{RawSeparated("\n"), tape.String("two\nlines"), ""},
		{RawSeparated("||"), tape.String("two\nlines|x"), "two\nlines|x||"},
		{RawSeparated("||"), tape.String("a||b"), ""},
		{RawSeparated("||"), tape.String("a|"), ""}, // a||| would be read as a and |
		{RawSeparated("\x00"), tape.Null(), "\x00"},
		{RawLengths, tape.BorrowBytes([]byte("\n\xff")), "\x00\x00\x00\x02\n\xff"},
		{RawLengths, tape.Null(), "\x00\x00\x00\x00"},
		{RawLengths, parse(`{"a":"` + strings.Repeat("x", 300) + `"}`), "\x00\x00\x01\x34" + `{"a":"` + strings.Repeat("x", 300) + `"}`},
	} {
		got, err := c.format.Append([]byte("<"), c.value)
		switch {
		case c.want == "" && (err == nil || string(got) != "<"):
			t.Errorf("%s of %s: %q, want an error and nothing written", c.format, c.value.Kind(), got)
		case c.want != "" && (err != nil || string(got) != "<"+c.want):
			t.Errorf("%s of %s: %q, %v; want %q", c.format, c.value.Kind(), got, err, c.want)
		}
	}
}

func TestAddLeavesNothingOfABadRow(t *testing.T) {
	codec, err := NewCodec(None, 0)
	if err != nil {
		t.Fatal(err)
	}
	tape := serde.NewTape()
	w := NewWriter(codec, JSON)
	good, bad := tape.String("good"), tape.Array([]serde.Value{tape.Int64(1), tape.BorrowString([]byte("\xff"))})
	for _, v := range []serde.Value{good, bad, good} {
		_ = w.Add(v)
	}
	var scratch []byte
	if got := string(w.Block(&scratch)); got != "\"good\"\n\"good\"\n" || w.Rows() != 2 {
		t.Errorf("%d rows: %q", w.Rows(), got)
	}
}

func TestUnknownNames(t *testing.T) {
	for _, c := range []struct {
		c     Compression
		level int
		want  string
	}{{"lz4", 0, "none, gzip, zstd, snappy"}, {Gzip, 10, "no level 10"}, {Gzip, -1, "no level -1"}, {None, 1, "no level 1"}, {Zstd, 23, "no level 23"}, {Snappy, 1, "no level 1"}} {
		if _, err := NewCodec(c.c, c.level); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("NewCodec(%s, %d): %v", c.c, c.level, err)
		}
	}
	for _, name := range []string{"csv", string(RawLengths), string(RawSeparated("|"))} {
		if _, err := ParseFormat(name); err == nil {
			t.Errorf("there is no format %s", name)
		}
	}
	for f, want := range map[Format]string{"": ".json", JSON: ".json", Raw: ".txt", RawSeparated("|"): ".bin", RawLengths: ".bin"} {
		if f.Extension() != want {
			t.Errorf("%s has extension %s", f, f.Extension())
		}
	}
}

// TestCodecIsShared compresses from many goroutines; there are never more encoders than processors.
func TestCodecIsShared(t *testing.T) {
	for _, c := range []Compression{Gzip, Zstd, Snappy} {
		codec, err := NewCodec(c, 0)
		if err != nil {
			t.Fatal(err)
		}
		block := bytes.Repeat([]byte("some text that is compressed\n"), 2000)
		want := codec.Append(nil, block)
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for range 5 {
					if got := codec.Append([]byte("<"), block); !bytes.Equal(got[1:], want) {
						t.Errorf("%s: blocks mix", c)
					}
				}
			})
		}
		wg.Wait()
		if len(codec.idle) > cap(codec.busy) {
			t.Errorf("%s made %d encoders for %d processors", c, len(codec.idle), cap(codec.busy))
		}
	}
}

func TestAddDoesNotAllocate(t *testing.T) {
	codec, err := NewCodec(Gzip, 0)
	if err != nil {
		t.Fatal(err)
	}
	tape := serde.NewTape()
	v, err := tape.JSON([]byte(`{"a":1,"b":"text"}`), serde.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	w := NewWriter(codec, JSON)
	w.block = make([]byte, 0, 1<<20)
	if n := testing.AllocsPerRun(1000, func() { _ = w.Add(v) }); n > 0 {
		t.Errorf("Add allocates %v times", n)
	}
}
