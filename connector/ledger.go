package connector

import (
	"sync"
	"sync/atomic"
)

// A ledger knows which offsets of a partition are durable. Entries are in the order in
// which they were read; the watermark is the first offset that isn't done yet.
type ledger struct {
	mu      sync.Mutex
	entries []*entry // a queue: entries[head:] are not done
	head    int
	at      int64         // next offset after all entries that are done
	waiting int           // outputs not done
	blocked int           // of them, those that failed and those behind them
	changed chan struct{} // capacity 1: an entry was finished

	stalled atomic.Int64 // bytes of entries of which only such outputs are left

	// What windowed handlers still need.
	hold    holding
	pending int // outputs of closed windows that aren't durable yet
	next    holding
}

// A holding is an offset that the commit must not pass, with the handler's text for it.
type holding struct {
	offset int64
	meta   string
	ok     bool
}

// An entry is a batch that was handled: its outputs are on their way to the sink or to the dead letter.
type entry struct {
	outputs []Record
	fetched []Record // the batch as it came; nil if a windowed handler made it
	done    []uint64 // a bit per output
	waiting int
	blocked int   // of the outputs not done
	bytes   int64 // of memory
	stalled bool  // its bytes are in the ledger's
	first   int64 // offset of the batch's first record
	next    int64
	sealed  bool   // what isn't an output is done
	stuck   int64  // offset of a record that can be neither delivered nor buried; -1 if there is none
	window  bool   // made by a windowed handler: bounds nothing by itself
	finish  func() // gives the batch's memory back
}

func newLedger(at int64) *ledger { return &ledger{at: at, changed: make(chan struct{}, 1)} }

// add enters a handled batch. Until seal, it isn't done even when all outputs are.
func (l *ledger) add(e *entry) {
	e.waiting, e.stuck = len(e.outputs)+1, -1
	e.done = make([]uint64, (len(e.outputs)+63)/64)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting += len(e.outputs)
	if e.window {
		l.pending++
		return
	}
	l.entries = append(l.entries, e)
}

// seal says that whatever of the entry isn't an output is done: filtered, or in the dead letter.
func (l *ledger) seal(e *entry) {
	l.mu.Lock()
	e.sealed = true
	finished := l.settle(e, 1, nil)
	l.mu.Unlock()
	l.release(finished)
}

// stick says that the entry never gets past an offset.
func (l *ledger) stick(e *entry, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.stuck = offset
}

// moveTo sets the watermark: all below is durable. For ranges, which have no entries.
func (l *ledger) moveTo(at int64, meta string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.hold.meta = at, meta
}

// An item is one output on its way through a lane.
type item struct {
	e     *entry
	key   uint64 // of the sink; 0: order doesn't matter
	i     int32
	bytes int32 // of the record's key and value
}

func (it item) record() *Record { return &it.e.outputs[it.i] }

// ack says that the outputs are durable.
func (l *ledger) ack(items []item) {
	var finished []*entry
	l.mu.Lock()
	for _, it := range items {
		word, bit := &it.e.done[it.i/64], uint64(1)<<(it.i%64)
		if *word&bit != 0 {
			continue
		}
		*word |= bit
		l.waiting--
		finished = l.settle(it.e, 1, finished)
	}
	l.mu.Unlock()
	l.release(finished)
}

// block counts outputs that failed, or wait behind one that did (by 1), or do no longer (by -1).
func (l *ledger) block(items []item, by int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, it := range items {
		it.e.blocked += by
		l.blocked += by
		l.weigh(it.e)
	}
}

// weigh notes whether nothing of an entry is under way any more but what is blocked.
func (l *ledger) weigh(e *entry) {
	stalled := e.sealed && e.blocked > 0 && e.waiting == e.blocked
	switch {
	case stalled && !e.stalled:
		l.stalled.Add(e.bytes)
	case !stalled && e.stalled:
		l.stalled.Add(-e.bytes)
	}
	e.stalled = stalled
}

