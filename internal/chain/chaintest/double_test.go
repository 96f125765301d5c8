package chaintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/chain"
)

// A double is a Memory that is broken in one way.
type double struct {
	*Memory
	broken string
	rig    *rig
	own    map[string]bool // uploads that this double began; guarded by rig.mu
}

// A rig is what the doubles of one place share.
type rig struct {
	mu      sync.Mutex
	parts   map[string][]written // of each upload, as a broken double keeps them
	dropped map[string]bool      // uploads that were aborted
	revived map[string]bool      // and then written to
	sealed  map[string]bool
	done    map[string]bool // uploads that were completed
}

type written struct {
	n     int
	bytes chain.Bytes
}

func doubleHarness(broken string) Harness {
	return Harness{MinPart: 5, Open: func(testing.TB) Place {
		m := NewMemory(Options{MinPart: 5, Forget: broken == "forgets what was completed"})
		r := &rig{
			parts: map[string][]written{}, dropped: map[string]bool{}, revived: map[string]bool{},
			sealed: map[string]bool{}, done: map[string]bool{},
		}
		return Place{
			Open: func(testing.TB) chain.Store {
				return &double{Memory: m.View(nil), broken: broken, rig: r, own: map[string]bool{}}
			},
			Read: reader(m),
		}
	}}
}

func reader(m *Memory) func(string) ([]byte, bool, error) {
	return func(key string) ([]byte, bool, error) {
		body, ok := m.Objects()[key]
		return body, ok, nil
	}
}

// set makes an object visible, whatever is there.
func (d *double) set(key string, o object) {
	d.shelf.mu.Lock()
	defer d.shelf.mu.Unlock()
	d.shelf.objects[key] = o
}

// has tells whether a key is taken, and lets the others find out too.
func (d *double) has(key string) bool {
	d.shelf.mu.Lock()
	_, ok := d.shelf.objects[key]
	d.shelf.mu.Unlock()
	letOthersRun()
	return ok
}

func unescaped(key string) string {
	if k, err := url.PathUnescape(key); err == nil {
		return k
	}
	return key
}

func letOthersRun() {
	for range 50 {
		runtime.Gosched()
	}
}

func (d *double) List(ctx context.Context, prefix, after string, size int) ([]string, bool, error) {
	switch d.broken {
	case "lists until an ended context":
		ctx = context.WithoutCancel(ctx)
	case "lists folders only":
		prefix = path.Dir(prefix+"x") + "/"
		if prefix == "./" {
			prefix = ""
		}
	case "lists what comes after a prefix that is a folder":
		if !strings.HasSuffix(prefix, "/") && prefix != "" {
			prefix += "/"
		}
	case "lists a thousand":
		if after == "" {
			keys, _, err := d.Memory.List(ctx, prefix, after, min(size, 1000))
			return keys, len(keys) < min(size, 1000), err
		}
	}
	keys, more, err := d.Memory.List(ctx, prefix, after, size)
	switch d.broken {
	case "lists by folder":
		slices.SortFunc(keys, func(a, b string) int { return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) })
	case "lists uploads":
		for _, o := range d.Open() {
			if strings.HasPrefix(o.Key, prefix) && o.Key > after {
				keys = append(keys, o.Key)
			}
		}
		slices.Sort(keys)
	case "lists the key after which to begin":
		if d.has(after) && strings.HasPrefix(after, prefix) {
			keys = append([]string{after}, keys...)
			keys = keys[:min(len(keys), size)]
		}
	case "never says that others follow":
		more = false
	case "says that others follow a full page":
		more = more || len(keys) == size
	case "lists one too many":
		if more {
			next, _, _ := d.Memory.List(ctx, prefix, keys[len(keys)-1], 1)
			keys = append(keys, next...)
		}
	}
	return keys, more, err
}

func (d *double) Get(ctx context.Context, key string) ([]byte, error) {
	switch d.broken {
	case "finds nothing without an error":
		if !d.has(key) {
			return nil, nil
		}
	case "doesn't name the key":
		if !d.has(key) {
			return nil, chain.ErrMissing
		}
	case "unescapes keys":
		key = unescaped(key)
	case "hands out its own bytes":
		if d.has(key) {
			d.shelf.mu.Lock()
			defer d.shelf.mu.Unlock()
			return d.shelf.objects[key].body, nil
		}
	}
	return d.Memory.Get(ctx, key)
}

