package textline

import (
	"bytes"
	"fmt"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/column"
)

const (
	maxParams = 128 // of one element of structured data: each is compared with the others
	maxName   = 255 // bytes of a name in structured data; RFC 5424 allows 32
)

// A param is where the name and the value of a parameter are.
type param struct {
	name, nameEnd   int // name is -1 when it was written
	value, valueEnd int
	escaped         bool
}

func (p *param) sameName(l *line, q *param) bool {
	return q.name >= 0 && bytes.Equal(l.text[p.name:p.nameEnd], l.text[q.name:q.nameEnd])
}

// data writes the structured data that begin at, - or elements, and returns where they end (RFC 5424, section 6.3).
func (s syslog5424) data(l *line, at int) (end int, err error) {
	if at < len(l.text) && l.text[at] == '-' {
		l.row.Null(data5424)
		return at + 1, nil
	}
	if at == len(l.text) || l.text[at] != '[' {
		return 0, l.mismatch(at, fmt.Sprintf("%q: - or [", structuredData))
	}
	w, n := l.row.Writer, 0
	object := w.Begin(l.set.Member(data5424), serde.Object)
	for at < len(l.text) && l.text[at] == '[' {
		if at, err = s.element(l, at); err != nil {
			return 0, err
		}
		n++
	}
	w.End(object, n)
	l.row.Members++
	if id, ok := w.Repeated(object); ok {
		return 0, fmt.Errorf("%s has the element %s twice", structuredData, column.Shape([]byte(id)))
	}
	return at, nil
}

// element writes the element at, [id name="value" ...], and returns where it ends.
func (s syslog5424) element(l *line, at int) (end int, err error) {
	from, at := at+1, at+1
	if at, err = s.name(l, at); err != nil {
		return 0, err
	}
	object := l.row.Writer.Begin(serde.NameAt(from, at-from), serde.Object)
	var room [8]param
	params := room[:0]
	for at < len(l.text) && l.text[at] == ' ' {
		var p param
		if p, at, err = s.param(l, at+1); err != nil {
			return 0, err
		}
		if params = append(params, p); len(params) > maxParams {
			return 0, fmt.Errorf("the element at byte %d of %s has more than %d parameters", from, structuredData, maxParams)
		}
	}
	if at == len(l.text) || l.text[at] != ']' {
		return 0, l.mismatch(at, "] or a space and a parameter")
	}
	l.row.Writer.End(object, s.params(l, params))
	return at + 1, nil
}

// name is where the name that begins at ends.
func (syslog5424) name(l *line, at int) (end int, err error) {
	i := at
	for i < len(l.text) && l.text[i] > ' ' && l.text[i] < 0x7F && l.text[i] != '=' && l.text[i] != ']' && l.text[i] != '"' {
		i++
	}
	if i == at || i-at > maxName {
		return 0, l.mismatch(at, fmt.Sprintf("a name of 1 to %d printable ASCII characters", maxName))
	}
	return i, nil
}

// param finds the parameter at, name="value".
func (s syslog5424) param(l *line, at int) (p param, end int, err error) {
	p.name = at
	if p.nameEnd, err = s.name(l, at); err != nil {
		return p, 0, err
	}
	at = p.nameEnd
	if at+1 >= len(l.text) || l.text[at] != '=' || l.text[at+1] != '"' {
		return p, 0, l.mismatch(at, `=" behind a parameter's name`)
	}
	p.value = at + 2
	for i := p.value; i < len(l.text); i++ {
		switch l.text[i] {
		case '\\':
			p.escaped = true
			i++
		case '"':
			p.valueEnd = i
			return p, i + 1, nil
		}
	}
	return p, 0, l.mismatch(len(l.text), "a quote behind a parameter's value")
}

// params writes the parameters of an element and returns how many members they are: those of one name are an array (section 6.3.3 allows them).
func (s syslog5424) params(l *line, params []param) (members int) {
	w := l.row.Writer
	for i := range params {
		p := &params[i]
		if p.name < 0 { // written with another
			continue
		}
		members++
		name, same := serde.NameAt(p.name, p.nameEnd-p.name), 0
		for j := i + 1; j < len(params); j++ {
			if p.sameName(l, &params[j]) {
				same++
			}
		}
		if same == 0 {
			s.value(l, name, p)
			continue
		}
		array := w.Begin(name, serde.Array)
		s.value(l, serde.Name{}, p)
		for j := i + 1; j < len(params); j++ {
			if q := &params[j]; p.sameName(l, q) {
				s.value(l, serde.Name{}, q)
				q.name = -1
			}
		}
		w.End(array, 1+same)
	}
	return members
}

// value writes the value of a parameter, in which a backslash is before ", \ and ].
func (syslog5424) value(l *line, name serde.Name, p *param) {
	w := l.row.Writer
	if !p.escaped {
		w.Borrow(name, serde.String, p.value, p.valueEnd-p.value)
		return
	}
	kept, n := l.tape.Keep(l.text[p.value:p.valueEnd]), 0
	for i := 0; i < len(kept); i++ {
		if c := kept[i]; c == '\\' && i+1 < len(kept) && (kept[i+1] == '"' || kept[i+1] == '\\' || kept[i+1] == ']') {
			i++
		}
		kept[n] = kept[i]
		n++
	}
	w.Copy(name, serde.String, kept[:n])
}
