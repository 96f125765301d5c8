//go:build testbed

package torture

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/millrace/millrace/testbed"
)

// scale is N, which makes all faults longer.
func scale(t *testing.T) int64 {
	t.Helper()
	return max(1, int64(testbed.FromEnv(t, "MILLRACE_N", 4)))
}

// options say what a rig has. The zero value of a field is its default.
type options struct {
	fault      string                     // its name
	sinks      []sink                     // at least one
	kafka      *testbed.Brokers           // the shared one
	partitions int32                      // 12
	records    int64                      // 5,000 * N
	produceFor time.Duration              // how long producing takes, at about an even pace; 0: as fast as it goes
	hurry      chan struct{}              // closed: the rest is produced as fast as it goes; may be nil
	processes  int                        // 3, none of which is started
	build      testbed.MillraceBuild      // of the processes
	source     func(process int) string   // more settings of the source: ", balancer: range"
	flags      func(process int) []string // more of "millrace run"
	env        func(process int) []string // more of the environment, asked for at each new process
	slack      int64                      // see Events
	patience   time.Duration              // how long the groups may need to come to the end; 5 minutes and a second for each 1,000 records
}

// A rig is a topic on its way into several sinks through processes that a test breaks. Its methods are called by the test's goroutine.
type rig struct {
	options
	t       *testing.T
	seed    uint64
	random  *rand.Rand
	run     string // names the topic, and begins the names of groups
	binary  string
	dir     string
	began   time.Time
	runs    []*testbed.Millrace
	offsets Offsets
	late    map[string]int64 // late acks by sink
	done    chan error       // of producing
	stop    func()           // the watcher

	truth *Truth
	ends  map[int32]int64 // behind the last record of each partition
}

// newRig makes the topic and the places of the sinks, begins to produce, and watches the groups' offsets. No process runs yet.
func newRig(t *testing.T, o options) *rig {
	t.Helper()
	if o.kafka == nil {
		o.kafka = testbed.Kafka(t)
	}
	if o.partitions == 0 {
		o.partitions = 12
	}
	if o.records == 0 {
		o.records = 5000 * scale(t)
	}
	if o.processes == 0 {
		o.processes = 3
	}
	if o.patience == 0 {
		o.patience = 5*time.Minute + time.Duration(o.records)*time.Millisecond
	}
	r := &rig{options: o, t: t, dir: scratch(t), began: time.Now(), run: testbed.Name(t), late: map[string]int64{}, done: make(chan error, 1)}
	r.seed = testbed.FromEnv(t, "MILLRACE_SEED", rand.Uint64N(1_000_000))
	name := fnv.New64a()
	name.Write([]byte(o.fault))
	r.random = rand.New(rand.NewPCG(r.seed, name.Sum64()))
	t.Logf("%s: MILLRACE_SEED=%d", o.fault, r.seed)
	r.binary = binary(t, o.build)
	r.kafka.CreateTopic(t, r.run, r.partitions)
	for _, s := range r.sinks {
		s.open(r)
	}
	r.runs = make([]*testbed.Millrace, r.processes)
	r.watch()
	r.produce()
	t.Cleanup(func() {
		for i := range r.runs {
			r.kill(i)
			if t.Failed() && r.runs[i] != nil {
				t.Logf("end of the log of process %d:\n%s", i, r.runs[i].Tail(25))
			}
		}
	})
	return r
}

// scratch is a folder that stays if the test fails, with the logs of all processes.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "millrace-torture-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("logs of the processes are in %s", dir)
			return
		}
		os.RemoveAll(dir)
	})
	return dir
}

