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
	StateHalted     State = "halted"   // stopped at a record, at a gap or by the Breaker; others go on
	StatePaused     State = "paused"   // somebody asked for it
)

// A Status is what a Connector is doing.
type Status struct {
	Name       string            `json:"name"`
	Partitions []PartitionStatus `json:"partitions"`
	Totals     map[Metric]int64  `json:"totals"`     // since the start, all partitions that were ever assigned
	Held       int64             `json:"held_bytes"` // memory charged to the budget
	Draining   bool              `json:"draining"`
	Error      string            `json:"error,omitempty"`       // of reading, while it fails
	Consumer   *Report           `json:"consumer,omitempty"`    // nil if it is no Reporter
	DeadLetter *Report           `json:"dead_letter,omitempty"` // nil if there is none, or it is no Reporter
	Schemas    []SchemaStatus    `json:"schemas,omitempty"`     // that keys and values were decoded with so far
}

// A PartitionStatus is what one partition is doing. Its counts begin with the assignment.
type PartitionStatus struct {
	Partition
	State     State     `json:"state"`
	Position  int64     `json:"position"`  // offset to process next
	Committed int64     `json:"committed"` // the group's offset, -1 if none
	End       int64     `json:"end"`       // end offset when last seen, records of open transactions included
	Read      int64     `json:"read"`
	ReadBytes int64     `json:"read_bytes"`
	Written   int64     `json:"written"`
	Filtered  int64     `json:"filtered"`
	Emitted   int64     `json:"emitted"`
	Buried    int64     `json:"buried"`
	Staged    int64     `json:"staged"`               // records read into the open range
	Error     string    `json:"error,omitempty"`      // what troubles it
	LastError string    `json:"last_error,omitempty"` // also when that is over
	LastAt    time.Time `json:"last_error_at,omitzero"`
	Since     time.Time `json:"since,omitzero"` // of State

	// What Connector.Status makes of it.
	Held       int64   `json:"held_bytes"`         // memory of its records: fetched, in flight, in the open range
	Lag        int64   `json:"lag"`                // offsets between what is committed, or being read if nothing is, and the end
	LagSeconds float64 `json:"lag_seconds"`        // age of the first record that isn't committed; 0 without lag. Before anything was read: time since the assignment
	CatchUp    float64 `json:"catch_up_seconds"`   // until all up to the end is processed, at the pace of the last minute; -1 if that isn't shrinking
	ReadRate   float64 `json:"records_per_second"` // of the last minute
}

func (s *PartitionStatus) lag() int64 {
	at := s.Committed
	if at < 0 {
		at = s.Position
	}
	return max(0, s.End-at)
}

// sample is what the pace is computed from. What lies in an open range counts as processed.
func (s *PartitionStatus) sample(now time.Time) sample {
	return sample{at: now, read: s.Read, position: s.Position, behind: max(0, s.End-s.Position)}
}

// A Reporter is a Consumer or a DeadLetter that tells how its service treats it. It is looked for once, at New. Report
// may be called by any goroutine at any time, and waits for nothing.
type Reporter interface{ Report() Report }

// A Report is how a service treats a Consumer or a DeadLetter.
type Report struct {
	Principal  string   `json:"principal,omitempty"` // as whom it is used, as far as that is known: "User:alice", an ARN; never a secret
	Joined     bool     `json:"joined"`              // the group was joined, once at least
	Rebalances int64    `json:"rebalances"`          // times that the assignment changed
	Unknown    int      `json:"unknown,omitempty"`   // partitions that the group assigned, and of which the offsets are still being looked up
	Nothing    bool     `json:"nothing,omitempty"`   // no topic to read is there, so that there is no group to join yet
	Throttle   Throttle `json:"throttle"`            // of fetches, or of what is produced

	// Ends are the end offsets of a Consumer's partitions when it last asked for them; nil if it doesn't. Batches tell nothing of a partition
	// that is paused, or whose next records belong to a transaction that nobody ends.
	Ends map[Partition]int64 `json:"-"`
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
	s := Status{Name: c.name, Partitions: []PartitionStatus{}, Draining: c.draining.Load()}
	if e := c.trouble.Load(); e != nil {
		s.Error = (*e).Error()
	}
	s.Held, s.Totals = c.share.held(), c.totals.all()
	s.Consumer, s.DeadLetter = report(c.reporters.consumer), report(c.reporters.dead)
	s.Schemas = c.schemas()
	now := time.Now()
	for _, p := range *c.parts.Load() {
		if s.Consumer != nil {
			p.status.ends(s.Consumer.Ends[p.Partition])
		}
		ps := p.status.look(now)
		ps.Partition, ps.Held = p.Partition, p.held.Load()
		if p.stage != nil {
			ps.Held += p.stage.buffered.Load()
		}
		s.Partitions = append(s.Partitions, ps)
	}
	slices.SortFunc(s.Partitions, func(a, b PartitionStatus) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
	})
	return s
}

