package staging

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
)

// damaged is a chain whose link 1, of offsets 0 to 99, names files with 8 rows each by two keys. The uploads of the
// files that lost picks are gone before they were completed.
func damaged(t *testing.T, path string, lost func(o chain.Object) bool) *chaintest.Memory {
	t.Helper()
	m := chaintest.NewMemory(chaintest.Options{})
	var dead atomic.Bool
	view := m.View(func(call, _ string) chaintest.Fault {
		if dead.Load() || call == "Complete" {
			dead.Store(true)
			return chaintest.Fault{Fate: chaintest.Refused}
		}
		return chaintest.Fault{}
	})
	o := options(t, view, path)
	o.Rotation.Records = 8
	g := begin(t, New(o), assignment())
	g.add(t, numbered(0, 100, "a", "b")...)
	if _, err := g.Commit(t.Context(), g.to(100)); err == nil {
		t.Fatal("the process didn't die")
	}
	n := 0
	for _, o := range link(t, m, 1).Objects {
		if lost(o) && m.DropUpload(o.Upload) {
			n++
		}
	}
	if n == 0 {
		t.Fatal("nothing is lost")
	}
	return m
}

func secondOfA(o chain.Object) bool { return o.First == 16 }

// middle are three files: two of a, and one of b.
func middle(o chain.Object) bool { return o.First == 16 || o.First == 48 || o.First == 33 }

// TestMend: files whose uploads are gone are written again from Kafka, and nothing else is.
func TestMend(t *testing.T) {
	for name, c := range map[string]struct {
		path        string
		lost        func(chain.Object) bool
		from, until int64
	}{
		"one":         {"data/{key}/", secondOfA, 16, 31},
		"three":       {"data/{key}/", middle, 16, 63},
		"by position": {"data/{key}/{position}", middle, 16, 63},
	} {
		t.Run(name, func(t *testing.T) {
			m := damaged(t, c.path, c.lost)
			o := options(t, m, c.path)
			o.Rotation.Records = 3 // it cuts no file that is written again
			s := New(o)
			g := begin(t, s, assignment())
			if g.at.ReadFrom != c.from || g.at.Until != c.until || g.at.At != 2 || len(g.at.Notes) != 1 || !strings.Contains(g.at.Notes[0], link(t, m, 1).Objects[2].Key) {
				t.Fatalf("%+v", g.at)
			}
			g.add(t, numbered(int(c.from), int(c.from)+9, "a", "b")...)
			g.add(t, numbered(int(c.from)+9, int(c.until), "a", "b")...)
			at, err := g.Commit(t.Context(), connector.Range{From: c.from, Next: c.until, Reason: connector.RotateMend})
			if err != nil {
				t.Fatal(err)
			}
			if at.At != 3 || at.ReadFrom != 100 || at.Until != 0 {
				t.Errorf("%+v", at)
			}
			if l := link(t, m, 2); l.Kind != chain.KindSeal || l.From != 100 || l.Next != 100 || len(l.Objects) > 0 {
				t.Errorf("%+v", l)
			}
			if got := rows(t, m); !slices.Equal(got, counted(0, 100)) || len(m.Open()) > 0 {
				t.Errorf("%q, %v", got, m.Open())
			}
			for _, o := range link(t, m, 1).Objects {
				if rows := data(t, m)[o.Key]; int64(len(rows)) != o.Rows {
					t.Errorf("%s has %d rows, want %d", o.Key, len(rows), o.Rows)
				}
			}
			g = follow(t, s, at)
			g.add(t, numbered(100, 110, "a")...)
			g.commit(t, 110)
			if got := rows(t, m); !slices.Equal(got, counted(0, 110)) {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestMendTwice: two processes mend at the same time, and one is slow.
func TestMendTwice(t *testing.T) {
	m := damaged(t, "data/{key}/", middle)
	slow, quick := begin(t, New(options(t, m, "data/{key}/")), assignment()), begin(t, New(options(t, m, "data/{key}/")), assignment())
	r := connector.Range{From: 16, Next: 63, Reason: connector.RotateMend}
	for _, g := range []ranging{slow, quick} {
		g.add(t, numbered(16, 63, "a", "b")...)
	}
	if _, err := quick.Commit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if _, err := slow.Commit(t.Context(), r); connector.ClassOf(err) != connector.Lost {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	if err := slow.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	if got := rows(t, m); !slices.Equal(got, counted(0, 100)) || len(m.Open()) > 0 {
		t.Errorf("%q, %v", got, m.Open())
	}
}

// TestNotMended: what would be written isn't what was there.
func TestNotMended(t *testing.T) {
	m := damaged(t, "data/{key}/", secondOfA)
	key := link(t, m, 1).Objects[2].Key
	a := assignment()
	for _, plan := range []string{"another", ""} {
		a.Plan = plan
		_, err := New(options(t, m, "data/{key}/")).Recover(t.Context(), a)
		if connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), key+" (offsets 16 to 30)") || !strings.Contains(err.Error(), "link 1") {
			t.Errorf("class %v: %v", connector.ClassOf(err), err)
		}
	}
	g := begin(t, New(options(t, m, "data/{key}/")), assignment())
	g.add(t, numbered(19, 31, "a", "b")...) // Kafka has deleted what was below
	_, err := g.Commit(t.Context(), connector.Range{From: 16, Next: 31, Reason: connector.RotateMend})
	if connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "offsets 16 to 30 give 6 rows for it now, and gave 8") {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	if _, ok := m.Objects()[key]; ok {
		t.Errorf("%s is there", key)
	}
	g = begin(t, New(options(t, m, "data/{key}/")), assignment())
	if _, err := g.Commit(t.Context(), connector.Range{From: 16, Next: 20, Reason: connector.RotateDrain}); connector.ClassOf(err) != connector.Lost {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
}

// TestMendAfterCrash: a process dies when it has completed what was lost, before the seal.
func TestMendAfterCrash(t *testing.T) {
	for _, path := range []string{"data/{key}/", "data/{key}/{position}"} {
		m := damaged(t, path, middle)
		dying := New(options(t, m.View(func(call, key string) chaintest.Fault {
			if call == "Put" && strings.HasSuffix(key, "2.json") {
				return chaintest.Fault{Fate: chaintest.Refused}
			}
			return chaintest.Fault{}
		}), path))
		r := connector.Range{From: 16, Next: 63, Reason: connector.RotateMend}
		g := begin(t, dying, assignment())
		g.add(t, numbered(16, 63, "a", "b")...)
		if _, err := g.Commit(t.Context(), r); err == nil {
			t.Fatal("it didn't die")
		}
		if err := g.Abort(t.Context()); err != nil {
			t.Error(err)
		}
		g = begin(t, New(options(t, m, path)), assignment())
		if g.at.Until != 0 || g.at.ReadFrom != 100 || g.at.At != 2 {
			t.Errorf("%s: %+v", path, g.at)
		}
		if got := rows(t, m); !slices.Equal(got, counted(0, 100)) {
			t.Errorf("%q", got)
		}
	}
}
