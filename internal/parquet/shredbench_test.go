package parquet

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// flatRecord and nestedRecord are the records of the benchmarks of package serde.
const flatRecord = `{"car_id":"99-HT-472","lat":40.409264,"lng":49.867092,"speed":63.5,"heading":271,"ts":1767225600123,"status":80,"driver":"a1b2c3d4e5f","online":true,"battery":null,"zone":"baku-center","trip_id":"7f3c9a10-55e2-4c1b-9a7d-3e21","acc":5.25}`

const nestedRecord = `{"order_id":"a81f4c2e-0d5b-4e0e-9c35-60f2f1f2a9b7","version":3,"created_at":"2026-11-03T09:41:27.512Z","customer":{"id":882341,"name":"Leyla Məmmədova","email":"leyla@example.com","phone":"+994501234567","address":{"street":"Nizami küçəsi 203","city":"Bakı","zip":"AZ1010","geo":{"lat":40.377201,"lng":49.849873}}},"items":[{"sku":"SKU-01000","title":"Phone case","qty":1,"price":{"amount":12.35,"currency":"AZN"},"tags":["new"],"attrs":{"color":"black","weight_g":250,"fragile":true}},{"sku":"SKU-01037","title":"USB-C cable 2 m","qty":2,"price":{"amount":24.7,"currency":"AZN"},"tags":["new","sale"],"attrs":{"color":"black","weight_g":500,"fragile":false}},{"sku":"SKU-01074","title":"Coffee beans, 1 kg","qty":3,"price":{"amount":37.05,"currency":"AZN"},"tags":["new"],"attrs":{"color":"black","weight_g":750,"fragile":true}},{"sku":"SKU-01111","title":"Book \"Ali and Nino\"","qty":4,"price":{"amount":49.4,"currency":"AZN"},"tags":["new","sale"],"attrs":{"color":"black","weight_g":1000,"fragile":false}},{"sku":"SKU-01148","title":"Desk lamp","qty":5,"price":{"amount":61.75,"currency":"AZN"},"tags":["new"],"attrs":{"color":"black","weight_g":1250,"fragile":true}},{"sku":"SKU-01185","title":"Notebook A5","qty":6,"price":{"amount":74.1,"currency":"AZN"},"tags":["new","sale"],"attrs":{"color":"black","weight_g":1500,"fragile":false}}],"totals":{"net":259.35,"vat":46.68,"shipping":4.9,"total":310.93},"payment":{"method":"card","last4":"4417","authorized":true,"attempts":[{"at":1767225600123,"ok":false,"code":"51"},{"at":1767225660457,"ok":true,"code":"00"}]},"events":[{"type":"created","ts":1767225600123},{"type":"paid","ts":1767225660999},{"type":"packed","ts":1767229200001}],"note":"Please ring twice; the gate code is 4417 and the dog is friendly. If nobody is at home, leave it with the neighbour in flat 12, second entrance, and send a message.","gift":null,"source":"mobile-app"}`

func nullable(name string, k table.Kind) table.Field {
	return table.Field{Name: name, Type: table.Type{Kind: k, Nullable: true}}
}

func nullableStruct(name string, fields ...table.Field) table.Field {
	return table.Field{Name: name, Type: table.Type{Kind: table.Struct, Nullable: true, Fields: fields}}
}

func nullableList(name string, elem table.Field) table.Field {
	return table.Field{Name: name, Type: table.Type{Kind: table.List, Nullable: true, Elem: &elem.Type}}
}

// columns makes fields of one kind.
func nullables(k table.Kind, names ...string) []table.Field {
	var f []table.Field
	for _, n := range names {
		f = append(f, nullable(n, k))
	}
	return f
}

// benchRecords are records with the schemas that fit them.
func benchRecords() map[string]struct {
	json   string
	schema *table.Schema
} {
	s, i, f, b, ts := table.String, table.Int64, table.Float64, table.Bool, table.TimestampMillis
	return map[string]struct {
		json   string
		schema *table.Schema
	}{
		"flat": {flatRecord, &table.Schema{Fields: []table.Field{
			nullable("car_id", s), nullable("lat", f), nullable("lng", f), nullable("speed", f), nullable("heading", i), nullable("ts", ts), nullable("status", i),
			nullable("driver", s), nullable("online", b), nullable("battery", f), nullable("zone", s), nullable("trip_id", s), nullable("acc", f),
		}}},
		"nested": {nestedRecord, &table.Schema{Fields: []table.Field{
			nullable("order_id", table.UUID), nullable("version", i), nullable("created_at", ts),
			nullableStruct("customer", nullable("id", i), nullable("name", s), nullable("email", s), nullable("phone", s),
				nullableStruct("address", nullable("street", s), nullable("city", s), nullable("zip", s), nullableStruct("geo", nullable("lat", f), nullable("lng", f)))),
			nullableList("items", nullableStruct("", nullable("sku", s), nullable("title", s), nullable("qty", i), nullableStruct("price", nullable("amount", f), nullable("currency", s)),
				nullableList("tags", nullable("", s)), nullableStruct("attrs", nullable("color", s), nullable("weight_g", i), nullable("fragile", b)))),
			nullableStruct("totals", nullables(f, "net", "vat", "shipping", "total")...),
			nullableStruct("payment", nullable("method", s), nullable("last4", s), nullable("authorized", b), nullableList("attempts", nullableStruct("", nullable("at", ts), nullable("ok", b), nullable("code", s)))),
			nullableList("events", nullableStruct("", nullable("type", s), nullable("ts", ts))),
			nullable("note", s), nullable("gift", s), nullable("source", s),
		}}},
	}
}

// filler shreds one record again and again; the leaves are emptied as if pages were made.
func filler(b testing.TB, record string, s *table.Schema) func() {
	sh := trialShredder(b, s)
	v := fromJSON(b, record)(serde.NewTape())
	rows := 0
	return func() {
		if err := sh.row(v); err != nil {
			b.Fatal(err)
		}
		if rows++; rows%256 == 0 {
			for i := range sh.leaves {
				sh.leaves[i].reset()
			}
		}
	}
}

// BenchmarkShred fills leaves from a value that is there already. Its metric is the ratio to encoding/json.Valid of the record, in turns in
// one loop.
func BenchmarkShred(b *testing.B) {
	for name, r := range benchRecords() {
		b.Run(name, func(b *testing.B) {
			const turns = 64
			fill, text := filler(b, r.json, r.schema), []byte(r.json)
			var filling, validating time.Duration
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				for range turns {
					fill()
				}
				middle := time.Now()
				for range turns {
					json.Valid(text)
				}
				filling += middle.Sub(start)
				validating += time.Since(middle)
			}
			b.ReportMetric(float64(filling)/float64(validating), "of_json.Valid")
			b.ReportMetric(float64(filling)/float64(b.N*turns), "ns/record")
		})
	}
}
