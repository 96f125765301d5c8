package kafka

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/failpoint"
)

// A note is what this package keeps in the metadata of a committed offset.
type note struct {
	Start *int64 `json:"start,omitempty"` // the group's birth in milliseconds since 1970; 0 is earliest
	Topic string `json:"topic,omitempty"` // id of the topic that the offset is of, in hex
	Meta  string `json:"meta,omitempty"`  // the Connector's
}

func encodeNote(start int64, topic [16]byte, meta string) string {
	n := note{Start: &start, Meta: meta}
	if topic != ([16]byte{}) {
		n.Topic = hex.EncodeToString(topic[:])
	}
	text, _ := json.Marshal(n)
	return string(text)
}

// decodeNote reads a note. Other clients' metadata is none: franz-go keeps a member id there, tools nothing.
func decodeNote(text string) note {
	var n note
	if json.Unmarshal([]byte(text), &n) != nil {
		return note{}
	}
	return n
}

// Commit stores the offsets for the group. Offsets below what this assignment has stored are passed over: at
// least as much is stored. But what was stored beyond the end of a log that was truncated, or for a topic that was deleted, doesn't count. The error joins one per partition that failed, as *connector.PartitionError.
func (c *Consumer) Commit(ctx context.Context, offs []connector.Offset) error {
	if len(offs) == 0 {
		return nil
	}
	if c.client == nil {
		return connector.Fatal.Errorf("commit before Notify")
	}
	// What Revoked leaves of the rebalance timeout is for a commit that has begun.
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.config.RebalanceTimeout)/4)
	defer cancel()
	select {
	case c.committing <- struct{}{}:
		defer func() { <-c.committing }()
	case <-ctx.Done():
		return fmt.Errorf("commit to group %s: another commit is still running: %w", c.config.Group, ctx.Err())
	}
	if err := c.readBack(ctx, offs); err != nil {
		return err
	}
	todo, errs := c.forward(offs)
	if len(todo) > 0 {
		errs = append(errs, c.send(ctx, todo)...)
	}
	return errors.Join(errs...)
}

// readBack finds out what became of commits that are in doubt.
func (c *Consumer) readBack(ctx context.Context, offs []connector.Offset) error {
	doubt := false
	c.mu.Lock()
	for _, o := range offs {
		p := c.partitions[o.Partition]
		doubt = doubt || p != nil && p.doubt
	}
	c.mu.Unlock()
	if !doubt {
		return nil
	}
	found, err := c.admin.FetchOffsets(ctx, c.config.Group)
	if err != nil {
		return c.access.explain(fmt.Sprintf("read back a commit to group %s that is in doubt", c.config.Group), c.config.Group, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range offs {
		p := c.partitions[o.Partition]
		if p == nil || !p.doubt {
			continue
		}
		f, ok := found.Lookup(o.Topic, o.ID)
		if ok && f.Err != nil {
			continue
		}
		p.doubt = false
		if ok && f.At >= p.stored && !p.stale {
			p.stored, p.meta = f.At, decodeNote(f.Metadata).Meta
		}
	}
	return nil
}

// A commit is an offset to send, with the assignment that it is of.
type commit struct {
	connector.Offset
	of *partition
}

// forward picks the offsets that are owned and not stored yet.
func (c *Consumer) forward(offs []connector.Offset) (todo []commit, errs []error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range offs {
		p := c.partitions[o.Partition]
		switch {
		case p == nil:
			errs = append(errs, &connector.PartitionError{Partition: o.Partition,
				Err: connector.Lost.Errorf("offset %d isn't committed: the partition isn't assigned to this member of group %s any more", o.At, c.config.Group)})
		case !p.stale && (o.At < p.stored || o.At == p.stored && o.Meta == p.meta):
		default:
			todo = append(todo, commit{o, p})
		}
	}
	return todo, errs
}

// errOutdated: the commit is of a member that was thrown out of the group.
var errOutdated = errors.New("the group has thrown this member out meanwhile")

// outdate says that a commit wasn't sent.
func (c *Consumer) outdate(todo []commit) (errs []error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range todo {
		t.of.doubt = false
		errs = append(errs, &connector.PartitionError{Partition: t.Partition,
			Err: connector.Lost.Errorf("offset %d isn't committed to group %s: %w", t.At, c.config.Group, errOutdated)})
	}
	return errs
}

// send commits offsets of partitions that are owned. committing is held, so that they stay owned.
func (c *Consumer) send(ctx context.Context, todo []commit) (errs []error) {
	offsets := make(map[string]map[int32]kgo.EpochOffset)
	notes := make(map[connector.Partition]string)
	c.mu.Lock()
	for _, t := range todo {
		if offsets[t.Topic] == nil {
			offsets[t.Topic] = make(map[int32]kgo.EpochOffset)
		}
		offsets[t.Topic][t.ID] = kgo.EpochOffset{Epoch: -1, Offset: t.At}
		notes[t.Partition] = encodeNote(t.of.started, t.of.TopicID, t.Meta)
		t.of.doubt = true
	}
	c.mu.Unlock()
	// franz-go holds a commit back while it joins the group, and sends it then, even as another member.
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		for _, t := range todo {
			if t.of.member != req.MemberID {
				return errOutdated
			}
		}
		for i := range req.Topics {
			t := &req.Topics[i]
			for j := range t.Partitions {
				p := &t.Partitions[j]
				p.Metadata = kmsg.StringPtr(notes[connector.Partition{Topic: t.Topic, ID: p.Partition}])
			}
		}
		return nil
	})
	var failed error
	codes := make(map[connector.Partition]error)
	failpoint.Here("kafka.commit.before")
	c.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if failed = err; err != nil {
			return
		}
		names := make(map[[16]byte]string)
		for _, t := range req.Topics {
			names[t.TopicID] = t.Topic
		}
		for _, t := range resp.Topics {
			if t.Topic == "" {
				t.Topic = names[t.TopicID]
			}
			for _, p := range t.Partitions {
				codes[connector.Partition{Topic: t.Topic, ID: p.Partition}] = kerr.ErrorForCode(p.ErrorCode)
			}
		}
	})
	if errors.Is(failed, errOutdated) {
		return c.outdate(todo)
	}
	if failed != nil {
		return []error{c.access.explain(fmt.Sprintf("commit to group %s: no answer, so it may have been applied", c.config.Group), c.config.Group, failed)}
	}
	failpoint.Here("kafka.commit.after")
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range todo {
		err, answered := codes[t.Partition]
		switch {
		case !answered:
			err = errors.New("the broker's answer lacks this partition")
		case err == nil:
			t.of.stored, t.of.meta, t.of.doubt, t.of.stale = t.At, t.Meta, false, false
			continue
		case !errors.Is(err, kerr.RequestTimedOut):
			t.of.doubt = false
		}
		errs = append(errs, &connector.PartitionError{Partition: t.Partition,
			Err: c.access.explain(fmt.Sprintf("commit offset %d to group %s", t.At, c.config.Group), c.config.Group, err)})
	}
	return errs
}
