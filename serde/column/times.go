package column

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A moment is seconds since 1970-01-01T00:00Z, or since midnight, and nanoseconds of the next second.
type moment struct{ seconds, nanos int64 }

const secondsOfDay = 24 * 60 * 60

// times reads the texts of a column of dates, times or timestamps.
type times struct {
	typ     Type
	format  string        // as it was set
	unit    time.Duration // of a count since 1970; 0: it isn't one
	pattern pattern       // nil: ISO 8601
	zone    *time.Location
}

// units are the counts since 1970.
var units = []struct {
	format string
	typ    Type
	unit   time.Duration
}{
	{"epoch_seconds", Timestamp, time.Second},
	{"epoch_millis", Timestamp, time.Millisecond},
	{"epoch_micros", Timestamp, time.Microsecond},
	{"epoch_nanos", Timestamp, time.Nanosecond},
	{"epoch_days", Date, secondsOfDay * time.Second},
}

func newTimes(c Column) (*times, error) {
	f := &times{typ: c.Type, format: c.Format, zone: time.UTC}
	if c.Zone != "" {
		zone, err := time.LoadLocation(c.Zone)
		if err != nil || c.Zone == "Local" {
			return f, fmt.Errorf("zone %q isn't known; it is written as UTC or Europe/Berlin", c.Zone)
		}
		f.zone = zone
	}
	if c.Format == "" {
		return f, nil
	}
	for _, u := range units {
		if c.Format == u.format {
			f.unit = u.unit
			if c.Type != u.typ {
				return f, fmt.Errorf("format %s is for %s; this is %s", u.format, u.typ, c.Type)
			}
			return f, nil
		}
	}
	var err error
	if f.pattern, err = compilePattern(c.Format); err == nil {
		err = f.pattern.check(c.Type)
	}
	if err != nil {
		return f, fmt.Errorf("format %q: %w", c.Format, err)
	}
	return f, nil
}

// written says how the texts are written.
func (f *times) written() string {
	switch {
	case f.format != "":
		return f.format
	case f.typ == Date:
		return "2026-01-31"
	case f.typ == Time:
		return "08:15:30"
	}
	return "2026-01-31T08:15:30Z"
}

// parse reads a text. Times of day are from 00:00:00 to 23:59:59.999999999, years from 0 to 9999.
func (f *times) parse(text []byte) (moment, bool) {
	var p parts
	var ok bool
	switch {
	case f.unit != 0:
		return count(text, f.unit)
	case f.pattern != nil:
		ok = f.pattern.parse(text, &p)
	default:
		ok = iso(text, f.typ, &p)
	}
	if !ok {
		return moment{}, false
	}
	if f.typ == Time {
		return moment{int64(p.hour*3600 + p.minute*60 + p.second), p.nanos}, true
	}
	return p.moment(f.zone)
}

// The moments of the years 0 to 9999, which RFC 3339 can write.
const (
	firstSecond = -62167219200
	lastSecond  = 253402300799
)

// count reads a number of units since 1970, which may have decimals.
func count(text []byte, unit time.Duration) (m moment, ok bool) {
	whole := text
	if n := slices.Index(text, '.'); n > 0 {
		whole = text[:n]
	}
	n, ok := parseInt(whole)
	if !ok || whole[0] == '+' {
		return m, false
	}
	perSecond := int64(time.Second / unit)
	if perSecond == 0 { // days
		if n < firstSecond/secondsOfDay || n > lastSecond/secondsOfDay || len(whole) < len(text) {
			return m, false
		}
		return moment{seconds: n * secondsOfDay}, true
	}
	m.seconds = floorDiv(n, perSecond)
	m.nanos = (n - m.seconds*perSecond) * int64(unit)
	if len(whole) < len(text) {
		fraction := text[len(whole)+1:]
		nanos, ok := decimals(fraction, unit)
		if !ok {
			return m, false
		}
		if whole[0] == '-' {
			nanos = -nanos
		}
		m.nanos += nanos
		if m.nanos < 0 {
			m.nanos += 1e9
			m.seconds--
		}
	}
	return m, m.seconds >= firstSecond && m.seconds <= lastSecond
}

// decimals is 0.digits of a unit in nanoseconds; what is finer must be zero.
func decimals(digits []byte, unit time.Duration) (int64, bool) {
	nanos, place := int64(0), int64(unit)
	for _, c := range digits {
		d := int64(c - '0')
		if place /= 10; d > 9 || place == 0 && d != 0 {
			return 0, false
		}
		nanos += d * place
	}
	return nanos, len(digits) > 0
}

// parts are what a text says of a time.
type parts struct {
	year, month, day     int
	hour, minute, second int
	nanos                int64
	offset               int // seconds east of UTC
	hasOffset            bool
	afternoon, twelve    bool // hours are counted to 12, and it is one after noon
}

