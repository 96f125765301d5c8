package connector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Pause stops reading partitions, those too that this process is assigned later, until Resume. What was read already is finished
// and committed. Without partitions it stops all. A pause ends with the process. Any goroutine may call it at any time.
func (c *Connector) Pause(ps ...Partition) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wishes.pause(true, ps)
	for _, p := range c.among(ps) {
		c.steer(p, true)
	}
	return nil
}

// Resume goes on reading partitions that were paused, and starts those again that halted: at a record, at a gap, or by the
// Breaker, which counts anew. Without partitions it does so with all. A partition that halted begins again where it stands, once the calls to
// the sink that it had begun are over: Resume waits for that, for the drain timeout and 5 s at the most; an error names those of which one isn't.
// Any goroutine may call it at any time.
func (c *Connector) Resume(ps ...Partition) error {
	c.mu.Lock()
	c.wishes.pause(false, ps)
	again := make(map[Partition]*partition)
	for k, p := range c.among(ps) {
		if p.watch.open() != nil || p.status.state() == StateHalted {
			again[k] = p
		}
		c.steer(p, false)
	}
	for k, w := range c.watches {
		if len(ps) == 0 || slices.Contains(ps, k) {
			w.reset()
		}
	}
	c.mu.Unlock()
	err := c.end(again)
	return errors.Join(err, c.beginAgain(again))
}

// Skip passes over one record that isn't durable yet, such as the one that a partition halted at: a gap record in the dead letter, if there is
// one, stands for it, before the offset moves. The partition then goes on as by Resume. An error says that this process doesn't own the
// partition, or that the offset is durable already, or isn't there yet. While the dead letter is down, Skip waits until ctx ends. Any goroutine may call it at any time.
func (c *Connector) Skip(ctx context.Context, p Partition, offset int64) error {
	part := (*c.parts.Load())[p]
	if part == nil {
		return fmt.Errorf("skip offset %d of %s: this process doesn't own the partition", offset, p)
	}
	if err := part.skippable(offset); err != nil {
		return fmt.Errorf("skip offset %d of %s: %w", offset, p, err)
	}
	one := map[Partition]*partition{p: part}
	if err := c.end(one); err != nil {
		return err
	}
	err := part.skipOne(ctx, offset)
	if err != nil {
		err = fmt.Errorf("skip offset %d of %s: %w", offset, p, err)
	}
	c.mu.Lock()
	still := c.owned[p] == part
	if err == nil && still {
		c.wishes.skip(part.Assignment, offset)
		c.wishes.pause(false, []Partition{p})
		c.watches[p].reset()
	}
	c.mu.Unlock()
	if err == nil && !still {
		err = fmt.Errorf("skip offset %d of %s: the partition was assigned or resumed meanwhile; try again", offset, p)
	}
	return errors.Join(err, c.beginAgain(one))
}

// wishes are what operators asked for, in this process. Guarded by Connector.mu.
type wishes struct {
	paused  bool               // all, but for
	other   map[Partition]bool // those of which somebody said something else since
	skipped map[skipKey][]int64
}

// A topic that is created again has other records at the same offsets.
type skipKey struct {
	Partition
	topic [16]byte
}

func (w *wishes) pause(on bool, ps []Partition) {
	if len(ps) == 0 {
		w.paused, w.other = on, nil
		return
	}
	if w.other == nil {
		w.other = make(map[Partition]bool)
	}
	for _, p := range ps {
		w.other[p] = on
	}
}

func (w *wishes) isPaused(p Partition) bool {
	if on, ok := w.other[p]; ok {
		return on
	}
	return w.paused
}

func (w *wishes) skip(a Assignment, offset int64) {
	if w.skipped == nil {
		w.skipped = make(map[skipKey][]int64)
	}
	k := skipKey{a.Partition, a.TopicID}
	w.skipped[k] = append(w.skipped[k], offset)
}

// skips are the offsets to be skipped that an assignment may come to. Those below are durable: should others stand in their place one day, they count.
func (w *wishes) skips(a Assignment) []int64 {
	k := skipKey{a.Partition, a.TopicID}
	left := slices.DeleteFunc(w.skipped[k], func(offset int64) bool { return offset < a.Start })
	if len(left) == 0 {
		delete(w.skipped, k)
		return nil
	}
	w.skipped[k] = left
	return slices.Clone(left)
}

// among are the partitions that are owned, of those given or of all. Called under mu.
func (c *Connector) among(ps []Partition) map[Partition]*partition {
	if len(ps) == 0 {
		return maps.Clone(c.owned)
	}
	some := make(map[Partition]*partition)
	for _, k := range ps {
		if p := c.owned[k]; p != nil {
			some[k] = p
		}
	}
	return some
}

