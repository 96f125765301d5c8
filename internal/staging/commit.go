package staging

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/failpoint"
)

// Commit seals the range's files, puts the link that names them, and makes them visible.
func (s *staged) Commit(ctx context.Context, r connector.Range) (connector.Position, error) {
	if err := ctx.Err(); err != nil {
		return connector.Position{}, err
	}
	if err := s.settle(ctx); err != nil {
		return connector.Position{}, err
	}
	if s.idle(r) {
		return s.standing.position(), nil
	}
	if r.From != s.standing.next && !s.standing.plain {
		return connector.Position{}, connector.Lost.Errorf("the range of %s begins at offset %d, and its chain ends at %d", s.standing.id, r.From, s.standing.next)
	}
	if err := s.enter(ctx); err != nil {
		return connector.Position{}, err
	}
	defer s.leave()
	if err := s.sealAll(ctx, s.files); err != nil {
		return connector.Position{}, err
	}
	if err := s.announce(ctx, s.files); err != nil {
		return connector.Position{}, err
	}
	if s.standing.plain {
		return s.showAll(ctx, r)
	}
	if s.ext == nil {
		s.ext = chain.NewExtension(s.standing.id, s.link(r))
	}
	failpoint.Here("link.before")
	if err := chain.Run(ctx, s.o.Store, s.ext); err != nil {
		return connector.Position{}, s.extending(s.ext, err)
	}
	return s.committed(s.standing.after(s.ext.Link())), nil
}

// announce says what files there are going to be.
func (w *writing) announce(ctx context.Context, files []*file) error {
	if w.o.Announce == nil || len(files) == 0 {
		return nil
	}
	all := make([]Announced, len(files))
	for i, f := range files {
		w.give(f)
		all[i] = Announced{Key: f.object.Key, Columns: f.columns, Late: f.late}
	}
	notes, err := w.o.Announce(ctx, connector.Source{Partition: w.partition, TopicID: w.standing.id.TopicID, Connector: w.standing.owner.Connector}, all)
	w.notes = append(w.notes, notes...)
	return err
}

// extending says what failed.
func (w *writing) extending(e *chain.Extension, err error) error {
	return fmt.Errorf("put and finish link %d of %s in %s: %w", e.Link().Seq, w.standing.id, w.full(w.standing.id.Dir()), err)
}

// idle reports whether there is nothing to say: no new offset, and no file that a seal would free.
func (s *staged) idle(r connector.Range) bool {
	if len(s.files) > 0 || r.Next != r.From || r.Reason == connector.RotateGap {
		return false
	}
	return r.Reason != connector.RotateSeal || !s.standing.objects
}

// link is the link of the range. It is built once: what was sent never changes.
func (s *staged) link(r connector.Range) *chain.Link {
	kind := chain.KindData
	switch r.Reason {
	case connector.RotateGap:
		kind = chain.KindGap
	case connector.RotateSeal:
		kind = chain.KindSeal
	}
	l := s.standing.link(kind)
	l.From, l.Next, l.First, l.Last = r.From, r.Next, r.First, r.Last
	l.Counts = chain.Counts{Read: r.Read, Written: r.Written, Filtered: r.Filtered, Buried: r.Buried, Emitted: r.Emitted}
	if kind == chain.KindGap {
		l.Gap = &chain.Gap{From: r.From, To: r.Next}
	}
	for _, f := range s.files {
		l.Objects = append(l.Objects, f.object)
	}
	return l
}

// committed ends the range.
func (s *staged) committed(to *standing) connector.Position {
	s.moved(s.partition, to)
	at := to.position()
	at.Notes = s.notes
	for _, f := range s.files {
		at.Files = append(at.Files, f.object.Size)
		at.Rested += f.rested
		at.Dropped += f.dropped
	}
	s.forget()
	return at
}

// showAll completes the files where there is no chain. Their keys are unique, so nothing is overwritten.
func (s *staged) showAll(ctx context.Context, r connector.Range) (connector.Position, error) {
	err := each(s.files, func(f *file) error {
		if f.shown {
			return nil
		}
		if err := s.show(ctx, f); err != nil {
			return err
		}
		f.shown = true
		return nil
	})
	if err != nil {
		return connector.Position{}, err
	}
	to := *s.standing
	to.seq, to.next = to.at(), r.Next
	return s.committed(&to), nil
}

func (s *staged) show(ctx context.Context, f *file) error {
	err := s.o.Store.Complete(ctx, &f.object, false)
	if !errors.Is(err, chain.ErrMissing) {
		return err
	}
	// It was completed by a call whose answer was lost, or it is gone.
	sight, lookErr := s.o.Store.Look(ctx, &f.object)
	switch {
	case lookErr != nil:
		return lookErr
	case sight == chain.Ours:
		return nil
	}
	return connector.Lost.Wrap(err)
}

// Abort drops what is staged, unless a link that names it may have been put: then whoever recovers finishes it.
func (s *staged) Abort(ctx context.Context) error {
	files := s.files
	s.forget()
	if s.ext != nil && s.ext.Sent() {
		return nil
	}
	return s.abort(ctx, files)
}

// forget lets the files go.
func (s *staged) forget() {
	s.open.Add(-int64(len(s.paths)))
	clear(s.paths)
	s.files, s.full, s.last, s.raw, s.waiting, s.turned = nil, nil, nil, 0, 0, 0
}
