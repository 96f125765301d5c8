//go:build testbed

package behaviour

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zlib"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/serde/glue"
	"github.com/millrace/millrace/testbed"
)

// underLimit is the most memory, in MiB, that a process may have resident under hostile input, and the budget that it gets: what a container of 512 MiB has
// by default.
const (
	underLimit  = 512
	underBudget = "256MiB"
)

// bombSize is what a bomb unpacks to.
const bombSize = 600 << 20

// bombers write batches of one record of zeros, each in another compression.
type bombers struct {
	topic   string
	clients []*kgo.Client
	value   []byte
}

func newBombers(t *testing.T, bed *testbed.Brokers, topic string) *bombers {
	b := &bombers{topic: topic, value: make([]byte, bombSize)}
	for _, codec := range []kgo.Opt{
		kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.ProducerBatchCompression(kgo.GzipCompression()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.WithCompressor(framedSnappy{}),
	} {
		b.clients = append(b.clients, bed.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), codec,
			kgo.ProducerBatchMaxBytes(bombSize+1<<20), kgo.BrokerMaxWriteBytes(bombSize+16<<20), kgo.MaxBufferedBytes(2*bombSize), kgo.ProducerLinger(0)))
	}
	return b
}

// framedSnappy compresses as Java's producers do. Of snappy without frames a broker unpacks all at once, which is more than its heap.
type framedSnappy struct{}

func (framedSnappy) Compress(dst *bytes.Buffer, src []byte, _ ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	dst.WriteString("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01")
	for chunk := range slices.Chunk(src, 32<<10) {
		block := s2.EncodeSnappy(nil, chunk)
		_ = binary.Write(dst, binary.BigEndian, uint32(len(block)))
		dst.Write(block)
	}
	return dst.Bytes(), kgo.CodecSnappy
}

// drop writes the i-th bomb.
func (b *bombers) drop(t *testing.T, i, partitions int) {
	t.Helper()
	cl := b.clients[i%len(b.clients)]
	r := &kgo.Record{Topic: b.topic, Partition: int32(i * 3 % partitions), Value: b.value}
	if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatalf("bomb %d: %v", i, err)
	}
}

// gapRecords counts the gap records of a dead letter topic.
func gapRecords(t *testing.T, bed *testbed.Brokers, topic string) (gaps, others int) {
	t.Helper()
	for _, r := range badReadAll(t, bed, topic) {
		gap := false
		for _, h := range r.Headers {
			gap = gap || h.Key == "millrace.gap.from"
		}
		if gap {
			gaps++
		} else {
			others++
		}
	}
	return gaps, others
}

