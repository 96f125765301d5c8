package chaintest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/chain"
)

func checkInvisible(t testing.TB, h Harness) {
	s := openSite(t, h)
	stores := s.stores(t, 2)
	d := s.draft("data/a", true)
	hidden := func(when string) {
		t.Helper()
		for _, store := range stores {
			s.hides(t, store, d.Key, when)
			s.looks(t, store, d, chain.Nothing)
			if keys := listAll(t, store, "", 10); len(keys) > 0 {
				t.Errorf("List returns %q %s, want nothing", keys, when)
			}
		}
	}
	hidden("before Begin")
	steps := []struct {
		name string
		run  func() error
	}{
		{"Begin", func() error { return d.begin(t.Context(), stores[0]) }},
		{"Write", func() error { return d.write(t.Context(), stores[0], fill(h.MinPart+2000, 1)) }},
		{"Write of the last part", func() error { return d.write(t.Context(), stores[0], fill(10, 2)) }},
		{"Seal", func() error { return stores[0].Seal(t.Context(), &d.Object) }},
	}
	for _, step := range steps {
		if err := step.run(); err != nil {
			t.Fatalf("%s of %q: %v", step.name, d.Key, err)
		}
		hidden("after " + step.name)
	}
	complete(t, stores[0], d, false)
	for _, store := range stores {
		s.looks(t, store, d, chain.Ours)
		if keys := listAll(t, store, "", 10); !slices.Equal(keys, []string{d.Key}) {
			t.Errorf("List returns %q after Complete, want %q", keys, d.Key)
		}
	}
	s.shows(t, d.Key, d.body)
}

// checkParts writes the parts last first and at the same time: their numbers and places count.
func checkParts(t testing.TB, h Harness) {
	s := openSite(t, h)
	store := s.Open(t)
	one := s.staged(t, store, "data/one", fill(1, 9))
	complete(t, store, one, true)
	s.shows(t, one.Key, one.body)
	bodies := [][]byte{fill(h.MinPart+1000, 1), fill(h.MinPart+7, 2), fill(h.MinPart+40_000, 3), fill(3, 4)}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, nil} {
		d := s.draft(fmt.Sprint("data/", len(order), order), true)
		if err := d.begin(t.Context(), store); err != nil {
			t.Fatal(err)
		}
		parts, failed := make([]chain.Part, len(bodies)), make([]error, len(bodies))
		write := func(i int) {
			at := int64(0)
			for _, b := range bodies[:i] {
				at += int64(len(b))
			}
			parts[i], failed[i] = d.writeAt(t.Context(), store, i+1, at, bodies[i])
		}
		for _, i := range order {
			write(i)
		}
		if order == nil {
			s.atOnce(len(bodies), write)
		}
		for i, b := range bodies {
			if failed[i] != nil {
				t.Fatalf("%q: %v", d.Key, failed[i])
			}
			d.add(b, parts[i])
		}
		if err := store.Seal(t.Context(), &d.Object); err != nil {
			t.Fatalf("Seal of %q: %v", d.Key, err)
		}
		complete(t, store, d, true)
		s.shows(t, d.Key, d.body)
	}
}

