package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
	"github.com/millrace/millrace/serde"
)

// A shelf is a Memory whose objects can be described and read.
type shelf struct{ *chaintest.Memory }

func (s shelf) Stat(ctx context.Context, key string) (chain.Stat, error) {
	body, err := s.Get(ctx, key)
	return chain.Stat{Size: int64(len(body)), CRC: checksum(body)}, err
}

func (s shelf) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	body, err := s.Get(ctx, key)
	return io.NopCloser(bytes.NewReader(body)), err
}

func checksum(b []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// A chainSink is a sink's settings, whose files lie in memory.
type chainSink struct {
	Prefix   string `yaml:"prefix"`
	Position bool   `yaml:"position"`
	bench    *chainBench
}

func (chainSink) Validate() error { return nil }

func (chainSink) Open(context.Context) (connector.Stager, error) { return nil, errors.ErrUnsupported }

func (s chainSink) OpenChain(context.Context) (chain.Place, error) {
	s.bench.open++
	return chain.Place{
		Store: s.bench.view, Name: "memory://", Prefix: s.Prefix, Chain: "main", Unique: !s.Position, Data: s.Prefix + "/",
		Close: func() error { s.bench.open--; return nil },
	}, nil
}

// A chainBench is a Kafka cluster with two topics of two partitions, 20 records in each, a minute apart, and a store.
type chainBench struct {
	*testing.T
	kafka *kfake.Cluster
	admin *kadm.Client
	store *chaintest.Memory
	view  chain.Store
	logs  []kafka.Log
	open  int
	tails int
}

const benchTime = 1_767_225_600_000 // 2026-01-01T00:00:00Z

func newChainBench(t *testing.T) *chainBench { return newChainBenchIn(t, "test") }

func newChainBenchIn(t *testing.T, clusterID string) *chainBench {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID(clusterID), kfake.SeedTopics(2, "bikes", "cars"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	var rs []*kgo.Record
	for i := range 80 {
		rs = append(rs, &kgo.Record{Topic: []string{"bikes", "cars"}[i%2], Partition: int32(i / 2 % 2), Value: []byte("v"), Timestamp: time.UnixMilli(benchTime + int64(i/4)*60_000)})
	}
	if err := client.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	b := &chainBench{T: t, kafka: cluster, admin: kadm.NewClient(client), store: chaintest.NewMemory(chaintest.Options{})}
	b.view = shelf{b.store}
	k := kafkaDefaults("moves")
	k.Brokers, k.Topics = cluster.ListenAddrs(), []string{"bikes", "cars"}
	if b.logs, err = logs(t.Context(), &k, time.Time{}); err != nil || len(b.logs) != 4 {
		t.Fatal(b.logs, err)
	}
	return b
}

// file writes a configuration file of a connector "moves".
func (b *chainBench) file(more string) string {
	b.Helper()
	return write(b.T, fmt.Sprintf("name: moves\nsource: {kafka: {brokers: %s, topics: [cars, bikes]}}\nsink: {memory: {prefix: lake}}\n%s", b.kafka.ListenAddrs()[0], more))
}

func (b *chainBench) plugins() *config.Registry {
	return config.NewRegistry(
		config.Source("kafka", kafkaDefaults),
		config.PlainDecoder("string", serde.StringDecoder{}),
		config.PlainDecoder("json", serde.StringDecoder{}),
		config.Stager("memory", func() chainSink { return chainSink{bench: b} }),
		config.Loader("plain", func() fakeSink { return fakeSink{} }),
	)
}

// run runs a command line.
func (b *chainBench) run(args ...string) (code int, out, errs string) {
	b.Helper()
	code, out, errs = millrace(b.T, b.plugins(), "", args...)
	if b.open != 0 {
		b.Errorf("%v leaves %d stores open", args, b.open)
	}
	for line := range strings.Lines(out) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > lineWidth && !strings.Contains(out, `{"ok"`) && strings.Contains(strings.TrimSpace(line), " ") {
			b.Errorf("%d characters: %s", n, line)
		}
	}
	return code, out, errs
}

func (b *chainBench) id(log int, prefix string) chain.ID {
	l := &b.logs[log]
	return chain.ID{Prefix: prefix, Chain: "main", Cluster: l.ClusterID, Topic: l.Topic, TopicID: l.TopicID, Partition: l.ID}
}

func (b *chainBench) owner() chain.Owner {
	return chain.Owner{Connector: "moves", Group: "moves", Cluster: b.logs[0].ClusterID}
}

// newest is the newest link of a partition, whose chain is begun at 0 if there is none.
func (b *chainBench) newest(log int, prefix string) *chain.Link {
	b.Helper()
	if _, err := chain.Claim(b.Context(), b.store, "memory://", prefix, "main", b.owner()); err != nil {
		b.Fatal(err)
	}
	r := chain.NewRecovery(b.id(log, prefix), chain.Start{Attempt: chain.NewAttempt(), Owner: b.owner()})
	if err := chain.Run(b.Context(), b.store, r); err != nil {
		b.Fatal(err)
	}
	return r.Link()
}

// write writes records up to an offset into one object, and filters one of them.
func (b *chainBench) write(log int, prefix string, next int64) {
	b.Helper()
	last := b.newest(log, prefix)
	n := next - last.Next
	l := &chain.Link{
		Version: chain.Version, Kind: chain.KindData, Seq: last.Seq + 1, Attempt: chain.NewAttempt(), Owner: b.owner(), Rewind: last.Rewind,
		From: last.Next, Next: next, First: last.Next, Last: next - 1, Counts: chain.Counts{Read: n, Written: n - 1, Filtered: 1},
	}
	b.tails++
	tail := fmt.Sprintf("%08x", b.tails)
	id := b.id(log, prefix)
	body := []byte(strings.Repeat("{}\n", int(n-1)))
	o := chain.Object{
		Key:  fmt.Sprintf("%s/%s+%d+%010d-%010d-%s.json", prefix, id.Topic, id.Partition, l.From, l.Seq, tail),
		Tail: tail, Unique: true, Rows: n - 1, First: l.From, Last: next - 1, Size: int64(len(body)), CRC: checksum(body), Dir: id.Dir(), Seq: l.Seq,
	}
	var err error
	if o.Upload, err = b.store.Begin(b.Context(), &o); err != nil {
		b.Fatal(err)
	}
	part, err := b.store.Write(b.Context(), &o, 1, 0, chain.Bytes{body})
	if err != nil {
		b.Fatal(err)
	}
	if err := b.store.Seal(b.Context(), &o); err != nil {
		b.Fatal(err)
	}
	o.Parts = []chain.Part{part}
	l.Objects = []chain.Object{o}
	if err := chain.Run(b.Context(), b.store, chain.NewExtension(id, l)); err != nil {
		b.Fatal(err)
	}
}

// commit commits a group's offset with a hint.
func (b *chainBench) commit(log int, prefix string, at, seq int64) {
	b.Helper()
	id := b.id(log, prefix)
	meta := chain.Hint{Chain: "main", Dir: id.Dir(), Seq: seq}.Encode()
	var all kadm.Offsets
	all.Add(kadm.Offset{Topic: id.Topic, Partition: id.Partition, At: at, LeaderEpoch: -1, Metadata: fmt.Sprintf(`{"start":0,"topic":"%x","meta":%q}`, id.TopicID, meta)})
	if err := b.admin.CommitAllOffsets(b.Context(), "moves", all); err != nil {
		b.Fatal(err)
	}
}
