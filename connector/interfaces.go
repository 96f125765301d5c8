package connector

import (
	"context"
	"time"
)

// A Consumer reads batches of records from the partitions that it is assigned.
type Consumer interface {
	// Poll waits for records and returns them, whole fetches at a time. The Connector
	// owns each Batch until its release. Batches and an error may come together; the error may
	// join several, those of single partitions as *PartitionError. A batch without records moves
	// the position to its Next. After ctx ends, Poll returns soon.
	Poll(ctx context.Context) ([]*Batch, error)
	// Commit stores the offsets for the group and returns when that is certain, or when ctx ends.
	// One Commit at a time; one that failed may have been applied. An offset below what this assignment
	// has stored already is passed over.
	Commit(ctx context.Context, offs []Offset) error
	// Pause stops the delivery of partitions, and drops what was fetched of them; Resume goes on.
	Pause(ps ...Partition)
	Resume(ps ...Partition)
	// Seek sets the offset that p is read from next. Called while p is paused or no Poll runs.
	Seek(p Partition, offset int64)
	// Notify sets who hears of assignments. Called once, before the first Poll.
	Notify(Listener)
	// Close leaves the group, and calls no function of the Listener. No other call is running, none follows.
	Close(ctx context.Context) error
}

// A Listener hears of assignments. A Consumer calls one function at a time and waits for it.
type Listener struct {
	// Assigned: the partitions are owned now, paused, with the offsets known. Returns quickly.
	Assigned func([]Assignment)
	// Revoked: the partitions go to another member when Revoked returns; ctx ends when
	// the group would wait no longer. Offsets may be committed meanwhile.
	Revoked func(ctx context.Context, ps []Partition)
	// Lost: the partitions are gone already. Nothing of them may be committed. Returns quickly.
	Lost func(ps []Partition)
}

// An Assignment is a partition that was assigned, with what is known of it.
type Assignment struct {
	Partition
	ClusterID string
	Group     string // the consumer group
	TopicID   [16]byte
	Epoch     int64  // of this assignment: higher at each, within a Consumer
	Committed int64  // the group's offset, -1 if there is none
	Start     int64  // where to read from: Committed, or what the start setting says
	Initial   int64  // what the start setting says, whatever the group has committed
	LogStart  int64  // first offset that the partition holds
	LogEnd    int64  // offset after its last record
	Meta      string // what Offset.Meta was when Committed was stored
	Recreated bool   // Committed is of a topic of the same name that was deleted since
	Note      string // what people should know of where it starts: logged; "" for nothing
	InGroup   int    // partitions of all topics that the group reads, when this one was assigned; 0 if that isn't known

	// What the Connector adds for a Stager.
	Connector string    // its name
	Plan      string    // see WithPlan
	OnGap     GapPolicy // for a group's offset that is ahead of the sink
}

// An Offset is a position to commit: At is the next offset to read.
type Offset struct {
	Partition
	At   int64
	Meta string // kept with the offset and handed back by Assignment.Meta
}

// A Handler applies transform rules to a batch: it marks, replaces and emits records.
//
// An error means that the whole attempt failed; it is repeated on a new view. To
// fail single records, use Batch.Fail. A Handler is used by many goroutines at once, one batch each.
type Handler interface {
	Handle(ctx context.Context, b *Batch) error
}

// HandlerFunc is a Handler made of a function.
type HandlerFunc func(ctx context.Context, b *Batch) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, b *Batch) error { return f(ctx, b) }

// A TopicChecker is a Handler or a Loader that doesn't take every topic. CheckTopic is called when a
// topic is first assigned; its error stops the connector.
type TopicChecker interface {
	CheckTopic(topic string) error
}

// A Loader writes batches to a destination.
//
// After Load returned nil, every record that isn't marked failed is durable at
// the destination. After an error none of them counts as written. A Loader neither
// retries nor drops nor waits to fill a batch: it cuts what it is given into requests. Records' bytes are
// borrowed for the call. A Loader is used by many goroutines at once, one batch each; records with
// the same key (see Keyer) are never in two of its calls at the same time.
type Loader interface {
	Load(ctx context.Context, b *Batch) error
}

// LoaderFunc is a Loader made of a function.
type LoaderFunc func(ctx context.Context, b *Batch) error

// Load calls f.
func (f LoaderFunc) Load(ctx context.Context, b *Batch) error { return f(ctx, b) }

// A DeadLetter keeps what can't be processed. After Bury returned nil, all of
// fs are durable. An error of class Permanent says that the first failure can never be kept.
type DeadLetter interface {
	Bury(ctx context.Context, fs []Failure) error
}

