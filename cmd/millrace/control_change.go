package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector"
)

func (c *command) pauseCommand() *cobra.Command {
	return c.changeCommand("pause", "paused", "Stop reading partitions of a running process",
		`Stop reading partitions of a process that runs with --control: the named ones, those of a topic
that it has now, or all of its connector, those too that it is given later. What was read is
finished and committed. "millrace resume" goes on; so does a process that is started again.`)
}

func (c *command) resumeCommand() *cobra.Command {
	return c.changeCommand("resume", "resumed", "Go on reading partitions that were paused or halted",
		`Go on reading partitions of a process that runs with --control: those that were paused, and
those that halted at a record, at a gap, or because too many records went to the dead letter.
The named ones, those of a topic that the process has now, or all of its connector.`)
}

func (c *command) changeCommand(name, done, short, long string) *cobra.Command {
	var o controlOptions
	cmd := &cobra.Command{
		Use:   name + " [TOPIC/PARTITION | TOPIC]...",
		Short: short,
		Long:  long,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.change(cmd.Context(), name, done, args, o)
		},
	}
	o.flags(cmd)
	return cmd
}

// change pauses or resumes.
func (c *command) change(ctx context.Context, name, done string, args []string, o controlOptions) error {
	named, topics, err := parseNames(args)
	if err != nil {
		return err
	}
	return c.withProcess(ctx, &o, func(ctx context.Context, client *controlClient, v *view) error {
		conn, err := v.chosen(o.connector, topicsOf(named, topics))
		if err != nil {
			return err
		}
		ps, err := conn.expand(named, topics)
		if err != nil {
			return err
		}
		ask := change{Connector: conn.Name, Partitions: []string{}}
		for _, p := range ps {
			ask.Partitions = append(ask.Partitions, p.String())
		}
		var answer changed
		if err := client.call(ctx, http.MethodPost, "/"+name, ask, &answer); err != nil {
			return err
		}
		if o.json {
			return printJSON(c.out, answer)
		}
		conn.printChanged(c.out, done, ps)
		return nil
	})
}

// parseNames tells partitions from topics: a topic's name has no slash.
func parseNames(args []string) (ps []connector.Partition, topics []string, err error) {
	for _, a := range args {
		switch p, err := parsePartition(a); {
		case err == nil:
			ps = append(ps, p)
		case isTopic(a):
			topics = append(topics, a)
		default:
			return nil, nil, fmt.Errorf("%q is neither TOPIC/PARTITION, such as cars.gps/0, nor a topic", a)
		}
	}
	return ps, topics, nil
}

func topicsOf(ps []connector.Partition, topics []string) []string {
	all := slices.Clone(topics)
	for _, p := range ps {
		all = append(all, p.Topic)
	}
	return all
}

