package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/millrace/millrace/internal/chain"
)

// An outcome is what becomes of a call that is sent.
type outcome uint8

const (
	done     outcome = iota // applied and answered
	unheard                 // applied, and the reply is lost
	refused                 // not applied, and that isn't known
	underway                // to be applied later, whatever becomes of the sender
)

func (o outcome) String() string { return [...]string{"", ", reply lost", ", no reply", ", late"}[o] }

// A deed is one thing that can happen in a model.
type deed uint8

const (
	doStart deed = iota // and clean, if pick is 1
	doRewind
	doCrash
	doGiveUp
	doCall   // the pick-th of the calls that are due
	doReread // what was lost
	doRead   // one record
	doTake   // pick records, and commit them
	doClose  // begin to commit
	doSeal
	doStage // the pick-th file
	doBury
	doCommit
	doDrop
	doArrive // the pick-th late call
	doTrim   // the log begins at pick
	doExpire // the pick-th upload
	doForget // somebody deletes the pick-th object
	doPrune  // somebody deletes the links below pick
	doReset  // somebody moves the group's offset to pick
	doPlan   // the settings change to plan pick
)

func (d deed) String() string {
	return [...]string{
		"start", "start a rewind", "crash", "give up", "call", "read again", "read", "take", "close", "seal", "stage", "bury", "commit", "drop",
		"arrives", "trim", "expire", "delete object", "prune", "reset group", "new plan",
	}[d]
}

// An action is a deed, of a process or of the world. Equal actions in equal states have equal results.
type action struct {
	deed  deed
	proc  int
	pick  int
	out   outcome
	again uint8 // what a repeated Complete answers
}

// A model is a world and its processes.
type model struct {
	*scope
	world
	procs  []process
	left   limits
	flaws  []flaw
	bodies []sealed
	tally  tally
	trace  io.Writer // nil for none
}

func newModel(s *scope) *model {
	m := &model{scope: s, procs: make([]process, s.procs), left: s.limits}
	m.dead = make([]uint8, len(s.log))
	m.group.offset = s.first
	for i := range m.procs {
		m.procs[i].n = i
	}
	return m
}

func (m *model) clone() *model {
	c := *m
	c.world = m.world.clone()
	c.procs = make([]process, len(m.procs))
	for i := range m.procs {
		c.procs[i] = m.procs[i].clone()
	}
	c.flaws, c.bodies = slices.Clip(m.flaws), slices.Clip(m.bodies)
	return &c
}

func (m *model) tell(format string, args ...any) {
	if m.trace != nil {
		fmt.Fprintf(m.trace, "%5d  "+format+"\n", append([]any{m.tally[nSteps]}, args...)...)
	}
}

// apply does one thing.
func (m *model) apply(a action) {
	m.left.spend(a)
	m.perform(a)
	if m.coarse && !m.plain {
		if a.deed == doStart || a.deed == doRewind { // to begin later is the same as to list later
			m.perform(action{deed: doCall, proc: a.proc, again: a.again})
		}
		m.merge()
	}
}

func (m *model) perform(a action) {
	m.tally[nSteps]++
	if m.trace != nil {
		m.tellAction(a)
	}
	if a.deed >= doArrive {
		m.happen(a)
		return
	}
	p := &m.procs[a.proc]
	if a.out != done {
		m.tally[nDoubts]++
	}
	if a.out == underway {
		m.tally[nLate]++
	}
	switch a.deed {
	case doStart, doRewind:
		m.launch(p, a)
	case doCrash:
		m.tally[nCrashes]++
		m.crash(p)
	case doGiveUp:
		m.giveUp(p, false)
	case doCall:
		m.call(p, a)
	case doReread:
		m.reread(p)
	case doRead:
		m.read(p)
	case doTake:
		for range a.pick {
			m.read(p)
		}
		m.closeRange(p)
	case doClose:
		m.closeRange(p)
	case doSeal:
		m.seal(p)
	case doStage:
		m.stageSome(p, a)
	case doBury:
		m.buryRange(p, a.out)
	case doCommit:
		m.commit(p, a.out)
	case doDrop:
		m.dropOne(p, a.out)
	}
}

// happen is what others do than the processes.
func (m *model) happen(a action) {
	switch a.deed {
	case doArrive:
		m.arrive(a.pick, a.again)
	case doTrim:
		m.start = int64(a.pick)
		m.tally[nTrims]++
	case doExpire:
		m.uploads[a.pick].state = expired
		m.tally[nExpired]++
	case doForget:
		m.objects[a.pick].deleted = true
		m.tally[nDeleted]++
	case doPrune:
		for i := range a.pick {
			m.links[i].deleted = true
		}
		m.tally[nDeleted]++
	case doReset:
		m.group = group{offset: int64(a.pick)}
		m.passed = max(m.passed, int64(a.pick))
	case doPlan:
		m.plan = a.pick
	}
}

