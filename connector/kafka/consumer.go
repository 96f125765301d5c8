package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
)

// A Consumer is a member of a consumer group. Make one by Config.Open.
//
// Pause takes effect at once; Seek and Resume at the beginning of the next Poll, all together, because each
// change of offsets makes franz-go drop what it has fetched of all partitions. A Poll that waits is
// restarted for them. Pause drops what was fetched of the partition too: it costs a fetch.
//
// Commit refuses partitions that aren't owned, and never moves an offset back within one assignment. A
// commit whose outcome is unknown is read back before the next one.
//
// Close calls none of the Listener's functions: who closes has drained before. A static member (instance_id) stays in the
// group until session_timeout.
type Consumer struct {
	config  Config
	access  *access
	found   *cluster
	start   int64 // the start setting in milliseconds
	latest  bool
	offsets offsetsFile
	opts    []kgo.Opt
	slabs   slabs

	unpacker *unpacker
	portion  portion // Poll's own

	listener connector.Listener
	client   *kgo.Client // set by a hook, before any goroutine of it starts
	admin    *kadm.Client
	closed   chan struct{} // by Close: lookups end
	lookups  sync.WaitGroup

	// The order of locks: calls, committing, mu. Nothing but committing is held while a broker is asked.
	calls      sync.Mutex    // the Listener's functions, one at a time
	committing chan struct{} // capacity 1, taken by who commits, and by who takes partitions away

	mu         sync.Mutex
	partitions map[connector.Partition]*partition // those owned
	epoch      int64
	closing    bool
	holes      []hole // that the next Poll tells of

	reports    reports
	membership membership
	throttle   throttle
}

var _ connector.Consumer = (*Consumer)(nil)

// A partition is one assignment of a partition. Its fields are guarded by Consumer.mu, except for the Assignment, which doesn't
// change once it was told.
type partition struct {
	connector.Assignment
	member string // as which member of the group it is owned

	told    bool  // the Listener is hearing of it
	known   bool  // the Listener has heard of it
	open    bool  // records are delivered
	resume  bool  // Resume was called; the next Poll opens it
	checked bool  // the first offset to read was compared with the log
	next    int64 // where franz-go reads on, unless moved
	end     int64 // the log's end when it was last asked for; 0: not yet
	idle    int64 // next at that time
	moved   bool  // franz-go reads elsewhere: its offset must be set to next

	stored  int64  // highest offset known to be committed; -1 if none is
	stale   bool   // stored is of a log that is no more, truncated or deleted: a commit below it is news
	meta    string // what was committed with it
	started int64  // the group's birth, committed along
	doubt   bool   // a commit may or may not have been applied

	damage damage
}

// Notify sets who hears of assignments, and joins the group.
func (c *Consumer) Notify(l connector.Listener) {
	c.listener = l
	c.closed = make(chan struct{})
	c.access.warn(c.report)
	if _, err := kgo.NewClient(c.opts...); err != nil { // connections.OnNewClient keeps the client
		c.report(connector.Fatal.Errorf("kafka options: %w", err))
	}
	c.lookups.Go(func() {
		ctx, cancel := c.untilClosed()
		defer cancel()
		c.access.identify(ctx)
	})
	if c.client != nil {
		c.lookups.Go(c.watchEnds)
	}
}

// Window is the most bytes, as they lie in Kafka, that one Poll returns: fetch.max_bytes, but not less than 1 MiB of each broker.
func (c *Consumer) Window() int64 {
	return c.config.perBroker(c.found.brokers) * int64(max(c.found.brokers, 1))
}

