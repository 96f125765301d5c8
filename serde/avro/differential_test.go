package avro

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	twmb "github.com/twmb/avro"

	"github.com/millrace/millrace/serde"
)

// schemasEnv is the environment variable with the number of random schemas that TestDifferential makes. By default there are 100,000, which take
// some 25 seconds of CPU time, 10,000 with -race, and 5,000 with -short.
const (
	schemasEnv     = "AVRO_SCHEMAS"
	defaultSchemas = 100_000
	racedSchemas   = 10_000
	shortSchemas   = 5_000
)

// difference is a kind of difference between this package and another one. Each has a reason; a section is one of the Avro 1.12 specification.
type difference string

// The differences that are known, and why this package does what it does.
var reasons = map[difference]string{
	"goavro refuses a schema: ought to have valid name": "Names: goavro holds to the specification's characters; Java writes others where validation is switched off",
	"goavro can't encode what it decoded":               "Logical Types, Decimal: goavro doesn't extend the number 0 to the size of a fixed",
	"goavro decodes another value":                      "Names: goavro takes the last part of a field's name that has a dot",
	"goavro accepts: isn't UTF-8":                       "Primitive Types: a string is Unicode; goavro checks it only when it writes JSON",
	"twmb accepts: isn't UTF-8":                         "Primitive Types: a string is Unicode; twmb doesn't check keys of maps and strings",
	"twmb accepts: a boolean":                           "Binary Encoding, Primitive Types: a boolean is 0 or 1; twmb takes any byte",
	"goavro accepts: a block":                           "Binary Encoding, Arrays: a block has as many bytes as it says; goavro passes over the size",
	"twmb accepts: a block":                             "Binary Encoding, Arrays: as above",
	"goavro accepts: no time of a day":                  "Logical Types, Time: the time is of a day; goavro gives any duration",
	"twmb accepts: no time of a day":                    "Logical Types, Time: as above",
	"goavro accepts: doesn't fit":                       "Binary Encoding, Primitive Types: an int has 32 bits, a long 64; goavro drops bits",
	"goavro accepts: more than 5 bytes":                 "Binary Encoding, Primitive Types: as above",
	"goavro accepts: more than 10 bytes":                "Binary Encoding, Primitive Types: as above",
	"twmb accepts: twice":                               "Maps: a name comes once; twmb takes the last",
	"goavro accepts: big-decimal":                       "Logical Types, Big decimal: goavro doesn't know it and gives the bytes",
	"twmb accepts: year of a local timestamp":           "Logical Types, Local timestamp: this package writes texts, which ISO 8601 has for the years 0 to 9999",
	"goavro accepts: year of a local timestamp":         "Logical Types, Local timestamp: as above; goavro gives integers",
	"goavro accepts: out of range":                      "Logical Types, Timestamps: 64 bits of milliseconds are more than a Timestamp's 64 bits of microseconds hold, 292,000 years",
	"twmb accepts: out of range":                        "Logical Types, Timestamps: as above",
	"millrace encodes another type of a union":          "Unions: values aren't wrapped, so that of records without fields and empty maps, say, the first fits",
	"millrace encodes another record of a union":        "Unions: as above; of records with the same fields the first that fits is taken, and an integer fits a date",
	"goavro accepts: a decimal has no bytes":            "Logical Types, Decimal: two's complement has at least one byte; Java's BigInteger refuses none, too",
	"twmb accepts: a decimal has no bytes":              "Logical Types, Decimal: as above",
	"millrace encodes a float of a union as its double": "Unions: as above; 0.1 of 32 bits is another number as a double, which is chosen because it holds every float",
}

// A trial compares the packages on one random schema and its records.
type trial struct {
	t      testing.TB
	seed   uint64
	text   string
	schema *Schema
	found  map[difference]int
	goavro *goavro.Codec // nil where it refuses the schema
	twmb   *twmb.Schema
}

// differ notes a difference. It fails if that has no reason.
func (x *trial) differ(d difference, format string, args ...any) {
	x.found[d]++
	if reasons[d] == "" && x.found[d] <= 3 {
		x.t.Errorf("unexplained: %s: %s\nschema %d: %s", d, fmt.Sprintf(format, args...), x.seed, x.text)
	}
}

