package sinktest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
)

// guard ends a check that hangs. No check depends on its length.
const guard = 20 * time.Second

func checkDelivers(t testing.TB, h LoaderHarness) {
	l := open(t, h)
	l.load(t, partition(0), 0, l.records([]string{"a", "b", "c"}, 0, 8)).delivered(t)
	l.holds(t, []string{"a", "b", "c"}, 8, exactly)
}

func checkEmptyBatch(t testing.TB, h LoaderHarness) {
	l := open(t, h)
	l.load(t, partition(0), 0, nil).delivered(t)
	b := newBatch(t, partition(0), 0, l.records([]string{"a"}, 0, 3))
	for i := range b.Len() {
		b.Filter(i)
	}
	l.loadBatch(t, t.Context(), b).delivered(t)
	if l.Requests != nil && l.Requests() != 0 {
		t.Errorf("batches without a record to write made %d requests, want none", l.Requests())
	}
	l.holds(t, nil, 0, exactly)
}

func checkMarkedRecords(t testing.TB, h LoaderHarness) {
	l := open(t, h)
	b := newBatch(t, partition(0), 0, l.records([]string{"a", "b", "c", "d"}, 0, 1))
	mark := connector.Permanent.Wrap(errors.New("failed by a handler"))
	b.Filter(0)
	b.Fail(2, mark)
	o := l.loadBatch(t, t.Context(), b)
	if o.err != nil {
		t.Fatalf("Load: %v", o.err)
	}
	if !errors.Is(o.failed[2], mark) {
		t.Errorf("the error that a handler had marked record 2 with became %v", o.failed[2])
	}
	if o.failed[1] != nil || o.failed[3] != nil {
		t.Errorf("neighbours of marked records failed: %v, %v", o.failed[1], o.failed[3])
	}
	l.holds(t, []string{"b", "d"}, 1, exactly)
}

func checkNulls(t testing.TB, h LoaderHarness) {
	l := open(t, h)
	tombstone, keyless, nothing := l.record("b", 0), l.record("c", 0), l.record("d", 0)
	tombstone.Value, keyless.Key = nil, nil
	nothing.Key, nothing.Value = nil, nil
	o := l.load(t, partition(0), 0, []Raw{l.record("a", 0), tombstone, keyless, nothing, l.record("e", 0)})
	if o.err != nil {
		t.Fatalf("Load of a batch with tombstones and null keys: %v", o.err)
	}
	for i, err := range o.failed {
		if err != nil && connector.ClassOf(err) != connector.Permanent {
			t.Errorf("record %d failed with class %v, want permanent: %v", i, connector.ClassOf(err), err)
		}
	}
	if o.failed[0] != nil || o.failed[4] != nil {
		t.Errorf("neighbours of tombstones and null keys failed: %v, %v", o.failed[0], o.failed[4])
	}
}

func checkBadRecord(t testing.TB, h LoaderHarness, bad Raw) {
	t.Helper()
	l := open(t, h)
	good := func(key string) Raw { return l.record(key, 0) }
	o := l.load(t, partition(0), 0, []Raw{bad, good("a"), bad, bad, good("b"), bad})
	if o.err != nil {
		t.Fatalf("Load of a batch with bad records: %v; want the records marked failed", o.err)
	}
	for _, i := range []int{0, 2, 3, 5} {
		switch err := o.failed[i]; {
		case err == nil:
			t.Errorf("bad record %d isn't marked failed", i)
		case connector.ClassOf(err) != connector.Permanent:
			t.Errorf("bad record %d has class %v, want permanent: %v", i, connector.ClassOf(err), err)
		case err.Error() == "":
			t.Errorf("bad record %d has an error without a text", i)
		}
	}
	if o.failed[1] != nil || o.failed[4] != nil {
		t.Errorf("neighbours of bad records failed: %v, %v", o.failed[1], o.failed[4])
	}
	l.load(t, partition(0), 6, []Raw{bad})
	l.holds(t, []string{"a", "b"}, 1, exactly)
}

