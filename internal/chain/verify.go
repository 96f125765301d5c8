package chain

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Opener is a Store whose objects can be read whole, of any size: what VerifyOptions.Deep needs.
type Opener interface {
	// Open begins to read the object under a key, as its bytes are stored, or returns ErrMissing. The caller closes it.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
}

// A Prober is a Store that can tell whether an upload is there. Every Store that is no Cleaner should be one: otherwise Verify can't
// tell an object that is about to be completed from one that was deleted.
type Prober interface {
	// Alive reports whether the upload of o can still be completed.
	Alive(ctx context.Context, o *Object) (bool, error)
}

// VerifyOptions say what Verify looks at.
type VerifyOptions struct {
	Prefix string // of links, as in ID
	Chain  string
	Data   []string  // beginnings of the keys of all objects; nothing may lie there that bears a tail and that no link names. None: not looked at
	Unique bool      // all objects' keys end in a tail; else objects without one are asked for theirs
	From   time.Time // objects and links that were made before may be gone: a lifecycle rule took them
	Deep   bool      // read every object, and count its rows
	// Logs are the partitions as Kafka knows them. It is called before the links are read and once more afterwards. Nil: not asked.
	Logs func(ctx context.Context) ([]Log, error)
	// Progress hears how many of the links found have been looked at. Called by one goroutine, may be nil.
	Progress func(done, all int)
}

// A Log is a partition as Kafka knows it.
type Log struct {
	Cluster   string   `json:"-"`
	Topic     string   `json:"-"`
	TopicID   [16]byte `json:"-"`
	Partition int32    `json:"-"`
	Start     int64    `json:"start"`     // the first offset that it holds
	End       int64    `json:"end"`       // the offset after its last record
	Committed int64    `json:"committed"` // the group's offset, -1 if there is none
	Hint      Hint     `json:"-"`         // kept with it
}

// A Report is what Verify found.
type Report struct {
	Prefix     string             `json:"prefix"`
	Chain      string             `json:"chain"`
	Owner      *Owner             `json:"owner,omitempty"`
	Partitions []*PartitionReport `json:"partitions"`
	Problems   []Problem          `json:"problems"`
	Notes      []string           `json:"notes,omitempty"` // what people should know, and is no fault
}

// A PartitionReport accounts for the offsets of one partition.
type PartitionReport struct {
	Cluster   string `json:"cluster"`
	Topic     string `json:"topic,omitempty"` // "" if nobody could say
	TopicID   string `json:"topic_id"`        // hex
	Partition int32  `json:"partition"`

	Links      int64  `json:"links"`
	Objects    int64  `json:"objects"`
	Bytes      int64  `json:"bytes"`
	First      int64  `json:"first"` // the chain speaks for the offsets First to Next-1; -1 without links
	Next       int64  `json:"next"`
	Counts     Counts `json:"counts"`
	NoRecord   int64  `json:"no_record"` // offsets that held no record: compacted away, or markers of transactions
	Gaps       []Gap  `json:"gaps,omitempty"`
	Rewinds    []Gap  `json:"rewinds,omitempty"`   // what was written again on purpose
	Expired    int64  `json:"expired,omitempty"`   // objects older than VerifyOptions.From that are gone
	Unfinished int64  `json:"unfinished"`          // objects of the newest link that aren't visible yet
	Mended     int64  `json:"mended,omitempty"`    // objects that were lost and written again
	Uncounted  int64  `json:"uncounted,omitempty"` // objects that were read, but whose rows aren't lines
	Log        *Log   `json:"log,omitempty"`       // nil if Kafka wasn't asked, or doesn't have it
	Lag        int64  `json:"lag,omitempty"`       // offsets that Kafka holds and the chain doesn't speak for yet
	dir        string // of its links
}

// Name is the topic, or the beginning of its id, and the partition.
func (p *PartitionReport) Name() string {
	topic := p.Topic
	if topic == "" {
		topic = p.TopicID[:min(8, len(p.TopicID))]
	}
	return topic + "/" + strconv.Itoa(int(p.Partition))
}

// A Fault is a kind of problem.
type Fault string

// The kinds of problems.
const (
	FaultLost     Fault = "lost"     // records that are in no object, or that no link speaks for
	FaultRepeated Fault = "repeated" // records that two links speak for
	FaultCorrupt  Fault = "corrupt"  // a link or an object isn't what it should be
	FaultUnnamed  Fault = "unnamed"  // an object that readers see and no link names
	FaultKafka    Fault = "kafka"    // the chain and Kafka contradict each other
)

// A Problem is something that isn't as it has to be.
type Problem struct {
	Fault     Fault  `json:"fault"`
	Partition string `json:"partition,omitempty"`
	Key       string `json:"key,omitempty"` // of the link or object
	Range     *Gap   `json:"range,omitempty"`
	Records   int64  `json:"records,omitempty"` // that are lost or repeated, as far as that is known
	Text      string `json:"text"`              // all of it, for people
}

// Totals sum a Report up.
type Totals struct {
	Partitions int   `json:"partitions"`
	Records    int64 `json:"records"`  // read from Kafka
	Lost       int64 `json:"lost"`     // records
	Repeated   int64 `json:"repeated"` // records
	Corrupt    int   `json:"corrupt"`  // links and objects
	Unnamed    int   `json:"unnamed"`  // objects
	Kafka      int   `json:"kafka"`    // contradictions
}

