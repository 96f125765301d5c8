package sinktest

import (
	"context"
	"sync"
	"testing"

	"github.com/millrace/millrace/connector"
)

// staging is a Store in use by a check.
type staging struct {
	Store
	record      func(key string, seq int) Raw
	exactlyOnce bool
	retries     *retries
}

func openStore(t testing.TB, h StagerHarness) *staging {
	t.Helper()
	s := &staging{Store: h.Open(t), record: h.Record, exactlyOnce: h.ExactlyOnce, retries: &retries{}}
	if s.record == nil {
		s.record = Record
	}
	return s
}

func (s *staging) records(keys []string, from, to int) []Raw {
	return interleave(s.record, keys, from, to)
}

// retries stands for the Connector's waits: it repeats at once, and counts.
type retries struct {
	mu     sync.Mutex
	failed []connector.Class // of each attempt that failed
}

func (r *retries) retry(ctx context.Context, what string, try func(context.Context) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := try(ctx)
		if err == nil {
			return nil
		}
		class := connector.ClassOf(err)
		r.mu.Lock()
		r.failed = append(r.failed, class)
		tooOften := len(r.failed) > 50
		r.mu.Unlock()
		if class == connector.Permanent || class == connector.Lost || class == connector.Fatal || tooOften {
			return err
		}
	}
}

func (r *retries) classes() []connector.Class {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]connector.Class{}, r.failed...)
}

// ranging is one range on its way, with what the suite knows of it.
type ranging struct {
	*staging
	staged connector.Staged
	at     connector.Position
	r      connector.Range
	size   connector.Size
}

// recover begins a partition, as a Connector does whose group has committed an offset (-1: none) and which starts at 0.
func (s *staging) recover(t testing.TB, stager connector.Stager, p connector.Partition, committed, end int64) connector.Position {
	t.Helper()
	a := connector.Assignment{
		Partition: p, ClusterID: "sinktest-cluster", TopicID: [16]byte{1, 2, 3}, Epoch: 1,
		Committed: committed, Start: max(committed, 0), LogStart: 0, LogEnd: end,
	}
	pos, err := stager.Recover(t.Context(), a)
	if err != nil {
		t.Fatalf("Recover of %v: %v", p, err)
	}
	if pos.ReadFrom < a.Start {
		t.Fatalf("Recover of %v reads from %d, below the group's offset %d", p, pos.ReadFrom, a.Start)
	}
	return pos
}

func (s *staging) stage(t testing.TB, stager connector.Stager, p connector.Partition, at connector.Position) *ranging {
	t.Helper()
	staged, err := stager.Stage(t.Context(), p, at, s.retries.retry)
	if err != nil {
		t.Fatalf("Stage of %v at %+v: %v", p, at, err)
	}
	return &ranging{staging: s, staged: staged, at: at, r: connector.Range{
		From: at.ReadFrom, Next: at.ReadFrom, First: -1, Last: -1, Reason: connector.RotateAge,
	}}
}

// add hands a batch over as a Connector does, and spoils what the sink borrowed. The records' errors come back.
func (g *ranging) add(t testing.TB, b *borrowed) []error {
	t.Helper()
	size, err := g.staged.Add(t.Context(), b.Batch)
	if err != nil {
		t.Fatalf("Add: %v", err)
	}
	if size.Buffered < 0 || size.Open < 0 || size.Full < 0 {
		t.Errorf("Add reports a negative size: %+v", size)
	}
	g.size = size
	failed := make([]error, b.Len())
	for i := range failed {
		failed[i] = b.Err(i)
		g.r.Read++
		switch {
		case failed[i] != nil:
			g.r.Buried++
		case b.Filtered(i):
			g.r.Filtered++
		default:
			g.r.Written++
		}
	}
	if n := b.Len(); n > 0 {
		if g.r.First < 0 {
			g.r.First = b.At(0).Offset
		}
		g.r.Last = b.At(n - 1).Offset
	}
	g.r.Next = b.Source().Next
	b.untouched(t)
	b.spoil()
	return failed
}

// addRecords adds records that the sink must take, in batches of a few.
func (g *ranging) addRecords(t testing.TB, p connector.Partition, raws []Raw) {
	t.Helper()
	for len(raws) > 0 {
		n := min(len(raws), 7)
		for i, err := range g.add(t, newBatch(t, p, g.r.Next, raws[:n])) {
			if err != nil {
				t.Errorf("Add marked record %d failed: %v", i, err)
			}
		}
		raws = raws[n:]
	}
}

// commit must succeed. It returns the position of the next range.
func (g *ranging) commit(t testing.TB) connector.Position {
	t.Helper()
	pos, err := g.staged.Commit(t.Context(), g.r)
	if err != nil {
		t.Fatalf("Commit of %+v: %v", g.r, err)
	}
	g.checkPosition(t, pos)
	return pos
}

func (g *ranging) checkPosition(t testing.TB, pos connector.Position) {
	t.Helper()
	if pos.ReadFrom != g.r.Next {
		t.Errorf("after the commit of %d to %d, the position reads from %d", g.r.From, g.r.Next-1, pos.ReadFrom)
	}
	if pos.At < g.at.At {
		t.Errorf("the next range has number %d, after number %d", pos.At, g.at.At)
	}
}

func (g *ranging) abort(t testing.TB) {
	t.Helper()
	if err := g.staged.Abort(t.Context()); err != nil {
		t.Errorf("Abort: %v", err)
	}
}

// holds compares what is visible with the sequence numbers 0 to n-1 of each key.
func (s *staging) holds(t testing.TB, keys []string, n int, often howOften) {
	t.Helper()
	files, err := s.Read()
	if err != nil {
		t.Errorf("read the destination: %v", err)
		return
	}
	var got, want []Delivery
	names := map[string]bool{}
	for _, f := range files {
		if names[f.Name] {
			t.Errorf("file %s is listed twice", f.Name)
		}
		names[f.Name] = true
		for i := range f.Records {
			if i > 0 && f.Records[i].Key == f.Records[i-1].Key && f.Records[i].Seq <= f.Records[i-1].Seq {
				t.Errorf("file %s holds %v after %v", f.Name, f.Records[i], f.Records[i-1])
			}
		}
		inOrder(t, f.Records)
		got = append(got, f.Records...)
	}
	for _, k := range keys {
		for seq := range n {
			want = append(want, Delivery{k, seq})
		}
	}
	compare(t, got, want, often)
}

func (s *staging) replays() howOften {
	if s.exactlyOnce {
		return exactly
	}
	return atLeast
}
