package kafka

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
)

// A Log is a partition as the brokers and the group know it.
type Log struct {
	connector.Partition
	ClusterID string
	TopicID   [16]byte
	Start     int64  // the first offset that it holds
	End       int64  // the offset after its last record
	At        int64  // the first record that isn't older than the time asked for; End if all are
	Committed int64  // the group's offset, -1 if it has none, or one of a topic of this name that was deleted
	Meta      string // what Offset.Meta was when Committed was stored
}

// Logs asks for the partitions of the settings' topics, by topic and partition, without joining the group and without committing.
// at is the time that Log.At is about; if it is zero, At is Start.
func Logs(ctx context.Context, c Config, at time.Time) ([]Log, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	access, err := c.route().open(ctx)
	if err != nil {
		return nil, err
	}
	defer access.close()
	found, err := c.look(ctx, access)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(access.clientOptions(), c.Options...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka options: %w", err)
	}
	defer client.Close()
	var ps []*partition
	for name, t := range found.topics {
		for id := range t.partitions {
			p := new(partition)
			p.Partition = connector.Partition{Topic: name, ID: id}
			ps = append(ps, p)
		}
	}
	slices.SortFunc(ps, func(a, b *partition) int { return compare(a.Partition, b.Partition) })
	var offsets [3]map[connector.Partition]int64 // start, end, at
	for i, time := range []int64{-2, -1, at.UnixMilli()} {
		if i == 2 && at.IsZero() {
			break
		}
		if offsets[i], err = listOffsets(ctx, client, ps, time); err != nil {
			return nil, access.explain("topics: list the offsets", c.Group, err)
		}
	}
	commits, err := kadm.NewClient(client).FetchOffsets(ctx, c.Group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody has joined it yet
		return nil, access.explain("read the offsets of group "+c.Group, c.Group, err)
	}
	logs := make([]Log, 0, len(ps))
	for _, p := range ps {
		l := Log{Partition: p.Partition, ClusterID: found.id, TopicID: found.topics[p.Topic].id, Start: offsets[0][p.Partition], End: offsets[1][p.Partition], Committed: -1}
		l.At = l.Start
		if !at.IsZero() {
			if l.At = offsets[2][p.Partition]; l.At < 0 {
				l.At = l.End
			}
		}
		if o, ok := commits.Lookup(p.Topic, p.ID); ok && o.At >= 0 {
			n := decodeNote(o.Metadata)
			if n.Topic == "" || n.Topic == hex.EncodeToString(l.TopicID[:]) {
				l.Committed, l.Meta = o.At, n.Meta
			}
		}
		logs = append(logs, l)
	}
	return logs, nil
}
