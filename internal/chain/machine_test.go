package chain_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
)

var id = chain.ID{Prefix: "lake", Chain: "main", Cluster: "c1", Topic: "cars", TopicID: [16]byte{15: 7}, Partition: 3}

func start(at int64) chain.Start {
	return chain.Start{At: at, Attempt: chain.NewAttempt(), Owner: chain.Owner{Connector: "cars", Group: "cars", Cluster: "c1"}}
}

func recoverFrom(t *testing.T, s chain.Store, st chain.Start) *chain.Recovery {
	t.Helper()
	r := chain.NewRecovery(id, st)
	if err := chain.Run(t.Context(), s, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// staged is an object whose upload has all its bytes.
func staged(t *testing.T, s chain.Store, seq int64, unique bool) chain.Object {
	t.Helper()
	o := chain.Object{Key: fmt.Sprintf("lake/cars-%d", seq), Tail: chain.NewTail(), Unique: unique, Rows: 1, Size: 3, Dir: id.Dir(), Seq: seq}
	if unique {
		o.Key += "-" + o.Tail
	}
	var err error
	if o.Upload, err = s.Begin(t.Context(), &o); err != nil {
		t.Fatal(err)
	}
	part, err := s.Write(t.Context(), &o, 1, 0, chain.Bytes{[]byte("abc")})
	if err != nil {
		t.Fatal(err)
	}
	o.Parts = []chain.Part{part}
	if err := s.Seal(t.Context(), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func data(seq, from, next int64, objects ...chain.Object) *chain.Link {
	return &chain.Link{
		Version: chain.Version, Kind: chain.KindData, Seq: seq, Attempt: chain.NewAttempt(),
		From: from, Next: next, First: from, Last: next - 1, Counts: chain.Counts{Read: next - from, Written: int64(len(objects))}, Objects: objects,
	}
}

func extend(t *testing.T, s chain.Store, l *chain.Link) error {
	t.Helper()
	return chain.Run(t.Context(), s, chain.NewExtension(id, l))
}

func TestChainBeginsAndGrows(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	if root := recoverFrom(t, m, start(40)).Link(); root.Kind != chain.KindRoot || root.Next != 40 {
		t.Fatalf("root %+v", root)
	}
	if root := recoverFrom(t, m, start(99)).Link(); root.Next != 40 {
		t.Errorf("a second recovery moved the root to %d", root.Next)
	}
	o := staged(t, m, 1, true)
	if m.Objects()[o.Key] != nil {
		t.Error("an upload is visible before its link")
	}
	if err := extend(t, m, data(1, 40, 50, o)); err != nil {
		t.Fatal(err)
	}
	if string(m.Objects()[o.Key]) != "abc" {
		t.Error("the object isn't visible after its link")
	}
	r := recoverFrom(t, m, start(0))
	if r.Link().Seq != 1 || r.Link().Next != 50 || len(r.Lost()) > 0 {
		t.Errorf("the chain ends with %+v, lost %v", r.Link(), r.Lost())
	}
}

// A rival's link wins: ours isn't put, our uploads are aborted, the rival's object stays.
func TestRivalWins(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	recoverFrom(t, m, start(0))
	theirs, ours := staged(t, m, 1, true), staged(t, m, 1, true)
	if err := extend(t, m, data(1, 0, 10, theirs)); err != nil {
		t.Fatal(err)
	}
	e := chain.NewExtension(id, data(1, 0, 12, ours))
	err := chain.Run(t.Context(), m, e)
	if connector.ClassOf(err) != connector.Lost {
		t.Fatalf("error %v of class %v, want lost", err, connector.ClassOf(err))
	}
	if len(m.Open()) != 0 || m.Objects()[ours.Key] != nil || m.Objects()[theirs.Key] == nil {
		t.Errorf("open %v, visible %v", m.Open(), m.Objects())
	}
}

// The reply to the put is lost: the same bytes are put again, and the link turns out to be ours.
func TestReplyIsLost(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	recoverFrom(t, m, start(0))
	lost := 3
	v := m.View(func(call, _ string) chaintest.Fault {
		if (call == "Put" || call == "Complete") && lost > 0 {
			lost--
			return chaintest.Fault{Fate: chaintest.Silent}
		}
		return chaintest.Fault{}
	})
	o := staged(t, v, 1, true)
	e := chain.NewExtension(id, data(1, 0, 10, o))
	runs := 0
	for err := errors.New("not run"); err != nil; runs++ {
		if err = chain.Run(t.Context(), v, e); err != nil && connector.ClassOf(err) != connector.Retryable {
			t.Fatal(err)
		}
	}
	if runs < 2 || m.Objects()[o.Key] == nil {
		t.Errorf("%d runs, visible %v", runs, m.Objects())
	}
}

// Who crashed behind its link is finished by the next one, also when the upload is complete already and forgotten.
func TestNextOneFinishes(t *testing.T) {
	for _, complete := range []bool{false, true} {
		m := chaintest.NewMemory(chaintest.Options{Forget: true})
		recoverFrom(t, m, start(0))
		o := staged(t, m, 1, true)
		l := data(1, 0, 10, o)
		if err := m.Put(t.Context(), id.Key(1), l.Encode()); err != nil {
			t.Fatal(err)
		}
		if complete {
			if err := m.Complete(t.Context(), &o, false); err != nil {
				t.Fatal(err)
			}
		}
		r := recoverFrom(t, m, start(0))
		if r.Link().Attempt != l.Attempt || len(r.Lost()) > 0 || m.Objects()[o.Key] == nil {
			t.Errorf("completed before: %v: link %+v, lost %v", complete, r.Link(), r.Lost())
		}
	}
}

// An upload of the newest link is gone: recovery says which, and mending writes it again under its key.
func TestUploadIsLost(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	recoverFrom(t, m, start(0))
	o := staged(t, m, 1, false)
	if err := m.Put(t.Context(), id.Key(1), data(1, 0, 10, o).Encode()); err != nil {
		t.Fatal(err)
	}
	m.DropUpload(o.Upload)
	r := recoverFrom(t, m, start(0))
	if len(r.Lost()) != 1 || r.Lost()[0].Key != o.Key {
		t.Fatalf("lost %v, want %s", r.Lost(), o.Key)
	}
	again := staged(t, m, 1, false)
	seal := data(2, 10, 10)
	seal.Kind = chain.KindSeal
	if err := chain.Run(t.Context(), m, chain.NewMending(id, []chain.Object{again}, seal)); err != nil {
		t.Fatal(err)
	}
	if m.Objects()[o.Key] == nil || recoverFrom(t, m, start(0)).Link().Seq != 2 {
		t.Error("the object isn't back, or the seal isn't there")
	}
}

// What somebody else wrote under a name without a tail is never overwritten.
func TestForeignObjectStops(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	recoverFrom(t, m, start(0))
	if err := m.Put(t.Context(), "lake/cars-1", []byte("theirs")); err != nil {
		t.Fatal(err)
	}
	err := extend(t, m, data(1, 0, 10, staged(t, m, 1, false)))
	if connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), "lake/cars-1") {
		t.Errorf("error %v", err)
	}
	if string(m.Objects()["lake/cars-1"]) != "theirs" {
		t.Error("it was overwritten")
	}
}

// A chain with a hole, or one that is missing although the group remembers it, stops with the key.
func TestDamagedChainStops(t *testing.T) {
	hint := func(seq int64) chain.Hint { return chain.Hint{Chain: "main", Dir: id.Dir(), Seq: seq} }
	moved := id
	moved.Prefix = "elsewhere"
	for name, c := range map[string]struct {
		remove []int64
		hint   chain.Hint
		want   string // "" is no error
	}{
		"whole":                    {nil, chain.Hint{}, ""},
		"whole, hint":              {nil, hint(2), ""},
		"hint of another chain":    {[]int64{0, 1, 2, 3}, chain.Hint{Chain: "other", Dir: moved.Dir(), Seq: 9}, ""},
		"hole":                     {[]int64{1}, chain.Hint{}, "link 1"},
		"hole below the hint":      {[]int64{1}, hint(2), ""},
		"no root":                  {[]int64{0}, chain.Hint{}, "link 0"},
		"hinted link is gone":      {[]int64{2}, hint(2), "link 2"},
		"end is gone":              {[]int64{2, 3}, hint(3), "missing"},
		"all gone":                 {[]int64{0, 1, 2, 3}, hint(3), "missing"},
		"all elsewhere":            {[]int64{0, 1, 2, 3}, chain.Hint{Chain: "main", Dir: moved.Dir(), Seq: 3}, "elsewhere/_millrace/main"},
		"hint from before it came": {nil, chain.Hint{Chain: "main", Dir: moved.Dir(), Seq: 3}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := chaintest.NewMemory(chaintest.Options{})
			recoverFrom(t, m, start(0))
			for seq := range int64(3) {
				if err := extend(t, m, data(seq+1, 10*seq, 10*seq+10, staged(t, m, seq+1, true))); err != nil {
					t.Fatal(err)
				}
			}
			for _, seq := range c.remove {
				m.Delete(id.Key(seq))
			}
			st := start(0)
			st.Hint = c.hint
			err := chain.Run(t.Context(), m, chain.NewRecovery(id, st))
			switch {
			case c.want == "" && err != nil:
				t.Errorf("error %v", err)
			case c.want != "" && (connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v of class %v, want a permanent one with %q", err, connector.ClassOf(err), c.want)
			}
		})
	}
}

// Uploads that nobody will complete are dropped; those that may be needed stay.
func TestCleaning(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	recoverFrom(t, m, start(0))
	orphan := staged(t, m, 1, true)
	if err := extend(t, m, data(1, 0, 10, staged(t, m, 1, true))); err != nil {
		t.Fatal(err)
	}
	named, next := staged(t, m, 2, true), staged(t, m, 3, true)
	if err := m.Put(t.Context(), id.Key(2), data(2, 10, 20, named).Encode()); err != nil {
		t.Fatal(err)
	}
	st := start(0)
	st.Clean = true
	recoverFrom(t, m, st)
	open := m.Open()
	if len(open) != 1 || open[0].Upload != next.Upload {
		t.Errorf("open uploads %v, want only %s: %s is dropped, %s completed", open, next.Upload, orphan.Upload, named.Upload)
	}
}

// The owner binds prefix and chain; a store that overwrites is found out.
func TestClaim(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	o := chain.Owner{Connector: "a", Group: "g", Cluster: "c"}
	for range 2 {
		if ok, err := chain.Claim(t.Context(), m, "s3://b", "lake", "main", o); err != nil || !ok {
			t.Fatalf("conditional %v, error %v", ok, err)
		}
	}
	for _, other := range []chain.Owner{{"b", "g", "c"}, {"a", "h", "c"}, {"a", "g", "d"}} {
		_, err := chain.Claim(t.Context(), m, "s3://b", "lake", "main", other)
		if connector.ClassOf(err) != connector.Fatal || !strings.Contains(err.Error(), `belongs to connector "a"`) {
			t.Errorf("owner %v: error %v", other, err)
		}
	}
	if ok, err := chain.Claim(t.Context(), m, "s3://b", "lake", "second", chain.Owner{Connector: "b", Group: "g", Cluster: "c"}); err != nil || !ok {
		t.Errorf("another chain: %v, %v", ok, err)
	}
}

func TestParseKey(t *testing.T) {
	if dir, seq, ok := chain.ParseKey(id.Key(12)); !ok || dir != id.Dir() || seq != 12 {
		t.Errorf("%s is %q %d %v", id.Key(12), dir, seq, ok)
	}
	for _, key := range []string{"", "x", "a/12.json", "a/0000000000000000001a.json", "a/00000000000000000012.json.gz", "a/-0000000000000000012.json", "a/99999999999999999999.json"} {
		if _, _, ok := chain.ParseKey(key); ok {
			t.Errorf("%q is taken for a link", key)
		}
	}
}
