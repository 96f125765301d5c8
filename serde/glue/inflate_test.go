package glue

import (
	"bytes"
	"compress/zlib"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
)

// packed is data as Java's Deflater writes it.
func packed(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestInflate(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var p inflaters
	tape := serde.NewTape()
	for _, size := range []int{0, 1, 100, 4095, 4096, 4097, firstPart - 1, firstPart, firstPart + 1, 300_000, 2 << 20} {
		for _, letters := range []int{1, 256} { // well compressible, and not at all
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(random.IntN(letters))
			}
			in := packed(t, data)
			before := bytes.Clone(in)
			out, err := p.inflate(tape, in, size)
			if err != nil || !bytes.Equal(out, data) || !bytes.Equal(in, before) {
				t.Fatalf("%d bytes of %d letters: %d bytes, %v", size, letters, len(out), err)
			}
			if size > 0 {
				if _, err := p.inflate(tape, in, size-1); err == nil || !strings.Contains(err.Error(), "max_message") {
					t.Fatalf("%d bytes of %d letters with a limit of one less: %v", size, letters, err)
				}
			}
		}
		tape.Reset()
	}
}

func TestInflateBroken(t *testing.T) {
	var p inflaters
	tape := serde.NewTape()
	data := []byte(strings.Repeat(`{"id":1}`, 50))
	good := packed(t, data)
	for n := range good {
		if _, err := p.inflate(tape, good[:n], 1<<20); err == nil || !strings.Contains(err.Error(), "cut") {
			t.Errorf("the first %d of %d bytes: %v", n, len(good), err)
		}
	}
	if _, err := p.inflate(tape, append(bytes.Clone(good), 0), 1<<20); err == nil || !strings.Contains(err.Error(), "1 bytes are behind its end") {
		t.Errorf("a byte behind the end: %v", err)
	}
	sum := bytes.Clone(good)
	sum[len(sum)-1] ^= 1
	if _, err := p.inflate(tape, sum, 1<<20); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("a wrong checksum: %v", err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		out, err := p.inflate(tape, bad, 1<<20)
		if err == nil && !bytes.Equal(out, data) {
			t.Errorf("a changed byte %d wasn't noticed", i)
		}
	}
	if out, err := p.inflate(tape, good, 1<<20); err != nil || !bytes.Equal(out, data) {
		t.Errorf("after all that: %v", err)
	}
}

// What is unpacked in vain takes no memory to speak of.
func TestBombs(t *testing.T) {
	bomb := func(size int64) []byte {
		var b bytes.Buffer
		w, err := zlib.NewWriterLevel(&b, zlib.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(w, zeros{}, size); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for name, in := range map[string][]byte{
		"100 MiB":       bomb(100 << 20),
		"one byte more": bomb(defaultMessage + 1),
	} {
		var before, after runtime.MemStats
		var p inflaters
		tape := serde.NewTape()
		runtime.ReadMemStats(&before)
		out, err := p.inflate(tape, in, defaultMessage)
		runtime.ReadMemStats(&after)
		if n, most := after.TotalAlloc-before.TotalAlloc, uint64(64*len(in)+1<<20); n > most {
			t.Errorf("%s: %d bytes allocated for %d, at most %d are allowed", name, n, len(in), most)
		}
		if err == nil {
			t.Errorf("%s: unpacked to %d bytes", name, len(out))
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
