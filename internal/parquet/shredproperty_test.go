package parquet

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// assemble builds a value of type typ again from the slots that each of its leaves has of it: JSON with members in the order of the fields, and scalars as
// valueText has them, in quotes. def and rep are the levels of what is around it.
func assemble(typ *table.Type, leaves [][]levelled, def, rep uint8) string {
	if typ.Nullable {
		def++
		if leaves[0][0].def < def {
			return "null"
		}
	}
	switch typ.Kind {
	case table.Struct:
		return assembleStruct(typ.Fields, leaves, def, rep)
	case table.List:
		var out []string
		for _, e := range elements(leaves, def, rep) {
			out = append(out, assemble(typ.Elem, e, def+1, rep+1))
		}
		return "[" + strings.Join(out, ",") + "]"
	case table.Map:
		var out []string
		for _, e := range elements(leaves, def, rep) {
			out = append(out, strconv.Quote(e[0][0].text)+":"+assemble(typ.Elem, e[1:], def+1, rep+1))
		}
		return "{" + strings.Join(out, ",") + "}"
	}
	if len(leaves) != 1 || len(leaves[0]) != 1 {
		return fmt.Sprint("not one slot of one leaf: ", leaves)
	}
	return strconv.Quote(leaves[0][0].text)
}

func assembleStruct(fields []table.Field, leaves [][]levelled, def, rep uint8) string {
	var out []string
	for i := range fields {
		n := leavesOf(&fields[i].Type)
		out = append(out, strconv.Quote(fields[i].Name)+":"+assemble(&fields[i].Type, leaves[:n], def, rep))
		leaves = leaves[n:]
	}
	return "{" + strings.Join(out, ",") + "}"
}

// elements cuts the slots of a list where an element begins.
func elements(leaves [][]levelled, def, rep uint8) (all [][][]levelled) {
	if leaves[0][0].def <= def {
		return nil
	}
	for i, slots := range leaves {
		start, n := 0, 0
		for k := 1; k <= len(slots); k++ {
			if k < len(slots) && slots[k].rep > rep+1 {
				continue
			}
			if i == 0 {
				all = append(all, make([][]levelled, len(leaves)))
			}
			all[n][i] = slots[start:k]
			start, n = k, n+1
		}
	}
	return all
}

func leavesOf(typ *table.Type) int {
	n := 0
	switch typ.Kind {
	case table.Struct:
		for i := range typ.Fields {
			n += leavesOf(&typ.Fields[i].Type)
		}
		return n
	case table.List:
		return leavesOf(typ.Elem)
	case table.Map:
		return 1 + leavesOf(typ.Elem)
	}
	return 1
}

// assembleRows builds the rows that the leaves have.
func assembleRows(s *table.Schema, leaves [][]levelled) (rows []string) {
	fields := s.Fields
	if s.Rest != "" {
		fields = append(fields[:len(fields):len(fields)], nullable(s.Rest, table.JSON))
	}
	cut := make([][][]levelled, len(leaves))
	for i, slots := range leaves {
		for k, s := range slots {
			if s.rep == 0 {
				cut[i] = append(cut[i], nil)
			}
			last := len(cut[i]) - 1
			cut[i][last] = append(cut[i][last], slots[k])
		}
	}
	for row := range cut[0] {
		var of [][]levelled
		for i := range cut {
			if len(cut[i]) != len(cut[0]) {
				return append(rows, fmt.Sprintf("leaf %d has %d rows, leaf 0 has %d", i, len(cut[i]), len(cut[0])))
			}
			of = append(of, cut[i][row])
		}
		rows = append(rows, assembleStruct(fields, of, 0, 0))
	}
	return rows
}

// spoilt is a value that no scalar column takes, and that isn't made otherwise.
const spoilt = `["spoilt"]`

// A source makes random schemas and values of them.
type source struct {
	*rand.Rand
	names int
	left  int // scalars before one that its column doesn't take; below 0: there is none
}

func (r *source) schema() *table.Schema {
	return &table.Schema{Fields: r.fields(4)}
}

