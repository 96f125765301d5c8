package avro

import (
	"fmt"
	"math"
	"strconv"
)

// An input is the bytes that are read, and what may still be read of them.
type input struct {
	data   []byte
	left   int // nodes; see Limits.Nodes
	depth  int
	limits *Limits
}

// bad is a fault of op k at byte i.
func (in *input) bad(k, i int, format string, args ...any) *fault {
	return &fault{at: i, op: k, text: fmt.Sprintf(format, args...)}
}

func (in *input) trailing(i int) *fault {
	return in.bad(0, i, "%d bytes are left behind the value", len(in.data)-i)
}

// ends is the fault of a value that needs n bytes at i, more than there are.
func (in *input) ends(k, i int, what string, n int) *fault {
	return in.bad(k, i, "the data ends within %s of %d bytes: %d are left", what, n, len(in.data)-i)
}

// integer reads a number in zig-zag coding (specification, Binary Encoding). An int has at most 5 bytes, a long 10.
func (in *input) integer(o *op, k, i int) (x int64, next int, f *fault) {
	most := 5
	if o.long {
		most = 10
	}
	var u uint64
	for n := range most {
		if i+n >= len(in.data) {
			return 0, i, in.bad(k, i, "the data ends within %s", integerName(o))
		}
		c := in.data[i+n]
		u |= uint64(c&0x7F) << (7 * n)
		if c >= 0x80 {
			continue
		}
		if n == 9 && c > 1 || n == 4 && !o.long && c > 0x0F {
			return 0, i, in.bad(k, i, "the number doesn't fit %s", integerName(o))
		}
		return int64(u>>1) ^ -int64(u&1), i + n + 1, nil
	}
	return 0, i, in.bad(k, i, "%s has more than %d bytes", integerName(o), most)
}

func integerName(o *op) string {
	if o.long {
		return "a long"
	}
	return "an int"
}

// tooMuch is the fault of a text that begins at i and says that it has x bytes.
func (in *input) tooMuch(k, i int, x int64) *fault {
	switch {
	case x < 0:
		return in.bad(k, i, "the length is %d, less than 0", x)
	case x > int64(len(in.data)-i):
		return in.bad(k, i, "the length is %d bytes, %d are left", x, len(in.data)-i)
	}
	return in.bad(k, i, "the length is %d bytes, more than the limit text_length of %d", x, in.limits.TextLen)
}

// room takes n nodes from those that are left.
func (in *input) room(k, i, n int) *fault {
	if in.left -= n; in.left < 0 {
		return in.bad(k, i, "the record has more than %d parts, the limit nodes", in.limits.nodes(len(in.data)))
	}
	return nil
}

// copies takes room for n bytes of text that don't lie in the data.
func (in *input) copies(k, i, n int) *fault { return in.room(k, i, (n+textPerNode-1)/textPerNode) }

// enter goes one level down, into a container; whoever enters leaves by depth--.
func (in *input) enter(k, i int) *fault {
	if in.depth++; in.depth > in.limits.Depth {
		return in.bad(k, i, "records, arrays and maps are nested more than %d deep, the limit depth", in.limits.Depth)
	}
	return nil
}

// A block is a part of an array or a map.
type block struct {
	count int
	end   int // where it must end, -1 if it doesn't say
	total int // items up to and with this one
}

// next reads the head of the block that follows b at i. The last one has no items.
func (in *input) next(b *block, k, i int) (int, *fault) {
	long := op{long: true}
	count, at, f := in.integer(&long, k, i)
	if f != nil {
		return i, f
	}
	b.end = -1
	if count < 0 {
		var size int64
		if size, at, f = in.integer(&long, k, at); f != nil {
			return i, f
		}
		if size < 0 || size > int64(len(in.data)-at) {
			return i, in.bad(k, i, "a block says that it has %d bytes, %d are left", size, len(in.data)-at)
		}
		b.end = at + int(size)
		if count == math.MinInt64 {
			return i, in.bad(k, i, "a block has the count %d", count)
		}
		count = -count
	}
	if count > int64(in.left) {
		return i, in.bad(k, i, "a block says that it has %d items; the record may have %d parts, the limit nodes", count, in.limits.nodes(len(in.data)))
	}
	if count > int64(in.limits.Items-b.total) {
		return i, in.bad(k, i, "a block of %d items exceeds the limit items of %d", count, in.limits.Items)
	}
	b.count = int(count)
	b.total += b.count
	in.left -= b.count
	return at, nil
}

