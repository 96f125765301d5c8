package kafka

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
)

// callbacks are how the group tells of assignments. franz-go calls one at a time.
func (c *Consumer) callbacks() []kgo.Opt {
	return []kgo.Opt{
		kgo.AdjustFetchOffsetsFn(c.assigned),
		kgo.OnPartitionsRevoked(c.revoked),
		kgo.OnPartitionsLost(c.lost),
	}
}

// assigned is called with the group's offsets, right before franz-go begins to fetch from what it returns. The
// partitions are paused, so that nothing is; what else has to be known of them is looked up by a goroutine,
// because a rebalance must not wait for it. Every partition gets an offset, even if a preliminary one: franz-go
// ignores SetOffsets for partitions that have none.
func (c *Consumer) assigned(_ context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	var ps []*partition
	names := make(map[string][]int32)
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return offsets, nil
	}
	for name, of := range offsets {
		for id, o := range of {
			// A leader epoch would let franz-go look for truncation and skip over it: gap does so, and reports it.
			at := max(o.EpochOffset().Offset, 0)
			of[id] = kgo.NewOffset().At(at)
			c.epoch++
			p := &partition{next: at, stored: -1}
			p.Partition = connector.Partition{Topic: name, ID: id}
			p.ClusterID, p.Epoch = c.found.id, c.epoch
			c.partitions[p.Partition] = p
			ps = append(ps, p)
			names[name] = append(names[name], id)
		}
	}
	c.mu.Unlock()
	if len(ps) > 0 {
		c.client.PauseFetchPartitions(names)
		slices.SortFunc(ps, func(a, b *partition) int { return compare(a.Partition, b.Partition) })
		c.lookups.Go(func() { c.lookUp(ps) })
	}
	return offsets, nil
}

// revoked gives partitions away. What was committed for them before it returns counts, nothing after.
func (c *Consumer) revoked(ctx context.Context, _ *kgo.Client, names map[string][]int32) {
	c.calls.Lock()
	defer c.calls.Unlock()
	ps, told := c.owned(names)
	if len(ps) == 0 {
		return
	}
	if len(told) > 0 {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(c.config.RebalanceTimeout)*3/4)
		defer cancel()
		c.listener.Revoked(ctx, told)
	}
	// A commit that has begun ends first: afterwards the partitions belong to others.
	c.committing <- struct{}{}
	c.forget(ps)
	<-c.committing
}

// lost drops partitions that belong to others already.
func (c *Consumer) lost(_ context.Context, _ *kgo.Client, names map[string][]int32) {
	c.calls.Lock()
	defer c.calls.Unlock()
	ps, told := c.owned(names)
	c.forget(ps)
	if len(told) > 0 {
		c.listener.Lost(told)
	}
}

// owned lists those of the partitions that are owned, and those of them that the Listener has to hear of.
func (c *Consumer) owned(names map[string][]int32) (ps []*partition, told []connector.Partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, ids := range names {
		for _, id := range ids {
			p := c.partitions[connector.Partition{Topic: name, ID: id}]
			if p == nil {
				continue
			}
			p.open, p.resume = false, false
			ps = append(ps, p)
			if p.told && !c.closing {
				told = append(told, p.Partition)
			}
		}
	}
	slices.SortFunc(told, compare)
	return ps, told
}

func (c *Consumer) forget(ps []*partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range ps {
		delete(c.partitions, p.Partition)
	}
}

// current keeps those partitions that are still owned by the same assignment.
func (c *Consumer) current(ps []*partition) []*partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(ps, func(p *partition) bool { return c.closing || c.partitions[p.Partition] != p })
}

// lookUp finds out what an Assignment says, and tells the Listener. It is tried again until it succeeds or the
// partitions are gone; Poll returns why it fails.
func (c *Consumer) lookUp(ps []*partition) {
	open, end := context.WithCancel(context.Background())
	defer end()
	go func() {
		select {
		case <-c.closed:
			end()
		case <-open.Done():
		}
	}()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		if ps = c.current(ps); len(ps) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(open, 30*time.Second)
		known, rest, err := c.find(ctx, ps)
		cancel()
		c.tell(known)
		if ps = rest; len(ps) == 0 {
			return
		}
		if err != nil && open.Err() == nil {
			c.report(explain("look up the offsets of group "+c.config.Group, c.config.Group, err))
		}
		select {
		case <-open.Done():
			return
		case <-time.After(wait):
		}
	}
}

