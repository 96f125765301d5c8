//go:build testbed

package torture

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/testbed"
)

// A process joins and leaves again and again, in good order or not, in every kind of group: each time the others take over or give away. With static
// membership a process that is back within its session gets what it had, and a rebalance comes only if it isn't.
func TestRebalances(t *testing.T) {
	each := max(2, (scale(t)*5/2+5)/6)
	for name, balancer := range map[string]string{"Eager": "range", "Cooperative": "cooperative_sticky", "KIP848": "kip848"} {
		t.Run(name, func(t *testing.T) { rebalance(t, name, balancer, false, each) })
		name += "Static"
		t.Run(name, func(t *testing.T) { rebalance(t, name, balancer, true, each) })
	}
}

func rebalance(t *testing.T, name, balancer string, static bool, times int64) {
	t.Helper()
	r := newRig(t, options{
		fault: name, sinks: []sink{newLines(), newFiles(), newRedis(), newBus()}, records: 5000 * scale(t) / 6, produceFor: time.Duration(times) * 3 * time.Second,
		source: func(process int) string {
			if static {
				return fmt.Sprintf(", balancer: %s, instance_id: pod-%d", balancer, process)
			}
			return ", balancer: " + balancer
		},
	})
	r.startAll()
	rebalances := int64(0)
	for rebalances < times {
		i := r.random.IntN(r.processes)
		if r.random.IntN(3) == 0 {
			r.kill(i)
		} else {
			r.stopWithin(i, 30*time.Second)
		}
		away := r.between(500*time.Millisecond, 3*time.Second)
		if static && r.random.IntN(3) == 0 {
			away = 7 * time.Second // its session is over
		}
		time.Sleep(away)
		r.start(i)
		rebalances += 2 // it left, and joined
		time.Sleep(r.between(500*time.Millisecond, 3*time.Second))
	}
	r.finish(rebalances)
}

// While a process joins and leaves every second or two, at least half as much is written as while all is calm. A bus that takes its time bounds the rate.
func TestRebalanceProgress(t *testing.T) {
	n := scale(t)
	calm, storm := 5*time.Second, max(10*time.Second, min(time.Duration(n)*time.Second, time.Minute))
	bus := newBus()
	r := newRig(t, options{fault: "Progress", sinks: []sink{bus}, records: 10_000 + 1200*int64((calm+storm)/time.Second)})
	bus.delay.Store(int64(150 * time.Millisecond))
	r.start(0)
	r.start(1)
	testbed.WaitUntil(t, time.Minute, "the first events", func() bool { return bus.distinct() > 2000 })
	rate := func(d time.Duration, during func(until time.Time)) float64 {
		before, began := bus.distinct(), time.Now()
		during(began.Add(d))
		return float64(bus.distinct()-before) / time.Since(began).Seconds()
	}
	before := rate(calm, func(until time.Time) { time.Sleep(time.Until(until)) })
	rebalances := int64(0)
	during := rate(storm, func(until time.Time) {
		for ; time.Now().Before(until); rebalances += 2 {
			r.start(2)
			time.Sleep(r.between(500*time.Millisecond, 2*time.Second))
			r.stopWithin(2, 30*time.Second)
			time.Sleep(r.between(500*time.Millisecond, 2*time.Second))
		}
	})
	if bus.distinct() >= r.records {
		t.Fatal("all was written before the end: the rate isn't known")
	}
	bus.delay.Store(0)
	if missing := r.settle(); missing != "" {
		t.Fatal(missing)
	}
	results := r.results(rebalances)
	results[0].Progress = during / before
	r.report(results)
	t.Logf("%.0f records a second, %.0f while the group rebalanced; %d events came twice", before, during, results[0].Repeated)
	if n >= 20 && during < before/2 {
		t.Errorf("%.0f records a second while the group rebalanced are less than half of %.0f", during, before)
	}
}
