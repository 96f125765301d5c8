package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// An objectCheck is an object to look at, and what came of it.
type objectCheck struct {
	w         *walk
	link      *Link // without its objects
	o         Object
	newest    bool // of the chain's links
	old       bool // it may have expired
	missing   bool
	waits     bool   // its upload is there, to be completed
	upload    string // what is known of it, if it isn't there
	uncounted bool
	changed   bool   // it is wrong, but may have been written again after it was lost
	wrong     string // why it isn't what the link says; "" if it is
}

// objects notes which link names an object, and lists those to look at.
func (w *walk) objects(l *Link) (checks []*objectCheck) {
	key := linkKey(w.dir, l.Seq)
	made, err := time.Parse(time.RFC3339, l.Made)
	old := err == nil && made.Before(w.v.o.From)
	own := *l
	own.Objects = nil
	for i := range l.Objects {
		o := &l.Objects[i]
		w.p.Objects++
		w.p.Bytes += o.Size
		delete(w.v.visible, o.Key)
		if first, ok := w.v.named[o.Key]; ok {
			w.problem(FaultCorrupt, o.Key, &Gap{o.First, o.Last + 1}, 0, "%s (offsets %s of partition %s) is named twice: by %s and by %s",
				o.Key, span(o.First, o.Last+1), w.p.Name(), first, key)
			continue
		}
		w.v.named[o.Key] = key
		checks = append(checks, &objectCheck{w: w, link: &own, o: *o, old: old, newest: l.Seq == w.seqs[len(w.seqs)-1]})
	}
	return checks
}

// check looks at objects, and reports what is wrong in their order.
func (v *verifier) check(ctx context.Context, objects []*objectCheck) error {
	err := each(ctx, len(objects), func(ctx context.Context, i int) error {
		c := objects[i]
		if err := c.look(ctx); err != nil || !c.missing || !c.newest || c.old {
			return err
		}
		return c.await(ctx)
	})
	if err != nil {
		return err
	}
	for _, c := range objects {
		p, r := c.w.p, &Gap{c.o.First, c.o.Last + 1}
		switch {
		case c.missing && c.old:
			p.Expired++
		case c.missing && c.waits:
			p.Unfinished++
		case c.missing && c.newest:
			c.w.problem(FaultLost, c.o.Key, r, c.o.Rows, "%s isn't there, and %s: start the connector, which writes it again while Kafka has the records", c.what(), c.upload)
		case c.missing:
			c.w.problem(FaultLost, c.o.Key, r, c.o.Rows, "%s isn't there", c.what())
		case c.changed:
			v.changed = append(v.changed, c)
		case c.wrong != "":
			c.corrupt()
		case c.uncounted:
			p.Uncounted++
		}
	}
	return nil
}

