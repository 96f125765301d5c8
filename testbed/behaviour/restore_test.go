//go:build testbed

package behaviour

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What is written to S3 with an envelope, as JSON lines, Avro and Parquet, on several paths, millrace restore writes back to another topic: the same keys, values,
// headers and timestamps, in the same order.
func TestRestore(t *testing.T) {
	const partitions, n = 3, 3000
	for name, format := range map[string]string{
		"json lines": "format: json, compression: zstd", "avro": "format: {avro: {compression: deflate}}", "parquet": "format: {parquet: {compression: zstd}}",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t, partitions)
			at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
			if err := l.kafka.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner())).ProduceSync(t.Context(), odd(l.topic, partitions, n, at)...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			p := l.start(strings.Replace(l.config(`path: "{topic}/kind={header.kind}/", envelope: {raw: true}, rotate: {age: 1s, records: 300}, `+format, ""),
				"sink:", "decode: {key: bytes, value: bytes}\nsink:", 1))
			l.written(n)
			p.stop()
			l.verify()
			to := l.kafka.Topic(t, partitions)
			if out, code := l.command("restore", "--to-topic", to); code != 0 {
				t.Fatalf("restore ended with %d:\n%s", code, out)
			}
			want, got := consume(within(t, time.Minute), t, l.kafka, l.topic, n), consume(within(t, time.Minute), t, l.kafka, to, n)
			if differ := compareByPartition(want, got); differ != "" {
				t.Error(differ)
			}
		})
	}
}

// odd are records as nobody would write them: bytes that are no text, null keys and values, headers twice and without a value.
func odd(topic string, partitions, n int, at time.Time) []*kgo.Record {
	random := rand.New(rand.NewPCG(8, 8))
	bytes := func() []byte {
		b := make([]byte, random.IntN(40))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	records := make([]*kgo.Record, n)
	for i := range records {
		r := &kgo.Record{Topic: topic, Partition: int32(i % partitions), Key: bytes(), Value: bytes(), Timestamp: at.Add(time.Duration(i) * time.Millisecond)}
		if i%7 == 0 {
			r.Key = nil
		}
		if i%11 == 0 {
			r.Value = nil
		}
		r.Headers = []kgo.RecordHeader{{Key: "kind", Value: fmt.Appendf(nil, "k%d", i%4)}}
		if i%3 == 0 {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: "twice", Value: bytes()}, kgo.RecordHeader{Key: "twice"}, kgo.RecordHeader{Key: "größe", Value: []byte{}})
		}
		records[i] = r
	}
	return records
}

// compareByPartition says where two topics first differ; "" if they don't.
func compareByPartition(want, got []*kgo.Record) string {
	texts := func(rs []*kgo.Record) map[int32][]string {
		all := map[int32][]string{}
		for _, r := range rs {
			text := fmt.Sprintf("key %s, value %s, at %d", nullable(r.Key), nullable(r.Value), r.Timestamp.UnixMilli())
			for _, h := range r.Headers {
				text += fmt.Sprintf(", %s %s", h.Key, nullable(h.Value))
			}
			all[r.Partition] = append(all[r.Partition], text)
		}
		return all
	}
	a, b := texts(want), texts(got)
	for p := range a {
		if len(a[p]) != len(b[p]) {
			return fmt.Sprintf("partition %d has %d records, want %d", p, len(b[p]), len(a[p]))
		}
		for i := range a[p] {
			if a[p][i] != b[p][i] {
				return fmt.Sprintf("partition %d, record %d:\ngot  %s\nwant %s", p, i, b[p][i], a[p][i])
			}
		}
	}
	return ""
}

func nullable(b []byte) string {
	if b == nil {
		return "null"
	}
	return hex.EncodeToString(b)
}
