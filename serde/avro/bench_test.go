package avro_test

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

// flatSchema has the content of flatRecord in serde's benchmarks.
const flatSchema = `{"type":"record","name":"Position","fields":[
	{"name":"car_id","type":"string"},{"name":"lat","type":"double"},{"name":"lng","type":"double"},{"name":"speed","type":"double"},
	{"name":"heading","type":"long"},{"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"status","type":"long"},
	{"name":"driver","type":"string"},{"name":"online","type":"boolean"},{"name":"battery","type":["null","double"]},
	{"name":"zone","type":"string"},{"name":"trip_id","type":"string"},{"name":"acc","type":"double"}]}`

const flatText = `{"car_id":"99-HT-472","lat":40.409264,"lng":49.867092,"speed":63.5,"heading":271,"ts":"2026-01-01T00:00:00.123Z","status":80,` +
	`"driver":"a1b2c3d4e5f","online":true,"battery":null,"zone":"baku-center","trip_id":"7f3c9a10-55e2-4c1b-9a7d-3e21","acc":5.25}`

func flatData() []byte {
	text := func(b []byte, s string) []byte { return append(binary.AppendVarint(b, int64(len(s))), s...) }
	double := func(b []byte, f float64) []byte { return binary.LittleEndian.AppendUint64(b, math.Float64bits(f)) }
	b := text(nil, "99-HT-472")
	b = double(double(double(b, 40.409264), 49.867092), 63.5)
	b = binary.AppendVarint(binary.AppendVarint(binary.AppendVarint(b, 271), 1767225600123), 80)
	b = append(text(b, "a1b2c3d4e5f"), 1, 0)
	return double(text(text(b, "baku-center"), "7f3c9a10-55e2-4c1b-9a7d-3e21"), 5.25)
}

func program(t testing.TB, schema string, o avro.Options) *avro.Program {
	t.Helper()
	p, err := avro.Compile(parse(t, schema), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func parse(t testing.TB, schema string) *avro.Schema {
	t.Helper()
	s, err := avro.Parse(schema)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// batch is how many records share a tape in the benchmarks.
const batch = 256

func BenchmarkDecode(b *testing.B) {
	p, data := program(b, flatSchema, avro.Options{}), flatData()
	tape, n := serde.NewTape(), 0
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Decode(tape, data); err != nil {
			b.Fatal(err)
		}
		if n++; n%batch == 0 {
			tape.Reset()
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	p, data := program(b, flatSchema, avro.Options{}), flatData()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		var err error
		if out, err = p.AppendJSON(out[:0], data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJSON turns Avro into JSON text with goavro and here, by turns, and prints the ratio of the times.
func BenchmarkJSON(b *testing.B) {
	p, data := program(b, flatSchema, avro.Options{}), flatData()
	codec, err := goavro.NewCodec(flatSchema)
	if err != nil {
		b.Fatal(err)
	}
	const rounds = 64
	var (
		out          []byte
		ours, theirs time.Duration
	)
	for b.Loop() {
		begin := time.Now()
		for range rounds {
			if out, err = p.AppendJSON(out[:0], data); err != nil {
				b.Fatal(err)
			}
		}
		ours += time.Since(begin)
		begin = time.Now()
		for range rounds {
			native, _, err := codec.NativeFromBinary(data)
			if err == nil {
				out, err = codec.TextualFromNative(out[:0], native)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		theirs += time.Since(begin)
	}
	perRecord := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(b.N*rounds) }
	b.ReportMetric(perRecord(ours), "ns/record")
	b.ReportMetric(perRecord(theirs), "goavro-ns/record")
	b.ReportMetric(float64(ours)/float64(theirs), "of-goavro")
}
