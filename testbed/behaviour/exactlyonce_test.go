//go:build testbed

package behaviour

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// A lake is a topic on its way into a bucket.
type lake struct {
	t      *testing.T
	s3     *testbed.S3
	bucket string
	topic  string
	group  string
	kafka  *testbed.Brokers
	file   string // the newest configuration, for millrace verify
}

func newLake(t *testing.T, partitions int32) *lake {
	t.Helper()
	l := &lake{t: t, s3: testbed.S3Server(t), kafka: testbed.Kafka(t), group: testbed.Name(t)}
	l.bucket = l.s3.Bucket(t)
	l.topic = l.kafka.Topic(t, partitions)
	return l
}

// config is a configuration file; sink is what the sink has besides the place, more what the connector has besides.
func (l *lake) config(sink, more string) string {
	if !strings.Contains(sink, "rotate:") {
		sink += ", rotate: {age: 1s}"
	}
	return fmt.Sprintf(`
name: %s
source: {kafka: {brokers: %q, topics: [%s], session_timeout: 6s}}
sink: {s3: {bucket: %s, region: %s, endpoint: %q, path_style: true, access_key: %s, secret_key: %s, %s}}
%s
`, l.group, strings.Join(l.kafka.Addrs, ","), l.topic, l.bucket, l.s3.Region, l.s3.Endpoint, l.s3.AccessKey, l.s3.SecretKey, sink, more)
}

// start runs a configuration in a process of its own.
func (l *lake) start(config string) *millraceProcess {
	l.t.Helper()
	l.file = config
	return startMillrace(l.t, config)
}

// written waits until the group has committed n offsets.
func (l *lake) written(n int64) {
	l.t.Helper()
	admin := l.kafka.Admin(l.t)
	testbed.WaitUntil(l.t, 5*time.Minute, fmt.Sprintf("%d offsets committed", n), func() bool { return committedSum(l.t, admin, l.group) == n })
}

// verify runs millrace verify, which has to find nothing wrong.
func (l *lake) verify(flags ...string) {
	l.t.Helper()
	out, code := l.command(append([]string{"verify", "--deep"}, flags...)...)
	if code != 0 {
		l.t.Errorf("verify ended with %d:\n%s", code, out)
		return
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	l.t.Logf("verify: %s", lines[len(lines)-1])
}

// command runs a command of millrace with the newest configuration file, and returns what it said and its exit code.
func (l *lake) command(args ...string) (out string, code int) {
	l.t.Helper()
	binary, err := millraceBinary()
	if err != nil {
		l.t.Fatal(err)
	}
	file := l.t.TempDir() + "/millrace.yaml"
	if err := os.WriteFile(file, []byte(l.file), 0o600); err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command(binary, append([]string{args[0], file}, args[1:]...)...)
	said, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		l.t.Fatal(err)
	}
	return string(said), cmd.ProcessState.ExitCode()
}

// objects are the keys of the bucket's data, the links apart.
func (l *lake) objects() (keys []string) {
	l.t.Helper()
	for _, key := range l.keys("") {
		if !strings.Contains(key, "_millrace/") {
			keys = append(keys, key)
		}
	}
	return keys
}

func (l *lake) keys(prefix string) (keys []string) {
	l.t.Helper()
	pages := s3.NewListObjectsV2Paginator(l.s3.Client(l.t), &s3.ListObjectsV2Input{Bucket: &l.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, aws.ToString(o.Key))
		}
	}
	return keys
}

// lines are the lines of an object, whatever its codec.
func (l *lake) lines(key string) [][]byte {
	l.t.Helper()
	got, err := l.s3.Client(l.t).GetObject(l.t.Context(), &s3.GetObjectInput{Bucket: &l.bucket, Key: &key})
	if err != nil {
		l.t.Fatal(err)
	}
	defer got.Body.Close()
	var body bytes.Buffer
	switch {
	case strings.HasSuffix(key, ".gz"):
		z, err := gzip.NewReader(got.Body)
		if err != nil {
			l.t.Fatalf("%s: %v", key, err)
		}
		_, err = body.ReadFrom(z)
		if err != nil {
			l.t.Fatalf("%s: %v", key, err)
		}
	case strings.HasSuffix(key, ".zst"):
		z, err := zstd.NewReader(got.Body)
		if err != nil {
			l.t.Fatalf("%s: %v", key, err)
		}
		defer z.Close()
		if _, err := body.ReadFrom(z); err != nil {
			l.t.Fatalf("%s: %v", key, err)
		}
	default:
		if _, err := body.ReadFrom(got.Body); err != nil {
			l.t.Fatalf("%s: %v", key, err)
		}
	}
	return bytes.Split(bytes.TrimSuffix(body.Bytes(), []byte("\n")), []byte("\n"))
}

// count is the plain count of all lines: how often each number from 0 to n-1 is there that want keeps.
func (l *lake) count(n int64, want func(seq int64) bool) {
	l.t.Helper()
	seen := make([]uint16, n)
	lines, disorder, corrupt := 0, 0, 0
	objects := l.objects()
	for _, key := range objects {
		last := int64(-1)
		for _, line := range l.lines(key) {
			lines++
			var p position
			if err := json.Unmarshal(line, &p); err != nil || p.Seq < 0 || p.Seq >= n || p.text() != flowPosition(p.Seq).text() {
				corrupt++
				continue
			}
			if p.Seq <= last {
				disorder++
			}
			last = p.Seq
			seen[p.Seq]++
		}
	}
	lost, repeated, phantom := 0, 0, 0
	for seq, times := range seen {
		switch kept := want(int64(seq)); {
		case !kept && times > 0:
			phantom++
		case kept && times == 0:
			lost++
		case times > 1:
			repeated += int(times) - 1
		}
	}
	l.t.Logf("%d objects, %d lines: %d lost, %d repeated, %d corrupt, %d out of order, %d that a filter dropped", len(objects), lines, lost, repeated, corrupt, disorder, phantom)
	if lost+repeated+corrupt+disorder+phantom > 0 {
		l.t.Error("the bucket doesn't hold each record exactly once")
	}
}

