package column

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A pattern is a compiled time pattern with letters of Java's DateTimeFormatter.
type pattern []element

type element struct {
	letter byte // 0: text
	n      int  // how often the letter stands there
	text   string
}

// compilePattern reads a pattern. What isn't a letter stands for itself, and so does the T of ISO 8601.
func compilePattern(s string) (pattern, error) {
	var p pattern
	for i := 0; i < len(s); {
		c := s[i]
		n := 1
		switch {
		case c == '\'':
			text, width, err := quoted(s[i:])
			if err != nil {
				return nil, err
			}
			p, n = append(p, element{text: text}), width
		case c|0x20 >= 'a' && c|0x20 <= 'z' && c != 'T':
			for i+n < len(s) && s[i+n] == c {
				n++
			}
			if err := checkLetter(c, n); err != nil {
				return nil, err
			}
			p = append(p, element{letter: c, n: n})
		default:
			p = append(p, element{text: s[i : i+1]})
		}
		i += n
	}
	return p, nil
}

// quoted reads text in single quotes, in which two of them are one; two alone are one too.
func quoted(s string) (text string, n int, err error) {
	if strings.HasPrefix(s, "''") {
		return "'", 2, nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '\'':
			b.WriteByte(s[i])
		case strings.HasPrefix(s[i:], "''"):
			b.WriteByte('\'')
			i++
		default:
			return b.String(), i + 1, nil
		}
	}
	return "", 0, errors.New("a quote isn't closed")
}

func checkLetter(c byte, n int) error {
	ok := false
	switch c {
	case 'y', 'u':
		ok = n == 4 || n == 2
	case 'M':
		ok = n <= 3
	case 'd', 'H', 'h', 'm', 's':
		ok = n <= 2
	case 'S':
		ok = n <= 9
	case 'a':
		ok = n == 1
	case 'X', 'x', 'Z':
		ok = n <= 3
	case 'Y':
		return errors.New("the letter Y is the year that a week belongs to; write yyyy")
	case 'D':
		return errors.New("the letter D is the day of the year; write dd")
	}
	if !ok {
		return fmt.Errorf("%.20q means nothing here: %w", strings.Repeat(string(rune(c)), n), errNoLetters)
	}
	return nil
}

// check reports whether the pattern says all of what a type needs, once, and nothing else.
func (p pattern) check(typ Type) error {
	seen := map[byte]bool{}
	for _, e := range p {
		c := e.letter
		switch c {
		case 0:
			continue
		case 'u':
			c = 'y'
		case 'x', 'Z':
			c = 'X'
		}
		if seen[c] {
			return fmt.Errorf("the letter %c is there twice", e.letter)
		}
		seen[c] = true
	}
	date, hour := seen['y'] && seen['M'] && seen['d'], seen['H'] || seen['h']
	switch {
	case typ != Time && !date:
		return fmt.Errorf("a %s needs a year, a month and a day: yyyy, MM and dd (%w)", typ, errNoLetters)
	case typ == Date && (hour || seen['m'] || seen['s'] || seen['S'] || seen['X']):
		return errors.New("a date has no time of day; make the column a timestamp")
	case typ == Time && (seen['y'] || seen['M'] || seen['d'] || seen['X']):
		return errors.New("a time of day has no date and no offset; make the column a timestamp")
	case typ == Time && !hour:
		return errors.New("a time needs an hour: HH")
	case seen['H'] && seen['h'], seen['h'] != seen['a']:
		return errors.New("hh counts to 12 and needs a, for AM or PM; HH counts to 23")
	}
	return nil
}

// parse reads text, all of it. What the pattern doesn't say is the first: midnight.
func (p pattern) parse(text []byte, out *parts) bool {
	out.month, out.day = 1, 1
	for _, e := range p {
		if e.letter == 0 {
			if len(text) < len(e.text) || string(text[:len(e.text)]) != e.text {
				return false
			}
			text = text[len(e.text):]
			continue
		}
		var ok bool
		if text, ok = e.parse(text, out); !ok {
			return false
		}
	}
	return len(text) == 0 && out.check()
}

// parse reads what a letter stands for from the beginning of text.
func (e element) parse(text []byte, out *parts) (rest []byte, ok bool) {
	switch e.letter {
	case 'X', 'x', 'Z':
		return out.zone(text)
	case 'a':
		if len(text) < 2 || text[1]|0x20 != 'm' || text[0]|0x20 != 'a' && text[0]|0x20 != 'p' {
			return nil, false
		}
		out.twelve, out.afternoon = true, text[0]|0x20 == 'p'
		return text[2:], true
	case 'S':
		if digits(text) < e.n {
			return nil, false
		}
		out.nanos, ok = decimals(text[:e.n], time.Second)
		return text[e.n:], ok
	case 'M':
		if e.n == 3 {
			if out.month, ok = monthOf(text); !ok {
				return nil, false
			}
			return text[3:], true
		}
	}
	n := e.n
	if n == 1 {
		n = max(1, min(2, digits(text)))
	}
	if len(text) < n {
		return nil, false
	}
	x, ok := number(text[:n])
	switch e.letter {
	case 'y', 'u':
		if e.n == 2 {
			x += 2000
		}
		out.year = x
	case 'M':
		out.month = x
	case 'd':
		out.day = x
	case 'H', 'h':
		out.hour = x
	case 'm':
		out.minute = x
	case 's':
		out.second = x
	}
	return text[n:], ok
}