// ended checks that b ends at i, as it said.
func (in *input) ended(b *block, k, i int) *fault {
	if b.end >= 0 && b.end != i {
		return in.bad(k, i, "a block ends here, but said that it would at byte %d", b.end)
	}
	return nil
}

// index is an element's name in errors.
func (b *block) index(left int) string { return "[" + strconv.Itoa(b.total-b.count+left) + "]" }

// skip passes over values that nobody reads. It checks what decoding checks, but for what is in texts.
func (in *input) skip(ops []op, i int) (int, *fault) {
	for k := range ops {
		o := &ops[k]
		var (
			x int64
			f *fault
			n = int(o.n)
		)
		if o.code <= opUnion {
			if x, i, f = in.integer(o, k, i); f != nil {
				return i, f
			}
		}
		switch o.code {
		case opInteger, opNull:
		case opBytes:
			if uint64(x) > uint64(len(in.data)-i) || x > int64(in.limits.TextLen) {
				return i, in.tooMuch(k, i, x)
			}
			i += int(x)
		case opEnum:
			if x < 0 || x >= int64(n) {
				return i, in.bad(k, i, "there is no symbol %d, the enum has %d", x, n)
			}
		case opUnion:
			if x < 0 || x >= int64(len(o.of.ops)) {
				return i, in.noBranch(o, k, i, x)
			}
			if i, f = in.skip(o.of.ops[x:x+1], i); f != nil {
				f.op = k
				return i, f
			}
		case opBool:
			if i >= len(in.data) || in.data[i] > 1 {
				return i, in.noBool(k, i)
			}
			i++
		case opFixed:
			if n > len(in.data)-i {
				return i, in.ends(k, i, "a value", n)
			}
			i += n
		case opRecord:
			i, f = in.skipRecord(o, k, i)
		default:
			i, f = in.skipItems(o, k, i)
		}
		if f != nil {
			return i, f
		}
	}
	return i, nil
}

func (in *input) skipRecord(o *op, k, i int) (int, *fault) {
	f := in.enter(k, i)
	if f == nil {
		f = in.room(k, i, o.of.parts)
	}
	if f != nil {
		return i, f
	}
	i, f = in.skip(o.of.ops, i)
	if f != nil {
		return i, f.in(o.of.fields[f.op], k)
	}
	in.depth--
	return i, nil
}

// skipItems passes over an array or a map, whose items are a key and a value.
func (in *input) skipItems(o *op, k, i int) (int, *fault) {
	f := in.enter(k, i)
	if f != nil {
		return i, f
	}
	for b := (block{}); ; {
		if i, f = in.next(&b, k, i); f != nil || b.count == 0 {
			break
		}
		for n := range b.count {
			if o.code == opMap {
				if _, _, i, f = in.key(k, i); f != nil {
					return i, f
				}
			}
			if i, f = in.skip(o.of.ops, i); f != nil {
				return i, f.in(b.index(n), k)
			}
		}
		if f = in.ended(&b, k, i); f != nil {
			break
		}
	}
	in.depth--
	return i, f
}

const maxKey = math.MaxUint16 // bytes; serde.NameAt

// key reads the key of a map's entry: n bytes at at.
func (in *input) key(k, i int) (at, n, next int, f *fault) {
	long := op{long: true}
	x, at, f := in.integer(&long, k, i)
	switch {
	case f != nil:
		return 0, 0, i, f
	case uint64(x) > uint64(len(in.data)-at) || x > int64(in.limits.TextLen):
		return 0, 0, i, in.tooMuch(k, at, x)
	case x > maxKey:
		return 0, 0, i, in.bad(k, at, "the key of a map has %d bytes; at most %d are possible", x, maxKey)
	}
	return at, int(x), at + int(x), nil
}

func (in *input) noBool(k, i int) *fault {
	if i >= len(in.data) {
		return in.ends(k, i, "a boolean", 1)
	}
	return in.bad(k, i, "a boolean is 0 or 1, not %d", in.data[i])
}

func (in *input) noBranch(o *op, k, i int, x int64) *fault {
	return in.bad(k, i, "there is no type %d in a union of %d", x, len(o.of.ops))
}
