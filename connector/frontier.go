package connector

import "sync"

// A frontier is how far the lanes of a partition have begun. From the drain on nothing behind it is begun: what is only queued
// would hold up the group, and may be cut off in the middle. What lies before it is finished, or the next owner would write again what is done between.
type frontier struct {
	mu     sync.Mutex
	begun  int64 // highest offset of an output that was given to the Loader
	closed bool
}

// begin returns those of the items that may be given to the Loader now.
func (f *frontier) begin(items []item) []item {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		for _, it := range items {
			f.begun = max(f.begun, it.record().Offset)
		}
		return items
	}
	kept := make([]item, 0, len(items))
	for _, it := range items {
		if it.record().Offset <= f.begun {
			kept = append(kept, it)
		}
	}
	return kept
}

func (f *frontier) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
}
