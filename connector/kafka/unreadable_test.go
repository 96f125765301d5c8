package kafka

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// packed writes each value as a batch of its own, compressed.
func (f *fake) packed(t testing.TB, p int32, codec kgo.CompressionCodec, values ...[]byte) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(f.ListenAddrs()...), kgo.ProducerBatchCompression(codec),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(512<<20), kgo.BrokerMaxWriteBytes(1<<30), kgo.MaxDecompressBatchBytes(1<<30))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, v := range values {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: p, Value: v}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// A batch that unpacks to too much is one record that failed, and reading goes on behind it.
func TestBatchThatUnpacksTooLarge(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(2, "t"))
	f.packed(t, 0, kgo.ZstdCompression(), []byte("a"), make([]byte, 20<<20), []byte("b"), make([]byte, 17<<20), make([]byte, 18<<20))
	f.packed(t, 1, kgo.ZstdCompression(), []byte("c"))
	c := f.config("t")
	c.MaxDecompressedBatch, c.Fetch.MaxBytes = 16<<20, 2<<20
	r := read(t, c)
	r.reads(connector.Partition{Topic: "t", ID: 1}, "c")
	r.reads(t0, "a", "", "b", "", "")
	f.packed(t, 0, kgo.ZstdCompression(), []byte("d"))
	r.until("read on", func() bool { return len(r.got[t0]) == 6 })
	r.close()
	if got := r.now().offsets[t0]; !slices.Equal(got, []int64{0, 1, 2, 3, 4, 5}) {
		t.Errorf("offsets %d", got)
	}
	if len(r.now().errs) > 0 {
		t.Errorf("errors %v", r.now().errs)
	}
}

// What has no room when it comes is fetched again: nothing is lost, nothing comes twice, and the client never holds
// more than its room or one batch.
func TestFetchesThatUnpackToMuch(t *testing.T) {
	const partitions, batches = 6, 12
	f := newFake(t, kfake.NumBrokers(3), kfake.SeedTopics(partitions, "t"))
	value := func(p, i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%d-%d,", p, i), 20_000) } // 80 KB and more
	for p := range partitions {
		var all [][]byte
		for i := range batches {
			all = append(all, value(p, i))
		}
		f.packed(t, int32(p), []kgo.CompressionCodec{kgo.ZstdCompression(), kgo.GzipCompression(), kgo.Lz4Compression(), kgo.SnappyCompression()}[p%4], all...)
	}
	c := f.config("t")
	c.MaxDecompressedBatch, c.Fetch.MaxBytes, c.Fetch.MaxPartitionBytes = 200<<10, 64<<10, 64<<10
	watch := &watching{}
	c.Options = append(c.Options, kgo.WithDecompressor(watch))
	watch.ready.Add(1)
	r := read(t, c)
	watch.unpacker = r.unpacker
	watch.ready.Done()
	r.until("read all", func() bool {
		for p := range partitions {
			if len(r.got[connector.Partition{Topic: "t", ID: int32(p)}]) < batches {
				return false
			}
		}
		return true
	})
	r.close()
	for p := range partitions {
		var want []string
		for i := range batches {
			want = append(want, string(value(p, i)))
		}
		if k := (connector.Partition{Topic: "t", ID: int32(p)}); !slices.Equal(r.now().got[k], want) {
			t.Errorf("%s: %d records, want %d", k, len(r.now().got[k]), batches)
		}
	}
	if watch.refused == 0 {
		t.Error("nothing had to wait for room: the test shows nothing")
	}
	if most := r.unpacker.room + 64<<10; watch.held > most {
		t.Errorf("%d bytes were held unpacked, more than %d", watch.held, most)
	}
	t.Logf("%d batches were fetched again; at most %d KiB were held, of %d KiB", watch.refused, watch.held>>10, r.unpacker.room>>10)
}

// watching looks at what an unpacker holds.
type watching struct {
	*unpacker
	ready   sync.WaitGroup
	mu      sync.Mutex
	held    int64
	refused int
}

func (w *watching) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	w.ready.Wait()
	out, err := w.unpacker.Decompress(src, codec)
	w.unpacker.mu.Lock()
	held := w.unpacker.held
	w.unpacker.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = max(w.held, held)
	if err != nil {
		w.refused++
	}
	return out, err
}

