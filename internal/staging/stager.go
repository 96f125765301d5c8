package staging

import (
	"context"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
)

// A Stager writes ranges of many partitions at once. It is safe for concurrent use, with one goroutine for each connector.Staged.
type Stager struct {
	o       Options
	open    atomic.Int64 // files that grow, of all partitions
	scratch sync.Pool    // *[]byte for compressed blocks

	claim   claim
	commits chan struct{} // holds a value for each commit that is making calls

	mu       sync.Mutex
	standing map[connector.Partition]*standing // as the last Recover or Commit left it
}

var _ connector.Stager = (*Stager)(nil)

// A standing is where a partition stands in its chain. It never changes.
type standing struct {
	id      chain.ID
	owner   chain.Owner
	plan    string
	plain   bool  // there is no chain: the store overwrites
	seq     int64 // number of the newest link; -1 if plain
	next    int64 // its Next
	objects bool  // it has some, which nobody may delete yet
	rewind  int64
	lost    []chain.Object // objects of the newest link that have to be written again first
}

// at is the number of the next range.
func (s *standing) at() int64 { return s.seq + 1 }

// after is where the partition stands behind a link of ours.
func (s *standing) after(l *chain.Link) *standing {
	c := *s
	c.seq, c.next, c.objects, c.lost = l.Seq, l.Next, len(l.Objects) > 0, nil
	return &c
}

// position is where reading goes on.
func (s *standing) position() connector.Position {
	at := connector.Position{At: s.at(), ReadFrom: s.next}
	if !s.plain {
		at.Meta = chain.Hint{Chain: s.id.Chain, Dir: s.id.Dir(), Seq: s.seq}.Encode()
	}
	return at
}

// New makes a Stager. It touches nothing before the first Recover.
func New(o Options) *Stager {
	s := &Stager{o: o, standing: make(map[connector.Partition]*standing), commits: make(chan struct{}, maxCommits)}
	s.claim.turn = make(chan struct{}, 1)
	return s
}

// maxCommits is how many partitions commit at a time. A request that waits for its connection holds some 50 KiB, and by age
// hundreds of partitions may be due at once.
const maxCommits = 16

// enter waits for a turn to commit; leave ends it.
func (s *Stager) enter(ctx context.Context) error {
	select {
	case s.commits <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Stager) leave() { <-s.commits }

// Close closes the Store, if that can be closed.
func (s *Stager) Close() error {
	if c, ok := s.o.Store.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Rotation is the same for every topic.
func (s *Stager) Rotation(string) connector.Rotation { return s.o.Rotation }

// Stage begins a range at a position that Recover or Commit gave. It calls nobody.
func (s *Stager) Stage(_ context.Context, p connector.Partition, at connector.Position, r connector.Retrier) (connector.Staged, error) {
	s.mu.Lock()
	st := s.standing[p]
	s.mu.Unlock()
	if st == nil || st.at() != at.At {
		return nil, connector.Lost.Errorf("partition %s isn't at number %d any more: it was assigned again", p, at.At)
	}
	w := writing{Stager: s, standing: st, partition: p, unique: s.o.Path.Unique || st.plain, retry: r}
	if s.o.Columns != nil {
		w.columns = s.o.Columns(p.Topic, st.id.ColumnsKey())
	}
	if len(st.lost) > 0 {
		return newMending(w), nil
	}
	return &staged{writing: w, paths: make(map[place]*file)}, nil
}

// moved notes where a partition stands. Should another assignment of it have gone on meanwhile, its next Stage is refused, and it recovers.
func (s *Stager) moved(p connector.Partition, to *standing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standing[p] = to
}

// full is a key as people know it.
func (s *Stager) full(key string) string {
	return strings.TrimSuffix(s.o.Place, "/") + "/" + key
}
