package avro

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
)

// highs are the bits that ASCII doesn't use in eight bytes of a text, which are looked at as one word.
const highs = 0x8080808080808080

// validText reports whether s is UTF-8. Most texts are short and ASCII.
func validText(s []byte) bool {
	if len(s) >= 8 {
		wide := binary.LittleEndian.Uint64(s[len(s)-8:])
		for i := 0; i < len(s)-8; i += 8 {
			wide |= binary.LittleEndian.Uint64(s[i:])
		}
		return wide&highs == 0 || utf8.Valid(s)
	}
	wide := byte(0)
	for _, c := range s {
		wide |= c
	}
	return wide < utf8.RuneSelf || utf8.Valid(s)
}

// quoted is s, which is UTF-8, as a JSON string.
func quoted(s string) string {
	text, _ := serde.AppendString(nil, []byte(s))
	return string(text)
}

const maxTimeText = len("2006-01-02T15:04:05.123456789Z")

// appendNanos writes a timestamp with nine decimals. It fails where serde.AppendTimestamp does.
func appendNanos(dst []byte, ns int64) ([]byte, error) {
	seconds, rest := floorDiv(ns, 1e9)
	dst, err := serde.AppendTimestamp(dst, seconds*1e6)
	if err != nil {
		return dst, err
	}
	dst[len(dst)-1] = '.' // was its Z
	dst = append(dst, "000000000Z"...)
	for i := len(dst) - 2; rest > 0; i-- {
		dst[i] = byte('0' + rest%10)
		rest /= 10
	}
	return dst, nil
}

const maxDurationText = len("P4294967295M4294967295DT4294967.295S")

// appendDuration writes months, days and milliseconds, each of 4 bytes, by ISO 8601: P1M2DT3.004S.
func appendDuration(dst, b []byte) []byte {
	months, days, ms := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	if months|days|ms == 0 {
		return append(dst, "PT0S"...)
	}
	dst = append(dst, 'P')
	if months > 0 {
		dst = append(strconv.AppendUint(dst, uint64(months), 10), 'M')
	}
	if days > 0 {
		dst = append(strconv.AppendUint(dst, uint64(days), 10), 'D')
	}
	if ms == 0 {
		return dst
	}
	dst = strconv.AppendUint(append(dst, 'T'), uint64(ms/1000), 10)
	if rest := ms % 1000; rest > 0 {
		digits := [4]byte{'.', byte('0' + rest/100), byte('0' + rest/10%10), byte('0' + rest%10)}
		n := len(digits)
		for digits[n-1] == '0' {
			n--
		}
		dst = append(dst, digits[:n]...)
	}
	return append(dst, 'S')
}

// withoutSigns is a number in two's complement without leading bytes that only repeat its sign.
func withoutSigns(b []byte) []byte {
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xFF && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
}
