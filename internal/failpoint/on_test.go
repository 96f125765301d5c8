//go:build failpoints

package failpoint

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const envReach = "MILLRACE_TEST_REACH"

// TestMain is the process that dies, if the environment says so.
func TestMain(m *testing.M) {
	if names := os.Getenv(envReach); names != "" {
		for name := range strings.SplitSeq(names, " ") {
			Here(name)
		}
		os.Exit(7)
	}
	os.Exit(m.Run())
}

// A process dies by SIGKILL at the call that is named, and the log tells each point until then.
func TestKilled(t *testing.T) {
	const names = "range.before link.put complete.after link.put offsets.after link.put"
	for _, c := range []struct {
		point string
		lines int
		dies  bool
	}{
		{"link.put:1", 2, true}, {"link.put:2", 4, true}, {"link.put:3", 6, true}, {"link.put:4", 6, false}, {"load.after:1", 6, false}, {"", 6, false},
	} {
		log := filepath.Join(t.TempDir(), "log")
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), envReach+"="+names, envPoint+"="+c.point, envLog+"="+log)
		exit, ok := errors.AsType[*exec.ExitError](cmd.Run())
		if !ok {
			t.Fatalf("%q: it ended well", c.point)
		}
		status, _ := exit.Sys().(syscall.WaitStatus)
		if died := status.Signaled() && status.Signal() == syscall.SIGKILL; died != c.dies || !died && status.ExitStatus() != 7 {
			t.Errorf("%q: it ended with %v", c.point, exit)
		}
		told, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Join(strings.Split(names, " ")[:c.lines], "\n") + "\n"; string(told) != want {
			t.Errorf("%q: the log is %q, want %q", c.point, told, want)
		}
	}
}

// A point that is nowhere is a mistake, not a run without faults.
func TestParse(t *testing.T) {
	for _, text := range []string{"link.putt:1", "link.put", "link.put:0", "link.put:x", ":1", "link.put:-1"} {
		if p, err := parse(text); err == nil {
			t.Errorf("%q is taken for %+v", text, p)
		}
	}
}
