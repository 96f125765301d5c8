package torture

import (
	"fmt"
	"math"
)

// A Truth is what the topic holds, read to its end by a consumer that skips what belongs to aborted transactions. Sinks are compared with it.
// It is made by one goroutine, and read by many then.
type Truth struct {
	Run     string
	Records int64

	places []place            // by seq
	of     map[string][]int64 // the seqs of a key, in order
}

// A place is where a record lies in the topic.
type place struct {
	there     bool
	partition int32
	offset    int64
}

// NewTruth is that of an empty topic.
func NewTruth(run string) *Truth { return &Truth{Run: run, of: map[string][]int64{}} }

// Add adds the next record of a partition. An error says that the topic itself isn't as the producer meant it.
func (t *Truth) Add(partition int32, offset int64, value []byte) error {
	p, ok := ParsePayload(value)
	switch {
	case !ok || p.Run != t.Run || p.Partition != partition:
		return fmt.Errorf("partition %d, offset %d holds no record of this run: %.200s", partition, offset, value)
	case t.holds(p.Seq):
		return fmt.Errorf("partition %d, offset %d: record %d is twice in the topic", partition, offset, p.Seq)
	}
	for int64(len(t.places)) <= p.Seq {
		t.places = append(t.places, place{})
	}
	before := t.of[p.Key]
	if len(before) > 0 && before[len(before)-1] > p.Seq {
		return fmt.Errorf("partition %d, offset %d: record %d came before record %d of the same key", partition, offset, before[len(before)-1], p.Seq)
	}
	t.places[p.Seq] = place{true, partition, offset}
	t.of[p.Key] = append(before, p.Seq)
	t.Records++
	return nil
}

func (t *Truth) holds(seq int64) bool {
	return seq >= 0 && seq < int64(len(t.places)) && t.places[seq].there
}

// All wants every record.
func All(int64) bool { return true }

// count is how many records are wanted.
func (t *Truth) count(want func(seq int64) bool) (n int64) {
	for seq := range t.places {
		if t.places[seq].there && want(int64(seq)) {
			n++
		}
	}
	return n
}

// SeqAt is the newest record of a key at a position, as far as Redis keeps it exactly, or -1.
func (t *Truth) SeqAt(key string, lng, lat float64) int64 {
	of := t.of[key]
	for i := len(of) - 1; i >= 0; i-- {
		p := NewPayload(t.Run, 1, of[i])
		if math.Abs(p.Lng-lng) < 1e-4 && math.Abs(p.Lat-lat) < 1e-4 {
			return of[i]
		}
	}
	return -1
}
