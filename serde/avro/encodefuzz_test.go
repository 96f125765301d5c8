package avro

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/linkedin/goavro/v2"

	"github.com/millrace/millrace/serde"
)

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(20261121, seed)) }

// Whatever a value is: it is written or refused, and what is written can be read, and written again as the same bytes.
func FuzzEncode(f *testing.F) {
	for seed := range uint64(30) {
		r := newRandom(seed)
		schema := randomSchema(r)
		s, err := Parse(schema)
		if err != nil {
			f.Fatal(err)
		}
		m := datumMaker{r: r}
		m.make(s, 0)
		p, err := Compile(s, Options{})
		if err != nil {
			f.Fatal(err)
		}
		if v, err := p.Decode(serde.NewTape(), m.out); err == nil {
			if text, err := v.AppendJSON(nil); err == nil {
				f.Add(schema, text)
			}
		}
	}
	f.Add(tree, []byte(`{"id":1,"bad":"RED"}`))
	f.Add(bothRecords, []byte(`{"x":true}`))
	f.Fuzz(func(t *testing.T, schema string, text []byte) {
		s, err := Parse(schema)
		if err != nil {
			return
		}
		e, err := NewEncoder(s)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(s, Options{})
		tape := serde.NewTape()
		v, err2 := tape.JSON(text, serde.Limits{})
		if err != nil || err2 != nil {
			return
		}
		once, err := e.Append(nil, v)
		if err != nil {
			return
		}
		back, err := p.Decode(tape, once)
		if err != nil {
			t.Fatalf("%s: %s is %x: %v", schema, text, once, err)
		}
		twice, err := e.Append(nil, back)
		if err != nil {
			t.Fatalf("%s: %s is %x: %v", schema, text, once, err)
		}
		again, err := p.Decode(tape, twice)
		if err != nil {
			t.Fatalf("%s: %x: %v", schema, twice, err)
		}
		a, err := back.AppendJSON(nil)
		b, err2 := again.AppendJSON(nil)
		if err == nil && err2 == nil && !bytes.Equal(a, b) && !bytes.Contains([]byte(schema), []byte("[")) { // unions aren't wrapped
			t.Fatalf("%s: %s, then %s", schema, a, b)
		}
	})
}

const vehicle = `{"type":"record","name":"Vehicle","fields":[{"name":"id","type":"long"},{"name":"plate","type":"string"},{"name":"speed","type":"double"},
	{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"driver","type":["null","string"]},{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
	{"name":"tags","type":{"type":"array","items":"string"}},{"name":"state","type":{"type":"enum","name":"S","symbols":["ON","OFF"]}},
	{"name":"pos","type":{"type":"record","name":"P","fields":[{"name":"lat","type":"double"},{"name":"lng","type":"double"}]}}]}`

// One record by this package, from a decoded value and from JSON in another order, and by goavro.
func BenchmarkEncode(b *testing.B) {
	s := mustParse(b, vehicle)
	e := mustEncoder(b, vehicle)
	p, err := Compile(s, Options{})
	if err != nil {
		b.Fatal(err)
	}
	codec, err := goavro.NewCodec(vehicle)
	if err != nil {
		b.Fatal(err)
	}
	tape := serde.NewTape()
	parsed := parseJSON(b, tape, `{"pos":{"lng":49.8,"lat":40.4},"id":12345,"plate":"10-AA-123","speed":61.5,"at":"2026-11-21T10:00:00.123Z","driver":"Aysel","price":12.50,"tags":["a","bc"],"state":"OFF"}`)
	data, err := e.Append(nil, parsed)
	if err != nil {
		b.Fatal(err)
	}
	decoded, err := p.Decode(tape, data)
	if err != nil {
		b.Fatal(err)
	}
	native, _, err := codec.NativeFromBinary(data)
	if err != nil {
		b.Fatal(err)
	}
	for name, encode := range map[string]func(dst []byte) ([]byte, error){
		"decoded": func(dst []byte) ([]byte, error) { return e.Append(dst, decoded) },
		"json":    func(dst []byte) ([]byte, error) { return e.Append(dst, parsed) },
		"goavro":  func(dst []byte) ([]byte, error) { return codec.BinaryFromNative(dst, native) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]byte, 0, 1000)
			for b.Loop() {
				if _, err := encode(dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestEncodeAllocations(t *testing.T) {
	e := mustEncoder(t, vehicle)
	tape := serde.NewTape()
	v := parseJSON(t, tape, `{"pos":{"lng":49.8,"lat":40.4},"id":12345,"plate":"10-AA-123","speed":61.5,"at":"2026-11-21T10:00:00.123Z","driver":"Aysel","price":12.50,"tags":["a","bc"],"state":"OFF"}`)
	dst := make([]byte, 0, 1000)
	n := testing.AllocsPerRun(1000, func() {
		if _, err := e.Append(dst, v); err != nil {
			t.Fatal(err)
		}
	})
	most := 0.0 // on average: the pool may be emptied now and then
	if raced {
		most = 2
	}
	if n > most {
		t.Errorf("%v allocations", n)
	}
}
