package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/bucket"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/internal/staging"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/internal/template"
)

// Config is the settings of the S3 sink.
type Config struct {
	Connection
	// Where links lie, the small objects that make this exactly once: PREFIX/_millrace/CHAIN/. By default the folders that path begins
	// with and that hold no field; / is the top of the bucket.
	Prefix string `yaml:"prefix"`
	// Name of the chain of links. Another name writes everything again, from where start says.
	Chain string `yaml:"chain"`
	// Key of an object, without its extension. It can hold {topic}, {partition}, {connector},
	// {value.NAME}, {key}, {header.NAME}, {time:yyyy-MM-dd} and {position:%010d}, the offset of the
	// object's first record. What a record holds is escaped (%2F for a slash), and __null__ stands for
	// a missing, null or empty value. A path that ends in / gets the name {topic}+{partition}+{position:%010d}. Keys end in a number and eight
	// random hex digits, unless path has {position} in a name of its own.
	Path string `yaml:"path" kind:"template"`
	Naming
	Content
	// The data catalog that is told of the objects, before they can be seen: a table, its columns and partitions.
	Catalog Catalog `yaml:"catalog" oneof:"none"`
	// When objects are closed.
	Rotate Rotate `yaml:"rotate"`
	// How many objects one partition writes at a time. Where path leads to
	// more, those that were idle longest are closed early: many values in path make many small objects.
	MaxOpenFiles int `yaml:"max_open_files"`
	// Size of the parts that an object is uploaded in, 5MiB to 5GiB; the last one may be smaller. An object has at most 10,000.
	PartSize connector.Bytes `yaml:"part_size"`
	// Storage class of the objects, such as STANDARD_IA or GLACIER_IR. Empty: STANDARD. Links are always STANDARD.
	StorageClass string `yaml:"storage_class"`
	// Tags of the objects, at most 10. Links have none. Needs s3:PutObjectTagging.
	Tags map[string]string `yaml:"tags"`
	// Whether an object gets the tags millrace-start and millrace-end, the offsets of its first and last record, and millrace-count, its
	// rows. That is one more request for each object.
	RangeTags bool `yaml:"range_tags"`
}

// What objects hold.
type (
	Content = staging.Content // format and all that belongs to it
	Format  = staging.Format
	Raw     = staging.Raw
	Parquet = staging.Parquet
	Avro    = lines.AvroConfig
	CSV     = lines.CSVConfig
)

// What objects are called.
type (
	Naming = staging.Naming
	Time   = staging.Time // which time {time:...} shows
	Late   = staging.Late // what becomes of records whose time is far from their timestamp
)

// Rotate says when objects are closed.
type Rotate = staging.Rotate

// DefaultConfig is the settings that a file need not name.
func DefaultConfig() Config {
	return Config{
		Connection:   bucket.DefaultConnection(),
		Chain:        staging.DefaultChain,
		Path:         "{topic}/partition={partition}/",
		Naming:       staging.DefaultNaming(),
		Content:      staging.DefaultContent(),
		Rotate:       staging.DefaultRotate(),
		MaxOpenFiles: 1000,
		PartSize:     minPart,
	}
}

// Limits of S3 (Amazon S3 User Guide, "Amazon S3 multipart upload limits" and "Naming Amazon S3 objects").
const (
	minPart   = 5 << 20
	maxPart   = 5 << 30
	maxParts  = 10_000
	maxObject = 5 << 40
	maxKey    = 1024
)

// Validate checks the settings without a connection.
func (c Config) Validate() error {
	_, err := c.options()
	return err
}

// options are the settings as a stager takes them, but for the store.
func (c Config) options() (o staging.Options, err error) {
	errs := []error{
		c.Connection.Validate(), staging.CheckLinks(c.Prefix, c.Chain), c.Rotate.Validate(), c.validateParts(), c.validateTags(),
		validateClass(c.StorageClass), c.validateCatalog(),
	}
	if c.MaxOpenFiles < 1 {
		errs = append(errs, fmt.Errorf("max_open_files is %d; it must be 1 or more", c.MaxOpenFiles))
	}
	path, err := staging.CompilePath(c.Path, c.Naming)
	errs = append(errs, err)
	format, err := c.Encoding()
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return staging.Options{}, err
	}
	return staging.Options{
		Place: c.Place(), Prefix: staging.Prefix(c.Prefix, c.Path), Chain: c.Chain,
		Path: path, Format: c.Extended(format),
		Rotation: c.Rotate.Rotation(), MaxOpen: c.MaxOpenFiles, PartSize: int64(c.PartSize),
		MaxKey: maxKey, MaxName: template.MaxSegment, // S3 has no longest name, but file systems that objects are copied to have
	}, nil
}

