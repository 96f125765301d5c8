package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/handlers"
	"github.com/millrace/millrace/internal/letter"
	"github.com/millrace/millrace/serde"
	jsondecoder "github.com/millrace/millrace/serde/json"
	"github.com/millrace/millrace/sinks/file"
)

// A dlqBench is a connector "cars", with dead letters in a topic or in a folder.
type dlqBench struct {
	*testing.T
	kafka *kfake.Cluster
	dir   string // of dead letters and of the sink of files
	cars  [16]byte
	probe *probe
}

func newDLQBench(t *testing.T) *dlqBench {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID("test"), kfake.SeedTopics(3, "cars", "dlq", "back"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b := &dlqBench{T: t, kafka: cluster, dir: t.TempDir(), probe: &probe{}}
	client := b.client()
	topics, err := kadm.NewClient(client).ListTopics(t.Context(), "cars")
	if err != nil {
		t.Fatal(err)
	}
	b.cars = topics["cars"].ID
	return b
}

func (b *dlqBench) client(opts ...kgo.Opt) *kgo.Client {
	b.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.kafka.ListenAddrs()...))...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	return client
}

// file writes a configuration; sink and dead are choices, more what stands beside them.
func (b *dlqBench) file(sink, dead, more string) string {
	b.Helper()
	return write(b.T, fmt.Sprintf("name: cars\nsource: {kafka: {brokers: %s, topics: [cars]}}\nsink: %s\ndead_letter: %s\n%s", b.kafka.ListenAddrs()[0], sink, dead, more))
}

const (
	inTopic = "{kafka: dlq}"
	toProbe = "probe"
)

func (b *dlqBench) inFolder() string { return fmt.Sprintf("{file: %s/dead}", b.dir) }
func (b *dlqBench) toFiles() string {
	return fmt.Sprintf("{file: {dir: %s, prefix: lake, path: 'lake/{topic}/{partition}/', rotate: {age: 1h}, compression: none}}", b.dir)
}

func (b *dlqBench) run(args ...string) (code int, out, errs string) {
	b.Helper()
	plugins := config.NewRegistry(
		config.Source("kafka", kafkaDefaults),
		config.PlainDecoder("string", serde.StringDecoder{}),
		config.DecoderOf("json", jsondecoder.DefaultConfig, jsondecoder.New),
		config.Handler("filter", handlers.DefaultFilter),
		config.Stager("file", file.DefaultConfig),
		config.Loader("probe", func() probeSink { return probeSink{probe: b.probe} }),
		config.DeadLetterBeside("kafka", kafka.DefaultDeadLetterConfig, openDeadLetter),
		config.DeadLetter("file", file.DefaultDeadLetterConfig),
	)
	code, out, errs = millrace(b.T, plugins, "", args...)
	for line := range strings.Lines(out) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > lineWidth && !strings.Contains(line, os.TempDir()) && !strings.HasPrefix(line, "{") && strings.Contains(strings.TrimSpace(line), " ") {
			b.Errorf("%d characters: %s", n, line)
		}
	}
	return code, out, errs
}