// checkPartAgain repeats parts, as a caller does that heard no answer.
func checkPartAgain(t testing.TB, h Harness) {
	s := openSite(t, h)
	store := s.Open(t)
	d := s.draft("data/a", true)
	if err := d.begin(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	bodies := [][]byte{fill(h.MinPart+1000, 1), fill(h.MinPart+1000, 2), fill(100, 3)}
	for _, b := range bodies {
		at := int64(len(d.body))
		for range 2 {
			if _, err := d.writeAt(t.Context(), store, len(d.Parts)+1, at, b); err != nil {
				t.Fatalf("%q: %v", d.Key, err)
			}
		}
		if err := d.write(t.Context(), store, b); err != nil {
			t.Fatalf("%q: %v", d.Key, err)
		}
	}
	p, err := d.writeAt(t.Context(), store, 1, 0, bodies[0])
	if err != nil {
		t.Fatalf("%q: %v", d.Key, err)
	}
	d.Parts[0] = p
	if err := store.Seal(t.Context(), &d.Object); err != nil {
		t.Fatalf("Seal of %q: %v", d.Key, err)
	}
	complete(t, store, d, true)
	s.shows(t, d.Key, d.body)
}

func checkManyUploads(t testing.TB, h Harness) {
	const n = 16
	s := openSite(t, h)
	store := s.Open(t)
	drafts, failed := make([]*draft, n), make([]error, n)
	s.atOnce(n, func(i int) {
		d := s.draft(fmt.Sprint("data/", i), true)
		drafts[i] = d
		failed[i] = d.stage(t.Context(), store, fill(int64(1000+i), uint64(i)))
	})
	s.atOnce(n, func(i int) {
		if failed[i] == nil {
			failed[i] = store.Complete(t.Context(), &drafts[i].Object, i%2 == 0)
		}
	})
	for i, d := range drafts {
		if failed[i] != nil {
			t.Fatalf("%q beside %d others: %v", d.Key, n-1, failed[i])
		}
		s.shows(t, d.Key, d.body)
	}
	if keys := listAll(t, store, "data/", 100); len(keys) != n {
		t.Errorf("List returns %d keys, want %d", len(keys), n)
	}
}

func checkSeal(t testing.TB, h Harness) {
	s := openSite(t, h)
	store := s.Open(t)
	d := s.staged(t, store, "data/a", fill(100, 1))
	if err := store.Seal(t.Context(), &d.Object); err != nil { // the first answer was lost
		t.Fatalf("Seal of %q again: %v", d.Key, err)
	}
	s.hides(t, store, d.Key, "after Seal")
	complete(t, store, d, false)
	s.shows(t, d.Key, d.body)
}

func checkCompleteAgain(t testing.TB, h Harness) {
	s := openSite(t, h)
	stores := s.stores(t, 2)
	for _, fresh := range []bool{false, true} {
		d := s.staged(t, stores[0], fmt.Sprint("data/", fresh), fill(h.MinPart+1000, 1), fill(10, 2))
		complete(t, stores[0], d, fresh)
		for _, store := range []chain.Store{stores[0], stores[1], stores[0], stores[1], s.Open(t)} {
			if err := s.finish(t, store, d.linked(t), fresh); err != nil {
				t.Errorf("Complete of %q again, fresh %t: %v", d.Key, fresh, err)
			}
			s.looks(t, store, d, chain.Ours)
			s.shows(t, d.Key, d.body)
		}
	}
}

func checkTaken(t testing.TB, h Harness) {
	s := openSite(t, h)
	stores := s.stores(t, 2)
	mustPut(t, stores[0], "data/put", fill(300, 1))
	first := s.rival(t, stores[0], "data/completed", fill(400, 2))
	complete(t, stores[0], first, true)
	for key, there := range map[string][]byte{"data/put": fill(300, 1), "data/completed": first.body} {
		d := s.rival(t, stores[1], key, fill(500, 3))
		for _, store := range stores {
			answers(t, "fresh Complete", key, store.Complete(t.Context(), d.linked(t), true), chain.ErrExists)
			s.shows(t, key, there)
			s.looks(t, store, d, chain.Foreign)
		}
	}
	s.looks(t, stores[1], first, chain.Ours)
	answers(t, "Put", first.Key, put(t.Context(), stores[1], first.Key, fill(10, 4)), chain.ErrExists)
	s.shows(t, first.Key, first.body)
}

func checkLook(t testing.TB, h Harness) {
	s := openSite(t, h)
	stores := s.stores(t, 2)
	const key = "data/a.json"
	drafts := []*draft{
		s.rival(t, stores[0], key, fill(200, 1)),
		s.rival(t, stores[1], key, fill(200, 2)), // as long
		s.rival(t, stores[1], key, fill(201, 1)),
	}
	for i, d := range drafts {
		s.looks(t, stores[i%2], d, chain.Nothing)
	}
	complete(t, stores[0], drafts[0], true)
	for i, d := range drafts {
		want := chain.Foreign
		if i == 0 {
			want = chain.Ours
		}
		for _, store := range stores {
			s.looks(t, store, d, want)
		}
	}
	const other = "data/b.json"
	d := s.rival(t, stores[0], other, fill(200, 3))
	mustPut(t, stores[1], other, fill(200, 4))
	s.looks(t, stores[0], d, chain.Foreign)
}

func checkAbort(t testing.TB, h Harness) {
	s := openSite(t, h)
	stores := s.stores(t, 2)
	const key = "data/a.json"
	dropped := s.rival(t, stores[0], key, fill(200, 1))
	kept := s.rival(t, stores[0], key, fill(300, 2))
	for i := range 4 { // again, and by another Store
		if err := stores[i/2].Abort(t.Context(), dropped.linked(t)); err != nil {
			t.Errorf("Abort number %d of %q: %v", i+1, key, err)
		}
		s.hides(t, stores[i%2], key, "after Abort")
	}
	complete(t, stores[0], kept, true)
	s.shows(t, key, kept.body)
	begun := s.draft("data/empty", true)
	if err := begun.begin(t.Context(), stores[0]); err != nil {
		t.Fatal(err)
	}
	if err := stores[0].Abort(t.Context(), begun.linked(t)); err != nil {
		t.Errorf("Abort of an upload without parts: %v", err)
	}
	s.hides(t, stores[0], begun.Key, "after Abort")
}

func checkAbortCompleted(t testing.TB, h Harness) {
	s := openSite(t, h)
	stores := s.stores(t, 2)
	d := s.staged(t, stores[0], "data/a", fill(200, 1))
	complete(t, stores[0], d, true)
	for _, store := range []chain.Store{stores[0], stores[1], stores[1]} {
		if err := store.Abort(t.Context(), d.linked(t)); err != nil {
			t.Errorf("Abort of %q after its Complete: %v", d.Key, err)
		}
		s.shows(t, d.Key, d.body)
		s.looks(t, store, d, chain.Ours)
	}
}

func checkCompleteAborted(t testing.TB, h Harness) {
	s := openSite(t, h)
	stores := s.stores(t, 2)
	for _, fresh := range []bool{false, true} {
		d := s.staged(t, stores[0], fmt.Sprint("data/", fresh), fill(h.MinPart+1000, 1), fill(10, 2))
		if err := stores[0].Abort(t.Context(), d.linked(t)); err != nil {
			t.Fatalf("Abort of %q: %v", d.Key, err)
		}
		for _, store := range stores {
			s.misses(t, store, d, fresh)
			s.looks(t, store, d, chain.Nothing)
			s.hides(t, store, d.Key, "after Abort and Complete")
		}
	}
}

// checkWriteAborted: a part that arrives after the Abort brings nothing back.
func checkWriteAborted(t testing.TB, h Harness) {
	s := openSite(t, h)
	stores := s.stores(t, 2)
	d := s.draft("data/a", true)
	ctx := t.Context()
	if err := errors.Join(d.begin(ctx, stores[0]), d.write(ctx, stores[0], fill(h.MinPart+1000, 1)), d.write(ctx, stores[0], fill(10, 2))); err != nil {
		t.Fatal(err)
	}
	if err := stores[1].Abort(ctx, d.linked(t)); err != nil {
		t.Fatalf("Abort of %q: %v", d.Key, err)
	}
	// Whether these fail is the store's choice.
	_, _ = d.writeAt(ctx, stores[0], 2, h.MinPart+1000, fill(10, 2))
	_ = stores[0].Seal(ctx, &d.Object)
	for _, store := range stores {
		s.misses(t, store, d, false)
		s.hides(t, store, d.Key, "after Abort, Write and Complete")
	}
}

// checkAnotherProcess: all that the one that finishes has is the link.
func checkAnotherProcess(t testing.TB, h Harness) {
	s := openSite(t, h)
	dead, cancel := context.WithCancel(t.Context())
	first := s.Open(t)
	drafts := []*draft{s.draft("data/a", true), s.draft("data/b", true), s.draft("data/c.json", false)}
	for i, d := range drafts {
		if err := d.stage(dead, first, fill(h.MinPart+1000, uint64(i)), fill(10, 2)); err != nil {
			t.Fatalf("stage %q: %v", d.Key, err)
		}
	}
	cancel()
	for i, d := range drafts {
		store := s.Open(t)
		s.looks(t, store, d, chain.Nothing)
		if i == 1 {
			if err := store.Abort(t.Context(), d.linked(t)); err != nil {
				t.Errorf("Abort of %q, begun by another process: %v", d.Key, err)
			}
			s.misses(t, store, d, false)
			continue
		}
		complete(t, store, d, !d.Unique)
		s.looks(t, store, d, chain.Ours)
		s.shows(t, d.Key, d.body)
		s.looks(t, s.Open(t), d, chain.Ours)
	}
}
