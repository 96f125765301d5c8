package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/internal/letter"
)

// A letterOpener is a dead letter's Config whose letters can be read: of one connector where that is cheap, of all for "".
type letterOpener interface {
	OpenLetters(ctx context.Context, connector string) (letter.Box, error)
}

// A scan reads a connector's dead letters and counts what it leaves out. Its memory doesn't grow with their number.
type scan struct {
	c      *command
	conn   *config.Connector // complete, see Connector.Resolve
	filter letterFilter
	place  string // for people

	all      int64 // letters read, of any connector
	taken    int64
	gaps     int64            // of those taken
	others   map[string]int64 // letters of other connectors
	strange  int64            // what is no letter
	examples []string         // of that
	retimed  int64            // letters whose own timestamp is lost
}

const mostNamed = 20 // connectors whose letters were left out

// newScan loads the file and checks the flags.
func (c *command) newScan(ctx context.Context, path string, f *dlqFilter) (*scan, error) {
	conn, err := c.connector(path, f.connector)
	if err != nil {
		return nil, err
	}
	if conn.DeadLetter.Config == nil {
		return nil, fmt.Errorf("connector %s has no dead_letter: its partitions stop at a record that can't be processed, and there is nothing to look at", conn.Name)
	}
	if conn, err = conn.Resolve(ctx); err != nil {
		return nil, failure{err}
	}
	filter, err := f.compile(conn.Name)
	if err != nil {
		return nil, err
	}
	return &scan{c: c, conn: conn, filter: filter, others: map[string]int64{}}, nil
}

// open opens the dead letter. What it reads may begin at the filter's since.
func (s *scan) open(ctx context.Context) (letter.Box, error) {
	dead := s.conn.DeadLetter
	switch d := dead.Config.(type) {
	case *kafka.DeadLetterConfig:
		return s.openTopic(ctx, *d)
	case letterOpener:
		return d.OpenLetters(ctx, s.filter.of)
	}
	return nil, fmt.Errorf("the dead letter %s can't be read", dead.Name)
}

// read passes each letter that the filter takes to taken, and others of the same connectors to left, which may be nil.
func (s *scan) read(ctx context.Context, taken func(place string, l *letter.Letter) error, left func(l *letter.Letter) error) (err error) {
	box, err := s.open(ctx)
	if err != nil {
		return fmt.Errorf("open the dead letter: %w", err)
	}
	s.place = box.Place()
	defer func() { err = errors.Join(err, box.Close()) }()
	if s.c.color {
		defer fmt.Fprint(s.c.err, "\r\x1b[K")
	}
	shown := time.Now()
	return box.Read(ctx, func(place string, l *letter.Letter, err error) error {
		if s.c.color && time.Since(shown) > 200*time.Millisecond {
			shown = time.Now()
			fmt.Fprintf(s.c.err, "\r%s read, %d taken", count(int(s.all), "letter"), s.taken)
		}
		switch {
		case err != nil:
			s.odd(place, err)
			return nil
		case s.filter.of != "" && l.Connector != s.filter.of:
			s.all++
			s.other(l.Connector)
			return nil
		}
		s.all++
		if !s.filter.takes(l) {
			if left == nil {
				return nil
			}
			return left(l)
		}
		s.taken++
		if _, _, gap := l.Gap(); gap {
			s.gaps++
		}
		if l.LogAppendTime {
			s.retimed++
		}
		return taken(place, l)
	})
}

// odd counts what is no letter, and keeps some examples.
func (s *scan) odd(place string, err error) {
	s.strange++
	if len(s.examples) < 3 {
		s.examples = append(s.examples, fmt.Sprintf("%s: %v", place, err))
	}
}

// other counts a letter of another connector.
func (s *scan) other(name string) {
	if _, ok := s.others[name]; !ok && len(s.others) >= mostNamed {
		name = "others"
	}
	s.others[name]++
}

// whose names the connector for people.
func (s *scan) whose() string {
	if s.filter.of == "" {
		return "*"
	}
	return s.filter.of
}

// printNotes says what was left out, and what else people should know.
func (s *scan) printNotes(w io.Writer) {
	if len(s.others) > 0 {
		var names []string
		var n int64
		for name, letters := range s.others {
			names, n = append(names, visible(name)), n+letters
		}
		slices.Sort(names)
		printWrapped(w, fmt.Sprintf("note: %s of other connectors left out (--of NAME): %s", count(int(n), "letter"), strings.Join(names, ", ")))
	}
	if s.gaps > 0 {
		printWrapped(w, fmt.Sprintf("note: %s: offsets that were gone from Kafka, couldn't be read or were skipped. There is nothing to send again", count(int(s.gaps), "gap record")))
	}
	if s.retimed > 0 {
		printWrapped(w, fmt.Sprintf("note: %s lost the record's timestamp, because %s has message.timestamp.type=LogAppendTime: their times are those of the dead letter", count(int(s.retimed), "letter"), s.place))
	}
	if s.strange > 0 {
		printWrapped(w, fmt.Sprintf("note: %s that can't be read as a letter:", count(int(s.strange), "entry")))
		for _, e := range s.examples {
			printWrapped(w, "  "+visible(e))
		}
	}
}

// printGroups prints groups as a table: the error and an example below each line.
func printGroups(w io.Writer, groups []*letter.Group) {
	if len(groups) == 0 {
		return
	}
	fmt.Fprintf(w, "%8s  %-19s  %-19s  %s\n", "LETTERS", "FIRST", "LAST", "STAGE")
	const indent = "          "
	for _, g := range groups {
		fmt.Fprintf(w, "%8d  %-19s  %-19s  %s\n", g.Count, timeOf(g.First), timeOf(g.Last), visible(g.Stage))
		text := visible(g.Kind)
		if g.Topic != "" {
			text = visible(g.Topic) + ": " + text
		}
		for _, line := range wrap(text, lineWidth-len(indent)) {
			fmt.Fprintln(w, indent+line)
		}
		fmt.Fprintln(w, indent+visible(g.Example))
	}
	fmt.Fprintln(w)
}

// timeOf is a record's timestamp for people, in UTC.
func timeOf(ms int64) string {
	if ms == connector.NoTimestamp {
		return "none"
	}
	return time.UnixMilli(ms).UTC().Format(time.DateTime)
}
