//go:build testbed

package torture

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// phantoms is the number of the first record that is in aborted transactions only.
const phantoms = int64(1) << 40

// produce writes the records in the background, all of them acknowledged by all replicas and none twice; and beside them, now and then, a transaction that is aborted.
func (r *rig) produce() {
	client := r.kafka.Client(r.t, kgo.DefaultProduceTopic(r.run), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()))
	aborter := r.kafka.Client(r.t, kgo.DefaultProduceTopic(r.run), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID(r.run), kgo.TransactionTimeout(10*time.Second))
	ctx, cancel := context.WithCancel(context.Background())
	ended, aborted := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		r.done <- r.write(ctx, client)
	}()
	go func() {
		defer close(aborted)
		abort(ctx, aborter, r.run, r.partitions, ended)
	}()
	r.t.Cleanup(func() { cancel(); <-ended; <-aborted })
}

func (r *rig) write(ctx context.Context, client *kgo.Client) error {
	var failed atomic.Pointer[error]
	began := time.Now()
	for seq := range r.records {
		if seq%100 == 0 {
			due := began.Add(time.Duration(float64(r.produceFor) * float64(seq) / float64(r.records)))
			select {
			case <-time.After(time.Until(due)):
			case <-r.hurry:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		p := NewPayload(r.run, r.partitions, seq)
		client.Produce(ctx, &kgo.Record{Partition: p.Partition, Key: []byte(p.Key), Value: p.Value()}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.CompareAndSwap(nil, &err)
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return fmt.Errorf("produce: %w", *err)
	}
	return nil
}

// abort begins a transaction with a few records each second, and aborts it. What fails is tried again: the oracle finds what was committed by mistake.
func abort(ctx context.Context, client *kgo.Client, run string, partitions int32, ended <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for seq := phantoms; ; {
		select {
		case <-tick.C:
		case <-ended:
			return
		}
		if client.BeginTransaction() != nil {
			continue
		}
		for range 20 {
			p := NewPayload(run, partitions, seq)
			seq++
			client.Produce(ctx, &kgo.Record{Partition: p.Partition, Key: []byte(p.Key), Value: p.Value()}, nil)
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		_ = client.Flush(ctx)                        // those that aren't there are none that may be seen
		_ = client.EndTransaction(ctx, kgo.TryAbort) // or the broker aborts it, after its timeout
		cancel()
	}
}

// scan waits until all is produced, and reads the topic: that is the truth.
func (r *rig) scan() {
	r.t.Helper()
	if err := <-r.done; err != nil {
		r.t.Fatal(err)
	}
	admin := r.kafka.Admin(r.t)
	left := map[int32]int64{}
	// Up to the last stable offset, which an open transaction holds back: all records have to be below it.
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		stable, err := admin.ListCommittedOffsets(r.t.Context(), r.run)
		if err == nil {
			err = stable.Error()
		}
		high, errHigh := admin.ListEndOffsets(r.t.Context(), r.run)
		if errHigh == nil {
			errHigh = high.Error()
		}
		open := false
		if err == nil && errHigh == nil {
			stable.Each(func(o kadm.ListedOffset) {
				h, _ := high.Lookup(r.run, o.Partition)
				open = open || h.Offset != o.Offset
				left[o.Partition] = o.Offset
			})
			if !open {
				break
			}
		}
		if time.Now().After(end) {
			r.t.Fatalf("the topic's end isn't stable: %v, %v", err, errHigh)
		}
	}
	client := r.kafka.Client(r.t, kgo.ConsumeTopics(r.run), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	defer client.Close()
	r.truth, r.ends = NewTruth(r.run), map[int32]int64{}
	for partition, offset := range left {
		if offset == 0 {
			delete(left, partition)
		}
	}
	for len(left) > 0 {
		fetches := client.PollFetches(r.t.Context())
		if err := fetches.Err(); err != nil {
			r.t.Fatal(err)
		}
		fetches.EachRecord(func(k *kgo.Record) {
			if k.Offset+1 >= left[k.Partition] {
				delete(left, k.Partition)
			}
			if k.Attrs.IsControl() {
				return
			}
			if err := r.truth.Add(k.Partition, k.Offset, k.Value); err != nil {
				r.t.Fatal(err)
			}
			r.ends[k.Partition] = k.Offset + 1
		})
	}
	if r.truth.Records != r.records {
		r.t.Fatalf("the topic holds %d records, %d were produced", r.truth.Records, r.records)
	}
}
