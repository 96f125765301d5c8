package connectortest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/millrace/millrace/connector"
)

// A Log is partitions in memory with a group's offsets: what outlives a Consumer.
type Log struct {
	mu        sync.Mutex
	records   map[connector.Partition][]connector.Record
	start     map[connector.Partition]int64
	recreated map[connector.Partition]bool // committed is of the log before
	committed map[connector.Partition]connector.Offset
	commits   []connector.Offset
	changed   chan struct{}
}

// NewLog makes an empty Log.
func NewLog() *Log {
	return &Log{
		records:   make(map[connector.Partition][]connector.Record),
		start:     make(map[connector.Partition]int64),
		recreated: make(map[connector.Partition]bool),
		committed: make(map[connector.Partition]connector.Offset),
		changed:   make(chan struct{}),
	}
}

// Append adds records at the end of a partition. An R's Offset above the end leaves a hole.
func (l *Log) Append(p connector.Partition, rs ...R) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records[p] = append(l.records[p], Records(l.end(p), rs...)...)
	l.wake()
}

func (l *Log) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Log) end(p connector.Partition) int64 {
	if rs := l.records[p]; len(rs) > 0 {
		return rs[len(rs)-1].Offset + 1
	}
	return l.start[p]
}

// Truncate drops the records below an offset, as retention does.
func (l *Log) Truncate(p connector.Partition, below int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.start[p] = below
	l.records[p] = slices.DeleteFunc(l.records[p], func(r connector.Record) bool { return r.Offset < below })
	l.wake()
}

// Cut drops the records from an offset on, as the election of a leader that lacks them does.
func (l *Log) Cut(p connector.Partition, from int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records[p] = slices.DeleteFunc(l.records[p], func(r connector.Record) bool { return r.Offset >= from })
	l.wake()
}

// Recreate empties a partition, as when its topic is deleted and created again.
func (l *Log) Recreate(p connector.Partition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.records, p)
	delete(l.start, p)
	_, l.recreated[p] = l.committed[p]
	l.wake()
}

// SetCommitted sets the group's offset, as an operator does.
func (l *Log) SetCommitted(o connector.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.committed[o.Partition] = o
}

// Committed is the group's offset, At -1 if there is none.
func (l *Log) Committed(p connector.Partition) connector.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o, ok := l.committed[p]; ok {
		return o
	}
	return connector.Offset{Partition: p, At: -1}
}

// Commits lists every offset that was committed, in order.
func (l *Log) Commits() []connector.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.commits)
}

// A Consumer reads a Log. The test assigns and revokes. An offset to read that the log doesn't hold is reported once, as a gap.
type Consumer struct {
	// BatchSize is the most records of one Batch; default 10.
	BatchSize int
	// Size is what each batch's Source.Bytes says; default the length of its keys and values.
	Size int64
	// CommitError, if set, is asked before each commit; its error is returned and nothing is stored.
	CommitError func(offs []connector.Offset) error
	// PollErrors are returned by the next polls, one each.
	PollErrors chan error

	log      *Log
	listener connector.Listener
	calls    sync.Mutex // one listener function at a time

	mu       sync.Mutex
	epoch    int64
	at       map[connector.Partition]int64
	running  map[connector.Partition]bool
	fetched  int
	released int
	pauses   int
	closed   bool
}

// NewConsumer makes a Consumer of the log, without partitions.
func NewConsumer(l *Log) *Consumer {
	return &Consumer{
		BatchSize: 10, PollErrors: make(chan error, 16), log: l,
		at: make(map[connector.Partition]int64), running: make(map[connector.Partition]bool),
	}
}

// Assign gives partitions to this consumer, as the group would.
func (c *Consumer) Assign(ps ...connector.Partition) {
	c.calls.Lock()
	defer c.calls.Unlock()
	var as []connector.Assignment
	c.mu.Lock()
	c.epoch++
	for _, p := range ps {
		o := c.log.Committed(p)
		c.log.mu.Lock()
		a := connector.Assignment{
			Partition: p, ClusterID: "script", Group: "script", TopicID: TopicID(), Epoch: c.epoch,
			Committed: o.At, Start: o.At, Meta: o.Meta, LogStart: c.log.start[p], LogEnd: c.log.end(p),
			Initial: c.log.start[p], Recreated: c.log.recreated[p], InGroup: len(c.log.records),
		}
		c.log.mu.Unlock()
		if a.Committed < 0 {
			a.Start = a.LogStart
		}
		c.at[p] = a.Start
		c.running[p] = false
		as = append(as, a)
	}
	c.mu.Unlock()
	c.listener.Assigned(as)
}

