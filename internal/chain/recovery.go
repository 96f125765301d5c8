package chain

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/failpoint"
)

// A Start is what Recovery needs besides the ID.
type Start struct {
	Hint    Hint // what was kept with the group's offset; the zero Hint if nothing was
	At      int64
	Attempt string // of the root: 128 random bits in hex
	Owner   Owner
	Plan    string
	Made    string
	Clean   bool // drop uploads that nobody will complete; the Store is a Cleaner
}

type recoveryState uint8

const (
	listing recoveryState = iota
	rooting               // putting the root, because there is no link
	reading               // the newest link
	finishing
	checking // some object is gone: is there a newer link?
	findingUploads
	readingOld // a link that uploads were begun for
	dropping
	recovered
	recoveryFailed
)

// listPage is how many keys a List asks for: S3 gives no more (API reference, ListObjectsV2, MaxKeys).
const listPage = 1000

// A Recovery finds the end of a partition's chain, begins the chain if there is none, and finishes the newest link. It is
// where every process starts, and where it goes after it has lost a race.
type Recovery struct {
	id    ID
	start Start
	state recoveryState
	after string // the last key listed
	last  int64  // its number, -1 if none was
	want  int64  // the number that has to come next
	link  *Link  // the newest
	fin   finish
	lost  []Object
	err   error

	uploads []Object // to be looked at, then to be dropped
	old     int64    // the number of the link that is read for them
}

// NewRecovery begins a Recovery.
func NewRecovery(id ID, s Start) *Recovery {
	r := &Recovery{id: id, start: s}
	r.list()
	return r
}

// hinted reports whether the hint is of this very chain.
func (r *Recovery) hinted() bool {
	return r.start.Hint.Chain == r.id.Chain && r.start.Hint.Dir == r.id.Dir()
}

// list begins to list: from the hint's own link, so that a chain which lost it is noticed.
func (r *Recovery) list() {
	r.state, r.after, r.last, r.want = listing, "", -1, 0
	if r.hinted() && r.start.Hint.Seq > 0 {
		r.want = r.start.Hint.Seq
		r.after = r.id.Key(r.want - 1)
	}
}

// Link is the newest link, once the machine has ended well.
func (r *Recovery) Link() *Link { return r.link }

// Lost are the objects of the newest link that can't be completed any more, because their uploads expired or were aborted: they have to be
// written again, from the offsets that they name, before the chain may go on.
func (r *Recovery) Lost() []Object { return r.lost }

// Err is of class Permanent: the chain is damaged, and somebody has to decide.
func (r *Recovery) Err() error { return r.err }

// Calls are the calls that are due.
func (r *Recovery) Calls() []Call {
	switch r.state {
	case listing:
		return []Call{{Op: OpList, Key: r.id.Dir(), After: r.after, Max: listPage}}
	case rooting:
		root := r.root()
		return []Call{{Op: OpPut, Key: r.id.Key(0), Body: root.Encode()}}
	case reading:
		return []Call{{Op: OpGet, Key: r.id.Key(r.last)}}
	case finishing:
		return r.fin.calls()
	case checking:
		return []Call{{Op: OpList, Key: r.id.Dir(), After: r.id.Key(r.last), Max: 1}}
	case findingUploads:
		return []Call{{Op: OpUploads, Key: r.id.Dir()}}
	case readingOld:
		return []Call{{Op: OpGet, Key: r.id.Key(r.old)}}
	case dropping:
		return []Call{{Op: OpAbort, Object: &r.uploads[0]}}
	}
	return nil
}

func (r *Recovery) root() *Link {
	return &Link{
		Version: Version, Kind: KindRoot, Attempt: r.start.Attempt, Owner: r.start.Owner, Topic: r.id.Topic, Plan: r.start.Plan, Made: r.start.Made,
		From: r.start.At, Next: r.start.At, First: -1, Last: -1,
	}
}

// Answer takes what came of one of Calls.
func (r *Recovery) Answer(c Call, a Answer) {
	if !a.settled() {
		if c.Op == OpAbort { // cleaning is a courtesy
			r.drop()
		}
		return
	}
	switch r.state {
	case listing:
		r.listed(a)
	case rooting: // ours or a rival's: both are the root
		failpoint.Here("root.put")
		r.list()
	case reading:
		r.read(a)
	case finishing:
		r.fin.answer(c, a)
		r.finished()
	case checking:
		if r.newer(a.Keys) {
			r.list()
		} else {
			r.state = recovered
		}
	case findingUploads:
		r.uploads = a.Uploads
		r.sort()
	case readingOld:
		r.readOld(a)
	case dropping:
		r.drop()
	}
}

