package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
)

func (f *fake) deleteTo(t testing.TB, topic string, p int32, at int64) {
	t.Helper()
	var o kadm.Offsets
	o.Add(kadm.Offset{Topic: topic, Partition: p, At: at})
	if _, err := f.admin.DeleteRecords(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

func TestExpiredBeforeItWasRead(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(2, "t"))
	f.produce(t, "t", 0, numbers(50)...)
	f.produce(t, "t", 1, "a", "b")
	f.deleteTo(t, "t", 0, 20)
	f.commitAs(t, "t", 0, 10, "")
	r := read(t, f.config("t"))
	err := r.halts(t0)
	has(t, err, "t/0", "offsets 10 to 19 are gone", "log starts at 20", "committed offset: 10", "--reset-offsets", "set on_gap to earliest or latest")
	wantGap(t, err, 20, 50)
	r.reads(connector.Partition{Topic: "t", ID: 1}, "a", "b")
	if a := r.now().assigned[t0]; a.Committed != 10 || a.Start != 10 || a.LogStart != 20 || a.LogEnd != 50 {
		t.Errorf("assigned with %+v", a)
	}
	if len(r.now().got[t0]) > 0 {
		t.Fatalf("%d records of a partition that is halted", len(r.now().got[t0]))
	}
	// Who accepts the gap goes on behind it.
	r.Seek(t0, 20)
	r.Resume(t0)
	r.reads(t0, numbers(50)[20:]...)
}

func TestExpiredWhileReading(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, numbers(5)...)
	r := read(t, f.config("t"))
	r.reads(t0, numbers(5)...)
	r.Pause(t0)
	f.produce(t, "t", 0, numbers(20)...)
	f.deleteTo(t, "t", 0, 15)
	r.Resume(t0)
	has(t, r.halts(t0), "offsets 5 to 14 are gone", "log starts at 15")
	wantGap(t, r.halts(t0), 15, 25)
	time.Sleep(50 * time.Millisecond)
	if len(r.now().errs) != 1 || len(r.now().got[t0]) != 5 {
		t.Errorf("errors %v, %d records: a halted partition must be quiet", r.now().errs, len(r.now().got[t0]))
	}
}

func TestTruncated(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, numbers(50)...)
	f.commitAs(t, "t", 0, 100, "")
	has(t, read(t, f.config("t")).halts(t0), "ends at 50", "offset 100")
}

// With start: latest, what was there before isn't read, and what comes later is, wherever it comes.
func TestLatestReadsNewPartitionsFromTheirStart(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, numbers(10)...)
	c := f.config("t")
	c.Start = Latest
	r := read(t, c)
	r.until("assigned", func() bool { return len(r.assigned) == 1 })
	if a := r.now().assigned[t0]; a.Committed != -1 || a.Start != 10 {
		t.Errorf("assigned with %+v", a)
	}
	if _, err := f.admin.CreatePartitions(t.Context(), 1, "t"); err != nil {
		t.Fatal(err)
	}
	// A mirror or a late device writes timestamps older than the group.
	t1 := connector.Partition{Topic: "t", ID: 1}
	old := &kgo.Record{Topic: "t", Partition: 1, Value: []byte("old"), Timestamp: time.Now().Add(-time.Hour)}
	if !eventually(func() bool { return f.client.ProduceSync(t.Context(), old).FirstErr() == nil }) {
		t.Fatal("the new partition takes nothing")
	}
	f.produce(t, "t", 1, numbers(99)...)
	f.produce(t, "t", 0, "new")
	r.reads(t1, append([]string{"old"}, numbers(99)...)...)
	r.reads(t0, "new")
	if a := r.now().assigned[t1]; a.Initial != 0 {
		t.Errorf("assigned with %+v", a)
	}
}

// The offset that latest meant is committed before anything is read.
func TestLatestIsPinned(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, numbers(10)...)
	c := f.config("t")
	c.Start = Latest
	r := read(t, c)
	r.until("assigned", func() bool { return len(r.assigned) == 1 })
	r.close()
	o := f.committed(t, "t", 0)
	if n := decodeNote(o.Metadata); o.At != 10 || n.Start == nil || *n.Start < time.Now().Add(-time.Minute).UnixMilli() || len(n.Topic) != 32 {
		t.Errorf("committed %+v", o)
	}
	f.produce(t, "t", 0, "a", "b")
	read(t, c).reads(t0, "a", "b")
}

// A partition without an offset, of a group that was born earlier, starts at the group's birth, whatever start says now.
func TestBirthWins(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(3, "t"))
	birth := time.Now().Add(-time.Hour)
	for i := range 10 {
		r := &kgo.Record{Topic: "t", Partition: 1, Value: []byte(fmt.Sprint(i)), Timestamp: birth.Add(time.Duration(i-5) * time.Minute)}
		if err := f.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	f.produce(t, "t", 0, "x")
	f.commitAs(t, "t", 0, 0, encodeNote(birth.UnixMilli(), [16]byte{}, "")) // names no topic id
	f.commitAs(t, "t", 2, 0, encodeNote(birth.Add(time.Minute).UnixMilli(), [16]byte{}, ""))
	for _, start := range []string{Earliest, Latest} {
		c := f.config("t")
		c.Start = start
		r := read(t, c)
		r.until("assigned", func() bool { return len(r.assigned) == 3 })
		if a := r.now().assigned[connector.Partition{Topic: "t", ID: 1}]; a.Start != 5 {
			t.Errorf("start: %s: starts at %d, want 5", start, a.Start)
		}
		r.close()
	}
}

