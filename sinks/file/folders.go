package file

import (
	"errors"
	"io/fs"
	"path"
	"sync"
	"syscall"
)

// folders syncs the folders of a store. A file's name survives a crash of the machine when its folder was synced, and a
// folder's name when the folder above was. The zero value is ready for use, by any number of goroutines.
type folders struct {
	mu      sync.Mutex
	known   map[string]bool   // folders whose own names survive
	running map[string]*round // by folder
	waiting map[string]*round // that begin when those end
}

// A round is one sync of a folder, for all who asked before it began.
type round struct {
	done chan struct{}
	err  error
}

// maxKnown bounds what is remembered: with more folders than that, names are synced again.
const maxKnown = 100_000

// settle makes the name of a file survive, and those of the folders above it.
func (s *store) settle(key string) error {
	folder := path.Dir(key)
	if err := s.syncFolder(folder); err != nil {
		return err
	}
	for folder != "." && !s.names.has(folder) {
		above := path.Dir(folder)
		if err := s.syncFolder(above); err != nil {
			return err
		}
		s.names.learn(folder)
		folder = above
	}
	return nil
}

// makeFolder makes a folder and those above it. Their names survive after the next settle.
func (s *store) makeFolder(folder string) error {
	if err := s.root.MkdirAll(folder, 0o755); err != nil {
		return s.failure("create", folder, err)
	}
	s.names.forget(folder)
	return nil
}

// syncFolder syncs a folder. Several who ask at the same time are served by one sync that begins after they asked.
func (s *store) syncFolder(folder string) error {
	r, leads := s.names.join(folder)
	if !leads {
		<-r.done
		return r.err
	}
	r.err = s.syncOnce(folder)
	s.names.end(folder, r)
	return r.err
}

func (s *store) syncOnce(folder string) error {
	h, err := s.root.Open(folder)
	if err != nil {
		return s.failure("open", folder, err)
	}
	defer h.Close()
	if err := s.disk.syncDir(h); err != nil {
		return s.failure("sync", folder, err)
	}
	return nil
}

// join takes part in the next round. Who leads does the work, and ends the round.
func (f *folders) join(folder string) (r *round, leads bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.waiting[folder]; r != nil {
		return r, false
	}
	r = &round{done: make(chan struct{})}
	if before := f.running[folder]; before != nil {
		if f.waiting == nil {
			f.waiting = make(map[string]*round)
		}
		f.waiting[folder] = r
		f.mu.Unlock()
		<-before.done
		f.mu.Lock()
		delete(f.waiting, folder)
	}
	if f.running == nil {
		f.running = make(map[string]*round)
	}
	f.running[folder] = r
	return r, true
}

func (f *folders) end(folder string, r *round) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.running, folder)
	close(r.done)
}

func (f *folders) has(folder string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known[folder]
}

func (f *folders) learn(folder string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil || len(f.known) >= maxKnown {
		f.known = make(map[string]bool)
	}
	f.known[folder] = true
}

// forget forgets a folder and those above it, which were created anew.
func (f *folders) forget(folder string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ; folder != "."; folder = path.Dir(folder) {
		delete(f.known, folder)
	}
}

// absent reports whether there is no such file: no name, or a file stands where a folder would have to be.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
