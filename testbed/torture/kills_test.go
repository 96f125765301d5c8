//go:build testbed

package torture

import (
	"testing"
	"time"
)

// everywhere is all sinks.
func everywhere() []sink {
	return []sink{newLines(), newParquet(), newFiles(), newRedis(), newDynamo(), newBus()}
}

// Three processes are killed with kill -9 at random moments, and started again.
func TestKills(t *testing.T) {
	kills := scale(t)
	r := newRig(t, options{fault: "Kills", sinks: everywhere(), produceFor: time.Duration(kills) * 3 * time.Second})
	r.startAll()
	for range kills {
		time.Sleep(r.between(1500*time.Millisecond, 4*time.Second))
		i := r.random.IntN(r.processes)
		r.kill(i)
		r.start(i)
	}
	r.finish(kills)
}
