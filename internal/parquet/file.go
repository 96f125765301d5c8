package parquet

import (
	"bytes"
	"unsafe"

	"github.com/millrace/millrace/connector"
)

// magic begins and ends a file.
const magic = "PAR1"

// smallPage is what isn't worth a page of its own where memory is short: a page's header and compression cost more than that saves.
const smallPage = 4 << 10

// A File is the rows of one file. They gather in a row group until the caller takes it with Block and starts another with Next; End gives the footer.
// One goroutine uses it at a time.
type File struct {
	x      *Encoder
	leaves []leaf
	shred  shredder

	rows   int64 // of the finished row groups
	open   int   // rows of the open row group
	offset int64 // where the open row group begins
	groups []group
	next   group // the open row group, as Block gave it last

	pending, buffers int64 // lengths and memory of the open pages
	packed, kept     int64 // lengths and memory of the finished pages
	written          int64 // memory of what the footer has to say of the finished row groups
	plain, finished  int64 // lengths of all pages so far as open and as finished ones: what to expect of the open pages
}

// endRow counts the row that was appended to the leaves, and makes pages of those that are full. After an error the row is taken back.
func (f *File) endRow() error {
	pending, buffers, full := 0, 0, false
	for i := range f.leaves {
		l := &f.leaves[i]
		n := l.size()
		pending += n
		buffers += l.held()
		full = full || n >= f.x.options.PageSize || l.rows >= maxPageRows
	}
	if full {
		return f.finishFull()
	}
	f.open++
	f.pending, f.buffers = int64(pending), int64(buffers)
	return nil
}

// finishFull ends a row where a page is full.
func (f *File) finishFull() error {
	for i := range f.leaves {
		if l := &f.leaves[i]; l.size() > f.x.maxPage {
			n := len(l.values) - l.start
			f.undoRow()
			return connector.Permanent.Errorf("column %s: %d bytes are too large for a page, which has at most %d", dotted(l.column.path), n, f.x.maxPage)
		}
	}
	f.open++
	for i := range f.leaves {
		if l := &f.leaves[i]; l.size() >= f.x.options.PageSize || l.rows >= maxPageRows {
			f.finish(l)
			l.release(4 * f.x.options.PageSize)
		}
	}
	f.count()
	return nil
}

// undoRow takes back what was appended since the last row.
func (f *File) undoRow() {
	for i := range f.leaves {
		l := &f.leaves[i]
		l.undo(f.open - l.chunk.rows)
	}
}

// finish makes a page of the leaf's open page.
func (f *File) finish(l *leaf) {
	if l.slots == 0 {
		return
	}
	size, before := l.size(), l.chunk.size()
	f.x.finish(l)
	f.plain += int64(size)
	f.finished += int64(l.chunk.size() - before)
}

// count adds up lengths and memory anew.
func (f *File) count() {
	f.pending, f.buffers, f.packed, f.kept = 0, 0, 0, 0
	for i := range f.leaves {
		l := &f.leaves[i]
		f.pending += int64(l.size())
		f.buffers += int64(l.held())
		f.packed += int64(l.chunk.size())
		f.kept += int64(l.chunk.held())
	}
}

// Rows is how many rows were added.
func (f *File) Rows() int64 { return f.rows + int64(f.open) }

// Pending is about the length of the open row group, compressed. It is Encoded.
func (f *File) Pending() int64 { return f.Encoded() }

// Encoded is about the length that the open row group has in the file. What isn't compressed yet counts as the pages before it came out; as it is
// before there are any.
func (f *File) Encoded() int64 {
	open := f.pending
	if f.plain > 0 {
		open = int64(float64(open) * float64(f.finished) / float64(f.plain))
	}
	return f.packed + open
}

// Held is the memory held, in bytes.
func (f *File) Held() int64 {
	return f.buffers + f.kept + f.written + int64(len(f.leaves))*int64(unsafe.Sizeof(leaf{}))
}

// Pack makes pages of the open pages should more than most bytes be held, and lets their buffers go.
func (f *File) Pack(most int64) {
	if f.Held() <= most {
		return
	}
	for i := range f.leaves {
		l := &f.leaves[i]
		if l.size() >= smallPage {
			f.finish(l)
		}
		l.release(0)
		l.values, l.def, l.rep = trim(l.values), trim(l.def), trim(l.rep)
	}
	f.count()
}

// trim lets go of a buffer that is much too large.
func trim(b []byte) []byte {
	if cap(b) > max(4*len(b), smallPage) {
		return bytes.Clone(b)
	}
	return b
}

// Block is the open row group as the file's next bytes, in front of the first with what files begin with. They lie in scratch, which grows as needed
// and may be shared by many files: they are valid until its next use. Until Next, Block gives them again. An empty row group has no bytes.
func (f *File) Block(scratch *[]byte) []byte {
	if f.open == 0 {
		return nil
	}
	for i := range f.leaves {
		f.finish(&f.leaves[i])
	}
	f.count()
	*scratch = f.appendGroup((*scratch)[:0])
	return *scratch
}

// Next starts a new row group; n is the length of what Block gave. Buffers beyond keep bytes are let go.
func (f *File) Next(n int, keep int64) {
	if f.open > 0 {
		f.groups = append(f.groups, f.next)
		f.written += f.next.held()
		f.offset += int64(n)
		f.rows += int64(f.open)
		f.open, f.next = 0, group{}
		for i := range f.leaves {
			f.leaves[i].chunk.close()
		}
	}
	if f.buffers > keep {
		for i := range f.leaves {
			f.leaves[i].release(0)
		}
	}
	f.count()
}

// release lets the buffers of an empty page go if they hold more than keep bytes.
func (l *leaf) release(keep int) {
	if l.slots == 0 && l.held() > keep {
		l.values, l.def, l.rep = nil, nil, nil
	}
}

// size is about the chunk's length: the dictionary isn't compressed yet.
func (c *chunk) size() int { return c.packed + len(c.dictionary.values)/2 }

// held is the chunk's memory.
func (c *chunk) held() int {
	return c.packed + cap(c.dictionary.values) + c.bloom.held() + len(c.pages)*int(unsafe.Sizeof(page{}))
}

// close empties the chunk. What a group has of its pages stays, but for their bytes.
func (c *chunk) close() {
	for i := range c.pages {
		c.pages[i].bytes = nil
	}
	*c = chunk{}
}
