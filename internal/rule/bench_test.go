package rule

import (
	"encoding/json"
	"testing"

	"github.com/expr-lang/expr"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/serde"
)

const trip = `{"car_id":"car-0042","vin":"WDB1234567890","lat":37.5665,"lng":126.978,"speed":63.2,"heading":271,` +
	`"start_ts":1700000000123,"distance_m":12345,"status":80,"driver":"d-881","region":"KR-11","fuel":0.62,"ignition":true}`

func benchBatch(b *testing.B) *connector.Batch {
	return connectortest.Batch(b, "cars.trips", 0, connectortest.R{Key: "car-0042", Value: trip})
}

func mustPath(b *testing.B, s string) *serde.Path {
	p, err := serde.CompilePath(s)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// BenchmarkFilter compares a filter rule with the same test written by hand on
// the same parsed value, and with expr's VM over a map.
func BenchmarkFilter(b *testing.B) {
	const text = `value.lat != 0 && value.lng != 0 && value.status >= 80`
	batch := benchBatch(b)
	b.Run("hand", func(b *testing.B) {
		lat, lng, status := mustPath(b, "lat"), mustPath(b, "lng"), mustPath(b, "status")
		b.ReportAllocs()
		for b.Loop() {
			v := batch.At(0).Value
			x, ok1 := v.Get(lat).Float64()
			y, ok2 := v.Get(lng).Float64()
			n, ok3 := v.Get(status).Int64()
			if !ok1 || !ok2 || !ok3 || x == 0 || y == 0 || n < 80 {
				b.Fatal("wrong")
			}
		}
	})
	b.Run("rule", func(b *testing.B) {
		e, err := Compile(text)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if ok, err := e.Bool(batch, 0); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("expr-vm-map", func(b *testing.B) {
		env := map[string]any{"value": map[string]any{}}
		if err := json.Unmarshal([]byte(trip), new(map[string]any)); err != nil {
			b.Fatal(err)
		}
		var v map[string]any
		_ = json.Unmarshal([]byte(trip), &v)
		env["value"] = v
		p, err := expr.Compile(text, expr.Env(map[string]any{"value": map[string]any(nil)}))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := expr.Run(p, env); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("json-valid", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			json.Valid([]byte(trip))
		}
	})
}

// BenchmarkMap reshapes five fields to JSON, three copied and two computed.
func BenchmarkMap(b *testing.B) {
	const text = `{car: value.car_id, started: value.start_ts, region: value.region, km: value.distance_m / 1000, fast: value.speed > 50}`
	var batch *connector.Batch
	var tape *serde.Tape
	// refresh keeps the tape as small as that of a batch of 1,000 records.
	refresh := func(b *testing.B, i int) {
		if i%1000 == 0 {
			b.StopTimer()
			batch = benchBatch(b)
			tape = batch.Tape()
			b.StartTimer()
		}
	}
	b.Run("hand", func(b *testing.B) {
		names := []string{"car", "started", "region", "km", "fast"}
		paths := []*serde.Path{mustPath(b, "car_id"), mustPath(b, "start_ts"), mustPath(b, "region"), mustPath(b, "distance_m"), mustPath(b, "speed")}
		values := make([]serde.Value, 5)
		var out []byte
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			refresh(b, i)
			v := batch.At(0).Value
			values[0], values[1], values[2] = v.Get(paths[0]), v.Get(paths[1]), v.Get(paths[2])
			m, _ := v.Get(paths[3]).Int64()
			s, _ := v.Get(paths[4]).Float64()
			values[3], values[4] = tape.Float64(float64(m)/1000), tape.Bool(s > 50)
			out, _ = tape.Object(names, values).AppendJSON(out[:0])
		}
	})
	b.Run("rule", func(b *testing.B) {
		e, err := Compile(text)
		if err != nil {
			b.Fatal(err)
		}
		var out []byte
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			refresh(b, i)
			v, err := e.Eval(batch, 0)
			if err != nil {
				b.Fatal(err)
			}
			out, _ = v.AppendJSON(out[:0])
		}
	})
}
