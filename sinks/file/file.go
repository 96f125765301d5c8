package file

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/internal/staging"
	"github.com/millrace/millrace/internal/template"
)

// Config is the settings of the file sink.
type Config struct {
	// Folder to write below. It is created if it is missing. All of it must lie in one
	// file system, one with hard links. Required.
	Dir string `yaml:"dir"`
	// Name of a file below dir, without its extension. It can hold {topic}, {partition}, {connector},
	// {value.NAME}, {key}, {header.NAME}, {time:yyyy-MM-dd} and {position:%010d}, the offset of the
	// file's first record. What a record holds is escaped (%2F for a slash), and __null__ stands for
	// a missing, null or empty value. A path that ends in / gets {topic}+{partition}+{position:%010d}. The number of the link
	// and eight random hex digits follow, unless path itself holds {position}, and then the extension.
	Path string `yaml:"path" kind:"template"`
	Naming
	Content
	// When files are closed.
	Rotate Rotate `yaml:"rotate"`
	// How many files one partition writes at a time. Where path leads to
	// more, those that were idle longest are closed early: many values in path make many small files.
	MaxOpenFiles int `yaml:"max_open_files"`
	// Folder below dir where the links lie, in PREFIX/_millrace/CHAIN. Empty: the leading folders of path that hold no
	// field. A slash alone is dir itself. Connectors that share dir need different prefixes or chains.
	Prefix string `yaml:"prefix"`
	// Name of the chain of links. Another name writes everything again, from start on.
	Chain string `yaml:"chain"`
}

// What files hold.
type (
	Content = staging.Content // format and all that belongs to it
	Format  = staging.Format
	Raw     = staging.Raw
	Parquet = staging.Parquet
	Avro    = lines.AvroConfig
	CSV     = lines.CSVConfig
)

// What files are called.
type (
	Naming = staging.Naming
	Time   = staging.Time // which time {time:...} shows
	Late   = staging.Late // what becomes of records whose time is far from their timestamp
)

// Rotate says when files are closed.
type Rotate = staging.Rotate

// DefaultConfig is the settings that a file need not name.
func DefaultConfig() Config {
	return Config{
		Path:         "{topic}/partition={partition}/",
		Naming:       staging.DefaultNaming(),
		Content:      staging.DefaultContent(),
		Rotate:       staging.DefaultRotate(),
		MaxOpenFiles: 1000,
		Chain:        staging.DefaultChain,
	}
}

// Validate checks the settings; it touches no file.
func (c Config) Validate() error {
	_, err := c.compile()
	return err
}

// compile makes what a Stager needs, but for its Store.
func (c Config) compile() (staging.Options, error) {
	none := staging.Options{}
	switch {
	case c.Dir == "":
		return none, errors.New("dir is missing: the folder to write below")
	case strings.ContainsRune(c.Dir, 0):
		return none, errors.New("dir holds a NUL byte")
	case c.MaxOpenFiles < 1:
		return none, fmt.Errorf("max_open_files is %d; it must be 1 or more", c.MaxOpenFiles)
	case strings.HasPrefix(c.Path, ".millrace"):
		return none, errors.New("path can't begin with .millrace: temporary files are kept there")
	case strings.HasPrefix(strings.TrimLeft(c.Prefix, "/"), ".millrace"):
		return none, errors.New("prefix can't begin with .millrace: temporary files are kept there")
	}
	if err := errors.Join(c.Rotate.Validate(), staging.CheckLinks(c.Prefix, c.Chain)); err != nil {
		return none, err
	}
	path, err := staging.CompilePath(c.Path, c.Naming)
	if err != nil {
		return none, err
	}
	format, err := c.Encoding()
	if err != nil {
		return none, err
	}
	return staging.Options{
		Place: c.Dir, Prefix: staging.Prefix(c.Prefix, c.Path), Chain: c.Chain,
		Path: path, Format: c.Extended(format),
		Rotation: c.Rotate.Rotation(), MaxOpen: c.MaxOpenFiles, MaxKey: template.MaxPath, MaxName: template.MaxSegment,
	}, nil
}

// A Sink writes files. It is safe for concurrent use, with one goroutine for each connector.Staged.
type Sink struct{ *staging.Stager }

var _ connector.Stager = (*Sink)(nil)

// Open creates dir if need be, and checks that files can be written and linked there. Close ends the Sink; what
// isn't committed is left for whoever recovers the partition.
func (c Config) Open(ctx context.Context) (*Sink, error) { return c.open(ctx, systemDisk{}) }

func (c Config) open(ctx context.Context, d disk) (*Sink, error) {
	o, err := c.compile()
	if err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	store, err := openStore(ctx, c.Dir, d)
	if err != nil {
		return nil, err
	}
	o.Store = store
	if err := c.Fill(&o, nil); err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	return &Sink{staging.New(o)}, nil
}
