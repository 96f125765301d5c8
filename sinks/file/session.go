package file

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
)

// A session is a Sink's own folder of temporary files: DIR/.millrace-tmp/ID, beside ID.lock, which is locked for as
// long as the Sink is open. A folder whose lock can be had belongs to nobody.
type session struct {
	root *os.Root
	id   string
	lock *os.File
	last atomic.Int64
}

func openSession(root *os.Root) (*session, error) {
	if err := root.Mkdir(tempDir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	s := &session{root: root}
	for s.lock == nil {
		if err := s.claim(); err != nil {
			return nil, err
		}
	}
	err := root.Mkdir(s.folder(), 0o755)
	if err == nil {
		err = s.probe()
	}
	if err == nil {
		err = removeDead(root, s.id)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// claim creates a lock file and locks it. Another process, cleaning up, may have found the file between the two and
// removed it: then lock stays nil.
func (s *session) claim() error {
	s.id = randomHex(8)
	f, err := s.root.OpenFile(s.lockName(), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	free, err := tryLock(f)
	if err != nil {
		return errors.Join(err, f.Close(), s.root.Remove(s.lockName()))
	}
	if !free {
		return f.Close() // the other process is about to remove it
	}
	mine, err := f.Stat()
	if err == nil {
		var named fs.FileInfo
		if named, err = s.root.Stat(s.lockName()); err == nil && os.SameFile(mine, named) {
			s.lock = f
			return nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// probe finds out at once whether files here can be linked.
func (s *session) probe() error {
	from, to := s.next(), s.next()
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

// next is the name of a new temporary file.
func (s *session) next() string {
	return path.Join(s.folder(), strconv.FormatInt(s.last.Add(1), 10))
}

func (s *session) folder() string   { return path.Join(tempDir, s.id) }
func (s *session) lockName() string { return path.Join(tempDir, s.id+lockSuffix) }

func (s *session) close() error {
	// The lock file goes last: as long as it is there, somebody else can finish this.
	err := s.root.RemoveAll(s.folder())
	if err == nil {
		err = s.root.Remove(s.lockName())
	}
	return errors.Join(err, s.lock.Close())
}

const lockSuffix = ".lock"

// removeDead removes the temporary files of processes that are gone.
func removeDead(root *os.Root, own string) error {
	if !canLock {
		return nil
	}
	d, err := root.Open(tempDir)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		id, ok := strings.CutSuffix(name, lockSuffix)
		if !ok || id == own || len(id) != 16 {
			continue
		}
		if err := removeSession(root, id); err != nil {
			return err
		}
	}
	return nil
}

// removeSession removes a session whose lock nobody holds. Several processes may try at once.
func removeSession(root *os.Root, id string) error {
	name := path.Join(tempDir, id+lockSuffix)
	f, err := root.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil // another one was quicker; or it is another user's, who will clean up
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if free, err := tryLock(f); err != nil || !free {
		return err
	}
	if err := root.RemoveAll(path.Join(tempDir, id)); err != nil {
		return fmt.Errorf("remove what a process left that is gone: %w", err)
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// randomHex is n random bytes in hex.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand
	return hex.EncodeToString(b)
}
