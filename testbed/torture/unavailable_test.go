//go:build testbed

package torture

import (
	"sync"
	"testing"
	"time"
)

// All sinks answer 503 for a while. Memory stays where it was, and each sink is written to again soon after.
func TestUnavailable(t *testing.T) {
	n := scale(t)
	calm, outage := 8*time.Second, max(8*time.Second, min(time.Duration(n)*time.Second/2, 60*time.Second))
	lines, redis, dynamo, bus := newLines(), newRedis(), newDynamo(), newBus()
	r := newRig(t, options{
		fault: "Unavailable", sinks: []sink{lines, redis, dynamo, bus}, processes: 1, produceFor: calm + outage + 5*time.Second,
		flags: func(int) []string { return []string{"--budget", "32MiB"} },
	})
	answer := func(sorry bool) {
		lines.faults.down.Store(sorry)
		dynamo.faults.down.Store(sorry)
		bus.down.Store(sorry)
		redis.faults.refuse(sorry)
	}
	r.start(0)
	time.Sleep(calm / 2) // until all is opened and warm
	before := r.most(calm / 2)
	answer(true)
	during := r.most(outage)
	answer(false)
	ended := time.Now()
	recovery := r.recovery(ended)
	if missing := r.settle(); missing != "" {
		t.Fatal(missing)
	}
	results := r.results(1)
	faults := []string{lines.faults.String(), redis.faults.String(), dynamo.faults.String(), bus.String()}
	for i := range results {
		results[i].Memory, results[i].Recovery, results[i].Faults = float64(during)/float64(before), recovery[results[i].Sink].Seconds(), faults[i]
		t.Logf("%-12s wrote again %.1f s after %s of 503; %s", results[i].Sink, results[i].Recovery, outage, faults[i])
		if results[i].Recovery > 10 {
			t.Errorf("%s needed %.1f s to recover", results[i].Sink, results[i].Recovery)
		}
	}
	r.report(results)
	t.Logf("resident: %d MiB before, %d MiB during the outage", before>>20, during>>20)
	if during > before+before/10 {
		t.Errorf("memory rose by %d %%", 100*(during-before)/before)
	}
}

// most is the most memory that process 0 had resident in a time.
func (r *rig) most(d time.Duration) (most int64) {
	r.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		n, err := r.runs[0].Resident()
		if err != nil {
			r.t.Fatal(err)
		}
		most = max(most, n)
	}
	return most
}

// recovery is how long each sink's group took, from a time on, to commit something.
func (r *rig) recovery(from time.Time) map[string]time.Duration {
	r.t.Helper()
	took := map[string]time.Duration{}
	var mu sync.Mutex
	var waiting sync.WaitGroup
	for _, s := range r.sinks {
		waiting.Go(func() {
			for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				if r.offsets.MovedSince(r.group(s), from) {
					break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			took[s.name()] = time.Since(from)
		})
	}
	waiting.Wait()
	return took
}
