package staging

import (
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/internal/table"
)

// lineBlocks are those of lines: with 64 KiB gzip needs 2 % more than with 1 MiB, zstd none. A file may end a block late: small files
// have small blocks.
func lineBlocks() Blocks { return Blocks{Size: 256 << 10, Share: 4, Least: 4 << 10, Budget: 32 << 20} }

// EncodeLines writes each row as a line, or with what the format has instead.
func EncodeLines(f lines.Format, c *lines.Codec) Encoding {
	plain := "application/x-ndjson"
	if f != lines.JSON {
		plain = "application/octet-stream"
	}
	return Encoding{
		Name: string(f), Extension: f.Extension() + c.Extension(), ContentType: c.ContentType(plain), Blocks: lineBlocks(),
		New: func(*table.Schema) (Rows, error) { return lines.NewWriter(c, f), nil },
	}
}
