package resend

import (
	"context"
	"sync"

	"github.com/millrace/millrace/connector"
)

// An Origin is where the letters' records came from, for sinks that keep a chain.
type Origin struct{ ClusterID, Group string }

// A Consumer hands letters over as the records that they were: with their topic id, offset, timestamp, headers and bytes, in offset order. What is
// committed is noted, and goes nowhere. A Connector reads it once.
type Consumer struct {
	spool    *Spool
	origin   Origin
	streams  []*stream
	index    map[connector.Partition]*stream
	listener connector.Listener
	wake     chan struct{}
	done     chan struct{}

	mu       sync.Mutex
	assigned bool
	turn     int
	sent     int64
	ended    bool // done is closed
}

var _ connector.Consumer = (*Consumer)(nil)

// A stream is a part on its way.
type stream struct {
	*Part
	running   bool
	sought    bool
	next      int   // index of the letter to hand over next
	below     int   // letters below where the sink's chain ended at first
	out       int   // batches that aren't released
	halted    bool  // nothing of it is handed over any more
	committed int64 // offset
}

// What one batch holds at most: the Connector cuts it for the sink.
const (
	batchRecords = 512
	batchBytes   = 1 << 20
)

// NewConsumer makes a Consumer of one of the spool's Runs.
func NewConsumer(s *Spool, run []*Part, o Origin) *Consumer {
	c := &Consumer{spool: s, origin: o, index: map[connector.Partition]*stream{}, wake: make(chan struct{}, 1), done: make(chan struct{})}
	for _, p := range run {
		st := &stream{Part: p}
		c.streams = append(c.streams, st)
		c.index[p.Partition] = st
	}
	return c
}

// Notify sets the listener.
func (c *Consumer) Notify(l connector.Listener) { c.listener = l }

// Done is closed when all letters were handed over and the Connector is through with their bytes: what it drains then is all.
func (c *Consumer) Done() <-chan struct{} { return c.done }

// Poll assigns all partitions first, and then waits for the Connector to resume them.
func (c *Consumer) Poll(ctx context.Context) ([]*connector.Batch, error) {
	c.assign()
	for {
		b, err := c.take()
		if err != nil {
			return nil, connector.Fatal.Wrap(err)
		}
		if b != nil {
			return []*connector.Batch{b}, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.wake:
		}
	}
}

func (c *Consumer) assign() {
	c.mu.Lock()
	assigned := c.assigned
	c.assigned = true
	c.mu.Unlock()
	if assigned {
		return
	}
	var as []connector.Assignment
	for _, s := range c.streams {
		first, next := s.bounds()
		as = append(as, connector.Assignment{
			Partition: s.Partition, ClusterID: c.origin.ClusterID, Group: c.origin.Group, TopicID: s.TopicID, Epoch: 1,
			// The chain of an earlier replay may end anywhere: no offset is missing.
			Committed: -1, Start: first, Initial: first, LogStart: 0, LogEnd: next, InGroup: len(c.streams),
		})
	}
	c.listener.Assigned(as)
}

// take makes a batch of the next partition whose turn it is; nil if none has anything.
func (c *Consumer) take() (*connector.Batch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range c.streams {
		s := c.streams[c.turn%len(c.streams)]
		c.turn++
		if s.running && !s.halted && s.next < len(s.entries) {
			return c.batch(s)
		}
	}
	return nil, nil
}

// batch is called under mu.
func (c *Consumer) batch(s *stream) (*connector.Batch, error) {
	var records []connector.Record
	var size int64
	for len(records) < batchRecords && s.next < len(s.entries) {
		e := &s.entries[s.next]
		if len(records) > 0 && size+int64(e.size) > batchBytes {
			break
		}
		r, err := c.spool.read(e)
		if err != nil {
			return nil, err
		}
		records, size = append(records, r), size+int64(e.size)
		s.next++
	}
	_, end := s.bounds()
	s.out++
	c.sent += int64(len(records))
	released := sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		s.out--
		c.check()
	})
	return connector.NewBatch(connector.Source{
		Partition: s.Partition, TopicID: s.TopicID, Next: records[len(records)-1].Offset + 1, End: end, Bytes: size,
	}, records, released), nil
}

// check closes done when nothing is left to be handed over or worked on. Called under mu.
func (c *Consumer) check() {
	for _, s := range c.streams {
		if s.out > 0 || !s.halted && (!s.sought || s.next < len(s.entries)) {
			return
		}
	}
	if !c.ended {
		c.ended = true
		close(c.done)
	}
}

// Seek sets where a partition is read from: where the sink's chain of this replay ends, or at the first letter.
func (c *Consumer) Seek(p connector.Partition, offset int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.index[p]
	if s == nil {
		return
	}
	s.next = s.from(offset)
	if !s.sought {
		s.sought, s.below = true, s.next
	}
	c.check()
}

// Pause stops delivery.
func (c *Consumer) Pause(ps ...connector.Partition) { c.set(false, ps) }

// Resume goes on.
func (c *Consumer) Resume(ps ...connector.Partition) {
	c.set(true, ps)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Consumer) set(running bool, ps []connector.Partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range ps {
		if s := c.index[p]; s != nil {
			s.running = running
		}
	}
}

// GiveUp ends partitions that the Connector has halted, so that Done waits for the others only.
func (c *Consumer) GiveUp(p connector.Partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.index[p]; s != nil && !s.halted {
		s.halted = true
		c.check()
	}
}

// Commit notes what is durable.
func (c *Consumer) Commit(_ context.Context, offs []connector.Offset) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range offs {
		if s := c.index[o.Partition]; s != nil {
			s.committed = max(s.committed, o.At)
		}
	}
	return nil
}

// Close has nothing to do: the Spool stays open.
func (c *Consumer) Close(context.Context) error { return nil }

// Progress is how far a replay got, in letters.
type Progress struct {
	Sent    int64 // handed over; more than there are, if some were read again
	Before  int64 // that the sink's chain spoke for already: not handed over
	Durable int64 // of the others
	Open    int64 // the rest
}

// Progress may be asked for at any time.
func (c *Consumer) Progress() (p Progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.Sent = c.sent
	for _, s := range c.streams {
		durable := max(s.from(s.committed), s.below)
		p.Before += int64(s.below)
		p.Durable += int64(durable - s.below)
		p.Open += int64(len(s.entries) - durable)
	}
	return p
}
