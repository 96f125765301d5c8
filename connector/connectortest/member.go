package connectortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
)

// A member is a Consumer with what was heard of it.
type member struct {
	connector.Consumer
	t       testing.TB
	mu      sync.Mutex
	owned   map[connector.Partition]connector.Assignment
	heard   []string // "assigned t/0", ...
	revoked func(ctx context.Context, ps []connector.Partition)
	busy    bool
	got     map[connector.Partition][]connector.Record
	next    map[connector.Partition]int64
	failed  map[connector.Partition]*connector.PartitionError
	closed  bool
}

func join(t testing.TB, c Cluster) *member {
	t.Helper()
	m := &member{
		Consumer: c.Open(t), t: t,
		owned:  make(map[connector.Partition]connector.Assignment),
		got:    make(map[connector.Partition][]connector.Record),
		next:   make(map[connector.Partition]int64),
		failed: make(map[connector.Partition]*connector.PartitionError),
	}
	m.Notify(connector.Listener{
		Assigned: func(as []connector.Assignment) {
			m.enter("assigned")
			defer m.leave()
			for _, a := range as {
				m.owned[a.Partition] = a
				m.heard = append(m.heard, "assigned "+a.Partition.String())
			}
		},
		Revoked: func(ctx context.Context, ps []connector.Partition) {
			m.enter("revoked")
			if len(ps) == 0 {
				t.Error("Revoked without partitions")
			}
			if _, ok := ctx.Deadline(); !ok {
				t.Error("Revoked's context has no deadline")
			}
			revoked := m.revoked
			m.mu.Unlock()
			if revoked != nil {
				revoked(ctx, ps)
			}
			m.mu.Lock()
			defer m.leave()
			for _, p := range ps {
				if _, ok := m.owned[p]; !ok {
					t.Errorf("Revoked %s, which Assigned never mentioned", p)
				}
				delete(m.owned, p)
				m.heard = append(m.heard, "revoked "+p.String())
			}
		},
		Lost: func(ps []connector.Partition) {
			m.enter("lost")
			defer m.leave()
			for _, p := range ps {
				delete(m.owned, p)
				m.heard = append(m.heard, "lost "+p.String())
			}
		},
	})
	t.Cleanup(func() { m.close() })
	return m
}

func (m *member) enter(what string) {
	m.mu.Lock()
	if m.busy {
		m.t.Errorf("%s while another function of the Listener runs", what)
	}
	if m.closed {
		m.t.Errorf("%s during or after Close", what)
	}
	m.busy = true
}

func (m *member) leave() {
	m.busy = false
	m.mu.Unlock()
}

func (m *member) close() {
	m.mu.Lock()
	closed := m.closed
	m.closed = true
	m.mu.Unlock()
	if closed {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		m.t.Errorf("close: %v", err)
	}
}

// poll polls once, for d at most, and notes the records.
func (m *member) poll(d time.Duration) (records int) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	batches, err := m.Poll(ctx)
	if gap := new(connector.PartitionError); errors.As(err, &gap) && gap.Gap {
		m.failed[gap.Partition] = gap
	} else if err != nil && ctx.Err() == nil && connector.ClassOf(err) != connector.Retryable {
		m.t.Fatalf("poll: %v", err)
	}
	for _, b := range batches {
		s := b.Source()
		if at, ok := m.next[s.Partition]; ok && b.Len() > 0 && b.At(0).Offset < at {
			m.t.Fatalf("a batch of %s begins at offset %d, but the one before it ended at %d", s.Partition, b.At(0).Offset, at)
		}
		for i := range b.Len() {
			r := b.At(i)
			if r.Offset >= s.Next {
				m.t.Fatalf("a batch of %s with Next %d holds offset %d", s.Partition, s.Next, r.Offset)
			}
			if i > 0 && r.Offset <= b.At(i-1).Offset {
				m.t.Fatalf("%s: offset %d follows %d", s.Partition, r.Offset, b.At(i-1).Offset)
			}
			m.got[s.Partition] = append(m.got[s.Partition], *r)
			records++
		}
		m.next[s.Partition] = s.Next
	}
	return records
}

// fails polls until p can't be read.
func (m *member) fails(p connector.Partition) *connector.PartitionError {
	m.t.Helper()
	m.until(fmt.Sprintf("fail to read %s", p), func() bool { return m.failed[p] != nil })
	return m.failed[p]
}

// until polls until done.
func (m *member) until(what string, done func() bool) {
	m.t.Helper()
	for end := time.Now().Add(patience); ; {
		m.mu.Lock()
		ok := done()
		m.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(end) {
			m.t.Fatalf("%s: not within %s; heard %q", what, patience, m.heard)
		}
		m.poll(20 * time.Millisecond)
	}
}

// owns polls until the member owns n partitions, and returns them in order.
func (m *member) owns(n int) []connector.Assignment {
	m.t.Helper()
	m.until(fmt.Sprintf("own %d partitions", n), func() bool { return len(m.owned) == n })
	m.mu.Lock()
	defer m.mu.Unlock()
	var as []connector.Assignment
	for _, a := range m.owned {
		as = append(as, a)
	}
	slices.SortFunc(as, func(a, b connector.Assignment) int { return int(a.ID - b.ID) })
	return as
}

// read begins to read a partition at an offset.
func (m *member) read(p connector.Partition, from int64) {
	m.Seek(p, from)
	m.Resume(p)
	m.next[p] = from
	m.got[p] = nil
}

// reads polls until n records of p have come, and checks that no more do.
func (m *member) reads(p connector.Partition, n int) []connector.Record {
	m.t.Helper()
	m.until(fmt.Sprintf("read %d records of %s", n, p), func() bool { return len(m.got[p]) >= n })
	if len(m.got[p]) != n {
		m.t.Fatalf("%s: %d records, want %d", p, len(m.got[p]), n)
	}
	return m.got[p]
}

func (m *member) commit(p connector.Partition, at int64, meta string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return m.Commit(ctx, []connector.Offset{{Partition: p, At: at, Meta: meta}})
}

func (m *member) mustCommit(p connector.Partition, at int64, meta string) {
	m.t.Helper()
	if err := m.commit(p, at, meta); err != nil {
		m.t.Fatalf("commit: %v", err)
	}
}
