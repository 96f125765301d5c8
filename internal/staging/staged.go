package staging

import (
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/internal/template"
)

const (
	// largestBlock is where a file's block is compressed. Longer ones make files
	// hardly smaller: with 64 KiB gzip needs 2 % more than with 1 MiB, zstd none.
	largestBlock = 256 << 10
	// smallestBlock is what a block shrinks to when many files are open.
	smallestBlock = 4 << 10
	// blockBudget is what the open blocks of all of a Stager's files may hold together, unless smallestBlock needs more.
	blockBudget = 32 << 20
	// maxObjects is how many files a commit takes without being late: completing 1,000 needs some seconds in S3.
	maxObjects = 1000
)

// staged is a range of one partition.
type staged struct {
	writing
	paths   map[string]*file // still growing, by their path at position 0
	files   []*file          // all, in the order of their first records
	full    []*file          // to be closed with the batch that filled them
	last    *file            // that of the last record, if it was written and the file is still growing
	run     template.Run
	batches int64
	crowded bool // files were closed because too many grew

	key []byte
	ext *chain.Extension // once the link is built
}

// Add encodes records into the files of their paths.
func (s *staged) Add(ctx context.Context, b *connector.Batch) (connector.Size, error) {
	s.batches++
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
	f, err := s.fileOf(ctx, b, i, r.Offset)
	if err != nil {
		if connector.ClassOf(err) == connector.Permanent {
			b.Fail(i, err)
			return nil
		}
		return err
	}
	before := f.rows.Held()
	if err := f.rows.Add(r.Value); err != nil {
		b.Fail(i, connector.Permanent.Errorf("write the value as a line of format %s: %w", s.o.Format, err))
		return nil
	}
	s.raw += f.rows.Held() - before
	if f.rows.Rows() == 1 {
		s.paths[f.object.Path] = f
		s.files = append(s.files, f)
		s.open.Add(1)
	}
	f.object.Last = r.Offset
	s.last, f.used = f, s.batches
	if limit := s.limit(); f.rows.Pending() >= limit {
		if err := s.block(ctx, f, 2*limit); err != nil {
			return err
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
	f.over = counted || f.object.Size >= size+size/overshoot
	if !f.full && (counted || f.object.Size >= size) {
		f.full = true
		s.full = append(s.full, f)
	}
}

// fileOf is the file that the record goes to: an open one, or one that isn't in paths yet.
func (s *staged) fileOf(ctx context.Context, b *connector.Batch, i int, offset int64) (*file, error) {
	path := s.o.Path
	if path.Same(&s.run, b, i) && s.last != nil && !s.last.ended(offset) {
		return s.last, nil
	}
	last := s.last
	s.last = nil // until this record is written
	var err error
	if s.key, err = path.Append(s.key[:0], b, i, 0); err != nil {
		return nil, err
	}
	f := last
	if f == nil || f.object.Path != string(s.key) {
		f = s.paths[string(s.key)]
	}
	if f != nil && f.ended(offset) {
		if err := s.finish(ctx, f); err != nil {
			return nil, err
		}
		f = nil
	}
	if f != nil {
		return f, nil
	}
	return s.begin(ctx, b, i, offset)
}

// ended reports whether a record goes to another file, because this one is more than full. What one record gives
// for a path is never split over two files: each file says which offsets it holds.
func (f *file) ended(offset int64) bool { return f.over && offset != f.object.Last }

// begin makes the file of the path in s.key.
func (s *staged) begin(ctx context.Context, b *connector.Batch, i int, offset int64) (*file, error) {
	key := string(s.key)
	name := key
	if s.o.Path.HasPosition() {
		var err error
		if s.key, err = s.o.Path.Append(s.key[:0], b, i, offset); err != nil {
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
	return &file{
		object: chain.Object{Path: key, First: offset, Last: offset},
		name:   name, rows: lines.NewWriter(s.o.Codec, s.o.Format),
	}, nil
}

// limit is the length at which a block is compressed.
func (s *staged) limit() int {
	limit := min(largestBlock, blockBudget/int(max(1, s.open.Load())))
	// A file may end a block late: small files have small blocks.
	if size := s.o.Rotation.Size / 4; size < int64(limit) {
		limit = int(size)
	}
	return max(limit, smallestBlock)
}

// shrink compresses the blocks that became too long because files were opened since, here or in other partitions.
func (s *staged) shrink(ctx context.Context) error {
	most := 2 * int64(s.limit())
	if s.raw <= most*int64(len(s.paths)) {
		return nil
	}
	for _, f := range s.paths {
		if f.raw() > most {
			if err := s.block(ctx, f, 0); err != nil {
				return err
			}
		}
	}
	return nil
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
	delete(s.paths, f.object.Path)
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
	size := connector.Size{
		Buffered: s.raw + s.waiting + int64(n)*fileCost,
		Open:     len(s.paths), Full: n - len(s.paths),
		Due: n > max(maxObjects, s.o.MaxOpen),
	}
	if s.crowded {
		size.Note = fmt.Sprintf("path %q leads to more than %d files at a time (max_open_files): those that were idle longest are closed early, which makes small files",
			s.o.Path.Text(), s.o.MaxOpen)
	}
	return size
}
