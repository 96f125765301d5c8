package sinktest

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A log is a destination in memory that appends rows.
type log struct {
	mu       sync.Mutex
	rows     [][]byte
	requests int
	failure  error
	lose     bool
	stalled  chan struct{}
}

// write keeps the rows as they are, so that a Loader that hands over borrowed ones is seen.
func (l *log) write(ctx context.Context, rows [][]byte) error {
	l.mu.Lock()
	stalled := l.stalled
	l.mu.Unlock()
	if stalled != nil {
		select {
		case <-stalled:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	if err := l.failure; err != nil {
		l.failure = nil
		return err
	}
	l.rows = append(l.rows, rows...)
	if l.lose {
		l.lose = false
		return errors.New("connection reset")
	}
	return nil
}

func (l *log) read() ([]Delivery, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ds []Delivery
	for _, row := range l.rows {
		d, err := Parse(row)
		if err != nil {
			return nil, err
		}
		ds = append(ds, d)
	}
	return ds, nil
}

func (l *log) destination(loader connector.Loader) Destination {
	return Destination{
		Loader:   loader,
		Read:     l.read,
		Requests: func() int { l.mu.Lock(); defer l.mu.Unlock(); return l.requests },
		Fail: func(c connector.Class) bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.failure = c.Wrap(errors.New("refused"))
			return true
		},
		LoseReply: func() { l.mu.Lock(); defer l.mu.Unlock(); l.lose = true },
		Stall: func() func() {
			stalled := make(chan struct{})
			l.mu.Lock()
			l.stalled = stalled
			l.mu.Unlock()
			return sync.OnceFunc(func() {
				l.mu.Lock()
				l.stalled = nil
				l.mu.Unlock()
				close(stalled)
			})
		},
	}
}

// logLoader is the reference: a Loader as it should be.
type logLoader struct {
	*log
	seed maphash.Seed
}

var errNoObject = connector.Permanent.Wrap(errors.New("the value must be an object"))

func (l *logLoader) Load(ctx context.Context, b *connector.Batch) error {
	var rows [][]byte
	for i, r := range b.Records() {
		if !bytes.HasPrefix(r.RawValue, []byte("{")) {
			b.Fail(i, errNoObject)
			continue
		}
		rows = append(rows, bytes.Clone(r.RawValue))
	}
	if len(rows) == 0 {
		return nil
	}
	return l.write(ctx, rows)
}

func (l *logLoader) Key(b *connector.Batch, i int) (uint64, bool) {
	r := b.At(i)
	return maphash.Bytes(l.seed, r.RawKey), true
}

func (l *logLoader) Limits() connector.Limits { return connector.Limits{Records: 100} }

// harness makes a harness of a change to the reference Loader.
func harness(change func(*logLoader) connector.Loader) LoaderHarness {
	return LoaderHarness{
		Open: func(testing.TB) Destination {
			l := &log{}
			return l.destination(change(&logLoader{l, maphash.MakeSeed()}))
		},
		Bad: map[string]Raw{"not an object": {Key: []byte("k"), Value: []byte(`[1]`)}},
	}
}

func TestReferenceLoaderPasses(t *testing.T) {
	RunLoader(t, harness(func(l *logLoader) connector.Loader { return l }))
}

// TestKeyedReferencePasses reads the log as a destination that keeps the last value of each key.
func TestKeyedReferencePasses(t *testing.T) {
	h := harness(func(l *logLoader) connector.Loader { return l })
	openLog := h.Open
	h.Keyed = true
	h.Open = func(t testing.TB) Destination {
		d := openLog(t)
		read := d.Read
		d.Read = func() ([]Delivery, error) {
			ds, err := read()
			return newest(ds), err
		}
		return d
	}
	RunLoader(t, h)
}

// TestBrokenLoaders breaks the reference in one way each and expects the check that is there for it to complain.
func TestBrokenLoaders(t *testing.T) {
	after := func(l *logLoader, f func(ctx context.Context, b *connector.Batch, err error) error) connector.Loader {
		return connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
			return f(ctx, b, l.Load(ctx, b))
		})
	}
	good := func(r *connector.Record) bool { return bytes.HasPrefix(r.RawValue, []byte("{")) }
	for _, tc := range []struct {
		name, caughtBy string
		change         func(*logLoader) connector.Loader
	}{
		{"keeps borrowed bytes", "delivers every record", func(l *logLoader) connector.Loader {
			return connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
				var rows [][]byte
				for _, r := range b.Records() {
					rows = append(rows, r.RawValue)
				}
				return l.write(ctx, rows)
			})
		}},
		{"waits to fill a batch of its own", "delivers every record", func(l *logLoader) connector.Loader {
			var waiting [][]byte
			return connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
				for _, r := range b.Records() {
					waiting = append(waiting, bytes.Clone(r.RawValue))
				}
				if len(waiting) < 100 {
					return nil
				}
				return l.write(ctx, waiting)
			})
		}},
		{"drops a failed request", "transient failure", func(l *logLoader) connector.Loader {
			return after(l, func(context.Context, *connector.Batch, error) error { return nil })
		}},
		{"retries by itself", "transient failure", func(l *logLoader) connector.Loader {
			return after(l, func(ctx context.Context, b *connector.Batch, err error) error {
				if err != nil {
					return l.Load(ctx, b)
				}
				return nil
			})
		}},
		{"retries by itself and gives up", "transient failure", func(l *logLoader) connector.Loader {
			return after(l, func(ctx context.Context, b *connector.Batch, err error) error {
				if err != nil {
					l.requests++
				}
				return err
			})
		}},
		{"takes denied access for the records' fault", "access denied", func(l *logLoader) connector.Loader {
			return after(l, func(_ context.Context, _ *connector.Batch, err error) error { return connector.Permanent.Wrap(err) })
		}},
		{"takes a lost reply for a success", "lost reply", func(l *logLoader) connector.Loader {
			return after(l, func(_ context.Context, _ *connector.Batch, err error) error {
				if err != nil && strings.Contains(err.Error(), "reset") {
					return nil
				}
				return err
			})
		}},
		{"writes twice", "delivers every record", func(l *logLoader) connector.Loader {
			return after(l, func(ctx context.Context, b *connector.Batch, _ error) error { return l.Load(ctx, b) })
		}},
		{"writes newest first", "order within a key", func(l *logLoader) connector.Loader {
			return connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
				var rows [][]byte
				for i := b.Len() - 1; i >= 0; i-- {
					rows = append(rows, bytes.Clone(b.At(i).RawValue))
				}
				return l.write(ctx, rows)
			})
		}},
		{"writes nothing for an empty batch, with a request", "empty batch", func(l *logLoader) connector.Loader {
			return connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
				if b.Len() == 0 {
					return l.write(ctx, nil)
				}
				return l.Load(ctx, b)
			})
		}},
		{"writes filtered records", "marked records", func(l *logLoader) connector.Loader {
			return connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
				var rows [][]byte
				for i := range b.Len() {
					rows = append(rows, bytes.Clone(b.At(i).RawValue))
				}
				return l.write(ctx, rows)
			})
		}},
		{"forgets what a handler marked", "marked records", func(l *logLoader) connector.Loader {
			return after(l, func(_ context.Context, b *connector.Batch, err error) error {
				for i := range b.Len() {
					b.Fail(i, nil)
				}
				return err
			})
		}},
		{"stops at a tombstone", "tombstones and null keys", func(l *logLoader) connector.Loader {
			return connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
				for i, r := range b.Records() {
					if r.Tombstone() {
						b.Fail(i, errors.New("no value"))
						return nil
					}
				}
				return l.Load(ctx, b)
			})
		}},
		{"writes the first page only", "large batch", func(l *logLoader) connector.Loader {
			return connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
				var rows [][]byte
				for _, r := range b.Records() {
					if len(rows) < 500 {
						rows = append(rows, bytes.Clone(r.RawValue))
					}
				}
				return l.write(ctx, rows)
			})
		}},
		{"changes a value", "delivers every record", func(l *logLoader) connector.Loader {
			return after(l, func(_ context.Context, b *connector.Batch, err error) error {
				if b.Len() > 0 {
					b.At(0).Value = b.At(0).Key
				}
				return err
			})
		}},
		{"changes raw bytes", "delivers every record", func(l *logLoader) connector.Loader {
			return after(l, func(_ context.Context, b *connector.Batch, err error) error {
				if b.Len() > 0 && b.At(0).RawKey != nil {
					b.At(0).RawKey[0] = '!'
				}
				return err
			})
		}},
		{"changes headers", "delivers every record", func(l *logLoader) connector.Loader {
			return after(l, func(_ context.Context, b *connector.Batch, err error) error {
				if b.Len() > 0 {
					b.At(0).Headers = nil
				}
				return err
			})
		}},
		{"blames the records when the context ends", "context ended before", func(l *logLoader) connector.Loader {
			return after(l, func(ctx context.Context, b *connector.Batch, err error) error {
				for i := range b.Records() {
					if ctx.Err() != nil {
						b.Fail(i, connector.Permanent.Wrap(err))
					}
				}
				return nil
			})
		}},
		{"reports success when the context ends", "context ended before", func(l *logLoader) connector.Loader {
			return after(l, func(ctx context.Context, _ *connector.Batch, err error) error {
				if ctx.Err() != nil {
					return nil //nolint:nilerr // this is the fault
				}
				return err
			})
		}},
		{"reports success when the context ends in the middle", "context ends during", func(l *logLoader) connector.Loader {
			return after(l, func(ctx context.Context, _ *connector.Batch, err error) error {
				if ctx.Err() != nil {
					return nil //nolint:nilerr // this is the fault
				}
				return err
			})
		}},
		{"forgets all but one partition", "concurrent partitions", func(l *logLoader) connector.Loader {
			return connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
				if b.Source().ID > 1 {
					return nil
				}
				return l.Load(ctx, b)
			})
		}},
		{"keys by offset", "keys of the sink", func(l *logLoader) connector.Loader {
			return keyed{l, func(r *connector.Record) uint64 { return uint64(r.Offset) }}
		}},
		{"keys everything alike", "keys of the sink", func(l *logLoader) connector.Loader {
			return keyed{l, func(*connector.Record) uint64 { return 7 }}
		}},
		{"has a negative limit", "limits", func(l *logLoader) connector.Loader { return negative{l} }},
		{"fails the batch for one bad record", "bad record", func(l *logLoader) connector.Loader {
			return after(l, func(_ context.Context, b *connector.Batch, err error) error {
				for i := range b.Len() {
					if b.Err(i) != nil {
						return b.Err(i)
					}
				}
				return err
			})
		}},
		{"drops bad records", "bad record", func(l *logLoader) connector.Loader {
			return after(l, func(_ context.Context, b *connector.Batch, err error) error {
				for i := range b.Len() {
					b.Fail(i, nil)
				}
				return err
			})
		}},
		{"drops the neighbours of bad records", "bad record", func(l *logLoader) connector.Loader {
			return connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
				bad := false
				for i, r := range b.Records() {
					if !good(r) {
						b.Fail(i, errNoObject)
						bad = true
					}
				}
				if bad {
					return nil
				}
				return l.Load(ctx, b)
			})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			caught(t, tc.caughtBy, func(name string, w testing.TB) bool {
				h := harness(tc.change)
				for _, c := range loaderChecks {
					if c.name == name {
						c.run(w, h)
						return true
					}
				}
				for _, bad := range h.Bad {
					checkBadRecord(w, h, bad)
				}
				return name == "bad record"
			})
		})
	}
}

// caught fails the test unless the named check exists and complains.
func caught(t *testing.T, name string, run func(name string, w testing.TB) bool) {
	t.Helper()
	found := false
	complaints := watch(t, func(w testing.TB) { found = true; found = run(name, w) })
	if !found {
		t.Fatalf("there is no check %q", name)
	}
	if len(complaints) == 0 {
		t.Fatalf("check %q has nothing to complain of", name)
	}
	t.Logf("%d complaints, the first: %s", len(complaints), complaints[0])
}

type keyed struct {
	connector.Loader
	key func(*connector.Record) uint64
}

func (k keyed) Key(b *connector.Batch, i int) (uint64, bool) { return k.key(b.At(i)), true }

type negative struct{ connector.Loader }

func (negative) Limits() connector.Limits { return connector.Limits{InFlight: -1} }
