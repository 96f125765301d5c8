//go:build testbed

package torture

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/testbed"
)

// A change is one text of a source file in place of another, which has to be there exactly once.
type change struct{ file, old, new string }

// A broken build is Millrace with a mistake that somebody could make. Simulated processes show it within seconds; so does a fault on real parts, where
// there is one.
type broken struct {
	name    string
	changes []change
	in      string                                               // whose processes are simulated: "Loaders" or "Stagers"
	shows   string                                               // what is said of a seed that fails
	fault   func(t *testing.T, build testbed.MillraceBuild) *rig // nil: none
	kind    func(results []Result) (what string, n int64)        // what it does to real sinks
}

// simulations are the tests of simulated processes.
var simulations = map[string]struct{ pkg, test string }{
	"Loaders": {"./connector/connectortest", "TestLoadersComeAndGo"},
	"Stagers": {"./internal/staging", "TestProcessesComeAndGo"},
}

const (
	notExact = `[1-9]\d* lost, \d+ repeated|[1-9]\d* repeated|verify: `
	isLost   = `[1-9]\d* records lost`
)

// lateCommits goes on to commit what is acked after a partition went.
const lateCommits = `			delete(c.owned, k)
			go func() {
				for range 10 {
					sleep(context.Background(), 1e9)
					at, meta := p.ledger.watermark()
					_ = c.consumer.Commit(context.Background(), []Offset{{Partition: k, At: at, Meta: meta}})
				}
			}()
`

func builds() []broken {
	return []broken{
		{
			name: "fence removed", in: "Loaders", shows: `[1-9]\d* offsets moved back`,
			changes: []change{
				{"connector/partition.go", "	p.cancel()\n	p.stop()\n", "	p.stop()\n"},
				{"connector/lane.go", "	if !l.p.fenced.Load() {\n", "	if true {\n"},
				{"connector/connector.go", "			delete(c.owned, k)\n", lateCommits},
				{"connector/kafka/commit.go", "		case p == nil:\n", "		case p == nil:\n			todo = append(todo, commit{o, &partition{stored: -1}})\n		case p == nil:\n"},
			},
			fault: leave, kind: regressed,
		},
		{
			name: "commit before ack", in: "Loaders", shows: isLost,
			changes: []change{{"connector/ledger.go", "		w = max(w, l.entries[l.head].low())\n", "		w = l.entries[len(l.entries)-1].next\n"}},
			fault:   kill, kind: lost,
		},
		{
			name: "retry applied twice", in: "Loaders", shows: `[1-9]\d* times out of order`,
			changes: []change{{"connector/lane.go", "			default:\n				rest = append(rest, it)\n", "			default:\n				rest = append([]item(nil), items...)\n"}},
		},
		{
			name: "dead letter not awaited", in: "Loaders", shows: isLost,
			changes: []change{{"connector/bury.go", "		return p.c.dead.Bury(ctx, fs)\n	})\n	if err != nil {", "		_ = p.c.dead.Bury(ctx, fs)\n		return nil\n	})\n	if err != nil {"}},
		},
		{
			name: "link skipped", in: "Stagers", shows: notExact,
			changes: []change{{"internal/chain/extension.go", "	return &Extension{id: id, link: l, body: l.Encode(), state: putting}\n",
				"	e := &Extension{id: id, link: l, body: l.Encode(), state: putting}\n	e.extend()\n	return e\n"}},
			fault: kill, kind: inexact,
		},
		{
			name: "412 taken as ours", in: "Stagers", shows: notExact,
			changes: []change{{"internal/chain/extension.go", "	case there.Attempt == e.link.Attempt:", "	case there.Attempt != \"\":"}},
			// On real parts a zombie hears that it is one within milliseconds, and its commit takes longer: nothing shows it for sure.
		},
		{
			name: "group's offset outranks the chain", in: "Stagers", shows: notExact,
			changes: []change{{"internal/staging/recover.go", "	st.rewind = link.Rewind\n", "	st.rewind = link.Rewind\n	if a.Committed >= 0 {\n		st.next = a.Committed\n	}\n"}},
			fault:   kill, kind: inexact,
		},
		{
			name: "objects completed before the link", in: "Stagers", shows: notExact,
			changes: []change{{"internal/staging/commit.go", "	if s.ext == nil {\n		s.ext = chain.NewExtension",
				"	for _, f := range s.files {\n		_ = s.o.Store.Complete(ctx, &f.object, false)\n	}\n	if s.ext == nil {\n		s.ext = chain.NewExtension"}},
		},
	}
}

