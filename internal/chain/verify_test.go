package chain_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
)

func TestVerifyClean(t *testing.T) {
	m := fullMill(t)
	for name, store := range map[string]chain.Store{"Stater": shelf{Memory: m.store}, "Look alone": m.store} {
		o := m.options()
		o.Logs = m.logs(chain.Log{Start: 20, End: 50, Committed: 47}, chain.Log{Partition: 1, End: 3, Committed: -1}, chain.Log{Partition: 2, Start: 1, End: 5, Committed: -1})
		_, o.Deep = store.(chain.Opener)
		var progress []int
		o.Progress = func(done, all int) { progress = append(progress, done, all) }
		r := m.verify(store, o)
		if len(r.Problems) > 0 || len(r.Notes) > 0 {
			t.Errorf("%s: %+v %q", name, r.Problems, r.Notes)
		}
		if got, want := r.Totals().String(), "3 partitions, 44 records: 0 lost, 0 repeated, 0 corrupt"; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if want := []int{10, 10}; !slices.Equal(progress, want) {
			t.Errorf("%s: progress %v, want %v", name, progress, want)
		}
		p := *r.Partitions[0]
		var size int64
		for _, l := range m.links[0] {
			for i := range l.Objects {
				size += l.Objects[i].Size
			}
		}
		want := chain.PartitionReport{
			Cluster: "lkc-1", Topic: "cars", TopicID: "1f0a93c2000000000000000000000007",
			Links: 8, Objects: 5, Bytes: size, First: 10, Next: 47, NoRecord: 1, Lag: 3,
			Counts: chain.Counts{Read: 41, Written: 38, Filtered: 3, Buried: 2, Emitted: 2},
			Gaps:   []chain.Gap{{From: 30, To: 35}}, Rewinds: []chain.Gap{{From: 35, To: 45}},
			Log: p.Log,
		}
		if d := cmp.Diff(want, p, cmp.AllowUnexported(chain.PartitionReport{}), cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "dir" }, cmp.Ignore())); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if p.Log == nil || p.Log.End != 50 {
			t.Errorf("%s: %+v", name, p.Log)
		}
		if q := r.Partitions[2]; q.Links != 0 || q.Lag != 4 || q.Name() != "cars/2" {
			t.Errorf("%s: a partition without links: %+v", name, q)
		}
	}
	if r := m.verify(m.store, m.options()); r.Partitions[0].Name() != "cars/0" || *r.Owner != m.owner {
		t.Errorf("without Kafka: %+v", r.Partitions[0])
	}
}

func TestVerifyNothing(t *testing.T) {
	m := newMill(t)
	r := m.verify(m.store, m.options())
	if got, want := r.Totals().String(), "0 partitions, 0 records: 0 lost, 0 repeated, 0 corrupt"; got != want || len(r.Notes) > 0 {
		t.Error(got, r.Notes)
	}
}

// A prober says of all uploads whether they are there.
type prober struct {
	chain.Store
	alive bool
}

func (p prober) Alive(context.Context, *chain.Object) (bool, error) { return p.alive, nil }

