package main

import (
	"slices"
	"strconv"

	"github.com/millrace/millrace/internal/chain"
)

type phase uint8

const (
	dead       phase = iota
	recovering       // rec runs
	mending          // objects are lost, and their offsets are to be read again
	reading          // records into files
	staging          // all files, one by one
	burying          // what belongs to the range, before its link
	extending        // ext runs
	committing       // the group's offset
	abandoning       // dropping its own uploads
	halted           // until somebody restarts it: it said why
)

func (p phase) String() string {
	return [...]string{"dead", "recovering", "mending", "reading", "staging", "burying", "extending", "committing", "abandoning", "halted"}[p]
}

// A file holds rows of one path.
type file struct {
	path      uint8
	rows      []row
	key, tail string
	upload    string // "" until it is begun
	closed    bool
	staged    bool
}

// A process is the connector and the staging around the machines, as small as it can be.
type process struct {
	n     int
	life  int // how often it was started
	phase phase
	plan  int

	rewinds bool  // it is an operator's rewind
	target  int64 // of the rewind
	clean   bool  // recoveries clean
	again   bool  // recover after abandoning

	hint      chain.Hint
	committed int64
	rec       *chain.Recovery
	ext       *chain.Extension
	newest    *chain.Link
	lost      []chain.Object // to be mended; of a halted process, why
	at        int64
	from      int64 // where the range begins
	pos       int64 // the next offset to read
	skip      int64 // where the group was moved to by hand, beyond the chain's end
	rewind    int64 // number of the newest rewind

	files       []file
	counts      chain.Counts
	first, last int64
	bury        []int64
	drop        []string // uploads
	late        bool     // burying after the link, which is a fault
	kept        *process // what a fault keeps beyond a lost race

	names, namesAt int64 // for unique names
	counter        int64 // for keys that aren't
	checked        bool  // it recovered once more at the end, and there was nothing to do
}

// clone shares what never changes; rows are capped, so that growing them makes a copy.
func (p *process) clone() process {
	c := *p
	c.files = slices.Clone(p.files)
	for i := range c.files {
		c.files[i].rows = slices.Clip(c.files[i].rows)
	}
	c.bury, c.drop = slices.Clip(c.bury), slices.Clip(c.drop)
	if p.rec != nil {
		c.rec = p.rec.Clone()
	}
	if p.ext != nil {
		c.ext = p.ext.Clone()
	}
	return c
}

// forget drops all that was staged. Its uploads are left where they are.
func (p *process) forget() {
	p.rec, p.ext, p.newest, p.lost, p.skip = nil, nil, nil, nil, 0
	p.empty()
}

// empty begins a range.
func (p *process) empty() {
	p.files, p.counts, p.first, p.last, p.bury, p.late = nil, chain.Counts{}, -1, -1, nil, false
}

// name is one that nobody else has: "~", the process as a letter, its life, the number, and a count. The search
// swaps the letters.
func (m *model) name(p *process) string {
	if m.coarse && p.namesAt != p.at {
		p.namesAt, p.names = p.at, 0
	}
	p.names++
	b := make([]byte, 0, 16)
	b = append(b, '~', byte('A'+p.n))
	b = strconv.AppendInt(b, int64(p.life), 10)
	b = strconv.AppendInt(append(b, '.'), p.at, 10)
	b = strconv.AppendInt(append(b, '.'), p.names, 10)
	return string(b)
}

func planName(plan int) string { return "plan" + strconv.Itoa(plan) }

func planNumber(name string) int { return int(name[len(name)-1] - '0') }

// open opens a file for a path.
func (m *model) open(p *process, path uint8, offset int64) *file {
	f := file{path: path, tail: m.name(p)}
	b := strconv.AppendInt([]byte{'p', '0' + path, '/'}, offset, 10)
	switch {
	case m.fault == faultCounterKeys:
		p.counter++
		b = strconv.AppendInt(append(b[:3], byte('A'+p.n), '-'), p.counter, 10)
	case m.unique:
		b = strconv.AppendInt(append(b, '-'), p.at, 10)
		b = append(append(b, '-'), f.tail...)
	}
	f.key = string(b)
	if m.early {
		m.beginUpload(p, &f)
	}
	p.files = append(p.files, f)
	return &p.files[len(p.files)-1]
}

func (m *model) beginUpload(p *process, f *file) {
	f.upload = "u" + m.name(p)
	m.uploads = append(m.uploads, upload{id: f.upload, key: f.key, tail: f.tail, seq: m.seqOf(p)})
}

// seqOf is the number that uploads are begun for: that of the link that is mended, or the next.
func (m *model) seqOf(p *process) int64 {
	if p.lost != nil {
		return p.at - 1
	}
	return p.at
}

// file is the open file of a path.
func (p *process) file(path uint8) *file {
	for i := range p.files {
		if f := &p.files[i]; f.path == path && !f.closed {
			return f
		}
	}
	return nil
}

// read reads the next record, or finds that it is gone.
func (m *model) read(p *process) {
	if p.pos < max(m.start, p.skip) {
		if p.pos > p.from {
			m.closeRange(p)
		} else {
			m.passOver(p, max(m.start, p.skip))
		}
		return
	}
	o := p.pos
	p.pos++
	r := &m.log[o]
	if r.kind == hole {
		return
	}
	if p.first < 0 {
		p.first = o
	}
	p.last = o
	p.counts.Read++
	switch r.kind {
	case filtered:
		p.counts.Filtered++
	case buried:
		p.counts.Buried++
		p.bury = append(p.bury, o)
	default:
		p.counts.Written++
		p.counts.Emitted += int64(len(r.paths))
		m.add(p, o)
	}
}

