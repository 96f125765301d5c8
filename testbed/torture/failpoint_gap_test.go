//go:build testbed

package torture

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// gapPoints are reached when a partition goes on behind records that are gone.
func gapPoints() []string { return []string{"gap.before", "gap.after"} }

// Records expire while no process runs, and the next one dies before or after the link that passes over them. At the end each record is there once, unless it
// lies in a gap that a link tells of; and gaps hold nothing but what had expired.
func TestFailpointsGap(t *testing.T) {
	binary, err := withFailpoints()
	if err != nil {
		t.Fatal(err)
	}
	rounds := int(max(2, scale(t)/5)) // a death at each of the points, 20 times
	gone := &expired{files: *newFiles(), deleted: map[int32][]int64{}, was: map[recordAt]int64{}}
	hurry := make(chan struct{})
	r := newRig(t, options{
		fault: "FailpointsGap", sinks: []sink{gone}, processes: 1, partitions: 3, records: int64(rounds) * 2000, produceFor: time.Duration(rounds) * 20 * time.Second, hurry: hurry,
		source: func(int) string { return ", instance_id: failing" },
	})
	r.binary = binary
	r.dieAt("offsets.after", 3)
	for i := range rounds {
		name := gapPoints()[i%2]
		gone.expire(r)
		if !r.dieAt(name, 1) {
			t.Errorf("%s wasn't reached", name)
		}
	}
	gone.remember(r)
	close(hurry)
	r.start(0)
	if missing := r.settleRest(); missing != "" {
		t.Fatal(missing)
	}
	gone.remember(r)
	results := r.results(int64(rounds))
	r.report(results)
}

// expired is files of a topic whose records go away.
type expired struct {
	files
	deleted map[int32][]int64  // by partition: the ends of what was deleted
	was     map[recordAt]int64 // the seq of every record that was ever seen
}

// A recordAt is where a record was.
type recordAt struct {
	partition int32
	offset    int64
}

func (e *expired) yaml(*rig) string {
	return fmt.Sprintf("on_gap: earliest\nsink: {file: {dir: %q, path: \"{topic}/{partition}/\", rotate: {age: 300ms}}}", e.dir)
}

// remember notes what the topic holds.
func (e *expired) remember(r *rig) {
	r.t.Helper()
	for at, value := range r.holds(r.run) {
		if p, whole := ParsePayload(value); whole && p.Seq < phantoms {
			e.was[at] = p.Seq
		}
	}
}

// expire deletes all that is there. No process runs.
func (e *expired) expire(r *rig) {
	r.t.Helper()
	e.remember(r)
	before := len(e.was)
	testbed.WaitUntil(r.t, 20*time.Second, "more records", func() bool {
		e.remember(r)
		return len(e.was) >= before+100
	})
	ends := map[int32]int64{}
	for at := range e.was {
		ends[at.partition] = max(ends[at.partition], at.offset+1)
	}
	for partition, end := range ends {
		r.kafka.DeleteRecords(r.t, r.run, partition, end)
		e.deleted[partition] = append(e.deleted[partition], end)
	}
}

// A gap is the offsets that a link passes over.
type gap struct{ From, To int64 }

// gaps are what the links say.
func (e *expired) gaps(r *rig) map[int32][]gap {
	r.t.Helper()
	found := map[int32][]gap{}
	e.eachLink(r, func(partition int32, text []byte) error {
		var link struct{ Gap *gap }
		err := json.Unmarshal(text, &link)
		if link.Gap != nil {
			found[partition] = append(found[partition], *link.Gap)
		}
		return err
	})
	return found
}

// count takes what was ever in the topic for the truth, but for the gaps.
func (e *expired) count(r *rig) Counts {
	r.t.Helper()
	gaps := e.gaps(r)
	truth, left := NewTruth(r.run), map[int64]bool{}
	inGap := 0
	for at, seq := range e.was {
		for int64(len(truth.places)) <= seq {
			truth.places = append(truth.places, place{})
		}
		truth.places[seq] = place{true, at.partition, at.offset}
		for _, g := range gaps[at.partition] {
			if at.offset >= g.From && at.offset < g.To {
				left[seq] = true
				inGap++
			}
		}
	}
	r.truth = truth
	c := e.countThose(r, func(seq int64) bool { return !left[seq] })
	for partition, of := range gaps {
		for _, g := range of {
			if !holdsOffset(e.deleted[partition], g.To) {
				r.t.Errorf("partition %d: a link passes over offsets %d to %d, and nothing was deleted up to there", partition, g.From, g.To)
			}
		}
	}
	if inGap == 0 {
		r.t.Error("no record lies in a gap: nothing was tried")
	}
	r.t.Logf("%d records were in the topic, %d of them in %d gaps", len(e.was), inGap, len(gaps))
	return c
}

// holdsOffset tells whether records were deleted up to an offset, or to a marker of a transaction behind it.
func holdsOffset(deleted []int64, to int64) bool {
	for _, end := range deleted {
		if to == end {
			return true
		}
	}
	return false
}

// settleRest waits until all is produced and written, as settle does for a topic that still holds what was produced.
func (r *rig) settleRest() (missing string) {
	r.t.Helper()
	if err := <-r.done; err != nil {
		r.t.Fatal(err)
	}
	r.ends = map[int32]int64{}
	for at := range r.holds(r.run) {
		r.ends[at.partition] = max(r.ends[at.partition], at.offset+1)
	}
	for _, s := range r.sinks {
		if missing = r.await(s); missing != "" {
			return missing
		}
	}
	r.stopWithin(0, time.Minute)
	r.stop()
	return ""
}

// values are the values in a topic.
func (r *rig) values(topic string) (values [][]byte) {
	r.t.Helper()
	for _, value := range r.holds(topic) {
		values = append(values, value)
	}
	return values
}

// holds is what a topic holds: committed records, by place.
func (r *rig) holds(topic string) map[recordAt][]byte {
	r.t.Helper()
	admin := r.kafka.Admin(r.t)
	ends, err := admin.ListCommittedOffsets(r.t.Context(), topic)
	if err != nil {
		r.t.Fatal(err)
	}
	starts, err := admin.ListStartOffsets(r.t.Context(), topic)
	if err != nil {
		r.t.Fatal(err)
	}
	left := map[int32]int64{}
	for partition, end := range ends[topic] {
		if starts[topic][partition].Offset < end.Offset {
			left[partition] = end.Offset
		}
	}
	client := r.kafka.Client(r.t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	defer client.Close()
	there := map[recordAt][]byte{}
	for len(left) > 0 {
		fetches := client.PollFetches(r.t.Context())
		if err := fetches.Err(); err != nil && !strings.Contains(err.Error(), "OFFSET_OUT_OF_RANGE") {
			r.t.Fatal(err)
		}
		fetches.EachRecord(func(k *kgo.Record) {
			if !k.Attrs.IsControl() && k.Offset < ends[topic][k.Partition].Offset {
				there[recordAt{k.Partition, k.Offset}] = k.Value
			}
			if k.Offset+1 >= left[k.Partition] {
				delete(left, k.Partition)
			}
		})
	}
	return there
}
