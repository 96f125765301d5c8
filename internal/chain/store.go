package chain

import (
	"context"
	"errors"
)

// What a Store answers besides success. Any other error is in doubt: the call may have been applied, or
// may still be applied later.
var (
	// ErrExists: Put or Complete found the key taken, and changed nothing.
	ErrExists = errors.New("the key is taken")
	// ErrMissing: there is no such key, or no such upload.
	ErrMissing = errors.New("there is no such key")
)

// A Store is where links and data lie. Reads see every write that was answered before (Amazon S3 User Guide, "Amazon
// S3 data consistency model"). A Store neither retries nor caches; its errors have a class (see connector.Class) and
// say what was done to which key. It is safe for concurrent use.
type Store interface {
	// List returns keys that begin with prefix and come after the key after, in ascending order of their bytes; at most max.
	// more says that others follow.
	List(ctx context.Context, prefix, after string, max int) (keys []string, more bool, err error)
	// Get returns a small object, or ErrMissing.
	Get(ctx context.Context, key string) ([]byte, error)
	// Put creates a small object. If the key is taken, it answers ErrExists and changes nothing: of two who put
	// at once, exactly one gets nil. A store that has no such Put answers errors.ErrUnsupported.
	Put(ctx context.Context, key string, body []byte) error

	// Begin begins the upload of o, whose Key, Tail, Dir and Seq are set, and returns its id. Nobody who lists or reads sees
	// anything of it before Complete.
	Begin(ctx context.Context, o *Object) (upload string, err error)
	// Write adds the part with number n, 1, 2, 3, ..., whose first byte is at offset at of the object. The same part
	// may be written again. Parts are all at least as long as the store needs, but for the last. The bytes are borrowed.
	Write(ctx context.Context, o *Object, n int, at int64, p Bytes) (Part, error)
	// Seal makes what was written durable; no part follows. Called once all parts are written, before a link names o.
	// An error of class Lost says that the upload can't be used any more.
	Seal(ctx context.Context, o *Object) error
	// Complete makes o visible under its key, whole. It may be called again, by other processes too. ErrMissing: there is
	// no such upload (any more). ErrExists, only if fresh: the key is taken; nothing was changed.
	Complete(ctx context.Context, o *Object, fresh bool) error
	// Look says what is visible under o's key.
	Look(ctx context.Context, o *Object) (Sight, error)
	// Abort drops an upload that isn't completed. One that doesn't exist is none to drop: nil.
	Abort(ctx context.Context, o *Object) error
}

// A Cleaner is a Store in which uploads that nobody will complete can be found.
type Cleaner interface {
	// Uploads returns those that were begun for links below dir (see ID.Dir), each with Key, Upload, Dir and Seq set.
	Uploads(ctx context.Context, dir string) ([]Object, error)
}

// Bytes are the bytes of a part in pieces, one after the other.
type Bytes [][]byte

// Len is the number of bytes.
func (b Bytes) Len() (n int64) {
	for _, p := range b {
		n += int64(len(p))
	}
	return n
}

// A Sight is what is visible under an object's key.
type Sight uint8

// What Look answers.
const (
	Nothing Sight = iota // the key is free
	Ours                 // the object itself: its tail, or its size and checksum, say so
	Foreign              // something else
)
