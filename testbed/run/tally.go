package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// A tally counts tests, subtests included, by package.
type tally struct {
	mu       sync.Mutex
	packages map[string]*count
	problems []string // what failed or was skipped, for the end
	pending  map[test]*pending
	build    map[string]string // what the compiler said, by import path
	slow     []timed           // top-level tests, the slowest first
}

// A timed test took a while, its subtests and the waiting for its turn apart from others included.
type timed struct {
	name string
	took time.Duration
}

// mostSlow is how many of the slowest tests are named: where to look when all take too long.
const mostSlow = 12

// A count is the tests of a package.
type count struct {
	passed          map[string]int // by phase
	failed, skipped int
	took            time.Duration
}

type test struct{ pkg, name string }

// A pending test has begun and not ended, or is a package, whose name is "".
type pending struct {
	output strings.Builder
	began  time.Time
	waits  bool // for others to end: it called t.Parallel
	bad    bool // one of the package's tests failed
	ran    int
}

func newTally() *tally {
	return &tally{
		packages: make(map[string]*count),
		pending:  make(map[test]*pending),
		build:    make(map[string]string),
	}
}

// add counts an event of go test -json, and prints what failed, what was skipped, and each package's end.
func (t *tally) add(out *screen, ph phase, e event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Action == "build-output" {
		t.build[e.ImportPath] += e.Output
		return
	}
	if e.Package == "" {
		return
	}
	pkg := strings.TrimPrefix(strings.TrimPrefix(e.Package, module), "/")
	id := test{pkg, e.Test}
	switch e.Action {
	case "start", "run":
		t.begin(id)
	case "pause":
		t.begin(id).waits = true
	case "cont":
		p := t.begin(id)
		p.waits, p.began = false, time.Now()
	case "output":
		t.begin(id).output.WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			t.endPackage(out, ph, pkg, e)
		} else {
			t.endTest(out, ph, id, e.Action)
			t.noteTime(id, time.Duration(e.Elapsed*float64(time.Second)))
		}
		delete(t.pending, id)
	}
}

func (t *tally) begin(id test) *pending {
	p := t.pending[id]
	if p == nil {
		p = &pending{began: time.Now()}
		t.pending[id] = p
	}
	return p
}

// said is a test's output without go test's own lines about its progress. Of a long one, the middle is left out.
func (p *pending) said() string {
	const head, tail = 30, 70
	var lines []string
	for line := range strings.Lines(p.output.String()) {
		if !strings.HasPrefix(line, "=== ") {
			lines = append(lines, line)
		}
	}
	if n := len(lines); n > head+tail {
		gap := fmt.Sprintf("(%d lines are left out here: run the test alone to see them)\n", n-head-tail)
		lines = slices.Concat(lines[:head], []string{gap}, lines[n-tail:])
	}
	return strings.Join(lines, "")
}

func (t *tally) count(pkg string) *count {
	c := t.packages[pkg]
	if c == nil {
		c = &count{passed: make(map[string]int)}
		t.packages[pkg] = c
	}
	return c
}

func (t *tally) endTest(out *screen, ph phase, id test, action string) {
	c, p := t.count(id.pkg), t.begin(test{pkg: id.pkg})
	p.ran++
	name := id.pkg + " " + id.name
	switch action {
	case "pass":
		c.passed[ph.name]++
	case "skip":
		c.skipped++
		t.problems = append(t.problems, "skipped  "+name)
		out.line("%s  %s\n%s", out.paint(yellow, "SKIP"), name, indent(t.begin(id).said()))
	case "fail":
		c.failed++
		p.bad = true
		if slices.ContainsFunc(t.problems, func(s string) bool { return strings.HasPrefix(s, "failed   "+name+"/") }) {
			return // its subtests have said why
		}
		t.problems = append(t.problems, "failed   "+name)
		out.line("%s  %s\n%s", out.paint(red, "FAIL"), name, indent(t.begin(id).said()))
	}
}

