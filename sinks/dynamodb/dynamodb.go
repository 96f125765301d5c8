package dynamodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awsjson"
	"github.com/millrace/millrace/internal/rule"
)

// A Sink writes items to a table. It is a connector.Loader, and is used by many goroutines at once.
type Sink struct {
	client *awsjson.Client
	seed   maphash.Seed
	now    func() time.Time

	items       *itemEncoder
	update      *update    // nil: whole items are put
	deleteWhen  *rule.Expr // nil if there is none
	onTombstone string

	table    []byte // its name as JSON
	ttl      []byte // name of the attribute as JSON; nil if there is none
	guard    *guard // nil: write: fast
	keep     time.Duration
	inFlight int
	slots    chan struct{} // one for each request under way

	scratch sync.Pool // of *rows
}

var (
	_ connector.Loader  = (*Sink)(nil)
	_ connector.Keyer   = (*Sink)(nil)
	_ connector.Limited = (*Sink)(nil)
)

// compile makes the sink of a configuration, without a connection.
func (c Config) compile() (*Sink, error) {
	s := &Sink{
		seed: maphash.MakeSeed(), now: time.Now, onTombstone: c.OnTombstone, table: quoted(c.Table),
		keep: time.Duration(c.KeepDeleted), inFlight: c.InFlight, slots: make(chan struct{}, max(1, c.InFlight)),
	}
	s.scratch.New = func() any { return &rows{} }
	if c.TTL.Attribute != "" {
		s.ttl = quoted(c.TTL.Attribute)
	}
	var errs [4]error
	s.items, errs[0] = c.encoder()
	s.update, errs[1] = c.compileUpdate()
	s.deleteWhen, errs[2] = compileRule("delete_when", c.DeleteWhen)
	if c.Write == writeNewest {
		s.guard = &guard{attribute: c.Guard, name: quoted(c.Guard)}
		s.guard.version, errs[3] = compileRule("version", c.Version)
	}
	return s, errors.Join(errs[:]...)
}

// compileRule is the expression of a setting, nil if there is none.
func compileRule(setting, text string) (*rule.Expr, error) {
	if text == "" {
		return nil, nil
	}
	e, err := rule.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return e, nil
}

// Open connects, and checks that there is such a table with such a key. An error names the setting to look at.
func (c Config) Open(ctx context.Context) (*Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s, err := c.compile()
	if err != nil {
		return nil, err
	}
	region, name := c.parseTable()
	who := c.Config
	who.Region = cmp.Or(who.Region, region)
	s.client, err = awsjson.Connect(ctx, service(), who, awsjson.Options{Endpoint: c.Endpoint, Place: "table " + name})
	if err != nil {
		return nil, err
	}
	if err := s.check(ctx, c); err != nil {
		return nil, errors.Join(err, s.client.Close())
	}
	return s, nil
}

// Close closes the connections.
func (s *Sink) Close() error { return s.client.Close() }

// Limits of a Load: as many records as a BatchWriteItem takes.
func (s *Sink) Limits() connector.Limits {
	return connector.Limits{Records: batchItems, InFlight: s.inFlight}
}

// Key is a hash of the item's primary key.
func (s *Sink) Key(b *connector.Batch, i int) (uint64, bool) {
	rs := s.scratch.Get().(*rows)
	defer s.scratch.Put(rs)
	key, _, err := s.items.key(rs.text[:0], b, i)
	rs.text = key[:0]
	if err != nil {
		return 0, false // Load marks it failed
	}
	return maphash.Bytes(s.seed, key), true
}

// Load writes the records' items. A record that no item can be made of, or whose item DynamoDB refuses, is marked failed, of class Permanent; one
// that DynamoDB had no capacity for is marked too, and the others are written.
func (s *Sink) Load(ctx context.Context, b *connector.Batch) error {
	rs := s.scratch.Get().(*rows)
	defer s.put(rs)
	s.readAll(rs, b)
	if len(rs.keys) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write to dynamodb: %w", err)
	}
	if s.guard == nil {
		if err := s.sendBatches(ctx, rs); err != nil {
			return err
		}
	} else {
		s.sendEach(ctx, rs)
	}
	return rs.report(b)
}

const maxKept = 8 << 20 // bytes of scratch memory kept between Loads

func (s *Sink) put(rs *rows) {
	if cap(rs.text)+cap(rs.body)+cap(rs.reply) <= maxKept {
		s.scratch.Put(rs)
	}
}

// readAll makes the rows of a batch, and marks the records that have none.
func (s *Sink) readAll(rs *rows, b *connector.Batch) {
	rs.reset(b.Len())
	rs.source = appendSource(rs.source, b.Source())
	for i, r := range b.Records() {
		if err := s.read(rs, b, i, r); err != nil {
			b.Fail(i, connector.Permanent.Wrap(err))
		}
	}
}

// What a record asks for.
type action int

const (
	actionPut action = iota // or update
	actionDelete
	actionNone
)

var errTombstone = errors.New("the record is a tombstone; delete_when, or on_tombstone: delete or ignore, accepts it")

func (s *Sink) action(b *connector.Batch, i int, r *connector.Record) (action, error) {
	tombstone := r.Deleted()
	if s.deleteWhen != nil {
		ok, err := s.deleteWhen.Bool(b, i)
		switch {
		case err != nil && !tombstone: // a condition on the value's members says nothing about one that has none
			return actionNone, fmt.Errorf("delete_when: %w", err)
		case err == nil && ok:
			return actionDelete, nil
		}
	}
	switch {
	case !tombstone:
		return actionPut, nil
	case s.onTombstone == tombstoneDelete:
		return actionDelete, nil
	case s.onTombstone == tombstoneIgnore:
		return actionNone, nil
	}
	return actionNone, errTombstone
}

// read makes the row of the i-th record.
func (s *Sink) read(rs *rows, b *connector.Batch, i int, r *connector.Record) error {
	do, err := s.action(b, i, r)
	if err != nil || do == actionNone {
		return err
	}
	begin := len(rs.text)
	text, keySize, err := s.items.key(rs.text, b, i)
	if err != nil {
		return err
	}
	rs.text = text
	key := span{begin, len(text)}
	x := row{record: int32(i), offset: r.Offset, index: r.Index}
	switch {
	case s.guard == nil:
		err = s.appendBatched(rs, &x, key, keySize, do, b, i)
	case do == actionDelete:
		err = s.appendMarker(rs, &x, key, b, i)
	case s.update != nil:
		err = s.appendUpdate(rs, &x, key, keySize, b, i)
	default:
		err = s.appendPut(rs, &x, key, keySize, b, i)
	}
	if err != nil {
		rs.text = rs.text[:begin]
		return err
	}
	if (x.request == span{}) {
		return nil // an update that changes nothing
	}
	rs.put(s.seed, key, x)
	return nil
}

// DryRun returns a Loader that marks the records failed that Load refuses for what they hold. It connects to nothing: what type the table's key attributes
// have isn't known.
func (c Config) DryRun() (connector.Loader, error) {
	s, err := c.compile()
	if err != nil {
		return nil, err
	}
	return connector.LoaderFunc(func(_ context.Context, b *connector.Batch) error {
		rs := s.scratch.Get().(*rows)
		defer s.scratch.Put(rs)
		s.readAll(rs, b)
		return nil
	}), nil
}
