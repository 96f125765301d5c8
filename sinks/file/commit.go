package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/lines"
)

// suffixLen is the length of the random text that tells writers apart, 8 hex digits.
const suffixLen = 8

// A file is one file of a range. It goes through these steps, each at most once: created (temp), written,
// sealed, linked, and at last its temporary name is removed.
type file struct {
	key    string // the path with position 0: equal for the records that go together
	name   string // below dir, without suffix and extension
	used   int64  // the last batch that had a record for it
	w      *lines.Writer
	temp   string   // its temporary name; "" before it is created
	handle *os.File // nil when it isn't open
	sealed bool     // complete and on disk
	linked string   // its final name; "" before it has one
}

// put writes p at the end of the file. Called again with the same p, it writes to the same place.
func (s *staged) put(f *file, p []byte) error {
	if err := s.openTemp(f); err != nil {
		return err
	}
	err := s.sink.disk.write(f.handle, p, f.w.Finished())
	if err != nil {
		err = s.failure("write", f, err)
	}
	if s.sink.handles.Load() > maxHandles {
		// The sync that follows later speaks for these bytes too: Linux keeps an error of writing back with the file, for
		// the next one who syncs it (since 4.16).
		s.release(f)
	}
	return err
}

func (s *staged) openTemp(f *file) error {
	if f.handle != nil {
		return nil
	}
	if f.temp != "" {
		h, err := s.sink.root.OpenFile(f.temp, os.O_WRONLY, 0)
		if err != nil {
			return s.gone(f, s.failure("open", f, err))
		}
		s.hold(f, h)
		return nil
	}
	name := s.sink.session.next()
	h, err := s.sink.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return failure("create", s.sink.full(name), s.sink.dir, err)
	}
	f.temp = name
	s.hold(f, h)
	return nil
}

func (s *staged) hold(f *file, h *os.File) {
	f.handle = h
	s.sink.handles.Add(1)
}

// release closes the file's handle. What close could report is what sync does report.
func (s *staged) release(f *file) {
	if f.handle != nil {
		_ = f.handle.Close()
		f.handle = nil
		s.sink.handles.Add(-1)
	}
}

// seal puts a file on disk that is complete. Once a sync has failed, the system may have dropped what it
// couldn't write, and the next sync would succeed: the range is lost then, and is read again.
func (s *staged) seal(f *file) error {
	if f.sealed {
		return nil
	}
	if err := s.openTemp(f); err != nil {
		return err
	}
	// A write that failed halfway may have left bytes beyond the end.
	if err := f.handle.Truncate(f.w.Finished()); err != nil {
		return s.failure("truncate", f, err)
	}
	if err := s.sink.disk.sync(f.handle); err != nil {
		return connector.Lost.Wrap(s.failure("sync", f, err))
	}
	s.release(f)
	f.sealed, f.w = true, nil
	return nil
}

// Commit seals the range's files and gives them their names.
func (s *staged) Commit(ctx context.Context, r connector.Range) (connector.Position, error) {
	for _, step := range []func(context.Context) error{s.writeRest, s.sealAll, s.linkAll, s.syncFolders} {
		if err := step(ctx); err != nil {
			return connector.Position{}, err
		}
	}
	for _, f := range s.files {
		_ = s.sink.root.Remove(f.temp) // what stays goes with the session
	}
	s.files, s.last, s.scratch = nil, nil, nil
	return connector.Position{At: s.at.At + 1, ReadFrom: r.Next}, nil
}

func (s *staged) writeRest(ctx context.Context) error {
	for _, f := range s.files {
		if f.sealed {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		p := f.w.Block(&s.scratch)
		if len(p) == 0 {
			continue
		}
		if err := s.put(f, p); err != nil {
			return err
		}
		f.w.Next(len(p), 0)
	}
	return nil
}

// sealAll syncs several files at a time: most of a sync is waiting, and file systems join what waits.
func (s *staged) sealAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, f := range s.files {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return s.seal(f)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	clear(s.open)
	return nil
}

func (s *staged) linkAll(ctx context.Context) error {
	for _, f := range s.files {
		if f.linked != "" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.link(f); err != nil {
			return err
		}
	}
	return nil
}

// link gives a file its name, one that doesn't exist yet.
func (s *staged) link(f *file) error {
	root := s.sink.root
	if dir := path.Dir(f.name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return failure("create", s.sink.full(dir), s.sink.dir, err)
		}
	}
	for {
		name := f.name + "-" + randomHex(suffixLen/2) + s.sink.extension
		err := s.sink.disk.link(root, f.temp, name)
		if errors.Is(err, fs.ErrExist) && !s.same(f.temp, name) {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return s.gone(f, failure("link", s.sink.full(name), s.sink.dir, err))
		}
		f.linked = name
		return nil
	}
}

// same: over a network a link may have been made although its reply was lost, and the system's own retry finds it.
func (s *staged) same(a, b string) bool {
	x, err := s.sink.root.Lstat(a)
	if err != nil {
		return false
	}
	y, err := s.sink.root.Lstat(b)
	return err == nil && os.SameFile(x, y)
}

// syncFolders makes the new names survive a crash of the machine: those of the files, and those of folders that
// may be new, up to dir.
func (s *staged) syncFolders(ctx context.Context) error {
	done := make(map[string]bool)
	for _, f := range s.files {
		for dir := path.Dir(f.linked); !done[dir]; dir = path.Dir(dir) {
			if err := ctx.Err(); err != nil {
				return err
			}
			h, err := s.sink.root.Open(dir)
			if err != nil {
				return failure("open", s.sink.full(dir), s.sink.dir, err)
			}
			err = s.sink.disk.syncDir(h)
			_ = h.Close()
			if err != nil {
				return connector.Lost.Wrap(failure("sync", s.sink.full(dir), s.sink.dir, err))
			}
			done[dir] = true
		}
	}
	return nil
}

// Abort removes the temporary files.
func (s *staged) Abort(context.Context) error {
	var failed error
	for _, f := range s.files {
		s.release(f)
		if f.temp == "" {
			continue
		}
		if err := s.sink.root.Remove(f.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, s.failure("remove", f, err))
		}
	}
	clear(s.open)
	s.files, s.last, s.scratch = nil, nil, nil
	return failed
}

func (s *staged) failure(doing string, f *file, err error) error {
	return failure(doing, s.sink.full(f.temp), s.sink.dir, err)
}

// gone makes err one of class Lost if somebody removed the temporary file: its range has to be read again.
func (s *staged) gone(f *file, err error) error {
	if _, missing := s.sink.root.Lstat(f.temp); errors.Is(missing, fs.ErrNotExist) {
		return connector.Lost.Wrap(err)
	}
	return err
}
