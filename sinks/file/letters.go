package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/internal/letter"
)

// OpenLetters opens the folder to read its letters, of all connectors. Nothing is created; a folder that isn't there holds none.
func (c DeadLetterConfig) OpenLetters(ctx context.Context, _ string) (letter.Box, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(c.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &letterBox{dir: c.Dir}, nil
	case err != nil:
		return nil, failure("open", c.Dir, c.Dir, err)
	}
	return &letterBox{dir: c.Dir, root: root}, nil
}

// A letterBox reads the files that a DeadLetter wrote.
type letterBox struct {
	dir  string
	root *os.Root // nil: there is no folder
}

// Close closes the folder.
func (b *letterBox) Close() error {
	if b.root == nil {
		return nil
	}
	return b.root.Close()
}

// Place is the folder.
func (b *letterBox) Place() string { return b.dir }

// Read reads the files by name, which is by connector and time, each as far as it went when it was opened.
func (b *letterBox) Read(ctx context.Context, found letter.Found) error {
	if b.root == nil {
		return nil
	}
	files, err := fs.ReadDir(b.root.FS(), ".")
	if err != nil {
		return failure("list", b.dir, b.dir, err)
	}
	for _, f := range files {
		if !f.Type().IsRegular() || !strings.HasSuffix(f.Name(), ".jsonl") {
			continue
		}
		if err := b.file(ctx, f.Name(), found); err != nil {
			return err
		}
	}
	return nil
}

func (b *letterBox) file(ctx context.Context, name string, found letter.Found) error {
	full := filepath.Join(b.dir, name)
	f, err := b.root.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist): // deleted meanwhile
		return nil
	case err != nil:
		return failure("open", full, b.dir, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return failure("look at", full, b.dir, err)
	}
	return letter.ReadLines(ctx, io.LimitReader(f, info.Size()), full, found)
}
