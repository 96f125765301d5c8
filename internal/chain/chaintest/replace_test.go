package chaintest

import (
	"context"
	"errors"

	"github.com/millrace/millrace/internal/chain"
)

func (d *double) Replace(ctx context.Context, key string, was, body []byte) error {
	there, err := d.Get(ctx, key)
	switch {
	case errors.Is(err, chain.ErrMissing) && d.broken == "replaces what is missing":
		return d.Put(ctx, key, body)
	case err != nil:
		return err
	case d.broken == "replaces whatever is there", d.broken == "replaces what is as long" && len(there) == len(was):
		was = there
	case d.broken == "replaces nothing":
		return nil
	}
	return d.Memory.Replace(ctx, key, was, body)
}
