// Command rootfs builds the root file system of Millrace's image without a container engine, from what the last stage
// of deploy/Dockerfile says, and shows what is in it and its size:
//
//	go run ./deploy/rootfs                   # in the root of the repository
//	go run ./deploy/rootfs -o DIR --tags no_s3
//	go run ./deploy/rootfs --run             # and run its binary in it, as the image's user
//
// The binary is built by the Dockerfile's own go build, from the files that its .dockerignore lets through. What it
// takes from this machine instead of from an image are Go and the CA certificates.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if len(os.Args) > 1 && os.Args[1] == insideArg {
		err = inside(os.Args[2:])
	} else {
		err = run(ctx, os.Args[1:], os.Stdout)
	}
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "rootfs:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	f := flag.NewFlagSet("rootfs", flag.ContinueOnError)
	dir := f.String("o", "", "keep the root file system in this `folder`, which must not be there yet")
	tags := f.String("tags", "", "build tags, with commas between them")
	version := f.String("version", "dev", "what the binary says is its version")
	asJSON := f.Bool("json", false, "print JSON")
	try := f.Bool("run", false, "run the binary in it as the image's user, with a read-only root; needs root or user namespaces")
	userns := f.Bool("userns", false, "run it in a user namespace, even as root")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *dir == "" {
		temporary, err := os.MkdirTemp("", "millrace-rootfs-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
		*dir = filepath.Join(temporary, "root")
	}
	if err := os.Mkdir(*dir, 0o755); err != nil {
		return err
	}
	if *dir, err = filepath.Abs(*dir); err != nil {
		return err
	}
	root, err := repository()
	if err != nil {
		return err
	}
	made, err := build(ctx, root, *dir, map[string]string{"TAGS": *tags, "VERSION": *version})
	if err != nil {
		return err
	}
	var runs []ran
	if *try {
		if runs, err = tryOut(ctx, *dir, root, made, *userns); err != nil {
			return err
		}
	}
	if *asJSON {
		return json.NewEncoder(out).Encode(struct {
			*rootfs
			Runs []ran `json:"runs,omitempty"`
		}{made, runs})
	}
	return made.print(out, runs)
}

// repository is the folder above this one that holds go.mod.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "deploy", "Dockerfile")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("run it in the repository: no folder above this one has deploy/Dockerfile")
		}
		dir = up
	}
}

func (r *rootfs) print(out io.Writer, runs []ran) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range r.Files {
		fmt.Fprintf(w, "%s\t%v\t%d bytes\n", f.Path, f.Mode, f.Bytes)
	}
	fmt.Fprintf(w, "\t\t\nunpacked\t\t%.2f MB\n", megabytes(r.Unpacked))
	fmt.Fprintf(w, "as tar and gzip\t\t%.2f MB\n", megabytes(r.Compressed))
	fmt.Fprintf(w, "user\t\t%s\n", r.User)
	fmt.Fprintf(w, "entrypoint\t\t%s\n", strings.Join(r.Entrypoint, " "))
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range runs {
		if _, err := fmt.Fprintf(out, "\n$ %s   (%s)\n%s", strings.Join(r.Args, " "), r.Root, r.Output); err != nil {
			return err
		}
	}
	return nil
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }
