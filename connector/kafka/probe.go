package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
)

const (
	probeTimeout = 10 * time.Second
	probeBytes   = 64 << 10 // brokers send one batch at least, however large
)

// A hole is a stretch of offsets at a partition's position that hold no record.
type hole struct {
	of   *partition
	next int64 // offset behind it
}

// Probe looks, in the background, whether the log holds anything between a partition's position and its end. If compaction has
// removed all of it, the next Poll returns a batch without records behind it: fetches never tell. Any goroutine may call it before Close returns.
func (c *Consumer) Probe(k connector.Partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.partitions[k]
	if p == nil || !p.open || c.closing {
		return
	}
	from := p.next
	c.lookups.Go(func() { c.probe(p, from) })
}

func (c *Consumer) probe(p *partition, from int64) {
	open, end := c.untilClosed()
	defer end()
	ctx, cancel := context.WithTimeout(open, probeTimeout)
	defer cancel()
	next, err := c.behindHole(ctx, p, from)
	if err != nil || next <= from {
		return // what is wrong, the fetches tell
	}
	c.mu.Lock()
	if c.partitions[p.Partition] == p && p.open && p.next == from {
		p.next = next
		c.holes = append(c.holes, hole{p, next})
	}
	c.mu.Unlock()
	c.reports.interrupt()
}

// behindHole returns the offset up to which the log holds nothing from an offset on, which is from if it holds something.
func (c *Consumer) behindHole(ctx context.Context, p *partition, from int64) (int64, error) {
	rp, err := c.fetchAt(ctx, p, from)
	if err != nil {
		return 0, err
	}
	end := rp.HighWatermark
	if c.config.Isolation == ReadCommitted && rp.LastStableOffset >= 0 {
		end = rp.LastStableOffset
	}
	if len(rp.RecordBatches) == 0 {
		return max(from, end), nil
	}
	got, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true, Offset: from, IsolationLevel: isolations[c.config.Isolation], Topic: p.Topic, Partition: p.ID,
	}, rp, newUnpacker(&c.config), nil)
	switch {
	case got.Err != nil:
		return 0, got.Err
	case len(got.Records) > 0:
		return from, nil
	}
	return next, nil
}

// fetchAt makes a fetch of its own from a partition's leader.
func (c *Consumer) fetchAt(ctx context.Context, p *partition, from int64) (*kmsg.FetchResponseTopicPartition, error) {
	leader, _, err := c.client.PartitionLeader(p.Topic, p.ID)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MinBytes, req.MaxBytes = -1, 0, probeBytes
	if c.config.Isolation == ReadCommitted {
		req.IsolationLevel = readCommitted
	}
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = p.ID, from, probeBytes
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID, t.Partitions = p.Topic, p.TopicID, []kmsg.FetchRequestTopicPartition{rp}
	req.Topics = []kmsg.FetchRequestTopic{t}
	resp, err := req.RequestWith(ctx, c.client.Broker(int(leader)))
	if err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	// A broker that throttles answers with nothing at all, which says nothing of the log.
	if resp.ThrottleMillis > 0 || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("fetch %s from offset %d: no answer", p.Partition, from)
	}
	got := &resp.Topics[0].Partitions[0]
	return got, kerr.ErrorForCode(got.ErrorCode)
}

// passed returns batches without records behind holes that were found, as far as the partitions are still there.
func (c *Consumer) passed() (out []*connector.Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.holes {
		p := h.of
		if c.partitions[p.Partition] == p && p.open && p.next == h.next {
			out = append(out, connector.NewBatch(connector.Source{Partition: p.Partition, TopicID: p.TopicID, Next: h.next, End: h.next}, nil, nil))
		}
	}
	c.holes = nil
	return out
}
