package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/internal/chain"
)

// A moving is a chain that may have to move.
type moving struct {
	*ledger
	tenure chain.Tenure
	owner  chain.Owner // the connector where its topics are now
	chains []partitionChain
	ended  map[string]bool // by folder: chains that partitions leave in this move
}

// A partitionChain is the chain of one partition of any cluster and topic id.
type partitionChain struct {
	id     chain.ID // with the topic's name, if anybody knows it
	newest *chain.Link
}

// moved reports whether the chain is of another cluster than the one the connector reads.
func (l *moving) moved() bool { return l.tenure.Claimed && l.tenure.Owner.Cluster != l.owner.Cluster }

// ends reports whether nobody will go on with a chain after the move.
func (l *moving) ends(p *partitionChain) bool {
	return l.ended[p.id.Dir()] || l.moved() && p.id.Cluster == l.tenure.Owner.Cluster
}

// at is the chain in a folder; nil if there is none.
func (l *moving) at(dir string) *partitionChain {
	for i := range l.chains {
		if l.chains[i].id.Dir() == dir {
			return &l.chains[i]
		}
	}
	return nil
}

// before is the chain that a partition had when its topic was another; nil if nobody knows one.
func (l *moving) before(id chain.ID) (found *partitionChain) {
	for i := range l.chains {
		p := &l.chains[i]
		if p.newest == nil || p.id.Topic != id.Topic || p.id.Partition != id.Partition || p.id.Dir() == id.Dir() ||
			l.tenure.Claimed && p.id.Cluster != l.tenure.Owner.Cluster {
			continue
		}
		if found == nil || strings.Compare(found.newest.Made, p.newest.Made) < 0 {
			found = p
		}
	}
	return found
}

// A relocation is one partition that begins anew.
type relocation struct {
	*moving // nil: its sink keeps no chain
	id      chain.ID
	log     *kafka.Log
	old     chain.ID // a zero TopicID: nobody knows
	stood   int64    // where it stood there; -1: nobody knows
	to      int64
	seq     int64 // the newest link of its chain
	begun   bool  // its chain is begun already
	settled bool  // the group's offset is right already
}

// offset is what the group has to keep.
func (r *relocation) offset() kafka.GroupOffset {
	o := kafka.GroupOffset{Partition: r.log.Partition, TopicID: r.log.TopicID, At: r.to}
	if r.moving != nil {
		o.Meta = chain.Hint{Chain: r.id.Chain, Dir: r.id.Dir(), Seq: r.seq}.Encode()
	}
	return o
}

// plan finds the partitions that have changed, and where each of them begins.
func (m *removal) plan(ctx context.Context, ls *ledgers, group string, all []kafka.Log, to destination) error {
	if err := to.check(all); err != nil {
		return err
	}
	kept, err := m.group.Offsets(ctx)
	if err != nil {
		return err
	}
	offsets := map[connector.Partition]kafka.GroupOffset{}
	for _, o := range kept {
		offsets[o.Partition] = o
	}
	found := map[*ledger]*moving{}
	for i := range all {
		l := &all[i]
		led, _ := ls.of(l.Topic)
		if led != nil && found[led] == nil {
			owner := chain.Owner{Connector: ls.conn.Name, Group: group, Cluster: l.ClusterID}
			if found[led], err = survey(ctx, led, owner, all); err != nil {
				return err
			}
			m.ledgers = append(m.ledgers, found[led])
		}
		if r := found[led].relocate(l, offsets); r != nil {
			m.rows = append(m.rows, r)
		}
	}
	return m.choose(to)
}

