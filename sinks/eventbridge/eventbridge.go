package eventbridge

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awsjson"
)

// A Sink sends records to an event bus. It is a connector.Loader, and is used by many goroutines at once.
type Sink struct {
	client   *awsjson.Client // of PutEvents
	regional *awsjson.Client // of what a global endpoint doesn't do: client, if there is none
	place    string          // the bus, in messages
	bus      string
	shape    *shape
	offload  *offload // nil: parts aren't kept in S3
	head     []byte   // what a request begins with

	maxRequest int // bytes by EventBridge's count
	inFlight   int
	ordered    bool
	seed       maphash.Seed
	pace       *pace     // nil: no limit
	scratch    sync.Pool // of *delivery
}

var (
	_ connector.Loader  = (*Sink)(nil)
	_ connector.Keyer   = (*Sink)(nil)
	_ connector.Limited = (*Sink)(nil)
	_ connector.Shared  = (*Sink)(nil)
)

// compile makes the sink of a valid configuration, without a connection.
func (c Config) compile() (*Sink, error) {
	s := &Sink{
		place: "event bus " + c.Bus, bus: c.Bus, head: []byte(`{"Entries":[`), maxRequest: int(c.MaxRequest), inFlight: c.InFlight,
		ordered: c.Order == orderKey, seed: maphash.MakeSeed(), pace: newPace(c.Rate, c.RateShare == sharePartitions),
	}
	if c.GlobalEndpoint != "" {
		s.head = []byte(`{"EndpointId":"` + c.GlobalEndpoint + `","Entries":[`)
	}
	s.scratch.New = func() any { return &delivery{} }
	var err error
	s.shape, err = c.shape()
	return s, err
}

// Open connects, and looks the bus up unless check_bus is off. An error names the setting or the right to look at.
func (c Config) Open(ctx context.Context) (*Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s, err := c.compile()
	if err != nil {
		return nil, err
	}
	if c.Region == "" {
		c.Region = regionOf(c.Bus)
	}
	if err := s.connect(ctx, c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Sink) connect(ctx context.Context, c Config) error {
	var err error
	if s.regional, err = awsjson.Connect(ctx, service(), c.Config, awsjson.Options{Endpoint: c.Endpoint, Place: s.place}); err != nil {
		return err
	}
	s.client = s.regional
	if c.GlobalEndpoint != "" {
		o := awsjson.Options{Endpoint: c.Endpoint, Everywhere: true, Place: s.place}
		if o.Endpoint == "" {
			o.Endpoint = globalURL(c.GlobalEndpoint, s.regional.Region())
		}
		if s.client, err = awsjson.Connect(ctx, service(), c.Config, o); err != nil {
			return err
		}
	}
	if c.Oversize.S3.inUse() {
		if s.offload, err = c.Oversize.S3.open(ctx, c.Config, s.regional.Region()); err != nil {
			return fmt.Errorf("oversize.s3: %w", err)
		}
	}
	if c.CheckBus {
		return s.check(ctx)
	}
	return nil
}

// globalURL is where a global endpoint is, as the SDK's rules have it; its client too sends the id in the request besides, and to endpoint if that is set.
func globalURL(id, region string) string {
	return "https://" + id + ".endpoint.events." + awsjson.Domain(region)
}

// Close closes the connections that are idle.
func (s *Sink) Close() error {
	var errs []error
	if s.client != nil && s.client != s.regional {
		errs = append(errs, s.client.Close())
	}
	if s.regional != nil {
		errs = append(errs, s.regional.Close())
	}
	if s.offload != nil {
		errs = append(errs, s.offload.Close())
	}
	return errors.Join(errs...)
}

// Limits of EventBridge (API reference, PutEvents: "Entries").
const maxEntries = 10

// loadRecords is more than one request holds, so that requests are full although none holds two records of a key.
const loadRecords = 100

// Limits of a Load. Its requests are sent one after the other.
func (s *Sink) Limits() connector.Limits {
	return connector.Limits{Records: loadRecords, Bytes: int64(s.maxRequest), InFlight: s.inFlight}
}

// Key is a hash of the record's key. Without a key, or with order: none, no order is kept.
func (s *Sink) Key(b *connector.Batch, i int) (uint64, bool) {
	r := b.At(i)
	if !s.ordered || r.RawKey == nil {
		return 0, false
	}
	return maphash.Bytes(s.seed, r.RawKey), true
}

// Share sets what part of rate is this process's with rate_share: partitions: that of the partitions that it owns, of all. It may be called at any time.
func (s *Sink) Share(owned, all int) { s.pace.share(owned, all) }

// DryRun returns a Loader that marks the records failed that Load refuses for what they hold. It connects to nothing.
func (c Config) DryRun() (connector.Loader, error) {
	s, err := c.compile()
	if err != nil {
		return nil, err
	}
	if c.Oversize.S3.inUse() {
		s.offload = c.Oversize.S3.to(nowhere{}, c.Region)
	}
	return connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
		var text []byte
		for i := range b.Records() {
			var e entry
			var err error
			if text, err = s.event(ctx, text[:0], &e, b, i); err != nil {
				b.Fail(i, err)
			}
		}
		return nil
	}), nil
}
