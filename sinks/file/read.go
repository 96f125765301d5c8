package file

import (
	"context"
	"errors"
	"io"

	"github.com/millrace/millrace/connector"
)

// ReadRange fills b with the bytes of a file from at on, or answers chain.ErrMissing. io.ErrUnexpectedEOF says that the file ends before.
func (p *place) ReadRange(ctx context.Context, key string, b []byte, at int64) error {
	if _, err := p.Stat(ctx, key); err != nil {
		return err
	}
	f, err := p.root.Open(key)
	switch {
	case absent(err):
		return p.missing(key)
	case err != nil:
		return p.failure("open", key, err)
	}
	defer f.Close()
	switch n, err := f.ReadAt(b, at); {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF):
		return connector.Permanent.Errorf("read %s: it ends after byte %d: %w", p.full(key), at+int64(n), io.ErrUnexpectedEOF)
	default:
		return p.failure("read", key, err)
	}
}

// SetChain chooses another chain, beside the one of the settings. For commands that write records again.
func (c *Config) SetChain(name string) { c.Chain = name }
