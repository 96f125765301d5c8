package resend

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/letter"
)

// A Spool keeps letters in a temporary file that only this user can read, and in memory some 40 bytes of each. So what was counted is what
// is sent, in the order of offsets, whatever comes to the dead letter meanwhile. One goroutine fills it; then Seal makes it readable.
type Spool struct {
	file   *os.File
	w      *bufio.Writer
	end    int64
	buf    []byte
	parts  map[source]*Part
	groups letter.Groups // of all letters that were added
}

// A source is a partition of one generation of a topic: a topic that was created again has another id.
type source struct {
	connector.Partition
	topicID [16]byte
}

// A Part is the letters of one partition of one topic id, in offset order once they are sealed.
type Part struct {
	connector.Partition
	TopicID [16]byte
	entries []entry
	oldest  int64 // timestamp
}

// An entry is a letter in the file.
type entry struct {
	offset  int64
	at      int64 // in the file; notKept
	size    uint32
	group   int32
	replays int16
	failed  bool // again
}

const notKept = -1

// NewSpool makes an empty Spool in the folder for temporary files. Close it after use.
func NewSpool() (*Spool, error) {
	f, err := os.CreateTemp("", "millrace-dlq-")
	if err != nil {
		return nil, fmt.Errorf("keep the letters in a temporary file (TMPDIR names the folder): %w", err)
	}
	return &Spool{file: f, w: bufio.NewWriterSize(f, 1<<20), parts: map[source]*Part{}}, nil
}

// Close removes the file.
func (s *Spool) Close() error {
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}

// Add keeps a letter that is to be sent.
func (s *Spool) Add(l *letter.Letter, topicID [16]byte) error {
	s.buf = appendLetter(s.buf[:0], l)
	if len(s.buf) > math.MaxUint32 {
		return fmt.Errorf("letter %s is too large", l.Name())
	}
	e := entry{offset: l.Offset, at: s.end, size: uint32(len(s.buf)), replays: replays(l), group: int32(s.groups.Add(l))}
	if _, err := s.w.Write(s.buf); err != nil {
		return fmt.Errorf("keep the letters in %s: %w", s.file.Name(), err)
	}
	s.end += int64(len(s.buf))
	s.add(l, topicID, e)
	return nil
}

// Note notes how often a record failed that isn't to be sent by this letter, but perhaps by another one.
func (s *Spool) Note(l *letter.Letter, topicID [16]byte) {
	if n := replays(l); n > 0 {
		s.add(l, topicID, entry{offset: l.Offset, at: notKept, replays: n})
	}
}

func replays(l *letter.Letter) int16 { return int16(min(l.Replays(), math.MaxInt16)) }

func (s *Spool) add(l *letter.Letter, topicID [16]byte, e entry) {
	from := source{connector.Partition{Topic: l.Topic, ID: l.Partition}, topicID}
	p := s.parts[from]
	if p == nil {
		p = &Part{Partition: from.Partition, TopicID: topicID, oldest: l.Timestamp}
		s.parts[from] = p
	}
	p.oldest = min(p.oldest, l.Timestamp)
	p.entries = append(p.entries, e)
}

// A Selection is what Seal chose.
type Selection struct {
	Records  int64           // to be sent
	Repeated int64           // letters of records that are sent by another letter of theirs
	Refused  int64           // records that failed too often
	Over     int64           // records above the limit
	Groups   []*letter.Group // of those to be sent
}

// Seal sorts the letters and leaves one of each record: the newest. Records that were replayed maxReplays times and more are left out, and those behind the
// first limit ones, by topic, partition and offset; 0 is no limit.
func (s *Spool) Seal(maxReplays int, limit int64) (sel Selection, err error) {
	if err := s.w.Flush(); err != nil {
		return sel, fmt.Errorf("keep the letters in %s: %w", s.file.Name(), err)
	}
	counts := map[int32]int64{}
	for _, p := range s.sorted() {
		slices.SortFunc(p.entries, func(a, b entry) int { return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(b.at, a.at)) })
		kept := p.entries[:0]
		for i := 0; i < len(p.entries); {
			e, n := p.entries[i], 0
			for ; i < len(p.entries) && p.entries[i].offset == e.offset; i++ {
				e.replays = max(e.replays, p.entries[i].replays)
				if p.entries[i].at != notKept {
					n++
				}
			}
			if n == 0 { // noted only
				continue
			}
			sel.Repeated += int64(n - 1)
			switch {
			case int(e.replays) >= maxReplays:
				sel.Refused++
				continue
			case limit > 0 && sel.Records == limit:
				sel.Over++
				continue
			}
			sel.Records++
			counts[e.group]++
			kept = append(kept, e)
		}
		p.entries = slices.Clip(kept)
	}
	for i, n := range counts {
		g := *s.groups.At(int(i))
		g.Count = n
		sel.Groups = append(sel.Groups, &g)
	}
	slices.SortFunc(sel.Groups, letter.CompareGroups)
	return sel, nil
}

