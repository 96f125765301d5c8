package sinktest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/millrace/millrace/connector"
)

var abc = []string{"a", "b", "c"}

func checkVisibility(t testing.TB, h StagerHarness) {
	s := openStore(t, h)
	p := partition(0)
	pos := s.recover(t, s.Stager, p, -1, 30)
	if pos.ReadFrom != 0 {
		t.Errorf("an empty destination reads from %d, want the start, 0", pos.ReadFrom)
	}
	g := s.stage(t, s.Stager, p, pos)
	s.holds(t, nil, 0, exactly)
	g.addRecords(t, p, s.records(abc, 0, 5))
	s.holds(t, nil, 0, exactly)
	g.addRecords(t, p, s.records(abc, 5, 10))
	s.holds(t, nil, 0, exactly)
	g.commit(t)
	s.holds(t, abc, 10, exactly)
}

func checkRanges(t testing.TB, h StagerHarness) {
	s := openStore(t, h)
	p := partition(0)
	pos := s.recover(t, s.Stager, p, -1, 60)
	for round := range 5 {
		g := s.stage(t, s.Stager, p, pos)
		g.addRecords(t, p, s.records(abc, 4*round, 4*round+4))
		s.holds(t, abc, 4*round, exactly)
		pos = g.commit(t)
		s.holds(t, abc, 4*round+4, exactly)
	}
}

func checkEmptyRange(t testing.TB, h StagerHarness) {
	s := openStore(t, h)
	p := partition(0)
	g := s.stage(t, s.Stager, p, s.recover(t, s.Stager, p, -1, 40))
	g.r.Next = 25 // control records and holes only
	pos := g.commit(t)
	s.holds(t, nil, 0, exactly)
	g = s.stage(t, s.Stager, p, pos)
	g.addRecords(t, p, s.records(abc, 0, 2))
	g.commit(t)
	s.holds(t, abc, 2, exactly)
}

func checkStageMarked(t testing.TB, h StagerHarness) {
	s := openStore(t, h)
	p := partition(0)
	g := s.stage(t, s.Stager, p, s.recover(t, s.Stager, p, -1, 40))
	all := newBatch(t, p, g.r.Next, s.records(abc, 0, 4))
	for i := range all.Len() {
		all.Filter(i)
	}
	g.add(t, all)
	pos := g.commit(t)
	s.holds(t, nil, 0, exactly)

	g = s.stage(t, s.Stager, p, pos)
	some := newBatch(t, p, g.r.Next, s.records([]string{"a", "x", "b", "y"}, 0, 1))
	mark := connector.Permanent.Wrap(errors.New("failed by a handler"))
	some.Filter(1)
	some.Fail(3, mark)
	if failed := g.add(t, some); failed[0] != nil || failed[2] != nil || !errors.Is(failed[3], mark) {
		t.Errorf("records 0 and 2 failed with %v and %v; what record 3 was marked with became %v", failed[0], failed[2], failed[3])
	}
	g.commit(t)
	s.holds(t, []string{"a", "b"}, 1, exactly)
}

func checkStageBadRecord(t testing.TB, h StagerHarness, bad Raw) {
	t.Helper()
	s := openStore(t, h)
	p := partition(0)
	g := s.stage(t, s.Stager, p, s.recover(t, s.Stager, p, -1, 40))
	failed := g.add(t, newBatch(t, p, 0, []Raw{bad, s.record("a", 0), bad, s.record("b", 0), bad}))
	for i, err := range failed {
		switch isBad := i%2 == 0; {
		case isBad && err == nil:
			t.Errorf("bad record %d isn't marked failed", i)
		case isBad && connector.ClassOf(err) != connector.Permanent:
			t.Errorf("bad record %d has class %v, want permanent: %v", i, connector.ClassOf(err), err)
		case !isBad && err != nil:
			t.Errorf("record %d, a neighbour of a bad one, failed: %v", i, err)
		}
	}
	g.commit(t)
	s.holds(t, []string{"a", "b"}, 1, exactly)
}

