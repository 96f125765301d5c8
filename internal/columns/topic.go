package columns

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/internal/table/origin"
	"github.com/millrace/millrace/serde"
)

// A Topic is the columns of a topic's records. It is safe for concurrent use.
type Topic struct {
	r    *Resolver
	name string
	key  string // of what is kept of them
	now  func() time.Time

	plain atomic.Pointer[group] // of values that don't know their schema; nil until it is found out
	last  atomic.Pointer[use]   // the newest answer of Of

	turn   chan struct{} // holds a value while somebody finds out
	asked  bool          // what is kept was looked for
	sample *table.Sample
	since  time.Time // of the first value in the sample
	taken  int64

	mu     sync.Mutex
	uses   map[*serde.Schema]*use
	groups []*group
	others map[serde.Kind]*group // of values that are no objects, where rows are more than values
}

// A use is what a schema's values are written with.
type use struct {
	schema *serde.Schema
	group  *group
	err    error // they can't be
}

// A group is versions of a schema that share files.
type group struct {
	name   string
	values *table.Schema                // the columns of their values; nil if these are no objects
	rows   atomic.Pointer[table.Schema] // of rows; nil until one asks
}

// Of are the columns of the file that a record's row goes to, as of now. Rows of different groups are in different files. The error
// is about this record.
func (t *Topic) Of(r *connector.Record) (columns *table.Schema, name string, err error) {
	g, err := t.groupOf(r)
	if err != nil {
		return nil, "", err
	}
	if columns = g.rows.Load(); columns == nil {
		columns = t.rowsOf(g, r)
	}
	return columns, g.name, nil
}

// rowsOf are the columns of the rows of a group, of which r is the first.
func (t *Topic) rowsOf(g *group, r *connector.Record) *table.Schema {
	t.mu.Lock()
	defer t.mu.Unlock()
	if columns := g.rows.Load(); columns != nil {
		return columns
	}
	columns := g.values
	if t.r.o.Wrap != nil {
		columns = t.r.o.Wrap(columns, r)
	}
	g.rows.Store(columns)
	return columns
}

func (t *Topic) groupOf(r *connector.Record) (*group, error) {
	if t.r.fixed != nil {
		return t.r.fixed, nil
	}
	kind := r.Value.Kind()
	if kind != serde.Object {
		return t.groupOfOther(kind)
	}
	schema := r.Value.Schema()
	if schema == nil || t.r.config.FromCatalog() {
		return t.plain.Load(), nil // Learn has seen to it
	}
	u := t.last.Load()
	if u == nil || u.schema != schema {
		u = t.useOf(schema)
		t.last.Store(u)
	}
	return u.group, u.err
}