func (c Config) validateParts() error {
	switch {
	case c.PartSize < minPart || c.PartSize > maxPart:
		return fmt.Errorf("part_size is %s; S3 takes 5MiB to 5GiB", c.PartSize)
	case c.Rotate.Size/c.PartSize >= maxParts: // what is above the size, up to a block, needs a part too
		return fmt.Errorf("rotate.size is %s, which needs more than %d parts of %s: raise part_size", c.Rotate.Size, maxParts, c.PartSize)
	case c.Rotate.Size > maxObject:
		return fmt.Errorf("rotate.size is %s; S3 takes objects of up to 5TiB", c.Rotate.Size)
	}
	return nil
}

// validateClass checks that an object can be put into a storage class.
func validateClass(class string) error {
	classes := []types.StorageClass{
		types.StorageClassStandard, types.StorageClassReducedRedundancy, types.StorageClassStandardIa, types.StorageClassOnezoneIa,
		types.StorageClassIntelligentTiering, types.StorageClassGlacierIr, types.StorageClassGlacier, types.StorageClassDeepArchive,
	}
	if class == "" || slices.Contains(classes, types.StorageClass(class)) {
		return nil
	}
	names := make([]string, len(classes))
	for i, c := range classes {
		names[i] = string(c)
	}
	return fmt.Errorf("storage_class is %q; it must be one of %s", class, strings.Join(names, ", "))
}

// Open connects: it makes the client and finds credentials, but asks the bucket nothing yet. Close ends the stager.
func (c Config) Open(ctx context.Context) (*staging.Stager, error) {
	o, err := c.options()
	if err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	s, err := c.open(ctx, o.Format.ContentType)
	if err != nil {
		return nil, err
	}
	s.tagFound = c.RangeTags
	o.Store, o.Inspect = s, lifecycle{s, o.Prefix, o.Chain, dataPrefix(c.Path)}.inspect
	var columns func(context.Context, string) (*table.Schema, error)
	if c.Catalog.Glue != nil {
		k, err := c.openKeeper(ctx, o.Path.Text())
		if err != nil {
			_ = s.Close() // it says nothing
			return nil, err
		}
		o.Announce, columns, s.besides = k.announce, k.columns, k.catalog
	}
	if err := c.Fill(&o, columns); err != nil {
		_ = s.Close()
		return nil, connector.Fatal.Wrap(err)
	}
	return staging.New(o), nil
}

// OpenChain opens what commands need that look at chains.
func (c Config) OpenChain(ctx context.Context) (chain.Place, error) {
	o, err := c.options()
	if err != nil {
		return chain.Place{}, connector.Fatal.Wrap(err)
	}
	s, err := c.open(ctx, o.Format.ContentType)
	if err != nil {
		return chain.Place{}, err
	}
	return chain.Place{Store: s, Name: o.Place, Prefix: o.Prefix, Chain: o.Chain, Unique: o.Path.Unique, Data: dataPrefix(c.Path), Close: s.Close}, nil
}

// open makes the store of a valid Config.
func (c Config) open(ctx context.Context, contentType string) (*store, error) {
	client, err := connect(ctx, &c.Connection)
	if err != nil {
		return nil, err
	}
	return &store{
		Bucket: client, storageClass: c.StorageClass, contentType: contentType, tags: c.Tags, rangeTags: c.RangeTags,
	}, nil
}

// dataPrefix is what all keys begin with: path up to its first field.
func dataPrefix(path string) string {
	const open, shut = "\x00", "\x01" // a path holds no control characters
	path = strings.NewReplacer("{{", open, "}}", shut).Replace(path)
	path, _, _ = strings.Cut(path, "{")
	return strings.NewReplacer(open, "{", shut, "}").Replace(path)
}
