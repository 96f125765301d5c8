package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/letter"
	"github.com/millrace/millrace/internal/template"
)

// DeadLetterConfig is the settings of the dead letter that writes files.
type DeadLetterConfig struct {
	// Folder to write into. It is created if it is missing. Required.
	Dir string `yaml:"dir" short:"true"`
	// Size of a file; when it is reached, the next file begins.
	Size connector.Bytes `yaml:"size"`
}

// DefaultDeadLetterConfig is the settings that a file need not name.
func DefaultDeadLetterConfig() DeadLetterConfig { return DeadLetterConfig{Size: 128 << 20} }

// Validate checks the settings; it touches no file.
func (c DeadLetterConfig) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("dir is missing: the folder for dead letters")
	case c.Size <= 0:
		return fmt.Errorf("size is %s; it must be above 0", c.Size)
	}
	return nil
}

// A DeadLetter appends failures as lines of JSON to files of its own,
// DIR/CONNECTOR-yyyyMMddTHHmmssZ-RANDOM.jsonl, the time being that of the file's creation. Several processes may write
// into one folder. A process that was killed may leave an incomplete last line. It is safe for concurrent use.
type DeadLetter struct {
	dir  string
	size int64
	disk disk

	mu    sync.Mutex
	files map[string]*letters // by connector
	buf   bytes.Buffer
}

var _ connector.DeadLetter = (*DeadLetter)(nil)

// letters is a file that is being written.
type letters struct {
	f    *os.File
	size int64 // of what is on disk; a failed write may have left more
}

// Open creates dir if need be. Files are created when something fails.
func (c DeadLetterConfig) Open(ctx context.Context) (*DeadLetter, error) {
	if err := c.Validate(); err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := makeDir(c.Dir); err != nil {
		return nil, failure("create", c.Dir, c.Dir, err)
	}
	return &DeadLetter{dir: c.Dir, size: int64(c.Size), disk: systemDisk{}, files: make(map[string]*letters)}, nil
}

// Close closes the files.
func (d *DeadLetter) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	for name := range d.files {
		err = errors.Join(err, d.close(name))
	}
	return err
}

func (d *DeadLetter) close(name string) error {
	l := d.files[name]
	delete(d.files, name)
	return l.f.Close()
}

// Bury writes the failures and syncs the file.
func (d *DeadLetter) Bury(ctx context.Context, fs []connector.Failure) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(fs) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := fs[0].Source.Connector
		d.buf.Reset()
		n := 0
		for n < len(fs) && fs[n].Source.Connector == name {
			if err := letter.Append(&d.buf, &fs[n]); err != nil {
				return err
			}
			n++
		}
		if err := d.append(name, d.buf.Bytes()); err != nil {
			return err
		}
		fs = fs[n:]
	}
	return nil
}

func (d *DeadLetter) append(name string, p []byte) error {
	l := d.files[name]
	if l == nil {
		var err error
		if l, err = d.create(name); err != nil {
			return err
		}
		d.files[name] = l
	}
	if err := d.disk.write(l.f, p, l.size); err != nil {
		_ = l.f.Truncate(l.size) // the next attempt writes to the same place anyway
		return failure("write dead letters to", l.f.Name(), d.dir, err)
	}
	if err := d.disk.sync(l.f); err != nil {
		// What a failed sync couldn't write, the next one may pass over: go on in another file.
		return errors.Join(failure("sync", l.f.Name(), d.dir, err), d.close(name))
	}
	l.size += int64(len(p))
	if l.size >= d.size {
		if err := d.close(name); err != nil {
			return failure("close", l.f.Name(), d.dir, err)
		}
	}
	return nil
}

func (d *DeadLetter) create(connectorName string) (*letters, error) {
	base := template.EscapePath(nil, []byte(connectorName))
	if len(base) == 0 {
		base = []byte("millrace")
	}
	name := filepath.Join(d.dir, fmt.Sprintf("%s-%s-%s.jsonl", base, time.Now().UTC().Format("20060102T150405Z"), randomHex(4)))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, failure("create", name, d.dir, err)
	}
	folder, err := os.Open(d.dir)
	if err == nil {
		err = errors.Join(d.disk.syncDir(folder), folder.Close())
	}
	if err != nil {
		return nil, errors.Join(failure("sync", d.dir, d.dir, err), f.Close(), os.Remove(name))
	}
	return &letters{f: f}, nil
}
