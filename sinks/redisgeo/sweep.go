package redisgeo

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A sweeper drops silent members of sets that are written too rarely for a Load to do it in time. Sets that
// aren't written at all disappear by themselves, so that a sweeper needs to know only those that it has heard of lately.
type sweeper struct {
	sink   *Sink
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	sets map[string]time.Time // when each was last written
}

const (
	maxSwept      = 10_000 // sets remembered
	callsPerSweep = 20     // of the script for one set
)

func startSweeper(s *Sink) *sweeper {
	ctx, cancel := context.WithCancel(context.Background())
	w := &sweeper{sink: s, cancel: cancel, done: make(chan struct{}), sets: map[string]time.Time{}}
	go w.run(ctx)
	return w
}

func (w *sweeper) stop() {
	w.cancel()
	<-w.done
}

// note remembers a set that is written.
func (w *sweeper) note(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.sets[key]; known || len(w.sets) < maxSwept {
		w.sets[key] = time.Now()
	}
}

// known are the sets that can still hold members, as far as this process has written them.
func (w *sweeper) known() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var keys []string
	for key, at := range w.sets {
		if time.Since(at) > w.sink.expire {
			delete(w.sets, key)
			continue
		}
		keys = append(keys, key)
	}
	return keys
}

func (w *sweeper) run(ctx context.Context) {
	defer close(w.done)
	ticker := time.NewTicker(min(max(w.sink.expire/10, time.Second), time.Minute))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for _, key := range w.known() {
				w.sink.sweep(ctx, key)
			}
		}
	}
}

// sweep drops silent members of a set. An error needs no report: the next Load of the set meets the same one.
func (s *Sink) sweep(ctx context.Context, key string) {
	for range callsPerSweep {
		todo := []request{{cmd: once{redis.NewIntCmd(ctx, s.scriptHead(key, nil)...)}}}
		s.exec(ctx, todo)
		s.execUnknownScripts(ctx, todo)
		if dropped, err := todo[0].cmd.Result(); err != nil || dropped < sweptPerCall {
			return
		}
	}
}
