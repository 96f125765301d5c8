package sinktest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/millrace/millrace/connector"
)

// loading is a Destination in use by a check.
type loading struct {
	Destination
	record func(key string, seq int) Raw
	keyed  bool
}

func open(t testing.TB, h LoaderHarness) *loading {
	t.Helper()
	l := &loading{Destination: h.Open(t), record: h.Record, keyed: h.Keyed}
	if l.record == nil {
		l.record = Record
	}
	return l
}

// records makes those of some keys with the sequence numbers from <= seq < to, the keys taking turns.
func (l *loading) records(keys []string, from, to int) []Raw {
	return interleave(l.record, keys, from, to)
}

func interleave(record func(string, int) Raw, keys []string, from, to int) []Raw {
	var raws []Raw
	for seq := from; seq < to; seq++ {
		for _, k := range keys {
			raws = append(raws, record(k, seq))
		}
	}
	return raws
}

func keys(n int) []string {
	ks := make([]string, n)
	for i := range ks {
		ks[i] = fmt.Sprintf("key-%d", i)
	}
	return ks
}

// outcome is what one Load said of its records.
type outcome struct {
	err    error
	failed []error
}

// of is the error of the i-th record: its own or the whole call's.
func (o outcome) of(i int) error {
	if o.err != nil {
		return o.err
	}
	return o.failed[i]
}

func (o outcome) complete() bool {
	return o.err == nil && !slices.ContainsFunc(o.failed, func(err error) bool { return err != nil })
}

func (o outcome) delivered(t testing.TB) {
	t.Helper()
	if o.err != nil {
		t.Errorf("Load: %v", o.err)
		return
	}
	for i, err := range o.failed {
		if err != nil {
			t.Errorf("Load marked record %d failed: %v", i, err)
			return
		}
	}
}

// notTheRecords: whatever ended the call, the records are innocent.
func (o outcome) notTheRecords(t testing.TB) {
	t.Helper()
	for i := range o.failed {
		if err := o.of(i); err != nil && connector.ClassOf(err) != connector.Retryable {
			t.Errorf("class of %q is %v when the context ended, want retryable", err, connector.ClassOf(err))
			return
		}
	}
}

func (l *loading) load(t testing.TB, p connector.Partition, from int64, raws []Raw) outcome {
	t.Helper()
	return l.loadBatch(t, t.Context(), newBatch(t, p, from, raws))
}

// loadBatch calls Load as a Connector does, and spoils what the sink borrowed.
func (l *loading) loadBatch(t testing.TB, ctx context.Context, b *borrowed) outcome {
	t.Helper()
	o := outcome{err: l.Loader.Load(ctx, b.Batch)}
	for i := range b.Len() {
		o.failed = append(o.failed, b.Err(i))
	}
	b.untouched(t)
	b.spoil()
	return o
}

// count is the number of requests that f makes, 0 if the destination can't tell.
func (l *loading) count(f func()) int {
	if l.Requests == nil {
		f()
		return 0
	}
	before := l.Requests()
	f()
	return l.Requests() - before
}

// A howOften says whether a record may be there twice.
type howOften bool

const (
	exactly howOften = false
	atLeast howOften = true
)

// holds compares the destination with the sequence numbers 0 to n-1 of each key, and the others given.
func (l *loading) holds(t testing.TB, keys []string, n int, often howOften, others ...Delivery) {
	t.Helper()
	got, err := l.Read()
	if err != nil {
		t.Errorf("read the destination: %v", err)
		return
	}
	want := others
	for _, r := range keys {
		for seq := range n {
			want = append(want, Delivery{r, seq})
		}
	}
	if l.keyed {
		want = newest(want)
	}
	compare(t, got, want, often)
	inOrder(t, got)
}

// newest keeps the last of each key.
func newest(ds []Delivery) []Delivery {
	at := map[string]int{}
	var out []Delivery
	for _, d := range ds {
		if i, ok := at[d.Key]; ok {
			out[i] = d
			continue
		}
		at[d.Key] = len(out)
		out = append(out, d)
	}
	return out
}

func compare(t testing.TB, got, want []Delivery, often howOften) {
	t.Helper()
	counts := map[Delivery]int{}
	for _, d := range got {
		counts[d]++
	}
	var lost, double []Delivery
	for _, d := range want {
		switch n := counts[d]; {
		case n == 0:
			lost = append(lost, d)
		case n > 1 && often == exactly:
			double = append(double, d)
		}
		delete(counts, d)
	}
	for what, ds := range map[string][]Delivery{"lost": lost, "delivered more than once": double, "never sent, or not to be delivered": slices.Collect(maps.Keys(counts))} {
		if len(ds) > 0 {
			t.Errorf("%d of %d records %s, such as %v", len(ds), len(want), what, ds[0])
		}
	}
}

// inOrder: the first delivery of each record of a key comes in the order of the key.
func inOrder(t testing.TB, got []Delivery) {
	t.Helper()
	seen, last := map[Delivery]bool{}, map[string]int{}
	for _, d := range got {
		if seen[d] {
			continue
		}
		seen[d] = true
		if prev, ok := last[d.Key]; ok && d.Seq < prev {
			t.Errorf("key %s: record %d is stored after record %d", d.Key, d.Seq, prev)
			return
		}
		last[d.Key] = d.Seq
	}
}