func (d *double) Put(ctx context.Context, key string, body []byte) error {
	switch d.broken {
	case "puts after its context ended":
		ctx = context.WithoutCancel(ctx)
	case "takes an ended context for a taken key":
		if ctx.Err() != nil {
			return chain.ErrExists
		}
	case "overwrites":
		d.set(key, object{body: bytes.Clone(body)})
		return nil
	case "says nothing of a taken key":
		if err := d.Memory.Put(ctx, key, body); !errors.Is(err, chain.ErrExists) {
			return err
		}
		return nil
	case "takes the same bytes again":
		if got, err := d.Get(ctx, key); err == nil && bytes.Equal(got, body) {
			return nil
		}
	case "looks before it puts":
		if ctx.Err() == nil && !d.has(key) {
			d.set(key, object{body: bytes.Clone(body)})
			return nil
		}
	case "shows half a Put":
		err := d.Memory.Put(ctx, key, body[:len(body)/2])
		letOthersRun()
		if err == nil {
			d.set(key, object{body: bytes.Clone(body)})
		}
		return err
	case "overwrites and puts back":
		was, err := d.Get(ctx, key)
		if err == nil {
			d.set(key, object{body: bytes.Clone(body)})
			letOthersRun()
			d.set(key, object{body: was})
		}
	case "keeps the bytes of a Put":
		if !d.has(key) {
			d.set(key, object{body: body})
			return nil
		}
	case "nobody wins":
		if err := d.Memory.Put(ctx, key, body); err != nil || len(body) > 400 {
			return errors.Join(chain.ErrExists, err)
		}
		return nil
	case "unescapes keys":
		key = unescaped(key)
	case "cleans keys":
		key = strings.ReplaceAll(key, "..", ".")
	}
	return d.Memory.Put(ctx, key, body)
}

func (d *double) Begin(ctx context.Context, o *chain.Object) (string, error) {
	id, err := d.Memory.Begin(ctx, o)
	d.rig.mu.Lock()
	d.own[id] = true
	d.rig.mu.Unlock()
	if d.broken == "shows what begins" && err == nil {
		d.set(o.Key, object{tail: o.Tail, upload: id})
	}
	return id, err
}

func (d *double) Write(ctx context.Context, o *chain.Object, n int, at int64, p chain.Bytes) (chain.Part, error) {
	d.keep(o.Upload, n, p)
	part, err := d.Memory.Write(ctx, o, n, at, p)
	if d.broken == "numbers parts from 0" {
		part.N--
	}
	return part, err
}

// keep takes in a part, for doubles that complete uploads from what they kept.
func (d *double) keep(id string, n int, p chain.Bytes) {
	copied := chain.Bytes{bytes.Join(p, nil)}
	d.rig.mu.Lock()
	defer d.rig.mu.Unlock()
	d.rig.revived[id] = d.rig.dropped[id]
	switch d.broken {
	case "keeps the bytes of a part":
		copied = slices.Clone(p)
	case "drops the pieces but the first":
		copied = chain.Bytes{bytes.Clone(p[0])}
	case "mixes up uploads":
		id = ""
	}
	parts := d.rig.parts[id]
	i := slices.IndexFunc(parts, func(w written) bool { return w.n == n })
	switch {
	case i < 0 || d.broken == "appends what is written again":
		parts = append(parts, written{n, copied})
	default:
		parts[i].bytes = copied
	}
	if d.broken != "joins parts as they came" {
		slices.SortStableFunc(parts, func(a, b written) int { return a.n - b.n })
	}
	d.rig.parts[id] = parts
}

// kept is the body of an upload by what was kept.
func (d *double) kept(id string) []byte {
	d.rig.mu.Lock()
	defer d.rig.mu.Unlock()
	if d.broken == "mixes up uploads" {
		id = ""
	}
	var all chain.Bytes
	for _, w := range d.rig.parts[id] {
		all = append(all, w.bytes...)
	}
	return bytes.Join(all, nil)
}

// first reports whether it is the first to mark an id.
func (r *rig) first(marks map[string]bool, id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := marks[id]
	marks[id] = true
	return !was
}

func (r *rig) marked(marks map[string]bool, id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return marks[id]
}

func (d *double) Seal(ctx context.Context, o *chain.Object) error {
	if !d.rig.first(d.rig.sealed, o.Upload) && d.broken == "can't seal twice" {
		return errors.New("it is sealed")
	}
	err := d.Memory.Seal(ctx, o)
	if d.broken == "shows what is sealed" && err == nil {
		d.set(o.Key, object{body: []byte("early"), tail: o.Tail})
	}
	return err
}

