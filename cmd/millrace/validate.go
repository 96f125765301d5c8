package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector/config"
)

func (c *command) validateCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check configuration files, without a network",
		Long: `Check configuration files: their syntax, settings, expressions and paths. Nothing is
connected to. Environment variables that a file needs must be set.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, paths []string) error { return c.validate(paths, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per file")
	return cmd
}

// A fileReport is what validate --json says of a file.
type fileReport struct {
	File       string          `json:"file"`
	OK         bool            `json:"ok"`
	Connectors []string        `json:"connectors"`
	Problems   []problemReport `json:"problems"`
}

type problemReport struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

func (c *command) validate(paths []string, asJSON bool) error {
	files, err := c.plugins.Load(paths...)
	if !asJSON {
		for _, f := range files {
			fmt.Fprintf(c.out, "%s: %s, ok\n", f.Name, count(len(f.Connectors), "connector"))
		}
		return err
	}
	reports := make([]*fileReport, len(paths))
	byName := map[string]*fileReport{}
	for i, p := range paths {
		reports[i] = &fileReport{File: p, OK: true, Connectors: []string{}, Problems: []problemReport{}}
		byName[p] = reports[i]
	}
	for _, f := range files {
		for _, conn := range f.Connectors {
			byName[f.Name].Connectors = append(byName[f.Name].Connectors, conn.Name)
		}
	}
	var problems config.Problems
	errors.As(err, &problems)
	for _, p := range problems {
		r := byName[p.File]
		r.OK, r.Problems = false, append(r.Problems, problemReport{p.Line, p.Column, p.Message})
	}
	enc := json.NewEncoder(c.out)
	for _, r := range reports {
		if err := enc.Encode(r); err != nil {
			return failure{err}
		}
	}
	return err
}

// count is "1 connector" or "2 connectors".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
