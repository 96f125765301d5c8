package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

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
