package dynamodb

import (
	"fmt"
	"strconv"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// lastSecond is the end of the year 9999. Later ones are milliseconds that were taken for seconds.
const lastSecond = 253_402_300_799

// A ttlField is the attribute of ttl.
type ttlField struct {
	name  string        // "" without one
	after time.Duration // from the record's timestamp
	at    *expression   // in place of after
}

func (c Config) ttlField() (ttlField, error) {
	f := ttlField{name: c.TTL.Attribute, after: time.Duration(c.TTL.After)}
	if len(f.name) > maxName {
		return f, fmt.Errorf("ttl.attribute: the name has %d bytes; DynamoDB takes at most %d", len(f.name), maxName)
	}
	if c.TTL.At == "" {
		return f, nil
	}
	x, err := compileExpression("ttl.at", c.TTL.At)
	f.at = &x
	return f, err
}

// computed: each item gets the attribute. Otherwise it is only for what deletions leave.
func (f *ttlField) computed() bool { return f.name != "" && (f.at != nil || f.after > 0) }

// ttl appends the value of the attribute of ttl, {"N":"1700000000"}, which item appends too. size is in bytes as DynamoDB counts, with the name.
// there is false where there is none: at is missing or null, or ttl has neither after nor at. Errors are permanent.
func (e *itemEncoder) ttl(dst []byte, b *connector.Batch, i int) (out []byte, size int, there bool, err error) {
	if !e.expires.computed() {
		return dst, 0, false, nil
	}
	seconds, there, err := e.expires.seconds(b, i)
	if err != nil || !there {
		return dst, 0, false, err
	}
	out = append(dst, `{"N":"`...)
	from := len(out)
	out = strconv.AppendInt(out, seconds, 10)
	size = textNumberSize(out[from:]) + len(e.expires.name)
	return append(out, `"}`...), size, true, nil
}

// seconds is when the i-th record's item expires, since 1970. Fractions count as a second: nothing expires early.
func (f *ttlField) seconds(b *connector.Batch, i int) (s int64, there bool, err error) {
	if f.at == nil {
		at := b.At(i).Timestamp
		if at < 0 {
			return 0, false, connector.Permanent.Errorf("ttl.after: the record has no timestamp to count from; use ttl.at")
		}
		return up(at+f.after.Milliseconds(), 1e3), true, nil
	}
	v, err := f.at.value(b, i)
	if err != nil {
		return 0, false, err
	}
	switch v.Kind() {
	case serde.Missing, serde.Null:
		return 0, false, nil
	case serde.Timestamp:
		us, _ := v.Micros()
		s = up(us, 1e6)
	case serde.Date:
		t, _ := v.Time()
		s = t.Unix()
	default:
		whole, ok := v.Int64()
		if !ok {
			return 0, false, f.at.problem(problem("is of kind %s; want a timestamp, or whole seconds since 1970", v.Kind()))
		}
		s = whole
	}
	switch {
	case s < 0:
		return 0, false, f.at.problem(problem("is %d, which is before 1970", s))
	case s > lastSecond:
		return 0, false, f.at.problem(problem("is %d seconds since 1970, which is after the year 9999: are they milliseconds? take int(... / 1000)", s))
	}
	return s, true, nil
}

// up is n / unit, rounded up.
func up(n, unit int64) int64 {
	q := n / unit
	if n%unit > 0 {
		q++
	}
	return q
}