// The suite can fail: each broken build is caught by simulated processes, and those which a fault on real parts shows, by that too.
func TestBroken(t *testing.T) {
	all := builds()
	if scale(t) < 10 { // two, others each time
		first := int(testbed.FromEnv(t, "MILLRACE_SEED", uint64(time.Now().Unix()))) % len(all)
		all = []broken{all[first], all[(first+len(all)/2)%len(all)]}
	}
	for _, b := range all {
		t.Run(b.name, func(t *testing.T) {
			overlay := b.overlay(t)
			shown := simulated(t, b, overlay)
			if scale(t) >= 10 && b.fault != nil {
				r := b.fault(t, testbed.MillraceBuild{Overlay: overlay})
				what, n := b.kind(r.results(1))
				if shown += fmt.Sprintf("; real: %s %d", what, n); n == 0 {
					t.Errorf("the fault doesn't show it")
				}
			}
			fmt.Printf("%-34s %s\n", b.name, shown)
		})
	}
}

// overlay is the changed files.
func (b *broken) overlay(t *testing.T) map[string]string {
	t.Helper()
	root, err := testbed.ModuleDir()
	if err != nil {
		t.Fatal(err)
	}
	changed := map[string]string{}
	for _, c := range b.changes {
		source := changed[c.file]
		if source == "" {
			text, err := os.ReadFile(filepath.Join(root, c.file))
			if err != nil {
				t.Fatal(err)
			}
			source = string(text)
		}
		if n := strings.Count(source, c.old); n != 1 {
			t.Fatalf("%s holds %q %d times, not once: the code has changed, so must the test", c.file, c.old, n)
		}
		changed[c.file] = strings.Replace(source, c.old, c.new, 1)
	}
	return changed
}

// simulated runs the simulation until a seed fails, and tells what it said.
func simulated(t *testing.T, b broken, overlay map[string]string) string {
	t.Helper()
	root, err := testbed.ModuleDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace := map[string]string{}
	for file, text := range overlay {
		to := filepath.Join(dir, strconv.Itoa(len(replace))+".go")
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, file)] = to
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, list, 0o600); err != nil {
		t.Fatal(err)
	}
	s := simulations[b.in]
	cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", file, "-count=1", "-failfast", "-timeout", "5m", "-run", "^"+s.test+"$", s.pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "MILLRACE_SEEDS=200", "MILLRACE_SEED=")
	out, err := cmd.CombinedOutput()
	found := regexp.MustCompile(b.shows).FindString(string(out))
	if err == nil || found == "" {
		t.Fatalf("200 simulated seeds don't show it: %v\n%.3000s", err, out)
	}
	seed := regexp.MustCompile(`seed_\d+`).FindString(string(out))
	return fmt.Sprintf("%s of %s: %s", seed, s.test, found)
}

func lost(all []Result) (what string, n int64) {
	for i := range all {
		n += all[i].Lost + all[i].Stale
	}
	return "lost", n
}

func inexact(all []Result) (what string, n int64) {
	for i := range all {
		n += all[i].Duplicated + all[i].Unproven // a build that doesn't come to the end hasn't lost the rest
	}
	return "duplicated or unproven", n
}

func regressed(all []Result) (what string, n int64) {
	for i := range all {
		n += all[i].OffsetRegressions
	}
	return "offset regressions", n
}

// brief is a rig for a build that may never come to the end.
func brief(t *testing.T, build testbed.MillraceBuild, processes int, sinks ...sink) *rig {
	t.Helper()
	return newRig(t, options{fault: "Broken", sinks: sinks, processes: processes, records: 20_000, produceFor: 25 * time.Second, build: build, patience: 30 * time.Second})
}

// kill kills one of two processes now and then.
func kill(t *testing.T, build testbed.MillraceBuild) *rig {
	t.Helper()
	lines, bus := newLines(), newBus()
	r := brief(t, build, 2, lines, bus)
	bus.delay.Store(int64(300 * time.Millisecond))
	lines.faults.delay.Store(int64(100 * time.Millisecond))
	r.startAll()
	for range 8 {
		time.Sleep(r.between(1500*time.Millisecond, 3*time.Second))
		i := r.random.IntN(2)
		r.kill(i)
		r.start(i)
	}
	t.Log(r.settle())
	return r
}

// leave lets a process join and leave, while requests take longer than they are waited for.
func leave(t *testing.T, build testbed.MillraceBuild) *rig {
	t.Helper()
	bus := newBus()
	r := brief(t, build, 3, hurried{bus})
	bus.delay.Store(int64(1500 * time.Millisecond))
	r.startAll()
	for range 6 {
		time.Sleep(r.between(2*time.Second, 3*time.Second))
		r.kill(2)
		time.Sleep(r.between(6*time.Second, 7*time.Second))
		r.start(2)
	}
	t.Log(r.settle())
	return r
}

// hurried is a bus that isn't waited for when partitions go.
type hurried struct{ *bus }

func (h hurried) yaml(r *rig) string {
	return h.bus.yaml(r) + "\ndrain_timeout: 500ms\ncommit_interval: 1s"
}
