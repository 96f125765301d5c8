package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
)

// elsewhere is a bench of another cluster with topics of the same names, and the same store.
// ownerNow is whose the chain is.
// roots are where the chains of the bench's own cluster and topics begin, by partition. Each has one link.
// offsets are what the group keeps for the bench's own topics. Each has the notes that a Consumer looks for.
// unfinished puts a link of 2 offsets whose object nobody completed: the process was killed.
func TestMoveToAnotherCluster(t *testing.T) {
	old := written(t)
	key := old.unfinished(2)
	b := old.elsewhere()
	before := b.store.Objects()
	file := b.file("")
	table := fmt.Sprintf(`chain main below lake/_millrace/main/ in memory://: from cluster test to
  cluster other
PARTITION      OLD TOPIC  STOOD AT  NEW TOPIC  HOLDS  BEGINS AT
bikes/0    test/%.4x        18   %.4x   0-19          0
bikes/1    test/%.4x        18   %.4x   0-19          0
cars/0     test/%.4x        20   %.4x   0-19          0
cars/1     test/%.4x        18   %.4x   0-19          0
`, old.logs[0].TopicID, b.logs[0].TopicID, old.logs[1].TopicID, b.logs[1].TopicID, old.logs[2].TopicID, b.logs[2].TopicID, old.logs[3].TopicID, b.logs[3].TopicID)
	code, out, errs := b.run("move", "--to", "earliest", file)
	if code != exitFailed || out != table || !strings.Contains(errs, "nobody is here to be asked: nothing was changed; add --yes") {
		t.Errorf("%d\n%s\n%s%s", code, table, out, errs)
	}
	if len(b.offsets(true)) > 0 || !maps.EqualFunc(before, b.store.Objects(), bytes.Equal) {
		t.Error("something was changed without a yes")
	}
	code, out, errs = b.run("move", "--to", "earliest", "--yes", file)
	if code != exitDone || out != table+"4 partitions moved. Start the connector.\n" {
		t.Error(code, out, errs)
	}
	if got := b.roots(); !maps.Equal(got, all(0)) {
		t.Error("roots", got)
	}
	if got := b.offsets(true); !maps.Equal(got, all(0)) {
		t.Error("offsets", got)
	}
	if o := b.ownerNow(); o != b.owner() {
		t.Errorf("the owner is %+v", o)
	}
	after := b.store.Objects()
	if _, ok := after[key]; !ok {
		t.Errorf("the newest link of the old chain isn't finished: there is no %s", key)
	}
	for key, body := range before {
		if key != chain.OwnerKey("lake", "main") && !bytes.Equal(after[key], body) {
			t.Errorf("%s was changed", key)
		}
	}
	// Once more, also from the old cluster's side.
	for _, to := range []string{"earliest", "latest", "cars/0=7"} {
		code, out, errs = b.run("move", "--to", to, "--yes", file)
		if code != exitDone || !strings.HasSuffix(out, "nothing to move\n") || !maps.EqualFunc(after, b.store.Objects(), bytes.Equal) {
			t.Error(to, code, out, errs)
		}
	}
	if code, _, errs := old.run("rewind", "--to", "earliest", "--yes", old.file("")); code != exitFailed || !strings.Contains(errs, "in cluster other") || !strings.Contains(errs, "millrace move says where to begin there") {
		t.Error("in the old cluster:", code, errs)
	}
	b.write(2, "lake", 18)
	code, out, errs = b.run("verify", "--deep", file)
	plain := strings.Join(strings.Fields(out), " ")
	for _, part := range []string{
		fmt.Sprintf("topic cars (id %.4x in cluster test)", old.logs[2].TopicID), fmt.Sprintf("topic cars (id %.4x in cluster other)", b.logs[2].TopicID),
		fmt.Sprintf("topic bikes (id %.4x in cluster other)", b.logs[0].TopicID), "8 partitions, 92 records: 0 lost, 0 repeated, 0 corrupt",
	} {
		if !strings.Contains(plain, part) {
			t.Errorf("verify lacks %q", part)
		}
	}
	if code != exitDone {
		t.Error(code, out, errs)
	}
}

