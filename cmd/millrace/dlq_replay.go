package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/letter"
	"github.com/millrace/millrace/internal/resend"
)

// dlqReplayOptions are the flags of dlq replay.
type dlqReplayOptions struct {
	dlqFilter
	name       string
	limit      int64
	maxReplays int
	toTopic    string
	dryRun     bool
	yes        bool
	json       bool
}

func (c *command) dlqReplayCommand() *cobra.Command {
	var o dlqReplayOptions
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Send dead letters through the connector again",
		Long: `Send dead letters through the pipeline of FILE again: its decoders, its handlers and its
sink, once the file, a schema or the sink is mended. Each record goes once, in the order of
offsets, with the topic id, partition, offset and timestamp that it had: sinks that keep
what is newest or know a record by its id end up as if it had never failed.

A record of which only some outputs failed is sent whole, its good ones too.

Sinks of files get what is sent in a chain of its own, CHAIN.replay-NAME, which holds what
was written: the same command with the same --name writes nothing twice. Another name
writes everything again.

What fails again goes to the dead letter again, with the header millrace.replays. Records
that failed --max-replays times are left out. The dead letter keeps what was sent: choose
by --since, --topic and the like what is sent the next time.

A table of what is sent is shown first. On a terminal it asks; elsewhere it needs --yes.
The exit code is 1 if something failed again.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.dlqReplay(cmd.Context(), args[0], o) },
	}
	f := cmd.Flags()
	o.flags(f)
	f.StringVar(&o.name, "name", "", "name of this replay, for sinks of files; required there")
	f.Int64Var(&o.limit, "limit", 0, "send the first `N` records only, by topic, partition and offset")
	f.IntVar(&o.maxReplays, "max-replays", 3, "leave out records that were replayed `N` times and failed")
	f.StringVar(&o.toTopic, "to-topic", "", "write the records to this topic, not to the sink")
	f.BoolVar(&o.dryRun, "dry-run", false, "decode and handle only: how many would pass now, and why not the others")
	f.BoolVar(&o.yes, "yes", false, "don't ask")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	return cmd
}

// replayName is what a name may be, as a part of the name of a chain.
var replayName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (o *dlqReplayOptions) validate() error {
	switch {
	case o.limit < 0:
		return errors.New("--limit must be above 0")
	case o.maxReplays < 1:
		return errors.New("--max-replays must be 1 or more")
	case o.name != "" && !replayName.MatchString(o.name):
		return fmt.Errorf("--name is 1 to 64 letters, digits, hyphens and underscores, not %q", o.name)
	case o.toTopic != "" && (o.dryRun || o.name != ""):
		return errors.New("--to-topic excludes --dry-run and --name")
	}
	return nil
}

// A dlqReplayRun is a replay on its way.
type dlqReplayRun struct {
	*scan
	options *dlqReplayOptions
	out     io.Writer // of tables for people
	spool   *resend.Spool
	cluster *clusterView // nil if the source isn't Kafka
	branch  *branch      // nil if the sink keeps no chain
	sel     resend.Selection

	guessed    int64 // letters whose topic id is the one that the topic has now
	unknown    int64 // letters whose topic id nobody knows
	originless string
	report     replayReport
}

// A replayReport is what replay says at its end.
type replayReport struct {
	OK       bool            `json:"ok"`
	DryRun   bool            `json:"dry_run"`
	Records  int64           `json:"records"` // that were to be sent
	Repeated int64           `json:"repeated_letters"`
	Refused  int64           `json:"refused"` // replayed too often
	Over     int64           `json:"over_limit"`
	Gaps     int64           `json:"gap_records"`
	Unknown  int64           `json:"unknown_topics"`
	Passed   int64           `json:"passed"`
	Before   int64           `json:"written_before"` // by the same replay
	Failed   int64           `json:"failed_again"`
	Open     int64           `json:"open"` // neither durable nor dead-lettered
	Chains   []string        `json:"chains,omitempty"`
	Sent     []*letter.Group `json:"groups"`
	Why      []*letter.Group `json:"failed_groups"`
}

func (c *command) dlqReplay(ctx context.Context, path string, o dlqReplayOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	s, err := c.newScan(ctx, path, &o.dlqFilter)
	if err != nil {
		return err
	}
	r := &dlqReplayRun{scan: s, options: &o, out: c.out}
	if o.json {
		r.out = c.err
	}
	if k, ok := s.conn.Source.Config.(*kafka.Config); ok {
		r.cluster = &clusterView{config: k, topics: map[string][16]byte{}}
	}
	ctx, stop := c.interruptible(ctx)
	defer stop()
	if r.branch, err = newBranch(ctx, s.conn, &o); err != nil {
		return err
	}
	if r.spool, err = resend.NewSpool(); err != nil {
		return failure{err}
	}
	err = r.all(ctx)
	return errors.Join(err, r.spool.Close())
}

// all reads, asks, sends and reports.
func (r *dlqReplayRun) all(ctx context.Context) error {
	if err := r.fill(ctx); err != nil {
		return interrupted(ctx, err)
	}
	r.preview()
	if r.sel.Records == 0 {
		r.report.OK = true
		return r.printReport()
	}
	if err := r.c.agreed(ctx, r.options.yes || r.options.dryRun, fmt.Sprintf("Send %s? (y/N) ", count(int(r.sel.Records), "record")), "sent"); err != nil {
		return err
	}
	var err error
	if r.options.toTopic != "" {
		err = r.produce(ctx)
	} else {
		err = r.send(ctx)
	}
	r.report.OK = err == nil && r.report.Failed == 0 && r.report.Open == 0
	if printed := r.printReport(); err == nil && printed != nil {
		err = printed
	}
	switch {
	case err != nil:
		return interrupted(ctx, err)
	case r.report.Failed > 0 && r.options.dryRun:
		return failure{fmt.Errorf("%s would fail again", count(int(r.report.Failed), "record"))}
	case r.report.Failed > 0:
		return failure{fmt.Errorf("%s failed again", count(int(r.report.Failed), "record"))}
	case r.report.Open > 0:
		return failure{fmt.Errorf("%s neither written nor dead-lettered: repeat the command", count(int(r.report.Open), "record"))}
	}
	return nil
}

// fill reads the letters into the spool.
func (r *dlqReplayRun) fill(ctx context.Context) error {
	id := func(l *letter.Letter) (id [16]byte, ok bool, err error) {
		if id, ok = l.TopicID(); ok || r.cluster == nil {
			return id, ok, nil
		}
		id, ok, err = r.cluster.topicID(ctx, l.Topic)
		return id, ok, err
	}
	err := r.read(ctx, func(_ string, l *letter.Letter) error {
		if _, _, gap := l.Gap(); gap {
			return nil
		}
		topicID, ok, err := id(l)
		switch {
		case err != nil:
			return err
		case !ok:
			r.unknown++
			r.originless = l.Topic
			return nil
		}
		if _, told := l.TopicID(); !told {
			r.guessed++
		}
		return r.spool.Add(l, topicID)
	}, func(l *letter.Letter) error {
		if l.Replays() == 0 {
			return nil
		}
		topicID, ok, err := id(l)
		if ok {
			r.spool.Note(l, topicID)
		}
		return err
	})
	if err != nil {
		return err
	}
	r.sel, err = r.spool.Seal(r.options.maxReplays, r.options.limit)
	r.report = replayReport{
		DryRun: r.options.dryRun, Records: r.sel.Records, Repeated: r.sel.Repeated, Refused: r.sel.Refused, Over: r.sel.Over,
		Gaps: r.gaps, Unknown: r.unknown, Sent: r.sel.Groups, Why: []*letter.Group{},
	}
	if r.branch != nil {
		r.report.Chains = r.branch.names()
	}
	return err
}

// preview shows what is to be sent, and what isn't.
func (r *dlqReplayRun) preview() {
	printGroups(r.out, r.sel.Groups)
	to := "the sink " + r.conn.Sink.Name
	if r.options.toTopic != "" {
		to = "topic " + r.options.toTopic
	}
	fmt.Fprintf(r.out, "%s of %s for %s\n", count(int(r.sel.Records), "record"), count(int(r.taken), "letter"), to)
	r.printNotes(r.out)
	note := func(n int64, what, format string, args ...any) {
		if n > 0 {
			printWrapped(r.out, "note: "+count(int(n), what)+fmt.Sprintf(format, args...))
		}
	}
	note(r.sel.Repeated, "letter", " of records that another letter stands for: each record is sent once")
	note(r.sel.Refused, "record", " left out: replayed %d times or more, and failed (--max-replays)", r.options.maxReplays)
	note(r.sel.Over, "record", " above --limit")
	note(r.guessed, "letter", " without a topic id, as Kafka Connect writes them: taken as of the topic that has the name now")
	note(r.unknown, "letter", " left out: without a topic id, and of topics that aren't in the cluster (%s)", visible(r.originless))
	if r.branch != nil && !r.options.dryRun {
		for _, chain := range r.branch.names() {
			printWrapped(r.out, fmt.Sprintf("note: they are written into the chain %s. Once it has written a record, this name doesn't write it again; another name does", chain))
		}
	}
}

// printReport prints what came of it.
func (r *dlqReplayRun) printReport() error {
	p := &r.report
	if r.options.json {
		if err := printJSON(r.c.out, p); err != nil {
			return failure{err}
		}
		return nil
	}
	if p.Records == 0 {
		_, err := fmt.Fprintln(r.out, "nothing to send")
		return err
	}
	did, again := "passed", "failed again"
	if p.DryRun {
		did, again = "would pass", "would fail again"
	}
	text := fmt.Sprintf("%d of %s %s", p.Passed, count(int(p.Records), "record"), did)
	if p.Before > 0 {
		text += fmt.Sprintf(", %d were written before", p.Before)
	}
	if p.Open > 0 {
		text += fmt.Sprintf(", %d are open", p.Open)
	}
	printWrapped(r.out, fmt.Sprintf("%s, %d %s", text, p.Failed, again))
	if p.Before > 0 {
		printWrapped(r.out, "note: the chain of this name speaks for these offsets already. Letters that it wasn't given then, by another filter say, aren't in it: take another --name for them")
	}
	if len(p.Why) > 0 {
		fmt.Fprintln(r.out)
		printGroups(r.out, p.Why)
	}
	return nil
}

// A branch is the chains that a replay writes to, beside those of the connector.
type branch struct {
	chains  []string // as people know them
	cluster string   // of the connector's own chains; "" if they don't exist
}

func (b *branch) names() []string { return b.chains }

// A chainSetter is a sink's Config whose chain can be chosen.
type chainSetter interface {
	chainOpener
	SetChain(name string)
	Validate() error
}

// newBranch gives the connector's sinks chains of the replay's own. It is nil if they have none.
func newBranch(ctx context.Context, conn *config.Connector, o *dlqReplayOptions) (*branch, error) {
	sinks := []config.Choice{conn.Sink}
	for _, over := range conn.Overrides {
		if over.Sink != nil {
			sinks = append(sinks, *over.Sink)
		}
	}
	if _, staged := conn.Sink.Config.(chainOpener); !staged || o.toTopic != "" {
		return nil, nil
	}
	b := &branch{}
	if o.name == "" && !o.dryRun {
		return nil, fmt.Errorf("the sink %s needs --name, such as --name fix-1: the records go into a chain of that name, which knows what was written", conn.Sink.Name)
	}
	for _, sink := range sinks {
		to, ok := sink.Config.(chainSetter)
		if !ok {
			return nil, fmt.Errorf("the sink %s keeps a chain, and can't be told another", sink.Name)
		}
		if o.dryRun {
			continue
		}
		if err := b.add(ctx, to, o.name); err != nil {
			return nil, fmt.Errorf("sink %s: %w", sink.Name, err)
		}
	}
	return b, nil
}

// add gives a sink its chain, and learns the cluster from the one that it had.
func (b *branch) add(ctx context.Context, to chainSetter, name string) error {
	place, err := to.OpenChain(ctx)
	if err != nil {
		return failure{err}
	}
	defer func() { _ = closePlace(place) }() // it was read only
	if !place.Unique {
		return errors.New("its path holds {position}, so that files written again could have the names of those that are there: leave {position} out of path in the file for the replay")
	}
	owner, err := place.Owner(ctx)
	if err != nil && !errors.Is(err, chain.ErrMissing) {
		return failure{err}
	}
	if owner.Cluster != "" {
		b.cluster = owner.Cluster
	}
	own := place.Chain + ".replay-" + name
	to.SetChain(own)
	if err := to.Validate(); err != nil {
		return err
	}
	full := fmt.Sprintf("%s of %s", own, place.Name)
	if len(b.chains) == 0 || b.chains[len(b.chains)-1] != full {
		b.chains = append(b.chains, full)
	}
	return nil
}
