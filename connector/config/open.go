package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// Open opens the connector's sinks, dead letter, handlers, decoders and last its source, and wires them. opts
// come after what the file says. Close the Closer when Run has returned; it isn't nil unless there is an error,
// and after an error nothing stays open. Nothing of c is changed, and c may be opened again: then secrets are read again.
func (c *Connector) Open(ctx context.Context, opts ...connector.Option) (*connector.Connector, io.Closer, error) {
	return c.open(ctx, nil, opts)
}

// Ends are what a connector reads from and writes to, instead of what its file says.
type Ends struct {
	Consumer   connector.Consumer
	Loader     func(sink Choice) (connector.Loader, error) // for the connector's sink and for those of its overrides
	DeadLetter connector.DeadLetter
}

// OpenBetween is Open with other ends: the source, the sinks and the dead letter of the file aren't opened.
func (c *Connector) OpenBetween(ctx context.Context, e Ends, opts ...connector.Option) (*connector.Connector, io.Closer, error) {
	return c.open(ctx, &e, opts)
}

// OpenDecoders opens what decodes keys and values, and nothing else. Close the Closer at the end; after an error nothing stays open.
func (c *Connector) OpenDecoders(ctx context.Context) (key, value serde.Decoder, opened io.Closer, err error) {
	complete := Connector{Name: c.Name, Decode: c.Decode}
	resolved, err := complete.resolve(ctx, false)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("connector %s: %w", c.Name, err)
	}
	o := &opening{origin: origin{connector: c.Name}}
	key, value, err = o.decoders(ctx, resolved)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("connector %s: %w", c.Name, errors.Join(err, o.opened.Close()))
	}
	return key, value, o.opened, nil
}

func (c *Connector) open(ctx context.Context, e *Ends, opts []connector.Option) (*connector.Connector, io.Closer, error) {
	complete, err := c.resolve(ctx, e == nil)
	if err != nil {
		return nil, nil, fmt.Errorf("connector %s: %w", c.Name, err)
	}
	c = complete
	o := &opening{origin: origin{connector: c.Name, source: c.Source.Config}, ends: e}
	conn, err := o.connector(ctx, c, opts)
	if err != nil {
		return nil, nil, fmt.Errorf("connector %s: %w", c.Name, errors.Join(err, o.opened.Close()))
	}
	return conn, o.opened, nil
}

// An opening is what Open has opened so far.
type opening struct {
	origin origin
	ends   *Ends // nil: what the file says
	opened closers
	sinks  []sink
}

// A sink is an open Loader or an open Stager, and the settings that it was opened with.
type sink struct {
	config any
	loader connector.Loader
	stager connector.Stager
}

// closers close in the reverse order.
type closers []io.Closer

func (cs closers) Close() error {
	var errs []error
	for i := range cs {
		errs = append(errs, cs[len(cs)-1-i].Close())
	}
	return errors.Join(errs...)
}

// openAs opens a choice, and keeps for closing what it opened.
func openAs[T any](ctx context.Context, o *opening, c Choice) (T, error) {
	var none T
	if c.plugin == nil {
		return none, fmt.Errorf("%q isn't part of this build", c.Name)
	}
	opened, err := c.plugin.open(ctx, c.Config, o.origin)
	if err != nil {
		return none, fmt.Errorf("open %s %s: %w", c.plugin.Kind, c.Name, err)
	}
	if closer, ok := opened.(io.Closer); ok {
		o.opened = append(o.opened, closer)
	}
	t, ok := opened.(T)
	if !ok {
		return none, fmt.Errorf("open %s %s: a %T is no %s", c.plugin.Kind, c.Name, opened, reflect.TypeFor[T]())
	}
	return t, nil
}

func (o *opening) connector(ctx context.Context, c *Connector, opts []connector.Option) (*connector.Connector, error) {
	all, to, err := o.parts(ctx, c)
	if err != nil {
		return nil, err
	}
	consumer, err := o.consumer(ctx, c)
	if err != nil {
		return nil, err
	}
	all = append(all, opts...)
	var conn *connector.Connector
	if to.stager != nil {
		conn, err = connector.NewStaged(consumer, to.stager, all...)
	} else {
		conn, err = connector.New(consumer, to.loader, all...)
	}
	if err != nil {
		return nil, errors.Join(err, consumer.Close(ctx))
	}
	return conn, nil
}

