package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/millrace/millrace/testbed"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// settings are what the flags say.
type settings struct {
	pairs   int
	records int64
	cases   string
	brokers string
	redis   string
	s3      string // URL of the stub
	aws     string // URL of the stub of DynamoDB and EventBridge
	child   string // role of a child: floor or pipeline
	only    string // case of a child
	topic   string
	dir     string
	profile string
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	var s settings
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(progress)
	f.IntVar(&s.pairs, "pairs", 11, "pairs of runs per case")
	f.Int64Var(&s.records, "records", 1_000_000, "records per run")
	f.StringVar(&s.cases, "cases", "", "only these cases, with commas: "+strings.Join(names(), ", "))
	f.StringVar(&s.profile, "profile", "", "write CPU profiles of the last pair of each case into this folder")
	f.StringVar(&s.child, "child", "", "used by bench itself")
	f.StringVar(&s.only, "case", "", "used by bench itself")
	f.StringVar(&s.topic, "topic", "", "used by bench itself")
	f.StringVar(&s.brokers, "brokers", "", "used by bench itself")
	f.StringVar(&s.redis, "redis", "", "used by bench itself")
	f.StringVar(&s.s3, "s3", "", "used by bench itself")
	f.StringVar(&s.aws, "aws", "", "used by bench itself")
	f.StringVar(&s.dir, "dir", "", "used by bench itself")
	if err := f.Parse(args); err != nil {
		return err
	}
	if s.child != "" {
		return child(ctx, s)
	}
	return parent(ctx, s, out, progress)
}

func parent(ctx context.Context, s settings, out, progress io.Writer) error {
	wanted, err := choose(s.cases)
	if err != nil {
		return err
	}
	for _, d := range testbed.Downloads() {
		fmt.Fprintf(progress, "%-24s %s if it isn't there\n", d.Name, d.Cost)
		if _, err := d.Get(ctx); err != nil {
			return err
		}
	}
	bed, err := testbed.StartBed(ctx, func(p testbed.Part) {
		fmt.Fprintf(progress, "%-24s started in %.1fs\n", p.Name, p.Took.Seconds())
	})
	if err != nil {
		return fmt.Errorf("start services: %w", err)
	}
	defer func() { _ = bed.Stop(false) }()
	for _, e := range bed.Env() {
		name, value, _ := strings.Cut(e, "=")
		switch name {
		case testbed.EnvKafka:
			s.brokers = value
		case testbed.EnvRedis:
			s.redis = value
		}
	}
	topics := map[string]bool{}
	var errs []error
	for _, c := range wanted {
		for _, d := range []data{c.data, c.floorOn} {
			n := c.records(s.records)
			topic := topicOf(d, n)
			if d == "" || topics[topic] {
				continue
			}
			fmt.Fprintf(progress, "producing %d records to topic %s\n", n, topic)
			if err := produce(ctx, s.brokers, topic, d, n); err != nil {
				return err
			}
			topics[topic] = true
		}
		r, err := measure(ctx, s, c, progress)
		if err != nil {
			errs = append(errs, fmt.Errorf("case %s: %w", c.name, err))
			continue
		}
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", line)
	}
	return errors.Join(errs...)
}
