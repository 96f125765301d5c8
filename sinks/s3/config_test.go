package s3

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/lines"
)

func TestDefaultsAreValid(t *testing.T) {
	c := DefaultConfig()
	c.Bucket = "lake"
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	d := DefaultDeadLetterConfig()
	d.Bucket = "lake"
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string // "" = valid
	}{
		"no bucket":          {func(c *Config) { c.Bucket = "" }, "bucket is missing"},
		"storage class":      {func(c *Config) { c.StorageClass = "COLD" }, "storage_class is"},
		"storage class, s3":  {func(c *Config) { c.StorageClass = "GLACIER_IR" }, ""},
		"class of directory": {func(c *Config) { c.StorageClass = "EXPRESS_ONEZONE" }, "storage_class is"},

		"part too small":   {func(c *Config) { c.PartSize = 5<<20 - 1 }, "part_size is"},
		"part too large":   {func(c *Config) { c.PartSize = 5<<30 + 1 }, "part_size is"},
		"too many parts":   {func(c *Config) { c.Rotate.Size = 5 << 20 * 10_000 }, "raise part_size"},
		"all parts":        {func(c *Config) { c.Rotate.Size = 5<<20*10_000 - 1 }, ""},
		"object too large": {func(c *Config) { c.Rotate.Size, c.PartSize = 5<<40+1, 5<<30 }, "up to 5TiB"},
		"age":              {func(c *Config) { c.Rotate.Age = 0 }, "rotate.age"},
		"seal":             {func(c *Config) { c.Rotate.SealAfter = -1 }, "rotate.seal_after"},
		"open files":       {func(c *Config) { c.MaxOpenFiles = 0 }, "max_open_files"},

		"format":               {func(c *Config) { c.Format.Parquet = &Parquet{Compression: "lz4"} }, "format.parquet: "},
		"json and separator":   {func(c *Config) { c.Separator = "|" }, "separator is for format raw"},
		"json and length":      {func(c *Config) { c.LengthPrefix = 4 }, "length_prefix is for format raw"},
		"other length":         {func(c *Config) { c.Format.Raw, c.LengthPrefix = new(Raw), 8 }, "length_prefix is 8"},
		"length and separator": {func(c *Config) { c.Format.Raw, c.LengthPrefix, c.Separator = new(Raw), 4, "|" }, "can't both"},
		"no separator":         {func(c *Config) { c.Format.Raw = new(Raw) }, ""},
		"raw and separator":    {func(c *Config) { c.Format.Raw, c.Separator = new(Raw), "\x00" }, ""},
		"compression":          {func(c *Config) { c.Compression = "lz4" }, "compression: "},
		"level":                {func(c *Config) { c.Compression, c.CompressionLevel = "snappy", 1 }, "compression: "},

		"path":          {func(c *Config) { c.Path = "{nothing}/" }, "path: "},
		"path to links": {func(c *Config) { c.Path = "a/_millrace/{topic}/" }, "_millrace"},
		"time":          {func(c *Config) { c.Time.Zone = "Mars/Olympus" }, "Mars"},
		"prefix":        {func(c *Config) { c.Prefix = "a//b" }, "prefix"},
		"chain":         {func(c *Config) { c.Chain = "a/b" }, "chain"},

		"tags":             {func(c *Config) { c.Tags = tags(10) }, ""},
		"too many tags":    {func(c *Config) { c.Tags = tags(11) }, "tags has 11"},
		"with range tags":  {func(c *Config) { c.Tags, c.RangeTags = tags(8), true }, "more than 7"},
		"tag of aws":       {func(c *Config) { c.Tags = map[string]string{"AWS:x": ""} }, "AWS keeps"},
		"tag of ours":      {func(c *Config) { c.Tags = map[string]string{tagStart: ""} }, "what range_tags sets"},
		"tag without name": {func(c *Config) { c.Tags = map[string]string{"": "x"} }, "1 to 128"},
		"tag too long":     {func(c *Config) { c.Tags = map[string]string{"x": strings.Repeat("x", 257)} }, "256"},
		"tag with signs":   {func(c *Config) { c.Tags = map[string]string{"x": "a,b"} }, "letters, digits"},
		"tag in Greek":     {func(c *Config) { c.Tags = map[string]string{"όνομα": "α β_.:/=+-@"} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Bucket = "lake"
			c.change(&cfg)
			err := cfg.Validate()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if err == nil {
				return
			}
			noSecrets(t, err)
			if _, err := cfg.Open(t.Context()); connector.ClassOf(err) != connector.Fatal {
				t.Errorf("class %v of %v", connector.ClassOf(err), err)
			}
			if _, err := cfg.OpenChain(t.Context()); connector.ClassOf(err) != connector.Fatal {
				t.Errorf("class %v of %v", connector.ClassOf(err), err)
			}
		})
	}
}

