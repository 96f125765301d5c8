package staging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/failpoint"
	"github.com/millrace/millrace/internal/table"
)

const (
	// fileCost is about what a file costs in memory beside its bytes, until its range is committed.
	fileCost = 1 << 10
	// smallRest is what the end of a file may hold that waits in memory for the commit, which sends
	// many at a time. Longer ones leave when the file is closed.
	smallRest = 64 << 10
	// parallel is how many files a commit sends and seals at a time: most of that is waiting.
	parallel = 8
)

// A file is an object on its way. It grows, is closed, and is sealed; its parts leave in between. One goroutine uses it at a time.
type file struct {
	object  chain.Object  // its Key, Tail and Upload are empty until the first part leaves
	name    string        // the key without tail and extension
	columns *table.Schema // of its rows, if anybody asks
	group   string        // of those columns
	late    bool          // it is on the path of late records
	rows    Rows          // nil once it is closed
	used    int64         // the last batch that had a record for it
	full    bool          // closed with the batch that filled it
	over    bool          // closed with the record that filled it

	blocks  chain.Bytes // compressed, not sent
	waiting int64       // their length
	sent    int64       // bytes
	parts   int         // sent
	crc     uint32      // of all blocks
	done    bool        // sealed
	shown   bool        // completed, where there is no chain

	rested, dropped int64 // rows with members that had no column, once it is closed
}

func (f *file) place() place { return place{f.object.Path, f.group} }

// raw is the memory of the open block.
func (f *file) raw() int64 {
	if f.rows == nil {
		return 0
	}
	return f.rows.Held()
}

// size is about the length of the file if it were closed now, as far as that can be known.
func (f *file) size() int64 { return f.object.Size + f.rows.Encoded() }

// writing is what a range needs to send files.
type writing struct {
	*Stager
	standing  *standing
	partition connector.Partition
	unique    bool // keys get a tail
	retry     connector.Retrier
	columns   TopicColumns // nil if nobody asks

	raw     int64 // bytes in open blocks
	waiting int64 // bytes in finished ones that weren't sent
	sampled bool  // batches were samples of which nothing was written
	notes   []string
}

// block finishes the open block of f, and sends a part if there is enough for one. Memory of the block beyond keep
// bytes is let go.
func (w *writing) block(ctx context.Context, f *file, keep int64) error {
	raw, waiting := f.raw(), f.waiting
	w.take(f, keep)
	w.raw += f.raw() - raw
	w.waiting += f.waiting - waiting
	if f.waiting > 0 && f.waiting >= w.o.PartSize {
		return w.sendNow(ctx, f)
	}
	return nil
}

// take finishes the open block of f: the writer's bytes are borrowed, so they are copied.
func (w *writing) take(f *file, keep int64) {
	scratch := w.borrow()
	defer w.scratch.Put(scratch)
	p := f.rows.Block(scratch)
	f.append(p)
	f.rows.Next(len(p), keep)
}

func (w *writing) borrow() *[]byte {
	if scratch, ok := w.scratch.Get().(*[]byte); ok {
		return scratch
	}
	return new([]byte)
}

// append adds bytes to the file, which are copied.
func (f *file) append(p []byte) {
	if len(p) == 0 {
		return
	}
	f.blocks = append(f.blocks, bytes.Clone(p))
	f.waiting += int64(len(p))
	f.object.Size += int64(len(p))
	f.crc = crc32.Update(f.crc, castagnoli, p)
}

// castagnoli is the polynomial of CRC-32C; MakeTable gives the same table each time.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sendNow sends what waits during Add, with the Connector's retries.
func (w *writing) sendNow(ctx context.Context, f *file) error {
	w.give(f)
	before := f.waiting
	err := w.retry(ctx, fmt.Sprintf("write part %d of %s", f.parts+1, w.full(f.object.Key)), func(ctx context.Context) error {
		return w.send(ctx, f)
	})
	w.waiting += f.waiting - before
	return err
}

// give gives f its key, once.
func (w *writing) give(f *file) {
	o := &f.object
	if o.Key != "" {
		return
	}
	o.Tail, o.Unique = chain.NewTail(), w.unique
	o.Key = f.name
	if w.unique {
		o.Key = fmt.Sprintf("%s-%0*d-%s", f.name, seqDigits, w.standing.at(), o.Tail)
	}
	o.Key += w.o.Format.Extension
}

// send sends what waits as one part. Called again after an error, it sends the same.
func (w *writing) send(ctx context.Context, f *file) error {
	if f.waiting == 0 {
		return nil
	}
	w.give(f)
	o := &f.object
	if o.Upload == "" {
		o.Dir, o.Seq = w.standing.id.Dir(), w.standing.at()
		id, err := w.o.Store.Begin(ctx, o)
		if err != nil {
			return err
		}
		o.Upload = id
		failpoint.Here("upload.begun")
	}
	p, err := w.o.Store.Write(ctx, o, f.parts+1, f.sent, f.blocks)
	if errors.Is(err, chain.ErrMissing) {
		return connector.Lost.Wrap(err)
	}
	if err != nil {
		return err
	}
	failpoint.Here("part.sent")
	if p.ETag != "" || p.CRC != "" { // a store that says nothing of a part needs nothing to complete it
		o.Parts = append(o.Parts, p)
	}
	f.parts++
	f.sent += f.waiting
	f.blocks, f.waiting = nil, 0
	return nil
}

// close ends a file: no row follows. It sends nothing.
func (w *writing) close(f *file) {
	if f.rows == nil {
		return
	}
	w.take(f, 0)
	scratch := w.borrow()
	f.append(f.rows.End(scratch))
	w.scratch.Put(scratch)
	f.object.Rows = f.rows.Rows()
	if l, ok := f.rows.(leftover); ok {
		f.rested, f.dropped = l.Rested(), l.Dropped()
	}
	f.object.CRC = fmt.Sprintf("%08x", f.crc)
	f.rows = nil
}

// seal sends the rest of a file and makes it durable.
func (w *writing) seal(ctx context.Context, f *file) error {
	w.close(f)
	if err := w.send(ctx, f); err != nil {
		return err
	}
	if err := w.o.Store.Seal(ctx, &f.object); err != nil {
		return err
	}
	failpoint.Here("file.sealed")
	f.done = true
	return nil
}

// sealAll seals the files that aren't. Called again after an error, it goes on where it was.
func (w *writing) sealAll(ctx context.Context, files []*file) error {
	return each(files, func(f *file) error {
		if f.done {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return w.seal(ctx, f)
	})
}

// abort drops the uploads of files. That of a file which was completed doesn't exist any more.
func (w *writing) abort(ctx context.Context, files []*file) error {
	return each(files, func(f *file) error {
		if f.object.Upload == "" {
			return nil
		}
		return w.o.Store.Abort(ctx, &f.object)
	})
}

// each does something with several files at a time, until it fails for one. What was begun is waited for: a call that is cut
// off may be applied, and would have to be repeated.
func each(files []*file, do func(*file) error) error {
	var failed atomic.Bool
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, f := range files {
		g.Go(func() error {
			if failed.Load() {
				return nil
			}
			err := do(f)
			if err != nil {
				failed.Store(true)
			}
			return err
		})
	}
	return g.Wait()
}