func (r *source) fields(depth int) []table.Field {
	fields := make([]table.Field, 1+r.IntN(5))
	for i := range fields {
		r.names++
		fields[i] = table.Field{Name: "f" + strconv.Itoa(r.names), Type: r.typ(depth - 1)}
	}
	return fields
}

func (r *source) typ(depth int) table.Type {
	t := table.Type{Kind: table.Kind(r.IntN(int(table.Map) + 1)), Nullable: r.IntN(2) == 0}
	if depth == 0 && t.Kind >= table.Struct {
		t.Kind = table.String
	}
	switch t.Kind {
	case table.Struct:
		t.Fields = r.fields(depth)
	case table.List, table.Map:
		elem := r.typ(depth - 1)
		t.Elem = &elem
	case table.Decimal:
		t.Precision = 1 + r.IntN(maxDigits)
		t.Scale = r.IntN(t.Precision + 1)
	case table.Fixed:
		t.Size = 1 + r.IntN(20)
	}
	return t
}

// value is a value's JSON text, "" for a member that is left out, and what assemble makes of it.
func (r *source) value(t *table.Type, member bool) (text, want string) {
	if t.Nullable && r.IntN(4) == 0 {
		if member && r.IntN(2) == 0 {
			return "", "null"
		}
		return "null", "null"
	}
	switch t.Kind {
	case table.Struct:
		return r.object(t.Fields)
	case table.List, table.Map:
		return r.many(t)
	}
	if r.left--; r.left == -1 && t.Kind != table.JSON {
		return spoilt, ""
	}
	text, want = r.scalar(t)
	return text, strconv.Quote(want)
}

func (r *source) object(fields []table.Field) (text, want string) {
	texts, wants := make([]string, 0, len(fields)), make([]string, len(fields))
	for i := range fields {
		var member string
		if member, wants[i] = r.value(&fields[i].Type, true); member != "" {
			texts = append(texts, strconv.Quote(fields[i].Name)+":"+member)
		}
		wants[i] = strconv.Quote(fields[i].Name) + ":" + wants[i]
	}
	if r.IntN(4) == 0 {
		r.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
	}
	return "{" + strings.Join(texts, ",") + "}", "{" + strings.Join(wants, ",") + "}"
}

func (r *source) many(t *table.Type) (text, want string) {
	var texts, wants []string
	for i := range r.IntN(4) {
		e, w := r.value(t.Elem, false)
		if t.Kind == table.Map {
			key := fmt.Sprintf("\"%d\":", i)
			e, w = key+e, key+w
		}
		texts, wants = append(texts, e), append(wants, w)
	}
	edges := "[]"
	if t.Kind == table.Map {
		edges = "{}"
	}
	return edges[:1] + strings.Join(texts, ",") + edges[1:], edges[:1] + strings.Join(wants, ",") + edges[1:]
}

const secondsPerDay = 24 * 60 * 60

// scalar is a value in one of the forms that the column takes.
func (r *source) scalar(t *table.Type) (text, want string) {
	n := r.Int64() >> r.IntN(64)
	if r.IntN(2) == 0 {
		n = -n
	}
	micros := (n % 6e16)
	moment := time.UnixMicro(micros).UTC()
	switch t.Kind {
	case table.Bool:
		want = strconv.FormatBool(n&1 == 0)
		return want, want
	case table.Int32:
		want = strconv.Itoa(int(int32(n)))
		return want, want
	case table.Int64:
		want = strconv.FormatInt(n, 10)
		return want, want
	case table.Float32:
		f := r.Float32()
		return strconv.FormatFloat(float64(f), 'g', -1, 32), fmt.Sprint(f)
	case table.Float64:
		f := r.NormFloat64() * float64(n)
		return strconv.FormatFloat(f, 'g', -1, 64), fmt.Sprint(f)
	case table.Decimal:
		return r.decimal(t)
	case table.String:
		want = strings.Repeat("ä\"", r.IntN(3)) + strconv.FormatInt(n, 36)
		return strconv.Quote(want), want
	case table.Bytes, table.Fixed:
		b := make([]byte, r.IntN(5))
		if t.Kind == table.Fixed {
			b = make([]byte, t.Size)
		}
		for i := range b {
			b[i] = byte(r.Int())
		}
		return strconv.Quote(base64.StdEncoding.EncodeToString(b)), hex.EncodeToString(b)
	case table.UUID:
		var u [16]byte
		copy(u[:], strconv.FormatInt(n, 36))
		return strconv.Quote(string(serde.AppendUUID(nil, u))), hex.EncodeToString(u[:])
	case table.Date:
		days := moment.Unix() / secondsPerDay
		return strconv.Quote(time.Unix(days*secondsPerDay, 0).UTC().Format(time.DateOnly)), strconv.FormatInt(days, 10)
	case table.TimeMillis, table.TimeMicros, table.TimestampMillis, table.TimestampMicros:
		return r.time(t.Kind, moment)
	}
	want = fmt.Sprintf(`{"a":[%d,"\"",null]}`, n)
	return want, want
}