// tell calls Listener.Assigned for the partitions that are still owned.
func (c *Consumer) tell(ps []*partition) {
	c.calls.Lock()
	defer c.calls.Unlock()
	ps = c.current(ps)
	if len(ps) == 0 {
		return
	}
	told := make([]connector.Assignment, len(ps))
	c.mu.Lock()
	for i, p := range ps {
		p.told = true
		told[i] = p.Assignment
	}
	c.mu.Unlock()
	c.listener.Assigned(told)
}

// find completes assignments. Those that it returns as known are; the rest need another try.
func (c *Consumer) find(ctx context.Context, ps []*partition) (known, rest []*partition, _ error) {
	commits, err := c.admin.FetchOffsets(ctx, c.config.Group)
	if err != nil {
		return nil, ps, err
	}
	topics := make(map[string]bool)
	for _, p := range ps {
		topics[p.Topic] = true
	}
	meta, err := c.admin.Metadata(ctx, slices.Collect(maps.Keys(topics))...)
	if err != nil {
		return nil, ps, err
	}
	starts, startErr := listOffsets(ctx, c.client, ps, -2)
	ends, endErr := listOffsets(ctx, c.client, ps, -1)
	errs := []error{startErr, endErr}

	birth := c.birth(commits)
	var fresh []*partition
	for _, p := range ps {
		t := meta.Topics[p.Topic]
		start, ok := starts[p.Partition]
		end, ok2 := ends[p.Partition]
		if t.Err != nil {
			errs = append(errs, fmt.Errorf("topic %s: %w", p.Topic, t.Err))
		}
		if !ok || !ok2 || t.Err != nil {
			rest = append(rest, p)
			continue
		}
		p.TopicID, p.LogStart, p.LogEnd, p.Committed, p.Start = t.ID, start, end, -1, -1
		c.mu.Lock()
		p.started = birth
		if o, ok := commits.Lookup(p.Topic, p.ID); ok && o.At >= 0 {
			n := decodeNote(o.Metadata)
			p.Committed, p.Start, p.Meta = o.At, o.At, n.Meta
			p.recreated = n.Topic != "" && n.Topic != hex.EncodeToString(t.ID[:])
			p.stored, p.meta = o.At, n.Meta
		}
		c.mu.Unlock()
		if p.Committed >= 0 {
			known = append(known, p)
		} else {
			fresh = append(fresh, p)
		}
	}
	pinned, unpinned, err := c.pin(ctx, fresh, birth)
	known, rest = append(known, pinned...), append(rest, unpinned...)
	errs = append(errs, err)
	c.mu.Lock()
	for _, p := range known {
		if p.next != p.Start {
			p.next, p.moved = p.Start, true
		}
	}
	c.mu.Unlock()
	c.settle(ctx, known)
	return known, rest, errors.Join(errs...)
}

// birth is the time at which the group began: the smallest that its commits remember, otherwise what start says.
func (c *Consumer) birth(commits kadm.OffsetResponses) int64 {
	birth, born := c.start, false
	commits.Each(func(o kadm.OffsetResponse) {
		if n := decodeNote(o.Metadata); o.At >= 0 && n.Start != nil && (!born || *n.Start < birth) {
			birth, born = max(*n.Start, 0), true
		}
	})
	return birth
}

