package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// small mounts a file system of the given size. Where that isn't allowed, it reports false.
func small(t *testing.T, size string) (dir string, ok bool) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Logf("no file system of its own for this test: %v", err)
		return dir, false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, true
}

// noise makes rows that hardly compress, n KiB in all.
func noise(n int) []connectortest.R {
	var rs []connectortest.R
	for i := range n {
		var text []byte
		for k := range 16 {
			sum := sha256.Sum256(fmt.Append(nil, i, k))
			text = fmt.Appendf(text, "%x", sum)
		}
		rs = append(rs, connectortest.R{Value: fmt.Sprintf(`{"n":%d,"x":"%s"}`, i, text)})
	}
	return rs
}

// TestDiskFull: a write is tried again until there is space, and then every record is there once.
func TestDiskFull(t *testing.T) {
	c := DefaultConfig()
	c.Compression = "none"
	dir, mounted := small(t, "4m")
	c.Dir = dir
	s, d := open(t, c)
	ballast := filepath.Join(c.Dir, "ballast")
	if mounted {
		if err := os.WriteFile(ballast, make([]byte, 3<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	failed := 0
	a := &attempts{limit: 100}
	g := stageWith(t, s, func(ctx context.Context, what string, try func(context.Context) error) error {
		err := a.retry(ctx, what, func(ctx context.Context) error {
			err := try(ctx)
			if err == nil {
				return nil
			}
			checkFull(t, err, c.Dir)
			if failed++; failed == 3 && mounted {
				return errors.Join(err, os.Remove(ballast))
			}
			return err
		})
		return err
	})
	if !mounted {
		d.half = true
		d.writes = []error{nil, nil, syscall.ENOSPC, syscall.ENOSPC, syscall.ENOSPC}
	}
	add(t, g, noise(2000)...)
	for range 3 {
		if _, err := g.Commit(t.Context(), g.to(2000)); err == nil {
			break
		} else {
			checkFull(t, err, c.Dir)
		}
	}
	if failed != 3 {
		t.Errorf("%d writes failed", failed)
	}
	var all []byte
	for _, name := range visible(t, c.Dir) {
		all = append(all, expand(t, filepath.Join(c.Dir, name))...)
	}
	rows := bytes.Split(bytes.TrimSuffix(all, []byte("\n")), []byte("\n"))
	for i, row := range rows {
		if !bytes.HasPrefix(row, fmt.Appendf(nil, `{"n":%d,`, i)) || len(row) < 1024 {
			t.Fatalf("row %d is %.40q", i, row)
		}
	}
	if len(rows) != 2000 {
		t.Errorf("%d rows", len(rows))
	}
}

func checkFull(t *testing.T, err error, dir string) {
	t.Helper()
	if connector.ClassOf(err) != connector.Systemic || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	for _, want := range []string{"write " + dir, "no space left on device", "the file system of dir is full; dir: " + dir} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q doesn't say %q", err, want)
		}
	}
}

// TestFullAtTheEnd: an aborted range gives its space back.
func TestFullAtTheEnd(t *testing.T) {
	dir, mounted := small(t, "1m")
	c := DefaultConfig()
	c.Dir, c.Compression = dir, "none"
	s, d := open(t, c)
	g := stage(t, s, nil)
	if !mounted {
		d.writes = []error{syscall.ENOSPC}
	}
	b := connectortest.Batch(t, "cars", 0, noise(3000)...)
	_, err := g.Add(t.Context(), b)
	checkFull(t, err, dir)
	if err := g.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	g = stage(t, s, nil)
	add(t, g, noise(200)...)
	commit(t, g, 200)
	if n := len(visible(t, dir)); n != 1 {
		t.Errorf("%d files", n)
	}
}

// TestFileSizeLimit runs into a limit of the process (ulimit -f), above what the test itself logs.
func TestFileSizeLimit(t *testing.T) {
	c := config(t)
	c.Compression = "none"
	s, _ := open(t, c)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	g := stage(t, s, nil)
	b := connectortest.Batch(t, "cars", 0, noise(9000)...)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 8 << 20, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	_, err := g.Add(t.Context(), b)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if connector.ClassOf(err) != connector.Systemic || !strings.Contains(fmt.Sprint(err), "ulimit -f") {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	if err := g.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	if names := visible(t, c.Dir); len(names) > 0 {
		t.Errorf("visible: %q", names)
	}
}

func TestReadOnly(t *testing.T) {
	dir, mounted := small(t, "1m")
	c := DefaultConfig()
	c.Dir = dir
	if !mounted {
		t.Log("only the text of the error is checked")
		checkOpen(t, failure("create", dir, dir, syscall.EROFS), "read-only")
		return
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=1m"); err != nil {
		t.Fatal(err)
	}
	_, err := c.Open(t.Context())
	checkOpen(t, err, "read-only")
}

// TestAccessDenied: root may write everywhere, so the thread becomes somebody else for file systems.
func TestAccessDenied(t *testing.T) {
	c := config(t)
	done := make(chan error)
	if err := os.Chmod(c.Dir, 0o555); err != nil {
		t.Fatal(err)
	}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if os.Getuid() == 0 {
			if err := syscall.Setfsuid(65534); err != nil {
				done <- err
				return
			}
		}
		_, err := c.Open(t.Context())
		done <- err
	}()
	checkOpen(t, <-done, "permission denied (this user may not write there; dir: "+c.Dir+")")
}

func TestDirIsAFile(t *testing.T) {
	c := config(t)
	c.Dir = filepath.Join(c.Dir, "file")
	if err := os.WriteFile(c.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := c.Open(t.Context())
	checkOpen(t, err, "a file stands where a folder is needed")
	c.Dir = filepath.Join(c.Dir, "below")
	_, err = c.Open(t.Context())
	checkOpen(t, err, "a file stands where a folder is needed")
}

// TestLongDir: dir and path together may be longer than the system allows.
func TestLongDir(t *testing.T) {
	c := config(t)
	c.Dir = filepath.Join(c.Dir, strings.Repeat(strings.Repeat("d", 200)+"/", 25))
	_, err := c.Open(t.Context())
	checkOpen(t, err, "longer than the file system allows")
}

func checkOpen(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || connector.ClassOf(err) != connector.Systemic || !strings.Contains(err.Error(), want) {
		t.Errorf("class %v: %v; want %q", connector.ClassOf(err), err, want)
	}
}