// Through a Connector a bomb is one gap record, what lies around it is loaded in order, and all is committed.
func TestBombsAreBuried(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	bomb := make([]byte, 65<<20)
	f.packed(t, 0, kgo.ZstdCompression(), []byte("a"), bomb, []byte("b"), bomb)
	f.packed(t, 0, kgo.GzipCompression(), bomb, []byte("c"))
	l, dead := &lake{}, &connectortest.DeadLetter{}
	run(t, f, l, connector.WithDeadLetter(dead))
	must(t, "read on", l.has([]string{"a", "b", "c"}))
	must(t, "commit", func() bool { return f.committed(t, "t", 0).At == 6 })
	buried := dead.Buried()
	if len(buried) != 3 {
		t.Fatalf("%d dead letters, want 3", len(buried))
	}
	for i, at := range []int64{1, 3, 4} {
		if b := buried[i]; b.Stage != connector.StageGap || b.Record.Offset != at {
			t.Errorf("dead letter %+v", b)
		}
	}
	has(t, buried[0].Err, "offsets 1 to 1", "unpacks to more than 64MiB", "set max_decompressed_batch higher")
}

// Without a dead letter the partition stops at a bomb. Others go on.
func TestBombWithoutDeadLetter(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(2, "t"))
	f.packed(t, 0, kgo.ZstdCompression(), []byte("a"), make([]byte, 65<<20), []byte("b"))
	l := &lake{}
	c := run(t, f, l)
	must(t, "the halt", func() bool {
		for _, p := range c.Status().Partitions {
			if p.Partition == t0 && p.State == connector.StateHalted {
				has(t, errors.New(p.Error), "stopped at offset 1", "unpacks to more than", "dead_letter")
				return true
			}
		}
		return false
	})
	f.produce(t, "t", 1, "x")
	must(t, "go on", l.has([]string{"a", "x"}))
	must(t, "commit", func() bool { return f.committed(t, "t", 0).At == 1 })
}

// Bombs are in all partitions, so that some are found while reading is moved behind others, and while partitions are paused.
func TestBombsInManyPartitions(t *testing.T) {
	const partitions, rounds = 8, 6
	f := newFake(t, kfake.NumBrokers(2), kfake.SeedTopics(partitions, "t"))
	bomb, good := make([]byte, 300<<10), []byte("good")
	for p := range int32(partitions) {
		var values [][]byte
		for i := range rounds {
			values = append(values, good, bomb)
			for range (int(p) + i) % 3 {
				values = append(values, good)
			}
		}
		f.packed(t, p, kgo.ZstdCompression(), append(values, []byte("end"))...)
	}
	c := f.config("t")
	c.MaxDecompressedBatch, c.Fetch.MaxBytes, c.Fetch.MaxPartitionBytes = 200<<10, 64<<10, 64<<10
	r := read(t, c)
	ended := func() (n int) {
		for _, got := range r.got {
			if got[len(got)-1] == "end" {
				n++
			}
		}
		return n
	}
	r.until("own all", func() bool { return len(r.assigned) == partitions })
	turn := int32(0)
	r.until("read all", func() bool {
		k := connector.Partition{Topic: "t", ID: turn % partitions}
		r.Pause(k)
		r.Resume(k)
		turn++
		return ended() == partitions
	})
	r.close()
	for k, got := range r.got {
		bombs := 0
		for _, v := range got {
			if v == "" {
				bombs++
			}
		}
		if bombs != rounds || !slices.IsSorted(r.now().offsets[k]) {
			t.Errorf("%s: %d bombs, want %d; offsets %d", k, bombs, rounds, r.now().offsets[k])
		}
	}
}
