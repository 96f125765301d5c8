package file

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/millrace/millrace/internal/chain"
)

// TestPutIsSynced: a small file gets its name when it is on disk.
func TestPutIsSynced(t *testing.T) {
	d := &faults{syncs: []error{syscall.EIO}}
	s := openFolder(t, t.TempDir(), d)
	if err := s.Put(t.Context(), "a/b", []byte("x")); !errors.Is(err, syscall.EIO) {
		t.Errorf("%v", err)
	}
	if _, err := s.Get(t.Context(), "a/b"); !errors.Is(err, chain.ErrMissing) {
		t.Errorf("%v", err)
	}
	if err := s.Put(t.Context(), "a/b", []byte("x")); err != nil {
		t.Error(err)
	}
	if left := temporary(t, s.dir); len(left) > 0 {
		t.Errorf("%q", left)
	}
}

// TestReadNamesSurvive: the process that gave a name was killed before it could sync the folders. Whoever relies on it does.
func TestReadNamesSurvive(t *testing.T) {
	d := &faults{}
	s := openFolder(t, t.TempDir(), d)
	name := filepath.Join(s.dir, "a", "b", "c")
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	root := "sync " + filepath.Base(s.dir)
	for what, read := range map[string]func() error{
		"Get": func() error { _, err := s.Get(t.Context(), "a/b/c"); return err },
		"Look": func() error {
			_, err := s.Look(t.Context(), &chain.Object{Key: "a/b/c", Unique: true})
			return err
		},
	} {
		d.calls, s.names.known = nil, nil
		if err := read(); err != nil {
			t.Error(err)
		}
		if want := []string{"sync b", "sync a", "sync ."}; !slices.Equal(d.calls, want) && !slices.Equal(d.calls, append(want[:2:2], root)) {
			t.Errorf("%s: %q, want %q", what, d.calls, want)
		}
	}
}

// TestFoldersMadeAnew: somebody removed folders that are empty.
func TestFoldersMadeAnew(t *testing.T) {
	d := &faults{}
	s := openFolder(t, t.TempDir(), d)
	if err := s.Put(t.Context(), "a/b/c", []byte("x")); err != nil {
		t.Fatal(err)
	}
	d.calls = nil
	if err := s.Put(t.Context(), "a/b/d", []byte("x")); err != nil || slices.Contains(d.calls, "sync a") {
		t.Errorf("%q, %v", d.calls, err)
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "a")); err != nil {
		t.Fatal(err)
	}
	d.calls = nil
	if err := s.Put(t.Context(), "a/b/e", []byte("x")); err != nil || !slices.Contains(d.calls, "sync a") {
		t.Errorf("%q, %v", d.calls, err)
	}
}

// TestRounds: a sync serves those who asked before it began, and no others.
func TestRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f folders
		first, leads := f.join("a")
		if !leads {
			t.Fatal("nobody leads the first round")
		}
		var leaders, served atomic.Int64
		for range 5 {
			go func() {
				r, leads := f.join("a")
				if leads {
					leaders.Add(1)
					f.end("a", r)
				}
				<-r.done
				served.Add(1)
			}()
		}
		synctest.Wait()
		if n := served.Load(); n != 0 {
			t.Errorf("%d are served by a sync that had begun before", n)
		}
		f.end("a", first)
		synctest.Wait()
		if leaders.Load() != 1 || served.Load() != 5 {
			t.Errorf("%d syncs for %d who asked", leaders.Load(), served.Load())
		}
	})
}
