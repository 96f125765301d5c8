package main

// possible appends all that can happen in a state of a search, within what is left of its limits.
func (m *model) possible(all []action) []action {
	for i := range m.procs {
		all = m.possibleOf(&m.procs[i], all)
	}
	for i := range m.late {
		all = append(all, action{deed: doArrive, pick: i, again: m.again})
	}
	if m.left.trims > 0 {
		for to := m.start + 1; to <= m.end(); to++ {
			all = append(all, action{deed: doTrim, pick: int(to)})
		}
	}
	if m.left.expiries > 0 {
		for i := range m.uploads {
			if m.uploads[i].state == begun {
				all = append(all, action{deed: doExpire, pick: i})
			}
		}
	}
	if m.left.forgets > 0 {
		for i := range m.objects {
			if m.forgetful(&m.objects[i]) {
				all = append(all, action{deed: doForget, pick: i})
			}
		}
	}
	if m.left.plans > 0 {
		all = append(all, action{deed: doPlan, pick: (m.plan + 1) % m.plans})
	}
	return all
}

func (m *model) possibleOf(p *process, all []action) []action {
	a := action{proc: p.n, again: m.again}
	if p.phase != dead && m.left.crashes > 0 {
		all = append(all, action{deed: doCrash, proc: p.n})
	}
	with := func(d deed, pick int, out outcome) {
		a.deed, a.pick, a.out = d, pick, out
		all = append(all, a)
	}
	switch p.phase {
	case dead:
		with(doStart, 0, done)
		if m.left.rewinds > 0 {
			for to := range len(m.log) {
				with(doRewind, to, done)
			}
		}
	case halted:
	case recovering, extending:
		for i, c := range p.machine().Calls() {
			with(doCall, i, done)
			if m.left.doubts > 0 && mutates(c.Op) {
				with(doCall, i, unheard)
				with(doCall, i, underway)
			}
		}
	case reading:
		switch {
		case m.idle(p):
			if m.left.seals > 0 && p.newest != nil && len(p.newest.Objects) > 0 {
				with(doSeal, 0, done)
			}
		case p.pos < max(m.start, p.skip):
			with(doRead, 0, done)
		case p.pos >= m.end():
			with(doClose, 0, done)
		case m.stale(p):
			with(doTake, 1, done)
		default:
			for n := range m.end() - p.pos {
				with(doTake, int(n)+1, done)
			}
		}
	case burying:
		with(doBury, 0, done)
		if m.left.doubts > 0 {
			with(doBury, 0, unheard)
			with(doBury, 0, underway)
		}
	default:
		with(m.only(p, &a), a.pick, done)
	}
	return all
}

// spend takes an action from what is left of a search's limits.
func (l *limits) spend(a action) {
	if a.out != done {
		l.doubts--
	}
	switch a.deed {
	case doCrash:
		l.crashes--
	case doTrim:
		l.trims--
	case doRewind:
		l.rewinds--
	case doExpire:
		l.expiries--
	case doForget:
		l.forgets--
	case doPlan:
		l.plans--
	case doSeal:
		l.seals--
	}
}
