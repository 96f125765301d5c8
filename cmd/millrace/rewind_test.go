package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
)

func TestRewind(t *testing.T) {
	b := written(t)
	for _, test := range []struct {
		to   string
		want [4]int64 // where each partition's chain ends then
	}{
		{"bikes/1=17,cars/0=3", [4]int64{18, 17, 3, 18}},
		{"2026-01-01T00:10:30Z", [4]int64{11, 11, 3, 11}},
		{"earliest", [4]int64{0, 0, 0, 0}},
	} {
		code, out, errs := b.run("rewind", "--to", test.to, "--yes", b.file(""))
		if code != exitDone {
			t.Error(test.to, code, out, errs)
		}
		for i, next := range test.want {
			if l := b.newest(i, "lake"); l.Next != next || next < 18 && (l.Kind != chain.KindRewind || l.Rewind != l.Seq) {
				t.Errorf("%s: %s ends at %d with a link of kind %s, want %d", test.to, b.id(i, "lake"), l.Next, l.Kind, next)
			}
		}
	}
	// What has gone back already stays, and verify takes it.
	seq := b.newest(0, "lake").Seq
	code, out, errs := b.run("rewind", "--to", "earliest", "--yes", b.file(""))
	if code != exitDone || strings.Count(out, "is rewound there already\n") != 4 || b.newest(0, "lake").Seq != seq {
		t.Error(code, out, errs)
	}
	b.write(0, "lake", 20)
	if code, out, _ := b.run("verify", "--deep", b.file("")); code != exitDone || !strings.Contains(strings.Join(strings.Fields(out), " "), "0: rewound from 18 to 11; rewound from 11 to 0") {
		t.Error(code, out)
	}
}

func TestRewindTable(t *testing.T) {
	b := newChainBench(t)
	b.write(2, "lake", 10)
	b.write(3, "lake", 5)
	file := b.file("")
	const table = `PARTITION  FROM  TO  RECORDS
cars/0       10   7        3
bikes/0: nothing was written yet
bikes/1: nothing was written yet
cars/1: nothing to write again
`
	code, out, errs := b.run("rewind", "--to", "2026-01-01T00:07:00Z", file)
	if code != exitFailed || out != table || !strings.Contains(errs, "nobody is here to be asked: nothing was changed; add --yes") {
		t.Error(code, out, errs)
	}
	code, out, errs = b.run("rewind", "--to", "2026-01-01T00:07:00Z", "--yes", file)
	if code != exitDone || out != table+"1 partition rewound. Processes that run notice at their next commit.\n" {
		t.Error(code, out, errs)
	}
	code, out, _ = b.run("rewind", "--to", "earliest", "--topics", "cars", "--yes", file)
	if code != exitDone || strings.Contains(out, "bikes") || !strings.Contains(out, "2 partitions rewound") {
		t.Error(code, out)
	}
	if keys, _, _ := b.store.List(t.Context(), b.id(0, "lake").Dir(), "", 1); len(keys) > 0 {
		t.Error("a rewind began the chain of a partition that nothing was written of")
	}
}

