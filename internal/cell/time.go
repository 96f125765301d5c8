package cell

import (
	"time"

	"github.com/millrace/millrace/serde"
)

const (
	secondsPerDay  = 24 * 60 * 60
	microsPerSec   = 1_000_000
	microsPerMilli = 1000
	microsPerDay   = secondsPerDay * microsPerSec
)

// timestamp gives v since 1970-01-01T00:00Z in units of so many microseconds. If ok, v is the integer n.
func timestamp(n int64, ok bool, v serde.Value, unit int64) (int64, Refusal) {
	if ok {
		return n, Taken
	}
	switch v.Kind() {
	case serde.Timestamp:
		us, _ := v.Micros()
		return floor(us, unit), Taken
	case serde.String:
		text, _ := v.Text()
		us, why := parseTimestamp(text)
		return floor(us, unit), why
	}
	return 0, notInteger(false, v)
}

// floor divides towards minus infinity.
func floor(n, by int64) int64 {
	q := n / by
	if n%by < 0 {
		q--
	}
	return q
}

// timeOfDay gives v since midnight in units of so many microseconds. If ok, v is the integer n.
func timeOfDay(n int64, ok bool, v serde.Value, unit int64) (int64, Refusal) {
	if ok {
		return n, NoTime.unless(n >= 0 && n < microsPerDay/unit)
	}
	switch v.Kind() {
	case serde.Time:
		us, _ := v.Micros()
		return us / unit, NoTime.unless(us >= 0 && us < microsPerDay)
	case serde.String:
		text, _ := v.Text()
		us, why := parseTime(text)
		return us / unit, why
	}
	return 0, notInteger(false, v)
}

// date gives days since 1970-01-01. If ok, v is the integer n.
func date(n int64, ok bool, v serde.Value) (int64, Refusal) {
	switch v.Kind() {
	case serde.Date:
		t, _ := v.Time()
		return t.Unix() / secondsPerDay, Taken
	case serde.String:
		text, _ := v.Text()
		return parseDate(text)
	}
	return int32Of(n, ok, v)
}

// parseTimestamp reads a time as RFC 3339 writes it. Instead of the T may be a space; without an offset it is UTC. What is finer than a microsecond is cut.
func parseTimestamp(text []byte) (us int64, why Refusal) {
	var room [48]byte
	if len(text) < len(time.DateTime) || len(text) >= len(room) {
		return 0, NotTimestamp
	}
	b := room[:copy(room[:], text)]
	switch b[len(time.DateOnly)] {
	case ' ', 't':
		b[len(time.DateOnly)] = 'T'
	}
	at := len(time.DateTime)
	for at < len(b) && (b[at] == '.' || b[at]-'0' <= 9) {
		at++
	}
	offset, ok := parseOffset(b[at:])
	if !ok {
		return 0, NotTimestamp
	}
	var t time.Time
	if t.UnmarshalText(append(b[:at], 'Z')) != nil {
		return 0, NotTimestamp
	}
	return t.UnixMicro() - offset*microsPerSec, Taken
}

// parseOffset reads what is behind a time: Z, +01:00 or nothing. It gives seconds east of UTC.
func parseOffset(b []byte) (seconds int64, ok bool) {
	if len(b) == 0 || len(b) == 1 && b[0]|0x20 == 'z' {
		return 0, true
	}
	if len(b) != len("+01:00") || b[3] != ':' || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	for _, i := range [...]int{1, 2, 4, 5} {
		if b[i]-'0' > 9 {
			return 0, false
		}
	}
	hours, minutes := int64(b[1]-'0')*10+int64(b[2]-'0'), int64(b[4]-'0')*10+int64(b[5]-'0')
	seconds = hours*3600 + minutes*60
	if b[0] == '-' {
		seconds = -seconds
	}
	return seconds, hours < 24 && minutes < 60
}

// parseTime reads a time of a day, with or without decimals.
func parseTime(text []byte) (us int64, why Refusal) {
	var room [48]byte
	if len(text) < len(time.TimeOnly) || len(text) > len("08:00:00.000000000000") {
		return 0, NotTime
	}
	for _, c := range text {
		if c-'0' > 9 && c != ':' && c != '.' {
			return 0, NotTime
		}
	}
	us, why = parseTimestamp(append(append(room[:0], "1970-01-01T"...), text...))
	if why != Taken {
		why = NotTime
	}
	return us, why
}

// parseDate reads a date by RFC 3339.
func parseDate(text []byte) (days int64, why Refusal) {
	var room [24]byte
	if len(text) != len(time.DateOnly) {
		return 0, NotDate
	}
	us, why := parseTimestamp(append(append(room[:0], text...), "T00:00:00Z"...))
	if why != Taken {
		return 0, NotDate
	}
	return us / microsPerDay, Taken
}
