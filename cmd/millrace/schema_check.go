package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
	"github.com/millrace/millrace/serde/jsonschema"
	"github.com/millrace/millrace/serde/protobuf"
)

// checkOptions are the flags of schema check.
type checkOptions struct {
	level string
	refs  []string
	json  bool
}

// levels are what registries ask of a new version (Confluent: Schema Evolution and Compatibility; AWS Glue: Schema Registry concepts). A transitive level
// asks it of all earlier versions, the others of the latest.
var levels = []string{"none", "backward", "backward_transitive", "forward", "forward_transitive", "full", "full_transitive"}

func (c *command) schemaCheckCommand() *cobra.Command {
	o := checkOptions{}
	cmd := &cobra.Command{
		Use:   "check NEW OLD...",
		Short: "Tell whether a schema is compatible with its earlier versions",
		Long: `Tell whether a new version of a schema goes with earlier ones, without a registry. NEW
and OLD are files: .avsc, .json or .proto. The latest of several earlier versions comes last.

  backward  who reads by NEW can read what was written by OLD
  forward   who reads by OLD can read what is written by NEW
  full      both
  none      NEW can be read as a schema

With _transitive behind it the level holds for all earlier versions, else for the latest.
AWS Glue's names (BACKWARD_ALL) are taken as well. Exit code 1: not compatible; 2: a file
can't be read, or holds no schema.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, paths []string) error { return c.schemaCheck(paths, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.level, "level", "backward", "one of "+strings.Join(levels, ", "))
	f.StringArrayVar(&o.refs, "ref", nil, "schema that the others use: `NAME=FILE`; repeat it, each behind those that it uses")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// A comparison is one pair of schemas.
type comparison struct {
	Reader     string   `json:"reader"`
	Writer     string   `json:"writer"`
	Compatible bool     `json:"compatible"`
	Problems   []string `json:"problems,omitempty"`
}

func (c *command) schemaCheck(paths []string, o checkOptions) error {
	level := strings.ReplaceAll(strings.ToLower(o.level), "_all", "_transitive")
	if !slices.Contains(levels, level) {
		return fmt.Errorf("--level is %q; it is one of %s", o.level, strings.Join(levels, ", "))
	}
	direction, transitive := strings.CutSuffix(level, "_transitive")
	refs, err := readReferences(o.refs)
	if err != nil {
		return err
	}
	pairs, err := compareFiles(paths, direction, transitive, refs)
	if err != nil {
		return err
	}
	compatible := !slices.ContainsFunc(pairs, func(p comparison) bool { return !p.Compatible })
	if o.json {
		err = printJSON(c.out, map[string]any{"level": level, "compatible": compatible, "comparisons": pairs})
	} else {
		err = printComparisons(c.out, paths[0], direction, pairs)
	}
	if err != nil {
		return failure{err}
	}
	if !compatible {
		return failure{fmt.Errorf("%s is not %s compatible", paths[0], strings.ReplaceAll(level, "_", " "))}
	}
	return nil
}

func printComparisons(out io.Writer, path, direction string, pairs []comparison) error {
	var b strings.Builder
	if len(pairs) == 0 {
		fmt.Fprintf(&b, "%s is a schema; nothing was compared (%s)\n", path, direction)
	}
	for _, p := range pairs {
		verdict := "can read what is written by"
		if !p.Compatible {
			verdict = "can't read what is written by"
		}
		fmt.Fprintf(&b, "%s %s %s\n", p.Reader, verdict, p.Writer)
		for _, problem := range p.Problems {
			fmt.Fprintf(&b, "  %s\n", problem)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// compareFiles compares the first file with those behind it.
func compareFiles(paths []string, direction string, transitive bool, refs []serde.Reference) ([]comparison, error) {
	format, err := formatOf(paths[0])
	if err != nil {
		return nil, err
	}
	switch format {
	case serde.Avro:
		parse := func(text string) (*avro.Schema, error) { return avro.Parse(text, refs...) }
		return compareAll(paths, direction, transitive, parse, avro.Compatible)
	case serde.Protobuf:
		parse := func(text string) (*protobuf.File, error) { return protobuf.Parse(text, refs...) }
		return compareAll(paths, direction, transitive, parse, protobuf.Compatible)
	}
	parse := func(text string) (*jsonschema.Schema, error) { return jsonschema.Parse(text, refs...) }
	return compareAll(paths, direction, transitive, parse, jsonschema.Compatible)
}

func compareAll[S any](paths []string, direction string, transitive bool, parse func(string) (*S, error), compare func(reader, writer *S) []string) ([]comparison, error) {
	schemas, err := readSchemas(paths, parse)
	if err != nil || direction == "none" {
		return []comparison{}, err
	}
	if len(paths) == 1 {
		return nil, errors.New("name the earlier versions behind the new one, or use --level none")
	}
	first := 1
	if !transitive {
		first = len(paths) - 1
	}
	pairs := []comparison{}
	add := func(reader, writer int) {
		problems := compare(schemas[reader], schemas[writer])
		pairs = append(pairs, comparison{paths[reader], paths[writer], len(problems) == 0, problems})
	}
	for i := first; i < len(paths); i++ {
		if direction != "forward" {
			add(0, i)
		}
		if direction != "backward" {
			add(i, 0)
		}
	}
	return pairs, nil
}

// readSchemas reads files of one format.
func readSchemas[S any](paths []string, parse func(string) (*S, error)) ([]*S, error) {
	format, _ := formatOf(paths[0])
	var all []*S
	for _, path := range paths {
		if f, err := formatOf(path); err != nil || f != format {
			return nil, fmt.Errorf("%s and %s are of different formats", paths[0], path)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		s, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// formatOf is a schema's format by its file's name.
func formatOf(path string) (serde.Format, error) {
	switch ext := filepath.Ext(path); ext {
	case ".avsc":
		return serde.Avro, nil
	case ".json":
		return serde.JSONSchema, nil
	case ".proto":
		return serde.Protobuf, nil
	default:
		return "", fmt.Errorf("%s: a schema's file ends with .avsc (Avro), .json (JSON Schema) or .proto, not %q", path, ext)
	}
}

// readReferences reads NAME=FILE.
func readReferences(refs []string) ([]serde.Reference, error) {
	var all []serde.Reference
	for _, r := range refs {
		name, path, ok := strings.Cut(r, "=")
		if !ok {
			return nil, fmt.Errorf("--ref is %q; it is NAME=FILE", r)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		all = append(all, serde.Reference{Name: name, Text: string(text)})
	}
	return all, nil
}
