package main

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/chain"
)

// A flaw is something that must not happen: an invariant of docs/chain.md that doesn't hold (I1 to I9), or what the oracle found.
type flaw struct{ what, text string }

// blame notes a flaw. The run goes on, to see what comes of it.
func (m *model) blame(what, format string, args ...any) {
	for i := range m.flaws {
		if m.flaws[i].what == what {
			return // one of each is enough
		}
	}
	f := flaw{what, fmt.Sprintf(format, args...)}
	m.flaws = append(m.flaws, f)
	m.tell("!! %s: %s", f.what, f.text)
}

// checkPut looks at a link that was just put in the place of another, or of none.
func (m *model) checkPut(l, was *chain.Link) {
	if was != nil {
		m.blame("I1", "link %d was put twice", l.Seq)
	}
	m.checkRange(l)
	for i := range l.Objects {
		m.checkNamed(l, &l.Objects[i])
	}
	if l.Kind == chain.KindData {
		m.checkRows(l)
	}
}

// checkRange: I1 and I2.
func (m *model) checkRange(l *chain.Link) {
	before := m.link(l.Seq - 1)
	switch {
	case l.Seq == 0:
		return
	case before == nil:
		m.blame("I1", "there is no link before link %d", l.Seq)
		return
	case l.From != before.Next:
		m.blame("I1", "link %d begins at %d, and the one before ends at %d", l.Seq, l.From, before.Next)
	case l.Next < l.From && l.Kind != chain.KindRewind:
		m.blame("I1", "link %d goes back", l.Seq)
	}
	if !m.finished(before) {
		m.blame("I2", "link %d was put before link %d was finished", l.Seq, before.Seq)
	}
	if l.Kind == chain.KindGap && l.Next > max(m.start, m.passed) {
		m.blame("I5", "link %d passes over offsets up to %d, and Kafka holds those from %d", l.Seq, l.Next, m.start)
	}
}

// checkNamed: I3 and I8, of an object of a link that was just put.
func (m *model) checkNamed(l *chain.Link, o *chain.Object) {
	u := m.upload(o.Upload)
	switch {
	case u == nil:
		m.blame("I3", "link %d names an upload that never was", l.Seq)
		return
	case u.state == aborted:
		m.blame("I3", "link %d names an upload that was aborted", l.Seq)
	case u.seq != l.Seq:
		m.blame("I8", "link %d names an upload that was begun for link %d", l.Seq, u.seq)
	}
	for i := range m.links {
		for k := range objects(m.links[i].link) {
			if other := m.links[i].link; other != l && other.Objects[k].Upload == o.Upload {
				m.blame("I4", "links %d and %d name the same upload", other.Seq, l.Seq)
			}
		}
	}
}

func objects(l *chain.Link) []chain.Object {
	if l == nil {
		return nil
	}
	return l.Objects
}

// checkRows: I5 and I6. The link's objects hold each row of its range once, in its path and in order.
func (m *model) checkRows(l *chain.Link) {
	var want, got []row
	var counts chain.Counts
	for o := max(l.From, 0); o < min(l.Next, m.end()); o++ {
		switch r := &m.log[o]; r.kind {
		case written:
			counts.Written++
			for c := range r.paths {
				want = append(want, newRow(o, c))
			}
		case filtered:
			counts.Filtered++
		case buried:
			counts.Buried++
			if m.dead[o] == 0 {
				m.blame("I6", "link %d counts offset %d as buried, and the dead letter doesn't have it", l.Seq, o)
			}
		}
	}
	counts.Read = counts.Written + counts.Filtered + counts.Buried
	counts.Emitted = l.Counts.Emitted
	if counts != l.Counts {
		m.blame("I5", "link %d counts %+v, and its range holds %+v", l.Seq, l.Counts, counts)
	}
	last := make([]int, m.paths) // of each path, one more than its row
	for i := range l.Objects {
		u := m.upload(l.Objects[i].Upload)
		if u == nil {
			continue
		}
		path := l.Objects[i].Path[0] - '0'
		for _, r := range u.rows {
			if r.offset() >= l.From && r.offset() < l.Next && m.path(r.offset(), int(r%maxChildren), planNumber(l.Plan)) != path {
				m.blame("I5", "link %d has a row of offset %d in another path", l.Seq, r.offset())
			}
			if int(r) < last[path] {
				m.blame("I5", "link %d has the rows of path %d out of order", l.Seq, path)
			}
			last[path] = int(r) + 1
		}
		got = append(got, u.rows...)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		m.blame("I5", "link %d has rows %v, and the range %d to %d has %v", l.Seq, got, l.From, l.Next, want)
	}
}

// checkComplete: I4. Only what a link names is completed, or what replaces it.
func (m *model) checkComplete(u *upload) {
	for i := range m.links {
		for k := range objects(m.links[i].link) {
			o := &m.links[i].link.Objects[k]
			if o.Upload == u.id {
				return
			}
			if o.Key != u.key || o.Tail != u.tail {
				continue
			}
			if named := m.upload(o.Upload); named != nil && !slices.Equal(named.rows, u.rows) {
				m.blame("I4", "%s was written again with other rows", u.key)
			}
			return
		}
	}
	m.blame("I4", "%s was completed, and no link names it", u.key)
}

