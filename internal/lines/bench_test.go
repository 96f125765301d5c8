package lines

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// positions makes n lines of JSON of about 223 bytes, as a vehicle sends them.
func positions(n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	rows := make([][]byte, n)
	for i := range rows {
		rows[i] = fmt.Appendf(nil, `{"car_id":"car-%06d","trip_id":"%016x","event_time":"2026-03-01T%02d:%02d:%02d.%03dZ","lat":%.6f,"lng":%.6f,"speed_kmh":%.1f,"heading":%d,"status":"%s","battery":%d,"odometer_m":%d}`+"\n",
			r.IntN(20000), r.Uint64(), i/3600%24, i/60%60, i%60, r.IntN(1000), 37.4+r.Float64()/5, 126.8+r.Float64()/5,
			r.Float64()*120, r.IntN(360), []string{"driving", "parked", "charging"}[r.IntN(3)], r.IntN(101), r.IntN(1e8))
	}
	return rows
}

// BenchmarkAgainstBareEncoder writes the same rows through blocks and through one encoder of klauspost/compress that
// stays open: compare MB/s, and the size of the output (the metric out).
func BenchmarkAgainstBareEncoder(b *testing.B) {
	rows := positions(20000)
	size := 0
	for _, r := range rows {
		size += len(r)
	}
	blocks := func(c Compression, limit int) func(b *testing.B) {
		return func(b *testing.B) {
			codec, err := NewCodec(c, 0)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var scratch []byte
			w := NewWriter(codec, JSON)
			for b.Loop() {
				w.finished = 0
				for _, r := range rows {
					w.block = append(w.block, r...)
					if w.Pending() >= int64(limit) {
						w.Next(len(w.Block(&scratch)), int64(2*limit))
					}
				}
				w.Next(len(w.Block(&scratch)), int64(2*limit))
			}
			b.ReportMetric(float64(w.Finished()), "out")
		}
	}
	var n count
	gz := gzip.NewWriter(&n)
	zw, err := zstd.NewWriter(&n, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		b.Fatal(err)
	}
	bare := func(w io.WriteCloser, reset func(io.Writer)) func(b *testing.B) {
		return func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				n = 0
				reset(&n)
				for _, r := range rows {
					if _, err := w.Write(r); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n), "out")
		}
	}
	b.Run("gzip/bare", bare(gz, gz.Reset))
	b.Run("gzip/blocks=1MiB", blocks(Gzip, 1<<20))
	b.Run("gzip/blocks=64KiB", blocks(Gzip, 1<<16))
	b.Run("zstd/bare", bare(zw, zw.Reset))
	b.Run("zstd/blocks=1MiB", blocks(Zstd, 1<<20))
	b.Run("zstd/blocks=64KiB", blocks(Zstd, 1<<16))
	b.Run("none", blocks(None, 1<<20))
}

type count int64

func (n *count) Write(p []byte) (int, error) { *n += count(len(p)); return len(p), nil }
