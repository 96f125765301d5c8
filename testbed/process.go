package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const startTimeout = 2 * time.Minute

// A Process is a service's process, of a test that may stop it. Its methods
// are called by one goroutine.
type Process struct {
	Name string // "kafka-1"
	Addr string // host and port that clients use; may be empty
	Log  string // path of the file with all that it printed

	argv  []string
	env   []string     // besides this process's own
	ready string       // what it prints when it takes connections, or is about to
	mend  func() error // what to do to its data before each start; may be nil
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
}

// Start starts the process, and again after Kill or Stop, with the same data and address. It returns when the service is ready.
func (p *Process) Start(ctx context.Context) error {
	if p.running() {
		return fmt.Errorf("start %s: it runs already", p.Name)
	}
	if p.mend != nil {
		if err := p.mend(); err != nil {
			return fmt.Errorf("start %s: %w", p.Name, err)
		}
	}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	defer log.Close()
	before, err := log.Stat()
	if err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	p.cmd = exec.Command(p.argv[0], p.argv[1:]...)
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	Contain(p.cmd)
	if err := p.fork(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	if err := p.wait(ctx, before.Size()); err != nil {
		p.Kill()
		return fmt.Errorf("start %s: %w; the end of %s:\n%s", p.Name, err, p.Log, tail(p.Log, 20))
	}
	return nil
}

// fork starts cmd from a thread that stays until cmd has ended, because the kernel
// kills a child with Pdeathsig when the thread that started it ends.
func (p *Process) fork() error {
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in its log
			close(ended)
		}
	}()
	err := <-started
	if err == nil {
		p.ended = ended
	}
	return err
}

// wait returns when the log holds the ready line behind its first skip bytes, and Addr, if it has one, takes connections.
func (p *Process) wait(ctx context.Context, skip int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not ready within %v", startTimeout))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		log, err := os.ReadFile(p.Log)
		if err != nil {
			return err
		}
		if bytes.Contains(log[skip:], []byte(p.ready)) && (p.Addr == "" || answers(p.Addr)) {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.ended:
			return fmt.Errorf("it ended at once: %s", p.cmd.ProcessState)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func answers(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// Kill ends the process and all that it started at once, as kill -9 does, and returns when it is gone.
func (p *Process) Kill() {
	if p.running() {
		_ = signal(p.cmd.Process, syscall.SIGKILL) // fails only where it has just ended
		<-p.ended
	}
}

// Stop asks the process to shut down in good order, and kills it if it hasn't when ctx ends.
func (p *Process) Stop(ctx context.Context) error {
	if !p.running() {
		return nil
	}
	if err := signal(p.cmd.Process, syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.Name, err)
	}
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("stop %s: killed: %w", p.Name, context.Cause(ctx))
	}
}

// Pause freezes the process, and returns when it is frozen: its connections stay open and nothing answers.
func (p *Process) Pause() error {
	if err := signal(p.cmd.Process, sigStop); err != nil {
		return fmt.Errorf("pause %s: %w", p.Name, err)
	}
	tick := time.NewTicker(time.Millisecond) // a thread that runs on another processor hears of it later
	defer tick.Stop()
	for !frozen(p.cmd.Process.Pid) {
		select {
		case <-tick.C:
		case <-p.ended:
			return fmt.Errorf("pause %s: it has ended", p.Name)
		}
	}
	return nil
}

// Continue lets a paused process go on.
func (p *Process) Continue() error {
	if err := signal(p.cmd.Process, sigCont); err != nil {
		return fmt.Errorf("continue %s: %w", p.Name, err)
	}
	return nil
}

func (p *Process) running() bool {
	if p.ended == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// startAll starts the processes side by side. After an error none of them runs.
func startAll(ctx context.Context, ps []*Process) error {
	errs := make([]error, len(ps))
	done := make(chan struct{})
	for i, p := range ps {
		go func() {
			errs[i] = p.Start(ctx)
			done <- struct{}{}
		}()
	}
	for range ps {
		<-done
	}
	err := errors.Join(errs...)
	if err != nil {
		killAll(ps)
	}
	return err
}

func killAll(ps []*Process) {
	for _, p := range ps {
		p.Kill()
	}
}

// tail returns the last n lines of a file, indented.
func tail(path string, n int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "    " + err.Error()
	}
	return lastLines(data, n)
}

// lastLines are the last n lines of a text, indented.
func lastLines(text []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return "    " + strings.Join(lines[max(0, len(lines)-n):], "\n    ")
}
