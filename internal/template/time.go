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
	// Unit is what a number counts since 1970: "s", "ms" (or ""), "us" or "ns".
	Unit string
	// Floor rounds times down to a multiple of it, on the clock of Zone counted from 1970-01-01T00:00: with 15m 08:59 is 08:45. It
	// is whole milliseconds, at most 366 days. 0 = times as they are.
	Floor time.Duration
}

// maxFloor bounds Time.Floor: longer is a mistake.
const maxFloor = 366 * 24 * time.Hour

// A clock finds a record's time.
type clock struct {
	from   kind // timestamp, wall, key, value or header
	path   *serde.Path
	header string
	zone   *time.Location
	unit   time.Duration // of numbers
	floor  time.Duration
}

// wall is the kind of a clock that shows the time of day; no field has it.
const wall kind = 255

func newClock(t Time) (clock, error) {
	c := clock{from: timestamp, zone: time.UTC, floor: t.Floor}
	if t.Floor < 0 || t.Floor > maxFloor || t.Floor%time.Millisecond != 0 {
		return c, &Error{Text: t.Floor.String(), Reason: "times are rounded down to whole milliseconds, at most 366 days"}
	}
	var ok bool
	if c.unit, ok = unitOf(t.Unit); !ok {
		return c, &Error{Text: t.Unit, Reason: "numbers count s, ms, us or ns"}
	}
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

func unitOf(name string) (time.Duration, bool) {
	switch name {
	case "s":
		return time.Second, true
	case "", "ms":
		return time.Millisecond, true
	case "us":
		return time.Microsecond, true
	case "ns":
		return time.Nanosecond, true
	}
	return 0, false
}

// of is the record's time, not rounded.
func (c *clock) of(r *connector.Record) (time.Time, error) {
	var when time.Time
	var err error
	switch c.from {
	case timestamp:
		when = time.UnixMilli(r.Timestamp)
	case wall:
		when = time.Now()
	case header:
		value, _ := r.Header(c.header)
		when, err = c.parse(value)
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
			return c.count(n), nil
		}
	case serde.Float64, serde.Decimal:
		if f, ok := v.Float64(); ok {
			if ms := f * (float64(c.unit) / 1e6); ms > -1e15 && ms < 1e15 {
				return time.UnixMilli(int64(ms)), nil
			}
		}
	case serde.String, serde.Bytes:
		text, _ := v.Text()
		return c.parse(text)
	}
	return time.Time{}, fmt.Errorf("the time is %s", v.Kind())
}

// maxSeconds is beyond the year 9999; more would overflow a time.
const maxSeconds = 1 << 40

// count is the time that a number stands for.
func (c *clock) count(n int64) time.Time {
	switch c.unit {
	case time.Second:
		return time.Unix(max(-maxSeconds, min(n, maxSeconds)), 0)
	case time.Microsecond:
		return time.UnixMicro(n)
	case time.Nanosecond:
		return time.Unix(0, n)
	}
	return time.UnixMilli(n)
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
		return c.count(n), nil
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

// steps is how long all times of a template show the same, where unit is that of its patterns, at most an hour.
func (c *clock) steps(unit time.Duration) time.Duration {
	if c.floor == 0 {
		return unit
	}
	// Rounded times change with multiples of floor only. Those of the greatest common divisor with an hour are among them, and no longer than
	// window can look.
	a, b := c.floor, time.Hour
	for b > 0 {
		a, b = b, a%b
	}
	return a
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

// floored is a time whose date and clock, in UTC, are those of t in its zone, rounded down.
func floored(t time.Time, floor time.Duration) time.Time {
	_, offset := t.Zone()
	local, f := t.UnixMilli()+int64(offset)*1000, floor.Milliseconds()
	return time.UnixMilli(local - ((local%f)+f)%f).UTC()
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
	if c.floor > 0 {
		t = floored(t, c.floor)
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
