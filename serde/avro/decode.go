package avro

import (
	"encoding/binary"
	"math"

	"github.com/millrace/millrace/serde"
)

// A decoding writes a value to a tape. What it does to data, a printing does too: both fail for the same bytes.
type decoding struct {
	input
	w     *serde.Writer
	entry serde.Name // the key of the map's entry that is read
}

// run reads one value for each op. Faults name the op by its index.
func (d *decoding) run(ops []op, i int) (int, *fault) {
	data, w := d.data, d.w
	for k := range ops {
		o := &ops[k]
		name := o.name
		if o.keyed {
			name = d.entry
		}
		var (
			x int64
			f *fault
		)
		if o.code <= opUnion {
			if i < len(data) && data[i] < 0x80 {
				u := data[i]
				x = int64(u>>1) ^ -int64(u&1)
				i++
			} else if x, i, f = d.integer(o, k, i); f != nil {
				return i, f
			}
		}
		switch o.code {
		case opInteger:
			w.Int64(name, x)
		case opString:
			end := i + int(x)
			if uint64(x) > uint64(len(data)-i) || int(x) > d.limits.TextLen {
				return i, d.tooMuch(k, i, x)
			}
			if !validText(data[i:end]) {
				return i, d.notUTF8(k, i, end)
			}
			w.Borrow(name, serde.String, i, int(x))
			i = end
		case opUnion:
			if uint64(x) >= uint64(len(o.of.ops)) {
				return i, d.noBranch(o, k, i, x)
			}
			if branch := o.of.ops[x : x+1]; branch[0].code == opNull {
				w.Null(name)
			} else if i, f = d.run(branch, i); f != nil {
				f.op = k
				return i, f
			}
		case opTimestampMillis:
			us, ok := micros(o, x)
			if !ok {
				return i, d.bad(k, i, "the timestamp of %d milliseconds is out of range", x)
			}
			w.Timestamp(name, us)
		case opTimestampMicros:
			w.Timestamp(name, x)
		case opDouble:
			if len(data)-i < 8 {
				return i, d.ends(k, i, "a double", 8)
			}
			w.Float64(name, math.Float64frombits(binary.LittleEndian.Uint64(data[i:])))
			i += 8
		case opFloat:
			if len(data)-i < 4 {
				return i, d.ends(k, i, "a float", 4)
			}
			w.Float32(name, math.Float32frombits(binary.LittleEndian.Uint32(data[i:])))
			i += 4
		case opBool:
			if i >= len(data) || data[i] > 1 {
				return i, d.noBool(k, i)
			}
			w.Bool(name, data[i] == 1)
			i++
		case opNull:
			w.Null(name)
		case opEnum:
			if uint64(x) >= uint64(len(o.of.symbols)) {
				return i, d.noSymbol(o, k, i, x)
			}
			s := &o.of.symbols[x]
			if s.fail != "" {
				return i, d.bad(k, i, "%s", s.fail)
			}
			w.Symbol(name, s.name)
		case opRecord:
			i, f = d.record(o, name, k, i)
		case opArray:
			i, f = d.array(o, name, k, i)
		case opMap:
			i, f = d.mapping(o, name, k, i)
		case opSkip:
			if i, f = d.skip(o.of.ops, i); f != nil {
				f.op = k
			}
		case opBytes:
			if uint64(x) > uint64(len(data)-i) || int(x) > d.limits.TextLen {
				return i, d.tooMuch(k, i, x)
			}
			w.Borrow(name, serde.Bytes, i, int(x))
			i += int(x)
		case opDate:
			w.Date(name, int32(x))
		case opFail:
			return i, d.bad(k, i, "%s", o.of.fail)
		default:
			i, f = d.more(o, name, x, k, i)
		}
		if f != nil {
			return i, f
		}
	}
	return i, nil
}

// more is what run does less often. x is the integer that it read already, if the op begins with one.
func (d *decoding) more(o *op, name serde.Name, x int64, k, i int) (int, *fault) {
	w := d.w
	switch o.code {
	case opFloatOfInteger:
		w.Float32(name, float32(x))
	case opDoubleOfInteger:
		w.Float64(name, float64(x))
	case opTimeMillis, opTimeMicros:
		us, f := d.timeOfDay(o, x, k, i)
		if f != nil {
			return i, f
		}
		w.Time(name, us)
	case opTimestampNanos, opLocalMillis, opLocalMicros, opLocalNanos:
		return d.long(o, name, x, k, i)
	case opDoubleOfFloat:
		if len(d.data)-i < 4 {
			return i, d.ends(k, i, "a float", 4)
		}
		w.Float64(name, float64(math.Float32frombits(binary.LittleEndian.Uint32(d.data[i:]))))
		i += 4
	case opFixed, opFixedUUID:
		n := int(o.n)
		if n > len(d.data)-i {
			return i, d.ends(k, i, "a fixed value", n)
		}
		kind := serde.Bytes
		if o.code == opFixedUUID {
			kind = serde.UUID
		}
		w.Borrow(name, kind, i, n)
		i += n
	default:
		if o.code >= opConstNull {
			d.constant(o, name)
			return i, nil
		}
		return d.text(o, name, x, k, i)
	}
	return i, nil
}

