package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
)

// verifyChunk is how many links are held at a time.
const verifyChunk = 512

// each calls do for 0 to n-1, many at a time, and returns the first error.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range n {
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}

// list calls found for every key that begins with prefix, in order.
func (v *verifier) list(ctx context.Context, prefix string, found func(key string)) error {
	for after := ""; ; {
		var keys []string
		var more bool
		err := Try(ctx, func() (err error) {
			keys, more, err = v.store.List(ctx, prefix, after, listPage)
			return err
		})
		if err != nil {
			return fmt.Errorf("list what begins with %q: %w", prefix, err)
		}
		for _, key := range keys {
			found(key)
			after = key
		}
		if !more || len(keys) == 0 {
			return nil
		}
	}
}

func (v *verifier) get(ctx context.Context, key string) (body []byte, err error) {
	err = Try(ctx, func() (err error) {
		body, err = v.store.Get(ctx, key)
		return err
	})
	if err != nil && !errors.Is(err, ErrMissing) {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return body, err
}

// findLinks finds the chains and the numbers of their links.
func (v *verifier) findLinks(ctx context.Context) error {
	var w *walk // keys of one folder follow each other
	return v.list(ctx, v.root, func(key string) {
		dir, seq, ok := ParseKey(key)
		if ok && (w == nil || w.dir != dir) {
			if n := v.begin(dir); n != nil {
				w = n
			} else {
				ok = false
			}
		}
		switch {
		case ok:
			w.seqs = append(w.seqs, seq)
		case key != OwnerKey(v.o.Prefix, v.o.Chain) && !isColumns(v.root, key):
			v.problem(Problem{Fault: FaultCorrupt, Key: key, Text: key + " is no link: only links, owner.json and columns.json may lie in this folder"})
		}
	})
}

func (v *verifier) readOwner(ctx context.Context) error {
	key := OwnerKey(v.o.Prefix, v.o.Chain)
	body, err := v.get(ctx, key)
	if errors.Is(err, ErrMissing) {
		if len(v.walks) > 0 {
			v.note("%s is missing, so another connector could write to this chain; the next start of its own puts it back", key)
		}
		return nil
	}
	if err != nil {
		return err
	}
	var owner Owner
	if err := json.Unmarshal(body, &owner); err != nil {
		v.problem(Problem{Fault: FaultCorrupt, Key: key, Text: fmt.Sprintf("%s can't be read: %v", key, err)})
		return nil
	}
	v.report.Owner = &owner
	return nil
}

// readLinks walks all chains.
func (v *verifier) readLinks(ctx context.Context) error {
	type job struct {
		w    *walk
		seq  int64
		link *Link
		err  error // of the link
	}
	var jobs []job
	walks := v.sorted()
	done, all := 0, 0
	flush := func() error {
		err := each(ctx, len(jobs), func(ctx context.Context, i int) error {
			j := &jobs[i]
			body, err := v.get(ctx, linkKey(j.w.dir, j.seq))
			if err != nil && !errors.Is(err, ErrMissing) {
				return err
			}
			if j.err = err; err == nil {
				j.link, j.err = DecodeLink(body, j.seq)
			}
			return nil
		})
		if err != nil {
			return err
		}
		var objects []*objectCheck
		for _, j := range jobs {
			objects = append(objects, j.w.add(j.seq, j.link, j.err)...)
		}
		if err := v.check(ctx, objects); err != nil {
			return err
		}
		if done += len(jobs); v.o.Progress != nil && len(jobs) > 0 {
			v.o.Progress(done, all)
		}
		jobs = jobs[:0]
		return nil
	}
	for _, w := range walks {
		all += len(w.seqs)
	}
	for _, w := range walks {
		for _, seq := range w.seqs {
			if jobs = append(jobs, job{w: w, seq: seq}); len(jobs) == verifyChunk {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	for _, w := range walks {
		w.end()
	}
	return nil
}

// A walk goes along one partition's links.
type walk struct {
	v    *verifier
	p    *PartitionReport
	dir  string
	seqs []int64

	next   int64 // where the next link has to begin; -1 if that isn't known
	want   int64 // its number
	rewind int64 // the newest rewind
	seals  map[int64]bool
	bad    []int64
	badErr error // of the first bad link; nil if it is missing
}

// begin begins a walk; nil if no chain can have that folder.
func (v *verifier) begin(dir string) *walk {
	p, id, ok := parseDir(v.root, dir)
	if !ok {
		return nil
	}
	p.Topic = v.topics[id]
	w := &walk{v: v, p: p, dir: dir, next: -1, seals: map[int64]bool{}}
	v.walks[dir] = w
	return w
}

func (w *walk) problem(f Fault, key string, r *Gap, records int64, format string, args ...any) {
	w.v.problem(Problem{Fault: f, Partition: w.p.Name(), Key: key, Range: r, Records: records, Text: fmt.Sprintf(format, args...)})
}

// add takes the next link, and returns the objects to look at. A link with an error is no link.
func (w *walk) add(seq int64, l *Link, err error) []*objectCheck {
	switch {
	case seq > w.want && w.want == 0 && w.p.Links == 0 && !w.v.o.From.IsZero():
		w.v.pruned = max(w.v.pruned, seq)
		w.v.note("the chain of partition %s begins with link %d: those before are taken for expired", w.p.Name(), seq)
	default:
		for n := w.want; n < seq; n++ {
			w.bad = append(w.bad, n)
		}
	}
	w.want = seq + 1
	if err != nil {
		if w.badErr == nil && !errors.Is(err, ErrMissing) {
			w.badErr = err
		}
		w.bad = append(w.bad, seq)
		return nil
	}
	w.join(l)
	w.account(l)
	for _, text := range malformed(l, w.rewind) {
		w.problem(FaultCorrupt, linkKey(w.dir, seq), &Gap{l.From, l.Next}, 0, "link %d of partition %s (offsets %s): %s", seq, w.p.Name(), span(l.From, l.Next), text)
	}
	w.owned(l)
	w.next, w.rewind = l.Next, l.Rewind
	return w.objects(l)
}

// join checks that a link begins where the one before ended.
func (w *walk) join(l *Link) {
	key := linkKey(w.dir, l.Seq)
	switch {
	case len(w.bad) > 0:
		w.hole(l)
	case w.next < 0: // the first
	case l.From > w.next:
		w.problem(FaultLost, key, &Gap{w.next, l.From}, l.From-w.next, "no link of partition %s speaks for offsets %s: link %d begins at %d, and the one before ends with %d",
			w.p.Name(), span(w.next, l.From), l.Seq, l.From, w.next-1)
	case l.From < w.next:
		w.problem(FaultRepeated, key, &Gap{l.From, w.next}, w.next-l.From, "two links of partition %s speak for offsets %s: link %d begins at %d, and the one before ends with %d",
			w.p.Name(), span(l.From, w.next), l.Seq, l.From, w.next-1)
	}
}

// hole reports links that are missing or can't be read. l is the one behind them, nil if there is none.
func (w *walk) hole(l *Link) {
	first, last := w.bad[0], w.bad[len(w.bad)-1]
	fault, state := FaultLost, "missing"
	if w.badErr != nil {
		fault, state = FaultCorrupt, fmt.Sprintf("unreadable (%v)", w.badErr)
	}
	key, what := linkKey(w.dir, first), fmt.Sprintf("link %d of partition %s is %s", first, w.p.Name(), state)
	if last > first {
		what = fmt.Sprintf("links %d to %d of partition %s are %s", first, last, w.p.Name(), strings.Replace(state, "unreadable", "missing or unreadable", 1))
	}
	w.bad, w.badErr = nil, nil
	before, after := w.next, int64(-1)
	if l != nil {
		after = l.From
		if w.next < 0 && w.p.Links == 0 {
			w.problem(fault, key, nil, 0, "%s (%s): nothing says where the chain began; the first link that is there begins at offset %d", what, key, after)
			return
		}
	}
	switch {
	case l == nil && before < 0:
		w.problem(fault, key, nil, 0, "%s (%s): no other link is there", what, key)
	case l == nil:
		w.problem(fault, key, nil, 0, "%s (%s): what it says of offsets from %d on isn't known", what, key, before)
	case l.Rewind > w.rewind && l.Rewind != l.Seq:
		w.problem(fault, key, nil, 0, "%s (%s), with a rewind among them: offsets %d and later were written, and then the chain went back to %d or below", what, key, before, after)
	case after > before:
		lost := after - before
		if fault == FaultCorrupt {
			lost = 0
		}
		w.problem(fault, key, &Gap{before, after}, lost, "%s (%s): nothing says what became of offsets %s", what, key, span(before, after))
	default:
		w.problem(fault, key, nil, 0, "%s (%s): the link before ends with offset %d, and the one behind begins at %d", what, key, before-1, after)
	}
}

// account adds what a link says to the report.
func (w *walk) account(l *Link) {
	p := w.p
	if p.First < 0 {
		p.First = l.From
	}
	if p.Topic == "" {
		p.Topic = l.Topic
	}
	p.Links++
	p.Next = l.Next
	p.Counts.Read += l.Counts.Read
	p.Counts.Written += l.Counts.Written
	p.Counts.Filtered += l.Counts.Filtered
	p.Counts.Buried += l.Counts.Buried
	p.Counts.Emitted += l.Counts.Emitted
	switch l.Kind {
	case KindData:
		p.NoRecord += max(l.Next-l.From-l.Counts.Read, 0)
	case KindSeal:
		w.seals[l.Seq] = true
	case KindGap:
		p.Gaps = append(p.Gaps, Gap{l.From, l.Next})
	case KindRewind:
		p.Rewinds = append(p.Rewinds, Gap{l.Next, l.From})
		p.First = min(p.First, l.Next)
	}
}

// owned checks that the chain's own connector put the link. It may have moved since: then its links lie in the folder of another cluster than
// the owner's.
func (w *walk) owned(l *Link) {
	owner := w.v.report.Owner
	if owner == nil {
		o := l.Owner
		owner, w.v.report.Owner = &o, &o
	}
	if l.Owner.Connector != owner.Connector || l.Owner.Group != owner.Group || l.Owner.Cluster != w.p.Cluster {
		w.problem(FaultCorrupt, linkKey(w.dir, l.Seq), &Gap{l.From, l.Next}, 0,
			"link %d of partition %s (offsets %s) is of connector %q with group %q in cluster %s, and the chain of connector %q with group %q in cluster %s",
			l.Seq, w.p.Name(), span(l.From, l.Next), l.Owner.Connector, l.Owner.Group, l.Owner.Cluster, owner.Connector, owner.Group, w.p.Cluster)
	}
}

// end reports what is wrong behind the last link that could be read.
func (w *walk) end() {
	if len(w.bad) > 0 {
		w.hole(nil)
	}
}

// span is a range in words: "4 to 9", "4".
func span(from, next int64) string {
	switch {
	case next <= from:
		return fmt.Sprintf("none (at %d)", next)
	case next == from+1:
		return fmt.Sprint(from)
	}
	return fmt.Sprintf("%d to %d", from, next-1)
}