func TestStartAtATime(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	at := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
	for i := range 10 {
		r := &kgo.Record{Topic: "t", Value: []byte(fmt.Sprint(i)), Timestamp: at.Add(time.Duration(i-3) * time.Second)}
		if err := f.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	c := f.config("t")
	c.Start = "2026-01-31T08:00:00Z"
	read(t, c).reads(t0, numbers(10)[3:]...)
}

func TestRegexFindsTopicsLater(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "db.a", "other", "__db.hidden"))
	c := f.config()
	c.TopicsRegex, c.Start = `db\.`, Latest
	r := read(t, c)
	r.until("assigned", func() bool { return len(r.assigned) == 1 })
	if _, err := f.admin.CreateTopic(t.Context(), 1, 1, nil, "db.b"); err != nil {
		t.Fatal(err)
	}
	f.produce(t, "db.b", 0, numbers(7)...)
	f.produce(t, "other", 0, "no")
	f.produce(t, "__db.hidden", 0, "no")
	r.reads(connector.Partition{Topic: "db.b"}, numbers(7)...)
	if len(r.now().assigned) != 2 {
		t.Errorf("assigned %v", r.now().assigned)
	}
	if n := r.now().assigned[connector.Partition{Topic: "db.b"}].InGroup; n != 2 {
		t.Errorf("%d partitions are in the group, want those of both topics", n)
	}
}

// A member knows how many partitions the others have.
func TestPartitionsInGroup(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(3, "t", "u", "unread"))
	a, b := read(t, f.config("t", "u")), read(t, f.config("t", "u"))
	b.until("share", func() bool { return len(b.assigned) == 3 })
	a.until("share", func() bool { return len(a.assigned) == 3 })
	b.mu.Lock()
	defer b.mu.Unlock()
	for p, as := range b.assigned {
		if as.InGroup != 6 {
			t.Errorf("%s: %d partitions are in the group, want 6", p, as.InGroup)
		}
	}
}

// franz-go keeps a partition paused over revoke and assign.
func TestPausedPartitionsAreReadAfterARebalance(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(2, "t"))
	t1 := connector.Partition{Topic: "t", ID: 1}
	f.produce(t, "t", 0, "a")
	f.produce(t, "t", 1, "a")
	c := f.config("t")
	c.Balancer = Range // everything is revoked
	a := read(t, c)
	a.reads(t0, "a")
	a.reads(t1, "a")
	a.Pause(t0, t1)
	b := read(t, c)
	b.until("share", func() bool { return len(b.assigned) == 1 })
	b.close()
	a.until("own all again", func() bool { return len(a.assigned) == 2 })
	a.mu.Lock()
	clear(a.got)
	a.mu.Unlock()
	f.produce(t, "t", 0, "b")
	f.produce(t, "t", 1, "b")
	for _, p := range []connector.Partition{t0, t1} {
		a.until("read on", func() bool { return slices.Contains(a.got[p], "b") })
	}
}

// What can't be looked up is tried again, and Poll says so. Partitions that can go on aren't held up.
func TestLookupFails(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(2, "t"))
	f.produce(t, "t", 0, "a")
	f.produce(t, "t", 1, "b")
	fault := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "t", Partitions: []int32{1}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	r := read(t, f.config("t"))
	r.reads(t0, "a")
	r.until("an error", func() bool { return len(r.errs) > 0 })
	has(t, r.now().errs[0], "look up the offsets of group g", "t/1", "allow this principal READ and DESCRIBE")
	fault.Remove()
	r.reads(connector.Partition{Topic: "t", ID: 1}, "b")
}

// A partition that goes away before its assignment was told is never mentioned, and nothing of it is left.
func TestRevokedBeforeItWasTold(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.LeaderNotAvailable, Count: -1})
	c := open(t, f.config("t"))
	c.Notify(connector.Listener{
		Assigned: func([]connector.Assignment) { t.Error("assigned") },
		Revoked:  func(context.Context, []connector.Partition) { t.Error("revoked") },
		Lost:     func([]connector.Partition) { t.Error("lost") },
	})
	if !eventually(func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.partitions) == 1
	}) {
		t.Fatal("nothing assigned")
	}
	c.revoked(t.Context(), c.client, map[string][]int32{"t": {0}, "unknown": {3}})
	c.revoked(t.Context(), c.client, nil)
	if len(c.partitions) != 0 {
		t.Errorf("still owned: %v", c.partitions)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNote(t *testing.T) {
	id := [16]byte{0: 1, 15: 2}
	for _, meta := range []string{"", "x", `{"a":"b"}`, strings.Repeat("\n\"", 9)} {
		n := decodeNote(encodeNote(0, id, meta))
		if n.Meta != meta || n.Start == nil || *n.Start != 0 || n.Topic != "01000000000000000000000000000002" {
			t.Errorf("%q: %+v", meta, n)
		}
	}
	for _, foreign := range []string{"", "member-1234", "{", `{"start":"x"}`, `[1]`} {
		if n := decodeNote(foreign); n != (note{}) {
			t.Errorf("%q: %+v", foreign, n)
		}
	}
}

func FuzzNote(f *testing.F) {
	f.Add(`{"start":1,"topic":"00","meta":"x"}`)
	f.Fuzz(func(t *testing.T, text string) {
		n := decodeNote(text)
		if n.Start == nil {
			return
		}
		if again := decodeNote(encodeNote(*n.Start, [16]byte{}, n.Meta)); again.Meta != n.Meta || *again.Start != *n.Start {
			t.Errorf("%q became %+v", text, again)
		}
	})
}