// survey finds whose a chain is, and the chains of all partitions in it.
func survey(ctx context.Context, led *ledger, owner chain.Owner, all []kafka.Log) (*moving, error) {
	l := &moving{ledger: led, owner: owner, ended: map[string]bool{}}
	var err error
	if l.tenure, err = chain.TenureOf(ctx, led.Store, led.Name, led.Prefix, led.Chain, owner); err != nil {
		return nil, err
	}
	ids, err := chain.Chains(ctx, led.Store, led.Prefix, led.Chain)
	if err != nil {
		return nil, err
	}
	names := map[[16]byte]string{}
	for i := range all {
		names[all[i].TopicID] = all[i].Topic
	}
	l.chains = make([]partitionChain, len(ids))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i, id := range ids {
		g.Go(func() (err error) {
			p := &l.chains[i]
			p.id = id
			if p.id.Topic = names[id.TopicID]; p.id.Topic == "" {
				root, err := chain.ReadLink(ctx, led.Store, id, 0)
				if err != nil && !errors.Is(err, chain.ErrMissing) { // a lifecycle rule took it
					return err
				}
				if err == nil {
					p.id.Topic = root.Topic
				}
			}
			p.newest, err = chain.Newest(ctx, led.Store, p.id)
			return err
		})
	}
	return l, g.Wait()
}

// relocate compares a partition with what the group and the chain remember. It is nil if nothing has changed. Without a chain, l is nil.
func (l *moving) relocate(log *kafka.Log, offsets map[connector.Partition]kafka.GroupOffset) *relocation {
	kept, ok := offsets[log.Partition]
	same := ok && kept.TopicID == log.TopicID
	r := &relocation{moving: l, log: log, stood: -1}
	if ok && !same {
		r.stood, r.old.TopicID = kept.At, kept.TopicID
	}
	if l == nil {
		if same {
			return nil
		}
		return r
	}
	r.id = chain.ID{Prefix: l.Prefix, Chain: l.Chain, Cluster: log.ClusterID, Topic: log.Topic, TopicID: log.TopicID, Partition: log.ID}
	old, here := l.before(r.id), l.at(r.id.Dir())
	stale := ok && !same && kept.TopicID != ([16]byte{})
	again := here == nil && old != nil // this cluster's topic was created again, and nothing of the new one was read
	if !l.moved() && !stale && !again {
		return nil
	}
	if old != nil {
		r.old, r.stood = old.id, old.newest.Next
		l.ended[old.id.Dir()] = true
	}
	if here != nil && here.newest != nil {
		r.begun, r.to, r.seq = true, here.newest.Next, here.newest.Seq
	}
	hint, _ := chain.DecodeHint(kept.Meta)
	r.settled = r.begun && same && hint.Chain == r.id.Chain && hint.Dir == r.id.Dir()
	return r
}

// choose sets where each partition begins.
func (m *removal) choose(to destination) error {
	named := maps.Clone(to.offsets)
	var missing []string
	for _, r := range m.rows {
		at, ok := to.of(r.log)
		delete(named, r.log.Partition)
		switch {
		case r.begun:
			if ok && at != r.to {
				m.notes = append(m.notes, fmt.Sprintf("%s: its chain in this cluster is begun already, and goes on at %d", r.log.Partition, r.to))
			}
			continue
		case !ok:
			missing = append(missing, r.log.Partition.String())
			continue
		case at < r.log.Start:
			return fmt.Errorf("--to: offset %d of partition %s is gone from Kafka: the first that it holds is %d", at, r.log.Partition, r.log.Start)
		case at > r.log.End:
			return fmt.Errorf("--to: partition %s ends at %d, below offset %d", r.log.Partition, r.log.End, at)
		}
		r.to = at
	}
	if len(missing) > 0 {
		return fmt.Errorf("--to: where do %s begin? Each partition that has changed needs an offset", strings.Join(missing, ", "))
	}
	for _, p := range slices.SortedFunc(maps.Keys(named), comparePartitions) {
		m.notes = append(m.notes, fmt.Sprintf("%s: nothing has changed", p))
	}
	return nil
}

func comparePartitions(a, b connector.Partition) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.ID) - int(b.ID)
}
