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

// A GroupOffset is what a group keeps for a partition.
type GroupOffset struct {
	connector.Partition
	TopicID [16]byte // of the topic that At is of, which may be deleted; zero if another client committed At, and didn't say
	At      int64    // the offset to read next
	Meta    string   // as in connector.Offset
}

// A Group is a consumer group, for commands that look at or change what it keeps while nobody is a member. Close it after use.
type Group struct {
	config Config
	access *access
	client *kgo.Client
	admin  *kadm.Client
}

// OpenGroup opens the settings' group without joining it.
func (c Config) OpenGroup(ctx context.Context) (*Group, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	access, err := c.route().open(ctx)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(access.clientOptions(), c.Options...)...)
	if err != nil {
		access.close()
		return nil, fmt.Errorf("kafka options: %w", err)
	}
	return &Group{c, access, client, kadm.NewClient(client)}, nil
}

// Close closes the connections.
func (g *Group) Close() {
	g.client.Close()
	g.access.close()
}

// Offsets are those that the group keeps, by topic and partition.
func (g *Group) Offsets(ctx context.Context) ([]GroupOffset, error) {
	commits, err := g.fetch(ctx)
	if err != nil {
		return nil, err
	}
	var all []GroupOffset
	commits.Each(func(o kadm.OffsetResponse) {
		if o.At < 0 {
			return
		}
		n := decodeNote(o.Metadata)
		at := GroupOffset{Partition: connector.Partition{Topic: o.Topic, ID: o.Partition}, At: o.At, Meta: n.Meta}
		if id, err := hex.DecodeString(n.Topic); err == nil && len(id) == len(at.TopicID) {
			copy(at.TopicID[:], id)
		}
		all = append(all, at)
	})
	slices.SortFunc(all, func(a, b GroupOffset) int { return compare(a.Partition, b.Partition) })
	return all, nil
}

func (g *Group) fetch(ctx context.Context) (kadm.OffsetResponses, error) {
	commits, err := g.admin.FetchOffsets(ctx, g.config.Group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody has joined it yet
		return nil, g.access.explain("read the offsets of group "+g.config.Group, g.config.Group, err)
	}
	return commits, nil
}

// Idle is nil if the group has no members. Otherwise the error says who they are.
func (g *Group) Idle(ctx context.Context) error {
	name := g.config.Group
	// A group of KIP-848 isn't found by the older call, and brokers that don't know the newer one refuse it.
	if all, err := g.admin.DescribeConsumerGroups(ctx, name); err == nil && all[name].Err == nil && len(all[name].Members) > 0 {
		return g.busy(len(all[name].Members), all[name].Members[0].ClientID, all[name].Members[0].ClientHost)
	}
	all, err := g.admin.DescribeGroups(ctx, name)
	if err == nil {
		err = all[name].Err
	}
	switch ms := all[name].Members; {
	case errors.Is(err, kerr.GroupIDNotFound):
		return nil
	case err != nil:
		return g.access.explain("look who is in group "+name, name, err)
	case len(ms) > 0:
		return g.busy(len(ms), ms[0].ClientID, ms[0].ClientHost)
	}
	return nil
}

func (g *Group) busy(n int, client, host string) error {
	members := fmt.Sprintf("has %d members", n)
	if n == 1 {
		members = "has a member"
	}
	return connector.Systemic.Errorf("group %s %s (client %s at %s): its offsets can be set only while nobody reads; stop all processes of this connector, "+
		"and wait until session_timeout has passed if one was killed", g.config.Group, members, client, host)
}

// SetOffsets commits offsets, all in one call, with what a Consumer keeps besides: each TopicID, and the group's birth. The group must have
// no members: with some, the brokers refuse it.
func (g *Group) SetOffsets(ctx context.Context, offs []GroupOffset) error {
	if len(offs) == 0 {
		return nil
	}
	commits, err := g.fetch(ctx)
	if err != nil {
		return err
	}
	start, _, err := startTime(g.config.Start, time.Now())
	if err != nil {
		return err
	}
	birth := (&Consumer{start: start}).birth(commits)
	var all kadm.Offsets
	for _, o := range offs {
		all.Add(kadm.Offset{Topic: o.Topic, Partition: o.ID, At: o.At, LeaderEpoch: -1, Metadata: encodeNote(birth, o.TopicID, o.Meta)})
	}
	answers, err := g.admin.CommitOffsets(ctx, g.config.Group, all)
	if err == nil {
		err = answers.Error()
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.IllegalGeneration), errors.Is(err, kerr.StaleMemberEpoch), errors.Is(err, kerr.RebalanceInProgress):
		return errors.Join(g.Idle(ctx), fmt.Errorf("commit to group %s: %w", g.config.Group, err))
	}
	return g.access.explain("commit to group "+g.config.Group, g.config.Group, err)
}