// launch starts a process with the settings of now.
func (m *model) launch(p *process, a action) {
	m.tally[nStarts]++
	*p = process{n: p.n, checked: p.checked, life: p.life + 1, plan: m.plan, clean: m.clean || a.deed == doStart && a.pick == 1}
	if a.deed == doRewind {
		p.rewinds, p.target = true, int64(a.pick)
	}
	if m.fault == faultAbortOthers {
		for i := range m.uploads {
			m.abort(m.uploads[i].id)
		}
	}
	m.recover(p)
}

// crash forgets everything. What was sent late will still arrive.
func (m *model) crash(p *process) {
	life := p.life
	if m.coarse && !m.named(p) {
		life-- // its names are free again: fewer states
	}
	*p = process{n: p.n, checked: p.checked, life: life}
}

// recover begins from nothing: rule R.
func (m *model) recover(p *process) {
	p.forget()
	p.committed = m.group.offset
	var hinted bool
	p.hint, hinted = chain.DecodeHint(m.group.meta)
	start := chain.Start{Hint: p.hint, At: m.start, Attempt: "r" + m.name(p), Plan: planName(p.plan), Clean: p.clean}
	if p.committed >= 0 && !hinted {
		start.At = p.committed
	}
	p.rec, p.phase = chain.NewRecovery(m.id, start), recovering
}

// giveUp drops what no link can name; see rule A.
func (m *model) giveUp(p *process, again bool) {
	p.again, p.drop = again, nil
	if p.ext == nil || !p.ext.Sent() || m.fault == faultGetDecides {
		for i := range p.files {
			if u := p.files[i].upload; u != "" {
				p.drop = append(p.drop, u)
			}
		}
	}
	p.forget()
	p.phase = abandoning
	m.abandoned(p)
}

func (m *model) abandoned(p *process) {
	switch {
	case len(p.drop) > 0:
	case p.again:
		m.recover(p)
	default:
		m.crash(p)
	}
}

func (m *model) dropOne(p *process, out outcome) {
	m.send(sent{call: chain.Call{Op: chain.OpAbort, Object: &chain.Object{Upload: p.drop[0]}}}, out, 0)
	p.drop = p.drop[1:] // a courtesy: nobody waits for the answer
	m.abandoned(p)
}

// send sends what has no answer but "done".
func (m *model) send(s sent, out outcome, again uint8) {
	switch out {
	case refused:
	case underway:
		m.late = append(m.late, s)
	default:
		m.late = append(m.late, s)
		m.arrive(len(m.late)-1, again)
	}
}

func (m *model) stageSome(p *process, a action) {
	if m.coarse {
		for i := range p.files {
			m.stage(p, &p.files[i], done)
		}
	} else {
		m.stage(p, &p.files[a.pick], a.out)
	}
	if p.phase == staging {
		m.proceed(p)
	}
}

func (m *model) buryRange(p *process, out outcome) {
	m.send(sent{bury: p.bury}, out, 0)
	if out != done { // asked again
		return
	}
	p.bury = nil
	if p.late {
		p.late = false
		m.committing(p)
		return
	}
	m.proceed(p)
}

// committing: the group's offset follows the chain.
func (m *model) committing(p *process) {
	p.phase = committing
	if m.coarse {
		p.phase = reading
	}
}

func (m *model) commit(p *process, out outcome) {
	m.checkCommit(p.from)
	hint := chain.Hint{Chain: m.id.Chain, Dir: m.dir, Seq: p.at - 1}
	m.send(sent{commit: &group{p.from, hint.Encode()}}, out, 0)
	p.phase = reading // a hint: nobody waits for it
}

// halt stops a process that can't mend what is lost. It says so, which is no flaw.
func (m *model) halt(p *process, why count, lost []chain.Object) {
	m.tell("%c %s: %s is lost", 'A'+p.n, why, lost[0].Key)
	m.tally[why]++
	p.forget()
	p.lost, p.phase = lost, halted
}

func (m *model) tellAction(a action) {
	if a.deed >= doArrive {
		text := ""
		if a.deed == doArrive {
			text = m.describe(&m.late[a.pick])
		}
		m.tell("world: %s %d %s", a.deed, a.pick, text)
		return
	}
	p := &m.procs[a.proc]
	text := ""
	if a.deed == doCall {
		c := m.due(p, a.pick)
		text = m.describe(&sent{call: c})
	}
	m.tell("%c%d %s [at %d, %d to %d]: %s %d%s %s", 'A'+p.n, p.life, p.phase, p.at, p.from, p.pos, a.deed, a.pick, a.out, text)
}

func (m *model) describe(s *sent) string {
	switch {
	case s.commit != nil:
		return fmt.Sprintf("commit %d %s", s.commit.offset, s.commit.meta)
	case s.bury != nil:
		return fmt.Sprintf("bury %v", s.bury)
	}
	c := &s.call
	switch {
	case c.Op == chain.OpPut:
		return "put " + string(c.Body)
	case c.Object != nil:
		return fmt.Sprintf("%s %s upload %s", c.Op, c.Object.Key, c.Object.Upload)
	default:
		return fmt.Sprintf("%s %s", c.Op, c.Key)
	}
}
