package staging

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/failpoint"
)

// A claim is what a Stager finds out once, before its first recovery.
type claim struct {
	turn        chan struct{} // holds a value while somebody has its turn
	done        bool
	conditional bool     // the store never overwrites, so there can be a chain
	notes       []string // not told yet
}

// Recover finishes what was left unfinished and finds the end of the partition's chain, or begins the chain. Where it
// ends outranks the group's offset.
func (s *Stager) Recover(ctx context.Context, a connector.Assignment) (connector.Position, error) {
	owner := chain.Owner{Connector: a.Connector, Group: a.Group, Cluster: a.ClusterID}
	conditional, err := s.claimed(ctx, owner)
	if err != nil {
		return connector.Position{}, err
	}
	failpoint.Here("recover.claimed")
	st := &standing{
		id: chain.ID{
			Prefix: s.o.Prefix, Chain: s.o.Chain, Cluster: a.ClusterID, Topic: a.Topic, TopicID: a.TopicID, Partition: a.ID,
		},
		owner: owner, plan: a.Plan, plain: !conditional, seq: -1, next: a.Start,
	}
	at := st.position()
	if conditional {
		if st, at, err = s.find(ctx, a, st); err != nil {
			return connector.Position{}, err
		}
	}
	s.moved(a.Partition, st)
	at.Notes = append(s.untold(), at.Notes...)
	return at, nil
}

// claimed binds the chain to its owner, once; the first call inspects the place before.
func (s *Stager) claimed(ctx context.Context, owner chain.Owner) (conditional bool, err error) {
	c := &s.claim
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-c.turn }()
	if c.done {
		return c.conditional, nil
	}
	if id := owner.Cluster; id == "" || id[0] == '.' || strings.ContainsAny(id, "/\x00") {
		return false, connector.Fatal.Errorf("the brokers give the cluster id %q, and links can't be kept in a folder of that name", id)
	}
	var notes []string
	if s.o.Inspect != nil {
		if notes, err = s.o.Inspect(ctx); err != nil {
			return false, err
		}
	}
	c.conditional, err = chain.Claim(ctx, s.o.Store, s.o.Place, s.o.Prefix, s.o.Chain, owner)
	if err != nil {
		return false, err
	}
	if !c.conditional {
		notes = append(notes, fmt.Sprintf("%s overwrites what is there although it was asked not to, so no chain of links can be kept: "+
			"files are written at least once, without links", s.o.Place))
	}
	c.notes, c.done = notes, true
	return c.conditional, nil
}

// untold are the notes that no Position brought yet.
func (s *Stager) untold() []string {
	s.claim.turn <- struct{}{}
	defer func() { <-s.claim.turn }()
	notes := s.claim.notes
	s.claim.notes = nil
	return notes
}

// A promise is what is kept with the group's offset, and whether it is about this chain.
type promise struct {
	hint  chain.Hint
	given bool // there is a hint
	ours  bool // it is of this chain
}

func promised(a *connector.Assignment, id chain.ID) promise {
	if a.Recreated {
		return promise{}
	}
	hint, ok := chain.DecodeHint(a.Meta)
	return promise{hint: hint, given: ok, ours: ok && hint.Chain == id.Chain && hint.Dir == id.Dir()}
}

// find runs a recovery, and compares where the chain ends with the group's offset.
func (s *Stager) find(ctx context.Context, a connector.Assignment, st *standing) (*standing, connector.Position, error) {
	p := promised(&a, st.id)
	if a.Recreated {
		a.Committed = -1
	}
	from := a.Initial
	if a.Committed >= 0 && !p.given {
		from = a.Start
	}
	_, cleaner := s.o.Store.(chain.Cleaner)
	rec := chain.NewRecovery(st.id, chain.Start{
		Hint: p.hint, At: from, Attempt: chain.NewAttempt(), Owner: st.owner, Plan: st.plan, Made: now(), Clean: cleaner,
	})
	if err := chain.Run(ctx, s.o.Store, rec); err != nil {
		return nil, connector.Position{}, fmt.Errorf("recover the chain of %s in %s: %w", st.id, s.o.Place, err)
	}
	link := rec.Link()
	st = st.after(link)
	st.rewind = link.Rewind
	note, err := s.compare(&a, p, link, st)
	if err != nil {
		return nil, connector.Position{}, err
	}
	if lost := rec.Lost(); len(lost) > 0 {
		return s.mend(&a, link, st, lost, note)
	}
	if note != "" && a.Committed > link.Next && a.OnGap == connector.GapLatest {
		if st, err = s.skip(ctx, st, a.Committed); err != nil {
			return nil, connector.Position{}, err
		}
	}
	at := st.position()
	if note != "" {
		at.Notes = append(at.Notes, note)
	}
	return st, at, nil
}

