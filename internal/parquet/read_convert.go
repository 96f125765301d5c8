package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// A scalar is a value of a column as it is stored: a number's or boolean's bits, or bytes, which are borrowed until the next one.
type scalar struct {
	bits  uint64
	bytes []byte
}

// A convert makes a value of a scalar. Texts are copied to the tape.
type convert func(t *serde.Tape, s scalar) (serde.Value, error)

// More of the fields of LogicalType and the values of ConvertedType.
const (
	logicalString  = 1
	logicalEnum    = 4
	logicalDate    = 6
	logicalJSON    = 12
	logicalUUID    = 14
	logicalFloat16 = 15

	convertedUTF8            = 0
	convertedEnum            = 4
	convertedDecimal         = 5
	convertedDate            = 6
	convertedTimeMillis      = 7
	convertedTimeMicros      = 8
	convertedTimestampMillis = 9
	convertedTimestampMicros = 10
	convertedUint8           = 11
	convertedUint64          = 14
	convertedInt8            = 15
	convertedInt64           = 18
	convertedJSON            = 19

	unitMillis = 1
	unitMicros = 2
	unitNanos  = 3
)

const (
	// mostDigits is the largest precision of a decimal, of 256 bits.
	mostDigits = 76
	// mostFixed is the largest length of a FIXED_LEN_BYTE_ARRAY.
	mostFixed = 1 << 20
)

// modern is the logical type, also of files that know only ConvertedType ("Compatibility" in LogicalTypes.md of parquet-format).
func (e *elementMeta) modern() logicalMeta {
	l := e.logical
	if l.id != 0 {
		return l
	}
	l.utc = true
	switch c := e.converted; c {
	case convertedUTF8:
		l.id = logicalString
	case convertedEnum:
		l.id = logicalEnum
	case convertedDecimal:
		l.id, l.scale, l.precision = logicalDecimal, e.scale, e.precision
	case convertedDate:
		l.id = logicalDate
	case convertedTimeMillis, convertedTimeMicros:
		l.id, l.unit = logicalTime, c-convertedTimeMillis+unitMillis
	case convertedTimestampMillis, convertedTimestampMicros:
		l.id, l.unit = logicalTimestamp, c-convertedTimestampMillis+unitMillis
	case convertedJSON:
		l.id = logicalJSON
	}
	switch c := e.converted; {
	case c >= convertedUint8 && c <= convertedUint64:
		l.id, l.width = logicalInteger, 8<<(c-convertedUint8)
	case c >= convertedInt8 && c <= convertedInt64:
		l.id, l.width, l.signed = logicalInteger, 8<<(c-convertedInt8), true
	}
	return l
}

// readType is the type of a column, and how its values are made. A logical type that the column's physical one can't have is ignored, as one that isn't known.
func readType(e *elementMeta) (table.Type, convert, error) {
	l := e.modern()
	if l.id == logicalDecimal {
		return readDecimal(e, l)
	}
	switch e.physical {
	case format.Boolean:
		return table.Type{Kind: table.Bool}, toBool, nil
	case format.Int32:
		typ, c := readInt32(l)
		return typ, c, nil
	case format.Int64:
		typ, c := readInt64(l)
		return typ, c, nil
	case format.Int96:
		return table.Type{Kind: table.TimestampMicros}, fromInt96, nil
	case format.Float:
		return table.Type{Kind: table.Float32}, toFloat32, nil
	case format.Double:
		return table.Type{Kind: table.Float64}, toFloat64, nil
	case format.ByteArray:
		typ, c := readBytes(l)
		return typ, c, nil
	case format.FixedLenByteArray:
		return readFixed(e, l)
	}
	return table.Type{}, nil, fmt.Errorf("there is no physical type %d", e.physical)
}

func readInt32(l logicalMeta) (table.Type, convert) {
	switch {
	case l.id == logicalDate:
		return table.Type{Kind: table.Date}, func(t *serde.Tape, s scalar) (serde.Value, error) { return t.Date(int32(s.bits)), nil }
	case l.id == logicalTime && l.unit == unitMillis:
		return table.Type{Kind: table.TimeMillis}, toTime(1000, 1)
	case l.id == logicalInteger && !l.signed && l.width == 32:
		return table.Type{Kind: table.Int64}, func(t *serde.Tape, s scalar) (serde.Value, error) { return t.Int64(int64(uint32(s.bits))), nil }
	}
	return table.Type{Kind: table.Int32}, func(t *serde.Tape, s scalar) (serde.Value, error) { return t.Int64(int64(int32(s.bits))), nil }
}

