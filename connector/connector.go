package connector

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/serde"
)

// A Connector moves the records of a Consumer's partitions through handlers into a sink. It alone
// batches, retries, buries, commits and drains. Make one with New or NewStaged; Run it once.
type Connector struct {
	settings
	consumer  Consumer
	reporters reporters
	log       *slog.Logger
	share     *share
	pool      int64 // bytes that batches may take, queued and under way
	queued    atomic.Int64
	window    int64 // what one Poll is expected to return
	least     int64 // what the consumer says that it returns at least
	totals    totals
	commands  chan func()   // run by the poller between two polls
	hungry    chan struct{} // capacity 1: a partition has worked off most of what it was given
	pollEnd   chan struct{}
	afterPoll []func()  // commands that came during a poll; the poller's own
	buffers   sync.Pool // of *[]Record
	tapes     sync.Pool // of *serde.Tape

	// mu is the ownership lock. Only the committer, the rebalance callbacks and operators take it, and a worker that goes on behind a
	// gap; the committer holds it while it commits, so that nothing is committed for a partition that was fenced.
	mu    sync.Mutex
	owned map[Partition]*partition
	parts atomic.Pointer[map[Partition]*partition] // a copy of owned, for everybody else

	failure  chan error // capacity 1: the first fatal error
	trouble  atomic.Pointer[error]
	draining atomic.Bool
	routed   map[string]*route    // by topic, under mu
	inGroup  int                  // partitions of all members, as far as known; under mu
	watches  map[Partition]*watch // for the breaker; under mu
	wishes   wishes               // of operators; under mu
	ends     ends                 // where UntilEnd stops
}

// New makes a Connector that writes by a Loader.
func New(c Consumer, l Loader, opts ...Option) (*Connector, error) {
	return build(c, route{loader: l}, opts)
}

// NewStaged makes a Connector that writes ranges by a Stager.
func NewStaged(c Consumer, s Stager, opts ...Option) (*Connector, error) {
	return build(c, route{stager: s}, opts)
}

func build(consumer Consumer, last route, opts []Option) (*Connector, error) {
	c := &Connector{
		settings: defaults(), consumer: consumer,
		hungry: make(chan struct{}, 1), commands: make(chan func()), pollEnd: make(chan struct{}),
		owned: make(map[Partition]*partition), routed: make(map[string]*route),
		failure: make(chan error, 1),
	}
	for _, o := range opts {
		o(&c.settings)
	}
	last.match, last.handlers = func(string) bool { return true }, c.handlers
	c.routes = append(c.routes, last)
	if consumer == nil {
		return nil, fmt.Errorf("connector %s: no consumer", c.name)
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("connector %s: %w", c.name, err)
	}
	if c.budget == nil {
		c.budget = NewBudget(128 << 20)
	}
	if w, ok := consumer.(interface{ Window() int64 }); ok {
		c.least = w.Window()
		c.window = c.least
	}
	c.share = c.budget.join(2*c.window, c.window)
	c.pool = c.budget.total
	for i := range c.routes {
		if c.routes[i].stager != nil {
			c.pool = c.budget.total / 4 // the rest is for files that grow: without it they are closed early, and small
		}
		c.routes[i].setLimits(c.routes[:i])
	}
	c.log = c.settings.log.With("connector", c.name)
	c.reporters = findReporters(consumer, c.dead)
	c.publish()
	return c, nil
}

// Run reads, transforms and writes until ctx ends, and then drains: it finishes what has begun, within the
// drain timeout, commits, and leaves the group. It returns nil then, or the fatal error that stopped it. See UntilEnd for a Run
// that ends by itself.
func (c *Connector) Run(ctx context.Context) error {
	defer c.share.leave()
	base := context.WithoutCancel(ctx) // draining goes on after ctx has ended
	c.consumer.Notify(Listener{Assigned: func(as []Assignment) { c.assigned(base, as) }, Revoked: c.revoked, Lost: c.lost})
	polling, stopPolling := context.WithCancel(base)
	defer stopPolling()
	go func() {
		defer close(c.pollEnd)
		c.poll(polling)
	}()
	committing, stopCommitting := context.WithCancel(base)
	defer stopCommitting()
	go c.commitEvery(committing)
	ended := c.watchEnds(committing)

	var failure error
	select {
	case <-ctx.Done():
	case failure = <-c.failure:
	case <-ended:
	}
	c.mu.Lock() // nothing begins any more
	c.draining.Store(true)
	c.mu.Unlock()
	c.log.Info("draining")
	stopPolling()
	owned := *c.parts.Load()
	c.commitRanges(ctx, owned, ended)
	closing, cancel := context.WithTimeout(base, c.drainTimeout)
	defer cancel()
	unfinished := c.drain(closing, owned)
	stopCommitting()
	select {
	case <-c.pollEnd:
	case <-closing.Done():
	}
	leaving, cancel := context.WithTimeout(base, c.commitTimeout)
	defer cancel()
	if err := c.consumer.Close(leaving); err != nil {
		c.log.Warn("leaving the group failed; it notices when the session times out", "error", err)
	}
	if failure == nil {
		select {
		case failure = <-c.failure:
		default:
		}
	}
	if unfinished > 0 {
		c.log.Warn("stopped before everything was written; it will be read again", "partitions", unfinished, "drain_timeout", c.drainTimeout)
	}
	c.log.Info("stopped")
	if failure == nil {
		failure = c.short(owned, ended)
	}
	return failure
}