// Among good records lie batches of a few kilobytes that unpack to 600 MiB, in all four compressions. Two connectors of a process, one into objects and
// one into a geo set, have 512 MiB: all good records are delivered, once, and each bomb is a gap record of each connector. MILLRACE_RECORDS and
// MILLRACE_BOMBS make it longer.
func TestBombsAmongGoodRecords(t *testing.T) {
	const partitions = 8
	records, bombs := int64(testbed.FromEnv(t, "MILLRACE_RECORDS", 10_000)), testbed.FromEnv(t, "MILLRACE_BOMBS", 4)
	l := &lake{t: t, s3: testbed.S3Server(t), kafka: testbed.Kafka(t), group: testbed.Name(t)}
	redis := testbed.RedisServer(t)
	l.bucket, l.topic = l.s3.Bucket(t), testbed.Name(t)
	l.kafka.CreateTopic(t, l.topic, partitions, "max.message.bytes", "67108864")
	dead := []string{l.topic + ".dead", l.topic + ".geo.dead"}
	for _, d := range dead {
		l.kafka.CreateTopic(t, d, 1)
	}
	b := newBombers(t, l.kafka, l.topic)
	for i := range bombs {
		from, to := records*int64(i)/int64(bombs), records*int64(i+1)/int64(bombs)
		if err := l.produce(from, (to-from)/2, 0); err != nil {
			t.Fatal(err)
		}
		b.drop(t, i, partitions)
		if err := l.produce(from+(to-from)/2, to-from-(to-from)/2, 0); err != nil {
			t.Fatal(err)
		}
	}
	files := l.config(`path: "{topic}/{partition}/", rotate: {age: 5s}`, "dead_letter: {kafka: "+dead[0]+"}")
	l.file = files
	began := time.Now()
	p := startMillrace(t, files+fmt.Sprintf(`
---
name: %[1]s-geo
source: {kafka: {brokers: %[2]q, topics: [%[3]s], session_timeout: 6s}}
sink: {redis_geo: {addrs: %[4]q, key: "%[1]s", member: value.car, longitude: value.lng, latitude: value.lat}}
dead_letter: {kafka: %[5]s}
`, l.group, strings.Join(l.kafka.Addrs, ","), l.topic, redis.Addrs[0], dead[1]), "--budget", underBudget)
	admin := l.kafka.Admin(t)
	all2 := records + int64(bombs)
	testbed.WaitUntil(t, 15*time.Minute, "both groups to be at the end", func() bool {
		return committedSum(t, admin, l.group) == all2 && committedSum(t, admin, l.group+"-geo") == all2
	})
	took, peak := time.Since(began), p.peak()
	p.stop()
	l.verify()
	l.count(records, all)
	last := map[string]position{}
	for i := range records {
		at := flowPosition(i)
		last[at.Car] = at
	}
	if wrong := checkGeo(t, redis.Client(t), l.group, last); wrong != 0 {
		t.Errorf("%d of %d members aren't where their last record says", wrong, len(last))
	}
	for _, d := range dead {
		if gaps, others := gapRecords(t, l.kafka, d); gaps != bombs || others != 0 {
			t.Errorf("%s: %d gap records and %d others, want %d", d, gaps, others, bombs)
		}
	}
	t.Logf("%d records and %d bombs of %d MiB in %s: peak %d MiB resident, %d MiB held by records", records, bombs, bombSize>>20, took.Round(time.Second), peak, held(p.log.String()))
	if peak >= underLimit {
		t.Errorf("peak of %d MiB resident, not below %d", peak, underLimit)
	}
}