// expand adds the partitions of topics that the process has now, each once.
func (c *connectorView) expand(ps []connector.Partition, topics []string) ([]connector.Partition, error) {
	var all []connector.Partition
	for _, p := range ps {
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	for _, t := range topics {
		if !c.reads(t) {
			return nil, failure{fmt.Errorf("connector %s has no partition of topic %s in this process now", c.Name, t)}
		}
		for i := range c.Partitions {
			if p := c.Partitions[i].Partition; p.Topic == t && !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all, nil
}

// find returns the status of a partition, nil if the process doesn't have it now.
func (c *connectorView) find(p connector.Partition) *connector.PartitionStatus {
	i := slices.IndexFunc(c.Partitions, func(s connector.PartitionStatus) bool { return s.Partition == p })
	if i < 0 {
		return nil
	}
	return &c.Partitions[i]
}

// printChanged says what was done to partitions, all if there are none.
func (c *connectorView) printChanged(w io.Writer, done string, ps []connector.Partition) {
	var here, elsewhere []string
	for _, p := range ps {
		if c.find(p) == nil {
			elsewhere = append(elsewhere, p.String())
		} else {
			here = append(here, p.String())
		}
	}
	switch {
	case len(ps) == 0:
		printWrapped(w, fmt.Sprintf("connector %s: %s all (%s now)", c.Name, done, count(len(c.Partitions), "partition")))
	case len(here) > 0:
		printWrapped(w, fmt.Sprintf("connector %s: %s %s", c.Name, done, strings.Join(here, ", ")))
	}
	if len(elsewhere) > 0 {
		printWrapped(w, fmt.Sprintf("note: not in this process now, %s in case it gets them: %s", done, strings.Join(elsewhere, ", ")))
	}
}

// skipOptions are the flags of skip.
type skipOptions struct {
	controlOptions
	yes, force bool
}

func (c *command) skipCommand() *cobra.Command {
	var o skipOptions
	cmd := &cobra.Command{
		Use:   "skip TOPIC/PARTITION/OFFSET",
		Short: "Pass over a record that a partition of a running process is stuck at",
		Long: `Let a process that runs with --control pass over one record that isn't written yet, such as the
one that a partition halted at. A gap record in the dead letter stands for it, if there is one,
before the offset moves. The partition then goes on.

What would happen is shown first. On a terminal it asks; elsewhere it needs --yes. A partition
that runs is refused without --force: nothing is stuck there.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.skip(cmd.Context(), args[0], o) },
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.yes, "yes", false, "don't ask")
	cmd.Flags().BoolVar(&o.force, "force", false, "skip in a partition that runs too")
	return cmd
}

func (c *command) skip(ctx context.Context, what string, o skipOptions) error {
	p, offset, err := parseOffset(what)
	if err != nil {
		return err
	}
	return c.withProcess(ctx, &o.controlOptions, func(ctx context.Context, client *controlClient, v *view) error {
		conn, err := v.chosen(o.connector, []string{p.Topic})
		if err != nil {
			return err
		}
		s, err := conn.skippable(p, offset, o.force)
		if err != nil {
			return err
		}
		if err := c.askSkip(ctx, conn.Name, s, offset, o); err != nil {
			return err
		}
		ask := change{Connector: conn.Name, Partitions: []string{p.String()}, Offset: &offset, Force: o.force}
		var answer changed
		if err := client.call(ctx, http.MethodPost, "/skip", ask, &answer); err != nil {
			return err
		}
		if o.json {
			return printJSON(c.out, answer)
		}
		_, err = fmt.Fprintf(c.out, "%s/%d is skipped.\n", p, offset)
		return err
	})
}

// askSkip shows what a skip would pass over, and asks whether to.
func (c *command) askSkip(ctx context.Context, name string, s *connector.PartitionStatus, offset int64, o skipOptions) error {
	if !o.json {
		printSkip(c.out, name, s, offset)
	}
	if o.json && !o.yes { // a question would stand among what a machine reads
		return failure{errors.New("nobody is here to be asked: nothing was changed; add --yes")}
	}
	if err := c.agreed(ctx, o.yes, "Skip it? (y/N) ", "changed"); err != nil {
		return failure{err}
	}
	return nil
}

// skippable is the partition's status, or why nothing can be skipped there.
func (c *connectorView) skippable(p connector.Partition, offset int64, force bool) (*connector.PartitionStatus, error) {
	s := c.find(p)
	switch {
	case c.Phase != phaseRunning:
		return nil, failure{fmt.Errorf("connector %s isn't running: %s", c.Name, visible(cmp.Or(c.Failure, string(c.Phase))))}
	case s == nil:
		return nil, failure{fmt.Errorf("connector %s doesn't have partition %s in this process now: ask the process that has it", c.Name, p)}
	case offset < s.Committed:
		return nil, failure{fmt.Errorf("offset %d of partition %s is committed already: the next one is %d", offset, p, s.Committed)}
	case s.State == connector.StateRunning && !force:
		return nil, failure{fmt.Errorf("partition %s runs, so nothing is stuck there: nothing was changed; --force skips nevertheless", p)}
	}
	return s, nil
}

// printSkip shows what a skip would pass over.
func printSkip(w io.Writer, name string, s *connector.PartitionStatus, offset int64) {
	printTable(w, []string{"CONNECTOR", "PARTITION", "OFFSET", "COMMITTED", "STATE"},
		[][]string{{name, s.Partition.String(), strconv.FormatInt(offset, 10), strconv.FormatInt(s.Committed, 10), string(s.State)}})
	if s.Error != "" {
		printPlain(w, "error: "+s.Error)
	}
	printWrapped(w, "The sink won't get this record. A gap record in the dead letter stands for it, if the connector has one.")
}
