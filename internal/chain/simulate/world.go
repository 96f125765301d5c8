package main

import (
	"errors"
	"slices"
	"strconv"

	"github.com/millrace/millrace/internal/chain"
)

type uploadState uint8

const (
	begun uploadState = iota
	completed
	aborted
	expired // by a rule of the bucket, or a person
)

// An upload is invisible until it is completed.
type upload struct {
	id, key, tail string
	seq           int64 // of the link that it was begun for
	rows          []row // once they are written: never changed
	state         uploadState
}

// An object is visible, or was: others delete objects of older links.
type object struct {
	key, tail string
	seq       int64
	rows      []row
	deleted   bool
}

// An entry is a link that was put.
type entry struct {
	body    []byte
	link    *chain.Link // decoded; nil if no link has this number
	deleted bool
}

// A sent is a call that was sent and will arrive later, whatever became of the sender: a store call, the burying of records, or the
// commit of an offset.
type sent struct {
	call   chain.Call
	bury   []int64
	commit *group
}

// A group is what a group has committed.
type group struct {
	offset int64
	meta   string
}

// A world is all that processes share. Copies go their own ways (see clone).
type world struct {
	links   []entry // by number
	uploads []upload
	objects []object
	dead    []uint8 // how often an offset was buried
	group   group
	start   int64 // first offset that the log still holds
	passed  int64 // the highest offset to which somebody moved the group by hand, for whatever that loses
	plan    int   // in the settings now
	late    []sent
}

func (w *world) clone() world {
	c := *w
	c.links = slices.Clone(w.links)
	c.uploads = slices.Clone(w.uploads)
	c.objects = slices.Clone(w.objects)
	c.dead = slices.Clone(w.dead)
	c.late = slices.Clone(w.late)
	return c
}

// newest is the number of the newest link, -1 if there is none.
func (w *world) newest() int64 {
	for i := len(w.links) - 1; i >= 0; i-- {
		if w.links[i].link != nil && !w.links[i].deleted {
			return int64(i)
		}
	}
	return -1
}

// link returns the link with a number, deleted or not; nil if nobody put it.
func (w *world) link(seq int64) *chain.Link {
	if seq < 0 || seq >= int64(len(w.links)) {
		return nil
	}
	return w.links[seq].link
}

func (w *world) upload(id string) *upload {
	for i := range w.uploads {
		if w.uploads[i].id == id {
			return &w.uploads[i]
		}
	}
	return nil
}

// visible is the object that can be read under a key.
func (w *world) visible(key string) *object {
	for i := range w.objects {
		if w.objects[i].key == key && !w.objects[i].deleted {
			return &w.objects[i]
		}
	}
	return nil
}

// durable reports whether an object was made visible, though it may have been deleted since.
func (w *world) durable(o *chain.Object) bool {
	for i := range w.objects {
		if w.objects[i].key == o.Key && w.objects[i].tail == o.Tail {
			return true
		}
	}
	return false
}

// finished reports whether all objects of a link are durable.
func (w *world) finished(l *chain.Link) bool {
	for i := range l.Objects {
		if !w.durable(&l.Objects[i]) {
			return false
		}
	}
	return true
}

// errDoubt is the answer of a call that may have been applied, or may still be.
var errDoubt = errors.New("no reply")

// serve applies a call now, and answers as S3 does. again chooses among what it may answer to a repeated Complete.
func (m *model) serve(c *chain.Call, again uint8) chain.Answer {
	switch c.Op {
	case chain.OpList:
		return m.list(c)
	case chain.OpGet:
		return m.get(c.Key)
	case chain.OpPut:
		return chain.Answer{Err: m.put(c)}
	case chain.OpComplete:
		return chain.Answer{Err: m.complete(c, again)}
	case chain.OpLook:
		return m.look(c.Object)
	case chain.OpAbort:
		m.abort(c.Object.Upload)
		return chain.Answer{}
	case chain.OpUploads:
		return m.listUploads()
	}
	panic("a call that no store has: " + c.Op.String())
}

