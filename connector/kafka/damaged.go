package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
)

// damage is what is known of an offset at which a batch can't be parsed.
type damage struct {
	at    int64
	times int
}

// oftenDamaged is how often a batch has to come damaged before it is believed: the network may have done it.
const oftenDamaged = 3

// parsing reports whether an error of a fetch is about the bytes of a batch, and nothing that a broker or a connection said.
func parsing(err error) bool {
	var broker *kerr.Error
	var connection net.Error
	var loss *kgo.ErrDataLoss
	return !errors.As(err, &broker) && !errors.As(err, &connection) && !errors.As(err, &loss) &&
		!errors.Is(err, kgo.ErrClientClosed) && !errors.Is(err, errLater) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// locate deals with a batch that can't be parsed, which franz-go says nothing of: it is fetched once more and looked at. If it is too large, or its bytes are
// broken for certain, and its header says where the next one begins, it is read over. One that is damaged has to come so often enough first;
// until then, and if it is sound, the error is like any other.
func (c *Consumer) locate(ctx context.Context, k connector.Partition, fp kgo.FetchPartition) (*connector.Batch, error) {
	large := new(oversized)
	bomb := errors.As(fp.Err, &large)
	p, at, times := c.failed(k)
	switch {
	case p == nil:
		return nil, nil
	case !bomb && times < oftenDamaged:
		return nil, c.fetchError(ctx, k, fp.Err)
	}
	raw, err := c.fetchRaw(ctx, p, at)
	if err != nil {
		return nil, &connector.PartitionError{Partition: k, Err: fmt.Errorf("the batch at offset %d can't be read (%w), and not be looked at: %w", at, fp.Err, err)}
	}
	is := func(batch []byte) bool { return !c.sound(batch) }
	if bomb {
		is = func(batch []byte) bool { return len(batch)-batchHeader == large.packed && batch[batchAttrs+1]&7 != 0 }
	}
	from, next, err := look(raw, at, fp.HighWatermark, is)
	switch {
	case err != nil:
		c.Pause(k)
		c.seekAgain(k)
		return nil, &connector.PartitionError{Partition: k, Err: connector.Permanent.Errorf("the batch at offset %d can't be read (%w), and where it ends can't be told: %w; to go on behind it, use millrace skip", at, fp.Err, err)}
	case next == 0:
		return nil, c.fetchError(ctx, k, fp.Err)
	}
	why := c.unpacker.explain(from, next)
	if !bomb {
		why = fmt.Errorf("the batch of offsets %d to %d is damaged: %w", from, next-1, fp.Err)
	}
	return c.passOver(k, from, next, c.end(fp), why), nil
}

// failed counts how often the batch at the next offset of a partition couldn't be parsed. p is nil if nobody reads the partition.
func (c *Consumer) failed(k connector.Partition) (p *partition, at int64, times int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p = c.partitions[k]
	if p == nil || !p.open {
		return nil, 0, 0
	}
	if p.damage.at != p.next {
		p.damage = damage{at: p.next}
	}
	p.damage.times++
	return p, p.next, p.damage.times
}

// seekAgain lets the next Resume set franz-go's offset.
func (c *Consumer) seekAgain(k connector.Partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.partitions[k]; p != nil {
		p.moved = true
	}
}

// fetchRaw asks the leader for the bytes at an offset.
func (c *Consumer) fetchRaw(ctx context.Context, p *partition, at int64) ([]byte, error) {
	leader, _, err := c.client.PartitionLeader(p.Topic, p.ID)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 1000, 1, int32(c.config.Fetch.MaxPartitionBytes), -1
	t, tp := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	t.Topic, t.TopicID = p.Topic, p.TopicID
	tp.Partition, tp.FetchOffset, tp.PartitionMaxBytes = p.ID, at, req.MaxBytes
	t.Partitions = append(t.Partitions, tp)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, c.client.Broker(int(leader)))
	if err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	for _, t := range resp.Topics {
		for _, tp := range t.Partitions {
			return tp.RecordBatches, kerr.ErrorForCode(tp.ErrorCode)
		}
	}
	return nil, errors.New("the broker returned nothing")
}

// A header is the beginning of a record batch, as far as it is looked at: its fields' offsets. (Apache Kafka, "Message Format", Record Batch)
const (
	batchLength    = 8
	batchMagic     = 16
	batchAttrs     = 21
	batchLastDelta = 23
	batchHeader    = 61
)

// look finds the batch that can't be read, at or behind an offset, and returns its offsets, from to next-1; 0 if there is none. Those between can't hold
// anything to read, such as those of aborted transactions: franz-go has got past them. The checksum doesn't cover where a batch begins and how long it is, and if
// it is wrong, nothing is certain: what the header says has to agree with the batch behind and with the log's end.
func look(raw []byte, at, end int64, is func(batch []byte) bool) (from, next int64, _ error) {
	for first := true; ; first = false {
		size := int64(0)
		if len(raw) >= batchHeader {
			size = int64(int32(binary.BigEndian.Uint32(raw[batchLength:]))) + 12
		}
		if size < batchHeader || size > int64(len(raw)) || raw[batchMagic] != 2 {
			if first {
				return 0, 0, errors.New("its header says so")
			}
			return 0, 0, nil // cut off
		}
		from = int64(binary.BigEndian.Uint64(raw))
		delta := int32(binary.BigEndian.Uint32(raw[batchLastDelta:]))
		next = from + int64(delta) + 1
		batch, behind := raw[:size], raw[size:]
		if delta >= 0 && (next <= at || !is(batch)) {
			raw = behind
			continue
		}
		if delta < 0 || next > end || len(behind) >= 8 && int64(binary.BigEndian.Uint64(behind)) < next {
			return 0, 0, fmt.Errorf("its header says at offset %d, but the log ends at %d", next-1, end-1)
		}
		return from, next, nil
	}
}

// sound reports whether a batch is as it was written, and can be unpacked.
func (c *Consumer) sound(batch []byte) bool {
	rp := kmsg.NewFetchResponseTopicPartition()
	rp.RecordBatches = batch
	read, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{KeepControlRecords: true}, &rp, newUnpacker(&c.config), nil)
	return read.Err == nil
}
