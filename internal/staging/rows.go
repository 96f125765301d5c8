package staging

import (
	"context"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/columns"
	"github.com/millrace/millrace/internal/envelope"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// Fill sets what the settings say of rows, Row and Columns, for o's Format and Store. catalog reads the columns of a topic's table in the data catalog, where there is one.
func (c *Content) Fill(o *Options, catalog func(ctx context.Context, topic string) (*table.Schema, error)) error {
	var wrap func(*table.Schema, *connector.Record) *table.Schema
	if c.Envelope.On() {
		form := envelope.JSON
		if o.Format.Columns {
			form = envelope.Columns
		}
		e, err := envelope.New(c.Envelope, form)
		if err != nil {
			return err
		}
		o.Row = func(b *connector.Batch, i int) (serde.Value, error) { return e.Wrap(b.Tape(), b, i) }
		wrap = func(values *table.Schema, r *connector.Record) *table.Schema { return wrapped(e, values, r) }
	}
	if !o.Format.Columns && o.Announce == nil {
		return nil
	}
	resolver, err := columns.New(c.Schema, columns.Options{Store: o.Store, Catalog: catalog, Wrap: wrap})
	if err != nil {
		return err
	}
	o.Columns = func(topic, key string) TopicColumns { return resolver.Topic(topic, key) }
	return nil
}

// wrapped are the columns of envelopes of values with columns, and of keys such as the record's.
func wrapped(e *envelope.Compiled, values *table.Schema, r *connector.Record) *table.Schema {
	key := typeOf(r.Key)
	value := typeOf(r.Value)
	if values != nil {
		value = table.Type{Kind: table.Struct, Fields: values.Fields}
	}
	s := e.Columns(&key, &value)
	if values != nil {
		s.Name, s.Version, s.ID, s.Rest = values.Name, values.Version, values.ID, values.Rest
	}
	return s
}

// typeOf is the type of a column that takes values such as v: keys are texts, unless they were decoded as something else.
func typeOf(v serde.Value) table.Type {
	switch v.Kind() {
	case serde.Missing, serde.Null, serde.String:
		return table.Type{Kind: table.String, Nullable: true}
	case serde.Bytes:
		return table.Type{Kind: table.Bytes, Nullable: true}
	}
	return table.Type{Kind: table.JSON, Nullable: true}
}
