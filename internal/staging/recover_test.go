package staging

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
)

// chained makes a chain whose newest link has number 1 and ends at offset 20, and returns what the group committed with it.
func chained(t *testing.T, m *chaintest.Memory) connector.Position {
	t.Helper()
	g := begin(t, New(options(t, m, "data/{key}/")), assignment())
	g.add(t, numbered(0, 20, "a", "b")...)
	return g.commit(t, 20)
}

func TestGroupAndChain(t *testing.T) {
	other := chain.Hint{Chain: "other", Dir: "x/", Seq: 7}.Encode()
	for name, c := range map[string]struct {
		change func(a *connector.Assignment, meta string)
		from   int64  // where reading goes on
		says   string // a note
		fails  string
		gap    bool
	}{
		"as committed":      {func(a *connector.Assignment, meta string) { a.Committed, a.Meta = 20, meta }, 20, "", "", false},
		"nothing committed": {func(*connector.Assignment, string) {}, 20, "", "", false},
		"older hint": {func(a *connector.Assignment, _ string) {
			a.Committed, a.Meta = 0, chain.Hint{Chain: "main", Dir: "data/_millrace/main/test/" + fmt.Sprintf("%x", a.TopicID) + "/0/", Seq: 0}.Encode()
		}, 20, "", "", false},
		"set back":             {func(a *connector.Assignment, _ string) { a.Committed = 3 }, 20, "3, is below the end of the chain, 20: ignored", "", false},
		"another chain, above": {func(a *connector.Assignment, _ string) { a.Committed, a.Meta = 30, other }, 20, "", "", false},
		"set forward":          {func(a *connector.Assignment, _ string) { a.Committed = 30 }, 0, "", "offsets 20 to 29 would be in no file", false},
		"set forward, earliest": {func(a *connector.Assignment, _ string) {
			a.Committed, a.OnGap = 30, connector.GapEarliest
		}, 20, "above the end of the chain, 20", "", false},
		"set forward, latest": {func(a *connector.Assignment, _ string) {
			a.Committed, a.OnGap = 30, connector.GapLatest
		}, 30, "offsets 20 to 29 are left out", "", true},
		"topic made anew": {func(a *connector.Assignment, meta string) {
			a.Committed, a.Meta, a.Recreated, a.Initial, a.TopicID = 20, meta, true, 4, [16]byte{9}
		}, 4, "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			m := chaintest.NewMemory(chaintest.Options{})
			meta := chained(t, m).Meta
			a := assignment()
			c.change(&a, meta)
			a.Start = a.Committed
			s := New(options(t, m, "data/{key}/"))
			at, err := s.Recover(t.Context(), a)
			if c.fails != "" {
				if connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("class %v: %v", connector.ClassOf(err), err)
				}
				return
			}
			if err != nil || at.ReadFrom != c.from || at.Until != 0 {
				t.Fatalf("%+v, %v; want to read from %d", at, err, c.from)
			}
			if text := strings.Join(at.Notes, ";"); (c.says == "") != (text == "") || !strings.Contains(text, c.says) {
				t.Errorf("notes %q, want %q", at.Notes, c.says)
			}
			if c.gap {
				l := link(t, m, 2)
				if l.Kind != chain.KindGap || *l.Gap != (chain.Gap{From: 20, To: 30}) || l.From != 20 || l.Next != 30 || at.At != 3 {
					t.Errorf("%+v, position %+v", l, at)
				}
			}
		})
	}
}

// TestFirstStart: where a chain begins is fixed before anything is read.
func TestFirstStart(t *testing.T) {
	other := chain.Hint{Chain: "other", Dir: "x/", Seq: 7}.Encode()
	for name, c := range map[string]struct {
		committed int64
		meta      string
		want      int64
	}{
		"nothing committed":    {-1, "", 100},
		"without links so far": {40, "", 40},
		"another text":         {40, "window state", 40},
		"of another chain":     {40, other, 100},
	} {
		m := chaintest.NewMemory(chaintest.Options{})
		a := assignment()
		a.Committed, a.Meta, a.Initial, a.Start = c.committed, c.meta, 100, c.committed
		if c.committed < 0 {
			a.Start = 100
		}
		at, err := New(options(t, m, "data/{key}/")).Recover(t.Context(), a)
		if err != nil || at.ReadFrom != c.want || at.At != 1 {
			t.Errorf("%s: %+v, %v", name, at, err)
		}
		if root := link(t, m, 0); root.Next != c.want || root.Kind != chain.KindRoot {
			t.Errorf("%s: root %+v", name, root)
		}
	}
}

// TestRewound: the group's offset is above the chain's end because somebody went back.
func TestRewound(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	at := chained(t, m)
	a := assignment()
	id := chain.ID{Prefix: "data", Chain: "main", Cluster: a.ClusterID, TopicID: a.TopicID}
	rewind := &chain.Link{Version: chain.Version, Kind: chain.KindRewind, Seq: 2, Attempt: "x", From: 20, Next: 5, First: -1, Last: -1, Rewind: 2}
	if err := m.Put(t.Context(), id.Key(2), rewind.Encode()); err != nil {
		t.Fatal(err)
	}
	a.Committed, a.Start, a.Meta = 20, 20, at.Meta
	s := New(options(t, m, "data/{key}/"))
	g := begin(t, s, a)
	if g.at.ReadFrom != 5 || g.at.At != 3 || len(g.at.Notes) > 0 {
		t.Fatalf("%+v", g.at)
	}
	g.add(t, numbered(5, 8, "a")...)
	at = g.commit(t, 8)
	if l := link(t, m, 3); l.Rewind != 2 {
		t.Errorf("the rewind isn't carried on: %+v", l)
	}
	// Set forward by a person, behind the rewind: that isn't explained.
	a.Committed, a.Meta = 20, at.Meta
	if _, err := s.Recover(t.Context(), a); connector.ClassOf(err) != connector.Permanent {
		t.Errorf("%v", err)
	}
}

