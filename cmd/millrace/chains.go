package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/internal/chain"
)

// A chainOpener is a sink's Config whose sink keeps a chain of links.
type chainOpener interface {
	OpenChain(ctx context.Context) (chain.Place, error)
}

// A ledger is a chain of a connector, which several of its sinks may share.
type ledger struct {
	chain.Place
	data []string // what keys of data begin with
}

// ledgers are the chains of a connector.
type ledgers struct {
	conn   *config.Connector
	all    []*ledger
	sinks  []*ledger // of the connector's sink, and then of each override
	unique []bool    // whether the sink's keys end in number and tail
}

// withChains works on the chains of a connector of a file. Unless all its sinks have to keep one, those that don't have none.
func (c *command) withChains(ctx context.Context, path, name string, all bool, work func(ctx context.Context, ls *ledgers, k *kafka.Config) error) error {
	conn, err := c.connector(path, name)
	if err != nil {
		return err
	}
	k, err := sourceOf(ctx, conn)
	if err != nil {
		return err
	}
	ctx, stop := c.interruptible(ctx)
	defer stop()
	ls, err := openSinks(ctx, conn, all)
	if err != nil {
		return err
	}
	err = work(ctx, ls, k)
	switch err = errors.Join(err, ls.Close()); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return failure{context.Cause(ctx)}
	}
	return failure{err}
}

// openLedgers opens the chains of a connector's sinks, all of which have to keep one. Close them after use.
func openLedgers(ctx context.Context, conn *config.Connector) (*ledgers, error) {
	return openSinks(ctx, conn, true)
}

// openSinks opens the chains of a connector's sinks. Unless all have to keep one, those that don't have none: of answers nil for their topics.
func openSinks(ctx context.Context, conn *config.Connector, all bool) (*ledgers, error) {
	conn, err := conn.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	ls := &ledgers{conn: conn}
	choices := []config.Choice{conn.Sink}
	for _, o := range conn.Overrides {
		if o.Sink != nil {
			choices = append(choices, *o.Sink)
		} else {
			choices = append(choices, conn.Sink)
		}
	}
	for _, c := range choices {
		opener, ok := c.Config.(chainOpener)
		if !ok && !all {
			ls.sinks, ls.unique = append(ls.sinks, nil), append(ls.unique, false)
			continue
		}
		if !ok {
			return nil, errors.Join(fmt.Errorf("connector %s: the sink %s keeps no chain of links", conn.Name, c.Name), ls.Close())
		}
		place, err := opener.OpenChain(ctx)
		if err != nil {
			return nil, errors.Join(failure{fmt.Errorf("open the chain of sink %s: %w", c.Name, err)}, ls.Close())
		}
		if err := ls.add(place); err != nil {
			return nil, errors.Join(failure{err}, ls.Close())
		}
	}
	return ls, nil
}

// add takes a sink's place, which may be one of another sink too.
func (ls *ledgers) add(p chain.Place) error {
	i := slices.IndexFunc(ls.all, func(l *ledger) bool { return l.Name == p.Name && l.Prefix == p.Prefix && l.Chain == p.Chain })
	ls.unique = append(ls.unique, p.Unique)
	if i < 0 {
		l := &ledger{p, []string{p.Data}}
		ls.all, ls.sinks = append(ls.all, l), append(ls.sinks, l)
		return nil
	}
	l := ls.all[i]
	l.data, l.Unique = append(l.data, p.Data), l.Unique && p.Unique
	ls.sinks = append(ls.sinks, l)
	return closePlace(p)
}

// of is the chain that a topic's links are in.
func (ls *ledgers) of(topic string) (l *ledger, unique bool) {
	at := 0
	for i := range ls.conn.Overrides {
		if ls.conn.Overrides[i].Matches(topic) {
			at = i + 1
			break
		}
	}
	return ls.sinks[at], ls.unique[at]
}

// Close closes all of them.
func (ls *ledgers) Close() error {
	var errs []error
	for _, l := range ls.all {
		errs = append(errs, closePlace(l.Place))
	}
	return errors.Join(errs...)
}

func closePlace(p chain.Place) error {
	if p.Close == nil {
		return nil
	}
	return p.Close()
}

// sourceOf is the Kafka source of a connector.
func sourceOf(ctx context.Context, c *config.Connector) (*kafka.Config, error) {
	c, err := c.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	k, ok := c.Source.Config.(*kafka.Config)
	if !ok {
		return nil, failure{fmt.Errorf("connector %s: the source %s can't be asked for its offsets", c.Name, c.Source.Name)}
	}
	return k, nil
}

// logs asks Kafka for the partitions that a connector reads. It waits at most three times dial_timeout, as Open does.
func logs(ctx context.Context, k *kafka.Config, at time.Time) ([]kafka.Log, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Duration(k.DialTimeout))
	defer cancel()
	return kafka.Logs(ctx, *k, at)
}

// interruptible ends the context at the first signal: what these commands do can be stopped at any time.
func (c *command) interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case s := <-c.signals:
			cancel(fmt.Errorf("stopped by %s", s))
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-ended
	}
}