func all(int64) bool { return true }

// produce writes the records first to first+n-1 at about perSecond.
func (l *lake) produce(first, n, perSecond int64) error {
	client := l.kafka.Client(l.t, kgo.DefaultProduceTopic(l.topic), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	defer client.Close()
	failed := make(chan error, 1)
	for i := first; i < first+n; i++ {
		p := flowPosition(i)
		client.Produce(client.Context(), &kgo.Record{Key: []byte(p.Car), Value: []byte(p.text())}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
		if perSecond > 0 && i%(perSecond/10) == 0 {
			time.Sleep(100 * time.Millisecond)
		}
	}
	if err := client.Flush(client.Context()); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// Three processes share 12 partitions and are killed with kill -9, one after the other, while files are closed every second.
// Each record is in the bucket exactly once: millrace verify proves it from the links, and a plain count of all lines agrees.
// MILLRACE_KILLS and MILLRACE_RECORDS make it longer.
func TestExactlyOnceThroughKills(t *testing.T) {
	const kind = `handlers: [{set: {kind: value.seq % 3}}]`
	for _, c := range []struct {
		name, sink, more string
		kills            int
		count            func(l *lake, records int64)
	}{
		{"one path a partition", `path: "{topic}/{partition}/"`, "", 2, func(l *lake, records int64) { l.count(records, all) }},
		{"three paths a field", `path: "{topic}/kind={value.kind}/"`, kind, 2, (*lake).countKinds},
		{"three paths a field, Parquet", `path: "{topic}/kind={value.kind}/", format: parquet`, kind, 2, (*lake).countParquet},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLake(t, 12)
			records := killAndWait(l, l.config(c.sink+", rotate: {age: 1s}", c.more), testbed.FromEnv(t, "MILLRACE_KILLS", c.kills))
			l.verify()
			c.count(l, records)
		})
	}
}

// killAndWait moves records by three processes of which now and then one is killed. All are written when it returns.
func killAndWait(l *lake, config string, kills int) (records int64) {
	t := l.t
	t.Helper()
	records = int64(testbed.FromEnv(t, "MILLRACE_RECORDS", 100_000))
	produced := make(chan error, 1)
	seconds := int64(kills)*3 + 5
	go func() { produced <- l.produce(0, records, max(10, records/seconds)) }()
	processes := []*millraceProcess{l.start(config), l.start(config), l.start(config)}
	random := rand.New(rand.NewPCG(1, uint64(kills)))
	for range kills {
		time.Sleep(1500*time.Millisecond + time.Duration(random.Int64N(int64(2500*time.Millisecond))))
		i := random.IntN(len(processes))
		processes[i].kill()
		processes[i] = l.start(config)
	}
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	l.written(records)
	for _, p := range processes {
		p.stop()
	}
	t.Logf("%d kills", kills)
	return records
}

// countKinds is count for records that a handler gave a kind.
func (l *lake) countKinds(n int64) {
	l.t.Helper()
	seen := make([]uint16, n)
	misplaced, lines := 0, 0
	for _, key := range l.objects() {
		for _, line := range l.lines(key) {
			var p struct {
				Seq  int64 `json:"seq"`
				Kind int64 `json:"kind"`
			}
			lines++
			if err := json.Unmarshal(line, &p); err != nil || p.Seq < 0 || p.Seq >= n {
				l.t.Fatalf("%s: %s: %v", key, line, err)
			}
			if p.Kind != p.Seq%3 || !strings.Contains(key, fmt.Sprintf("/kind=%d/", p.Kind)) {
				misplaced++
			}
			seen[p.Seq]++
		}
	}
	lost, repeated := 0, 0
	for _, times := range seen {
		switch {
		case times == 0:
			lost++
		case times > 1:
			repeated += int(times) - 1
		}
	}
	l.t.Logf("%d lines: %d lost, %d repeated, %d in the wrong folder", lines, lost, repeated, misplaced)
	if lost+repeated+misplaced > 0 {
		l.t.Error("the bucket doesn't hold each record exactly once")
	}
}

// Half of the records are filtered, and processes are paused beyond the session timeout, so that they come back as zombies and
// go on writing what they had.
func TestZombiesWithHalfTheRecordsFiltered(t *testing.T) {
	records := int64(testbed.FromEnv(t, "MILLRACE_RECORDS", 300_000)) / 2
	l := newLake(t, 6)
	config := l.config(`path: "{topic}/{partition}/", rotate: {age: 1s}`, `handlers: [{filter: value.seq % 2 == 0}]`)
	produced := make(chan error, 1)
	go func() { produced <- l.produce(0, records, records/45) }()
	processes := []*millraceProcess{l.start(config), l.start(config), l.start(config)}
	time.Sleep(6 * time.Second)
	for i := range 3 { // each of them
		p := processes[i%len(processes)]
		if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(8 * time.Second) // longer than session_timeout
		if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
	}
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	l.written(records)
	for _, p := range processes {
		p.stop()
	}
	l.verify()
	l.count(records, func(seq int64) bool { return seq%2 == 0 })
}
