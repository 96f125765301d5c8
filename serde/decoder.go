package serde

import "context"

// A Decoder turns the bytes of a key or of a value into a Value.
//
// Decode appends to t and may borrow data: the Value is valid until t is Reset
// and for as long as data doesn't change. Nothing of data is kept elsewhere.
// topic is the topic that the record came from, for decoders that choose a
// schema by it. A Decoder is safe for concurrent use, each call with a Tape of
// its own.
//
// An error means that these bytes can't be decoded, now or later: the record is
// poison. A Decoder that couldn't find out, because a registry doesn't answer
// say, returns an Unavailable error instead, and is asked again.
type Decoder interface {
	Decode(ctx context.Context, t *Tape, topic string, data []byte) (Value, error)
}

// Unavailable wraps an error that says nothing about the bytes: what a Decoder
// needs couldn't be reached. The record is decoded again later.
type Unavailable struct{ Err error }

func (u *Unavailable) Error() string { return u.Err.Error() }
func (u *Unavailable) Unwrap() error { return u.Err }