// steer lets the poller read a partition or not, as an operator wants. Called under mu.
func (c *Connector) steer(p *partition, pause bool) {
	if p.paused.Swap(pause) == pause {
		return
	}
	p.log.Info("somebody asked for it", "paused", pause)
	p.status.pause(pause)
	c.command(func() { c.adjust(p) })
}

// end lets partitions end what they have begun, and commits. Past the drain timeout it is broken off; an error names those of which a call
// goes on even then. They are halted: nothing may write the same keys meanwhile.
func (c *Connector) end(ps map[Partition]*partition) error {
	if len(ps) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.drainTimeout)
	defer cancel()
	if finish(ctx, ps) > 0 {
		for _, p := range ps {
			p.cancel()
		}
		broken, cancel := context.WithTimeout(context.Background(), c.commitTimeout)
		defer cancel()
		finish(broken, ps)
	}
	c.commit(ctx, ps)
	var errs []error
	for _, p := range ps {
		if !p.ended() {
			err := fmt.Errorf("%s can't begin again yet: a call that it began hasn't returned, %s after it had to; resume it later", p.Partition, c.commitTimeout)
			p.halt(err)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// beginAgain puts new partitions in the place of those that have ended, unless they were taken away meanwhile.
func (c *Connector) beginAgain(ps map[Partition]*partition) error {
	if len(ps) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining.Load() {
		return fmt.Errorf("connector %s is stopping", c.name)
	}
	var begun []func()
	for k, old := range ps {
		if !old.ended() || c.owned[k] != old {
			continue
		}
		old.fence()
		a := old.stands()
		old.log.Info("beginning again", "from", a.Start)
		begun = append(begun, old.renew(a))
	}
	c.publish()
	for _, work := range begun {
		go work()
	}
	return nil
}

func (p *partition) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stands is the assignment as it would be told now. The partition has ended. Called under c.mu.
func (p *partition) stands() Assignment {
	a := p.Assignment
	if a.Recreated {
		return a // nothing of the new topic was read yet
	}
	a.Committed = p.committed
	a.Start, a.Meta = p.ledger.watermark()
	// The log may have grown since the end was looked up, or shrunk: the Consumer finds out, and says so as of any gap.
	a.LogEnd = max(a.LogEnd, a.Start, p.status.end())
	return a
}

// skippable is why an offset can't be skipped; nil if it can.
func (p *partition) skippable(offset int64) error {
	at, _ := p.ledger.watermark()
	end := max(p.LogEnd, p.status.end())
	switch {
	case offset < at:
		return fmt.Errorf("all below offset %d is durable already", at)
	case p.ledger.durable(offset):
		return errors.New("it is durable already")
	case offset >= end:
		return fmt.Errorf("the log ended at offset %d when it was last looked at", end)
	}
	return nil
}

// skipOne leaves the gap record of an offset. The partition has ended; ctx or the fence ends the wait.
func (p *partition) skipOne(ctx context.Context, offset int64) error {
	if at, _ := p.ledger.watermark(); offset < at {
		return fmt.Errorf("all below offset %d became durable meanwhile", at)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	p.log.Warn("a record is skipped", "offset", offset)
	if err := p.buryGap(ctx, offset, offset+1, fmt.Errorf("offset %d of %s was skipped by an operator", offset, p.Partition)); err != nil {
		return err
	}
	p.c.count(MetricSkipped, p.Partition, 1)
	return nil
}

// leaveOut takes the records out that operators skipped. The dead letter has a gap record of each.
func (p *pass) leaveOut(offsets []int64) {
	if len(offsets) == 0 {
		return
	}
	skipped := func(offset int64) bool { return slices.Contains(offsets, offset) }
	for i := range p.fetched {
		if skipped(p.fetched[i].Offset) {
			p.skipped++
		}
	}
	if p.skipped > 0 {
		p.outputs = slices.DeleteFunc(slices.Clone(p.outputs), func(r Record) bool { return skipped(r.Offset) })
		p.failures = slices.DeleteFunc(p.failures, func(f Failure) bool { return skipped(f.Record.Offset) })
	}
}

// pause notes what an operator wants.
func (c *statusCell) pause(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = on
	if c.s.State == StateRunning || c.s.State == StatePaused {
		c.s.State, c.s.Since = c.calm(), time.Now()
	}
}

// calm is the state without trouble. Called under mu.
func (c *statusCell) calm() State {
	if c.paused {
		return StatePaused
	}
	return StateRunning
}

// end is the end offset when it was last seen.
func (c *statusCell) end() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.s.End
}

// inherit goes on counting where the partition before left off, of the same assignment.
func (c *statusCell) inherit(from *statusCell) {
	s := from.look(time.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Read, c.s.ReadBytes, c.s.Written, c.s.Filtered, c.s.Emitted, c.s.Buried = s.Read, s.ReadBytes, s.Written, s.Filtered, s.Emitted, s.Buried
	c.s.LastError, c.s.LastAt = s.LastError, s.LastAt
}
