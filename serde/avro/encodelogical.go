package avro

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/millrace/millrace/serde"
)

// encodeLogical appends v as a logical type.
func encodeLogical(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	switch h.Logical {
	case Decimal:
		return encodeDecimal(dst, h, v)
	case BigDecimal:
		return encodeBigDecimal(dst, h, v)
	case UUID:
		return encodeUUID(dst, h, v)
	case Date:
		return encodeDate(dst, h, v)
	case TimeMillis, TimeMicros:
		return encodeTime(dst, h, v)
	case Duration:
		return encodeDuration(dst, h, v)
	}
	return encodeTimestamp(dst, h, v)
}

// String is the logical type as schemas name it, "" of NoLogical.
func (l Logical) String() string {
	for name, x := range logicals {
		if x.logical == l {
			return name
		}
	}
	return ""
}

func encodeDate(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	days, ok := v.Int64()
	switch v.Kind() {
	case serde.Date:
		var ts time.Time
		ts, ok = v.Time()
		days = ts.Unix() / secondsOfDay
	case serde.String:
		text, _ := v.Text()
		var sec int64
		sec, _, ok = parseTime(text, "", "T00:00:00Z")
		days = floor(sec, secondsOfDay)
	}
	if !ok || days != int64(int32(days)) {
		return nil, refused(h, v)
	}
	return binary.AppendVarint(dst, days), nil
}

const secondsOfDay = 24 * 60 * 60

// encodeTime appends a time of day.
func encodeTime(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	unit, end := int64(1000), int64(usOfDay) // nanoseconds, units
	if h.Logical == TimeMillis {
		unit, end = 1e6, msOfDay
	}
	x, ok := v.Int64()
	switch v.Kind() {
	case serde.Time:
		us, _ := v.Micros()
		x, ok = us*1000/unit, us*1000%unit == 0
	case serde.String:
		text, _ := v.Text()
		sec, ns, parsed := parseTime(text, "1970-01-01T", "Z")
		x, ok = (sec*1e9+ns)/unit, parsed && ns%unit == 0
	}
	if !ok || x < 0 || x >= end {
		return nil, refused(h, v)
	}
	return binary.AppendVarint(dst, x), nil
}

// encodeTimestamp appends a timestamp, with or without a zone.
func encodeTimestamp(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	perSecond, zone, local := int64(1e6), "", false
	switch h.Logical {
	case TimestampMillis, LocalTimestampMillis:
		perSecond = 1e3
	case TimestampNanos, LocalTimestampNanos:
		perSecond = 1e9
	}
	if h.Logical >= LocalTimestampMillis {
		zone, local = "Z", true
	}
	x, ok := v.Int64()
	switch v.Kind() {
	case serde.Timestamp:
		us, _ := v.Micros()
		sec := floor(us, 1e6)
		x, ok = scale(sec, (us-sec*1e6)*1000, perSecond)
		ok = ok && !local
	case serde.String:
		text, _ := v.Text()
		var sec, ns int64
		if sec, ns, ok = parseTime(text, "", zone); ok {
			x, ok = scale(sec, ns, perSecond)
		}
	}
	if !ok {
		return nil, refused(h, v)
	}
	return binary.AppendVarint(dst, x), nil
}

// scale is a time in units of which a second has perSecond, if that is exact and an int64.
func scale(sec, ns, perSecond int64) (x int64, ok bool) {
	unit := int64(1e9) / perSecond
	if sec > math.MaxInt64/perSecond || sec < math.MinInt64/perSecond-1 {
		return 0, false
	}
	if sec < 0 { // -0.5 s is -1 s and 0.5 s: the product alone may be too small
		x = (sec+1)*perSecond - (perSecond - ns/unit)
		return x, ns%unit == 0 && x < 0
	}
	x = sec*perSecond + ns/unit
	return x, ns%unit == 0 && x >= 0
}

func floor(x, unit int64) int64 {
	q := x / unit
	if x%unit < 0 {
		q--
	}
	return q
}