// A Failure is a record that can't be processed, and why. Its bytes are borrowed for the call of Bury.
type Failure struct {
	Source *Source
	Record *Record // as it was fetched: raw bytes, headers, timestamp; Index of the child that failed
	Stage  Stage
	Err    error
	ID     string // "<topic id hex>-<partition>-<offset>-<index>"
}

// A Stage is a step of the pipeline that a record can fail in.
type Stage string

// The stages, by the names that Kafka Connect gives them (org.apache.kafka.connect.runtime.errors.Stage).
const (
	StageKey    Stage = "KEY_CONVERTER"
	StageValue  Stage = "VALUE_CONVERTER"
	StageHandle Stage = "TRANSFORMATION"
	StageLoad   Stage = "TASK_PUT"

	// StageGap is Millrace's own: the Failure stands for offsets that were gone from Kafka, from the header millrace.gap.from up to
	// the one before millrace.gap.to, where reading went on. Its Record has that first offset, and neither key nor value.
	StageGap Stage = "GAP"
)

// A Keyer is a Loader that keeps order per a key of its own: a row's key, a member's
// name. Records with equal keys are loaded in order; without a Keyer all of a partition are.
type Keyer interface {
	// Key is a hash of the i-th record's key in the sink; ok is false where order doesn't matter.
	Key(b *Batch, i int) (key uint64, ok bool)
}

// A Limited is a Loader that says how it wants to be called.
type Limited interface{ Limits() Limits }

// A Shared is a Loader that wants to know its process's share of the group's partitions, such as for a rate that all processes have
// together. Share is called before the first Load and after each change, one call at a time, and returns quickly. all is at least owned.
type Shared interface{ Share(owned, all int) }

// Limits of a Loader. Zero means the default.
type Limits struct {
	Records  int           // most records of one Load; default 1,000
	Bytes    int64         // most raw bytes of one Load; default 1 MiB; a larger record goes alone
	InFlight int           // most calls of Load at a time, all partitions together; default 4
	Timeout  time.Duration // longest wait for one Load; default 30 s
}

// A Stager writes ranges of offsets as a whole: what is staged stays invisible until its commit.
type Stager interface {
	// Rotation says when a topic's files are closed.
	Rotation(topic string) Rotation
	// Recover finds where the partition stands in the sink and finishes what was
	// left unfinished. Reading starts at the position's ReadFrom, which outranks the group's offset. A position with Until
	// asks for a range that ends there; after its commit, reading goes on where Commit says.
	Recover(ctx context.Context, a Assignment) (Position, error)
	// Stage begins the range that starts at a position.
	Stage(ctx context.Context, p Partition, at Position, r Retrier) (Staged, error)
}

// A Staged is a range of one partition that is being written. One goroutine uses it.
type Staged interface {
	// Add encodes the batch's records into the range. What leaves memory goes through
	// the Retrier, so that Add never fails transiently; single records may be marked failed. The bytes are borrowed for the call.
	Add(ctx context.Context, b *Batch) (Size, error)
	// Commit makes the range durable and visible, once: after a retryable error it is called again with the same Range.
	// An error of class Lost says that another process wrote this range.
	Commit(ctx context.Context, r Range) (Position, error)
	// Abort drops what was staged. The Staged isn't used afterwards. Called after Lost and when the partition is lost or fenced.
	Abort(ctx context.Context) error
}

// A Position is where a partition stands in a Stager.
type Position struct {
	At       int64    // sequence number of the next range
	ReadFrom int64    // offset to read from; what the group's offset becomes
	Until    int64    // 0, or where the next range has to end: it mends one that was damaged, and counts and commits nothing
	Meta     string   // committed with the offset: a hint for the next Recover
	Notes    []string // what people should know of how things were found: logged as warnings

	// What a commit made visible.
	Files   []int64 // sizes of its files, bytes
	Rested  int64   // rows that had members without a column of their own: they are in the column for the rest
	Dropped int64   // rows of which such members were left out
}

// A Range is what one commit of a Stager speaks for: the offsets From to Next-1.
type Range struct {
	From, Next                               int64
	First, Last                              int64 // of the records read; -1 if none
	Read, Written, Filtered, Buried, Emitted int64 // records
	Reason                                   RotateReason
}

// A RotateReason says why a range was committed.
type RotateReason string

