package connector

import (
	"errors"
	"fmt"
	"time"
)

// A Class says what the Connector does about an error. Handlers, loaders, stagers and
// dead letters give their errors a class by Wrap or Errorf; an error without one is Retryable.
type Class uint8

const (
	// Retryable: sent again after a growing, jittered wait, for ever.
	Retryable Class = iota
	// Systemic: nothing will succeed until somebody changes something (access
	// denied, no such table, disk full). Tried again at the longest wait; status says blocked.
	Systemic
	// Permanent: this record can never be processed. It goes to the dead letter.
	Permanent
	// Lost: another process won. A staged range is dropped and its partition recovers.
	Lost
	// Fatal: this connector stops.
	Fatal
)

func (c Class) String() string {
	return [...]string{"retryable", "systemic", "permanent", "lost", "fatal"}[c]
}

type classified struct {
	class Class
	wait  time.Duration
	err   error
}

func (e *classified) Error() string { return e.err.Error() }
func (e *classified) Unwrap() error { return e.err }

// Wrap gives err the class c; the text stays. Wrap(nil) is nil.
func (c Class) Wrap(err error) error {
	if err == nil {
		return nil
	}
	return &classified{class: c, wait: LeastWait(err), err: err}
}

// Errorf is Wrap of fmt.Errorf.
func (c Class) Errorf(format string, args ...any) error { return c.Wrap(fmt.Errorf(format, args...)) }

// WithWait lets err be tried again after d at the earliest, as a service's Retry-After asks.
func WithWait(d time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &classified{class: ClassOf(err), wait: d, err: err}
}

// ClassOf is the outermost class in err's chain, Retryable if it has none.
func ClassOf(err error) Class {
	var c *classified
	if errors.As(err, &c) {
		return c.class
	}
	return Retryable
}

// LeastWait is the outermost least wait in err's chain, 0 if it has none.
func LeastWait(err error) time.Duration {
	var c *classified
	if errors.As(err, &c) {
		return c.wait
	}
	return 0
}

// A PartitionError is a Consumer's error that concerns one partition.
type PartitionError struct {
	Partition Partition
	Err       error
	// Gap: the offset to read next isn't in the log (any more). What is there are the offsets LogStart to LogEnd-1.
	Gap              bool
	LogStart, LogEnd int64
}

func (e *PartitionError) Error() string { return fmt.Sprintf("partition %s: %v", e.Partition, e.Err) }
func (e *PartitionError) Unwrap() error { return e.Err }
