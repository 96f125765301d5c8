package eventbridge

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// An envelope says what of a record stands in the detail, and where.
type envelope struct {
	record bool   // detail: record
	meta   bool   // a field _meta, with detail: value
	id     string // the name of the field with the record's id, as JSON with its colon; "" for none
	guess  bool   // headers: connect
	part   part   // what can be kept in S3
}

// The fields of detail: record. dataref and datarefJsonPath are added to either form.
const (
	metaField    = "_meta"
	refField     = "dataref"
	refPathField = "datarefJsonPath"
)

// recordFields are the names that id can't have.
func recordFields() []string {
	return []string{"topic", "partition", "offset", "timestamp", "timestampType", "headers", "key", "value", refField, refPathField}
}

func (c Config) envelope() (envelope, error) {
	v := envelope{record: c.Detail == detailRecord, meta: c.Meta, guess: c.Headers == headersConnect}
	var errs []error
	if c.ID != "" {
		if slices.Contains(recordFields(), c.ID) {
			errs = append(errs, fmt.Errorf("id: the detail has a field %s already; give another name, or none", c.ID))
		}
		name, err := serde.AppendString(nil, []byte(c.ID))
		if err != nil {
			errs = append(errs, fmt.Errorf("id: %w", err))
		}
		v.id = string(name) + ":"
	}
	var err error
	if v.part, err = c.part(); err != nil {
		errs = append(errs, err)
	}
	return v, errors.Join(errs...)
}

// append appends the detail of the i-th record. Where arn isn't empty, it stands in place of the part.
func (v *envelope) append(dst []byte, x *scratch, b *connector.Batch, i int, arn string) ([]byte, error) {
	if v.record {
		return v.appendRecord(dst, x, b, i, arn)
	}
	return v.appendValue(dst, b, i, arn)
}

// appendRecord appends what the open-source connector makes of a record: the same fields in the same order, then dataref and the id.
func (v *envelope) appendRecord(dst []byte, x *scratch, b *connector.Batch, i int, arn string) ([]byte, error) {
	r := b.At(i)
	dst = append(appendPlace(append(dst, '{'), b, r), `,"timestampType":"`...)
	dst = append(dst, r.TimestampType()...)
	dst, err := appendHeaders(append(dst, `","headers":`...), x, b, r, v.guess)
	if err != nil {
		return nil, err
	}
	if dst, err = appendOrNull(append(dst, `,"key":`...), r.Key); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	switch {
	case arn == "":
		dst, err = appendOrNull(append(dst, `,"value":`...), r.Value)
	case len(v.part.names) > 0:
		dst, err = appendWithout(append(dst, `,"value":`...), r.Value, v.part.names)
	}
	if err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	if arn != "" {
		if dst, err = v.part.appendRef(append(dst, ','), arn); err != nil {
			return nil, err
		}
	}
	if v.id != "" {
		dst = v.appendID(append(dst, ','), b, i)
	}
	return append(dst, '}'), nil
}

// appendValue appends the value itself, and to it what is asked for besides.
func (v *envelope) appendValue(dst []byte, b *connector.Batch, i int, arn string) ([]byte, error) {
	value := b.At(i).Value
	if err := v.checkValue(value, arn != ""); err != nil {
		return nil, err
	}
	var err error
	from := len(dst)
	switch {
	case arn == "":
		dst, err = value.AppendJSON(dst)
	case len(v.part.names) > 0:
		dst, err = appendWithout(dst, value, v.part.names)
	default:
		dst = append(dst, "{}"...)
	}
	if err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	if arn == "" && !v.meta {
		return dst, nil
	}
	if value.Len() == 0 {
		dst = append(dst[:from], "{}"...) // without white space
	}
	dst = dst[:len(dst)-1] // its brace
	if arn != "" {
		if dst, err = v.part.appendRef(separated(dst), arn); err != nil {
			return nil, err
		}
	}
	if v.meta {
		dst = v.appendMeta(separated(dst), b, i)
	}
	return append(dst, '}'), nil
}

// separated ends in a comma if dst holds members of an object that isn't closed yet.
func separated(dst []byte) []byte {
	if dst[len(dst)-1] == '{' {
		return dst
	}
	return append(dst, ',')
}

// checkValue refuses a value that is no detail, with a reference to S3 in it or without.
func (v *envelope) checkValue(value serde.Value, ref bool) error {
	switch k := value.Kind(); {
	case k == serde.Missing || k == serde.Null:
		return errors.New("detail: the value is null, and an event's detail must be an object; use detail: record, or drop tombstones by filter: {rule: value != nil, tombstones: apply}")
	case k != serde.Object:
		return fmt.Errorf("detail: the value is %s, and an event's detail must be an object; use detail: record, or make an object by a rule", withArticle(k))
	case v.meta && value.Field(metaField).Exists():
		return errors.New("meta: the value has a field _meta already; drop it by a rule, or set meta: false")
	case ref && (value.Field(refField).Exists() || value.Field(refPathField).Exists()):
		return errors.New("oversize.s3: the value has a field dataref or datarefJsonPath already; drop it by a rule, or use detail: record")
	}
	return nil
}

func withArticle(k serde.Kind) string {
	if k == serde.Array || k == serde.Int64 {
		return "an " + k.String()
	}
	return "a " + k.String()
}

// appendMeta appends the field _meta.
func (v *envelope) appendMeta(dst []byte, b *connector.Batch, i int) []byte {
	dst = append(dst, `"_meta":{`...)
	if v.id != "" {
		dst = append(v.appendID(dst, b, i), ',')
	}
	return append(appendPlace(dst, b, b.At(i)), '}')
}

func (v *envelope) appendID(dst []byte, b *connector.Batch, i int) []byte {
	dst = append(append(dst, v.id...), '"')
	return append(b.AppendID(dst, i), '"')
}

// appendPlace appends the members that say where a record was and when. A topic's name needs no escapes: Kafka takes only
// letters, digits, '.', '_' and '-' (org.apache.kafka.common.internals.Topic).
func appendPlace(dst []byte, b *connector.Batch, r *connector.Record) []byte {
	s := b.Source()
	dst = append(append(dst, `"topic":"`...), s.Topic...)
	dst = strconv.AppendInt(append(dst, `","partition":`...), int64(s.ID), 10)
	dst = strconv.AppendInt(append(dst, `,"offset":`...), r.Offset, 10)
	dst = append(dst, `,"timestamp":`...)
	if r.Timestamp == connector.NoTimestamp {
		return append(dst, "null"...)
	}
	return strconv.AppendInt(dst, r.Timestamp, 10)
}

// appendOrNull appends v as JSON, and a value that no decoder made as null.
func appendOrNull(dst []byte, v serde.Value) ([]byte, error) {
	if !v.Exists() {
		return append(dst, "null"...), nil
	}
	return v.AppendJSON(dst)
}
