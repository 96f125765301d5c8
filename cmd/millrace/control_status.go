package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector"
)

// statusOptions are the flags of status.
type statusOptions struct {
	controlOptions
	all, check bool
}

func (c *command) statusCommand() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what a running process is doing",
		Long: `Show what the connectors of a process that runs with --control are doing, by partition. LAG counts
the records between COMMITTED and the end of the partition, and SECONDS is the age of the first of
them. DEAD counts the records that went to the dead letter since the process got the partition.

Of a connector with more than 40 partitions only those are shown that don't run or have an error.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context(), o) },
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "show every partition")
	cmd.Flags().BoolVar(&o.check, "check", false, "exit with 1 if a partition is blocked or halted, or a connector has failed")
	return cmd
}

func (c *command) status(ctx context.Context, o statusOptions) error {
	return c.withProcess(ctx, &o.controlOptions, func(_ context.Context, _ *controlClient, v *view) error {
		if o.connector != "" {
			one, err := v.chosen(o.connector, nil)
			if err != nil {
				return err
			}
			v.Connectors = []connectorView{*one}
		}
		if err := c.printStatus(v, o); err != nil {
			return err
		}
		if o.check {
			return v.check()
		}
		return nil
	})
}

func (c *command) printStatus(v *view, o statusOptions) error {
	if o.json {
		return printJSON(c.out, v)
	}
	f, ok := c.out.(*os.File)
	p := statusPrinter{out: c.out, all: o.all, color: ok && isTerminal(f)}
	p.print(v)
	return nil
}

// check is an error that names what needs somebody.
func (v *view) check() error {
	var bad []string
	for i := range v.Connectors {
		c := &v.Connectors[i]
		if c.Phase == phaseEnded && c.Failure != "" {
			bad = append(bad, "connector "+c.Name+" failed")
		}
		stuck := slices.DeleteFunc(slices.Clone(c.Partitions), func(p connector.PartitionStatus) bool {
			return p.State != connector.StateBlocked && p.State != connector.StateHalted
		})
		for _, g := range groups(stuck, func(p *connector.PartitionStatus) string { return p.Topic + "\n" + string(p.State) }) {
			bad = append(bad, fmt.Sprintf("%s %s of connector %s: %s", g.Topic, g.ids, c.Name, g.State))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return failure{fmt.Errorf("%s", visible(strings.Join(bad, "; ")))}
}
