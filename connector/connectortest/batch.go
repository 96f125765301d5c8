package connectortest

import (
	"context"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/json"
)

// TopicID is the topic id of the batches made here.
func TopicID() [16]byte {
	return [16]byte{0x6d, 0x69, 0x6c, 0x6c, 0x72, 0x61, 0x63, 0x65, 0, 0, 0, 0, 0, 0, 0, 1}
}

// An R is a record as tests write it.
type R struct {
	Key, Value string
	NullKey    bool // Key is Kafka's null
	NullValue  bool // a tombstone
	Headers    []connector.Header
	Timestamp  int64 // milliseconds
	Offset     int64 // 0: one more than the record before
}

func (r R) record(next int64) connector.Record {
	rec := connector.Record{Headers: r.Headers, Timestamp: r.Timestamp, Offset: max(r.Offset, next)}
	if !r.NullKey {
		rec.RawKey = []byte(r.Key)
	}
	if !r.NullValue {
		rec.RawValue = []byte(r.Value)
	}
	return rec
}

// Records makes records with ascending offsets, from first on.
func Records(first int64, rs ...R) []connector.Record {
	out := make([]connector.Record, len(rs))
	for i, r := range rs {
		out[i] = r.record(first)
		first = out[i].Offset + 1
	}
	return out
}

// Raw makes a batch as a Consumer hands it over.
func Raw(topic string, partition int32, rs ...R) *connector.Batch {
	records := Records(0, rs...)
	next := int64(0)
	if len(records) > 0 {
		next = records[len(records)-1].Offset + 1
	}
	return connector.NewBatch(connector.Source{
		Partition: connector.Partition{Topic: topic, ID: partition},
		TopicID:   TopicID(), Connector: "test", Next: next,
	}, records, nil)
}

// Batch makes a batch as handlers and sinks get it: keys decoded as strings, values as JSON. A
// value that isn't JSON fails the test.
func Batch(t testing.TB, topic string, partition int32, rs ...R) *connector.Batch {
	t.Helper()
	d, err := json.New(json.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	b := Raw(topic, partition, rs...)
	b.Decode(context.Background(), serde.StringDecoder{}, d)
	for i := range b.Len() {
		if err := b.Err(i); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
	}
	return b
}
