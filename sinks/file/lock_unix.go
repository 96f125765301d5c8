//go:build unix

package file

import (
	"errors"
	"os"
	"syscall"
)

const canLock = true

// tryLock locks f until it is closed or the process ends. It reports whether nobody else has. The
// lock belongs to this opening of the file: two Sinks of one process exclude each other.
func tryLock(f *os.File) (bool, error) {
	c, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var locked error
	if err := c.Control(func(fd uintptr) { locked = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) }); err != nil {
		return false, err
	}
	if errors.Is(locked, syscall.EWOULDBLOCK) {
		return false, nil
	}
	if locked != nil {
		return false, &os.PathError{Op: "flock", Path: f.Name(), Err: locked}
	}
	return true, nil
}
