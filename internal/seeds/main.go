// Command seeds runs simulated processes, each seed in a process of its own in which nothing is left to chance: a seed that fails fails again.
//
//	go run ./internal/seeds --seeds 10000       both simulations
//	go run ./internal/seeds --seed 4711         one seed of both, with all that it says
//
// The simulations are tests in virtual time: TestProcessesComeAndGo (files: internal/staging) and TestLoadersComeAndGo (requests:
// connector/connectortest). What they draw comes from the seed. Besides that, a Go program draws lots itself: which case of a select
// is taken, in which order a map is walked, how long a retry waits, when a goroutine is preempted or memory is collected. Here it is built with a runtime that
// draws the same lots each time, on one processor, without preemption and collection.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// simulations are the tests, by package.
var simulations = map[string]string{
	"./internal/staging":        "TestProcessesComeAndGo",
	"./connector/connectortest": "TestLoadersComeAndGo",
}

// patches are what the runtime does otherwise: file below GOROOT, a text that is there once, and what stands in its place.
var patches = []struct{ file, old, new string }{
	// What math/rand draws, and the order of maps: a sequence that is always the same (SplitMix64), of the whole process in place of each thread.
	{"src/runtime/rand.go", "func rand() uint64 {\n", `func rand() uint64 { return drawn() }

var lots uint64

//go:nosplit
func drawn() uint64 {
	lots += 0x9e3779b97f4a7c15
	x := lots
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func randOfThread() uint64 {
`},
	// The seeds of threads are no part of that sequence: when the runtime starts one is chance.
	{"src/runtime/rand.go", "mp.cheaprand = rand()", "mp.cheaprand = bootstrapRand()"},
	{"src/runtime/rand.go", "seed[i%len(seed)] ^= c", "seed[i%len(seed)] ^= c&^c | byte(i)"},
	// The case of a select, and which of several timers comes first.
	{"src/runtime/select.go", "j := cheaprandn(uint32(norder + 1))", "j := uint32(drawn() % uint64(norder+1))"},
	{"src/runtime/time.go", "t.rand = cheaprand()", "t.rand = uint32(drawn())"},
	// The slice after which a goroutine is preempted, in nanoseconds: a year.
	{"src/runtime/proc.go", "const forcePreemptNS = 10 * 1000 * 1000 // 10ms", "const forcePreemptNS = 365 * 24 * 3600 * 1000 * 1000 * 1000"},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "seeds:", err)
		os.Exit(1) //nolint:forbidigo // main of a program
	}
}

func run(ctx context.Context, w io.Writer, args []string) error {
	flags := flag.NewFlagSet("seeds", flag.ContinueOnError)
	first := flags.Int("first", 0, "the first seed")
	n := flags.Int("seeds", 1000, "how many")
	seed := flags.Int("seed", -1, "one seed alone, with all that it says")
	twice := flags.Bool("twice", false, "run each seed twice, and compare: it has to go the same way")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *seed >= 0 {
		*first, *n = *seed, 1
	}
	dir, err := os.MkdirTemp("", "millrace-seeds-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(ctx, dir)
	if err != nil {
		return err
	}
	failed := 0
	for pkg, test := range simulations {
		binary := filepath.Join(dir, filepath.Base(pkg)+".test")
		if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-overlay", overlay, "-o", binary, pkg).CombinedOutput(); err != nil {
			return fmt.Errorf("build the tests of %s: %w\n%s", pkg, err, out)
		}
		r := runs{w: w, binary: binary, test: test, loud: *seed >= 0, twice: *twice}
		bad, err := r.all(ctx, *first, *n)
		if err != nil {
			return err
		}
		failed += bad
	}
	if failed > 0 {
		return fmt.Errorf("%d seeds failed", failed)
	}
	return nil
}

// writeOverlay writes the changed files of the runtime, and what go test -overlay wants to know of them.
func writeOverlay(ctx context.Context, dir string) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("find Go's own source: %w", err)
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	texts := map[string][]byte{}
	for _, p := range patches {
		from := filepath.Join(strings.TrimSpace(string(root)), filepath.FromSlash(p.file))
		if texts[from] == nil {
			if texts[from], err = os.ReadFile(from); err != nil {
				return "", err
			}
		}
		if bytes.Count(texts[from], []byte(p.old)) != 1 {
			return "", fmt.Errorf("%s doesn't hold %q once: this program has to be adapted to %s", from, p.old, runtime.Version())
		}
		texts[from] = bytes.Replace(texts[from], []byte(p.old), []byte(p.new), 1)
	}
	for from, text := range texts {
		to := filepath.Join(dir, filepath.Base(from))
		if err := os.WriteFile(to, text, 0o600); err != nil {
			return "", err
		}
		overlay.Replace[from] = to
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, list, 0o600)
}

// runs are the seeds of one simulation.
type runs struct {
	w            io.Writer
	binary, test string
	loud, twice  bool
}

// A seedResult is what came of a seed.
type seedResult struct {
	err error
	out []byte
}

// all runs seeds, as many at a time as there are processors, and prints those that fail with the command to see them again.
func (r *runs) all(ctx context.Context, first, n int) (failed int, _ error) {
	began := time.Now()
	results := make([]seedResult, n)
	done := make(chan int, n)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	go func() {
		for i := range n {
			g.Go(func() error {
				results[i].out, results[i].err = r.seed(ctx, first+i)
				done <- i
				return nil
			})
		}
	}()
	for range n {
		i := <-done
		out, err := results[i].out, results[i].err
		results[i] = seedResult{}
		if ctx.Err() != nil {
			return failed, ctx.Err()
		}
		if r.loud {
			fmt.Fprintf(r.w, "%s", out)
		}
		if err != nil {
			failed++
			fmt.Fprintf(r.w, "seed %d of %s: %v\n%.2000s\nagain: go run ./internal/seeds --seed %d\n", first+i, r.test, err, out, first+i)
		}
	}
	seconds := time.Since(began).Seconds()
	fmt.Fprintf(r.w, "%-24s %6d seeds, %d failed, %.1f seeds a second\n", r.test, n, failed, float64(n)/seconds)
	return failed, nil
}

// longest is how long a seed may take: those that do are in a loop without end.
const longest = 2 * time.Minute

var trace = regexp.MustCompile(`trace [0-9a-f]{16}`)

// seed runs one.
func (r *runs) seed(ctx context.Context, seed int) ([]byte, error) {
	out, err := r.once(ctx, seed)
	if err != nil || !r.twice {
		return out, err
	}
	again, err := r.once(ctx, seed)
	if err != nil {
		return again, err
	}
	if a, b := trace.Find(out), trace.Find(again); a == nil || !bytes.Equal(a, b) {
		return again, fmt.Errorf("it went two ways: %s and %s", a, b)
	}
	return out, nil
}

func (r *runs) once(ctx context.Context, seed int) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, longest, errors.New("it doesn't end"))
	defer cancel()
	cmd := exec.CommandContext(ctx, r.binary, "-test.v", "-test.run", "^"+r.test+"$")
	cmd.Env = append(os.Environ(), "MILLRACE_SEED="+strconv.Itoa(seed), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	out, err := cmd.CombinedOutput()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return out, err
}
