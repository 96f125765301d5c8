package main

import (
	"io"
	"math/rand/v2"
)

// A chaos is how often things happen in a random run, per thousand steps; each run has its own.
type chaos struct {
	doubt, crash, giveUp, fates int
	burst                       int // how long a process stays on before another has its turn
	trim, expire, forget, reset bool
	rewind, seal, clean         bool
}

func randomChaos(rng *rand.Rand, s *scope) chaos {
	some := func(of ...int) int { return of[rng.IntN(len(of))] }
	half := func() bool { return rng.IntN(2) == 0 }
	odds := chaos{
		doubt: some(0, 20, 100, 300), crash: some(0, 3, 15, 50), giveUp: some(0, 0, 5, 20), fates: some(0, 20, 60, 120),
		burst: some(1, 2, 8, 30), trim: half(), expire: rng.IntN(4) == 0, forget: half(), reset: half() && !s.pruned,
		rewind: s.unique && rng.IntN(4) == 0, seal: half(), clean: half(),
	}
	if s.fault == faultOtherPlan { // needs both, which are rare
		odds.fates, odds.expire = 120, true
	}
	return odds
}

// A randomRun draws what happens next.
type randomRun struct {
	*model
	odds chaos
	rng  *rand.Rand
	on   int // the process whose turn it is
}

// limits of a run; a process that has not finished by then is stuck.
const (
	aloneSteps  = 4000
	zombieSteps = 60
)

// run makes one random run: chaos, one process alone, zombies again, another alone, all that is late, and that one once more. The seed decides everything.
func run(seed uint64, f fault, trace io.Writer) *model {
	rng := rand.New(rand.NewPCG(seed, 0x6d696c6c72616365))
	s := randomScope(rng, f)
	r := &randomRun{model: newModel(s), odds: randomChaos(rng, s), rng: rng}
	r.trace = trace
	for range 20 + rng.IntN(240) {
		r.step(-1)
	}
	first := rng.IntN(s.procs)
	r.finish(first)
	for range zombieSteps {
		r.step(first)
	}
	second := (first + 1 + rng.IntN(s.procs-1)) % s.procs
	r.finish(second)
	for len(r.late) > 0 {
		r.apply(action{deed: doArrive, again: r.again()})
	}
	r.finish(second) // a rewind may have been late
	return r.model
}

// finish lets one process run alone to the end of the log, and judges.
func (r *randomRun) finish(n int) {
	r.tell("%c alone", 'A'+n)
	p := &r.procs[n]
	p.checked = false
	for range aloneSteps {
		a, ok := r.alone(p, r.rng.IntN(8) == 0)
		if !ok {
			r.judge(p.phase != halted)
			r.judgeHalt(p)
			return
		}
		r.apply(a)
	}
	r.blame("stuck", "%c made %d steps alone, and is not done", 'A'+n, aloneSteps)
}

// alone is what a process does next when nothing goes wrong any more. It is done once it has recovered with nothing to do.
func (m *model) alone(p *process, early bool) (a action, ok bool) {
	a = action{proc: p.n}
	switch p.phase {
	case dead:
		a.deed = doStart
	case halted:
		if p.checked {
			return a, false
		}
		p.checked = true
		a.deed = doStart
		return a, true
	case reading:
		switch {
		case !m.idle(p) && p.pos < m.end() && m.coarse && p.pos >= max(m.start, p.skip):
			a.deed, a.pick = doTake, int(m.end()-p.pos)
		case p.pos >= m.end() && p.pos > p.from, early && p.pos > p.from:
			a.deed = doClose
		case !m.idle(p):
			a.deed = doRead
		case p.checked:
			return a, false
		default:
			a.deed = doGiveUp
			p.checked = true
		}
	default:
		a.deed = m.only(p, &a)
	}
	return a, true
}

// only is the one deed of a phase.
func (m *model) only(p *process, a *action) deed {
	switch p.phase {
	case mending:
		return doReread
	case staging:
		for i := range p.files {
			if !p.files[i].staged {
				a.pick = i
				break
			}
		}
		return doStage
	case burying:
		return doBury
	case committing:
		return doCommit
	case abandoning:
		return doDrop
	default:
		return doCall
	}
}

