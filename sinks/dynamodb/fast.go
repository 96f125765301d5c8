package dynamodb

import (
	"context"

	"github.com/millrace/millrace/connector"
)

// Limits of a BatchWriteItem (its API reference): items, and bytes over the network, which are ours to keep below 16 MB.
const (
	batchItems = 25
	batchBytes = 16_000_000
)

// appendBatched adds the part of a BatchWriteItem that writes or deletes the record's item.
func (s *Sink) appendBatched(rs *rows, x *row, key span, keySize int, do action, b *connector.Batch, i int) error {
	from := len(rs.text)
	var text []byte
	if do == actionDelete {
		text = append(append(rs.text, `{"DeleteRequest":{"Key":{`...), rs.at(key)...)
	} else {
		var err error
		if text, _, err = s.items.item(append(rs.text, `{"PutRequest":{"Item":{`...), rs.at(key), keySize, b, i); err != nil {
			return err
		}
	}
	rs.text = append(text, `}}}`...)
	x.request, x.covers, x.deletes = span{from, len(rs.text)}, coverAll, do == actionDelete
	return nil
}

// sendBatches writes the last row of each key, and leaves in each row what DynamoDB said. A request that was refused for ever because of one of its items
// is an error of the whole: it doesn't say which.
func (s *Sink) sendBatches(ctx context.Context, rs *rows) error {
	for from := 0; from < len(rs.keys); {
		to := s.fillBatch(rs, from)
		batch := rs.keys[from:to]
		reply, err := s.client.Call(ctx, opBatch, rs.body, rs.reply[:0])
		rs.reply = reply[:0]
		switch err = judge(err); {
		case err == nil:
			s.sortOut(rs, batch, reply)
		case connector.ClassOf(err) == connector.Permanent && len(batch) > 1:
			return err
		case own(err):
			failAll(rs, batch, err)
		default: // the rest would end the same
			failAll(rs, rs.keys[from:], err)
			return nil
		}
		from = to
	}
	return nil
}

func failAll(rs *rows, keys []chain, err error) {
	for _, c := range keys {
		rs.fail(c.first, err)
	}
}

// fillBatch makes the request for keys from one on, and returns the first that has no room in it.
func (s *Sink) fillBatch(rs *rows, from int) (to int) {
	body := append(append(rs.body[:0], `{"RequestItems":{`...), s.table...)
	body = append(body, ':', '[')
	for to = from; to < len(rs.keys) && to-from < batchItems; to++ {
		request := rs.at(rs.list[rs.keys[to].first].request)
		if to > from {
			if len(body)+len(request) > batchBytes {
				break
			}
			body = append(body, ',')
		}
		body = append(body, request...)
	}
	rs.body = append(body, `]}}`...)
	return to
}

// sortOut fails the rows that the answer gives back as unprocessed.
func (s *Sink) sortOut(rs *rows, batch []chain, reply []byte) {
	if processed(reply) {
		return
	}
	given, err := unprocessed(reply)
	if err != nil {
		failAll(rs, batch, err)
		return
	}
	for _, attributes := range given {
		key, err := s.items.answered(rs.body[:0], attributes)
		rs.body = key[:0]
		at := int32(-1)
		if err == nil {
			_, at = rs.find(s.seed, key)
		}
		if at < 0 { // which of them isn't known: none counts as written
			failAll(rs, batch, errForeign)
			return
		}
		rs.fail(rs.keys[at].first, errUnprocessed)
	}
}
