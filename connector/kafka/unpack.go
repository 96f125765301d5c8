package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
)

// An unpacker unpacks compressed batches for a client, and bounds what lies unpacked in the client and wasn't polled
// yet, all brokers together: either one batch, or several that take no more than room. It never waits, because franz-go can't
// give a partition away meanwhile: a batch that has no room now is refused with errLater, and fetched again.
//
// It is also a hook, which is told what a batch that was unpacked belongs to. Its methods may be called by several goroutines.
type unpacker struct {
	codecs // their most is also for the structs of a batch's records
	room   int64
	pool   sync.Pool // of *[]byte, for small batches

	mu       sync.Mutex
	held     int64
	loose    []unpacked // what the hook doesn't know yet: at most one per broker, but for what it never hears of
	holders  map[connector.Partition]int64
	refused  bool  // since the last call of usage
	returned int64 // by taken, since the last call of usage
}

// unpacked is a batch.
type unpacked struct {
	from, to int   // packed and unpacked bytes
	cost     int64 // of memory
}

var (
	_ kgo.Decompressor       = (*unpacker)(nil)
	_ kgo.HookFetchBatchRead = (*unpacker)(nil)
)

// roomOfFetches is how many times a fetch may be unpacked before it is polled.
const roomOfFetches = 4

func newUnpacker(c *Config) *unpacker {
	most := int64(c.MaxDecompressedBatch)
	return &unpacker{codecs: codecs{most: most}, room: max(most, roomOfFetches*int64(c.Fetch.MaxBytes)), holders: make(map[connector.Partition]int64)}
}

// errLater refuses a batch for which there is no room now. franz-go fetches it again.
var errLater = errors.New("no room to unpack the batch now")

// An oversized is the error of a batch that unpacks to more than the limit. It isn't kgo.ErrMaxDecompress: behind that one franz-go stops to fetch the
// partition, and if it then drops the error, because another one's offset is set or this one is paused, it never begins again.
type oversized struct{ packed int }

func (e *oversized) Error() string { return fmt.Sprintf("%d bytes unpack to too much", e.packed) }

// What franz-go makes of a record and of a header beside their bytes.
const (
	parsedRecord = int64(unsafe.Sizeof(kgo.Record{})) + int64(unsafe.Sizeof((*kgo.Record)(nil)))
	parsedHeader = int64(unsafe.Sizeof(kgo.RecordHeader{}))
)

// scratch is the most that is unpacked into borrowed memory and copied, where the size isn't known exactly.
const scratch = 1 << 20

// Decompress is called by franz-go for each batch, in the goroutine of its broker. The error of a batch that unpacks to more than
// the limit is an *oversized.
func (u *unpacker) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if codec == kgo.CodecNone {
		return src, nil
	}
	n, exact, err := u.size(src, codec)
	if err != nil {
		return nil, err
	}
	if exact && n > u.most {
		return nil, &oversized{len(src)}
	}
	out, err := u.into(min(n, u.most), exact, src, codec)
	if errors.Is(err, errShort) && n < u.most && !exact {
		out, err = u.into(u.most, exact, src, codec)
	}
	if errors.Is(err, errShort) {
		return nil, &oversized{len(src)}
	}
	return out, err
}

// into unpacks into n bytes.
func (u *unpacker) into(n int64, exact bool, src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if !u.take(n) {
		return nil, errLater
	}
	out, err := u.make(n, exact, src, codec)
	if err != nil {
		u.give(n)
		return nil, err
	}
	records, headers := count(out)
	structs := records*parsedRecord + headers*parsedHeader
	if structs > u.most {
		u.give(n)
		return nil, &oversized{len(src)}
	}
	if !u.keep(n, unpacked{from: len(src), to: len(out), cost: int64(cap(out)) + structs}) {
		return nil, errLater
	}
	return out, nil
}

// make returns what src unpacks to, which isn't much less than the memory that it lies in.
func (u *unpacker) make(n int64, exact bool, src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if !exact && (n <= scratch || codec != kgo.CodecGzip && len(src) <= scratch/4) {
		// The most that lz4 and zstd may hold is mostly far more than what they do: a block of lz4 has up to 4 MiB.
		out, err := u.borrow(min(n, scratch), src, codec)
		if n <= scratch || !errors.Is(err, errShort) {
			return out, err
		}
	}
	if codec == kgo.CodecZstd && n == u.most {
		n += zstdBlock
	}
	out, err := u.unpack(make([]byte, 0, n), src, codec)
	if err == nil && len(out) < cap(out)/2 {
		out = slices.Clone(out)
	}
	return out, err
}

