package staging

import (
	"context"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/failpoint"
)

// A mending writes objects of the newest link again that are lost. It takes the rows that they held, and no others:
// all else that the link names is there.
type mending struct {
	writing
	files []*file            // as standing.lost
	paths map[string][]*file // by path, in the order of their first records
	key   []byte
	ext   *chain.Extension
}

func newMending(w writing) *mending {
	m := &mending{writing: w, paths: make(map[string][]*file)}
	for i := range w.standing.lost {
		lost := &w.standing.lost[i]
		f := &file{
			object: chain.Object{
				Key: lost.Key, Path: lost.Path, Tail: lost.Tail, First: lost.First, Last: lost.Last, Unique: lost.Unique,
			},
			name: lost.Key,
		}
		m.files = append(m.files, f)
		m.paths[lost.Path] = append(m.paths[lost.Path], f)
	}
	return m
}

// Add takes the rows that belong to the lost files.
func (m *mending) Add(ctx context.Context, b *connector.Batch) (connector.Size, error) {
	if wait, err := m.learn(ctx, b); err != nil || wait > 0 {
		return connector.Size{}, err
	}
	for i, r := range b.Records() {
		if err := m.add(ctx, b, i, r); err != nil {
			if connector.ClassOf(err) != connector.Permanent {
				return connector.Size{}, err
			}
			b.Fail(i, err)
		}
	}
	return connector.Size{Buffered: m.raw + m.waiting + int64(len(m.files))*fileCost, Open: len(m.files)}, nil
}

func (m *mending) add(ctx context.Context, b *connector.Batch, i int, r *connector.Record) (err error) {
	path, err := m.pathOf(b, i)
	if err != nil {
		return err
	}
	if m.key, err = path.Append(m.key[:0], b, i, 0); err != nil {
		return err
	}
	files := m.paths[string(m.key)]
	if len(files) == 0 {
		return nil
	}
	x, err := m.rowOf(b, i, r)
	if err != nil {
		return err
	}
	f := m.fileAt(files, r.Offset, x.group)
	if f == nil {
		return nil
	}
	if f.rows == nil {
		if f.rows, err = m.o.Format.New(x.columns); err != nil {
			return connector.Permanent.Errorf("begin a file of format %s: %w", m.o.Format.Name, err)
		}
		f.columns, f.group, f.late = x.columns, x.group, path != m.o.Path.Template
	}
	if !x.fits(f, &m.o.Format) {
		// The file was begun when these columns were known already: they are known now too.
		return connector.Lost.Errorf("%s is written again with the columns of offset %d: the records are read again", m.full(f.object.Key), r.Offset)
	}
	before := f.rows.Held()
	if err := f.rows.Add(x.value); err != nil {
		return connector.Permanent.Errorf("write the value as a row of format %s: %w", m.o.Format.Name, err)
	}
	m.raw += f.rows.Held() - before
	if size := m.o.Format.Blocks.Size; f.rows.Pending() >= size {
		return m.block(ctx, f, 2*size)
	}
	return nil
}

// fileAt is the file that held the row of an offset: of one path and one group, files follow each other. Which group a file is
// of shows by its first record.
func (m *mending) fileAt(files []*file, offset int64, group string) *file {
	for _, f := range files {
		if offset < f.object.First || offset > f.object.Last {
			continue
		}
		begins := f.rows == nil && (offset == f.object.First || !m.o.Format.Columns)
		if begins || f.rows != nil && f.group == group {
			return f
		}
	}
	return nil
}

// Commit completes the files under the keys that their link gave them, and puts a seal behind it.
func (m *mending) Commit(ctx context.Context, r connector.Range) (connector.Position, error) {
	if err := ctx.Err(); err != nil {
		return connector.Position{}, err
	}
	if r.Reason != connector.RotateMend {
		return connector.Position{}, connector.Lost.Errorf("partition %s can't commit anything before link %d is whole", m.partition, m.standing.seq)
	}
	if err := m.settle(ctx); err != nil {
		return connector.Position{}, err
	}
	if err := m.check(); err != nil {
		return connector.Position{}, err
	}
	if err := m.enter(ctx); err != nil {
		return connector.Position{}, err
	}
	defer m.leave()
	if err := m.sealAll(ctx, m.files); err != nil {
		return connector.Position{}, err
	}
	if err := m.announce(ctx, m.files); err != nil {
		return connector.Position{}, err
	}
	if m.ext == nil {
		var again []chain.Object
		for _, f := range m.files {
			again = append(again, f.object)
		}
		m.ext = chain.NewMending(m.standing.id, again, m.standing.link(chain.KindSeal))
	}
	failpoint.Here("mend.before")
	if err := chain.Run(ctx, m.o.Store, m.ext); err != nil {
		return connector.Position{}, m.extending(m.ext, err)
	}
	failpoint.Here("mend.after")
	to := m.standing.after(m.ext.Link())
	m.moved(m.partition, to)
	m.files = nil
	return to.position(), nil
}

// check compares the rows with what the link counted: fewer were in Kafka if it has deleted some since.
func (m *mending) check() error {
	for i, f := range m.files {
		lost := &m.standing.lost[i]
		if m.ext != nil || f.done {
			continue
		}
		rows := f.object.Rows
		if f.rows != nil {
			rows = f.rows.Rows()
		}
		if rows != lost.Rows {
			return connector.Permanent.Errorf("link %d of %s names %s, which is lost: offsets %d to %d give %d rows for it now, and gave %d. "+
				"Records are gone from Kafka, or other settings are in use. Write it again elsewhere with another chain",
				m.standing.seq, m.standing.id, m.full(lost.Key), lost.First, lost.Last, rows, lost.Rows)
		}
	}
	return nil
}

// Abort drops what is staged. No link names it: it stands in for uploads that are gone.
func (m *mending) Abort(ctx context.Context) error {
	files := m.files
	m.files = nil
	return m.abort(ctx, files)
}
