package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/millrace/millrace/connector"
)

// A Replacer is a Store in which a small object can be exchanged for another. Only the owner of a chain ever is: links are immutable.
type Replacer interface {
	// Replace puts body under a key that holds was. It answers ErrExists if the key holds anything else, ErrMissing if it holds
	// nothing, and errors.ErrUnsupported if the store can't do so; nothing is changed then.
	Replace(ctx context.Context, key string, was, body []byte) error
}

// Claim binds a chain to its owner, or finds that it is bound to it already; another owner is an error of class Fatal. place
// names the store for messages: "s3://bucket". conditional reports whether the store keeps its word that Put never overwrites: without
// that there can be no chain.
func Claim(ctx context.Context, s Store, place, prefix, chain string, o Owner) (conditional bool, err error) {
	key := OwnerKey(prefix, chain)
	mine, err := json.Marshal(o)
	if err != nil {
		return false, fmt.Errorf("encode the owner of chain %s: %w", chain, err)
	}
	owner, there, err := ownerOf(ctx, s, place, prefix, chain)
	if errors.Is(err, ErrMissing) {
		err = s.Put(ctx, key, mine)
		if errors.Is(err, errors.ErrUnsupported) {
			return false, nil
		}
		if err != nil && !errors.Is(err, ErrExists) {
			return false, fmt.Errorf("claim chain %s in %s: %w", chain, place, err)
		}
		owner, there, err = ownerOf(ctx, s, place, prefix, chain)
	}
	if err != nil {
		return false, err
	}
	if err := owner.differs(place, prefix, chain, o); err != nil {
		return false, err
	}
	return refuses(ctx, s, place, key, there)
}

// Owner reads whose the place's chain is. The error is ErrMissing if it is nobody's.
func (p *Place) Owner(ctx context.Context) (Owner, error) {
	o, _, err := ownerOf(ctx, p.Store, p.Name, p.Prefix, p.Chain)
	return o, err
}

// ownerOf reads whose a chain is. The error is ErrMissing if it is nobody's.
func ownerOf(ctx context.Context, s Store, place, prefix, chain string) (o Owner, body []byte, err error) {
	key := OwnerKey(prefix, chain)
	if body, err = s.Get(ctx, key); err != nil {
		return o, nil, fmt.Errorf("look whose chain %s in %s is: %w", chain, place, err)
	}
	if err := json.Unmarshal(body, &o); err != nil {
		return o, nil, connector.Fatal.Errorf("%s in %s can't be read: %w", key, place, err)
	}
	return o, body, nil
}

// refuses reports whether the store refuses to put what is there once more. If it doesn't, nothing has changed.
func refuses(ctx context.Context, s Store, place, key string, there []byte) (bool, error) {
	switch err := s.Put(ctx, key, bytes.Clone(there)); {
	case errors.Is(err, ErrExists):
		return true, nil
	case err == nil, errors.Is(err, errors.ErrUnsupported):
		return false, nil
	default:
		return false, fmt.Errorf("find out whether %s refuses to overwrite: %w", place, err)
	}
}

// differs is why a chain of this owner isn't another's, of class Fatal; nil if it is.
func (o Owner) differs(place, prefix, chain string, other Owner) error {
	if o == other {
		return nil
	}
	way := "give this one another prefix, or another chain name"
	if o.Connector == other.Connector && o.Group == other.Group {
		way = "if its topics lie on this other cluster now, millrace move says where to begin there; otherwise " + way
	}
	return connector.Fatal.Errorf("chain %s below %s in %s belongs to connector %q with group %q in cluster %s, and this is connector %q with group %q in cluster %s: %s",
		chain, Root(prefix, chain), place, o.Connector, o.Group, o.Cluster, other.Connector, other.Group, other.Cluster, way)
}

// A Tenure is whose a chain is, as it was read.
type Tenure struct {
	Owner   Owner
	Claimed bool // false: nobody has claimed the chain yet
	body    []byte
}

// TenureOf reads whose a chain is, for a connector that may have moved to another cluster. A chain of another connector or
// group is an error of class Fatal, and so is a store that overwrites, in which there is no chain.
func TenureOf(ctx context.Context, s Store, place, prefix, chain string, o Owner) (Tenure, error) {
	owner, body, err := ownerOf(ctx, s, place, prefix, chain)
	if errors.Is(err, ErrMissing) {
		return Tenure{}, nil
	}
	if err != nil {
		return Tenure{}, err
	}
	moved := o
	moved.Cluster = owner.Cluster
	if err := owner.differs(place, prefix, chain, moved); err != nil {
		return Tenure{}, err
	}
	conditional, err := refuses(ctx, s, place, OwnerKey(prefix, chain), body)
	if err == nil && !conditional {
		err = connector.Fatal.Errorf("%s overwrites what is there although it was asked not to, so it keeps no chain that could be moved: "+
			"remove %s, and set the group's offsets with Kafka's tools", place, OwnerKey(prefix, chain))
	}
	return Tenure{owner, true, body}, err
}

// Hand gives a chain to another owner, if it is still whose it was. To repeat it is harmless.
func (t Tenure) Hand(ctx context.Context, s Store, place, prefix, chain string, o Owner) error {
	key := OwnerKey(prefix, chain)
	mine, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode the owner of chain %s: %w", chain, err)
	}
	r, ok := s.(Replacer)
	if err = errors.ErrUnsupported; ok {
		err = r.Replace(ctx, key, t.body, mine)
	}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return connector.Systemic.Errorf("%s can't exchange %s for another: remove it, and the next start puts one with this cluster: %w", place, key, err)
	case errors.Is(err, ErrExists), errors.Is(err, ErrMissing):
		there, _, readErr := ownerOf(ctx, s, place, prefix, chain)
		if readErr == nil && there == o { // ours, by a call whose reply was lost
			return nil
		}
		return connector.Lost.Errorf("%s in %s was changed meanwhile: look who else moves this connector, and start again: %w", key, place, errors.Join(err, readErr))
	case err != nil:
		return fmt.Errorf("give chain %s in %s to cluster %s: %w", chain, place, o.Cluster, err)
	}
	return nil
}
