package avro

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/millrace/millrace/serde"
)

// A schemaMaker writes random schemas.
type schemaMaker struct {
	strings.Builder
	r     *rand.Rand
	named []string // types that are complete
	open  []string // records that enclose the type
	n     int
}

func randomSchema(r *rand.Rand) string {
	m := schemaMaker{r: r}
	if r.IntN(4) == 0 {
		m.typ(3, false)
	} else {
		m.record(3)
	}
	return m.String()
}

func (m *schemaMaker) chance(percent int) bool { return m.r.IntN(100) < percent }

func (m *schemaMaker) pick(of ...string) string { return of[m.r.IntN(len(of))] }

func (m *schemaMaker) typ(depth int, inUnion bool) {
	k := m.r.IntN(100)
	switch {
	case k < 45 || depth == 0:
		fmt.Fprintf(m, "%q", m.pick("null", "boolean", "int", "long", "float", "double", "bytes", "string"))
	case k < 60:
		m.logical()
	case k < 64:
		m.begin("enum")
		fmt.Fprintf(m, `,"symbols":["A","b_%d","C"]}`, m.n)
	case k < 68:
		m.begin("fixed")
		fmt.Fprintf(m, `,"size":%d}`, 1+m.r.IntN(20))
	case k < 75:
		m.WriteString(`{"type":"array","items":`)
		m.typ(depth-1, false)
		m.WriteString("}")
	case k < 81:
		m.WriteString(`{"type":"map","values":`)
		m.typ(depth-1, false)
		m.WriteString("}")
	case k < 85 && len(m.named) > 0:
		fmt.Fprintf(m, "%q", m.pick(m.named...))
	case k < 93 && !inUnion:
		m.union(depth)
	default:
		m.record(depth)
	}
}

// union writes types of different kinds, so that none comes twice.
func (m *schemaMaker) union(depth int) {
	kinds := []string{`"null"`, "number", "text", "named", "container", "open"}
	m.r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	var types []string
	for _, kind := range kinds[:1+m.r.IntN(len(kinds))] {
		before := m.String()
		m.Reset()
		switch kind {
		case "number":
			m.WriteString(m.pick(`"int","double"`, `"float","long"`, `"long"`, `"double"`, `{"type":"long","logicalType":"timestamp-millis"}`, `{"type":"int","logicalType":"date"}`))
		case "text":
			m.WriteString(m.pick(`"string","bytes"`, `"bytes"`, `"string"`, `{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}`))
		case "named":
			m.record(depth - 1)
		case "container":
			m.WriteString(`{"type":` + m.pick(`"array","items":"int"}`, `"map","values":"string"}`))
		case "open":
			if len(m.open) > 0 {
				fmt.Fprintf(m, "%q", m.pick(m.open...))
			}
		default:
			m.WriteString(kind)
		}
		if m.Len() > 0 {
			types = append(types, m.String())
		}
		m.Reset()
		m.WriteString(before)
	}
	if !slices.Contains(types, `"null"`) && m.chance(90) || !slices.ContainsFunc(types, finite) {
		if !slices.Contains(types, `"null"`) {
			types = append(types, `"null"`)
		}
	}
	fmt.Fprintf(m, "[%s]", strings.Join(types, ","))
}

// finite reports whether a type of a union has values that hold no record.
func finite(typ string) bool {
	return !strings.Contains(typ, "record") && !strings.Contains(typ, ".")
}

func (m *schemaMaker) logical() {
	switch m.r.IntN(5) {
	case 0:
		fmt.Fprintf(m, `{"type":"int","logicalType":%q}`, m.pick("date", "time-millis"))
	case 1:
		fmt.Fprintf(m, `{"type":"long","logicalType":%q}`, m.pick("time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos",
			"local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos", "unknown"))
	case 2:
		precision := 1 + m.r.IntN(30)
		fmt.Fprintf(m, `{"type":"bytes","logicalType":"decimal","precision":%d,"scale":%d}`, precision, m.r.IntN(precision+1))
	case 3:
		m.WriteString(m.pick(`{"type":"string","logicalType":"uuid"}`, `{"type":"bytes","logicalType":"big-decimal"}`))
	default:
		size := 1 + m.r.IntN(16)
		m.begin("fixed")
		switch most := len(new(big.Int).Lsh(big.NewInt(1), uint(8*size-1)).String()) - 1; {
		case size == 16:
			m.WriteString(`,"size":16,"logicalType":"uuid"}`)
		case size == 12:
			m.WriteString(`,"size":12,"logicalType":"duration"}`)
		default:
			fmt.Fprintf(m, `,"size":%d,"logicalType":"decimal","precision":%d,"scale":%d}`, size, most, m.r.IntN(most+1))
		}
	}
}

