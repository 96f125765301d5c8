package eventbridge

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/serde"
	jsonserde "github.com/millrace/millrace/serde/json"
)

// A place is a record's in Kafka.
type place struct{ partition, offset int }

// placeOf reads a record's place and key from its event.
func placeOf(t testing.TB, e sent) (place, string) {
	t.Helper()
	var detail struct {
		Partition, Offset int
		Key               *string
	}
	if err := json.Unmarshal([]byte(*e.Detail), &detail); err != nil {
		t.Fatal(err)
	}
	key := ""
	if detail.Key != nil {
		key = *detail.Key
	}
	return place{detail.Partition, detail.Offset}, key
}

// TestDelivery runs a connector into an EventBridge that fails three entries of ten, throttles calls and loses replies. No event may be lost; those that are there twice
// are exactly those whose replies were lost; and those of a key come in their order.
func TestDelivery(t *testing.T) {
	const partitions, perPartition, keysOfPartition = 4, 5000, 300
	random := rand.New(rand.NewPCG(7, 1)) // used under the double's lock
	d := newDouble(t)
	s := d.open(t)
	d.fault = func(int, *sent) *says {
		if random.IntN(10) < 3 {
			return &says{code: []string{"ThrottlingException", "InternalFailure"}[random.IntN(2)], message: "at random"}
		}
		return nil
	}
	d.refuses = func([]sent) *says {
		if random.IntN(100) == 0 {
			return &says{400, "ThrottlingException", "Rate exceeded"}
		}
		return nil
	}
	d.lose = func([]sent) bool { return random.IntN(50) == 0 }

	log := connectortest.NewLog()
	var ps []connector.Partition
	for p := range partitions {
		ps = append(ps, connector.Partition{Topic: "orders", ID: int32(p)})
		rs := make([]R, perPartition)
		for i := range rs {
			rs[i] = R{Key: fmt.Sprintf("p%d-k%d", p, i*7919%keysOfPartition), Value: fmt.Sprintf(`{"n":%d}`, i)}
			rs[i].NullKey = i%50 == 0
		}
		log.Append(ps[p], rs...)
	}
	runConnector(t, log, s, ps, perPartition)

	delivered, last := map[place]int{}, map[string]place{}
	for _, e := range d.events() {
		at, key := placeOf(t, e)
		delivered[at]++
		if key == "" {
			continue
		}
		if last[key].offset > at.offset {
			t.Fatalf("key %s: offset %d comes after offset %d, in %v", key, at.offset, last[key].offset, d.ofKey(t, key))
		}
		last[key] = at
	}
	again := map[place]int{}
	for _, e := range d.lost {
		at, _ := placeOf(t, e)
		again[at]++
	}
	for p := range partitions {
		for o := range perPartition {
			if at := (place{p, o}); delivered[at] != 1+again[at] {
				t.Fatalf("record %v was delivered %d times; %d replies were lost that told so", at, delivered[at], again[at])
			}
		}
	}
	if len(d.lost) == 0 || len(d.entries) < partitions*perPartition/maxEntries {
		t.Errorf("%d events in lost replies of %d requests: that tests nothing", len(d.lost), len(d.entries))
	}
	sum := 0
	for _, n := range d.entries {
		sum += n
	}
	t.Logf("%d requests with %d entries, %d events, %d of them again after their replies were lost", len(d.entries), sum, len(d.taken), len(d.lost))
}

// runConnector runs a connector until all partitions are committed up to an offset.
func runConnector(t *testing.T, log *connectortest.Log, l connector.Loader, ps []connector.Partition, until int64) {
	t.Helper()
	values, err := jsonserde.New(jsonserde.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	consumer := connectortest.NewConsumer(log)
	consumer.BatchSize = 500
	c, err := connector.New(consumer, l, connector.WithDecoder(values), connector.WithKeyDecoder(serde.StringDecoder{}),
		connector.WithLogger(slog.New(slog.DiscardHandler)), connector.WithCommitInterval(time.Millisecond), connector.WithRetry(time.Millisecond, 4*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	reached := func(ok func() bool) {
		for !ok() {
			select {
			case err := <-ended:
				t.Fatalf("the connector ended: %v", err)
			case <-tick.C:
			}
		}
	}
	reached(consumer.Notified)
	consumer.Assign(ps...)
	for _, p := range ps {
		reached(func() bool { return log.Committed(p).At >= until })
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// ofKey lists the offsets of a key's events, in the order of their arrival.
func (d *double) ofKey(t testing.TB, key string) (offsets []int) {
	for _, e := range d.events() {
		if at, k := placeOf(t, e); k == key {
			offsets = append(offsets, at.offset)
		}
	}
	return offsets
}
