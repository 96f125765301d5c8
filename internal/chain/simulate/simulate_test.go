package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runs is how many random runs a test makes.
func runs(n int) int {
	if raceEnabled || testing.Short() {
		return n / 10
	}
	return n
}

func TestRandomRuns(t *testing.T) {
	o := options{runs: runs(3000), seed: 1, workers: 2}
	r := o.runMany(noFault)
	t.Logf("%s", r)
	if r.Bad > 0 {
		t.Errorf("%d of %d runs are bad; see: go run ./internal/chain/simulate --runs 1 -v --seed %d", r.Bad, r.Runs, r.Seeds[0])
	}
	for i, n := range r.sum { // what never happens isn't tested
		if n == 0 && count(i) != nHaltRows && !testing.Short() && !raceEnabled {
			t.Errorf("no %s in %d runs", count(i), r.Runs)
		}
	}
}

// Each mistake that somebody could make around the machines is found, by one of these at least.
func TestFaultsAreFound(t *testing.T) {
	for _, f := range []struct {
		fault fault
		runs  int
		by    string
	}{
		{faultSkipLink, 20, "I4 dup"},
		{faultEarlyComplete, 20, "I4 dup"},
		{faultAbortOthers, 60, "I3"},
		{faultCleanUnnamed, 400, "I3"},
		{faultNoCompare, 400, "I3"},
		{faultGetDecides, 400, "I3"},
		{faultNoFinish, 100, "lost I2 I7"},
		{faultOverwrite, 20, "I1 dup"},
		{faultGrown, 100, "I9"},
		{faultFilteredTail, 100, "I1 I7"},
		{faultBuryAfter, 50, "I6 lost"},
		{faultGroupOutranks, 50, "dup stuck"},
		{faultPrune, 50, "I1 dup"},
		{faultKeepFiles, 100, "I5 I8 dup"},
		{faultNoSeek, 100, "I5 lost"},
		{faultCounterKeys, 100, "lost"},
		{faultOtherPlan, 400, "I4 lost"},
	} {
		t.Run(f.fault.String(), func(t *testing.T) {
			o := options{runs: f.runs, seed: 1, workers: 2}
			r := o.runMany(f.fault)
			t.Logf("%d of %d runs: %v", r.Bad, r.Runs, r.Flaws)
			for by := range strings.FieldsSeq(f.by) {
				if r.Flaws[by] == 0 {
					t.Errorf("%d runs didn't show %s", f.runs, by)
				}
			}
		})
	}
}

func TestEveryFaultHasATest(t *testing.T) {
	if want := 18; int(faults) != want {
		t.Errorf("there are %d faults with none, and TestFaultsAreFound knows %d: add the new one to it", faults, want)
	}
}

func TestSmallCases(t *testing.T) {
	all := searchCases()
	for i := range all {
		c := &all[i]
		if !c.small {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			s := newSearch(&c.scope)
			if raceEnabled || testing.Short() {
				s.max = 1000
			}
			f := s.run()
			t.Logf("%s: %d states, %d runs alone, %d halted, complete: %v", c.about, f.States, f.Finished, f.Halts, f.Complete)
			if len(f.flaws) > 0 {
				var trace bytes.Buffer
				f.replay(&c.scope, &trace)
				t.Errorf("%v\n%s", texts(f.flaws), trace.String())
			}
			if !f.Complete && s.max == 0 {
				t.Errorf("the search isn't complete")
			}
		})
	}
}

