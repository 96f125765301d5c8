package chaintest

import (
	"fmt"
	"maps"
	"testing"

	"github.com/millrace/millrace/internal/chain"
)

// checkUploads looks at a Store that is a chain.Cleaner; others have nothing to show.
func checkUploads(t testing.TB, h Harness) {
	s := openSite(t, h)
	first := s.Open(t)
	cleaner, ok := first.(chain.Cleaner)
	if !ok {
		return
	}
	uploads(t, cleaner, dir(0), nil)
	// Partition 1's folder is the beginning of partition 10's name, but for the slash.
	want := map[int32]map[string]int64{0: {}, 1: {}, 10: {}}
	begun := map[string]*draft{}
	for i, partition := range []int32{0, 1, 10, 0, 1, 0} {
		d := s.draft(fmt.Sprint("data/", i), true)
		d.Dir, d.Seq = dir(partition), int64(100+i)
		if err := d.stage(t.Context(), first, fill(100, uint64(i))); err != nil {
			t.Fatalf("stage %q: %v", d.Key, err)
		}
		want[partition][d.Upload] = d.Seq
		begun[d.Upload] = d
	}
	other := s.Open(t)
	check := func() {
		t.Helper()
		for partition, ids := range want {
			uploads(t, cleaner, dir(partition), ids)
			uploads(t, other.(chain.Cleaner), dir(partition), ids)
		}
	}
	check()
	completed, aborted := pick(want[0]), pick(want[1])
	complete(t, other, begun[completed], false)
	delete(want[0], completed)
	if err := other.Abort(t.Context(), begun[aborted].linked(t)); err != nil {
		t.Fatalf("Abort: %v", err)
	}
	delete(want[1], aborted)
	check()

	found, err := other.(chain.Cleaner).Uploads(t.Context(), dir(0))
	if err != nil {
		t.Fatalf("Uploads: %v", err)
	}
	for i := range found {
		d := begun[found[i].Upload]
		if err := other.Abort(t.Context(), &found[i]); err != nil {
			t.Errorf("Abort of what Uploads returned for %q: %v", d.Key, err)
		}
		s.misses(t, first, d, false)
		s.hides(t, other, d.Key, "after Abort")
	}
	clear(want[0])
	check()
}

// pick is one of the ids.
func pick(ids map[string]int64) string {
	for id := range ids {
		return id
	}
	return ""
}

// uploads compares those that were begun for a folder, by id, with their numbers.
func uploads(t testing.TB, c chain.Cleaner, dir string, want map[string]int64) {
	t.Helper()
	found, err := c.Uploads(t.Context(), dir)
	if err != nil {
		t.Fatalf("Uploads of %q: %v", dir, err)
	}
	got := map[string]int64{}
	for i := range found {
		if _, twice := got[found[i].Upload]; twice {
			t.Errorf("Uploads of %q returns %q twice", dir, found[i].Upload)
		}
		got[found[i].Upload] = found[i].Seq
	}
	if !maps.Equal(got, want) {
		t.Errorf("Uploads of %q returns these ids with their numbers: %v, want %v", dir, got, want)
	}
}
