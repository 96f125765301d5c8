package s3

import (
	"bytes"
	"context"
	"errors"

	"github.com/millrace/millrace/internal/bucket"
	"github.com/millrace/millrace/internal/chain"
)

var _ chain.Replacer = (*store)(nil)

// Replace implements chain.Replacer: the ETag of what was read has to be that of what is there (API reference, PutObject, If-Match).
func (s *store) Replace(ctx context.Context, key string, was, body []byte) error {
	ctx, cancel := bucket.Bounded(ctx, bucket.CallTimeout, int64(len(was)+len(body)))
	defer cancel()
	out, err := s.open(ctx, key)
	if err != nil {
		return err
	}
	defer out.Body.Close()
	there, err := readAtMost(out.Body, int64(len(was)))
	switch {
	case errors.Is(err, errTooLong) || err == nil && !bytes.Equal(there, was):
		return s.exists(opPut, key)
	case err != nil:
		return s.Failure(opGet, key, err)
	}
	return s.put(ctx, key, body, "If-Match", bucket.Condition{ETag: out.ETag})
}
