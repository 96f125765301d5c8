package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/lines"
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
	// a missing, null or empty value. A path that ends in / gets {topic}+{partition}+{position:%010d}, one without
	// {position} gets it at its end. Eight random hex digits and the extension follow.
	Path string `yaml:"path" kind:"template"`
	// Which time {time:...} in path shows.
	Time Time `yaml:"time"`
	// Format of a line: json (the value as JSON, null for a tombstone) or raw (texts and bytes as they are,
	// other values as JSON, an empty line for a tombstone; a text with a newline goes to the dead letter).
	Format string `yaml:"format"`
	// Compression of the files: none, gzip or zstd.
	Compression string `yaml:"compression"`
	// 1 to 9 for gzip, 1 to 22 for zstd; 0 is 5 for gzip and 1, the fastest, for zstd.
	CompressionLevel int `yaml:"compression_level"`
	// When files are closed.
	Rotate Rotate `yaml:"rotate"`
	// How many files one partition writes at a time. Where path leads to
	// more, those that were idle longest are closed early: many values in path make many small files.
	MaxOpenFiles int `yaml:"max_open_files"`
}

// Time says which time {time:...} shows.
type Time struct {
	// timestamp (the record's), wall (the time of writing), or a field: value.NAME, key.NAME, header.NAME.
	// A field is a timestamp, milliseconds since 1970, or a text such as 2026-01-31T08:00:00Z. A record
	// without it goes to the dead letter.
	From string `yaml:"from" short:"true"`
	// Time zone, such as UTC or Europe/Berlin.
	Zone string `yaml:"zone"`
}

// Rotate says when files are closed.
type Rotate struct {
	// Size of a finished file, compressed. A file is closed when it has reached it.
	Size connector.Bytes `yaml:"size"`
	// Longest time that a record waits until its file is closed and can be seen.
	Age connector.Duration `yaml:"age"`
	// Records of a file; 0 is no limit.
	Records int64 `yaml:"records"`
	// Whether all of a partition's files are closed as soon as half of them are full. Without it a full
	// file of a busy path waits, invisible, until age has passed.
	Adaptive bool `yaml:"adaptive"`
}

// DefaultConfig is the settings that a file need not name.
func DefaultConfig() Config {
	return Config{
		Path:         "{topic}/partition={partition}/",
		Time:         Time{From: "timestamp", Zone: "UTC"},
		Format:       "json",
		Compression:  "gzip",
		Rotate:       Rotate{Size: 128 << 20, Age: connector.Duration(5 * time.Minute), Adaptive: true},
		MaxOpenFiles: 1000,
	}
}

// Validate checks the settings; it touches no file.
func (c Config) Validate() error {
	_, err := c.compile()
	return err
}

// compile makes a Sink that isn't open yet.
func (c Config) compile() (*Sink, error) {
	switch {
	case c.Dir == "":
		return nil, errors.New("dir is missing: the folder to write below")
	case strings.ContainsRune(c.Dir, 0):
		return nil, errors.New("dir holds a NUL byte")
	case c.Rotate.Size <= 0:
		return nil, fmt.Errorf("rotate.size is %s; it must be above 0", c.Rotate.Size)
	case c.Rotate.Age <= 0:
		return nil, fmt.Errorf("rotate.age is %s; it must be above 0", c.Rotate.Age)
	case c.Rotate.Records < 0:
		return nil, fmt.Errorf("rotate.records is %d; it must be 0 (no limit) or more", c.Rotate.Records)
	case c.MaxOpenFiles < 1:
		return nil, fmt.Errorf("max_open_files is %d; it must be 1 or more", c.MaxOpenFiles)
	}
	path, err := compilePath(c.Path, c.Time)
	if err != nil {
		return nil, err
	}
	format, err := lines.ParseFormat(c.Format)
	if err != nil {
		return nil, fmt.Errorf("format: %w", err)
	}
	codec, err := lines.NewCodec(lines.Compression(c.Compression), c.CompressionLevel)
	if err != nil {
		return nil, fmt.Errorf("compression: %w", err)
	}
	return &Sink{
		dir: c.Dir, path: path, format: format, codec: codec,
		extension: format.Extension() + codec.Extension(),
		rotation: connector.Rotation{
			Size: int64(c.Rotate.Size), Records: c.Rotate.Records,
			Age: time.Duration(c.Rotate.Age), Adaptive: c.Rotate.Adaptive,
		},
		maxOpen: c.MaxOpenFiles,
		disk:    systemDisk{},
	}, nil
}