func TestDifferential(t *testing.T) {
	n := defaultSchemas
	switch {
	case testing.Short():
		n = shortSchemas
	case raced:
		n = racedSchemas
	}
	if text := os.Getenv(schemasEnv); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	// Damaged counts make goavro allocate gigabytes. Its limits are of the whole process.
	goavro.MaxBlockCount, goavro.MaxBlockSize = 1<<10, 1<<16
	found := map[difference]int{}
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(20261121, seed))
		x := &trial{t: t, seed: seed, text: randomSchema(r), found: found}
		x.run(r)
		if t.Failed() && len(found) > 40 {
			t.FailNow()
		}
	}
	for d, count := range found {
		t.Logf("%7d %s: %s", count, d, reasons[d])
	}
	for d := range reasons {
		if found[d] == 0 && n >= defaultSchemas {
			t.Errorf("the difference %q has a reason and doesn't exist", d)
		}
	}
}

func (x *trial) run(r *rand.Rand) {
	var err error
	if x.schema, err = Parse(x.text); err != nil {
		x.t.Fatalf("schema %d: %v\n%s", x.seed, err, x.text)
	}
	if x.goavro, err = goavro.NewCodec(x.text); err != nil {
		x.goavro = nil
		x.differ(refusal("goavro refuses a schema", err), "%v", err)
	}
	if x.twmb, err = twmb.Parse(x.text, twmb.WithLaxNames(func(string) error { return nil })); err != nil {
		x.twmb = nil
		x.differ(refusal("twmb refuses a schema", err), "%v", err)
	}
	program, err := Compile(x.schema, Options{})
	if err != nil {
		x.t.Fatalf("schema %d: %v\n%s", x.seed, err, x.text)
	}
	encoder, err := NewEncoder(x.schema)
	if err != nil {
		x.t.Fatalf("schema %d: %v\n%s", x.seed, err, x.text)
	}
	tape := serde.NewTape()
	for range 2 {
		m := datumMaker{r: r}
		d := m.make(x.schema, 0)
		x.record(tape, program, encoder, d, &m)
		for range 3 {
			x.damaged(tape, program, damage(r, m.out))
		}
		tape.Reset()
	}
}

// refusal is the kind of an error: its text up to what differs from case to case.
func refusal(what string, err error) difference {
	for _, mark := range []string{"ought to have valid name", "alias", "precision", "default"} {
		if strings.Contains(err.Error(), mark) {
			return difference(what + ": " + mark)
		}
	}
	return difference(what)
}

// record decodes a record with all three, and encodes what they decoded.
func (x *trial) record(tape *serde.Tape, p *Program, e *Encoder, d *datum, m *datumMaker) {
	data := m.out
	v, err := p.Decode(tape, data)
	if err != nil {
		x.differ("millrace refuses a record", "%x: %v", data, err)
		return
	}
	if path := sameValue(x.schema, d, v); path != "" {
		x.differ("millrace decodes another value", "%x: %s", data, path)
	}
	if x.goavro != nil {
		native, rest, err := x.goavro.NativeFromBinary(data)
		if err != nil || len(rest) > 0 {
			x.differ(refusal("goavro refuses a record", err), "%x: %v", data, err)
		} else {
			if path := sameNative(x.schema, d, native, true); path != "" {
				x.differ("goavro decodes another value", "%x: %s", data, path)
			}
			x.reencoded("goavro", data, m, func() ([]byte, error) { return x.goavro.BinaryFromNative(nil, native) })
		}
	}
	if x.twmb != nil {
		var native any
		rest, err := x.twmb.Decode(data, &native)
		if err != nil || len(rest) > 0 {
			x.differ(refusal("twmb refuses a record", err), "%x: %v", data, err)
		} else if path := sameNative(x.schema, d, native, false); path != "" {
			x.differ("twmb decodes another value", "%x: %s", data, path)
		}
	}
	x.encoded(tape, p, e, v, data, m)
}