// Poll returns what was fetched since the last Poll, or waits for it.
func (c *Consumer) Poll(ctx context.Context) ([]*connector.Batch, error) {
	for {
		fetching, cancel := context.WithCancel(ctx)
		if errs := c.reports.take(cancel); len(errs) > 0 {
			cancel()
			return nil, errors.Join(errs...)
		}
		if c.client == nil {
			cancel()
			return nil, connector.Fatal.Errorf("poll before Notify")
		}
		c.move()
		if batches := c.passed(); len(batches) > 0 {
			cancel()
			return batches, nil
		}
		fetches := c.client.PollFetches(fetching)
		cancel()
		batches, err := c.deliver(ctx, fetches)
		c.adapt(ctx)
		if len(batches) > 0 || err != nil {
			return batches, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// move applies what Seek and Resume asked for.
func (c *Consumer) move() {
	var seeks map[string]map[int32]kgo.EpochOffset
	var opened map[string][]int32
	c.mu.Lock()
	for k, p := range c.partitions {
		if !p.resume {
			continue
		}
		p.resume = false
		if !p.checked {
			p.checked = true
			end := p.LogEnd
			if p.next != p.Committed {
				end = max(end, p.next) // it may have grown since it was looked up: the broker knows
			}
			if gap := p.gap(p.next, p.LogStart, end); gap != nil {
				c.report(gap)
				continue
			}
		}
		if p.moved {
			p.moved = false
			if seeks == nil {
				seeks = make(map[string]map[int32]kgo.EpochOffset)
			}
			if seeks[k.Topic] == nil {
				seeks[k.Topic] = make(map[int32]kgo.EpochOffset)
			}
			seeks[k.Topic][k.ID] = kgo.EpochOffset{Epoch: -1, Offset: p.next}
		}
		p.open = true
		if opened == nil {
			opened = make(map[string][]int32)
		}
		opened[k.Topic] = append(opened[k.Topic], k.ID)
	}
	c.mu.Unlock()
	if seeks != nil {
		c.client.SetOffsets(seeks)
		c.unpacker.forget() // franz-go has dropped what it had fetched
	}
	if opened != nil {
		c.client.ResumeFetchPartitions(opened)
	}
}

// deliver converts what was fetched of open partitions. What came of others is dropped, and read again later.
func (c *Consumer) deliver(ctx context.Context, fetches kgo.Fetches) (out []*connector.Batch, _ error) {
	var errs []error
	for _, f := range fetches {
		held := 0
		for _, t := range f.Topics {
			for _, fp := range t.Partitions {
				if len(fp.Records) > 0 {
					held++
				}
			}
		}
		for _, t := range f.Topics {
			for _, fp := range t.Partitions {
				k := connector.Partition{Topic: t.Topic, ID: fp.Partition}
				c.unpacker.taken(k)
				if len(fp.Records) > 0 {
					out = c.records(out, k, fp, held > 1)
				}
				if fp.Err == nil {
					continue
				}
				b, err := c.unreadable(ctx, k, fp)
				if b != nil {
					out = append(out, b)
				}
				if err != nil {
					errs = append(errs, err)
				}
			}
		}
	}
	return out, errors.Join(errs...)
}

func (c *Consumer) records(out []*connector.Batch, k connector.Partition, fp kgo.FetchPartition, shared bool) []*connector.Batch {
	c.mu.Lock()
	p := c.partitions[k]
	if p == nil || !p.open {
		if p != nil {
			p.moved = true
		}
		c.mu.Unlock()
		for _, r := range fp.Records {
			r.Recycle()
		}
		if p != nil {
			c.client.PauseFetchPartitions(map[string][]int32{k.Topic: {k.ID}})
		}
		return out
	}
	from := p.next
	p.next = max(from, fp.Records[len(fp.Records)-1].Offset+1)
	c.mu.Unlock()
	return converter{
		slabs:  &c.slabs,
		source: connector.Source{Partition: k, TopicID: p.TopicID, End: c.end(fp)},
		copies: shared && fp.Records[0].Attrs.CompressionType() == 0,
	}.batches(out, fp.Records, from)
}

// end is the offset behind what can be read of a partition now.
func (c *Consumer) end(fp kgo.FetchPartition) int64 {
	if c.config.Isolation == ReadCommitted && fp.LastStableOffset >= 0 {
		return fp.LastStableOffset
	}
	return fp.HighWatermark
}

// Pause stops the delivery of partitions, and drops what was fetched of them.
func (c *Consumer) Pause(ps ...connector.Partition) {
	names := make(map[string][]int32)
	c.mu.Lock()
	for _, k := range ps {
		if p := c.partitions[k]; p != nil {
			p.open, p.resume = false, false
			names[k.Topic] = append(names[k.Topic], k.ID)
		}
	}
	c.mu.Unlock()
	if len(names) > 0 && c.client != nil {
		c.client.PauseFetchPartitions(names)
	}
	for _, k := range ps {
		c.unpacker.taken(k)
	}
}

// Resume goes on with partitions, at the next Poll.
func (c *Consumer) Resume(ps ...connector.Partition) {
	c.mu.Lock()
	for _, k := range ps {
		if p := c.partitions[k]; p != nil && !p.open {
			p.resume = true
		}
	}
	c.mu.Unlock()
	c.reports.interrupt()
}

// Seek sets the offset that p is read from next. Called while p is paused or no Poll runs.
func (c *Consumer) Seek(k connector.Partition, offset int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.partitions[k]
	if p == nil || p.next == offset && !p.moved {
		return
	}
	p.next, p.moved = offset, true
	if p.open {
		p.open, p.resume = false, true
	}
}

// Close leaves the group. ctx bounds the wait for the brokers; without a deadline it is ten seconds.
func (c *Consumer) Close(ctx context.Context) error {
	if c.client == nil {
		c.access.close()
		return nil
	}
	c.mu.Lock()
	again := c.closing
	c.closing = true
	c.mu.Unlock()
	if again {
		return nil
	}
	close(c.closed)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := c.client.LeaveGroupContext(ctx)
	c.client.Close()
	c.lookups.Wait()
	c.access.close()
	if err != nil {
		return fmt.Errorf("leave group %s: %w", c.config.Group, err)
	}
	return nil
}

// fetchError sorts an error that franz-go put into a fetch. A nil result means that there is nothing to say.
func (c *Consumer) fetchError(ctx context.Context, k connector.Partition, err error) error {
	var session *kgo.ErrGroupSession
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		return nil //nolint:nilerr // the poll was ended, by us
	case errors.Is(err, errLater):
		return nil // franz-go fetches it again
	case errors.Is(err, kgo.ErrClientClosed):
		return connector.Fatal.Errorf("group %s: %w", c.config.Group, err)
	case errors.As(err, &session):
		return c.access.explain("join group "+c.config.Group, c.config.Group, session.Err)
	case k.ID < 0:
		return c.access.explain("fetch", c.config.Group, err)
	}
	e := c.partitionError(ctx, k, err)
	if e == nil {
		return nil
	}
	if connector.ClassOf(e.Err) == connector.Permanent {
		c.Pause(k)
		c.mu.Lock()
		if p := c.partitions[k]; p != nil {
			p.moved = true
		}
		c.mu.Unlock()
	}
	return e
}

// partitionError sorts the error of a partition's fetch.
func (c *Consumer) partitionError(ctx context.Context, k connector.Partition, err error) *connector.PartitionError {
	var loss *kgo.ErrDataLoss
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange):
		return c.outOfRange(ctx, k)
	case errors.As(err, &loss):
		return c.truncated(ctx, k, loss)
	case errors.Is(err, kerr.UnknownTopicID):
		err = connector.Permanent.Errorf("the topic was deleted and created again while it was read: restart to read the new one, or say before where to begin in it with millrace move")
	default:
		err = c.access.explain("fetch", c.config.Group, err)
	}
	return &connector.PartitionError{Partition: k, Err: err}
}