func checkAbort(t testing.TB, h StagerHarness) {
	s := openStore(t, h)
	p := partition(0)
	pos := s.recover(t, s.Stager, p, -1, 40)
	s.stage(t, s.Stager, p, pos).abort(t)
	g := s.stage(t, s.Stager, p, pos)
	g.addRecords(t, p, s.records(abc, 0, 6))
	g.abort(t)
	s.holds(t, nil, 0, exactly)
	g = s.stage(t, s.Stager, p, pos)
	g.addRecords(t, p, s.records(abc, 0, 6))
	g.commit(t)
	s.holds(t, abc, 6, exactly)
}

func checkCommitAgain(t testing.TB, h StagerHarness) {
	for _, class := range []connector.Class{connector.Retryable, connector.Systemic} {
		s := openStore(t, h)
		if s.Fail == nil {
			return
		}
		p := partition(0)
		g := s.stage(t, s.Stager, p, s.recover(t, s.Stager, p, -1, 40))
		g.addRecords(t, p, s.records(abc, 0, 6))
		if !s.Fail(class) {
			continue
		}
		retried := len(s.retries.classes())
		pos, err := g.staged.Commit(t.Context(), g.r)
		handed := s.retries.classes()[retried:]
		switch {
		case err == nil && len(handed) == 0:
			t.Error("Commit succeeded although a write failed, and handed the failure to nobody: the sink retries by itself, or dropped it")
		case err == nil && handed[0] != class:
			t.Errorf("Commit gave its failure class %v, want %v", handed[0], class)
		case err != nil && connector.ClassOf(err) != class:
			t.Errorf("class of %q is %v, want %v", err, connector.ClassOf(err), class)
		}
		if err != nil {
			pos = g.commit(t)
		}
		g.checkPosition(t, pos)
		s.holds(t, abc, 6, exactly)
	}
}

func checkCommitContext(t testing.TB, h StagerHarness) {
	s := openStore(t, h)
	p := partition(0)
	g := s.stage(t, s.Stager, p, s.recover(t, s.Stager, p, -1, 40))
	g.addRecords(t, p, s.records(abc, 0, 6))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.staged.Commit(ctx, g.r); err != nil {
		if c := connector.ClassOf(err); c != connector.Retryable {
			t.Errorf("class of %q is %v when the context ended, want retryable", err, c)
		}
		g.commit(t)
	}
	s.holds(t, abc, 6, exactly)
}

// checkAddFailure: what leaves memory during Add goes through the Retrier, so that Add itself never fails.
func checkAddFailure(t testing.TB, h StagerHarness) {
	s := openStore(t, h)
	p := partition(0)
	g := s.stage(t, s.Stager, p, s.recover(t, s.Stager, p, -1, 40))
	if s.Fail == nil || !s.Fail(connector.Retryable) {
		return
	}
	g.addRecords(t, p, s.records(abc, 0, 200))
	if _, err := g.staged.Commit(t.Context(), g.r); err != nil {
		g.commit(t)
	}
	s.holds(t, abc, 200, exactly)
}

func checkSize(t testing.TB, h StagerHarness) {
	s := openStore(t, h)
	p := partition(0)
	g := s.stage(t, s.Stager, p, s.recover(t, s.Stager, p, -1, 40))
	g.add(t, newBatch(t, p, 0, nil))
	if g.size.Open+g.size.Full != 0 {
		t.Errorf("a range without records has size %+v, want no file", g.size)
	}
	g.addRecords(t, p, s.records([]string{"a"}, 0, 20))
	if g.size.Open+g.size.Full < 1 {
		t.Errorf("a range with records has size %+v, want a file, open or full", g.size)
	}
	g.commit(t)
}

func checkManyPaths(t testing.TB, h StagerHarness) {
	s := openStore(t, h)
	p := partition(0)
	names := keys(60)
	pos := s.recover(t, s.Stager, p, -1, 1000)
	for round := range 3 {
		g := s.stage(t, s.Stager, p, pos)
		g.addRecords(t, p, s.records(names, 3*round, 3*round+3))
		s.holds(t, names, 3*round, exactly)
		pos = g.commit(t)
	}
	s.holds(t, names, 9, exactly)
}

