package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

func main() {
	var progress io.Writer
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		progress = os.Stderr
	}
	if err := command(os.Args[1:], os.Stdout, progress); err != nil {
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(1) //nolint:forbidigo // main of a program
	}
}

// options are the command's flags.
type options struct {
	runs, workers, states int
	seed                  uint64
	fault                 fault
	verbose, json         bool
	out, progress         io.Writer // progress may be nil
}

// errFlaws says that something was found.
var errFlaws = errors.New("flaws were found")

func command(args []string, out, progress io.Writer) error {
	o := options{out: out, progress: progress}
	fs := flag.NewFlagSet("simulate", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.IntVar(&o.runs, "runs", 10000, "random runs")
	fs.Uint64Var(&o.seed, "seed", 1, "of the first run; the next have the next seeds")
	fs.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "runs at a time")
	fs.BoolVar(&o.verbose, "v", false, "tell each step; for one run")
	fs.BoolVar(&o.json, "json", false, "print JSON")
	fs.IntVar(&o.states, "states", 0, "stop a search after so many states; 0 for never")
	name := fs.String("fault", "none", "a fault to seed")
	table := fs.Bool("faults", false, "seed each fault in turn, and print what showed it")
	search := fs.String("exhaustive", "", "search a case exhaustively, or all")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if o.verbose {
		o.workers = 1 // one run after the other
	}
	var err error
	if o.fault, err = findFault(*name); err != nil {
		return err
	}
	switch {
	case *table:
		return o.table()
	case *search == "all":
		return o.searchAll()
	case *search != "":
		c, err := findCase(*search)
		if err != nil {
			return err
		}
		return o.search(c)
	default:
		return o.random()
	}
}

func findFault(name string) (fault, error) {
	var names []string
	for f := range faults {
		if f.String() == name {
			return f, nil
		}
		names = append(names, f.String())
	}
	return 0, fmt.Errorf("there is no fault %q: choose one of: %s", name, strings.Join(names, "; "))
}

// random makes random runs and reports.
func (o *options) random() error {
	r := o.runMany(o.fault)
	if err := o.print(r, r.String()); err != nil {
		return err
	}
	if r.Bad > 0 {
		return errFlaws
	}
	return nil
}

func (o *options) print(v any, text string) error {
	if !o.json {
		_, err := io.WriteString(o.out, text)
		return err
	}
	e := json.NewEncoder(o.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// runMany makes runs with a fault on some goroutines. The result doesn't depend on how many.
func (o *options) runMany(f fault) *result {
	r := newResult(f, o.seed)
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := 0
	take := func(m *model, seed uint64) (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		if m != nil {
			r.add(seed, m)
			o.tick(r.Runs, "%s of %s runs, %s bad", digits(r.Runs), digits(o.runs), digits(r.Bad))
		}
		seed = o.seed + uint64(next)
		next++
		return seed, next <= o.runs
	}
	var trace io.Writer
	if o.verbose {
		trace = o.out
	}
	for range max(1, o.workers) {
		wg.Go(func() {
			seed, ok := take(nil, 0)
			for ok {
				seed, ok = take(run(seed, f, trace), seed)
			}
		})
	}
	wg.Wait()
	o.tick(0, "")
	return r
}

// tick shows progress on a terminal, at every thousandth step.
func (o *options) tick(n int, format string, args ...any) {
	if o.progress != nil && n%1000 == 0 {
		fmt.Fprintf(o.progress, "\r\x1b[K"+format, args...)
	}
}

// table seeds each fault.
func (o *options) table() error {
	var all []*result
	var b strings.Builder
	const row = "%-36s %8s %8s  %s\n"
	fmt.Fprintf(&b, row, "fault", "runs", "bad", "what showed it")
	missed := 0
	for f := range faults {
		r := o.runMany(f)
		all = append(all, r)
		shown := r.showed(25)
		if shown == "" {
			shown = "-"
		}
		fmt.Fprintf(&b, row, f, digits(r.Runs), digits(r.Bad), shown)
		if (r.Bad > 0) != (f != noFault) {
			missed++
		}
	}
	b.WriteString("I1 to I9 are invariants (see go doc). Open files aren't carried over links, so\nthat the faults of doing it can't be made.\n")
	if err := o.print(all, b.String()); err != nil {
		return err
	}
	if missed > 0 {
		return fmt.Errorf("%d faults were not seen, or seen where there was none: more --runs?", missed)
	}
	return nil
}

// A searched is what a search found, for machines.
type searched struct {
	Case  string   `json:"case"`
	About string   `json:"about"`
	Fault string   `json:"fault"`
	Seen  finding  `json:"seen"`
	Flaws []string `json:"flaws,omitempty"`
	Took  float64  `json:"seconds"`
}

func (o *options) search(c *searchCase) error {
	c.scope.fault = o.fault
	s := newSearch(&c.scope)
	s.max = o.states
	s.progress = func(states, open int) { o.tick(0, "%s states, %s to go on from", digits(states), digits(open)) }
	start := time.Now()
	f := s.run()
	o.tick(0, "")
	took := time.Since(start).Seconds()
	how := "complete"
	if !f.Complete {
		how = "not complete"
	}
	text := fmt.Sprintf("%s: %s\n  %s states, %s; %s runs alone, %s halted with a message; %.1f s\n",
		c.name, c.about, digits(f.States), how, digits(f.Finished), digits(f.Halts), took)
	for _, t := range texts(f.flaws) {
		text += "  " + t + "\n"
	}
	if err := o.print(searched{c.name, c.about, o.fault.String(), f, texts(f.flaws), took}, text); err != nil {
		return err
	}
	if len(f.flaws) == 0 {
		return nil
	}
	if o.verbose {
		f.replay(&c.scope, o.out)
	}
	return errFlaws
}

func (o *options) searchAll() error {
	all := searchCases()
	for i := range all {
		if err := o.search(&all[i]); err != nil {
			return err
		}
	}
	return nil
}
