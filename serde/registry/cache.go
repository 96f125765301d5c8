package registry

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/serde"
)

// Options are those of a Cache. Lookup and Text are needed.
type Options[ID comparable] struct {
	Lookup  Lookup[ID]
	Text    func(ID) string // the id as messages, Schema.ID and files of Folder have it
	Folder  *Folder         // read before Lookup is called; nil: none
	Formats Formats

	Topic func(ID) string // the topic that Schemas tells with a schema; nil: none

	// Denied makes another error of one that wraps ErrNotFound or ErrUnusable, where settings name the schema and not the records: no record is
	// given up for an error that wraps neither. nil: the records name it.
	Denied func(error) error

	NotFoundFor time.Duration // how long "not found" isn't believed; 0: 5 minutes
	Concurrency int           // calls of Lookup at a time; 0: 4
	CallTimeout time.Duration // of a call; 0: 10 seconds
}

const (
	maxPending = 10_000           // ids that are asked for, or were in vain; the oldest goes
	firstWait  = time.Second / 10 // after a failure; doubled each time
	longWait   = 30 * time.Second
	recheck    = time.Minute // how often is asked for what was given up
)

// A Cache keeps the schemas of ids. It is safe for concurrent use. Close ends it.
type Cache[ID comparable] struct {
	o     Options[ID]
	known atomic.Pointer[snapshot[ID]]
	slots chan struct{}

	begin   func() (context.Context, context.CancelFunc) // a call's context
	ended   <-chan struct{}
	end     context.CancelCauseFunc
	flights sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	pending map[ID]*list.Element // of *pending[ID] in order
	order   *list.List           // the oldest first
}

// A snapshot is what is known. It doesn't change, but for what is behind the end of uses.
type snapshot[ID comparable] struct {
	codecs map[ID]*Codec
	uses   []serde.SchemaUse
}

// A pending id has no codec yet. Cache.mu guards it.
type pending[ID comparable] struct {
	id       ID
	flight   *flight   // nil: none is under way
	err      error     // of the last one
	failures int       // in a row
	missing  time.Time // when the registry first said that there is none
	next     time.Time // it isn't asked for earlier
}

// A flight is the lookup of an id. codec and err are set when done is closed.
type flight struct {
	done  chan struct{}
	codec *Codec
	err   error
}

var errClosed = errors.New("the schemas are closed")

// NewCache is an empty Cache.
func NewCache[ID comparable](o Options[ID]) *Cache[ID] {
	if o.NotFoundFor == 0 {
		o.NotFoundFor = 5 * time.Minute
	}
	if o.Concurrency == 0 {
		o.Concurrency = 4
	}
	if o.CallTimeout == 0 {
		o.CallTimeout = 10 * time.Second
	}
	ctx, end := context.WithCancelCause(context.Background())
	c := &Cache[ID]{
		o: o, slots: make(chan struct{}, o.Concurrency), ended: ctx.Done(), end: end,
		begin:   func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, o.CallTimeout) },
		pending: map[ID]*list.Element{}, order: list.New(),
	}
	c.known.Store(&snapshot[ID]{codecs: map[ID]*Codec{}})
	return c
}

// Close ends the lookups that are under way and waits for them. What is known stays.
func (c *Cache[ID]) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end(errClosed)
	c.flights.Wait()
}

// Schemas are those that were looked up so far, in that order.
func (c *Cache[ID]) Schemas() []serde.SchemaUse { return slices.Clip(c.known.Load().uses) }

// Codec is that of an id. It waits for the lookup of an id that isn't known, until ctx ends; the lookup goes on then. After
// a failure it gives the same error, without a call, until a jittered wait of 0.1 to 30 seconds is over.
func (c *Cache[ID]) Codec(ctx context.Context, id ID) (*Codec, error) {
	if codec := c.known.Load().codecs[id]; codec != nil {
		return codec, nil
	}
	f, err := c.fly(id)
	if err != nil {
		return nil, err
	}
	select {
	case <-f.done:
		return f.codec, f.err
	case <-ctx.Done():
		return nil, &serde.Unavailable{Err: fmt.Errorf("wait for schema %s: %w", c.o.Text(id), context.Cause(ctx))}
	}
}

