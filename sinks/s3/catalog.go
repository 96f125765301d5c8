package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/catalog"
	"github.com/millrace/millrace/internal/identity"
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/internal/staging"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/internal/template"
)

// Catalog is the data catalog that is told of the objects.
type Catalog struct {
	// The AWS Glue Data Catalog. What isn't set here of region and credentials is as for the bucket.
	Glue *catalog.Config `yaml:"glue"`
}

// glue is the settings with their defaults.
func (c *Config) glue() catalog.Config {
	g, d := *c.Catalog.Glue, catalog.DefaultConfig()
	g.Table, g.Partitions = cmp.Or(g.Table, d.Table), cmp.Or(g.Partitions, d.Partitions)
	g.ProjectionFrom, g.OnIncompatible = cmp.Or(g.ProjectionFrom, d.ProjectionFrom), cmp.Or(g.OnIncompatible, d.OnIncompatible)
	g.Region = cmp.Or(g.Region, c.Region)
	if own := g.Config; own.Profile == "" && !own.AccessKey.IsSet() && own.AssumeRole == (identity.AssumeRole{}) {
		g.Profile, g.AccessKey, g.SecretKey, g.AssumeRole = c.Profile, c.AccessKey, c.SecretKey, c.AssumeRole
	}
	return g
}

func (c *Config) validateCatalog() error {
	switch {
	case c.Catalog.Glue == nil && c.Schema.FromCatalog():
		return errors.New("schema.from is catalog, and no catalog is set")
	case c.Catalog.Glue == nil:
		return nil
	case c.Format.Raw != nil:
		return errors.New("catalog: objects of format raw have no columns")
	case c.Envelope.On() && c.Schema.FromCatalog():
		return errors.New("schema.from can't be catalog with an envelope, whose columns are others than a value's")
	}
	if err := c.glue().Validate(); err != nil {
		return fmt.Errorf("catalog.glue.%w", err)
	}
	return nil
}

// A keeper tells the Data Catalog of what is going to be visible.
type keeper struct {
	catalog *catalog.Catalog
	config  catalog.Config
	name    *template.Template // of tables
	like    catalog.Table      // what all tables have
	bucket  string
	changed bool // columns of tables are changed; else they are the table's own

	mu    sync.Mutex
	knows map[string]*table.Schema // what a table was made to hold last
}

// openKeeper connects to the Data Catalog.
func (c *Config) openKeeper(ctx context.Context, path string) (*keeper, error) {
	config := c.glue()
	name, err := config.TableName()
	if err != nil {
		return nil, err
	}
	opened, err := catalog.Connect(ctx, config)
	if err != nil {
		return nil, err
	}
	return &keeper{
		catalog: opened, config: config, name: name, bucket: c.Bucket, changed: !c.Schema.FromCatalog(),
		like: c.tableLike(path), knows: make(map[string]*table.Schema),
	}, nil
}

// tableLike is a table of these objects, without a name and columns.
func (c *Config) tableLike(path string) catalog.Table {
	t := catalog.Table{Format: catalog.JSON, Compression: cmp.Or(c.Compression, string(lines.Gzip)), Keys: catalog.KeysOf(path)}
	switch f := c.Format; {
	case f.Parquet != nil:
		t.Format, t.Compression = catalog.Parquet, cmp.Or(f.Parquet.Compression, "snappy")
	case f.Avro != nil:
		t.Format, t.Compression = catalog.Avro, cmp.Or(f.Avro.Compression, "snappy")
	case f.CSV != nil:
		t.Format = catalog.CSV
		t.Dialect = catalog.Dialect{Header: !f.CSV.NoHeader}
		if s := strings.ReplaceAll(f.CSV.Separator, `\t`, "\t"); s != "" {
			t.Dialect.Separator = s[0]
		}
	}
	if t.Compression == "none" {
		t.Compression = ""
	}
	return t
}

// table is the name of a topic's table.
func (k *keeper) table(s connector.Source) (string, error) {
	b := connector.NewBatch(s, []connector.Record{{}}, nil)
	name, err := k.name.Append(nil, b, 0, 0)
	return string(name), err
}

// columns are those of a topic's table.
func (k *keeper) columns(ctx context.Context, topic string) (*table.Schema, error) {
	name, err := k.table(connector.Source{Partition: connector.Partition{Topic: topic}})
	if err != nil {
		return nil, err
	}
	return k.catalog.Schema(ctx, name)
}

// announce brings the table of a topic in step with files: its columns, and their partitions. It calls nothing where nothing is new.
func (k *keeper) announce(ctx context.Context, s connector.Source, files []staging.Announced) (notes []string, err error) {
	t := k.like
	if t.Name, err = k.table(s); err != nil {
		return nil, connector.Permanent.Wrap(err)
	}
	var partitions []catalog.Partition
	for _, f := range files {
		if f.Late {
			continue // it lies elsewhere, and isn't of the table
		}
		place := catalog.PlaceOf(f.Key)
		partition, err := place.At(k.bucket, t.Keys)
		if err != nil {
			return nil, connector.Permanent.Errorf("object %s can't be of table %s: %w", f.Key, t.Name, err)
		}
		t.Location = "s3://" + k.bucket + "/" + place.Prefix
		if k.changed && f.Columns != nil {
			t.Schema = f.Columns
			note, err := k.ensure(ctx, t)
			if err != nil {
				return nil, err
			}
			notes = append(notes, note...)
		}
		partitions = append(partitions, partition)
	}
	return notes, k.catalog.Partitions(ctx, t, partitions)
}

// ensure gives the table the columns, unless it was given them last.
func (k *keeper) ensure(ctx context.Context, t catalog.Table) (notes []string, err error) {
	k.mu.Lock()
	known := k.knows[t.Name] == t.Schema
	k.mu.Unlock()
	if known {
		return nil, nil
	}
	change, err := k.catalog.Ensure(ctx, t)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.knows[t.Name] = t.Schema
	k.mu.Unlock()
	for _, ignored := range change.Ignored {
		notes = append(notes, fmt.Sprintf("table %s of the Data Catalog stays as it is: %s", t.Name, ignored))
	}
	return notes, nil
}
