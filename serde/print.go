package serde

import (
	"fmt"
	"math"
	"strconv"
)

// These append single values as AppendJSON writes them, for decoders that go from a format to JSON text without a Value in between. After an error
// dst comes back as it was.

// AppendString appends s as a JSON string. Text that isn't UTF-8 is an error.
func AppendString(dst, s []byte) ([]byte, error) {
	out, err := appendQuoted(dst, s)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// AppendFloat64 appends the shortest text that is f, as ECMAScript does (ECMA-262, Number::toString), and -0 as -0. NaN and
// infinities are errors.
func AppendFloat64(dst []byte, f float64) ([]byte, error) { return appendFloat(dst, f, 64) }

// AppendFloat32 appends the shortest text that is f as a float32.
func AppendFloat32(dst []byte, f float32) ([]byte, error) { return appendFloat(dst, float64(f), 32) }

func appendFloat(dst []byte, f float64, precision int) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, fmt.Errorf("the number is %v, which JSON can't hold", f)
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, precision), nil
}

// AppendDate appends a date by RFC 3339, without quotes. days are since 1970-01-01. A year that isn't from 0 to 9999 is an error.
func AppendDate(dst []byte, days int64) ([]byte, error) {
	y, m, d, err := civil(days)
	if err != nil {
		return dst, err
	}
	dst = appendDigits(dst, y, 4)
	dst = appendDigits(append(dst, '-'), m, 2)
	return appendDigits(append(dst, '-'), d, 2), nil
}

// AppendTimeOfDay appends a time of the day by RFC 3339, without quotes and without zeros at the end. us are microseconds
// since midnight.
func AppendTimeOfDay(dst []byte, us int64) ([]byte, error) {
	if us < 0 || us >= microsOfDay {
		return dst, fmt.Errorf("the time of day is %d microseconds, which is no time of a day", us)
	}
	return appendTimeOfDay(dst, us), nil
}

// AppendTimestamp appends a time by RFC 3339 in UTC, with Z, without quotes and without zeros at the end. us are microseconds since 1970-01-01T00:00Z.
func AppendTimestamp(dst []byte, us int64) ([]byte, error) {
	days, rest := us/microsOfDay, us%microsOfDay
	if rest < 0 {
		days, rest = days-1, rest+microsOfDay
	}
	out, err := AppendDate(dst, days)
	if err != nil {
		return dst, err
	}
	return append(appendTimeOfDay(append(out, 'T'), rest), 'Z'), nil
}

const microsOfDay = secondsOfDay * 1_000_000

func appendTimeOfDay(dst []byte, us int64) []byte {
	s, fraction := us/1_000_000, us%1_000_000
	dst = appendDigits(dst, s/3600, 2)
	dst = appendDigits(append(dst, ':'), s/60%60, 2)
	dst = appendDigits(append(dst, ':'), s%60, 2)
	if fraction == 0 {
		return dst
	}
	dst = appendDigits(append(dst, '.'), fraction, 6)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// appendDigits appends the last digits of n, which isn't negative.
func appendDigits(dst []byte, n int64, digits int) []byte {
	dst = append(dst, "000000"[:digits]...)
	for i := len(dst) - 1; digits > 0; digits-- {
		dst[i] = byte('0' + n%10)
		n /= 10
		i--
	}
	return dst
}

// civil is the date of a day since 1970-01-01 in the Gregorian calendar, which counts before its time too (ISO 8601). The
// year begins in March here, so that the day that may be missing is its last.
func civil(days int64) (year, month, day int64, err error) {
	const era = 146_097 // days of 400 years
	z := days + 719_468 // since 0000-03-01
	eras := z / era
	n := z % era
	if n < 0 {
		eras, n = eras-1, n+era
	}
	of := (n - n/1460 + n/36_524 - n/(era-1)) / 365 // the year of the era
	n -= 365*of + of/4 - of/100
	m := (5*n + 2) / 153
	year, month, day = eras*400+of, m+3, n-(153*m+2)/5+1
	if month > 12 {
		year, month = year+1, month-12
	}
	if year < 0 || year > 9999 {
		return 0, 0, 0, fmt.Errorf("the year is %d, which RFC 3339 can't write", year)
	}
	return year, month, day, nil
}

// ParseUUID takes a UUID's text, in the form of RFC 9562 with digits in either case; ok is false of any other text.
func ParseUUID(text []byte) (u [16]byte, ok bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return u, false
	}
	for i, at := range [...]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		high, low := unhex[text[at]], unhex[text[at+1]]
		if high|low < 0 {
			return [16]byte{}, false
		}
		u[i] = byte(high)<<4 | byte(low)
	}
	return u, true
}