func (d *double) Complete(ctx context.Context, o *chain.Object, fresh bool) error {
	switch d.broken {
	case "completes after its context ended":
		ctx = context.WithoutCancel(ctx)
	case "ignores fresh":
		fresh = false
	case "looks before it completes":
		if fresh && d.has(o.Key) {
			return d.Memory.Complete(ctx, o, true)
		}
		fresh = false
	case "takes its own object for another":
		if fresh && d.has(o.Key) {
			return fmt.Errorf("complete %s: %w", o.Key, chain.ErrExists)
		}
	case "knows its own uploads only":
		if !d.rig.marked(d.own, o.Upload) {
			return chain.ErrMissing
		}
	case "loses what is completed again":
		if !d.rig.first(d.rig.done, o.Upload) {
			d.Delete(o.Key)
		}
	case "needs the folder to complete":
		if o.Dir == "" {
			return chain.ErrMissing
		}
	case "completes what is missing":
		if err := d.Memory.Complete(ctx, o, fresh); !errors.Is(err, chain.ErrMissing) {
			return err
		}
		return nil
	case "brings back what was aborted":
		if d.rig.marked(d.rig.revived, o.Upload) {
			d.set(o.Key, object{body: d.kept(o.Upload), tail: o.Tail, upload: o.Upload})
			return nil
		}
	case "answers the first of several finishers":
		if !d.rig.first(d.rig.done, o.Upload) && !d.has(o.Key) {
			return chain.ErrMissing
		}
		letOthersRun()
	case "shows half an object":
		if !d.has(o.Key) {
			d.set(o.Key, object{body: []byte("half"), upload: "none"})
			letOthersRun()
			fresh = false
		}
	}
	if err := d.Memory.Complete(ctx, o, fresh); err != nil {
		if d.broken == "leaves in doubt what is missing" && errors.Is(err, chain.ErrMissing) {
			return errors.New("500 Internal Server Error")
		}
		return err
	}
	switch d.broken {
	case "keeps the bytes of a part", "drops the pieces but the first", "mixes up uploads", "appends what is written again", "joins parts as they came":
		d.set(o.Key, object{body: d.kept(o.Upload), tail: o.Tail, upload: o.Upload})
	}
	return nil
}

func (d *double) Look(ctx context.Context, o *chain.Object) (chain.Sight, error) {
	got, err := d.Memory.Look(ctx, o)
	switch d.broken {
	case "says ours of all":
		if got == chain.Foreign {
			return chain.Ours, err
		}
	case "says ours of what is as long":
		if got == chain.Foreign && int64(len(d.Objects()[o.Key])) == o.Size {
			return chain.Ours, err
		}
	case "says ours of an open upload":
		if got == chain.Nothing && slices.ContainsFunc(d.Open(), func(u chain.Object) bool { return u.Upload == o.Upload }) {
			return chain.Ours, err
		}
	case "says ours of its own uploads only":
		if got == chain.Ours && !d.rig.marked(d.own, o.Upload) {
			return chain.Foreign, err
		}
	}
	return got, err
}

func (d *double) Abort(ctx context.Context, o *chain.Object) error {
	first := d.rig.first(d.rig.dropped, o.Upload)
	switch d.broken {
	case "aborts after its context ended":
		ctx = context.WithoutCancel(ctx)
	case "can't abort twice":
		if !first {
			return chain.ErrMissing
		}
	case "aborts nothing":
		return nil
	case "aborts what is completed":
		d.Delete(o.Key)
	case "aborts all uploads of a key":
		for _, u := range d.Open() {
			if u.Key == o.Key {
				d.DropUpload(u.Upload)
			}
		}
	}
	return d.Memory.Abort(ctx, o)
}

func (d *double) Uploads(ctx context.Context, dir string) ([]chain.Object, error) {
	found, err := d.Memory.Uploads(ctx, dir)
	switch d.broken {
	case "finds the uploads of all folders":
		return d.Open(), err
	case "finds the uploads of folders that begin alike":
		return slices.DeleteFunc(d.Open(), func(o chain.Object) bool { return !strings.HasPrefix(o.Dir, strings.TrimSuffix(dir, "/")) }), err
	case "finds uploads without numbers":
		for i := range found {
			found[i].Seq = 0
		}
	case "finds uploads without keys":
		for i := range found {
			found[i].Key = ""
		}
	case "finds uploads that were completed":
		d.rig.mu.Lock()
		defer d.rig.mu.Unlock()
		for id := range d.rig.sealed {
			if !slices.ContainsFunc(d.Open(), func(o chain.Object) bool { return o.Upload == id }) && strings.HasSuffix(dir, "/0/") {
				found = append(found, chain.Object{Upload: id, Seq: 100})
			}
		}
	}
	return found, err
}