func TestVerifyUnfinished(t *testing.T) {
	m := fullMill(t)
	m.root(2, 0)
	l := chain.Link{Version: 1, Kind: chain.KindData, Seq: 1, Attempt: "a", Owner: m.owner, Next: 5, Last: 4, Counts: chain.Counts{Read: 5, Written: 5}, Objects: []chain.Object{object(5, 0, 4)}}
	m.stage(2, &l, &l.Objects[0])
	if err := m.store.Put(t.Context(), m.id(2).Key(1), l.Encode()); err != nil {
		t.Fatal(err)
	}
	r := m.verify(shelf{Memory: m.store}, m.options())
	if len(r.Problems) > 0 || r.Partitions[2].Unfinished != 1 {
		t.Errorf("an upload waits to be completed: %+v", r.Problems)
	}
	// It is completed just after Verify has looked.
	view := m.store.View(func(call, _ string) chaintest.Fault {
		if call == "Uploads" {
			o := l.Objects[0]
			if err := m.store.Complete(t.Context(), &o, false); err != nil {
				t.Error(err)
			}
		}
		return chaintest.Fault{}
	})
	r = m.verify(shelf{Memory: view}, m.options())
	if len(r.Problems) > 0 || r.Partitions[2].Unfinished != 0 {
		t.Errorf("%+v", r.Problems)
	}
	m.store.Delete(l.Objects[0].Key)
	l.Objects[0] = object(5, 0, 4)
	m.stage(2, &l, &l.Objects[0])
	m.replace(m.id(2).Key(1), l.Encode())
	// Of a Store that can say nothing of uploads nothing is believed.
	for alive, want := range map[bool]int{true: 0, false: 1} {
		r = m.verify(prober{m.store, alive}, m.options())
		if len(r.Problems) != want {
			t.Errorf("%t: %+v", alive, r.Problems)
		}
	}
	if r = m.verify(struct{ chain.Store }{m.store}, m.options()); len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Text, "nobody knows whether its upload is") {
		t.Errorf("%+v", r.Problems)
	}
	// Links go on only behind what is finished: then it is lost, whatever the upload.
	seal := chain.Link{Version: 1, Kind: chain.KindSeal, Seq: 2, Attempt: "b", Owner: m.owner, From: 5, Next: 5, First: -1, Last: -1}
	if err := m.store.Put(t.Context(), m.id(2).Key(2), seal.Encode()); err != nil {
		t.Fatal(err)
	}
	r = m.verify(shelf{Memory: m.store}, m.options())
	if len(r.Problems) != 1 || r.Problems[0].Fault != chain.FaultLost || r.Problems[0].Records != 5 {
		t.Errorf("%+v", r.Problems)
	}
	m.store.Delete(m.id(2).Key(2))
	m.store.DropUpload(l.Objects[0].Upload)
	r = m.verify(shelf{Memory: m.store}, m.options())
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Text, "neither is its upload") {
		t.Errorf("%+v", r.Problems)
	}
}

// An object that was lost is written again by other batches: its blocks are others, its rows the same.
func TestVerifyMended(t *testing.T) {
	m := fullMill(t)
	body := append(rows(4), rows(5)...)
	m.replace(m.object(4, 0).Key, body) // link 5 is a seal
	r := m.verify(shelf{Memory: m.store}, m.options())
	if len(r.Problems) > 0 || r.Partitions[0].Mended != 1 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "it was lost and written again") {
		t.Errorf("%+v %q", r.Problems, r.Notes)
	}
	for _, body := range [][]byte{body[:len(body)-1], append(rows(4), rows(4)...)} {
		m.replace(m.object(4, 0).Key, body)
		if r := m.verify(shelf{Memory: m.store}, m.options()); len(r.Problems) != 1 || r.Problems[0].Fault != chain.FaultCorrupt {
			t.Errorf("%+v", r.Problems)
		}
	}
}

// A call that fails once is made again.
func TestVerifyRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fullMill(t)
		var mu sync.Mutex
		failed := map[string]bool{}
		view := m.store.View(func(call, key string) chaintest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if failed[call+key] {
				return chaintest.Fault{}
			}
			failed[call+key] = true
			return chaintest.Fault{Fate: chaintest.Refused}
		})
		o := m.options()
		o.Deep = true
		if r := m.verify(shelf{Memory: view}, o); len(r.Problems) > 0 || r.Totals().Records != 44 {
			t.Errorf("%+v", r.Problems)
		}
	})
}