// pin finds where partitions without a committed offset start, and commits that before anything is read.
func (c *Consumer) pin(ctx context.Context, ps []*partition, birth int64) (pinned, rest []*partition, _ error) {
	var timed []*partition
	for _, p := range ps {
		if birth == 0 || c.appeared(p) {
			p.Start = p.LogStart
		} else {
			timed = append(timed, p)
		}
	}
	var errs []error
	if len(timed) > 0 {
		first, err := listOffsets(ctx, c.client, timed, birth)
		errs = append(errs, err)
		for _, p := range timed {
			switch at, ok := first[p.Partition]; {
			case !ok: // Start stays -1: rest
			case at < 0: // all records are older
				p.Start = p.LogEnd
			default:
				p.Start = max(at, p.LogStart)
			}
		}
	}
	var todo []commit
	select {
	case c.committing <- struct{}{}:
		defer func() { <-c.committing }()
	case <-ctx.Done():
		return nil, ps, ctx.Err()
	}
	for _, p := range c.current(slices.Clone(ps)) {
		if p.Start >= 0 {
			todo = append(todo, commit{connector.Offset{Partition: p.Partition, At: p.Start}, p})
		}
	}
	if len(todo) > 0 {
		errs = append(errs, c.send(ctx, todo)...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range ps {
		if p.stored >= 0 && p.stored == p.Start {
			pinned = append(pinned, p)
		} else {
			rest = append(rest, p)
		}
	}
	return pinned, rest, errors.Join(errs...)
}

// appeared reports whether the partition didn't exist when the Consumer was opened. It may hold records that
// are older than the group, from a mirror or a late device, and none of them was read.
func (c *Consumer) appeared(p *partition) bool {
	t, ok := c.found.topics[p.Topic]
	return !ok || t.id != p.TopicID || p.ID >= t.partitions
}

// settle waits until franz-go has taken over the offsets that assigned returned, which is when SetOffsets begins to
// work. It tells nobody; usually it was long ago.
func (c *Consumer) settle(ctx context.Context, ps []*partition) {
	for ps = slices.Clone(ps); ctx.Err() == nil; {
		taken := c.client.CommittedOffsets()
		ps = slices.DeleteFunc(c.current(ps), func(p *partition) bool {
			_, ok := taken[p.Topic][p.ID]
			return ok
		})
		if len(ps) == 0 {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
}

// listOffsets asks the partitions' leaders for an offset: at is a time in milliseconds, -1 for the end, -2 for the start. Partitions
// whose leader gave none are missing in the result, and the error says why.
func listOffsets(ctx context.Context, client *kgo.Client, ps []*partition, at int64) (map[connector.Partition]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	topics := make(map[string][]kmsg.ListOffsetsRequestTopicPartition)
	for _, p := range ps {
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = p.ID, at
		topics[p.Topic] = append(topics[p.Topic], rp)
	}
	for name, partitions := range topics {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic, t.Partitions = name, partitions
		req.Topics = append(req.Topics, t)
	}
	out := make(map[connector.Partition]int64, len(ps))
	var errs []error
	for _, shard := range client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			errs = append(errs, fmt.Errorf("list offsets: %w", shard.Err))
			continue
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				k := connector.Partition{Topic: t.Topic, ID: p.Partition}
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					errs = append(errs, fmt.Errorf("list offsets of partition %s: %w", k, err))
					continue
				}
				out[k] = p.Offset
			}
		}
	}
	return out, errors.Join(errs...)
}

// gap is the error of reading from an offset that the log doesn't hold, of class Permanent.
func (p *partition) gap(from, start, end int64) error {
	var err error
	switch {
	case from < 0:
		err = fmt.Errorf("offset %d can't be read from", from)
	case p.recreated && from == p.Committed:
		err = fmt.Errorf("the topic was deleted and created again since offset %d was committed, so this offset is of another log; the new one holds %d to %d. %s", from, start, end-1, goOn(start))
	case from < start:
		err = fmt.Errorf("offsets %d to %d are gone: the log starts at %d, because they expired or were deleted before they were read (committed offset: %s). %s", from, start-1, start, p.committedText(), goOn(start))
	case from > end:
		err = fmt.Errorf("the log was truncated: it ends at %d, but offset %d was to be read next (committed offset: %s), so records were lost in Kafka and others may stand in their place. %s", end, from, p.committedText(), goOn(end))
	}
	return connector.Permanent.Wrap(err)
}

func (p *partition) committedText() string {
	if p.stored < 0 {
		return "none"
	}
	return fmt.Sprint(p.stored)
}

// goOn says how to accept a gap.
func goOn(at int64) string {
	return fmt.Sprintf("To go on without them, stop all members of the group, set its offset for this partition to %d (kafka-consumer-groups --reset-offsets), and start again", at)
}

// outOfRange finds out why a broker doesn't have the offset asked for. It is nil if the broker has it after all.
func (c *Consumer) outOfRange(ctx context.Context, k connector.Partition) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c.mu.Lock()
	p := c.partitions[k]
	c.mu.Unlock()
	if p == nil {
		return nil
	}
	starts, err := listOffsets(ctx, c.client, []*partition{p}, -2)
	ends, err2 := listOffsets(ctx, c.client, []*partition{p}, -1)
	c.mu.Lock()
	defer c.mu.Unlock()
	start, ok := starts[k]
	end, ok2 := ends[k]
	if ok && ok2 {
		if gap := p.gap(p.next, start, end); gap != nil {
			return gap
		}
		// A replica that lags behind its leader: ask again.
		if p.open {
			p.open, p.resume, p.moved = false, true, true
		}
		return nil
	}
	return connector.Retryable.Wrap(fmt.Errorf("offset %d is out of range; %w", p.next, errors.Join(err, err2)))
}

func compare(a, b connector.Partition) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.ID) - int(b.ID)
}
