package template

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/connector"
)

// Late is the setting for records whose {time} is far from the record's own timestamp. Both are the record's: a record
// that is read again is late again, whenever that is.
type Late struct {
	// Longest time that {time} may lie before the record's timestamp. 0 is any.
	After connector.Duration `yaml:"after"`
	// Longest time that {time} may lie after the record's timestamp. 0 is any.
	Ahead connector.Duration `yaml:"ahead"`
	// Where such records go instead, with the fields of path. Empty: to the dead letter.
	Path string `yaml:"path" kind:"template"`
}

// Lateness is a compiled Late. It is immutable and safe for concurrent use.
type Lateness struct {
	clock        clock
	from         string
	after, ahead time.Duration
	path         *Template
}

// Compile makes a Lateness of the settings, nil if they are empty. o are the options of the path that other records take.
func (l Late) Compile(o Options) (*Lateness, error) {
	switch {
	case l.After < 0:
		return nil, fmt.Errorf("late.after is %s; it must be 0 (any) or more", l.After)
	case l.Ahead < 0:
		return nil, fmt.Errorf("late.ahead is %s; it must be 0 (any) or more", l.Ahead)
	case l.After == 0 && l.Ahead == 0 && l.Path != "":
		return nil, errors.New("late.path needs late.after or late.ahead: without them no record is late")
	case l.After == 0 && l.Ahead == 0:
		return nil, nil
	case o.Time == nil || o.Time.From == "" || o.Time.From == "timestamp" || o.Time.From == "wall":
		return nil, errors.New("late needs time.from to be a field, such as value.event_time: it is compared with the record's timestamp")
	}
	c, err := newClock(*o.Time)
	if err != nil {
		return nil, err
	}
	made := &Lateness{clock: c, from: o.Time.From, after: time.Duration(l.After), ahead: time.Duration(l.Ahead)}
	if l.Path == "" {
		return made, nil
	}
	if made.path, err = Compile(l.Path, o); err != nil {
		return nil, fmt.Errorf("late.path: %w", err)
	}
	return made, nil
}

// Path is the path of late records, nil if they go to the dead letter.
func (l *Lateness) Path() *Template { return l.path }

// Is reports whether the i-th record of b is late, or ahead. One without a timestamp is neither. An error is of class
// Permanent: the record's time can't be read.
func (l *Lateness) Is(b *connector.Batch, i int) (bool, error) {
	r := b.At(i)
	when, err := l.clock.of(r)
	if err != nil {
		return false, connector.Permanent.Errorf("late: %s: %w", l.from, err)
	}
	return l.beyond(r.Timestamp, when) != "", nil
}

// Reason is an error of class Permanent that says why the i-th record of b is late, nil if it isn't or its time can't be read.
func (l *Lateness) Reason(b *connector.Batch, i int) error {
	r := b.At(i)
	when, err := l.clock.of(r)
	if err != nil {
		return nil //nolint:nilerr // Is says so
	}
	setting := l.beyond(r.Timestamp, when)
	if setting == "" {
		return nil
	}
	stamp := time.UnixMilli(r.Timestamp).UTC()
	return connector.Permanent.Errorf("%s is %s, the record's timestamp %s: more than %s apart",
		l.from, when.UTC().Format(time.RFC3339), stamp.Format(time.RFC3339), setting)
}

// beyond names the setting that a time breaks.
func (l *Lateness) beyond(timestamp int64, when time.Time) string {
	if timestamp < 0 { // Kafka's "no timestamp" is -1
		return ""
	}
	behind := time.UnixMilli(timestamp).Sub(when) // at most 292 years, then the longest Duration
	switch {
	case l.after > 0 && behind > l.after:
		return "late.after (" + connector.Duration(l.after).String() + ")"
	case l.ahead > 0 && -l.ahead > behind:
		return "late.ahead (" + connector.Duration(l.ahead).String() + ")"
	}
	return ""
}