// checkAbort: I3. Nobody aborts an upload that a link names.
func (m *model) checkAbort(u *upload) {
	for i := range m.links {
		for k := range objects(m.links[i].link) {
			if o := &m.links[i].link.Objects[k]; o.Upload == u.id && !m.durable(o) {
				m.blame("I3", "the upload of %s was aborted, and link %d names it", u.key, i)
			}
		}
	}
}

// checkCommit: I7, when a commit is sent.
func (m *model) checkCommit(offset int64) {
	for i := range m.links {
		if l := m.links[i].link; l != nil && l.Next == offset && m.finished(l) {
			return
		}
	}
	m.blame("I7", "offset %d is committed, and no finished link ends there", offset)
}

// checkBody: I9, when a body is sent.
func (m *model) checkBody(attempt string, body []byte) {
	for i := range m.bodies {
		if m.bodies[i].attempt == attempt {
			if !bytes.Equal(m.bodies[i].body, body) {
				m.blame("I9", "attempt %s was sent with two bodies", attempt)
			}
			return
		}
	}
	m.bodies = append(m.bodies, sealed{attempt, body})
}

// A sealed is a body that was sent.
type sealed struct {
	attempt string
	body    []byte
}

// judge compares what is visible with the log, once somebody has said that all is written. It knows the links of kind root, gap and
// rewind, which say what should be there, and believes no other. After a halt nothing can be missing yet.
func (m *model) judge(whole bool) {
	if whole {
		m.judgeEnd()
	}
	passes, rewinds := m.passes()
	seen := make([]int, len(m.log)*maxChildren)
	for i := range m.objects {
		for _, r := range m.objects[i].rows {
			seen[r]++
		}
	}
	for o := range m.log {
		want, r := passes[o], &m.log[o]
		if r.kind == buried && want > 0 && m.dead[o] == 0 && whole {
			m.blame("lost", "offset %d should be in the dead letter", o)
		}
		if r.kind != written {
			want = 0
		}
		for c := range maxChildren {
			n := seen[o*maxChildren+c]
			if c >= len(r.paths) {
				want = 0
			}
			switch {
			case n < want && whole:
				m.blame("lost", "row %d of offset %d is there %d times instead of %d", c, o, n, want)
			case n > want:
				m.blame("dup", "row %d of offset %d is there %d times instead of %d", c, o, n, want)
			}
		}
	}
	m.judgeOrder(rewinds)
}

// judgeHalt: nobody halts for what is there. Only of a process that runs alone can that be said.
func (m *model) judgeHalt(p *process) {
	for i := range p.lost {
		if m.visible(p.lost[i].Key) != nil {
			m.blame("halt", "%c halted because %s is lost, and it is there", 'A'+p.n, p.lost[i].Key)
		}
	}
}

func (m *model) judgeEnd() {
	end := m.newest()
	if end < 0 {
		m.blame("stuck", "there is no chain")
		return
	}
	if l := m.link(end); l.Next != m.end() {
		m.blame("stuck", "the chain ends at %d, and the log at %d", l.Next, m.end())
	}
}

// passes is how often each offset should have been written, and the numbers of the rewinds.
func (m *model) passes() (passes []int, rewinds []int64) {
	passes = make([]int, len(m.log))
	count := func(from, to int64, n int) {
		for o := max(from, 0); o < min(to, m.end()); o++ {
			passes[o] += n
		}
	}
	for i := range m.links {
		switch l := m.links[i].link; {
		case l == nil:
		case l.Kind == chain.KindRoot:
			count(l.Next, m.end(), 1)
		case l.Kind == chain.KindGap:
			count(l.From, l.Next, -1)
		case l.Kind == chain.KindRewind:
			count(l.Next, l.From, 1)
			rewinds = append(rewinds, l.Seq)
		}
	}
	return passes, rewinds
}

// judgeOrder: rows of a path ascend from file to file, but where a rewind lies between.
func (m *model) judgeOrder(rewinds []int64) {
	files := slices.Clone(m.objects)
	slices.SortStableFunc(files, func(a, b object) int {
		switch {
		case a.seq != b.seq:
			return int(a.seq - b.seq)
		case len(a.rows) == 0 || len(b.rows) == 0:
			return len(a.rows) - len(b.rows)
		}
		return int(a.rows[0]) - int(b.rows[0])
	})
	type place struct{ epoch, row int }
	last := make([]place, m.paths)
	for i := range files {
		f := &files[i]
		epoch, _ := slices.BinarySearch(rewinds, f.seq)
		p := &last[f.key[1]-'0']
		for _, r := range f.rows {
			if epoch == p.epoch && int(r) < p.row {
				m.blame("order", "%s has offset %d after offset %d", f.key, r.offset(), p.row/maxChildren)
			}
			*p = place{epoch, int(r) + 1}
		}
	}
}
