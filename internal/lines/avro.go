package lines

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/cell"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

// AvroConfig is the setting `format: avro`: files are Avro object containers.
type AvroConfig struct {
	// How blocks are compressed: none, deflate, snappy or zstandard. It is within the file, whose name doesn't tell it. Every reader knows none and
	// deflate. Default snappy.
	Compression string `yaml:"compression" short:"true"`
	// The compression's own level, 0 its default: deflate 1 to 9 (6), zstandard 1 to 22 (3).
	Level int `yaml:"level"`
}

// DefaultAvroConfig is what a file need not say.
func DefaultAvroConfig() AvroConfig { return AvroConfig{Compression: "snappy"} }

// avroCodecs are the codecs of containers by the names of settings. null would be nothing in YAML.
var avroCodecs = map[string]string{"": "snappy", "none": "null", "deflate": "deflate", "snappy": "snappy", "zstandard": "zstandard", "zstd": "zstandard"}

// Validate reports settings that can't be.
func (c AvroConfig) Validate() error {
	_, err := NewAvro(c)
	return err
}

// The blocks of containers, in bytes before compression. Avro's Java library has 64,000 (DataFileConstants.DEFAULT_SYNC_INTERVAL); larger ones compress better.
const (
	AvroBlock      = 256 << 10
	AvroLeastBlock = 64 << 10
)

// Avro is the format of Avro object containers (specification, Object Container Files). It is safe for concurrent use.
type Avro struct {
	codec  *avro.ContainerCodec
	tables table.Compiled[*avroTable]
}

// An avroTable is what all files of the same columns share.
type avroTable struct {
	text string // of the Avro schema
	root *avroColumn
	rest *avroColumn // nil without a column for members that no other takes
}

// NewAvro makes the format.
func NewAvro(c AvroConfig) (*Avro, error) {
	name, ok := avroCodecs[c.Compression]
	if !ok {
		return nil, fmt.Errorf("avro.compression is %.40q: none, deflate, snappy, zstandard", c.Compression)
	}
	codec, err := avro.NewContainerCodec(name, c.Level)
	if err != nil {
		return nil, fmt.Errorf("avro.level: %w", err)
	}
	return &Avro{codec: codec}, nil
}

// Name is what messages call the format.
func (a *Avro) Name() string { return "avro" }

// Extension is what names of files end in.
func (a *Avro) Extension() string { return ".avro" }

// New begins an empty file.
func (a *Avro) New(columns *table.Schema) (*AvroRows, error) {
	if columns == nil {
		return nil, errors.New("an avro file needs columns")
	}
	t, err := a.tables.Of(columns, newAvroTable)
	if err != nil {
		return nil, fmt.Errorf("columns of %.100q: %w", columns.Name, err)
	}
	r := &AvroRows{format: a, table: t}
	if _, err := rand.Read(r.marker[:]); err != nil {
		return nil, fmt.Errorf("sync marker: %w", err)
	}
	return r, nil
}

func newAvroTable(columns *table.Schema) (*avroTable, error) {
	text, err := columns.Avro()
	if err != nil {
		return nil, err
	}
	t := &avroTable{text: text}
	s, err := avro.Parse(text)
	if err != nil {
		return nil, err
	}
	row, err := cell.New(columns, false)
	if err != nil {
		return nil, err
	}
	t.root = &avroColumn{Column: row}
	if err := t.root.fields(s); err != nil {
		return nil, err
	}
	n := len(columns.Fields)
	if columns.Rest != "" { // the last column. It is no field: a member of its name is one that no column takes
		n++
		if len(s.Fields) == n {
			t.rest = &avroColumn{Column: &cell.Column{Path: columns.Rest, Type: &table.Type{Kind: table.JSON, Nullable: true}}}
			err = t.rest.compile(s.Fields[n-1].Type)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case len(s.Fields) != n:
		return nil, fmt.Errorf("the Avro schema has %d fields for %d columns", len(s.Fields), n)
	}
	return t, nil
}

// AvroRows are the rows of one file, which gather in its open block. One goroutine uses them at a time.
type AvroRows struct {
	format *Avro
	table  *avroTable
	marker [avro.SyncLen]byte
	begun  bool // the header is in the file

	writer avroWriter
	block  []byte
	count  int64 // rows of it

	rows, rested, dropped int64
}

// Add appends a row. It keeps nothing of v. The error is about this value; no part of the row stays.
func (r *AvroRows) Add(v serde.Value) error {
	if v.Kind() != serde.Object {
		return cell.NoRow(v)
	}
	defer r.writer.reset()
	block, err := r.writer.fields(r.block, r.table.root, v)
	if err != nil {
		return err
	}
	strangers := r.writer.strangers
	if c := r.table.rest; c != nil && !strangers {
		block = append(block, c.null)
	} else if c != nil {
		if block, err = r.writer.rest(append(block, c.other), r.table.root, v); err != nil {
			return err
		}
	}
	r.block = block
	r.count++
	r.rows++
	switch {
	case !strangers:
	case r.table.rest != nil:
		r.rested++
	default:
		r.dropped++
	}
	return nil
}

// Rows is how many rows were added.
func (r *AvroRows) Rows() int64 { return r.rows }

// Rested is how many rows have members in the column for those that no other column takes.
func (r *AvroRows) Rested() int64 { return r.rested }

// Dropped is how many rows had members that no column took, which are lost: the columns have none for the rest.
func (r *AvroRows) Dropped() int64 { return r.dropped }

// Pending is the length of the open block, in bytes.
func (r *AvroRows) Pending() int64 { return int64(len(r.block)) }

// Encoded is the length that the open block has in the file, 0 if it will be compressed.
func (r *AvroRows) Encoded() int64 {
	if r.format.codec.Name() == "null" {
		return r.Pending()
	}
	return 0
}

// Held is the memory held, in bytes.
func (r *AvroRows) Held() int64 { return int64(cap(r.block)) + r.writer.held() }

// Pack does nothing: a block is compressed when it ends.
func (r *AvroRows) Pack(int64) {}

// Block is the open block as the file's next bytes, the first ones with the header. They lie in scratch. Until Next, Block gives them again.
func (r *AvroRows) Block(scratch *[]byte) []byte {
	if r.count == 0 {
		return nil
	}
	*scratch = r.format.codec.AppendBlock(r.head((*scratch)[:0]), r.count, r.block, r.marker)
	return *scratch
}

// head appends the header, unless the file has it.
func (r *AvroRows) head(dst []byte) []byte {
	if r.begun {
		return dst
	}
	return r.format.codec.AppendHeader(dst, r.table.text, r.marker)
}

// Next starts a new block; n is the length of what Block gave. Memory beyond keep bytes is let go.
func (r *AvroRows) Next(n int, keep int64) {
	r.begun = r.begun || n > 0
	r.block, r.count = r.block[:0], 0
	if r.Held() > keep {
		r.block, r.writer = nil, avroWriter{}
	}
}

// End is what follows the last block: nothing, and of a file without rows its header.
func (r *AvroRows) End(scratch *[]byte) []byte {
	*scratch = r.head((*scratch)[:0])
	return *scratch
}
