package main

import (
	"context"
	"sync"

	"github.com/millrace/millrace/connector"
)

// A replay is the Consumer of a preview: it delivers samples once, and is done when all of them were committed.
type replay struct {
	mu       sync.Mutex
	listener connector.Listener
	assigned bool
	pending  map[connector.Partition][]connector.Record
	running  map[connector.Partition]bool
	next     map[connector.Partition]int64 // offset that each partition's commit ends at
	wake     chan struct{}
	done     chan struct{} // closed when nothing is left to commit
}

func newReplay(samples []sample) *replay {
	r := &replay{
		pending: map[connector.Partition][]connector.Record{}, running: map[connector.Partition]bool{},
		next: map[connector.Partition]int64{}, wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	for _, s := range samples {
		r.pending[s.Partition] = append(r.pending[s.Partition], s.record)
		r.next[s.Partition] = s.record.Offset + 1
	}
	return r
}

func (r *replay) Notify(l connector.Listener) { r.listener = l }

// Poll assigns all partitions first, and then waits for the Connector to resume them.
func (r *replay) Poll(ctx context.Context) ([]*connector.Batch, error) {
	if !r.assigned {
		r.assigned = true
		var as []connector.Assignment
		for p, records := range r.pending {
			first := records[0].Offset
			as = append(as, connector.Assignment{Partition: p, Epoch: 1, Committed: -1, Start: first, LogStart: first, LogEnd: r.next[p]})
		}
		r.listener.Assigned(as)
	}
	for {
		if batches := r.take(); len(batches) > 0 {
			return batches, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.wake:
		}
	}
}

func (r *replay) take() []*connector.Batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	var batches []*connector.Batch
	for p, records := range r.pending {
		if !r.running[p] {
			continue
		}
		delete(r.pending, p)
		var size int64
		for i := range records {
			size += int64(len(records[i].RawKey) + len(records[i].RawValue))
		}
		batches = append(batches, connector.NewBatch(connector.Source{Partition: p, Next: r.next[p], End: r.next[p], Bytes: size}, records, nil))
	}
	return batches
}

func (r *replay) Commit(_ context.Context, offs []connector.Offset) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range offs {
		if next, ok := r.next[o.Partition]; ok && o.At >= next {
			delete(r.next, o.Partition)
			if len(r.next) == 0 {
				close(r.done)
			}
		}
	}
	return nil
}

func (r *replay) Pause(ps ...connector.Partition) { r.set(false, ps) }

func (r *replay) Resume(ps ...connector.Partition) {
	r.set(true, ps)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *replay) set(running bool, ps []connector.Partition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range ps {
		r.running[p] = running
	}
}

// Seek is to the first sample, where the replay stands.
func (r *replay) Seek(connector.Partition, int64) {}

func (r *replay) Close(context.Context) error { return nil }
