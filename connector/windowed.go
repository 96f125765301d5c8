package connector

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/serde"
)

func (p *partition) windowed() (int, Windowed) {
	for i, h := range p.route.handlers {
		if w, ok := h.(Windowed); ok {
			return i, w
		}
	}
	return 0, nil
}

func (p *partition) windowTicks(ctx context.Context) <-chan time.Time {
	if _, w := p.windowed(); w == nil {
		return nil
	}
	t := time.NewTicker(p.c.windowInterval)
	context.AfterFunc(ctx, t.Stop)
	return t.C
}

// noteHold bounds the commit by what open windows need, before the batch that opened them is done.
func (p *partition) noteHold() {
	if _, w := p.windowed(); w != nil {
		off, meta, ok := w.Hold(p.Partition)
		p.ledger.setHold(holding{off, meta, ok})
	}
}

// closeWindows sends on what windows that ended have gathered. Until that is durable, the commit stays
// where the windows held it.
func (p *partition) closeWindows(ctx, intake context.Context) error {
	at, w := p.windowed()
	for {
		off, _, held := w.Hold(p.Partition)
		if held {
			p.ledger.keepHold(off)
		}
		b, err := w.Close(ctx, p.Partition, time.Now())
		if err != nil {
			return fmt.Errorf("%s: close windows: %w", p.Partition, err)
		}
		if b == nil {
			p.noteHold()
			return nil
		}
		b.source.Connector, b.source.TopicID = p.c.name, p.TopicID
		tape := b.tape
		if tape == nil {
			tape = serde.NewTape()
		}
		pass := &pass{transform: &p.steps, source: &b.source, tape: tape, outputs: b.records}
		if err := pass.handle(intake, at+1); err != nil {
			return err
		}
		p.count(pass)
		e := &entry{outputs: pass.outputs, window: true, finish: func() { p.c.drop(b) }}
		if err := p.spread(ctx, e, pass); err != nil {
			return err
		}
	}
}
