package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/millrace/millrace/internal/letter"
)

func (c *command) dlqCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "Look at dead letters, and send them again",
		Long: `Look at what a connector has dead-lettered, and send it through the connector again once
the cause is mended. FILE is the connector's configuration: it says where its dead letters
lie, in a Kafka topic, a bucket or a folder. Nothing there is changed or deleted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.dlqListCommand(), c.dlqShowCommand(), c.dlqReplayCommand())
	return cmd
}

// dlqFilter are the flags that choose letters.
type dlqFilter struct {
	connector  string
	of         string
	topics     []string
	partitions []int32
	stage      string
	since      string
	until      string
	grep       string
}

func (f *dlqFilter) flags(s *pflag.FlagSet) {
	s.StringVar(&f.connector, "connector", "", "name of the connector, where the file holds several")
	s.StringVar(&f.of, "of", "", "letters of the connector `NAME` (default: the file's), or * for all")
	s.StringSliceVar(&f.topics, "topic", nil, "of records of these topics only")
	s.Int32SliceVar(&f.partitions, "partition", nil, "of records of these partitions only")
	s.StringVar(&f.stage, "stage", "", "of this stage only, such as VALUE_CONVERTER")
	s.StringVar(&f.since, "since", "", "of records from this `TIME` on (2026-01-31T08:00:00Z, or 24h: ago)")
	s.StringVar(&f.until, "until", "", "of records before this `TIME`")
	s.StringVar(&f.grep, "grep", "", "with an error that matches this regular `EXPRESSION`")
}

// A letterFilter is a dlqFilter that was checked.
type letterFilter struct {
	of           string // "": all
	topics       []string
	partitions   []int32
	stage        string
	since, until time.Time // zero: no bound
	grep         *regexp.Regexp
}

// compile checks the flags. name is the connector's.
func (f *dlqFilter) compile(name string) (l letterFilter, err error) {
	l = letterFilter{of: name, topics: f.topics, partitions: f.partitions, stage: strings.ToUpper(f.stage)}
	switch f.of {
	case "":
	case "*":
		l.of = ""
	default:
		l.of = f.of
	}
	if l.since, err = parseBound("--since", f.since); err != nil {
		return l, err
	}
	if l.until, err = parseBound("--until", f.until); err != nil {
		return l, err
	}
	if f.grep != "" {
		if l.grep, err = regexp.Compile(f.grep); err != nil {
			return l, fmt.Errorf("--grep: %w", err)
		}
	}
	return l, nil
}

// parseBound parses a time, or how long ago it is.
func parseBound(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return time.Now().Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%s is a time such as 2026-01-31T08:00:00Z, or 24h, which is that long ago, not %q", flag, text)
}

// takes reports whether the filter lets a letter pass. Whose it is isn't asked.
func (f *letterFilter) takes(l *letter.Letter) bool {
	switch {
	case len(f.topics) > 0 && !slices.Contains(f.topics, l.Topic):
	case len(f.partitions) > 0 && !slices.Contains(f.partitions, l.Partition):
	case f.stage != "" && f.stage != l.Stage:
	case !f.since.IsZero() && l.Timestamp < f.since.UnixMilli():
	case !f.until.IsZero() && l.Timestamp >= f.until.UnixMilli():
	case f.grep != nil && !f.grep.MatchString(l.Error):
	default:
		return true
	}
	return false
}

func (c *command) dlqListCommand() *cobra.Command {
	var f dlqFilter
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls FILE",
		Short: "List dead letters by topic, stage and kind of error",
		Long: `List a connector's dead letters by topic, stage and kind of error: how many there are, the
times of their records and the id of one of them. Errors that differ in numbers and quoted
parts only are of one kind. A record that failed several times has several letters.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.dlqList(cmd.Context(), args[0], f, asJSON) },
	}
	f.flags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object per line of the list")
	return cmd
}

func (c *command) dlqList(ctx context.Context, path string, f dlqFilter, asJSON bool) error {
	s, err := c.newScan(ctx, path, &f)
	if err != nil {
		return err
	}
	ctx, stop := c.interruptible(ctx)
	defer stop()
	var groups letter.Groups
	err = s.read(ctx, func(_ string, l *letter.Letter) error {
		groups.Add(l)
		return nil
	}, nil)
	if err != nil {
		return interrupted(ctx, err)
	}
	if asJSON {
		for _, g := range groups.Sorted() {
			if err := printJSON(c.out, g); err != nil {
				return failure{err}
			}
		}
		s.printNotes(c.err)
		return nil
	}
	printGroups(c.out, groups.Sorted())
	printWrapped(c.out, fmt.Sprintf("%s of connector %s in %s", count(int(s.taken), "letter"), s.whose(), s.place))
	s.printNotes(c.out)
	return nil
}

// interrupted is the failure of a command that reads or writes, or why it was stopped.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return failure{context.Cause(ctx)}
	}
	return failure{err}
}

// A letterName says which letter show is asked for.
type letterName struct {
	id        string // "": by the record
	topic     string
	partition int32
	offset    int64
}

func (n *letterName) means(l *letter.Letter) bool {
	if n.id != "" {
		return n.id == l.ID
	}
	return n.topic == l.Topic && n.partition == l.Partition && n.offset == l.Offset
}

// parseLetterName takes an id, or TOPIC/PARTITION/OFFSET.
func parseLetterName(args []string, record string) (n letterName, err error) {
	switch {
	case len(args) == 2 && record != "", len(args) < 2 && record == "":
		return n, errors.New("which letter? By its ID, which millrace dlq ls tells, or by --offset TOPIC/PARTITION/OFFSET of its record")
	case len(args) == 2 && !strings.Contains(args[1], "/"):
		return letterName{id: args[1]}, nil
	case len(args) == 2: // what ls names a letter without an id
		record = args[1]
	}
	parts := strings.Split(record, "/")
	if len(parts) == 3 && parts[0] != "" {
		partition, err := strconv.ParseInt(parts[1], 10, 32)
		offset, err2 := strconv.ParseInt(parts[2], 10, 64)
		if err == nil && err2 == nil {
			return letterName{topic: parts[0], partition: int32(partition), offset: offset}, nil
		}
	}
	return n, fmt.Errorf("%q isn't TOPIC/PARTITION/OFFSET", record)
}
