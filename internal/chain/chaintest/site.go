package chaintest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
)

// A site is a place in use by a check.
type site struct {
	Place
	h     Harness
	tails atomic.Uint32
}

func openSite(t testing.TB, h Harness) *site {
	t.Helper()
	return &site{Place: h.Open(t), h: h}
}

// stores opens n Stores.
func (s *site) stores(t testing.TB, n int) []chain.Store {
	t.Helper()
	var stores []chain.Store
	for range n {
		stores = append(stores, s.Open(t))
	}
	return stores
}

// dir is where the suite's links would lie.
func dir(partition int32) string {
	return chain.ID{Chain: "main", Cluster: "chaintest", Partition: partition}.Dir()
}

// fill makes bytes that follow from the seed alone.
func fill(n int64, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 4))
	b := make([]byte, 0, n+8)
	for int64(len(b)) < n {
		v := r.Uint64()
		b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
	}
	return b[:n]
}

// lend runs use with a copy of b in pieces, and overwrites the copy afterwards, as the owner of borrowed bytes does.
func lend(b []byte, use func(chain.Bytes)) {
	lent := bytes.Clone(b)
	use(slices.Collect(slices.Chunk(lent, max(1, len(lent)/3))))
	for i := range lent {
		lent[i] = '#'
	}
}

// put puts a body that is spoilt afterwards.
func put(ctx context.Context, store chain.Store, key string, body []byte) (err error) {
	lent := bytes.Clone(body)
	err = store.Put(ctx, key, lent)
	for i := range lent {
		lent[i] = '#'
	}
	return err
}

func mustPut(t testing.TB, store chain.Store, key string, body []byte) {
	t.Helper()
	if err := put(t.Context(), store, key, body); err != nil {
		t.Fatalf("Put of %q: %v", key, err)
	}
}

// A draft is an object with its bytes.
type draft struct {
	chain.Object
	body []byte
}

// draft makes an object that isn't begun; a key ends in its tail, but for one that rivals have too.
func (s *site) draft(key string, unique bool) *draft {
	tail := fmt.Sprintf("%08x", 0xc0ffee00+s.tails.Add(1))
	if unique {
		key += "-1-" + tail + ".json"
	}
	return &draft{Object: chain.Object{Key: key, Tail: tail, Unique: unique, Rows: 1, Dir: dir(0), Seq: 1}}
}

func (d *draft) begin(ctx context.Context, store chain.Store) (err error) {
	if d.Upload, err = store.Begin(ctx, &d.Object); err != nil {
		return fmt.Errorf("Begin: %w", err)
	}
	return nil
}

// write writes a part at the end.
func (d *draft) write(ctx context.Context, store chain.Store, body []byte) error {
	p, err := d.writeAt(ctx, store, len(d.Parts)+1, int64(len(d.body)), body)
	if err != nil {
		return err
	}
	d.add(body, p)
	return nil
}

func (d *draft) writeAt(ctx context.Context, store chain.Store, n int, at int64, body []byte) (p chain.Part, err error) {
	lend(body, func(b chain.Bytes) { p, err = store.Write(ctx, &d.Object, n, at, b) })
	switch {
	case err != nil:
		return p, fmt.Errorf("Write of part %d: %w", n, err)
	case p.N != n:
		return p, fmt.Errorf("Write of part %d returned part %d", n, p.N)
	}
	return p, nil
}

// add takes in a part that was written.
func (d *draft) add(body []byte, p chain.Part) {
	d.body = append(d.body, body...)
	d.Parts = append(d.Parts, p)
	d.Size, d.CRC = int64(len(d.body)), checksum(d.body)
}

// stage is Begin, a Write for each part, and Seal.
func (d *draft) stage(ctx context.Context, store chain.Store, parts ...[]byte) error {
	if err := d.begin(ctx, store); err != nil {
		return err
	}
	for _, p := range parts {
		if err := d.write(ctx, store, p); err != nil {
			return err
		}
	}
	if err := store.Seal(ctx, &d.Object); err != nil {
		return fmt.Errorf("Seal: %w", err)
	}
	return nil
}

// linked is the object as another process reads it from a link.
func (d *draft) linked(t testing.TB) *chain.Object {
	t.Helper()
	var o chain.Object
	text, err := json.Marshal(d.Object)
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &o
}

// staged is a new object with a key of its own, ready to be completed.
func (s *site) staged(t testing.TB, store chain.Store, key string, parts ...[]byte) *draft {
	t.Helper()
	d := s.draft(key, true)
	if err := d.stage(t.Context(), store, parts...); err != nil {
		t.Fatalf("stage %q: %v", d.Key, err)
	}
	return d
}

// rival is staged with a key that others have too.
func (s *site) rival(t testing.TB, store chain.Store, key string, body []byte) *draft {
	t.Helper()
	d := s.draft(key, false)
	if err := d.stage(t.Context(), store, body); err != nil {
		t.Fatalf("stage %q: %v", d.Key, err)
	}
	return d
}

