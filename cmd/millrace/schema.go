package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// A schemaRegistry is what the schema commands ask.
type schemaRegistry interface {
	// Version is the version with an id.
	Version(ctx context.Context, id string) (*serde.Schema, error)
	// Versions calls f with each version of a schema.
	Versions(ctx context.Context, name string, f func(*serde.Schema) error) error
	// Schemas are the names of all schemas.
	Schemas(ctx context.Context) ([]string, error)
	// ID is the id in a record's key or value, if it has one.
	ID(data []byte) (id string, ok bool)
	// CheckID tells that a text can't be an id. It asks nobody.
	CheckID(id string) error
	Close() error
}

// registryOptions are the flags that say which registry is asked.
type registryOptions struct {
	from, connector          string
	keys                     bool
	region, endpoint, name   string
	profile, assumeRole, url string
	timeout                  connector.Duration
}

func (c *command) schemaCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Look at schemas of a registry, keep them in a folder, compare them",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.schemaShowCommand(), c.schemaPullCommand(), c.schemaCheckCommand())
	return cmd
}

// defaultRegistry is the name of AWS Glue's (AWS Glue Developer Guide, "AWS Glue Schema registry").
const defaultRegistry = "default-registry"

// validate refuses flags that would do nothing.
func (o registryOptions) validate() error {
	ofGlue := o.region != "" || o.name != defaultRegistry || o.profile != "" || o.assumeRole != "" || o.endpoint != ""
	switch {
	case o.timeout <= 0:
		return errors.New("--timeout must be above 0")
	case o.from != "" && (ofGlue || o.url != ""):
		return errors.New("--from says which registry: it excludes --region, --registry, --profile, --assume-role, --endpoint and --url")
	case o.url != "" && ofGlue:
		return errors.New("--url is a registry with Confluent's API: it excludes --region, --registry, --profile, --assume-role and --endpoint, which are of AWS Glue")
	case o.from == "" && (o.connector != "" || o.keys):
		return errors.New("--connector and --keys need --from")
	}
	return nil
}

// registryFlags adds the flags to a command.
func registryFlags(cmd *cobra.Command, o *registryOptions) {
	o.timeout = connector.Duration(time.Minute)
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "configuration `FILE` whose decode section says which registry, and as whom")
	f.StringVar(&o.connector, "connector", "", "name of the connector, where that file holds several")
	f.BoolVar(&o.keys, "keys", false, "take the decoder of keys, not of values, of that file")
	f.StringVar(&o.region, "region", "", "AWS Region of the AWS Glue Schema Registry (default: AWS_REGION)")
	f.StringVar(&o.name, "registry", defaultRegistry, "name of the registry in AWS Glue")
	f.StringVar(&o.profile, "profile", "", "profile of the AWS SDK")
	f.StringVar(&o.assumeRole, "assume-role", "", "ARN of the role to act as")
	f.StringVar(&o.endpoint, "endpoint", "", "URL of AWS Glue, if it isn't AWS's own")
	f.StringVar(&o.url, "url", "", "URL of a registry with Confluent's API, instead of AWS Glue; with a password take --from")
	f.TextVar(&o.timeout, "timeout", o.timeout, "longest wait for the end")
}

