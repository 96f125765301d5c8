package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/kafka"
)

// untilEnd is the value of --until.
const untilEnd = "end"

// jobFlags are the flags of run for jobs and for groups that take over from others.
func (o *runOptions) jobFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.until, "until", o.until, "end: stop at the ends that the partitions have now")
	cmd.Flags().Var(&o.rate, "rate", "most bytes of keys and values that are read, such as 5MB/s, of all connectors together; no limit by default")
	cmd.Flags().StringVar(&o.offsets, "offsets", o.offsets, "CSV file of topic,partition,offset: where partitions start that the group has no offset of; the setting offsets of all sources")
}

func (o *runOptions) checkJob() error {
	if o.until != "" && o.until != untilEnd {
		return fmt.Errorf("--until can be %s, not %q", untilEnd, o.until)
	}
	return nil
}

// jobOptions are the flags that the connectors of the process share.
func (o *runOptions) jobOptions() (all []connector.Option) {
	if o.until != "" {
		all = append(all, connector.UntilEnd())
	}
	if o.rate > 0 {
		all = append(all, connector.WithRate(connector.NewRate(int64(o.rate))))
	}
	return all
}

// checkSources refuses --offsets for sources that have none.
func (o *runOptions) checkSources(b *board) error {
	for _, r := range b.runners {
		if _, ok := r.config.Source.Config.(*kafka.Config); o.offsets != "" && !ok {
			return fmt.Errorf("--offsets: the source %s of connector %s has no offsets of Kafka", r.config.Source.Name, r.config.Name)
		}
	}
	return nil
}

// openOnce opens the connector, with the file of --offsets. The file is set behind what secrets complete: that decodes settings again.
func (r *runner) openOnce(ctx context.Context, options []connector.Option) (*connector.Connector, io.Closer, error) {
	c := r.config
	if r.offsets != "" {
		var err error
		if c, err = c.Resolve(ctx); err != nil {
			return nil, nil, err
		}
		c.Source.Config.(*kafka.Config).Offsets = r.offsets
	}
	return c.Open(ctx, options...)
}

// movedLine says what a connector has moved.
func movedLine(totals map[connector.Metric]int64, took time.Duration) []any {
	line := []any{"records_read", totals[connector.MetricRead], "records_written", totals[connector.MetricWritten], "dead_letters", totals[connector.MetricBuried]}
	if files := totals[connector.MetricFiles]; files > 0 {
		line = append(line, "files", files)
	}
	return append(line, "read_bytes", totals[connector.MetricReadBytes], "seconds", float64(took.Milliseconds())/1000)
}

// A byteRate is a flag: bytes a second, 0 for no limit.
type byteRate int64

var errRate = errors.New("a rate has a unit and ends in /s, such as 5MB/s or 512KiB/s, and is at least 1B/s")

// Set reads "5MB/s" or "5MiB/s".
func (r *byteRate) Set(text string) error {
	size, ok := strings.CutSuffix(text, "/s")
	var n connector.Bytes
	if err := n.UnmarshalText([]byte(size)); err != nil || !ok || n < 1 {
		return errRate
	}
	*r = byteRate(n)
	return nil
}

// String is empty for no limit, so that help shows no default.
func (r *byteRate) String() string {
	if *r == 0 {
		return ""
	}
	return connector.Bytes(*r).String() + "/s"
}

// Type is how help names the value.
func (*byteRate) Type() string { return "rate" }
