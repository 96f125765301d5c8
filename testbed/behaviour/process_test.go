//go:build testbed

package behaviour

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// millraceBinary is the command, built once for all tests of this package.
var millraceBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "millrace-bin-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "millrace")
	out, err := exec.Command("go", "build", "-o", path, "github.com/millrace/millrace/cmd/millrace").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the command: %w\n%s", err, out)
	}
	return path, nil
})

// TestMain removes the binary.
func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := millraceBinary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// A millraceProcess is a "millrace run" of a configuration.
type millraceProcess struct {
	t   *testing.T
	cmd *exec.Cmd
	log *millraceLog
}

// A millraceLog collects what a process logs.
type millraceLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *millraceLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *millraceLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startMillrace runs a configuration in a process of its own.
func startMillrace(t *testing.T, config string, flags ...string) *millraceProcess {
	t.Helper()
	binary, err := millraceBinary()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "millrace.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &millraceProcess{t: t, log: &millraceLog{}, cmd: exec.Command(binary, append([]string{"run", file, "--status", "1s"}, flags...)...)}
	p.cmd.Stderr = p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("log of the process, without most of its status lines:\n%s", lastLines(eventful(p.log.String()), 60))
		}
	})
	return p
}

// eventful is a log without the status lines that a status line follows.
func eventful(log string) string {
	var kept []string
	for line := range strings.Lines(log) {
		if n := len(kept); n > 0 && isStatus(line) && isStatus(kept[n-1]) {
			kept = kept[:n-1]
		}
		kept = append(kept, line)
	}
	return strings.Join(kept, "")
}

func isStatus(line string) bool {
	return strings.Contains(line, `"msg":"status"`) || strings.Contains(line, "msg=status")
}

func lastLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// stop asks the process to drain, and fails the test if it doesn't end well.
func (p *millraceProcess) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	timer := time.AfterFunc(60*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("the process ended with %v; log:\n%s", err, lastLines(p.log.String(), 20))
	}
}

// kill ends the process as kill -9 does.
func (p *millraceProcess) kill() {
	_ = p.cmd.Process.Kill()
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) && !strings.Contains(err.Error(), "already called") {
		p.t.Log(err)
	}
}