func checkStagePartitions(t testing.TB, h StagerHarness) {
	const partitions, rounds, perRound = 4, 3, 20
	s := openStore(t, h)
	var names []string
	var wg sync.WaitGroup
	for id := range int32(partitions) {
		mine := []string{fmt.Sprintf("p%d-x", id), fmt.Sprintf("p%d-y", id)}
		names = append(names, mine...)
		wg.Go(func() {
			p := partition(id)
			pos := s.recover(t, s.Stager, p, -1, 1000)
			for round := range rounds {
				g := s.stage(t, s.Stager, p, pos)
				g.addRecords(t, p, s.records(mine, perRound*round, perRound*(round+1)))
				pos = g.commit(t)
			}
		})
	}
	wg.Wait()
	s.holds(t, names, rounds*perRound, exactly)
}

// checkCrashBefore drops a range as a killed process does, and lets another process go on.
func checkCrashBefore(t testing.TB, h StagerHarness) {
	s := openStore(t, h)
	p := partition(0)
	g := s.stage(t, s.Stager, p, s.recover(t, s.Stager, p, -1, 60))
	g.addRecords(t, p, s.records(abc, 0, 4))
	pos := g.commit(t)
	dropped := s.stage(t, s.Stager, p, pos)
	dropped.addRecords(t, p, s.records(abc, 4, 9))
	s.replay(t, p, pos.ReadFrom, 9)
	s.holds(t, abc, 9, exactly)
}

// checkCrashAfter: the process died between the sink's commit and the group's.
func checkCrashAfter(t testing.TB, h StagerHarness) {
	s := openStore(t, h)
	p := partition(0)
	g := s.stage(t, s.Stager, p, s.recover(t, s.Stager, p, -1, 60))
	g.addRecords(t, p, s.records(abc, 0, 4))
	pos := g.commit(t)
	g = s.stage(t, s.Stager, p, pos)
	g.addRecords(t, p, s.records(abc, 4, 9))
	g.commit(t)
	s.replay(t, p, pos.ReadFrom, 12)
	s.holds(t, abc, 12, s.replays())
}

// replay lets another process read from the group's offset on, up to n records of each key.
func (s *staging) replay(t testing.TB, p connector.Partition, committed int64, n int) {
	t.Helper()
	end := int64(n * len(abc))
	next := s.Reopen(t)
	pos := s.recover(t, next, p, committed, end)
	if pos.ReadFrom > end {
		t.Fatalf("Recover reads from %d, above everything that was written", pos.ReadFrom)
	}
	g := s.stage(t, next, p, pos)
	g.addRecords(t, p, s.records(abc, 0, n)[pos.ReadFrom:])
	g.commit(t)
}

// checkTwoWriters is a process that slept through its eviction, beside the one that took over.
func checkTwoWriters(t testing.TB, h StagerHarness) {
	s := openStore(t, h)
	p := partition(0)
	other := s.Reopen(t)
	slow := s.stage(t, s.Stager, p, s.recover(t, s.Stager, p, -1, 60))
	slow.addRecords(t, p, s.records(abc, 0, 5))
	quick := s.stage(t, other, p, s.recover(t, other, p, -1, 60))
	quick.addRecords(t, p, s.records(abc, 0, 8))
	pos := quick.commit(t)
	_, err := slow.staged.Commit(t.Context(), slow.r)
	switch {
	case err == nil && s.exactlyOnce:
		t.Error("a range was committed that another process had written already; want an error of class lost")
	case err != nil && connector.ClassOf(err) != connector.Lost:
		t.Errorf("class of %q is %v, want lost", err, connector.ClassOf(err))
	case err != nil:
		slow.abort(t)
	}
	s.holds(t, abc, 8, s.replays())
	g := s.stage(t, other, p, pos)
	g.addRecords(t, p, s.records(abc, 8, 10))
	g.commit(t)
	s.holds(t, abc, 10, s.replays())
}

func checkRotation(t testing.TB, h StagerHarness) {
	if r := openStore(t, h).Stager.Rotation(topic); r.Size < 0 || r.Records < 0 || r.Age < 0 {
		t.Errorf("a rotation's setting is negative: %+v", r)
	}
}