// noteTime keeps the time of a top-level test if it is one of the slowest.
func (t *tally) noteTime(id test, took time.Duration) {
	if took < time.Second || strings.Contains(id.name, "/") {
		return
	}
	t.slow = append(t.slow, timed{id.pkg + " " + id.name, took})
	slices.SortStableFunc(t.slow, func(a, b timed) int { return cmp.Compare(b.took, a.took) })
	t.slow = t.slow[:min(len(t.slow), mostSlow)]
}

// endPackage counts a failure that is no test's own: of the build, of TestMain, a panic, a timeout.
func (t *tally) endPackage(out *screen, ph phase, pkg string, e event) {
	p := t.begin(test{pkg: pkg})
	took := time.Duration(e.Elapsed * float64(time.Second))
	if e.Action == "skip" || e.Action == "pass" && p.ran == 0 {
		return // no tests there
	}
	c := t.count(pkg)
	c.took += took
	if e.Action == "pass" {
		out.done(fmt.Sprintf("%-44s %9d tests", pkg, p.ran), took, nil)
		return
	}
	unfinished := ""
	for id, test := range t.pending { // where it timed out, say, besides tests that failed before
		if id.pkg == pkg && id.name != "" {
			unfinished += test.said()
			delete(t.pending, id)
		}
	}
	if !p.bad || unfinished != "" {
		c.failed++
		t.problems = append(t.problems, "failed   "+pkg)
		out.line("%s", indent(t.build[e.FailedBuild]+p.said()+unfinished))
	}
	out.done(pkg, took, fmt.Errorf("failed"))
}

// broken counts something as failed that is no test.
func (t *tally) broken(what, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count(what).failed++
	t.problems = append(t.problems, what+": "+why)
}

// bad is the number of failures so far.
func (t *tally) bad() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, c := range t.packages {
		n += c.failed
	}
	return n
}

// running says which test has been running for longest.
func (t *tally) running() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text, began := "...   building", time.Now()
	for id, p := range t.pending {
		if id.name != "" && !p.waits && !strings.Contains(id.name, "/") && p.began.Before(began) {
			began = p.began
			text = fmt.Sprintf("...   %s %s, for %s now", id.pkg, id.name, seconds(time.Since(began)))
		}
	}
	return text
}

// print writes the table and the last line, and tells whether all is well.
func (t *tally) print(out *screen) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := func(name string, a, b, failed, skipped, took any) {
		out.line("%-34s %8v %8v %7v %7v %10v", name, a, b, failed, skipped, took)
	}
	out.title("Summary")
	row("package", "unit", "real", "failed", "skipped", "time")
	var sum count
	sum.passed = make(map[string]int)
	for _, pkg := range slices.Sorted(maps.Keys(t.packages)) {
		c := t.packages[pkg]
		row(pkg, c.passed[unit.name], c.passed[services.name], c.failed, c.skipped, seconds(c.took))
		for name, n := range c.passed {
			sum.passed[name] += n
		}
		sum.failed += c.failed
		sum.skipped += c.skipped
		sum.took += c.took
	}
	u, r := sum.passed[unit.name], sum.passed[services.name]
	row("total", u, r, sum.failed, sum.skipped, seconds(sum.took))
	if len(t.problems) > 0 {
		out.line("")
	}
	const most = 40
	for i, p := range t.problems {
		if i == most && len(t.problems) > most+1 {
			out.line("and %d more, named above", len(t.problems)-most)
			break
		}
		out.line("%s", p)
	}
	if len(t.slow) > 0 {
		out.title("Slowest")
	}
	for _, s := range t.slow {
		out.line("%-68s %10s", s.name, seconds(s.took))
	}
	ok := sum.failed == 0 && sum.skipped == 0 && u+r > 0
	out.line("")
	out.line("%d passed, %d failed, %d skipped", u+r, sum.failed, sum.skipped)
	return ok
}
