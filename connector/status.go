package connector

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// A State says how a partition is doing.
type State string

// The states.
const (
	StateRecovering State = "recovering" // finding where to read from
	StateRunning    State = "running"
	StateRetrying   State = "retrying" // something failed and is tried again
	StateBlocked    State = "blocked"  // somebody has to change something
	StateHalted     State = "halted"   // stopped at a record or a gap; others go on
)

// A Status is what a Connector is doing.
type Status struct {
	Name       string            `json:"name"`
	Partitions []PartitionStatus `json:"partitions"`
	Totals     map[Metric]int64  `json:"totals"`     // since the start, all partitions that were ever assigned
	Held       int64             `json:"held_bytes"` // memory charged to the budget
	Draining   bool              `json:"draining"`
	Error      string            `json:"error,omitempty"` // of reading, while it fails
}

// A PartitionStatus is what one partition is doing. Its counts begin with the assignment.
type PartitionStatus struct {
	Partition
	State     State     `json:"state"`
	Position  int64     `json:"position"`  // offset to process next
	Committed int64     `json:"committed"` // the group's offset, -1 if none
	End       int64     `json:"end"`       // end offset when last seen
	Read      int64     `json:"read"`
	ReadBytes int64     `json:"read_bytes"`
	Written   int64     `json:"written"`
	Filtered  int64     `json:"filtered"`
	Emitted   int64     `json:"emitted"`
	Buried    int64     `json:"buried"`
	Staged    int64     `json:"staged"` // records read into the open range
	Error     string    `json:"error,omitempty"`
	Since     time.Time `json:"since,omitzero"` // of State
}

// Lag is the number of offsets between what is committed, or being read if nothing is, and the end.
func (s *PartitionStatus) Lag() int64 {
	at := s.Committed
	if at < 0 {
		at = s.Position
	}
	return max(0, s.End-at)
}

// A Reporter is a Consumer or a DeadLetter that tells how its service treats it. It is looked for once, at New. Report
// may be called by any goroutine at any time, and waits for nothing.
type Reporter interface{ Report() Report }

// A Report is how a service treats a Consumer or a DeadLetter.
type Report struct {
	Principal  string   `json:"principal,omitempty"` // as whom it is used, as far as that is known: "User:alice", an ARN; never a secret
	Joined     bool     `json:"joined"`              // the group was joined, once at least
	Rebalances int64    `json:"rebalances"`          // times that the assignment changed
	Throttle   Throttle `json:"throttle"`            // of fetches, or of what is produced
}

// A Throttle is how long a service made its client wait because of a quota, since the start.
type Throttle struct {
	Requests int64         `json:"requests"` // answers that came, throttled or not
	Times    int64         `json:"times"`    // of them throttled
	Total    time.Duration `json:"total_ns"` // the average is Total by Requests
	Max      time.Duration `json:"max_ns"`
}

// Status says what the connector is doing. Any goroutine may call it at any time.
func (c *Connector) Status() Status {
	s := Status{Name: c.name, Draining: c.draining.Load()}
	if e := c.trouble.Load(); e != nil {
		s.Error = (*e).Error()
	}
	s.Held, s.Totals = c.share.held(), c.totals.all()
	for _, p := range *c.parts.Load() {
		ps := p.status.get()
		ps.Partition = p.Partition
		s.Partitions = append(s.Partitions, ps)
	}
	slices.SortFunc(s.Partitions, func(a, b PartitionStatus) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
	})
	return s
}

// totals are the counts of all partitions.
type totals struct {
	mu sync.Mutex
	n  map[Metric]int64
}

func (t *totals) add(m Metric, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = make(map[Metric]int64)
	}
	t.n[m] += n
}

func (t *totals) all() map[Metric]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.n)
}

// A statusCell holds a partition's status.
type statusCell struct {
	mu     sync.Mutex
	s      PartitionStatus
	warned time.Time // when a burial was last logged
}

func (c *statusCell) get() PartitionStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.s
}

func (c *statusCell) state() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.s.State
}

func (c *statusCell) set(f func(*PartitionStatus)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.s)
}

// note shows an error without changing the state.
func (c *statusCell) note(err error) { c.set(func(s *PartitionStatus) { s.Error = err.Error() }) }

// trouble shows an error that is being retried, and reports whether that is new.
func (c *statusCell) trouble(state State, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s.State == StateHalted {
		return false
	}
	changed := c.s.State != state
	c.s.State, c.s.Error = state, err.Error()
	if changed {
		c.s.Since = time.Now()
	}
	return changed
}

// recovered reports whether there was trouble.
func (c *statusCell) recovered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s.State != StateRetrying && c.s.State != StateBlocked {
		return false
	}
	c.s.State, c.s.Error, c.s.Since = StateRunning, "", time.Now()
	return true
}

// halt reports whether the partition was going until now.
func (c *statusCell) halt(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s.State == StateHalted {
		return false
	}
	c.s.State, c.s.Error, c.s.Since = StateHalted, err.Error(), time.Now()
	return true
}

// buried counts dead letters, and reports whether it is time to log one: the first, and then every 10 seconds.
func (c *statusCell) buried(n int, last Failure) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Buried += int64(n)
	if time.Since(c.warned) < 10*time.Second {
		return false
	}
	c.warned = time.Now()
	return true
}