// add puts the rows of a record into their files. The rows for one path are never split over two.
func (m *model) add(p *process, o int64) {
	for i := range p.files {
		if len(p.files[i].rows) >= m.size {
			p.files[i].closed = true
		}
	}
	for c := range m.log[o].paths {
		path := m.path(o, c, p.plan)
		f := p.file(path)
		if f == nil {
			f = m.open(p, path, o)
		}
		f.rows = append(f.rows, newRow(o, c))
	}
}

// stage writes a file to its upload and seals it.
func (m *model) stage(p *process, f *file, out outcome) {
	f.closed = true
	if f.upload == "" {
		if out == refused {
			return
		}
		m.beginUpload(p, f)
		if out != done { // begun, and nobody knows it
			f.upload = ""
			return
		}
	}
	u := m.upload(f.upload)
	if u.state != begun { // expired, or dropped by somebody: the error has class Lost
		m.giveUp(p, true)
		return
	}
	if out == refused {
		return
	}
	u.rows = slices.Clip(f.rows)
	f.staged = out == done
}

// unstaged is the first file that isn't staged.
func (p *process) unstaged() *file {
	for i := range p.files {
		if !p.files[i].staged {
			return &p.files[i]
		}
	}
	return nil
}

// closeRange begins to commit what was read.
func (m *model) closeRange(p *process) {
	if m.fault == faultFilteredTail && len(p.files) == 0 && len(p.bury) == 0 {
		p.from = p.pos
		p.empty()
		p.phase = committing
		return
	}
	m.proceed(p)
}

// proceed goes on to the next step of a range: stage all, bury, put the link.
func (m *model) proceed(p *process) {
	switch {
	case p.unstaged() != nil:
		p.phase = staging
	case len(p.bury) > 0 && m.fault != faultBuryAfter:
		p.phase = burying
	case p.lost != nil:
		m.mend(p)
	default:
		m.extend(p, m.newLink(p, chain.KindData, p.pos))
	}
}

// newLink is the link for what a process holds.
func (m *model) newLink(p *process, kind chain.Kind, next int64) *chain.Link {
	l := &chain.Link{
		Version: chain.Version, Kind: kind, Seq: p.at, Attempt: "a" + m.name(p), Plan: planName(p.plan),
		From: p.from, Next: next, First: -1, Last: -1, Rewind: p.rewind,
	}
	if kind == chain.KindData {
		l.First, l.Last, l.Counts = p.first, p.last, p.counts
		for i := range p.files {
			l.Objects = append(l.Objects, m.object(p, &p.files[i]))
		}
	}
	return l
}

func (m *model) object(p *process, f *file) chain.Object {
	n := len(f.rows)
	return chain.Object{
		Key: f.key, Path: string(rune('0' + f.path)), Tail: f.tail, Upload: f.upload, Rows: int64(n), Size: int64(n), CRC: sum(f.rows),
		First: f.rows[0].offset(), Last: f.rows[n-1].offset(), Unique: m.unique, Dir: m.dir, Seq: m.seqOf(p),
	}
}

func (m *model) extend(p *process, l *chain.Link) {
	p.ext, p.phase = chain.NewExtension(m.id, l), extending
	if m.fault == faultEarlyComplete {
		for i := range l.Objects {
			m.serve(&chain.Call{Op: chain.OpComplete, Object: &l.Objects[i], Fresh: !m.unique}, 0)
		}
	}
}

// passOver puts a gap link.
func (m *model) passOver(p *process, to int64) {
	l := m.newLink(p, chain.KindGap, to)
	l.Gap = &chain.Gap{From: p.from, To: to}
	m.extend(p, l)
}

// reread reads the offsets of lost objects again (rule L), under their keys, into new uploads.
func (m *model) reread(p *process) {
	for i := range p.lost {
		o := &p.lost[i]
		if o.First < m.start {
			m.halt(p, nHaltTrimmed, p.lost)
			return
		}
		f := file{path: o.Path[0] - '0', key: o.Key, tail: o.Tail, closed: true}
		for offset := o.First; offset <= o.Last; offset++ {
			for c := range m.log[offset].paths {
				if m.path(offset, c, p.plan) == f.path {
					f.rows = append(f.rows, newRow(offset, c))
				}
			}
		}
		if int64(len(f.rows)) != o.Rows && m.fault != faultOtherPlan {
			m.halt(p, nHaltRows, p.lost)
			return
		}
		p.files = append(p.files, f)
	}
	m.proceed(p)
}

// mend completes what was written again, and puts a seal.
func (m *model) mend(p *process) {
	objects := make([]chain.Object, len(p.files))
	for i := range p.files {
		objects[i] = p.lost[i]
		objects[i].Upload, objects[i].Dir, objects[i].Seq = p.files[i].upload, m.dir, m.seqOf(p)
	}
	p.ext, p.phase = chain.NewMending(m.id, objects, m.newLink(p, chain.KindSeal, p.from)), extending
}

// seal frees the objects of the newest link.
func (m *model) seal(p *process) { m.extend(p, m.newLink(p, chain.KindSeal, p.from)) }

// idle reports whether a process has nothing to do but wait.
func (m *model) idle(p *process) bool {
	return p.phase == reading && p.pos == p.from && p.pos >= m.end() && p.skip <= p.pos
}
