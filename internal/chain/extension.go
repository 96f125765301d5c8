package chain

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/failpoint"
)

type extensionState uint8

const (
	mending extensionState = iota // completing objects of the link before
	putting
	comparing // the key is taken: by this very body, or by a rival's
	extending // the link is ours: its objects are being completed
	aborting  // a rival was quicker: its link doesn't name our uploads, and no other ever will
	extended
	extensionFailed
)

// An Extension puts one link behind the newest, and finishes it. The newest must be finished (see Recovery).
type Extension struct {
	id    ID
	link  *Link
	body  []byte // sealed: it never changes, however often it is sent
	state extensionState
	fin   finish
	drop  []Object // to abort
	sent  bool
	err   error
}

// NewExtension begins to put a link. Its Seq, Attempt and Objects are final.
func NewExtension(id ID, l *Link) *Extension {
	return &Extension{id: id, link: l, body: l.Encode(), state: putting}
}

// NewMending begins to complete objects that were written again, under the keys that the newest link gives them, and then puts the link l,
// a seal, so that nobody needs them any more.
func NewMending(id ID, again []Object, l *Link) *Extension {
	e := &Extension{id: id, link: l, body: l.Encode(), fin: newFinish(again)}
	e.fin.fresh = true // somebody else may be mending too
	return e
}

// Link is what is put.
func (e *Extension) Link() *Link { return e.link }

// Sent reports whether the link may have been put. Until then nobody else knows the uploads, and whoever
// gives up has to abort them; from then on they must be left alone.
func (e *Extension) Sent() bool { return e.sent }

// Err is of class Lost if another process put a link with this number, or went on already: recover then.
// It is of class Permanent if another object has the key of one of the link's.
func (e *Extension) Err() error { return e.err }

// Calls are the calls that are due.
func (e *Extension) Calls() []Call {
	switch e.state {
	case putting:
		return []Call{{Op: OpPut, Key: e.id.Key(e.link.Seq), Body: e.body}}
	case comparing:
		return []Call{{Op: OpGet, Key: e.id.Key(e.link.Seq)}}
	case mending, extending:
		return e.fin.calls()
	case aborting:
		return []Call{{Op: OpAbort, Object: &e.drop[0]}}
	}
	return nil
}

// Answer takes what came of one of Calls.
func (e *Extension) Answer(c Call, a Answer) {
	if c.Op == OpPut {
		e.sent = true
	}
	if !a.settled() && e.state != aborting {
		return
	}
	switch e.state {
	case putting:
		if a.Err == nil {
			failpoint.Here("link.put")
			e.extend()
		} else {
			e.state = comparing
		}
	case comparing:
		e.compare(a)
	case mending, extending:
		e.fin.answer(c, a)
		e.finished()
	case aborting: // a courtesy: whatever the answer is
		e.abort(e.drop[1:])
	}
}

func (e *Extension) compare(a Answer) {
	if errors.Is(a.Err, ErrMissing) { // it was deleted since
		e.state = putting
		return
	}
	there, err := DecodeLink(a.Body, e.link.Seq)
	switch {
	case err != nil:
		e.state = extensionFailed
		e.err = connector.Permanent.Errorf("%s can't be read: %w", e.id.Key(e.link.Seq), err)
	case there.Attempt == e.link.Attempt: // ours, put by a call whose reply was lost
		e.extend()
	default:
		e.err = connector.Lost.Errorf("another process of connector %s put link %d of partition %s first, up to offset %d; what was staged here is dropped",
			there.Owner.Connector, e.link.Seq, e.id, there.Next-1)
		e.abort(e.link.Objects)
	}
}

func (e *Extension) extend() {
	e.fin, e.state = newFinish(e.link.Objects), extending
	e.finished()
}

func (e *Extension) abort(left []Object) {
	e.drop, e.state = left, aborting
	if len(left) == 0 {
		e.state = extensionFailed
	}
}

// finished goes on when every object is settled.
func (e *Extension) finished() {
	if e.fin.due() {
		return
	}
	if key, ok := e.fin.taken(); ok {
		e.state = extensionFailed
		e.err = connector.Permanent.Errorf("%s is there already, and isn't what was staged for offsets from %d of partition %s: somebody else writes below this prefix, "+
			"or path gives one name twice. Move it away, and start again", key, e.link.From, e.id)
		return
	}
	if lost := e.fin.gone(); len(lost) > 0 {
		e.state = extensionFailed
		e.err = connector.Lost.Errorf("the upload of %s is gone, and nothing is there: another process went on already, or it was aborted or expired", lost[0].Key)
		return
	}
	if e.state == mending {
		e.state = putting
		return
	}
	e.state = extended
}

// Clone is a copy that goes its own way, for searches.
func (e *Extension) Clone() *Extension {
	c := *e
	c.fin = e.fin.clone()
	return &c
}

// AppendState appends a text that is equal for machines which behave equally from now on, for searches.
func (e *Extension) AppendState(dst []byte) []byte {
	dst = fmt.Appendf(dst, "E%d %s %v %v %d|", e.state, e.link.Attempt, e.sent, e.err != nil, len(e.drop))
	return e.fin.appendState(dst)
}
