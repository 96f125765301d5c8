package columns

import (
	"context"
	"sync"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/table"
)

// A Store keeps small objects, such as a chain.Store does: Put creates one, and answers chain.ErrExists if the key is taken and
// errors.ErrUnsupported if it can't tell.
type Store interface {
	Get(ctx context.Context, key string) ([]byte, error)
	Put(ctx context.Context, key string, body []byte) error
}

// Options are what a Resolver is made of, besides its Config.
type Options struct {
	Store Store
	// Catalog reads the columns of a topic's table, where they come from there.
	Catalog func(ctx context.Context, topic string) (*table.Schema, error)
	// Wrap makes the columns of rows, where they aren't just values: of those of values, nil if these are no objects, and of a record that
	// they are for. May be nil.
	Wrap func(values *table.Schema, r *connector.Record) *table.Schema
}

// A Resolver knows the columns of topics. It is safe for concurrent use.
type Resolver struct {
	config Config
	o      Options
	fixed  *group // the columns that are set, for all topics

	mu     sync.Mutex
	topics map[string]*Topic // by key
}

// New makes a Resolver. It asks nobody anything.
func New(c Config, o Options) (*Resolver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r := &Resolver{config: c, o: o, topics: make(map[string]*Topic)}
	fixed, err := c.fixed()
	if err != nil {
		return nil, err
	}
	if fixed != nil {
		r.fixed = &group{values: withRest(fixed, c.rest())}
	}
	return r, nil
}

// Topic is what is known of a topic, the same for all who ask. key is where what is inferred is kept, for all processes.
func (r *Resolver) Topic(name, key string) *Topic {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.topics[key]
	if t == nil {
		t = &Topic{r: r, name: name, key: key, turn: make(chan struct{}, 1), now: time.Now}
		t.plain.Store(r.fixed)
		r.topics[key] = t
	}
	return t
}

// withRest is a schema whose rows lose nothing.
func withRest(s *table.Schema, rest string) *table.Schema {
	c := *s
	c.Rest = rest
	return &c
}
