package handlers

import (
	"encoding/base64"
	"fmt"
	"unicode/utf8"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// events makes the events of a batch's records on its tape, with only what the pattern looks at. They live as long as the batch.
type events struct {
	shape    *eventPattern
	batch    *connector.Batch
	constant [2]serde.Value // texts that are the same in the whole batch
	text     []byte         // room for the others
	members  []serde.Value  // room for an event's members
	details  []serde.Value  // room for those of its detail
}

func newEvents(e *eventPattern, b *connector.Batch) *events {
	return &events{shape: e, batch: b, members: make([]serde.Value, len(e.members)), details: make([]serde.Value, len(e.details))}
}

// of is the event of the i-th record.
func (e *events) of(i int) (serde.Value, error) {
	for n, name := range e.shape.members {
		var err error
		switch name {
		case "source":
			e.members[n], err = e.textOf(sourceText, i)
		case "detail-type":
			e.members[n], err = e.textOf(detailTypeText, i)
		default:
			e.members[n], err = e.detail(i)
		}
		if err != nil {
			return serde.Value{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return e.batch.Tape().Object(e.shape.members, e.members), nil
}

func (e *events) textOf(which, i int) (serde.Value, error) {
	if v := e.constant[which]; v.Exists() {
		return v, nil
	}
	t := e.shape.texts[which]
	var err error
	if e.text, err = t.Append(e.text[:0], e.batch, i, 0); err != nil {
		return serde.Value{}, err
	}
	v := e.batch.Tape().String(string(e.text))
	if t.Constant() {
		e.constant[which] = v
	}
	return v, nil
}

// detail is the detail of the i-th record's event.
func (e *events) detail(i int) (serde.Value, error) {
	r := e.batch.At(i)
	if e.shape.details == nil {
		if r.Value.Kind() != serde.Object {
			return serde.Value{}, fmt.Errorf("the value is %s, and an event's detail must be an object; use detail: record, or make an object by a rule", kindName(r.Value))
		}
		return r.Value, nil
	}
	for n, name := range e.shape.details {
		e.details[n] = e.recordDetail(name, r)
	}
	return e.batch.Tape().Object(e.shape.details, e.details), nil
}

// recordDetail is a field of detail: record, as the sink eventbridge writes it.
func (e *events) recordDetail(name string, r *connector.Record) serde.Value {
	t, s := e.batch.Tape(), e.batch.Source()
	switch name {
	case "topic":
		return t.String(s.Topic)
	case "partition":
		return t.Int64(int64(s.ID))
	case "offset":
		return t.Int64(r.Offset)
	case "timestamp":
		if r.Timestamp == connector.NoTimestamp {
			return t.Null()
		}
		return t.Int64(r.Timestamp)
	case "timestampType":
		return t.String(r.TimestampType())
	case "headers":
		return headerList(t, r.Headers)
	case "key":
		return orNull(t, r.Key)
	}
	return orNull(t, r.Value)
}

func orNull(t *serde.Tape, v serde.Value) serde.Value {
	if v.Exists() {
		return v
	}
	return t.Null()
}

// headerList is a list of an object for each header: {"name": "text"}, or {"name": {"base64": "..."}} where the header isn't UTF-8.
func headerList(t *serde.Tape, headers []connector.Header) serde.Value {
	list := make([]serde.Value, len(headers))
	for i, h := range headers {
		list[i] = t.Object([]string{h.Name}, []serde.Value{headerValue(t, h.Value)})
	}
	return t.Array(list)
}

func headerValue(t *serde.Tape, value []byte) serde.Value {
	switch {
	case value == nil:
		return t.Null()
	case utf8.Valid(value):
		return t.BorrowString(value)
	}
	return t.Object([]string{"base64"}, []serde.Value{t.String(base64.StdEncoding.EncodeToString(value))})
}
