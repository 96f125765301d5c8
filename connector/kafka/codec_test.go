package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A packing is a way in which a producer may compress.
type packing struct {
	name  string
	codec kgo.CompressionCodecType
	pack  func(t testing.TB, w io.Writer, src io.Reader)
}

func copyTo(t testing.TB, w io.WriteCloser, src io.Reader) {
	t.Helper()
	if _, err := io.Copy(w, src); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func all(t testing.TB, r io.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var packings = []packing{
	{"gzip", kgo.CodecGzip, func(t testing.TB, w io.Writer, src io.Reader) { copyTo(t, gzip.NewWriter(w), src) }},
	{"gzip in two members", kgo.CodecGzip, func(t testing.TB, w io.Writer, src io.Reader) {
		b := all(t, src)
		copyTo(t, gzip.NewWriter(w), bytes.NewReader(b[:len(b)*2/3]))
		copyTo(t, gzip.NewWriter(w), bytes.NewReader(b[len(b)*2/3:]))
	}},
	{"snappy", kgo.CodecSnappy, func(t testing.TB, w io.Writer, src io.Reader) {
		_, _ = w.Write(s2.EncodeSnappy(nil, all(t, src)))
	}},
	{"snappy as in Java", kgo.CodecSnappy, func(t testing.TB, w io.Writer, src io.Reader) {
		_, _ = io.WriteString(w, xerial+"\x00\x00\x00\x01\x00\x00\x00\x01")
		chunk := make([]byte, 32<<10)
		for {
			n, err := io.ReadFull(src, chunk)
			if n > 0 {
				block := s2.EncodeSnappy(nil, chunk[:n])
				_, _ = w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(block))))
				_, _ = w.Write(block)
			}
			if err != nil {
				return
			}
		}
	}},
	{"lz4", kgo.CodecLz4, func(t testing.TB, w io.Writer, src io.Reader) { copyTo(t, lz4.NewWriter(w), src) }},
	{"lz4 as in Java", kgo.CodecLz4, func(t testing.TB, w io.Writer, src io.Reader) {
		z := lz4.NewWriter(w)
		if err := z.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.BlockChecksumOption(true)); err != nil {
			t.Fatal(err)
		}
		copyTo(t, z, src)
	}},
	{"zstd that says its size", kgo.CodecZstd, func(t testing.TB, w io.Writer, src io.Reader) {
		z, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(z.EncodeAll(all(t, src), nil))
		_ = z.Close()
	}},
	{"zstd that doesn't", kgo.CodecZstd, func(t testing.TB, w io.Writer, src io.Reader) {
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		copyTo(t, z, io.MultiReader(src)) // hides the size
	}},
	{"zstd in two frames, with a skippable one between", kgo.CodecZstd, func(t testing.TB, w io.Writer, src io.Reader) {
		b := all(t, src)
		for i, part := range [][]byte{b[:len(b)/3], b[len(b)/3:]} {
			if i > 0 {
				_, _ = w.Write([]byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'})
			}
			z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
			if err != nil {
				t.Fatal(err)
			}
			copyTo(t, z, io.MultiReader(bytes.NewReader(part)))
		}
	}},
}

func (p packing) packed(t testing.TB, src io.Reader) []byte {
	var b bytes.Buffer
	p.pack(t, &b, src)
	return b.Bytes()
}

// sample is n bytes that compress a little.
func sample(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, min(n, 100_000))
	for i := range b {
		b[i] = byte('a' + r.IntN(8)*r.IntN(4))
	}
	return bytes.Repeat(b, n/len(b)+1)[:n]
}

func newTestUnpacker(most, room int64) *unpacker {
	c := DefaultConfig()
	u := newUnpacker(&c)
	u.most, u.room = most, room
	return u
}

func TestUnpackWhatProducersWrite(t *testing.T) {
	for _, p := range packings {
		t.Run(p.name, func(t *testing.T) {
			u := newTestUnpacker(8<<20, 8<<20)
			for _, n := range []int{1, 100, 65535, 65536, 65537, 128 << 10, 128<<10 + 1, 1 << 20, 1<<20 + 1, 5_000_000} {
				want := sample(n)
				src := p.packed(t, bytes.NewReader(want))
				got, err := u.Decompress(src, p.codec)
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d bytes: got %d, %v", n, len(got), err)
				}
				if cap(got) > 2*len(got)+64 {
					t.Errorf("%d bytes lie in %d", len(got), cap(got))
				}
				if theirs, err := kgo.DefaultDecompressor().Decompress(src, p.codec); err != nil || !bytes.Equal(theirs, want) {
					t.Errorf("%d bytes: franz-go gets %d, %v", n, len(theirs), err)
				}
				u.forget()
				for range 20 { // broken
					bad := bytes.Clone(src)
					if len(bad) == 0 {
						break
					}
					bad[rand.IntN(len(bad))] ^= byte(1 + rand.IntN(255))
					_, _ = u.Decompress(bad[:rand.IntN(len(bad)+1)], p.codec)
					u.forget()
				}
			}
		})
	}
}

