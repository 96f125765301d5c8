package staging

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/columns"
	"github.com/millrace/millrace/internal/envelope"
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/internal/parquet"
	"github.com/millrace/millrace/internal/table"
)

// Content is the settings of what files hold.
type Content struct {
	// Format of the files. json: lines, each the value as JSON, null for a tombstone. raw: texts and bytes as they are, other values as JSON, nothing
	// for a tombstone, each with a newline behind it (see separator and length_prefix). parquet, avro (object container files) and csv have columns:
	// see schema.
	Format Format `yaml:"format" oneof:"json"`
	// What stands behind each row of format raw. Empty: a newline. A value that holds it goes to the dead letter.
	Separator string `yaml:"separator"`
	// With 4, the length of each row of format raw stands before it instead, in four bytes, big-endian.
	LengthPrefix int `yaml:"length_prefix"`
	// Compression of lines (json, raw, csv): none, gzip, zstd or snappy (its framing format). Empty: gzip. Parquet and Avro files have their own.
	Compression string `yaml:"compression"`
	// 1 to 9 for gzip, 1 to 22 for zstd; 0 is 5 for gzip and 1, the fastest, for zstd.
	CompressionLevel int `yaml:"compression_level"`
	// Whether rows are records with all that belongs to them, and not just values: millrace restore makes records of them again.
	Envelope envelope.Config `yaml:"envelope"`
	// Which columns rows have, for formats with columns and for the data catalog.
	Schema columns.Config `yaml:"schema"`
}

// DefaultContent is what a file need not say.
func DefaultContent() Content { return Content{Schema: columns.DefaultConfig()} }

// Format is the settings of a file format. Without any it is JSON lines.
type Format struct {
	Raw     *Raw              `yaml:"raw"`
	Parquet *Parquet          `yaml:"parquet"`
	Avro    *lines.AvroConfig `yaml:"avro"`
	CSV     *lines.CSVConfig  `yaml:"csv"`
}

// Raw is format raw.
type Raw struct{}

// Parquet is the settings of Parquet files.
type Parquet struct {
	// Compression of pages: snappy, zstd, gzip or none. Empty: snappy.
	Compression string `yaml:"compression"`
	// 1 to 22 for zstd, 1 to 9 for gzip; 0 is the fastest of zstd, and 5 for gzip.
	CompressionLevel int `yaml:"compression_level"`
	// Size of a row group, compressed. 0: 64MiB. Where many files are open, their row groups are smaller: all together hold 64MiB.
	RowGroup connector.Bytes `yaml:"row_group"`
	// Size of a page, uncompressed. 0: 256KiB.
	PageSize connector.Bytes `yaml:"page_size"`
	// Dictionaries: auto (where they make a column smaller) or none. Empty: auto.
	Dictionary string `yaml:"dictionary"`
	// Statistics: page (of row groups and of pages, which lets readers pass over pages) or none. Empty: page.
	Statistics string `yaml:"statistics"`
	// Columns that get a bloom filter, which lets readers pass over row groups without a value: names, with dots for members.
	Bloom []string `yaml:"bloom"`
}

// createdBy is the program as footers name it. Parquet's Java library leaves statistics of texts aside where it can't take this apart into a name
// and a version (its VersionParser); the version is that of what we write, not of the build: the same rows give the same file.
const createdBy = "millrace version 1.0.0"

const (
	// rowGroup is the usual size of a row group. Readers work on one at a time; below some MiB their overhead shows.
	rowGroup = 64 << 20
	// openRowGroups is what the open row groups of all files may hold together.
	openRowGroups = 64 << 20
	// leastRowGroup is what is worth a row group when memory is short: a part of an upload.
	leastRowGroup = 5 << 20
)

// Encoding is how rows become bytes. It checks all settings.
func (c *Content) Encoding() (Encoding, error) {
	if err := c.check(); err != nil {
		return Encoding{}, err
	}
	switch f := c.Format; {
	case f.Parquet != nil:
		return f.Parquet.encoding()
	case f.Avro != nil:
		return encodeAvro(*f.Avro)
	}
	codec, err := lines.NewCodec(lines.Compression(cmp.Or(c.Compression, string(lines.Gzip))), c.CompressionLevel)
	if err != nil {
		return Encoding{}, fmt.Errorf("compression: %w", err)
	}
	if c.Format.CSV != nil {
		return encodeCSV(*c.Format.CSV, codec)
	}
	return EncodeLines(c.lineFormat(), codec), nil
}

