package rule

import (
	"bytes"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
)

func (f *frame) texts(c *callSite, args []val) bool {
	size := 0
	for i, a := range args {
		if a.kind != serde.String {
			f.wrong(c, i, a, "a text")
			return false
		}
		size += len(a.text)
	}
	return f.read(size)
}

func runes(s []byte) int { return utf8.RuneCount(s) }

// cut is the characters from a to b-1.
func cut(s []byte, a, b int) []byte {
	from, to, i := len(s), len(s), 0
	for at := 0; at <= len(s); i++ {
		if i == a {
			from = at
		}
		if i == b {
			to = at
			break
		}
		if at == len(s) {
			break
		}
		_, n := utf8.DecodeRune(s[at:])
		at += n
	}
	return s[from:to:to]
}

func length(f *frame, c *callSite, args []val) val {
	switch v := args[0]; v.kind {
	case serde.String:
		if !f.read(len(v.text)) {
			return fail
		}
		return integer(int64(runes(v.text)))
	case serde.Bytes:
		return integer(int64(len(v.text)))
	case serde.Array, serde.Object:
		return integer(int64(v.v.Len()))
	}
	return f.wrong(c, 0, args[0], "a text, a list or an object")
}

// mapped changes case. The result may be longer, by at most three times.
func (f *frame) mapped(c *callSite, args []val, change func([]byte) []byte) val {
	if !f.texts(c, args) || !f.grow(len(args[0].text)) {
		return fail
	}
	return text(change(args[0].text))
}

func trim(f *frame, c *callSite, args []val) val {
	if !f.texts(c, args) {
		return fail
	}
	if len(args) == 1 {
		return text(bytes.TrimSpace(args[0].text))
	}
	if !f.spend(len(args[0].text) * (1 + len(args[1].text)/16)) {
		return fail
	}
	return text(bytes.Trim(args[0].text, string(args[1].text)))
}

func (f *frame) edges(c *callSite, args []val, change func(a, b []byte) []byte) val {
	if !f.texts(c, args) {
		return fail
	}
	return text(change(args[0].text, args[1].text))
}

func (f *frame) tested(c *callSite, args []val, test func(a, b []byte) bool) val {
	if !f.texts(c, args) {
		return fail
	}
	return boolean(test(args[0].text, args[1].text))
}

// position is where a text or an element stands, in characters or elements; -1 where it doesn't.
func (f *frame) position(c *callSite, args []val, find func(a, b []byte) int) val {
	if !f.texts(c, args) {
		return fail
	}
	at := find(args[0].text, args[1].text)
	if at > 0 {
		at = runes(args[0].text[:at])
	}
	return integer(int64(at))
}

func split(f *frame, c *callSite, args []val) val {
	if !f.texts(c, args[:2]) {
		return fail
	}
	most := int64(-1)
	if len(args) == 3 {
		if args[2].kind != serde.Int64 {
			return f.wrong(c, 2, args[2], "an integer")
		}
		most = args[2].int()
	}
	s, sep := args[0].text, args[1].text
	base := len(f.list)
	for parts := int64(1); most != 0; parts++ {
		at, width := bytes.Index(s, sep), len(sep)
		if width == 0 { // between characters
			_, at = utf8.DecodeRune(s)
			if at == len(s) {
				at = -1
			}
		}
		last := at < 0 || parts == most
		part := s
		if !last {
			part = s[:at]
		}
		if !f.grow(64 + len(part)) {
			f.list = f.list[:base]
			return fail
		}
		f.list = append(f.list, f.tape.String(string(part)))
		if last {
			break
		}
		s = s[at+width:]
	}
	return f.collected(base)
}

func join(f *frame, c *callSite, args []val) val {
	if args[0].kind != serde.Array {
		return f.wrong(c, 0, args[0], "a list")
	}
	var sep []byte
	if len(args) == 2 {
		if args[1].kind != serde.String {
			return f.wrong(c, 1, args[1], "a text")
		}
		sep = args[1].text
	}
	from, first := len(f.buf), true
	for e := range args[0].v.Elements() {
		s, ok := e.Text()
		if !ok || e.Kind() != serde.String {
			return f.failf("join(): an element of %s is %s, not a text", show(c.args[0]), describe(e.Kind()))
		}
		if !f.grow(len(s) + len(sep)) {
			return fail
		}
		if !first {
			f.buf = append(f.buf, sep...)
		}
		f.buf, first = append(f.buf, s...), false
	}
	return text(f.buf[from:len(f.buf):len(f.buf)])
}

func replace(f *frame, c *callSite, args []val) val {
	if !f.texts(c, args) {
		return fail
	}
	s, old, with := args[0].text, args[1].text, args[2].text
	n := bytes.Count(s, old)
	if len(with) > 0 && n > maxMade/len(with) {
		f.err = errMade
		return fail
	}
	if !f.grow(len(s) + n*len(with)) {
		return fail
	}
	return text(bytes.ReplaceAll(s, old, with))
}

func repeat(f *frame, c *callSite, args []val) val {
	if !f.texts(c, args[:1]) {
		return fail
	}
	n := args[1]
	if n.kind != serde.Int64 || n.int() < 0 {
		return f.failf("repeat(): %s isn't an integer from 0", show(c.args[1]))
	}
	size := int64(len(args[0].text))
	if size == 0 {
		return text(nil)
	}
	if n.int() > maxMade/size {
		f.err = errMade
		return fail
	}
	if !f.grow(int(n.int() * size)) {
		return fail
	}
	return text(bytes.Repeat(args[0].text, int(n.int())))
}
