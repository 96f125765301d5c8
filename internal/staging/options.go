package staging

import (
	"context"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// Options are what a sink makes a Stager of.
type Options struct {
	Store  chain.Store
	Place  string // names the store in messages: "s3://bucket", "/data"
	Prefix string // of keys of links, without slashes at its ends
	Chain  string // its name

	// Path is that of keys, without tail and extension. Where it is Unique keys end in -SEQ-TAIL; else it holds {position} alone, and objects are
	// completed only where nothing is.
	Path   Path
	Format Encoding
	// Columns says which columns the rows of a topic have; key is where what is learned of them is kept, for all processes. Nil where
	// neither Format nor Announce asks for them. Safe for concurrent use.
	Columns func(topic, key string) TopicColumns
	// Row makes the row of the i-th record; nil: it is the record's value.
	Row func(b *connector.Batch, i int) (serde.Value, error)
	// Announce says what a commit is going to make visible, before it does so: a table's partitions, say. It may be called again for the
	// same files. notes are what people should know. May be nil.
	Announce func(ctx context.Context, s connector.Source, files []Announced) (notes []string, err error)

	Rotation connector.Rotation
	MaxOpen  int   // files that grow at a time
	PartSize int64 // least bytes of a part but the last; 0: each block is a part
	MaxKey   int   // longest key, bytes; MaxName: longest name between two slashes
	MaxName  int

	// Inspect looks at the place before the first recovery, and returns what people should know. May be nil.
	Inspect func(ctx context.Context) ([]string, error)
}

// An Announced is a file that is going to be visible.
type Announced struct {
	Key     string
	Columns *table.Schema // of its rows; nil if they aren't known
	Late    bool          // it is on the path of late records
}
