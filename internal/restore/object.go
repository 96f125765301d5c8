package restore

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
)

// A Ranger is a Store of whose objects parts can be read.
type Ranger interface {
	chain.Stater
	// ReadRange fills p with the bytes of an object from at on. It answers chain.ErrMissing, and io.ErrUnexpectedEOF if the object ends before.
	ReadRange(ctx context.Context, key string, p []byte, at int64) error
}

// rangeSize is how much is read of a stream at a time, in bytes. Between two reads no connection is held.
const rangeSize = 1 << 20

// A content is the bytes of an object. The context of open bounds all that is read of it.
type content struct {
	at     io.ReaderAt // nil if only a stream can be had
	size   int64
	stream io.Reader
	close  func() error
}

// readAt is an io.ReaderAt.
type readAt func(p []byte, at int64) (int, error)

func (f readAt) ReadAt(p []byte, at int64) (int, error) { return f(p, at) }

// open opens an object of a link.
func open(ctx context.Context, s chain.Store, o *chain.Object) (*content, error) {
	c := &content{size: o.Size, close: func() error { return nil }}
	r, ok := s.(Ranger)
	if !ok {
		return stream(ctx, s, o)
	}
	err := chain.Try(ctx, func() error {
		info, err := r.Stat(ctx, o.Key)
		c.size = info.Size // of one that was lost and written again it isn't the link's
		if err == nil && info.Tail != "" && o.Tail != "" && info.Tail != o.Tail {
			return connector.Permanent.Errorf("it was written with tail %s, and the link names %s: it is another object", info.Tail, o.Tail)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	c.at = readAt(func(p []byte, at int64) (int, error) {
		short := p
		if int64(len(p)) > c.size-at {
			short = p[:max(c.size-at, 0)]
		}
		if len(short) > 0 {
			if err := chain.Try(ctx, func() error { return r.ReadRange(ctx, o.Key, short, at) }); err != nil {
				return 0, err
			}
		}
		if len(short) < len(p) {
			return len(short), io.EOF
		}
		return len(p), nil
	})
	c.stream = bufio.NewReaderSize(io.NewSectionReader(c.at, 0, c.size), int(max(min(c.size, rangeSize), 16)))
	return c, nil
}

// stream opens an object of a Store that can only read all of it.
func stream(ctx context.Context, s chain.Store, o *chain.Object) (*content, error) {
	opener, ok := s.(chain.Opener)
	if !ok {
		return nil, connector.Permanent.Errorf("the objects of this sink can't be read")
	}
	var body io.ReadCloser
	err := chain.Try(ctx, func() (err error) {
		body, err = opener.Open(ctx, o.Key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &content{size: o.Size, stream: bufio.NewReaderSize(body, 64<<10), close: body.Close}, nil
}

// missing explains why an object isn't there.
func missing(o *chain.Object, newest bool) error {
	if newest {
		return fmt.Errorf("%s isn't there, and the newest link names it: start the connector, which completes it, or stop before it with --to-offset %d: %w", o.Key, o.First, chain.ErrMissing)
	}
	return fmt.Errorf("%s isn't there: if it expired, begin behind it with --from-offset %d; else see millrace verify: %w", o.Key, o.Last+1, chain.ErrMissing)
}