// Values of AWS's serializer whose payload unpacks to 600 MiB go into the dead letter, one by one: their neighbours are delivered.
func TestBombsInGlueMessages(t *testing.T) {
	const bombs = 12
	l := newLake(t, 4)
	dead := l.kafka.Topic(t, 1)
	registry := testbed.Moto(t).Registry(t)
	e := &evolving{t: t, registry: registry, lake: l, name: "r"}
	e.wave(1, 10_000)
	bomb := bytes.NewBuffer(glue.AppendHeader(nil, e.last, true))
	w := zlib.NewWriter(bomb)
	for zeros := make([]byte, 1<<20); bomb.Len() < bombSize/1100; {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	client := l.kafka.Client(t, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	for range bombs {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: l.topic, Value: bomb.Bytes()}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	e.wave(1, 10_000)
	p := l.start(l.config(`path: "{topic}/{partition}/", rotate: {age: 1s}`, fmt.Sprintf("decode: {value: {glue: {region: %s, endpoint: %q, registry: %s, access_key: a, secret_key: b}}}\ndead_letter: {kafka: {topic: %s}}",
		registry.Region, registry.Endpoint, registry.Name, dead)))
	l.written(e.next + bombs)
	peak := p.peak()
	p.stop()
	l.verify()
	e.once()
	letters := badReadAll(t, l.kafka, dead)
	t.Logf("%d records and %d bombs of %d kB each: peak %d MiB resident", e.next, len(letters), bomb.Len()>>10, peak)
	if len(letters) != bombs {
		t.Errorf("%d dead letters, want %d", len(letters), bombs)
	}
	for _, r := range letters {
		if !bytes.Equal(r.Value, bomb.Bytes()) {
			t.Errorf("a dead letter of %d bytes isn't the bomb", len(r.Value))
		}
	}
	if peak >= 256 {
		t.Errorf("peak of %d MiB resident, not below 256", peak)
	}
}

// 64 partitions hold records of 1 MB, and the sink is down for a while (MILLRACE_OUTAGE seconds): memory stays below 512 MiB, and all is
// delivered once when it is back.
func TestLargeRecordsIntoASinkThatIsDown(t *testing.T) {
	const partitions, size = 64, 1_000_000
	perPartition, seconds := testbed.FromEnv(t, "MILLRACE_LARGE", 3), testbed.FromEnv(t, "MILLRACE_OUTAGE", 10)
	for name, codec := range map[string]kgo.CompressionCodec{"as they are": kgo.NoCompression(), "compressed": kgo.ZstdCompression()} {
		t.Run(name, func(t *testing.T) {
			l := &lake{t: t, s3: testbed.S3Server(t), kafka: testbed.Kafka(t), group: testbed.Name(t)}
			l.bucket, l.topic = l.s3.Bucket(t), testbed.Name(t)
			l.kafka.CreateTopic(t, l.topic, partitions, "max.message.bytes", "2097152")
			produceLarge(t, l, codec, partitions, perPartition, size)
			g := newGate(t, l.s3.Endpoint, http.StatusServiceUnavailable, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`)
			l.file = l.config(`path: "{topic}/{partition}/", rotate: {age: 2s}`, "")
			p := startMillrace(t, l.through(g, l.file), "--budget", underBudget)
			testbed.WaitUntil(t, time.Minute, "the first objects", func() bool { return len(l.objects()) > 4 })
			g.shut.Store(true)
			time.Sleep(time.Duration(seconds) * time.Second)
			during := p.peak()
			g.shut.Store(false)
			l.written(int64(partitions * perPartition))
			peak := p.peak()
			p.stop()
			l.verify()
			countLarge(t, l, partitions*perPartition, size)
			t.Logf("peak %d MiB resident while the sink was down, %d MiB in all; %d MiB held by records; %d requests turned away", during, peak, held(p.log.String()), g.turned.Load())
			if peak >= underLimit {
				t.Errorf("peak of %d MiB resident, not below %d", peak, underLimit)
			}
		})
	}
}

// A large record.
type large struct {
	Seq  int    `json:"seq"`
	Text string `json:"text"`
}

// produceLarge writes records of size bytes, which compress by a half or so, to all partitions in turn.
func produceLarge(t *testing.T, l *lake, codec kgo.CompressionCodec, partitions, perPartition, size int) {
	t.Helper()
	client := l.kafka.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(2<<20), kgo.ProducerBatchCompression(codec))
	defer client.Close()
	text := make([]byte, size)
	for i := range text {
		text[i] = "0123456789abcdef"[rand.IntN(16)]
	}
	var errs []error
	for seq := range partitions * perPartition {
		value := fmt.Appendf(nil, `{"seq":%d,"text":%q}`, seq, text)
		client.Produce(t.Context(), &kgo.Record{Topic: l.topic, Partition: int32(seq % partitions), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				errs = append(errs, err) // promises come one at a time
			}
		})
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func countLarge(t *testing.T, l *lake, n, size int) {
	t.Helper()
	seen := make([]int, n)
	for _, key := range l.objects() {
		for _, line := range l.lines(key) {
			var r large
			if err := json.Unmarshal(line, &r); err != nil || len(r.Text) != size || r.Seq < 0 || r.Seq >= n {
				t.Fatalf("%s: a line of %d bytes: %v", key, len(line), err)
			}
			seen[r.Seq]++
		}
	}
	for seq, times := range seen {
		if times != 1 {
			t.Errorf("record %d is there %d times", seq, times)
		}
	}
}
