package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/internal/chain"
)

// rewindOptions are the flags of rewind.
type rewindOptions struct {
	connector string
	to        string
	topics    []string
	yes       bool
}

func (c *command) rewindCommand() *cobra.Command {
	var o rewindOptions
	cmd := &cobra.Command{
		Use:   "rewind FILE --to earliest|TIME|OFFSETS",
		Short: "Write records again on purpose, from an earlier offset on",
		Long: `Let a connector write records again that are in its sink of files already: from the
earliest that Kafka holds, from a time (2026-01-31T08:00:00Z), or from offsets of single
partitions (cars.gps.json/0=4711,cars.gps.json/1=4242). The files that are there stay;
the new ones have other names.

A table of what would be written again is shown first. On a terminal it asks; elsewhere it
needs --yes. Processes that run notice by themselves and go on from there. To repeat the
command before they do changes nothing.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.rewind(cmd.Context(), args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.connector, "connector", "", "name of the connector, where the file holds several")
	f.StringVar(&o.to, "to", "", "earliest, a time, or TOPIC/PARTITION=OFFSET,...; required")
	f.StringSliceVar(&o.topics, "topics", nil, "these topics only")
	f.BoolVar(&o.yes, "yes", false, "don't ask")
	return cmd
}

// A target is where to go back to.
type target struct {
	at      time.Time // zero: not by time
	offsets map[connector.Partition]int64
}

func parseTarget(text string) (t target, err error) {
	switch at, timeErr := time.Parse(time.RFC3339, text); {
	case text == "":
		return t, errors.New("--to is missing: earliest, a time such as 2026-01-31T08:00:00Z, or single partitions, TOPIC/PARTITION=OFFSET,TOPIC/PARTITION=OFFSET")
	case text == kafka.Earliest:
		return t, nil
	case timeErr == nil:
		return target{at: at}, nil
	}
	t.offsets = map[connector.Partition]int64{}
	for part := range strings.SplitSeq(text, ",") {
		name, offset, ok := strings.Cut(strings.TrimSpace(part), "=")
		i := strings.LastIndexByte(name, '/')
		if !ok || i < 1 {
			return t, fmt.Errorf("--to is earliest, a time such as 2026-01-31T08:00:00Z, or single partitions, TOPIC/PARTITION=OFFSET, not %q", part)
		}
		id, err := strconv.ParseInt(name[i+1:], 10, 32)
		at, err2 := strconv.ParseInt(offset, 10, 64)
		if err != nil || err2 != nil || id < 0 || at < 0 {
			return t, fmt.Errorf("--to: %q isn't TOPIC/PARTITION=OFFSET", part)
		}
		p := connector.Partition{Topic: name[:i], ID: int32(id)}
		if _, ok := t.offsets[p]; ok {
			return t, fmt.Errorf("--to names partition %s twice", p)
		}
		t.offsets[p] = at
	}
	return t, nil
}

// A turn is one partition that goes back.
type turn struct {
	*ledger
	id    chain.ID
	start chain.Start
	from  int64 // the end of its chain
	to    int64
	note  string // why nothing is to be done
}

func (c *command) rewind(ctx context.Context, path string, o rewindOptions) error {
	to, err := parseTarget(o.to)
	if err != nil {
		return err
	}
	return c.withChains(ctx, path, o.connector, true, func(ctx context.Context, ls *ledgers, k *kafka.Config) error {
		return c.turnBack(ctx, ls, k, to, o)
	})
}

func (c *command) turnBack(ctx context.Context, ls *ledgers, k *kafka.Config, to target, o rewindOptions) error {
	all, err := logs(ctx, k, to.at)
	if err != nil {
		return err
	}
	chosen, err := choose(all, to, o.topics)
	if err != nil {
		return err
	}
	turns, err := plan(ctx, ls, k.Group, chosen, to)
	if err != nil {
		return err
	}
	sum := printTurns(c.out, turns)
	if sum == 0 {
		return nil
	}
	if err := c.agreed(ctx, o.yes, fmt.Sprintf("Write up to %s again? (y/N) ", count(int(sum), "record")), "changed"); err != nil {
		return err
	}
	turns = slices.DeleteFunc(turns, func(t turn) bool { return t.note != "" })
	for i := range turns {
		if err := turns[i].put(ctx); err != nil {
			return fmt.Errorf("rewind partition %s to %d (%d of %s done): %w", turns[i].id, turns[i].to, i, count(len(turns), "partition"), err)
		}
	}
	_, err = fmt.Fprintf(c.out, "%s rewound. Processes that run notice at their next commit.\n", count(len(turns), "partition"))
	return err
}

// choose picks the partitions that are meant.
func choose(all []kafka.Log, to target, topics []string) ([]kafka.Log, error) {
	for _, name := range topics {
		if !slices.ContainsFunc(all, func(l kafka.Log) bool { return l.Topic == name }) {
			return nil, fmt.Errorf("--topics: the connector reads no topic %q", name)
		}
	}
	var chosen []kafka.Log
	for _, l := range all {
		_, named := to.offsets[l.Partition]
		if (len(topics) == 0 || slices.Contains(topics, l.Topic)) && (named || to.offsets == nil) {
			chosen = append(chosen, l)
		}
	}
	for p := range to.offsets {
		if !slices.ContainsFunc(chosen, func(l kafka.Log) bool { return l.Partition == p }) {
			return nil, fmt.Errorf("--to: the connector reads no partition %s (or --topics leaves it out)", p)
		}
	}
	return chosen, nil
}

// plan finds where each partition's chain ends, and where it is to go back to.
func plan(ctx context.Context, ls *ledgers, group string, chosen []kafka.Log, to target) ([]turn, error) {
	claimed := map[*ledger]bool{}
	var turns []turn
	for i := range chosen {
		l := &chosen[i]
		led, unique := ls.of(l.Topic)
		if !unique {
			return nil, fmt.Errorf("topic %s: the sink's path holds {position}, so that files written again would have the names of those that are there: "+
				"leave {position} out of path, or choose another chain, which writes everything again, elsewhere", l.Topic)
		}
		owner := chain.Owner{Connector: ls.conn.Name, Group: group, Cluster: l.ClusterID}
		if !claimed[led] {
			conditional, err := chain.Claim(ctx, led.Store, led.Name, led.Prefix, led.Chain, owner)
			if err != nil {
				return nil, err
			}
			if !conditional {
				return nil, fmt.Errorf("%s overwrites what is there although it was asked not to, so it keeps no chain to rewind", led.Name)
			}
			claimed[led] = true
		}
		hint, _ := chain.DecodeHint(l.Meta)
		t := turn{
			ledger: led,
			id:     chain.ID{Prefix: led.Prefix, Chain: led.Chain, Cluster: l.ClusterID, Topic: l.Topic, TopicID: l.TopicID, Partition: l.ID},
			start:  chain.Start{Hint: hint, Owner: owner, Attempt: chain.NewAttempt(), Made: now()},
		}
		if err := t.resolve(ctx, l, to); err != nil {
			return nil, err
		}
		turns = append(turns, t)
	}
	return turns, nil
}

// resolve finds the ends of the turn.
func (t *turn) resolve(ctx context.Context, l *kafka.Log, to target) error {
	if t.start.Hint.Chain != t.id.Chain { // a recovery would begin the chain: that is up to the connector
		keys, _, err := t.Store.List(ctx, t.id.Dir(), "", 1)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			t.note = "nothing was written yet"
			return nil
		}
	}
	last, err := t.newest(ctx)
	if err != nil {
		return err
	}
	t.from, t.to = last.Next, l.Start
	switch at, named := to.offsets[l.Partition]; {
	case named:
		t.to = at
	case !to.at.IsZero():
		t.to = min(l.At, t.from) // what came since isn't written yet
	}
	switch {
	case last.Kind == chain.KindRewind && last.Next == t.to:
		t.note = "is rewound there already"
	case t.to > t.from:
		return fmt.Errorf("partition %s: %d is above %d, where its chain ends: a rewind goes back. To leave offsets %d to %d out would be a gap: see on_gap", t.id, t.to, t.from, t.from, t.to-1)
	case t.to == t.from:
		t.note = "nothing to write again"
	case t.to < l.Start:
		return fmt.Errorf("partition %s: offsets %d to %d are gone from Kafka; the first that it holds is %d", t.id, t.to, l.Start-1, l.Start)
	}
	return nil
}

// newest finishes the newest link of the chain.
func (t *turn) newest(ctx context.Context) (*chain.Link, error) {
	r := chain.NewRecovery(t.id, t.start)
	if err := drive(ctx, t.Store, r); err != nil {
		return nil, err
	}
	if lost := r.Lost(); len(lost) > 0 {
		return nil, fmt.Errorf("link %d of partition %s names %s, whose upload is gone: start the connector, which writes it again, and rewind then", r.Link().Seq, t.id, lost[0].Key)
	}
	return r.Link(), nil
}

// races is how many races are lost before a partition is given up. Whoever wins one moves the chain on by a link.
const races = 10

// put puts the rewind behind the newest link, wherever the chain has got to meanwhile.
func (t *turn) put(ctx context.Context) error {
	for n := 1; ; n++ {
		last, err := t.newest(ctx)
		if err != nil {
			return err
		}
		if last.Kind == chain.KindRewind && last.Next == t.to {
			return nil // another rewind did it
		}
		if t.to > last.Next {
			return fmt.Errorf("the chain was rewound to %d meanwhile", last.Next)
		}
		link := &chain.Link{
			Version: chain.Version, Kind: chain.KindRewind, Seq: last.Seq + 1, Attempt: chain.NewAttempt(), Owner: t.start.Owner,
			From: last.Next, Next: t.to, First: -1, Last: -1, Rewind: last.Seq + 1, Made: now(),
		}
		err = drive(ctx, t.Store, chain.NewExtension(t.id, link))
		if err == nil || connector.ClassOf(err) != connector.Lost || n == races {
			return err
		}
	}
}

// drive runs a machine to its end.
func drive(ctx context.Context, s chain.Store, m chain.Machine) error {
	return chain.Try(ctx, func() error { return chain.Run(ctx, s, m) })
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }

// printTurns prints what is to be written again, and returns how many offsets that are.
func printTurns(w io.Writer, turns []turn) (sum int64) {
	var rows [][]string
	width := len("PARTITION")
	for i := range turns {
		width = max(width, len(turns[i].id.String()))
	}
	for i := range turns {
		t := &turns[i]
		if t.note != "" {
			continue
		}
		sum += t.from - t.to
		rows = append(rows, []string{fmt.Sprintf("%-*s", width, t.id), strconv.FormatInt(t.from, 10), strconv.FormatInt(t.to, 10), strconv.FormatInt(t.from-t.to, 10)})
	}
	if len(rows) > 0 {
		printNumbers(w, []string{fmt.Sprintf("%-*s", width, "PARTITION"), "FROM", "TO", "RECORDS"}, rows)
	}
	for i := range turns {
		if t := &turns[i]; t.note != "" {
			fmt.Fprintf(w, "%s: %s\n", t.id, t.note)
		}
	}
	return sum
}