func TestVerifyExpired(t *testing.T) {
	m := fullMill(t)
	for _, seq := range []int{1, 4} {
		m.store.Delete(m.object(seq, 0).Key)
	}
	o := m.options()
	o.From = time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC) // link 1 was made on the 2nd, link 4 on the 5th
	r := m.verify(shelf{Memory: m.store}, o)
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Text, "link 4) isn't there") || r.Partitions[0].Expired != 1 {
		t.Errorf("%+v, %d expired", r.Problems, r.Partitions[0].Expired)
	}
	// Links too; an object that they left is theirs.
	m.store.Delete(m.key(0))
	m.store.Delete(m.key(1))
	m.edit(4, func(l *chain.Link) { l.Made = "2026-01-03T00:00:00Z" })
	r = m.verify(shelf{Memory: m.store}, o)
	if len(r.Problems) > 0 || len(r.Notes) != 1 || r.Partitions[0].First != 20 {
		t.Errorf("%+v %q", r.Problems, r.Notes)
	}
	// A hole further up isn't expiry.
	m.store.Delete(m.key(3))
	if r = m.verify(shelf{Memory: m.store}, o); len(r.Problems) != 1 || r.Problems[0].Records != 5 {
		t.Errorf("%+v", r.Problems)
	}
}

// What other chains name is theirs, and so is what bears no tail.
func TestVerifyNeighbours(t *testing.T) {
	m := fullMill(t)
	main := m.options()
	for _, key := range []string{"lake/cars/README", "lake/cars/0/part-0001.json.gz", "lakes/x-0000000001-00000000.json"} {
		m.replace(key, []byte("x"))
	}
	o := main
	o.Chain = "v2"
	if r := m.verify(shelf{Memory: m.store}, o); len(r.Problems) > 0 || len(r.Partitions) > 0 {
		t.Errorf("another chain of the same prefix: %+v", r.Problems)
	}
	o.Data = []string{"lake/cars/"} // that chain's links aren't seen among the data
	if r := m.verify(shelf{Memory: m.store}, o); len(r.Problems) > 0 {
		t.Errorf("another chain's objects alone: %+v", r.Problems)
	}
	o = main
	o.Prefix = "lake/cars"
	if r := m.verify(shelf{Memory: m.store}, o); len(r.Problems) > 0 {
		t.Errorf("a chain whose data lies there too: %+v", r.Problems)
	}
	o = main
	o.Data = []string{""}
	if r := m.verify(shelf{Memory: m.store}, o); len(r.Problems) != 1 || !strings.HasPrefix(r.Problems[0].Text, "lakes/x-") {
		t.Errorf("the whole place: %+v", r.Problems)
	}
	// Names without a tail: whoever wrote them says so.
	o = main
	o.Unique = false
	tails := map[string]string{"lake/cars/0/part-0001.json.gz": "1f0a93c2"}
	if r := m.verify(shelf{m.store, tails}, o); len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Text, "part-0001.json.gz") {
		t.Errorf("names without a tail: %+v", r.Problems)
	}
	if r := m.verify(shelf{Memory: m.store}, o); len(r.Problems) > 0 {
		t.Errorf("names without a tail, of others: %+v", r.Problems)
	}
	tails = map[string]string{m.object(2, 0).Key: "0000beef"}
	if r := m.verify(shelf{m.store, tails}, main); len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Text, "it was written with tail 0000beef") {
		t.Errorf("another tail: %+v", r.Problems)
	}
	m.store.Delete(chain.OwnerKey("lake", "main"))
	if r := m.verify(shelf{Memory: m.store}, main); len(r.Problems) > 0 || len(r.Notes) != 1 || *r.Owner != m.owner {
		t.Errorf("without the owner: %+v %q", r.Problems, r.Notes)
	}
}

// A Store that only looks says whether an object is what it should be.
func TestVerifyByLookAlone(t *testing.T) {
	m := fullMill(t)
	m.replace(m.object(2, 0).Key, rows(8))
	r := m.verify(m.store, m.options())
	if len(r.Problems) != 1 || r.Problems[0].Fault != chain.FaultCorrupt || !strings.Contains(r.Problems[0].Text, "it is another object, or was changed") {
		t.Errorf("%+v", r.Problems)
	}
}