// borrow unpacks into n bytes of borrowed memory, and returns a copy.
func (u *unpacker) borrow(n int64, src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	b, ok := u.pool.Get().(*[]byte)
	if !ok {
		b = new([]byte)
		*b = make([]byte, 0, scratch)
	}
	defer u.pool.Put(b)
	out, err := u.unpack((*b)[:0:n], src, codec)
	if err != nil {
		return nil, err
	}
	return append(make([]byte, 0, len(out)), out...), nil
}

// take makes room for n bytes, if nothing else is held or there is enough.
func (u *unpacker) take(n int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.held > 0 && u.held+n > u.room {
		u.refused = true
		return false
	}
	u.held += n
	return true
}

func (u *unpacker) give(n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.held = max(u.held-n, 0)
}

// keep holds what was unpacked in place of the n bytes that it was given, unless it needs more and there isn't enough.
func (u *unpacker) keep(n int64, b unpacked) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	others := max(u.held-n, 0)
	if b.cost > n && others > 0 && others+b.cost > u.room {
		u.held, u.refused = others, true
		return false
	}
	u.held = others + b.cost
	u.loose = append(u.loose, b)
	return true
}

// OnFetchBatchRead is called by franz-go in the goroutine that called Decompress, right behind it.
func (u *unpacker) OnFetchBatchRead(_ kgo.BrokerMetadata, topic string, id int32, m kgo.FetchBatchMetrics) {
	u.mu.Lock()
	defer u.mu.Unlock()
	k := connector.Partition{Topic: topic, ID: id}
	if m.CompressionType == 0 {
		// Its bytes are part of the fetch, but not the structs of its records.
		n := int64(m.NumRecords) * parsedRecord
		u.held += n
		u.holders[k] += n
		return
	}
	for i, b := range u.loose {
		if b.from == m.CompressedBytes && b.to == m.UncompressedBytes {
			u.holders[k] += b.cost
			u.loose = slices.Delete(u.loose, i, i+1)
			return
		}
	}
}

// taken says that what was unpacked of a partition isn't the client's any more: it was polled, or dropped.
func (u *unpacker) taken(k connector.Partition) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := u.holders[k]
	delete(u.holders, k)
	u.held = max(u.held-n, 0)
	u.returned += n
}

// forget says that the client holds nothing.
func (u *unpacker) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.held, u.loose = 0, nil
	clear(u.holders)
}

// usage is how much of room was polled since the last call, and whether batches were refused meanwhile.
func (u *unpacker) usage() (part float64, refused bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	part, refused = float64(u.returned)/float64(u.room), u.refused
	u.returned, u.refused = 0, false
	return part, refused
}

// explain is why a batch can't be read that has no room even alone.
func (u *unpacker) explain(from, next int64) error {
	return fmt.Errorf("the batch of offsets %d to %d unpacks to more than %s, or to so many records that they take more than that: set max_decompressed_batch higher to read it",
		from, next-1, connector.Bytes(u.most))
}

const (
	// leastRecord is the size of a record that holds nothing, beside the byte that says so.
	leastRecord = 6
	// sampledRecord is the size up to which a record's headers are looked at in one of sampleOf.
	sampledRecord, sampleOf = 512, 8
)

// count counts the records of an unpacked batch, up to the first that is broken, and estimates their headers: it looks into all large records and
// into one of eight small ones, which of them is chance, so that nobody can write headers where they aren't counted.
// (Apache Kafka, "Message Format", Record)
func count(b []byte) (records, headers int64) {
	for next := rand.Int64N(sampleOf); len(b) > 0; records++ {
		n, used := binary.Varint(b)
		if used <= 0 || n < leastRecord || n > int64(len(b)-used) {
			return records, headers
		}
		switch r := b[used : used+int(n)]; {
		case n > sampledRecord:
			headers += countHeaders(r)
		case records >= next:
			headers += sampleOf * countHeaders(r)
			next = records - records%sampleOf + sampleOf + rand.Int64N(sampleOf)
		}
		b = b[used+int(n):]
	}
	return records, headers
}

func countHeaders(r []byte) int64 {
	if len(r) == 0 {
		return 0
	}
	r = r[1:]     // attributes
	for range 2 { // timestamp and offset
		_, used := binary.Varint(r)
		if used <= 0 {
			return 0
		}
		r = r[used:]
	}
	for range 2 { // key and value
		n, used := binary.Varint(r)
		if used <= 0 || n > int64(len(r)-used) {
			return 0
		}
		r = r[used+int(max(n, 0)):]
	}
	n, used := binary.Varint(r)
	if used <= 0 {
		return 0
	}
	return min(max(n, 0), int64(len(r)-used)/2) // of two bytes each at least
}
