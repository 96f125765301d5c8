package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// levelContents is the level at which the core logs what records hold: see connector.WithLogger.
const levelContents = slog.LevelDebug - 4

// How often an error is logged again, and how many different ones are watched at a time.
const (
	repeatsLogged = 5
	repeatsSpan   = time.Minute
	repeatsKept   = 1000
)

// logger makes the logger that the flags ask for. flush writes what it holds back.
func (o runOptions) logger(w io.Writer) (log *slog.Logger, flush func(), err error) {
	options := &slog.HandlerOptions{Level: max(o.level, slog.LevelDebug)}
	var h slog.Handler
	switch o.log {
	case "text":
		h = slog.NewTextHandler(w, options)
	case "json":
		h = slog.NewJSONHandler(w, options)
	default:
		return nil, nil, fmt.Errorf("--log is text or json, not %q", o.log)
	}
	repeats := &repeats{entries: make(map[repeatKey]*repeat)}
	return slog.New(&logHandler{Handler: h, repeats: repeats, contents: o.contents}), repeats.flush, nil
}

// A logHandler writes an error that comes again and again a few times, and then how often it came.
type logHandler struct {
	slog.Handler
	repeats   *repeats
	contents  bool // let what records hold be logged
	connector string
	err       string // of With
}

// Enabled reports whether a record of a level is logged.
func (h *logHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.Handler.Enabled(ctx, l) || h.contents && l == levelContents
}

// WithAttrs returns a handler whose records have these attributes too.
func (h *logHandler) WithAttrs(as []slog.Attr) slog.Handler {
	out := *h
	out.Handler = h.Handler.WithAttrs(as)
	for _, a := range as {
		out.note(a)
	}
	return &out
}

// WithGroup returns a handler that puts what follows into a group.
func (h *logHandler) WithGroup(name string) slog.Handler {
	out := *h
	out.Handler = h.Handler.WithGroup(name)
	return &out
}

// note keeps an attribute that tells whether two records are the same.
func (h *logHandler) note(a slog.Attr) {
	switch a.Key {
	case "connector":
		h.connector = a.Value.String()
	case "error":
		h.err = a.Value.String()
	}
}

// Handle writes r, or counts it if the same was written often enough. What has no error is always written.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	of := *h
	r.Attrs(func(a slog.Attr) bool { of.note(a); return true })
	if of.err != "" && !h.repeats.admit(repeatKey{r.Level, r.Message, of.connector, of.err}, h.Handler, r) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// repeats are the errors of the last minute.
type repeats struct {
	mu      sync.Mutex
	entries map[repeatKey]*repeat
}

// What makes two records the same. They may differ in their partition.
type repeatKey struct {
	level                   slog.Level
	message, connector, err string
}

// A repeat is an error that was logged.
type repeat struct {
	times int
	held  int // of them not written
	last  slog.Record
	to    slog.Handler
	timer *time.Timer
}

// admit reports whether a record is to be written.
func (r *repeats) admit(k repeatKey, h slog.Handler, record slog.Record) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[k]
	if e == nil {
		if len(r.entries) < repeatsKept { // beyond, all are written
			r.entries[k] = &repeat{times: 1, timer: time.AfterFunc(repeatsSpan, func() { r.end(k) })}
		}
		return true
	}
	if e.times++; e.times <= repeatsLogged {
		return true
	}
	e.held++
	e.last, e.to = record.Clone(), h
	return false
}

// end writes what an entry held back, as one record, and forgets it.
func (r *repeats) end(k repeatKey) {
	r.mu.Lock()
	e := r.entries[k]
	delete(r.entries, k)
	r.mu.Unlock()
	if e == nil || e.held == 0 {
		return
	}
	e.last.AddAttrs(slog.Int("repeated", e.held))
	_ = e.to.Handle(context.Background(), e.last) // there is nowhere to say that logs can't be written
}

// flush writes all that is held back.
func (r *repeats) flush() {
	r.mu.Lock()
	var keys []repeatKey
	for k, e := range r.entries {
		e.timer.Stop()
		keys = append(keys, k)
	}
	r.mu.Unlock()
	for _, k := range keys {
		r.end(k)
	}
}