// zeros is n bytes of 0.
func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// To refuse a bomb takes no more memory than its limit and little more.
func TestBombsAreRefused(t *testing.T) {
	const most = 16 << 20
	for _, p := range packings {
		t.Run(p.name, func(t *testing.T) {
			bomb := p.packed(t, zeros(100<<20))
			u := newTestUnpacker(most, most)
			if _, err := u.Decompress(p.packed(t, zeros(1000)), p.codec); err != nil { // makes the pooled decoder
				t.Fatal(err)
			}
			u.forget()
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := u.Decompress(bomb, p.codec)
			runtime.ReadMemStats(&after)
			if !errors.As(err, new(*oversized)) {
				t.Errorf("error %v", err)
			}
			used := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d KiB for 100 MiB; %d KiB were allocated to refuse them", len(bomb)>>10, used>>10)
			if used > most+9<<20 { // lz4 may have two blocks of 4 MiB beside
				t.Errorf("%d MiB were allocated, with a limit of %d", used>>20, most>>20)
			}
			if u.held != 0 {
				t.Errorf("%d bytes are still held", u.held)
			}
			// At the limit all is well.
			src := p.packed(t, zeros(most))
			u.most += most
			if out, err := u.Decompress(src, p.codec); err != nil || len(out) != most {
				t.Errorf("%d bytes, %v", len(out), err)
			}
		})
	}
}

// What says that it unpacks to little, and doesn't, is refused too; what says much and doesn't is none the worse.
func TestSizesThatLie(t *testing.T) {
	u := newTestUnpacker(1<<20, 1<<20)
	gz := packings[0]
	bomb := gz.packed(t, zeros(100<<20))
	for _, said := range []uint32{0, 1, 1000, 1 << 20, 1<<20 + 1, 1<<32 - 1} {
		binary.LittleEndian.PutUint32(bomb[len(bomb)-4:], said)
		if _, err := u.Decompress(bomb, kgo.CodecGzip); !errors.As(err, new(*oversized)) {
			t.Errorf("says %d bytes: %v", said, err)
		}
	}
	// Two members: the trailer is the second one's.
	want := sample(500_000)
	two := append(gz.packed(t, bytes.NewReader(want[:400_000])), gz.packed(t, bytes.NewReader(want[400_000:]))...)
	if out, err := u.Decompress(two, kgo.CodecGzip); err != nil || !bytes.Equal(out, want) {
		t.Errorf("two members: %d bytes, %v", len(out), err)
	}
	// A frame of zstd whose header lies.
	z := packings[6].packed(t, bytes.NewReader(make([]byte, 60_000)))
	at := bytes.Index(z, binary.LittleEndian.AppendUint16(nil, 60_000-256))
	if at < 0 {
		t.Fatal("where is the size?")
	}
	u.forget()
	binary.LittleEndian.PutUint16(z[at:], 100)
	if _, err := u.Decompress(z, kgo.CodecZstd); err == nil {
		t.Error("a frame that is larger than it says was taken")
	}
	// Snappy that says 4 GiB, and as little as there is.
	if _, err := u.Decompress(binary.AppendUvarint(nil, 1<<32-1), kgo.CodecSnappy); !errors.As(err, new(*oversized)) {
		t.Errorf("snappy: %v", err)
	}
}

// Nothing makes the decoders panic or take more than the limit, and what they accept franz-go's own accepts too.
func FuzzUnpack(f *testing.F) {
	for _, p := range packings {
		f.Add(byte(p.codec), p.packed(f, bytes.NewReader(sample(3000))))
		f.Add(byte(p.codec), p.packed(f, zeros(200_000)))
	}
	f.Fuzz(func(t *testing.T, codec byte, src []byte) {
		const most = 1 << 20
		u := newTestUnpacker(most, most)
		kind := kgo.CompressionCodecType(codec % 6)
		out, err := u.Decompress(src, kind)
		if kind == kgo.CodecNone {
			return
		}
		if len(out) > most || cap(out) > most+64 {
			t.Fatalf("%d bytes in %d", len(out), cap(out))
		}
		if err != nil {
			if u.held != 0 {
				t.Fatalf("%d bytes held after %v", u.held, err)
			}
			return
		}
		theirs, err := kgo.DefaultDecompressor().Decompress(src, kind)
		if err != nil || !bytes.Equal(out, theirs) {
			t.Fatalf("franz-go says %d bytes, %v; we %d", len(theirs), err, len(out))
		}
	})
}

func BenchmarkUnpack(b *testing.B) {
	for _, size := range []int{16 << 10, 1 << 20} {
		one := record(`{"id":12345,"name":"the quick brown fox","lat":51.5,"lon":-0.12}`, 1)
		value := bytes.Repeat(one, size/len(one))
		for _, p := range packings {
			src := p.packed(b, bytes.NewReader(value))
			for name, d := range map[string]kgo.Decompressor{"ours": newTestUnpacker(64<<20, 64<<20), "franz-go": kgo.DefaultDecompressor()} {
				b.Run(fmt.Sprintf("%s/%d/%s", p.name, size, name), func(b *testing.B) {
					b.SetBytes(int64(len(value)))
					b.ReportAllocs()
					for b.Loop() {
						if _, err := d.Decompress(src, p.codec); err != nil {
							b.Fatal(err)
						}
						if u, ok := d.(*unpacker); ok {
							u.forget()
						}
					}
				})
			}
		}
	}
}
