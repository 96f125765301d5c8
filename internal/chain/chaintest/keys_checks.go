package chaintest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/chain"
)

// The folder of one key is the beginning of another's name, so that a listing folder by folder is out of order.
var listed = []string{
	"a/x-1", "a/x.1", "a/x/1", "a/x/2", "a/x0", "a/B", "a/xä", "a/10", "a/9", "b/1", "a-/1", "a.b/1",
}

func checkListOrder(t testing.TB, h Harness) {
	s := openSite(t, h)
	stores := s.stores(t, 2)
	for i, key := range listed {
		mustPut(t, stores[i%2], key, []byte("x"))
		if keys := listAll(t, stores[1-i%2], "", 100); !slices.Contains(keys, key) {
			t.Errorf("List of another Store doesn't show %q right after its Put", key)
		}
	}
	if got, want := listAll(t, stores[0], "", 100), sorted(listed); !slices.Equal(got, want) {
		t.Errorf("List returns %q, want %q", got, want)
	}
}

func sorted(keys []string) []string {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	return keys
}

func checkListPages(t testing.TB, h Harness) {
	s := openSite(t, h)
	store := s.Open(t)
	for seq := range int64(7) {
		mustPut(t, store, fmt.Sprintf("%s%020d.json", dir(0), seq), []byte("x"))
	}
	all := listAll(t, store, dir(0), 100)
	if len(all) != 7 {
		t.Fatalf("List returns %d keys, want 7: %q", len(all), all)
	}
	for page := 1; page <= 8; page++ {
		if got := listAll(t, store, dir(0), page); !slices.Equal(got, all) {
			t.Errorf("by pages of %d, List returns %q, want %q", page, got, all)
		}
	}
	for i, after := range all {
		for size := 1; size <= 8; size++ {
			keys, more, err := store.List(t.Context(), dir(0), after, size)
			if err != nil {
				t.Fatalf("List after %q: %v", after, err)
			}
			rest := all[i+1:]
			if want := rest[:min(size, len(rest))]; !slices.Equal(keys, want) || more != (len(rest) > size) {
				t.Errorf("List of %d keys after number %d returns %d keys, more %t; want %d, %t", size, i, len(keys), more, len(want), len(rest) > size)
			}
		}
	}
}

func checkListPrefix(t testing.TB, h Harness) {
	s := openSite(t, h)
	store := s.Open(t)
	for _, key := range listed {
		mustPut(t, store, key, []byte("x"))
	}
	for _, prefix := range []string{"", "a", "a/", "a/x", "a/x/", "a/x/1", "a/x/1/", "a/z", "b/", "nothing/"} {
		for _, after := range append([]string{"", "a", "a/", "a/x", "a/x.", "a/x/", "a/x/0", "a/x/3", "b", "b/0", "zzz"}, listed...) {
			want := slices.DeleteFunc(sorted(listed), func(k string) bool { return !strings.HasPrefix(k, prefix) || k <= after })
			keys, more, err := store.List(t.Context(), prefix, after, 100)
			if err != nil || more || !slices.Equal(keys, want) {
				t.Errorf("List of prefix %q after %q returns %q, more %t, %v; want %q", prefix, after, keys, more, err, want)
			}
		}
	}
}

// checkListMany has more keys than Amazon S3 lists at a time (API reference of ListObjectsV2: up to 1,000).
func checkListMany(t testing.TB, h Harness) {
	const n, hands = 1010, 10
	s := openSite(t, h)
	store := s.Open(t)
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("%s%020d.json", dir(0), i))
	}
	failed := make([]error, hands)
	s.atOnce(hands, func(hand int) {
		for i := hand; i < n && failed[hand] == nil; i += hands {
			failed[hand] = put(t.Context(), store, want[i], []byte("x"))
		}
	})
	for _, err := range failed {
		if err != nil {
			t.Fatalf("Put: %v", err)
		}
	}
	for _, page := range []int{5000, 1000, 700} {
		if got := listAll(t, store, dir(0), page); !slices.Equal(got, want) {
			t.Errorf("by pages of %d, List returns %d keys, want %d in their order", page, len(got), len(want))
		}
	}
}

