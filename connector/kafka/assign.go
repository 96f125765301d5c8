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
		kgo.OnPartitionsAssigned(c.joined),
		kgo.OnPartitionsRevoked(c.revoked),
		kgo.OnPartitionsLost(c.lost),
	}
}

// assigned is called with the group's offsets, right before franz-go begins to fetch from what it returns. The
// partitions are paused, so that nothing is; what else has to be known of them is looked up by a goroutine,
// because a rebalance must not wait for it. Every partition gets an offset, even if a preliminary one: franz-go
// ignores SetOffsets for partitions that have none.
func (c *Consumer) assigned(_ context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	starts := make(map[connector.Partition]int64)
	for name, of := range offsets {
		for id, o := range of {
			// A leader epoch would let franz-go look for truncation and skip over it: gap does so, and reports it.
			at := max(o.EpochOffset().Offset, 0)
			of[id] = kgo.NewOffset().At(at)
			starts[connector.Partition{Topic: name, ID: id}] = at
		}
	}
	c.begin(starts, false)
	return offsets, nil
}

// begin begins assignments of partitions at preliminary offsets. moved: franz-go may read elsewhere.
func (c *Consumer) begin(starts map[connector.Partition]int64, moved bool) {
	member, _ := c.client.GroupMetadata()
	var ps []*partition
	names := make(map[string][]int32)
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return
	}
	for k, at := range starts {
		c.epoch++
		p := &partition{member: member, next: at, moved: moved, stored: -1}
		p.Partition = k
		p.ClusterID, p.Group, p.Epoch = c.found.id, c.config.Group, c.epoch
		c.partitions[k] = p
		ps = append(ps, p)
		names[k.Topic] = append(names[k.Topic], k.ID)
	}
	c.mu.Unlock()
	if len(ps) > 0 {
		c.client.PauseFetchPartitions(names)
		slices.SortFunc(ps, func(a, b *partition) int { return compare(a.Partition, b.Partition) })
		c.lookups.Go(func() { c.lookUp(ps) })
	}
}

// joined is called when the group has agreed. A member that the group had thrown out is another one now: franz-go joins again under a new id, such as
// after a commit that was refused, and keeps what it had as if it had never been away. Meanwhile it may have been others', so it is lost, and what is
// still assigned begins anew, at what they committed.
func (c *Consumer) joined(ctx context.Context, cl *kgo.Client, came map[string][]int32) {
	c.membership.assigned(ctx, cl, came)
	member, _ := cl.GroupMetadata()
	starts, names := make(map[connector.Partition]int64), make(map[string][]int32)
	c.mu.Lock()
	for k, p := range c.partitions {
		if p.member != member {
			starts[k] = p.next
			names[k.Topic] = append(names[k.Topic], k.ID)
		}
	}
	c.mu.Unlock()
	if len(starts) > 0 {
		c.drop(names)
		c.begin(starts, true) // what it had fetched may have been dropped meanwhile
	}
}

// outdated takes those out of names that are owned as a member that isn't in the group any more.
func (c *Consumer) outdated(cl *kgo.Client, names map[string][]int32) (current, old map[string][]int32) {
	member, _ := cl.GroupMetadata()
	current, old = make(map[string][]int32), make(map[string][]int32)
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, ids := range names {
		for _, id := range ids {
			to := current
			if p := c.partitions[connector.Partition{Topic: name, ID: id}]; p != nil && p.member != member {
				to = old
			}
			to[name] = append(to[name], id)
		}
	}
	return current, old
}

// revoked gives partitions away. What was committed for them before it returns counts, nothing after.
func (c *Consumer) revoked(ctx context.Context, cl *kgo.Client, names map[string][]int32) {
	c.membership.gone(names)
	names, old := c.outdated(cl, names)
	c.drop(old)
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
	c.membership.gone(names)
	c.drop(names)
}

func (c *Consumer) drop(names map[string][]int32) {
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
		c.unpacker.taken(p.Partition)
	}
}

// current keeps those partitions that are still owned by the same assignment.
func (c *Consumer) current(ps []*partition) []*partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(ps, func(p *partition) bool { return c.closing || c.partitions[p.Partition] != p })
}

// untilClosed is a context that ends when the consumer is closed.
func (c *Consumer) untilClosed() (context.Context, context.CancelFunc) {
	open, end := context.WithCancel(context.Background())
	go func() {
		select {
		case <-c.closed:
			end()
		case <-open.Done():
		}
	}()
	return open, end
}

// lookUp finds out what an Assignment says, and tells the Listener. It is tried again until it succeeds or the
// partitions are gone; Poll returns why it fails.
func (c *Consumer) lookUp(ps []*partition) {
	open, end := c.untilClosed()
	defer end()
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
			c.report(c.access.explain("look up the offsets of group "+c.config.Group, c.config.Group, err))
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
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range ps {
		p.known = true
	}
}