// ordinary is the binary of the zero build. Package state: the tests share it, because building takes seconds.
var ordinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "millrace-bin-")
	if err != nil {
		return "", err
	}
	return testbed.BuildMillrace(dir, testbed.MillraceBuild{})
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := ordinary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func binary(t *testing.T, b testbed.MillraceBuild) string {
	t.Helper()
	if len(b.Tags) > 0 || len(b.Overlay) > 0 {
		path, err := testbed.BuildMillrace(t.TempDir(), b)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	path, err := ordinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// group is the name of a sink's connector and of its group.
func (r *rig) group(s sink) string { return r.run + "-" + s.name() }

// config is the configuration file of a process.
func (r *rig) config(process int) string {
	var documents []string
	for _, s := range r.sinks {
		more := ""
		if r.source != nil {
			more = r.source(process)
		}
		documents = append(documents, fmt.Sprintf("name: %s\nsource: {kafka: {brokers: %q, topics: [%s], session_timeout: 6s%s}}\n%s\n",
			r.group(s), strings.Join(r.kafka.Addrs, ","), r.run, more, s.yaml(r)))
	}
	return strings.Join(documents, "---\n")
}

// start starts a process that doesn't run, the first time or again.
func (r *rig) start(i int) {
	r.t.Helper()
	o := testbed.MillraceOptions{Name: "process-" + strconv.Itoa(i), Dir: r.dir, Binary: r.binary, Config: r.config(i)}
	if r.flags != nil {
		o.Flags = r.flags(i)
	}
	if r.env != nil {
		o.Env = r.env(i)
	}
	m, err := testbed.NewMillrace(o)
	if err == nil {
		err = m.Start(r.t.Context())
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.runs[i] = m
}

// startAll starts all processes.
func (r *rig) startAll() {
	r.t.Helper()
	for i := range r.runs {
		r.start(i)
	}
}

// kill ends a process as kill -9 does, a paused one too. It may have ended already.
func (r *rig) kill(i int) {
	if r.runs[i] != nil {
		r.runs[i].Kill()
	}
}

// pause freezes a process.
func (r *rig) pause(i int) {
	r.t.Helper()
	if err := r.runs[i].Pause(); err != nil {
		r.t.Fatal(err)
	}
}

// resume lets a paused process go on.
func (r *rig) resume(i int) {
	r.t.Helper()
	if err := r.runs[i].Continue(); err != nil {
		r.t.Fatal(err)
	}
}

// stopWithin asks a process to drain (SIGTERM), and fails the test if it doesn't end well in time.
func (r *rig) stopWithin(i int, d time.Duration) {
	r.t.Helper()
	r.harvest(i)
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	if err := r.runs[i].Stop(ctx); err != nil {
		r.t.Errorf("process %d: %v", i, err)
	} else if state := r.runs[i].State(); !state.Success() {
		r.t.Errorf("process %d ended with %s", i, state)
	}
}

// harvest adds a running process's late acks.
func (r *rig) harvest(i int) {
	r.t.Helper()
	totals, err := r.runs[i].Totals()
	if err != nil {
		r.t.Logf("process %d: %v", i, err)
		return
	}
	for _, s := range r.sinks {
		r.late[s.name()] += totals[r.group(s)]["late_acks"]
	}
}

// running tells whether a process was started and hasn't ended.
func (r *rig) running(i int) bool {
	if r.runs[i] == nil || r.runs[i].Ended() == nil {
		return false
	}
	select {
	case <-r.runs[i].Ended():
		return false
	default:
		return true
	}
}

// between is a random duration.
func (r *rig) between(least, most time.Duration) time.Duration {
	return least + time.Duration(r.random.Int64N(int64(most-least)+1))
}

// settle waits until all is produced and each group has come to the end of it, starting processes that ended if none runs, and stops them in good order.
// If a group doesn't come to the end, it leaves them running and says what is missing.
func (r *rig) settle() (missing string) {
	r.t.Helper()
	r.scan()
	for i := range r.runs {
		if r.running(i) {
			break
		}
		if i == len(r.runs)-1 {
			r.start(i)
		}
	}
	for _, s := range r.sinks {
		if left := r.await(s); left != "" {
			return fmt.Sprintf("%s: after %s the group hasn't come to the end: %s", s.name(), r.patience, left)
		}
	}
	for i := range r.runs {
		if r.running(i) {
			r.stopWithin(i, time.Minute)
		}
	}
	r.stop()
	return ""
}

// await waits until a sink's group has committed all that is in the topic, or says what is left.
func (r *rig) await(s sink) (left string) {
	r.t.Helper()
	end := time.Now().Add(r.patience)
	for {
		left = ""
		for partition, offset := range r.ends {
			if at := r.offsets.Before(r.group(s), partition, time.Now()); at < offset {
				left += fmt.Sprintf("partition %d is at %d of %d; ", partition, at, offset)
			}
		}
		if left == "" || time.Now().After(end) {
			return left
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// results counts in every sink. All is settled.
func (r *rig) results(runs int64) []Result {
	r.t.Helper()
	seconds := time.Since(r.began).Seconds()
	var all []Result
	for _, s := range r.sinks {
		all = append(all, Result{
			Fault: r.fault, Sink: s.name(), Runs: runs, Counts: s.count(r), OffsetRegressions: r.offsets.Regressions(r.group(s)),
			LateAcks: r.late[s.name()], Seconds: float64(int(seconds*10)) / 10, Seed: r.seed,
		})
	}
	return all
}

// report prints results, and fails the test where a number isn't 0 that has to be.
func (r *rig) report(results []Result) {
	r.t.Helper()
	var lines bytes.Buffer
	for i := range results {
		if err := results[i].WriteLine(&lines); err != nil {
			r.t.Fatal(err)
		}
		if results[i].Bad() > 0 {
			r.t.Errorf("%s isn't what the topic holds: %+v", results[i].Sink, results[i])
		}
	}
	fmt.Fprint(os.Stdout, lines.String())
	path := os.Getenv("MILLRACE_TORTURE_OUT")
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = f.Write(lines.Bytes())
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// finish settles, counts and reports.
func (r *rig) finish(runs int64) {
	r.t.Helper()
	if missing := r.settle(); missing != "" {
		r.t.Fatal(missing)
	}
	r.report(r.results(runs))
}

// watch looks at the groups' committed offsets every 50 ms, until r.stop.
func (r *rig) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	admin := r.kafka.Admin(r.t)
	go func() {
		defer close(ended)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.look(ctx, admin)
			case <-ctx.Done():
				return
			}
		}
	}()
	r.stop = sync.OnceFunc(func() { cancel(); <-ended })
	r.t.Cleanup(r.stop)
}

func (r *rig) look(ctx context.Context, admin *kadm.Client) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var groups []string
	for _, s := range r.sinks {
		groups = append(groups, r.group(s))
	}
	for group, answer := range admin.FetchManyOffsets(ctx, groups...) {
		if answer.Err != nil {
			continue // the coordinator is away
		}
		now := time.Now()
		answer.Fetched.Each(func(o kadm.OffsetResponse) {
			if o.Err == nil && o.Topic == r.run && o.At >= 0 {
				r.offsets.See(group, o.Partition, o.At, now)
			}
		})
	}
}
