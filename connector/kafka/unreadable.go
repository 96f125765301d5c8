package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
)

// unreadable sorts the error of a partition's fetch. A batch that unpacks to too much, and one that is damaged for certain, is read over: what
// is returned stands for it.
func (c *Consumer) unreadable(ctx context.Context, k connector.Partition, fp kgo.FetchPartition) (*connector.Batch, error) {
	if k.Topic == "" || k.ID < 0 || !parsing(fp.Err) {
		return nil, c.fetchError(ctx, k, fp.Err)
	}
	return c.locate(ctx, k, fp)
}

// passOver makes the batch that stands for offsets that can't be read, and lets the partition be read on behind them, at the next
// Poll. It is nil if nobody reads the partition now: then it is found again later.
func (c *Consumer) passOver(k connector.Partition, from, next, end int64, why error) *connector.Batch {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.partitions[k]
	if p == nil {
		return nil
	}
	p.moved = true
	if !p.open {
		return nil
	}
	p.open, p.resume = false, true
	if next <= p.next {
		return nil // read on where it was to be read
	}
	p.next = next
	return connector.NewUnreadable(connector.Source{Partition: k, TopicID: p.TopicID, Next: next, End: end, Bytes: recordSize}, from, why)
}

// A portion is how much is asked of a broker at a time.
type portion struct {
	asked   int64     // 0: what the settings say
	crowded time.Time // since when polls have returned nothing, because there was no room to unpack it; zero if they haven't
}

const (
	leastAsked = 64 << 10
	// crowdedFor is how long something may lie in the client that no poll returns. Then it is taken to be gone: a broker's answer
	// is unpacked faster, and what is dropped when partitions are paused isn't told.
	crowdedFor = time.Second
	// crowdedWait is between two fetches that find no room.
	crowdedWait = 10 * time.Millisecond
)

// adapt asks for less at a time when what comes has no room unpacked, or nearly, and for more when there is plenty of room.
func (c *Consumer) adapt(ctx context.Context) {
	part, refused := c.unpacker.usage()
	c.crowd(ctx, refused && part == 0)
	most := c.config.perBroker(c.found.brokers)
	asked := c.portion.asked
	if asked == 0 {
		asked = most
	}
	switch {
	case refused || part > 0.5:
		asked = max(asked/2, min(leastAsked, most))
	case part < 0.125:
		asked = min(asked*2, most)
	}
	if asked != c.portion.asked {
		c.portion.asked = asked
		c.client.UpdateFetchMaxBytes(int32(asked), int32(min(asked, int64(c.config.Fetch.MaxPartitionBytes))))
	}
}

// crowd waits a little when a poll returned nothing because there was no room.
func (c *Consumer) crowd(ctx context.Context, now bool) {
	switch {
	case !now:
		c.portion.crowded = time.Time{}
		return
	case c.portion.crowded.IsZero():
		c.portion.crowded = time.Now()
	case time.Since(c.portion.crowded) > crowdedFor:
		c.unpacker.forget()
	}
	select {
	case <-ctx.Done():
	case <-time.After(crowdedWait):
	}
}
