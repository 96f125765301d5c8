package file

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
)

// tempDir holds the temporary files, below dir. Readers of data folders skip names with a leading dot.
const tempDir = ".millrace-tmp"

// A store is a folder as a chain.Store. Keys are the names of files below it.
//
// Nothing is created under its name in place: bytes go to a temporary file, are synced, and get their name by link(2), which
// fails where a name exists.
type store struct {
	dir   string   // as people know it
	root  *os.Root // nothing is named in any other way: no key and no symbolic link leads out of dir
	disk  disk
	names folders
}

var (
	_ chain.Store   = (*store)(nil)
	_ chain.Cleaner = (*store)(nil)
	_ io.Closer     = (*store)(nil)
)

// openStore creates the folder, and finds out whether files there can be written, synced and linked.
func openStore(ctx context.Context, dir string, d disk) (*store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := makeDir(dir); err != nil {
		return nil, failure("create", dir, dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, failure("open", dir, dir, err)
	}
	s := &store{dir: dir, root: root, disk: d}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(failure("prepare", filepath.Join(dir, tempDir), dir, err), root.Close())
	}
	return s, nil
}

func (s *store) prepare() error {
	if err := s.root.Mkdir(tempDir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := s.syncFolder("."); err != nil {
		return err
	}
	if err := s.probe(); err != nil {
		return err
	}
	return s.sweep(time.Now().Add(-leftover))
}

// probe finds out at once whether files here can be linked.
func (s *store) probe() error {
	from, to := shortLived(), shortLived()
	f, err := s.root.OpenFile(from, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	err = errors.Join(f.Close(), s.root.Link(from, to), s.root.Remove(from))
	if err != nil {
		return err
	}
	return s.root.Remove(to)
}

const (
	// shortPrefix begins the names of temporary files that live no longer than one call. Those of a process that was killed stay.
	shortPrefix = "put-"
	// leftover is the age at which such a file is taken for one that stayed. If it wasn't, its call fails and is repeated.
	leftover = 24 * time.Hour
)

func shortLived() string { return path.Join(tempDir, shortPrefix+randomHex(8)) }

// sweep removes what calls left that were cut off.
func (s *store) sweep(before time.Time) error {
	names, err := s.tempNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, shortPrefix) {
			continue
		}
		name = path.Join(tempDir, name)
		if info, err := s.root.Lstat(name); err == nil && info.ModTime().Before(before) {
			_ = s.root.Remove(name) // another process may have been quicker, and the next one tries again
		}
	}
	return nil
}

func (s *store) tempNames() ([]string, error) {
	d, err := s.root.Open(tempDir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// Close ends the store. What was staged stays: a link may name it.
func (s *store) Close() error { return s.root.Close() }

// List walks the folders that can hold such keys, in the order of bytes, in which a folder's name has a slash behind it.
func (s *store) List(ctx context.Context, prefix, after string, limit int) (keys []string, more bool, err error) {
	w := walk{store: s, prefix: prefix, after: after, limit: limit}
	folder := "."
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		folder = prefix[:i]
	}
	if err := w.folder(ctx, folder); err != nil {
		return nil, false, err
	}
	if len(w.keys) > limit {
		return w.keys[:limit], true, nil
	}
	return w.keys, false, nil
}

// A walk collects keys, up to one more than the limit.
type walk struct {
	*store
	prefix, after string
	limit         int
	keys          []string
}

func (w *walk) folder(ctx context.Context, folder string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	names, err := w.entries(folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		key := path.Join(folder, name)
		if strings.HasSuffix(name, "/") {
			key += "/"
		}
		if len(w.keys) > w.limit {
			return nil
		}
		if !w.leads(key) {
			continue
		}
		if !strings.HasSuffix(key, "/") {
			w.keys = append(w.keys, key)
		} else if err := w.folder(ctx, strings.TrimSuffix(key, "/")); err != nil {
			return err
		}
	}
	return nil
}

// leads reports whether a key is one of those wanted, or a folder, with a slash at its end, that may hold one.
func (w *walk) leads(key string) bool {
	if !strings.HasSuffix(key, "/") {
		return strings.HasPrefix(key, w.prefix) && key > w.after
	}
	if key == tempDir+"/" || !strings.HasPrefix(key, w.prefix) && !strings.HasPrefix(w.prefix, key) {
		return false
	}
	return key > w.after || strings.HasPrefix(w.after, key)
}

// entries are the names in a folder, in the order of keys; those of folders have a slash at their end. A folder that isn't there has none.
func (s *store) entries(folder string) ([]string, error) {
	d, err := s.root.Open(folder)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, s.failure("open", folder, err)
	}
	defer d.Close()
	found, err := d.ReadDir(-1)
	if errors.Is(err, fs.ErrNotExist) || absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, s.failure("list", folder, err)
	}
	names := make([]string, 0, len(found))
	for _, e := range found {
		switch {
		case e.IsDir():
			names = append(names, e.Name()+"/")
		case e.Type().IsRegular():
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// Get reads a file. Whoever acts on what it says relies on its name, which has to survive a crash of the machine, even if
// the process that gave it was killed before it could sync the folder.
func (s *store) Get(ctx context.Context, key string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	info, err := s.lstat(key)
	if err != nil {
		return nil, err
	}
	if info.Size() > chain.MaxLink {
		return nil, connector.Permanent.Errorf("read %s: it has %d bytes, more than %d", s.full(key), info.Size(), int64(chain.MaxLink))
	}
	body, err := s.root.ReadFile(key)
	if absent(err) {
		return nil, s.missing(key)
	}
	if err != nil {
		return nil, s.failure("read", key, err)
	}
	return body, s.settle(key)
}

// lstat finds a regular file, or answers chain.ErrMissing.
func (s *store) lstat(key string) (fs.FileInfo, error) {
	if strings.HasSuffix(key, "/") {
		return nil, s.missing(key)
	}
	info, err := s.root.Lstat(key)
	switch {
	case absent(err):
		return nil, s.missing(key)
	case err != nil:
		return nil, s.failure("look at", key, err)
	case !info.Mode().IsRegular():
		return nil, s.missing(key)
	}
	return info, nil
}

// Put writes a temporary file and links it to its name.
func (s *store) Put(ctx context.Context, key string, body []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.temporary(key, body, func(temp string) error { return s.link(temp, key) })
}

// temporary writes and syncs a temporary file with what key shall hold, for use to put in its place. It is gone afterwards.
func (s *store) temporary(key string, body []byte, use func(temp string) error) error {
	temp := shortLived()
	defer func() { _ = s.root.Remove(temp) }() // what stays is swept
	f, err := s.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return s.failure("create", temp, err)
	}
	if err = s.disk.write(f, body, 0); err == nil {
		err = s.disk.sync(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return s.failure("write", key, err)
	}
	return use(temp)
}

func (s *store) missing(key string) error {
	return fmt.Errorf("%s in %s: %w", key, s.dir, chain.ErrMissing)
}

func (s *store) taken(key string) error {
	return fmt.Errorf("%s in %s: %w", key, s.dir, chain.ErrExists)
}

// full is a key as people know it.
func (s *store) full(key string) string { return filepath.Join(s.dir, filepath.FromSlash(key)) }

func (s *store) failure(doing, key string, err error) error {
	return failure(doing, s.full(key), s.dir, err)
}

// randomHex is n random bytes in hex.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand
	return hex.EncodeToString(b)
}
