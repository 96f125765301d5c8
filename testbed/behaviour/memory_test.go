//go:build testbed

package behaviour

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// peak is the most memory that a process had resident, in MiB.
func (p *millraceProcess) peak() int {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				p.t.Fatal(err)
			}
			return kib >> 10
		}
	}
	p.t.Fatal("no VmHWM")
	return 0
}

// sizes tells how large the objects of a bucket are, the links apart.
func (l *lake) sizes() string {
	l.t.Helper()
	var all []int64
	var sum int64
	pages := s3.NewListObjectsV2Paginator(l.s3.Client(l.t), &s3.ListObjectsV2Input{Bucket: &l.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		for _, o := range page.Contents {
			if !strings.Contains(aws.ToString(o.Key), "_millrace/") {
				all = append(all, aws.ToInt64(o.Size))
				sum += aws.ToInt64(o.Size)
			}
		}
	}
	if len(all) == 0 {
		return "no objects"
	}
	slices.Sort(all)
	return fmt.Sprintf("%d objects, %d KiB in all, median %d KiB, largest %d KiB", len(all), sum>>10, all[len(all)/2]>>10, all[len(all)-1]>>10)
}

// A topic of 12 partitions leads to 1,000 paths, each from up to five of them: 4,200 files are open at once, within 256 MiB.
func TestThousandPathsInMemory(t *testing.T) {
	records := int64(testbed.FromEnv(t, "MILLRACE_RECORDS", 250_000))
	l := newLake(t, 12)
	if err := l.produce(0, records, 0); err != nil {
		t.Fatal(err)
	}
	p := l.start(l.config(`path: "{topic}/shard={value.shard}/", rotate: {age: 20s}`, `handlers: [{set: {shard: value.seq % 1000}}]`))
	l.written(records)
	peak := p.peak()
	p.stop()
	t.Logf("peak %d MiB resident, %d MiB held by records; %s; %s", peak, held(p.log.String()), l.sizes(), reasons(p.log.String()))
	folders := map[string]bool{}
	for _, key := range l.objects() {
		folders[key[:strings.LastIndexByte(key, '/')]] = true
	}
	if len(folders) != 1000 {
		t.Errorf("%d paths, want 1,000", len(folders))
	}
	if peak > 256 {
		t.Errorf("peak of %d MiB resident, more than 256", peak)
	}
	l.verify()
}

// 100 topics of 3 partitions are read at once, all of them busy: parts of 5 MiB for each don't fit into memory, so that
// files are closed early, by memory, and counted.
func TestHundredBusyTopicsInMemory(t *testing.T) {
	const topics = 100
	perTopic := testbed.FromEnv(t, "MILLRACE_RECORDS_PER_TOPIC", 4_000)
	bed := testbed.Kafka(t)
	l := &lake{t: t, s3: testbed.S3Server(t), kafka: bed, group: testbed.Name(t)}
	l.bucket = l.s3.Bucket(t)
	prefix := testbed.Name(t)
	names := make([]string, topics)
	for i := range names {
		names[i] = fmt.Sprintf("%s.t%03d", prefix, i)
		bed.CreateTopic(t, names[i], 3)
	}
	produceTo(t, bed, names, perTopic)
	l.topic = names[0]
	config := strings.Replace(l.config(`path: "{topic}/{partition}/", compression: none, rotate: {age: 30s}`, ""), "topics: ["+l.topic+"]", fmt.Sprintf(`topics_regex: "^%s[.]"`, prefix), 1)
	l.file = config
	p := startMillrace(t, config, "--budget", "256MiB")
	l.written(int64(topics * perTopic))
	peak := p.peak()
	p.stop()
	t.Logf("peak %d MiB resident, %d MiB held by records; %s; %s", peak, held(p.log.String()), l.sizes(), reasons(p.log.String()))
	if peak > 512 {
		t.Errorf("peak of %d MiB resident, more than 512", peak)
	}
	l.verify()
}

// produceTo writes n records of 1 KiB to each topic, all topics in turn.
func produceTo(t *testing.T, bed *testbed.Brokers, topics []string, n int) {
	t.Helper()
	client := bed.Client(t, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	defer client.Close()
	filler := strings.Repeat("the quick brown fox jumps over the lazy dog ", 22)
	var once sync.Once
	var failed error
	for i := range n {
		for _, topic := range topics {
			value := fmt.Appendf(nil, `{"seq":%d,"text":%q}`, i, filler)
			client.Produce(t.Context(), &kgo.Record{Topic: topic, Value: value}, func(_ *kgo.Record, err error) {
				if err != nil {
					once.Do(func() { failed = err })
				}
			})
		}
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if failed != nil {
		t.Fatal(failed)
	}
}

// held is the most memory that a log's status lines say was charged to the budget, in MiB.
func held(log string) (most int) {
	for line := range strings.Lines(log) {
		_, rest, ok := strings.Cut(line, "held_bytes=")
		if !ok {
			continue
		}
		if n, err := strconv.Atoi(strings.Fields(rest)[0]); err == nil {
			most = max(most, n>>20)
		}
	}
	return most
}

// reasons is what the last status line of a log says of why files were closed.
func reasons(log string) string {
	found := "none"
	for line := range strings.Lines(log) {
		if i := strings.Index(line, "files="); i >= 0 {
			found = strings.TrimSpace(line[i:])
		}
	}
	return found
}

// A topic that appears is read within a minute: the process isn't restarted, and the files of other topics aren't closed for it.
func TestTopicAppears(t *testing.T) {
	bed := testbed.Kafka(t)
	l := &lake{t: t, s3: testbed.S3Server(t), kafka: bed, group: testbed.Name(t)}
	l.bucket = l.s3.Bucket(t)
	prefix := testbed.Name(t)
	first, second := prefix+".first", prefix+".second"
	bed.CreateTopic(t, first, 3)
	produceTo(t, bed, []string{first}, 1000)
	l.topic = first
	config := strings.Replace(l.config(`path: "{topic}/{partition}/", rotate: {age: 10m}`, ""), "topics: ["+first+"]", fmt.Sprintf(`topics_regex: "^%s[.]"`, prefix), 1)
	p := l.start(config)
	p.says("assigned")
	testbed.WaitUntil(t, time.Minute, "the first topic to be read", func() bool { return strings.Contains(p.log.String(), "topic="+first) })
	bed.CreateTopic(t, second, 1)
	produceTo(t, bed, []string{second}, 1000)
	testbed.WaitUntil(t, time.Minute, "the new topic to be assigned", func() bool { return strings.Contains(p.log.String(), "topic="+second) })
	time.Sleep(5 * time.Second) // and read
	if n := len(l.objects()); n != 0 {
		t.Errorf("%d files were closed when the topic appeared", n)
	}
	p.stop()
	l.verify()
	lines := 0
	for _, key := range l.objects() {
		lines += len(l.lines(key))
	}
	if lines != 2000 {
		t.Errorf("%d lines, want 2,000", lines)
	}
}
