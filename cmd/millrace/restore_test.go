package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/sinks/file"
)

// A restoreBench is a Kafka cluster, and a folder with a chain of the topic "cars", which has three partitions.
type restoreBench struct {
	*testing.T
	kafka  *kfake.Cluster
	client *kgo.Client
	dir    string
	file   string
	cars   [16]byte
}

func newRestoreBench(t *testing.T) *restoreBench {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID("test"), kfake.SeedTopics(3, "cars", "back"), kfake.SeedTopics(2, "small"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	topics, err := kadm.NewClient(client).ListTopics(t.Context(), "cars")
	if err != nil {
		t.Fatal(err)
	}
	b := &restoreBench{T: t, kafka: cluster, client: client, dir: t.TempDir(), cars: topics["cars"].ID}
	b.file = write(t, fmt.Sprintf("name: moves\nsource: {kafka: {brokers: %s, topics: [cars]}}\nsink: {file: {dir: %s, prefix: lake}}\n", cluster.ListenAddrs()[0], b.dir))
	for p := range int32(3) {
		b.chain(p)
	}
	return b
}

func (b *restoreBench) put(key string, body []byte) {
	b.Helper()
	path := filepath.Join(b.dir, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		b.Fatal(err)
	}
}

// chain writes 30 records of a partition: the even ones into lines, the odd ones into a Parquet file.
func (b *restoreBench) chain(partition int32) {
	b.Helper()
	id := chain.ID{Prefix: "lake", Chain: "main", Cluster: "test", TopicID: b.cars, Partition: partition}
	owner := chain.Owner{Connector: "moves", Group: "moves", Cluster: "test"}
	l := &chain.Link{Version: chain.Version, Kind: chain.KindRoot, Attempt: "a", Owner: owner}
	b.put(id.Key(0), l.Encode())
	type header struct {
		Name  string  `parquet:"name"`
		Value *[]byte `parquet:"value,optional"`
	}
	type row struct {
		Offset    int64    `parquet:"offset"`
		Timestamp int64    `parquet:"timestamp,timestamp"`
		Key       *[]byte  `parquet:"key,optional"`
		Headers   []header `parquet:"headers,list"`
		Value     *[]byte  `parquet:"value,optional"`
	}
	var lines, columns bytes.Buffer
	w := pq.NewGenericWriter[row](&columns)
	for at := range int64(30) {
		if at%2 == 0 {
			fmt.Fprintf(&lines, `{"topic":"cars","offset":%d,"timestamp":%d,"key":"k%d","headers":[{"name":"h","value":null},{"name":"h","value":"x"}],"value_base64":"/w=="}`+"\n", at, benchTime+at, at%4)
			continue
		}
		r := row{Offset: at, Timestamp: benchTime + at}
		if at%3 == 0 {
			value := []byte{0xfe, byte(at)}
			r.Value = &value
		}
		if _, err := w.Write([]row{r}); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	l = &chain.Link{Version: chain.Version, Kind: chain.KindData, Seq: 1, Attempt: "a", Owner: owner, Next: 30, First: 0, Last: 29, Counts: chain.Counts{Read: 30, Written: 30}}
	for ext, body := range map[string][]byte{".json": lines.Bytes(), ".parquet": columns.Bytes()} {
		o := chain.Object{Key: fmt.Sprintf("lake/cars/%d%s", partition, ext), Rows: 15, First: 0, Last: 28, Size: int64(len(body))}
		if ext == ".parquet" {
			o.First, o.Last = 1, 29
		}
		b.put(o.Key, body)
		l.Objects = append(l.Objects, o)
	}
	b.put(id.Key(1), l.Encode())
}

func (b *restoreBench) run(args ...string) (code int, out, errs string) {
	b.Helper()
	plugins := config.NewRegistry(
		config.Source("kafka", kafkaDefaults),
		config.PlainDecoder("string", serde.StringDecoder{}),
		config.PlainDecoder("json", serde.StringDecoder{}),
		config.Stager("file", file.DefaultConfig),
		config.Loader("plain", func() fakeSink { return fakeSink{} }),
	)
	return millrace(b.T, plugins, "", append([]string{"restore", b.file}, args...)...)
}

// read reads n records of a topic, by partition.
func (b *restoreBench) read(topic string, n int) map[int32][]string {
	b.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
	defer cancel()
	got := map[int32][]string{}
	for n > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			b.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			text := func(b []byte) string {
				if b == nil {
					return "null"
				}
				return fmt.Sprintf("%q", b)
			}
			line := fmt.Sprintf("%d %s %s", r.Timestamp.UnixMilli()-benchTime, text(r.Key), text(r.Value))
			for _, h := range r.Headers {
				line += " " + h.Key + "=" + text(h.Value)
			}
			got[r.Partition] = append(got[r.Partition], line)
			n--
		})
	}
	return got
}

