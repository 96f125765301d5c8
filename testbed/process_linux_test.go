package testbed

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is its own test program: with this variable it prints lines, starts a child, and waits.
const asProgram = "MILLRACE_TESTBED_PROGRAM"

func TestMain(m *testing.M) {
	switch os.Getenv(asProgram) {
	case "":
		os.Exit(m.Run())
	case "service":
		os.Stdout.WriteString("take care\nready to serve\n")
		select {}
	case "fails":
		os.Stdout.WriteString("the port is taken\n")
		os.Exit(3)
	case "parent":
		p := program("service", os.Getenv("TMPDIR"))
		if err := p.Start(context.Background()); err != nil {
			panic(err)
		}
		os.Stdout.WriteString(strconv.Itoa(p.cmd.Process.Pid) + "\n")
		select {}
	}
}

func program(name, dir string) *Process {
	return &Process{Name: name, Log: filepath.Join(dir, name+".log"),
		argv: []string{"env", asProgram + "=" + name, os.Args[0]}, ready: "ready to serve"}
}

func TestProcess(t *testing.T) {
	p := program("service", t.TempDir())
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	if err := p.Start(t.Context()); err == nil {
		t.Error("started twice")
	}
	if err := p.Pause(); err != nil {
		t.Error(err)
	}
	if !frozen(p.cmd.Process.Pid) {
		t.Error("it runs after Pause")
	}
	if err := p.Continue(); err != nil {
		t.Error(err)
	}
	first := p.cmd.Process.Pid
	p.Kill()
	if alive(first) {
		t.Error("it runs after Kill")
	}
	if err := p.Pause(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("pause of a killed process: %v", err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatalf("again: %v", err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("stop of a stopped process: %v", err)
	}
}

// A service that doesn't start says what it printed.
func TestProcessFails(t *testing.T) {
	err := program("fails", t.TempDir()).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("error %v", err)
	}
}

// Some services say that they are ready before they listen.
func TestProcessListens(t *testing.T) {
	p := program("service", t.TempDir())
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	p.Addr = local(ports[0]) // nothing will listen there
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := p.Start(ctx); !errors.Is(err, context.DeadlineExceeded) {
		p.Kill()
		t.Errorf("error %v", err)
	}
}

// Services end with a test that is killed.
func TestProcessEndsWithItsParent(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), asProgram+"=parent", "TMPDIR="+t.TempDir())
	parent.Stderr = os.Stderr
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Fatal("the service doesn't run")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	eventually(t, ctx, "the service's end", func() error {
		if alive(pid) {
			return errors.New("it still runs")
		}
		return nil
	})
}

// alive tells whether a process runs; one that has ended and that nobody has waited for doesn't.
func alive(pid int) bool {
	if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
		_, state, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(state, "Z")
	}
	return syscall.Kill(pid, 0) == nil
}
