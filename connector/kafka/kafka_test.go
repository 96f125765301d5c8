package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fake is a cluster in this process.
type fake struct {
	*kfake.Cluster
	client *kgo.Client
	admin  *kadm.Client
}

func newFake(t testing.TB, opts ...kfake.Opt) *fake {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.ClusterID("test"), kfake.BrokerConfigs(map[string]string{"group.consumer.heartbeat.interval.ms": "50"})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(10*time.Millisecond), kgo.MetadataMaxAge(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &fake{c, client, kadm.NewClient(client)}
}

func (f *fake) produce(t testing.TB, topic string, p int32, values ...string) {
	t.Helper()
	var rs []*kgo.Record
	for i, v := range values {
		rs = append(rs, &kgo.Record{Topic: topic, Partition: p, Key: []byte(fmt.Sprint("k", i)), Value: []byte(v)})
	}
	if err := f.client.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func numbers(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

func (f *fake) config(topics ...string) Config {
	c := DefaultConfig()
	c.Brokers, c.Topics, c.Group = f.ListenAddrs(), topics, "g"
	c.Fetch.MaxWait = connector.Duration(20 * time.Millisecond)
	c.MetadataMaxAge = connector.Duration(100 * time.Millisecond)
	c.SessionTimeout = connector.Duration(6 * time.Second)
	c.Options = []kgo.Opt{kgo.HeartbeatInterval(50 * time.Millisecond), kgo.MetadataMinAge(20 * time.Millisecond)}
	return c
}

// A reader is a Consumer that resumes whatever it is assigned, and keeps what it reads.
type reader struct {
	*Consumer
	t    testing.TB
	stop context.CancelFunc
	done chan struct{}
	once sync.Once

	mu       sync.Mutex
	assigned map[connector.Partition]connector.Assignment
	got      map[connector.Partition][]string
	offsets  map[connector.Partition][]int64
	next     map[connector.Partition]int64
	errs     []error
}

// heard is what a reader has heard.
type heard struct {
	assigned map[connector.Partition]connector.Assignment
	got      map[connector.Partition][]string
	offsets  map[connector.Partition][]int64
	errs     []error
}

// now is what the reader has heard so far.
func (r *reader) now() heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	return heard{maps.Clone(r.assigned), maps.Clone(r.got), maps.Clone(r.offsets), slices.Clone(r.errs)}
}

func open(t testing.TB, c Config) *Consumer {
	t.Helper()
	consumer, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return consumer
}

// read opens a consumer and reads in the background until close.
func read(t testing.TB, c Config) *reader {
	t.Helper()
	r := &reader{
		Consumer: open(t, c), t: t, done: make(chan struct{}),
		assigned: make(map[connector.Partition]connector.Assignment), got: make(map[connector.Partition][]string),
		offsets: make(map[connector.Partition][]int64), next: make(map[connector.Partition]int64),
	}
	r.Notify(connector.Listener{
		Assigned: func(as []connector.Assignment) {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, a := range as {
				r.assigned[a.Partition] = a
				r.Seek(a.Partition, a.Start)
				r.Resume(a.Partition)
			}
		},
		Revoked: func(_ context.Context, ps []connector.Partition) { r.drop(ps) },
		Lost:    r.drop,
	})
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go r.run(ctx)
	t.Cleanup(r.close)
	return r
}

func (r *reader) drop(ps []connector.Partition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range ps {
		delete(r.assigned, p)
	}
}

func (r *reader) run(ctx context.Context) {
	defer close(r.done)
	for ctx.Err() == nil {
		batches, err := r.Poll(ctx)
		r.mu.Lock()
		if err != nil && ctx.Err() == nil {
			r.errs = append(r.errs, err)
		}
		for _, b := range batches {
			k := b.Source().Partition
			for i := range b.Len() {
				r.got[k] = append(r.got[k], string(b.At(i).RawValue))
				r.offsets[k] = append(r.offsets[k], b.At(i).Offset)
			}
			r.next[k] = b.Source().Next
		}
		r.mu.Unlock()
	}
}

func (r *reader) close() {
	r.once.Do(func() {
		r.stop()
		<-r.done
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			r.t.Errorf("close: %v", err)
		}
	})
}

// until waits for done, which is called under r.mu.
func (r *reader) until(what string, done func() bool) {
	r.t.Helper()
	ok := eventually(func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return done()
	})
	if !ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.t.Fatalf("never: %s; assigned %v, got %v, errors %v", what, r.assigned, r.got, r.errs)
	}
}

func eventually(done func() bool) bool {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return false
}

func (r *reader) reads(k connector.Partition, want ...string) {
	r.t.Helper()
	r.until(fmt.Sprintf("read %q of %s", want, k), func() bool { return len(r.got[k]) >= len(want) })
	if got := r.now().got[k]; fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Fatalf("read %q, want %q", got, want)
	}
}

// halts waits for a PartitionError of class Permanent.
func (r *reader) halts(k connector.Partition) error {
	r.t.Helper()
	var found *connector.PartitionError
	r.until("a partition error", func() bool {
		for _, err := range r.errs {
			if errors.As(err, &found) {
				return true
			}
		}
		return false
	})
	if found.Partition != k || connector.ClassOf(found) != connector.Permanent {
		r.t.Fatalf("partition %s, class %s: %v", found.Partition, connector.ClassOf(found), found)
	}
	return found
}

func has(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q isn't in: %v", p, err)
		}
	}
}

func (f *fake) committed(t testing.TB, topic string, p int32) kadm.OffsetResponse {
	t.Helper()
	all, err := f.admin.FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	o, ok := all.Lookup(topic, p)
	if !ok {
		o.At = -1
	}
	return o
}

func (f *fake) commitAs(t testing.TB, topic string, p int32, at int64, meta string) {
	t.Helper()
	var o kadm.Offsets
	o.Add(kadm.Offset{Topic: topic, Partition: p, At: at, LeaderEpoch: -1, Metadata: meta})
	if err := f.admin.CommitAllOffsets(t.Context(), "g", o); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	for _, balancer := range []string{CooperativeSticky, Range, KIP848} {
		t.Run(balancer, func(t *testing.T) {
			connectortest.RunConsumer(t, func(t *testing.T) connectortest.Cluster {
				f := newFake(t, kfake.SeedTopics(2, "t"))
				return connectortest.Cluster{
					Topic: "t", Partitions: 2,
					Open: func(t testing.TB) connector.Consumer {
						c := f.config("t")
						c.Balancer = balancer
						return open(t, c)
					},
					Produce: func(t testing.TB, p int32, key, value string) {
						r := &kgo.Record{Topic: "t", Partition: p, Key: []byte(key), Value: []byte(value)}
						if err := f.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
							t.Fatal(err)
						}
					},
				}
			})
		})
	}
}

var t0 = connector.Partition{Topic: "t", ID: 0}
