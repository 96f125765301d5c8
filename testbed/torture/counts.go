package torture

// Counts is what was found in a sink. All but the last two have to be 0.
type Counts struct {
	Records    int64 `json:"records"`            // that the sink has to hold
	Lost       int64 `json:"lost"`               // records, or keys, that it doesn't hold
	Duplicated int64 `json:"duplicated"`         // more than once; of an event bus: sent again although they were committed
	Corrupt    int64 `json:"corrupt"`            // changed, or nothing that was ever sent
	Reordered  int64 `json:"reordered"`          // behind a later one of the same partition, on a bus of the same key
	Phantom    int64 `json:"phantom"`            // that no reader may see: of aborted transactions, or filtered
	Stale      int64 `json:"stale"`              // keys that hold an older record than the last
	Unproven   int64 `json:"unproven"`           // problems by millrace verify --deep
	Repeated   int64 `json:"repeated,omitempty"` // events sent again while they weren't committed: what at-least-once allows
	Window     int64 `json:"window,omitempty"`   // the most offsets that such an event lay behind the newest of its partition
}

// Bad is the number of what has to be 0.
func (c *Counts) Bad() int64 {
	return c.Lost + c.Duplicated + c.Corrupt + c.Reordered + c.Phantom + c.Stale + c.Unproven
}

// Appended counts in files. Its methods are called by one goroutine.
type Appended struct {
	truth  *Truth
	want   func(seq int64) bool
	seen   []bool
	last   map[stream]int64
	counts Counts
}

// A stream is what is in order: the files of a folder, as far as they are of one partition.
type stream struct {
	folder    string
	partition int32
}

// NewAppended compares files with the wanted records.
func NewAppended(truth *Truth, want func(seq int64) bool) *Appended {
	return &Appended{truth: truth, want: want, seen: make([]bool, len(truth.places)), last: map[stream]int64{}}
}

// Add adds the next row of a folder, the files being read in the order of their names.
func (a *Appended) Add(folder string, p Payload, whole bool) {
	switch {
	case !whole:
		a.counts.Corrupt++
		return
	case p.Run != a.truth.Run || !a.truth.holds(p.Seq) || !a.want(p.Seq):
		a.counts.Phantom++
		return
	case a.seen[p.Seq]:
		a.counts.Duplicated++
		return
	}
	a.seen[p.Seq] = true
	s, offset := stream{folder, p.Partition}, a.truth.places[p.Seq].offset
	if last, ok := a.last[s]; ok && offset < last {
		a.counts.Reordered++
		return
	}
	a.last[s] = offset
}

// Done is the result.
func (a *Appended) Done() Counts {
	for seq := range a.seen {
		if !a.seen[seq] && a.truth.places[seq].there && a.want(int64(seq)) {
			a.counts.Lost++
		}
	}
	a.counts.Records = a.truth.count(a.want)
	return a.counts
}

// Keyed counts in a store that holds for each key the record that it found there, by number; -1 is none that was ever sent.
func Keyed(truth *Truth, want func(seq int64) bool, found map[string]int64) Counts {
	c := Counts{Records: truth.count(want)}
	known := 0
	for key, seqs := range truth.of {
		last := int64(-1)
		for _, seq := range seqs {
			if want(seq) {
				last = seq
			}
		}
		seq, there := found[key]
		if there {
			known++
		}
		switch {
		case last < 0 && there:
			c.Phantom++
		case last < 0 || there && seq == last:
		case !there:
			c.Lost++
		case !truth.holds(seq) || !want(seq):
			c.Corrupt++
		default:
			c.Stale++
		}
	}
	c.Phantom += int64(len(found) - known)
	return c
}
