package resend

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/letter"
)

// A Guard is the dead letter of a replay: what fails again goes to the connector's own with the header letter.HeaderReplays, one higher
// than before, so that a record doesn't go round for ever.
type Guard struct {
	to connector.DeadLetter // nil: letters are counted only

	mu     sync.Mutex
	parts  map[source]*Part
	failed int64 // records
	groups letter.Groups
}

var _ connector.DeadLetter = (*Guard)(nil)

// NewGuard makes the Guard of a sealed spool's letters. to may be nil.
func NewGuard(s *Spool, to connector.DeadLetter) *Guard { return &Guard{to: to, parts: s.parts} }

// Bury passes the failures on with their header. After an error nothing was counted.
func (g *Guard) Bury(ctx context.Context, fs []connector.Failure) error {
	if g.to != nil {
		marked := make([]connector.Failure, len(fs))
		for i := range fs {
			marked[i] = g.mark(fs[i])
		}
		if err := g.to.Bury(ctx, marked); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range fs {
		f := &fs[i]
		l := letter.Letter{ID: f.ID, Topic: f.Source.Topic, Partition: f.Source.ID, Offset: f.Record.Offset, Timestamp: f.Record.Timestamp, Stage: string(f.Stage)}
		if f.Err != nil {
			l.Error = f.Err.Error()
		}
		g.groups.Add(&l)
		if e := g.entry(f); e != nil && !e.failed {
			e.failed = true
			g.failed++
		}
	}
	return nil
}

// mark is a failure with the header. Its record is a copy.
func (g *Guard) mark(f connector.Failure) connector.Failure {
	n := 1
	if e := g.entry(&f); e != nil {
		n += int(e.replays)
	}
	r := *f.Record
	r.Headers = append(slices.Clip(r.Headers), connector.Header{Name: letter.HeaderReplays, Value: strconv.AppendInt(nil, int64(n), 10)})
	f.Record = &r
	return f
}

func (g *Guard) entry(f *connector.Failure) *entry {
	p := g.parts[source{f.Source.Partition, f.Source.TopicID}]
	if p == nil {
		return nil
	}
	return p.find(f.Record.Offset)
}

// Failed is how many records failed again, and why.
func (g *Guard) Failed() (records int64, why []*letter.Group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed, g.groups.Sorted()
}