// A chain may go back below where it began.
func TestVerifyRewindBelowRoot(t *testing.T) {
	m := newMill(t)
	m.root(0, 10)
	m.put(0, chain.Link{Kind: chain.KindRewind, Next: 4})
	m.put(0, chain.Link{Kind: chain.KindData, Next: 12, Counts: chain.Counts{Read: 8, Buried: 8}})
	r := m.verify(m.store, m.options())
	if len(r.Problems) > 0 || r.Partitions[0].First != 4 || r.Partitions[0].Next != 12 {
		t.Errorf("%+v %+v", r.Problems, r.Partitions[0])
	}
}

func TestTotals(t *testing.T) {
	r := chain.Report{
		Partitions: []*chain.PartitionReport{{Counts: chain.Counts{Read: 1234567}}},
		Problems: []chain.Problem{
			{Fault: chain.FaultLost, Records: 1000}, {Fault: chain.FaultLost}, {Fault: chain.FaultRepeated, Records: 2}, {Fault: chain.FaultRepeated},
			{Fault: chain.FaultCorrupt}, {Fault: chain.FaultUnnamed, Records: 5}, {Fault: chain.FaultUnnamed}, {Fault: chain.FaultKafka},
		},
	}
	const want = "1 partition, 1,234,567 records: 1,001 lost, 3 repeated, 1 corrupt, 2 objects in no link, 1 contradiction to Kafka"
	if got := r.Totals().String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// What a process writes while Verify runs is no problem.
func TestVerifyWhileWriting(t *testing.T) {
	m := fullMill(t)
	o := m.options()
	o.Deep = true
	wrote := 0
	write := func(call, key string) chaintest.Fault {
		if wrote < 40 && (call == "List" || call == "Get") {
			wrote++
			last := m.links[0][len(m.links[0])-1]
			m.put(0, chain.Link{Kind: chain.KindData, Next: last.Next + 2, Counts: chain.Counts{Read: 2, Written: 2}, Objects: []chain.Object{object(2, last.Next, last.Next+1)}})
		}
		return chaintest.Fault{}
	}
	// One call at a time, so that writing is, too.
	one := make(chan struct{}, 1)
	view := m.store.View(func(call, key string) chaintest.Fault {
		one <- struct{}{}
		defer func() { <-one }()
		return write(call, key)
	})
	o.Logs = func(context.Context) ([]chain.Log, error) {
		one <- struct{}{}
		defer func() { <-one }()
		last := m.links[0][len(m.links[0])-1]
		log := chain.Log{Start: 10, End: last.Next, Committed: last.Next, Hint: chain.Hint{Chain: "main", Seq: last.Seq}}
		return m.logs(log, chain.Log{Partition: 1, End: 3, Committed: -1})(t.Context())
	}
	r := m.verify(shelf{Memory: view}, o)
	if len(r.Problems) > 0 || wrote < 10 {
		t.Errorf("%d links were put meanwhile: %+v", wrote, r.Problems)
	}
}

func TestVerifyErrors(t *testing.T) {
	m := fullMill(t)
	for _, call := range []string{"List", "Get"} {
		view := m.store.View(func(c, _ string) chaintest.Fault {
			if c == call {
				return chaintest.Fault{Fate: chaintest.Refused, Class: connector.Systemic}
			}
			return chaintest.Fault{}
		})
		if _, err := chain.Verify(t.Context(), shelf{Memory: view}, m.options()); connector.ClassOf(err) != connector.Systemic {
			t.Errorf("%s: %v", call, err)
		}
	}
	o := m.options()
	o.Deep = true
	if _, err := chain.Verify(t.Context(), m.store, o); err == nil {
		t.Error("deep without a Store that can be read")
	}
	o = m.options()
	broken := errors.New("no brokers")
	o.Logs = func(context.Context) ([]chain.Log, error) { return nil, broken }
	if _, err := chain.Verify(t.Context(), m.store, o); !errors.Is(err, broken) {
		t.Error(err)
	}
}
