package chain

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/connector"
)

// Chains finds the chains of all partitions below a prefix, of whatever cluster and topic id they are, in the order of their folders.
// Their IDs have no topic name.
func Chains(ctx context.Context, s Store, prefix, chain string) ([]ID, error) {
	root := Root(prefix, chain)
	var ids []ID
	for after := ""; ; {
		var keys []string
		err := Try(ctx, func() (err error) {
			keys, _, err = s.List(ctx, root, after, 1)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list the chains below %q: %w", root, err)
		}
		if len(keys) == 0 {
			return ids, nil
		}
		after = keys[0]
		dir, _, ok := ParseKey(keys[0])
		if !ok {
			continue
		}
		if p, id, ok := parseDir(root, dir); ok {
			ids = append(ids, ID{Prefix: prefix, Chain: chain, Cluster: p.Cluster, TopicID: id, Partition: p.Partition})
		}
		after = dir + "~" // behind all links: their names are digits
	}
}

// Newest reads the newest link of a chain as it is, finished or not. It is nil if the chain has none.
func Newest(ctx context.Context, s Store, id ID) (*Link, error) {
	newest := int64(-1)
	for after, more := "", true; more; {
		var keys []string
		err := Try(ctx, func() (err error) {
			keys, more, err = s.List(ctx, id.Dir(), after, listPage)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list the chain of partition %s: %w", id, err)
		}
		for _, key := range keys {
			after = key
			if dir, seq, ok := ParseKey(key); ok && dir == id.Dir() {
				newest = seq
			}
		}
		more = more && len(keys) > 0
	}
	if newest < 0 {
		return nil, nil
	}
	return ReadLink(ctx, s, id, newest)
}

// ReadLink reads the link with a number. The error is ErrMissing if it isn't there, and of class Permanent if it can't be read.
func ReadLink(ctx context.Context, s Store, id ID, seq int64) (*Link, error) {
	var body []byte
	err := Try(ctx, func() (err error) {
		body, err = s.Get(ctx, id.Key(seq))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read link %d of partition %s: %w", seq, id, err)
	}
	l, err := DecodeLink(body, seq)
	if err != nil {
		return nil, connector.Permanent.Errorf("%s can't be read: %w", id.Key(seq), err)
	}
	return l, nil
}
