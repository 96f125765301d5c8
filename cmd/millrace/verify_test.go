package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
)

// written is a bench with a chain of each partition, of which Kafka holds 2 more records.
func written(t *testing.T) *chainBench {
	b := newChainBench(t)
	for i := range b.logs {
		b.write(i, "lake", 10)
		b.write(i, "lake", 18)
	}
	return b
}

func TestVerify(t *testing.T) {
	b := written(t)
	for _, args := range [][]string{{"verify"}, {"verify", "--deep"}} {
		code, out, errs := b.run(append(args, b.file(""))...)
		const want = `memory://lake, chain main, connector moves

topic bikes
PARTITION  OFFSETS  LINKS  OBJECTS  WRITTEN  FILTERED  BURIED  EMPTY  LAG
        0     0-17      3        2       16         2       0      0    2
        1     0-17      3        2       16         2       0      0    2

topic cars
PARTITION  OFFSETS  LINKS  OBJECTS  WRITTEN  FILTERED  BURIED  EMPTY  LAG
        0     0-17      3        2       16         2       0      0    2
        1     0-17      3        2       16         2       0      0    2

4 partitions, 72 records: 0 lost, 0 repeated, 0 corrupt
`
		if code != exitDone || out != want || errs != "" {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, errs)
		}
	}
	code, out, errs := b.run("verify", "--json", "--no-kafka", b.file(""))
	var report struct {
		OK     bool
		Totals chain.Totals
		Chains []struct {
			Place      string
			Partitions []chain.PartitionReport
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err, out)
	}
	if code != exitDone || errs != "" || !report.OK || report.Totals.Records != 72 || len(report.Chains) != 1 || report.Chains[0].Place != "memory://" {
		t.Errorf("%s%s", out, errs)
	}
	if p := report.Chains[0].Partitions[3]; p.Next != 18 || p.Log != nil || p.Counts.Filtered != 2 {
		t.Errorf("%+v", p)
	}
}

func TestVerifyProblems(t *testing.T) {
	b := written(t)
	b.commit(0, "lake", 18, 2)
	b.store.Delete(b.id(0, "lake").Key(2))
	code, out, errs := b.run("verify", b.file(""))
	dir := b.id(0, "lake").Dir()
	const want = `the end of the chain of partition bikes/0 is missing: its newest link is 1, and the group's offset 18 was committed after link 2: offsets 10 to 17 were written`
	if plain := strings.Join(strings.Fields(out), " "); code != exitFailed || !strings.Contains(plain, "lost: "+want) ||
		!strings.Contains(plain, "unnamed: lake/bikes+0+0000000010-0000000002-00000002.json (7 rows) is not named by any link") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if !strings.HasSuffix(out, "\n4 partitions, 64 records: 8 lost, 0 repeated, 0 corrupt, 1 object in no link\n") || errs != "error: not proven: 2 problems\n" {
		t.Errorf("%s%s", out, errs)
	}
	_, out, _ = b.run("verify", "--json", b.file(""))
	if !strings.Contains(out, `{"ok":false,`) || !strings.Contains(out, `"range":{"from":10,"to":18},"records":8,`) || !strings.Contains(out, `"key":"`+dir+"00000000000000000002.json") {
		t.Error(out)
	}
	// Without the hint in the group's offset nobody knows of link 2, but its object is there.
	if code, out, _ := b.run("verify", "--no-kafka", b.file("")); code != exitFailed || !strings.Contains(out, "0 lost, 0 repeated, 0 corrupt, 1 object in no link") {
		t.Error(out)
	}
}

func TestVerifyExpiredObjects(t *testing.T) {
	b := written(t)
	l := b.newest(2, "lake")
	b.store.Delete(b.id(2, "lake").Key(0))
	code, out, _ := b.run("verify", b.file(""))
	if code != exitFailed || !strings.Contains(out, "1 lost") {
		t.Error(out)
	}
	code, out, _ = b.run("verify", "--from", "2026-01-31T08:00:00Z", b.file(""))
	if code != exitDone || !strings.Contains(out, "note: the chain of partition cars/0 begins with link 1") {
		t.Error(l.Seq, out)
	}
}

// Overrides may put links elsewhere: each partition is looked for where its sink puts them.
func TestVerifyOverrides(t *testing.T) {
	b := newChainBench(t)
	for i := range b.logs {
		b.write(i, map[string]string{"bikes": "two", "cars": "lake"}[b.logs[i].Topic], 20)
	}
	file := b.file("overrides:\n- {topics: [bikes], sink: {memory: {prefix: two}}}\n- {topics: [c*], sink: {memory: {}}}\n")
	code, out, errs := b.run("verify", file)
	if code != exitDone || strings.Count(out, "topic ") != 2 || !strings.HasSuffix(out, "\n4 partitions, 80 records: 0 lost, 0 repeated, 0 corrupt\n") {
		t.Error(code, out, errs)
	}
}

