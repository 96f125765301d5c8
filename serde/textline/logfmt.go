package textline

import (
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/column"
)

// pairs is logfmt: keys and values such as level=info msg="no route" retry. There is no standard; this is what
// github.com/go-logfmt/logfmt writes, and of what others write: a key without = is true, key= is null, a value in quotes
// has JSON's escapes, any other value goes on to the next space.
type pairs struct{}

const maxKey = 1024 // bytes of a key

func (pairs) columns() []column.Column { return nil }
func (pairs) members(n int) int        { return n/2 + 1 }

func (p pairs) read(l *line) error {
	at := skipSpace(l.text, 0)
	for at < len(l.text) {
		end, err := p.pair(l, at)
		if err != nil {
			return err
		}
		at = skipSpace(l.text, end)
	}
	if l.row.Members == 0 {
		return l.mismatch(at, "a key")
	}
	if name, ok := l.row.Repeated(); ok {
		return fmt.Errorf("the key %s is there twice", column.Shape([]byte(name)))
	}
	return nil
}

// pair writes the pair at and returns where it ends.
func (p pairs) pair(l *line, at int) (end int, err error) {
	i := at
	for i < len(l.text) && l.text[i] > ' ' && l.text[i] != '=' && l.text[i] != '"' {
		i++
	}
	switch {
	case i == at:
		return 0, l.mismatch(at, "a key")
	case i-at > maxKey:
		return 0, fmt.Errorf("the key at byte %d has more than %d bytes", at, maxKey)
	case i == len(l.text) || isSpace(l.text[i]):
		p.flag(l, at, i)
		return i, nil
	case l.text[i] != '=':
		return 0, l.mismatch(i, "= or a space behind a key")
	}
	from := i + 1
	if from < len(l.text) && l.text[from] == '"' {
		return p.quoted(l, at, i, from)
	}
	to := from
	for to < len(l.text) && !isSpace(l.text[to]) {
		to++
	}
	return to, p.value(l, at, i, l.text[from:to], from, true)
}

// flag writes the key text[from:to] that has no value.
func (pairs) flag(l *line, from, to int) {
	i, ok := l.set.Index(l.text[from:to])
	if ok && l.set.Type(i) != column.Bool {
		l.row.Null(i)
		return
	}
	l.row.Writer.Bool(serde.NameAt(from, to-from), true)
	l.row.Members++
}

// value writes a value of the key text[from:to]. No text, but for a quoted one, is null.
func (pairs) value(l *line, from, to int, text []byte, at int, borrowed bool) error {
	quoted := at > to+1
	if i, ok := l.set.Index(l.text[from:to]); ok {
		if len(text) == 0 && !quoted {
			l.row.Null(i)
			return nil
		}
		return l.unpacked(i, text, at, borrowed)
	}
	name, w := serde.NameAt(from, to-from), l.row.Writer
	switch {
	case len(text) == 0 && !quoted:
		w.Null(name)
	case borrowed:
		w.Borrow(name, serde.String, at, len(text))
	default:
		w.Copy(name, serde.String, text)
	}
	l.row.Members++
	return nil
}

// quoted writes the value whose quote is at for the key text[from:to], and returns where it ends.
func (p pairs) quoted(l *line, from, to, at int) (end int, err error) {
	escaped := false
	for i := at + 1; i < len(l.text); i++ {
		switch l.text[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			if i+1 < len(l.text) && !isSpace(l.text[i+1]) {
				return 0, l.mismatch(i+1, "a space behind a quoted value")
			}
			text, borrowed := l.text[at+1:i], true
			if escaped {
				var plain string
				if err := json.Unmarshal(l.text[at:i+1], &plain); err != nil {
					return 0, fmt.Errorf("the quoted value at byte %d: %w", at, err)
				}
				text, borrowed = []byte(plain), false
			}
			return i + 1, p.value(l, from, to, text, at+1, borrowed)
		}
	}
	return 0, l.mismatch(len(l.text), "a quote behind a quoted value")
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func skipSpace(text []byte, at int) int {
	for at < len(text) && isSpace(text[at]) {
		at++
	}
	return at
}
