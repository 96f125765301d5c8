package chain

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

func TestCountRows(t *testing.T) {
	text := strings.Repeat("a line of a file\n", 10_000)
	twice := func(open func(io.Writer) io.WriteCloser) string { // two members, as blocks are
		var b bytes.Buffer
		for _, half := range []string{text[:len(text)/2], text[len(text)/2:]} {
			w := open(&b)
			_, _ = io.WriteString(w, half)
			_ = w.Close()
		}
		return b.String()
	}
	zipped := twice(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	for _, test := range []struct {
		name, body string
		rows       int64
		damage     string
	}{
		{"x.json", text, 10_000, ""},
		{"x.json", "", 0, ""},
		{"x.json.gz", zipped, 10_000, ""},
		{"a.bin/x.txt.gz", zipped, 10_000, ""},
		{"x.json.zst", twice(func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z }), 10_000, ""},
		{"x.json.sz", twice(func(w io.Writer) io.WriteCloser { return s2.NewWriter(w, s2.WriterSnappyCompat()) }), 10_000, ""},
		{"x.txt", text, 10_000, ""},
		{"x.bin", text, -1, ""},
		{"x.bin.gz", zipped[:len(zipped)-1], -1, "unexpected EOF"},
		{"x", text, -1, ""},
		{"x.json", text[:len(text)-1], 9_999, "the last line has no end"},
		{"x.json", text + strings.Repeat("x", 200_000), 10_000, "the last line has no end"},
		{"x.json.gz", text, 0, "gzip: invalid header"},
		{"x.json.zst", text, 0, "magic number mismatch"},
		{"x.json.sz", text, 0, "corrupt"},
	} {
		for _, one := range []bool{false, true} {
			var from io.Reader = strings.NewReader(test.body)
			if one {
				from = iotest.OneByteReader(from)
			}
			rows, err := countRows(from, test.name)
			if test.damage == "" && err != nil || test.damage != "" && (err == nil || !strings.Contains(err.Error(), test.damage)) || rows != test.rows && (test.damage == "" || test.rows > 0) {
				t.Errorf("%s (%d bytes): %d, %v; want %d, %s", test.name, len(test.body), rows, err, test.rows, test.damage)
			}
		}
	}
}
