package kafka

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
)

// transact produces records in a transaction of its own, and ends it.
func (f *fake) transact(t *testing.T, commit bool, values ...string) {
	t.Helper()
	f.begin(t, values...)(commit)
}

// begin produces records in a transaction of its own, and returns what ends it.
func (f *fake) begin(t *testing.T, values ...string) (end func(commit bool)) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(f.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("tx-"+strings.Join(values, "-")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return func(commit bool) {
		t.Helper()
		if err := client.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEndIsTheLastStableOffset: the end that is told is one that can be read up to.
func TestEndIsTheLastStableOffset(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, "a", "b")
	f.transact(t, false, "x", "y")
	f.transact(t, true, "c")
	end := f.begin(t, "open") // 2 records, 2 and a marker, 1 and a marker
	for isolation, want := range map[string]int64{ReadCommitted: 7, ReadUncommitted: 8} {
		c := f.config("t")
		c.Group, c.Isolation = isolation, isolation
		r := read(t, c)
		r.until("an assignment", func() bool { return len(r.assigned) == 1 })
		if a := r.now().assigned[t0]; a.LogEnd != want || a.Start != 0 {
			t.Errorf("%s: %+v", isolation, a)
		}
		r.until("its end", func() bool { return r.next[t0] == want })
		r.close()
	}
	// Whoever read without read_committed was further: nothing was truncated.
	c := f.config("t")
	c.Group, c.Isolation = "further", ReadUncommitted
	r := read(t, c)
	r.until("an assignment", func() bool { return len(r.assigned) == 1 })
	if err := r.Commit(t.Context(), []connector.Offset{{Partition: t0, At: 8}}); err != nil {
		t.Fatal(err)
	}
	r.close()
	c.Isolation = ReadCommitted
	r = read(t, c)
	r.until("an assignment", func() bool { return len(r.assigned) == 1 })
	if a := r.now().assigned[t0]; a.LogEnd != 8 || a.Start != 8 || a.Committed != 8 {
		t.Errorf("%+v", a)
	}
	end(true)
}

// TestUntilEndOverMarkers runs jobs over a log that ends in a transaction's marker, while others produce.
func TestUntilEndOverMarkers(t *testing.T) {
	for _, commit := range []bool{false, true} {
		f := newFake(t, kfake.SeedTopics(1, "t"))
		f.produce(t, "t", 0, numbers(20)...)
		f.transact(t, commit, "x", "y")
		want := int64(20)
		if commit {
			want = 22
		}
		if got := f.job(t, f.config("t")); got != want {
			t.Errorf("%d records, want %d", got, want)
		}
		if got := f.job(t, f.config("t")); got != 0 {
			t.Errorf("%d records read again", got)
		}
		producing, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		f.produce(t, "t", 0, numbers(20)...)
		go func() {
			defer close(done)
			for producing.Err() == nil {
				f.client.ProduceSync(producing, &kgo.Record{Topic: "t", Value: []byte("more")})
			}
		}()
		if got := f.job(t, f.config("t")); got < 20 {
			t.Errorf("%d records of a log that grows", got)
		}
		stop()
		<-done
	}
}

// job runs a connector until the end, and returns how many records it loaded.
func (f *fake) job(t *testing.T, c Config) (loaded int64) {
	t.Helper()
	conn, err := connector.New(open(t, c), connector.LoaderFunc(func(context.Context, *connector.Batch) error { return nil }), connector.UntilEnd(), connector.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	if err := conn.Run(ctx); err != nil {
		t.Error(err)
	}
	return conn.Status().Totals[connector.MetricWritten]
}

// TestUntilEndOverHoles: compaction removed the last records, so that fetches of them bring nothing for ever.
func TestUntilEndOverHoles(t *testing.T) {
	for _, kind := range []string{"no batch", "a batch without records", "throttled first"} {
		t.Run(kind, func(t *testing.T) {
			f := newFake(t, kfake.SeedTopics(1, "t"))
			f.produce(t, "t", 0, numbers(10)...)
			f.hollow(kind)
			if got := f.job(t, f.config("t")); got != 10 {
				t.Errorf("%d records, want 10", got)
			}
			if o := f.committed(t, "t", 0); o.At != 15 {
				t.Errorf("committed %d, want 15", o.At)
			}
		})
	}
}

// hollow lets the broker say that the log ends at 15, with nothing in the offsets from 10 on.
func (f *fake) hollow(kind string) {
	f.ControlKey(int16(kmsg.ListOffsets), func(q kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		req, resp := q.(*kmsg.ListOffsetsRequest), q.ResponseKind().(*kmsg.ListOffsetsResponse)
		p := kmsg.NewListOffsetsResponseTopicPartition()
		if p.Offset = 0; req.Topics[0].Partitions[0].Timestamp == -1 {
			p.Offset = 15
		}
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic, topic.Partitions = "t", []kmsg.ListOffsetsResponseTopicPartition{p}
		resp.Topics = []kmsg.ListOffsetsResponseTopic{topic}
		return resp, nil, true
	})
	throttled := kind == "throttled first"
	f.ControlKey(int16(kmsg.Fetch), func(q kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		req, resp := q.(*kmsg.FetchRequest), q.ResponseKind().(*kmsg.FetchResponse)
		if req.MaxBytes != probeBytes {
			return nil, nil, false
		}
		if throttled {
			throttled = false
			resp.ThrottleMillis = 10
			return resp, nil, true
		}
		p := kmsg.NewFetchResponseTopicPartition()
		p.HighWatermark, p.LastStableOffset = 15, 15
		if from := req.Topics[0].Partitions[0].FetchOffset; from != 10 {
			p.ErrorCode = 1
		}
		if kind == "a batch without records" {
			p.RecordBatches = emptyBatch(10, 4)
		}
		topic := kmsg.NewFetchResponseTopic()
		topic.TopicID, topic.Topic, topic.Partitions = req.Topics[0].TopicID, "t", []kmsg.FetchResponseTopicPartition{p}
		resp.Topics = []kmsg.FetchResponseTopic{topic}
		return resp, nil, true
	})
}

// emptyBatch is what compaction leaves of a batch whose producer may go on (Kafka's protocol, record batch).
func emptyBatch(first int64, lastDelta int32) []byte {
	b := kmsg.RecordBatch{FirstOffset: first, LastOffsetDelta: lastDelta, PartitionLeaderEpoch: -1, Magic: 2, ProducerID: 7}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// TestUntilEndWithoutPartitions: a member that gets nothing ends, and so does one whose pattern matches no topic.
func TestUntilEndWithoutPartitions(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	owner := read(t, f.config("t"))
	owner.until("an assignment", func() bool { return len(owner.assigned) == 1 })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if got := f.job(t, f.config("t")); got != 0 {
			t.Errorf("%d records", got)
		}
	}()
	c := f.config()
	c.TopicsRegex, c.Group = "^none", "other"
	if got := f.job(t, c); got != 0 {
		t.Errorf("%d records", got)
	}
	<-ended
}
