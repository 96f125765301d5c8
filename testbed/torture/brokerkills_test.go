//go:build testbed

package torture

import (
	"testing"
	"time"

	"github.com/millrace/millrace/testbed"
)

// Brokers of a cluster of three are killed with kill -9, those that lead a partition of the topic or coordinate a group, and are started again a moment later.
func TestBrokerKills(t *testing.T) {
	kills := max(2, scale(t)/4)
	lines := newLines()
	r := newRig(t, options{
		fault: "BrokerKills", sinks: []sink{lines, newFiles(), newRedis(), newBus()}, kafka: testbed.KafkaCluster(t), processes: 2,
		produceFor: time.Duration(kills) * 8 * time.Second,
	})
	r.startAll()
	for range kills {
		time.Sleep(r.between(2*time.Second, 5*time.Second))
		node := r.kafka.Leader(t, r.run, r.random.Int32N(r.partitions))
		if r.random.IntN(2) == 0 {
			node = r.kafka.Coordinator(t, r.group(r.sinks[r.random.IntN(len(r.sinks))]))
		}
		r.kafka.Nodes[node].Kill()
		time.Sleep(r.between(time.Second, 4*time.Second))
		if err := r.kafka.Nodes[node].Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.wholeAgain()
	}
	r.finish(kills)
}

// wholeAgain waits until all replicas are in sync: the next kill may take another broker.
func (r *rig) wholeAgain() {
	r.t.Helper()
	admin := r.kafka.Admin(r.t)
	testbed.WaitUntil(r.t, time.Minute, "all replicas to be in sync", func() bool {
		topics, err := admin.ListTopicsWithInternal(r.t.Context())
		if err != nil || len(topics) < 2 {
			return false
		}
		for _, topic := range topics {
			for _, p := range topic.Partitions {
				if p.Err != nil || p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
					return false
				}
			}
		}
		return true
	})
}