// A move that is cut off anywhere leaves the connector refused or complete, and the same command finishes it. What was begun stays,
// although --to latest means something else by then.
func TestMoveIsCutOff(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault func(call, key string) chaintest.Fault
		codes bool // the brokers refuse the commit
		roots int
		owner string
	}{
		{"before the old chain is finished", onKey("Complete", ".json", chaintest.Refused), false, 0, "test"},
		{"before the first root", onKey("Put", "/other/", chaintest.Refused), false, 0, "test"},
		{"after two roots", onKey("Put", "cars/0", chaintest.Refused), false, 2, "test"},
		{"before the group's offsets", nil, true, 4, "test"},
		{"before the owner", onKey("Replace", "owner.json", chaintest.Refused), false, 4, "test"},
		{"after the owner, and the answer is lost", onKey("Replace", "owner.json", chaintest.Silent), false, 4, "other"},
	} {
		t.Run(test.name, func(t *testing.T) {
			old := written(t)
			key := old.unfinished(2)
			b := old.elsewhere()
			if test.fault != nil {
				b.view = shelf{b.store.View(func(call, at string) chaintest.Fault {
					return test.fault(call, strings.ReplaceAll(at, b.id(2, "lake").Dir(), "cars/0"))
				})}
			}
			refuse := test.codes
			b.kafka.ControlKey(int16(kmsg.OffsetCommit), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
				b.kafka.KeepControl()
				if !refuse {
					return nil, nil, false
				}
				resp := kreq.ResponseKind().(*kmsg.OffsetCommitResponse)
				for _, rt := range kreq.(*kmsg.OffsetCommitRequest).Topics {
					st := kmsg.NewOffsetCommitResponseTopic()
					st.Topic, st.TopicID = rt.Topic, rt.TopicID
					for _, rp := range rt.Partitions {
						sp := kmsg.NewOffsetCommitResponseTopicPartition()
						sp.Partition, sp.ErrorCode = rp.Partition, kerr.GroupAuthorizationFailed.Code
						st.Partitions = append(st.Partitions, sp)
					}
					resp.Topics = append(resp.Topics, st)
				}
				return resp, nil, true
			})
			code, out, errs := b.run("move", "--to", "latest", "--yes", b.file(""))
			if code != exitFailed || !strings.Contains(errs, "the same command finishes what was begun") {
				t.Fatal(code, out, errs)
			}
			b.view, refuse = shelf{b.store}, false
			if o := b.ownerNow(); o.Cluster != test.owner {
				t.Errorf("the chain belongs to cluster %s, want %s", o.Cluster, test.owner)
			}
			roots, offsets := b.roots(), b.offsets(true)
			if len(roots) != test.roots {
				t.Errorf("roots %v, want %d", roots, test.roots)
			}
			for p, at := range offsets {
				if roots[p] != at || len(roots) < 4 {
					t.Errorf("offset %d of %s is committed, and roots are %v", at, p, roots)
				}
			}
			if test.owner == "other" && len(offsets) < 4 {
				t.Errorf("it may start, with offsets %v", offsets)
			}
			// Records come meanwhile.
			want := all(25)
			for p := range roots {
				want[p] = 20
			}
			b.grow(5)
			for i := range 2 {
				code, out, errs := b.run("move", "--to", "latest", "--yes", b.file(""))
				begun := strings.Count(out, "is begun already, and goes on at 20\n")
				if code != exitDone || strings.Contains(out, "another process") || i == 0 && test.owner == "test" && begun != test.roots {
					t.Fatal(code, out, errs)
				}
			}
			if got := b.roots(); !maps.Equal(got, want) {
				t.Errorf("roots %v, want %v", got, want)
			}
			if got := b.offsets(true); !maps.Equal(got, want) {
				t.Errorf("offsets %v, want %v", got, want)
			}
			if o := b.ownerNow(); o != b.owner() {
				t.Errorf("the owner is %+v", o)
			}
			if _, ok := b.store.Objects()[key]; !ok {
				t.Error("the old chain isn't finished")
			}
		})
	}
}

