package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector/config"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// A command is what the subcommands share: nothing in this package reaches for the process's own.
type command struct {
	in       io.Reader
	out, err io.Writer
	color    bool // err is a terminal
	signals  <-chan os.Signal
	plugins  *config.Registry
}

// A failure is an error of a command that was used rightly: exit code 1. Every other error is one of usage
// or configuration.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// execute runs the command line and returns the exit code.
func (c *command) execute(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(args)
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	err := root.ExecuteContext(ctx)
	var failed failure
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &failed):
		c.report(err)
		return exitFailed
	}
	c.report(err)
	return exitUsage
}

// report prints an error, the places of configuration files in bold on a terminal.
func (c *command) report(err error) {
	var problems config.Problems
	if !errors.As(err, &problems) {
		fmt.Fprintf(c.err, "%s %v\n", c.paint("31;1", "error:"), err)
		return
	}
	for i, p := range problems {
		if i > 0 {
			fmt.Fprintln(c.err)
		}
		fmt.Fprintf(c.err, "%s %s\n%s", c.paint("1", p.Place()+":"), p.Message, p.Frame())
	}
}

// paint colours text on a terminal.
func (c *command) paint(code, text string) string {
	return painted(c.color, code, text)
}

func painted(on bool, code, text string) string {
	if !on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// isTerminal reports whether f is one that may be coloured (see no-color.org).
func isTerminal(f *os.File) bool {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "millrace",
		Short: "Moves records from Kafka into sinks",
		Long: `Millrace moves records from Apache Kafka through rules into sinks, as configuration
files say. Exit codes: 0 done, 1 failed, 2 wrong configuration or usage.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(c.runCommand(), c.statusCommand(), c.pauseCommand(), c.resumeCommand(), c.skipCommand(), c.validateCommand(), c.previewCommand(), c.decodeCommand(), c.schemaCommand(), c.verifyCommand(), c.dlqCommand(), c.layoutCommand(), c.rewindCommand(), c.moveCommand(), c.restoreCommand(), c.sinksCommand(), c.demoCommand(), c.versionCommand())
	return root
}
