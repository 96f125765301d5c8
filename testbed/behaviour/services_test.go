//go:build testbed

package behaviour

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// TestKafka writes 1,000 records to a real Kafka and reads them back, in order.
func TestKafka(t *testing.T) {
	brokers := testbed.Kafka(t)
	topic := brokers.Topic(t, 4)
	ctx := within(t, time.Minute)

	produce(ctx, t, brokers, topic, 1000)
	last := make(map[int32]int64)
	for _, r := range consume(ctx, t, brokers, topic, 1000) {
		if want, ok := last[r.Partition]; ok && r.Offset != want+1 {
			t.Errorf("partition %d: offset %d after %d", r.Partition, r.Offset, want)
		}
		last[r.Partition] = r.Offset
	}
	if len(last) != 4 {
		t.Errorf("records in %d partitions, want 4", len(last))
	}
}

// TestKafkaRetention shows that records can be made to expire.
func TestKafkaRetention(t *testing.T) {
	brokers := testbed.Kafka(t)
	topic := brokers.Topic(t, 1)
	ctx := within(t, time.Minute)

	produce(ctx, t, brokers, topic, 100)
	brokers.DeleteRecords(t, topic, 0, 60)
	start, err := brokers.Admin(t).ListStartOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := start.Lookup(topic, 0); o.Offset != 60 {
		t.Errorf("log starts at %d, want 60", o.Offset)
	}
	if first := consume(ctx, t, brokers, topic, 40)[0].Offset; first != 60 {
		t.Errorf("first record at %d, want 60", first)
	}
}

// TestKafkaTopicAgain shows that a topic of the same name gets another id.
func TestKafkaTopicAgain(t *testing.T) {
	brokers := testbed.Kafka(t)
	topic := brokers.Topic(t, 1)
	ctx := within(t, time.Minute)
	id := func() kadm.TopicID {
		topics, err := brokers.Admin(t).ListTopics(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		return topics[topic].ID
	}
	before := id()
	brokers.DeleteTopic(t, topic)
	brokers.CreateTopic(t, topic, 2)
	if after := id(); after == before {
		t.Errorf("topic id %s both times", after)
	}
}

// TestKafkaCluster kills and pauses nodes of three: no record that was acknowledged is lost.
func TestKafkaCluster(t *testing.T) {
	brokers := testbed.KafkaCluster(t)
	topic := brokers.Topic(t, 3)
	ctx := within(t, 3*time.Minute)

	produce(ctx, t, brokers, topic, 1000)
	leader := brokers.Nodes[brokers.Leader(t, topic, 0)]
	leader.Kill()
	produce(ctx, t, brokers, topic, 1000)
	if err := leader.Start(ctx); err != nil {
		t.Fatal(err)
	}
	produce(ctx, t, brokers, topic, 1000)

	leader = brokers.Nodes[brokers.Leader(t, topic, 1)]
	if err := leader.Pause(); err != nil {
		t.Fatal(err)
	}
	produce(ctx, t, brokers, topic, 1000)
	if err := leader.Continue(); err != nil {
		t.Fatal(err)
	}
	consume(ctx, t, brokers, topic, 4000)
}

// TestRedis checks the single server, and that a test may stop one of its own.
func TestRedis(t *testing.T) {
	ctx := within(t, time.Minute)
	geo(ctx, t, testbed.RedisServer(t).Client(t))

	own := testbed.StartRedis(t)
	client := own.Client(t)
	geo(ctx, t, client)
	own.Nodes[0].Kill()
	if err := client.Ping(ctx).Err(); err == nil {
		t.Error("a killed server answers")
	}
	if err := own.Nodes[0].Start(ctx); err != nil {
		t.Fatal(err)
	}
	geo(ctx, t, client)
}

// TestRedisCluster checks that sets whose keys fall on different nodes can be used.
func TestRedisCluster(t *testing.T) {
	ctx := within(t, time.Minute)
	cluster := testbed.RedisCluster(t)
	if n := len(cluster.Addrs); n != 3 {
		t.Fatalf("%d nodes, want 3", n)
	}
	client := cluster.Client(t)
	for range 20 {
		geo(ctx, t, client)
	}
}

// TestRedisTLS checks that only TLS with the authority's certificate and only the user with its password gets in.
func TestRedisTLS(t *testing.T) {
	ctx := within(t, time.Minute)
	server := testbed.RedisTLS(t)
	geo(ctx, t, server.Client(t))
	for name, o := range map[string]*redis.Options{
		"without a user":        {TLSConfig: server.TLS(t)},
		"with a wrong password": {TLSConfig: server.TLS(t), Username: server.Username, Password: "wrong"},
		"without TLS":           {Username: server.Username, Password: server.Password},
		"with the system's authorities": {TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			Username: server.Username, Password: server.Password},
	} {
		o.Addr, o.MaxRetries = server.Addrs[0], -1
		client := redis.NewClient(o)
		if err := client.Ping(ctx).Err(); err == nil {
			t.Errorf("%s: the server answers", name)
		}
		client.Close()
	}
}

// geo adds two cars to a new set and finds the nearer one.
func geo(ctx context.Context, t *testing.T, client redis.UniversalClient) {
	t.Helper()
	key := testbed.Name(t)
	defer client.Del(ctx, key)
	if err := client.GeoAdd(ctx, key,
		&redis.GeoLocation{Name: "near", Longitude: 126.9780, Latitude: 37.5665},
		&redis.GeoLocation{Name: "far", Longitude: 129.0756, Latitude: 35.1796}).Err(); err != nil {
		t.Fatal(err)
	}
	got, err := client.GeoSearch(ctx, key, &redis.GeoSearchQuery{
		Longitude: 126.98, Latitude: 37.57, Radius: 1, RadiusUnit: "km"}).Result()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, []string{"near"}) {
		t.Errorf("within 1 km: %v", got)
	}
}

// produce writes n records, spread over all partitions, and waits for their acknowledgement.
func produce(ctx context.Context, t *testing.T, brokers *testbed.Brokers, topic string, n int) {
	t.Helper()
	client := brokers.Client(t, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	defer client.Close()
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "car-%d", i%100), Value: fmt.Appendf(nil, `{"n":%d}`, i)}
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// consume reads n records from the start of a topic.
func consume(ctx context.Context, t *testing.T, brokers *testbed.Brokers, topic string, n int) []*kgo.Record {
	t.Helper()
	client := brokers.Client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	var records []*kgo.Record
	for len(records) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(records), n, err)
		}
		records = append(records, fetches.Records()...)
	}
	if len(records) != n {
		t.Fatalf("read %d records, want %d", len(records), n)
	}
	return records
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
