package template

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// A Time says which time {time:...} shows.
type Time struct {
	// From is "timestamp" (the record's; the default), "wall" (the clock's), or a field: value.event_time, key.at,
	// header.sent. A field is a timestamp or a date, milliseconds since 1970 as a number or as digits, or a
	// text such as 2026-01-31, 2026-01-31T08:00:00Z or 2026-01-31 08:00:00.
	From string
	// Zone is an IANA time zone such as Europe/Berlin; "" is UTC. Texts without a zone are read in it.
	Zone string
}

// A clock finds a record's time.
type clock struct {
	from   kind // timestamp, wall, key, value or header
	path   *serde.Path
	header string
	zone   *time.Location
}

// wall is the kind of a clock that shows the time of day; no field has it.
const wall kind = 255

func newClock(t Time) (clock, error) {
	c := clock{from: timestamp, zone: time.UTC}
	if t.Zone != "" {
		zone, err := time.LoadLocation(t.Zone)
		if err != nil || t.Zone == "Local" {
			return c, &Error{Text: t.Zone, Reason: "this is no time zone; it is written as UTC or Europe/Berlin"}
		}
		c.zone = zone
	}
	root, rest := cutRoot(t.From)
	var err error
	switch {
	case t.From == "" || t.From == "timestamp":
	case t.From == "wall":
		c.from = wall
	case root == "value" || root == "key":
		c.from = key
		if root == "value" {
			c.from = value
		}
		if rest != "" {
			c.path, err = compilePath(rest)
		}
	case root == "header":
		c.from = header
		c.header, err = headerName(rest)
	default:
		err = errors.New("a time comes from timestamp, wall, or a field such as value.event_time, key.at, header.sent")
	}
	if err != nil {
		return c, &Error{Text: t.From, Reason: err.Error()}
	}
	return c, nil
}

func (c *clock) of(r *connector.Record) (time.Time, error) {
	var when time.Time
	var err error
	switch c.from {
	case timestamp:
		when = time.UnixMilli(r.Timestamp)
	case wall:
		when = time.Now()
	case header:
		when, err = c.parse(headerOf(r, c.header))
	case key:
		when, err = c.read(at(r.Key, c.path))
	default:
		when, err = c.read(at(r.Value, c.path))
	}
	return when.In(c.zone), err
}

func (c *clock) read(v serde.Value) (time.Time, error) {
	switch v.Kind() {
	case serde.Timestamp, serde.Date:
		if when, ok := v.Time(); ok {
			return when, nil
		}
	case serde.Int64:
		if n, ok := v.Int64(); ok {
			return time.UnixMilli(n), nil
		}
	case serde.Float64, serde.Decimal:
		if f, ok := v.Float64(); ok && f > -1e15 && f < 1e15 {
			return time.UnixMilli(int64(f)), nil
		}
	case serde.String, serde.Bytes:
		text, _ := v.Text()
		return c.parse(text)
	}
	return time.Time{}, fmt.Errorf("the time is %s", v.Kind())
}

// parse reads a time's text.
func (c *clock) parse(b []byte) (time.Time, error) {
	if len(b) == 0 {
		return time.Time{}, errors.New("the time is missing")
	}
	if len(b) > 40 {
		return time.Time{}, fmt.Errorf("a text of %d bytes is no time", len(b))
	}
	text := string(b)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(n), nil
	}
	layout := "2006-01-02"
	if len(text) > 10 {
		layout = "2006-01-02T15:04:05"
		if text[10] == ' ' {
			layout = "2006-01-02 15:04:05"
		}
		if strings.ContainsAny(text[11:], "Z+-") {
			layout += "Z07:00"
		}
	}
	when, err := time.ParseInLocation(layout, text, c.zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time: it is written as 2026-01-31T08:00:00Z or as milliseconds since 1970", text)
	}
	return when, nil
}

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
		if n == 3 {
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

// window is the time around t, in milliseconds, that has the same unit on the clock of its zone. It is empty where
// the zone changes its offset meanwhile.
func window(t time.Time, unit time.Duration) (from, to int64) {
	_, offset := t.Zone()
	u, shift := unit.Milliseconds(), int64(offset)*1000
	local := t.UnixMilli() + shift
	local -= ((local % u) + u) % u
	from, to = local-shift, local-shift+u
	_, first := time.UnixMilli(from).In(t.Location()).Zone()
	_, last := time.UnixMilli(to - 1).In(t.Location()).Zone()
	if first != offset || last != offset {
		return 0, 0
	}
	return from, to
}

// A moment is a record's time, taken apart once for all times of a template.
type moment struct {
	time           time.Time
	year, day      int
	month          time.Month
	hour, min, sec int
	known          bool
}

func (m *moment) set(c *clock, r *connector.Record) error {
	if m.known {
		return nil
	}
	t, err := c.of(r)
	if err != nil {
		return err
	}
	m.time = t
	m.year, m.month, m.day = t.Date()
	m.hour, m.min, m.sec = t.Clock()
	if m.year < 0 || m.year > 9999 {
		return fmt.Errorf("the year %d isn't one of 0 to 9999", m.year)
	}
	m.known = true
	return nil
}

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
			dst = appendInt(dst, int64(m.time.Nanosecond()/1e6), e.n)
		case 'D':
			dst = appendInt(dst, int64(m.time.YearDay()), e.n)
		}
	}
	return dst
}
