package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/parquet"
	"github.com/millrace/millrace/serde"
)

// Rows are the rows of an object in their order. One goroutine uses them at a time.
type Rows interface {
	// Next is the next row, valid until the next call; at the end the error is io.EOF.
	Next() (serde.Value, error)
	// Close ends reading. No row is valid any more.
	Close() error
}

// mostRow bounds a row, or a block of rows, in bytes.
const mostRow = 256 << 20

// OpenRows reads an object by its name's extension: .json and .txt are lines, .avro object containers, .parquet Parquet files; .gz, .zst and .sz behind
// the extension say how an object is compressed. plain makes texts of JSON lines, which aren't parsed then. ctx bounds all reading.
func OpenRows(ctx context.Context, s chain.Store, o *chain.Object, plain bool) (Rows, error) {
	name, codec := path.Base(o.Key), ""
	switch ext := path.Ext(name); ext {
	case ".gz", ".zst", ".sz":
		name, codec = strings.TrimSuffix(name, ext), ext
	}
	ext := path.Ext(name)
	switch ext {
	case ".json", ".txt", ".avro", ".parquet":
	default:
		return nil, connector.Permanent.Errorf("%s: rows of format %q can't be read back: .json, .txt, .avro and .parquet can", o.Key, ext)
	}
	c, err := open(ctx, s, o)
	if err != nil {
		return nil, err
	}
	if ext == ".parquet" {
		return openParquet(c)
	}
	from, done, err := decompress(c.stream, codec)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	end := func() error {
		done()
		return c.close()
	}
	if ext == ".avro" {
		rows, err := newContainer(from, end)
		if err != nil {
			return nil, errors.Join(err, end())
		}
		return rows, nil
	}
	return newLines(from, plain || ext == ".txt", end), nil
}

// decompress reads what may be many gzip members, Zstandard frames or Snappy streams, one behind the other.
func decompress(from io.Reader, ext string) (io.Reader, func(), error) {
	switch ext {
	case ".gz":
		z, err := gzip.NewReader(from)
		if errors.Is(err, io.EOF) { // an empty object
			return from, func() {}, nil
		}
		return z, func() {}, err
	case ".zst":
		z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	case ".sz":
		return s2.NewReader(from), func() {}, nil
	}
	return from, func() {}, nil
}

// parquetRows are the rows of a Parquet file.
type parquetRows struct {
	r     *parquet.Reader
	tape  *serde.Tape
	close func() error
}

func openParquet(c *content) (Rows, error) {
	if c.at == nil {
		return nil, errors.Join(connector.Permanent.Errorf("a Parquet file begins at its end, and the objects of this sink can only be read as a whole"), c.close())
	}
	r, err := parquet.Open(c.at, c.size)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return &parquetRows{r: r, tape: serde.NewTape(), close: c.close}, nil
}

func (p *parquetRows) Next() (serde.Value, error) {
	p.tape.Reset()
	return p.r.Read(p.tape)
}

func (p *parquetRows) Close() error {
	p.r.Close()
	return p.close()
}

// tooLong is the error of a row or block that is longer than mostRow.
func tooLong(what string, n int64) error {
	return fmt.Errorf("%s has %d bytes; at most %d are read", what, n, mostRow)
}