func complete(t testing.TB, store chain.Store, d *draft, fresh bool) {
	t.Helper()
	if err := store.Complete(t.Context(), d.linked(t), fresh); err != nil {
		t.Fatalf("Complete of %q, fresh %t: %v", d.Key, fresh, err)
	}
}

func (s *site) looks(t testing.TB, store chain.Store, d *draft, want chain.Sight) {
	t.Helper()
	got, err := store.Look(t.Context(), d.linked(t))
	if err != nil || got != want {
		t.Errorf("Look at %q is %s, %v; want %s", d.Key, sight(got), err, sight(want))
	}
}

func sight(s chain.Sight) string {
	return [...]string{"nothing", "ours", "foreign"}[s]
}

// misses expects that an upload can't be completed, because it was aborted.
func (s *site) misses(t testing.TB, store chain.Store, d *draft, fresh bool) {
	t.Helper()
	err := store.Complete(t.Context(), d.linked(t), fresh)
	if s.h.Vague && err != nil && !errors.Is(err, chain.ErrExists) {
		return
	}
	answers(t, "Complete after Abort", d.Key, err, chain.ErrMissing)
}

// shows compares what readers see under a key.
func (s *site) shows(t testing.TB, key string, want []byte) {
	t.Helper()
	got, ok, err := s.Read(key)
	switch {
	case err != nil:
		t.Errorf("read %q: %v", key, err)
	case !ok:
		t.Errorf("readers see nothing under %q, want %d bytes", key, len(want))
	case !bytes.Equal(got, want):
		t.Errorf("readers see other bytes under %q: %d of them, want %d; the first difference is at %d", key, len(got), len(want), differ(got, want))
	}
}

func differ(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// hides expects that nobody sees anything under a key, by any way there is.
func (s *site) hides(t testing.TB, store chain.Store, key, when string) {
	t.Helper()
	if got, ok, err := s.Read(key); ok || err != nil {
		t.Errorf("readers see %d bytes under %q %s, error %v; want nothing", len(got), key, when, err)
	}
	if _, err := store.Get(t.Context(), key); !errors.Is(err, chain.ErrMissing) {
		t.Errorf("Get of %q answers %v %s, want ErrMissing", key, err, when)
	}
	if keys := listAll(t, store, "", 100); slices.Contains(keys, key) {
		t.Errorf("List shows %q %s", key, when)
	}
}

// listAll pages through a listing.
func listAll(t testing.TB, store chain.Store, prefix string, page int) (all []string) {
	t.Helper()
	for after := ""; ; after = all[len(all)-1] {
		keys, more, err := store.List(t.Context(), prefix, after, page)
		if err != nil {
			t.Fatalf("List of prefix %q after %q: %v", prefix, after, err)
		}
		if len(keys) > page {
			t.Errorf("List of at most %d keys returned %d", page, len(keys))
		}
		if len(keys) > 0 && keys[0] <= after {
			t.Fatalf("List of prefix %q after %q begins with %q", prefix, after, keys[0])
		}
		all = append(all, keys...)
		if !more {
			return all
		}
		if len(keys) == 0 {
			t.Fatalf("List of prefix %q after %q returned no key and says that others follow", prefix, after)
		}
	}
}

// settled repeats a call until its answer says what happened, as the protocol does. doubted: an answer before that
// was in doubt, so that ErrExists may be about the call's own effect.
func settled(call func() error) (doubted bool, err error) {
	for range 100 {
		err = call()
		if err == nil || errors.Is(err, chain.ErrExists) || errors.Is(err, chain.ErrMissing) {
			return doubted, err
		}
		doubted = true
	}
	return doubted, err
}

// atOnce runs f(0) to f(n-1) at the same time, or one after the other where rivals may not meet.
func (s *site) atOnce(n int, f func(i int)) {
	if s.h.Racy {
		for i := range n {
			f(i)
		}
		return
	}
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

// answers expects an error that says what it is about; errors that a caller tells apart don't count as such.
func answers(t testing.TB, what, key string, got, want error) {
	t.Helper()
	switch {
	case !errors.Is(got, want):
		t.Errorf("%s of %q answers %v, want %v", what, key, got, want)
	case !strings.Contains(got.Error(), key):
		t.Errorf("%s of %q answers %q, which doesn't name the key", what, key, got)
	}
}

// undecided expects an error from which nobody may conclude anything.
func undecided(t testing.TB, what string, err error) {
	t.Helper()
	switch {
	case err == nil, errors.Is(err, chain.ErrExists), errors.Is(err, chain.ErrMissing):
		t.Errorf("%s answers %v after its context ended, want an error that is in doubt", what, err)
	case connector.ClassOf(err) != connector.Retryable:
		t.Errorf("%s answers an error of class %v after its context ended, want retryable: %v", what, connector.ClassOf(err), err)
	}
}
