package restore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/envelope"
)

// A Producer writes records to a topic. It is safe for concurrent use.
type Producer interface {
	// Produce sends a record of a partition of the source behind those that it got before of the same, and copies what it keeps of it. It waits while too
	// much is under way. acked is called once, in any order, when all replicas have the record, or it failed.
	Produce(ctx context.Context, partition int32, r *envelope.Record, acked func(error))
	// Flush waits until every acked was called.
	Flush(ctx context.Context) error
}

// Options say what is restored.
type Options struct {
	Topic      string  // of the source, its name or its id in hex; "" if there is one only
	Partitions []int32 // none: all
	From, Next int64   // offsets From to Next-1 of each; a Next of 0: to the end
	ValuesOnly bool    // rows are values without keys, headers and offsets
	// Topics are names by topic id, for rows that have none: those of ValuesOnly.
	Topics map[[16]byte]string
	// Progress hears how many records have been read. Called by several goroutines, may be nil.
	Progress func(records int64)
}

// A Report is what was restored.
type Report struct {
	Partitions []*PartitionReport `json:"partitions"`
	Records    int64              `json:"records"`
}

// A PartitionReport is what was restored of one partition of the source.
type PartitionReport struct {
	Topic     string   `json:"topic,omitempty"`
	TopicID   string   `json:"topic_id"`
	Partition int32    `json:"partition"`
	Objects   int64    `json:"objects"`
	Records   int64    `json:"records"` // that all replicas of the target have; in a trial: that would be written, or a few more
	Bytes     int64    `json:"bytes"`   // of their keys, values and headers; of the objects in a trial
	First     int64    `json:"first"`   // offset of the first of them in the source, -1 if none, or if offsets aren't known
	Last      int64    `json:"last"`
	Notes     []string `json:"notes,omitempty"`
}

// progressEvery is how many records of a partition are read between two calls of Progress.
const progressEvery = 1000

// workers is how many partitions are restored at a time.
const workers = 4

// Choose leaves the partitions that are meant, and of them the offsets. In Partition.Topic is the topic's name then, where it is known: the first record of
// each partition is read to find it.
func Choose(ctx context.Context, place *chain.Place, all []*Partition, o *Options) ([]*Partition, error) {
	next := o.Next
	if next == 0 {
		next = math.MaxInt64
	}
	var chosen []*Partition
	for _, p := range all {
		if len(o.Partitions) > 0 && !slices.Contains(o.Partitions, p.ID) {
			continue
		}
		id := hex.EncodeToString(p.TopicID[:])
		if err := p.findTopic(ctx, place.Store, o); err != nil {
			return nil, err
		}
		if o.Topic != "" && o.Topic != p.Topic && o.Topic != id {
			continue
		}
		p.cut(o.From, next)
		chosen = append(chosen, p)
	}
	if len(chosen) == 0 {
		return nil, errors.New("the chain holds none of these partitions")
	}
	topics := map[string]bool{}
	for _, p := range chosen {
		topics[p.Topic+" ("+hex.EncodeToString(p.TopicID[:])+")"] = true
	}
	if len(topics) > 1 {
		var names []string
		for name := range topics {
			names = append(names, strings.TrimSpace(name))
		}
		slices.Sort(names)
		return nil, fmt.Errorf("the chain holds several topics: choose one by --from-topic, by its name or id: %s", strings.Join(names, ", "))
	}
	return chosen, nil
}

// errEnough ends the reading of records.
var errEnough = errors.New("enough")

