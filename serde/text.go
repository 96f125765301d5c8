package serde

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Eight bytes of a string are looked at as one word. The marks below are exact up to the first
// mark of a word: a borrow only runs from a marked byte into those behind it.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the bytes of w that plain ASCII text doesn't have: quotes, backslashes, control
// characters and all from 0x80.
func special(w uint64) uint64 {
	return (((w ^ '"'*ones) - ones) | ((w ^ '\\'*ones) - ones) | (w - 0x20*ones) | w) & highs
}

// syntactic is special without the bytes from 0x80.
func syntactic(w uint64) uint64 {
	return (((w ^ '"'*ones) - ones) | ((w ^ '\\'*ones) - ones) | (w - 0x20*ones)) & ^w & highs
}

// plainASCII reports whether s is the same as a JSON string's content, and ASCII.
func plainASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// text scans a string that begins at start from i on. It returns where its closing
// quote is, and for a string with escapes where in t.buf its plain text is.
func (t *Tape) text(src []byte, start, i int) (end int, fl flag, x uint64, err error) {
	fl = flagRaw
	wide := uint64(0)
	for {
		for i+8 <= len(src) {
			w := binary.LittleEndian.Uint64(src[i:])
			wide |= w
			if m := syntactic(w); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		for i < len(src) && src[i] >= ' ' && src[i] != '"' && src[i] != '\\' {
			wide |= uint64(src[i])
			i++
		}
		if i >= len(src) || src[i] < ' ' {
			return 0, 0, 0, badText(src, start, i)
		}
		if src[i] == '"' {
			break
		}
		if i, err = escape(src, i); err != nil {
			return 0, 0, 0, err
		}
		fl |= flagEscaped
	}
	if wide&highs != 0 && !utf8.Valid(src[start:i]) {
		return 0, 0, 0, badText(src, start, i)
	}
	if fl&flagEscaped != 0 {
		at := t.reserve(i - start)
		t.buf = appendPlain(t.buf, src[start:i])
		x = uint64(at)<<32 | uint64(uint32(len(t.buf))-at)
	}
	return i, fl, x, nil
}

// badText says what is wrong with a string that begins at start and has nothing wrong with its escapes before i.
func badText(src []byte, start, i int) error {
	if at := start + InvalidUTF8(src[start:min(i, len(src))]); at < i {
		if len(src)-at < utf8.UTFMax && !utf8.FullRune(src[at:]) {
			return unexpected(src, len(src), "", "inside a string")
		}
		return invalid(at, fmt.Sprintf("byte 0x%02X isn't UTF-8", src[at]))
	}
	if i < len(src) {
		return invalid(i, fmt.Sprintf("control character 0x%02X in a string; it must be written as \\u%04x", src[i], src[i]))
	}
	return unexpected(src, i, "", "inside a string")
}

// InvalidUTF8 is the index of the first byte of b that isn't UTF-8, len(b) if there is none.
func InvalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// escape checks the escape sequence at i and returns the index behind it.
func escape(src []byte, i int) (int, error) {
	if i+1 >= len(src) {
		return 0, unexpected(src, len(src), "", "inside a string")
	}
	switch src[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2, nil
	case 'u':
	default:
		return 0, invalid(i, "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u, found '\\' and "+found(src[i+1:]))
	}
	r, err := hex4(src, i)
	if err != nil || !utf16.IsSurrogate(r) {
		return i + 6, err
	}
	if r < 0xDC00 {
		if len(src)-i < 12 && prefixOfEscape(src[i+6:]) {
			return 0, unexpected(src, len(src), "", "inside a string")
		}
		if src[i+6] == '\\' && src[i+7] == 'u' {
			low, err := hex4(src, i+6)
			if err != nil {
				return 0, err
			}
			if low >= 0xDC00 && low <= 0xDFFF {
				return i + 12, nil
			}
		}
	}
	return 0, invalid(i, "lone surrogate "+string(src[i:i+6]))
}

// prefixOfEscape reports whether b may be the beginning of an escape of four digits that was cut.
func prefixOfEscape(b []byte) bool {
	for i, c := range b {
		if i == 0 && c != '\\' || i == 1 && c != 'u' || i > 1 && unhex[c] < 0 {
			return false
		}
	}
	return len(b) < 6
}

// hex4 is the code unit of the escape \uXXXX at i.
func hex4(src []byte, i int) (r rune, err error) {
	for j := i + 2; j < i+6; j++ {
		if j >= len(src) {
			return 0, unexpected(src, j, "", "inside a string")
		}
		d := unhex[src[j]]
		if d < 0 {
			return 0, unexpected(src, j, "a hexadecimal digit", "inside a string")
		}
		r = r<<4 | rune(d)
	}
	return r, nil
}

var unhex = func() (t [256]int8) {
	for i := range t {
		t[i] = -1
	}
	for i := range int8(10) {
		t['0'+i] = i
	}
	for i := range int8(6) {
		t['a'+i], t['A'+i] = 10+i, 10+i
	}
	return t
}()

// appendPlain appends a checked JSON string's content without its escapes.
func appendPlain(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			j := i
			for j < len(s) && s[j] != '\\' {
				j++
			}
			dst = append(dst, s[i:j]...)
			i = j
			continue
		}
		c := s[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(s, i-2)
			i += 4
			if utf16.IsSurrogate(r) {
				low, _ := hex4(s, i)
				r = utf16.DecodeRune(r, low)
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// A memberName is the name of a member as the scanner found it.
type memberName struct {
	text []byte
	name uint32
	n    uint16
	flag flag
	end  int // behind the closing quote
}

// memberName scans the name that begins at i.
func (t *Tape) memberName(src []byte, i int, l *Limits) (k memberName, err error) {
	end, fl, x, err := t.text(src, i+1, i+1)
	if err != nil {
		return k, err
	}
	k = memberName{text: src[i+1 : end], name: uint32(i + 1), end: end + 1}
	if fl&flagEscaped != 0 {
		k.name, k.flag = uint32(x>>32), flagNameBuf
		k.text = t.buf[k.name : k.name+uint32(x)]
	}
	if len(k.text) > l.NameLen {
		return k, invalid(i, fmt.Sprintf("a member name of %d bytes is longer than the limit of %d", len(k.text), l.NameLen))
	}
	k.n = uint16(len(k.text))
	return k, nil
}

// noValue is the error of what is no value, at i; want is the literal that it begins like, if it does.
func noValue(src []byte, i int, want string, first bool) error {
	for j := range len(want) {
		if i+j >= len(src) {
			return unexpected(src, i+j, "", "inside "+want)
		}
		if src[i+j] != want[j] {
			break
		}
	}
	switch {
	case want != "":
		return invalid(i, "expected a value, found "+found(src[i:])+"; did it mean "+want+"?")
	case first:
		return atStart(src, i)
	}
	return unexpected(src, i, "a value", "before a value")
}