// begin writes a type with a new name, which is known when it is complete unless it is a record.
func (m *schemaMaker) begin(typ string) (full string) {
	m.n++
	name := fmt.Sprintf("N%d", m.n)
	if m.chance(1) {
		name = fmt.Sprintf("fleet-%d", m.n)
	}
	switch m.r.IntN(4) {
	case 0:
		full = "a.b." + name
		fmt.Fprintf(m, `{"type":%q,"name":%q`, typ, full)
	default:
		full = "ns." + name
		fmt.Fprintf(m, `{"type":%q,"name":%q,"namespace":"ns"`, typ, name)
	}
	if m.chance(20) {
		fmt.Fprintf(m, `,"aliases":["Old%d","x.Old%d"]`, m.n, m.n)
	}
	if m.chance(10) {
		m.WriteString(`,"doc":"a \"text\"","custom":{"x":[1]}`)
	}
	if typ != "record" {
		m.named = append(m.named, full)
	}
	return full
}

func (m *schemaMaker) record(depth int) {
	full := m.begin("record")
	m.open = append(m.open, full)
	m.WriteString(`,"fields":[`)
	for i := range m.r.IntN(6) {
		if i > 0 {
			m.WriteString(",")
		}
		name := fmt.Sprintf("f%d", i)
		if m.chance(1) {
			name = m.pick("with-hyphen", "grün", "2x", "a.b") + name
		}
		fmt.Fprintf(m, `{"name":%q,"type":`, name)
		before := m.Len()
		m.typ(max(depth-1, 0), false)
		if value, ok := map[string]string{`"null"`: "null", `"int"`: "-7", `"long"`: "7", `"double"`: "1.5", `"string"`: `"d"`, `"bytes"`: `"\u00ff"`, `"boolean"`: "true"}[m.String()[before:]]; ok && m.chance(40) {
			fmt.Fprintf(m, `,"default":%s`, value)
		}
		if m.chance(10) {
			fmt.Fprintf(m, `,"aliases":["was%d"]`, i)
		}
		m.WriteString("}")
	}
	m.WriteString("]}")
	m.open = m.open[:len(m.open)-1]
	m.named = append(m.named, full)
}

// A datum is what a record holds, beside its bytes.
type datum struct {
	branch int
	items  []*datum
	keys   []string
	n      int64
	f      float64
	b      []byte
	big    *big.Int
	scale  int
}

// A datumMaker writes random records, in the encoding of the specification.
type datumMaker struct {
	r      *rand.Rand
	out    []byte
	made   int  // values
	blocks bool // arrays or maps aren't in the form that encoders write
}

func (m *datumMaker) long(n int64) { m.out = binary.AppendVarint(m.out, n) }

func (m *datumMaker) make(s *Schema, depth int) *datum {
	d := &datum{}
	m.made++
	if m.made > 200 {
		depth = 100 // no further records
	}
	switch s.Type {
	case Boolean:
		d.n = int64(m.r.IntN(2))
		m.out = append(m.out, byte(d.n))
	case Int, Long:
		d.n = m.integer(s)
		m.long(d.n)
	case Float:
		d.f = float64(float32(m.float()))
		m.out = binary.LittleEndian.AppendUint32(m.out, math.Float32bits(float32(d.f)))
	case Double:
		d.f = m.float()
		m.out = binary.LittleEndian.AppendUint64(m.out, math.Float64bits(d.f))
	case String, Bytes, Fixed:
		m.text(s, d)
	case Enum:
		d.n = int64(m.r.IntN(len(s.Symbols)))
		m.long(d.n)
	case Record:
		for i := range s.Fields {
			d.items = append(d.items, m.make(s.Fields[i].Type, depth+1))
		}
	case Union:
		d.branch = m.r.IntN(len(s.Branches))
		if depth > 8 {
			d.branch = 0
			for i, b := range s.Branches {
				if b.Type != Record {
					d.branch = i
				}
			}
		}
		m.long(int64(d.branch))
		d.items = []*datum{m.make(s.Branches[d.branch], depth+1)}
	case Array, Map:
		m.items(s, d, depth)
	}
	return d
}

