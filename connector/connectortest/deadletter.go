package connectortest

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/millrace/millrace/connector"
)

// A DeadLetter keeps failures in memory.
type DeadLetter struct {
	// Refuse, if set, is asked before each Bury; its error is returned.
	Refuse func(fs []connector.Failure) error

	mu     sync.Mutex
	buried []connector.Failure
	calls  int
}

// Bury keeps copies of the failures.
func (d *DeadLetter) Bury(_ context.Context, fs []connector.Failure) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.Refuse != nil {
		if err := d.Refuse(fs); err != nil {
			return err
		}
	}
	for _, f := range fs {
		r := *f.Record
		r.RawKey, r.RawValue = bytes.Clone(r.RawKey), bytes.Clone(r.RawValue)
		r.Headers = slices.Clone(r.Headers)
		f.Record = &r
		s := *f.Source
		f.Source = &s
		d.buried = append(d.buried, f)
	}
	return nil
}

// Buried is what was buried so far, in order.
func (d *DeadLetter) Buried() []connector.Failure {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.buried)
}

// Calls counts the calls of Bury, refused ones included.
func (d *DeadLetter) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}