func readInt64(l logicalMeta) (table.Type, convert) {
	switch {
	case l.id == logicalTime && l.unit == unitMicros:
		return table.Type{Kind: table.TimeMicros}, toTime(1, 1)
	case l.id == logicalTime && l.unit == unitNanos:
		return table.Type{Kind: table.TimeMicros}, toTime(1, 1000)
	case l.id == logicalTimestamp && l.unit == unitMillis:
		return table.Type{Kind: table.TimestampMillis, Local: !l.utc}, toTimestamp(1000, 1)
	case l.id == logicalTimestamp && l.unit == unitMicros:
		return table.Type{Kind: table.TimestampMicros, Local: !l.utc}, toTimestamp(1, 1)
	case l.id == logicalTimestamp && l.unit == unitNanos:
		return table.Type{Kind: table.TimestampMicros, Local: !l.utc}, toTimestamp(1, 1000)
	case l.id == logicalInteger && !l.signed && l.width == 64:
		return table.Type{Kind: table.Decimal, Precision: 20}, fromUint64
	}
	return table.Type{Kind: table.Int64}, func(t *serde.Tape, s scalar) (serde.Value, error) { return t.Int64(int64(s.bits)), nil }
}

func readBytes(l logicalMeta) (table.Type, convert) {
	switch l.id {
	case logicalString, logicalEnum:
		return table.Type{Kind: table.String}, toText
	case logicalJSON:
		return table.Type{Kind: table.JSON}, toJSON
	}
	return table.Type{Kind: table.Bytes}, toBytes
}

func readFixed(e *elementMeta, l logicalMeta) (table.Type, convert, error) {
	switch {
	case e.length < 1 || e.length > mostFixed:
		return table.Type{}, nil, fmt.Errorf("its values have %d bytes; 1 to %d are possible", e.length, mostFixed)
	case l.id == logicalUUID && e.length == 16:
		return table.Type{Kind: table.UUID}, func(t *serde.Tape, s scalar) (serde.Value, error) { return t.UUID([16]byte(s.bytes)), nil }, nil
	case l.id == logicalFloat16 && e.length == 2:
		return table.Type{Kind: table.Float32}, fromFloat16, nil
	}
	return table.Type{Kind: table.Fixed, Size: e.length}, toBytes, nil
}

func readDecimal(e *elementMeta, l logicalMeta) (table.Type, convert, error) {
	typ := table.Type{Kind: table.Decimal, Precision: l.precision, Scale: l.scale}
	if l.precision < 1 || l.precision > mostDigits || l.scale < 0 || l.scale > l.precision {
		return typ, nil, fmt.Errorf("a decimal can't have %d digits and scale %d", l.precision, l.scale)
	}
	switch e.physical {
	case format.Int32:
		return typ, func(t *serde.Tape, s scalar) (serde.Value, error) {
			var b [4]byte
			binary.BigEndian.PutUint32(b[:], uint32(s.bits))
			return toDecimal(t, b[:], l.scale)
		}, nil
	case format.Int64:
		return typ, func(t *serde.Tape, s scalar) (serde.Value, error) {
			var b [8]byte
			binary.BigEndian.PutUint64(b[:], s.bits)
			return toDecimal(t, b[:], l.scale)
		}, nil
	case format.FixedLenByteArray:
		if e.length < 1 || e.length > mostFixed {
			return typ, nil, fmt.Errorf("its values have %d bytes; 1 to %d are possible", e.length, mostFixed)
		}
	case format.ByteArray:
	default:
		return typ, nil, fmt.Errorf("physical type %s can't hold decimals", e.physical)
	}
	return typ, func(t *serde.Tape, s scalar) (serde.Value, error) { return toDecimal(t, s.bytes, l.scale) }, nil
}

func toBool(t *serde.Tape, s scalar) (serde.Value, error) { return t.Bool(s.bits != 0), nil }

// toFloat32 makes the number whose text is the shortest that is the same float32: 0.1, not 0.10000000149011612.
func toFloat32(t *serde.Tape, s scalar) (serde.Value, error) {
	return float32Value(t, math.Float32frombits(uint32(s.bits)))
}

func float32Value(t *serde.Tape, f float32) (serde.Value, error) {
	w := t.Write(nil, nil, 1)
	w.Float32(serde.Name{}, f)
	return w.Value(nil)
}

func toFloat64(t *serde.Tape, s scalar) (serde.Value, error) {
	return t.Float64(math.Float64frombits(s.bits)), nil
}

