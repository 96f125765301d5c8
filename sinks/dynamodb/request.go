package dynamodb

import (
	"strconv"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// Operations of DynamoDB. The rights to them have the same names, after dynamodb:.
const (
	opPut      = "PutItem"
	opUpdate   = "UpdateItem"
	opBatch    = "BatchWriteItem"
	opDescribe = "DescribeTable"
)

// stamp is what the guard says of the i-th record.
func (s *Sink) stamp(rs *rows, b *connector.Batch, i int) (stamp, error) {
	r := b.At(i)
	rs.stamp = appendPosition(rs.stamp[:0], r.Offset, r.Index)
	n := len(rs.stamp)
	var err error
	if rs.stamp, err = s.guard.appendVersion(rs.stamp, b, i, r); err != nil {
		return stamp{}, err
	}
	return stamp{source: rs.source, position: rs.stamp[:n], version: rs.stamp[n:]}, nil
}

// appendPut adds the request that puts the record's item where it is newer than the stored one.
func (s *Sink) appendPut(rs *rows, x *row, key span, keySize int, b *connector.Batch, i int) error {
	st, err := s.stamp(rs, b, i)
	if err != nil {
		return err
	}
	from := len(rs.text)
	text, size, err := s.items.item(s.beginPut(rs.text), rs.at(key), keySize, b, i)
	if err != nil {
		return err
	}
	text, guardSize := s.guard.appendMember(text, st, false)
	if err := checkSize(size + guardSize); err != nil {
		return err
	}
	s.endPut(rs, x, from, text, st)
	return nil
}

// appendMarker adds the request that puts a marker, in place of an item that is deleted: its key, and the guard, so that older records stay older.
func (s *Sink) appendMarker(rs *rows, x *row, key span, b *connector.Batch, i int) error {
	st, err := s.stamp(rs, b, i)
	if err != nil {
		return err
	}
	from := len(rs.text)
	text := append(s.beginPut(rs.text), rs.at(key)...)
	text, _ = s.guard.appendMember(text, st, true)
	if s.ttl != nil {
		until := s.now().Add(s.keep).Unix() // of the clock: a marker guards against what comes after it was put
		text = append(append(append(text, ','), s.ttl...), `:{"N":"`...)
		text = append(strconv.AppendInt(text, until, 10), '"', '}')
	}
	s.endPut(rs, x, from, text, st)
	x.deletes = true
	return nil
}

func (s *Sink) beginPut(dst []byte) []byte {
	dst = append(append(dst, `{"TableName":`...), s.table...)
	return append(dst, `,"Item":{`...)
}

func (s *Sink) endPut(rs *rows, x *row, from int, text []byte, st stamp) {
	text = append(text, `},"ConditionExpression":"`+newerThan+`","ExpressionAttributeNames":{`...)
	text = append(s.guard.appendNames(text), `},"ExpressionAttributeValues":{`...)
	text = append(s.guard.appendValues(text, st), '}', '}')
	rs.text = text
	x.operation, x.request, x.covers = opPut, span{from, len(text)}, coverAll
}

// quoted is a name of the settings, whose UTF-8 Validate has checked, as JSON.
func quoted(name string) []byte {
	text, _ := serde.AppendString(nil, []byte(name))
	return text
}