// reencoded checks that what another package encodes is what the datum's maker wrote, so that the maker can be trusted.
func (x *trial) reencoded(name string, data []byte, m *datumMaker, encode func() ([]byte, error)) {
	again, err := encode()
	if err != nil {
		x.differ(difference(name+" can't encode what it decoded"), "%x: %v", data, err)
	} else if !m.blocks && !bytes.Equal(again, data) && len(again) != len(data) { // maps come in any order
		x.differ(difference(name+" encodes other bytes"), "%x, not %x", again, data)
	}
}

// encoded checks that v is written as the bytes that it was read from.
func (x *trial) encoded(tape *serde.Tape, p *Program, e *Encoder, v serde.Value, data []byte, m *datumMaker) {
	again, err := e.Append(nil, v)
	if err != nil {
		x.differ("millrace can't encode what it decoded", "%x: %v", data, err)
		return
	}
	if bytes.Equal(again, data) {
		return
	}
	v2, err := p.Decode(tape, again)
	if err != nil {
		x.differ("millrace can't decode what it encoded", "%x: %v", again, err)
		return
	}
	want, err := v.AppendJSON(nil)
	got, err2 := v2.AppendJSON(nil)
	switch {
	case err != nil && err2 != nil: // NaN
	case !bytes.Equal(got, want) && strings.Contains(x.text, `"float"`) && strings.Contains(x.text, "["):
		x.differ("millrace encodes a float of a union as its double", "%s, not %s", got, want)
	case !bytes.Equal(got, want) && strings.Count(x.text, `"record"`) > 1 && strings.Contains(x.text, "["):
		x.differ("millrace encodes another record of a union", "%s, not %s", got, want)
	case !bytes.Equal(got, want):
		x.differ("millrace encodes another value", "%s, not %s", got, want)
	case !m.blocks && strings.Contains(x.text, "["):
		x.differ("millrace encodes another type of a union", "%x, not %x", again, data)
	case !m.blocks:
		x.differ("millrace encodes other bytes", "%x, not %x", again, data)
	}
}

// damage cuts or changes a record.
func damage(r *rand.Rand, data []byte) []byte {
	out := bytes.Clone(data)
	switch k := r.IntN(4); {
	case k == 0 && len(out) > 0:
		return out[:r.IntN(len(out))]
	case k == 1:
		return append(out, byte(r.Uint32()))
	case len(out) > 0:
		out[r.IntN(len(out))] = byte(r.Uint32())
	}
	return out
}

// damaged compares what is accepted. All of the bytes have to be a record.
func (x *trial) damaged(tape *serde.Tape, p *Program, data []byte) {
	_, err := p.Decode(tape, data)
	if x.goavro != nil {
		_, rest, err2 := x.goavro.NativeFromBinary(data)
		if err2 == nil && len(rest) > 0 {
			err2 = fmt.Errorf("%d bytes are left", len(rest))
		}
		x.verdict("goavro", data, err, err2)
	}
	if x.twmb != nil {
		var native any
		rest, err2 := x.twmb.Decode(data, &native)
		if err2 == nil && len(rest) > 0 {
			err2 = fmt.Errorf("%d bytes are left", len(rest))
		}
		x.verdict("twmb", data, err, err2)
	}
}

func (x *trial) verdict(name string, data []byte, ours, theirs error) {
	switch {
	case ours != nil && theirs == nil && name == "goavro" && strings.Contains(x.text, "big-decimal"):
		x.differ("goavro accepts: big-decimal", "%x: %v", data, ours)
	case ours != nil && theirs == nil:
		x.differ(difference(name+" accepts: "+mark(ours, "more than 5 bytes", "more than 10 bytes", "isn't UTF-8", "twice", "a block", "no time of a day", "year of a local timestamp", "out of range", "nested", "key of a map", "a boolean", "doesn't fit", "a decimal has no bytes", "limit", "scale", "digits")), "%x: %v", data, ours)
	case ours == nil && theirs != nil:
		x.differ(difference(name+" refuses: "+mark(theirs, "MaxBlock", "overflow", "duplicate", "precision", "UTF-8", "varint", "range")), "%x: %v", data, theirs)
	}
}

