package config

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/connector"
)

// OpenFrom is Open with another Consumer instead of the file's source, which isn't opened, and with the dead letter that wrap makes of the file's,
// which may be nil. For commands that send records through a connector's pipeline again.
func (c *Connector) OpenFrom(ctx context.Context, from connector.Consumer, wrap func(connector.DeadLetter) connector.DeadLetter,
	opts ...connector.Option) (*connector.Connector, io.Closer, error) {
	complete, err := c.resolve(ctx, true)
	if err != nil {
		return nil, nil, fmt.Errorf("connector %s: %w", c.Name, err)
	}
	o := &opening{origin: origin{connector: c.Name, source: complete.Source.Config}}
	conn, err := o.connectorFrom(ctx, complete, from, wrap, opts)
	if err != nil {
		return nil, nil, fmt.Errorf("connector %s: %w", c.Name, errors.Join(err, o.opened.Close()))
	}
	return conn, o.opened, nil
}

func (o *opening) connectorFrom(ctx context.Context, c *Connector, from connector.Consumer, wrap func(connector.DeadLetter) connector.DeadLetter,
	opts []connector.Option) (*connector.Connector, error) {
	dead, err := o.deadLetter(ctx, c)
	if err != nil {
		return nil, err
	}
	rest := *c
	rest.DeadLetter = Choice{Name: none}
	all, to, err := o.parts(ctx, &rest)
	if err != nil {
		return nil, err
	}
	all = append(append(all, connector.WithDeadLetter(wrap(dead))), opts...)
	if to.stager != nil {
		return connector.NewStaged(from, to.stager, all...)
	}
	return connector.New(from, to.loader, all...)
}