// onKey is the fate of calls on keys that hold a text. The class ends the command at once.
// grow produces n records more for each partition.
// again deletes a topic and creates it with other records: n in each partition.
// A topic was created again in the same cluster. Whether Kafka kept the group's offset or not, only its partitions move.
func TestMoveToATopicCreatedAgain(t *testing.T) {
	for _, kept := range []bool{false, true} {
		b := written(t)
		before := b.logs[2].TopicID
		stale := fmt.Sprintf(`{"start":0,"topic":"%x","meta":%q}`, before, chain.Hint{Chain: "main", Dir: b.id(2, "lake").Dir(), Seq: 2}.Encode())
		b.again("cars", 6)
		if kept {
			for p := range int32(2) {
				b.commitRaw("cars", p, 18, stale)
			}
		}
		file := b.file("")
		for text, want := range map[string]string{
			"cars/0=3":                     "where do cars/1 begin? Each partition that has changed needs an offset",
			"cars/0=7,cars/1=0":            "partition cars/0 ends at 6, below offset 7",
			"cars/0=3,cars/1=4,trains/0=1": "the connector reads no partition trains/0",
		} {
			if code, _, errs := b.run("move", "--yes", "--to", text, file); code != exitFailed || !strings.Contains(errs, want) {
				t.Error(text, code, errs)
			}
		}
		code, out, errs := b.run("move", "--yes", "--to", "cars/0=3,cars/1=6,bikes/1=2", file)
		want := fmt.Sprintf(`PARTITION      OLD TOPIC  STOOD AT  NEW TOPIC  HOLDS  BEGINS AT
cars/0     test/%.4x        18   %.4x    0-5          3
cars/1     test/%.4x        18   %.4x    0-5          6
bikes/1: nothing has changed
2 partitions moved. Start the connector.
`, before, b.logs[2].TopicID, before, b.logs[2].TopicID)
		if code != exitDone || out != want {
			t.Error(code, out, errs)
		}
		b.logs = b.logs[2:]
		wanted := map[string]int64{"cars/0": 3, "cars/1": 6}
		if got := b.roots(); !maps.Equal(got, wanted) {
			t.Error("roots", got)
		}
		if got := b.offsets(true); !maps.Equal(got, wanted) {
			t.Error("offsets", got)
		}
		if code, out, _ := b.run("move", "--yes", "--to", "earliest", file); code != exitDone || out != "nothing to move\n" {
			t.Error(code, out)
		}
	}
}

// commitRaw commits an offset with metadata as they are.
// A sink without a chain has the group's offsets only. One that another client committed, such as a mirror, isn't trusted.
func TestMoveOfALoader(t *testing.T) {
	b := newChainBench(t)
	b.commitRaw("bikes", 0, 11, fmt.Sprintf(`{"start":0,"topic":"%032x"}`, 7)) // of a topic that is gone
	b.commitRaw("bikes", 1, 12, "")                                            // mirrored
	b.commitRaw("cars", 0, 13, fmt.Sprintf(`{"start":5,"topic":"%x"}`, b.logs[2].TopicID))
	file := write(t, fmt.Sprintf("name: moves\nsource: {kafka: {brokers: %s, topics: [cars, bikes]}}\nsink: {plain: {}}\n", b.kafka.ListenAddrs()[0]))
	code, out, errs := b.run("move", "--yes", "--to", "2026-01-01T00:10:30Z", file)
	want := fmt.Sprintf(`PARTITION  OLD TOPIC  STOOD AT  NEW TOPIC  HOLDS  BEGINS AT
bikes/0     00000000        11   %.4x   0-19         11
bikes/1            -        12   %.4x   0-19         11
cars/1             -         -   %.4x   0-19         11
3 partitions moved. Start the connector.
`, b.logs[0].TopicID, b.logs[0].TopicID, b.logs[2].TopicID)
	if code != exitDone || out != want {
		t.Errorf("%d\n%s%s", code, out, errs)
	}
	if got := b.offsets(false); !maps.Equal(got, map[string]int64{"bikes/0": 11, "bikes/1": 11, "cars/0": 13, "cars/1": 11}) {
		t.Error("offsets", got)
	}
	if code, out, _ := b.run("move", "--yes", "--to", "earliest", file); code != exitDone || out != "nothing to move\n" {
		t.Error(code, out)
	}
}

