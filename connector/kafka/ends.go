package kafka

import (
	"context"
	"time"
)

// endsEvery is how often the ends of all partitions are asked for: fetches don't tell of records that can't be read yet, because a transaction
// is open, or aren't to be read, because their partition is paused.
const endsEvery = 10 * time.Second

// watchEnds keeps the ends of the partitions until the consumer is closed.
func (c *Consumer) watchEnds() {
	open, stop := c.untilClosed()
	defer stop()
	tick := time.NewTicker(endsEvery)
	defer tick.Stop()
	for {
		select {
		case <-open.Done():
			return
		case <-tick.C:
			c.lookEnds(open)
		}
	}
}

// lookEnds asks for the ends. What can't be had stays as it was: what is wrong, the fetches tell. A partition that is read, and didn't get any
// further since the last look, may be in front of a hole, such as the marker that ends a transaction: nobody is to see that as lag.
func (c *Consumer) lookEnds(open context.Context) {
	var ps []*partition
	c.mu.Lock()
	for _, p := range c.partitions {
		if p.known {
			ps = append(ps, p)
		}
	}
	c.mu.Unlock()
	if len(ps) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(open, probeTimeout)
	defer cancel()
	ends, _ := listOffsets(ctx, c.client, ps, -1)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range ps {
		end, ok := ends[p.Partition]
		if !ok {
			continue
		}
		p.end = end
		from := p.next
		if p.open && !c.closing && from == p.idle && from < end {
			c.lookups.Go(func() { c.probe(p, from) })
		}
		p.idle = from
	}
}
