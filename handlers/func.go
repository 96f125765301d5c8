package handlers

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// A Func is a function of a record's key and value that handles or loads it.
//
// It is a connector.Handler, after which the record goes on unchanged, and, because such a function may write to a
// destination of its own, a connector.Loader: nil then says that the record is durable there. It is called for one
// record after the other, for several partitions at the same time.
//
// key and value are what the decoders and the handlers before made of them: a text or bytes as they are,
// anything else as JSON; nil for Kafka's null. They are borrowed for the call.
//
// An error is that record's own. Errors of encoding/json are permanent: the record goes to the dead
// letter. Any other without a class is retryable: the record is tried again for ever, so give
// connector.Permanent.Wrap(err) for a record that can never be processed.
type Func func(ctx context.Context, key, value []byte) error

// Handle calls f for each record.
func (f Func) Handle(ctx context.Context, b *connector.Batch) error { return f.call(ctx, b) }

// Load calls f for each record.
func (f Func) Load(ctx context.Context, b *connector.Batch) error { return f.call(ctx, b) }

func (f Func) call(ctx context.Context, b *connector.Batch) error {
	var key, value []byte // scratch memory
	for i, r := range b.Records() {
		if err := ctx.Err(); err != nil {
			return err
		}
		k, err := plain(r.Key, &key)
		if err != nil {
			b.Fail(i, connector.Permanent.Errorf("key: %w", err))
			continue
		}
		v, err := plain(r.Value, &value)
		if err != nil {
			b.Fail(i, connector.Permanent.Errorf("value: %w", err))
			continue
		}
		if err := f(ctx, k, v); err != nil {
			b.Fail(i, classified(err))
		}
	}
	return nil
}

// plain is a value as bytes: a text or bytes as they are, anything else as JSON in buf, nil for null.
func plain(v serde.Value, buf *[]byte) ([]byte, error) {
	if v.IsNull() {
		return nil, nil
	}
	if text, ok := v.Text(); ok {
		if text == nil {
			text = []byte{}
		}
		return text, nil
	}
	out, err := v.AppendJSON((*buf)[:0])
	*buf = out
	return out, err
}

// classified makes the errors of decoding JSON permanent: the same bytes fail again.
func classified(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &kind) {
		return connector.Permanent.Wrap(err)
	}
	return err
}