// bury dead-letters records as a connector does.
func (b *dlqBench) bury(path string, fs ...connector.Failure) {
	b.Helper()
	c := &command{plugins: config.NewRegistry(
		config.Source("kafka", kafkaDefaults), config.PlainDecoder("string", serde.StringDecoder{}), config.PlainDecoder("json", serde.StringDecoder{}),
		config.Stager("file", file.DefaultConfig), config.Handler("filter", handlers.DefaultFilter),
		config.Loader("probe", func() probeSink { return probeSink{} }),
		config.DeadLetterBeside("kafka", kafka.DefaultDeadLetterConfig, openDeadLetter), config.DeadLetter("file", file.DefaultDeadLetterConfig))}
	conn, err := c.connector(path, "")
	if err != nil {
		b.Fatal(err)
	}
	var dead interface {
		connector.DeadLetter
		Close() error
	}
	switch d := conn.DeadLetter.Config.(type) {
	case *kafka.DeadLetterConfig:
		dead, err = openDeadLetter(b.Context(), *d, *conn.Source.Config.(*kafka.Config), "cars")
	case *file.DeadLetterConfig:
		dead, err = d.Open(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	if err := errors.Join(dead.Bury(b.Context(), fs), dead.Close()); err != nil {
		b.Fatal(err)
	}
}

// failure is a record that failed.
func (b *dlqBench) failure(partition int32, offset int64, value, why string, change ...func(*connector.Failure)) connector.Failure {
	f := connector.Failure{
		Source: &connector.Source{Partition: connector.Partition{Topic: "cars", ID: partition}, TopicID: b.cars, Connector: "cars"},
		Record: &connector.Record{
			Offset: offset, RawKey: fmt.Appendf(nil, "car-%d", offset), RawValue: []byte(value), Timestamp: benchTime + offset,
			Headers: []connector.Header{{Name: "h", Value: []byte{0xff, byte(offset)}}, {Name: "h"}, {Name: "e", Value: []byte{}}},
		},
		Stage: connector.StageHandle, Err: errors.New(why),
	}
	for _, c := range change {
		c(&f)
	}
	f.ID = fmt.Sprintf("%s-%d-%d-%d", hex.EncodeToString(f.Source.TopicID[:]), f.Source.ID, f.Record.Offset, f.Record.Index)
	return f
}

func child(index int32) func(*connector.Failure) {
	return func(f *connector.Failure) { f.Record.Index = index }
}

func replayed(n string) func(*connector.Failure) {
	return func(f *connector.Failure) {
		f.Record.Headers = append(f.Record.Headers, connector.Header{Name: letter.HeaderReplays, Value: []byte(n)})
	}
}

func of(name string) func(*connector.Failure) {
	return func(f *connector.Failure) { f.Source.Connector = name }
}

// A probe is a sink that keeps what it is given.
type probe struct {
	mu   sync.Mutex
	rows []string
}

func (p *probe) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	rows := p.rows
	p.rows = nil
	return rows
}

type probeSink struct {
	// Values that hold this are refused.
	Refuse string `yaml:"refuse"`
	probe  *probe
}

func (probeSink) Validate() error                                  { return nil }
func (s probeSink) Open(context.Context) (connector.Loader, error) { return s, nil }
func (s probeSink) Load(_ context.Context, b *connector.Batch) error {
	s.probe.mu.Lock()
	defer s.probe.mu.Unlock()
	for i, r := range b.Records() {
		if s.Refuse != "" && strings.Contains(string(r.RawValue), s.Refuse) {
			b.Fail(i, connector.Permanent.Errorf("the sink takes no %q (offset %d)", s.Refuse, r.Offset))
			continue
		}
		s.probe.rows = append(s.probe.rows, fmt.Sprintf("%s %s at %d: %s=%s %q", b.AppendID(nil, i), b.Source().Partition, r.Timestamp, r.RawKey, r.RawValue, r.Headers))
	}
	return nil
}

// row is what a probe is given of a failure's record.
func row(f connector.Failure) string {
	return fmt.Sprintf("%s %s at %d: %s=%s %q", f.ID, f.Source.Partition, f.Record.Timestamp, f.Record.RawKey, f.Record.RawValue, f.Record.Headers)
}

// Letters in a topic and in files are told alike.
func TestDLQList(t *testing.T) {
	b := newDLQBench(t)
	gap := b.failure(1, 40, "", "offsets 40 to 49 of cars/1 are gone", func(f *connector.Failure) {
		f.Stage, f.Record.RawKey, f.Record.RawValue = connector.StageGap, nil, nil
		f.Record.Headers = []connector.Header{{Name: "millrace.gap.from", Value: []byte("40")}, {Name: "millrace.gap.to", Value: []byte("50")}}
	})
	fs := []connector.Failure{
		b.failure(0, 7, `{"a":1}`, `value.lat is "x" at byte 17`), b.failure(1, 8, `{"a":2}`, `value.lat is "a \"b" at byte 4`), b.failure(1, 9, "no\x1b[31mJSON", "not JSON\x1b[0m"),
		b.failure(0, 3, "null", "x", of("other")), gap,
	}
	const want = ` LETTERS  FIRST                LAST                 STAGE
       1  2026-01-01 00:00:00  2026-01-01 00:00:00  GAP
          cars: offsets N to N of cars/N are gone
          ID-1-40-0
       1  2026-01-01 00:00:00  2026-01-01 00:00:00  TRANSFORMATION
          cars: not JSON [0m
          ID-1-9-0
       2  2026-01-01 00:00:00  2026-01-01 00:00:00  TRANSFORMATION
          cars: value.lat is "..." at byte N
          ID-0-7-0
`
	for name, dead := range map[string]string{"topic": inTopic, "folder": b.inFolder()} {
		t.Run(name, func(t *testing.T) {
			path := b.file(toProbe, dead, "")
			b.bury(path, fs...)
			code, out, errs := b.run("dlq", "ls", path)
			if code != exitDone {
				t.Fatal(code, out, errs)
			}
			out = strings.ReplaceAll(out, hex.EncodeToString(b.cars[:]), "ID")
			out = sortBlocks(out)
			if !strings.Contains(out, "4 letters of connector cars") || !strings.Contains(out, "note: 1 letter of other connectors left out (--of NAME): other") || !strings.Contains(out, "note: 1 gap record") {
				t.Error(out)
			}
			if table, _, _ := strings.Cut(out, "\n\n"); cmp.Diff(sortBlocks(want), table+"\n") != "" {
				t.Error(cmp.Diff(sortBlocks(want), table+"\n"))
			}
			for flags, n := range map[string]int64{
				"--topic cars": 4, "--topic vans": 0, "--partition 1": 3, "--stage gap": 1, "--grep lat.*byte": 2, "--of *": 5, "--of other": 1,
				"--since 2026-01-01T00:00:00.008Z": 3, "--until 2026-01-01T00:00:00.008Z": 1, "--since 1h": 0,
			} {
				code, out, errs := b.run(append([]string{"dlq", "ls", "--json", path}, strings.Fields(flags)...)...)
				var sum int64
				for line := range strings.Lines(out) {
					var g letter.Group
					if err := json.Unmarshal([]byte(line), &g); err != nil {
						t.Fatal(err)
					}
					sum += g.Count
				}
				if code != exitDone || sum != n {
					t.Errorf("%s: %d letters, want %d; exit code %d\n%s%s", flags, sum, n, code, out, errs)
				}
			}
		})
	}
}

// sortBlocks sorts the groups of a list: they have four lines with a header, which stays.
func sortBlocks(out string) string {
	table, rest, more := strings.Cut(out, "\n\n")
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	var blocks []string
	for chunk := range slices.Chunk(lines[1:], 3) {
		blocks = append(blocks, strings.Join(chunk, "\n"))
	}
	slices.Sort(blocks)
	out = lines[0] + "\n" + strings.Join(blocks, "\n") + "\n"
	if more {
		out += "\n" + rest
	}
	return out
}

func TestDLQShow(t *testing.T) {
	b := newDLQBench(t)
	fs := []connector.Failure{
		b.failure(0, 7, `{"a":{"b":"\u001b[31m"}}`, "no\x1b[31m"), b.failure(1, 9, "no\x1b[31m JSON\u202e", "x", replayed("2")), b.failure(1, 10, "\x00\xff", "x"),
		b.failure(2, 11, "", "x", func(f *connector.Failure) { f.Record.RawValue = nil }),
	}
	id := func(i int) string { return fs[i].ID }
	for name, dead := range map[string]string{"topic": inTopic, "folder": b.inFolder()} {
		t.Run(name, func(t *testing.T) {
			path := b.file(toProbe, dead, "")
			b.bury(path, fs...)
			for _, test := range []struct {
				args string
				want []string
			}{
				{id(0), []string{"id         " + id(0) + "\n", "record     cars/0, offset 7\n", "time       2026-01-01T00:00:00.007Z\n", `error      no\u001b[31m` + "\n",
					"value      24 bytes of JSON\n{\n  \"a\": {\n    \"b\": \"\\u001b[31m\"\n", `header     h: 0xff07` + "\n", "header     h: null\n", `header     e: ""` + "\n", `key        "car-7"`}},
				{id(1), []string{"value      15 bytes of text\n" + `no\u001b[31m JSON\u202e` + "\n", "replays    2, which failed again\n"}},
				{id(2), []string{"value      2 bytes\n00000000  00 ff "}},
				{"--offset cars/2/11", []string{"value      null (a tombstone)\n", id(3)}},
			} {
				code, out, errs := b.run(append([]string{"dlq", "show", path}, strings.Fields(test.args)...)...)
				if code != exitDone || strings.ContainsRune(out, 0x1b) || strings.Contains(out, letter.HeaderReplays) {
					t.Error(test.args, code, out, errs)
				}
				for _, want := range test.want {
					if !strings.Contains(out, want) {
						t.Errorf("%s: no %q in\n%s", test.args, want, out)
					}
				}
			}
			if _, out, _ := b.run("dlq", "show", path, id(2), "--raw"); out != "\x00\xff" {
				t.Errorf("%q", out)
			}
			var l letter.Letter
			if _, out, _ := b.run("dlq", "show", path, id(1), "--json"); json.Unmarshal([]byte(out), &l) != nil || l.ID != id(1) || l.Error != "x" || string(l.RawValue()) != "no\x1b[31m JSON\u202e" {
				t.Error(out)
			}
			if code, _, errs := b.run("dlq", "show", path, "nope"); code != exitFailed || !strings.Contains(errs, "none of 4 letters in") {
				t.Error(code, errs)
			}
			for _, args := range []string{"", "--offset cars/1", "x --offset cars/1/2", "x --raw --json"} {
				if code, _, _ := b.run(append([]string{"dlq", "show", path}, strings.Fields(args)...)...); code != exitUsage {
					t.Error(args, code)
				}
			}
		})
	}
}

// Each record goes once, as it was, in the order of offsets; what fails again is marked, and isn't sent for ever.
func TestDLQReplay(t *testing.T) {
	for _, where := range []string{"topic", "folder"} {
		t.Run(where, func(t *testing.T) {
			b := newDLQBench(t)
			dead := inTopic
			if where == "folder" {
				dead = b.inFolder()
			}
			broken := b.file("{probe: {refuse: bad}}", dead, "handlers: [{filter: value.n < 100}]\n")
			old := b.cars
			old[0]++
			fs := []connector.Failure{
				b.failure(0, 9, `{"n":9}`, "x"), b.failure(0, 7, `{"n":7}`, "x", child(1)), b.failure(0, 7, `{"n":7}`, "x", child(2)), b.failure(0, 9, `{"n":9}`, "x"),
				b.failure(1, 3, `{"n":3,"x":"bad"}`, "x"), b.failure(1, 2, `{"n":2}`, "x", replayed("1")), b.failure(1, 1, `{"n":1000}`, "x"),
				b.failure(2, 5, `{"n":5,"x":"bad"}`, "x", replayed("2")),
				b.failure(1, 3, `{"n":-3}`, "y", func(f *connector.Failure) { f.Source.TopicID = old }),
				b.failure(0, 1, `{"n":1}`, "x", of("other")),
				b.failure(1, 4, "", "gone", func(f *connector.Failure) { f.Stage, f.Record.RawKey, f.Record.RawValue = connector.StageGap, nil, nil }),
			}
			b.bury(broken, fs...)
			if code, out, errs := b.run("dlq", "replay", broken); code != exitUsage || !strings.Contains(errs, "add --yes") || len(b.probe.take()) > 0 || !strings.Contains(out, "7 records of 10 letters for the sink probe\n") || !strings.Contains(out, "1 gap record") {
				t.Error(code, out, errs)
			}
			want := map[string][]string{
				"cars/0": {rowOf(fs[1], 0), rowOf(fs[0], 0)},
				"cars/1": {rowOf(fs[8], 0), rowOf(fs[5], 0)}, // 1000 is filtered
			}
			check := func(name string, code int, rows []string, failed int) {
				t.Helper()
				got := map[string][]string{}
				for _, r := range rows {
					part := strings.Fields(r)[1]
					got[part] = append(got[part], r)
				}
				// Of a topic that was created again the older one comes first; which one that is the timestamps don't tell here.
				for _, rows := range got {
					slices.SortStableFunc(rows, func(a, b string) int {
						return strings.Compare(strings.SplitN(a, "-", 2)[0], strings.SplitN(b, "-", 2)[0])
					})
				}
				for _, rows := range want {
					slices.SortStableFunc(rows, func(a, b string) int {
						return strings.Compare(strings.SplitN(a, "-", 2)[0], strings.SplitN(b, "-", 2)[0])
					})
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
				if (code == exitFailed) != (failed > 0) {
					t.Errorf("%s: exit code %d", name, code)
				}
			}
			code, out, errs := b.run("dlq", "replay", "--yes", broken)
			check("first", code, b.probe.take(), 2)
			if !strings.Contains(out, "5 of 7 records passed, 2 failed again\n") || !strings.Contains(out, `cars: the sink takes no "..." (offset N)`) || !strings.Contains(errs, "2 records failed again") {
				t.Error(out, errs)
			}
			// cars/2@5 failed three times now.
			code, out, _ = b.run("dlq", "replay", "--yes", broken)
			check("second", code, b.probe.take(), 1)
			if !strings.Contains(out, "note: 1 record left out: replayed 3 times or more, and failed (--max-replays)") || !strings.Contains(out, "5 of 6 records passed, 1 failed again") {
				t.Error(out)
			}
			// That another letter of a record failed so often counts, even if the filter leaves it out.
			if code, out, _ := b.run("dlq", "replay", "--yes", broken, "--stage", "TRANSFORMATION", "--partition", "2"); code != exitDone || !strings.Contains(out, "nothing to send") {
				t.Error(code, out)
			}
			// The probe can't tell without writing what it refuses.
			if code, out, errs := b.run("dlq", "replay", "--json", "--dry-run", broken, "--max-replays", "9"); code != exitDone || !strings.Contains(out, `"passed":7`) || len(b.probe.take()) > 0 {
				t.Error(code, out, errs)
			}
			mended := b.file("probe", dead, "")
			code, out, errs = b.run("dlq", "replay", "--yes", mended, "--max-replays", "9", "--partition", "2")
			if rows := b.probe.take(); code != exitDone || len(rows) != 1 || rows[0] != rowOf(b.failure(2, 5, `{"n":5,"x":"bad"}`, "x"), 0) {
				t.Error(code, rows, out, errs)
			}
			code, out, errs = b.run("dlq", "replay", "--yes", mended, "--limit", "1")
			if rows := b.probe.take(); code != exitDone || len(rows) != 1 || !strings.Contains(out, "above --limit") {
				t.Error(code, rows, out, errs)
			}
		})
	}
}

// rowOf is what a probe is given of a failure's record, with no trace of replays.
func rowOf(f connector.Failure, index int32) string {
	r := *f.Record
	r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), func(h connector.Header) bool { return h.Name == letter.HeaderReplays })
	f.ID = f.ID[:strings.LastIndexByte(f.ID, '-')] + fmt.Sprintf("-%d", index)
	f.Record = &r
	return row(f)
}

