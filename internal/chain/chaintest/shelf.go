package chaintest

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
)

// A shelf is what all views of one Memory share.
type shelf struct {
	Options

	mu      sync.Mutex // guards what follows, and the counts of all views
	objects map[string]object
	uploads map[string]*upload // by id; those that aren't completed
	begun   int                // uploads, ever
	late    []late
}

// An object is visible. Its body is never changed.
type object struct {
	body   []byte
	upload string // the id of the upload that it came from; "" if it was put
	tail   string
}

type upload struct {
	id, key, tail, dir string
	seq                int64
	parts              map[int]part
	sealed             bool
}

// A part holds bytes that are never changed.
type part struct {
	at   int64 // of its first byte in the object
	body []byte
	etag string
}

// upload finds an upload by its id, which counts only together with its key.
func (s *shelf) upload(key, id string) (*upload, bool) {
	u, ok := s.uploads[id]
	if !ok || u.key != key {
		return nil, false
	}
	return u, true
}

// after is the keys that begin with prefix and come after a key, sorted.
func (s *shelf) after(prefix, key string) []string {
	var keys []string
	for k := range s.objects {
		if strings.HasPrefix(k, prefix) && k > key {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// open is the uploads that aren't completed, in the order in which they were begun.
func (s *shelf) open() []chain.Object {
	var open []chain.Object
	for _, u := range slices.SortedFunc(maps.Values(s.uploads), (*upload).compare) {
		open = append(open, chain.Object{Key: u.key, Upload: u.id, Dir: u.dir, Seq: u.seq})
	}
	return open
}

// compare orders uploads by their ids' numbers.
func (u *upload) compare(v *upload) int {
	return cmp.Or(cmp.Compare(len(u.id), len(v.id)), strings.Compare(u.id, v.id))
}

// join is the body of the object that is to be completed from the parts it names.
func (u *upload) join(o *chain.Object, minPart int64) ([]byte, error) {
	if len(o.Parts) == 0 {
		return nil, connector.Fatal.Errorf("an upload is completed without parts")
	}
	var body bytes.Buffer
	for i, p := range o.Parts {
		written, ok := u.parts[p.N]
		n := int64(len(written.body))
		switch {
		case i+1 < len(o.Parts) && o.Parts[i+1].N <= p.N:
			return nil, connector.Fatal.Errorf("part %d is named after part %d", o.Parts[i+1].N, p.N)
		case !ok || p.ETag != written.etag:
			return nil, connector.Fatal.Errorf("part %d isn't what was written: ETag %q, want %q", p.N, p.ETag, written.etag)
		case written.at != int64(body.Len()):
			return nil, connector.Fatal.Errorf("part %d was said to begin at %d, and begins at %d", p.N, written.at, body.Len())
		case i < len(o.Parts)-1 && n < minPart:
			return nil, connector.Fatal.Errorf("part %d has %d bytes, and needs %d (EntityTooSmall)", p.N, n, minPart)
		}
		body.Write(written.body)
	}
	if o.Size != int64(body.Len()) {
		return nil, connector.Fatal.Errorf("the size is said to be %d, and is %d", o.Size, body.Len())
	}
	return body.Bytes(), nil
}

// Objects are copies of all visible objects, by key.
func (m *Memory) Objects() map[string][]byte {
	m.shelf.mu.Lock()
	defer m.shelf.mu.Unlock()
	bodies := make(map[string][]byte, len(m.shelf.objects))
	for key, o := range m.shelf.objects {
		bodies[key] = bytes.Clone(o.body)
	}
	return bodies
}

// Open are the uploads that aren't completed, of all folders, as Uploads returns them.
func (m *Memory) Open() []chain.Object {
	m.shelf.mu.Lock()
	defer m.shelf.mu.Unlock()
	return m.shelf.open()
}

// Delete removes a visible object, as a person or a lifecycle rule does. It reports whether it was there.
func (m *Memory) Delete(key string) bool {
	m.shelf.mu.Lock()
	defer m.shelf.mu.Unlock()
	_, ok := m.shelf.objects[key]
	delete(m.shelf.objects, key)
	return ok
}

// DropUpload drops an upload that isn't completed, as a bucket's rule AbortIncompleteMultipartUpload does. It reports whether it was there.
func (m *Memory) DropUpload(id string) bool {
	m.shelf.mu.Lock()
	defer m.shelf.mu.Unlock()
	_, ok := m.shelf.uploads[id]
	delete(m.shelf.uploads, id)
	return ok
}

// Calls counts the calls of this view by the name of the function, those with a fault too.
func (m *Memory) Calls() map[string]int {
	m.shelf.mu.Lock()
	defer m.shelf.mu.Unlock()
	return maps.Clone(m.calls)
}
