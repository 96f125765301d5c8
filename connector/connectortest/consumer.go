package connectortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
)

// A Cluster is what RunConsumer tests a Consumer on: one empty topic and one group that nobody has used.
type Cluster struct {
	Topic      string
	Partitions int32 // at least 2
	// Open makes another member of the group, which reads the topic, and starts at earliest.
	Open func(t testing.TB) connector.Consumer
	// Produce appends a record to the topic.
	Produce func(t testing.TB, partition int32, key, value string)
}

// RunConsumer tests what the Connector relies on in a Consumer. Each check gets a Cluster of its own.
func RunConsumer(t *testing.T, cluster func(t *testing.T) Cluster) {
	for _, check := range []struct {
		name string
		run  func(t *testing.T, c Cluster)
	}{
		{"assigned paused", checkAssigned},
		{"reads in order", checkOrder},
		{"seek", checkSeek},
		{"gap", checkGap},
		{"pause", checkPause},
		{"commit", checkCommit},
		{"commit goes only forward", checkForward},
		{"revoked before others are assigned", checkRevoke},
		{"refuses commits of what was revoked", checkLate},
		{"close leaves", checkClose},
		{"poll ends with its context", checkContext},
	} {
		t.Run(check.name, func(t *testing.T) { check.run(t, cluster(t)) })
	}
}

// patience is how long a check waits for what has to happen; calm is how long for what must not.
const (
	patience = 30 * time.Second
	calm     = 300 * time.Millisecond
)

// fill produces n records to each partition.
func fill(t testing.TB, c Cluster, n int) {
	for i := range n {
		for p := range c.Partitions {
			c.Produce(t, p, fmt.Sprint("k", i), fmt.Sprint("v", p, "-", i))
		}
	}
}

func offsets(rs []connector.Record) (out []int64) {
	for i := range rs {
		out = append(out, rs[i].Offset)
	}
	return out
}

func upTo(from, to int64) (out []int64) {
	for ; from < to; from++ {
		out = append(out, from)
	}
	return out
}

func (c Cluster) partition(id int32) connector.Partition {
	return connector.Partition{Topic: c.Topic, ID: id}
}

func checkAssigned(t *testing.T, c Cluster) {
	fill(t, c, 5)
	m := join(t, c)
	var last int64
	for _, a := range m.owns(int(c.Partitions)) {
		if a.Committed != -1 || a.Start != 0 || a.Initial != 0 || a.LogStart != 0 || a.LogEnd != 5 || a.Meta != "" || a.Group == "" || a.Recreated {
			t.Errorf("%s: assigned with %+v", a.Partition, a)
		}
		last = max(last, a.Epoch)
	}
	if last < int64(c.Partitions) {
		t.Errorf("epochs don't grow: the highest of %d is %d", c.Partitions, last)
	}
	for end := time.Now().Add(calm); time.Now().Before(end); {
		if n := m.poll(calm / 3); n > 0 {
			t.Fatalf("%d records of partitions that nobody resumed", n)
		}
	}
}

func checkOrder(t *testing.T, c Cluster) {
	fill(t, c, 10)
	m := join(t, c)
	for _, a := range m.owns(int(c.Partitions)) {
		m.read(a.Partition, a.Start)
	}
	for p := range c.Partitions {
		rs := m.reads(c.partition(p), 10)
		if !slices.Equal(offsets(rs), upTo(0, 10)) {
			t.Errorf("partition %d: offsets %d", p, offsets(rs))
		}
		for i := range rs {
			if k, v := fmt.Sprint("k", i), fmt.Sprint("v", p, "-", i); string(rs[i].RawKey) != k || string(rs[i].RawValue) != v {
				t.Errorf("partition %d, offset %d: %s=%s, want %s=%s", p, i, rs[i].RawKey, rs[i].RawValue, k, v)
			}
		}
		if next := m.next[c.partition(p)]; next != 10 {
			t.Errorf("partition %d: read up to %d, want 10", p, next)
		}
	}
	fill(t, c, 3)
	for p := range c.Partitions {
		m.reads(c.partition(p), 13)
	}
}

func checkSeek(t *testing.T, c Cluster) {
	fill(t, c, 10)
	m := join(t, c)
	m.owns(int(c.Partitions))
	p, q := c.partition(0), c.partition(1)
	m.read(p, 7)
	m.read(q, 0)
	if got := offsets(m.reads(p, 3)); !slices.Equal(got, upTo(7, 10)) {
		t.Fatalf("sought to 7, read %d", got)
	}
	m.reads(q, 10)
	m.Pause(p)
	m.read(p, 2)
	if got := offsets(m.reads(p, 8)); !slices.Equal(got, upTo(2, 10)) {
		t.Fatalf("sought back to 2, read %d", got)
	}
	if n := len(m.got[q]); n != 10 {
		t.Errorf("a seek of one partition made another deliver %d records, want 10", n)
	}
	// The last Seek counts.
	m.Pause(p)
	m.Seek(p, 0)
	m.read(p, 9)
	if got := offsets(m.reads(p, 1)); !slices.Equal(got, upTo(9, 10)) {
		t.Fatalf("sought to 9, read %d", got)
	}
}

func checkGap(t *testing.T, c Cluster) {
	fill(t, c, 10)
	m := join(t, c)
	m.owns(int(c.Partitions))
	p, q := c.partition(0), c.partition(1)
	m.read(p, 99)
	m.read(q, 0)
	gap := m.fails(p)
	if !gap.Gap || gap.LogStart != 0 || gap.LogEnd != 10 || connector.ClassOf(gap) != connector.Permanent {
		t.Errorf("read from 99 of a log of 0 to 9: %+v, want a gap, of class permanent", gap)
	}
	m.reads(q, 10)
	// Who decides to go on seeks.
	m.read(p, 6)
	if got := offsets(m.reads(p, 4)); !slices.Equal(got, upTo(6, 10)) {
		t.Fatalf("behind the gap, read %d", got)
	}
}

