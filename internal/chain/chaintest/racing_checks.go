package chaintest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/chain"
)

// A contender is one of those who write to a key at the same time.
type contender struct {
	body    []byte
	doubted bool
	err     error
	seen    []byte // under the key, right after its answer
}

// watch polls what is under a key until it is stopped. Each time that is nothing, or one of the bodies, whole. stop
// returns the first thing that was neither.
func watch(look func() (body []byte, ok bool, err error), bodies func(got []byte) bool) (stop func() error) {
	done, wait := make(chan struct{}), sync.WaitGroup{}
	var wrong error
	wait.Go(func() {
		for {
			got, ok, err := look()
			switch {
			case err != nil:
				wrong = fmt.Errorf("meanwhile reading failed: %w", err)
			case ok && !bodies(got):
				wrong = fmt.Errorf("meanwhile readers see %d bytes that nobody wrote as a whole", len(got))
			}
			select {
			case <-done:
				return
			default:
				if wrong != nil {
					return
				}
			}
		}
	})
	return func() error {
		close(done)
		wait.Wait()
		return wrong
	}
}

// oneWins expects that exactly one contender got nil, that the key holds its bytes, and that everybody has seen them.
func (s *site) oneWins(t testing.TB, what, key string, all []contender) {
	t.Helper()
	now, ok, err := s.Read(key)
	if err != nil || !ok {
		t.Fatalf("after a race of %s, readers see nothing under %q: %v", what, key, err)
	}
	won, owner := 0, -1
	for i := range all {
		c := &all[i]
		switch {
		case c.err == nil:
			won++
			if !bytes.Equal(c.body, now) {
				t.Errorf("%s of %q answered nil to one, and another's bytes are there", what, key)
			}
		case !errors.Is(c.err, chain.ErrExists):
			t.Errorf("%s of %q answers a loser %v, want ErrExists", what, key, c.err)
		}
		if bytes.Equal(c.body, now) {
			owner = i
		}
		if !bytes.Equal(c.seen, now) {
			t.Errorf("right after its answer, one of the rivals for %q saw %d other bytes than are there now", key, len(c.seen))
		}
	}
	switch {
	case won > 1:
		t.Errorf("%d of %d who race for %q got nil, want 1", won, len(all), key)
	case owner < 0:
		t.Errorf("under %q are bytes that none of the rivals wrote", key)
	case won == 0 && !all[owner].doubted:
		t.Errorf("the winner of the race for %q was answered %v, want nil", key, all[owner].err)
	}
}

func checkRacingPuts(t testing.TB, h Harness) {
	const rounds, rivals = 50, 8
	s := openSite(t, h)
	stores := s.stores(t, 2)
	for round := range rounds {
		key := fmt.Sprintf("%s%020d.json", dir(0), round)
		all, bodies := make([]contender, rivals), make([][]byte, rivals)
		for i := range all {
			bodies[i] = fill(int64(500+1000*i), uint64(10*round+i))
			all[i].body = bodies[i]
		}
		get := func(store chain.Store) ([]byte, bool, error) {
			body, err := store.Get(t.Context(), key)
			if errors.Is(err, chain.ErrMissing) {
				return nil, false, nil
			}
			return body, true, err
		}
		stop := watch(func() ([]byte, bool, error) { return get(stores[0]) }, func(got []byte) bool {
			return slices.ContainsFunc(bodies, func(b []byte) bool { return bytes.Equal(b, got) })
		})
		s.atOnce(rivals, func(i int) {
			c, store := &all[i], stores[i%2]
			c.doubted, c.err = settled(func() error { return put(t.Context(), store, key, c.body) })
			c.seen, _, _ = get(store)
		})
		if err := stop(); err != nil {
			t.Errorf("Put of %q: %v", key, err)
		}
		s.oneWins(t, "Put", key, all)
	}
}

// checkRacingRivals: of uploads with the same key, one becomes visible if all are completed as fresh.
func checkRacingRivals(t testing.TB, h Harness) {
	const rounds, rivals = 20, 4
	s := openSite(t, h)
	stores := s.stores(t, rivals)
	for round := range rounds {
		key := fmt.Sprintf("data/%d.json", round)
		all, drafts := make([]contender, rivals), make([]*draft, rivals)
		for i := range all {
			all[i].body = fill(int64(700+1000*i), uint64(10*round+i))
			drafts[i] = s.rival(t, stores[i], key, all[i].body)
		}
		s.atOnce(rivals, func(i int) {
			c, o := &all[i], drafts[i].linked(t)
			c.doubted, c.err = settled(func() error { return stores[i].Complete(t.Context(), o, true) })
			c.seen, _, _ = s.Read(key)
		})
		s.oneWins(t, "Complete", key, all)
		for i, d := range drafts {
			want := chain.Foreign
			if bytes.Equal(all[i].seen, d.body) {
				want = chain.Ours
			}
			s.looks(t, stores[(i+1)%rivals], d, want)
			if want == chain.Foreign {
				s.stillLoses(t, stores[i], d, all[i].seen)
			}
		}
	}
}

// stillLoses repeats a Complete that was refused, and drops it.
func (s *site) stillLoses(t testing.TB, store chain.Store, d *draft, there []byte) {
	t.Helper()
	if err := store.Complete(t.Context(), d.linked(t), true); !errors.Is(err, chain.ErrExists) && !errors.Is(err, chain.ErrMissing) {
		t.Errorf("fresh Complete of %q, repeated by a loser, answers %v, want ErrExists or ErrMissing", d.Key, err)
	}
	if err := store.Abort(t.Context(), d.linked(t)); err != nil {
		t.Errorf("Abort by a loser of %q: %v", d.Key, err)
	}
	s.shows(t, d.Key, there)
}

// checkRacingFinishers: whoever finds a link finishes it, several at the same time. All must learn that it is done.
func checkRacingFinishers(t testing.TB, h Harness) {
	const rounds, finishers = 20, 4
	s := openSite(t, h)
	stores := s.stores(t, finishers)
	for round := range rounds {
		d := s.staged(t, stores[0], fmt.Sprintf("data/%d", round), fill(h.MinPart+3000, uint64(round)), fill(500, uint64(round)))
		stop := watch(func() ([]byte, bool, error) { return s.Read(d.Key) }, func(got []byte) bool { return bytes.Equal(got, d.body) })
		failed := make([]error, finishers)
		s.atOnce(finishers, func(i int) {
			failed[i] = s.finish(t, stores[i], d.linked(t), round%2 == 0)
		})
		if err := stop(); err != nil {
			t.Errorf("Complete of %q: %v", d.Key, err)
		}
		for _, err := range failed {
			if err != nil {
				t.Errorf("of %d who complete %q at once, one fails: %v", finishers, d.Key, err)
			}
		}
		s.shows(t, d.Key, d.body)
	}
}

// finish is what a process does to make an object of a link visible.
func (s *site) finish(t testing.TB, store chain.Store, o *chain.Object, fresh bool) error {
	_, err := settled(func() error { return store.Complete(t.Context(), o, fresh) })
	missing, exists := errors.Is(err, chain.ErrMissing), errors.Is(err, chain.ErrExists)
	if err == nil || !s.h.Forgets || !missing && (!exists || !fresh) {
		return err
	}
	saw, lookErr := store.Look(t.Context(), o)
	if lookErr != nil || saw != chain.Ours {
		return fmt.Errorf("%w, and Look then says %s, %w", err, sight(saw), lookErr)
	}
	return nil
}