func (c *Content) check() error {
	if err := c.Envelope.Validate(); err != nil {
		return err
	}
	if err := c.Schema.Validate(); err != nil {
		return fmt.Errorf("schema.%w", err)
	}
	f := c.Format
	own := f.Parquet != nil || f.Avro != nil
	switch {
	case own && (c.Compression != "" || c.CompressionLevel != 0):
		return errors.New("compression is for lines; that of Parquet and Avro files is in format")
	case c.LengthPrefix != 0 && c.LengthPrefix != 4:
		return fmt.Errorf("length_prefix is %d; it can be 4, or 0 for none", c.LengthPrefix)
	case c.LengthPrefix != 0 && c.Separator != "":
		return errors.New("separator and length_prefix can't both be set")
	case f.Raw == nil && c.LengthPrefix != 0:
		return errors.New("length_prefix is for format raw")
	case f.Raw == nil && c.Separator != "":
		return errors.New("separator is for format raw")
	}
	return nil
}

func (c *Content) lineFormat() lines.Format {
	switch {
	case c.Format.Raw == nil:
		return lines.JSON
	case c.LengthPrefix != 0:
		return lines.RawLengths
	case c.Separator != "":
		return lines.RawSeparated(c.Separator)
	}
	return lines.Raw
}

func (p *Parquet) encoding() (Encoding, error) {
	o := parquet.Options{
		Compression: p.Compression, Level: p.CompressionLevel, PageSize: int(p.PageSize), Bloom: p.Bloom,
		Plain: p.Dictionary == "none", NoBounds: p.Statistics == "none", CreatedBy: createdBy,
	}
	switch {
	case p.Dictionary != "" && p.Dictionary != "auto" && p.Dictionary != "none":
		return Encoding{}, fmt.Errorf("format.parquet.dictionary is %q; it is auto or none", p.Dictionary)
	case p.Statistics != "" && p.Statistics != "page" && p.Statistics != "none":
		return Encoding{}, fmt.Errorf("format.parquet.statistics is %q; it is page or none", p.Statistics)
	case p.RowGroup < 0:
		return Encoding{}, fmt.Errorf("format.parquet.row_group is %s; it must be above 0", p.RowGroup)
	}
	if err := checkParquet(o); err != nil {
		return Encoding{}, fmt.Errorf("format.parquet: %w", err)
	}
	size := cmp.Or(int64(p.RowGroup), rowGroup)
	encoders := new(table.Compiled[*parquet.Encoder])
	compile := func(s *table.Schema) (*parquet.Encoder, error) { return parquet.New(s, o) }
	return Encoding{
		Name: "parquet", Extension: p.extension(), ContentType: "application/vnd.apache.parquet", Columns: true,
		Blocks: Blocks{Size: size, Share: 1, Least: min(size, leastRowGroup), Budget: openRowGroups},
		New: func(columns *table.Schema) (Rows, error) {
			e, err := encoders.Of(columns, compile)
			if err != nil {
				return nil, err
			}
			return e.File(), nil
		},
	}, nil
}

// checkParquet tries the options that no column has to be known for.
func checkParquet(o parquet.Options) error {
	o.Bloom = nil
	_, err := parquet.New(&table.Schema{Fields: []table.Field{{Name: "x"}}}, o)
	return err
}

// extension is what Parquet's Java library makes of the codec, and with it Kafka Connect, Spark and Hive (CompressionCodecName).
func (p *Parquet) extension() string {
	switch p.Compression {
	case "", parquet.Snappy:
		return ".snappy.parquet"
	case parquet.Gzip:
		return ".gz.parquet"
	case parquet.Zstd:
		return ".zstd.parquet"
	}
	return ".parquet"
}

func encodeAvro(c lines.AvroConfig) (Encoding, error) {
	format, err := lines.NewAvro(c)
	if err != nil {
		return Encoding{}, fmt.Errorf("format.%w", err)
	}
	return Encoding{
		Name: format.Name(), Extension: format.Extension(), ContentType: "application/avro", Columns: true,
		Blocks: Blocks{Size: lines.AvroBlock, Share: 4, Least: lines.AvroLeastBlock, Budget: lineBlocks().Budget},
		New:    func(columns *table.Schema) (Rows, error) { return format.New(columns) },
	}, nil
}

func encodeCSV(c lines.CSVConfig, codec *lines.Codec) (Encoding, error) {
	format, err := lines.NewCSV(c, codec)
	if err != nil {
		return Encoding{}, fmt.Errorf("format.%w", err)
	}
	return Encoding{
		Name: format.Name(), Extension: format.Extension(), ContentType: codec.ContentType("text/csv"), Columns: true, Blocks: lineBlocks(),
		New: func(columns *table.Schema) (Rows, error) { return format.New(columns) },
	}, nil
}
