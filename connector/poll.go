package connector

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// The poller is one goroutine. It alone calls Poll, Seek, Pause and Resume: a batch that
// comes after a Seek was therefore read after it. Backpressure means that it doesn't
// poll; pausing single partitions is for one far over its share, because it drops what was fetched of it.

// poll fetches until ctx ends.
func (c *Connector) poll(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		if !c.room(ctx) {
			return
		}
		batches, err := c.pollOnce(ctx)
		var bytes int64
		for _, b := range batches {
			bytes += b.source.Bytes
		}
		c.share.charge(bytes - c.window)
		c.pay(batches)
		if len(batches) > 0 {
			c.expect(bytes)
		}
		c.dispatch(batches)
		failed := err != nil && ctx.Err() == nil
		all := failed && c.pollError(err)
		c.catchUp() // behind the errors: a seek ends a gap
		c.balance()
		if !failed {
			failures = 0
			c.trouble.Store(nil)
			continue
		}
		if all && len(batches) == 0 {
			c.idle(ctx, c.retry.wait(failures, err))
			failures++
		}
	}
}

// expect notes what polls return: unpacked, and so often more than what the consumer can say of its fetches. As much
// again lies in the client.
func (c *Connector) expect(bytes int64) {
	c.window = max(c.least, bytes)
	c.share.rebase(c.window)
}

// pay charges what a poll returned to the rate.
func (c *Connector) pay(batches []*Batch) {
	if !c.rate.bounds() {
		return
	}
	var raw int64
	for _, b := range batches {
		raw += rawBytes(b.records)
	}
	c.rate.charge(raw, time.Now())
}

// room waits until the rate allows a fetch, until a partition needs records, and then until the budget has room for one fetch. Meanwhile
// it runs commands, and asks the partition that holds most to write its files.
func (c *Connector) room(ctx context.Context) bool {
	for {
		var freed <-chan struct{}
		var paid <-chan time.Time
		if wait := c.rate.wait(time.Now()); wait > 0 {
			paid = time.After(wait)
		} else if c.needed() {
			ok, more := c.share.tryTake(c.window)
			if ok {
				return true
			}
			freed = more
			c.squeeze()
		}
		select {
		case <-c.hungry:
		case <-ctx.Done():
			return false
		case f := <-c.commands:
			f()
		case <-freed:
		case <-paid:
		}
	}
}

// needed reports whether any partition has less than a fetch to work on. To fetch more for those that have enough
// would only fill the budget, and give the collector more to look through.
func (c *Connector) needed() bool {
	if c.queued.Load() > c.pool {
		return false
	}
	busy := false
	for _, p := range *c.parts.Load() {
		if !p.reading || p.low.Load() > 0 || p.paused.Load() {
			continue
		}
		if p.hungry() {
			return true
		}
		busy = true
	}
	return !busy
}

// feed lets the poller look whether a partition needs records.
func (c *Connector) feed() {
	select {
	case c.hungry <- struct{}{}:
	default:
	}
}

// idle waits. A command ends the wait: an assignment shows that the brokers answer again.
func (c *Connector) idle(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case f := <-c.commands:
		f()
	case <-t.C:
	}
}

// pollOnce polls until there are records or a command.
func (c *Connector) pollOnce(ctx context.Context) ([]*Batch, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type polled struct {
		batches []*Batch
		err     error
	}
	result := make(chan polled, 1)
	go func() {
		b, err := c.consumer.Poll(ctx)
		result <- polled{b, err}
	}()
	var todo []func()
	var quiet <-chan time.Time // a poll that only waits is none that fails
	if c.trouble.Load() != nil {
		t := time.NewTimer(c.retry.longest)
		defer t.Stop()
		quiet = t.C
	}
	for {
		select {
		case r := <-result:
			if len(todo) > 0 && errors.Is(r.err, context.Canceled) {
				r.err = nil
			}
			c.afterPoll = todo
			return r.batches, r.err
		case f := <-c.commands:
			todo = append(todo, f)
			cancel()
		case <-quiet:
			c.trouble.Store(nil)
		}
	}
}

// command runs f in the poller, between two polls, unless the poller has ended.
func (c *Connector) command(f func()) {
	go func() {
		select {
		case c.commands <- f:
		case <-c.pollEnd:
		}
	}()
}

// dispatch queues batches at their partitions.
func (c *Connector) dispatch(batches []*Batch) {
	parts := *c.parts.Load()
	got := make(map[*partition]int64)
	for _, b := range batches {
		p := parts[b.source.Partition]
		if p == nil || !p.reading || len(b.records) == 0 && b.source.Next == 0 {
			c.drop(b)
			continue
		}
		got[p] += b.source.Bytes
		p.enqueue(b)
	}
	for p, n := range got {
		p.largest.Store(max(p.largest.Load(), n))
	}
}

