package testbed

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

const (
	sigStop = syscall.SIGSTOP
	sigCont = syscall.SIGCONT
)

// Contain gives cmd a process group of its own: it ends with all that it has started, when its
// context ends or when this process dies, and doesn't hear the terminal's Ctrl-C.
func Contain(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if cmd.Cancel != nil { // made by exec.CommandContext
		cmd.Cancel = func() error { return signal(cmd.Process, syscall.SIGKILL) }
	}
}

// signal sends sig to the group of p.
func signal(p *os.Process, sig syscall.Signal) error {
	err := syscall.Kill(-p.Pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
