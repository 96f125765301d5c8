package chain

import "context"

// A Place is where a connector's links and data lie, opened for commands that look at chains or rewind them: it
// writes nothing by itself. Close it after use.
type Place struct {
	Store  Store
	Name   string // for people: "s3://bucket", "/data"
	Prefix string // of the keys of links, without slashes at its ends; may be empty
	Chain  string // the setting chain
	Unique bool   // data keys end in number and tail: the chain can be rewound
	Data   string // what the keys of all data begin with; may be empty
	Close  func() error
}

// A Stater is a Store that says more of an object than Look does.
type Stater interface {
	// Stat describes what is visible under a key, or answers ErrMissing.
	Stat(ctx context.Context, key string) (Stat, error)
}

// A Stat is what a Store knows of a visible object without reading it.
type Stat struct {
	Size int64
	CRC  string // CRC-32C of all bytes, as Object.CRC has it; "" if the store doesn't know it
	Tail string // Object.Tail of who wrote it; "" if the store doesn't know it
}
