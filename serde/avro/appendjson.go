package avro

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"sync"

	"github.com/millrace/millrace/serde"
)

// A printing writes JSON text. It fails for the same bytes as a decoding, and for what JSON can't hold.
type printing struct {
	input
	most int // bytes that dst may have
	keys *keySet
	pool *sync.Pool
}

// run reads one value for each op.
func (p *printing) run(dst []byte, ops []op, i int) ([]byte, int, *fault) {
	data := p.data
	for k := range ops {
		o := &ops[k]
		var (
			x int64
			f *fault
		)
		if o.code <= opUnion {
			if i < len(data) && data[i] < 0x80 {
				u := data[i]
				x = int64(u>>1) ^ -int64(u&1)
				i++
			} else if x, i, f = p.integer(o, k, i); f != nil {
				return dst, i, f
			}
		}
		dst = append(dst, o.text...)
		switch o.code {
		case opInteger:
			dst = strconv.AppendInt(dst, x, 10)
		case opString:
			if uint64(x) > uint64(len(data)-i) || int(x) > p.limits.TextLen {
				return dst, i, p.tooMuch(k, i, x)
			}
			var err error
			if dst, err = serde.AppendString(dst, data[i:i+int(x)]); err != nil {
				return dst, i, p.notUTF8(k, i, i+int(x))
			}
			i += int(x)
		case opUnion:
			if uint64(x) >= uint64(len(o.of.ops)) {
				return dst, i, p.noBranch(o, k, i, x)
			}
			if branch := o.of.ops[x : x+1]; branch[0].code == opNull {
				dst = append(dst, branch[0].text...)
			} else if dst, i, f = p.run(dst, branch, i); f != nil {
				f.op = k
				return dst, i, f
			}
		case opTimestampMillis, opTimestampMicros:
			dst, f = p.timestamp(dst, o, x, k, i)
		case opDouble:
			if len(data)-i < 8 {
				return dst, i, p.ends(k, i, "a double", 8)
			}
			dst, f = p.double(dst, math.Float64frombits(binary.LittleEndian.Uint64(data[i:])), k, i)
			i += 8
		case opFloat, opDoubleOfFloat:
			if len(data)-i < 4 {
				return dst, i, p.ends(k, i, "a float", 4)
			}
			x := math.Float32frombits(binary.LittleEndian.Uint32(data[i:]))
			if o.code == opFloat {
				dst, f = p.float(dst, x, k, i)
			} else {
				dst, f = p.double(dst, float64(x), k, i)
			}
			i += 4
		case opBool:
			if i >= len(data) || data[i] > 1 {
				return dst, i, p.noBool(k, i)
			}
			dst = strconv.AppendBool(dst, data[i] == 1)
			i++
		case opEnum:
			if uint64(x) >= uint64(len(o.of.symbols)) {
				return dst, i, p.noSymbol(o, k, i, x)
			}
			s := &o.of.symbols[x]
			if s.fail != "" {
				return dst, i, p.bad(k, i, "%s", s.fail)
			}
			dst = append(dst, s.text...)
		case opRecord:
			dst, i, f = p.record(dst, o, k, i)
		case opArray, opMap:
			dst, i, f = p.items(dst, o, k, i)
		case opSkip:
			if i, f = p.skip(o.of.ops, i); f != nil {
				f.op = k
			}
		case opFail:
			return dst, i, p.bad(k, i, "%s", o.of.fail)
		default:
			switch {
			case o.code == opNull: // its text is written
			case o.code < opConstNull:
				dst, i, f = p.more(dst, o, x, k, i)
			case o.of.fail != "":
				return dst, i, p.bad(k, i, "%s", o.of.fail)
			}
		}
		if f != nil {
			return dst, i, f
		}
	}
	return dst, i, nil
}

// more is what run does less often. x is the integer that it read already, if the op begins with one.
func (p *printing) more(dst []byte, o *op, x int64, k, i int) ([]byte, int, *fault) {
	var f *fault
	switch o.code {
	case opFloatOfInteger:
		dst, f = p.float(dst, float32(x), k, i)
		return dst, i, f
	case opDoubleOfInteger:
		dst, f = p.double(dst, float64(x), k, i)
		return dst, i, f
	case opDate:
		dst, f = p.date(dst, x, k, i)
		return dst, i, f
	case opTimeMillis, opTimeMicros:
		dst, f = p.time(dst, o, x, k, i)
		return dst, i, f
	case opTimestampNanos, opLocalMillis, opLocalMicros, opLocalNanos:
		if o.code == opTimestampNanos && x%1000 == 0 {
			dst, f = p.timestamp(dst, o, x, k, i)
			return dst, i, f
		}
		dst, f = p.timeText(dst, o, x, k, i)
		return append(dst, '"'), i, f
	}
	from, end, f := p.span(o, x, k, i)
	if f != nil {
		return dst, i, f
	}
	span := p.data[from:end]
	switch o.code {
	case opBytes, opFixed:
		dst = append(base64.StdEncoding.AppendEncode(dst, span), '"')
	case opFixedUUID:
		dst = append(serde.AppendUUID(dst, [16]byte(span)), '"')
	case opUUIDText:
		dst, f = p.uuid(dst, from, end, k)
	case opDuration:
		begin := len(dst)
		dst = appendDuration(dst, span)
		f = p.copies(k, from, len(dst)-begin)
		dst = append(dst, '"')
	default:
		dst, f = p.decimal(dst, o, from, end, k)
	}
	return dst, end, f
}

