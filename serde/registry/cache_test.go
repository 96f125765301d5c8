package registry_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

var errDown = errors.New("the registry is down")

// A source is a registry of JSON schemas, whose ids are numbers.
type source struct {
	calls, atOnce, most atomic.Int64
	answer              func(ctx context.Context, id int) error // nil: it has the schema
}

func (s *source) lookup(ctx context.Context, id int) (*serde.Schema, error) {
	s.calls.Add(1)
	s.most.Store(max(s.most.Load(), s.atOnce.Add(1)))
	defer s.atOnce.Add(-1)
	if s.answer != nil {
		if err := s.answer(ctx, id); err != nil {
			return nil, err
		}
	}
	return &serde.Schema{Format: serde.JSONSchema, Name: "s", ID: fmt.Sprint(id), Version: int64(id), Text: "{}"}, nil
}

// cache is one of s, which ends with the test.
func (s *source) cache(t testing.TB, folder *registry.Folder) *registry.Cache[int] {
	c := registry.NewCache(registry.Options[int]{Lookup: s.lookup, Text: func(id int) string { return fmt.Sprint(id) }, Folder: folder})
	t.Cleanup(c.Close)
	return c
}

// always answers with an error.
func always(err error) func(context.Context, int) error {
	return func(context.Context, int) error { return err }
}

// waits is what an error means: that the record waits.
func waits(err error) bool {
	_, ok := errors.AsType[*serde.Unavailable](err)
	return ok
}

func TestOneFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answer: func(context.Context, int) error { time.Sleep(time.Second); return nil }}
		c := s.cache(t, nil)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if codec, err := c.Codec(t.Context(), 7); err != nil || codec.Schema.ID != "7" {
					t.Errorf("got %v, %v", codec, err)
				}
			})
		}
		wg.Wait()
		if n := s.calls.Load(); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
}

// Who goes away doesn't end the lookup for the others.
func TestFlightIsDetached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answer: func(ctx context.Context, _ int) error {
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		c := s.cache(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Codec(ctx, 7); !waits(err) || !errors.Is(err, context.Canceled) {
				t.Errorf("who went away got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := c.Codec(t.Context(), 7); err != nil {
				t.Errorf("who stayed got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		if n := s.calls.Load(); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
}

// The connector decodes a record again and again while it waits: that isn't a call each time.
func TestFailureIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answer: always(errDown)}
		c := s.cache(t, nil)
		_, first := c.Codec(t.Context(), 7)
		if !waits(first) || !errors.Is(first, errDown) || !strings.HasPrefix(first.Error(), "schema 7: ") {
			t.Fatalf("got %v", first)
		}
		if _, err := c.Codec(t.Context(), 7); !errors.Is(err, first) || s.calls.Load() != 1 {
			t.Errorf("got %v after %d calls, want the same error after 1", err, s.calls.Load())
		}
		time.Sleep(40 * time.Millisecond) // below half of the first wait
		if _, err := c.Codec(t.Context(), 7); !errors.Is(err, first) {
			t.Errorf("it was asked again after 40 ms: %v", err)
		}
		time.Sleep(60 * time.Millisecond)
		if _, err := c.Codec(t.Context(), 7); errors.Is(err, first) || s.calls.Load() != 2 {
			t.Errorf("it wasn't asked again after 100 ms")
		}
		for range 36_000 { // an hour
			time.Sleep(100 * time.Millisecond)
			if _, err := c.Codec(t.Context(), 7); !waits(err) {
				t.Fatalf("given up by an outage: %v", err)
			}
		}
		// Waits of 15 to 30 seconds, but for the first few.
		if n := s.calls.Load(); n < 120 || n > 260 {
			t.Errorf("%d calls in an hour", n)
		}
		s.answer = nil
		time.Sleep(30 * time.Second)
		if _, err := c.Codec(t.Context(), 7); err != nil {
			t.Errorf("after the outage: %v", err)
		}
	})
}

func TestNotFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answer: always(fmt.Errorf("the registry says: %w", registry.ErrNotFound))}
		c := s.cache(t, nil)
		began := time.Now()
		var err error
		for time.Since(began) < 5*time.Minute {
			if _, err = c.Codec(t.Context(), 7); !waits(err) || !errors.Is(err, registry.ErrNotFound) {
				t.Fatalf("after %s: %v", time.Since(began), err)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(30 * time.Second)
		if _, err = c.Codec(t.Context(), 7); err == nil || waits(err) || !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), "for 5m") {
			t.Fatalf("after 5 minutes: %v", err)
		}
		calls := s.calls.Load()
		for range 59 {
			time.Sleep(time.Second)
			if _, again := c.Codec(t.Context(), 7); !errors.Is(again, err) || s.calls.Load() != calls {
				t.Fatalf("asked again within a minute: %v", again)
			}
		}
		time.Sleep(time.Second)
		if _, err = c.Codec(t.Context(), 7); err == nil || waits(err) || s.calls.Load() != calls+1 {
			t.Fatalf("after another minute: %v, %d calls", err, s.calls.Load()-calls)
		}
		s.answer = always(errDown)
		time.Sleep(time.Minute)
		if _, err = c.Codec(t.Context(), 7); !waits(err) {
			t.Fatalf("an outage doesn't say that there is none: %v", err)
		}
		s.answer = nil
		time.Sleep(time.Minute)
		if _, err = c.Codec(t.Context(), 7); err != nil {
			t.Fatalf("it was registered at last: %v", err)
		}
	})
}

// What fails for 10 minutes is given up when the registry says that it isn't there, at the end as at the beginning; not before.
func TestOutageIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answer: always(errDown)}
		c := s.cache(t, nil)
		for range 600 {
			if _, err := c.Codec(t.Context(), 7); !waits(err) {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		s.answer = always(registry.ErrNotFound)
		time.Sleep(30 * time.Second)
		if _, err := c.Codec(t.Context(), 7); !waits(err) || !errors.Is(err, registry.ErrNotFound) {
			t.Fatalf("given up at the first answer: %v", err)
		}
	})
}

func TestUnusable(t *testing.T) {
	for name, s := range map[string]*source{
		"refused":     {answer: always(fmt.Errorf("failed its check: %w", registry.ErrUnusable))},
		"no compiler": {answer: nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := registry.NewCache(registry.Options[int]{
				Lookup: func(ctx context.Context, id int) (*serde.Schema, error) {
					schema, err := s.lookup(ctx, id)
					if err == nil {
						schema.Format = "XML"
					}
					return schema, err
				},
				Text: func(id int) string { return fmt.Sprint(id) },
			})
			defer c.Close()
			for range 3 {
				if _, err := c.Codec(t.Context(), 7); err == nil || waits(err) || !errors.Is(err, registry.ErrUnusable) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if n := s.calls.Load(); n != 1 {
				t.Errorf("%s: %d calls, want 1", name, n)
			}
			time.Sleep(time.Minute)
			if _, err := c.Codec(t.Context(), 7); err == nil || s.calls.Load() != 2 {
				t.Errorf("%s: asked %d times in a minute, want 2: %v", name, s.calls.Load(), err)
			}
		})
	}
}

