package connector

import (
	"context"
	"sync"

	"github.com/millrace/millrace/serde"
)

// A Preview is what would become of a batch.
type Preview struct {
	Outputs  *Batch    // what the sink would get
	Failures []Failure // what the dead letter would get
	Filtered int       // records that a handler dropped
}

// PreviewBatch decodes a batch and passes it through handlers as a Connector would, but tries each step once.
// The batch isn't changed. An error is one that a Connector would retry.
func PreviewBatch(ctx context.Context, b *Batch, key, value serde.Decoder, maxRecord int64, hs ...Handler) (Preview, error) {
	t := transform{
		key: key, value: value, handlers: hs, maxRecord: maxRecord, buffers: new(sync.Pool),
		again: func(context.Context, int, error) bool { return false },
	}
	p := t.begin(b, serde.NewTape())
	if err := p.run(ctx); err != nil {
		return Preview{}, err
	}
	return Preview{Outputs: p.view(p.outputs), Failures: p.failures, Filtered: p.filtered}, nil
}
