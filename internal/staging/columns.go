package staging

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// TopicColumns are the columns of a topic's records. It is safe for concurrent use, and the same for all who ask.
type TopicColumns interface {
	// Learn looks at a batch before it is written. wait is 0 if the columns of all its rows are known. If they aren't, the batch was a sample and is
	// asked for again, and wait is when Settle has to be called at the latest.
	Learn(ctx context.Context, b *connector.Batch) (wait time.Duration, err error)
	// Settle makes do with what Learn has seen.
	Settle(ctx context.Context) error
	// Of are the columns of the file that a record's row goes to, as of now. Rows of different groups are in different files. The error
	// is about this record.
	Of(r *connector.Record) (columns *table.Schema, group string, err error)
}

// learn lets the columns be found out. Its error is of class Lost where earlier batches of the range were only samples: they are read again.
func (w *writing) learn(ctx context.Context, b *connector.Batch) (wait time.Duration, err error) {
	if w.columns == nil {
		return 0, nil
	}
	what := fmt.Sprintf("find the columns of topic %s (kept in %s)", w.partition.Topic, w.full(w.standing.id.ColumnsKey()))
	err = w.retry(ctx, what, func(ctx context.Context) (err error) {
		wait, err = w.columns.Learn(ctx, b)
		return err
	})
	if err != nil {
		return 0, err
	}
	if wait == 0 && w.sampled {
		return 0, w.again()
	}
	w.sampled = wait > 0
	return wait, nil
}

// settle ends the sampling of a range that has to be committed: there is nothing to commit yet.
func (w *writing) settle(ctx context.Context) error {
	if !w.sampled {
		return nil
	}
	if err := w.columns.Settle(ctx); err != nil {
		return err
	}
	return w.again()
}

func (w *writing) again() error {
	return connector.Lost.Errorf("the columns of topic %s were inferred from its records and are kept in %s: the records are read again, to be written with them",
		w.partition.Topic, w.full(w.standing.id.ColumnsKey()))
}

// A row is what a record becomes.
type row struct {
	value   serde.Value
	columns *table.Schema // nil if nobody asks
	group   string
}

// rowOf is the row of the i-th record. The error is about this record.
func (w *writing) rowOf(b *connector.Batch, i int, r *connector.Record) (x row, err error) {
	x.value = r.Value
	if w.o.Row != nil {
		if x.value, err = w.o.Row(b, i); err != nil {
			return x, connector.Permanent.Wrap(err)
		}
	}
	if w.columns == nil {
		return x, nil
	}
	x.columns, x.group, err = w.columns.Of(r)
	switch {
	case !w.o.Format.Columns: // only Announce asks
		x.group = ""
	case err != nil:
		return x, connector.Permanent.Wrap(err)
	}
	return x, nil
}

// fits reports whether the row can be written into f: f has its columns, or needs none.
func (x *row) fits(f *file, format *Encoding) bool {
	return f.columns == x.columns || !format.Columns
}