func checkPause(t *testing.T, c Cluster) {
	fill(t, c, 5)
	m := join(t, c)
	for _, a := range m.owns(int(c.Partitions)) {
		m.read(a.Partition, a.Start)
	}
	p, q := c.partition(0), c.partition(1)
	m.reads(p, 5)
	m.reads(q, 5)
	m.Pause(p)
	fill(t, c, 5)
	m.reads(q, 10)
	m.poll(calm)
	if n := len(m.got[p]); n != 5 {
		t.Fatalf("paused after 5 records, and %d came", n)
	}
	m.Resume(p)
	if got := offsets(m.reads(p, 10)); !slices.Equal(got, upTo(0, 10)) {
		t.Fatalf("read %d after pause and resume", got)
	}
}

func checkCommit(t *testing.T, c Cluster) {
	fill(t, c, 10)
	m := join(t, c)
	m.owns(int(c.Partitions))
	m.mustCommit(c.partition(0), 4, `chain "7"`)
	m.mustCommit(c.partition(1), 6, "")
	m.close()
	as := join(t, c).owns(int(c.Partitions))
	for i, want := range []connector.Assignment{{Committed: 4, Start: 4, Meta: `chain "7"`}, {Committed: 6, Start: 6}} {
		if a := as[i]; a.Committed != want.Committed || a.Start != want.Start || a.Initial != 0 || a.Meta != want.Meta || a.Recreated {
			t.Errorf("%s: assigned with %+v", a.Partition, a)
		}
	}
}

func checkForward(t *testing.T, c Cluster) {
	fill(t, c, 10)
	m := join(t, c)
	m.owns(int(c.Partitions))
	p := c.partition(0)
	m.mustCommit(p, 5, "a")
	_ = m.commit(p, 3, "b") // passed over or refused
	m.mustCommit(p, 6, "c")
	_ = m.commit(p, 5, "d")
	m.mustCommit(p, 6, "e")
	m.close()
	if a := join(t, c).owns(int(c.Partitions))[0]; a.Committed != 6 || a.Meta != "e" {
		t.Errorf("committed 5, 3, 6, 5, 6: assigned with %+v", a)
	}
}

func checkRevoke(t *testing.T, c Cluster) {
	fill(t, c, 10)
	a := join(t, c)
	a.owns(int(c.Partitions))
	joined := make(chan *member, 1)
	a.revoked = func(ctx context.Context, ps []connector.Partition) {
		time.Sleep(calm)
		b := <-joined
		joined <- b
		b.mu.Lock()
		for _, p := range ps {
			if _, ok := b.owned[p]; ok {
				t.Errorf("%s was assigned to another member before Revoked returned", p)
			}
		}
		b.mu.Unlock()
		for _, p := range ps {
			if err := a.Commit(ctx, []connector.Offset{{Partition: p, At: 7, Meta: "last"}}); err != nil {
				t.Errorf("commit in Revoked: %v", err)
			}
		}
	}
	b := join(t, c)
	joined <- b
	waitBoth(a, b, c)
	for _, s := range b.owned {
		if s.Committed != 7 || s.Meta != "last" {
			t.Errorf("committed 7 in Revoked; the next member has %+v", s)
		}
		b.read(s.Partition, s.Start)
		if got := offsets(b.reads(s.Partition, 3)); !slices.Equal(got, upTo(7, 10)) {
			t.Errorf("the next member read %d", got)
		}
	}
}

// waitBoth waits until both members own something and together all.
func waitBoth(a, b *member, c Cluster) {
	a.t.Helper()
	a.until("share the partitions", func() bool {
		b.poll(20 * time.Millisecond)
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(a.owned) > 0 && len(b.owned) > 0 && len(a.owned)+len(b.owned) == int(c.Partitions)
	})
}

func checkLate(t *testing.T, c Cluster) {
	fill(t, c, 10)
	a := join(t, c)
	first := a.owns(int(c.Partitions))
	b := join(t, c)
	waitBoth(a, b, c)
	var moved connector.Partition
	for _, s := range first {
		if _, ok := a.owned[s.Partition]; !ok {
			moved = s.Partition
		}
	}
	b.mustCommit(moved, 9, "new owner")
	err := a.commit(moved, 3, "late")
	var pe *connector.PartitionError
	if err == nil || !errors.As(err, &pe) || pe.Partition != moved || connector.ClassOf(pe.Err) != connector.Lost {
		t.Errorf("a commit of a partition that another member owns: %v, want a PartitionError of class lost", err)
	}
	a.close()
	b.close()
	for _, s := range join(t, c).owns(int(c.Partitions)) {
		if s.Partition == moved && s.Committed != 9 {
			t.Errorf("the late commit moved the group's offset from 9 to %d", s.Committed)
		}
	}
}

func checkClose(t *testing.T, c Cluster) {
	fill(t, c, 3)
	a := join(t, c)
	a.owns(int(c.Partitions))
	b := join(t, c)
	waitBoth(a, b, c)
	a.close()
	b.owns(int(c.Partitions))
}

func checkContext(t *testing.T, c Cluster) {
	m := join(t, c)
	m.owns(int(c.Partitions))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := m.Poll(ctx)
		done <- err
	}()
	cancel()
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("poll whose context ended: %v", err)
		}
	case <-time.After(patience):
		t.Error("Poll goes on after its context ended")
	}
}
