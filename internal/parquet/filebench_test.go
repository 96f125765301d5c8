package parquet

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

func vehicles() *table.Schema {
	f := func(name string, k table.Kind) table.Field {
		return table.Field{Name: name, Type: table.Type{Kind: k, Nullable: true}}
	}
	return &table.Schema{Name: "position", Fields: []table.Field{f("car_id", table.String), f("lat", table.Float64), f("lng", table.Float64), f("speed", table.Float64),
		f("heading", table.Int64), f("ts", table.TimestampMillis), f("status", table.Int64), f("driver", table.String), f("online", table.Bool), f("battery", table.Float64),
		f("zone", table.String), f("trip_id", table.String), f("acc", table.Float64)}}
}

// positions are records of vehicles as JSON.
func positions(n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	rows := make([][]byte, n)
	for i := range rows {
		rows[i] = fmt.Appendf(nil, `{"car_id":"99-HT-%04d","lat":%.6f,"lng":%.6f,"speed":%.1f,"heading":%d,"ts":%d,"status":%d,"driver":"a1b2c3d%04x","online":%t,"battery":null,"zone":"baku-%d","trip_id":"%08x-55e2-4c1b-9a7d-%04x","acc":%.2f}`,
			r.IntN(5000), 40+r.Float64(), 49+r.Float64(), r.Float64()*120, r.IntN(360), 1767225600123+int64(i)*7, r.IntN(5)*20, r.IntN(3000), r.IntN(9) > 0, r.IntN(40),
			r.Uint32(), r.IntN(1<<16), r.Float64()*10)
	}
	return rows
}

// BenchmarkFile writes parsed records to a file: the metric is nanoseconds for each.
func BenchmarkFile(b *testing.B) {
	rows := positions(100_000)
	tape := serde.NewTape()
	values := make([]serde.Value, len(rows))
	for i, r := range rows {
		v, err := tape.JSON(r, serde.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		values[i] = v
	}
	for name, o := range map[string]Options{"snappy": {}, "zstd": {Compression: Zstd}, "none": {Compression: None}, "snappy/plain": {Plain: true}, "snappy/nobounds": {NoBounds: true}} {
		b.Run(name, func(b *testing.B) {
			x := encoder(b, vehicles(), o)
			var scratch []byte
			size := 0
			b.ReportAllocs()
			for b.Loop() {
				f := x.File()
				for _, v := range values {
					if err := f.Add(v); err != nil {
						b.Fatal(err)
					}
				}
				n := len(f.Block(&scratch))
				f.Next(n, 0)
				size = n + len(f.End(&scratch))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(values)), "ns/record")
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// BenchmarkPage encodes pages of 20,000 values.
func BenchmarkPage(b *testing.B) {
	f := func(name string, k table.Kind) table.Field {
		return table.Field{Name: name, Type: table.Type{Kind: k, Nullable: true}}
	}
	for _, c := range []struct {
		name string
		kind table.Kind
		many int
	}{{"few texts", table.String, 50}, {"many texts", table.String, 5000}, {"other texts", table.String, 1 << 40}, {"few int64", table.Int64, 50}, {"other int64", table.Int64, 1 << 40}, {"float64", table.Float64, 1 << 40}, {"bool", table.Bool, 2}} {
		b.Run(c.name, func(b *testing.B) {
			x := encoder(b, &table.Schema{Fields: []table.Field{f("a", c.kind)}}, Options{})
			file := x.File()
			l := &file.leaves[0]
			r := rand.New(rand.NewPCG(1, 2))
			for range maxPageRows {
				switch n := r.IntN(c.many); c.kind {
				case table.String:
					l.bytes(0, fmt.Appendf(nil, "value %010d", n))
				case table.Bool:
					l.bool(0, n == 0)
				default:
					l.add(wantSlot{def: 1, value: binary.LittleEndian.AppendUint64(nil, uint64(n))})
				}
			}
			full := *l
			b.SetBytes(int64(len(l.values)))
			b.ReportAllocs()
			for b.Loop() {
				*l = full
				x.finish(l)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*maxPageRows), "ns/value")
		})
	}
}