// groupOfOther is the group of a value that is no object. That of a tombstone, or another null, is the one of the rows before it.
func (t *Topic) groupOfOther(kind serde.Kind) (*group, error) {
	if t.r.o.Wrap == nil {
		return nil, fmt.Errorf("a row needs columns, and the value is %s", kind)
	}
	if kind == serde.Null || kind == serde.Missing {
		if u := t.last.Load(); u != nil && u.err == nil {
			return u.group, nil
		}
		if g := t.plain.Load(); g != nil {
			return g, nil
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.others[kind] == nil {
		if t.others == nil {
			t.others = make(map[serde.Kind]*group)
		}
		t.others[kind] = &group{name: kind.String()}
	}
	return t.others[kind], nil
}

func (t *Topic) useOf(schema *serde.Schema) *use {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u := t.uses[schema]; u != nil {
		return u
	}
	u := &use{schema: schema}
	s, err := origin.Of(schema)
	if err != nil {
		u.err = err
	} else {
		u.group = t.join(t.r.open(schema, s))
	}
	if t.uses == nil {
		t.uses = make(map[*serde.Schema]*use)
	}
	t.uses[schema] = u
	return u
}

// open is s with a column for the rest, where values may have members that their schema doesn't name, or that its first version doesn't.
func (r *Resolver) open(schema *serde.Schema, s *table.Schema) *table.Schema {
	if schema.Format == serde.JSONSchema || table.Compatibility(r.config.Compatibility) == table.Forward {
		return withRest(s, r.config.rest())
	}
	return s
}

// join is the first group that the columns fit into, which gets theirs too, or a new one.
func (t *Topic) join(s *table.Schema) *group {
	for _, g := range t.groups {
		merged, err := table.Merge(g.values, s, table.Compatibility(t.r.config.Compatibility))
		if err != nil {
			continue
		}
		if !merged.Equal(g.values) {
			g.values = merged
			g.rows.Store(nil)
		}
		return g
	}
	g := &group{name: strconv.Itoa(len(t.groups) + 1), values: s}
	t.groups = append(t.groups, g)
	return g
}

// Learn looks at a batch before it is written, and infers the columns of values that don't know theirs. As long as they aren't known, wait is how
// long they may take at most: then Settle has to be called. 0: the columns of all rows are known.
func (t *Topic) Learn(ctx context.Context, b *connector.Batch) (wait time.Duration, err error) {
	t.meet(b)
	if t.plain.Load() != nil || !t.r.config.FromCatalog() && !plainIn(b) {
		return 0, nil
	}
	if err := t.enter(ctx); err != nil {
		return 0, err
	}
	defer t.leave()
	if found, err := t.find(ctx); found || err != nil {
		return 0, err
	}
	if t.sample == nil {
		t.sample, t.since = new(table.Sample), t.now()
	}
	for _, r := range b.Records() {
		if isPlain(r) {
			t.sample.Add(r.Value)
			t.taken++
		}
	}
	if wait := t.since.Add(time.Duration(t.r.config.Wait)).Sub(t.now()); wait > 0 && t.taken < t.r.config.Sample {
		return wait, nil
	}
	return 0, t.keep(ctx)
}

// meet takes the columns of all versions in a batch before the first row is written: else each version that is new would end the files of those before.
func (t *Topic) meet(b *connector.Batch) {
	if t.r.fixed != nil || t.r.config.FromCatalog() {
		return
	}
	var last *serde.Schema
	for _, r := range b.Records() {
		if s := r.Value.Schema(); s != nil && s != last && r.Value.Kind() == serde.Object {
			t.useOf(s)
			last = s
		}
	}
}

// Settle infers the columns of what there is.
func (t *Topic) Settle(ctx context.Context) error {
	if t.plain.Load() != nil {
		return nil
	}
	if err := t.enter(ctx); err != nil {
		return err
	}
	defer t.leave()
	if t.plain.Load() != nil || t.sample == nil {
		return nil
	}
	return t.keep(ctx)
}

func (t *Topic) enter(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *Topic) leave() { <-t.turn }

// isPlain reports whether the columns of a record's row have to be inferred. What is no object has none.
func isPlain(r *connector.Record) bool {
	return r.Value.Kind() == serde.Object && r.Value.Schema() == nil
}

func plainIn(b *connector.Batch) bool {
	for _, r := range b.Records() {
		if isPlain(r) {
			return true
		}
	}
	return false
}

// find takes the columns that are known elsewhere: in the catalog, or kept by another process or by an earlier one.
func (t *Topic) find(ctx context.Context) (found bool, err error) {
	switch {
	case t.plain.Load() != nil:
		return true, nil
	case t.r.config.FromCatalog():
		s, err := t.r.o.Catalog(ctx, t.name)
		if err != nil {
			return false, err
		}
		t.plain.Store(&group{values: withRest(s, t.r.config.rest())})
		return true, nil
	case t.asked:
		return false, nil
	}
	err = t.load(ctx)
	if errors.Is(err, chain.ErrMissing) {
		t.asked = true
		return false, nil
	}
	return err == nil, err
}

// load takes the columns that are kept.
func (t *Topic) load(ctx context.Context) error {
	body, err := t.r.o.Store.Get(ctx, t.key)
	if err != nil {
		return fmt.Errorf("read the columns of topic %s from %s: %w", t.name, t.key, err)
	}
	s, err := table.Unmarshal(body)
	if err != nil {
		return connector.Fatal.Errorf("read the columns of topic %s from %s: %w", t.name, t.key, err)
	}
	t.plain.Store(&group{values: s})
	return nil
}

// keep infers the columns and stores them, unless another process was faster: then they are its.
func (t *Topic) keep(ctx context.Context) error {
	s := t.sample.Schema(t.name, t.r.config.rest())
	body, err := table.Marshal(s)
	if err != nil {
		return connector.Fatal.Errorf("keep the columns of topic %s: %w", t.name, err)
	}
	switch err := t.r.o.Store.Put(ctx, t.key, body); {
	case errors.Is(err, chain.ErrExists):
		if err := t.load(ctx); err != nil {
			return err
		}
	case errors.Is(err, errors.ErrUnsupported): // each process infers its own
		t.plain.Store(&group{values: s})
	case err != nil:
		return fmt.Errorf("keep the columns of topic %s in %s: %w", t.name, t.key, err)
	default:
		t.plain.Store(&group{values: s})
	}
	t.sample = nil
	return nil
}