// reports hands errors of other goroutines to Poll, and interrupts it.
type reports struct {
	mu   sync.Mutex
	errs []error
	wake context.CancelFunc // ends the wait of the Poll that runs
}

// take returns the errors gathered, and sets what ends the wait of the Poll that begins.
func (r *reports) take(wake context.CancelFunc) []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := r.errs
	r.errs, r.wake = nil, wake
	return errs
}

func (r *reports) interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wake != nil {
		r.wake()
	}
}

// mostReports bounds the errors kept while nobody polls.
const mostReports = 1000

// report lets the next Poll return err.
func (c *Consumer) report(err error) {
	r := &c.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, old := range r.errs {
		if old.Error() == err.Error() {
			return
		}
	}
	if len(r.errs) < mostReports {
		r.errs = append(r.errs, err)
	}
	if r.wake != nil {
		r.wake()
	}
}

// connections reports connections that fail: franz-go only logs them, and a consumer whose brokers are gone would be silent.
type connections struct {
	consumer *Consumer
	mu       sync.Mutex
	last     time.Time
}

var (
	_ kgo.HookNewClient     = (*connections)(nil)
	_ kgo.HookBrokerConnect = (*connections)(nil)
)

func (h *connections) OnNewClient(cl *kgo.Client) {
	h.consumer.client, h.consumer.admin = cl, kadm.NewClient(cl)
}

func (h *connections) OnBrokerConnect(broker kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	const often = 5 * time.Second
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.Sub(h.last) >= often {
		h.last = now
		h.consumer.report(h.consumer.access.explainConnection(fmt.Sprintf("connect to broker %s:%d", broker.Host, broker.Port), int(broker.Port), err))
	}
}