// fly joins the lookup of an id, or begins it. The error is that of the last one if it is too early for another.
func (c *Cache[ID]) fly(id ID) (*flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if codec := c.known.Load().codecs[id]; codec != nil { // it came meanwhile
		f := &flight{done: make(chan struct{}), codec: codec}
		close(f.done)
		return f, nil
	}
	if c.closed {
		return nil, &serde.Unavailable{Err: fmt.Errorf("look for schema %s: %w", c.o.Text(id), errClosed)}
	}
	p, err := c.entry(id)
	switch {
	case err != nil:
		return nil, err
	case p.flight != nil:
		return p.flight, nil
	case p.err != nil && time.Now().Before(p.next):
		return nil, p.err
	}
	p.flight = &flight{done: make(chan struct{})}
	c.flights.Go(func() { c.lookup(p) })
	return p.flight, nil
}

// entry is the pending entry of an id. c.mu is held.
func (c *Cache[ID]) entry(id ID) (*pending[ID], error) {
	if e := c.pending[id]; e != nil {
		return e.Value.(*pending[ID]), nil
	}
	if len(c.pending) >= maxPending && !c.forgetOldest() {
		return nil, &serde.Unavailable{Err: fmt.Errorf("look for schema %s: %d others are being looked for", c.o.Text(id), maxPending)}
	}
	p := &pending[ID]{id: id}
	c.pending[id] = c.order.PushBack(p)
	return p, nil
}

// forgetOldest removes the oldest id that isn't being looked for.
func (c *Cache[ID]) forgetOldest() bool {
	for e := c.order.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*pending[ID]); p.flight == nil {
			c.order.Remove(e)
			delete(c.pending, p.id)
			return true
		}
	}
	return false
}

// lookup is a flight.
func (c *Cache[ID]) lookup(p *pending[ID]) {
	codec, err := c.find(p.id)
	if c.o.Denied != nil && Denied(err) {
		err = c.o.Denied(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := p.flight
	p.flight = nil
	if err != nil {
		p.fail(err, &c.o)
		f.err = p.err
	} else {
		f.codec = codec
		c.learn(p.id, codec)
	}
	close(f.done)
}

// find asks the folder, then the registry.
func (c *Cache[ID]) find(id ID) (*Codec, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-c.ended:
		return nil, errClosed
	}
	ctx, cancel := c.begin()
	defer cancel()
	if c.o.Folder != nil {
		s, ok, err := c.o.Folder.Find(c.o.Text(id))
		if err != nil {
			return nil, err
		}
		if ok {
			return c.compile(s, fmt.Errorf("the schema folder %s", c.o.Folder.Dir)) // a file can be mended: no value is given up for it
		}
	}
	s, err := c.o.Lookup(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.compile(s, ErrUnusable)
}

// compile is the codec of a schema; an error wraps because.
func (c *Cache[ID]) compile(s *serde.Schema, because error) (*Codec, error) {
	codec, err := c.o.Formats.Compile(s)
	switch {
	case err == nil:
		return codec, nil
	case s.Name == "":
		return nil, fmt.Errorf("%w: %w", because, err)
	}
	return nil, fmt.Errorf("%s, version %d: %w: %w", s.Name, s.Version, because, err)
}

// learn publishes a codec. c.mu is held.
func (c *Cache[ID]) learn(id ID, codec *Codec) {
	old := c.known.Load()
	use := serde.SchemaUse{Schema: codec.Schema}
	if c.o.Topic != nil {
		use.Topic = c.o.Topic(id)
	}
	fresh := &snapshot[ID]{codecs: maps.Clone(old.codecs), uses: append(old.uses, use)}
	fresh.codecs[id] = codec
	c.known.Store(fresh)
	if e := c.pending[id]; e != nil {
		c.order.Remove(e)
		delete(c.pending, id)
	}
}

// fail notes why a lookup failed, and decides what that means and when to ask again.
func (p *pending[ID]) fail(err error, o *Options[ID]) {
	now := time.Now()
	p.err = fmt.Errorf("schema %s: %w", o.Text(p.id), err)
	switch {
	case errors.Is(err, ErrUnusable):
		p.next = now.Add(recheck)
		return
	case errors.Is(err, ErrNotFound) && p.missing.IsZero():
		p.missing = now
	case errors.Is(err, ErrNotFound) && now.Sub(p.missing) >= o.NotFoundFor:
		p.err = fmt.Errorf("%w, and hasn't been there for %s", p.err, now.Sub(p.missing).Round(time.Second))
		p.next = now.Add(recheck)
		return
	}
	p.err = &serde.Unavailable{Err: p.err}
	p.next = now.Add(jittered(p.failures))
	p.failures++
}

// jittered is the wait after the n-th failure in a row, counted from 0: half of it is by chance.
func jittered(n int) time.Duration {
	w := longWait
	if n < 20 {
		w = min(firstWait<<n, longWait)
	}
	return w/2 + rand.N(w/2+1)
}
