package kafka

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/millrace/millrace/connector"
)

// mostOffsets bounds an offsets file, in bytes: a cluster of 200,000 partitions needs half of it.
const mostOffsets = 16 << 20

// offsetsFile is where partitions start that the group has no offset of, instead of what the start setting says.
type offsetsFile struct {
	name string
	at   map[connector.Partition]int64
}

// readOffsets reads the file that the offsets setting names; without one, nothing is in it.
func readOffsets(name string) (offsetsFile, error) {
	if name == "" {
		return offsetsFile{}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return offsetsFile{}, connector.Fatal.Errorf("offsets: %w", err)
	}
	defer f.Close()
	at, err := parseOffsets(f)
	if err != nil {
		return offsetsFile{}, connector.Fatal.Errorf("offsets: %s: %w", name, err)
	}
	return offsetsFile{name, at}, nil
}

// parseOffsets reads lines of topic, partition and offset, as kafka-consumer-groups.sh --export writes them for one group
// (org.apache.kafka.tools.consumer.group.CsvUtils, CsvRecordNoGroup), behind a header or without.
func parseOffsets(r io.Reader) (map[connector.Partition]int64, error) {
	limited := &io.LimitedReader{R: r, N: mostOffsets + 1}
	lines := csv.NewReader(limited)
	lines.FieldsPerRecord, lines.ReuseRecord, lines.TrimLeadingSpace = -1, true, true
	out := make(map[connector.Partition]int64)
	for first := true; ; first = false {
		fields, err := lines.Read()
		switch {
		case limited.N <= 0:
			return nil, fmt.Errorf("the file is larger than %s", connector.Bytes(mostOffsets))
		case errors.Is(err, io.EOF):
			if len(out) == 0 {
				return nil, errors.New("no offset is in it")
			}
			return out, nil
		case err != nil:
			return nil, err
		case first && isHeader(fields):
			continue
		}
		line, _ := lines.FieldPos(0)
		if err := addOffset(out, fields); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
}

func isHeader(fields []string) bool {
	return strings.EqualFold(strings.TrimPrefix(strings.Join(fields, ","), "\ufeff"), "topic,partition,offset")
}

func addOffset(out map[connector.Partition]int64, fields []string) error {
	switch {
	case len(fields) == 4:
		return errors.New("a line has to be topic,partition,offset: with four fields, it was exported for several groups; export the one that is to be continued")
	case len(fields) != 3:
		return fmt.Errorf("a line has to be topic,partition,offset, and this one has %d fields", len(fields))
	}
	topic := strings.TrimSpace(strings.TrimPrefix(fields[0], "\ufeff"))
	id, err := strconv.ParseInt(strings.TrimSpace(fields[1]), 10, 32)
	if err != nil || id < 0 || topic == "" {
		return fmt.Errorf("%q, %q are no topic and partition", fields[0], fields[1])
	}
	at, err := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
	if err != nil || at < 0 {
		return fmt.Errorf("%q is no offset: a whole number from 0 on", fields[2])
	}
	p := connector.Partition{Topic: strings.Clone(topic), ID: int32(id)}
	if _, ok := out[p]; ok {
		return fmt.Errorf("partition %s is in it twice", p)
	}
	out[p] = at
	return nil
}

// place says where a partition begins by the file, unless the group has an offset of it: then the file is ignored. It returns
// the partitions that aren't in the file.
func (f *offsetsFile) place(ps []*partition) (rest []*partition) {
	for _, p := range ps {
		at, ok := f.at[p.Partition]
		switch {
		case !ok:
			rest = append(rest, p)
		case p.Committed >= 0:
			p.Note = fmt.Sprintf("%s says offset %d, and is ignored: group %s has committed offset %d already", f.name, at, p.Group, p.Committed)
			rest = append(rest, p)
		default:
			p.Initial = at
			p.Note = fmt.Sprintf("begins at offset %d, as %s says", at, f.name)
		}
	}
	return rest
}

// readCommitted is the isolation level of a request that asks for what is in no open transaction (Kafka's protocol, ListOffsets and Fetch).
const readCommitted int8 = 1

// stable asks for the ends up to which partitions can be read now: with read_committed, records behind the first open transaction are
// withheld. Without it nothing is asked, and the result is empty.
func (c *Consumer) stable(ctx context.Context, ps []*partition) (map[connector.Partition]int64, error) {
	if c.config.Isolation != ReadCommitted {
		return nil, nil
	}
	return listOffsetsBy(ctx, c.client, ps, -1, readCommitted)
}

// endAt lowers the end to the last stable offset, but not below where reading starts: who read without read_committed before was
// further, and nothing was truncated.
func (p *partition) endAt(stable int64) {
	p.LogEnd = min(p.LogEnd, max(stable, p.Start))
}
