package staging

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/chain/chaintest"
)

// TestRivals: processes that know nothing of each other write one partition, calls fail, lose their answers and are applied late,
// and processes die anywhere. At the end each row is there once.
func TestRivals(t *testing.T) {
	const end = 300
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := chaintest.NewMemory(chaintest.Options{Forget: seed%2 == 0, MinPart: 30})
		path := []string{"data/{key}/", "data/{key}/{position}"}[seed/2%2]
		var mu sync.Mutex
		faulty := func(string, string) chaintest.Fault {
			mu.Lock()
			defer mu.Unlock()
			switch r.IntN(25) {
			case 0:
				return chaintest.Fault{Fate: chaintest.Refused}
			case 1:
				return chaintest.Fault{Fate: chaintest.Silent}
			case 2:
				return chaintest.Fault{Fate: chaintest.Late, After: 1 + r.IntN(40)}
			}
			return chaintest.Fault{}
		}
		play := &rivalry{t: t, r: r, m: m, end: end}
		for range 3 {
			play.all = append(play.all, &rival{open: func() *Stager {
				o := options(t, m.View(faulty), path)
				o.Rotation.Records, o.PartSize = int64(1+r.IntN(9)), int64(30*r.IntN(2))
				return New(o)
			}})
		}
		for range 400 {
			play.step(play.all[r.IntN(len(play.all))])
		}
		m.Land()
		o := options(t, m, path)
		last := &rival{open: func() *Stager { return New(o) }}
		for i := 0; !play.done && i < 1000; i++ {
			play.step(last)
		}
		if got := rows(t, m); !slices.Equal(got, counted(0, end)) {
			t.Fatalf("seed %d: %d rows, want %d: %q", seed, len(got), end, got)
		}
	}
}

type rivalry struct {
	t    *testing.T
	r    *rand.Rand
	m    *chaintest.Memory
	all  []*rival
	end  int64
	done bool
}

// A rival is a process.
type rival struct {
	open   func() *Stager
	stager *Stager
	staged connector.Staged
	at     connector.Position
	next   int64
	sealed bool // it has begun to commit, up to next
}

// step lets a process do something, or kills it.
func (p *rivalry) step(v *rival) {
	ctx := p.t.Context()
	once := func(ctx context.Context, _ string, try func(context.Context) error) error { return try(ctx) }
	switch {
	case v.stager == nil || p.r.IntN(40) == 0:
		*v = rival{open: v.open, stager: v.open()}
	case v.staged == nil:
		at, err := v.stager.Recover(ctx, assignment())
		if err != nil {
			p.check(err)
			return
		}
		if v.at, v.next = at, at.ReadFrom; at.ReadFrom == p.end {
			p.done = true
			return
		}
		v.staged, _ = v.stager.Stage(ctx, connector.Partition{Topic: "cars"}, at, once)
	case !v.sealed && v.next < p.end && p.r.IntN(3) > 0:
		to := min(p.end, v.next+int64(1+p.r.IntN(20)))
		if _, err := v.staged.Add(ctx, connectortest.Batch(p.t, "cars", 0, numbered(int(v.next), int(to), "a", "b", "c")...)); err != nil {
			p.drop(v, err)
			return
		}
		v.next = to
	default:
		v.sealed = true
		at, err := v.staged.Commit(ctx, connector.Range{From: v.at.ReadFrom, Next: v.next, Reason: connector.RotateAge})
		if err != nil && !final(err) && p.r.IntN(5) > 0 {
			return // it is tried again
		}
		if err != nil {
			p.drop(v, err)
			return
		}
		v.at, v.sealed = at, false
		v.staged, err = v.stager.Stage(ctx, connector.Partition{Topic: "cars"}, at, once)
		if err != nil {
			p.drop(v, err)
		}
		if p.done = at.ReadFrom == p.end; p.done {
			v.staged = nil
		}
	}
}

func (p *rivalry) drop(v *rival, err error) {
	p.check(err)
	if v.staged != nil {
		_ = v.staged.Abort(p.t.Context()) // it may fail, as any call
	}
	v.staged, v.sealed = nil, false
}

// check: nothing that can happen here may stop a partition.
func (p *rivalry) check(err error) {
	if c := connector.ClassOf(err); c == connector.Permanent || c == connector.Fatal {
		p.t.Fatal(err)
	}
}
