package serde

import (
	"encoding/hex"
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
	a := math.Abs(f)
	if precision == 64 && a < 1e9 {
		// Where the integer n / 1e6 rounds to f, n's digits are f's shortest text: they are at most 15, and no two decimals of so few
		// digits are the same float64 (DBL_DIG of IEEE 754). Below 1e-6, and for 0, n is 0.
		if n := int64(a*1e6 + 0.5); n > 0 && float64(n)/1e6 == a {
			return appendMillionths(dst, uint64(n), f < 0), nil
		}
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, fmt.Errorf("the number is %v, which JSON can't hold", f)
	}
	format := byte('f')
	if a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, precision), nil
}

// appendMillionths appends n / 1e6 with as many decimals as it has.
func appendMillionths(dst []byte, n uint64, negative bool) []byte {
	if negative {
		dst = append(dst, '-')
	}
	return appendFraction(strconv.AppendUint(dst, n/1e6, 10), n%1e6)
}

// appendFraction appends millionths, fewer than 1e6, behind a point and without zeros at the end; none is no text.
func appendFraction(dst []byte, millionths uint64) []byte {
	if millionths == 0 {
		return dst
	}
	text := [7]byte{'.'}
	put2(text[1:], millionths/1e4)
	put2(text[3:], millionths/1e2%100)
	put2(text[5:], millionths%100)
	end := len(text)
	for text[end-1] == '0' {
		end--
	}
	return append(dst, text[:end]...)
}

// put2 writes a number below 100.
func put2(b []byte, n uint64) { b[0], b[1] = byte('0'+n/10), byte('0'+n%10) }

// AppendDate appends a date by RFC 3339, without quotes. days are since 1970-01-01. A year that isn't from 0 to 9999 is an error.
func AppendDate(dst []byte, days int64) ([]byte, error) {
	y, m, d, err := civil(days)
	if err != nil {
		return dst, err
	}
	var text [len("2006-01-02")]byte
	put2(text[0:], uint64(y/100))
	put2(text[2:], uint64(y%100))
	put2(text[5:], uint64(m))
	put2(text[8:], uint64(d))
	text[4], text[7] = '-', '-'
	return append(dst, text[:]...), nil
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
	seconds, fraction := uint64(us)/1e6, uint64(us)%1e6
	var text [len("15:04:05")]byte
	put2(text[0:], seconds/3600)
	put2(text[3:], seconds/60%60)
	put2(text[6:], seconds%60)
	text[2], text[5] = ':', ':'
	return appendFraction(append(dst, text[:]...), fraction)
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

// AppendUUID appends u as RFC 9562 writes it, without quotes.
func AppendUUID(dst []byte, u [16]byte) []byte {
	var text [36]byte
	hex.Encode(text[0:], u[0:4])
	hex.Encode(text[9:], u[4:6])
	hex.Encode(text[14:], u[6:8])
	hex.Encode(text[19:], u[8:10])
	hex.Encode(text[24:], u[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return append(dst, text[:]...)
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