// parseTime reads a time by RFC 3339, given what the text lacks of one.
func parseTime(text []byte, before, after string) (sec, ns int64, ok bool) {
	var room [64]byte
	if len(before)+len(text)+len(after) > len(room) {
		return 0, 0, false
	}
	full := append(append(append(room[:0], before...), text...), after...)
	var ts time.Time
	if ts.UnmarshalText(full) != nil || fraction(full) > 9 {
		return 0, 0, false
	}
	return ts.Unix(), int64(ts.Nanosecond()), true
}

// fraction is the number of digits behind the point.
func fraction(text []byte) int {
	n := -1
	for _, c := range text {
		switch {
		case c == '.':
			n = 0
		case c-'0' > 9 && n >= 0:
			return n
		case n >= 0:
			n++
		}
	}
	return n
}

// encodeUUID appends a UUID. One that is a string may be any text: Java writes what it is given.
func encodeUUID(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	if h.Type == String {
		return encodeString(dst, h, v)
	}
	if text, ok := v.Text(); ok && v.Kind() == serde.String {
		u, ok := serde.ParseUUID(text)
		if !ok {
			return nil, refused(h, v)
		}
		return append(dst, u[:]...), nil
	}
	return encodeFixed(dst, h, v)
}

// encodeDuration appends months, days and milliseconds (specification, Duration).
func encodeDuration(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	text, _ := v.Text()
	switch v.Kind() {
	case serde.Bytes:
		return encodeFixed(dst, h, v)
	case serde.String:
		if parts, ok := parseDuration(text); ok {
			for _, n := range parts {
				dst = binary.LittleEndian.AppendUint32(dst, n)
			}
			return dst, nil
		}
	}
	return nil, refused(h, v)
}

// parseDuration reads ISO 8601's PnYnMnWnDTnHnMnS, of which seconds may have decimals, as months, days and milliseconds.
func parseDuration(text []byte) (parts [3]uint32, ok bool) {
	if len(text) < 3 || text[0] != 'P' || text[len(text)-1] == 'T' {
		return parts, false
	}
	text = text[1:]
	units, clock := "YMWD", false
	var sums [3]uint64
	for len(text) > 0 {
		if text[0] == 'T' && !clock {
			units, clock, text = "HMS", true, text[1:]
			continue
		}
		whole, ms, n := durationNumber(text)
		if n == 0 || n == len(text) {
			return parts, false
		}
		unit := text[n]
		at := 0
		for at < len(units) && units[at] != unit {
			at++
		}
		if at == len(units) || ms >= 0 && unit != 'S' {
			return parts, false
		}
		units, text = units[at+1:], text[n+1:]
		switch {
		case clock && unit == 'S':
			sums[2] += whole*1000 + uint64(max(ms, 0))
		case clock:
			sums[2] += whole * map[byte]uint64{'H': 3_600_000, 'M': 60_000}[unit]
		case unit == 'Y':
			sums[0] += whole * 12
		case unit == 'M':
			sums[0] += whole
		case unit == 'W':
			sums[1] += whole * 7
		default:
			sums[1] += whole
		}
	}
	for i, n := range sums {
		if n > math.MaxUint32 {
			return parts, false
		}
		parts[i] = uint32(n)
	}
	return parts, true
}

// durationNumber reads a number of at most 10 digits with up to 3 decimals at the beginning of text, where it has n characters. ms is -1 without
// decimals.
func durationNumber(text []byte) (whole uint64, ms, n int) {
	for ; n < len(text) && text[n]-'0' <= 9; n++ {
		if n == 10 {
			return 0, 0, 0
		}
		whole = whole*10 + uint64(text[n]-'0')
	}
	if n == 0 || n == len(text) || text[n] != '.' {
		return whole, -1, n
	}
	unit := 100
	for n++; n < len(text) && text[n]-'0' <= 9; n++ {
		if unit == 0 {
			return 0, 0, 0
		}
		ms += int(text[n]-'0') * unit
		unit /= 10
	}
	if unit == 100 {
		return 0, 0, 0
	}
	return whole, ms, n
}