// What is known needs no registry, and no memory.
func TestKnown(t *testing.T) {
	s := &source{}
	c := s.cache(t, nil)
	for id := range 3 {
		if _, err := c.Codec(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	s.answer = always(errDown)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		for id := range 3 {
			if _, err := c.Codec(ctx, id); err != nil {
				t.Error(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := s.calls.Load(); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
	c.Close()
	if _, err := c.Codec(ctx, 1); err != nil {
		t.Errorf("after Close: %v", err)
	}
	if _, err := c.Codec(ctx, 9); !waits(err) {
		t.Errorf("after Close: %v", err)
	}
}

func TestSchemas(t *testing.T) {
	s := &source{}
	c := registry.NewCache(registry.Options[int]{
		Lookup: s.lookup, Text: func(id int) string { return fmt.Sprint(id) }, Topic: func(id int) string { return fmt.Sprint("t", id) },
	})
	defer c.Close()
	var before []serde.SchemaUse
	for id := range 5 {
		if _, err := c.Codec(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		all := c.Schemas()
		if len(all) != id+1 || all[id].Topic != fmt.Sprint("t", id) || all[id].Schema.ID != fmt.Sprint(id) {
			t.Errorf("after %d: %v", id, all)
		}
		for i := range before {
			if before[i] != all[i] {
				t.Errorf("use %d changed", i)
			}
		}
		before = append(all, serde.SchemaUse{Topic: "mine"})[:id+1]
	}
}

func TestConcurrencyOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answer: func(context.Context, int) error { time.Sleep(time.Second); return nil }}
		c := s.cache(t, nil)
		var wg sync.WaitGroup
		began := time.Now()
		for id := range 40 {
			wg.Go(func() {
				if _, err := c.Codec(t.Context(), id); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most, took := s.most.Load(), time.Since(began); most != 4 || took != 10*time.Second {
			t.Errorf("%d calls at once in %s, want 4 in 10s", most, took)
		}
	})
}

func TestCallTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answer: func(ctx context.Context, _ int) error { <-ctx.Done(); return context.Cause(ctx) }}
		c := s.cache(t, nil)
		began := time.Now()
		if _, err := c.Codec(t.Context(), 7); !waits(err) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestCloseEndsLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answer: func(ctx context.Context, _ int) error { <-ctx.Done(); return context.Cause(ctx) }}
		c := s.cache(t, nil)
		var wg sync.WaitGroup
		for id := range 10 { // some are under way, some wait for their turn
			wg.Go(func() {
				if _, err := c.Codec(t.Context(), id); !waits(err) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		c.Close()
		wg.Wait()
		if took := time.Since(began); took != 0 {
			t.Errorf("Close took %s", took)
		}
	})
}

// Ids that nobody registered, of a producer gone mad, take a bounded amount of memory.
func TestUnknownIDsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answer: always(registry.ErrNotFound)}
		c := s.cache(t, nil)
		const most = 10_000
		for id := range most {
			_, _ = c.Codec(t.Context(), id)
		}
		calls := s.calls.Load()
		if _, _ = c.Codec(t.Context(), 0); s.calls.Load() != calls {
			t.Error("the oldest was forgotten too early")
		}
		_, _ = c.Codec(t.Context(), most) // pushes 0 out
		if _, _ = c.Codec(t.Context(), 1); s.calls.Load() != calls+1 {
			t.Error("not only the oldest was forgotten")
		}
		if _, _ = c.Codec(t.Context(), 0); s.calls.Load() != calls+2 {
			t.Error("the oldest wasn't forgotten")
		}
	})
}

// Ids that are being looked for can't be forgotten: too many are refused.
func TestFlightsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answer: func(ctx context.Context, _ int) error { <-ctx.Done(); return context.Cause(ctx) }}
		c := s.cache(t, nil)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for id := range 10_000 {
			_, _ = c.Codec(gone, id)
		}
		if _, err := c.Codec(t.Context(), 10_000); !waits(err) || !strings.Contains(err.Error(), "10000 others") {
			t.Error(err)
		}
		c.Close()
	})
}

func TestFolderComesFirst(t *testing.T) {
	dir := t.TempDir()
	folder := &registry.Folder{Dir: dir}
	if err := folder.Save(&serde.Schema{Format: serde.JSONSchema, Name: "kept", ID: "7", Version: 3, Text: `{"type":"object"}`}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "8.proto"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &source{answer: always(errDown)}
	c := s.cache(t, folder)
	codec, err := c.Codec(t.Context(), 7)
	if err != nil || s.calls.Load() != 0 {
		t.Fatalf("with the registry down: %v, %d calls", err, s.calls.Load())
	}
	if got := codec.Schema; got.Name != "kept" || got.Version != 3 || got.Text != `{"type":"object"}` || got.ID != "7" {
		t.Errorf("got %+v", got)
	}
	if _, err := c.Codec(t.Context(), 8); !waits(err) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a file that is broken: %v", err)
	}
	if _, err := c.Codec(t.Context(), 9); !waits(err) || s.calls.Load() != 1 {
		t.Errorf("what the folder lacks: %v, %d calls", err, s.calls.Load())
	}
}

func BenchmarkKnown(b *testing.B) {
	s := &source{}
	c := s.cache(b, nil)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Codec(ctx, 7); err != nil {
			b.Fatal(err)
		}
	}
}