// The search finds faults too, and can tell how.
func TestSearchFindsFaults(t *testing.T) {
	for _, f := range []struct {
		fault fault
		log   string
		limit limits
		by    string
	}{
		{faultSkipLink, "01", limits{}, "I4"},
		{faultEarlyComplete, "01", limits{}, "I4"},
		{faultAbortOthers, "01", limits{}, "I3"},
		{faultNoCompare, "01", limits{doubts: 1}, "I3"},
		{faultGetDecides, "01", limits{doubts: 1}, "I3"},
		{faultNoFinish, "01", limits{}, "lost"},
		{faultGrown, "01", limits{doubts: 1}, "I9"},
		{faultBuryAfter, "b1", limits{}, "I6"},
		{faultNoSeek, "012", limits{}, "I5"},
		{faultKeepFiles, "01", limits{}, "I5"},
	} {
		t.Run(f.fault.String(), func(t *testing.T) {
			s := &scope{log: parse(f.log), paths: 3, procs: 2, size: 9, plans: 1, unique: true, first: -1, limits: f.limit, fault: f.fault}
			found := newSearch(s).run()
			if len(found.flaws) == 0 || !strings.Contains(strings.Join(texts(found.flaws), " "), f.by+":") {
				t.Fatalf("%d states: %v, want %s", found.States, texts(found.flaws), f.by)
			}
			var trace bytes.Buffer
			if again := found.replay(s, &trace); len(again) == 0 || again[0] != found.flaws[0] {
				t.Errorf("replayed: %v, want %v\n%s", again, found.flaws, trace.String())
			}
		})
	}
}

// Steps that are made at once hide nothing: made apart, they lead to more states and to the same verdict.
func TestMergingHidesNothing(t *testing.T) {
	for _, f := range []fault{noFault, faultNoCompare, faultGetDecides, faultGrown, faultNoFinish} {
		var states [2]int
		for i, plain := range []bool{false, true} {
			s := newSearch(&scope{
				log: parse("01"), paths: 2, procs: 2, size: 9, plans: 1, unique: true, first: -1, limits: limits{doubts: 1}, plain: plain, fault: f,
			})
			if f == noFault && (raceEnabled || testing.Short()) {
				s.max = 1000
			}
			found := s.run()
			states[i] = found.States
			if (f == noFault) != (len(found.flaws) == 0) || f == noFault && s.max == 0 && !found.Complete {
				t.Errorf("%s, plain %v: %d states, complete %v: %v", f, plain, found.States, found.Complete, texts(found.flaws))
			}
		}
		if f == noFault && states[0] > states[1] {
			t.Errorf("%d states merged, %d apart", states[0], states[1])
		}
		t.Logf("%s: %d states merged, %d apart", f, states[0], states[1])
	}
}

// A seed says everything, whatever runs beside it.
func TestRunsAreDecidedBySeed(t *testing.T) {
	for seed := range uint64(20) {
		var a, b bytes.Buffer
		first, second := run(seed, noFault, &a), run(seed, noFault, &b)
		if first.tally != second.tally || !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Fatalf("seed %d ran in two ways", seed)
		}
		if without := run(seed, noFault, nil); without.tally != first.tally {
			t.Fatalf("seed %d runs in another way without a trace", seed)
		}
	}
}

// States that were copied go their own ways.
func TestCloneIsApart(t *testing.T) {
	s := newSearch(&scope{log: parse("0b(01)1"), paths: 2, procs: 2, size: 9, plans: 1, unique: true, first: -1, limits: limits{crashes: 1, doubts: 1}})
	m := newModel(s.scope)
	for range 200 {
		due := m.possible(nil)
		if len(due) == 0 {
			break
		}
		before := s.hash(m)
		for _, a := range due {
			m.clone().apply(a)
		}
		if s.hash(m) != before {
			t.Fatal("a copy changed what it was copied from")
		}
		m.apply(due[len(due)/2])
	}
}

func TestCommand(t *testing.T) {
	var out bytes.Buffer
	if err := command([]string{"--runs", "5", "--json"}, &out, nil); err != nil {
		t.Fatal(err)
	}
	var r result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Runs != 5 || r.Counts["steps"] == 0 {
		t.Errorf("%v: %s", err, out.String())
	}
	out.Reset()
	if err := command([]string{"--runs", "10", "--fault", faultSkipLink.String()}, &out, nil); err == nil {
		t.Error("flaws are no error")
	}
	for line := range strings.Lines(out.String()) {
		if n := len(strings.TrimSuffix(line, "\n")); n > 80 && !strings.HasPrefix(line, "  1 ") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, bad := range [][]string{{"--fault", "x"}, {"--exhaustive", "x"}, {"-x"}} {
		if err := command(bad, &out, nil); err == nil {
			t.Errorf("%v is no error", bad)
		}
	}
}