// fromFloat16 takes IEEE 754's half precision.
func fromFloat16(t *serde.Tape, s scalar) (serde.Value, error) {
	h := binary.LittleEndian.Uint16(s.bytes)
	exponent, fraction := int(h>>10&0x1f), float64(h&0x3ff)
	var f float64
	switch exponent {
	case 0:
		f = math.Ldexp(fraction, -24)
	case 0x1f:
		if f = math.Inf(1); fraction != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(fraction+1024, exponent-25)
	}
	if h>>15 != 0 {
		f = -f
	}
	return float32Value(t, float32(f))
}

func toText(t *serde.Tape, s scalar) (serde.Value, error) {
	if !utf8.Valid(s.bytes) {
		return serde.Value{}, errors.New("a text isn't UTF-8")
	}
	return t.String(string(s.bytes)), nil
}

func toBytes(t *serde.Tape, s scalar) (serde.Value, error) { return t.CopyBytes(s.bytes), nil }

// toJSON parses. The text is copied apart from the tape's other memory, which moves when it grows.
func toJSON(t *serde.Tape, s scalar) (serde.Value, error) {
	v, err := t.JSON(slices.Clone(s.bytes), serde.Limits{})
	if err != nil {
		return v, fmt.Errorf("its JSON: %w", err)
	}
	return v, nil
}

func toDecimal(t *serde.Tape, b []byte, scale int) (serde.Value, error) {
	if len(b) == 0 || len(b) > 64 && !padded(b[:len(b)-64]) {
		return serde.Value{}, fmt.Errorf("a decimal has %d bytes", len(b))
	}
	b = b[max(len(b)-64, 0):]
	return t.Decimal(serde.AppendDecimal(make([]byte, 0, 48), b, scale))
}

// padded reports whether bytes only extend the sign of a number behind them, of which nobody needs more than 512 bits.
func padded(b []byte) bool {
	for _, c := range b {
		if c != b[0] {
			return false
		}
	}
	return b[0] == 0 || b[0] == 0xff
}

func fromUint64(t *serde.Tape, s scalar) (serde.Value, error) {
	var b [9]byte
	binary.BigEndian.PutUint64(b[1:], s.bits)
	return t.Decimal(serde.AppendDecimal(make([]byte, 0, 20), b[:], 0))
}

var errNanos = errors.New("a time has nanoseconds that aren't whole microseconds: they would be lost")

// toTime makes times of day of units of so many microseconds, or of parts of one.
func toTime(times, parts int64) convert {
	return func(t *serde.Tape, s scalar) (serde.Value, error) {
		x := int64(s.bits)
		if times != 1 {
			x = int64(int32(s.bits))
		}
		if x%parts != 0 {
			return serde.Value{}, errNanos
		}
		if x < 0 || x/parts >= 24*time.Hour.Microseconds()/times {
			return serde.Value{}, fmt.Errorf("the time of day %d is none", x)
		}
		return t.TimeOfDay(x / parts * times), nil
	}
}

// toTimestamp makes timestamps of units of so many microseconds, or of parts of one.
func toTimestamp(times, parts int64) convert {
	return func(t *serde.Tape, s scalar) (serde.Value, error) {
		x := int64(s.bits)
		if x%parts != 0 {
			return serde.Value{}, errNanos
		}
		us := x / parts * times
		if us/times != x/parts {
			return serde.Value{}, fmt.Errorf("the timestamp %d is out of range", x)
		}
		return t.Timestamp(time.UnixMicro(us)), nil
	}
}

// fromInt96 takes the timestamps of Impala, Hive and older Spark: nanoseconds of the day, and the Julian day.
func fromInt96(t *serde.Tape, s scalar) (serde.Value, error) {
	const epoch = 2_440_588 // Julian day of 1970-01-01
	nanos, day := int64(binary.LittleEndian.Uint64(s.bytes)), int64(binary.LittleEndian.Uint32(s.bytes[8:]))
	switch {
	case nanos < 0 || nanos > 2*24*time.Hour.Nanoseconds(): // some writers count beyond midnight
		return serde.Value{}, fmt.Errorf("the timestamp has %d nanoseconds of the day", nanos)
	case nanos%1000 != 0:
		return serde.Value{}, errNanos
	}
	seconds := (day - epoch) * 24 * 60 * 60
	if seconds > math.MaxInt64/2_000_000 {
		return serde.Value{}, fmt.Errorf("the timestamp's Julian day %d is out of range", day)
	}
	return t.Timestamp(time.UnixMicro(seconds*1_000_000 + nanos/1000)), nil
}