func tags(n int) map[string]string {
	m := make(map[string]string)
	for i := range n {
		m[strings.Repeat("x", i+1)] = "v"
	}
	return m
}

// Several mistakes are told at once.
func TestValidateTellsAll(t *testing.T) {
	c := DefaultConfig()
	c.ACL, c.Separator, c.Chain = "x", "y", ""
	err := c.Validate()
	for _, want := range []string{"bucket", "acl", "separator", "chain"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v doesn't say %q", err, want)
		}
	}
}

func TestOptions(t *testing.T) {
	c := DefaultConfig()
	c.Bucket, c.Path, c.Format.Raw, c.LengthPrefix, c.Compression = "lake", "telemetry/{topic}/", new(Raw), 4, "snappy"
	o, err := c.options()
	if err != nil {
		t.Fatal(err)
	}
	if o.Place != "s3://lake" || o.Prefix != "telemetry" || o.Chain != "main" || !o.Path.Unique || o.Format.Extension != ".bin.sz" || o.Format.Name != string(lines.RawLengths) ||
		o.PartSize != 5<<20 || o.MaxKey != 1024 || o.MaxOpen != 1000 || o.Rotation.Size != 128<<20 || o.Rotation.Seal == 0 || !o.Rotation.Adaptive {
		t.Errorf("options %+v", o)
	}
	c.Path, c.Prefix = "topics/{topic}/partition=0/{topic}+0+{position:%010d}", "/"
	if o, err = c.options(); err != nil || o.Path.Unique || o.Prefix != "" {
		t.Errorf("options %+v, %v", o, err)
	}
	raw := DefaultConfig().Content
	raw.Format.Raw = new(Raw)
	separated, prefixed := raw, raw
	separated.Separator, prefixed.LengthPrefix = "||", 4
	for _, test := range []struct {
		content Content
		want    lines.Format
	}{{DefaultConfig().Content, lines.JSON}, {raw, lines.Raw}, {separated, lines.RawSeparated("||")}, {prefixed, lines.RawLengths}} {
		if got, err := test.content.Encoding(); got.Name != string(test.want) || err != nil {
			t.Errorf("%+v: %q, %v", test.content, got.Name, err)
		}
	}
	for path, want := range map[string]string{
		"": "", "{topic}/": "", "a/b": "a/b", "tele-{topic}/x": "tele-", "a{{b}}/{{{topic}}}": "a{b}/{", "a}}": "a}",
	} {
		if got := dataPrefix(path); got != want {
			t.Errorf("the data of %q begins with %q, want %q", path, got, want)
		}
	}
}

func TestContentTypes(t *testing.T) {
	for _, c := range []struct {
		format            Format
		compression, want string
	}{
		{Format{}, "none", "application/x-ndjson"}, {Format{Raw: new(Raw)}, "none", "application/octet-stream"},
		{Format{}, "", "application/gzip"}, {Format{}, "zstd", "application/zstd"},
		{Format{Raw: new(Raw)}, "snappy", "application/x-snappy-framed"}, {Format{Parquet: new(Parquet)}, "", "application/vnd.apache.parquet"},
	} {
		s := openStore(t, config("http://localhost:1", func(f *Config) { f.Format, f.Compression = c.format, c.compression }))
		if s.contentType != c.want {
			t.Errorf("%+v, %s: %s", c.format, c.compression, s.contentType)
		}
	}
}

func TestOpenChain(t *testing.T) {
	d := newDouble(t)
	p, err := config(d.URL, func(c *Config) { c.Path, c.Chain, c.RangeTags = "tele/x-{topic}/{position}", "other", true }).OpenChain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "s3://lake" || p.Prefix != "tele" || p.Chain != "other" || p.Unique || p.Data != "tele/x-" {
		t.Errorf("place %+v", p)
	}
	if err := p.Store.Put(t.Context(), "k", nil); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
