//go:build testbed

package torture

import (
	"testing"
	"time"
)

// Every fifth write is done, and the connection is cut in place of the answer.
func TestAmbiguous(t *testing.T) {
	const share = 0.2
	lines, parquet, redis, dynamo, bus := newLines(), newParquet(), newRedis(), newDynamo(), newBus()
	r := newRig(t, options{fault: "Ambiguous", sinks: []sink{lines, parquet, redis, dynamo, bus}, processes: 2, produceFor: time.Duration(scale(t)) * 3 * time.Second})
	lines.faults.drop(share)
	parquet.faults.drop(share)
	redis.faults.drop(share)
	dynamo.faults.drop(share)
	bus.drop(share)
	r.startAll()
	if missing := r.settle(); missing != "" {
		t.Fatal(missing)
	}
	results := r.results(1)
	for i, faults := range []string{lines.faults.String(), parquet.faults.String(), redis.faults.String(), dynamo.faults.String(), bus.String()} {
		results[i].Faults = faults
		t.Logf("%-12s %s", results[i].Sink, faults)
	}
	results[0].Runs, results[1].Runs, results[2].Runs = int64(lines.faults.dropped), int64(parquet.faults.dropped), int64(redis.faults.dropped)
	results[3].Runs, results[4].Runs = int64(dynamo.faults.dropped), int64(bus.dropped)
	r.report(results)
	for i := range results {
		if results[i].Runs == 0 {
			t.Errorf("%s: no answer was dropped", results[i].Sink)
		}
	}
}

// Of requests with many entries three of ten entries fail, and the others don't; requests with one fail as a whole, or are done late.
func TestPartial(t *testing.T) {
	const share = 0.3
	fast, newest, bus := newDynamoFast(), newDynamo(), newBus()
	r := newRig(t, options{fault: "Partial", sinks: []sink{fast, newest, bus}, processes: 2, produceFor: time.Duration(scale(t)) * 3 * time.Second})
	fast.gateway.Set(share)
	newest.gateway.Set(share)
	bus.fail(share)
	r.startAll()
	if missing := r.settle(); missing != "" {
		t.Fatal(missing)
	}
	results := r.results(1)
	results[0].Runs, results[1].Runs, results[2].Runs = int64(fast.gateway.Faults().Sum()), int64(newest.gateway.Faults().Sum()), int64(bus.failed)
	results[0].Faults, results[1].Faults, results[2].Faults = fast.gateway.Faults().String(), newest.gateway.Faults().String(), bus.String()
	r.report(results)
	for i := range results {
		t.Logf("%-12s %s", results[i].Sink, results[i].Faults)
		if results[i].Runs == 0 {
			t.Errorf("%s: nothing failed", results[i].Sink)
		}
	}
}