func (c *command) schemaShowCommand() *cobra.Command {
	var o registryOptions
	asJSON := false
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Print a schema version by its id",
		Long: `Print the schema version with an id: the UUID of AWS Glue's registry, or the number of
Confluent's. The text goes to the standard output, what else is known of it to the
standard error.

  millrace schema show --region eu-west-1 6c9d0d25-5b2c-4e6e-9d50-4ad6b2c9c0d5`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withRegistry(cmd.Context(), o, args, func(ctx context.Context, r schemaRegistry) error {
				s, err := r.Version(ctx, args[0])
				if err != nil {
					return err
				}
				return c.showSchema(s, asJSON)
			})
		},
	}
	registryFlags(cmd, &o)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func (c *command) showSchema(s *serde.Schema, asJSON bool) error {
	v := shownVersion{decodingVersion{Format: s.Format, Name: s.Name, Version: s.Version, ID: s.ID}, s.Text, nil}
	var imports []string
	for _, r := range s.References {
		v.References = append(v.References, shownReference(r))
		imports = append(imports, r.Name)
	}
	if asJSON {
		e := json.NewEncoder(c.out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	about := v.String()
	if len(imports) > 0 {
		about += ", imports " + strings.Join(imports, ", ")
	}
	if _, err := fmt.Fprintln(c.err, about); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.out, strings.TrimSuffix(s.Text, "\n"))
	return err
}

// A shownVersion is what schema show --json prints.
type shownVersion struct {
	decodingVersion
	Text       string           `json:"text"`
	References []shownReference `json:"references,omitempty"`
}

type shownReference struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// pullOptions are the flags of schema pull.
type pullOptions struct {
	registryOptions
	out  string
	all  bool
	ids  []string
	live int
}

func (c *command) schemaPullCommand() *cobra.Command {
	var o pullOptions
	cmd := &cobra.Command{
		Use:   "pull [NAME...]",
		Short: "Keep schema versions in a folder, for starts without the registry",
		Long: `Fill a folder with schema versions, for the setting schema_folder: all versions of the named
schemas, or of all (--all), those with the given ids (--id), or those that the newest records
of a connector's topics were written with (--from FILE --live N).

What is in the folder already is kept, for a version never changes: one whose id is known isn't
asked for again.`,
		RunE: func(cmd *cobra.Command, names []string) error { return c.schemaPull(cmd.Context(), names, o) },
	}
	registryFlags(cmd, &o.registryOptions)
	f := cmd.Flags()
	f.StringVar(&o.out, "out", "schemas", "the `FOLDER`")
	f.BoolVar(&o.all, "all", false, "all schemas of the registry")
	f.StringArrayVar(&o.ids, "id", nil, "the version with this `ID`; repeat it")
	f.IntVar(&o.live, "live", 0, "the versions of the newest `N` records of the topics of --from")
	return cmd
}

func (c *command) schemaPull(ctx context.Context, names []string, o pullOptions) error {
	switch {
	case len(names) == 0 && !o.all && len(o.ids) == 0 && o.live == 0:
		return errors.New("say which versions: names of schemas, --all, --id, or --live with --from")
	case o.live > 0 && o.from == "":
		return errors.New("--live needs --from, a file that says which topics")
	case o.live < 0 || o.live > maxSamples:
		return fmt.Errorf("--live is at most %d", maxSamples)
	}
	return c.withRegistry(ctx, o.registryOptions, o.ids, func(ctx context.Context, r schemaRegistry) error {
		p := pull{registry: r, folder: registry.Folder{Dir: o.out}, progress: c.err}
		ids := slices.Clone(o.ids)
		if o.live > 0 {
			found, err := c.liveIDs(ctx, r, o)
			if err != nil {
				return err
			}
			ids = append(ids, found...)
		}
		if o.all {
			all, err := r.Schemas(ctx)
			if err != nil {
				return err
			}
			names = append(names, all...)
		}
		return p.run(ctx, ids, names)
	})
}

// A pull fills a folder.
type pull struct {
	registry schemaRegistry
	folder   registry.Folder
	progress io.Writer
	saved    int
	there    int // that were in the folder already
}

func (p *pull) run(ctx context.Context, ids, names []string) error {
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if _, ok, err := p.folder.Find(id); err != nil || ok {
			if err != nil {
				return err
			}
			p.there++
			continue
		}
		s, err := p.registry.Version(ctx, id)
		if err != nil {
			return err
		}
		if err := p.save(s); err != nil {
			return err
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if err := p.registry.Versions(ctx, name, p.save); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(p.progress, "%s saved in %s, %d there already\n", count(p.saved, "schema version"), p.folder.Dir, p.there)
	return err
}

func (p *pull) save(s *serde.Schema) error {
	if _, ok, err := p.folder.Find(s.ID); err != nil || ok {
		p.there++
		return err
	}
	if err := p.folder.Save(s); err != nil {
		return err
	}
	p.saved++
	_, err := fmt.Fprintf(p.progress, "%-9s %s version %s  %s\n", s.Format, s.Name, strconv.FormatInt(s.Version, 10), s.ID)
	return err
}

// liveIDs are the ids in the newest records of the topics.
func (c *command) liveIDs(ctx context.Context, r schemaRegistry, o pullOptions) ([]string, error) {
	conn, err := c.connector(o.from, o.registryOptions.connector)
	if err != nil {
		return nil, err
	}
	samples, err := newest(ctx, conn, o.live)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, s := range samples {
		data := s.record.RawValue
		if o.keys {
			data = s.record.RawKey
		}
		if id, ok := r.ID(data); ok && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%s: none names a schema version", count(len(samples), "record"))
	}
	return ids, nil
}

// withRegistry opens the registry that the flags name, for f. The ids are those of the command line.
func (c *command) withRegistry(ctx context.Context, o registryOptions, ids []string, f func(context.Context, schemaRegistry) error) error {
	if err := o.validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.timeout))
	defer cancel()
	r, err := c.openRegistry(ctx, o)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := r.CheckID(id); err != nil {
			return errors.Join(err, r.Close())
		}
	}
	if err := errors.Join(f(ctx, r), r.Close()); err != nil {
		return failure{err}
	}
	return nil
}

// openRegistry opens the registry that the flags name.
func (c *command) openRegistry(ctx context.Context, o registryOptions) (schemaRegistry, error) {
	if o.from == "" {
		var r schemaRegistry
		var err error
		if o.url != "" {
			r, _, err = openConfluent(nil, o)
		} else {
			r, _, err = openGlue(ctx, nil, o)
		}
		return r, err
	}
	conn, err := c.connector(o.from, o.connector)
	if err != nil {
		return nil, err
	}
	if conn, err = conn.Resolve(ctx); err != nil {
		return nil, failure{err}
	}
	choice, what := conn.Decode.Value, "value"
	if o.keys {
		choice, what = conn.Decode.Key, "key"
	}
	if r, ok, err := openGlue(ctx, choice.Config, o); ok {
		return r, err
	}
	if r, ok, err := openConfluent(choice.Config, o); ok {
		return r, err
	}
	return nil, fmt.Errorf("%s: decode.%s of connector %s is %s, which asks no registry", o.from, what, conn.Name, choice.Name)
}
