package textline

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/column"
)

// A part is what stands between two separators of an access log's line, and the members that are made of it.
type part struct {
	kind    kind
	columns []column.Column
}

type kind uint8

const (
	word    kind = iota // text without separators, or text in quotes
	bracket             // text in [ ]
	request             // the first line of an HTTP request, in quotes: itself, method, target and protocol
	address             // an IP address, a colon and a port
	skipped             // word that becomes no member
)

// An accessLog is a log whose lines are parts with separators between. A part that is - is null.
type accessLog struct {
	separator byte
	escapes   bool // texts in quotes have the escapes of C
	least     int  // parts that each line has: later versions of the log added the others; 0: all
	open      bool // parts that aren't known yet may follow
	parts     []part
}

func (a *accessLog) columns() []column.Column {
	var all []column.Column
	for _, p := range a.parts {
		all = append(all, p.columns...)
	}
	return all
}

func (a *accessLog) members(int) int { return 0 }

func (a *accessLog) read(l *line) error {
	at, columnAt := 0, 0
	for n := range a.parts {
		p := &a.parts[n]
		if at > len(l.text) {
			if a.least == 0 || n < a.least {
				return l.mismatch(len(l.text), "more parts, the next is "+p.name())
			}
			for i := columnAt; i < l.set.Len(); i++ {
				l.row.Null(i)
			}
			return nil
		}
		tok, err := a.token(l, p, at)
		if err != nil {
			return err
		}
		if at = tok.end; at < len(l.text) && l.text[at] != a.separator {
			return l.mismatch(at, "a separator behind "+p.name())
		}
		at++
		if err := a.write(l, p, columnAt, tok); err != nil {
			return err
		}
		columnAt += len(p.columns)
	}
	if at <= len(l.text) && !a.open {
		return l.mismatch(at-1, "the end of the line")
	}
	return nil
}

func (p *part) name() string {
	if len(p.columns) == 0 {
		return `"-"`
	}
	return fmt.Sprintf("%q", p.columns[0].Name)
}

// A token is where a part's text is, without quotes or brackets, and where the part ends.
type token struct {
	from, to, end int
	escaped       bool // there are backslashes in it
}

func (a *accessLog) token(l *line, p *part, at int) (token, error) {
	rest := l.text[at:]
	switch {
	case p.kind == bracket && len(rest) > 0 && rest[0] == '[':
		n := bytes.IndexByte(rest, ']')
		if n < 0 {
			return token{}, l.mismatch(len(l.text), "a ] behind "+p.name())
		}
		return token{from: at + 1, to: at + n, end: at + n + 1}, nil
	case len(rest) > 0 && rest[0] == '"' && a.separator == ' ':
		return a.quoted(l, p, at)
	}
	n := bytes.IndexByte(rest, a.separator)
	if n < 0 {
		n = len(rest)
	}
	if n == 0 {
		return token{}, l.mismatch(at, p.name())
	}
	isNull := n == 1 && rest[0] == '-'
	switch {
	case p.kind == bracket && !isNull:
		return token{}, l.mismatch(at, "a [ before "+p.name())
	case p.kind == request && !isNull:
		return token{}, l.mismatch(at, "a quote before "+p.name())
	}
	return token{from: at, to: at + n, end: at + n}, nil
}

// quoted is the token whose quote is at. It ends with a quote that a separator or the end follows: not
// every writer of logs escapes quotes.
func (a *accessLog) quoted(l *line, p *part, at int) (token, error) {
	t := token{from: at + 1}
	for i := at + 1; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == '\\' && a.escapes:
			t.escaped = true
			i++
		case c == '"' && (i+1 == len(l.text) || l.text[i+1] == a.separator):
			t.to, t.end = i, i+1
			return t, nil
		}
	}
	return token{}, l.mismatch(len(l.text), "a quote behind "+p.name())
}

// write writes a part's members, the first of which is column i.
func (a *accessLog) write(l *line, p *part, i int, tok token) error {
	text, borrowed := l.text[tok.from:tok.to], true
	switch {
	case p.kind == skipped:
		return nil
	case string(text) == "-":
		for n := range p.columns {
			l.row.Null(i + n)
		}
		return nil
	case tok.escaped:
		text, borrowed = unescape(l.tape, text)
	}
	switch p.kind {
	case request:
		return writeRequest(l, i, text, tok.from, borrowed)
	case address:
		return writeAddress(l, p, i, tok)
	}
	return l.unpacked(i, text, tok.from, borrowed)
}

// writeRequest writes a request as columns i to i+3. What isn't a method, a target and a protocol is
// no HTTP request: clients send anything to a port.
func writeRequest(l *line, i int, text []byte, at int, borrowed bool) error {
	if err := l.unpacked(i, text, at, borrowed); err != nil {
		return err
	}
	first, last := bytes.IndexByte(text, ' '), bytes.LastIndexByte(text, ' ')
	if first <= 0 || last == first || !bytes.HasPrefix(text[last+1:], []byte("HTTP/")) {
		l.row.Null(i + 1)
		l.row.Null(i + 2)
		l.row.Null(i + 3)
		return nil
	}
	for n, part := range [...][2]int{{0, first}, {first + 1, last}, {last + 1, len(text)}} {
		if err := l.unpacked(i+1+n, text[part[0]:part[1]], at+part[0], borrowed); err != nil {
			return err
		}
	}
	return nil
}

// writeAddress writes an address as columns i and i+1. An address of IPv6 may have brackets.
func writeAddress(l *line, p *part, i int, tok token) error {
	colon := bytes.LastIndexByte(l.text[tok.from:tok.to], ':')
	if colon < 0 {
		return l.mismatch(tok.from, p.name()+" with a colon and a port")
	}
	from, to := tok.from, tok.from+colon
	if to-from > 2 && l.text[from] == '[' && l.text[to-1] == ']' {
		from, to = from+1, to-1
	}
	if err := l.field(i, from, to); err != nil {
		return err
	}
	return l.field(i+1, tok.from+colon+1, tok.to)
}

// unescape is text with its escapes replaced, in the tape's memory: \xhh, \n, \r, \t, \b, \v, \f, and a backslash before any
// other character for that character. Where that isn't UTF-8, text stays as it is written.
func unescape(t *serde.Tape, text []byte) (plain []byte, borrowed bool) {
	kept := t.Keep(text)
	n := 0
	for i := 0; i < len(kept); i++ {
		c := kept[i]
		if c == '\\' && i+1 < len(kept) {
			i++
			c = kept[i]
			if k := strings.IndexByte("nrtbvf", c); k >= 0 {
				c = "\n\r\t\b\v\f"[k]
			} else if x, ok := hexByte(kept[i:]); ok {
				c = x
				i += 2
			}
		}
		kept[n] = c
		n++
	}
	if !utf8.Valid(kept[:n]) {
		return text, true
	}
	return kept[:n], false
}

// hexByte reads xhh.
func hexByte(b []byte) (x byte, ok bool) {
	if len(b) < 3 || b[0] != 'x' {
		return 0, false
	}
	hi, ok1 := hexDigit(b[1])
	lo, ok2 := hexDigit(b[2])
	return hi<<4 | lo, ok1 && ok2
}

func hexDigit(c byte) (x byte, ok bool) {
	switch {
	case c-'0' <= 9:
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
