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
	s, err := crashConfig(os.Getenv(crashDir)).Open(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	n, _ := strconv.ParseInt(os.Getenv(crashStep), 10, 64)
	d := &mortal{}
	d.left.Store(n)
	s.disk = d
	g, _ := s.Stage(context.Background(), connector.Partition{Topic: "cars"}, connector.Position{}, (&attempts{}).retry)
	b := connectortest.Batch(fatal{}, "cars", 0, crashRecords()...)
	if _, err := g.Add(context.Background(), b); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := g.Commit(context.Background(), connector.Range{Next: crashPaths * crashRows}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("committed")
}

// fatal is a testing.TB for a process that isn't a test.
type fatal struct{ testing.TB }

func (fatal) Helper()               {}
func (fatal) Fatal(a ...any)        { panic(fmt.Sprint(a...)) }
func (fatal) Fatalf(string, ...any) { panic("failed") }

// TestKill kills a process at each of its steps. The next one finds complete files only, removes what the first
// left, and after it has read the range again every record is there.
func TestKill(t *testing.T) {
	steps := 4*crashPaths + 1 // write, sync and link of each file, sync of each folder and of dir
	for step := 1; step <= steps+1; step++ {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashDir+"="+dir, crashStep+"="+strconv.Itoa(step))
		out, err := cmd.CombinedOutput()
		exit, killed := errors.AsType[*exec.ExitError](err)
		if killed {
			status, ok := exit.Sys().(syscall.WaitStatus)
			killed = ok && status.Signal() == syscall.SIGKILL
		}
		if last := step > steps; killed == last || strings.Contains(string(out), "committed") != last {
			t.Fatalf("step %d: %v: %s", step, err, out)
		}
		before := 0
		for name, rows := range contents(t, dir) {
			if before++; len(rows) != crashRows {
				t.Errorf("step %d: %s is visible with %d rows", step, name, len(rows))
			}
		}
		if links := min(max(0, step-1-2*crashPaths), crashPaths); before != links {
			t.Errorf("step %d: %d files are visible, want %d", step, before, links)
		}
		s, _ := open(t, crashConfig(dir))
		if left, err := filepath.Glob(filepath.Join(dir, tempDir, "*")); err != nil || len(left) != 2 {
			t.Errorf("step %d: the dead process left %q, %v", step, left, err)
		}
		g := stage(t, s, nil)
		add(t, g, crashRecords()...)
		commit(t, g, crashPaths*crashRows)
		var all []byte
		for _, name := range visible(t, dir) {
			all = append(all, expand(t, filepath.Join(dir, name))...)
		}
		rows := bytes.Fields(all)
		seen := map[string]bool{}
		for _, row := range rows {
			seen[string(row)] = true
		}
		if len(seen) != crashPaths*crashRows || len(rows) != crashRows*(crashPaths+before) {
			t.Errorf("step %d: %d rows, %d different ones", step, len(rows), len(seen))
		}
	}
}

// TestLiveSessions: a process that starts removes nothing of those that run.
func TestLiveSessions(t *testing.T) {
	c := config(t)
	c.Rotate.Records = 1
	first, _ := open(t, c)
	g := stage(t, first, nil)
	add(t, g, connectortest.R{Value: "1"})
	for range 3 {
		open(t, c)
	}
	if n := len(temporary(t, c.Dir)); n != 1 {
		t.Fatalf("%d temporary files", n)
	}
	commit(t, g, 1)
	if n := len(visible(t, c.Dir)); n != 1 {
		t.Errorf("%d files", n)
	}
}

// TestSessionsStartTogether: they clean up while others begin.
func TestSessionsStartTogether(t *testing.T) {
	c := config(t)
	errs := make(chan error)
	for range 8 {
		go func() {
			for range 10 {
				s, err := c.Open(context.Background())
				if err == nil {
					_, err = s.root.Stat(s.session.folder())
					err = errors.Join(err, s.Close())
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(c.Dir, tempDir)); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}
