package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/kafka"
)

// A destination is where partitions begin.
type destination struct {
	latest  bool
	at      time.Time // zero: not by time
	offsets map[connector.Partition]int64
}

const destinations = "earliest, latest, a time such as 2026-01-31T08:00:00Z, single partitions, TOPIC/PARTITION=OFFSET,TOPIC/PARTITION=OFFSET, or a file that ends in .csv"

func parseDestination(text string) (destination, error) {
	switch {
	case text == "":
		return destination{}, errors.New("--to is missing: " + destinations)
	case text == kafka.Latest:
		return destination{latest: true}, nil
	case strings.HasSuffix(text, ".csv"):
		offsets, err := readOffsets(text)
		return destination{offsets: offsets}, err
	case text != kafka.Earliest && !strings.ContainsAny(text, ":="):
		return destination{}, fmt.Errorf("--to is %s, not %q", destinations, text)
	}
	t, err := parseTarget(text)
	return destination{at: t.at, offsets: t.offsets}, err
}

// of is where a partition begins; ok is false if nothing says so.
func (d destination) of(l *kafka.Log) (at int64, ok bool) {
	switch {
	case d.offsets != nil:
		at, ok = d.offsets[l.Partition]
		return at, ok
	case d.latest:
		return l.End, true
	}
	return l.At, true // the start, if it isn't by time
}

// check finds partitions that the connector doesn't read.
func (d destination) check(all []kafka.Log) error {
	read := map[connector.Partition]bool{}
	for i := range all {
		read[all[i].Partition] = true
	}
	for p := range d.offsets {
		if !read[p] {
			return fmt.Errorf("--to: the connector reads no partition %s", p)
		}
	}
	return nil
}

// readOffsets reads a file with topic, partition and offset in each line, as kafka-consumer-groups --export writes it. A first
// line of names is passed over.
func readOffsets(path string) (map[connector.Partition]int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--to: %w", err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment, r.TrimLeadingSpace, r.FieldsPerRecord = '#', true, 3
	offsets := map[connector.Partition]int64{}
	for first := true; ; first = false {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("--to: %s: %w: a line holds topic, partition and offset", path, err)
		}
		line, _ := r.FieldPos(0)
		id, err := strconv.ParseInt(strings.TrimSpace(fields[1]), 10, 32)
		at, err2 := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
		if err != nil && err2 != nil && first {
			continue
		}
		p := connector.Partition{Topic: strings.TrimSpace(fields[0]), ID: int32(id)}
		if err != nil || err2 != nil || id < 0 || at < 0 || p.Topic == "" {
			return nil, fmt.Errorf("--to: %s, line %d: %q isn't topic, partition and offset", path, line, strings.Join(fields, ","))
		}
		if _, ok := offsets[p]; ok {
			return nil, fmt.Errorf("--to: %s, line %d names partition %s a second time", path, line, p)
		}
		offsets[p] = at
	}
	if len(offsets) == 0 {
		return nil, fmt.Errorf("--to: %s holds no offset", path)
	}
	return offsets, nil
}