func TestMoveRefuses(t *testing.T) {
	old := written(t)
	b := old.elsewhere()
	file := b.file("")
	for _, test := range []struct {
		args, errs string
		code       int
	}{
		{"move " + file, "--to is missing", exitUsage},
		{"move --to noon " + file, `not "noon"`, exitUsage},
		{"move --to cars/x=1 " + file, `"cars/x=1" isn't TOPIC/PARTITION=OFFSET`, exitUsage},
		{"move --to there.csv " + file, "there.csv", exitUsage},
	} {
		if code, out, errs := b.run(strings.Fields(test.args)...); code != test.code || !strings.Contains(errs, test.errs) {
			t.Errorf("%s: exit code %d, want %d\n%s%s", test.args, code, test.code, out, errs)
		}
	}
	// Another connector's chain.
	text, _ := os.ReadFile(file)
	thief := write(t, strings.Replace(string(text), "name: moves", "name: thief", 1))
	if code, _, errs := b.run("move", "--yes", "--to", "earliest", thief); code != exitFailed || !strings.Contains(errs, `belongs to connector "moves"`) || strings.Contains(errs, "millrace move") {
		t.Error(code, errs)
	}
	// Somebody reads.
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.ListenAddrs()...), kgo.ConsumerGroup("moves"), kgo.ConsumeTopics("cars"), kgo.ClientID("pod-1"), kgo.DisableAutoCommit())
	if err != nil {
		t.Fatal(err)
	}
	for ctx := t.Context(); len(client.PollFetches(ctx).Records()) == 0; {
	}
	before := b.store.Objects()
	code, _, errs := b.run("move", "--yes", "--to", "earliest", file)
	if code != exitFailed || !strings.Contains(errs, "nothing was changed: group moves has a member (client pod-1") || !strings.Contains(errs, "stop all processes") {
		t.Error(code, errs)
	}
	if !maps.EqualFunc(before, b.store.Objects(), bytes.Equal) || len(b.offsets(true)) > 0 {
		t.Error("something was changed")
	}
	client.Close()
	// A store that overwrites.
	b.view = overwriting{shelf{b.store}}
	if code, _, errs := b.run("move", "--yes", "--to", "earliest", file); code != exitFailed || !strings.Contains(errs, "keeps no chain that could be moved") {
		t.Error(code, errs)
	}
}

// An overwriting store says that it puts, whatever is there.
func TestReadOffsets(t *testing.T) {
	for text, want := range map[string]string{
		"cars,0,5\ncars,1,6\n":                     "map[cars/0:5 cars/1:6]",
		"topic,partition,offset\n\"cars\", 0, 5\n": "map[cars/0:5]",
		"# kept in May\ncars,0,5\n":                "map[cars/0:5]",
		"":                                         "holds no offset",
		"topic,partition,offset\n":                 "holds no offset",
		"cars,0\n":                                 "a line holds topic, partition and offset",
		"cars,0,5\ncars,0,6\n":                     "line 2 names partition cars/0 a second time",
		"cars,0,5\ncars,x,6\n":                     `line 2: "cars,x,6" isn't topic, partition and offset`,
		"cars,0,-1\n":                              "isn't topic, partition and offset",
		"cars,-1,1\n":                              "isn't topic, partition and offset",
		"cars,99999999999,1\n":                     "isn't topic, partition and offset",
		"topic,partition,offset\npartition,topic,x": "line 2",
	} {
		path := filepath.Join(t.TempDir(), "o.csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		offsets, err := readOffsets(path)
		got := fmt.Sprint(offsets)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// The whole way, on real files: a connector of one cluster, then the same file with the brokers of another.
func TestMoveFiles(t *testing.T) {
	dir := t.TempDir()
	config := func(brokers string) string {
		return write(t, fmt.Sprintf(`name: files
source: {kafka: {brokers: "%s", topics: [cars, bikes]}}
decode: {value: string}
sink: {file: {dir: %q, path: "{topic}/", compression: none, rotate: {age: 100ms}}}
`, brokers, dir))
	}
	lines := func() (n int) {
		found, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			body, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(body, []byte("\n"))
		}
		return n
	}
	old := newChainBench(t)
	runExample(t, config(old.kafka.ListenAddrs()[0]), func() bool { return lines() == 80 })
	b := newChainBenchIn(t, "other")
	file := config(b.kafka.ListenAddrs()[0])
	code, out, errs := millrace(t, plugins(), "", "run", file)
	if code != exitFailed || !strings.Contains(errs, "if its topics lie on this other cluster now, millrace move says where to begin there") {
		t.Error(code, out, errs)
	}
	for _, want := range []string{"4 partitions moved", "nothing to move"} {
		if code, out, errs := millrace(t, plugins(), "", "move", "--to", "2026-01-01T00:10:00Z", "--yes", file); code != exitDone || !strings.Contains(out, want) {
			t.Error(code, out, errs)
		}
	}
	runExample(t, file, func() bool { return lines() == 80+40 })
	if code, out, errs := millrace(t, plugins(), "", "verify", "--deep", file); code != exitDone || !strings.Contains(out, "8 partitions, 120 records: 0 lost, 0 repeated, 0 corrupt") {
		t.Error(code, out, errs)
	}
}