// catchUp runs the commands that came during the poll.
func (c *Connector) catchUp() {
	for _, f := range c.afterPoll {
		f()
	}
	c.afterPoll = nil
}

// balance pauses partitions far over their share. They resume when most of it is worked off: the marks are
// several fetches apart, because each pause drops one.
func (c *Connector) balance() {
	parts := *c.parts.Load()
	if len(parts) < 2 {
		return
	}
	fair := c.pool / int64(len(parts)+1)
	for _, p := range parts {
		high := min(max(fair, 6*p.largest.Load()), max(fair, c.pool/2))
		if p.reading && !p.paused.Load() && p.low.Load() == 0 && p.held.Load() > high {
			c.consumer.Pause(p.Partition)
			p.low.Store(high / 4)
			if p.held.Load() < high/4 && p.low.CompareAndSwap(high/4, 0) {
				c.adjust(p) // it was worked off meanwhile
			}
		}
	}
}

// adjust is a command: read on, unless an operator paused the partition, or it is far over its share.
func (c *Connector) adjust(p *partition) {
	if (*c.parts.Load())[p.Partition] != p || !p.reading {
		return
	}
	switch {
	case p.paused.Load():
		c.consumer.Pause(p.Partition)
	case p.low.Load() == 0:
		c.consumer.Resume(p.Partition)
	}
}

// start lets the poller begin to read a partition at an offset.
func (c *Connector) start(p *partition, from int64) {
	c.command(func() { c.read(p, from) })
}

// restart lets the poller read a partition again from an offset. What was read before is dropped.
func (c *Connector) restart(p *partition, from int64) {
	done := make(chan struct{})
	c.command(func() {
		defer close(done)
		c.pause(p)
		c.read(p, from)
	})
	select {
	case <-done:
	case <-p.gone:
	case <-p.drain:
	}
}

// read is a command: seek and resume, if the partition is still owned.
func (c *Connector) read(p *partition, from int64) {
	if (*c.parts.Load())[p.Partition] != p || p.fenced.Load() {
		return
	}
	p.empty()
	c.consumer.Seek(p.Partition, from)
	p.reading = true
	p.low.Store(0)
	c.adjust(p)
	p.status.seek(from)
}

// pause is a command: read nothing of the partition.
func (c *Connector) pause(p *partition) {
	if (*c.parts.Load())[p.Partition] == p {
		c.consumer.Pause(p.Partition)
		p.reading = false
	}
}

// squeezeShare is the part of the budget that is asked back at once: several commits wait for the sink at the same time.
const squeezeShare = 8

// squeeze asks the partitions that hold most staged bytes to commit their ranges, so that an eighth of the budget comes back. It
// reports whether any is about to. While batches take more than their pool, files keep a quarter: a fetch that unpacked
// to more than was expected would close all of them early.
func (c *Connector) squeeze() bool {
	var holders []*stage
	var coming, staged int64
	for _, p := range *c.parts.Load() {
		switch s := p.stage; {
		case s == nil || s.buffered.Load() == 0 || p.over():
		case s.squeezing.Load():
			coming += s.buffered.Load()
		default:
			staged += s.buffered.Load()
			holders = append(holders, s)
		}
	}
	if c.queued.Load() > c.pool && staged+coming < c.budget.total/4 {
		return false
	}
	slices.SortFunc(holders, func(a, b *stage) int { return cmp.Compare(b.buffered.Load(), a.buffered.Load()) })
	for _, s := range holders {
		if coming >= c.budget.total/squeezeShare {
			break
		}
		coming += s.buffered.Load()
		s.squeezing.Store(true)
		select {
		case s.pressure <- struct{}{}:
		default:
		}
	}
	return coming > 0
}

// full reports whether the budget is used up.
func (c *Connector) full() bool {
	full, _ := c.share.full()
	return full
}

// pollError sorts the errors of a poll: those of single partitions go there. It reports whether any concerns all.
func (c *Connector) pollError(err error) bool {
	all := false
	for _, e := range flatten(err) {
		if p := new(PartitionError); errors.As(e, &p) {
			part := (*c.parts.Load())[p.Partition]
			switch {
			case part == nil:
				c.log.Error("partition can't be read", "topic", p.Partition.Topic, "partition", p.Partition.ID, "error", p.Err)
			case p.Gap:
				part.enqueueGap(p)
			case ClassOf(p.Err) == Retryable || ClassOf(p.Err) == Systemic:
				part.trouble(e)
			default:
				part.halt(e)
			}
			continue
		}
		all = true
		if ClassOf(e) == Fatal {
			c.fail(e)
			continue
		}
		if old := c.trouble.Swap(&e); old == nil || (*old).Error() != e.Error() {
			c.log.Error("reading failed; retrying", "error", e)
		}
	}
	return all
}

// flatten lists the errors that were joined.
func flatten(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range j.Unwrap() {
			all = append(all, flatten(e)...)
		}
		return all
	}
	return []error{err}
}
