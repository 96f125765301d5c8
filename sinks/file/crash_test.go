package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// The environment of a process that kills itself at a step.
const (
	crashDir  = "MILLRACE_TEST_CRASH_DIR"
	crashStep = "MILLRACE_TEST_CRASH_STEP"
)

// mortal is a disk that kills the process at the n-th step, with nothing cleaned up.
type mortal struct {
	systemDisk
	left atomic.Int64
}

func (d *mortal) step() {
	if d.left.Add(-1) == 0 {
		if p, err := os.FindProcess(os.Getpid()); err == nil {
			_ = p.Kill()
		}
		select {}
	}
}

func (d *mortal) write(f *os.File, p []byte, at int64) error {
	d.step()
	return d.systemDisk.write(f, p, at)
}

func (d *mortal) sync(f *os.File) error {
	d.step()
	return d.systemDisk.sync(f)
}

func (d *mortal) syncDir(f *os.File) error {
	d.step()
	return d.systemDisk.syncDir(f)
}

func (d *mortal) link(root *os.Root, from, to string) error {
	d.step()
	return d.systemDisk.link(root, from, to)
}

const crashPaths, crashRows = 4, 5

func crashConfig(dir string) Config {
	c := DefaultConfig()
	c.Dir, c.Path = dir, "{key}/"
	return c
}

func crashRecords() []connectortest.R {
	var rs []connectortest.R
	for i := range crashPaths * crashRows {
		rs = append(rs, connectortest.R{Key: fmt.Sprint(i % crashPaths), Value: fmt.Sprint(i)})
	}
	return rs
}

// crash is the process that dies. It reports on its standard output how far it came.
func crash() {
	d := &mortal{}
	n, _ := strconv.ParseInt(os.Getenv(crashStep), 10, 64)
	d.left.Store(n)
	if err := write(context.Background(), fatal{}, os.Getenv(crashDir), d); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("committed")
}

// write is what a process does that gets the partition: it goes on where the chain ends, and commits what is missing.
func write(ctx context.Context, t testing.TB, dir string, d disk) error {
	s, err := crashConfig(dir).open(ctx, d)
	if err != nil {
		return err
	}
	defer s.Close()
	at, err := s.Recover(ctx, assignment())
	if err != nil || at.ReadFrom == crashPaths*crashRows {
		return err
	}
	if at.ReadFrom != 0 {
		return fmt.Errorf("the chain ends at %d", at.ReadFrom)
	}
	g, err := s.Stage(ctx, connector.Partition{Topic: "cars"}, at, (&attempts{}).retry)
	if err != nil {
		return err
	}
	if _, err := g.Add(ctx, connectortest.Batch(t, "cars", 0, crashRecords()...)); err != nil {
		return err
	}
	_, err = g.Commit(ctx, ranging{g, at}.to(crashPaths*crashRows))
	return err
}

// fatal is a testing.TB for a process that isn't a test.
type fatal struct{ testing.TB }

func (fatal) Helper()               {}
func (fatal) Fatal(a ...any)        { panic(fmt.Sprint(a...)) }
func (fatal) Fatalf(string, ...any) { panic("failed") }

// TestKill kills a process at each of its steps. The next one finds complete files only, and goes on: then every record is
// there once. It drops what nobody will complete, and no temporary file is left but one of a call that was cut off.
func TestKill(t *testing.T) {
	for step := 1; ; step++ {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashDir+"="+dir, crashStep+"="+strconv.Itoa(step))
		out, err := cmd.CombinedOutput()
		exit, killed := errors.AsType[*exec.ExitError](err)
		if killed {
			status, ok := exit.Sys().(syscall.WaitStatus)
			killed = ok && status.Signal() == syscall.SIGKILL
		}
		if killed == strings.Contains(string(out), "committed") {
			t.Fatalf("step %d: %v: %s", step, err, out)
		}
		for name, rows := range contents(t, dir) {
			if len(rows) != crashRows {
				t.Errorf("step %d: %s is visible with %d rows", step, name, len(rows))
			}
		}
		for range 2 { // the second one drops what the first made superfluous
			if err := write(t.Context(), t, dir, systemDisk{}); err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
		}
		onceEach(t, dir, step)
		if !killed {
			// Of each link, of which there are three, and each file: at least a write, syncs and a link.
			if least := 3*(3+crashPaths) + 1; step < least {
				t.Errorf("the process had %d steps, want at least %d", step, least)
			}
			return
		}
	}
}

func onceEach(t *testing.T, dir string, step int) {
	t.Helper()
	var all []byte
	for _, name := range visible(t, dir) {
		all = append(all, expand(t, filepath.Join(dir, name))...)
	}
	rows := bytes.Fields(all)
	seen := map[string]bool{}
	for _, row := range rows {
		seen[string(row)] = true
	}
	if len(seen) != crashPaths*crashRows || len(rows) != crashPaths*crashRows {
		t.Errorf("step %d: %d rows, %d different ones", step, len(rows), len(seen))
	}
	for _, name := range temporary(t, dir) {
		if !strings.HasPrefix(filepath.Base(name), shortPrefix) {
			t.Errorf("step %d: %s is left", step, name)
		}
	}
}

// TestStagedFilesStay: a process that starts removes nothing that others may complete.
func TestStagedFilesStay(t *testing.T) {
	c := config(t)
	c.Rotate.Records = 1
	first, _ := open(t, c)
	g := stage(t, first, nil)
	add(t, g, connectortest.R{Value: "1"})
	for range 3 {
		s, _ := open(t, c)
		stage(t, s, nil)
	}
	if n := len(temporary(t, c.Dir)); n != 1 {
		t.Fatalf("%d temporary files", n)
	}
	commit(t, g, 1)
	if n := len(visible(t, c.Dir)); n != 1 {
		t.Errorf("%d files", n)
	}
}

// TestLeftovers: temporary files of calls that were cut off go after a day.
func TestLeftovers(t *testing.T) {
	c := config(t)
	first, _ := open(t, c)
	stage(t, first, nil)
	old, young := filepath.Join(c.Dir, tempDir, shortPrefix+"1"), filepath.Join(c.Dir, tempDir, shortPrefix+"2")
	day := time.Now().Add(-25 * time.Hour)
	if err := errors.Join(os.WriteFile(old, nil, 0o600), os.WriteFile(young, nil, 0o600), os.Chtimes(old, day, day)); err != nil {
		t.Fatal(err)
	}
	open(t, c)
	if left := temporary(t, c.Dir); len(left) != 1 || left[0] != young {
		t.Errorf("%q", left)
	}
}
