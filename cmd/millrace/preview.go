package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
)

// previewOptions are the flags of preview.
type previewOptions struct {
	connector string
	topic     string
	records   bool
	base64    bool
	live      int
	timeout   connector.Duration
	json      bool
}

func (c *command) previewCommand() *cobra.Command {
	o := previewOptions{timeout: connector.Duration(30 * time.Second)}
	cmd := &cobra.Command{
		Use:   "preview FILE",
		Short: "Show what records would become, and write nothing",
		Long: `Show what records would become in a connector's sink, or why they would be dead-lettered.
Nothing is written, to no sink and to no dead letter, and no offset is committed.

Records are lines of the standard input. Each line is the value of a record:

  echo '{"lat":40.4,"lng":49.8}' | millrace preview cars.yaml

With --records each line is an object of "key", "value", "headers", "topic" and "timestamp"
(milliseconds, or RFC 3339). A value is taken as the JSON that it is, null is a tombstone;
"text" instead of "value" is a value that needn't be JSON, "base64" one that needn't be text.
A key that is a text is taken without its quotes:

  {"key":"car-1","value":{"lat":40.4},"headers":{"trace":"x"},"topic":"cars.gps.json"}

With --live 10 records are the newest 10 of the connector's topics, read without joining
its group.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error { return c.preview(cmd.Context(), paths[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.connector, "connector", "", "name of the connector, where the file holds several")
	f.StringVar(&o.topic, "topic", "", "topic of records that don't name one (default: the connector's first)")
	f.BoolVar(&o.records, "records", false, "lines are records, not values")
	f.BoolVar(&o.base64, "base64", false, "lines are values in base64")
	f.IntVar(&o.live, "live", 0, "take the newest `N` records of the live topics")
	f.TextVar(&o.timeout, "timeout", o.timeout, "longest wait for the preview's end")
	f.BoolVar(&o.json, "json", false, "print one JSON object per record")
	return cmd
}

func (c *command) preview(ctx context.Context, path string, o previewOptions) error {
	conn, err := c.connector(path, o.connector)
	if err != nil {
		return err
	}
	if o.timeout <= 0 || o.live < 0 || o.live > 10_000 {
		return errors.New("--timeout must be above 0, --live at most 10000")
	}
	if o.base64 && (o.records || o.live > 0) {
		return errors.New("--base64 excludes --records, whose lines have \"base64\" for it, and --live")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.timeout))
	defer cancel()
	samples, err := c.samples(ctx, conn, o)
	if err != nil {
		return failure{err}
	}
	results, err := dryRun(ctx, conn, samples)
	if err != nil {
		return failure{err}
	}
	for _, r := range results {
		if err := r.print(c.out, o.json); err != nil {
			return failure{err}
		}
	}
	return nil
}

// connector is the one of a file that a command is about.
func (c *command) connector(path, name string) (*config.Connector, error) {
	files, err := c.plugins.Load(path)
	if err != nil {
		return nil, err
	}
	return pick(files[0], name)
}

// pick is the connector with a name, or the only one if there is no name.
func pick(f *config.File, name string) (*config.Connector, error) {
	var names []string
	for _, c := range f.Connectors {
		if c.Name == name || name == "" && len(f.Connectors) == 1 {
			return c, nil
		}
		names = append(names, c.Name)
	}
	if name == "" {
		return nil, fmt.Errorf("%s holds %s; choose one by --connector: %s", f.Name, count(len(names), "connector"), strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("%s holds no connector %q; there are %s", f.Name, name, strings.Join(names, ", "))
}

// samples reads the records to preview.
func (c *command) samples(ctx context.Context, conn *config.Connector, o previewOptions) ([]sample, error) {
	if o.live > 0 {
		return newest(ctx, conn, o.live)
	}
	topic := o.topic
	if topic == "" {
		topic = firstTopic(conn)
	}
	var unpack func([]byte) ([]byte, error)
	if o.base64 {
		unpack = unbase64
	}
	return readSamples(c.in, topic, o.records, unpack)
}

// dryRun sends the samples through a real connector, whose sink and dead letter only note what they get.
func dryRun(ctx context.Context, conf *config.Connector, samples []sample) ([]*result, error) {
	if len(samples) == 0 {
		return nil, errors.New("there are no records to preview")
	}
	source := newReplay(samples)
	notes := newNotes(conf.DeadLetter.Name, samples)
	conn, opened, err := conf.OpenBetween(ctx, config.Ends{Consumer: source, Loader: notes.loader, DeadLetter: notes},
		connector.WithLogger(slog.New(slog.DiscardHandler)),
		connector.WithCommitInterval(10*time.Millisecond))
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- conn.Run(running) }()
	select {
	case <-source.done:
		stop()
		err = <-ended
	case err = <-ended:
	case <-ctx.Done():
		err = errors.Join(fmt.Errorf("the preview took too long: %s", trouble(conn.Status())), <-ended)
	}
	if err := errors.Join(err, opened.Close()); err != nil {
		return nil, err
	}
	return notes.results, nil
}

// trouble is what keeps a connector from going on.
func trouble(s connector.Status) string {
	if s.Error != "" {
		return s.Error
	}
	for _, p := range s.Partitions {
		if p.Error != "" {
			return p.Error
		}
	}
	return "no answer"
}
