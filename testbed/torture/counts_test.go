package torture

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// a topic of 2 partitions and n records, the i-th of a partition at offset 2*i: every other offset is a marker of a transaction.
func topic(t *testing.T, n int64) *Truth {
	t.Helper()
	truth := NewTruth("run")
	next := map[int32]int64{}
	for seq := range n {
		p := NewPayload("run", 2, seq)
		if err := truth.Add(p.Partition, next[p.Partition], p.Value()); err != nil {
			t.Fatal(err)
		}
		next[p.Partition] += 2
	}
	return truth
}

const all = 6000 // three records a key

// rows are the values of all records, in order.
func rows() (values [][]byte) {
	for seq := range int64(all) {
		p := NewPayload("run", 2, seq)
		values = append(values, p.Value())
	}
	return values
}

func TestAppendedCounts(t *testing.T) {
	truth := topic(t, all)
	for name, c := range map[string]struct {
		want   func(int64) bool
		change func(values [][]byte) [][]byte
		counts Counts
	}{
		"nothing wrong":     {All, func(v [][]byte) [][]byte { return v }, Counts{Records: all}},
		"lost":              {All, func(v [][]byte) [][]byte { return append(v[:10:10], v[11:]...) }, Counts{Records: all, Lost: 1}},
		"the last one lost": {All, func(v [][]byte) [][]byte { return v[:all-1] }, Counts{Records: all, Lost: 1}},
		"doubled":           {All, func(v [][]byte) [][]byte { return append(v, v[5]) }, Counts{Records: all, Duplicated: 1}},
		"another text": {All, func(v [][]byte) [][]byte {
			v[7] = bytes.Replace(v[7], []byte(`"lng":`), []byte(`"lng":1`), 1)
			return v
		}, Counts{Records: all, Lost: 1, Corrupt: 1}},
		"half a line": {All, func(v [][]byte) [][]byte {
			v[7] = v[7][:len(v[7])/2]
			return v
		}, Counts{Records: all, Lost: 1, Corrupt: 1}},
		"reordered": {All, func(v [][]byte) [][]byte {
			v[100], v[5000] = v[5000], v[100]
			return v
		}, Counts{Records: all, Reordered: 1}}, // all between are behind the one that came too early
		"aborted": {All, func(v [][]byte) [][]byte {
			p := NewPayload("run", 2, 1<<40)
			return append(v, p.Value())
		}, Counts{Records: all, Phantom: 1}},
		"of another run": {All, func(v [][]byte) [][]byte {
			p := NewPayload("other", 2, 1)
			return append(v, p.Value())
		}, Counts{Records: all, Phantom: 1}},
		"filtered": {func(seq int64) bool { return seq != 3 }, func(v [][]byte) [][]byte { return v }, Counts{Records: all - 1, Phantom: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			counted := NewAppended(truth, c.want)
			for _, value := range c.change(rows()) {
				p, whole := ParsePayload(value)
				counted.Add("folder", p, whole)
			}
			got := counted.Done()
			if c.counts.Reordered > 0 && got.Reordered > 0 {
				got.Reordered = 1
			}
			if got != c.counts {
				t.Errorf("counted %+v, want %+v", got, c.counts)
			}
			if bad := got.Bad() > 0; bad != (name != "nothing wrong") {
				t.Errorf("bad: %v", bad)
			}
		})
	}
}

func TestKeyedCounts(t *testing.T) {
	truth := topic(t, all)
	final := func() map[string]int64 {
		found := map[string]int64{}
		for seq := range int64(all) {
			p := NewPayload("run", 2, seq)
			found[p.Key] = truth.SeqAt(p.Key, p.Lng, p.Lat)
		}
		return found
	}
	key := NewPayload("run", 2, all-1).Key
	for name, c := range map[string]struct {
		change func(found map[string]int64)
		counts Counts
	}{
		"nothing wrong":     {func(map[string]int64) {}, Counts{Records: all}},
		"lost":              {func(found map[string]int64) { delete(found, key) }, Counts{Records: all, Lost: 1}},
		"an older record":   {func(found map[string]int64) { found[key] -= keys }, Counts{Records: all, Stale: 1}},
		"changed":           {func(found map[string]int64) { found[key] = -1 }, Counts{Records: all, Corrupt: 1}},
		"an unknown key":    {func(found map[string]int64) { found["nobody"] = -1 }, Counts{Records: all, Phantom: 1}},
		"an aborted record": {func(found map[string]int64) { found[key] = 1 << 40 }, Counts{Records: all, Corrupt: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			found := final()
			c.change(found)
			if got := Keyed(truth, All, found); got != c.counts {
				t.Errorf("counted %+v, want %+v", got, c.counts)
			}
		})
	}
	even := func(seq int64) bool { return seq%2 == 0 }
	if got := Keyed(truth, even, final()); got.Phantom != keys/2 || got.Lost+got.Stale > 0 {
		t.Errorf("with half of the keys filtered: %+v", got)
	}
}

