package template

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A pattern is a compiled time pattern, with the letters of Java's DateTimeFormatter.
type pattern []element

type element struct {
	letter byte // 0: text
	n      int
	text   string
}

const patternLetters = "a pattern has yyyy yy MM dd HH mm ss SSS DDD, and text in ''"

func compilePattern(s string) (pattern, error) {
	if s == "" {
		return nil, errors.New("the pattern is missing, as in {time:yyyy-MM-dd}")
	}
	var p pattern
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\'':
			text, n, err := quoted(s[i:])
			if err != nil {
				return nil, err
			}
			p = append(p, element{text: text})
			i += n
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := 1
			for i+n < len(s) && s[i+n] == c {
				n++
			}
			if err := checkLetter(c, n); err != nil {
				return nil, err
			}
			p = append(p, element{letter: c, n: n})
			i += n
		default:
			n := 1
			for i+n < len(s) && s[i+n] != '\'' && (s[i+n]|0x20 < 'a' || s[i+n]|0x20 > 'z') {
				n++
			}
			p = append(p, element{text: s[i : i+n]})
			i += n
		}
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
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), i + 1, nil
	}
	return "", 0, errors.New("a quote isn't closed in the pattern")
}

func checkLetter(c byte, n int) error {
	switch c {
	case 'y', 'u':
		if n == 4 || n == 2 {
			return nil
		}
	case 'M', 'd', 'H', 'm', 's':
		if n <= 2 {
			return nil
		}
	case 'S', 'D':
		if n <= 3 {
			return nil
		}
	case 'Y':
		return errors.New("the letter Y is the year that a week belongs to; write yyyy")
	case 'h':
		return errors.New("h counts to 12; write HH")
	}
	return fmt.Errorf("%q means nothing here: %s", strings.Repeat(string(rune(c)), n), patternLetters)
}

// shape is what append writes, with a 0 for each letter.
func (p pattern) shape() string {
	var b strings.Builder
	for _, e := range p {
		if e.letter == 0 {
			b.WriteString(e.text)
		} else {
			b.WriteByte('0')
		}
	}
	return b.String()
}

// unit is how long the pattern shows the same, at most an hour.
func (p pattern) unit() time.Duration {
	unit := time.Hour
	for _, e := range p {
		switch e.letter {
		case 'm':
			unit = min(unit, time.Minute)
		case 's':
			unit = min(unit, time.Second)
		case 'S':
			unit = time.Millisecond
		}
	}
	return unit
}

// fraction is what S, SS and SSS divide nanoseconds by.
var fraction = [...]int64{1e8, 1e7, 1e6}

func (p pattern) append(dst []byte, m *moment) []byte {
	for _, e := range p {
		switch e.letter {
		case 0:
			dst = append(dst, e.text...)
		case 'y', 'u':
			v := m.year
			if e.n == 2 {
				v %= 100
			}
			dst = appendInt(dst, int64(v), e.n)
		case 'M':
			dst = appendInt(dst, int64(m.month), e.n)
		case 'd':
			dst = appendInt(dst, int64(m.day), e.n)
		case 'H':
			dst = appendInt(dst, int64(m.hour), e.n)
		case 'm':
			dst = appendInt(dst, int64(m.min), e.n)
		case 's':
			dst = appendInt(dst, int64(m.sec), e.n)
		case 'S':
			dst = appendInt(dst, int64(m.time.Nanosecond())/fraction[e.n-1], e.n)
		case 'D':
			dst = appendInt(dst, int64(m.time.YearDay()), e.n)
		}
	}
	return dst
}