func (m *datumMaker) integer(s *Schema) int64 {
	const daysTo9999, yearUS = 2932896, 31_000_000_000_000
	if m.r.IntN(200) == 0 && s.Logical == NoLogical {
		return map[Type][]int64{Int: {math.MinInt32, math.MaxInt32}, Long: {math.MinInt64, math.MaxInt64}}[s.Type][m.r.IntN(2)]
	}
	n := m.r.Int64N(1 << (1 + m.r.IntN(31)))
	switch s.Logical {
	case Date:
		return n % daysTo9999
	case TimeMillis:
		return n % msOfDay
	case TimeMicros:
		return m.r.Int64N(usOfDay)
	case TimestampMillis, LocalTimestampMillis:
		return m.r.Int64N(8000*yearUS/1000) - 1000*yearUS/1000
	case TimestampMicros, LocalTimestampMicros:
		return m.r.Int64N(8000*yearUS) - 1000*yearUS
	case TimestampNanos, LocalTimestampNanos:
		return int64(m.r.Uint64())
	}
	if m.r.IntN(2) == 0 {
		n = -n
	}
	if s.Type == Long && m.r.IntN(4) == 0 {
		return n << 31
	}
	return n
}

func (m *datumMaker) float() float64 {
	switch m.r.IntN(10) {
	case 0:
		return []float64{0, math.Copysign(0, -1), math.Inf(1), math.NaN(), math.MaxFloat64, math.SmallestNonzeroFloat32}[m.r.IntN(6)]
	case 1:
		return math.Float64frombits(m.r.Uint64())
	}
	return float64(m.r.IntN(1e9)) / 1000
}

// text makes a string, bytes or a fixed.
func (m *datumMaker) text(s *Schema, d *datum) {
	size := s.Size
	if s.Type != Fixed {
		size = m.r.IntN(1 + m.r.IntN(20))
	}
	d.b = make([]byte, size)
	for i := range d.b {
		d.b[i] = byte(m.r.Uint32())
	}
	switch {
	case s.Logical == UUID && s.Type == String && m.r.IntN(10) > 0:
		var u [16]byte
		binary.LittleEndian.PutUint64(u[:], m.r.Uint64())
		d.b = serde.AppendUUID(nil, u)
	case s.Type == String:
		for i := range d.b {
			d.b[i] &= 0x7F
		}
		if m.r.IntN(5) == 0 {
			d.b = append(d.b, "ə\u00e9 \U0001F69A"...)
		}
	case s.Logical == Decimal || s.Logical == BigDecimal:
		m.decimal(s, d)
	}
	if s.Type != Fixed {
		m.long(int64(len(d.b)))
	}
	m.out = append(m.out, d.b...)
}

// decimal makes a number of at most as many digits as the type has.
func (m *datumMaker) decimal(s *Schema, d *datum) {
	precision := s.Precision
	d.scale = s.Scale
	if s.Logical == BigDecimal {
		precision, d.scale = 1+m.r.IntN(30), m.r.IntN(10)
	}
	digits := make([]byte, 1+m.r.IntN(precision))
	for i := range digits {
		digits[i] = '0' + byte(m.r.IntN(10))
	}
	d.big, _ = new(big.Int).SetString(string(digits), 10)
	if m.r.IntN(2) == 0 {
		d.big.Neg(d.big)
	}
	d.b = twosComplement(d.big, s.Size)
	if s.Logical == BigDecimal {
		d.b = binary.AppendVarint(append(binary.AppendVarint(nil, int64(len(d.b))), d.b...), int64(d.scale))
	}
}

// twosComplement is n in at least size bytes, otherwise in as few as hold it.
func twosComplement(n *big.Int, size int) []byte {
	if size == 0 {
		for size = 1; ; size++ {
			half := new(big.Int).Lsh(big.NewInt(1), uint(8*size-1))
			if n.Cmp(half) < 0 && n.Cmp(new(big.Int).Neg(half)) >= 0 {
				break
			}
		}
	}
	whole := new(big.Int).Lsh(big.NewInt(1), uint(8*size))
	return new(big.Int).Mod(n, whole).FillBytes(make([]byte, size))
}

// items makes an array or a map, now and then in several blocks and with their sizes.
func (m *datumMaker) items(s *Schema, d *datum, depth int) {
	n := m.r.IntN(4)
	if depth > 8 {
		n = 0
	}
	for n > 0 {
		count := n
		if m.r.IntN(8) == 0 {
			count, m.blocks = 1+m.r.IntN(n), true
		}
		sized := m.r.IntN(8) == 0
		start := m.out
		m.out = nil
		for range count {
			if s.Type == Map {
				key := fmt.Sprintf("k%d%s", len(d.keys), strings.Repeat("x", m.r.IntN(4)))
				d.keys = append(d.keys, key)
				m.long(int64(len(key)))
				m.out = append(m.out, key...)
			}
			d.items = append(d.items, m.make(s.Items, depth+1))
		}
		items := m.out
		m.out = start
		if sized {
			m.blocks = true
			m.long(-int64(count))
			m.long(int64(len(items)))
		} else {
			m.long(int64(count))
		}
		m.out = append(m.out, items...)
		n -= count
	}
	m.out = append(m.out, 0)
}
