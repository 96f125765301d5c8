package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
)

func (b *chainBench) elsewhere() *chainBench {
	b.Helper()
	n := newChainBenchIn(b.T, "other")
	n.store, n.view, n.tails = b.store, b.view, b.tails+1000
	return n
}

func (b *chainBench) ownerNow() (o chain.Owner) {
	b.Helper()
	body, err := b.store.Get(b.Context(), chain.OwnerKey("lake", "main"))
	if err == nil {
		err = json.Unmarshal(body, &o)
	}
	if err != nil {
		b.Fatal(err)
	}
	return o
}

func (b *chainBench) roots() map[string]int64 {
	b.Helper()
	found := map[string]int64{}
	for i := range b.logs {
		id := b.id(i, "lake")
		l, err := chain.Newest(b.Context(), b.store, id)
		switch {
		case err != nil:
			b.Fatal(err)
		case l == nil:
		case l.Kind != chain.KindRoot || l.From != l.Next || l.Owner != b.owner() || l.Topic != id.Topic:
			b.Errorf("%s begins with %+v", id, l)
		default:
			found[id.String()] = l.Next
		}
	}
	return found
}

func (b *chainBench) offsets(hinted bool) map[string]int64 {
	b.Helper()
	c := kafkaDefaults("moves")
	c.Brokers, c.Topics = b.kafka.ListenAddrs(), []string{"bikes", "cars"}
	g, err := c.OpenGroup(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	kept, err := g.Offsets(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	found := map[string]int64{}
	for _, o := range kept {
		i := slices.IndexFunc(b.logs, func(l kafka.Log) bool { return l.Partition == o.Partition })
		if i < 0 || b.logs[i].TopicID != o.TopicID {
			continue
		}
		id := b.id(i, "lake")
		hint, ok := chain.DecodeHint(o.Meta)
		if ok != hinted || ok && (hint != chain.Hint{Chain: "main", Dir: id.Dir()}) {
			b.Errorf("%s: the group remembers %q", id, o.Meta)
		}
		found[id.String()] = o.At
	}
	return found
}

func all(at int64) map[string]int64 {
	return map[string]int64{"bikes/0": at, "bikes/1": at, "cars/0": at, "cars/1": at}
}

func (b *chainBench) unfinished(log int) (key string) {
	b.Helper()
	before := b.view
	b.write(log, "lake", b.newest(log, "lake").Next+2)
	l := b.newest(log, "lake")
	o := l.Objects[0]
	b.store.Delete(o.Key)
	b.store.Delete(b.id(log, "lake").Key(l.Seq))
	// Once more, and its link by hand.
	var err error
	o.Dir, o.Seq = b.id(log, "lake").Dir(), l.Seq
	if o.Upload, err = b.store.Begin(b.Context(), &o); err == nil {
		var part chain.Part
		part, err = b.store.Write(b.Context(), &o, 1, 0, chain.Bytes{[]byte("{}\n")})
		o.Parts = []chain.Part{part}
	}
	if err == nil {
		err = b.store.Seal(b.Context(), &o)
	}
	o.Rows, o.Size, o.CRC = 1, 3, checksum([]byte("{}\n"))
	l.Objects = []chain.Object{o}
	if err == nil {
		err = b.store.Put(b.Context(), b.id(log, "lake").Key(l.Seq), l.Encode())
	}
	if err != nil {
		b.Fatal(err)
	}
	b.view = before
	return o.Key
}

func onKey(call, part string, f chaintest.Fate) func(string, string) chaintest.Fault {
	return func(c, key string) chaintest.Fault {
		if c != call || !strings.Contains(key, part) || call == "Put" && strings.HasSuffix(key, "owner.json") {
			return chaintest.Fault{}
		}
		return chaintest.Fault{Fate: f, Class: connector.Systemic}
	}
}

func (b *chainBench) grow(n int) {
	b.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	for i := range b.logs {
		for range n {
			r := kgo.Record{Topic: b.logs[i].Topic, Partition: b.logs[i].ID, Value: []byte("v"), Timestamp: time.UnixMilli(benchTime + 3_600_000)}
			if err := client.ProduceSync(b.Context(), &r).FirstErr(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func (b *chainBench) again(topic string, n int) {
	b.Helper()
	if _, err := b.admin.DeleteTopics(b.Context(), topic); err != nil {
		b.Fatal(err)
	}
	if _, err := b.admin.CreateTopic(b.Context(), 2, 1, nil, topic); err != nil {
		b.Fatal(err)
	}
	k := kafkaDefaults("moves")
	k.Brokers, k.Topics = b.kafka.ListenAddrs(), []string{"bikes", "cars"}
	var err error
	if b.logs, err = logs(b.Context(), &k, time.Time{}); err != nil {
		b.Fatal(err)
	}
	whole := b.logs
	b.logs = slices.DeleteFunc(slices.Clone(whole), func(l kafka.Log) bool { return l.Topic != topic })
	b.grow(n)
	b.logs = whole
}

func (b *chainBench) commitRaw(topic string, partition int32, at int64, meta string) {
	b.Helper()
	var all kadm.Offsets
	all.Add(kadm.Offset{Topic: topic, Partition: partition, At: at, LeaderEpoch: -1, Metadata: meta})
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.ListenAddrs()...)) // a new one: the bench's may remember ids of topics
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	if err := kadm.NewClient(client).CommitAllOffsets(b.Context(), "moves", all); err != nil {
		b.Fatal(err)
	}
}

type overwriting struct{ shelf }

func (o overwriting) Put(context.Context, string, []byte) error { return nil }
