package eventbridge

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// appendHeaders appends a record's headers in their order, as an array of objects of one member each: names may repeat.
func appendHeaders(dst []byte, x *scratch, b *connector.Batch, r *connector.Record, guess bool) ([]byte, error) {
	dst = append(dst, '[')
	for i := range r.Headers {
		h := &r.Headers[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		x.text = append(x.text[:0], h.Name...)
		var err error
		if dst, err = serde.AppendString(append(dst, '{'), x.text); err != nil {
			return nil, fmt.Errorf("headers: the name of header %d: %w", i+1, err)
		}
		if dst, err = appendHeader(append(dst, ':'), b, h.Value, guess); err != nil {
			return nil, fmt.Errorf("headers: header %.100q: %w", h.Name, err)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']'), nil
}

// appendHeader appends a header's value: its text, or base64 with a mark where it is none.
func appendHeader(dst []byte, b *connector.Batch, value []byte, guess bool) ([]byte, error) {
	switch {
	case value == nil:
		return append(dst, "null"...), nil
	case !utf8.Valid(value):
		dst = append(dst, `{"base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, value)
		return append(dst, `"}`...), nil
	case guess:
		if out := appendGuess(dst, b, bytes.TrimSpace(value)); len(out) > len(dst) {
			return out, nil
		}
	}
	return serde.AppendString(dst, value)
}

// appendGuess appends what Kafka Connect's SimpleHeaderConverter takes a text for (org.apache.kafka.connect.data.Values.parseString): null, a boolean, a number, a
// date in days, a time in milliseconds, a list or a map. It appends nothing where that would lose something of the text, and it stays one then: a number
// that neither an int64 nor a float64 comes near, a day that no month has, JSON that isn't well-formed, or something behind the value. Lists and maps are JSON.
func appendGuess(dst []byte, b *connector.Batch, text []byte) []byte {
	if len(text) == 0 {
		return dst
	}
	switch c := text[0]; {
	case string(text) == "null" || string(text) == "true" || string(text) == "false":
		return append(dst, text...)
	case c == '[' || c == '{':
		v, err := b.Tape().JSON(text, serde.Limits{})
		if err != nil {
			return dst
		}
		if out, err := v.AppendJSON(dst); err == nil {
			return out
		}
	case c-'0' <= 9:
		if out := appendGuessedTime(dst, text); len(out) > len(dst) {
			return out
		}
		return appendGuessedNumber(dst, text)
	case c == '+' || c == '-':
		return appendGuessedNumber(dst, text)
	}
	return dst
}

// appendGuessedTime appends a date as the days since 1970, a time as the milliseconds since midnight or since 1970.
func appendGuessedTime(dst, text []byte) []byte {
	const (
		date    = "2006-01-02"
		clock   = "15:04:05.000Z"
		instant = date + "T" + clock
	)
	for _, layout := range [...]string{date, clock, instant} {
		if len(text) != len(layout) {
			continue
		}
		t, err := time.Parse(layout, string(text))
		switch {
		case err != nil:
			return dst
		case layout == date:
			return strconv.AppendInt(dst, t.Unix()/(24*60*60), 10)
		case layout == clock:
			return strconv.AppendInt(dst, t.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)).Milliseconds(), 10)
		}
		return strconv.AppendInt(dst, t.UnixMilli(), 10)
	}
	return dst
}

// maxGuessed bounds a number's text: longer ones are identifiers rather than numbers.
const maxGuessed = 40

// appendGuessedNumber appends a number that java.math.BigDecimal takes, with the digits it has, as JSON writes it: +007. is 7.
func appendGuessedNumber(dst, text []byte) []byte {
	sign, whole, fraction, exponent, ok := numberParts(text)
	if !ok || len(text) > maxGuessed || !fits(text, whole, fraction) {
		return dst
	}
	if sign == '-' {
		dst = append(dst, '-')
	}
	if whole = bytes.TrimLeft(whole, "0"); len(whole) == 0 {
		dst = append(dst, '0')
	}
	dst = append(dst, whole...)
	if len(fraction) > 0 {
		dst = append(append(dst, '.'), fraction...)
	}
	if len(exponent) > 0 {
		dst = append(append(dst, 'e'), exponent...)
	}
	return dst
}

// numberParts takes a number apart: a sign, digits, digits behind a point, an exponent with its sign. There is a digit before or behind the point. Whether
// the exponent has digits is for fits to see.
func numberParts(text []byte) (sign byte, whole, fraction, exponent []byte, ok bool) {
	if text[0] == '+' || text[0] == '-' {
		sign, text = text[0], text[1:]
	}
	whole, text = cutDigits(text)
	if len(text) > 0 && text[0] == '.' {
		fraction, text = cutDigits(text[1:])
	}
	ok = len(whole)+len(fraction) > 0
	if len(text) == 0 {
		return sign, whole, fraction, nil, ok
	}
	if text[0]|0x20 != 'e' {
		return 0, nil, nil, nil, false
	}
	exponent = text[1:]
	digits := exponent
	if len(digits) > 0 && (digits[0] == '+' || digits[0] == '-') {
		digits = digits[1:]
	}
	_, rest := cutDigits(digits)
	return sign, whole, fraction, exponent, ok && len(rest) == 0
}

func cutDigits(text []byte) (digits, rest []byte) {
	n := 0
	for n < len(text) && text[n]-'0' <= 9 {
		n++
	}
	return text[:n], text[n:]
}

// fits reports whether an integer is an int64, which is all that EventBridge takes of one, and any other number is within float64's range.
func fits(text, whole, fraction []byte) bool {
	if bytes.ContainsAny(text, ".eE") {
		f, err := strconv.ParseFloat(string(text), 64)
		zero := bytes.Trim(whole, "0") == nil && bytes.Trim(fraction, "0") == nil
		return err == nil && (f != 0 || zero)
	}
	_, err := strconv.ParseInt(string(text), 10, 64)
	return err == nil
}
