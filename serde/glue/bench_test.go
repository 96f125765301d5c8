package glue_test

import (
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/glue"
)

// A record of a schema that is known allocates nothing.
func TestKnownSchemaAllocatesNothing(t *testing.T) {
	d := inMemory(t)
	for _, s := range []int{0, 20} {
		data := samples(t)[s].Data
		tape, ctx := serde.NewTape(), t.Context()
		decode := func() {
			tape.Reset()
			if _, err := d.Decode(ctx, tape, "", data); err != nil {
				t.Error(err)
			}
		}
		decode()
		if n := testing.AllocsPerRun(100, decode); n != 0 {
			t.Errorf("sample %d: %v allocations", s, n)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	all := samples(b)
	for name, data := range map[string][]byte{
		"avro": all[1].Data, "json": all[21].Data, "avro zlib": compressed(b, all[1].Data), "json zlib": compressed(b, all[21].Data),
	} {
		b.Run(name, func(b *testing.B) {
			d, tape, ctx := inMemory(b), serde.NewTape(), b.Context()
			b.ReportAllocs()
			for b.Loop() {
				tape.Reset()
				if _, err := d.Decode(ctx, tape, "", data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHeader is what the header and the map of schemas cost: a JSON value of one byte.
func BenchmarkHeader(b *testing.B) {
	d, tape, ctx := inMemory(b), serde.NewTape(), b.Context()
	id, _, _, _ := glue.Split(ping(b, 0))
	data := append(glue.AppendHeader(nil, id, false), '1')
	b.ReportAllocs()
	for b.Loop() {
		tape.Reset()
		if _, err := d.Decode(ctx, tape, "", data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	c := glueDouble(b).encoderConfig()
	c.Register = true
	e, ctx := encoder(b, c), b.Context()
	v, err := serde.NewTape().JSON([]byte(`{"x":7,"y":"a"}`), serde.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Encode(ctx, dst, "points", v); err != nil {
			b.Fatal(err)
		}
	}
}
