package chaintest

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
)

// Limits of Amazon S3, which Memory keeps (Amazon S3 User Guide: "Naming Amazon S3 objects", "Amazon S3 multipart upload limits").
const (
	maxKey   = 1024 // bytes
	maxParts = 10_000
)

// Options say how strict and how forgetful a Memory is.
type Options struct {
	// MinPart is the least length in bytes of a part that isn't the last one; Complete refuses shorter ones. 0: any.
	MinPart int64
	// Forget makes Memory forget an upload that was completed, as Amazon S3 does after a while: Complete
	// then answers chain.ErrMissing.
	Forget bool
}

// A Memory is a chain.Store and chain.Cleaner in memory, as strict as Amazon S3 and more: what a caller may not do by the
// contract of chain.Store is an error of class Fatal that says so. It copies what it is given, and its functions are safe for
// concurrent use. Make one with NewMemory, and others that see the same objects and uploads with View.
type Memory struct {
	fault FaultFunc
	calls map[string]int // guarded by shelf.mu
	shelf *shelf
}

var (
	_ chain.Store   = (*Memory)(nil)
	_ chain.Cleaner = (*Memory)(nil)
)

// NewMemory makes an empty Memory, whose calls don't fail.
func NewMemory(o Options) *Memory {
	return &Memory{
		calls: map[string]int{},
		shelf: &shelf{Options: o, objects: map[string]object{}, uploads: map[string]*upload{}},
	}
}

// View is another Store on the same objects and uploads, with faults and counts of its own: another process. A nil
// fault lets every call succeed.
func (m *Memory) View(fault FaultFunc) *Memory {
	return &Memory{fault: fault, calls: map[string]int{}, shelf: m.shelf}
}

// List implements chain.Store.
func (m *Memory) List(ctx context.Context, prefix, after string, max int) (keys []string, more bool, err error) {
	type page struct {
		keys []string
		more bool
	}
	p, err := do(ctx, m, "List", prefix, func(s *shelf) (page, error) {
		if max < 1 {
			return page{}, connector.Fatal.Errorf("a page of %d keys", max)
		}
		keys := s.after(prefix, after)
		n := min(len(keys), max)
		return page{keys: keys[:n], more: n < len(keys)}, nil
	})
	return p.keys, p.more, err
}

// Get implements chain.Store.
func (m *Memory) Get(ctx context.Context, key string) ([]byte, error) {
	return do(ctx, m, "Get", key, func(s *shelf) ([]byte, error) {
		o, ok := s.objects[key]
		if !ok {
			return nil, chain.ErrMissing
		}
		return bytes.Clone(o.body), nil
	})
}

// Put implements chain.Store.
func (m *Memory) Put(ctx context.Context, key string, body []byte) error {
	body = bytes.Clone(body)
	return change(ctx, m, "Put", key, func(s *shelf) error {
		if err := checkKey(key); err != nil {
			return err
		}
		if _, ok := s.objects[key]; ok {
			return chain.ErrExists
		}
		s.objects[key] = object{body: body}
		return nil
	})
}

// Begin implements chain.Store. The ids are u1, u2, u3, ...
func (m *Memory) Begin(ctx context.Context, o *chain.Object) (string, error) {
	c := *o
	return do(ctx, m, "Begin", c.Key, func(s *shelf) (string, error) {
		if err := checkKey(c.Key); err != nil {
			return "", err
		}
		if c.Tail == "" || c.Dir == "" {
			return "", connector.Fatal.Errorf("an upload without tail or folder: %q, %q", c.Tail, c.Dir)
		}
		s.begun++
		id := fmt.Sprint("u", s.begun)
		s.uploads[id] = &upload{id: id, key: c.Key, tail: c.Tail, dir: c.Dir, seq: c.Seq, parts: map[int]part{}}
		return id, nil
	})
}

