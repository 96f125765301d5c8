//go:build unix

package file

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// BenchmarkAdd writes 20 batches of 1,000 decoded records of about 223 bytes. Compare it with the cases
// named bare, in which one encoder writes the same bytes to a file.
func BenchmarkAdd(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var rs []connectortest.R
	size := 0
	for i := range 20_000 {
		v := fmt.Sprintf(`{"car_id":"car-%06d","trip_id":"%016x","event_time":"2026-03-01T%02d:%02d:%02d.%03dZ","lat":%.6f,"lng":%.6f,"speed_kmh":%.1f,"heading":%d,"status":"%s","battery":%d,"odometer_m":%d}`,
			r.IntN(20000), r.Uint64(), i/3600%24, i/60%60, i%60, r.IntN(1000), 37.4+r.Float64()/5, 126.8+r.Float64()/5,
			r.Float64()*120, r.IntN(360), []string{"driving", "parked", "charging"}[r.IntN(3)], r.IntN(101), r.IntN(1e8))
		size += len(v) + 1
		rs = append(rs, connectortest.R{Value: v, Timestamp: 1772355845123 + int64(i)})
	}
	var batches []*connector.Batch
	for chunk := range slices.Chunk(rs, 1000) {
		batches = append(batches, connectortest.Batch(b, "cars", 0, chunk...))
	}
	for _, compression := range []string{"gzip", "zstd"} {
		b.Run(compression+"/bare", func(b *testing.B) {
			b.SetBytes(int64(size))
			f, err := os.Create(filepath.Join(b.TempDir(), "x"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			w := newBare(compression, f)
			var line []byte
			defer cpu(b, len(rs))()
			for b.Loop() {
				for i := range rs {
					line = append(append(line[:0], rs[i].Value...), '\n')
					if _, err := w.Write(line); err != nil {
						b.Fatal(err)
					}
				}
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		})
		for _, path := range []string{"{topic}/", "{topic}/{time:yyyy-MM-dd}/{time:HH}/"} {
			b.Run(compression+"/"+path, func(b *testing.B) {
				c := config(b)
				c.Path, c.Compression = path, compression
				s, err := c.Open(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				g := stage(b, s, nil)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				defer cpu(b, len(rs))()
				for b.Loop() {
					for _, batch := range batches {
						if _, err := g.Add(context.Background(), batch); err != nil {
							b.Fatal(err)
						}
					}
				}
				if _, err := g.Commit(context.Background(), g.to(20_000)); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// cpu reports the process's time per record, which holds on a busy machine better than the clock's.
func cpu(b *testing.B, records int) func() {
	spent := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := spent()
	return func() { b.ReportMetric(float64(spent()-before)/float64(b.N*records), "cpu-ns/record") }
}

func newBare(compression string, f *os.File) interface {
	Write([]byte) (int, error)
	Close() error
} {
	if compression == "gzip" {
		return gzip.NewWriter(f)
	}
	w, _ := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	return w
}
