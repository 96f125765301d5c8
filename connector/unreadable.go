package connector

import (
	"strconv"
	"time"
)

// NewUnreadable makes the batch that a Consumer hands over in place of one that can't be read, now or later: it stands
// for the offsets from to s.Next-1. It is buried as one record of StageGap with why; reading goes on behind it whatever the
// GapPolicy says. Without a dead letter the partition stops there. Bytes of s may be 0.
func NewUnreadable(s Source, from int64, why error) *Batch {
	number := func(n int64) []byte { return strconv.AppendInt(nil, n, 10) }
	b := NewBatch(s, []Record{{
		Offset: from, Timestamp: time.Now().UnixMilli(),
		Headers: []Header{{headerGapFrom, number(from)}, {headerGapTo, number(s.Next)}},
	}}, nil)
	b.Fail(0, stageError{StageGap, Permanent.Wrap(why)})
	return b
}

// takeFailed lets what the Consumer marked as failed go to the dead letter, past decoders and handlers.
func (p *pass) takeFailed(b *Batch) {
	if b.failed == nil {
		return
	}
	p.outputs = nil
	for i := range b.records {
		if err := b.failed[i]; err != nil {
			p.fail(&b.records[i], StageGap, err)
		} else {
			p.outputs = append(p.outputs, b.records[i])
		}
	}
}
