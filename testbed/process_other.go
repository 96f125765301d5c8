//go:build !linux

package testbed

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// No numbers of signals: what can't be done elsewhere than on Linux answers "not supported".
const (
	sigStop = syscall.Signal(-1)
	sigCont = syscall.Signal(-2)
)

// Contain does nothing: without Linux's parent-death signal, services outlive a killed test.
func Contain(*exec.Cmd) {}

func frozen(int) bool { return true }

func signal(p *os.Process, sig syscall.Signal) error {
	if sig == sigStop || sig == sigCont {
		return errors.ErrUnsupported
	}
	return p.Signal(sig)
}
