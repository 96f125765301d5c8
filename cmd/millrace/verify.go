package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/sinks/file"
)

// verifyOptions are the flags of verify.
type verifyOptions struct {
	connector string
	from      string
	deep      bool
	json      bool
	noKafka   bool

	chain     string
	prefix    string
	endpoint  string
	region    string
	pathStyle bool
}

func (c *command) verifyCommand() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify FILE|s3://BUCKET/PREFIX|FOLDER",
		Short: "Prove that a sink holds every record exactly once",
		Long: `Prove from links, names and sizes that a sink of files holds every record of every
partition exactly once, or say which offsets it doesn't. Nothing is changed, and connectors
may go on writing meanwhile.

Of a configuration file the connector's sinks are looked at, and compared with what Kafka
holds. Of a bucket's prefix or a folder the links below its _millrace are; of a folder,
it is the setting dir, and --prefix says where below it they lie.

--from says that a lifecycle rule took what was made before. --deep reads every object too,
and compares its checksum and counts its rows.

EMPTY in the table are offsets that held no record: compacted away, or markers of
transactions. LAG are those that Kafka holds and the sink doesn't yet.

The exit code is 0 if all is proven, and 1 if not.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.verify(cmd.Context(), args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.connector, "connector", "", "name of the connector, where the file holds several")
	f.StringVar(&o.from, "from", "", "what was made before this `TIME` (2026-01-31T08:00:00Z) may be gone")
	f.BoolVar(&o.deep, "deep", false, "read every object: checksums and rows")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	f.BoolVar(&o.noKafka, "no-kafka", false, "don't compare with Kafka")
	f.StringVar(&o.chain, "chain", "main", "name of the chain, without a configuration file")
	f.StringVar(&o.prefix, "prefix", "", "where links lie below a folder")
	f.StringVar(&o.endpoint, "endpoint", "", "URL of an S3-compatible store")
	f.StringVar(&o.region, "region", "", "region of the bucket")
	f.BoolVar(&o.pathStyle, "path-style", false, "the bucket's name stands in the path of requests")
	return cmd
}

// A verification is what was found of one chain.
type verification struct {
	Place  string       `json:"place"`
	Totals chain.Totals `json:"totals"`
	*chain.Report
}

func (c *command) verify(ctx context.Context, target string, o verifyOptions) error {
	vo := chain.VerifyOptions{Deep: o.deep}
	if o.from != "" {
		var err error
		if vo.From, err = time.Parse(time.RFC3339, o.from); err != nil {
			return fmt.Errorf("--from is a time such as 2026-01-31T08:00:00Z, not %q", o.from)
		}
	}
	ctx, stop := c.interruptible(ctx)
	defer stop()
	found, err := c.verifyTarget(ctx, target, o, vo)
	if err != nil {
		if ctx.Err() != nil {
			return failure{context.Cause(ctx)}
		}
		return err
	}
	var sum chain.Totals
	for _, f := range found {
		sum = add(sum, f.Totals)
	}
	problems := 0
	for _, f := range found {
		problems += len(f.Problems)
	}
	if o.json {
		err = printJSON(c.out, struct {
			OK     bool            `json:"ok"`
			Totals chain.Totals    `json:"totals"`
			Chains []*verification `json:"chains"`
		}{problems == 0, sum, found})
	} else {
		for _, f := range found {
			f.print(c.out)
		}
		_, err = fmt.Fprintln(c.out, sum)
	}
	switch {
	case err != nil:
		return failure{err}
	case problems > 0:
		return failure{fmt.Errorf("not proven: %s", count(problems, "problem"))}
	}
	return nil
}

func add(a, b chain.Totals) chain.Totals {
	return chain.Totals{
		Partitions: a.Partitions + b.Partitions, Records: a.Records + b.Records, Lost: a.Lost + b.Lost, Repeated: a.Repeated + b.Repeated,
		Corrupt: a.Corrupt + b.Corrupt, Unnamed: a.Unnamed + b.Unnamed, Kafka: a.Kafka + b.Kafka,
	}
}

func (c *command) verifyTarget(ctx context.Context, target string, o verifyOptions, vo chain.VerifyOptions) ([]*verification, error) {
	place, ok, err := o.place(ctx, target)
	if err != nil {
		return nil, err
	}
	if !ok {
		return c.verifyFile(ctx, target, o, vo)
	}
	v, err := c.verifyChain(ctx, &ledger{place, []string{place.Data}}, vo)
	if err := errors.Join(err, closePlace(place)); err != nil {
		return nil, failure{err}
	}
	return []*verification{v}, nil
}

// place is where the links of a bucket's prefix or a folder lie; ok is false for another target.
func (o verifyOptions) place(ctx context.Context, target string) (p chain.Place, ok bool, err error) {
	prefix := o.prefix
	switch info, statErr := os.Stat(target); {
	case strings.HasPrefix(target, "s3://"):
		u, err := url.Parse(target)
		if err != nil || u.Host == "" {
			return p, false, fmt.Errorf("%q is no s3://BUCKET/PREFIX", target)
		}
		prefix = strings.TrimPrefix(target, "s3://"+u.Host)
		p, err = o.bucketPlace(ctx, u.Host, cmp.Or(prefix, "/"))
		if err != nil {
			return p, false, err
		}
	case statErr == nil && info.IsDir():
		sink := file.DefaultConfig()
		sink.Dir, sink.Prefix, sink.Chain = target, cmp.Or(prefix, "/"), o.chain
		if err := sink.Validate(); err != nil {
			return p, false, err
		}
		p, err = sink.OpenChain(ctx)
		if err != nil {
			return p, false, failure{err}
		}
	default:
		return p, false, nil
	}
	// Nobody says how the names of the data look: a tail tells those of a chain.
	p.Unique, p.Data = true, strings.Trim(prefix, "/")
	if p.Data != "" {
		p.Data += "/"
	}
	return p, true, nil
}

// verifyFile looks at all chains of a connector.
func (c *command) verifyFile(ctx context.Context, path string, o verifyOptions, vo chain.VerifyOptions) (found []*verification, err error) {
	conn, err := c.connector(path, o.connector)
	if err != nil {
		return nil, err
	}
	ls, err := openLedgers(ctx, conn)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closed := ls.Close(); err == nil && closed != nil {
			err = failure{closed}
		}
	}()
	for _, l := range ls.all {
		vo := vo
		if !o.noKafka {
			k, err := sourceOf(ctx, conn)
			if err != nil {
				return nil, err
			}
			vo.Logs = func(ctx context.Context) ([]chain.Log, error) {
				all, err := logs(ctx, k, time.Time{})
				if err != nil {
					return nil, err
				}
				var own []chain.Log
				for i := range all {
					if its, _ := ls.of(all[i].Topic); its != l {
						continue
					}
					hint, _ := chain.DecodeHint(all[i].Meta)
					own = append(own, chain.Log{
						Cluster: all[i].ClusterID, Topic: all[i].Topic, TopicID: all[i].TopicID, Partition: all[i].ID,
						Start: all[i].Start, End: all[i].End, Committed: all[i].Committed, Hint: hint,
					})
				}
				return own, nil
			}
		}
		v, err := c.verifyChain(ctx, l, vo)
		if err != nil {
			return nil, failure{err}
		}
		if w := v.Owner; w != nil && w.Connector != conn.Name {
			v.Notes = append(v.Notes, fmt.Sprintf("this chain belongs to connector %q with group %q in cluster %s, and %q can't write to it", w.Connector, w.Group, w.Cluster, conn.Name))
		}
		found = append(found, v)
	}
	return found, nil
}

// verifyChain looks at one chain.
func (c *command) verifyChain(ctx context.Context, l *ledger, o chain.VerifyOptions) (*verification, error) {
	o.Prefix, o.Chain, o.Data, o.Unique = l.Prefix, l.Chain, l.data, l.Unique
	if c.color { // a terminal
		o.Progress = func(done, all int) { fmt.Fprintf(c.err, "\r%s: %d of %d links", l.Name, done, all) }
		defer fmt.Fprint(c.err, "\r\x1b[K")
	}
	r, err := chain.Verify(ctx, l.Store, o)
	if err != nil {
		return nil, fmt.Errorf("verify chain %s in %s: %w", l.Chain, l.Name, err)
	}
	links := int64(0)
	for _, p := range r.Partitions {
		links += p.Links
	}
	if links == 0 && len(r.Problems) == 0 {
		return nil, fmt.Errorf("there is no link in %s of %s: has the connector run, with this prefix and chain?", chain.Root(l.Prefix, l.Chain), l.Name)
	}
	return &verification{Place: l.Name, Totals: r.Totals(), Report: r}, nil
}
