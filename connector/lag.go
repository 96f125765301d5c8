package connector

import "time"

// A backlog knows how long the records of a partition that aren't committed have waited, and how fast what is to
// be read shrinks.
type backlog struct {
	marks   []mark
	newest  int64 // timestamp of the last record that was read and is committed, in ms; at first the time of the assignment
	samples []sample
}

// A mark stands for batches that were read one behind the other, and aren't all committed.
type mark struct {
	from, next     int64 // offsets
	oldest, newest int64 // timestamps of the first and the last record, in ms
}

// A sample is how far a partition was at a time.
type sample struct {
	at       time.Time
	read     int64 // records
	position int64
	behind   int64 // offsets not processed yet
}

const (
	closeMarks  = 1000            // ms: batches whose records are that close get one mark
	mostMarks   = 1024            // then each two become one
	sampleEvery = 5 * time.Second // at the most
	sampleSpan  = time.Minute
	atOnce      = 10.0 // seconds: what takes less is no backlog but work under way
)

// add notes a batch that was read.
func (b *backlog) add(from, next, oldest, newest int64) {
	last := len(b.marks) - 1
	if last >= 0 && max(newest-b.marks[last].oldest, b.marks[last].oldest-newest) < closeMarks {
		b.marks[last].next, b.marks[last].newest = next, newest
		return
	}
	if len(b.marks) == mostMarks {
		b.thin()
	}
	b.marks = append(b.marks, mark{from, next, oldest, newest})
}

// thin makes one mark of each two.
func (b *backlog) thin() {
	half := b.marks[:0]
	for i := 0; i+1 < len(b.marks); i += 2 {
		first, second := b.marks[i], b.marks[i+1]
		half = append(half, mark{first.from, second.next, first.oldest, second.newest})
	}
	b.marks = half
}

// commit forgets what lies below an offset.
func (b *backlog) commit(at int64) {
	n := 0
	for n < len(b.marks) && b.marks[n].next <= at {
		b.newest = b.marks[n].newest
		n++
	}
	b.marks = append(b.marks[:0], b.marks[n:]...)
}

// rewind forgets what will be read again, from an offset on.
func (b *backlog) rewind(from int64) {
	n := len(b.marks)
	for n > 0 && b.marks[n-1].from >= from {
		n--
		b.newest = b.marks[n].oldest
	}
	b.marks = b.marks[:n]
	if n > 0 && b.marks[n-1].next > from {
		b.marks[n-1].newest, b.marks[n-1].next = b.marks[n-1].at(from), from
	}
}

// at estimates the timestamp of an offset: records come evenly.
func (m *mark) at(offset int64) int64 {
	if offset <= m.from {
		return m.oldest
	}
	return m.oldest + int64(float64(m.newest-m.oldest)*float64(offset-m.from)/float64(max(m.next-1-m.from, 1)))
}

// waiting is for how many seconds the record at an offset has waited, or the next one if there is none.
func (b *backlog) waiting(offset int64, now time.Time) float64 {
	since := b.newest
	if len(b.marks) > 0 {
		since = b.marks[0].at(offset)
	}
	return max(0, float64(now.UnixMilli()-since)/1000)
}

// note takes a sample if it is time for one.
func (b *backlog) note(s sample) {
	if n := len(b.samples); n > 0 && s.at.Sub(b.samples[n-1].at) < sampleEvery {
		return
	}
	for len(b.samples) > 1 && s.at.Sub(b.samples[1].at) >= sampleSpan {
		b.samples = append(b.samples[:0], b.samples[1:]...)
	}
	b.samples = append(b.samples, s)
}

// pace is how many records were read per second since the oldest sample, and in how many seconds what is behind will be
// processed at that pace: -1 if it doesn't shrink.
func (b *backlog) pace(now sample) (rate, catchUp float64) {
	catchUp = -1
	if now.behind == 0 {
		catchUp = 0
	}
	if len(b.samples) == 0 {
		return 0, catchUp
	}
	before := b.samples[0]
	seconds := now.at.Sub(before.at).Seconds()
	if seconds <= 0 {
		return 0, catchUp
	}
	rate = max(0, float64(now.read-before.read)/seconds)
	behind, worked := float64(now.behind), float64(now.position-before.position)/seconds
	shrunk := float64(before.behind-now.behind) / seconds
	switch {
	case now.behind == 0:
	case worked > 0 && behind/worked <= atOnce:
		catchUp = behind / worked
	case worked > 0 && shrunk > 0:
		catchUp = behind / shrunk
	}
	return rate, catchUp
}
