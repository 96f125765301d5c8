package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
)

// gap is the error of reading from an offset that the log doesn't hold, of class Permanent; nil if it does.
func (p *partition) gap(from, start, end int64) *connector.PartitionError {
	var err error
	switch {
	case from < 0:
		return &connector.PartitionError{Partition: p.Partition, Err: connector.Permanent.Errorf("offset %d can't be read from", from)}
	case from < start:
		err = fmt.Errorf("offsets %d to %d are gone: the log starts at %d, because they expired or were deleted before they were read (committed offset: %s). %s", from, start-1, start, p.committedText(), goOn(start))
	case from > end:
		err = fmt.Errorf("the log was truncated: it ends at %d, but offset %d was to be read next (committed offset: %s), so records were lost in Kafka and others may stand in their place. %s", end, from, p.committedText(), goOn(end))
	default:
		return nil
	}
	return &connector.PartitionError{Partition: p.Partition, Err: connector.Permanent.Wrap(err), Gap: true, LogStart: start, LogEnd: end}
}

func (p *partition) committedText() string {
	if p.stored < 0 {
		return "none"
	}
	return fmt.Sprint(p.stored)
}

// goOn says how to accept a gap.
func goOn(at int64) string {
	return fmt.Sprintf("To go on without them, set on_gap to earliest or latest; or stop all members of the group, set its offset for this partition to %d (kafka-consumer-groups --reset-offsets), and start again", at)
}

// outOfRange finds out why a broker doesn't have the offset asked for. It is nil if the broker has it after all.
func (c *Consumer) outOfRange(ctx context.Context, k connector.Partition) *connector.PartitionError {
	c.mu.Lock()
	p := c.partitions[k]
	c.mu.Unlock()
	if p == nil {
		return nil
	}
	start, end, err := c.bounds(ctx, p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		return &connector.PartitionError{Partition: k, Err: connector.Retryable.Wrap(fmt.Errorf("offset %d is out of range; %w", p.next, err))}
	}
	if gap := p.gap(p.next, start, end); gap != nil {
		p.stale = p.stale || p.next > end
		return gap
	}
	// A replica that lags behind its leader: ask again.
	if p.open {
		p.open, p.resume, p.moved = false, true, true
	}
	return nil
}

// truncated is the gap of records that were read, and were lost in Kafka afterwards: what is left of them ends at an offset,
// behind which others may stand by now.
func (c *Consumer) truncated(ctx context.Context, k connector.Partition, loss *kgo.ErrDataLoss) *connector.PartitionError {
	e := &connector.PartitionError{Partition: k, Gap: true, LogEnd: loss.ResetTo, Err: connector.Permanent.Errorf(
		"the log was truncated: it was read up to offset %d, but what is left of that history ends at %d. %s", loss.ConsumedTo, loss.ResetTo, goOn(loss.ResetTo))}
	c.mu.Lock()
	p := c.partitions[k]
	if p != nil {
		p.stale = true
	}
	c.mu.Unlock()
	if p == nil {
		return nil
	}
	start, _, err := c.bounds(ctx, p)
	if err != nil {
		start = loss.ResetTo // all that is known to be there
	}
	e.LogStart = min(start, loss.ResetTo)
	return e
}

// bounds looks up the offsets that a partition holds now: start to end-1.
func (c *Consumer) bounds(ctx context.Context, p *partition) (start, end int64, _ error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	starts, err := listOffsets(ctx, c.client, []*partition{p}, -2)
	ends, err2 := listOffsets(ctx, c.client, []*partition{p}, -1)
	start, ok := starts[p.Partition]
	end, ok2 := ends[p.Partition]
	if !ok || !ok2 {
		return 0, 0, fmt.Errorf("look up what the log holds: %w", errors.Join(err, err2))
	}
	return start, end, nil
}
