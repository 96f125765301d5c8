package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/serde"
)

func TestRunUntilEnd(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	file := write(t, "name: a\nsource: fake\nsink: fake\n")
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.log.Append(fakePartition, connectortest.R{Value: "1"}, connectortest.R{Value: "2"})
		if code := b.run("--until", "end", file); code != exitDone {
			t.Errorf("exit code %d\n%s", code, b.errs.String())
		}
		if !slices.Equal(b.values(), []string{"1", "2"}) || b.log.Committed(fakePartition).At != 2 {
			t.Errorf("loaded %v, committed %v", b.values(), b.log.Committed(fakePartition))
		}
		if log := b.errs.String(); strings.Count(log, "msg=ended connector=a records_read=2 records_written=2 dead_letters=0 read_bytes=2 seconds=") != 1 {
			t.Error(log)
		}
	})
}

// TestRunUntilEndHalted: a job that stops at a record says so, and so does its exit code; the other connector gets to its end.
func TestRunUntilEndHalted(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	file := write(t, "name: a\nsource: fake\nmax_record: 5B\nsink: fake\n---\nname: b\nsource: fake\nsink: fake\n")
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.log.Append(fakePartition, connectortest.R{Value: "1"}, connectortest.R{Value: "too large"}, connectortest.R{Value: "3"})
		if code := b.run("--until", "end", file); code != exitFailed {
			t.Errorf("exit code %d\n%s", code, b.errs.String())
		}
		if !slices.Contains(b.values(), "3") {
			t.Errorf("loaded %v", b.values())
		}
		for _, want := range []string{"1 of 2 connectors failed: a", "t/0 halted at offset 1, its end is 3: stopped at offset 1"} {
			if !strings.Contains(b.errs.String(), want) {
				t.Errorf("no %q in\n%s", want, b.errs.String())
			}
		}
	})
}

// TestRunRate: the connectors of a process share the rate.
func TestRunRate(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	file := write(t, "name: a\nsource: fake\nsink: fake\n---\nname: b\nsource: fake\nsink: fake\n")
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		for range 100 {
			b.log.Append(fakePartition, connectortest.R{Value: strings.Repeat("v", 1000)})
		}
		began := time.Now()
		if code := b.run("--until", "end", "--rate", "10kB/s", file); code != exitDone {
			t.Errorf("exit code %d\n%s", code, b.errs.String())
		}
		// 200 kB, of which one second and what is fetched ahead are not waited for.
		if d := time.Since(began); d < 12*time.Second || d > 25*time.Second {
			t.Errorf("took %s", d)
		}
	})
}

func TestJobFlags(t *testing.T) {
	file := write(t, "name: a\nsource: fake\nsink: fake\n")
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--until", "noon"}, `--until can be end, not "noon"`},
		{[]string{"--rate", "5MB"}, "such as 5MB/s"},
		{[]string{"--rate", "5/s"}, "such as 5MB/s"},
		{[]string{"--rate", "0MB/s"}, "at least 1B/s"},
		{[]string{"--rate", "-1MB/s"}, "such as 5MB/s"},
		{[]string{"--offsets", "x.csv"}, "--offsets: the source fake of connector a has no offsets of Kafka"},
	} {
		b := newBench()
		if code := b.run(append(test.args, file)...); code != exitUsage || !strings.Contains(b.errs.String(), test.want) {
			t.Errorf("%v: exit code %d, %s", test.args, code, b.errs.String())
		}
	}
	for text, want := range map[string]byteRate{"5MB/s": 5e6, "5MiB/s": 5 << 20, "1.5kB/s": 1500} {
		var r byteRate
		if err := r.Set(text); err != nil || r != want {
			t.Errorf("%s: %d, %v", text, r, err)
		}
	}
}

// TestRunOffsets takes a group over from another consumer.
func TestRunOffsets(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "cars"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("cars"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, v := range []string{"a", "b", "c", "d"} {
		if err := client.ProduceSync(context.Background(), kgo.StringRecord(v)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	b := newBench()
	b.command.plugins = config.NewRegistry(
		config.Source("kafka", kafkaDefaults), config.Loader("fake", func() fakeSink { return fakeSink{bench: b} }),
		config.PlainDecoder("json", serde.BytesDecoder{}), config.PlainDecoder("string", serde.StringDecoder{}),
	)
	offsets := filepath.Join(t.TempDir(), "offsets.csv")
	if err := os.WriteFile(offsets, []byte("cars,0,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := write(t, "name: a\nsource: {kafka: {brokers: "+cluster.ListenAddrs()[0]+", topics: [cars]}}\nsink: fake\n")
	for _, want := range []string{"begins at offset 2, as ", "is ignored: group a has committed offset 4 already"} {
		if code := b.run("--until", "end", "--offsets", offsets, file); code != exitDone || !strings.Contains(b.errs.String(), want) {
			t.Errorf("exit code %d, no %q in\n%s", code, want, b.errs.String())
		}
	}
	if !slices.Equal(b.values(), []string{"c", "d"}) {
		t.Errorf("loaded %v", b.values())
	}
	if code := b.run("--until", "end", "--offsets", offsets+".none", file); code != exitFailed {
		t.Errorf("without the file: exit code %d", code)
	}
}