// find completes assignments. Those that it returns as known are; the rest need another try.
func (c *Consumer) find(ctx context.Context, ps []*partition) (known, rest []*partition, _ error) {
	commits, err := c.admin.FetchOffsets(ctx, c.config.Group)
	if err != nil {
		return nil, ps, err
	}
	topics := make(map[string]bool)
	for _, name := range c.client.GetConsumeTopics() {
		topics[name] = true
	}
	for _, p := range ps {
		topics[p.Topic] = true
	}
	meta, err := c.admin.Metadata(ctx, slices.Collect(maps.Keys(topics))...)
	if err != nil {
		return nil, ps, err
	}
	inGroup := 0
	for _, t := range meta.Topics {
		inGroup += len(t.Partitions)
	}
	starts, startErr := listOffsets(ctx, c.client, ps, -2)
	ends, endErr := listOffsets(ctx, c.client, ps, -1)
	stable, stableErr := c.stable(ctx, ps)
	errs := []error{startErr, endErr, stableErr}

	birth := c.birth(commits)
	var found []*partition
	for _, p := range ps {
		t := meta.Topics[p.Topic]
		start, ok := starts[p.Partition]
		end, ok2 := ends[p.Partition]
		if t.Err != nil {
			errs = append(errs, fmt.Errorf("topic %s: %w", p.Topic, t.Err))
		}
		if _, ok3 := stable[p.Partition]; !ok || !ok2 || !ok3 && stable != nil || t.Err != nil {
			rest = append(rest, p)
			continue
		}
		p.TopicID, p.LogStart, p.LogEnd, p.InGroup = t.ID, start, end, inGroup
		p.Committed, p.Start, p.Initial = -1, -1, -1
		c.mu.Lock()
		p.started = birth
		if o, ok := commits.Lookup(p.Topic, p.ID); ok && o.At >= 0 {
			n := decodeNote(o.Metadata)
			p.Committed, p.Start, p.Meta = o.At, o.At, n.Meta
			p.Recreated = n.Topic != "" && n.Topic != hex.EncodeToString(t.ID[:])
			p.stored, p.meta = o.At, n.Meta
			p.stale = p.Recreated || o.At > end
		}
		c.mu.Unlock()
		found = append(found, p)
	}
	errs = append(errs, c.initial(ctx, found, birth))
	var fresh []*partition
	for _, p := range found {
		switch {
		case p.Initial < 0:
			rest = append(rest, p)
		case p.Committed >= 0:
			known = append(known, p)
		default:
			fresh = append(fresh, p)
		}
	}
	pinned, unpinned, err := c.pin(ctx, fresh)
	known, rest = append(known, pinned...), append(rest, unpinned...)
	errs = append(errs, err)
	c.mu.Lock()
	for _, p := range known {
		if at, ok := stable[p.Partition]; ok {
			p.endAt(at)
		}
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

// initial finds where partitions begin if nothing was committed: at the group's birth, those that appeared later at their start.
// Of those that it can't find out, Initial stays -1.
func (c *Consumer) initial(ctx context.Context, ps []*partition, birth int64) error {
	var timed []*partition
	for _, p := range c.offsets.place(ps) {
		if birth == 0 || c.appeared(p) {
			p.Initial = p.LogStart
		} else {
			timed = append(timed, p)
		}
	}
	if len(timed) == 0 {
		return nil
	}
	first, err := listOffsets(ctx, c.client, timed, birth)
	for _, p := range timed {
		switch at, ok := first[p.Partition]; {
		case !ok:
		case at < 0: // all records are older
			p.Initial = p.LogEnd
		default:
			p.Initial = max(at, p.LogStart)
		}
	}
	return err
}

// pin lets partitions without a committed offset start at Initial, and commits that before anything is read.
func (c *Consumer) pin(ctx context.Context, ps []*partition) (pinned, rest []*partition, _ error) {
	for _, p := range ps {
		p.Start = p.Initial
	}
	var errs []error
	var todo []commit
	select {
	case c.committing <- struct{}{}:
		defer func() { <-c.committing }()
	case <-ctx.Done():
		return nil, ps, ctx.Err()
	}
	for _, p := range c.current(slices.Clone(ps)) {
		todo = append(todo, commit{connector.Offset{Partition: p.Partition, At: p.Start}, p})
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
	return listOffsetsBy(ctx, client, ps, at, 0)
}

// listOffsetsBy is listOffsets by an isolation level.
func listOffsetsBy(ctx context.Context, client *kgo.Client, ps []*partition, at int64, isolation int8) (map[connector.Partition]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.IsolationLevel = -1, isolation
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

func compare(a, b connector.Partition) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.ID) - int(b.ID)
}