// compare says what people should know of the group's offset, or why it stops the partition.
func (s *Stager) compare(a *connector.Assignment, p promise, link *chain.Link, st *standing) (note string, err error) {
	switch committed := a.Committed; {
	case committed < 0, p.given && !p.ours, committed == link.Next:
		return "", nil
	case committed < link.Next:
		if p.ours || link.Seq == 0 { // the link was put, and the process died before it committed the offset
			return "", nil
		}
		return fmt.Sprintf("the group's offset of %s, %d, is below the end of the chain, %d: ignored, nothing is written twice "+
			"(to write again: millrace rewind)", st.id, committed, link.Next), nil
	case p.ours && link.Rewind > p.hint.Seq, !p.given && link.Rewind > 0:
		return "", nil // it is of the time before the rewind
	}
	what := fmt.Sprintf("the group's offset of %s, %d, is above the end of the chain, %d (link %d in %s)",
		st.id, a.Committed, link.Next, link.Seq, s.full(st.id.Dir()))
	switch a.OnGap {
	case connector.GapEarliest:
		return what + ": reading goes on at the end of the chain (on_gap: earliest)", nil
	case connector.GapLatest:
		return fmt.Sprintf("%s: offsets %d to %d are left out (on_gap: latest)", what, link.Next, a.Committed-1), nil
	}
	return "", connector.Permanent.Errorf("%s, so that offsets %d to %d would be in no file. Set the group's offset to %d, "+
		"or set on_gap to earliest (go on at the end of the chain) or latest (leave them out)", what, link.Next, a.Committed-1, link.Next)
}

// skip puts a link that passes over the offsets up to to.
func (s *Stager) skip(ctx context.Context, st *standing, to int64) (*standing, error) {
	link := st.link(chain.KindGap)
	link.Next, link.Gap = to, &chain.Gap{From: link.From, To: to}
	if err := chain.Run(ctx, s.o.Store, chain.NewExtension(st.id, link)); err != nil {
		return nil, fmt.Errorf("put link %d of %s, a gap, in %s: %w", link.Seq, st.id, s.o.Place, err)
	}
	return st.after(link), nil
}

// mend asks for the records of the objects that are lost, if what is made of them can be trusted to be the same.
func (s *Stager) mend(a *connector.Assignment, link *chain.Link, st *standing, lost []chain.Object, note string) (*standing, connector.Position, error) {
	first, last := lost[0].First, lost[0].Last
	for i := range lost {
		first, last = min(first, lost[i].First), max(last, lost[i].Last)
	}
	what := fmt.Sprintf("link %d of %s names %s (offsets %d to %d), which isn't there, and whose upload is gone: it expired, or somebody aborted it",
		link.Seq, st.id, s.full(lost[0].Key), lost[0].First, lost[0].Last)
	if n := len(lost) - 1; n > 0 {
		what += fmt.Sprintf("; %d more of its files are lost, of offsets from %d to %d", n, first, last)
	}
	if link.Plan == "" || link.Plan != a.Plan {
		return nil, connector.Position{}, connector.Permanent.Errorf("%s. It is written again from Kafka only by the build and the settings "+
			"(decode, handlers, path, format, compression) that wrote it, and these are others: start those once, or write it again elsewhere with another chain", what)
	}
	st.lost = lost
	at := connector.Position{At: st.at(), ReadFrom: first, Until: last + 1, Meta: a.Meta, Notes: []string{what + ". It is written again from Kafka"}}
	if note != "" {
		at.Notes = append(at.Notes, note)
	}
	return st, at, nil
}

// link begins the link behind the newest: an empty one.
func (s *standing) link(k chain.Kind) *chain.Link {
	return &chain.Link{
		Version: chain.Version, Kind: k, Seq: s.at(), Attempt: chain.NewAttempt(), Owner: s.owner, Plan: s.plan,
		From: s.next, Next: s.next, First: -1, Last: -1, Rewind: s.rewind, Made: now(),
	}
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }
