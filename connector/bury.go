package connector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/failpoint"
)

// bury writes failures to the dead letter, and waits until they are durable. If one of them can't be kept, or the breaker doesn't
// allow so many, it says which is the first that wasn't: the partition stops there.
func (p *partition) bury(ctx context.Context, fs []Failure) (stuck *Failure, err error) {
	if len(fs) == 0 {
		return nil, nil
	}
	inOrder(fs)
	if err := p.watch.admit(fs); err != nil {
		return &fs[0], fmt.Errorf("stopped at offset %d: %w", fs[0].Record.Offset, err)
	}
	return p.keep(ctx, fs)
}

// inOrder sorts failures by offset: decoders and handlers find them one after the other.
func inOrder(fs []Failure) {
	slices.SortStableFunc(fs, func(a, b Failure) int { return cmp.Compare(a.Record.Offset, b.Record.Offset) })
}

// keep is bury, whatever the breaker says. The failures are in order.
func (p *partition) keep(ctx context.Context, fs []Failure) (stuck *Failure, err error) {
	if len(fs) == 0 {
		return nil, nil
	}
	if p.c.dead == nil {
		return &fs[0], stoppedAt(&fs[0], errors.New("there is no dead_letter to bury it"))
	}
	err = p.buryAll(ctx, fs)
	if err != nil && ClassOf(err) == Permanent && len(fs) > 1 {
		for i := range fs {
			if err = p.buryAll(ctx, fs[i:i+1]); err != nil {
				fs = fs[i:]
				break
			}
		}
	}
	if err != nil {
		return &fs[0], stoppedAt(&fs[0], err)
	}
	return nil, nil
}

// stoppedAt is the error of a partition that can't get past a record.
func stoppedAt(f *Failure, why error) error {
	return fmt.Errorf("stopped at offset %d: record %s failed in %s: %w; %w", f.Record.Offset, f.ID, f.Stage, f.Err, why)
}

func (p *partition) buryAll(ctx context.Context, fs []Failure) error {
	failpoint.Here("bury.before")
	err := p.retrier(ctx, fmt.Sprintf("write %d records to the dead letter", len(fs)), func(ctx context.Context) error {
		return p.c.dead.Bury(ctx, fs)
	})
	if err != nil {
		return err
	}
	failpoint.Here("bury.after")
	p.c.count(MetricBuried, p.Partition, int64(len(fs)))
	stages := make(map[Stage]int64)
	for i := range fs {
		stages[fs[i].Stage]++
	}
	for stage, n := range stages {
		p.c.count(MetricBuried.of(string(stage)), p.Partition, n)
	}
	if p.status.buried(len(fs)) {
		p.logBuried(&fs[len(fs)-1])
	}
	return nil
}

// levelContents is the level that a logger has to let pass for what records hold to be logged.
const levelContents = slog.LevelDebug - 4

// logBuried logs one of the records that were buried: where it is, and only for who asks, what it holds.
func (p *partition) logBuried(f *Failure) {
	log := p.log
	if log.Enabled(context.Background(), levelContents) {
		log = log.With("key", excerpt(f.Record.RawKey), "value", excerpt(f.Record.RawValue))
	}
	log.Warn("records are going to the dead letter", "offset", f.Record.Offset, "stage", f.Stage, "error", f.Err)
}

// mostExcerpt bounds what is logged of a key or a value, in bytes.
const mostExcerpt = 256

// excerpt is the beginning of a key or a value on one line.
func excerpt(raw []byte) string {
	if raw == nil {
		return "null"
	}
	cut := raw[:min(len(raw), mostExcerpt)]
	text := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\r' || r == '\n' {
			return r
		}
		return utf8.RuneError
	}, string(cut))
	text = strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(text)
	if len(cut) < len(raw) {
		text += fmt.Sprintf("... (%d bytes)", len(raw))
	}
	return text
}

// The headers of a gap record: the offset that was to be read next, and the one that was read instead.
const (
	headerGapFrom = "millrace.gap.from"
	headerGapTo   = "millrace.gap.to"
)

// buryGap writes the gap record: a failure without key and value, that stands for offsets. It isn't counted with the records.
func (p *partition) buryGap(ctx context.Context, from, to int64, why error) error {
	if p.c.dead == nil {
		return nil
	}
	number := func(n int64) []byte { return strconv.AppendInt(nil, n, 10) }
	r := &Record{
		Offset: from, Timestamp: time.Now().UnixMilli(),
		Headers: []Header{{headerGapFrom, number(from)}, {headerGapTo, number(to)}},
	}
	s := &Source{Partition: p.Partition, TopicID: p.TopicID, Connector: p.c.name, Next: to}
	f := Failure{Source: s, Record: r, Stage: StageGap, Err: why, ID: string(appendID(nil, s.TopicID, s.ID, r))}
	return p.retrier(ctx, "write a gap record to the dead letter", func(ctx context.Context) error {
		return p.c.dead.Bury(ctx, []Failure{f})
	})
}
