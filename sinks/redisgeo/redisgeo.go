package redisgeo

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/template"
)

// A Sink writes positions to Redis. It is a connector.Loader, and is used by many goroutines at once.
type Sink struct {
	client redis.UniversalClient
	login  *login
	seed   maphash.Seed

	key                         *template.Template
	member, longitude, latitude *field
	version                     *field // nil: the record's timestamp
	onTombstone                 string
	newest                      bool
	expire                      time.Duration

	scratch sync.Pool // of *rows
	sweeper *sweeper  // nil unless members expire
}

var (
	_ connector.Loader  = (*Sink)(nil)
	_ connector.Keyer   = (*Sink)(nil)
	_ connector.Limited = (*Sink)(nil)
)

// compile makes the sink of a configuration, without a connection.
func (c Config) compile() (*Sink, error) {
	s := &Sink{seed: maphash.MakeSeed(), onTombstone: c.OnTombstone, newest: c.Write == writeNewest, expire: time.Duration(c.Expire)}
	s.scratch.New = func() any { return &rows{} }
	var errs []error
	var err error
	if s.key, err = template.Compile(c.Key, template.Options{}); err != nil {
		errs = append(errs, fmt.Errorf("key: %w", err))
	}
	for _, f := range []struct {
		name, text string
		to         **field
	}{
		{"member", c.Member, &s.member},
		{"longitude", c.Longitude, &s.longitude},
		{"latitude", c.Latitude, &s.latitude},
		{"version", c.Version, &s.version},
	} {
		if f.name == "version" && f.text == "" {
			continue
		}
		if *f.to, err = newField(f.name, f.text); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if !strings.ContainsAny(c.Key, "{}") {
		return s, s.checkKey([]byte(c.Key))
	}
	return s, nil
}

// Open connects and checks that the server answers and takes the credentials.
// An error names the setting to look at.
func (c Config) Open(ctx context.Context) (*Sink, error) { return c.open(ctx, timeouts{}) }

func (c Config) open(ctx context.Context, t timeouts) (*Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s, err := c.compile()
	if err != nil {
		return nil, err
	}
	if s.login, err = c.login(ctx); err != nil {
		return nil, err
	}
	if s.client, err = c.connect(ctx, s.login, t); err != nil {
		s.login.close()
		return nil, err
	}
	if s.expire > 0 {
		s.sweeper = startSweeper(s)
	}
	return s, nil
}

// Close ends the sweeping of silent members and the connections.
func (s *Sink) Close() error {
	if s.sweeper != nil {
		s.sweeper.stop()
	}
	defer s.login.close()
	return s.client.Close()
}

// Limits of a Load. A GEOADD of 1,000 members keeps a Redis node busy for about two
// milliseconds; more of them at a time make the requests of others wait and save nothing.
func (s *Sink) Limits() connector.Limits {
	return connector.Limits{Records: loadRecords, InFlight: loadsInFlight}
}

const (
	loadRecords   = 1000
	loadsInFlight = 4
)

// Key is a hash of the set's key and the member.
func (s *Sink) Key(b *connector.Batch, i int) (uint64, bool) {
	rows := s.scratch.Get().(*rows)
	defer s.scratch.Put(rows)
	text, err := s.member.appendName(rows.text[:0], b, i)
	if err == nil && !s.key.Constant() {
		text = append(text, 0)
		text, err = s.key.Append(text, b, i, 0)
	}
	rows.text = text[:0]
	if err != nil {
		return 0, false // Load marks it failed
	}
	return maphash.Bytes(s.seed, text), true
}

// Load writes the records' positions. A record without a usable key, member or position is marked
// failed, of class Permanent; those of a set that Redis refuses are marked with that error.
//
// When ctx is cancelled, Load returns as soon as the reply that it waits for has come or timed out.
func (s *Sink) Load(ctx context.Context, b *connector.Batch) error {
	rows := s.scratch.Get().(*rows)
	defer s.scratch.Put(rows)
	rows.reset(b.Len())
	s.readAll(rows, b)
	if len(rows.list) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write to redis: %w", err)
	}
	s.send(ctx, b, rows)
	return rows.report(b)
}

// readAll makes the rows of a batch, and marks the records that have none.
func (s *Sink) readAll(rows *rows, b *connector.Batch) {
	for i, r := range b.Records() {
		if err := s.read(rows, b, i, r); err != nil {
			b.Fail(i, connector.Permanent.Wrap(err))
		}
	}
}

// DryRun returns a Loader that marks the records failed that Load refuses for what they hold. It connects to nothing.
func (c Config) DryRun() (connector.Loader, error) {
	s, err := c.compile()
	if err != nil {
		return nil, err
	}
	return connector.LoaderFunc(func(_ context.Context, b *connector.Batch) error {
		rows := s.scratch.Get().(*rows)
		defer s.scratch.Put(rows)
		rows.reset(b.Len())
		s.readAll(rows, b)
		return nil
	}), nil
}