// findTopic finds the topic's name in the first record.
func (p *Partition) findTopic(ctx context.Context, store chain.Store, o *Options) error {
	if o.ValuesOnly {
		p.Topic = o.Topics[p.TopicID]
		return nil
	}
	for i := range p.spans {
		s := p.spans[i]
		if s.next <= o.From {
			continue // its objects may have expired
		}
		err := s.records(ctx, store, func(r *envelope.Record) error {
			p.Topic = r.Topic
			return errEnough
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("partition %s: %w", p.Name(), err)
		}
	}
	return nil
}

// Trial reports what Run would restore, without reading it.
func Trial(chosen []*Partition) *Report {
	report := &Report{}
	for _, p := range chosen {
		r := p.report()
		for i := range p.spans {
			s := &p.spans[i]
			for _, o := range s.holding() {
				r.Objects++
				r.Records += o.Rows
				r.Bytes += o.Size
				if first := max(o.First, s.from); r.First < 0 || first < r.First {
					r.First = first
				}
				r.Last = max(r.Last, min(o.Last, s.next-1))
			}
		}
		report.add(r)
	}
	return report
}

func (p *Partition) report() *PartitionReport {
	return &PartitionReport{Topic: p.Topic, TopicID: hex.EncodeToString(p.TopicID[:]), Partition: p.ID, First: -1, Last: -1, Notes: p.Notes}
}

func (r *Report) add(p *PartitionReport) {
	r.Partitions = append(r.Partitions, p)
	r.Records += p.Records
}

// Run restores what Choose chose, several partitions at a time, each in the order of its offsets. The Report counts what was acknowledged, also beside an error.
func Run(ctx context.Context, place *chain.Place, chosen []*Partition, o *Options, to Producer) (*Report, error) {
	runs := make([]*run, len(chosen))
	g, bound := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i, p := range chosen {
		runs[i] = &run{p: p, o: o, report: p.report()}
		r := runs[i]
		g.Go(func() error {
			return r.all(bound, place.Store, func(r *envelope.Record, acked func(error)) {
				to.Produce(ctx, p.ID, r, acked) // not bound, which ends before the last acknowledgement
			})
		})
	}
	err := g.Wait()
	if flushErr := to.Flush(ctx); err == nil {
		err = flushErr
	}
	report := &Report{}
	for _, r := range runs {
		if failed := r.failure(); failed != nil && (err == nil || isEnd(err) && !isEnd(failed)) {
			err = failed // the cause, not what was cancelled because of it
		}
		report.add(r.report)
	}
	return report, err
}

func isEnd(err error) bool { return errors.Is(err, context.Canceled) }

// A run is the restoring of one partition.
type run struct {
	p *Partition
	o *Options
	n int64 // records that were read

	mu     sync.Mutex // of what follows, which acknowledgements change
	report *PartitionReport
	err    error // of a record that failed
	sent   []sent
	popped int64 // records that were in sent before
}

// sent is a record that was sent, and isn't counted yet: the report counts those behind which none is missing, so that one can go on from there.
type sent struct {
	at, size int64
	acked    bool
}

func (r *run) all(ctx context.Context, store chain.Store, send func(r *envelope.Record, acked func(error))) error {
	for i := range r.p.spans {
		s := &r.p.spans[i]
		r.report.Objects += int64(len(s.holding()))
		read := s.records
		if r.o.ValuesOnly {
			read = s.values
		}
		err := read(ctx, store, func(record *envelope.Record) error { return r.produce(ctx, send, record) })
		if err != nil {
			return fmt.Errorf("partition %s: %w", r.p.Name(), err)
		}
	}
	return nil
}

// produce sends a record, unless one before it has failed.
func (r *run) produce(ctx context.Context, send func(*envelope.Record, func(error)), record *envelope.Record) error {
	if err := r.failure(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if t := record.Topic; t != "" && r.p.Topic != "" && t != r.p.Topic {
		return connector.Permanent.Errorf("the record of offset %d is of topic %q, not %q", record.Offset, t, r.p.Topic)
	}
	at, size := record.Offset, int64(len(record.Key)+len(record.Value))
	for _, h := range record.Headers {
		size += int64(len(h.Name) + len(h.Value))
	}
	seq := r.n
	r.mu.Lock()
	r.sent = append(r.sent, sent{at: at, size: size})
	r.mu.Unlock()
	send(record, func(err error) { r.acked(seq, err) })
	if r.n++; r.n%progressEvery == 0 && r.o.Progress != nil {
		r.o.Progress(progressEvery)
	}
	return nil
}

func (r *run) acked(seq int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.sent[seq-r.popped]
	if err != nil {
		if r.err == nil {
			r.err = fmt.Errorf("partition %s, offset %d: %w", r.p.Name(), s.at, err)
		}
		return
	}
	s.acked = true
	n := 0
	for ; n < len(r.sent) && r.sent[n].acked; n++ {
		r.report.count(r.sent[n].at, r.sent[n].size)
	}
	r.sent = r.sent[n:]
	r.popped += int64(n)
}

// count counts a record; at is -1 where offsets aren't known.
func (p *PartitionReport) count(at, size int64) {
	p.Records++
	p.Bytes += size
	if at >= 0 {
		if p.First < 0 {
			p.First = at
		}
		p.Last = at
	}
}

func (r *run) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}