// What would fail again is told without writing.
func TestDLQDryRun(t *testing.T) {
	b := newDLQBench(t)
	path := b.file(toProbe, inTopic, "handlers: [{filter: value.n + 1 > 0}]\n")
	b.bury(path, b.failure(0, 1, `{"n":1}`, "x"), b.failure(0, 2, `{"n":"a"}`, "x"), b.failure(1, 2, `{"n":`, "x"))
	code, out, errs := b.run("dlq", "replay", "--dry-run", path)
	if code != exitFailed || !strings.Contains(out, "1 of 3 records would pass, 2 would fail again") || !strings.Contains(out, "VALUE_CONVERTER") || len(b.probe.take()) > 0 {
		t.Error(code, out, errs)
	}
	if _, out, _ := b.run("dlq", "ls", path); !strings.Contains(out, "3 letters of connector cars") {
		t.Error("a dry run dead-lettered", out)
	}
	t.Log(out)
}

// A chain of the replay's own takes each letter once, however often it is repeated, and verify takes it.
func TestDLQReplayIntoFiles(t *testing.T) {
	b := newDLQBench(t)
	path := b.file(b.toFiles(), inTopic, "")
	var fs []connector.Failure
	for i := range int64(40) {
		fs = append(fs, b.failure(int32(i%2), 100+7*i, fmt.Sprintf(`{"n":%d}`, i), "x"))
	}
	b.bury(path, fs...)
	if code, _, errs := b.run("dlq", "replay", "--yes", path); code != exitUsage || !strings.Contains(errs, "needs --name") {
		t.Error(code, errs)
	}
	code, out, errs := b.run("dlq", "replay", "--yes", path, "--name", "fix-1", "--limit", "30")
	if code != exitDone || !strings.Contains(out, "30 of 30 records passed, 0 failed again") || !strings.Contains(strings.Join(strings.Fields(out), " "), "into the chain main.replay-fix-1 of "+b.dir) {
		t.Fatal(code, out, errs)
	}
	for range 2 {
		code, out, errs = b.run("dlq", "replay", "--yes", path, "--name", "fix-1")
		if code != exitDone {
			t.Fatal(code, out, errs)
		}
	}
	if !strings.Contains(out, "0 of 40 records passed, 40 were written before") {
		t.Error(out)
	}
	lines := b.lines()
	if len(lines) != 40 || len(slices.Compact(slices.Sorted(slices.Values(lines)))) != 40 {
		t.Error(lines)
	}
	code, out, errs = b.run("verify", "--deep", "--chain", "main.replay-fix-1", "--prefix", "lake", b.dir)
	if code != exitDone || !strings.Contains(out, "40 records") {
		t.Error(code, out, errs)
	}
	// Another name is another replay.
	if code, out, errs := b.run("dlq", "replay", "--yes", path, "--name", "fix-2"); code != exitDone || len(b.lines()) != 80 {
		t.Error(code, out, errs)
	}
	position := b.file(strings.Replace(b.toFiles(), "{partition}/", "{position}", 1), inTopic, "")
	if code, _, errs := b.run("dlq", "replay", "--yes", position, "--name", "x"); code == exitDone || !strings.Contains(errs, "{position}") {
		t.Error(code, errs)
	}
}

