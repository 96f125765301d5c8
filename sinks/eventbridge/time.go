package eventbridge

import (
	"fmt"
	"strconv"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// The times that RFC 3339 can write, as events have them: the years 0 to 9999. In microseconds since 1970.
const (
	minTime = -62_167_219_200_000_000
	maxTime = 253_402_300_799_999_999
)

// appendTime appends the event's time, in seconds since 1970 as requests in JSON 1.1 have timestamps (https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html).
func (s *shape) appendTime(dst []byte, e *entry, b *connector.Batch, i int) ([]byte, error) {
	if s.time == nil {
		return dst, nil
	}
	if _, root, ok := s.time.Path(); ok && root == "timestamp" && b.At(i).Timestamp == connector.NoTimestamp {
		return dst, nil
	}
	us, err := s.micros(b, i)
	if err != nil {
		return nil, err
	}
	e.size += timeSize
	return appendSeconds(append(dst, `,"Time":`...), us), nil
}

// micros is the i-th record's event time in microseconds since 1970.
func (s *shape) micros(b *connector.Batch, i int) (int64, error) {
	v, err := s.time.Value(b, i)
	if err != nil {
		return 0, fmt.Errorf("time: %w", err)
	}
	var us int64
	switch v.Kind() {
	case serde.Missing, serde.Null:
		return 0, fmt.Errorf("time: %s is %s for this record; %s ?? timestamp takes the record's", s.time, v.Kind(), s.time)
	case serde.Timestamp, serde.Date:
		t, _ := v.Time()
		us = t.UnixMicro()
	default:
		ms, ok := v.Int64()
		if !ok {
			return 0, fmt.Errorf("time: %s is a %s for this record; want a timestamp or a whole number of milliseconds since 1970, which date makes of a text", s.time, v.Kind())
		}
		if ms < minTime/1000 || ms > maxTime/1000 {
			return 0, fmt.Errorf("time: %s is %d for this record, which isn't in the years 0 to 9999 as milliseconds since 1970", s.time, ms)
		}
		us = ms * 1000
	}
	if us < minTime || us > maxTime {
		return 0, fmt.Errorf("time: %s isn't in the years 0 to 9999 for this record", s.time)
	}
	return us, nil
}

// appendSeconds appends microseconds as seconds, with as many decimals as they have.
func appendSeconds(dst []byte, us int64) []byte {
	if us < 0 {
		dst, us = append(dst, '-'), -us
	}
	dst = strconv.AppendInt(dst, us/1e6, 10)
	us %= 1e6
	if us == 0 {
		return dst
	}
	var text [7]byte // a point and six digits
	for at := len(text) - 1; at > 0; at-- {
		text[at], us = byte('0'+us%10), us/10
	}
	text[0] = '.'
	end := len(text)
	for text[end-1] == '0' {
		end--
	}
	return append(dst, text[:end]...)
}