// moment is the time in UTC; without an offset of its own it is in zone.
func (p *parts) moment(zone *time.Location) (moment, bool) {
	var seconds int64
	if p.hasOffset || zone == time.UTC {
		seconds = daysSince1970(p.year, p.month, p.day)*secondsOfDay + int64(p.hour*3600+p.minute*60+p.second-p.offset)
	} else {
		seconds = time.Date(p.year, time.Month(p.month), p.day, p.hour, p.minute, p.second, 0, zone).Unix()
	}
	return moment{seconds, p.nanos}, seconds >= firstSecond && seconds <= lastSecond
}

// daysSince1970 counts the days of the proleptic Gregorian calendar from 1970-01-01 to a date. Years begin with March here, so that
// February, whose length changes, is last.
func daysSince1970(year, month, day int) int64 {
	if month < 3 {
		year--
		month += 12
	}
	const fromMarch = 719468 // days from 0000-03-01 to 1970-01-01
	leaps := floorDiv(int64(year), 4) - floorDiv(int64(year), 100) + floorDiv(int64(year), 400)
	return int64(year)*365 + leaps + int64((153*(month-3)+2)/5+day-1) - fromMarch
}

// check reports whether all parts are in their ranges.
func (p *parts) check() bool {
	if p.twelve {
		if p.hour < 1 || p.hour > 12 {
			return false
		}
		p.hour %= 12
		if p.afternoon {
			p.hour += 12
		}
	}
	return p.month >= 1 && p.month <= 12 && p.day >= 1 && p.day <= daysOf(p.year, p.month) &&
		p.hour < 24 && p.minute < 60 && p.second < 60
}

func daysOf(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// iso reads a date, a time of day or both as RFC 3339 writes them; between the two is a T or a space, and the
// offset may be missing.
func iso(text []byte, typ Type, p *parts) bool {
	p.month, p.day = 1, 1
	rest := text
	if typ != Time {
		var ok bool
		if rest, ok = isoDate(text, p); !ok {
			return false
		}
		if typ == Date {
			return len(rest) == 0 && p.check()
		}
		if len(rest) == 0 || rest[0]|0x20 != 't' && rest[0] != ' ' {
			return false
		}
		rest = rest[1:]
	}
	if len(rest) < 8 || rest[2] != ':' || rest[5] != ':' {
		return false
	}
	h, ok1 := number(rest[:2])
	m, ok2 := number(rest[3:5])
	s, ok3 := number(rest[6:8])
	if !ok1 || !ok2 || !ok3 {
		return false
	}
	p.hour, p.minute, p.second = h, m, s
	if rest = rest[8:]; len(rest) > 0 && rest[0] == '.' {
		n := digits(rest[1:])
		var ok bool
		if p.nanos, ok = decimals(rest[1:1+n], time.Second); !ok {
			return false
		}
		rest = rest[1+n:]
	}
	if len(rest) > 0 && typ != Time {
		var ok bool
		if rest, ok = p.zone(rest); !ok {
			return false
		}
	}
	return len(rest) == 0 && p.check()
}

func isoDate(text []byte, p *parts) (rest []byte, ok bool) {
	if len(text) < 10 || text[4] != '-' || text[7] != '-' {
		return nil, false
	}
	y, ok1 := number(text[:4])
	m, ok2 := number(text[5:7])
	d, ok3 := number(text[8:10])
	p.year, p.month, p.day = y, m, d
	return text[10:], ok1 && ok2 && ok3
}

// number reads digits; b has a few.
func number(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// zone reads an offset: Z, +01, +0100 or +01:00.
func (p *parts) zone(text []byte) (rest []byte, ok bool) {
	if len(text) == 0 {
		return nil, false
	}
	p.hasOffset = true
	if text[0]|0x20 == 'z' {
		return text[1:], true
	}
	if len(text) < 3 || text[0] != '+' && text[0] != '-' {
		return nil, false
	}
	hours, ok := number(text[1:3])
	minutes, rest := 0, text[3:]
	if !ok {
		return nil, false
	}
	if len(rest) > 0 && rest[0] == ':' {
		if len(rest) < 3 {
			return nil, false
		}
		rest = rest[1:]
	}
	if len(rest) >= 2 {
		if minutes, ok = number(rest[:2]); ok {
			rest = rest[2:]
		} else if len(text) > 3 && text[3] == ':' {
			return nil, false
		}
	}
	p.offset = hours*3600 + minutes*60
	if text[0] == '-' {
		p.offset = -p.offset
	}
	return rest, hours < 24 && minutes < 60
}

var monthNames = [...]string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

// monthOf is the month that text begins with the first three letters of, in English.
func monthOf(text []byte) (month int, ok bool) {
	if len(text) < 3 {
		return 0, false
	}
	lower := [3]byte{text[0] | 0x20, text[1] | 0x20, text[2] | 0x20}
	for i, name := range monthNames {
		if string(lower[:]) == name {
			return i + 1, true
		}
	}
	return 0, false
}

var errNoLetters = errors.New("a pattern has the letters yyyy yy MM MMM dd HH hh a mm ss SSS XXX, and other text in single quotes; or it is one of " + countNames())

func countNames() string {
	names := make([]string, len(units))
	for i, u := range units {
		names[i] = u.format
	}
	return strings.Join(names, ", ")
}