// checkLargeBatch hands over more than a Load is asked for: cutting it into requests is the sink's work.
func checkLargeBatch(t testing.TB, h LoaderHarness) {
	l := open(t, h)
	n := 1000
	if limited, ok := l.Loader.(connector.Limited); ok && limited.Limits().Records > 0 {
		n = limited.Limits().Records
	}
	names := keys(40)
	perKey := min(2*n, 8000)/len(names) + 1
	l.load(t, partition(0), 0, l.records(names, 0, perKey)).delivered(t)
	l.holds(t, names, perKey, exactly)
}

func checkOrder(t testing.TB, h LoaderHarness) {
	l := open(t, h)
	for round := range 5 {
		l.load(t, partition(0), int64(100*round), l.records([]string{"a", "b", "c", "d"}, 4*round, 4*round+4)).delivered(t)
		l.holds(t, []string{"a", "b", "c", "d"}, 4*round+4, exactly)
	}
}

// checkTwice is what a Connector does whose commit of the offsets failed.
func checkTwice(t testing.TB, h LoaderHarness) {
	l := open(t, h)
	for range 2 {
		l.load(t, partition(0), 0, l.records([]string{"a", "b"}, 0, 5)).delivered(t)
	}
	l.holds(t, []string{"a", "b"}, 5, atLeast)
}

func checkTransientFailure(t testing.TB, h LoaderHarness) {
	checkFailure(t, h, connector.Retryable)
}

func checkAccessDenied(t testing.TB, h LoaderHarness) { checkFailure(t, h, connector.Systemic) }

func checkFailure(t testing.TB, h LoaderHarness, class connector.Class) {
	t.Helper()
	l := open(t, h)
	if l.Fail == nil {
		return
	}
	l.load(t, partition(0), 0, l.records([]string{"warm"}, 0, 1)).delivered(t)
	usual := l.count(func() {
		l.load(t, partition(0), 1, l.records([]string{"warm"}, 1, 2)).delivered(t)
	})
	if !l.Fail(class) {
		return
	}
	raws := l.records([]string{"a"}, 0, 3)
	var o outcome
	attempts := l.count(func() { o = l.load(t, partition(0), 2, raws) })
	for i := range raws {
		switch err := o.of(i); {
		case err == nil && attempts > usual:
			t.Fatalf("Load sent %d requests where one failed: the sink retries, which is the Connector's work", attempts)
		case err == nil:
			t.Fatalf("Load reports record %d as written, after a request that failed", i)
		case connector.ClassOf(err) != class:
			t.Errorf("class of %q is %v, want %v", err, connector.ClassOf(err), class)
		}
	}
	if attempts > usual {
		t.Errorf("Load sent %d requests where one failed, and %d usually: the sink retries, which is the Connector's work", attempts, usual)
	}
	l.load(t, partition(0), 2, raws).delivered(t)
	l.holds(t, []string{"a"}, 3, exactly, Delivery{"warm", 0}, Delivery{"warm", 1})
}

func checkLostReply(t testing.TB, h LoaderHarness) {
	l := open(t, h)
	if l.LoseReply == nil {
		return
	}
	raws := l.records([]string{"a", "b"}, 0, 4)
	l.LoseReply()
	o := l.load(t, partition(0), 0, raws)
	lost := false
	for i := range raws {
		if err := o.of(i); err != nil {
			lost = true
			if c := connector.ClassOf(err); c != connector.Retryable {
				t.Errorf("class of %q is %v, want retryable: nobody knows whether it was written", err, c)
			}
		}
	}
	if !lost {
		t.Error("Load reports records as written, whose reply got lost")
	}
	l.load(t, partition(0), 0, raws).delivered(t)
	l.holds(t, []string{"a", "b"}, 4, atLeast)
}

