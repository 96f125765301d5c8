package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/layout"
)

// layoutOptions are the flags of layout.
type layoutOptions struct {
	topic string
	json  bool

	// of firehose
	prefix, errors, zone string
	queries              []string
}

// maxLayout is the longest file of another product's settings.
const maxLayout = 1 << 20

func (c *command) layoutCommand() *cobra.Command {
	var o layoutOptions
	cmd := &cobra.Command{
		Use:   "layout",
		Short: "Turn another product's settings of object names into a sink's",
		Long: `Turn the settings by which another product names its objects into those of a sink, such
that names stay the same. The YAML is a part of a configuration file; comments in it say
what isn't the same, and how an object is called.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().BoolVar(&o.json, "json", false, "print one JSON object")
	cmd.PersistentFlags().StringVar(&o.topic, "topic", "", "topic of the example (default: the connector's first)")
	cmd.AddCommand(
		c.connectLayout("confluent", "Amazon S3 sink connector of Confluent", &o, layout.Confluent),
		c.connectLayout("aiven", "S3 sink connector of Aiven", &o, func(s map[string]string) (layout.Settings, error) { return layout.Aiven("", s) }),
		c.firehoseLayout(&o))
	return cmd
}

// connectLayout is the command for a connector of Kafka Connect.
func (c *command) connectLayout(use, what string, o *layoutOptions, translate func(map[string]string) (layout.Settings, error)) *cobra.Command {
	return &cobra.Command{
		Use:   use + " FILE",
		Short: "Settings of the " + what,
		Long: `Turn the settings of the ` + what + ` into those of a sink. FILE holds
properties, or JSON as the REST API of Kafka Connect takes and gives it; - is the
standard input.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			data, err := c.readLayout(args[0])
			if err != nil {
				return err
			}
			settings, err := layout.ReadSettings(data)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			s, err := translate(settings)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			topic, _, _ := strings.Cut(settings["topics"], ",")
			return c.printLayout(&s, o, strings.TrimSpace(topic))
		},
	}
}

func (c *command) firehoseLayout(o *layoutOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "firehose [FILE]",
		Short: "Settings of a stream of Amazon Data Firehose",
		Long: `Turn the prefixes of a stream of Amazon Data Firehose into settings of a sink. FILE is what
aws firehose describe-delivery-stream prints; - is the standard input. Without it the
prefixes are given as flags:

  millrace layout firehose --prefix 'c=!{partitionKeyFromQuery:c}/!{timestamp:yyyy}/' \
    --error-prefix 'failed/!{firehose:error-output-type}/' --query c=.customer_id`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			queries := map[string]string{}
			for _, q := range o.queries {
				id, query, ok := strings.Cut(q, "=")
				if !ok || id == "" {
					return fmt.Errorf("--query %s isn't KEY=EXPRESSION", q)
				}
				queries[id] = query
			}
			if len(args) == 0 {
				s, err := layout.Firehose(o.prefix, o.errors, o.zone, queries)
				if err != nil {
					return err
				}
				return c.printLayout(&s, o, "")
			}
			for _, name := range []string{"prefix", "error-prefix", "zone"} {
				if cmd.Flags().Changed(name) {
					return fmt.Errorf("--%s excludes FILE, which has it", name)
				}
			}
			data, err := c.readLayout(args[0])
			if err != nil {
				return err
			}
			s, err := layout.Stream(data, queries)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return c.printLayout(&s, o, "")
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.prefix, "prefix", "", "the stream's `Prefix`")
	f.StringVar(&o.errors, "error-prefix", "", "the stream's `ErrorOutputPrefix`")
	f.StringVar(&o.zone, "zone", "", "the stream's `CustomTimeZone` (default: UTC)")
	f.StringArrayVar(&o.queries, "query", nil, "a partition key and its jq expression, `KEY=.a.b`; may be repeated")
	return cmd
}

// readLayout reads a file, or the standard input.
func (c *command) readLayout(path string) ([]byte, error) {
	in := c.in
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, maxLayout+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the settings: %w", err)
	case len(data) > maxLayout:
		return nil, fmt.Errorf("%s has more than 1 MiB", path)
	case len(data) == 0:
		return nil, errors.New(path + " is empty")
	}
	return data, nil
}
