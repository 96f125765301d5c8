package connector

import "sync"

// A Budget bounds the bytes that the connectors of a process hold: fetched,
// queued, being encoded and in flight. Each connector has a reserved floor that no
// other can take; the rest is common. A connector that holds nothing may always take one fetch, so
// that a budget below a single fetch slows a connector but never stops it.
type Budget struct {
	mu       sync.Mutex
	total    int64
	reserved int64
	common   int64 // taken above the floors
	freed    chan struct{}
}

// NewBudget makes a budget of so many bytes.
func NewBudget(bytes int64) *Budget {
	return &Budget{total: bytes, freed: make(chan struct{})}
}

// A share is what one connector takes from a Budget.
type share struct {
	b     *Budget
	floor int64
	base  int64 // what the consumer fetches ahead, always
	used  int64 // under b.mu
}

// join reserves a floor, at most half of what isn't reserved yet, and charges what is always held.
func (b *Budget) join(floor, base int64) *share {
	b.mu.Lock()
	defer b.mu.Unlock()
	floor = max(0, min(floor, (b.total-b.reserved)/2))
	b.reserved += floor
	s := &share{b: b, floor: floor, base: base}
	s.add(base)
	return s
}

func (s *share) leave() {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.add(-s.used)
	s.b.reserved -= s.floor
	s.floor = 0
	s.b.wake()
}

func (s *share) above(n int64) int64 { return max(0, n-s.floor) }

// add changes what is used, under b.mu.
func (s *share) add(n int64) {
	s.b.common += s.above(s.used+n) - s.above(s.used)
	s.used += n
}

func (b *Budget) wake() {
	close(b.freed)
	b.freed = make(chan struct{})
}

// tryTake takes n bytes if there is room. If not, it returns a channel that is
// closed when there may be.
func (s *share) tryTake(n int64) (ok bool, freed <-chan struct{}) {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	more := s.above(s.used+n) - s.above(s.used)
	if s.used > s.base && more > s.b.total-s.b.reserved-s.b.common {
		return false, s.b.freed
	}
	s.add(n)
	return true, nil
}

// charge takes n bytes that are held already; n may be negative.
func (s *share) charge(n int64) {
	if n == 0 {
		return
	}
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.add(n)
	if n < 0 {
		s.b.wake()
	}
}

// rebase changes what is always held.
func (s *share) rebase(base int64) {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.add(base - s.base)
	s.base = base
	s.b.wake()
}

// full reports whether there is as much as the budget allows, and returns a channel that is closed when there may be less.
func (s *share) full() (bool, <-chan struct{}) {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	return s.b.common >= s.b.total-s.b.reserved, s.b.freed
}

// held is what this connector holds now.
func (s *share) held() int64 {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	return s.used
}