func (r *randomRun) chance(perThousand int) bool { return r.rng.IntN(1000) < perThousand }

// again is what a Complete answers that was applied before.
func (r *randomRun) again() uint8 { return uint8(r.rng.IntN(3)) }

// step lets one thing happen, to any process but the one that is frozen.
func (r *randomRun) step(frozen int) {
	if r.chance(r.odds.fates) {
		if a, ok := r.fate(); ok {
			r.apply(a)
			return
		}
	}
	if len(r.late) > 0 && r.chance(60) {
		r.apply(action{deed: doArrive, pick: r.rng.IntN(len(r.late)), again: r.again()})
		return
	}
	if r.on == frozen || r.rng.IntN(r.odds.burst) == 0 {
		r.on = r.rng.IntN(len(r.procs))
	}
	if r.on == frozen {
		return
	}
	if a, ok := r.next(&r.procs[r.on]); ok {
		r.apply(a)
	}
}

// next draws what a process does.
func (r *randomRun) next(p *process) (a action, ok bool) {
	a = action{proc: p.n, again: r.again()}
	if p.phase != dead && r.chance(r.odds.crash) {
		a.deed = doCrash
		return a, true
	}
	switch p.phase {
	case reading, staging, burying, extending:
		if r.chance(r.odds.giveUp) && !p.late {
			a.deed = doGiveUp
			return a, true
		}
	}
	switch p.phase {
	case dead, halted:
		a.deed = doStart
		if r.odds.clean {
			a.pick = r.rng.IntN(2)
		}
		if r.odds.rewind && r.chance(300) {
			a.deed, a.pick = doRewind, r.rng.IntN(len(r.log))
		}
		return a, r.rng.IntN(4) == 0
	case reading:
		return r.nextRead(p, a)
	}
	a.deed = r.only(p, &a)
	switch p.phase {
	case extending, recovering:
		a.pick = r.rng.IntN(8)
	}
	if p.phase != mending && r.chance(r.odds.doubt) {
		a.out = unheard + outcome(r.rng.IntN(3))
	}
	return a, true
}

func (r *randomRun) nextRead(p *process, a action) (action, bool) {
	switch {
	case p.pos >= r.end() && p.pos == p.from && p.skip <= p.pos:
		a.deed = doSeal
		return a, r.odds.seal && p.newest != nil && len(p.newest.Objects) > 0 && r.chance(100)
	case p.pos >= r.end() && p.pos > p.from, p.pos > p.from && r.chance(150):
		a.deed = doClose
		return a, true
	case r.chance(100):
		for i := range p.files {
			if f := &p.files[i]; f.closed && !f.staged {
				a.deed, a.pick = doStage, i
				return a, true
			}
		}
	}
	a.deed = doRead
	return a, true
}

// fate draws what happens to the world.
func (r *randomRun) fate() (a action, ok bool) {
	switch r.rng.IntN(6) {
	case 0:
		a.deed, a.pick = doTrim, int(r.start)+1+r.rng.IntN(3)
		return a, r.odds.trim && a.pick <= len(r.log) && r.chance(300)
	case 1:
		var open []int
		for i := range r.uploads {
			if r.uploads[i].state == begun {
				open = append(open, i)
			}
		}
		if len(open) == 0 || !r.odds.expire {
			return a, false
		}
		a.deed, a.pick = doExpire, open[r.rng.IntN(len(open))]
		return a, true
	case 2:
		if len(r.objects) == 0 {
			return a, false
		}
		a.deed, a.pick = doForget, r.rng.IntN(len(r.objects))
		return a, r.odds.forget && r.forgetful(&r.objects[a.pick])
	case 3:
		if !r.pruned {
			return a, false
		}
		a.deed, a.pick = doPrune, int(r.prunable())
		return a, a.pick > 0
	case 4:
		a.deed, a.pick = doReset, r.rng.IntN(len(r.log))
		return a, r.odds.reset && r.newest() >= 0 && r.chance(300)
	default:
		a.deed, a.pick = doPlan, r.rng.IntN(r.plans)
		return a, a.pick != r.plan
	}
}