func (r *source) time(k table.Kind, moment time.Time) (text, want string) {
	unit := time.Microsecond
	if k == table.TimeMillis || k == table.TimestampMillis {
		unit, moment = time.Millisecond, moment.Truncate(time.Millisecond)
	}
	midnight := time.Date(moment.Year(), moment.Month(), moment.Day(), 0, 0, 0, 0, time.UTC)
	switch {
	case k <= table.TimeMicros:
		return moment.Format(`"15:04:05.999999"`), strconv.FormatInt(int64(moment.Sub(midnight)/unit), 10)
	case r.IntN(2) == 0:
		want = strconv.FormatInt(moment.UnixMicro()/unit.Microseconds(), 10)
		return want, want
	}
	zone := time.FixedZone("", (r.IntN(24*60)-12*60)*60)
	return moment.In(zone).Format(`"2006-01-02T15:04:05.999999Z07:00"`), strconv.FormatInt(moment.UnixMicro()/unit.Microseconds(), 10)
}

// decimal is a number with up to as many digits as the column has.
func (r *source) decimal(t *table.Type) (text, want string) {
	digits := make([]byte, 1+r.IntN(t.Precision))
	for i := range digits {
		digits[i] = byte('0' + r.IntN(10))
	}
	unscaled := strings.TrimLeft(string(digits), "0")
	if unscaled == "" {
		unscaled = "0"
	}
	sign := ""
	if unscaled != "0" && r.IntN(2) == 0 {
		sign = "-"
	}
	text = sign + string(serde.AppendScaled(nil, []byte(unscaled), t.Scale))
	if r.IntN(4) == 0 {
		text = sign + unscaled + "e-" + strconv.Itoa(t.Scale)
	}
	if t.Precision <= 18 {
		return text, sign + unscaled
	}
	return text, hexOf(sign+unscaled, decimalSize(t.Precision))
}

// TestShredProperty: what the leaves hold is what the values were, for random schemas; rows that fail halfway are no part of it.
func TestShredProperty(t *testing.T) {
	schemas := 3000
	if raced {
		schemas = 300
	}
	r, failed := &source{Rand: rand.New(rand.NewPCG(1, 2))}, 0
	for range schemas {
		s := r.schema()
		sh := trialShredder(t, s)
		var want []string
		for range 1 + r.IntN(8) {
			r.left = r.IntN(10) - 5
			text, w := r.object(s.Fields)
			err := sh.row(fromJSON(t, text)(serde.NewTape()))
			switch bad := strings.Contains(text, spoilt); {
			case bad && err == nil, !bad && err != nil:
				t.Fatalf("%s: %v", text, err)
			case bad:
				failed++
				for i := range sh.leaves { // as a file does
					sh.leaves[i].undo(len(want))
				}
				continue
			}
			want = append(want, w)
		}
		leaves := make([][]levelled, len(sh.leaves))
		for i := range sh.leaves {
			leaves[i] = slotsOf(&sh.leaves[i])
		}
		sameRows(t, assembleRows(s, leaves), want)
	}
	if failed < schemas/4 {
		t.Errorf("only %d rows of %d schemas failed", failed, schemas)
	}
}

func sameRows(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows; want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("row %d:\n%s; want\n%s", i, got[i], want[i])
		}
	}
}
