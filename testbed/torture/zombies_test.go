//go:build testbed

package torture

import (
	"testing"
	"time"

	"github.com/millrace/millrace/testbed"
)

// Processes are paused for longer than their session, in the middle of uploads and requests, and go on with what they had when others own their partitions.
func TestZombies(t *testing.T) {
	zombies := max(2, scale(t)/2)
	lines, bus := newLines(), newBus()
	hurry := make(chan struct{})
	r := newRig(t, options{
		fault: "Zombies", sinks: []sink{lines, newParquet(), newFiles(), newRedis(), newDynamo(), bus},
		records: 1500 * scale(t), produceFor: time.Duration(zombies) * 22 * time.Second, hurry: hurry, // it lasts beyond the last zombie
		slack: 2 * inFlight * 10, // what a zombie has under way, and what it sends before it hears that it is one
	})
	lines.faults.delay.Store(int64(300 * time.Millisecond))
	bus.delay.Store(int64(300 * time.Millisecond))
	r.startAll()
	for range zombies {
		i := r.random.IntN(r.processes)
		r.untilItWrites(i)
		time.Sleep(r.between(0, 2*time.Second))
		r.pause(i)
		time.Sleep(r.between(7*time.Second, 9*time.Second))
		r.resume(i)
	}
	close(hurry)
	lines.faults.delay.Store(0)
	bus.delay.Store(0)
	if missing := r.settle(); missing != "" {
		t.Fatal(missing)
	}
	results := r.results(zombies)
	r.report(results)
	late := int64(0)
	for i := range results {
		late += results[i].LateAcks
	}
	if late == 0 {
		t.Error("no process wrote anything when it was a zombie: the pauses hit nothing")
	}
}

// untilItWrites waits until a process owns partitions of every sink and writes some of them.
func (r *rig) untilItWrites(i int) {
	r.t.Helper()
	var before map[string]map[string]int64
	testbed.WaitUntil(r.t, time.Minute, "a process that writes to all sinks", func() bool {
		totals, err := r.runs[i].Totals()
		if err != nil {
			return false
		}
		if before == nil {
			before = totals
		}
		for _, s := range r.sinks {
			if totals[r.group(s)]["records_written"] <= before[r.group(s)]["records_written"] {
				return false
			}
		}
		return true
	})
}