// lines are those of all files below lake.
func (b *dlqBench) lines() (all []string) {
	b.Helper()
	err := filepath.WalkDir(filepath.Join(b.dir, "lake"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "_millrace") {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, strings.Split(strings.TrimSpace(string(text)), "\n")...)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return all
}

// Letters of Kafka Connect have no topic id: the topic's own is taken.
func TestDLQOfConnect(t *testing.T) {
	b := newDLQBench(t)
	path := b.file(toProbe, inTopic, "")
	header := func(name, value string) kgo.RecordHeader {
		return kgo.RecordHeader{Key: "__connect.errors." + name, Value: []byte(value)}
	}
	connect := func(topic string) *kgo.Record {
		return &kgo.Record{Topic: "dlq", Key: []byte("k"), Value: []byte(`{"n":1}`), Timestamp: time.UnixMilli(benchTime), Headers: []kgo.RecordHeader{
			{Key: "own", Value: []byte("x")}, header("topic", "of the record itself"),
			header("topic", topic), header("partition", "2"), header("offset", "17"), header("connector.name", "old"), header("task.id", "0"), header("stage", "VALUE_CONVERTER"),
			header("class.name", "c"), header("exception.class.name", "org.apache.kafka.X"), header("exception.message", "no"), header("exception.stacktrace", "at"),
		}}
	}
	records := []*kgo.Record{connect("cars"), connect("gone"), {Topic: "dlq", Value: []byte("no letter")}}
	if err := b.client().ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	code, out, errs := b.run("dlq", "replay", "--yes", path, "--of", "old")
	rows := b.probe.take()
	want := fmt.Sprintf("%s-2-17-0 cars/2 at %d: k={\"n\":1} %q", hex.EncodeToString(b.cars[:]), int64(benchTime), []connector.Header{{Name: "own", Value: []byte("x")}, {Name: "__connect.errors.topic", Value: []byte("of the record itself")}})
	if code != exitDone || len(rows) != 1 || rows[0] != want {
		t.Error(code, rows, want, out, errs)
	}
	for _, want := range []string{"note: 1 letter without a topic id", "note: 1 letter left out: without a topic id", "note: 1 entry that can't be read", "org.apache.kafka.X: no", "cars/2/17"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code, out, _ := b.run("dlq", "show", path, "cars/2/17"); code != exitDone || !strings.Contains(out, "record     cars/2, offset 17") {
		t.Error(code, out)
	}
}

func TestDLQToTopic(t *testing.T) {
	b := newDLQBench(t)
	path := b.file(toProbe, inTopic, "")
	fs := []connector.Failure{b.failure(0, 9, "nine", "x"), b.failure(0, 7, "seven", "x", replayed("1")), b.failure(0, 9, "nine", "x"), b.failure(0, 8, "eight", "x", replayed("3"))}
	b.bury(path, fs...)
	code, out, errs := b.run("dlq", "replay", "--yes", path, "--to-topic", "back")
	if code != exitDone || !strings.Contains(out, "2 of 2 records passed") || !strings.Contains(out, "1 record left out") {
		t.Fatal(code, out, errs)
	}
	client := b.client(kgo.ConsumeTopics("back"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	got := map[string]string{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(got) < 2 && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			got[string(r.Key)] = fmt.Sprintf("%s at %d %q", r.Value, r.Timestamp.UnixMilli()-benchTime, r.Headers)
		})
	}
	headers := func(n, from string, offset byte) string {
		return fmt.Sprintf("%q", []kgo.RecordHeader{{Key: "h", Value: []byte{0xff, offset}}, {Key: "h"}, {Key: "e", Value: []byte{}}, {Key: letter.HeaderReplays, Value: []byte(n)}, {Key: "millrace.source", Value: []byte(from)}})
	}
	want := map[string]string{"car-9": "nine at 9 " + headers("1", "cars/0/9", 9), "car-7": "seven at 7 " + headers("2", "cars/0/7", 7)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDLQUsage(t *testing.T) {
	b := newDLQBench(t)
	path := b.file(toProbe, inTopic, "")
	none := b.file(toProbe, "none", "")
	for args, want := range map[string]string{
		"ls " + none:                            "has no dead_letter",
		"ls --since noon " + path:               `not "noon"`,
		"ls --grep ( " + path:                   "--grep",
		"replay --limit -1 " + path:             "--limit",
		"replay --max-replays 0 " + path:        "--max-replays",
		"replay --name a/b " + path:             "--name is",
		"replay --to-topic x --dry-run " + path: "excludes",
		"show " + path:                          "which letter?",
	} {
		if code, _, errs := b.run(append([]string{"dlq"}, strings.Fields(args)...)...); code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d: %s", args, code, errs)
		}
	}
	if code, out, _ := b.run("dlq", "replay", path); code != exitDone || !strings.Contains(out, "nothing to send") {
		t.Error(code, out)
	}
}
