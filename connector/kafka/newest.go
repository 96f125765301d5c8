package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
)

// Newest reads the newest n records of the settings' topics, by timestamp, without joining the group and without
// committing. It reads the last 2n+100 offsets of each partition to choose from. The batches come by topic and
// partition, their records in offset order; of compacted topics there may be fewer than n. ctx bounds the time it takes.
func Newest(ctx context.Context, c Config, n int) ([]*connector.Batch, error) {
	if c.Group == "" {
		c.Group = "none" // never used
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Group = ""
	access, err := c.route().open(ctx)
	if err != nil {
		return nil, err
	}
	defer access.close()
	found, err := c.look(ctx, access)
	if err != nil || n <= 0 {
		return nil, err
	}
	unpacker := newUnpacker(&c)
	opts := c.reading(access, found.brokers, unpacker)
	probe, err := kgo.NewClient(append(slices.Clone(opts), c.Options...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka options: %w", err)
	}
	tails, err := c.tails(ctx, access, probe, found, int64(n))
	probe.Close()
	if err != nil || len(tails) == 0 {
		return nil, err
	}
	from := make(map[string]map[int32]kgo.Offset)
	for k, t := range tails {
		if from[k.Topic] == nil {
			from[k.Topic] = make(map[int32]kgo.Offset)
		}
		from[k.Topic][k.ID] = kgo.NewOffset().At(t.next)
	}
	client, err := kgo.NewClient(append(append(opts, kgo.ConsumePartitions(from)), c.Options...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka options: %w", err)
	}
	defer client.Close()
	if err := readTails(ctx, access, client, unpacker, tails); err != nil {
		return nil, err
	}
	return choose(tails, found, n), nil
}

// A tail is the end of a partition, as far as it has been read.
type tail struct {
	next, end int64
	records   []connector.Record
}

// tails finds where the last records of each partition begin, n of them in all likelihood; empty partitions have none.
func (c Config) tails(ctx context.Context, access *access, client *kgo.Client, found *cluster, n int64) (map[connector.Partition]*tail, error) {
	var ps []*partition
	var names []string
	for name, t := range found.topics {
		names = append(names, name)
		for id := range t.partitions {
			p := new(partition)
			p.Partition = connector.Partition{Topic: name, ID: id}
			ps = append(ps, p)
		}
	}
	starts, err := listOffsets(ctx, client, ps, -2)
	if err != nil {
		return nil, access.explain("topics", "", err)
	}
	// What is behind the last stable offset can't be read yet by read_committed.
	list := kadm.NewClient(client).ListEndOffsets
	if c.Isolation == ReadCommitted {
		list = kadm.NewClient(client).ListCommittedOffsets
	}
	if len(names) == 0 {
		return nil, nil
	}
	ends, err := list(ctx, names...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, access.explain("topics", "", err)
	}
	tails := make(map[connector.Partition]*tail)
	for _, p := range ps {
		end, _ := ends.Lookup(p.Topic, p.ID)
		if start := starts[p.Partition]; end.Offset > start {
			// Offsets are also taken by markers, aborted records and what compaction removed.
			tails[p.Partition] = &tail{next: max(start, end.Offset-2*n-100), end: end.Offset}
		}
	}
	return tails, nil
}

// readTails reads until every tail has reached its end. Compaction may have taken the very last offsets: after two
// seconds without news what is there is enough. A partition ends at a batch that unpacks to too much.
func readTails(ctx context.Context, access *access, client *kgo.Client, u *unpacker, tails map[connector.Partition]*tail) error {
	const quiet = 2 * time.Second
	for {
		open := false
		for _, t := range tails {
			open = open || t.next < t.end
		}
		if !open {
			return nil
		}
		waiting, cancel := context.WithTimeout(ctx, quiet)
		fetches := client.PollFetches(waiting)
		cancel()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read the newest records: %w", err)
		}
		if fetches.Err0() != nil && errors.Is(fetches.Err0(), context.DeadlineExceeded) {
			return nil
		}
		var errs []error
		fetches.EachError(func(topic string, p int32, err error) {
			if errors.Is(err, errLater) {
				return
			}
			if t := tails[connector.Partition{Topic: topic, ID: p}]; t != nil && errors.As(err, new(*oversized)) {
				t.next = t.end
				client.PauseFetchPartitions(map[string][]int32{topic: {p}})
				return
			}
			errs = append(errs, access.explain(fmt.Sprintf("read the newest records of %s", connector.Partition{Topic: topic, ID: p}), "", err))
		})
		if len(errs) > 0 {
			return errors.Join(errs...)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			k := connector.Partition{Topic: p.Topic, ID: p.Partition}
			t := tails[k]
			u.taken(k)
			for _, b := range (converter{slabs: new(slabs)}).batches(nil, p.Records, t.next) {
				for i := range b.Len() {
					if r := b.At(i); r.Offset < t.end {
						t.records = append(t.records, *r)
					}
				}
				t.next = b.Source().Next
			}
		})
	}
}

// choose makes batches of the newest n records of all tails.
func choose(tails map[connector.Partition]*tail, found *cluster, n int) []*connector.Batch {
	var times []int64
	for _, t := range tails {
		for i := range t.records {
			times = append(times, t.records[i].Timestamp)
		}
	}
	slices.Sort(times)
	oldest, ties := int64(0), n // of those with the oldest timestamp, this many fit in
	if len(times) > n {
		oldest = times[len(times)-n]
		ties = 0
		for _, at := range times[len(times)-n:] {
			if at == oldest {
				ties++
			}
		}
	}
	var keys []connector.Partition
	for k := range tails {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compare)
	var out []*connector.Batch
	for _, k := range keys {
		t := tails[k]
		var keep []connector.Record
		for i := len(t.records) - 1; i >= 0; i-- {
			switch r := t.records[i]; {
			case r.Timestamp > oldest || len(times) <= n:
				keep = append(keep, r)
			case r.Timestamp == oldest && ties > 0:
				ties--
				keep = append(keep, r)
			}
		}
		if len(keep) == 0 {
			continue
		}
		slices.Reverse(keep)
		out = append(out, connector.NewBatch(connector.Source{
			Partition: k, TopicID: found.topics[k.Topic].id, Next: t.next, End: t.end,
		}, keep, nil))
	}
	return out
}
