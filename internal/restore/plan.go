package restore

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/chain"
)

const (
	listPage = 1000 // keys of a call
	parallel = 16   // links that are read at a time
)

// A Partition is what a chain holds of one partition.
type Partition struct {
	Cluster string
	TopicID [16]byte
	ID      int32
	Topic   string // as the rows' envelopes say; "" if none was read
	Notes   []string

	spans []span
}

// Name is the topic, or its id, and the partition.
func (p *Partition) Name() string {
	topic := p.Topic
	if topic == "" {
		topic = hex.EncodeToString(p.TopicID[:])
	}
	return topic + "/" + strconv.Itoa(int(p.ID))
}

// A span is a range of offsets, from to next-1, and the objects that hold its records. They may hold others too.
type span struct {
	from, next int64
	objects    []chain.Object
	newest     bool // of the chain's links
}

// holding are the objects with records of the span.
func (s *span) holding() (all []*chain.Object) {
	for i := range s.objects {
		if o := &s.objects[i]; o.Rows > 0 && o.First < s.next && o.Last >= s.from {
			all = append(all, o)
		}
	}
	slices.SortStableFunc(all, func(a, b *chain.Object) int {
		return cmp.Compare(a.First, b.First)
	})
	return all
}

// Plan finds the partitions of a chain, and what is to be read of each: of records that were written again, after a rewind, those of the newest link.
func Plan(ctx context.Context, place *chain.Place) ([]*Partition, error) {
	root := chain.Root(place.Prefix, place.Chain)
	var all []*Partition
	links := map[string][]int64{} // numbers by folder
	var dirs []string
	for after := ""; ; {
		var keys []string
		var more bool
		err := chain.Try(ctx, func() (err error) {
			keys, more, err = place.Store.List(ctx, root, after, listPage)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list the links in %s of %s: %w", root, place.Name, err)
		}
		for _, key := range keys {
			after = key
			dir, seq, ok := chain.ParseKey(key)
			if !ok {
				continue
			}
			if links[dir] == nil {
				dirs = append(dirs, dir)
			}
			links[dir] = append(links[dir], seq)
		}
		if !more || len(keys) == 0 {
			break
		}
	}
	for _, dir := range dirs {
		p, err := parseDir(root, dir)
		if err != nil {
			return nil, err
		}
		if err := p.read(ctx, place.Store, dir, links[dir]); err != nil {
			return nil, fmt.Errorf("the chain of partition %s: %w", p.Name(), err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no link in %s of %s: has the connector run, with this prefix and chain?", root, place.Name)
	}
	return all, nil
}

// parseDir reads the folder of a partition's links: CLUSTER/TOPIC ID/PARTITION/.
func parseDir(root, dir string) (*Partition, error) {
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(dir, root), "/"), "/")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%s is no folder of links", dir)
	}
	topic, err := hex.DecodeString(parts[1])
	id, err2 := strconv.ParseInt(parts[2], 10, 32)
	if err := errors.Join(err, err2); err != nil || len(topic) != 16 || id < 0 {
		return nil, fmt.Errorf("%s is no folder of links", dir)
	}
	return &Partition{Cluster: parts[0], TopicID: [16]byte(topic), ID: int32(id)}, nil
}

// read reads the links.
func (p *Partition) read(ctx context.Context, s chain.Store, dir string, seqs []int64) error {
	for i, seq := range seqs {
		if i > 0 && seq != seqs[i-1]+1 {
			return fmt.Errorf("link %d is missing, so nothing says what came between its neighbours: see millrace verify", seqs[i-1]+1)
		}
	}
	if seqs[0] > 0 {
		p.note("its links before number %d are gone, and what they named isn't restored", seqs[0])
	}
	links := make([]*chain.Link, len(seqs))
	g, bound := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, seq := range seqs {
		g.Go(func() error {
			key := fmt.Sprintf("%s%020d.json", dir, seq)
			var body []byte
			err := chain.Try(bound, func() (err error) {
				body, err = s.Get(bound, key)
				return err
			})
			if err != nil {
				return err
			}
			if links[i], err = chain.DecodeLink(body, seq); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			for j := range links[i].Objects {
				links[i].Objects[j].Parts = nil // they take most of the memory
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	p.spans = spans(links)
	p.account(links)
	return nil
}

func (p *Partition) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// account notes what people should know of the links.
func (p *Partition) account(links []*chain.Link) {
	var buried, filtered int64
	for _, l := range links {
		buried += l.Counts.Buried
		filtered += l.Counts.Filtered
		switch l.Kind {
		case chain.KindRewind:
			p.note("it was rewound from %d to %d: what was written again is restored once, as it was written last", l.From, l.Next)
		case chain.KindGap:
			p.note("offsets %d to %d were gone from Kafka before they were read", l.From, l.Next-1)
		}
	}
	if buried > 0 {
		p.note("%d records are in the dead letter, and not restored", buried)
	}
	if filtered > 0 {
		p.note("%d records were filtered, and are in no object", filtered)
	}
}

// spans are what each link of a chain has to give, by offset: the newest link that holds an offset counts.
func spans(links []*chain.Link) []span {
	var all []span
	for i := len(links) - 1; i >= 0; i-- {
		l := links[i]
		if l.Kind != chain.KindData {
			continue
		}
		at := l.From
		for _, s := range slices.Clone(all) { // what newer links hold, in order
			if s.next <= at || s.from >= l.Next {
				continue
			}
			if s.from > at {
				all = append(all, span{from: at, next: s.from, objects: l.Objects})
			}
			at = s.next
		}
		if at < l.Next {
			all = append(all, span{from: at, next: l.Next, objects: l.Objects, newest: i == len(links)-1})
		}
		slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	}
	return all
}

// cut leaves only offsets from to next-1.
func (p *Partition) cut(from, next int64) {
	kept := p.spans[:0]
	for _, s := range p.spans {
		s.from, s.next = max(s.from, from), min(s.next, next)
		if s.from < s.next {
			kept = append(kept, s)
		}
	}
	p.spans = kept
}
