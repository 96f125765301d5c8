package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// ignored are the patterns of a .dockerignore file: a path in the root of the context, or **/ and a name at any depth.
type ignored []string

func readIgnored(file string) (ignored, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out ignored
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out, nil
}

// has tells whether a file or folder, named relative to the context, is left out.
func (g ignored) has(name string) bool {
	for _, pattern := range g {
		base, anywhere := strings.CutPrefix(pattern, "**/")
		target := name
		if anywhere {
			target = path.Base(name)
		}
		if ok, err := path.Match(base, target); ok && err == nil {
			return true
		}
	}
	return false
}

// copyContext copies what an engine would be given of root: a file that is missing there is missing here too.
func copyContext(root, to string, g ignored) error {
	return filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		switch {
		case name == ".":
			return nil
		case g.has(filepath.ToSlash(name)):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return os.Mkdir(filepath.Join(to, name), 0o755)
		case !entry.Type().IsRegular():
			return nil
		}
		return copyFile(file, filepath.Join(to, name), 0o644)
	})
}

func copyFile(from, to string, mode fs.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, data, mode); err != nil {
		return err
	}
	return os.Chmod(to, mode) // whatever the umask
}
