//go:build testbed

package torture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/millrace/millrace/testbed"
)

// The disk of the file sink is full for a while: the sink says so and waits, what can be seen is whole, and all goes on when there is room.
func TestDiskFull(t *testing.T) {
	rounds := max(1, scale(t)/10)
	f := newFiles()
	r := newRig(t, options{fault: "DiskFull", sinks: []sink{f}, processes: 2, produceFor: time.Duration(rounds) * 15 * time.Second})
	disk := newSmallDisk(r, f.dir)
	r.startAll()
	for range rounds {
		time.Sleep(r.between(2*time.Second, 4*time.Second))
		disk.fill()
		testbed.WaitUntil(t, 30*time.Second, "a process that says that the disk is full", func() bool {
			return strings.Contains(r.runs[0].Tail(5)+r.runs[1].Tail(5), disk.says)
		})
		time.Sleep(r.between(2*time.Second, 4*time.Second))
		for _, name := range visibleFiles(t, f.dir) {
			if err := wholeGzip(name); err != nil {
				t.Errorf("while the disk is full, %s can be seen, and isn't whole: %v", name, err)
			}
		}
		disk.free()
	}
	r.finish(rounds)
}

// A smallDisk can be full: a file system of its own, or where none can be mounted, a limit of the size of the processes' files.
type smallDisk struct {
	r       *rig
	dir     string
	mounted bool
	says    string // what the sink says then
}

func newSmallDisk(r *rig, dir string) *smallDisk {
	r.t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		r.t.Fatal(err)
	}
	d := &smallDisk{r: r, dir: dir, says: "file too large"}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		r.t.Logf("no file system of its own: %v", err)
		return d
	}
	d.mounted, d.says = true, "no space left on device"
	r.t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			r.t.Error(err)
		}
	})
	return d
}

func (d *smallDisk) ballast() string { return filepath.Join(d.dir, ".millrace-tmp", "ballast") }

// fill leaves no room.
func (d *smallDisk) fill() {
	d.r.t.Helper()
	if !d.mounted {
		d.limit("16")
		return
	}
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		d.r.t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			d.r.t.Fatal(err)
		}
	}
}

func (d *smallDisk) free() {
	d.r.t.Helper()
	if !d.mounted {
		d.limit("unlimited")
	} else if err := os.Remove(d.ballast()); err != nil {
		d.r.t.Fatal(err)
	}
}

// limit sets RLIMIT_FSIZE of the processes' files: prlimit(1).
func (d *smallDisk) limit(bytes string) {
	d.r.t.Helper()
	for _, run := range d.r.runs {
		if out, err := exec.Command("prlimit", "--pid", fmt.Sprint(run.PID()), "--fsize="+bytes+":unlimited").CombinedOutput(); err != nil {
			d.r.t.Fatalf("%v: %s", err, out)
		}
	}
}

// visibleFiles are those that readers of the data see.
func visibleFiles(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".millrace-tmp" || d.Name() == "_millrace"):
			return filepath.SkipDir
		case !d.IsDir():
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func wholeGzip(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	_, err = z.WriteTo(discard{})
	return errors.Join(err, z.Close())
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
