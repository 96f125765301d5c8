package main

import (
	"slices"

	"github.com/millrace/millrace/internal/chain"
)

// What a search leaves out, because it changes nothing: steps whose answer can't change any more, whenever they are made, and which
// nobody else can notice, are made at once; and things that can't have an effect any more are forgotten. Links are never deleted in a search, so that
// a number that is taken stays taken; and objects that are visible stay so, unless limits.forgets says otherwise.

// merge makes the steps that may be made at once.
func (m *model) merge() {
	for i := range m.procs {
		p := &m.procs[i]
		for range aloneSteps {
			a, ok := m.inevitable(p)
			if !ok || len(m.flaws) > 0 {
				break
			}
			m.perform(a)
		}
	}
	m.late = slices.DeleteFunc(m.late, func(s sent) bool { return m.idleCall(&s) })
	m.uploads = slices.DeleteFunc(m.uploads, func(u upload) bool { return m.orphan(&u) })
}

// inevitable is the step of a process that may be made at once.
func (m *model) inevitable(p *process) (action, bool) {
	a := action{proc: p.n, again: m.again}
	switch p.phase {
	case staging:
		a.deed = doStage
		return a, true
	case abandoning:
		a.deed = doDrop
		return a, true
	case recovering, extending:
		a.deed = doCall
		for i, c := range p.machine().Calls() {
			if m.stable(&c) {
				a.pick = i
				return a, true
			}
		}
	}
	return a, false
}

// stable reports whether a call has the same answer whenever it is made, and no effect that another process notices.
func (m *model) stable(c *chain.Call) bool {
	switch c.Op {
	case chain.OpGet:
		return m.taken(c.Key)
	case chain.OpPut:
		return m.taken(c.Key)
	case chain.OpComplete:
		u := m.upload(c.Object.Upload)
		return u != nil && u.state == completed && m.limits.forgets == 0
	case chain.OpLook:
		return m.limits.forgets == 0 && m.visible(c.Object.Key) != nil
	case chain.OpAbort: // of one that no link can name
		return true
	}
	return false
}

func (m *model) taken(key string) bool {
	for i := range m.links {
		if m.keys[i] == key {
			return m.links[i].link != nil
		}
	}
	return false
}

// idleCall reports whether a late call can do nothing any more.
func (m *model) idleCall(s *sent) bool {
	switch {
	case s.bury != nil:
		return !slices.ContainsFunc(s.bury, func(o int64) bool { return m.dead[o] == 0 })
	case s.call.Op == chain.OpPut:
		return m.taken(s.call.Key)
	case s.call.Op == chain.OpComplete, s.call.Op == chain.OpAbort:
		u := m.upload(s.call.Object.Upload)
		return u == nil || u.state != begun
	}
	return false
}

// orphan reports whether nobody can name an upload any more, and nobody cleans.
func (m *model) orphan(u *upload) bool {
	if u.state == completed || u.state == begun && m.clean {
		return false
	}
	for i := range m.links {
		for k := range objects(m.links[i].link) {
			if m.links[i].link.Objects[k].Upload == u.id {
				return false
			}
		}
	}
	for i := range m.procs {
		p := &m.procs[i]
		if slices.ContainsFunc(p.files, func(f file) bool { return f.upload == u.id }) {
			return false
		}
	}
	return !slices.ContainsFunc(m.late, func(s sent) bool {
		if o := s.call.Object; o != nil && o.Upload == u.id {
			return true
		}
		return s.call.Op == chain.OpPut && s.names(u.id)
	})
}

// stale reports whether another process has put the link that p would put next: whatever it does until then is in vain.
func (m *model) stale(p *process) bool { return p.phase == reading && m.link(p.at) != nil }
