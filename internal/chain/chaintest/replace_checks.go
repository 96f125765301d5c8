package chaintest

import (
	"testing"

	"github.com/millrace/millrace/internal/chain"
)

// checkReplace: what a caller read is exchanged, and nothing else is. A Store need not be a chain.Replacer.
func checkReplace(t testing.TB, h Harness) {
	s := openSite(t, h)
	stores := s.stores(t, 2)
	if _, ok := stores[0].(chain.Replacer); !ok {
		return
	}
	const key = "links/owner.json"
	first, second, third := fill(200, 1), fill(200, 2), fill(90, 3)
	replace := func(store chain.Store, was, body []byte) error {
		t.Helper()
		return store.(chain.Replacer).Replace(t.Context(), key, was, body)
	}
	answers(t, "Replace", key, replace(stores[0], first, second), chain.ErrMissing)
	mustPut(t, stores[0], key, first)
	for _, other := range [][]byte{second, first[:199], append(fill(200, 1), 'x'), {}} {
		answers(t, "Replace", key, replace(stores[1], other, third), chain.ErrExists)
		s.shows(t, key, first)
	}
	if err := replace(stores[0], first, second); err != nil {
		t.Fatal(err)
	}
	s.shows(t, key, second)
	answers(t, "Replace", key, replace(stores[1], first, third), chain.ErrExists)
	if err := replace(stores[1], second, third); err != nil {
		t.Fatal(err)
	}
	s.shows(t, key, third)
	answers(t, "Put", key, put(t.Context(), stores[0], key, first), chain.ErrExists)
}