// fail stops the connector.
func (c *Connector) fail(err error) {
	select {
	case c.failure <- fmt.Errorf("connector %s: %w", c.name, err):
	default:
	}
}

func (c *Connector) count(m Metric, p Partition, n int64) {
	if n != 0 {
		c.totals.add(m, n)
		c.metrics.Count(m, p, n)
	}
}

func (c *Connector) tape() *serde.Tape {
	if t, ok := c.tapes.Get().(*serde.Tape); ok {
		t.Reset()
		return t
	}
	return serde.NewTape()
}

// drop gives a batch's memory back.
func (c *Connector) drop(b *Batch) {
	if b.release != nil {
		b.release()
	}
	c.share.charge(-b.source.Bytes)
}

// Assignments.

// publish copies the map of owned partitions for readers without the lock, and tells loaders how many they are. Called under mu.
func (c *Connector) publish() {
	parts := maps.Clone(c.owned)
	c.parts.Store(&parts)
	for _, r := range c.routes {
		if s, ok := r.loader.(Shared); ok {
			s.Share(len(parts), max(c.inGroup, len(parts)))
		}
	}
}

// route is the sink and the handlers of a topic. Called under mu.
func (c *Connector) route(topic string) (*route, error) {
	if r := c.routed[topic]; r != nil {
		return r, nil
	}
	for i := range c.routes {
		r := &c.routes[i]
		if !r.match(topic) {
			continue
		}
		if err := r.checkTopic(topic); err != nil {
			return nil, err
		}
		c.routed[topic] = r
		return r, nil
	}
	return nil, fmt.Errorf("no sink for topic %s", topic)
}

func (c *Connector) assigned(ctx context.Context, as []Assignment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining.Load() {
		return
	}
	c.ends.assigned(as)
	var begin []func()
	for _, a := range as {
		r, err := c.route(a.Topic)
		if err != nil {
			c.fail(err)
			return
		}
		if old := c.owned[a.Partition]; old != nil {
			old.fence()
		}
		c.inGroup = a.InGroup
		a.Connector, a.Plan, a.OnGap = c.name, c.plan, c.onGap
		begin = append(begin, c.begin(ctx, a, r, nil))
		c.log.Info("assigned", "topic", a.Topic, "partition", a.ID, "from", a.Start, "end", a.LogEnd)
		if a.Note != "" {
			c.log.Info("where the partition starts", "topic", a.Topic, "partition", a.ID, "note", a.Note)
		}
	}
	c.publish()
	for _, work := range begin {
		go work()
	}
}

// begin owns a partition, and returns its worker, which isn't running yet. before is what it takes the place of, nil if there was none. Called under mu.
func (c *Connector) begin(ctx context.Context, a Assignment, r *route, before *partition) (work func()) {
	p := newPartition(c, a, r)
	if r.stager != nil {
		p.stage = newStage(p)
	}
	if before != nil {
		p.status.inherit(&before.status)
	}
	c.owned[a.Partition] = p
	life, cancel := context.WithCancel(ctx)
	intake, stop := context.WithCancel(life)
	p.cancel, p.close = cancel, stop
	p.renew = func(a Assignment) func() { return c.begin(ctx, a, r, p) }
	return func() { p.work(life, intake) }
}

func (c *Connector) revoked(ctx context.Context, ps []Partition) {
	ctx, cancel := context.WithTimeout(ctx, c.drainTimeout)
	defer cancel()
	for { // again, if one was resumed meanwhile
		leaving := make(map[Partition]*partition)
		for _, p := range ps {
			if part := (*c.parts.Load())[p]; part != nil {
				leaving[p] = part
			}
		}
		if len(leaving) == 0 {
			return
		}
		c.log.Info("revoked", "partitions", len(leaving))
		c.drain(ctx, leaving)
		c.ends.gone()
	}
}

// drain lets partitions finish what they have begun until ctx ends, commits, and fences them. It
// returns how many didn't finish.
func (c *Connector) drain(ctx context.Context, leaving map[Partition]*partition) (unfinished int) {
	unfinished = finish(ctx, leaving)
	c.commit(ctx, leaving)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fence(leaving)
	return unfinished
}

// finish lets partitions finish what they have begun until ctx ends, and returns how many didn't.
func finish(ctx context.Context, ps map[Partition]*partition) (unfinished int) {
	for _, p := range ps {
		p.stop()
	}
	for _, p := range ps {
		select {
		case <-p.done:
		case <-ctx.Done():
			if !p.ended() {
				unfinished++
			}
		}
	}
	return unfinished
}

func (c *Connector) lost(ps []Partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	gone := make(map[Partition]*partition)
	for _, p := range ps {
		if part := c.owned[p]; part != nil {
			gone[p] = part
		}
	}
	if len(gone) > 0 {
		c.log.Warn("lost", "partitions", len(gone))
		c.ends.gone()
		c.fence(gone)
	}
}

// fence is called under mu.
func (c *Connector) fence(ps map[Partition]*partition) {
	for k, p := range ps {
		p.fence()
		if c.owned[k] == p {
			delete(c.owned, k)
		}
	}
	c.publish()
}
