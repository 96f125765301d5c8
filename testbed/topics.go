package testbed

import (
	"context"
	"crypto/rand"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const adminTimeout = 30 * time.Second

// Client returns a client of the cluster that is closed with the test.
func (b *Brokers) Client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append([]kgo.Opt{
		kgo.SeedBrokers(b.Addrs...),
		kgo.MetadataMinAge(100 * time.Millisecond), // 5 s else: a new topic would be unknown for as long
	}, opts...)
	client, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatalf("new Kafka client: %v", err)
	}
	t.Cleanup(client.Close)
	return client
}

// Admin returns a client for what has no method here: groups, offsets, configurations.
func (b *Brokers) Admin(t testing.TB) *kadm.Client {
	t.Helper()
	return kadm.NewClient(b.Client(t))
}

// Topic creates a topic that is named after the test and deleted with it, on as
// many nodes as the cluster has, three at most. Config is pairs such as "max.message.bytes", "16777216".
func (b *Brokers) Topic(t testing.TB, partitions int32, config ...string) string {
	t.Helper()
	topic := Name(t)
	b.CreateTopic(t, topic, partitions, config...)
	return topic
}

// CreateTopic creates a topic by name, to be deleted with the test, and waits until every
// partition has a leader. A topic that was deleted a moment ago can be created again.
func (b *Brokers) CreateTopic(t testing.TB, topic string, partitions int32, config ...string) {
	t.Helper()
	admin, ctx := b.Admin(t), deadline(t)
	configs := map[string]*string{}
	for i := 0; i+1 < len(config); i += 2 {
		configs[config[i]] = &config[i+1]
	}
	eventually(t, ctx, "create topic "+topic, func() error {
		_, err := admin.CreateTopic(ctx, partitions, -1, configs, topic)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			t.Fatalf("create topic %s: %v", topic, err)
		}
		return err
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
		defer cancel()
		client, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs...)) // the test's own is closed by now
		if err == nil {
			defer client.Close()
			_, _ = kadm.NewClient(client).DeleteTopics(ctx, topic) // best effort: the cluster may be down
		}
	})
	eventually(t, ctx, "leaders of topic "+topic, func() error {
		topics, err := admin.ListTopics(ctx, topic)
		if err == nil {
			err = topics.Error()
		}
		if err != nil {
			return err
		}
		if n := len(topics[topic].Partitions); n != int(partitions) {
			return errors.New("not all partitions are known")
		}
		for _, p := range topics[topic].Partitions {
			if p.Err != nil {
				return p.Err
			}
		}
		return nil
	})
}

// AddPartitions raises the number of a topic's partitions to total.
func (b *Brokers) AddPartitions(t testing.TB, topic string, total int) {
	t.Helper()
	done, err := b.Admin(t).UpdatePartitions(deadline(t), total, topic)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		t.Fatalf("raise partitions of topic %s to %d: %v", topic, total, err)
	}
}

// DeleteTopic deletes a topic with its records.
func (b *Brokers) DeleteTopic(t testing.TB, topic string) {
	t.Helper()
	if _, err := b.Admin(t).DeleteTopic(deadline(t), topic); err != nil {
		t.Fatalf("delete topic %s: %v", topic, err)
	}
}

// DeleteRecords deletes a partition's records below the offset before, as retention would.
func (b *Brokers) DeleteRecords(t testing.TB, topic string, partition int32, before int64) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: before, LeaderEpoch: -1})
	done, err := b.Admin(t).DeleteRecords(deadline(t), offsets)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		t.Fatalf("delete records of %s[%d] below %d: %v", topic, partition, before, err)
	}
}

// Leader returns the index in Nodes of the node that leads a partition.
func (b *Brokers) Leader(t testing.TB, topic string, partition int32) int {
	t.Helper()
	topics, err := b.Admin(t).ListTopics(deadline(t), topic)
	if err == nil {
		err = topics[topic].Partitions[partition].Err
	}
	if err != nil {
		t.Fatalf("find the leader of %s[%d]: %v", topic, partition, err)
	}
	return int(topics[topic].Partitions[partition].Leader) - 1
}

// Coordinator returns the index in Nodes of the node that coordinates a group.
func (b *Brokers) Coordinator(t testing.TB, group string) int {
	t.Helper()
	found := b.Admin(t).FindGroupCoordinators(deadline(t), group)
	if err := found[group].Err; err != nil {
		t.Fatalf("find the coordinator of group %s: %v", group, err)
	}
	return int(found[group].NodeID) - 1
}

var nameless = regexp.MustCompile(`[^A-Za-z0-9]+`)

// Name returns a name that no other test has: for topics, groups and keys in services that are shared.
func Name(t testing.TB) string {
	name := strings.Trim(nameless.ReplaceAllString(t.Name(), "-"), "-")
	return name[:min(len(name), 80)] + "." + strings.ToLower(rand.Text()[:6])
}

// deadline is a context for one call of an admin function.
func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), adminTimeout)
	t.Cleanup(cancel)
	return ctx
}

// eventually calls try until it returns nil, and fails the test when ctx ends.
func eventually(t testing.TB, ctx context.Context, what string, try func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}
