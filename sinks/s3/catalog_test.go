package s3

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/catalog"
)

func glued(change ...func(*Config)) Config {
	c := DefaultConfig()
	c.Bucket, c.Region, c.Profile, c.Path = "lake", "eu-west-1", "writer", "web/{topic}/dt={time:yyyy-MM-dd}/"
	c.Format.Parquet = new(Parquet)
	c.Catalog.Glue = &catalog.Config{Database: "web"}
	for _, f := range change {
		f(&c)
	}
	return c
}

func TestValidateCatalog(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"":                                    func(*Config) {},
		"no catalog is set":                   func(c *Config) { c.Catalog.Glue, c.Schema.From = nil, "catalog" },
		"objects of format raw":               func(c *Config) { c.Format = Format{Raw: new(Raw)} },
		"catalog with an envelope":            func(c *Config) { c.Schema.From, c.Envelope.Enabled = "catalog", true },
		"catalog.glue.database: ":             func(c *Config) { c.Catalog.Glue.Database = "a b" },
		"catalog.glue.partitions: is \"all\"": func(c *Config) { c.Catalog.Glue.Partitions = "all" },
	} {
		err := glued(change).Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestCatalogAsBucket: the catalog is reached as the bucket is, unless something else is set.
func TestCatalogAsBucket(t *testing.T) {
	c := glued()
	if g := c.glue(); g.Region != "eu-west-1" || g.Profile != "writer" || g.Table != "{topic}" || g.Partitions != "register" {
		t.Errorf("%+v", g)
	}
	c = glued(func(c *Config) {
		c.Catalog.Glue.Region, c.Catalog.Glue.AccessKey, c.Catalog.Glue.SecretKey = "us-east-1", secret.New("key"), secret.New("secret")
	})
	if g := c.glue(); g.Region != "us-east-1" || g.Profile != "" {
		t.Errorf("%+v", g)
	}
}

func TestTableLike(t *testing.T) {
	keys := []catalog.Key{{Folder: "dt", Value: "{time:yyyy-MM-dd}"}}
	for name, test := range map[string]struct {
		change func(*Config)
		want   catalog.Table
	}{
		"parquet": {func(c *Config) { c.Format.Parquet.Compression = "zstd" }, catalog.Table{Format: catalog.Parquet, Compression: "zstd", Keys: keys}},
		"json":    {func(c *Config) { c.Format = Format{} }, catalog.Table{Format: catalog.JSON, Compression: "gzip", Keys: keys}},
		"plain":   {func(c *Config) { c.Format, c.Compression = Format{}, "none" }, catalog.Table{Format: catalog.JSON, Keys: keys}},
		"avro":    {func(c *Config) { c.Format = Format{Avro: new(Avro)} }, catalog.Table{Format: catalog.Avro, Compression: "snappy", Keys: keys}},
		"csv": {func(c *Config) { c.Format = Format{CSV: &CSV{Separator: `\t`}} },
			catalog.Table{Format: catalog.CSV, Compression: "gzip", Keys: keys, Dialect: catalog.Dialect{Header: true, Separator: '\t'}}},
	} {
		c := glued(test.change)
		if diff := cmp.Diff(test.want, c.tableLike(c.Path)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestTableName(t *testing.T) {
	c := glued(func(c *Config) { c.Catalog.Glue.Table, c.Profile = "{connector}_{topic}", "" })
	k, err := c.openKeeper(t.Context(), c.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = k.catalog.Close() }()
	name, err := k.table(connector.Source{Partition: connector.Partition{Topic: "Clicks.v2"}, Connector: "lake"})
	if err != nil || name != "lake_clicks_v2" {
		t.Errorf("%q, %v", name, err)
	}
}
