package staging

import (
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// An Encoding is how rows become the bytes of a file.
type Encoding struct {
	Name        string // what messages call it: "json", "parquet"
	Extension   string // what names of files end in: ".json.gz"
	ContentType string // of a finished file: "application/gzip"
	Blocks      Blocks
	Columns     bool // a file has columns: rows with others need another file

	// New begins an empty file; columns is nil unless Columns is set. Safe for concurrent use.
	New func(columns *table.Schema) (Rows, error)
}

// Blocks are bounds of the blocks that files grow by, in bytes as Rows.Pending counts them.
type Blocks struct {
	Size   int64 // of a block, at most, but for its last row
	Share  int64 // a block is at most the file's size divided by it
	Least  int64 // what Size shrinks to when many files are open
	Budget int64 // what the open blocks of all files may hold together, unless Least needs more
}

// Rows are the rows of one file. They gather in a block until the caller takes it:
//
//	if r.Pending() >= limit {
//		p := r.Block(&scratch)
//		... append p to the file ...
//		r.Next(len(p), limit)
//	}
//
// and once the last block is taken, r.End gives the file's last bytes. One goroutine uses it at a time.
type Rows interface {
	// Add appends a row. It keeps nothing of v. The error is about this value; no part of the row stays.
	Add(v serde.Value) error
	// Rows is how many rows were added.
	Rows() int64
	// Pending is the length of the open block, in bytes.
	Pending() int64
	// Encoded is about the length that the open block has in the file. 0 where that isn't known before.
	Encoded() int64
	// Held is the memory held, in bytes.
	Held() int64
	// Pack compresses what it can without ending the block, should that be more than most bytes.
	Pack(most int64)
	// Block is the open block as the file's next bytes, the first ones with what files begin with. They lie in scratch, which grows as needed
	// and may be shared by many files, or in the Rows: they are valid until the next Add, Next, or use of scratch. Until Next, Block
	// gives them again. An empty block has no bytes.
	Block(scratch *[]byte) []byte
	// Next starts a new block; n is the length of what Block gave. Memory beyond keep bytes is let go.
	Next(n int, keep int64)
	// End is what follows the last block: a footer; for a file without rows also what files begin with. The bytes are as those of Block.
	End(scratch *[]byte) []byte
}

// A leftover is what Rows tell that meet members of values for which there is no column. Optional.
type leftover interface {
	// Rested counts the rows of which a part went to the column for the rest, Dropped those of which a part was left out.
	Rested() int64
	Dropped() int64
}
