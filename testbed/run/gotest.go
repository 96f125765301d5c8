package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/millrace/millrace/testbed"
)

const module = "github.com/millrace/millrace"

// A phase is a way to run tests.
type phase struct {
	name string
	args []string
	env  []string
}

func (p phase) with(env []string) phase { p.env = env; return p }

// unit needs nothing but Go. Packages on services run two at a time: they mostly wait, and share the machine with the services. Those below testbed
// drive processes of the command, which are as they are shipped: a race detector in the tests would only take the machine from them.
var (
	unit     = phase{name: "unit", args: []string{"-race", "-p", "2", "-timeout", "10m"}}
	services = phase{name: "real", args: []string{"-race", "-p", "2", "-timeout", "60m", "-tags", "testbed"}}
	driven   = phase{name: services.name, args: []string{"-p", "2", "-timeout", "60m", "-tags", "testbed"}}
)

// vet runs go vet over everything, the tests on services included.
func vet(ctx context.Context, out *screen) error {
	return out.step("go vet -tags testbed ./...", func() error {
		said, err := command(ctx, "go", "vet", "-tags", "testbed", "./...").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, said)
		}
		return nil
	})
}

// goTest runs the tests of packages and counts them in total.
func goTest(ctx context.Context, out *screen, total *tally, ph phase, packages ...string) {
	args := append([]string{"test", "-json", "-count=1"}, ph.args...)
	out.line("go %s", strings.Join(slices.Concat(args[:1], args[2:], abbreviate(packages)), " "))
	cmd := command(ctx, "go", append(args, packages...)...)
	cmd.Env = append(append(cmd.Environ(), "CGO_ENABLED=1"), ph.env...)
	var said strings.Builder
	cmd.Stderr = &said
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		total.broken("go test", err.Error())
		return
	}
	stop := out.remind(total.running)
	before := total.bad()
	readErr := readEvents(stdout, func(e event) { total.add(out, ph, e) })
	err = cmd.Wait()
	stop()
	if err == nil {
		err = readErr
	}
	if err != nil && (total.bad() == before || ctx.Err() != nil) { // no test says why
		total.broken("go test", fmt.Sprintf("%v\n%s", err, said.String()))
	}
}

// An event is a line of go test -json (go doc test2json).
type event struct {
	Action, Package, Test, Output string
	ImportPath                    string // of build-output and build-fail
	FailedBuild                   string
	Elapsed                       float64 // seconds
}

// readEvents calls add for every event. A line that is none is an error.
func readEvents(r io.Reader, add func(event)) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				_, _ = io.Copy(io.Discard, lines) // or go test would wait for its reader
				return fmt.Errorf("go test -json wrote %q: %w", line, err)
			}
			add(e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// taggedPackages are those with tests on services: the ones whose test files differ with the build tag. Those that drive processes lie below testbed.
func taggedPackages(ctx context.Context) (own, drivers []string, _ error) {
	without, err := testFiles(ctx)
	if err != nil {
		return nil, nil, err
	}
	with, err := testFiles(ctx, "-tags", "testbed")
	if err != nil {
		return nil, nil, err
	}
	for _, pkg := range slices.Sorted(maps.Keys(with)) {
		path := strings.TrimPrefix(pkg, module)
		switch {
		case with[pkg] == without[pkg]:
		case strings.HasPrefix(path, "/testbed"):
			drivers = append(drivers, "."+path)
		default:
			own = append(own, "."+path)
		}
	}
	return own, drivers, nil
}

func testFiles(ctx context.Context, flags ...string) (map[string]string, error) {
	args := append([]string{"list", "-e", "-f", "{{.ImportPath}} {{.TestGoFiles}} {{.XTestGoFiles}}"}, flags...)
	out, err := command(ctx, "go", append(args, "./...")...).Output()
	if err != nil {
		return nil, fmt.Errorf("list packages with tests on services: %w", err)
	}
	files := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		pkg, names, _ := strings.Cut(line, " ")
		files[pkg] = names
	}
	return files, nil
}

// command is a command that ends with all that it started when ctx ends.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	testbed.Contain(cmd)
	cmd.Env = os.Environ()
	return cmd
}

func abbreviate(packages []string) []string {
	if len(packages) > 3 {
		return []string{fmt.Sprintf("(%d packages)", len(packages))}
	}
	return packages
}
