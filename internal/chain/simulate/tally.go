package main

import (
	"fmt"
	"slices"
	"strings"
)

// A count is something that is counted.
type count uint8

const (
	nSteps count = iota
	nStarts
	nCrashes
	nDoubts // calls whose reply was lost, applied or not
	nLate   // of them, those that were to arrive later
	nLost   // races for a link
	nLinks
	nRewinds
	nGaps
	nSeals
	nMends
	nTrims
	nExpired
	nDeleted
	nHaltPlan
	nHaltTrimmed
	nHaltRows
	counts
)

func (c count) String() string {
	return [...]string{
		"steps", "starts", "crashes", "doubts", "late", "races lost", "links", "rewinds", "gaps", "seals", "mends", "trims", "expired", "deleted",
		"halts: another plan", "halts: trimmed", "halts: other rows",
	}[c]
}

// A tally counts what happened in a run, or in many.
type tally [counts]int

func (t *tally) halted() bool { return t[nHaltPlan]+t[nHaltTrimmed]+t[nHaltRows] > 0 }

// A result is what came of random runs.
type result struct {
	Fault  string         `json:"fault"`
	Seed   uint64         `json:"seed"`
	Runs   int            `json:"runs"`
	Bad    int            `json:"bad"`
	Halted int            `json:"halted"` // runs in which a process halted with a message
	Flaws  map[string]int `json:"flaws"`  // runs in which each was seen
	Counts map[string]int `json:"counts"`
	Seeds  []uint64       `json:"seeds,omitempty"` // of bad runs; the lowest
	First  []string       `json:"first,omitempty"` // what the lowest showed

	sum tally
}

// maxSeeds is how many bad seeds are told: one is enough to begin with.
const maxSeeds = 10

func newResult(f fault, seed uint64) *result {
	return &result{Fault: f.String(), Seed: seed, Flaws: map[string]int{}, Counts: map[string]int{}}
}

// add takes a run.
func (r *result) add(seed uint64, m *model) {
	r.Runs++
	for i, n := range m.tally {
		r.sum[i] += n
		r.Counts[count(i).String()] = r.sum[i]
	}
	if m.tally.halted() {
		r.Halted++
	}
	if len(m.flaws) == 0 {
		return
	}
	r.Bad++
	for _, f := range m.flaws {
		r.Flaws[f.what]++
	}
	at, _ := slices.BinarySearch(r.Seeds, seed)
	if at == 0 {
		r.First = texts(m.flaws)
	}
	r.Seeds = slices.Insert(r.Seeds, at, seed)
	r.Seeds = r.Seeds[:min(len(r.Seeds), maxSeeds)]
}

func texts(flaws []flaw) (all []string) {
	for _, f := range flaws {
		all = append(all, f.what+": "+f.text)
	}
	return all
}

// showed lists flaws, the most frequent first, as far as they fit.
func (r *result) showed(width int) string {
	var names []string
	for n := range r.Flaws {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := r.Flaws[b] - r.Flaws[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	text := ""
	for _, n := range names {
		next := strings.TrimSpace(text + " " + n)
		if len(next) > width {
			break
		}
		text = next
	}
	return text
}

// String is a report of 80 columns.
func (r *result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s runs from seed %d: %s bad, %s halted with a message\n", digits(r.Runs), r.Seed, digits(r.Bad), digits(r.Halted))
	for i := range counts {
		fmt.Fprintf(&b, "  %-20s %12s", i, digits(r.sum[i]))
		if i%2 == 1 || i == counts-1 {
			b.WriteByte('\n')
		}
	}
	for _, name := range [...]string{"lost", "dup", "order", "stuck", "halt"} {
		fmt.Fprintf(&b, "  %-20s %12s\n", name, digits(r.Flaws[name]))
	}
	if r.Bad > 0 {
		fmt.Fprintf(&b, "flaws: %s\nseeds: %v\n", r.showed(70), r.Seeds)
		for _, f := range r.First {
			fmt.Fprintf(&b, "  %d %s\n", r.Seeds[0], f)
		}
	}
	return b.String()
}

// digits writes a number with commas.
func digits(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
