package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/internal/letter"
)

// A letterTopic reads a dead letter topic from its start, or from the first record of a time, to the end that it has then. It joins no group.
type letterTopic struct {
	topic  string
	since  time.Time
	client *kgo.Client
	close  func()
}

// openTopic opens the topic that a dead letter's settings name, in the source's cluster unless they say otherwise.
func (s *scan) openTopic(ctx context.Context, d kafka.DeadLetterConfig) (letter.Box, error) {
	if k, ok := s.conn.Source.Config.(*kafka.Config); ok {
		d = d.WithSource(*k)
	}
	k := kafka.DefaultConfig()
	k.Brokers, k.Cluster, k.Auth, k.TLS, k.DialTimeout, k.Dial, k.Options = d.Brokers, d.Cluster, d.Auth, d.TLS, d.DialTimeout, d.Dial, d.Options
	k.ClientID, k.Topics = s.conn.Name, []string{d.Topic}
	waiting, cancel := context.WithTimeout(ctx, 3*time.Duration(k.DialTimeout))
	defer cancel()
	if _, err := kafka.Newest(waiting, k, 0); err != nil { // the cluster answers, and has the topic
		return nil, err
	}
	client, done, err := k.Client(ctx,
		kgo.FetchMaxBytes(16<<20), kgo.FetchMaxPartitionBytes(4<<20), kgo.MaxConcurrentFetches(1),
		kgo.KeepControlRecords(), // they tell how far a partition was read
	)
	if err != nil {
		return nil, err
	}
	return &letterTopic{topic: d.Topic, since: s.filter.since, client: client, close: done}, nil
}

// Place names the topic.
func (t *letterTopic) Place() string { return "topic " + t.topic }

// Close closes the client.
func (t *letterTopic) Close() error {
	t.close()
	return nil
}

// Read reads the partitions up to the ends that they have now.
func (t *letterTopic) Read(ctx context.Context, found letter.Found) error {
	ends, err := t.begin(ctx)
	if err != nil {
		return fmt.Errorf("look up the offsets of topic %s: %w", t.topic, err)
	}
	for len(ends) > 0 {
		if err := t.poll(ctx, ends, found); err != nil {
			return err
		}
	}
	return nil
}

// begin lets the client fetch from where each partition begins, and returns where it ends. Empty ones aren't fetched.
func (t *letterTopic) begin(ctx context.Context) (map[int32]int64, error) {
	admin := kadm.NewClient(t.client)
	list := admin.ListStartOffsets
	if !t.since.IsZero() {
		// The dead letter keeps the record's timestamp: before the offset that is found nothing is as late.
		list = func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
			return admin.ListOffsetsAfterMilli(ctx, t.since.UnixMilli(), topics...)
		}
	}
	from, err := list(ctx, t.topic)
	if err = errors.Join(err, from.Error()); err != nil {
		return nil, err
	}
	to, err := admin.ListEndOffsets(ctx, t.topic)
	if err = errors.Join(err, to.Error()); err != nil {
		return nil, err
	}
	ends, starts := map[int32]int64{}, map[int32]kgo.Offset{}
	to.Each(func(end kadm.ListedOffset) {
		if start, ok := from.Lookup(t.topic, end.Partition); ok && start.Offset >= 0 && start.Offset < end.Offset {
			starts[end.Partition], ends[end.Partition] = kgo.NewOffset().At(start.Offset), end.Offset
		}
	})
	t.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{t.topic: starts})
	return ends, nil
}

// quiet is how long nothing may come although the end isn't reached. Compaction may have taken the last offsets of a partition.
const quiet = 15 * time.Second

// poll passes one fetch on, and takes the partitions out of ends that were read.
func (t *letterTopic) poll(ctx context.Context, ends map[int32]int64, found letter.Found) error {
	waiting, cancel := context.WithTimeout(ctx, quiet)
	fetches := t.client.PollFetches(waiting)
	cancel()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(fetches.Err0(), context.DeadlineExceeded) {
		for p, end := range ends {
			delete(ends, p)
			place := fmt.Sprintf("topic %s", connector.Partition{Topic: t.topic, ID: p})
			if err := found(place, nil, fmt.Errorf("nothing came for %s, though it ends at offset %d: the last offsets were compacted away, or the brokers don't answer", quiet, end)); err != nil {
				return err
			}
		}
		return nil
	}
	for _, e := range fetches.Errors() {
		return fmt.Errorf("read topic %s: %w", connector.Partition{Topic: e.Topic, ID: e.Partition}, e.Err)
	}
	for it := fetches.RecordIter(); !it.Done(); {
		if err := t.pass(it.Next(), ends, found); err != nil {
			return err
		}
	}
	return nil
}

// pass passes a record on, if it isn't behind the end.
func (t *letterTopic) pass(r *kgo.Record, ends map[int32]int64, found letter.Found) error {
	end, ok := ends[r.Partition]
	if !ok || r.Offset >= end {
		delete(ends, r.Partition)
		return nil
	}
	if r.Offset == end-1 {
		delete(ends, r.Partition)
		t.client.PauseFetchPartitions(map[string][]int32{t.topic: {r.Partition}})
	}
	if r.Attrs.IsControl() {
		return nil
	}
	place := fmt.Sprintf("topic %s offset %d", connector.Partition{Topic: t.topic, ID: r.Partition}, r.Offset)
	record := connector.Record{
		RawKey: r.Key, RawValue: r.Value, Timestamp: r.Timestamp.UnixMilli(), Offset: r.Offset, LogAppendTime: r.Attrs.TimestampType() == 1,
	}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, connector.Header{Name: h.Key, Value: h.Value})
	}
	l, ok := letter.FromRecord(&record)
	if !ok {
		return found(place, nil, errors.New("it has no headers of a dead letter (__connect.errors.topic, .partition, .offset)"))
	}
	return found(place, &l, nil)
}

// A clusterView is what the source's cluster says of its topics. It is asked when that is needed first.
type clusterView struct {
	config *kafka.Config
	topics map[string][16]byte // the zero id: there is no such topic
	id     string
}

// topicID is the id that a topic has now; ok is false if there is none.
func (v *clusterView) topicID(ctx context.Context, topic string) (id [16]byte, ok bool, err error) {
	if id, asked := v.topics[topic]; asked {
		return id, id != [16]byte{}, nil
	}
	if err := v.ask(ctx, topic); err != nil {
		return id, false, err
	}
	id = v.topics[topic]
	return id, id != [16]byte{}, nil
}

// clusterID is the cluster's.
func (v *clusterView) clusterID(ctx context.Context) (string, error) {
	if v.id == "" {
		if err := v.ask(ctx); err != nil {
			return "", err
		}
	}
	return v.id, nil
}

func (v *clusterView) ask(ctx context.Context, topics ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Duration(v.config.DialTimeout))
	defer cancel()
	client, done, err := v.config.Client(ctx)
	if err != nil {
		return err
	}
	defer done()
	var meta kadm.Metadata
	if admin := kadm.NewClient(client); len(topics) > 0 {
		meta, err = admin.Metadata(ctx, topics...)
	} else {
		meta, err = admin.BrokerMetadata(ctx)
	}
	if err != nil {
		return fmt.Errorf("ask the cluster for its id and its topics: %w", err)
	}
	v.id = meta.Cluster
	for _, name := range topics {
		v.topics[name] = meta.Topics[name].ID
	}
	return nil
}
