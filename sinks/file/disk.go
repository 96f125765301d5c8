package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/millrace/millrace/connector"
)

// A disk is what a store asks of the file system and what can fail halfway. Tests put faults here.
type disk interface {
	write(f *os.File, p []byte, at int64) error
	sync(f *os.File) error    // of a file
	syncDir(f *os.File) error // makes the names in a folder survive a crash
	link(root *os.Root, from, to string) error
}

type systemDisk struct{}

func (systemDisk) write(f *os.File, p []byte, at int64) error {
	_, err := f.WriteAt(p, at)
	return err
}

func (systemDisk) sync(f *os.File) error { return f.Sync() }

func (systemDisk) link(root *os.Root, from, to string) error { return root.Link(from, to) }

// syncDir: file systems that can't sync a folder say EINVAL.
func (systemDisk) syncDir(f *os.File) error {
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// hints say what a person can do, by what the system says.
var hints = []struct {
	errno syscall.Errno
	hint  string
}{
	{syscall.ENOSPC, "the file system of dir is full"},
	{syscall.EDQUOT, "the disk quota for dir is used up"},
	{syscall.EROFS, "the file system of dir is read-only"},
	{syscall.EACCES, "this user may not write there"},
	{syscall.EPERM, "this user may not write there, or the file system has no hard links"},
	{syscall.EFBIG, "the file is larger than the process or the file system allows; see ulimit -f and rotate.size"},
	{syscall.EXDEV, "all of dir must lie in one file system"},
	{syscall.ENOTSUP, "the file system of dir has no hard links"},
	{syscall.ENOSYS, "the file system of dir has no hard links"},
	{syscall.ENOTDIR, "a file stands where a folder is needed"},
	{syscall.EISDIR, "a folder stands where a file is needed"},
	{syscall.ENAMETOOLONG, "dir and path together are longer than the file system allows"},
	{syscall.ELOOP, "a chain of symbolic links doesn't end"},
	{syscall.EMLINK, "the folder has as many entries as the file system allows"},
	{syscall.EINVAL, "the file system refuses this"},
}

// failure describes an error of the file system by what was done to which file, and says which setting is
// concerned. What only a person can change is Systemic.
func failure(doing, name, dir string, err error) error {
	if err == nil {
		return nil
	}
	class := connector.ClassOf(err)
	hint := ""
	for _, h := range hints {
		if errors.Is(err, h.errno) {
			class, hint = connector.Systemic, h.hint+"; "
			break
		}
	}
	// The package os has put its own names around the reason.
	var reason error = err
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		reason = p.Err
	} else if l, ok := errors.AsType[*os.LinkError](err); ok {
		reason = l.Err
	}
	return class.Wrap(fmt.Errorf("%s %s: %w (%sdir: %s)", doing, name, reason, hint, dir))
}
