package cell

import (
	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// A Refusal is why a column doesn't take a value: Taken if it does.
type Refusal uint8

// The refusals.
const (
	Taken Refusal = iota
	OtherKind
	TooLarge
	NotInteger
	Longer
	Finer
	NotBase64
	NotUUID
	OtherSize
	NotUTF8
	NotTimestamp
	NotTime
	NotDate
	NoTime
	NoText
)

var refusals = [...]string{
	Taken:        "it is taken",
	OtherKind:    "no value of this kind fits",
	TooLarge:     "the number doesn't fit",
	NotInteger:   "the number isn't an integer of 64 bits",
	Longer:       "it has more digits",
	Finer:        "it has more digits behind the point",
	NotBase64:    "the text isn't base64 (RFC 4648, section 4)",
	NotUUID:      "the text isn't a UUID as RFC 9562 writes it",
	OtherSize:    "the number of bytes is another",
	NotUTF8:      "the text isn't UTF-8",
	NotTimestamp: "the text isn't written as 2026-01-31T08:00:00Z (RFC 3339) or 2026-01-31 08:00:00",
	NotTime:      "the text isn't written as 08:00:00.123",
	NotDate:      "the text isn't written as 2026-01-31",
	NoTime:       "it isn't a time of a day",
	NoText:       "it has no text: the year hasn't four digits",
}

// String is the end of a sentence. It tells nothing of what the value holds.
func (r Refusal) String() string {
	if int(r) < len(refusals) {
		return refusals[r]
	}
	return "unknown"
}

// unless is Taken if ok, else r.
func (r Refusal) unless(ok bool) Refusal {
	if ok {
		return Taken
	}
	return r
}

// Refuse is the error of a value that the column doesn't take.
func (c *Column) Refuse(v serde.Value, why Refusal) error {
	switch {
	case v.IsNull():
		return connector.Permanent.Errorf("column %.300s is %s and can't be null; the value is null", c.Path, c.Type)
	case why == OtherKind:
		return connector.Permanent.Errorf("column %.300s is %s; the value is %s", c.Path, c.Type, article(v.Kind()))
	}
	return connector.Permanent.Errorf("column %.300s is %s; the value is %s: %s", c.Path, c.Type, article(v.Kind()), why)
}

// Absent is the error of a value that lacks the column's member, where it must have one.
func (c *Column) Absent() error {
	return connector.Permanent.Errorf("column %.300s is %s, can't be null and has no default; the value has no member %.100q", c.Path, c.Type, c.Name)
}

// Twice is the error of an object that has a member twice, which no decoder makes.
func (c *Column) Twice() error {
	return connector.Permanent.Errorf("column %.300s: the value has it twice", c.Path)
}

// Fail is the error of a value that can't be written.
func (c *Column) Fail(err error) error {
	return connector.Permanent.Errorf("column %.300s: %w", c.Path, err)
}

// RestFails is the error of members that no column takes and that can't be written.
func RestFails(err error) error {
	return connector.Permanent.Errorf("column for what no other column takes: %w", err)
}

// NoRow is the error of a value that isn't an object.
func NoRow(v serde.Value) error {
	if v.IsNull() {
		return connector.Permanent.Errorf("the value is null: a tombstone has no row; leave such records out by a filter, or set envelope, which gives them one")
	}
	return connector.Permanent.Errorf("the value is %s: a row is an object; set envelope, which makes it a column", article(v.Kind()))
}

// article is a kind with its article, as messages have it.
func article(k serde.Kind) string {
	switch k {
	case serde.Null, serde.Missing, serde.Bytes:
		return k.String()
	case serde.Int64, serde.Array, serde.Object:
		return "an " + k.String()
	}
	return "a " + k.String()
}
