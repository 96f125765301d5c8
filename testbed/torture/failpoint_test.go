//go:build testbed

package torture

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/failpoint"
	"github.com/millrace/millrace/testbed"
)

// Scenarios are which points are reached where. Each point is in one of them, or in TestFailpointsGap.
var scenarios = map[string]struct {
	sinks  func() []sink
	points []string
	few    int // points of a short run
}{
	"Files": {
		sinks: func() []sink { return []sink{&buried{files: *newFiles()}} },
		points: []string{
			"root.put", "recover.claimed", "stage.before", "stage.after", "add.before", "upload.begun", "part.sent", "add.after",
			"bury.before", "kafka.bury.before", "kafka.bury.after", "bury.after", "range.before", "file.sealed", "disk.synced", "link.before", "link.put",
			"complete.before", "disk.linked", "disk.named", "complete.after", "range.after", "ledger.before",
			"offsets.before", "kafka.commit.before", "kafka.commit.after", "offsets.after",
			"finish.before", "finish.after", "seal.before", "seal.after", "mend.before", "mend.after",
		},
		few: 12,
	},
	"Objects": {
		sinks: func() []sink { return []sink{newLines(), newParquet(), newRedis(), newBus()} },
		points: []string{
			"root.put", "recover.claimed", "stage.after", "add.after", "upload.begun", "part.sent", "range.before", "file.sealed", "link.before", "link.put",
			"complete.before", "complete.after", "range.after", "ledger.before", "finish.before", "finish.after",
			"offsets.before", "kafka.commit.before", "kafka.commit.after", "offsets.after", "load.before", "load.after", "load.acked",
		},
		few: 8,
	},
}

// Processes are killed at each point of the commit path, one after the other, each at the K-th call of it, and each finds what the one before left.
// Then one without failpoints finishes.
func TestFailpoints(t *testing.T) {
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			seeds := max(1, scale(t)/10)
			var all []Result
			for range seeds {
				few := len(s.points)
				if scale(t) < 10 {
					few = s.few
				}
				all = sum(all, dieAtEach(t, "Failpoints"+name, s.sinks(), s.points, few))
			}
			(&rig{t: t}).report(all)
		})
	}
}

// Each point is reached somewhere.
func TestFailpointsAreAll(t *testing.T) {
	var reached []string
	for _, s := range scenarios {
		reached = append(reached, s.points...)
	}
	reached = append(reached, gapPoints()...)
	for _, name := range failpoint.Names {
		if !slices.Contains(reached, name) {
			t.Errorf("no process is killed at %s", name)
		}
	}
	for _, name := range reached {
		if !slices.Contains(failpoint.Names, name) {
			t.Errorf("there is no point %s", name)
		}
	}
}

// withFailpoints is the binary with the points. Package state: the tests share it, because building takes a minute.
var withFailpoints = sync.OnceValues(func() (string, error) {
	path, err := ordinary() // its folder is removed in the end
	if err != nil {
		return "", err
	}
	dir := filepath.Join(filepath.Dir(path), "failpoints")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	return testbed.BuildMillrace(dir, testbed.MillraceBuild{Tags: []string{"failpoints"}})
})

// dieAtEach runs a rig in which a process dies at each of so many points.
func dieAtEach(t *testing.T, fault string, sinks []sink, points []string, few int) []Result {
	t.Helper()
	binary, err := withFailpoints()
	if err != nil {
		t.Fatal(err)
	}
	hurry := make(chan struct{}) // when all points were reached
	r := newRig(t, options{
		fault: fault, sinks: sinks, processes: 1, records: int64(few) * 400, produceFor: time.Duration(few) * 10 * time.Second, hurry: hurry,
		source: func(int) string { return ", instance_id: failing" }, // its partitions wait for it
	})
	r.binary = binary
	order := slices.Clone(points[1:])
	r.random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	order = append([]string{points[0]}, order[:few-1]...) // chains have roots once
	missed := 0
	for _, name := range order {
		before(r, name)
		began := time.Now()
		if !r.dieAt(name, calls(r.random, name)) {
			missed++
			t.Errorf("%s wasn't reached", name)
		}
		t.Logf("%-20s %.1fs", name, time.Since(began).Seconds())
	}
	close(hurry)
	t.Logf("%d deaths in %.0f s, %d points not reached", len(order), time.Since(r.began).Seconds(), missed)
	if missing := r.settle(); missing != "" {
		t.Fatal(missing)
	}
	return r.results(int64(len(order) - missed))
}

// calls is at which call of a point a process dies: within the first ranges of its partitions.
func calls(random *rand.Rand, name string) int {
	switch name {
	case "root.put", "mend.before", "mend.after", "finish.before", "finish.after":
		return 1
	case "kafka.bury.before", "kafka.bury.after", "bury.before", "bury.after", "seal.before", "seal.after",
		"offsets.before", "offsets.after", "kafka.commit.before", "kafka.commit.after": // about one a second
		return 1 + random.IntN(3)
	}
	return 1 + random.IntN(12)
}