func TestVerifyUsage(t *testing.T) {
	b := newChainBench(t)
	file := b.file("")
	plain := write(t, fmt.Sprintf("name: moves\nsource: {kafka: {brokers: %s, topics: [cars]}}\nsink: plain\n", b.kafka.ListenAddrs()[0]))
	for _, test := range []struct {
		args string
		code int
		errs string
	}{
		{"verify", exitUsage, "accepts 1 arg"},
		{"verify nope.yaml", exitUsage, "no such file or directory"},
		{"verify --from noon " + file, exitUsage, "--from is a time such as"},
		{"verify --connector x " + file, exitUsage, `holds no connector "x"`},
		{"verify " + plain, exitUsage, "the sink plain keeps no chain of links"},
		{"verify " + file, exitFailed, "there is no link in lake/_millrace/main/ of memory://: has the connector run"},
		{"verify s3:///x", exitUsage, "is no s3://BUCKET/PREFIX"},
		{"verify s3://A_!", exitUsage, "bucket is"},
	} {
		if code, out, errs := b.run(strings.Fields(test.args)...); code != test.code || !strings.Contains(errs, test.errs) {
			t.Errorf("%s: exit code %d, want %d\n%s%s", test.args, code, test.code, out, errs)
		}
	}
	b.kafka.Close()
	if code, _, errs := b.run("verify", file); code != exitFailed || !strings.Contains(errs, "none of them answers") {
		t.Error(code, errs)
	}
}

func TestVerifyProgressAndInterrupt(t *testing.T) {
	b := written(t)
	signals := make(chan os.Signal, 1)
	var out, errs bytes.Buffer
	c := &command{in: strings.NewReader(""), out: &out, err: &errs, color: true, signals: signals, plugins: b.plugins()}
	if code := c.execute(context.Background(), []string{"verify", b.file("")}); code != exitDone {
		t.Error(code, errs.String())
	}
	if got, want := errs.String(), "\rmemory://: 12 of 12 links\r\x1b[K"; got != want || strings.Contains(out.String(), "\x1b") {
		t.Errorf("%q, want %q", got, want)
	}
	errs.Reset()
	view := b.store.View(func(call, _ string) chaintest.Fault {
		if call == "Get" { // stopped while it reads
			select {
			case signals <- syscall.SIGINT:
			default:
			}
			return chaintest.Fault{Fate: chaintest.Refused}
		}
		return chaintest.Fault{}
	})
	b.view = shelf{view}
	if code := c.execute(context.Background(), []string{"verify", b.file("")}); code != exitFailed || !strings.Contains(errs.String(), "stopped by interrupt") {
		t.Error(code, errs.String())
	}
}

// What is too wide for a table is told in lines.
func TestWideNumbers(t *testing.T) {
	var out bytes.Buffer
	v := &verification{Place: "s3://" + strings.Repeat("b", 63), Report: &chain.Report{Chain: "main", Partitions: []*chain.PartitionReport{{
		TopicID: strings.Repeat("0a", 16), Partition: 4711, Links: 1e9, Objects: 1e10, First: 1e12, Next: 2e12, NoRecord: 1e12, Expired: 1, Unfinished: 2, Uncounted: 2,
		Counts: chain.Counts{Written: 1e12, Filtered: 1e12, Buried: 1e12, Emitted: 1},
		Gaps:   []chain.Gap{{From: 1, To: 4}}, Rewinds: []chain.Gap{{From: 1, To: 4}}, Log: &chain.Log{}, Lag: 1e12,
	}}}}
	v.print(&out)
	for line := range strings.Lines(out.String()) {
		if len(line) > lineWidth+1 && strings.Contains(strings.TrimSpace(line), " ") && !strings.HasPrefix(line, "s3://") {
			t.Errorf("%d characters: %s", len(line), line)
		}
	}
	want := `partition 4711, offsets 1000000000000-1999999999999, links 1000000000, objects
  10000000000, written 1000000000000, filtered 1000000000000, buried
  1000000000000, empty 1000000000000, lag 1000000000000
4711: offsets 1 to 3 were gone from Kafka (gap); rewound from 4 to 1; 1 record
  was emitted by handlers; 1 object has expired; 2 objects of the newest link
  aren't visible yet; 2 objects have no lines to count
`
	if !strings.Contains(out.String(), want) {
		t.Error(out.String())
	}
}
