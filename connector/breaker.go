package connector

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Breaker stops a partition when too many of its records are dead-lettered: a wrong schema or rule must not empty a topic
// into the dead letter. It stops before the failures that would be too many are buried, so that they are read again. Only
// Connector.Resume starts the partition again, or a restart of the process. The zero value never stops one.
type Breaker struct {
	Share   float64       // most of the records read in a Window, 0.01 is 1 %; 0: no share is too many
	Least   int64         // so many records may be buried in a Window whatever their share
	Records int64         // most records buried in a Window; 0: no number is too many
	Window  time.Duration // that the counts are of
}

// DefaultBreaker stops a partition that would bury more than 100 records in a minute, or more than 10 if they are more than
// 1 % of those read.
func DefaultBreaker() Breaker {
	return Breaker{Share: 0.01, Least: 10, Records: 100, Window: time.Minute}
}

// WithBreaker sets when a partition stops because too many of its records are buried. Default: never; files have DefaultBreaker.
func WithBreaker(b Breaker) Option { return func(s *settings) { s.breaker = b } }

// on reports whether there is anything to watch.
func (b Breaker) on() bool { return b.Share > 0 || b.Records > 0 }

func (b Breaker) validate() error {
	if b.Share < 0 || b.Share > 1 || b.Least < 0 || b.Records < 0 || b.on() && b.Window <= 0 {
		return fmt.Errorf("breaker %+v: its share is between 0 and 1, its numbers aren't below 0, and its window is above 0", b)
	}
	return nil
}

// tooMany reports whether so many of the records that came may not be buried.
func (b Breaker) tooMany(buried, of int64) bool {
	return b.Records > 0 && buried > b.Records || b.Share > 0 && buried > b.Least && float64(buried) > b.Share*float64(of)
}

// String says what it allows: "at most 1 % (10 always) and 100 in 1m".
func (b Breaker) String() string {
	var most []string
	if b.Share > 0 {
		most = append(most, fmt.Sprintf("%s %% (%d always)", strconv.FormatFloat(b.Share*100, 'g', 6, 64), b.Least))
	}
	if b.Records > 0 {
		most = append(most, strconv.FormatInt(b.Records, 10))
	}
	return fmt.Sprintf("at most %s in %s", strings.Join(most, " and "), Duration(b.Window))
}

// slotsOf is how many slots the window of a watch has: what is older than the window is forgotten slot by slot.
const slotsOf = 12

// A watch counts for the Breaker what becomes of a partition's records. It outlives assignments: what tripped stays so. A nil watch
// counts nothing. Any goroutine may use it.
type watch struct {
	limit Breaker

	mu      sync.Mutex
	began   time.Time
	last    int64 // number of the newest slot
	slots   [slotsOf]slotCounts
	tripped error
}

type slotCounts struct{ read, settled, buried int64 }

func newWatch(b Breaker) *watch { return &watch{limit: b, began: time.Now()} }

// slot is the one of this time; those that the window has left are empty. Called under mu.
func (w *watch) slot() *slotCounts {
	now := int64(time.Since(w.began) * slotsOf / w.limit.Window)
	for n := max(w.last+1, now-slotsOf+1); n <= now; n++ {
		w.slots[n%slotsOf] = slotCounts{}
	}
	w.last = max(w.last, now)
	return &w.slots[w.last%slotsOf]
}

// read counts records that were read.
func (w *watch) read(n int) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slot().read += int64(n)
}

// settled counts records that a lane is done with, for better or worse. After an outage of the sink they are more than what was
// read in the window.
func (w *watch) settled(n int) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slot().settled += int64(n)
}

// admit counts failures that are about to be buried. An error says that none of them may be: the partition has to stop.
func (w *watch) admit(fs []Failure) error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tripped != nil {
		return w.tripped
	}
	n, f := int64(len(fs)), &fs[len(fs)-1]
	now := w.slot()
	var all slotCounts
	for _, s := range w.slots {
		all = slotCounts{all.read + s.read, all.settled + s.settled, all.buried + s.buried}
	}
	failed := all.buried + n
	of := max(all.read, all.settled, failed)
	if !w.limit.tooMany(failed, of) {
		now.buried += n
		return nil
	}
	w.tripped = Permanent.Errorf("the breaker stopped %s: %d of %d records failed for good in the last %s, and the setting breaker allows %s; "+
		"%d of them were buried, the others wait to be read again. One of them: record %s failed in %s: %w. "+
		"Correct the cause, or set breaker higher, and go on by: millrace resume %s",
		f.Source.Partition, failed, of, Duration(w.limit.Window), w.limit, all.buried, f.ID, f.Stage, plain(f.Err), f.Source.Partition)
	return w.tripped
}

// plain is err without its class and without what it wraps: the text is kept for long.
func plain(err error) error { return errors.New(err.Error()) }

// open is why the partition may not go on; nil if it may.
func (w *watch) open() error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tripped
}

// reset lets the partition go on, and begins to count anew.
func (w *watch) reset() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slots, w.tripped = [slotsOf]slotCounts{}, nil
}

// watch is the partition's in this process. Called under mu.
func (c *Connector) watch(p Partition) *watch {
	if !c.breaker.on() || c.dead == nil {
		return nil
	}
	w := c.watches[p]
	if w == nil {
		if c.watches == nil {
			c.watches = make(map[Partition]*watch)
		}
		w = newWatch(c.breaker)
		c.watches[p] = w
	}
	return w
}