func mark(err error, marks ...string) string {
	for _, m := range marks {
		if strings.Contains(err.Error(), m) {
			return m
		}
	}
	return "?"
}

// sameValue compares a value with the datum that it should be. It returns where they differ, "" if they don't.
func sameValue(s *Schema, d *datum, v serde.Value) string {
	wrong := fmt.Sprintf("%s: %s is not %+v", s.title(), sample(v), *d)
	if k := kindOf(s); k != serde.Missing && v.Kind() != k && s.Logical != TimestampNanos && s.Logical != UUID {
		return wrong
	}
	var ok bool
	switch s.Logical {
	case Decimal, BigDecimal:
		text, isNumber := v.Number()
		ok = isNumber && string(text) == decimalText(d.big, d.scale)
	case UUID:
		ok = sameUUID(s, d, v)
	case Date:
		at, _ := v.Time()
		ok = at.Unix() == d.n*secondsOfDay
	case TimeMillis, TimestampMillis:
		us, _ := v.Micros()
		ok = us == d.n*1000
	case TimeMicros, TimestampMicros:
		us, _ := v.Micros()
		ok = us == d.n
	case TimestampNanos:
		us, isTimestamp := v.Micros()
		ok = isTimestamp && us*1000 == d.n && d.n%1000 == 0 || text(v) == time.Unix(0, d.n).UTC().Format("2006-01-02T15:04:05.000000000Z") && d.n%1000 != 0
	case LocalTimestampMillis:
		ok = text(v) == time.UnixMilli(d.n).UTC().Format("2006-01-02T15:04:05.999")
	case LocalTimestampMicros:
		ok = text(v) == time.UnixMicro(d.n).UTC().Format("2006-01-02T15:04:05.999999")
	case LocalTimestampNanos:
		at, err := time.Parse("2006-01-02T15:04:05.999999999", text(v))
		ok = err == nil && at.Equal(time.Unix(0, d.n))
	case Duration:
		parts, isDuration := parseDuration([]byte(text(v)))
		ok = isDuration && bytes.Equal(durationBytes(parts), d.b)
	default:
		return samePlain(s, d, v, wrong)
	}
	if !ok {
		return wrong
	}
	return ""
}

func durationBytes(parts [3]uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, parts[0])
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, parts[1]), parts[2])
}

func sameUUID(s *Schema, d *datum, v serde.Value) bool {
	u, isUUID := v.UUID()
	if s.Type == Fixed {
		return isUUID && bytes.Equal(u[:], d.b)
	}
	return isUUID && string(serde.AppendUUID(nil, u)) == string(d.b) || text(v) == string(d.b) && len(d.b) != 36
}

// decimalText is a number with all decimals of its scale.
func decimalText(n *big.Int, scale int) string {
	return new(big.Rat).SetFrac(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)).FloatString(scale)
}

func samePlain(s *Schema, d *datum, v serde.Value, wrong string) string {
	var ok bool
	switch s.Type {
	case Boolean:
		b, _ := v.Bool()
		ok = b == (d.n == 1)
	case Int, Long:
		n, isInt := v.Int64()
		ok = isInt && n == d.n
	case Float, Double:
		f, isFloat := v.Float64()
		ok = isFloat && sameFloat(f, d.f)
	case String, Bytes, Fixed:
		content, isText := v.Text()
		ok = isText && bytes.Equal(content, d.b) && (v.Kind() == serde.String) == (s.Type == String)
	case Enum:
		ok = text(v) == s.Symbols[d.n]
	case Union:
		return sameValue(s.Branches[d.branch], d.items[0], v)
	case Record, Array, Map:
		if v.Len() != len(d.items) {
			return wrong
		}
		for i, item := range d.items {
			of, part := s.Items, v.Index(i)
			switch s.Type {
			case Record:
				of, part = s.Fields[i].Type, v.Field(s.Fields[i].Name)
			case Map:
				part = v.Field(d.keys[i])
			}
			if path := sameValue(of, item, part); path != "" {
				return path
			}
		}
		return ""
	default:
		ok = v.Kind() == serde.Null
	}
	if !ok {
		return wrong
	}
	return ""
}

func sameFloat(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b
}
