package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/internal/restore"
)

// restoreOptions are the flags of restore.
type restoreOptions struct {
	connector  string
	to         string
	brokers    []string
	topic      string
	partitions []int32
	from       int64
	until      int64
	keep       bool
	valuesOnly bool
	dryRun     bool
	force      bool
	json       bool
}

func (c *command) restoreCommand() *cobra.Command {
	var o restoreOptions
	cmd := &cobra.Command{
		Use:   "restore FILE --to-topic TOPIC",
		Short: "Write a sink's objects back to a topic",
		Long: `Write the records that a connector wrote to its sink of files back to a topic, with the
same keys, values, headers and timestamps, in the same order. The connector needs the
setting envelope; without it files hold values alone, which --values-only restores.

The topic must exist. Where it has as many partitions as the old one, each record goes to
the partition that it was in; else, or with --keep-partitions=false, to that of its key.

--brokers names another cluster, which is spoken to with the auth and tls settings of the
connector's source. --dry-run shows what would be written. A table says how far each
partition got: after an error, go on with --partition and --from-offset.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.restore(cmd.Context(), args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.connector, "connector", "", "name of the connector, where the file holds several")
	f.StringVar(&o.to, "to-topic", "", "the topic to write to; required")
	f.StringSliceVar(&o.brokers, "brokers", nil, "write to the cluster of these brokers")
	f.StringVar(&o.topic, "from-topic", "", "the topic that records were in, by its name or id, where the sink holds several")
	f.Int32SliceVar(&o.partitions, "partition", nil, "these partitions only")
	f.Int64Var(&o.from, "from-offset", 0, "begin at this offset of each partition")
	f.Int64Var(&o.until, "to-offset", 0, "stop before this offset of each partition")
	f.BoolVar(&o.keep, "keep-partitions", true, "write to the same partitions, if there are as many")
	f.BoolVar(&o.valuesOnly, "values-only", false, "restore rows without envelope: values, file by file")
	f.BoolVar(&o.dryRun, "dry-run", false, "write nothing, show what would be")
	f.BoolVar(&o.force, "force", false, "write to the very topic that records came from, too")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	return cmd
}

func (o *restoreOptions) validate() error {
	switch {
	case o.to == "":
		return errors.New("--to-topic is missing: the topic to write to")
	case o.from < 0 || o.until < 0 || o.until > 0 && o.until <= o.from:
		return fmt.Errorf("--from-offset %d and --to-offset %d: offsets are 0 or more, and the second is above the first", o.from, o.until)
	case slices.ContainsFunc(o.partitions, func(p int32) bool { return p < 0 }):
		return errors.New("--partition: numbers are 0 or more")
	}
	return nil
}

func (c *command) restore(ctx context.Context, path string, o restoreOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	conn, err := c.connector(path, o.connector)
	if err != nil {
		return err
	}
	k, err := sourceOf(ctx, conn)
	if err != nil {
		return err
	}
	ctx, stop := c.interruptible(ctx)
	defer stop()
	ls, err := openLedgers(ctx, conn)
	if err != nil {
		return err
	}
	from, err := ls.source(o.topic)
	if err != nil {
		return errors.Join(err, ls.Close())
	}
	err = c.restoreFrom(ctx, conn, from, k, o)
	closed := ls.Close()
	var failed failure
	switch {
	case err == nil && closed == nil:
		return nil
	case ctx.Err() != nil:
		return failure{fmt.Errorf("%w: %w", context.Cause(ctx), err)}
	case errors.As(err, &failed) || err == nil:
		return failure{errors.Join(err, closed)}
	}
	return err
}

// source is the chain that a topic's records are restored from.
func (ls *ledgers) source(topic string) (*ledger, error) {
	switch {
	case len(ls.all) == 1:
		return ls.all[0], nil
	case topic == "":
		return nil, fmt.Errorf("connector %s writes to %s: choose by --from-topic", ls.conn.Name, count(len(ls.all), "chain"))
	}
	l, _ := ls.of(topic)
	return l, nil
}

// A restoration is what restore prints.
type restoration struct {
	OK     bool   `json:"ok"`
	DryRun bool   `json:"dry_run"`
	Place  string `json:"place"`
	Chain  string `json:"chain"`
	Target string `json:"target"`
	Keep   bool   `json:"same_partitions"`
	*restore.Report
}

func (c *command) restoreFrom(ctx context.Context, conn *config.Connector, from *ledger, k *kafka.Config, o restoreOptions) error {
	all, err := restore.Plan(ctx, &from.Place)
	if err != nil {
		return failure{err}
	}
	ro := &restore.Options{Topic: o.topic, Partitions: o.partitions, From: o.from, Next: o.until, ValuesOnly: o.valuesOnly}
	if o.valuesOnly {
		ro.Topics = topicNames(ctx, k)
	}
	chosen, err := restore.Choose(ctx, &from.Place, all, ro)
	if err != nil {
		return failure{err}
	}
	t, err := findTarget(ctx, conn, k, &o)
	if err != nil {
		return failure{err}
	}
	if err := t.refuse(chosen, o.force); err != nil {
		return err
	}
	t.choose(chosen, o.keep)
	r := &restoration{OK: true, DryRun: o.dryRun, Place: from.Name, Chain: from.Chain, Target: o.to, Keep: t.keep}
	if o.dryRun {
		r.Report = restore.Trial(chosen)
		return c.printRestoration(r, o.json)
	}
	p, err := t.open(ctx)
	if err != nil {
		return failure{err}
	}
	defer p.close()
	if c.color { // a terminal
		ro.Progress = c.restoreProgress(restore.Trial(chosen).Records)
		defer fmt.Fprint(c.err, "\r\x1b[K")
	}
	r.Report, err = restore.Run(ctx, &from.Place, chosen, ro, p)
	r.OK = err == nil
	if printed := c.printRestoration(r, o.json); err == nil {
		err = printed
	}
	if err != nil {
		return failure{fmt.Errorf("restore from %s to topic %s: %w", from.Name, o.to, err)}
	}
	return nil
}

// restoreProgress shows how many of all records were read.
func (c *command) restoreProgress(all int64) func(int64) {
	var sum atomic.Int64
	return func(n int64) {
		fmt.Fprintf(c.err, "\r%d of %s", sum.Add(n), count(int(min(all, math.MaxInt)), "record"))
	}
}

// topicNames asks Kafka for the names of the topics that the connector reads. They are for people: no answer is no error.
func topicNames(ctx context.Context, k *kafka.Config) map[[16]byte]string {
	names := map[[16]byte]string{}
	all, _ := logs(ctx, k, time.Time{})
	for i := range all {
		names[all[i].TopicID] = all[i].Topic
	}
	return names
}

// print prints a table of the partitions, and what is special about them.
func (c *command) printRestoration(r *restoration, asJSON bool) error {
	if asJSON {
		return printJSON(c.out, r)
	}
	did := "written to"
	if r.DryRun {
		did = "to be written to"
	}
	topic := ""
	var rows [][]string
	for _, p := range r.Partitions {
		topic = p.Topic
		if topic == "" {
			topic = p.TopicID
		}
		offsets := "none"
		if p.First >= 0 {
			offsets = fmt.Sprintf("%d-%d", p.First, p.Last)
		}
		rows = append(rows, []string{strconv.Itoa(int(p.Partition)), offsets, strconv.FormatInt(p.Objects, 10), strconv.FormatInt(p.Records, 10), strconv.FormatInt(p.Bytes, 10)})
	}
	fmt.Fprintf(c.out, "%s, chain %s\n\ntopic %s\n", r.Place, r.Chain, topic)
	printNumbers(c.out, []string{"PARTITION", "OFFSETS", "OBJECTS", "RECORDS", "BYTES"}, rows)
	fmt.Fprintln(c.out)
	c.printRestoreNotes(c.out, r)
	how := "by their keys"
	if r.Keep {
		how = "in the same partitions"
	}
	_, err := fmt.Fprintf(c.out, "%s %s topic %s, %s\n", count(int(r.Records), "record"), did, r.Target, how)
	return err
}

func (c *command) printRestoreNotes(w io.Writer, r *restoration) {
	notes := 0
	for _, p := range r.Partitions {
		for _, n := range p.Notes {
			printWrapped(w, fmt.Sprintf("note: partition %d: %s", p.Partition, n))
			notes++
		}
	}
	if notes > 0 {
		fmt.Fprintln(w)
	}
}
