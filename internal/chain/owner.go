package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/millrace/millrace/connector"
)

// Claim binds a chain to its owner, or finds that it is bound to it already; another owner is an error of class Fatal. place
// names the store for messages: "s3://bucket". conditional reports whether the store keeps its word that Put never overwrites: without
// that there can be no chain.
func Claim(ctx context.Context, s Store, place, prefix, chain string, o Owner) (conditional bool, err error) {
	key := OwnerKey(prefix, chain)
	mine, err := json.Marshal(o)
	if err != nil {
		return false, fmt.Errorf("encode the owner of chain %s: %w", chain, err)
	}
	there, err := s.Get(ctx, key)
	if errors.Is(err, ErrMissing) {
		err = s.Put(ctx, key, mine)
		if errors.Is(err, errors.ErrUnsupported) {
			return false, nil
		}
		if err != nil && !errors.Is(err, ErrExists) {
			return false, fmt.Errorf("claim chain %s in %s: %w", chain, place, err)
		}
		there, err = s.Get(ctx, key)
	}
	if err != nil {
		return false, fmt.Errorf("look whose chain %s in %s is: %w", chain, place, err)
	}
	var owner Owner
	if err := json.Unmarshal(there, &owner); err != nil {
		return false, connector.Fatal.Errorf("%s in %s can't be read: %w", key, place, err)
	}
	if owner != o {
		return false, connector.Fatal.Errorf("chain %s below %s in %s belongs to connector %q with group %q in cluster %s, and this is connector %q with group %q in cluster %s: "+
			"give this one another prefix, or another chain name",
			chain, Root(prefix, chain), place, owner.Connector, owner.Group, owner.Cluster, o.Connector, o.Group, o.Cluster)
	}
	// The same bytes again: they must be refused. If not, nothing has changed.
	switch err := s.Put(ctx, key, bytes.Clone(there)); {
	case errors.Is(err, ErrExists):
		return true, nil
	case err == nil, errors.Is(err, errors.ErrUnsupported):
		return false, nil
	default:
		return false, fmt.Errorf("find out whether %s refuses to overwrite: %w", place, err)
	}
}
