package protobuf

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/millrace/millrace/serde"
)

// Limits of google/protobuf/timestamp.proto and duration.proto.
const (
	minSeconds  = -62_135_596_800 // 0001-01-01T00:00:00Z
	maxSeconds  = 253_402_300_799 // 9999-12-31T23:59:59Z
	maxDuration = 315_576_000_000 // seconds: 10,000 years

	nanosOfMicro  = 1000
	nanosOfSecond = 1_000_000_000
)

// WellKnown is the short name of the well-known type that messages are decoded as, "Timestamp" or "StringValue" say; "" if they become objects, as those
// of most messages do, and of Any and FieldMask.
func WellKnown(d protoreflect.MessageDescriptor) string {
	if shapeOf(d) == asObject {
		return ""
	}
	return string(d.Name())
}

// parts are the seconds and nanoseconds of a Timestamp or a Duration.
func (d *decoder) parts(t *table, base int) (seconds, nanos int64, at int) {
	at = -1
	var n [2]int64
	for i := range n {
		s := d.slots[base+i]
		if s.first != 0 {
			x, _, _ := varint(d.src, int(s.first), int(s.last)) // token has read it
			n[i], at = integer(t.fields[i].kind, x), int(s.first)
		}
	}
	return n[0], n[1], at
}

func (d *decoder) timestamp(name serde.Name, t *table, base int) error {
	seconds, nanos, at := d.parts(t, base)
	if seconds < minSeconds || seconds > maxSeconds || nanos < 0 || nanos >= nanosOfSecond {
		return fail(at, "a timestamp of %d seconds and %d nanoseconds is not between the years 1 and 9999", seconds, nanos)
	}
	us := seconds*1_000_000 + nanos/nanosOfMicro
	switch {
	case d.epoch:
		d.w.Int64(name, us)
	case nanos%nanosOfMicro == 0:
		d.w.Timestamp(name, us)
	default:
		d.w.Copy(name, serde.String, time.Unix(seconds, nanos).UTC().AppendFormat(d.scratch[:0], "2006-01-02T15:04:05.000000000Z"))
	}
	return nil
}

func (d *decoder) duration(name serde.Name, t *table, base int) error {
	seconds, nanos, at := d.parts(t, base)
	if !validDuration(seconds, nanos) {
		return fail(at, "a duration of %d seconds and %d nanoseconds is out of range", seconds, nanos)
	}
	d.w.Copy(name, serde.String, appendDuration(d.scratch[:0], seconds, nanos))
	return nil
}

func validDuration(seconds, nanos int64) bool {
	return seconds >= -maxDuration && seconds <= maxDuration && nanos > -nanosOfSecond && nanos < nanosOfSecond &&
		(seconds >= 0 || nanos <= 0) && (seconds <= 0 || nanos >= 0)
}

// appendDuration appends a duration by ISO 8601 in seconds, the unit that it has: -PT90.25S.
func appendDuration(dst []byte, seconds, nanos int64) []byte {
	if seconds < 0 || nanos < 0 {
		dst = append(dst, '-')
		seconds, nanos = -seconds, -nanos
	}
	dst = strconv.AppendInt(append(dst, "PT"...), seconds, 10)
	if nanos > 0 {
		start := len(dst)
		dst = strconv.AppendInt(dst, nanosOfSecond+nanos, 10) // the first digit becomes the point
		dst[start] = '.'
		for dst[len(dst)-1] == '0' {
			dst = dst[:len(dst)-1]
		}
	}
	return append(dst, 'S')
}

var errDuration = errors.New(`expected a duration such as "PT1.5S" or "1.5s"`)

// parseDuration reads a duration by ISO 8601 of days, hours, minutes and seconds, or as protobuf's JSON has it: "1.5s".
func parseDuration(text string) (seconds, nanos int64, err error) {
	rest, negative := strings.CutPrefix(text, "-")
	if !strings.HasPrefix(rest, "P") {
		number, ok := strings.CutSuffix(rest, "s")
		if !ok {
			return 0, 0, errDuration
		}
		rest = "PT" + number + "S"
	}
	date, clock, hasClock := strings.Cut(rest[1:], "T")
	if (date == "" && !hasClock) || hasClock && clock == "" {
		return 0, 0, errDuration
	}
	if seconds, _, err = sum(date, "D", 24*60*60); err != nil {
		return 0, 0, err
	}
	more, nanos, err := sum(clock, "HMS", 60*60, 60, 1)
	if err != nil {
		return 0, 0, err
	}
	seconds += more
	if negative {
		seconds, nanos = -seconds, -nanos
	}
	if !validDuration(seconds, nanos) {
		return 0, 0, errors.New("the duration is longer than 10,000 years")
	}
	return seconds, nanos, nil
}

// sum adds up numbers that are each followed by a unit, in the order of the units. Seconds may have decimals.
func sum(text, units string, each ...int64) (seconds, nanos int64, err error) {
	for i := 0; text != ""; i++ {
		end := strings.IndexAny(text, units)
		if end < 0 || strings.IndexByte(units, text[end]) < i {
			return 0, 0, errDuration
		}
		i = strings.IndexByte(units, text[end])
		number, decimals, point := strings.Cut(text[:end], ".")
		if point {
			if text[end] != 'S' || decimals == "" || len(decimals) > 9 {
				return 0, 0, errDuration
			}
			n, err := strconv.ParseUint(decimals+strings.Repeat("0", 9-len(decimals)), 10, 32)
			if err != nil {
				return 0, 0, errDuration
			}
			nanos = int64(n)
		}
		n, err := strconv.ParseUint(number, 10, 39) // less than 17,420 years of seconds, or 1<<39 days, which still fit
		if err != nil {
			return 0, 0, errDuration
		}
		seconds += int64(n) * each[i]
		text = text[end+1:]
	}
	return seconds, nanos, nil
}
