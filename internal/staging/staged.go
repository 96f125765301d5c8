package staging

import (
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/template"
)

// maxObjects is how many files a commit takes without being late: completing 1,000 needs some seconds in S3.
const maxObjects = 1000

// staged is a range of one partition.
type staged struct {
	writing
	paths   map[place]*file    // still growing
	files   []*file            // all, in the order of their first records
	full    []*file            // to be closed with the batch that filled them
	last    *file              // that of the last record, if it was written and the file is still growing
	path    *template.Template // of the last record
	run     template.Run       // of path
	batches int64
	turned  int  // files that were closed because the columns changed
	crowded bool // files were closed because too many grew

	key []byte
	ext *chain.Extension // once the link is built
}

// A place is what files are told apart by while they grow: their path at position 0, and the group of their columns.
type place struct{ path, group string }

// Add encodes records into the files of their paths.
func (s *staged) Add(ctx context.Context, b *connector.Batch) (connector.Size, error) {
	s.batches++
	if wait, err := s.learn(ctx, b); err != nil || wait > 0 {
		size := s.size()
		size.Within = wait
		return size, err
	}
	for i, r := range b.Records() {
		if err := s.add(ctx, b, i, r); err != nil {
			return connector.Size{}, err
		}
	}
	for _, f := range s.full {
		if err := s.finish(ctx, f); err != nil {
			return connector.Size{}, err
		}
	}
	s.full = s.full[:0]
	if err := s.shrink(ctx); err != nil {
		return connector.Size{}, err
	}
	return s.size(), nil
}

// add encodes one record. Its own mistakes are marked; an error means that the range can't go on.
func (s *staged) add(ctx context.Context, b *connector.Batch, i int, r *connector.Record) error {
	x, err := s.rowOf(b, i, r)
	if err != nil {
		b.Fail(i, err)
		return nil
	}
	f, err := s.fileOf(ctx, b, i, r.Offset, &x)
	if err != nil {
		if connector.ClassOf(err) == connector.Permanent {
			b.Fail(i, err)
			return nil
		}
		return err
	}
	before := f.rows.Held()
	if err := f.rows.Add(x.value); err != nil {
		b.Fail(i, connector.Permanent.Errorf("write the value as a row of format %s: %w", s.o.Format.Name, err))
		return nil
	}
	s.raw += f.rows.Held() - before
	if f.rows.Rows() == 1 {
		s.paths[f.place()] = f
		s.files = append(s.files, f)
		s.open.Add(1)
	}
	f.object.Last, f.columns = r.Offset, x.columns
	s.last, f.used = f, s.batches
	if limit := s.limit(); f.rows.Pending() >= limit {
		s.pack(f, 0) // what isn't compressed yet may be much smaller
		if f.rows.Pending() >= limit {
			if err := s.block(ctx, f, 2*limit); err != nil {
				return err
			}
		}
	}
	s.measure(f)
	return nil
}

// overshoot is the part of its size that a file may have more: it is closed with the batch that filled it, because the rest of
// the batch would begin a file that the commit closes at once.
const overshoot = 8

// measure finds out whether f is full.
func (s *staged) measure(f *file) {
	size, rows := s.o.Rotation.Size, s.o.Rotation.Records
	counted := rows > 0 && f.rows.Rows() >= rows
	is := f.size()
	f.over = counted || is >= size+size/overshoot
	if !f.full && (counted || is >= size) {
		f.full = true
		s.full = append(s.full, f)
	}
}

// fileOf is the file that the record's row goes to: an open one, or one that isn't in paths yet.
func (s *staged) fileOf(ctx context.Context, b *connector.Batch, i int, offset int64, x *row) (*file, error) {
	path, err := s.pathOf(b, i)
	if err != nil {
		return nil, err
	}
	if path != s.path {
		s.path, s.run, s.last = path, template.Run{}, nil
	}
	if path.Same(&s.run, b, i) && s.last != nil && !s.last.ended(offset) && x.fits(s.last, &s.o.Format) {
		return s.last, nil
	}
	last := s.last
	s.last = nil // until this record is written
	if s.key, err = path.Append(s.key[:0], b, i, 0); err != nil {
		return nil, err
	}
	f := last
	if f == nil || f.object.Path != string(s.key) || f.group != x.group {
		f = s.paths[place{string(s.key), x.group}]
	}
	if f != nil && (f.ended(offset) || !x.fits(f, &s.o.Format)) {
		if !f.full {
			s.turned++
		}
		if err := s.finish(ctx, f); err != nil {
			return nil, err
		}
		f = nil
	}
	if f != nil {
		return f, nil
	}
	return s.begin(ctx, b, i, offset, x)
}

// ended reports whether a record goes to another file, because this one is more than full. What one record gives
// for a path is never split over two files: each file says which offsets it holds.
func (f *file) ended(offset int64) bool { return f.over && offset != f.object.Last }

// begin makes the file of the path in s.key.
func (s *staged) begin(ctx context.Context, b *connector.Batch, i int, offset int64, x *row) (*file, error) {
	key := string(s.key)
	name := key
	if s.path.PerFile() {
		var err error
		if s.key, err = s.path.Append(s.key[:0], b, i, offset); err != nil {
			return nil, err
		}
		name = string(s.key)
	}
	if err := s.checkName(name); err != nil {
		return nil, err
	}
	if len(s.paths) >= s.o.MaxOpen {
		if err := s.finishIdle(ctx, offset); err != nil {
			return nil, err
		}
	}
	rows, err := s.o.Format.New(x.columns)
	if err != nil {
		return nil, connector.Permanent.Errorf("begin a file of format %s: %w", s.o.Format.Name, err)
	}
	return &file{object: chain.Object{Path: key, First: offset, Last: offset}, name: name, columns: x.columns, group: x.group, late: s.path != s.o.Path.Template, rows: rows}, nil
}

// limit is the length at which a block is finished.
func (s *staged) limit() int64 {
	b := &s.o.Format.Blocks
	return max(min(b.Size, s.share(), s.o.Rotation.Size/max(b.Share, 1)), b.Least)
}

// share is what an open file may hold of the memory for all.
func (s *staged) share() int64 { return s.o.Format.Blocks.Budget / max(1, s.open.Load()) }

// shrink packs or finishes the blocks that became too long because files were opened since, here or in other partitions.
func (s *staged) shrink(ctx context.Context) error {
	share := s.share()
	if s.raw <= 2*share*int64(len(s.paths)) {
		return nil
	}
	for _, f := range s.paths {
		if f.raw() <= 2*share {
			continue
		}
		s.pack(f, share)
		if f.raw() > 2*s.limit() {
			if err := s.block(ctx, f, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *staged) pack(f *file, most int64) {
	raw := f.raw()
	f.rows.Pack(most)
	s.raw += f.raw() - raw
}

// finishIdle closes the half of the open files that were idle longest, but for those of the record itself.
func (s *staged) finishIdle(ctx context.Context, offset int64) error {
	s.crowded = true
	idle := make([]*file, 0, len(s.paths))
	for _, f := range s.paths {
		if f.object.Last != offset {
			idle = append(idle, f)
		}
	}
	slices.SortFunc(idle, func(a, b *file) int { return int(a.used - b.used) })
	for _, f := range idle[:(len(idle)+1)/2] {
		if err := s.finish(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// finish closes a file that gets no more records; it waits for the commit.
func (s *staged) finish(ctx context.Context, f *file) error {
	if f.rows == nil {
		return nil
	}
	raw, waiting := f.raw(), f.waiting
	s.writing.close(f)
	s.raw -= raw
	s.waiting += f.waiting - waiting
	delete(s.paths, f.place())
	s.open.Add(-1)
	if s.last == f {
		s.last = nil
	}
	if s.o.PartSize == 0 || f.waiting > smallRest {
		return s.sendNow(ctx, f)
	}
	return nil
}

func (s *staged) size() connector.Size {
	n := len(s.files)
	full := n - len(s.paths)
	if full == s.turned {
		full = 0 // new columns alone are no reason to commit: what has just begun would be a small file too
	}
	size := connector.Size{
		Buffered: s.raw + s.waiting + int64(n)*fileCost,
		Open:     n - full, Full: full,
		Due: n > max(maxObjects, s.o.MaxOpen),
	}
	if s.crowded {
		size.Note = fmt.Sprintf("path %q leads to more than %d files at a time (max_open_files): those that were idle longest are closed early, which makes small files",
			s.o.Path.Text(), s.o.MaxOpen)
	}
	return size
}