func (l *ledger) settle(e *entry, n int, finished []*entry) []*entry {
	e.waiting -= n
	l.weigh(e)
	if e.waiting > 0 {
		return finished
	}
	if e.window {
		l.pending--
		if l.pending == 0 {
			l.hold = l.next
		}
	}
	for l.head < len(l.entries) && l.entries[l.head].waiting == 0 {
		l.at = l.entries[l.head].next
		l.entries[l.head] = nil
		l.head++
	}
	if l.head == len(l.entries) {
		l.entries, l.head = l.entries[:0], 0
	} else if l.head > 1024 && l.head*2 > len(l.entries) {
		l.entries = append(l.entries[:0], l.entries[l.head:]...)
		l.head = 0
	}
	return append(finished, e)
}

func (l *ledger) release(finished []*entry) {
	if len(finished) == 0 {
		return
	}
	for _, e := range finished {
		if e.finish != nil {
			e.finish()
		}
	}
	l.signal()
}

// signal says that there may be room for more.
func (l *ledger) signal() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// setHold notes what windowed handlers hold now. While outputs of closed windows
// are under way, the older hold stays in force.
func (l *ledger) setHold(h holding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = h
	if l.pending == 0 {
		l.hold = h
	} else if h.ok && (!l.hold.ok || h.offset < l.hold.offset) {
		l.hold = holding{offset: h.offset, meta: l.hold.meta, ok: true}
	}
}

// keepHold lets the hold that is in force bound the commit at an offset at most, before outputs of a closed window are added.
func (l *ledger) keepHold(offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.hold.ok || offset < l.hold.offset {
		l.hold = holding{offset: offset, meta: l.hold.meta, ok: true}
	}
}

// watermark is the first offset that isn't durable, and the text to commit with it.
func (l *ledger) watermark() (int64, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.at
	if l.head < len(l.entries) {
		w = max(w, l.entries[l.head].low())
	}
	if l.hold.ok {
		w = min(w, l.hold.offset)
	}
	return w, l.hold.meta
}

// low is the first offset of an entry that isn't durable.
func (e *entry) low() int64 {
	low := e.next
	switch {
	case e.stuck >= 0:
		low = e.stuck
	case !e.sealed:
		return e.first
	}
	for i, word := range e.done {
		if word == ^uint64(0) {
			continue
		}
		for b := range min(64, len(e.outputs)-i*64) {
			if word&(1<<b) == 0 {
				return min(low, e.outputs[i*64+b].Offset)
			}
		}
	}
	return low
}

// durable reports whether nothing of an offset is left to do, although it isn't below the watermark.
func (l *ledger) durable(offset int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries[l.head:] {
		if offset < e.first || offset >= e.next {
			continue
		}
		if !e.sealed || e.stuck >= 0 && offset >= e.stuck {
			return false
		}
		for i := range e.outputs {
			if e.outputs[i].Offset == offset && e.done[i/64]&(1<<(i%64)) == 0 {
				return false
			}
		}
		return true
	}
	return false
}

// idle reports whether everything that was entered is done.
func (l *ledger) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head == len(l.entries) && l.pending == 0
}

// load is the number of outputs not done, and of those that aren't blocked.
func (l *ledger) load() (waiting, moving int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting, l.waiting - l.blocked
}

// abandon gives back the memory of what will never be done. Nobody borrows it any more. The watermark stays.
func (l *ledger) abandon() {
	l.mu.Lock()
	rest := l.entries[l.head:]
	if len(rest) > 0 {
		l.at = max(l.at, rest[0].low())
	}
	l.entries, l.head, l.waiting, l.blocked = nil, 0, 0, 0
	l.stalled.Store(0)
	l.mu.Unlock()
	for _, e := range rest {
		if e.finish != nil && e.waiting > 0 {
			e.finish()
		}
	}
}
