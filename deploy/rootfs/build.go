package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// roots is where Alpine, on which the image is built, keeps the certificates of public authorities; so does Debian.
const roots = "/etc/ssl/certs/ca-certificates.crt"

// A file is one of the image's.
type file struct {
	Path  string      `json:"path"`
	Mode  fs.FileMode `json:"mode"`
	Bytes int64       `json:"bytes"`
}

// A rootfs is what was built.
type rootfs struct {
	Dir        string   `json:"dir,omitempty"`
	Files      []file   `json:"files"`
	Unpacked   int64    `json:"unpacked"`   // bytes of all files
	Compressed int64    `json:"compressed"` // bytes as one layer, tar and gzip at its default level
	User       string   `json:"user"`
	Entrypoint []string `json:"entrypoint"`
}

// build makes the image's root file system in dir, which it makes too. args are build arguments.
func build(ctx context.Context, root, dir string, args map[string]string) (*rootfs, error) {
	text, err := os.ReadFile(filepath.Join(root, "deploy", "Dockerfile"))
	if err != nil {
		return nil, err
	}
	d, err := parseDockerfile(string(text))
	if err != nil {
		return nil, fmt.Errorf("deploy/Dockerfile: %w", err)
	}
	im, err := d.image()
	if err != nil {
		return nil, fmt.Errorf("deploy/Dockerfile: %w", err)
	}
	scratch, err := os.MkdirTemp("", "millrace-rootfs-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	for _, c := range im.copies {
		src := c.src
		if src != roots {
			if src, err = compile(ctx, d, c, root, scratch, args); err != nil {
				return nil, err
			}
		}
		if err := place(dir, src, c.dst); err != nil {
			return nil, err
		}
	}
	return measure(dir, im)
}

// compile runs the stage's go build on a copy of the context, and returns where the binary is.
func compile(ctx context.Context, d dockerfile, c copied, root, scratch string, args map[string]string) (string, error) {
	given := map[string]string{"TARGETOS": "linux", "TARGETARCH": runtime.GOARCH}
	for k, v := range args {
		given[k] = v
	}
	command, env, err := d.goBuild(c.from, given)
	if err != nil {
		return "", fmt.Errorf("deploy/Dockerfile: %w", err)
	}
	if !strings.Contains(command, "-o "+c.src+" ") {
		return "", fmt.Errorf("deploy/Dockerfile: COPY wants %s, which its go build doesn't write: %s", c.src, command)
	}
	g, err := readIgnored(filepath.Join(root, "deploy", "Dockerfile.dockerignore"))
	if err != nil {
		return "", err
	}
	src := filepath.Join(scratch, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		return "", err
	}
	if err := copyContext(root, src, g); err != nil {
		return "", fmt.Errorf("copy the context: %w", err)
	}
	out := filepath.Join(scratch, "out")
	cmd := exec.CommandContext(ctx, "sh", "-c", strings.Replace(command, "-o "+c.src+" ", `-o "$OUT" `, 1))
	cmd.Dir = src
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "OUT="+out)
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w:\n%s", command, err, said)
	}
	return out, nil
}

// place puts a file where COPY would, owned by who runs this program.
func place(dir, src, dst string) error {
	mode := fs.FileMode(0o644)
	if src != roots {
		mode = 0o755
	}
	to := filepath.Join(dir, dst)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	err := copyFile(src, to, mode)
	if src == roots && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the CA certificates: %w (Debian and Alpine: the package ca-certificates)", err)
	}
	return err
}

func measure(dir string, im image) (*rootfs, error) {
	r := &rootfs{User: im.user, Entrypoint: im.entrypoint}
	var packed counter
	zip := gzip.NewWriter(&packed)
	layer := tar.NewWriter(zip)
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		return r.add(layer, dir, name, entry)
	})
	if err := errors.Join(err, layer.Close(), zip.Close()); err != nil {
		return nil, fmt.Errorf("measure %s: %w", dir, err)
	}
	r.Compressed = int64(packed)
	return r, nil
}

func (r *rootfs) add(layer *tar.Writer, dir, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	header, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	within, err := filepath.Rel(dir, name)
	if err != nil {
		return err
	}
	header.Name, header.Uname, header.Gname = filepath.ToSlash(within), "", ""
	if err := layer.WriteHeader(header); err != nil || entry.IsDir() {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(layer, f); err != nil {
		return err
	}
	r.Files = append(r.Files, file{path.Join("/", header.Name), info.Mode().Perm(), info.Size()})
	r.Unpacked += info.Size()
	return nil
}

// A counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
