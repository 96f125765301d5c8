// Command run is the project's test command, behind "make test": it installs what is
// missing, starts the real services, runs every test, and ends with a table and the line
//
//	N passed, N failed, N skipped
//
// It exits with 1 if a test failed or was skipped, or if a part can't be had. With
// arguments it runs that command instead, with the services named in its environment:
//
//	go run ./testbed/run go test -tags testbed -run TestCluster ./sinks/redisgeo
//
// and "go run ./testbed/run bash" is a shell beside running services.
package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/millrace/millrace/testbed"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	out := newScreen(os.Stdout)
	var ok bool
	if len(os.Args) > 1 {
		ok = runCommand(ctx, out, os.Args[1:])
	} else {
		ok = runTests(ctx, out)
	}
	stop()
	if !ok {
		os.Exit(1)
	}
}

// runTests runs all tests, those without services first: they say sooner what is wrong. Where a
// part is missing, the tests on services aren't run, and the part counts as failed.
func runTests(ctx context.Context, out *screen) bool {
	var missing []string
	have := func(err error) {
		if err != nil {
			missing = append(missing, err.Error())
		}
	}
	out.title("Tools")
	have(install(ctx, out))
	out.title("Programs that Debian doesn't have")
	have(fetch(ctx, out))

	total := newTally()
	out.title("Vet")
	if err := vet(ctx, out); err != nil {
		total.broken("go vet", err.Error())
	}
	out.title("Tests that need nothing but Go")
	goTest(ctx, out, total, unit, "./...")

	switch {
	case ctx.Err() != nil:
	case len(missing) > 0:
		out.title("Tests on real services")
		out.line("not run: parts are missing, see below")
	default:
		have(testServices(ctx, out, total))
	}
	if ctx.Err() != nil {
		missing = append(missing, "interrupted")
	}
	for _, m := range missing {
		total.broken("missing", m)
	}
	return total.print(out)
}

// testServices runs the tests on real services. The error names a part that couldn't be had.
func testServices(ctx context.Context, out *screen, total *tally) error {
	own, drivers, err := taggedPackages(ctx)
	if err != nil {
		return err
	}
	out.title("Services")
	bed, err := startBed(ctx, out)
	if err != nil {
		return err
	}
	out.title("Tests on real services")
	before := total.bad()
	goTest(ctx, out, total, services.with(bed.Env()), own...)
	goTest(ctx, out, total, driven.with(bed.Env()), drivers...)
	keep := total.bad() > before
	if keep {
		out.line("the services' logs are kept in %s", bed.Dir)
	}
	return bed.Stop(keep)
}

// runCommand runs one command beside the services.
func runCommand(ctx context.Context, out *screen, argv []string) bool {
	if err := errors.Join(install(ctx, out), fetch(ctx, out)); err != nil {
		out.line("%v", err)
		return false
	}
	bed, err := startBed(ctx, out)
	if err != nil {
		out.line("%v", err)
		return false
	}
	for _, env := range bed.Env() {
		out.line("export %s", env)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), bed.Env()...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	err = cmd.Run()
	if err != nil {
		out.line("%s: %v; the services' logs are kept in %s", argv[0], err, bed.Dir)
	}
	return errors.Join(err, bed.Stop(err != nil)) == nil
}

// install installs the tools that are missing.
func install(ctx context.Context, out *screen) error {
	missing := testbed.Missing()
	for _, t := range testbed.Tools() {
		state := "not there"
		if path, err := t.Path(); err == nil {
			state = path
		}
		out.line("%-13s %-34s %s", t.Name, t.Why, state)
	}
	if len(missing) == 0 {
		return nil
	}
	var names []string
	for _, t := range missing {
		names = append(names, t.Name)
	}
	return out.step("install with apt-get: "+strings.Join(names, ", "), func() error {
		return testbed.Install(ctx, missing)
	})
}

// fetch brings what the test bed runs into the cache. It goes on after one that can't be had, so that all of these become known.
func fetch(ctx context.Context, out *screen) error {
	dir, err := testbed.CacheDir()
	if err != nil {
		return err
	}
	out.line("kept in %s", home(dir))
	var errs []error
	for _, d := range testbed.Downloads() {
		errs = append(errs, out.step(d.Name+" (at first "+d.Cost+")", func() error {
			_, err := d.Get(ctx)
			return err
		}))
	}
	return errors.Join(errs...)
}

// startBed starts the services that all packages share.
func startBed(ctx context.Context, out *screen) (*testbed.Bed, error) {
	return testbed.StartBed(ctx, func(p testbed.Part) { out.done(p.Name, p.Took, p.Err) })
}

// home writes a folder below the user's as people do.
func home(dir string) string {
	if h, err := os.UserHomeDir(); err == nil {
		if rest, ok := strings.CutPrefix(dir, h+string(os.PathSeparator)); ok {
			return "~/" + rest
		}
	}
	return dir
}
