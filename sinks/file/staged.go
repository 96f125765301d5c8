package file

import (
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/internal/template"
)

const (
	// largestBlock is where a file's block is compressed and written. Longer ones make files
	// hardly smaller: with 64 KiB gzip needs 2 % more than with 1 MiB, zstd none.
	largestBlock = 256 << 10
	// smallestBlock is what a block shrinks to when many files are open.
	smallestBlock = 16 << 10
	// blockBudget is what the blocks of one partition's open files may hold together, unless smallestBlock needs more.
	blockBudget = 8 << 20
	// fileCost is about what a file costs in memory beside its block.
	fileCost = 1 << 10
	// maxHandles is how many files a Sink keeps open between writes. Those beyond are opened for each block.
	maxHandles = 256
)

// staged is a range of one partition.
type staged struct {
	sink      *Sink
	partition connector.Partition
	at        connector.Position
	retry     connector.Retrier

	open    map[string]*file // still growing, by key
	files   []*file          // all, in the order of their first records
	last    *file            // that of the last record, if it was written and the file is still growing
	run     template.Run
	batches int64

	scratch []byte // a compressed block
	key     []byte
}

// Add encodes records into the files of their paths.
func (s *staged) Add(ctx context.Context, b *connector.Batch) (connector.Size, error) {
	s.batches++
	for i, r := range b.Records() {
		if err := s.add(ctx, b, i, r); err != nil {
			return connector.Size{}, err
		}
	}
	if s.held() > blockBudget {
		limit := s.limit()
		for _, f := range s.open {
			if f.w.Held() > int64(limit) {
				if err := s.flush(ctx, f, 0); err != nil {
					return connector.Size{}, err
				}
			}
		}
	}
	return s.size(), nil
}

// add encodes one record. Its own mistakes are marked; an error means that the range can't go on.
func (s *staged) add(ctx context.Context, b *connector.Batch, i int, r *connector.Record) error {
	f, err := s.fileOf(ctx, b, i)
	if err != nil {
		if connector.ClassOf(err) == connector.Permanent {
			b.Fail(i, err)
			return nil
		}
		return err
	}
	if err := f.w.Add(r.Value); err != nil {
		b.Fail(i, connector.Permanent.Errorf("write the value as a line of format %s: %w", s.sink.format, err))
		return nil
	}
	if f.w.Rows() == 1 {
		s.open[f.key] = f
		s.files = append(s.files, f)
	}
	s.last, f.used = f, s.batches
	limit := s.limit()
	if f.w.Pending() >= limit {
		if err := s.flush(ctx, f, 2*limit); err != nil {
			return err
		}
	}
	if f.w.Finished() >= s.sink.rotation.Size || s.sink.rotation.Records > 0 && f.w.Rows() >= s.sink.rotation.Records {
		return s.finish(ctx, f)
	}
	return nil
}

// fileOf is the file that the record goes to: an open one or one that isn't in open yet.
func (s *staged) fileOf(ctx context.Context, b *connector.Batch, i int) (*file, error) {
	path := s.sink.path
	if path.Same(&s.run, b, i) && s.last != nil {
		return s.last, nil
	}
	last := s.last
	s.last = nil // until this record is written
	var err error
	if s.key, err = path.Append(s.key[:0], b, i, 0); err != nil {
		return nil, err
	}
	if last != nil && last.key == string(s.key) {
		return last, nil
	}
	if f := s.open[string(s.key)]; f != nil {
		return f, nil
	}
	key := string(s.key)
	name, err := path.Append(s.key[:0], b, i, b.At(i).Offset)
	if err != nil {
		return nil, err
	}
	f := &file{key: key, name: string(name), w: lines.NewWriter(s.sink.codec, s.sink.format)}
	if err := s.checkName(f.name); err != nil {
		return nil, err
	}
	if len(s.open) >= s.sink.maxOpen {
		return f, s.finishIdle(ctx)
	}
	return f, nil
}

// checkName refuses names that get too long by the suffix.
func (s *staged) checkName(name string) error {
	base := name
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			base = name[i+1:]
			break
		}
	}
	if n := len(base) + 1 + suffixLen + len(s.sink.extension); n > template.MaxSegment {
		return connector.Permanent.Errorf("path %q: the file's name would have %d bytes, more than %d", s.sink.path.Text(), n, template.MaxSegment)
	}
	return nil
}

// limit is the length at which a block is written.
func (s *staged) limit() int {
	limit := min(largestBlock, blockBudget/max(1, len(s.open)))
	// A file may end a block late: small files have small blocks.
	if size := s.sink.rotation.Size / 4; size < int64(limit) {
		limit = int(size)
	}
	return max(limit, smallestBlock)
}

// finishIdle closes the half of the open files that were idle longest.
func (s *staged) finishIdle(ctx context.Context) error {
	idle := make([]*file, 0, len(s.open))
	for _, f := range s.open {
		idle = append(idle, f)
	}
	slices.SortFunc(idle, func(a, b *file) int { return int(a.used - b.used) })
	for _, f := range idle[:(len(idle)+1)/2] {
		if err := s.finish(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// flush writes the open block of f, whose memory beyond keep bytes is let go.
func (s *staged) flush(ctx context.Context, f *file, keep int) error {
	p := f.w.Block(&s.scratch)
	if len(p) == 0 {
		f.w.Next(0, keep)
		return nil
	}
	err := s.retry(ctx, fmt.Sprintf("write %s", s.sink.full(f.name)), func(context.Context) error {
		return s.put(f, p)
	})
	if err == nil {
		f.w.Next(len(p), keep)
	}
	return err
}

// finish closes a file that gets no more records; it waits for the commit.
func (s *staged) finish(ctx context.Context, f *file) error {
	if err := s.flush(ctx, f, 0); err != nil {
		return err
	}
	err := s.retry(ctx, fmt.Sprintf("sync %s", s.sink.full(f.name)), func(context.Context) error {
		return s.seal(f)
	})
	if err != nil {
		return err
	}
	delete(s.open, f.key)
	if s.last == f {
		s.last = nil
	}
	return nil
}

func (s *staged) held() int64 {
	n := int64(cap(s.scratch)) + int64(len(s.files))*fileCost
	for _, f := range s.open {
		n += f.w.Held()
	}
	return n
}

func (s *staged) size() connector.Size {
	return connector.Size{Buffered: s.held(), Open: len(s.open), Full: len(s.files) - len(s.open)}
}
