//go:build testbed

package behaviour

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/testbed"
)

// decoded counts the records that the client decodes, delivered or not.
type decoded struct{ n atomic.Int64 }

func (d *decoded) OnFetchRecordBuffered(*kgo.Record) { d.n.Add(1) }

// A member is a connector in this process.
type member struct {
	t       *testing.T
	c       *connector.Connector
	decoded *decoded
	stop    func()
	ended   chan error
}

func startMember(t *testing.T, brokers *testbed.Brokers, topic, group string, load connector.LoaderFunc, opts ...connector.Option) *member {
	t.Helper()
	return startMemberWith(t, source(brokers, topic, group), load, opts...)
}

func source(brokers *testbed.Brokers, topic, group string) kafka.Config {
	c := kafka.DefaultConfig()
	c.Brokers, c.Topics, c.Group = brokers.Addrs, []string{topic}, group
	return c
}

func startMemberWith(t *testing.T, c kafka.Config, load connector.LoaderFunc, opts ...connector.Option) *member {
	t.Helper()
	m := &member{t: t, decoded: &decoded{}, ended: make(chan error, 1)}
	c.Options = []kgo.Opt{kgo.WithHooks(m.decoded)}
	consumer, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opts = append([]connector.Option{connector.WithLogger(slog.New(slog.DiscardHandler))}, opts...)
	if m.c, err = connector.New(consumer, load, opts...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { m.ended <- m.c.Run(ctx) }()
	m.stop = func() {
		cancel()
		if err := <-m.ended; err != nil {
			t.Errorf("a member ended with %v", err)
		}
		m.stop = func() {}
	}
	t.Cleanup(func() { m.stop() })
	return m
}

func (m *member) total(k connector.Metric) int64 { return m.c.Status().Totals[k] }

// fill produces n records of 200 bytes to each partition.
func fill(t *testing.T, brokers *testbed.Brokers, topic string, partitions, n int) {
	t.Helper()
	client := brokers.Client(t, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		for p := range partitions {
			r := &kgo.Record{Partition: int32(p), Key: fmt.Appendf(nil, "k%d", i%1000), Value: payload(rnd, i)}
			client.Produce(t.Context(), r, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// payload is a text of 200 bytes that compresses as JSON does, to about a third.
func payload(rnd *rand.Rand, i int) []byte {
	b := fmt.Appendf(nil, "%010d", i)
	for len(b) < 200 {
		b = fmt.Appendf(b, `,"field":%d`, rnd.Uint32())
	}
	return b
}

// One partition of four is slow. What the client decodes is at most a tenth more than what is delivered: the
// slow partition is neither fetched again and again, nor does it hold up the others.
func TestASlowPartitionIsNotDecodedAgain(t *testing.T) {
	brokers := testbed.Kafka(t)
	topic := brokers.Topic(t, 4)
	const each = 250_000
	fill(t, brokers, topic, 4, each)
	var fast, slow, slowThen atomic.Int64 // slowThen: what was delivered of the slow one when the others were done
	m := startMember(t, brokers, topic, testbed.Name(t), func(_ context.Context, b *connector.Batch) error {
		if b.Source().ID == 0 {
			time.Sleep(time.Duration(b.Len()) * 60 * time.Microsecond)
			slow.Add(int64(b.Len()))
		} else if fast.Add(int64(b.Len())) == 3*each {
			slowThen.Store(slow.Load())
		}
		return nil
	}, connector.WithBudget(connector.NewBudget(128<<20)))
	testbed.WaitUntil(t, 2*time.Minute, "all records", func() bool { return m.total(connector.MetricWritten) == 4*each })
	ratio := float64(m.decoded.n.Load()) / (4 * each)
	t.Logf("decoded / delivered: %.4f; when the fast partitions were done, the slow one had %d of %d", ratio, slowThen.Load(), each)
	if ratio > 1.1 {
		t.Errorf("decoded / delivered is %.3f, want at most 1.1", ratio)
	}
	if slowThen.Load() > each*3/4 {
		t.Errorf("the slow partition had %d of %d when the others were done: it held them up", slowThen.Load(), each)
	}
}

// The sink is down and the budget full: a second member joins and gets its partitions well below the rebalance
// timeout, and nobody is evicted. When the sink is back, every partition goes on.
func TestARebalanceWithTheSinkDownAndTheBudgetFull(t *testing.T) {
	brokers := testbed.Kafka(t)
	topic, group := brokers.Topic(t, 4), testbed.Name(t)
	const each = 100_000
	fill(t, brokers, topic, 4, each)
	var down atomic.Bool
	down.Store(true)
	load := func(context.Context, *connector.Batch) error {
		if down.Load() {
			return errors.New("connection refused")
		}
		return nil
	}
	opts := func() []connector.Option {
		return []connector.Option{connector.WithBudget(connector.NewBudget(32 << 20)), connector.WithDrainTimeout(5 * time.Second), connector.WithRetry(100*time.Millisecond, time.Second)}
	}
	a := startMember(t, brokers, topic, group, load, opts()...)
	testbed.WaitUntil(t, time.Minute, "a full budget", func() bool { return a.c.Status().Held > 24<<20 })
	time.Sleep(3 * time.Second)
	held := a.c.Status().Held
	admin := brokers.Admin(t)
	before := members(t, admin, group)
	began := time.Now()
	b := startMember(t, brokers, topic, group, load, opts()...)
	testbed.WaitUntil(t, time.Minute, "the second member's partitions", func() bool { return len(b.c.Status().Partitions) == 2 && len(a.c.Status().Partitions) == 2 })
	took := time.Since(began)
	t.Logf("the rebalance took %s, rebalance timeout %s; held %d MiB", took.Round(time.Millisecond), kafka.DefaultConfig().RebalanceTimeout, held>>20)
	if limit := time.Duration(kafka.DefaultConfig().RebalanceTimeout); took > limit {
		t.Errorf("the rebalance took %s, more than the rebalance timeout of %s", took, limit)
	}
	time.Sleep(5 * time.Second)
	after := members(t, admin, group)
	for id := range before {
		if !after[id] {
			t.Errorf("member %s was evicted; the group is %v", id, after)
		}
	}
	if len(after) != 2 {
		t.Errorf("the group has %d members, want 2", len(after))
	}
	down.Store(false)
	testbed.WaitUntil(t, time.Minute, "all to be committed", func() bool { return committedSum(t, admin, group) == 4*each })
}

func members(t *testing.T, admin *kadm.Client, group string) map[string]bool {
	t.Helper()
	described, err := admin.DescribeGroups(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, m := range described[group].Members {
		ids[m.MemberID] = true
	}
	return ids
}

// Partitions that are paused, revoked and assigned again must not stall: a pause survives a re-assignment in the client.
func TestNoPartitionStallsAfterReassignment(t *testing.T) {
	brokers := testbed.Kafka(t)
	topic, group := brokers.Topic(t, 4), testbed.Name(t)
	const each = 100_000
	fill(t, brokers, topic, 4, each)
	// Slow enough to be paused while other members come and go.
	load := func(_ context.Context, b *connector.Batch) error {
		time.Sleep(time.Duration(b.Len()) * 150 * time.Microsecond)
		return nil
	}
	opts := func() []connector.Option {
		return []connector.Option{connector.WithBudget(connector.NewBudget(24 << 20)), connector.WithDrainTimeout(2 * time.Second)}
	}
	a := startMember(t, brokers, topic, group, load, opts()...)
	testbed.WaitUntil(t, time.Minute, "the first member", func() bool { return a.total(connector.MetricWritten) > 0 })
	for range 3 {
		b := startMember(t, brokers, topic, group, load, opts()...)
		testbed.WaitUntil(t, time.Minute, "partitions of both", func() bool { return len(b.c.Status().Partitions) == 2 && len(a.c.Status().Partitions) == 2 })
		time.Sleep(time.Second)
		b.stop()
		testbed.WaitUntil(t, time.Minute, "all partitions back", func() bool { return len(a.c.Status().Partitions) == 4 })
	}
	admin := brokers.Admin(t)
	testbed.WaitUntil(t, 2*time.Minute, "all to be committed", func() bool { return committedSum(t, admin, group) == 4*each })
}

// Every way to share partitions out works on a real broker: a member joins and leaves, and each record is delivered
// at least once, and once only while nobody is killed.
func TestBalancersOnARealBroker(t *testing.T) {
	for _, balancer := range []string{kafka.CooperativeSticky, kafka.Sticky, kafka.Range, kafka.KIP848} {
		t.Run(balancer, func(t *testing.T) {
			brokers := testbed.Kafka(t)
			topic := brokers.Topic(t, 4)
			const each = 50_000
			fill(t, brokers, topic, 4, each)
			var mu sync.Mutex
			seen := map[connector.Partition]map[int64]int{}
			load := func(_ context.Context, b *connector.Batch) error {
				time.Sleep(time.Duration(b.Len()) * 50 * time.Microsecond)
				mu.Lock()
				defer mu.Unlock()
				p := b.Source().Partition
				if seen[p] == nil {
					seen[p] = map[int64]int{}
				}
				for _, r := range b.Records() {
					seen[p][r.Offset]++
				}
				return nil
			}
			c := source(brokers, topic, testbed.Name(t))
			c.Balancer = balancer
			a := startMemberWith(t, c, load)
			testbed.WaitUntil(t, time.Minute, "the first member", func() bool { return a.total(connector.MetricWritten) > 0 })
			b := startMemberWith(t, c, load)
			testbed.WaitUntil(t, time.Minute, "partitions of both", func() bool { return len(b.c.Status().Partitions) == 2 && len(a.c.Status().Partitions) == 2 })
			b.stop()
			admin := brokers.Admin(t)
			testbed.WaitUntil(t, time.Minute, "all to be committed", func() bool { return committedSum(t, admin, c.Group) == 4*each })
			records, repeated := 0, 0
			for _, offsets := range seen {
				records += len(offsets)
				for _, n := range offsets {
					repeated += n - 1
				}
			}
			t.Logf("%d records, %d repeated", records, repeated)
			if records != 4*each || repeated > 0 {
				t.Errorf("%d records, %d repeated; want %d and none", records, repeated, 4*each)
			}
		})
	}
}
