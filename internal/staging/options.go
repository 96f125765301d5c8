package staging

import (
	"context"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/internal/template"
)

// Options are what a sink makes a Stager of.
type Options struct {
	Store  chain.Store
	Place  string // names the store in messages: "s3://bucket", "/data"
	Prefix string // of keys of links, without slashes at its ends
	Chain  string // its name

	Path      *template.Template // of keys, without tail and extension
	Unique    bool               // keys end in -SEQ-TAIL; else Path holds {position} alone, and objects are completed only where nothing is
	Extension string             // ".json.gz"
	Format    lines.Format
	Codec     *lines.Codec

	Rotation connector.Rotation
	MaxOpen  int   // files that grow at a time
	PartSize int64 // least bytes of a part but the last; 0: each block is a part
	MaxKey   int   // longest key, bytes; MaxName: longest name between two slashes
	MaxName  int

	// Inspect looks at the place before the first recovery, and returns what people should know. May be nil.
	Inspect func(ctx context.Context) ([]string, error)
}
