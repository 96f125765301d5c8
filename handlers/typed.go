package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// ErrDrop is returned by a function of Typed or Each for a record that is to be
// dropped: it is done, and no later stage sees it.
var ErrDrop = errors.New("drop the record")

// In is a record with its value decoded into a T.
type In[T any] struct {
	Value     T
	Key       []byte // a text or bytes as they are, anything else as JSON; nil for Kafka's null; borrowed
	Topic     string
	Partition int32
	Offset    int64
	Time      time.Time // the record's timestamp, UTC
	Headers   []connector.Header
}

// Typed makes a handler of a function that turns a T into an Out. The value is decoded into a
// new T by encoding/json, and what the function returns becomes the record's value, encoded likewise.
//
// A value that doesn't fit a T is the record's permanent error. An error of the function is the record's own: ErrDrop drops it, and
// without a class it is tried again for ever, so give connector.Permanent.Wrap(err) for a record
// that can never be processed. Tombstones pass without a call. The function is called for one record after the other, for several partitions at
// the same time.
//
// This is for convenience: encoding and decoding cost a few microseconds a record. A
// connector.Handler that works on serde.Value, or a rule, costs a tenth.
func Typed[T, Out any](f func(ctx context.Context, in In[T]) (Out, error)) connector.Handler {
	return connector.HandlerFunc(func(ctx context.Context, b *connector.Batch) error {
		return typed(ctx, b, func(in In[T], r *connector.Record) error {
			out, err := f(ctx, in)
			if err != nil {
				return err
			}
			text, err := json.Marshal(out)
			if err != nil {
				return connector.Permanent.Errorf("encode the value: %w", err)
			}
			v, err := b.Tape().JSON(text, serde.Limits{})
			if err != nil {
				return connector.Permanent.Errorf("encode the value: %w", err)
			}
			r.Value = v
			return nil
		})
	})
}

// Each makes a handler of a function that looks at records and leaves them as
// they are. Everything else is as with Typed.
func Each[T any](f func(ctx context.Context, in In[T]) error) connector.Handler {
	return connector.HandlerFunc(func(ctx context.Context, b *connector.Batch) error {
		return typed(ctx, b, func(in In[T], _ *connector.Record) error { return f(ctx, in) })
	})
}

func typed[T any](ctx context.Context, b *connector.Batch, f func(in In[T], r *connector.Record) error) error {
	var key, value []byte // scratch memory
	for i, r := range b.Records() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.Deleted() {
			continue
		}
		in := In[T]{
			Topic: b.Source().Topic, Partition: b.Source().ID, Offset: r.Offset, Time: r.Time(), Headers: r.Headers,
		}
		err := decode(r, &in, &key, &value)
		if err == nil {
			err = f(in, r)
		}
		switch {
		case errors.Is(err, ErrDrop):
			b.Filter(i)
		case err != nil:
			b.Fail(i, classified(err))
		}
	}
	return nil
}

func decode[T any](r *connector.Record, in *In[T], key, value *[]byte) error {
	var err error
	if in.Key, err = plain(r.Key, key); err != nil {
		return connector.Permanent.Errorf("key: %w", err)
	}
	text, ok := r.Value.Text()
	if !ok || r.Value.Kind() != serde.Bytes { // undecoded bytes are JSON themselves
		if text, err = r.Value.AppendJSON((*value)[:0]); err != nil {
			return connector.Permanent.Errorf("value: %w", err)
		}
		*value = text
	}
	if err := json.Unmarshal(text, &in.Value); err != nil {
		return connector.Permanent.Wrap(fmt.Errorf("decode the value into a %T: %w", in.Value, err))
	}
	return nil
}
