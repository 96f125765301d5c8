package connectortest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
)

func TestRunConsumer(t *testing.T) {
	RunConsumer(t, func(*testing.T) Cluster {
		g := &group{log: NewLog()}
		for id := range int32(3) {
			g.partitions = append(g.partitions, connector.Partition{Topic: "t", ID: id})
		}
		return Cluster{
			Topic: "t", Partitions: 3,
			Open: func(testing.TB) connector.Consumer { return &grouped{Consumer: NewConsumer(g.log), group: g} },
			Produce: func(_ testing.TB, p int32, key, value string) {
				g.log.Append(connector.Partition{Topic: "t", ID: p}, R{Key: key, Value: value})
			},
		}
	})
}

// A group shares a Log's partitions out among its members.
type group struct {
	log        *Log
	partitions []connector.Partition

	mu      sync.Mutex
	members []*grouped
}

// A grouped Consumer is a member of a group, which does to commits what a group's coordinator and a client do together.
type grouped struct {
	*Consumer
	group *group

	mu     sync.Mutex
	owned  map[connector.Partition]bool
	stored map[connector.Partition]int64
}

// rebalance gives each partition to the member whose turn it is. Those that move are revoked first.
func (g *group) rebalance() {
	g.mu.Lock()
	defer g.mu.Unlock()
	gets := make(map[*grouped][]connector.Partition)
	for i, p := range g.partitions {
		if len(g.members) > 0 {
			m := g.members[i%len(g.members)]
			gets[m] = append(gets[m], p)
		}
	}
	for _, m := range g.members {
		m.mu.Lock()
		var loses []connector.Partition
		for p := range m.owned {
			if !slices.Contains(gets[m], p) {
				loses = append(loses, p)
			}
		}
		m.mu.Unlock()
		if len(loses) > 0 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			m.Revoke(ctx, loses...)
			cancel()
			m.mu.Lock()
			for _, p := range loses {
				delete(m.owned, p)
			}
			m.mu.Unlock()
		}
	}
	for _, m := range g.members {
		for _, p := range gets[m] {
			m.mu.Lock()
			has := m.owned[p]
			m.owned[p] = true
			m.stored[p] = g.log.Committed(p).At
			m.mu.Unlock()
			if !has {
				m.Assign(p)
			}
		}
	}
}

func (m *grouped) Notify(l connector.Listener) {
	m.Consumer.Notify(l)
	m.owned, m.stored = make(map[connector.Partition]bool), make(map[connector.Partition]int64)
	m.group.mu.Lock()
	m.group.members = append(m.group.members, m)
	m.group.mu.Unlock()
	go m.group.rebalance()
}

func (m *grouped) Commit(ctx context.Context, offs []connector.Offset) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range offs {
		if !m.owned[o.Partition] {
			return &connector.PartitionError{Partition: o.Partition, Err: connector.Lost.Errorf("not owned")}
		}
		if o.At < m.stored[o.Partition] {
			continue
		}
		if err := m.Consumer.Commit(ctx, []connector.Offset{o}); err != nil {
			return err
		}
		m.stored[o.Partition] = o.At
	}
	return nil
}

func (m *grouped) Close(ctx context.Context) error {
	m.group.mu.Lock()
	m.group.members = slices.DeleteFunc(m.group.members, func(x *grouped) bool { return x == m })
	m.group.mu.Unlock()
	err := m.Consumer.Close(ctx)
	m.group.rebalance()
	return err
}
