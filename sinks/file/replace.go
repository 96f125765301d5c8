package file

import (
	"bytes"
	"context"
	"path"

	"github.com/millrace/millrace/internal/chain"
)

var _ chain.Replacer = (*store)(nil)

// Replace implements chain.Replacer by a temporary file and rename(2): readers see the one or the other. File systems have no
// rename that looks at what it takes the place of, so of two who replace within the same moment the later one wins.
func (s *store) Replace(ctx context.Context, key string, was, body []byte) error {
	return s.temporary(key, body, func(temp string) error {
		there, err := s.Get(ctx, key)
		if err != nil {
			return err
		}
		if !bytes.Equal(there, was) {
			return s.taken(key)
		}
		if err := s.root.Rename(temp, key); err != nil {
			return s.failure("replace", key, err)
		}
		return s.syncFolder(path.Dir(key))
	})
}
