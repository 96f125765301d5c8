package main

import (
	"bytes"
	"hash/maphash"
	"io"
	"slices"
	"strconv"

	"github.com/millrace/millrace/internal/chain"
)

// A node is a state that is to be left, and how it was reached.
type node struct {
	model *model
	path  *past
}

// A past is what was done, latest first.
type past struct {
	last   action
	before *past
}

func (p *past) actions() (all []action) {
	for ; p != nil; p = p.before {
		all = append(all, p.last)
	}
	slices.Reverse(all)
	return all
}

// A search visits every state that a scope's actions can reach: depth first, each state once. States are told apart by hashes of
// 64 bits, and processes are interchangeable.
type search struct {
	scope    *scope
	sample   int // from every so many states each process alone must finish
	max      int // states; 0 for no limit
	progress func(states, open int)

	seed    maphash.Seed
	visited map[uint64]struct{}
	perms   [][]byte
	text    [2][]byte
	found   finding
}

// A finding is what a search found.
type finding struct {
	States   int  `json:"states"`
	Finished int  `json:"finished"` // runs alone, from samples
	Halts    int  `json:"halts"`    // of them, that ended with a message
	Complete bool `json:"complete"`

	flaws []flaw
	path  []action // to the flaws
	alone int      // the process that ran alone then, -1 for none
}

func newSearch(s *scope) *search {
	s.coarse = true
	letters := make([]byte, s.procs)
	for i := range letters {
		letters[i] = byte('A' + i)
	}
	return &search{scope: s.prepare(), sample: 16, seed: maphash.MakeSeed(), visited: map[uint64]struct{}{}, perms: permutations(letters)}
}

func permutations(of []byte) (all [][]byte) {
	if len(of) <= 1 {
		return [][]byte{slices.Clone(of)}
	}
	for i := range of {
		rest := append(slices.Clone(of[:i]), of[i+1:]...)
		for _, p := range permutations(rest) {
			all = append(all, append([]byte{of[i]}, p...))
		}
	}
	return all
}

// run searches until a flaw is found or nothing is left.
func (s *search) run() finding {
	root := newModel(s.scope)
	s.visited[s.hash(root)] = struct{}{}
	open := []node{{model: root}}
	var due []action
	for len(open) > 0 && len(s.found.flaws) == 0 {
		n := open[len(open)-1]
		open = open[:len(open)-1]
		s.found.States++
		if s.found.States%s.sample == 0 {
			s.finishAlone(n)
		}
		if s.progress != nil && s.found.States%10000 == 0 {
			s.progress(s.found.States, len(open))
		}
		if s.max > 0 && s.found.States >= s.max {
			break
		}
		due = n.model.possible(due[:0])
		for i, a := range due {
			m := n.model
			if i < len(due)-1 {
				m = m.clone()
			}
			m.apply(a)
			path := &past{a, n.path}
			if len(m.flaws) > 0 {
				s.found.flaws, s.found.path, s.found.alone = m.flaws, path.actions(), -1
				break
			}
			h := s.hash(m)
			if _, ok := s.visited[h]; !ok {
				s.visited[h] = struct{}{}
				open = append(open, node{m, path})
			}
		}
	}
	s.found.Complete = len(open) == 0 && len(s.found.flaws) == 0
	return s.found
}

// finishAlone lets each process alone finish from a state, then what is late arrive, then the next process finish.
func (s *search) finishAlone(n node) {
	for i := range n.model.procs {
		m := n.model.clone()
		s.found.Finished++
		whole := m.finishAlone(i)
		for len(m.late) > 0 {
			m.apply(action{deed: doArrive, again: m.again})
		}
		if whole {
			whole = m.finishAlone((i + 1) % len(m.procs))
		}
		if !whole {
			s.found.Halts++
		}
		if len(m.flaws) > 0 {
			s.found.flaws, s.found.path, s.found.alone = m.flaws, n.path.actions(), i
			return
		}
	}
}

// finishAlone lets one process run to the end, and judges. It is false if the process halted with a message.
func (m *model) finishAlone(n int) bool {
	p := &m.procs[n]
	p.checked = false
	for range aloneSteps {
		a, ok := m.alone(p, false)
		a.again = m.again
		if !ok {
			m.judge(p.phase != halted)
			m.judgeHalt(p)
			return p.phase != halted
		}
		m.apply(a)
	}
	m.blame("stuck", "%c made %d steps alone, and is not done", 'A'+n, aloneSteps)
	return true
}

// hash is that of a state, whichever process is which: the least of those that renaming them gives. It is a sum
// over the parts of a state, because their order means nothing.
func (s *search) hash(m *model) (least uint64) {
	s.text[0] = m.appendState(s.text[0][:0])
	for i, perm := range s.perms {
		text := s.text[0]
		if i > 0 {
			text = append(s.text[1][:0], text...)
			for k := range len(text) - 1 {
				if text[k] == '~' {
					text[k+1] = perm[text[k+1]-'A']
				}
			}
			s.text[1] = text
		}
		var sum uint64
		for len(text) > 0 {
			part, rest, _ := bytes.Cut(text, []byte{'\n'})
			h := maphash.Bytes(s.seed, part)
			sum += h ^ h>>29
			text = rest
		}
		if i == 0 || sum < least {
			least = sum
		}
	}
	return least
}

