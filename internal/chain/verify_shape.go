package chain

import (
	"fmt"
	"regexp"
	"strconv"
)

// tailed matches the names that end in the number of a link and a tail, before the extension.
var tailed = regexp.MustCompile(`-(\d{10,})-([0-9a-f]{8})(\.[A-Za-z0-9.]*)?$`)

// parseTail finds the number of the link and the tail in a key.
func parseTail(key string) (seq int64, tail string, ok bool) {
	m := tailed.FindStringSubmatch(key)
	if m == nil {
		return 0, "", false
	}
	seq, err := strconv.ParseInt(m[1], 10, 64)
	return seq, m[2], err == nil
}

// malformed lists what a link says that can't be. rewind is the newest rewind before it.
func malformed(l *Link, rewind int64) (texts []string) {
	fail := func(wrong bool, format string, args ...any) {
		if wrong {
			texts = append(texts, fmt.Sprintf(format, args...))
		}
	}
	switch l.Kind {
	case KindRoot, KindSeal:
		fail(l.Next != l.From, "a %s speaks for no offsets", l.Kind)
	case KindData:
		fail(l.Next == l.From, "it speaks for no offsets")
	case KindGap:
		fail(l.Gap == nil || l.Gap.From != l.From || l.Gap.To != l.Next, "its gap isn't the range that it speaks for")
	case KindRewind:
		fail(l.Next > l.From, "a rewind goes back, not on to %d", l.Next)
		fail(l.Rewind != l.Seq, "a rewind names itself as the newest, not %d", l.Rewind)
	default:
		return []string{fmt.Sprintf("there is no kind %q", l.Kind)}
	}
	fail(l.Kind != KindRewind && l.Rewind != rewind, "it says that the newest rewind is link %d, and it is %d", l.Rewind, rewind)
	fail(l.Kind != KindGap && l.Gap != nil, "only a link of kind gap has a gap")
	if l.Kind != KindData {
		fail(l.Counts != Counts{} || len(l.Objects) > 0, "a link of kind %s has neither counts nor objects", l.Kind)
		return texts
	}
	c := l.Counts
	fail(min(c.Read, c.Written, c.Filtered, c.Buried, c.Emitted) < 0, "a count is below 0")
	fail(c.Read > l.Next-l.From, "it counts %d records in %d offsets", c.Read, l.Next-l.From)
	// Each record read is written, filtered or buried; what was emitted from it besides may be written or buried too.
	came, went := c.Read, c.Written+c.Filtered+c.Buried
	fail(went < came || went > came+c.Emitted, "%d records were read and %d emitted, but %d written, %d filtered and %d buried", c.Read, c.Emitted, c.Written, c.Filtered, c.Buried)
	if c.Read > 0 {
		fail(l.First < l.From || l.Last < l.First || l.Last >= l.Next, "its records have the offsets %d to %d", l.First, l.Last)
	} else {
		fail(l.First != -1 || l.Last != -1, "it read no record, and says that they have the offsets %d to %d", l.First, l.Last)
	}
	var rows int64
	for i := range l.Objects {
		o := &l.Objects[i]
		rows += o.Rows
		fail(o.Rows < 1 || o.Size < 1, "object %s has %d rows and %d bytes", o.Key, o.Rows, o.Size)
		fail(o.First < l.From || o.Last < o.First || o.Last >= l.Next, "the rows of object %s have the offsets %d to %d", o.Key, o.First, o.Last)
		seq, tail, ok := parseTail(o.Key)
		fail(o.Unique && (!ok || seq != l.Seq || tail != o.Tail), "the name of object %s doesn't end in number and tail %s", o.Key, o.Tail)
	}
	fail(rows != c.Written, "it counts %d records as written, and its objects have %d rows", c.Written, rows)
	return texts
}