// The reasons for a commit of a range.
const (
	RotateSize   RotateReason = "size"   // files are full
	RotateAge    RotateReason = "age"    // the first record waited long enough
	RotateMemory RotateReason = "memory" // the byte budget is used up
	RotateDrain  RotateReason = "drain"  // the partition was revoked, or the connector stops
	RotateGap    RotateReason = "gap"    // the offsets are gone from Kafka: nothing was read
	RotateSeal   RotateReason = "seal"   // nothing came for Rotation.Seal: an empty range, From = Next
	RotateMend   RotateReason = "mend"   // a Position's Until was reached
)

// A Size says what a Staged holds.
type Size struct {
	Buffered int64 // bytes of memory held
	Open     int   // files still growing
	Full     int   // files that reached their size and wait for the commit
	Due      bool  // commit now: the range holds as many files as one commit takes

	// Within says that the range has to be committed sooner than its age asks for; 0: it hasn't.
	Within time.Duration

	Note string // what people should know, such as too many open files: logged as a warning now and then
}

// A Rotation says when a range is committed. Size and Records are for the sink, which closes each
// file by them; Age and Adaptive are for the Connector.
type Rotation struct {
	Size     int64         // bytes of a finished file
	Records  int64         // records of a file; 0 = no limit
	Age      time.Duration // longest time that a record waits for the commit
	Adaptive bool          // commit as soon as there are as many full files as open ones
	Seal     time.Duration // after so long without records, an empty range is committed, once; 0 = never
}

// A Retrier calls try until it succeeds, with the Connector's waits. It returns an error when ctx ends,
// or when try's error is of class Permanent, Lost or Fatal. what says what is being tried, for logs and status: "write part 3 of s3://b/k".
type Retrier func(ctx context.Context, what string, try func(ctx context.Context) error) error

// A Windowed is a Handler that keeps records back until a window closes. Its
// calls concerning one partition come one at a time. A record that Handle marks failed isn't taken into the state.
type Windowed interface {
	// Hold is the first offset that open windows still need (ok is false if none does), and a
	// short text for Restore, kept in the metadata of p's committed offset.
	Hold(p Partition) (offset int64, meta string, ok bool)
	// Close returns records of windows of p that ended by now, nil if there are none. It is
	// called until it returns nil. The records' Offset is one that Hold covered until this call.
	Close(ctx context.Context, p Partition, now time.Time) (*Batch, error)
	// Restore begins a partition, with the text that Hold gave when its offset was committed.
	Restore(p Partition, meta string)
	// Reset forgets a partition's windows.
	Reset(p Partition)
}

// Metrics receives what a Connector counts. It is called from many goroutines and must not block.
type Metrics interface {
	Count(m Metric, p Partition, n int64)
}

// A Metric is the name of a count.
type Metric string

// What is counted, each per partition.
const (
	MetricRead      Metric = "records_read"     // records fetched
	MetricReadBytes Metric = "bytes_read"       // raw bytes of their keys and values
	MetricWritten   Metric = "records_written"  // records durable in the sink
	MetricFiltered  Metric = "records_filtered" // records that a handler dropped
	MetricEmitted   Metric = "records_emitted"  // records that handlers emitted
	MetricBuried    Metric = "records_buried"   // records durable in the dead letter; also by Stage: records_buried_TASK_PUT, ...
	MetricLoads     Metric = "loads"            // calls of Load or Add
	MetricRetries   Metric = "retries"          // attempts repeated; also by Class of the error: retries_systemic, ...
	MetricRotations Metric = "rotations"        // ranges committed by a Stager; also by reason: rotations_size, rotations_age, ...
	MetricFiles     Metric = "files"            // files in them; also by reason
	MetricFileBytes Metric = "file_bytes"       // bytes of these files; also by reason
	MetricFileSizes Metric = "file_sizes"       // files of at most 1MiB, 16MiB, 64MiB, 128MiB, 256MiB, 512MiB, and more: file_sizes_1MiB, ..., file_sizes_more
	MetricRested    Metric = "rows_rested"      // rows with members that no column but that for the rest takes
	MetricDropped   Metric = "rows_dropped"     // rows of which such members were left out
	MetricGaps      Metric = "gaps"             // times that reading went on behind offsets that were gone
	MetricSkipped   Metric = "records_skipped"  // records that somebody passed over by Skip
	MetricCommits   Metric = "commits"          // offsets committed
	MetricLateAcks  Metric = "late_acks"        // successes that came after the fence
)

// of is the part of a count that is of one kind: a reason, a class, a stage.
func (m Metric) of(kind string) Metric { return m + "_" + Metric(kind) }
