package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/internal/chain"
)

// moveOptions are the flags of move.
type moveOptions struct {
	connector string
	to        string
	yes       bool
}

func (c *command) moveCommand() *cobra.Command {
	var o moveOptions
	cmd := &cobra.Command{
		Use:   "move FILE --to earliest|latest|TIME|OFFSETS|CSV",
		Short: "Accept that a connector's topics are others now",
		Long: `Accept that the topics of a connector lie on another cluster now, or were deleted and
created again, and say where to begin in them: at the earliest that Kafka holds, at the
latest, at a time (2026-01-31T08:00:00Z), or at offsets of single partitions: as text
(cars.gps.json/0=4711,cars.gps.json/1=4242), or in a file that ends in .csv, with topic,
partition and offset in each line, as kafka-consumer-groups --export writes them.

Stop the connector first: a group's offsets can be set only while it has no members.

A table of the partitions that have changed is shown first. On a terminal it asks; elsewhere
it needs --yes. What is in the sink stays, and so do the links of the old topics. A move that
was cut off is finished by the same command; to repeat one that was finished changes nothing.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.move(cmd.Context(), args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.connector, "connector", "", "name of the connector, where the file holds several")
	f.StringVar(&o.to, "to", "", "earliest, latest, a time, TOPIC/PARTITION=OFFSET,... or a CSV file; required")
	f.BoolVar(&o.yes, "yes", false, "don't ask")
	return cmd
}

func (c *command) move(ctx context.Context, path string, o moveOptions) error {
	to, err := parseDestination(o.to)
	if err != nil {
		return err
	}
	return c.withChains(ctx, path, o.connector, false, func(ctx context.Context, ls *ledgers, k *kafka.Config) error {
		return c.moveTo(ctx, ls, k, to, o)
	})
}

func (c *command) moveTo(ctx context.Context, ls *ledgers, k *kafka.Config, to destination, o moveOptions) error {
	all, err := logs(ctx, k, to.at)
	if err != nil {
		return err
	}
	group, err := k.OpenGroup(ctx)
	if err != nil {
		return err
	}
	defer group.Close()
	m := &removal{group: group, out: c.out}
	if err := m.plan(ctx, ls, k.Group, all, to); err != nil {
		return err
	}
	m.print()
	if len(m.rows) == 0 {
		_, err := fmt.Fprintln(c.out, "nothing to move")
		return err
	}
	if len(m.unsettled()) > 0 {
		if err := group.Idle(ctx); err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
	}
	if err := c.agreed(ctx, o.yes, fmt.Sprintf("Begin %s there? (y/N) ", count(len(m.rows), "partition")), "changed"); err != nil {
		return err
	}
	if err := m.carryOut(ctx); err != nil {
		return fmt.Errorf("%w; the same command finishes what was begun", err)
	}
	_, err = fmt.Fprintf(c.out, "%s moved. Start the connector.\n", count(len(m.rows), "partition"))
	return err
}

// carryOut does what was planned. A process that is cut off between two steps leaves the connector stopped, as it was before, or with all that
// it needs:
//
//   - The roots come first. Nobody looks for them before the owner or the group's offset say so.
//   - The group's offsets remember the roots, so they come behind them.
//   - The owner is what keeps the connector out of a cluster, so it comes last: earlier, a start would begin partitions where the setting
//     start says.
func (m *removal) carryOut(ctx context.Context) error {
	for _, l := range m.ledgers {
		if err := m.finishOld(ctx, l); err != nil {
			return err
		}
	}
	for _, r := range m.rows {
		if err := m.root(ctx, r); err != nil {
			return err
		}
	}
	if err := m.group.SetOffsets(ctx, m.unsettled()); err != nil {
		return err
	}
	for _, l := range m.ledgers {
		if err := l.hand(ctx); err != nil {
			return err
		}
	}
	return nil
}

// finishOld finishes the newest links of the chains that end, because nobody will go on with them: their objects would stay invisible.
func (m *removal) finishOld(ctx context.Context, l *moving) error {
	for i := range l.chains {
		old := &l.chains[i]
		if old.newest == nil || !l.ends(old) {
			continue
		}
		hint := chain.Hint{Chain: old.id.Chain, Dir: old.id.Dir(), Seq: old.newest.Seq}
		r := chain.NewRecovery(old.id, chain.Start{Hint: hint, Attempt: chain.NewAttempt(), Owner: l.tenure.Owner, Made: now()})
		if err := drive(ctx, l.Store, r); err != nil {
			return fmt.Errorf("finish the chain of %s in cluster %s: %w", old.id, old.id.Cluster, err)
		}
		for _, o := range r.Lost() {
			printWrapped(m.out, fmt.Sprintf("warning: link %d of %s in cluster %s names %s, whose upload is gone: offsets %d to %d of that log aren't in the sink, "+
				"and only that log has them", r.Link().Seq, old.id, old.id.Cluster, o.Key, o.First, o.Last))
		}
	}
	return nil
}

// root begins the chain of a partition at its start, unless it is begun already: then that one counts.
func (m *removal) root(ctx context.Context, r *relocation) error {
	if r.moving == nil {
		return nil
	}
	rec := chain.NewRecovery(r.id, chain.Start{At: r.to, Attempt: chain.NewAttempt(), Owner: r.owner, Made: now()})
	if err := drive(ctx, r.Store, rec); err != nil {
		return fmt.Errorf("begin the chain of %s: %w", r.id, err)
	}
	link := rec.Link()
	if link.Next != r.to {
		printWrapped(m.out, fmt.Sprintf("%s: another process began its chain meanwhile: it goes on at %d", r.id, link.Next))
	}
	r.to, r.seq = link.Next, link.Seq
	return nil
}

// hand makes the connector in the new cluster the owner.
func (l *moving) hand(ctx context.Context) error {
	switch {
	case !l.tenure.Claimed:
		_, err := chain.Claim(ctx, l.Store, l.Name, l.Prefix, l.Chain, l.owner)
		return err
	case !l.moved():
		return nil
	}
	return chain.Try(ctx, func() error { return l.tenure.Hand(ctx, l.Store, l.Name, l.Prefix, l.Chain, l.owner) })
}

// A removal is the move of a connector.
type removal struct {
	group   *kafka.Group
	out     io.Writer
	ledgers []*moving
	rows    []*relocation
	notes   []string
}

// unsettled are the offsets that the group has to keep, and doesn't.
func (m *removal) unsettled() (offs []kafka.GroupOffset) {
	for _, r := range m.rows {
		if !r.settled {
			offs = append(offs, r.offset())
		}
	}
	return offs
}
