package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector/config"
)

// comments are the doc comments of all settings, taken from the sources by the test TestReference.
//
//go:embed comments.json
var comments []byte

// docs are the comments, for the reference.
func docs() (config.Docs, error) {
	var d config.Docs
	if err := json.Unmarshal(comments, &d); err != nil {
		return nil, failure{fmt.Errorf("read the reference: %w", err)}
	}
	return d, nil
}

func (c *command) sinksCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sinks [NAME]",
		Short: "List what can be written to, or print the settings of one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.listSinks(asJSON)
			}
			return c.describeSink(args[0], asJSON)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return c.sinkNames(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// A sinkReport is what sinks --json says of a sink.
type sinkReport struct {
	Name      string           `json:"name"`
	Doc       string           `json:"doc"`
	Guarantee string           `json:"guarantee"`
	Settings  []config.Setting `json:"settings,omitempty"`
}

func (c *command) sinkNames() []string {
	var names []string
	for _, p := range c.plugins.Plugins(config.KindSink) {
		names = append(names, p.Name)
	}
	return names
}

func (c *command) listSinks(asJSON bool) error {
	d, err := docs()
	if err != nil {
		return err
	}
	var rows [][]string
	reports := []sinkReport{}
	for _, p := range c.plugins.Plugins(config.KindSink) {
		rows = append(rows, []string{p.Name, p.Synopsis(d)})
		reports = append(reports, sinkReport{Name: p.Name, Doc: p.Synopsis(d), Guarantee: p.Guarantee(d)})
	}
	if asJSON {
		return json.NewEncoder(c.out).Encode(reports)
	}
	printTable(c.out, []string{"SINK", "WHAT IT IS"}, rows)
	fmt.Fprintln(c.out, "\nThe settings of one: millrace sinks NAME")
	return nil
}

func (c *command) describeSink(name string, asJSON bool) error {
	d, err := docs()
	if err != nil {
		return err
	}
	p := c.plugins.Find(config.KindSink, name)
	if p == nil {
		return fmt.Errorf("this build has no sink %q; it has %s", name, strings.Join(c.sinkNames(), ", "))
	}
	settings := p.Settings(d)
	if asJSON {
		return json.NewEncoder(c.out).Encode(sinkReport{Name: name, Doc: p.Synopsis(d), Guarantee: p.Guarantee(d), Settings: settings})
	}
	for _, text := range []string{name + ": " + p.Synopsis(d), p.Guarantee(d)} {
		for _, line := range wrap(text, lineWidth) {
			fmt.Fprintln(c.out, line)
		}
		if text != "" {
			fmt.Fprintln(c.out)
		}
	}
	var rows [][]string
	for _, s := range settings {
		rows = append(rows, []string{s.Name, s.Type, s.Default, s.Doc})
	}
	printTable(c.out, []string{"SETTING", "TYPE", "DEFAULT", ""}, rows)
	return nil
}