func TestEventCounts(t *testing.T) {
	truth := topic(t, all)
	began := time.Now()
	var offsets Offsets
	sent := func() (events []Event) {
		for seq := range int64(all) {
			at := truth.places[seq]
			events = append(events, Event{NewPayload("run", 2, seq), true, at.partition, at.offset, began.Add(time.Duration(seq) * time.Millisecond)})
		}
		return events
	}
	again := func(events []Event, seq int64, at time.Duration) []Event {
		e := events[seq]
		e.At = began.Add(at)
		return append(events, e)
	}
	events := sent()
	offsets.See("group", events[1000].Partition, events[1000].Offset+1, began.Add(1100*time.Millisecond))
	committed := func(p int32, at time.Time) int64 { return offsets.Before("group", p, at) }
	for name, c := range map[string]struct {
		change func(events []Event) []Event
		slack  int64
		counts Counts
	}{
		"nothing wrong":               {func(e []Event) []Event { return e }, 0, Counts{Records: all}},
		"lost":                        {func(e []Event) []Event { return append(e[:10:10], e[11:]...) }, 0, Counts{Records: all, Lost: 1}},
		"again before it's committed": {func(e []Event) []Event { return again(e, 1000, time.Second) }, 0, Counts{Records: all, Repeated: 1, Window: truth.places[all-1].offset - truth.places[1000].offset}},
		"again after it's committed":  {func(e []Event) []Event { return again(e, 1000, 2*time.Second) }, 0, Counts{Records: all, Duplicated: 1}},
		"again by a zombie":           {func(e []Event) []Event { return again(e, 1000, 2*time.Second) }, 10, Counts{Records: all, Repeated: 1, Window: truth.places[all-1].offset - truth.places[1000].offset}},
		"changed": {func(e []Event) []Event {
			e[3].Whole = false
			return e
		}, 0, Counts{Records: all, Lost: 1, Corrupt: 1}},
		"says another offset": {func(e []Event) []Event {
			e[3].Offset++
			return e
		}, 0, Counts{Records: all, Lost: 1, Corrupt: 1}},
		"a key's records reordered": {func(e []Event) []Event {
			e[5], e[5+keys] = e[5+keys], e[5]
			return e
		}, 0, Counts{Records: all, Reordered: 1}},
		"aborted": {func(e []Event) []Event {
			return append(e, Event{Payload: NewPayload("run", 2, 1<<40), Whole: true})
		}, 0, Counts{Records: all, Phantom: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Events(truth, All, c.change(sent()), committed, c.slack)
			if got.Repeated > 0 && c.counts.Window != 0 {
				c.counts.Window = got.Window // of the partition's newest, whichever that is
			}
			if got != c.counts {
				t.Errorf("counted %+v, want %+v", got, c.counts)
			}
		})
	}
}

func TestOffsetsThatMoveBack(t *testing.T) {
	var o Offsets
	began := time.Now()
	for i, offset := range []int64{5, 5, 9, 9, 8, 12} {
		o.See("group", 1, offset, began.Add(time.Duration(i)*time.Second))
	}
	o.See("group", 2, 1, began)
	o.See("other", 1, 7, began)
	if n := o.Regressions("group"); n != 1 {
		t.Errorf("%d regressions, want 1", n)
	}
	if n := o.Regressions("other"); n != 0 {
		t.Errorf("%d regressions of another group", n)
	}
	for after, want := range map[time.Duration]int64{0: -1, time.Millisecond: 5, 2*time.Second + 1: 9, 5 * time.Second: 8, time.Hour: 12} {
		if got := o.Before("group", 1, began.Add(after)); got != want {
			t.Errorf("committed after %s: %d, want %d", after, got, want)
		}
	}
	if o.MovedSince("other", began) || !o.MovedSince("group", began.Add(4*time.Second)) {
		t.Error("when a group moved isn't right")
	}
}

// A topic that isn't what the producer meant is no truth.
func TestTruthRefuses(t *testing.T) {
	for name, value := range map[string]func() (int32, []byte){
		"a record twice":        func() (int32, []byte) { p := NewPayload("run", 2, 1); return p.Partition, p.Value() },
		"another run":           func() (int32, []byte) { p := NewPayload("x", 2, 9000); return p.Partition, p.Value() },
		"the wrong partition":   func() (int32, []byte) { p := NewPayload("run", 2, 9000); return 1 - p.Partition, p.Value() },
		"no payload":            func() (int32, []byte) { return 0, []byte("x") },
		"an older one of a key": func() (int32, []byte) { p := NewPayload("run", 2, 0); return p.Partition, p.Value() },
	} {
		truth := NewTruth("run")
		for _, seq := range []int64{1, keys} { // of seq's key there is a later one
			p := NewPayload("run", 2, seq)
			if err := truth.Add(p.Partition, seq, p.Value()); err != nil {
				t.Fatal(err)
			}
		}
		partition, v := value()
		if err := truth.Add(partition, 99_999, v); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestTableFits(t *testing.T) {
	var lines, table bytes.Buffer
	good := Result{Fault: "CooperativeStatic", Sink: "dynamo-fast", Runs: 200, Counts: Counts{Records: 1_000_000, Repeated: 123_456}, Seconds: 1234.5}
	bad := good
	bad.OffsetRegressions = 1
	if err := good.WriteLine(&lines); err != nil {
		t.Fatal(err)
	}
	if ok, err := PrintTable(&table, strings.NewReader(lines.String())); err != nil || !ok {
		t.Errorf("a good line: %v, %v", ok, err)
	}
	for line := range strings.Lines(table.String()) {
		if n := len(line) - 1; n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if err := bad.WriteLine(&lines); err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"a bad line": lines.String(), "no line": "", "no JSON": "x\n"} {
		if ok, _ := PrintTable(&table, strings.NewReader(text)); ok {
			t.Errorf("%s is well", what)
		}
	}
	if want := fmt.Sprint(bad.Bad()); want != "1" {
		t.Errorf("bad is %s", want)
	}
}