// await finds out whether the object may still become visible. If not, it may have become so meanwhile: it is looked at again.
func (c *objectCheck) await(ctx context.Context) error {
	c.upload = "neither is its upload"
	err := Try(ctx, func() (err error) {
		switch s := c.w.v.store.(type) {
		case Prober:
			c.waits, err = s.Alive(ctx, &c.o)
		case Cleaner:
			var open []Object
			open, err = s.Uploads(ctx, c.w.dir)
			c.waits = slices.ContainsFunc(open, func(u Object) bool { return u.Upload == c.o.Upload })
		default:
			c.upload = "nobody knows whether its upload is"
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("look for the upload of %s: %w", c.o.Key, err)
	}
	if c.waits {
		return nil
	}
	return c.look(ctx)
}

func (c *objectCheck) what() string {
	return fmt.Sprintf("%s (%s, offsets %s of partition %s, link %d)", c.o.Key, plural(c.o.Rows, "row"), span(c.o.First, c.o.Last+1), c.w.p.Name(), c.link.Seq)
}

func (c *objectCheck) corrupt() {
	c.w.problem(FaultCorrupt, c.o.Key, &Gap{c.o.First, c.o.Last + 1}, 0, "%s isn't what the link says: %s", c.what(), c.wrong)
}

// mended tells objects that were lost and written again, which have the same rows in other blocks and a seal behind their link, from
// those that somebody changed. It reads them.
func (v *verifier) mended(ctx context.Context) error {
	err := each(ctx, len(v.changed), func(ctx context.Context, i int) error {
		c := v.changed[i]
		if v.opener == nil || !c.w.seals[c.link.Seq+1] {
			return nil
		}
		t, err := v.read(ctx, c.o.Key)
		if errors.Is(err, ErrMissing) {
			return nil
		}
		c.changed = t.damage != nil || t.rows != c.o.Rows
		return err
	})
	if err != nil {
		return err
	}
	for _, c := range v.changed {
		if c.changed {
			c.corrupt()
			continue
		}
		c.w.p.Mended++
		v.note("%s has other bytes than the link says (%s), but its rows, and a seal stands behind the link: it was lost and written again", c.what(), c.wrong)
	}
	return nil
}

// look finds out what is visible under the object's key.
func (c *objectCheck) look(ctx context.Context) error {
	v := c.w.v
	seen := func(size int64, crc, tail string) {
		switch {
		case tail != "" && c.o.Tail != "" && tail != c.o.Tail:
			c.wrong = fmt.Sprintf("it was written with tail %s, not %s", tail, c.o.Tail)
		case size != c.o.Size:
			c.changed, c.wrong = true, fmt.Sprintf("it has %d bytes, not %d", size, c.o.Size)
		case crc != "" && c.o.CRC != "" && crc != c.o.CRC:
			c.changed, c.wrong = true, fmt.Sprintf("its CRC-32C is %s, not %s", crc, c.o.CRC)
		}
	}
	switch {
	case v.stater != nil:
		var info Stat
		err := Try(ctx, func() (err error) {
			info, err = v.stater.Stat(ctx, c.o.Key)
			return err
		})
		if c.missing = errors.Is(err, ErrMissing); c.missing {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", c.o.Key, err)
		}
		seen(info.Size, info.CRC, info.Tail)
	default:
		var sight Sight
		err := Try(ctx, func() (err error) {
			sight, err = v.store.Look(ctx, &c.o)
			return err
		})
		if err != nil {
			return fmt.Errorf("look at %s: %w", c.o.Key, err)
		}
		if c.missing = sight == Nothing; sight == Foreign {
			c.wrong = "it is another object, or was changed"
		}
	}
	if !v.o.Deep || c.missing || c.wrong != "" {
		return nil
	}
	t, err := v.read(ctx, c.o.Key)
	if c.missing = errors.Is(err, ErrMissing); c.missing {
		return nil
	}
	if err != nil {
		return err
	}
	switch seen(t.size, t.crc, ""); {
	case c.wrong != "":
	case t.damage != nil:
		c.wrong = fmt.Sprintf("it can't be decompressed: %v", t.damage)
	case t.rows < 0:
		c.uncounted = true
	case t.rows != c.o.Rows:
		c.wrong = fmt.Sprintf("it has %s", plural(t.rows, "row"))
	}
	return nil
}

// A tally is what came of reading an object.
type tally struct {
	size   int64
	crc    string
	rows   int64 // -1 if they aren't lines
	damage error // why it can't be decompressed
}

func (v *verifier) read(ctx context.Context, key string) (t tally, err error) {
	err = Try(ctx, func() (err error) {
		t, err = readObject(ctx, v.opener, key)
		return err
	})
	if err != nil && !errors.Is(err, ErrMissing) {
		return t, fmt.Errorf("read %s: %w", key, err)
	}
	return t, err
}

func readObject(ctx context.Context, s Opener, key string) (t tally, err error) {
	body, err := s.Open(ctx, key)
	if err != nil {
		return t, err
	}
	defer body.Close()
	m := &meter{from: body}
	t.rows, t.damage = countRows(m, key)
	if _, err := io.Copy(io.Discard, m); err != nil { // what a damaged stream left
		return t, err
	}
	t.size, t.crc = m.size, fmt.Sprintf("%08x", m.crc)
	return t, m.err
}

// A meter sums what is read, and remembers why reading failed: a decompressor's error tells that apart from damage.
type meter struct {
	from io.Reader
	size int64
	crc  uint32
	err  error
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	m.size += int64(n)
	m.crc = crc32.Update(m.crc, crc32.MakeTable(crc32.Castagnoli), p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = err
	}
	return n, err
}

// countRows decompresses by the name's extension and counts rows; -1 if the rest of the extension is of a format whose rows aren't lines.
func countRows(from io.Reader, key string) (rows int64, err error) {
	name := path.Base(key)
	ext := path.Ext(name)
	switch ext {
	case ".gz":
		z, err := gzip.NewReader(from)
		if err != nil {
			return 0, err
		}
		from = z
	case ".zst":
		z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return 0, err
		}
		defer z.Close()
		from = z
	case ".sz":
		from = s2.NewReader(from)
	default:
		ext = ""
	}
	switch path.Ext(strings.TrimSuffix(name, ext)) {
	case ".json", ".txt":
		return countLines(from)
	}
	_, err = io.Copy(io.Discard, from)
	return -1, err
}

// countLines counts lines; a last one without its end is damage.
func countLines(from io.Reader) (n int64, err error) {
	buf := make([]byte, 64<<10)
	ended := true
	for {
		k, err := from.Read(buf)
		n += int64(bytes.Count(buf[:k], []byte("\n")))
		if k > 0 {
			ended = buf[k-1] == '\n'
		}
		switch {
		case errors.Is(err, io.EOF) && !ended:
			return n, errors.New("the last line has no end")
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		}
	}
}
