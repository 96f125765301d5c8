package kafka

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
)

// transaction writes values in a transaction, and commits or aborts it.
func (f *fake) transaction(t *testing.T, commit bool, values ...string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(f.ListenAddrs()...), kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		if err := cl.ProduceSync(t.Context(), kgo.StringRecord(v)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := cl.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)); err != nil {
		t.Fatal(err)
	}
}

// The offset behind a transaction's marker is known, so that a group isn't left one record behind.
func TestTransactions(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.transaction(t, true, "a", "b")  // 0, 1, marker 2
	f.transaction(t, false, "c", "d") // 3, 4, marker 5
	f.transaction(t, true, "e")       // 6, marker 7
	f.transaction(t, false, "f")      // 8, marker 9
	r := read(t, f.config("t"))
	r.until("the end", func() bool { return r.next[t0] == 10 })
	r.reads(t0, "a", "b", "e")
	if got := r.now().offsets[t0]; !slices.Equal(got, []int64{0, 1, 6}) {
		t.Errorf("offsets %d", got)
	}
	r.close()

	c := f.config("t")
	c.Group, c.Isolation = "g2", ReadUncommitted
	all := read(t, c)
	all.reads(t0, "a", "b", "c", "d", "e", "f")
	all.until("the end", func() bool { return all.next[t0] == 10 })
}

func TestRecordsAsTheyAre(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	stamp := time.UnixMilli(1700000000123)
	rs := []*kgo.Record{
		{Topic: "t", Key: nil, Value: nil, Timestamp: stamp},
		{Topic: "t", Key: []byte{}, Value: []byte{}, Timestamp: stamp, Headers: []kgo.RecordHeader{
			{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}, {Key: "", Value: []byte{}}}},
	}
	if err := f.client.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c := open(t, f.config("t"))
	assigned := make(chan connector.Assignment, 1)
	c.Notify(connector.Listener{
		Assigned: func(as []connector.Assignment) { assigned <- as[0] },
		Revoked:  func(context.Context, []connector.Partition) {},
		Lost:     func([]connector.Partition) {},
	})
	defer c.Close(t.Context())
	a := <-assigned
	c.Resume(t0)
	batches, err := c.Poll(t.Context())
	if err != nil || len(batches) != 1 {
		t.Fatal(len(batches), err)
	}
	b := batches[0]
	s := b.Source()
	if s.Partition != t0 || s.TopicID != a.TopicID || a.TopicID == ([16]byte{}) || a.ClusterID != "test" || s.Next != 2 || s.End != 2 || s.Bytes < 2*recordSize {
		t.Errorf("source %+v, assignment %+v", s, a)
	}
	first, second := b.At(0), b.At(1)
	if first.RawKey != nil || first.RawValue != nil || first.Headers != nil || first.Timestamp != stamp.UnixMilli() || first.LogAppendTime {
		t.Errorf("first: %+v", first)
	}
	if second.RawKey == nil || second.RawValue == nil || second.Offset != 1 || len(second.Headers) != 3 ||
		string(second.Headers[0].Value) != "1" || second.Headers[1].Value != nil || second.Headers[1].Name != "a" {
		t.Errorf("second: %+v", second)
	}
}

// What comes of a partition that isn't open, because a call was faster than a fetch, is dropped and read again later.
func TestWhatCameTooLateIsReadAgain(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, numbers(3)...)
	r := read(t, f.config("t"))
	r.reads(t0, numbers(3)...)
	r.Consumer.mu.Lock()
	r.partitions[t0].open = false
	r.Consumer.mu.Unlock()
	f.produce(t, "t", 0, "a", "b")
	r.until("dropped", func() bool {
		r.Consumer.mu.Lock()
		defer r.Consumer.mu.Unlock()
		return r.partitions[t0].moved
	})
	if n := len(r.now().got[t0]); n != 3 {
		t.Fatalf("%d records, want 3", n)
	}
	r.Resume(t0)
	r.reads(t0, append(numbers(3), "a", "b")...)
}

// Nothing is fetched of a partition before its Resume.
func TestAssignedPartitionsArePaused(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	c := open(t, f.config("t"))
	assigned := make(chan struct{})
	c.Notify(connector.Listener{Assigned: func([]connector.Assignment) { close(assigned) }})
	defer c.Close(t.Context())
	<-assigned
	if paused := c.client.PauseFetchPartitions(nil); !slices.Equal(paused["t"], []int32{0}) {
		t.Errorf("paused %v", paused)
	}
	c.Resume(t0)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _ = c.Poll(ctx)
	if paused := c.client.PauseFetchPartitions(nil); len(paused["t"]) != 0 {
		t.Errorf("paused after Resume and Poll: %v", paused)
	}
}