// Revoke takes partitions away, and returns when the connector let go of them.
func (c *Consumer) Revoke(ctx context.Context, ps ...connector.Partition) {
	c.calls.Lock()
	defer c.calls.Unlock()
	c.listener.Revoked(ctx, ps)
	c.forget(ps)
}

// Lose takes partitions away that another consumer has already.
func (c *Consumer) Lose(ps ...connector.Partition) {
	c.calls.Lock()
	defer c.calls.Unlock()
	c.forget(ps)
	c.listener.Lost(ps)
}

func (c *Consumer) forget(ps []connector.Partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range ps {
		delete(c.at, p)
		delete(c.running, p)
	}
}

// Poll returns a batch of each partition that has records.
func (c *Consumer) Poll(ctx context.Context) ([]*connector.Batch, error) {
	for {
		select {
		case err := <-c.PollErrors:
			return nil, err
		default:
		}
		c.log.mu.Lock()
		changed := c.log.changed
		c.log.mu.Unlock()
		if bs, err := c.fetch(); len(bs) > 0 || err != nil {
			return bs, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case err := <-c.PollErrors:
			return nil, err
		case <-changed:
		}
	}
}

func (c *Consumer) fetch() (bs []*connector.Batch, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	var errs []error
	for _, p := range slices.SortedFunc(maps.Keys(c.at), func(a, b connector.Partition) int { return int(a.ID - b.ID) }) {
		if !c.running[p] {
			continue
		}
		if start, end := c.log.start[p], c.log.end(p); c.at[p] < start || c.at[p] > end {
			c.running[p] = false
			errs = append(errs, &connector.PartitionError{
				Partition: p, Gap: true, LogStart: start, LogEnd: end,
				Err: connector.Permanent.Errorf("offset %d is out of range: the log holds %d to %d", c.at[p], start, end-1),
			})
			continue
		}
		var records []connector.Record
		var size int64
		for _, r := range c.log.records[p] {
			if r.Offset < c.at[p] {
				continue
			}
			if len(records) == c.BatchSize {
				break
			}
			// Copies: the connector must not get at another consumer's bytes.
			r.RawKey, r.RawValue = bytes.Clone(r.RawKey), bytes.Clone(r.RawValue)
			size += int64(len(r.RawKey) + len(r.RawValue))
			records = append(records, r)
		}
		if len(records) == 0 {
			continue
		}
		if c.Size > 0 {
			size = c.Size
		}
		next := records[len(records)-1].Offset + 1
		c.at[p] = next
		c.fetched++
		bs = append(bs, connector.NewBatch(connector.Source{
			Partition: p, TopicID: TopicID(), Next: next, End: c.log.end(p), Bytes: size,
		}, records, c.release(records)))
	}
	return bs, errors.Join(errs...)
}

// release overwrites what was borrowed, so that who kept it reads rubbish.
func (c *Consumer) release(records []connector.Record) func() {
	return func() {
		for _, r := range records {
			for i := range r.RawValue {
				r.RawValue[i] = '!'
			}
			for i := range r.RawKey {
				r.RawKey[i] = '!'
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.released++
	}
}

// Held is the number of batches that were fetched and not released.
func (c *Consumer) Held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fetched - c.released
}

// Fetched is the number of batches that were fetched.
func (c *Consumer) Fetched() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fetched
}

// Pauses counts the partitions that were paused.
func (c *Consumer) Pauses() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pauses
}

// Commit stores offsets.
func (c *Consumer) Commit(_ context.Context, offs []connector.Offset) error {
	if c.CommitError != nil {
		if err := c.CommitError(offs); err != nil {
			return err
		}
	}
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	for _, o := range offs {
		c.log.committed[o.Partition] = o
		delete(c.log.recreated, o.Partition)
		c.log.commits = append(c.log.commits, o)
	}
	return nil
}

// Pause stops delivery.
func (c *Consumer) Pause(ps ...connector.Partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range ps {
		if c.running[p] {
			c.running[p] = false
			c.pauses++
		}
	}
}

// Resume goes on.
func (c *Consumer) Resume(ps ...connector.Partition) {
	c.mu.Lock()
	for _, p := range ps {
		if _, ok := c.at[p]; ok {
			c.running[p] = true
		}
	}
	c.mu.Unlock()
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.log.wake()
}

// Seek sets where p is read from.
func (c *Consumer) Seek(p connector.Partition, offset int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.at[p]; ok {
		c.at[p] = offset
	}
}

// Notify sets the listener.
func (c *Consumer) Notify(l connector.Listener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listener = l
}

// Notified reports whether a connector listens.
func (c *Consumer) Notified() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.listener.Assigned != nil
}

// Close gives up all partitions.
func (c *Consumer) Close(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	clear(c.at)
	clear(c.running)
	return nil
}

// Closed reports whether Close was called.
func (c *Consumer) Closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