// TestGapAndSeal: the links that hold no file.
func TestGapAndSeal(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	at := chained(t, m)
	s := New(options(t, m, "data/{key}/"))
	g := begin(t, s, assignment())
	r := connector.Range{From: 20, Next: 50, First: -1, Last: -1, Reason: connector.RotateGap}
	next, err := g.Commit(t.Context(), r)
	if err != nil || next.ReadFrom != 50 || next.At != at.At+1 {
		t.Fatalf("%+v, %v", next, err)
	}
	if l := link(t, m, 2); l.Kind != chain.KindGap || *l.Gap != (chain.Gap{From: 20, To: 50}) {
		t.Errorf("%+v", l)
	}
	seal := connector.Range{From: 50, Next: 50, First: -1, Last: -1, Reason: connector.RotateSeal}
	g = follow(t, s, next)
	if same, err := g.Commit(t.Context(), seal); err != nil || same.At != next.At || same.ReadFrom != 50 || same.Meta != next.Meta {
		t.Errorf("a seal behind a link without files: %+v, %v", same, err)
	}
	g = follow(t, s, next)
	g.add(t, numbered(50, 60, "a")...)
	next = g.commit(t, 60)
	seal.From, seal.Next = 60, 60
	if next, err = follow(t, s, next).Commit(t.Context(), seal); err != nil || next.At != 5 || next.ReadFrom != 60 {
		t.Errorf("%+v, %v", next, err)
	}
	if l := link(t, m, 4); l.Kind != chain.KindSeal || l.From != 60 || l.Next != 60 || len(l.Objects) > 0 {
		t.Errorf("%+v", l)
	}
	if same, err := follow(t, s, next).Commit(t.Context(), seal); err != nil || same.At != 5 {
		t.Errorf("a second seal: %+v, %v", same, err)
	}
}

// TestClaim: the place is looked at once, its owner is checked, and what is to be said is said once.
func TestClaim(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	o := options(t, m, "data/{key}/")
	inspected, broken := 0, errors.New("access denied")
	o.Inspect = func(context.Context) ([]string, error) {
		if inspected++; inspected == 1 {
			return nil, broken
		}
		return []string{"uploads are aborted after a day"}, nil
	}
	s := New(o)
	a := assignment()
	if _, err := s.Recover(t.Context(), a); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	var notes []string
	for range 3 {
		at, err := s.Recover(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		notes = append(notes, at.Notes...)
	}
	if inspected != 2 || !slices.Equal(notes, []string{"uploads are aborted after a day"}) {
		t.Errorf("inspected %d times; notes %q", inspected, notes)
	}
	a.Group = "another"
	if _, err := New(options(t, m, "data/{key}/")).Recover(t.Context(), a); connector.ClassOf(err) != connector.Fatal {
		t.Errorf("another group may write there: %v", err)
	}
	a.ClusterID = "../x"
	if _, err := New(options(t, m, "data/{key}/")).Recover(t.Context(), a); connector.ClassOf(err) != connector.Fatal {
		t.Errorf("a cluster id that leads elsewhere: %v", err)
	}
}

// TestWithoutLinks: a store that overwrites gets no links, tails on all names, and a plain word.
func TestWithoutLinks(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{Forget: true})
	lost := false
	s := New(options(t, unconditional{m.View(func(call, _ string) chaintest.Fault {
		if call != "Complete" || lost {
			return chaintest.Fault{}
		}
		lost = true
		return chaintest.Fault{Fate: chaintest.Silent}
	})}, "data/{key}/{position}"))
	a := assignment()
	a.Start = 7
	g := begin(t, s, a)
	if g.at.ReadFrom != 7 || len(g.at.Notes) != 1 || !strings.Contains(g.at.Notes[0], "at least once, without links") {
		t.Fatalf("%+v", g.at)
	}
	g.add(t, numbered(7, 9, "a")...)
	if _, err := g.Commit(t.Context(), g.to(9)); err == nil || final(err) {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	if at := g.commit(t, 9); at.ReadFrom != 9 || at.Meta != "" {
		t.Errorf("%+v", at)
	}
	got := data(t, m)
	if len(got) != 1 || len(m.Objects()) != 1 {
		t.Errorf("%q", got)
	}
	for name := range got {
		if !strings.HasPrefix(name, "data/a/7-0000000000-") {
			t.Errorf("%q", name)
		}
	}
}

// TestAssignedAgain: what an old assignment knows is of no use any more.
func TestAssignedAgain(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	s := New(options(t, m, "data/{key}/"))
	old := begin(t, s, assignment())
	old.add(t, numbered(0, 5, "a")...)
	quick := begin(t, s, assignment())
	quick.add(t, numbered(0, 8, "a")...)
	at := quick.commit(t, 8)
	if _, err := old.Commit(t.Context(), old.to(5)); connector.ClassOf(err) != connector.Lost {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	if _, err := s.Stage(t.Context(), connector.Partition{Topic: "cars"}, old.at, again); connector.ClassOf(err) != connector.Lost {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	g := follow(t, s, at)
	g.add(t, numbered(8, 10, "a")...)
	g.commit(t, 10)
	if err := old.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	if got := rows(t, m); !slices.Equal(got, counted(0, 10)) || len(m.Open()) > 0 {
		t.Errorf("%q, %v", got, m.Open())
	}
	// A range that doesn't begin where the chain ends is no range.
	if _, err := follow(t, s, connector.Position{At: 3}).Commit(t.Context(), connector.Range{From: 9, Next: 12}); connector.ClassOf(err) != connector.Lost {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
}