// long is a long that is a text on the tape.
func (d *decoding) long(o *op, name serde.Name, x int64, k, i int) (int, *fault) {
	if o.code == opTimestampNanos && x%1000 == 0 {
		d.w.Timestamp(name, x/1000)
		return i, nil
	}
	var scratch [maxTimeText]byte
	text, f := d.timeText(scratch[:0], o, x, k, i)
	if f != nil {
		return i, f
	}
	d.w.Copy(name, serde.String, text)
	return i, nil
}

// text is what has another text on the tape than in the data.
func (d *decoding) text(o *op, name serde.Name, x int64, k, i int) (int, *fault) {
	from, end, f := d.span(o, x, k, i)
	if f != nil {
		return i, f
	}
	switch o.code {
	case opUUIDText:
		u, ok := serde.ParseUUID(d.data[from:end])
		if !ok {
			if !validText(d.data[from:end]) {
				return i, d.notUTF8(k, from, end)
			}
			d.w.Borrow(name, serde.String, from, end-from)
			break
		}
		if f = d.copies(k, from, len(u)); f != nil {
			return i, f
		}
		d.w.Copy(name, serde.UUID, u[:])
	case opDuration:
		var scratch [maxDurationText]byte
		text := appendDuration(scratch[:0], d.data[from:end])
		if f = d.copies(k, from, len(text)); f != nil {
			return i, f
		}
		d.w.Copy(name, serde.String, text)
	default:
		var scratch [64]byte
		text, f := d.decimal(scratch[:0], o, from, end, k)
		if f != nil {
			return i, f
		}
		d.w.Copy(name, serde.Decimal, text)
	}
	return end, nil
}

func (d *decoding) record(o *op, name serde.Name, k, i int) (int, *fault) {
	f := d.begins(o, k, i)
	if f != nil {
		return i, f
	}
	at := d.w.Begin(name, serde.Object)
	if i, f = d.run(o.of.ops, i); f != nil {
		return i, f.in(o.of.fields[f.op], k)
	}
	d.w.End(at, o.of.members)
	d.depth--
	return i, nil
}

func (d *decoding) array(o *op, name serde.Name, k, i int) (int, *fault) {
	f := d.enter(k, i)
	if f != nil {
		return i, f
	}
	at := d.w.Begin(name, serde.Array)
	b := block{}
	for {
		if i, f = d.next(&b, k, i); f != nil {
			return i, f
		}
		if b.count == 0 {
			break
		}
		for n := range b.count {
			if i, f = d.run(o.of.ops, i); f != nil {
				return i, f.in(b.index(n), k)
			}
		}
		if f = d.ended(&b, k, i); f != nil {
			return i, f
		}
	}
	d.w.End(at, b.total)
	d.depth--
	return i, nil
}

func (d *decoding) mapping(o *op, name serde.Name, k, i int) (int, *fault) {
	f := d.enter(k, i)
	if f != nil {
		return i, f
	}
	at := d.w.Begin(name, serde.Object)
	b := block{}
	for {
		if i, f = d.next(&b, k, i); f != nil {
			return i, f
		}
		if b.count == 0 {
			break
		}
		for range b.count {
			var from, n int
			if from, n, i, f = d.key(k, i); f != nil {
				return i, f
			}
			if !validText(d.data[from:i]) {
				return i, d.notUTF8(k, from, i)
			}
			d.entry = serde.NameAt(from, n)
			if i, f = d.run(o.of.ops, i); f != nil {
				return i, f.in(string(d.data[from:from+n]), k)
			}
		}
		if f = d.ended(&b, k, i); f != nil {
			return i, f
		}
	}
	d.w.End(at, b.total)
	if key, repeated := d.w.Repeated(at); repeated {
		return i, d.repeated(k, i, key)
	}
	d.depth--
	return i, nil
}

// constant writes a default. There is room for it: it is among the parts of its record.
func (d *decoding) constant(o *op, name serde.Name) {
	w, c := d.w, o.of
	switch o.code {
	case opConstNull:
		w.Null(name)
	case opConstBool:
		w.Bool(name, c.number != 0)
	case opConstInt:
		w.Int64(name, c.number)
	case opConstFloat:
		w.Float64(name, c.float)
	case opConstFloat32:
		w.Float32(name, float32(c.float))
	case opConstDate:
		w.Date(name, int32(c.number))
	case opConstTime:
		w.Time(name, c.number)
	case opConstTimestamp:
		w.Timestamp(name, c.number)
	case opConstSymbol:
		w.Symbol(name, c.symbol)
	case opConstString:
		w.Copy(name, serde.String, c.constant)
	case opConstBytes:
		w.Copy(name, serde.Bytes, c.constant)
	case opConstDecimal:
		w.Copy(name, serde.Decimal, c.constant)
	case opConstUUID:
		w.Copy(name, serde.UUID, c.constant)
	case opConstArray, opConstObject:
		kind := serde.Array
		if o.code == opConstObject {
			kind = serde.Object
		}
		at := w.Begin(name, kind)
		for e := range c.ops {
			d.constant(&c.ops[e], c.ops[e].name)
		}
		w.End(at, len(c.ops))
	}
}