// reporters are the Reporters among what a Connector was made of; nil where there is none.
type reporters struct{ consumer, dead Reporter }

func findReporters(c Consumer, d DeadLetter) (r reporters) {
	r.consumer, _ = c.(Reporter)
	r.dead, _ = d.(Reporter)
	return r
}

// report asks a Reporter, if it is one.
func report(r Reporter) *Report {
	if r == nil {
		return nil
	}
	said := r.Report()
	return &said
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
	mu      sync.Mutex
	s       PartitionStatus
	backlog backlog
	warned  time.Time // when a burial was last logged
	paused  bool      // by an operator
}

// look is the status as it is now.
func (c *statusCell) look(now time.Time) PartitionStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.s
	s.ReadRate, s.CatchUp = c.backlog.pace(s.sample(now))
	if s.Lag = s.lag(); s.Lag > 0 {
		s.LagSeconds = c.backlog.waiting(s.Committed, now)
		if s.State != StateRunning {
			s.CatchUp = -1
		}
	}
	return s
}

// begin is the status of a new assignment.
func (c *statusCell) begin(a Assignment, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.State, c.s.Since = StateRecovering, now
	c.s.Position, c.s.Committed, c.s.End = a.Start, a.Committed, a.LogEnd
	c.backlog.newest = now.UnixMilli()
}

// ends notes an end offset that was asked for.
func (c *statusCell) ends(at int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.End = max(c.s.End, at)
}

// sample notes how far the partition is, for the pace.
func (c *statusCell) sample(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.backlog.note(c.s.sample(now))
}

// read notes a batch that was taken in, with records to be processed and bytes of their keys and values.
func (c *statusCell) read(source *Source, records []Record, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(records); n > 0 && source.Next > c.s.Committed {
		c.backlog.add(records[0].Offset, source.Next, written(&records[0]), written(&records[n-1]))
	}
	c.s.Position, c.s.End = source.Next, max(c.s.End, source.End)
	c.s.Read += int64(len(records))
	c.s.ReadBytes += bytes
}

// written is the time at which a record came, in ms: now, if it doesn't say.
func written(r *Record) int64 {
	if r.Timestamp > 0 {
		return r.Timestamp
	}
	return time.Now().UnixMilli()
}

// seek notes that reading begins at an offset, maybe again.
func (c *statusCell) seek(from int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.backlog.rewind(from)
	c.s.Position = from
	if c.s.State == StateRecovering {
		c.s.State, c.s.Since = c.calm(), time.Now()
	}
}

// committed notes the group's offset. While nothing else is wrong, an error of commits is over.
func (c *statusCell) committed(at int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.backlog.commit(at)
	c.s.Committed = at
	if c.s.State == c.calm() {
		c.s.Error = ""
	}
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
func (c *statusCell) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fails(err)
}

// fails is called under mu.
func (c *statusCell) fails(err error) {
	c.s.Error = err.Error()
	c.s.LastError, c.s.LastAt = c.s.Error, time.Now()
}

// trouble shows an error that is being retried, and reports whether that is new.
func (c *statusCell) trouble(state State, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s.State == StateHalted {
		return false
	}
	changed := c.s.State != state
	c.s.State = state
	c.fails(err)
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
	c.s.State, c.s.Error, c.s.Since = c.calm(), "", time.Now()
	return true
}

// halt reports whether the partition was going until now.
func (c *statusCell) halt(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.s.State == StateHalted {
		return false
	}
	c.s.State, c.s.Since = StateHalted, time.Now()
	c.fails(err)
	return true
}

// buried counts dead letters, and reports whether it is time to log one: the first, and then every 10 seconds.
func (c *statusCell) buried(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Buried += int64(n)
	if time.Since(c.warned) < 10*time.Second {
		return false
	}
	c.warned = time.Now()
	return true
}
