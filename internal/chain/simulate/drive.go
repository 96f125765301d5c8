package main

import (
	"bytes"
	"slices"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
)

// machine is the machine that runs in a process.
func (p *process) machine() chain.Machine {
	if p.phase == recovering {
		return p.rec
	}
	return p.ext
}

// due is the pick-th of the calls that a process is about to make.
func (m *model) due(p *process, pick int) chain.Call {
	calls := p.machine().Calls()
	return calls[pick%len(calls)]
}

// mutates reports whether a call changes the store, so that it matters whether it was applied.
func mutates(op chain.Op) bool {
	return op == chain.OpPut || op == chain.OpComplete || op == chain.OpAbort
}

// call makes one call of a process's machine, and goes on if the machine has ended.
func (m *model) call(p *process, a action) {
	c := m.due(p, a.pick)
	mach := p.machine()
	mach.Answer(c, m.exchange(p, &c, a))
	if m.trace != nil {
		m.tellCalls(p)
	}
	if a.out != done && c.Op == chain.OpPut && m.wrongDoubt(p) {
		return
	}
	if len(mach.Calls()) > 0 {
		return
	}
	if p.phase == recovering {
		m.recovered(p)
	} else {
		m.extended(p)
	}
}

func (m *model) tellCalls(p *process) {
	if err := p.machine().Err(); err != nil {
		m.tell("%c: %v", 'A'+p.n, err)
	}
}

// exchange sends a call to the world and brings its answer. Most faults lie here, between the machine and the world.
func (m *model) exchange(p *process, c *chain.Call, a action) chain.Answer {
	if c.Op == chain.OpPut {
		m.checkSent(c)
	}
	if m.pretends(p, c) {
		return chain.Answer{}
	}
	if a.out != done && !mutates(c.Op) {
		return chain.Answer{Err: errDoubt}
	}
	switch a.out {
	case refused:
		return chain.Answer{Err: errDoubt}
	case underway:
		m.late = append(m.late, sent{call: *c})
		return chain.Answer{Err: errDoubt}
	}
	links := len(m.links)
	answer := m.serve(c, a.again)
	if len(m.links) > links {
		m.tally[nLinks]++
	}
	if a.out == unheard {
		return chain.Answer{Err: errDoubt}
	}
	return m.distort(p, c, answer)
}

// checkSent looks at the body of a link that is about to be sent.
func (m *model) checkSent(c *chain.Call) {
	const field = `"attempt":"`
	_, rest, _ := bytes.Cut(c.Body, []byte(field))
	attempt, _, _ := bytes.Cut(rest, []byte{'"'})
	m.checkBody(string(attempt), c.Body)
}

// recovered goes on where a Recovery ended.
func (m *model) recovered(p *process) {
	r := p.rec
	p.rec = nil
	if err := r.Err(); err != nil {
		m.blame("halt", "a process can't recover: %v", err)
		p.forget()
		p.phase = halted
		return
	}
	l := r.Link()
	p.newest, p.at, p.from, p.pos, p.rewind = l, l.Seq+1, l.Next, l.Next, l.Rewind
	p.empty()
	switch lost := r.Lost(); {
	case len(lost) > 0 && p.rewinds:
		m.crash(p) // it says that something is to be mended first
	case len(lost) > 0 && l.Plan != planName(p.plan) && m.fault != faultOtherPlan:
		m.halt(p, nHaltPlan, lost)
	case len(lost) > 0:
		p.lost, p.phase = lost, mending
		m.tally[nMends]++
	case p.rewinds:
		m.putRewind(p)
	default:
		m.follow(p)
		m.committing(p)
	}
}

// follow looks at the group's offset: a hint, unless somebody moved it beyond the chain's end. One that was committed before a rewind is old.
func (m *model) follow(p *process) {
	hinted := p.hint.Dir == m.dir
	if p.committed > p.from && !hinted && p.rewind == 0 {
		p.skip = p.committed
	}
	if m.fault == faultGroupOutranks && p.committed >= 0 {
		p.from, p.pos = p.committed, p.committed
	}
	m.unkeep(p)
}

func (m *model) putRewind(p *process) {
	to := min(p.target, p.newest.Next)
	if to == p.newest.Next {
		m.crash(p) // nothing to do
		return
	}
	m.tally[nRewinds]++
	l := m.newLink(p, chain.KindRewind, to)
	l.Rewind = l.Seq
	m.extend(p, l)
}

// extended goes on where an Extension ended.
func (m *model) extended(p *process) {
	err := p.ext.Err()
	switch {
	case err == nil:
		m.linked(p)
	case connector.ClassOf(err) == connector.Lost:
		m.tally[nLost]++
		m.keep(p)
		m.recover(p)
	default:
		m.blame("halt", "a process can't go on: %v", err)
		p.forget()
		p.phase = halted
	}
}

// linked goes on behind a link that is finished.
func (m *model) linked(p *process) {
	l := p.ext.Link()
	switch l.Kind {
	case chain.KindGap:
		m.tally[nGaps]++
	case chain.KindSeal:
		m.tally[nSeals]++
	}
	if p.rewinds {
		m.crash(p) // its work is done
		return
	}
	p.ext, p.lost, p.newest, p.rewind = nil, nil, l, l.Rewind
	p.at, p.from, p.pos = l.Seq+1, l.Next, l.Next
	bury := p.bury
	p.empty()
	if m.fault == faultPrune {
		for i := range l.Seq {
			m.links[i].deleted = true
		}
	}
	if m.fault == faultBuryAfter && len(bury) > 0 {
		p.bury, p.late, p.phase = bury, true, burying
		return
	}
	m.committing(p)
}

// forgetful reports whether an object may be deleted by others: its link isn't the newest, and nobody is about to write it again.
func (m *model) forgetful(o *object) bool {
	if o.deleted || o.seq >= m.newest() {
		return false
	}
	if l := m.link(o.seq); l == nil || !m.finished(l) {
		return false
	}
	again := func(u string) bool { up := m.upload(u); return up != nil && up.key == o.key && up.state == begun }
	for i := range m.procs {
		p := &m.procs[i]
		if slices.ContainsFunc(p.lost, func(l chain.Object) bool { return l.Key == o.key }) {
			return false
		}
	}
	return !slices.ContainsFunc(m.late, func(s sent) bool {
		return s.call.Op == chain.OpComplete && again(s.call.Object.Upload)
	})
}

// prunable is the number below which links may be deleted: no process is going to put one there, or to look for one.
func (m *model) prunable() int64 {
	h, ok := chain.DecodeHint(m.group.meta)
	if !ok {
		return 0
	}
	below := min(h.Seq, m.newest())
	for i := range m.procs {
		switch p := &m.procs[i]; p.phase {
		case dead, halted, abandoning:
		case recovering:
			return 0
		default:
			below = min(below, p.at-1)
		}
	}
	for i := range m.late {
		switch s := &m.late[i]; {
		case s.commit != nil:
			h, _ := chain.DecodeHint(s.commit.meta)
			below = min(below, h.Seq)
		case s.call.Op == chain.OpPut:
			_, seq, _ := chain.ParseKey(s.call.Key)
			below = min(below, seq)
		}
	}
	return below
}
