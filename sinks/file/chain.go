package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/staging"
)

// OpenChain opens the folder for commands that look at chains. Nothing is created.
func (c Config) OpenChain(ctx context.Context) (chain.Place, error) {
	o, err := c.compile()
	if err != nil {
		return chain.Place{}, connector.Fatal.Wrap(err)
	}
	if err := ctx.Err(); err != nil {
		return chain.Place{}, err
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return chain.Place{}, failure("open", c.Dir, c.Dir, err)
	}
	s := &place{&store{dir: c.Dir, root: root, disk: systemDisk{}}}
	p := chain.Place{Store: s, Name: o.Place, Prefix: o.Prefix, Chain: o.Chain, Unique: o.Path.Unique, Data: staging.Prefix("", c.Path), Close: s.Close}
	if p.Data != "" {
		p.Data += "/"
	}
	return p, nil
}

// A place is the store of commands.
type place struct{ *store }

var (
	_ chain.Stater = (*place)(nil)
	_ chain.Opener = (*place)(nil)
)

// Uploads finds none where no sink has been open yet, or whose temporary files weren't moved with the others.
func (p *place) Uploads(ctx context.Context, dir string) ([]chain.Object, error) {
	found, err := p.store.Uploads(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return found, err
}

// Stat tells a file's size.
func (p *place) Stat(ctx context.Context, key string) (chain.Stat, error) {
	if err := ctx.Err(); err != nil {
		return chain.Stat{}, err
	}
	info, err := p.lstat(key)
	if err != nil {
		return chain.Stat{}, err
	}
	return chain.Stat{Size: info.Size()}, nil
}

// Open opens a file to be read.
func (p *place) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if _, err := p.Stat(ctx, key); err != nil {
		return nil, err
	}
	f, err := p.root.Open(key)
	switch {
	case absent(err):
		return nil, p.missing(key)
	case err != nil:
		return nil, p.failure("open", key, err)
	}
	return f, nil
}
