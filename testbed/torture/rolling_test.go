//go:build testbed

package torture

import (
	"testing"
	"time"
)

// Processes are asked to end, one after the other, and started anew, as a deployment does. Each ends well within 30 s, and no sink gets anything twice, one
// that promises at least once included.
func TestRollingRestarts(t *testing.T) {
	restarts := max(2, scale(t)/2)
	bus := newBus()
	hurry := make(chan struct{})
	bus.delay.Store(int64(100 * time.Millisecond)) // so that requests are under way at any time
	r := newRig(t, options{
		fault: "RollingRestarts", sinks: []sink{newLines(), newParquet(), newFiles(), newRedis(), newDynamo(), bus},
		records: 3000 * scale(t), produceFor: time.Duration(restarts) * 18 * time.Second, hurry: hurry, // it lasts beyond the last restart
	})
	r.startAll()
	for range restarts {
		for i := range r.processes {
			time.Sleep(r.between(time.Second, 3*time.Second))
			r.stopWithin(i, 30*time.Second)
			r.start(i)
		}
	}
	close(hurry)
	bus.delay.Store(0)
	if missing := r.settle(); missing != "" {
		t.Fatal(missing)
	}
	results := r.results(restarts)
	r.report(results)
	for i := range results {
		if results[i].Repeated > 0 {
			t.Errorf("%s: %d records came twice", results[i].Sink, results[i].Repeated)
		}
	}
}
