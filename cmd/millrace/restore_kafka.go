package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/internal/envelope"
	"github.com/millrace/millrace/internal/restore"
)

// A restoreTarget is the topic that restore writes to.
type restoreTarget struct {
	kafka.Config // how its cluster is reached
	topic        string

	cluster    string
	id         [16]byte
	partitions int32
	batch      int32 // bytes that a batch may have
	keep       bool  // a record goes to the partition that it was in
}

const (
	// restoreBatch is the most that a broker takes by default (message.max.bytes), less what franz-go doesn't count.
	restoreBatch = 1_000_012
	// mostRestored bounds a batch of a topic that takes more, and a request.
	mostRestored = 96 << 20
	// restoreBuffer is how many bytes of records may be under way.
	restoreBuffer = 64 << 20
)

// findTarget asks the cluster for the topic.
func findTarget(ctx context.Context, conn *config.Connector, k *kafka.Config, o *restoreOptions) (*restoreTarget, error) {
	source := *k
	if len(o.brokers) > 0 {
		source.Brokers, source.Cluster = o.brokers, kafka.Cluster{}
	}
	source.Topics, source.TopicsRegex = []string{o.to}, ""
	if _, err := kafka.Newest(ctx, source, 0); err != nil { // the cluster answers, and has the topic
		return nil, fmt.Errorf("--to-topic: %w", err)
	}
	source.ClientID = conn.Name
	t := &restoreTarget{Config: source, topic: o.to, batch: restoreBatch}
	client, done, err := t.Client(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return t, t.describe(ctx, kadm.NewClient(client))
}

func (t *restoreTarget) describe(ctx context.Context, admin *kadm.Client) error {
	meta, err := admin.Metadata(ctx, t.topic)
	if err == nil {
		err = meta.Topics[t.topic].Err
	}
	if err != nil {
		return fmt.Errorf("--to-topic: describe topic %s: %w", t.topic, err)
	}
	topic := meta.Topics[t.topic]
	t.cluster, t.id, t.partitions = meta.Cluster, topic.ID, int32(len(topic.Partitions))
	// Who may not ask writes batches that every broker takes by default.
	configs, _ := admin.DescribeTopicConfigs(ctx, t.topic)
	if len(configs) == 1 && configs[0].Err == nil {
		for _, c := range configs[0].Configs {
			if most, err := strconv.ParseInt(c.MaybeValue(), 10, 32); c.Key == "max.message.bytes" && err == nil && most > 0 {
				t.batch = int32(min(max(most, 1024), mostRestored))
			}
		}
	}
	return nil
}

// refuse refuses the topic that the records came from: whoever reads it would get them again, the connector too.
func (t *restoreTarget) refuse(chosen []*restore.Partition, force bool) error {
	same := slices.ContainsFunc(chosen, func(p *restore.Partition) bool { return p.TopicID == t.id && p.Cluster == t.cluster })
	if same && !force {
		return fmt.Errorf("--to-topic: topic %s (id %s) is the one that the records came from, and still has what didn't expire; --force writes there all the same", t.topic, hex.EncodeToString(t.id[:]))
	}
	return nil
}

// choose decides how partitions are found.
func (t *restoreTarget) choose(chosen []*restore.Partition, keep bool) {
	t.keep = keep && !slices.ContainsFunc(chosen, func(p *restore.Partition) bool { return p.ID >= t.partitions })
}

// A producer is a restore.Producer.
type producer struct {
	*restoreTarget
	client *kgo.Client
	close  func()
}

var _ restore.Producer = (*producer)(nil)

func (t *restoreTarget) open(ctx context.Context) (*producer, error) {
	client, done, err := t.Client(ctx,
		kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(t.partitioner)),
		kgo.ProducerBatchMaxBytes(t.batch),
		kgo.MaxBufferedRecords(100_000),
		kgo.MaxBufferedBytes(restoreBuffer),
		kgo.ProducerLinger(10*time.Millisecond),
	)
	if err != nil {
		return nil, err
	}
	return &producer{restoreTarget: t, client: client, close: done}, nil
}

// partitioner finds the partition as Kafka's clients do where it isn't kept. Records without a key stay together by the partition that they were in.
func (t *restoreTarget) partitioner(topic string) func(*kgo.Record, int) int {
	byKey := kgo.StickyKeyPartitioner(nil).ForTopic(topic)
	return func(r *kgo.Record, n int) int {
		if t.keep || r.Key == nil {
			return int(r.Partition) % n
		}
		return byKey.Partition(r, n)
	}
}

// Produce copies the record: its bytes are those of the reader.
func (p *producer) Produce(ctx context.Context, partition int32, r *envelope.Record, acked func(error)) {
	record := &kgo.Record{Topic: p.topic, Partition: partition, Key: slices.Clone(r.Key), Value: slices.Clone(r.Value)}
	if r.Timestamp != connector.NoTimestamp {
		record.Timestamp = time.UnixMilli(r.Timestamp)
	}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Name, Value: slices.Clone(h.Value)})
	}
	p.client.Produce(ctx, record, func(_ *kgo.Record, err error) { acked(p.explain(err)) })
}

// Flush waits for the brokers.
func (p *producer) Flush(ctx context.Context) error { return p.client.Flush(ctx) }

func (p *producer) explain(err error) error {
	switch {
	case errors.Is(err, kerr.MessageTooLarge):
		return connector.Permanent.Errorf("the broker refuses the record for its size: set max.message.bytes of topic %s higher (%w)", p.topic, err)
	case errors.Is(err, kerr.InvalidTimestamp):
		return connector.Permanent.Errorf("the broker refuses the record for its timestamp: set message.timestamp.before.max.ms of topic %s higher (%w)", p.topic, err)
	case errors.Is(err, kerr.InvalidRecord):
		return connector.Permanent.Errorf("the broker refuses the record (%w): a compacted topic takes no record without a key, and message.timestamp.before.max.ms may refuse an old one", err)
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return connector.Systemic.Errorf("the right to write to topic %s is needed: %w", p.topic, err)
	}
	return err
}
