package dynamodb

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/rule"
	"github.com/millrace/millrace/serde"
)

// With write: newest each item has a map in the attribute Guard that says which record it is of:
//
//	source    "<topic id hex>-<partition>"
//	position  the record's offset, and as a fraction of ten digits its index: one comparison orders both
//	version   the record's timestamp in milliseconds since 1970, or what the setting version gives
//	deleted   true if the record deleted the item: then only its key is left
//
// Positions are compared within a source only: keys move to lower offsets of other partitions when partitions are added, and a topic that was created
// again begins at 0. Between sources the version decides, and of equal ones the source, so that the order of arrival never does.
const (
	// newerThan are conditions that hold where the stored record is older than ours, or there is none. An attribute of that name that isn't
	// a guard is as none.
	newerThan = `attribute_not_exists(#g.#s) OR (#g.#s = :s AND #g.#p < :p)` +
		` OR (#g.#s <> :s AND (#g.#v < :v OR (#g.#v = :v AND #g.#s < :s)))`
	// uncounted holds where our source hasn't counted the record yet.
	uncounted = `attribute_not_exists(#q) OR #q < :p`

	sourceName, positionName, versionName, deletedName = "source", "position", "version", "deleted"

	indexDigits = 10 // of an int32
)

// A guard writes the attributes and conditions of write: newest.
type guard struct {
	attribute string
	name      []byte     // the same as JSON
	version   *rule.Expr // nil: the record's timestamp
}

// A stamp is what the guard says of one record. Its texts are borrowed.
type stamp struct {
	source, position []byte
	version          []byte
}

// appendSource appends the id of a batch's partition.
func appendSource(dst []byte, from *connector.Source) []byte {
	dst = hex.AppendEncode(dst, from.TopicID[:])
	return strconv.AppendInt(append(dst, '-'), int64(from.ID), 10)
}

// appendPosition appends a record's offset and index as one number.
func appendPosition(dst []byte, offset int64, index int32) []byte {
	dst = append(strconv.AppendInt(dst, offset, 10), '.')
	var digits [indexDigits]byte
	n := index
	for at := indexDigits - 1; at >= 0; at-- {
		digits[at] = byte('0' + n%10)
		n /= 10
	}
	return append(dst, digits[:]...)
}

// appendMember appends the guard behind other members of an item, and says how much it adds to the item's size.
func (g *guard) appendMember(dst []byte, s stamp, deleted bool) ([]byte, int) {
	dst = append(append(append(dst, ','), g.name...), ':')
	dst, size := g.appendMap(dst, s, deleted)
	return dst, size + len(g.attribute)
}

// appendMap appends the guard's value, and its size.
func (g *guard) appendMap(dst []byte, s stamp, deleted bool) ([]byte, int) {
	dst = appendStamp(append(dst, `{"M":{"source":`...), s.source, 'S')
	dst = appendStamp(append(dst, `,"position":`...), s.position, 'N')
	dst = appendStamp(append(dst, `,"version":`...), s.version, 'N')
	size := containerSize + 3*elementSize + len(sourceName) + len(s.source) +
		len(positionName) + textNumberSize(s.position) + len(versionName) + textNumberSize(s.version)
	if deleted {
		dst = append(dst, `,"deleted":{"BOOL":true}`...)
		size += elementSize + len(deletedName) + 1
	}
	return append(dst, "}}"...), size
}

// appendStamp appends {"N":"text"} of a text that needs no escapes.
func appendStamp(dst, text []byte, kind byte) []byte {
	dst = append(dst, '{', '"', kind, '"', ':', '"')
	dst = append(dst, text...)
	return append(dst, '"', '}')
}

// appendNames appends the names that newerThan has, members of ExpressionAttributeNames.
func (g *guard) appendNames(dst []byte) []byte {
	dst = append(append(dst, `"#g":`...), g.name...)
	return append(dst, `,"#s":"source","#p":"position","#v":"version"`...)
}

// appendValues appends the values that newerThan has, members of ExpressionAttributeValues.
func (g *guard) appendValues(dst []byte, s stamp) []byte {
	dst = appendStamp(append(dst, `":s":`...), s.source, 'S')
	dst = appendStamp(append(dst, `,":p":`...), s.position, 'N')
	return appendStamp(append(dst, `,":v":`...), s.version, 'N')
}

// counter is the name of the attribute that holds the position of the last record of a source that was counted.
func (g *guard) counter(source []byte) string { return g.attribute + ":" + string(source) }

// appendCounter appends the same as JSON. A source needs no escapes.
func (g *guard) appendCounter(dst, source []byte) []byte {
	dst = append(append(dst, g.name[:len(g.name)-1]...), ':')
	return append(append(dst, source...), '"')
}

// appendVersion appends what decides between records of different partitions.
func (g *guard) appendVersion(dst []byte, b *connector.Batch, i int, r *connector.Record) ([]byte, error) {
	if g.version == nil {
		return strconv.AppendInt(dst, r.Timestamp, 10), nil
	}
	v, err := g.version.Value(b, i)
	if err != nil {
		return dst, fmt.Errorf("version: %w", err)
	}
	if n, ok := v.Int64(); ok {
		return strconv.AppendInt(dst, n, 10), nil
	}
	if us, ok := v.Micros(); ok && v.Kind() == serde.Timestamp {
		return strconv.AppendInt(dst, us, 10), nil
	}
	what := "of kind " + v.Kind().String()
	switch v.Kind() {
	case serde.Missing:
		what = "missing"
	case serde.Null:
		what = "null"
	}
	return dst, fmt.Errorf("version (%s) is %s; want an integer or a timestamp", g.version, what)
}