func TestRewindRefuses(t *testing.T) {
	b := written(t)
	file := b.file("")
	position := b.file("overrides:\n- {topics: [bikes], sink: {memory: {position: true}}}\n")
	other := strings.Replace(file, "millrace.yaml", "other.yaml", 1)
	text, _ := os.ReadFile(file)
	if err := os.WriteFile(other, bytes.Replace(text, []byte("name: moves"), []byte("name: thief"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args, errs string
		code       int
	}{
		{"rewind " + file, "--to is missing", exitUsage},
		{"rewind --to noon " + file, `not "noon"`, exitUsage},
		{"rewind --to cars/x=1 " + file, `"cars/x=1" isn't TOPIC/PARTITION=OFFSET`, exitUsage},
		{"rewind --to cars/0=-1 " + file, `isn't TOPIC/PARTITION=OFFSET`, exitUsage},
		{"rewind --to cars/0=1,cars/0=2 " + file, "names partition cars/0 twice", exitUsage},
		{"rewind --to earliest --topics trains " + file, `the connector reads no topic "trains"`, exitFailed},
		{"rewind --to cars/2=1 " + file, "reads no partition cars/2", exitFailed},
		{"rewind --to cars/0=1 --topics bikes " + file, "reads no partition cars/0 (or --topics leaves it out)", exitFailed},
		{"rewind --yes --to cars/0=19 " + file, "partition cars/0: 19 is above 18, where its chain ends: a rewind goes back. To leave offsets 18 to 18 out would be a gap: see on_gap", exitFailed},
		{"rewind --yes --to earliest " + position, "topic bikes: the sink's path holds {position}", exitFailed},
		{"rewind --yes --to earliest " + other, `belongs to connector "moves"`, exitFailed},
	} {
		if code, out, errs := b.run(strings.Fields(test.args)...); code != test.code || !strings.Contains(errs, test.errs) {
			t.Errorf("%s: exit code %d, want %d\n%s%s", test.args, code, test.code, out, errs)
		}
	}
	if code, out, errs := b.run("rewind", "--yes", "--to", "earliest", "--topics", "cars", position); code != exitDone {
		t.Error("a topic whose names have a tail:", out, errs)
	}
	// An object of the newest link can't be finished any more.
	l := b.newest(0, "lake")
	b.store.Delete(l.Objects[0].Key)
	b.view = b.store.View(nil)
	if code, _, errs := b.run("rewind", "--yes", "--to", "bikes/0=1", file); code != exitFailed || !strings.Contains(errs, "whose upload is gone: start the connector") {
		t.Error(code, errs)
	}
	// The chain was there, and is missing.
	b.commit(3, "lake", 18, 2)
	for seq := range int64(4) {
		b.store.Delete(b.id(3, "lake").Key(seq))
	}
	if code, _, errs := b.run("rewind", "--yes", "--to", "cars/1=1", file); code != exitFailed || !strings.Contains(errs, "the chain of partition cars/1 is missing") {
		t.Error(code, errs)
	}
}

// A connector that writes meanwhile wins races, and a rewind goes behind it.
func TestRewindRace(t *testing.T) {
	b := written(t)
	wins := 0
	b.view = b.store.View(func(call, key string) chaintest.Fault {
		if call == "Put" && strings.HasSuffix(key, fmt.Sprintf("%020d.json", 3+wins)) && wins < 2 {
			wins++
			b.write(2, "lake", b.newest(2, "lake").Next+2)
		}
		return chaintest.Fault{}
	})
	code, out, errs := b.run("rewind", "--yes", "--to", "cars/0=4", b.file(""))
	l := b.newest(2, "lake")
	if code != exitDone || wins != 2 || l.Kind != chain.KindRewind || l.From != 22 || l.Next != 4 || l.Seq != 5 {
		t.Errorf("exit code %d after %d lost races: %+v\n%s%s", code, wins, l, out, errs)
	}
	// One that always wins is told.
	b.view = b.store.View(func(call, key string) chaintest.Fault {
		if call == "Put" && !strings.HasSuffix(key, "owner.json") {
			wins++
			b.write(2, "lake", b.newest(2, "lake").Next+2)
		}
		return chaintest.Fault{}
	})
	code, _, errs = b.run("rewind", "--yes", "--to", "cars/0=1", b.file(""))
	if code != exitFailed || wins != 2+races || !strings.Contains(errs, "rewind partition cars/0 to 1 (0 of 1 partition done): another process") {
		t.Error(code, wins, errs)
	}
}

func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, " YES\n": true, "n\n": false, "\n": false, "": false, "yes, do": false} {
		var out bytes.Buffer
		c := &command{in: strings.NewReader(answer), out: &out}
		if got := c.ask(t.Context(), "Write up to 2 records again? (y/N) "); got != want {
			t.Errorf("%q: %t", answer, got)
		}
		if got := out.String(); got != "Write up to 2 records again? (y/N) " {
			t.Errorf("%q", got)
		}
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if terminal(f) || terminal(strings.NewReader("")) {
		t.Error("neither a file nor a text is a terminal")
	}
	// A device is one: without an answer nothing happens.
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	b := written(t)
	var out, errs bytes.Buffer
	c := &command{in: null, out: &out, err: &errs, plugins: b.plugins()}
	if code := c.execute(context.Background(), []string{"rewind", "--to", "earliest", b.file("")}); code != exitFailed || !strings.Contains(out.String(), "Write up to 72 records again?") || b.newest(0, "lake").Next != 18 {
		t.Error(code, out.String(), errs.String())
	}
}