// sorted are the parts by topic, age of the topic's id and partition.
func (s *Spool) sorted() []*Part {
	parts := make([]*Part, 0, len(s.parts))
	oldest := map[source]int64{} // of a topic id
	for _, p := range s.parts {
		parts = append(parts, p)
		id := source{connector.Partition{Topic: p.Topic}, p.TopicID}
		if at, ok := oldest[id]; !ok || p.oldest < at {
			oldest[id] = p.oldest
		}
	}
	age := func(p *Part) int64 { return oldest[source{connector.Partition{Topic: p.Topic}, p.TopicID}] }
	slices.SortFunc(parts, func(a, b *Part) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(age(a), age(b)), slices.Compare(a.TopicID[:], b.TopicID[:]), cmp.Compare(a.ID, b.ID))
	})
	return parts
}

// Runs are the parts that have letters left, in sets that a Connector can read at a time: of topics that were created again, those of the older
// id come first.
func (s *Spool) Runs() [][]*Part {
	var runs [][]*Part
	turn := map[string][][16]byte{} // ids by topic
	for _, p := range s.sorted() {
		if len(p.entries) == 0 {
			continue
		}
		ids := turn[p.Topic]
		i := slices.Index(ids, p.TopicID)
		if i < 0 {
			i = len(ids)
			turn[p.Topic] = append(ids, p.TopicID)
		}
		if i == len(runs) {
			runs = append(runs, nil)
		}
		runs[i] = append(runs[i], p)
	}
	return runs
}

// Len is how many letters the part has.
func (p *Part) Len() int { return len(p.entries) }

// First is the offset of the part's first letter, and next the one behind its last.
func (p *Part) bounds() (first, next int64) {
	return p.entries[0].offset, p.entries[len(p.entries)-1].offset + 1
}

// from is the index of the first letter at an offset or behind it.
func (p *Part) from(offset int64) int {
	i, _ := slices.BinarySearchFunc(p.entries, offset, func(e entry, at int64) int { return cmp.Compare(e.offset, at) })
	return i
}

// find is the letter at an offset, nil if there is none.
func (p *Part) find(offset int64) *entry {
	if i := p.from(offset); i < len(p.entries) && p.entries[i].offset == offset {
		return &p.entries[i]
	}
	return nil
}

// Each reads the letters of a part one by one, with how often each was replayed. The record's bytes are the callee's.
func (s *Spool) Each(p *Part, f func(r *connector.Record, replays int) error) error {
	for i := range p.entries {
		r, err := s.read(&p.entries[i])
		if err == nil {
			err = f(&r, int(p.entries[i].replays))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Spool) read(e *entry) (r connector.Record, err error) {
	buf := make([]byte, e.size)
	if _, err := s.file.ReadAt(buf, e.at); err != nil {
		return r, fmt.Errorf("read the letters back from %s: %w", s.file.Name(), err)
	}
	r = readLetter(buf)
	r.Offset = e.offset
	return r, nil
}

// appendLetter appends what a pipeline needs of a letter.
func appendLetter(dst []byte, l *letter.Letter) []byte {
	dst = binary.AppendVarint(dst, l.Timestamp)
	dst = appendBytes(appendBytes(dst, l.RawKey()), l.RawValue())
	headers := l.RecordHeaders()
	dst = binary.AppendUvarint(dst, uint64(len(headers)))
	for _, h := range headers {
		dst = appendBytes(appendBytes(dst, []byte(h.Name)), h.Value)
	}
	return dst
}

// appendBytes appends bytes behind their number plus one; null is 0.
func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 0)
	}
	return append(binary.AppendUvarint(dst, uint64(len(b))+1), b...)
}

// readLetter reads what appendLetter wrote, in place.
func readLetter(b []byte) (r connector.Record) {
	var n int
	r.Timestamp, n = binary.Varint(b)
	b = b[n:]
	r.RawKey, b = takeBytes(b)
	r.RawValue, b = takeBytes(b)
	count, n := binary.Uvarint(b)
	b = b[n:]
	for range count {
		var h connector.Header
		var name []byte
		name, b = takeBytes(b)
		h.Value, b = takeBytes(b)
		h.Name = string(name)
		r.Headers = append(r.Headers, h)
	}
	return r
}

func takeBytes(b []byte) (taken, rest []byte) {
	size, n := binary.Uvarint(b)
	b = b[n:]
	if size == 0 {
		return nil, b
	}
	size--
	return b[:size:size], b[size:]
}