// fetched makes records as franz-go does, uncompressed, from one buffer.
func fetched(n, size int) []*kgo.Record {
	var out []*kgo.Record
	for i := range n {
		r := &kgo.Record{Offset: int64(10 + 2*i), Key: fmt.Append(nil, "k", i), Value: bytes.Repeat([]byte{byte(i)}, size)}
		if i%3 == 0 {
			r.Headers = []kgo.RecordHeader{{Key: "h", Value: fmt.Append(nil, i)}}
		}
		out = append(out, r)
	}
	return out
}

func TestBatchesAreCut(t *testing.T) {
	for _, c := range []struct {
		n, size int
		want    []int
	}{
		{0, 1, nil},
		{1, 1, []int{1}},
		{1024, 1, []int{1024}},
		{2500, 10, []int{1024, 1024, 452}},
		{5, 500 << 10, []int{2, 2, 1}},
		{3, 3 << 20, []int{1, 1, 1}},
	} {
		for _, copies := range []bool{false, true} {
			s := new(slabs)
			rs := fetched(c.n, c.size)
			batches := converter{slabs: s, copies: copies}.batches(nil, rs, 0)
			var got []int
			next := int64(10)
			for _, b := range batches {
				got = append(got, b.Len())
				for i := range b.Len() {
					r := b.At(i)
					if r.Offset != next || string(r.RawKey) != fmt.Sprint("k", (next-10)/2) || len(r.RawValue) != c.size || r.RawValue[0] != byte((next-10)/2) {
						t.Fatalf("offset %d: %d %s", next, r.Offset, r.RawKey)
					}
					if (next-10)/2%3 == 0 && string(r.Headers[0].Value) != fmt.Sprint((next-10)/2) {
						t.Fatalf("offset %d: headers %v", next, r.Headers)
					}
					next += 2
				}
				if want := next; b.Source().Next != want && b.Source().Next != want-1 {
					t.Errorf("next %d, want %d", b.Source().Next, want)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%d records of %d bytes: batches of %d, want %d", c.n, c.size, got, c.want)
			}
		}
	}
}

func TestRecordsBelowThePositionAreLeftOut(t *testing.T) {
	batches := converter{slabs: new(slabs)}.batches(nil, fetched(5, 1), 13)
	if len(batches) != 1 || batches[0].Len() != 3 || batches[0].At(0).Offset != 14 {
		t.Errorf("%d batches", len(batches))
	}
}

// Batches of an uncompressed fetch that other partitions share don't hold its memory.
func TestCopiesDontShareMemory(t *testing.T) {
	rs := fetched(3, 4)
	b := converter{slabs: new(slabs), copies: true}.batches(nil, rs, 0)[0]
	for _, r := range fetched(3, 4) {
		clear(r.Value)
	}
	for i := range 3 {
		value := b.At(i).RawValue
		if cap(value) != 4 || value[0] != byte(i) {
			t.Errorf("record %d: %v, capacity %d", i, value, cap(value))
		}
	}
}

func TestNewest(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(2, "t"))
	base := time.Now().Add(-time.Hour)
	for i := range 20 {
		r := &kgo.Record{Topic: "t", Partition: int32(i % 2), Value: fmt.Append(nil, i), Timestamp: base.Add(time.Duration(i) * time.Second)}
		if err := f.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 { // of either partition, and behind it
		f.transaction(t, false, "aborted")
	}
	for _, c := range []struct {
		n    int
		want string
	}{{0, "[]"}, {1, "[19]"}, {5, "[16 18 15 17 19]"}, {100, "[0 2 4 6 8 10 12 14 16 18 1 3 5 7 9 11 13 15 17 19]"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		config := f.config("t")
		config.Group = ""
		batches, err := Newest(ctx, config, c.n)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, b := range batches {
			for i := range b.Len() {
				got = append(got, string(b.At(i).RawValue))
			}
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("newest %d: %v, want %s", c.n, got, c.want)
		}
	}
	groups, err := f.admin.ListGroups(t.Context())
	if err != nil || len(groups) > 0 {
		t.Errorf("groups %v, %v", groups, err)
	}
	_, err = Newest(t.Context(), f.config("missing"), 1)
	has(t, err, `topic "missing" doesn't exist`)
}