func restored(at int64) string {
	switch {
	case at%2 == 0:
		return fmt.Sprintf(`%d "k%d" "\xff" h=null h="x"`, at, at%4)
	case at%3 == 0:
		return fmt.Sprintf(`%d null %q`, at, []byte{0xfe, byte(at)})
	}
	return fmt.Sprintf(`%d null null`, at)
}

func TestRestore(t *testing.T) {
	b := newRestoreBench(t)
	const table = `topic cars
PARTITION  OFFSETS  OBJECTS  RECORDS  BYTES
        0     0-29        2       30`
	code, out, errs := b.run("--to-topic", "back", "--dry-run")
	if code != exitDone || !strings.Contains(out, table) || !strings.HasSuffix(out, "\n90 records to be written to topic back, in the same partitions\n") {
		t.Fatal(code, out, errs)
	}
	code, out, errs = b.run("--to-topic", "back")
	if code != exitDone || !strings.Contains(out, table) || !strings.HasSuffix(out, "\n90 records written to topic back, in the same partitions\n") {
		t.Fatal(code, out, errs)
	}
	got := b.read("back", 90)
	for p := range int32(3) {
		for at := range int64(30) {
			if want := restored(at); got[p][at] != want {
				t.Errorf("partition %d: %s, want %s", p, got[p][at], want)
			}
		}
	}
}

// A topic with fewer partitions: what has a key goes to that of its key, the rest stays together.
func TestRestoreByKey(t *testing.T) {
	b := newRestoreBench(t)
	code, out, errs := b.run("--to-topic", "small", "--json", "--partition", "0,2", "--from-offset", "10", "--to-offset", "20")
	var report restoration
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitDone || errs != "" {
		t.Fatal(code, out, errs, err)
	}
	if !report.OK || report.Keep || report.Records != 20 || len(report.Partitions) != 2 || report.Partitions[1].Partition != 2 || report.Partitions[1].First != 10 || report.Partitions[1].Last != 19 {
		t.Error(out)
	}
	at := map[string]int{}
	sum := 0
	for p, lines := range b.read("small", 20) {
		sum += len(lines)
		for _, line := range lines {
			key := strings.Fields(line)[1]
			if before, ok := at[key]; key != "null" && ok && before != int(p) {
				t.Errorf("key %s is in two partitions", key)
			}
			at[key] = int(p)
		}
	}
	if sum != 20 {
		t.Error(sum)
	}
}

func TestRestoreRefuses(t *testing.T) {
	b := newRestoreBench(t)
	for _, test := range []struct {
		args, errs string
		code       int
	}{
		{"", "--to-topic is missing", exitUsage},
		{"--to-topic back --from-offset 5 --to-offset 5", "the second is above the first", exitUsage},
		{"--to-topic back --partition -1", "numbers are 0 or more", exitUsage},
		{"--to-topic back --connector x", `holds no connector "x"`, exitUsage},
		{"--to-topic cars", "is the one that the records came from", exitUsage},
		{"--to-topic nowhere", `topic "nowhere" doesn't exist in this cluster`, exitFailed},
		{"--to-topic back --from-topic bikes", "the chain holds none of these partitions", exitFailed},
		{"--to-topic back --partition 7", "the chain holds none of these partitions", exitFailed},
		{"--to-topic back --brokers 127.0.0.1:1", "none of them answers", exitFailed},
	} {
		code, out, errs := b.run(strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(errs, test.errs) {
			t.Errorf("%s: exit code %d\n%s%s", test.args, code, out, errs)
		}
	}
	if code, out, errs := b.run("--to-topic", "cars", "--force", "--partition", "1"); code != exitDone || !strings.Contains(out, "30 records written") {
		t.Error(code, out, errs)
	}
	// What is wrong with an object stops its partition, and the table says how far it got.
	b.put("lake/cars/2.parquet", []byte("PAR1 is no file PAR1"))
	code, out, errs := b.run("--to-topic", "back", "--partition", "2")
	if code != exitFailed || !strings.Contains(errs, "lake/cars/2.parquet") {
		t.Error(code, out, errs)
	}
}