// tempDir holds the temporary files, below dir. Readers of data folders skip names with a leading dot.
const tempDir = ".millrace-tmp"

func compilePath(text string, t Time) (*template.Template, error) {
	options := template.Options{Path: true, Position: true, Time: &template.Time{From: t.From, Zone: t.Zone}}
	if strings.HasPrefix(text, ".millrace") {
		return nil, errors.New("path can't begin with .millrace: temporary files are kept there")
	}
	if text == "" || strings.HasSuffix(text, "/") {
		text += "{topic}+{partition}+{position:%010d}"
	}
	p, err := template.Compile(text, options)
	if err == nil && !p.HasPosition() {
		p, err = template.Compile(text+"-{position:%010d}", options)
	}
	if err != nil {
		return nil, fmt.Errorf("path: %w", err)
	}
	return p, nil
}

// A Sink writes files. It is safe for concurrent use, with one goroutine for each connector.Staged.
type Sink struct {
	dir       string
	path      *template.Template
	format    lines.Format
	codec     *lines.Codec
	extension string
	rotation  connector.Rotation
	maxOpen   int

	root    *os.Root // nothing is named in any other way: no path and no symbolic link leads out of dir
	session *session
	handles atomic.Int64 // open files
	disk    disk
}

var _ connector.Stager = (*Sink)(nil)

// Open creates dir if need be, checks that files can be written and linked there, and removes what
// crashed processes left. Close ends the Sink.
func (c Config) Open(ctx context.Context) (*Sink, error) {
	s, err := c.compile()
	if err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := makeDir(s.dir); err != nil {
		return nil, failure("create", s.dir, s.dir, err)
	}
	if s.root, err = os.OpenRoot(s.dir); err != nil {
		return nil, failure("open", s.dir, s.dir, err)
	}
	if s.session, err = openSession(s.root); err != nil {
		return nil, errors.Join(failure("prepare", filepath.Join(s.dir, tempDir), s.dir, err), s.root.Close())
	}
	return s, nil
}

// Close removes the Sink's temporary files: what isn't committed is dropped.
func (s *Sink) Close() error {
	return errors.Join(s.session.close(), s.root.Close())
}

// Rotation is the same for every topic.
func (s *Sink) Rotation(string) connector.Rotation { return s.rotation }

// Recover goes on where the group stands: the files don't say what they hold.
func (s *Sink) Recover(_ context.Context, a connector.Assignment) (connector.Position, error) {
	return connector.Position{ReadFrom: a.Start}, nil
}

// Stage begins a range. It touches no file.
func (s *Sink) Stage(_ context.Context, p connector.Partition, at connector.Position, r connector.Retrier) (connector.Staged, error) {
	return &staged{sink: s, partition: p, at: at, retry: r, open: make(map[string]*file)}, nil
}

// full is a path as people know it.
func (s *Sink) full(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// makeDir is MkdirAll that survives a crash of the machine.
func makeDir(dir string) error {
	exists := filepath.Clean(dir)
	for {
		_, err := os.Stat(exists)
		if err == nil {
			break
		}
		parent := filepath.Dir(exists)
		if !errors.Is(err, fs.ErrNotExist) || parent == exists {
			return err
		}
		exists = parent
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for d := filepath.Clean(dir); d != exists; {
		d = filepath.Dir(d)
		f, err := os.Open(d)
		if errors.Is(err, fs.ErrPermission) {
			continue // not ours to read, so not to sync
		}
		if err != nil {
			return err
		}
		err = errors.Join(systemDisk{}.syncDir(f), f.Close())
		if err != nil {
			return err
		}
	}
	return nil
}
