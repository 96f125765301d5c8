package chaintest

import (
	"bytes"
	"context"

	"github.com/millrace/millrace/internal/chain"
)

var _ chain.Replacer = (*Memory)(nil)

// Replace implements chain.Replacer.
func (m *Memory) Replace(ctx context.Context, key string, was, body []byte) error {
	was, body = bytes.Clone(was), bytes.Clone(body)
	return change(ctx, m, "Replace", key, func(s *shelf) error {
		switch there, ok := s.objects[key]; {
		case !ok:
			return chain.ErrMissing
		case !bytes.Equal(there.body, was):
			return chain.ErrExists
		}
		s.objects[key] = object{body: body}
		return nil
	})
}
