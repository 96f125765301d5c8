package layout

import "strings"

// pieces are a path that grows: texts, times and fields.
type pieces struct {
	out     strings.Builder
	pending []element // texts and times that aren't in out yet
	least   int       // bytes that the path has at least
}

func (p *pieces) text(s string) {
	p.time([]element{{text: s}})
}

func (p *pieces) time(es []element) {
	p.pending = append(p.pending, es...)
	for _, e := range es {
		p.least += len(e.text) + len(e.letters)
	}
}

func (p *pieces) field(field string) {
	p.flush()
	p.out.WriteString(field)
	p.least++
}

func (p *pieces) flush() {
	p.out.WriteString(timeFields(p.pending))
	p.pending = nil
}

// template is the path so far.
func (p *pieces) template() string {
	p.flush()
	return p.out.String()
}