// listed takes a page of keys. Numbers without holes show that no link was deleted.
func (r *Recovery) listed(a Answer) {
	for _, key := range a.Keys {
		r.after = key
		dir, seq, ok := ParseKey(key)
		if !ok || dir != r.id.Dir() {
			continue
		}
		if seq != r.want {
			r.fail("link %d of partition %s is missing (%s), though link %d is there: somebody deleted it. Put it back, or choose another chain, which writes everything again",
				r.want, r.id, r.id.Key(r.want), seq)
			return
		}
		r.last, r.want = seq, seq+1
	}
	switch {
	case a.More:
	case r.last >= 0:
		r.state = reading
	case r.hinted():
		r.fail("the chain of partition %s is missing: the group's offset was committed after link %d, and there is no %s. "+
			"Is it another bucket or folder, or were links deleted? Put them back, or choose another chain, which writes everything again",
			r.id, r.start.Hint.Seq, r.id.Key(r.start.Hint.Seq))
	case r.start.Hint.Chain == r.id.Chain:
		r.fail("the chain of partition %s is missing: the group's offset was committed after a link in %s, and links are looked for in %s. "+
			"Set prefix to where they were (by default it is the folders that path begins with), or choose another chain, which writes everything again",
			r.id, r.start.Hint.Dir, r.id.Dir())
	default:
		r.state = rooting
	}
}

func (r *Recovery) fail(format string, args ...any) {
	r.state, r.err = recoveryFailed, connector.Permanent.Errorf(format, args...)
}

func (r *Recovery) read(a Answer) {
	if errors.Is(a.Err, ErrMissing) {
		r.list() // it was deleted since: the next list shows what is left
		return
	}
	link, err := DecodeLink(a.Body, r.last)
	if err != nil {
		r.fail("%s can't be read: %w", r.id.Key(r.last), err)
		return
	}
	r.link, r.fin, r.state = link, newFinish(link.Objects), finishing
	failpoint.Here("finish.before")
	r.finished()
}

// finished goes on when every object is settled.
func (r *Recovery) finished() {
	if r.fin.due() {
		return
	}
	failpoint.Here("finish.after")
	if key, ok := r.fin.taken(); ok {
		r.fail("%s is another object than the one that link %d of partition %s names: somebody else writes below this prefix. "+
			"Move it away, and start again", key, r.last, r.id)
		return
	}
	switch r.lost = r.fin.gone(); {
	case len(r.lost) > 0:
		r.state = checking
	case r.start.Clean:
		r.state = findingUploads
	default:
		r.state = recovered
	}
}

func (r *Recovery) newer(keys []string) bool {
	for _, key := range keys {
		if dir, seq, ok := ParseKey(key); ok && dir == r.id.Dir() && seq > r.last {
			return true
		}
	}
	return false
}

// sort takes up the next upload: one that was begun for a number whose link doesn't name it will never be
// completed, because no other link may name it.
func (r *Recovery) sort() {
	for len(r.uploads) > 0 {
		switch u := &r.uploads[0]; {
		case u.Seq > r.last:
		case u.Seq == r.last:
			if !names(r.link, u) {
				r.state = dropping
				return
			}
		default:
			r.old, r.state = u.Seq, readingOld
			return
		}
		r.uploads = r.uploads[1:]
	}
	r.state = recovered
}

func (r *Recovery) readOld(a Answer) {
	link, err := DecodeLink(a.Body, r.old)
	if a.Err == nil && err == nil && !names(link, &r.uploads[0]) {
		r.state = dropping
		return
	}
	r.drop()
}

// drop is done with the first upload.
func (r *Recovery) drop() {
	r.uploads = r.uploads[1:]
	r.sort()
}

func names(l *Link, u *Object) bool {
	for i := range l.Objects {
		if l.Objects[i].Upload == u.Upload {
			return true
		}
	}
	return false
}

// Clone is a copy that goes its own way, for searches.
func (r *Recovery) Clone() *Recovery {
	c := *r
	c.fin = r.fin.clone()
	return &c
}

// AppendState appends a text that is equal for machines which behave equally from now on, for searches.
func (r *Recovery) AppendState(dst []byte) []byte {
	dst = fmt.Appendf(dst, "R%d %s %d %d %d %s %v|", r.state, r.after, r.last, r.want, r.old, r.start.Attempt, r.err != nil)
	if r.link != nil {
		dst = append(dst, r.link.Attempt...)
	}
	dst = r.fin.appendState(append(dst, '|'))
	for i := range r.uploads {
		dst = append(append(dst, ' '), r.uploads[i].Upload...)
	}
	return dst
}