// Write implements chain.Store.
func (m *Memory) Write(ctx context.Context, o *chain.Object, n int, at int64, p chain.Bytes) (chain.Part, error) {
	key, id, body := o.Key, o.Upload, bytes.Join(p, nil)
	return do(ctx, m, "Write", key, func(s *shelf) (chain.Part, error) {
		u, ok := s.upload(key, id)
		switch {
		case !ok:
			return chain.Part{}, chain.ErrMissing
		case n < 1 || n > maxParts:
			return chain.Part{}, connector.Fatal.Errorf("part %d: parts have the numbers 1 to %d", n, maxParts)
		case u.sealed:
			return chain.Part{}, connector.Fatal.Errorf("part %d of a sealed upload", n)
		}
		crc := checksum(body)
		written := chain.Part{N: n, ETag: fmt.Sprintf("%d-%s", len(body), crc), CRC: crc}
		u.parts[n] = part{at: at, body: body, etag: written.ETag}
		return written, nil
	})
}

// Seal implements chain.Store. It is Lost if the upload is missing.
func (m *Memory) Seal(ctx context.Context, o *chain.Object) error {
	key, id := o.Key, o.Upload
	return change(ctx, m, "Seal", key, func(s *shelf) error {
		u, ok := s.upload(key, id)
		if !ok {
			return connector.Lost.Wrap(chain.ErrMissing)
		}
		u.sealed = true
		return nil
	})
}

// Complete implements chain.Store.
func (m *Memory) Complete(ctx context.Context, o *chain.Object, fresh bool) error {
	c := *o
	c.Parts = slices.Clone(c.Parts)
	return change(ctx, m, "Complete", c.Key, func(s *shelf) error {
		u, ok := s.upload(c.Key, c.Upload)
		there, taken := s.objects[c.Key]
		switch {
		case !ok && taken && there.upload == c.Upload && !s.Forget:
			return nil
		case !ok:
			return chain.ErrMissing
		case !u.sealed:
			return connector.Fatal.Errorf("upload %s isn't sealed", c.Upload)
		}
		body, err := u.join(&c, s.MinPart)
		if err != nil {
			return err
		}
		if fresh && taken {
			return chain.ErrExists
		}
		s.objects[c.Key] = object{body: body, upload: u.id, tail: u.tail}
		delete(s.uploads, u.id)
		return nil
	})
}

// Look implements chain.Store.
func (m *Memory) Look(ctx context.Context, o *chain.Object) (chain.Sight, error) {
	c := *o
	return do(ctx, m, "Look", c.Key, func(s *shelf) (chain.Sight, error) {
		there, ok := s.objects[c.Key]
		switch {
		case !ok:
			return chain.Nothing, nil
		case there.tail != "" && there.tail == c.Tail:
			return chain.Ours, nil
		case int64(len(there.body)) == c.Size && checksum(there.body) == c.CRC:
			return chain.Ours, nil
		}
		return chain.Foreign, nil
	})
}

// Abort implements chain.Store.
func (m *Memory) Abort(ctx context.Context, o *chain.Object) error {
	key, id := o.Key, o.Upload
	return change(ctx, m, "Abort", key, func(s *shelf) error {
		if u, ok := s.upload(key, id); ok {
			delete(s.uploads, u.id)
		}
		return nil
	})
}

// Uploads implements chain.Cleaner: in the order in which they were begun, each with Key, Upload, Dir and Seq.
func (m *Memory) Uploads(ctx context.Context, dir string) ([]chain.Object, error) {
	return do(ctx, m, "Uploads", dir, func(s *shelf) ([]chain.Object, error) {
		return slices.DeleteFunc(s.open(), func(o chain.Object) bool { return o.Dir != dir }), nil
	})
}

func checkKey(key string) error {
	switch {
	case key == "" || len(key) > maxKey:
		return connector.Fatal.Errorf("the key has %d bytes, and may have 1 to %d", len(key), maxKey)
	case strings.ContainsRune(key, 0):
		return connector.Fatal.Errorf("the key holds a zero byte")
	}
	return nil
}

// checksum is CRC-32C in 8 hex digits, as in chain.Object.
func checksum(b []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}