func (p *printing) uuid(dst []byte, from, end, k int) ([]byte, *fault) {
	if u, ok := serde.ParseUUID(p.data[from:end]); ok {
		return append(serde.AppendUUID(append(dst, '"'), u), '"'), p.copies(k, from, len(u))
	}
	dst, err := serde.AppendString(dst, p.data[from:end])
	if err != nil {
		return dst, p.notUTF8(k, from, end)
	}
	return dst, nil
}

func (p *printing) date(dst []byte, days int64, k, i int) ([]byte, *fault) {
	dst, err := serde.AppendDate(dst, days)
	if err != nil {
		return dst, p.bad(k, i, "the date: %v", err)
	}
	return append(dst, '"'), nil
}

func (p *printing) time(dst []byte, o *op, x int64, k, i int) ([]byte, *fault) {
	us, f := p.timeOfDay(o, x, k, i)
	if f != nil {
		return dst, f
	}
	dst, err := serde.AppendTimeOfDay(dst, us)
	if err != nil {
		return dst, p.bad(k, i, "%v", err)
	}
	return append(dst, '"'), nil
}

func (p *printing) timestamp(dst []byte, o *op, x int64, k, i int) ([]byte, *fault) {
	us, ok := micros(o, x)
	if !ok {
		return dst, p.bad(k, i, "the timestamp of %d milliseconds is out of range", x)
	}
	dst, err := serde.AppendTimestamp(dst, us)
	if err != nil {
		return dst, p.bad(k, i, "the timestamp: %v", err)
	}
	return append(dst, '"'), nil
}

func (p *printing) double(dst []byte, f float64, k, i int) ([]byte, *fault) {
	dst, err := serde.AppendFloat64(dst, f)
	if err != nil {
		return dst, p.bad(k, i, "%v", err)
	}
	return dst, nil
}

func (p *printing) float(dst []byte, f float32, k, i int) ([]byte, *fault) {
	dst, err := serde.AppendFloat32(dst, f)
	if err != nil {
		return dst, p.bad(k, i, "%v", err)
	}
	return dst, nil
}

// bounded fails when the text has got too long. What is written between two containers is bounded by the schema and the data.
func (p *printing) bounded(dst []byte, k, i int) *fault {
	if len(dst) > p.most {
		return p.bad(k, i, "the JSON text has more than %d bytes, the limit json_length", p.limits.output(len(p.data)))
	}
	return nil
}

func (p *printing) record(dst []byte, o *op, k, i int) ([]byte, int, *fault) {
	f := p.begins(o, k, i)
	if f == nil {
		f = p.bounded(dst, k, i)
	}
	if f != nil {
		return dst, i, f
	}
	if dst, i, f = p.run(dst, o.of.ops, i); f != nil {
		return dst, i, f.in(o.of.fields[f.op], k)
	}
	p.depth--
	return append(dst, '}'), i, nil
}

// items appends an array or a map.
func (p *printing) items(dst []byte, o *op, k, i int) ([]byte, int, *fault) {
	f := p.enter(k, i)
	if f != nil {
		return dst, i, f
	}
	if o.code == opMap {
		p.begin()
	}
	b := block{}
	for {
		if i, f = p.next(&b, k, i); f != nil {
			return dst, i, f
		}
		if b.count == 0 {
			break
		}
		if dst, i, f = p.block(dst, o, &b, k, i); f != nil {
			return dst, i, f
		}
		if f = p.ended(&b, k, i); f != nil {
			return dst, i, f
		}
	}
	end := byte(']')
	if o.code == opMap {
		end = '}'
		if key, repeated := p.keys.end(p.data); repeated {
			return dst, i, p.repeated(k, i, key)
		}
	}
	p.depth--
	if b.total > 0 {
		dst[len(dst)-1] = end // the last comma
		return dst, i, nil
	}
	return append(dst, end), i, nil
}

// block appends the items of a block, a comma behind each.
func (p *printing) block(dst []byte, o *op, b *block, k, i int) ([]byte, int, *fault) {
	var f *fault
	for n := range b.count {
		from, size := 0, 0
		if o.code == opMap {
			if from, size, i, f = p.key(k, i); f != nil {
				return dst, i, f
			}
			var err error
			if dst, err = serde.AppendString(dst, p.data[from:i]); err != nil {
				return dst, i, p.notUTF8(k, from, i)
			}
			dst = append(dst, ':')
			p.keys.add(from, size)
		}
		if dst, i, f = p.run(dst, o.of.ops, i); f != nil {
			if o.code == opMap {
				return dst, i, f.in(string(p.data[from:from+size]), k)
			}
			return dst, i, f.in(b.index(n), k)
		}
		dst = append(dst, ',')
		if f = p.bounded(dst, k, i); f != nil {
			return dst, i, f
		}
	}
	return dst, i, nil
}

// begin begins a map's keys.
func (p *printing) begin() {
	if p.keys == nil {
		p.keys, _ = p.pool.Get().(*keySet)
	}
	p.keys.begin()
}