// replay tells what led to a finding, and returns its flaws.
func (f *finding) replay(s *scope, w io.Writer) []flaw {
	m := newModel(s)
	m.trace = w
	for _, a := range f.path {
		m.apply(a)
	}
	if f.alone >= 0 {
		m.finishAlone(f.alone)
		for len(m.late) > 0 {
			m.apply(action{deed: doArrive, again: m.again})
		}
		m.finishAlone((f.alone + 1) % len(m.procs))
	}
	return m.flaws
}

// named reports whether anything in the world has a name that this life of a process gave.
func (m *model) named(p *process) bool {
	prefix := string(append(strconv.AppendInt([]byte{'~', byte('A' + p.n)}, int64(p.life), 10), '.'))
	for i := range m.uploads {
		if bytes.Contains([]byte(m.uploads[i].id), []byte(prefix)) {
			return true
		}
	}
	for i := range m.links {
		if bytes.Contains(m.links[i].body, []byte(prefix)) {
			return true
		}
	}
	return slices.ContainsFunc(m.late, func(l sent) bool { return bytes.Contains(l.call.Body, []byte(prefix)) })
}

// appendState appends a text that is equal for states which behave equally from now on: one line for each part. Of the chain only the newest
// link counts: those before it are finished, or a flaw has been found, and who would put one in their place loses, whatever they hold.
func (m *model) appendState(b []byte) []byte {
	b = appendInts(append(b, 'W'), m.start, int64(m.plan))
	b = append(b, ' ')
	for _, n := range m.dead {
		b = append(b, '0'+min(n, 1))
	}
	l := m.left
	for _, n := range []int8{l.crashes, l.doubts, l.trims, l.rewinds, l.expiries, l.plans, l.seals, l.forgets} {
		b = append(b, '0'+byte(n))
	}
	b = append(b, '\n')
	newest := m.newest()
	if newest >= 0 {
		b = append(appendLink(append(b, 'L'), m.link(newest)), '\n')
	}
	for i := range m.uploads {
		u := &m.uploads[i]
		if u.state == completed {
			continue // its object says so
		}
		b = append(append(append(b, 'U'), u.id...), ' ', '0'+byte(u.state), ' ')
		b = append(appendRows(append(b, u.key...), u.rows), '\n')
	}
	for i := range m.objects {
		o := &m.objects[i]
		if o.seq < newest && m.limits.forgets == 0 {
			continue
		}
		b = append(append(append(b, 'O'), o.key...), ' ')
		b = appendRows(append(b, o.tail...), o.rows)
		if o.deleted {
			b = append(b, '-')
		}
		b = append(b, '\n')
	}
	for i := range m.late {
		b = append(m.late[i].appendState(append(b, 'T')), '\n')
	}
	for i := range m.procs {
		b = append(m.appendProcess(append(b, 'P'), &m.procs[i]), '\n')
	}
	return b
}

func appendRows(b []byte, rows []row) []byte {
	for _, r := range rows {
		b = strconv.AppendInt(append(b, ','), int64(r), 10)
	}
	return b
}

func appendInts(b []byte, ns ...int64) []byte {
	for _, n := range ns {
		b = strconv.AppendInt(append(b, ' '), n, 10)
	}
	return b
}

func appendLink(b []byte, l *chain.Link) []byte {
	b = append(append(append(append(b, l.Kind...), ' '), l.Attempt...), l.Plan...)
	b = appendInts(b, l.Seq, l.From, l.Next, l.Rewind)
	for i := range l.Objects {
		b = append(append(b, ' '), l.Objects[i].Upload...)
	}
	return b
}

func (s *sent) appendState(b []byte) []byte {
	for _, o := range s.bury {
		b = appendInts(b, o)
	}
	b = append(append(b, byte('0'+s.call.Op)), bytes.TrimSpace(s.call.Body)...)
	if o := s.call.Object; o != nil {
		b = append(append(append(b, o.Key...), ' '), o.Upload...)
	}
	return b
}

// names reports whether a link that is late names an upload.
func (s *sent) names(upload string) bool { return bytes.Contains(s.call.Body, []byte(`"`+upload+`"`)) }

func (m *model) appendProcess(b []byte, p *process) []byte {
	b = append(b, '~', byte('A'+p.n), '0'+byte(p.phase))
	b = appendInts(b, int64(p.life), int64(p.plan), p.at, p.namesAt, p.names)
	if m.stale(p) {
		if m.idle(p) {
			b = append(b, 'i')
		}
		return append(b, 's')
	}
	b = appendInts(b, p.from, p.pos, p.skip, p.rewind, p.target, int64(len(p.bury)), int64(len(p.lost)))
	if p.rewinds {
		b = append(b, 'r')
	}
	if p.newest != nil && len(p.newest.Objects) > 0 {
		b = append(b, 'o')
	}
	for i := range p.files {
		f := &p.files[i]
		b = append(append(append(append(b, ' '), f.key...), f.tail...), f.upload...)
		b = appendRows(b, f.rows)
	}
	if p.rec != nil {
		b = p.rec.AppendState(append(b, '|'))
	}
	if p.ext != nil {
		b = p.ext.AppendState(appendLink(append(b, '|'), p.ext.Link()))
	}
	return b
}
