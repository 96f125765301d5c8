package connector

import (
	"context"
	"time"

	"github.com/millrace/millrace/internal/failpoint"
)

// commitEvery is the committer: it pulls watermarks at an interval.
func (c *Connector) commitEvery(ctx context.Context) {
	t := time.NewTicker(c.commitInterval)
	defer t.Stop()
	known := map[SchemaStatus]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			c.commit(ctx, nil)
			c.logSchemas(known)
			for _, p := range *c.parts.Load() {
				p.status.sample(time.Now())
			}
		}
	}
}

// commit stores the watermarks of the partitions, nil for all that are owned, as far as they are
// still owned by the same assignment. Offsets only go forward.
func (c *Connector) commit(ctx context.Context, only map[Partition]*partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var offs []Offset
	var moved []*partition
	for k, p := range c.owned {
		if only != nil && only[k] != p {
			continue
		}
		at, meta := p.ledger.watermark()
		if at < p.committed || at == p.committed && meta == p.meta || at < 0 {
			continue
		}
		offs = append(offs, Offset{Partition: k, At: at, Meta: meta})
		moved = append(moved, p)
	}
	if len(offs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.commitTimeout)
	defer cancel()
	failpoint.Here("offsets.before")
	if err := c.consumer.Commit(ctx, offs); err != nil {
		c.log.Warn("commit failed; what was delivered since the last one would be delivered again after a crash", "error", err)
		for _, p := range moved {
			p.status.note(err)
		}
		if ClassOf(err) == Fatal {
			c.fail(err)
		}
		return
	}
	failpoint.Here("offsets.after")
	for i, p := range moved {
		p.committed, p.meta = offs[i].At, offs[i].Meta
		p.status.committed(offs[i].At)
		c.count(MetricCommits, p.Partition, 1)
	}
}
