package parquet

import (
	"slices"

	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/format"
)

// Bounds of a bloom filter: with 10 bits per value about one of a hundred values that a chunk lacks is looked for in vain; a filter of more than
// 1 MiB isn't made, more values make it less sharp.
const (
	bloomBits   = 10
	maxBloom    = 1 << 20
	maxInHashes = 8 * maxBloom / bloomBits
)

// A bloomFilter gathers the values of a chunk.
type bloomFilter struct {
	hashes []uint64 // of the values
	inDict int      // bytes of the dictionary that are in hashes
	full   bloom.SplitBlockFilter
}

// addPage adds the values of l's open page.
func (b *bloomFilter) addPage(l *leaf, indexed bool) {
	values := l.values
	if d := &l.chunk.dictionary; indexed {
		values = d.values[b.inDict:]
		b.inDict = len(d.values)
	}
	w := l.column.width
	for len(values) > 0 {
		v := item(values, w)
		values = values[len(v):]
		if w == 0 {
			v = v[4:]
		}
		b.add(bloom.XXH64{}.Sum64(v))
	}
}

func (b *bloomFilter) add(hash uint64) {
	if b.full != nil {
		b.full.Insert(hash)
		return
	}
	if b.hashes = append(b.hashes, hash); len(b.hashes) <= maxInHashes {
		return
	}
	if b.unite(); len(b.hashes) > maxInHashes*3/4 {
		b.full = b.filter(maxBloom / bloom.BlockSize)
		b.hashes = nil
	}
}

// unite drops repeated values.
func (b *bloomFilter) unite() {
	slices.Sort(b.hashes)
	b.hashes = slices.Compact(b.hashes)
}

func (b *bloomFilter) filter(blocks int) bloom.SplitBlockFilter {
	f := make(bloom.SplitBlockFilter, blocks)
	f.InsertBulk(b.hashes)
	return f
}

// append appends the filter with its header.
func (b *bloomFilter) append(dst []byte, s *scratch) []byte {
	f := b.full
	if f == nil {
		b.unite()
		f = b.filter(max(1, bloom.NumSplitBlocksOf(int64(len(b.hashes)), bloomBits)))
	}
	h := format.BloomFilterHeader{NumBytes: int32(len(f) * bloom.BlockSize)}
	h.Algorithm.Value, h.Hash.Value, h.Compression.Value = &format.SplitBlockAlgorithm{}, &format.XxHash{}, &format.BloomFilterUncompressed{}
	return append(append(dst, s.marshal(&h)...), f.Bytes()...)
}

func (b *bloomFilter) held() int { return 8*cap(b.hashes) + len(b.full)*bloom.BlockSize }