// Totals sums up. A loss or repetition of unknown size counts as one record.
func (r *Report) Totals() Totals {
	t := Totals{Partitions: len(r.Partitions)}
	for _, p := range r.Partitions {
		t.Records += p.Counts.Read
	}
	for i := range r.Problems {
		switch p := &r.Problems[i]; p.Fault {
		case FaultLost:
			t.Lost += max(p.Records, 1)
		case FaultRepeated:
			t.Repeated += max(p.Records, 1)
		case FaultCorrupt:
			t.Corrupt++
		case FaultUnnamed:
			t.Unnamed++
		case FaultKafka:
			t.Kafka++
		}
	}
	return t
}

// String is the report in one line.
func (t Totals) String() string {
	line := fmt.Sprintf("%s, %s: %s lost, %s repeated, %s corrupt",
		plural(int64(t.Partitions), "partition"), plural(t.Records, "record"), grouped(t.Lost), grouped(t.Repeated), grouped(int64(t.Corrupt)))
	if t.Unnamed > 0 {
		line += fmt.Sprintf(", %s in no link", plural(int64(t.Unnamed), "object"))
	}
	if t.Kafka > 0 {
		line += fmt.Sprintf(", %s to Kafka", plural(int64(t.Kafka), "contradiction"))
	}
	return line
}

// Verify proves, as far as the store lets it, that the chains below a prefix hold every offset exactly once: it walks the links of every
// partition, looks at each object that they name, and finds objects that none names. What is wrong stands in
// the Report; the error is of calls that failed. Processes may go on writing meanwhile. Nothing is changed. A Store should be
// a Stater and an Opener; of one that isn't, Look's word is taken.
func Verify(ctx context.Context, s Store, o VerifyOptions) (*Report, error) {
	v := &verifier{
		store: s, o: o, root: Root(o.Prefix, o.Chain), topics: map[[16]byte]string{}, walks: map[string]*walk{},
		visible: map[string]bool{}, others: map[string]bool{}, named: map[string]string{},
		report: &Report{Prefix: o.Prefix, Chain: o.Chain, Problems: []Problem{}},
	}
	v.stater, _ = s.(Stater)
	v.opener, _ = s.(Opener)
	if o.Deep && v.opener == nil {
		return nil, fmt.Errorf("objects can't be read here: leave deep out")
	}
	// The order matters: a link is put before its objects are visible, and the group's offset is committed after that. So what is
	// found later explains what was found before, whoever writes meanwhile.
	var logs []Log
	if o.Logs != nil {
		var err error
		if logs, err = o.Logs(ctx); err != nil {
			return nil, err
		}
	}
	for i := range logs {
		v.topics[logs[i].TopicID] = logs[i].Topic
	}
	for _, step := range []func(context.Context) error{v.findObjects, v.findLinks, v.readOwner} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	for i := range logs {
		if dir := v.dirOf(&logs[i]); v.walks[dir] == nil {
			v.begin(dir) // no link is there yet
		}
	}
	if err := v.readLinks(ctx); err != nil {
		return nil, err
	}
	if err := v.mended(ctx); err != nil {
		return nil, err
	}
	if err := v.unnamed(ctx); err != nil {
		return nil, err
	}
	if err := v.compare(ctx, logs); err != nil {
		return nil, err
	}
	v.finish()
	return v.report, nil
}

// A verifier is the state of one Verify.
type verifier struct {
	store  Store
	stater Stater // nil if the Store is none
	opener Opener // nil if the Store is none
	o      VerifyOptions
	root   string
	report *Report

	topics  map[[16]byte]string // names, by id
	walks   map[string]*walk    // by folder of links
	visible map[string]bool     // keys of objects that no link has named yet: whether they bear a tail
	others  map[string]bool     // keys of other chains' links
	named   map[string]string   // the key of the link by that of the object
	changed []*objectCheck      // objects with other bytes than those that their links tell
	pruned  int64               // the highest number that a chain begins with
}

func (v *verifier) problem(p Problem) { v.report.Problems = append(v.report.Problems, p) }

func (v *verifier) note(format string, args ...any) {
	v.report.Notes = append(v.report.Notes, fmt.Sprintf(format, args...))
}

func (v *verifier) dirOf(l *Log) string {
	return ID{Prefix: v.o.Prefix, Chain: v.o.Chain, Cluster: l.Cluster, TopicID: l.TopicID, Partition: l.Partition}.Dir()
}

// sorted are the walks by folder.
func (v *verifier) sorted() []*walk {
	return slices.SortedFunc(maps.Values(v.walks), func(a, b *walk) int { return strings.Compare(a.dir, b.dir) })
}

// finish sorts the report.
func (v *verifier) finish() {
	for _, w := range v.walks {
		v.report.Partitions = append(v.report.Partitions, w.p)
	}
	slices.SortFunc(v.report.Partitions, func(a, b *PartitionReport) int {
		if c := strings.Compare(a.Topic+"\x00"+a.TopicID+a.Cluster, b.Topic+"\x00"+b.TopicID+b.Cluster); c != 0 {
			return c
		}
		return int(a.Partition) - int(b.Partition)
	})
}

// parseDir reads the folder of a partition's links.
func parseDir(root, dir string) (p *PartitionReport, id [16]byte, ok bool) {
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(dir, root), "/"), "/")
	if len(parts) != 3 {
		return nil, id, false
	}
	topic, err := hex.DecodeString(parts[1])
	n, err2 := strconv.ParseInt(parts[2], 10, 32)
	if err != nil || err2 != nil || len(topic) != len(id) || n < 0 {
		return nil, id, false
	}
	copy(id[:], topic)
	return &PartitionReport{Cluster: parts[0], TopicID: parts[1], Partition: int32(n), First: -1, Next: -1, dir: dir}, id, true
}

func plural(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return grouped(n) + " " + what
}

// grouped is a number with commas.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
