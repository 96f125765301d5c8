package serde_test

import (
	"encoding/json"
	"testing"

	"github.com/millrace/millrace/serde"
)

// flatRecord has 237 bytes and 13 members; nestedRecord has about 1.9 kB.
const flatRecord = `{"car_id":"99-HT-472","lat":40.409264,"lng":49.867092,"speed":63.5,"heading":271,"ts":1767225600123,"status":80,"driver":"a1b2c3d4e5f","online":true,"battery":null,"zone":"baku-center","trip_id":"7f3c9a10-55e2-4c1b-9a7d-3e21","acc":5.25}`

const nestedRecord = `{"order_id":"a81f4c2e-0d5b-4e0e-9c35-60f2f1f2a9b7","version":3,"created_at":"2026-11-03T09:41:27.512Z","customer":{"id":882341,"name":"Leyla Məmmədova","email":"leyla@example.com","phone":"+994501234567","address":{"street":"Nizami küçəsi 203","city":"Bakı","zip":"AZ1010","geo":{"lat":40.377201,"lng":49.849873}}},"items":[{"sku":"SKU-01000","title":"Phone case","qty":1,"price":{"amount":12.35,"currency":"AZN"},"tags":["new"],"attrs":{"color":"black","weight_g":250,"fragile":true}},{"sku":"SKU-01037","title":"USB-C cable 2 m","qty":2,"price":{"amount":24.7,"currency":"AZN"},"tags":["new","sale"],"attrs":{"color":"black","weight_g":500,"fragile":false}},{"sku":"SKU-01074","title":"Coffee beans, 1 kg","qty":3,"price":{"amount":37.05,"currency":"AZN"},"tags":["new"],"attrs":{"color":"black","weight_g":750,"fragile":true}},{"sku":"SKU-01111","title":"Book \"Ali and Nino\"","qty":4,"price":{"amount":49.4,"currency":"AZN"},"tags":["new","sale"],"attrs":{"color":"black","weight_g":1000,"fragile":false}},{"sku":"SKU-01148","title":"Desk lamp","qty":5,"price":{"amount":61.75,"currency":"AZN"},"tags":["new"],"attrs":{"color":"black","weight_g":1250,"fragile":true}},{"sku":"SKU-01185","title":"Notebook A5","qty":6,"price":{"amount":74.1,"currency":"AZN"},"tags":["new","sale"],"attrs":{"color":"black","weight_g":1500,"fragile":false}}],"totals":{"net":259.35,"vat":46.68,"shipping":4.9,"total":310.93},"payment":{"method":"card","last4":"4417","authorized":true,"attempts":[{"at":1767225600123,"ok":false,"code":"51"},{"at":1767225660457,"ok":true,"code":"00"}]},"events":[{"type":"created","ts":1767225600123},{"type":"paid","ts":1767225660999},{"type":"packed","ts":1767229200001}],"note":"Please ring twice; the gate code is 4417 and the dog is friendly. If nobody is at home, leave it with the neighbour in flat 12, second entrance, and send a message.","gift":null,"source":"mobile-app"}`

func records() map[string][]byte {
	return map[string][]byte{"flat": []byte(flatRecord), "nested": []byte(nestedRecord)}
}

// batch is how many records share a tape in the benchmarks.
const batch = 256

func BenchmarkJSON(b *testing.B) {
	for _, name := range []string{"flat", "nested"} {
		src := records()[name]
		b.Run(name+"/encoding_json.Valid", func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if !json.Valid(src) {
					b.Fatal("not valid")
				}
			}
		})
		b.Run(name+"/Tape.JSON", func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			tape, n := serde.NewTape(), 0
			for b.Loop() {
				if _, err := tape.JSON(src, serde.Limits{}); err != nil {
					b.Fatal(err)
				}
				if n++; n%batch == 0 {
					tape.Reset()
				}
			}
		})
	}
}

func parsed(b *testing.B, src []byte) (*serde.Tape, serde.Value) {
	tape := serde.NewTape()
	v, err := tape.JSON(src, serde.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	return tape, v
}

// Each operation follows three paths.
func BenchmarkPath(b *testing.B) {
	for name, paths := range map[string][3]string{
		"flat":   {"lat", "status", "acc"},
		"nested": {"customer.address.geo.lat", "items[2].price.amount", "totals.total"},
	} {
		b.Run(name, func(b *testing.B) {
			_, v := parsed(b, records()[name])
			var compiled [3]*serde.Path
			for i, s := range paths {
				p, err := serde.CompilePath(s)
				if err != nil || !v.Get(p).Exists() {
					b.Fatal(s, err)
				}
				compiled[i] = p
			}
			for b.Loop() {
				for _, p := range compiled {
					if !v.Get(p).Exists() {
						b.Fatal("missing")
					}
				}
			}
		})
	}
}

func BenchmarkNumber(b *testing.B) {
	_, v := parsed(b, []byte(`[1767225600123, 40.409264, 40.40926412345678]`))
	for i, name := range []string{"int", "float", "long_float"} {
		n := v.Index(i)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, ok := n.Float64(); !ok {
					b.Fatal("not ok")
				}
			}
		})
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	for _, name := range []string{"flat", "nested"} {
		tape, v := parsed(b, records()[name])
		for what, v := range map[string]serde.Value{"unchanged": v, "rebuilt": rebuild(tape, v)} {
			b.Run(name+"/"+what, func(b *testing.B) {
				b.ReportAllocs()
				var out []byte
				for b.Loop() {
					var err error
					if out, err = v.AppendJSON(out[:0]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// A member of the record is replaced, one is added, and the result is written.
func BenchmarkWith(b *testing.B) {
	tape, src := serde.NewTape(), []byte(flatRecord)
	names, values, out, n := []string{"speed", "area"}, make([]serde.Value, 2), []byte(nil), 0
	b.ReportAllocs()
	for b.Loop() {
		v, err := tape.JSON(src, serde.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		values[0], values[1] = tape.Float64(12.5), tape.String("center")
		if v, err = tape.With(v, names, values); err == nil {
			out, err = v.AppendJSON(out[:0])
		}
		if err != nil {
			b.Fatal(err)
		}
		if n++; n%batch == 0 {
			tape.Reset()
		}
	}
}
