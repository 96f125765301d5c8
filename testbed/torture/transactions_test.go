//go:build testbed

package torture

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/testbed"
)

// Three of ten records belong to transactions that are aborted: none of them is in any sink.
func TestAborted(t *testing.T) {
	r := newRig(t, options{fault: "Aborted", sinks: []sink{newLines(), newParquet(), newFiles(), newRedis(), newBus()}, processes: 2,
		produceFor: time.Duration(scale(t)) * 3 * time.Second})
	aborted, ended := int64(0), make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), r.produceFor)
	defer cancel()
	client := r.kafka.Client(t, kgo.DefaultProduceTopic(r.run), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(r.run+"-more"))
	go func() {
		defer close(ended)
		aborted = r.abortThree(ctx, client)
	}()
	r.startAll()
	<-ended
	if missing := r.settle(); missing != "" {
		t.Fatal(missing)
	}
	results := r.results(aborted)
	r.report(results)
	t.Logf("%d records were aborted, %d committed", aborted, r.records)
	if aborted*7 < r.records*2 {
		t.Error("too few records were aborted")
	}
}

// abortThree aborts three records for each seven that are produced in the time that ctx has.
func (r *rig) abortThree(ctx context.Context, client *kgo.Client) (aborted int64) {
	const each = 200
	pause := r.produceFor * each * 7 / 3 / time.Duration(r.records)
	for seq := 2 * phantoms; ctx.Err() == nil; {
		began := time.Now()
		if client.BeginTransaction() != nil {
			continue
		}
		for range each {
			p := NewPayload(r.run, r.partitions, seq)
			seq++
			client.Produce(ctx, &kgo.Record{Partition: p.Partition, Key: []byte(p.Key), Value: p.Value()}, nil)
		}
		if client.Flush(ctx) == nil {
			aborted += each
		}
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		_ = client.EndTransaction(ending, kgo.TryAbort) // or the broker aborts it
		cancel()
		time.Sleep(pause - time.Since(began))
	}
	return aborted
}

// A transaction that nobody ends holds back what lies behind it in its partition, and no other, until it times out. Then all is delivered, but for the
// transaction's own records.
func TestHangingTransaction(t *testing.T) {
	const timeout = 15 * time.Second
	lines := newLines()
	r := newRig(t, options{fault: "Hanging", sinks: []sink{lines}, processes: 1, records: 4000, produceFor: 2 * timeout})
	r.start(0)
	testbed.WaitUntil(t, time.Minute, "the first commits", func() bool { return r.offsets.MovedSince(r.group(lines), r.began) })
	client := r.kafka.Client(t, kgo.DefaultProduceTopic(r.run), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(r.run+"-hangs"),
		kgo.TransactionTimeout(timeout))
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	p := NewPayload(r.run, r.partitions, 3*phantoms)
	stuck, err := client.ProduceSync(t.Context(), &kgo.Record{Partition: p.Partition, Key: []byte(p.Key), Value: p.Value()}).First()
	if err != nil {
		t.Fatal(err)
	}
	testbed.WaitUntil(t, timeout, "lag of the partition that is held back", func() bool {
		s := r.statusOf(p.Partition)
		return s.Lag > 0 && s.Position <= stuck.Offset
	})
	now := time.Now()
	held, free := r.offsets.Before(r.group(lines), p.Partition, now), false
	for partition := range r.partitions {
		free = free || partition != p.Partition && r.offsets.Before(r.group(lines), partition, now) > r.offsets.Before(r.group(lines), partition, now.Add(-3*time.Second))
	}
	seen := r.statusOf(p.Partition)
	t.Logf("partition %d is held at %d by a transaction at %d; lag %d, %.0f s", p.Partition, held, stuck.Offset, seen.Lag, seen.LagSeconds)
	if held > stuck.Offset || !free {
		t.Errorf("partition %d is at %d, though an open transaction began at %d; others go on: %t", p.Partition, held, stuck.Offset, free)
	}
	r.finish(1)
}

// statusOf is what the status says of a partition.
func (r *rig) statusOf(partition int32) connector.PartitionStatus {
	r.t.Helper()
	at, err := r.runs[0].HTTP()
	if err != nil {
		r.t.Fatal(err)
	}
	answer, err := http.Get(at + "/status")
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	var status struct{ Connectors []connector.Status }
	if err := json.NewDecoder(answer.Body).Decode(&status); err != nil {
		r.t.Fatal(err)
	}
	for _, c := range status.Connectors {
		for _, p := range c.Partitions {
			if p.ID == partition {
				return p
			}
		}
	}
	r.t.Fatalf("the status says nothing of partition %d", partition)
	return connector.PartitionStatus{}
}
