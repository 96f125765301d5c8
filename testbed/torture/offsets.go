package torture

import (
	"slices"
	"sync"
	"time"
)

// Offsets remembers what groups had committed, and counts how often that moved back. It is safe for many goroutines.
type Offsets struct {
	mu          sync.Mutex
	seen        map[groupPartition][]seenOffset
	regressions map[string]int64
}

type groupPartition struct {
	group     string
	partition int32
}

// A seenOffset is when a committed offset was seen for the first time.
type seenOffset struct {
	at     time.Time
	offset int64
}

// See adds what a group has committed. at is the time of the answer: it was committed before.
func (o *Offsets) See(group string, partition int32, offset int64, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		o.seen, o.regressions = map[groupPartition][]seenOffset{}, map[string]int64{}
	}
	of := groupPartition{group, partition}
	before := o.seen[of]
	last := int64(-1)
	if len(before) > 0 {
		last = before[len(before)-1].offset
	}
	if offset < last {
		o.regressions[group]++
	}
	if offset != last {
		o.seen[of] = append(before, seenOffset{at, offset})
	}
}

// Regressions is how often a committed offset of a group moved back.
func (o *Offsets) Regressions(group string) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.regressions[group]
}

// Before is what a group had committed at a time, as far as that was seen, or -1.
func (o *Offsets) Before(group string, partition int32, at time.Time) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	of := o.seen[groupPartition{group, partition}]
	i, _ := slices.BinarySearchFunc(of, at, func(s seenOffset, at time.Time) int { return s.at.Compare(at) })
	if i == 0 {
		return -1
	}
	return of[i-1].offset
}

// MovedSince tells whether a group committed something after a time.
func (o *Offsets) MovedSince(group string, from time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for of, seen := range o.seen {
		if of.group == group && len(seen) > 0 && seen[len(seen)-1].at.After(from) {
			return true
		}
	}
	return false
}
