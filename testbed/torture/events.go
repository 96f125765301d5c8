package torture

import "time"

// An Event is one that an event bus took.
type Event struct {
	Payload   Payload
	Whole     bool // nothing of the payload was changed
	Partition int32
	Offset    int64
	At        time.Time // when the request came
}

// Events counts on a bus, whose events come in the order in which it took them. A bus may get an event again as long as its offset isn't
// committed: committed is what the watcher had seen then. slack is how many offsets below that an event may lie all the same, because a process that
// was paused doesn't know better.
func Events(truth *Truth, want func(seq int64) bool, events []Event, committed func(partition int32, at time.Time) int64, slack int64) Counts {
	c := Counts{Records: truth.count(want)}
	seen := make([]bool, len(truth.places))
	newest, ofKey := map[int32]int64{}, map[string]int64{}
	for i := range events {
		e := &events[i]
		seq := e.Payload.Seq
		switch {
		case !e.Whole:
			c.Corrupt++
			continue
		case e.Payload.Run != truth.Run || !truth.holds(seq) || !want(seq):
			c.Phantom++
			continue
		}
		if at := truth.places[seq]; at.partition != e.Partition || at.offset != e.Offset {
			c.Corrupt++
			continue
		}
		if !seen[seq] {
			if last, ok := ofKey[e.Payload.Key]; ok && e.Offset < last {
				c.Reordered++
			}
			seen[seq], ofKey[e.Payload.Key] = true, max(e.Offset, ofKey[e.Payload.Key])
			newest[e.Partition] = max(e.Offset, newest[e.Partition])
			continue
		}
		if e.Offset < committed(e.Partition, e.At)-slack {
			c.Duplicated++
			continue
		}
		c.Repeated++
		c.Window = max(c.Window, newest[e.Partition]-e.Offset)
	}
	for seq := range seen {
		if !seen[seq] && truth.places[seq].there && want(int64(seq)) {
			c.Lost++
		}
	}
	return c
}
