//go:build testbed

package behaviour

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
)

// everySchema has every type of Avro that a column can have, nested in each other. Its records are made by seq alone: testbed/lake/readers.py says
// what they hold.
const everySchema = `{"type":"record","name":"Every","namespace":"lake","fields":[
{"name":"seq","type":"long"},{"name":"flag","type":"boolean"},{"name":"small","type":"int"},{"name":"big","type":"long"},
{"name":"single","type":"float"},{"name":"double","type":"double"},{"name":"text","type":"string"},{"name":"raw","type":"bytes"},
{"name":"fixed","type":{"type":"fixed","name":"Four","size":4}},
{"name":"color","type":{"type":"enum","name":"Color","symbols":["red","green","blue"]}},
{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
{"name":"amount","type":{"type":"fixed","name":"Eight","size":8,"logicalType":"decimal","precision":18,"scale":4}},
{"name":"huge","type":{"type":"bytes","logicalType":"decimal","precision":38,"scale":10}},
{"name":"id","type":{"type":"string","logicalType":"uuid"}},{"name":"day","type":{"type":"int","logicalType":"date"}},
{"name":"clock_ms","type":{"type":"int","logicalType":"time-millis"}},{"name":"clock_us","type":{"type":"long","logicalType":"time-micros"}},
{"name":"at_ms","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"at_us","type":{"type":"long","logicalType":"timestamp-micros"}},
{"name":"local_ms","type":{"type":"long","logicalType":"local-timestamp-millis"}},{"name":"local_us","type":{"type":"long","logicalType":"local-timestamp-micros"}},
{"name":"maybe","type":["null","string"]},
{"name":"pos","type":{"type":"record","name":"Pos","fields":[{"name":"lat","type":"double"},{"name":"lng","type":["null","double"]},
  {"name":"deep","type":{"type":"record","name":"Deep","fields":[{"name":"z","type":"string"}]}}]}},
{"name":"numbers","type":{"type":"array","items":"long"}},{"name":"words","type":{"type":"array","items":["null","string"]}},
{"name":"matrix","type":{"type":"array","items":{"type":"array","items":"int"}}},
{"name":"stops","type":{"type":"array","items":{"type":"record","name":"Stop","fields":[{"name":"name","type":"string"},
  {"name":"at","type":["null",{"type":"long","logicalType":"timestamp-millis"}]}]}}},
{"name":"counts","type":{"type":"map","values":"long"}},
{"name":"places","type":{"type":"map","values":{"type":"record","name":"Place","fields":[{"name":"lat","type":"double"},{"name":"lng","type":["null","double"]}]}}}]}`

// An avroWriter writes Avro's binary encoding by hand (specification, Binary Encoding), so that no encoder of ours is part of the test.
type avroWriter []byte

func (w *avroWriter) long(n int64)   { *w = binary.AppendVarint(*w, n) }
func (w *avroWriter) text(s string)  { w.long(int64(len(s))); *w = append(*w, s...) }
func (w *avroWriter) bytes(b []byte) { w.long(int64(len(b))); *w = append(*w, b...) }
func (w *avroWriter) double(f float64) {
	*w = binary.LittleEndian.AppendUint64(*w, math.Float64bits(f))
}
func (w *avroWriter) bool(b bool) {
	n := byte(0)
	if b {
		n = 1
	}
	*w = append(*w, n)
}

// items writes n elements as one block of an array or a map.
func (w *avroWriter) items(n int64, item func(i int64)) {
	if n > 0 {
		w.long(n)
		for i := range n {
			item(i)
		}
	}
	w.long(0)
}

// everyRecord appends the record with a number.
func everyRecord(dst []byte, seq int64) []byte {
	w := (*avroWriter)(&dst)
	h := uint64(seq) * 0x9e3779b97f4a7c15
	sign := int64(1)
	if seq%2 != 0 {
		sign = -1
	}
	w.long(seq)
	w.bool(seq%3 == 0)
	w.long(int64(h>>33) - 1<<30)
	w.long(int64(h))
	*w = binary.LittleEndian.AppendUint32(*w, math.Float32bits(float32(seq)/8))
	w.double(float64(seq) / 7)
	w.text(fmt.Sprintf("größe %d \U0001f697", seq))
	raw := binary.BigEndian.AppendUint64(nil, h)
	w.bytes(raw[:seq%9])
	*w = append(*w, raw[:4]...)
	w.long(seq % 3)
	w.bytes(twosComplement(big.NewInt(sign * (seq % 1_000_000))))
	*w = binary.BigEndian.AppendUint64(*w, uint64(sign*int64((h>>5)%1e17)))
	huge := new(big.Int).Mul(new(big.Int).SetUint64(h), big.NewInt(1_000_000_007))
	w.bytes(twosComplement(huge.Mul(huge.Add(huge, big.NewInt(seq)), big.NewInt(sign))))
	w.text(fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", h>>32, h>>16&0xffff, h&0xffff, uint64(seq)>>48, seq&(1<<48-1)))
	w.long(seq%40_000 - 10_000)
	w.long(int64(h % 86_400_000))
	w.long(int64(h % 86_400_000_000))
	w.long(1_700_000_000_000 + seq*37)
	w.long(1_700_000_000_000_000 + seq*37)
	w.long(1_600_000_000_000 + seq)
	w.long(1_600_000_000_000_000 + seq)
	if seq%4 == 0 {
		w.long(0)
	} else {
		w.long(1)
		w.text(fmt.Sprintf("m%d", seq))
	}
	w.double(float64(seq%90) + 0.5)
	if seq%5 == 0 {
		w.long(0)
	} else {
		w.long(1)
		w.double(float64(seq % 180))
	}
	w.text(fmt.Sprintf("z%d", seq%7))
	w.nested(seq)
	return *w
}

// nested writes the arrays and maps.
func (w *avroWriter) nested(seq int64) {
	w.items(seq%4, func(i int64) { w.long(seq + i) })
	w.items(seq%3, func(i int64) {
		if i%2 != 0 {
			w.long(0)
			return
		}
		w.long(1)
		w.text(fmt.Sprintf("w%d", i))
	})
	w.items(seq%3, func(i int64) { w.items(min(2, i+1), func(j int64) { w.long(i + j) }) })
	w.items(seq%3, func(i int64) {
		w.text(fmt.Sprintf("s%d", i))
		if i != 0 {
			w.long(0)
			return
		}
		w.long(1)
		w.long(seq)
	})
	w.items(seq%3, func(i int64) { w.text(fmt.Sprintf("k%d", i)); w.long(seq + i) })
	w.items(seq%2, func(int64) { w.text("p"); w.double(1.5); w.long(0) })
}

// twosComplement is n big-endian in the fewest bytes.
func twosComplement(n *big.Int) []byte {
	bits := n
	if n.Sign() < 0 {
		bits = new(big.Int).Not(n)
	}
	size := bits.BitLen()/8 + 1 // with a bit for the sign
	if n.Sign() < 0 {
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(size)*8))
	}
	return n.FillBytes(make([]byte, size))
}
