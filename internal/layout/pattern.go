package layout

import (
	"fmt"
	"strings"
)

// A dialect is the language of a time pattern.
type dialect int

const (
	joda dialect = iota // Joda-Time's DateTimeFormat, which Confluent's connectors use
	java                // java.time.format.DateTimeFormatter, which Firehose uses
)

// An element is a letter of a time pattern, n times, or with letters "" a text.
type element struct {
	letters string // ours: "yyyy"
	text    string
}

// elements reads a pattern. weeks: its year is that of a week.
func (d dialect) elements(pattern string) (es []element, weeks bool, err error) {
	for i := 0; i < len(pattern); {
		c := pattern[i]
		switch {
		case c == '\'':
			text, n, err := quoted(pattern[i:])
			if err != nil {
				return nil, false, fmt.Errorf("pattern %q: %w", pattern, err)
			}
			es = append(es, element{text: text})
			i += n
		case letter(c):
			n := 1
			for i+n < len(pattern) && pattern[i+n] == c {
				n++
			}
			letters, week, err := d.letters(c, n)
			if err != nil {
				return nil, false, fmt.Errorf("pattern %q: %w", pattern, err)
			}
			es, weeks = append(es, element{letters: letters}), weeks || week
			i += n
		case d == java && (c == '[' || c == ']'): // optional sections, which are always written
			i++
		case d == java && (c == '{' || c == '}' || c == '#'):
			return nil, false, fmt.Errorf("pattern %q: the character %c is reserved; it stands between single quotes", pattern, c)
		default:
			es = append(es, element{text: string(c)})
			i++
		}
	}
	return es, weeks, nil
}

// quoted reads text between single quotes, of which two are one.
func quoted(s string) (text string, n int, err error) {
	if strings.HasPrefix(s, "''") {
		return "'", 2, nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '\'':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '\'':
			b.WriteByte('\'')
			i++
		default:
			return b.String(), i + 1, nil
		}
	}
	return "", 0, fmt.Errorf("a quote isn't closed")
}

// letters are ours for a letter that stands n times. weeks: Java's Y, the year that a week belongs to.
func (d dialect) letters(c byte, n int) (ours string, weeks bool, err error) {
	switch {
	case c == 'y' || c == 'Y' || c == 'u' && d == java: // Joda's Y is the year of the era
		if n == 2 {
			return "yy", d == java && c == 'Y', nil
		}
		if n <= 4 { // fewer letters write as many digits, from the year 1000 on
			return "yyyy", d == java && c == 'Y', nil
		}
	case c == 'M' || c == 'L' && d == java:
		if n <= 2 {
			return strings.Repeat("M", n), false, nil
		}
		return "", false, fmt.Errorf("%s writes the month's name; a path has its number, MM", strings.Repeat(string(rune(c)), n))
	case strings.IndexByte("dHms", c) >= 0:
		if n <= 2 {
			return strings.Repeat(string(rune(c)), n), false, nil
		}
	case c == 'S' || c == 'D':
		if n <= 3 {
			return strings.Repeat(string(rune(c)), n), false, nil
		}
	}
	return "", false, fmt.Errorf("%s has no counterpart: a path has years, months, days (of months and years), hours to 23, minutes, seconds and milliseconds", strings.Repeat(string(rune(c)), n))
}

// timeFields writes elements as fields {time:...} with text around them: short separators stay inside.
func timeFields(es []element) string {
	var out strings.Builder
	for i := 0; i < len(es); {
		if es[i].letters == "" {
			out.WriteString(literal(es[i].text))
			i++
			continue
		}
		out.WriteString("{time:" + es[i].letters)
		for i++; ; {
			j := i
			for j < len(es) && es[j].letters == "" && separator(es[j].text) {
				j++
			}
			if j == len(es) || es[j].letters == "" {
				break
			}
			for ; i < j; i++ {
				out.WriteString(es[i].text)
			}
			if last := es[i-1].letters; last != "" && last[0] == es[i].letters[0] { // dd and dd would be dddd
				break
			}
			out.WriteString(es[i].letters)
			i++
		}
		out.WriteByte('}')
	}
	return out.String()
}

// separator reports whether a text may stand in a time pattern without quotes.
func separator(text string) bool {
	return strings.Trim(text, "-_.:/ ") == ""
}