func checkContextBefore(t testing.TB, h LoaderHarness) {
	l := open(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	raws := l.records([]string{"a", "b"}, 0, 2)
	o := l.loadBatch(t, ctx, newBatch(t, partition(0), 0, raws))
	o.notTheRecords(t)
	if o.complete() {
		l.holds(t, []string{"a", "b"}, 2, exactly)
		return
	}
	l.load(t, partition(0), 0, raws).delivered(t)
	l.holds(t, []string{"a", "b"}, 2, atLeast)
}

func checkContextDuring(t testing.TB, h LoaderHarness) {
	l := open(t, h)
	if l.Stall == nil {
		return
	}
	l.load(t, partition(0), 0, l.records([]string{"a"}, 0, 1)).delivered(t)
	release := l.Stall()
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	raws := l.records([]string{"a"}, 1, 3)
	done := make(chan outcome, 1)
	go func() { done <- l.loadBatch(t, ctx, newBatch(t, partition(0), 1, raws)) }()
	cancel()
	select {
	case o := <-done:
		o.notTheRecords(t)
		if o.complete() {
			t.Error("Load reports records as written, while the destination answers nothing")
		}
	case <-time.After(guard):
		t.Fatalf("Load didn't return when its context ended")
	}
	release()
	l.load(t, partition(0), 1, raws).delivered(t)
	l.holds(t, []string{"a"}, 3, atLeast)
}

func checkConcurrency(t testing.TB, h LoaderHarness) {
	const partitions, rounds, perRound = 4, 6, 25
	l := open(t, h)
	var names []string
	var wg sync.WaitGroup
	for p := range partitions {
		mine := []string{fmt.Sprintf("p%d-x", p), fmt.Sprintf("p%d-y", p)}
		names = append(names, mine...)
		wg.Go(func() {
			for round := range rounds {
				raws := l.records(mine, perRound*round, perRound*(round+1))
				l.load(t, partition(int32(p)), int64(len(raws)*round), raws).delivered(t)
			}
		})
	}
	wg.Wait()
	l.holds(t, names, rounds*perRound, exactly)
}

func checkKeyer(t testing.TB, h LoaderHarness) {
	l := open(t, h)
	keyer, ok := l.Loader.(connector.Keyer)
	if !ok {
		return
	}
	const n = 50
	raws := l.records(keys(n), 0, 2)
	hashes := func(from int64) []uint64 {
		b := newBatch(t, partition(0), from, raws)
		defer b.spoil()
		var hs []uint64
		for i := range b.Records() {
			k, ok := keyer.Key(b.Batch, i)
			if !ok {
				k = 0
			}
			hs = append(hs, k)
		}
		b.untouched(t)
		return hs
	}
	first, second := hashes(0), hashes(1000)
	distinct := map[uint64]bool{}
	for i := range first {
		if first[i] != second[i] {
			t.Fatalf("Key of the same record is %d in one batch and %d in the next", first[i], second[i])
		}
		if first[i] != first[i%n] {
			t.Fatalf("Key of two records of key %q differ: %d and %d", raws[i].Key, first[i], first[i%n])
		}
		distinct[first[i]] = true
	}
	if len(distinct) == 1 && first[0] != 0 {
		t.Error("Key is the same for 50 keys: all records would wait for each other")
	}
	// What can't be keyed ends as the record's error in Load, not as a panic here.
	odd := []Raw{{}, {Key: []byte("k")}, {Value: []byte(`{}`)}, {Key: []byte{}, Value: []byte(`[]`)}}
	for _, bad := range h.Bad {
		odd = append(odd, bad)
	}
	b := newBatch(t, partition(0), 0, odd)
	for i := range b.Records() {
		keyer.Key(b.Batch, i)
	}
}

func checkLimits(t testing.TB, h LoaderHarness) {
	limited, ok := open(t, h).Loader.(connector.Limited)
	if !ok {
		return
	}
	if l := limited.Limits(); l.Records < 0 || l.Bytes < 0 || l.InFlight < 0 || l.Timeout < 0 {
		t.Errorf("a limit is negative: %+v", l)
	}
}