// parts opens everything but the source.
func (o *opening) parts(ctx context.Context, c *Connector) ([]connector.Option, sink, error) {
	key, value, err := o.decoders(ctx, c)
	if err != nil {
		return nil, sink{}, err
	}
	handlers, err := o.handlers(ctx, c.Handlers)
	if err != nil {
		return nil, sink{}, err
	}
	all := []connector.Option{
		connector.WithName(c.Name),
		connector.WithMaxRecord(int64(c.MaxRecord)),
		connector.WithCommitInterval(time.Duration(c.CommitInterval)),
		connector.WithDrainTimeout(time.Duration(c.DrainTimeout)),
		connector.WithGapPolicy(c.OnGap),
		connector.WithBreaker(c.Breaker.breaker()),
		connector.WithPlan(c.plan(thisBuild())),
		connector.WithKeyDecoder(key),
		connector.WithDecoder(value),
		connector.WithHandlers(handlers...),
	}
	dead, err := o.deadLetter(ctx, c)
	if err != nil {
		return nil, sink{}, err
	}
	if dead != nil {
		all = append(all, connector.WithDeadLetter(dead))
	}
	to, err := o.sink(ctx, c.Sink)
	if err != nil {
		return nil, sink{}, err
	}
	for i := range c.Overrides {
		route, err := o.route(ctx, &c.Overrides[i], to, handlers)
		if err != nil {
			return nil, sink{}, fmt.Errorf("override %d: %w", i+1, err)
		}
		all = append(all, route)
	}
	return all, to, nil
}

func (o *opening) consumer(ctx context.Context, c *Connector) (connector.Consumer, error) {
	if o.ends != nil {
		return o.ends.Consumer, nil
	}
	return openAs[connector.Consumer](ctx, o, c.Source)
}

// deadLetter is nil where there is none.
func (o *opening) deadLetter(ctx context.Context, c *Connector) (connector.DeadLetter, error) {
	switch {
	case o.ends != nil:
		return o.ends.DeadLetter, nil
	case c.DeadLetter.Name == none || c.DeadLetter.Name == "":
		return nil, nil
	}
	return openAs[connector.DeadLetter](ctx, o, c.DeadLetter)
}

func (o *opening) decoders(ctx context.Context, c *Connector) (key, value serde.Decoder, err error) {
	if key, err = openAs[serde.Decoder](ctx, o, c.Decode.Key); err != nil {
		return nil, nil, err
	}
	value, err = openAs[serde.Decoder](ctx, o, c.Decode.Value)
	return key, value, err
}

func (o *opening) handlers(ctx context.Context, choices []Choice) ([]connector.Handler, error) {
	var all []connector.Handler
	for i, h := range choices {
		opened, err := openAs[connector.Handler](ctx, o, h)
		if err != nil {
			return nil, fmt.Errorf("handler %d: %w", i+1, err)
		}
		all = append(all, opened)
	}
	return all, nil
}

// sink opens a sink, once for equal settings.
func (o *opening) sink(ctx context.Context, c Choice) (sink, error) {
	for _, s := range o.sinks {
		if reflect.DeepEqual(s.config, c.Config) {
			return s, nil
		}
	}
	s := sink{config: c.Config}
	var err error
	if o.ends != nil {
		s.loader, err = o.ends.Loader(c)
	} else if c.plugin != nil && c.plugin.Staged {
		s.stager, err = openAs[connector.Stager](ctx, o, c)
	} else {
		s.loader, err = openAs[connector.Loader](ctx, o, c)
	}
	if err != nil {
		return sink{}, err
	}
	o.sinks = append(o.sinks, s)
	return s, nil
}

// route opens what an override sets; the rest is the connector's.
func (o *opening) route(ctx context.Context, over *Override, to sink, handlers []connector.Handler) (connector.Option, error) {
	var err error
	if over.Handlers != nil {
		if handlers, err = o.handlers(ctx, *over.Handlers); err != nil {
			return nil, err
		}
	}
	if over.Sink != nil {
		if to, err = o.sink(ctx, *over.Sink); err != nil {
			return nil, err
		}
	}
	if to.stager != nil {
		return connector.WithStagedTopics(over.Matches, to.stager, handlers...), nil
	}
	return connector.WithTopics(over.Matches, to.loader, handlers...), nil
}