func (m *model) list(c *chain.Call) (a chain.Answer) {
	for i := range m.links {
		if m.links[i].link == nil || m.links[i].deleted || m.keys[i] <= c.After {
			continue
		}
		if len(a.Keys) == c.Max || m.page > 0 && len(a.Keys) == m.page {
			a.More = true
			break
		}
		a.Keys = append(a.Keys, m.keys[i])
	}
	return a
}

func (m *model) get(key string) chain.Answer {
	for i := range m.links {
		if m.keys[i] == key && m.links[i].link != nil && !m.links[i].deleted {
			return chain.Answer{Body: m.links[i].body}
		}
	}
	return chain.Answer{Err: chain.ErrMissing}
}

// put creates a link, if nothing has its key.
func (m *model) put(c *chain.Call) error {
	_, seq, ok := chain.ParseKey(c.Key)
	if !ok || seq >= maxLinks {
		m.blame("stuck", "%s is no key of a link, or there are too many", c.Key)
		return nil
	}
	for int64(len(m.links)) <= seq {
		m.links = append(m.links, entry{})
	}
	e := &m.links[seq]
	if e.link != nil && !e.deleted && m.fault != faultOverwrite {
		return chain.ErrExists
	}
	l, err := chain.DecodeLink(c.Body, seq)
	if err != nil {
		m.blame("I9", "a link can't be read: %v", err)
		return nil
	}
	was := e.link
	*e = entry{body: c.Body, link: l}
	m.checkPut(l, was)
	return nil
}

func (m *model) complete(c *chain.Call, again uint8) error {
	o := c.Object
	u := m.upload(o.Upload)
	there := m.visible(o.Key)
	switch {
	case u == nil, u.state == aborted, u.state == expired:
		return chain.ErrMissing
	case u.state == completed && again == 1:
		return chain.ErrMissing
	case u.state == completed && (again == 0 || there == nil || !c.Fresh):
		return nil
	case c.Fresh && there != nil:
		return chain.ErrExists
	}
	u.state = completed
	m.checkComplete(u)
	visible := object{key: u.key, tail: u.tail, seq: u.seq, rows: u.rows}
	if there != nil {
		m.blame("I4", "%s was there, and was written over", u.key)
		*there = visible
	} else {
		m.objects = append(m.objects, visible)
	}
	return nil
}

func (m *model) look(o *chain.Object) chain.Answer {
	there := m.visible(o.Key)
	switch {
	case there == nil:
		return chain.Answer{Sight: chain.Nothing}
	case m.alike && int64(len(there.rows)) == o.Rows && sum(there.rows) == o.CRC, !m.alike && there.tail == o.Tail:
		return chain.Answer{Sight: chain.Ours}
	default:
		return chain.Answer{Sight: chain.Foreign}
	}
}

func (m *model) abort(id string) {
	if u := m.upload(id); u != nil && u.state == begun {
		u.state = aborted
		m.checkAbort(u)
	}
}

// listUploads names those whose number can be read from their key.
func (m *model) listUploads() (a chain.Answer) {
	for i := range m.uploads {
		if u := &m.uploads[i]; u.state == begun && m.unique {
			a.Uploads = append(a.Uploads, chain.Object{Key: u.key, Tail: u.tail, Upload: u.id, Seq: u.seq})
		}
	}
	return a
}

// arrive applies what was sent and is late.
func (m *model) arrive(i int, again uint8) {
	s := m.late[i]
	m.late = slices.Delete(m.late, i, i+1)
	switch {
	case s.commit != nil:
		m.group = *s.commit
	case s.bury != nil:
		m.bury(s.bury)
	default:
		m.serve(&s.call, again)
	}
}

func (m *model) bury(offsets []int64) {
	for _, o := range offsets {
		m.dead[o] = min(m.dead[o]+1, 2)
	}
}

// sum stands for the checksum of a file.
func sum(rows []row) string {
	h := uint64(14695981039346656037) // FNV-1a
	for _, r := range rows {
		h = (h ^ uint64(r)) * 1099511628211
	}
	return strconv.FormatUint(h, 16)
}