// before brings a chain into the state that a point is about.
func before(r *rig, name string) {
	r.t.Helper()
	b, ok := r.sinks[0].(*buried)
	switch name {
	case "finish.before", "finish.after", "mend.before", "mend.after": // a link whose objects aren't visible yet
		for range 10 {
			if r.dieAt("link.put", 1+r.random.IntN(6)) && (!ok || b.unfinished(r)) {
				break
			}
		}
	}
	if strings.HasPrefix(name, "mend.") { // and whose uploads are gone
		temps, err := filepath.Glob(filepath.Join(b.dir, ".millrace-tmp", "*"))
		if err != nil {
			r.t.Fatal(err)
		}
		for _, temp := range temps {
			if err := os.Remove(temp); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// unfinished tells whether a link names an object that isn't there.
func (f *files) unfinished(r *rig) bool {
	r.t.Helper()
	found := false
	f.eachLink(r, func(_ int32, link []byte) error {
		var of struct{ Objects []struct{ Key string } }
		if err := json.Unmarshal(link, &of); err != nil {
			return err
		}
		for _, o := range of.Objects {
			if _, err := os.Stat(filepath.Join(f.dir, o.Key)); err != nil {
				found = true
			}
		}
		return nil
	})
	return found
}

// eachLink reads all links.
func (f *files) eachLink(r *rig, do func(partition int32, link []byte) error) {
	r.t.Helper()
	err := filepath.WalkDir(f.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(name, "/_millrace/") || d.Name() == "owner.json" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var partition int32
		if _, err = fmt.Sscan(filepath.Base(filepath.Dir(name)), &partition); err == nil {
			err = do(partition, text)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// dieAt runs a process until it has died at the k-th call of a point. It reports false if that took too long.
func (r *rig) dieAt(name string, k int) bool {
	r.t.Helper()
	m, err := testbed.NewMillrace(testbed.MillraceOptions{
		Name: "process-0", Dir: r.dir, Binary: r.binary, Config: r.config(0), Env: []string{"MILLRACE_FAILPOINT=" + name + ":" + strconv.Itoa(k)},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	failed := m.Start(r.t.Context()) // it may die before it is ready
	r.runs[0] = m
	select {
	case <-m.Ended():
	case <-time.After(20 * time.Second):
		m.Kill()
		return false
	}
	if status, ok := m.State().Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		r.t.Fatalf("it should have died at %s: %v, %v\n%s", name, m.State(), failed, m.Tail(20))
	}
	return true
}

// sum adds the results of several runs, sink by sink.
func sum(all, more []Result) []Result {
	for _, m := range more {
		i := slices.IndexFunc(all, func(r Result) bool { return r.Sink == m.Sink })
		if i < 0 {
			all = append(all, m)
			continue
		}
		r := &all[i]
		r.Runs += m.Runs
		r.Records += m.Records
		r.Lost += m.Lost
		r.Duplicated += m.Duplicated
		r.Corrupt += m.Corrupt
		r.Reordered += m.Reordered
		r.Phantom += m.Phantom
		r.Stale += m.Stale
		r.Unproven += m.Unproven
		r.Repeated += m.Repeated
		r.Window = max(r.Window, m.Window)
		r.OffsetRegressions += m.OffsetRegressions
		r.Seconds += m.Seconds
	}
	return all
}

// buried is files, a dead letter for records that a rule can't be applied to, and seals.
type buried struct {
	files
	dead string // topic of the dead letter
}

// spoiled tells whether the rule fails.
func spoiled(seq int64) bool { return seq%20 == 7 }

func (b *buried) open(r *rig) {
	b.files.open(r)
	b.dead = r.run + "-dead"
	r.kafka.CreateTopic(r.t, b.dead, 1)
}

func (b *buried) yaml(*rig) string {
	return fmt.Sprintf(`handlers: [{filter: value.seq %% 20 != 7 || value.nothing}]
dead_letter: {kafka: {topic: %s}}
breaker: none
sink: {file: {dir: %q, path: "{topic}/{partition}/", rotate: {age: 300ms, seal_after: 100ms}}}`, b.dead, b.dir)
}

func (b *buried) count(r *rig) Counts {
	r.t.Helper()
	c := b.files.countThose(r, func(seq int64) bool { return !spoiled(seq) })
	there := map[int64]bool{}
	for _, value := range r.values(b.dead) {
		if p, whole := ParsePayload(value); !whole {
			c.Corrupt++
		} else {
			there[p.Seq] = true
			if !spoiled(p.Seq) {
				c.Phantom++
			}
		}
	}
	for seq := range r.truth.places {
		if seq := int64(seq); spoiled(seq) && r.truth.holds(seq) && !there[seq] {
			c.Lost++
		}
	}
	return c
}
