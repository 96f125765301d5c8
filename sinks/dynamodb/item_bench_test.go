package dynamodb

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// flatRecord has 237 bytes and 13 members.
const flatRecord = `{"car_id":"99-HT-472","lat":40.409264,"lng":49.867092,"speed":63.5,"heading":271,"ts":1767225600123,"status":80,"driver":"a1b2c3d4e5f","online":true,"battery":null,"zone":"baku-center","trip_id":"7f3c9a10-55e2-4c1b-9a7d-3e21","acc":5.25}`

// BenchmarkItem: DynamoDB's JSON of a flat record, beside the SDK's types, and beside their JSON too.
func BenchmarkItem(b *testing.B) {
	record := one(b, "99-HT-472", flatRecord)
	b.Run("item", func(b *testing.B) {
		benchmarkItem(b, compiled(b, nil), record)
	})
	b.Run("item+key+attribute+ttl", func(b *testing.B) {
		benchmarkItem(b, compiled(b, func(c *Config) {
			c.Key = []Attribute{{"trip_id", "value.trip_id"}, {"ts", "value.ts"}}
			c.Attributes = []Attribute{{"offset", "offset"}}
			c.TTL = TTL{Attribute: "expires", After: connector.Duration(3600e9)}
		}), record)
	})
	b.Run("value", func(b *testing.B) {
		b.ReportAllocs()
		v, dst := record.At(0).Value, []byte(nil)
		for b.Loop() {
			dst, _, _ = appendValue(dst[:0], v, nil, 1)
		}
	})
	b.Run("types", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = typesOf(record.At(0).Value)
		}
	})
	b.Run("types+json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(typesOf(record.At(0).Value)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchmarkItem(b *testing.B, e *itemEncoder, record *connector.Batch) {
	b.Helper()
	b.ReportAllocs()
	dst := []byte(nil)
	for b.Loop() {
		out, _, err := whole(e, dst[:0], record, 0)
		if err != nil {
			b.Fatal(err)
		}
		dst = out
	}
}

// typesOf is an item as programs on the SDK make it.
func typesOf(v serde.Value) map[string]types.AttributeValue {
	item := make(map[string]types.AttributeValue, v.Len())
	for name, member := range v.Members() {
		switch member.Kind() {
		case serde.String:
			text, _ := member.Text()
			item[name] = &types.AttributeValueMemberS{Value: string(text)}
		case serde.Bool:
			yes, _ := member.Bool()
			item[name] = &types.AttributeValueMemberBOOL{Value: yes}
		case serde.Null:
			item[name] = &types.AttributeValueMemberNULL{Value: true}
		default:
			text, _ := member.Number()
			item[name] = &types.AttributeValueMemberN{Value: string(text)}
		}
	}
	return item
}
