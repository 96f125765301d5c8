package main

import (
	"bytes"

	"github.com/millrace/millrace/internal/chain"
)

// A fault is a mistake that somebody could make, done on purpose between the machines and the world: the machines are as they are.
type fault uint8

const (
	noFault fault = iota
	faultSkipLink
	faultEarlyComplete
	faultAbortOthers
	faultCleanUnnamed
	faultNoCompare
	faultGetDecides
	faultNoFinish
	faultOverwrite
	faultGrown
	faultFilteredTail
	faultBuryAfter
	faultGroupOutranks
	faultPrune
	faultKeepFiles
	faultNoSeek
	faultCounterKeys
	faultOtherPlan
	faults
)

func (f fault) String() string {
	return [...]string{
		"none", "skip the link", "complete before the link", "abort others' uploads at start", `clean what is "not named yet"`,
		"412 is lost, attempts not compared", "GET 404 says not applied", "extend without finishing", "links overwrite",
		"retry with a grown body", "filtered tail without a link", "bury after the link", "group's offset outranks the chain",
		"prune links at once", "keep staged files after 412", "no seek after 412", "per-process counters in keys", "rebuild with another plan",
	}[f]
}

// pretends reports whether a call is answered as if it had been applied, and isn't even sent.
func (m *model) pretends(p *process, c *chain.Call) bool {
	switch m.fault {
	case faultSkipLink:
		return c.Op == chain.OpPut && p.phase == extending
	case faultNoFinish:
		return c.Op == chain.OpComplete && p.phase == recovering
	case faultKeepFiles:
		return c.Op == chain.OpAbort && p.phase == extending
	}
	return false
}

// distort changes an answer.
func (m *model) distort(p *process, c *chain.Call, a chain.Answer) chain.Answer {
	switch {
	case m.fault == faultNoCompare && c.Op == chain.OpGet && p.phase == extending:
		a.Body = bytes.Replace(a.Body, []byte(`"attempt":"`), []byte(`"attempt":"x`), 1)
	case m.fault == faultCleanUnnamed && c.Op == chain.OpUploads:
		for i := range a.Uploads {
			a.Uploads[i].Seq = min(a.Uploads[i].Seq, m.newest())
		}
	}
	return a
}

// wrongDoubt does what one shouldn't do when the reply to a link is lost. It reports whether it did.
func (m *model) wrongDoubt(p *process) bool {
	if p.phase != extending || p.ext.Link().Kind != chain.KindData {
		return false
	}
	switch {
	case m.fault == faultGetDecides && m.get(m.id.Key(p.at)).Err != nil:
		m.giveUp(p, true)
		return true
	case m.fault == faultGrown && p.pos < m.end() && p.pos >= m.start:
		attempt := p.ext.Link().Attempt
		p.ext = nil
		m.read(p)
		for f := p.unstaged(); f != nil && p.phase != abandoning && p.phase != recovering; f = p.unstaged() {
			m.stage(p, f, done)
		}
		if p.phase != extending {
			return true // an upload had expired
		}
		m.bury(p.bury)
		l := m.newLink(p, chain.KindData, p.pos)
		l.Attempt = attempt
		m.extend(p, l)
		return true
	}
	return false
}

// keep remembers beyond a lost race what should be dropped.
func (m *model) keep(p *process) {
	if m.fault != faultKeepFiles && m.fault != faultNoSeek {
		return
	}
	k := *p
	p.kept = &k
}

// unkeep brings it back.
func (m *model) unkeep(p *process) {
	k := p.kept
	if k == nil {
		return
	}
	p.kept = nil
	p.pos = max(p.pos, k.pos)
	if m.fault == faultKeepFiles && k.ext.Link().Kind == chain.KindData {
		p.files, p.bury, p.counts, p.first, p.last = k.files, nil, k.counts, k.first, k.last
	}
}