func checkGet(t testing.TB, h Harness) {
	s := openSite(t, h)
	stores := s.stores(t, 2)
	const key = "links/1.json"
	_, err := stores[0].Get(t.Context(), key)
	answers(t, "Get", key, err, chain.ErrMissing)
	body := fill(100_000, 1)
	mustPut(t, stores[0], key, body)
	for _, k := range []string{"links/", "links", "links/1", "links/1.json2", "links/2/1.json"} {
		_, err := stores[0].Get(t.Context(), k)
		answers(t, "Get", k, err, chain.ErrMissing)
	}
	for round := range 2 {
		for _, store := range stores {
			got, err := store.Get(t.Context(), key)
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("Get in round %d returns %d bytes, %v; want those that were put", round, len(got), err)
			}
			clear(got) // they are the caller's
		}
	}
	s.shows(t, key, body)
}

func checkPut(t testing.TB, h Harness) {
	s := openSite(t, h)
	stores := s.stores(t, 2)
	const key = "links/1.json"
	first := fill(500, 1)
	mustPut(t, stores[0], key, first)
	s.shows(t, key, first)
	for _, again := range [][]byte{fill(500, 2), fill(20, 3), fill(9000, 4), first} {
		for _, store := range stores {
			answers(t, "Put", key, put(t.Context(), store, key, again), chain.ErrExists)
			s.shows(t, key, first)
		}
	}
	mustPut(t, stores[1], "links/2.json", fill(20, 3))
	s.shows(t, "links/2.json", fill(20, 3))
	s.shows(t, key, first)
}

// Keys that something between the caller and the place may mistake for something else.
func awkward() []string {
	long := strings.Repeat("a-folder-of-20-bytes/", 1000/21)
	return []string{
		"percent/100%", "percent/%2F", "percent/a%20b", "percent/%", "percent/%zz", "plus/a+b", "plus/a b", "plus/ a ",
		"dots/.hidden", "dots/...", "dots/a..b", "dots/a.", "signs/a=1&b=2?c#d", "signs/!'()*,;:@$~^[]{}|", `signs/"quoted"<a>`, `signs/back\slash`,
		"unicode/Zürich", "unicode/été", "unicode/東京/駅", "unicode/🚗", "unicode/e\u0301",
		"Case/A", "equal=1/other=%3D/x", "deep/" + strings.Repeat("d/", 60) + "end",
		long + strings.Repeat("x", 1000-len(long)),
	}
}

func checkKeys(t testing.TB, h Harness) {
	s := openSite(t, h)
	stores := s.stores(t, 2)
	for i, key := range awkward() {
		var body []byte
		if i%2 == 0 {
			body = fill(50, uint64(i))
			mustPut(t, stores[0], key, body)
		} else {
			d := s.rival(t, stores[0], key, fill(60, uint64(i)))
			body = d.body
			s.hides(t, stores[1], key, "before Complete")
			complete(t, stores[1], d, true)
			s.looks(t, stores[0], d, chain.Ours)
		}
		s.shows(t, key, body)
		if got, err := stores[1].Get(t.Context(), key); err != nil || !bytes.Equal(got, body) {
			t.Errorf("Get of %q returns %d bytes, %v; want those that were written", key, len(got), err)
		}
		if got := listAll(t, stores[1], key, 100); len(got) == 0 || got[0] != key {
			t.Errorf("List of the prefix %q returns %q", key, got)
		}
	}
	if got, want := listAll(t, stores[0], "", 5), sorted(awkward()); !slices.Equal(got, want) {
		t.Errorf("List returns %q, want %q", got, want)
	}
}

// checkContext: a call whose context has ended is in doubt for its caller, and has changed nothing.
func checkContext(t testing.TB, h Harness) {
	s := openSite(t, h)
	store := s.Open(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	mustPut(t, store, "there", []byte("x"))
	d := s.staged(t, store, "data/a", fill(100, 1))
	_, _, err := store.List(ended, "", "", 10)
	undecided(t, "List", err)
	_, err = store.Get(ended, "there")
	undecided(t, "Get", err)
	undecided(t, "Put", store.Put(ended, "new", []byte("x")))
	undecided(t, "Put of a taken key", store.Put(ended, "there", []byte("y")))
	_, err = store.Begin(ended, &s.draft("data/b", true).Object)
	undecided(t, "Begin", err)
	_, err = store.Write(ended, d.linked(t), 2, d.Size, chain.Bytes{[]byte("y")})
	undecided(t, "Write", err)
	_, err = store.Look(ended, d.linked(t))
	undecided(t, "Look", err)
	undecided(t, "Complete", store.Complete(ended, d.linked(t), true))
	undecided(t, "Abort", store.Abort(ended, d.linked(t)))
	s.hides(t, store, "new", "after its context ended")
	s.shows(t, "there", []byte("x"))
	s.hides(t, store, d.Key, "after its context ended")
	complete(t, store, d, true)
	s.shows(t, d.Key, d.body)
}
