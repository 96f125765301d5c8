package csv_test

import (
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/csv"
)

const row = "9007199254740993,99-HT-472,40.409264,49.867092,2026-01-31T08:15:30.123Z,12.50,true,\"a, b\",,DRIVING\n"

func benchmark(b *testing.B, data string, cols string) {
	d := decoder(b, func(c *csv.Config) { c.Columns = columns(cols) })
	tape, ctx, bytes := serde.NewTape(), b.Context(), []byte(data)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for n := 0; b.Loop(); n++ {
		if _, err := d.Decode(ctx, tape, "t", bytes); err != nil {
			b.Fatal(err)
		}
		if n%1000 == 999 {
			tape.Reset()
		}
	}
}

func BenchmarkTyped(b *testing.B) {
	benchmark(b, row, "id:int, car, lat:float, lng:float, at:timestamp, price:decimal, ok:bool, note, tag, state")
}

func BenchmarkTexts(b *testing.B) {
	benchmark(b, row, "id, car, lat, lng, at, price, ok, note, tag, state")
}

func BenchmarkPattern(b *testing.B) {
	benchmark(b, "7,31.01.2026 08:15:30", "id:int, at:timestamp(dd.MM.yyyy HH:mm:ss)")
}

func BenchmarkJSON(b *testing.B) {
	benchmark(b, `7,"{""a"":[1,2.5,null],""b"":""x""}"`, "id:int, doc:json")
}

// A batch of records decodes without allocating, once the tape has grown.
func TestAllocations(t *testing.T) {
	d := decoder(t, func(c *csv.Config) {
		c.Columns = columns("id:int, car, lat:float, lng:float, at:timestamp, price:decimal, ok:bool, note, tag, state")
	})
	tape, data := serde.NewTape(), []byte(row)
	ctx := t.Context()
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
		t.Errorf("100 records allocate %v times", n)
	}
}
