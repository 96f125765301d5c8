package lines

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"

	"github.com/millrace/millrace/internal/cell"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// A csvColumn is how values of a column are written as texts.
type csvColumn struct {
	*cell.Column
	null  bool   // a value without the member has null,
	known []byte // or this text,
	bad   error  // or no row
}

func newCSVColumn(c *cell.Column) csvColumn {
	out := csvColumn{Column: c}
	switch {
	case c.Default.Exists() && !c.Default.IsNull():
		w := csvWriter{}
		if out.known, out.bad = w.append([]byte{}, c, c.Default); out.bad != nil {
			out.bad = fmt.Errorf("default: %w", out.bad)
		}
	case c.Type.Nullable:
		out.null = true
	case c.Default.Exists():
		out.bad = fmt.Errorf("default: %w", c.Refuse(c.Default, cell.OtherKind))
	default:
		out.bad = c.Absent()
	}
	return out
}

// A csvWriter writes texts. What it holds is only used during a call.
type csvWriter struct{ scratch []byte }

// append appends the text of v, which isn't null.
func (w *csvWriter) append(dst []byte, c *cell.Column, v serde.Value) ([]byte, error) {
	switch c.Type.Kind {
	case table.JSON, table.Struct, table.List, table.Map:
		return appendNested(dst, c, v)
	}
	dst, why := w.scalar(dst, c.Type, v)
	if why != cell.Taken {
		return nil, c.Refuse(v, why)
	}
	return dst, nil
}

// appendNested appends JSON, of a value as it is.
func appendNested(dst []byte, c *cell.Column, v serde.Value) ([]byte, error) {
	k, kind := v.Kind(), c.Type.Kind
	if kind == table.List && k != serde.Array || (kind == table.Struct || kind == table.Map) && k != serde.Object {
		return nil, c.Refuse(v, cell.OtherKind)
	}
	dst, err := v.AppendJSON(dst)
	if err != nil {
		return nil, c.Fail(err)
	}
	return dst, nil
}

// scalar appends a value that has no others in it. Bytes are base64; what no JSON has is written as Java reads it.
func (w *csvWriter) scalar(dst []byte, t *table.Type, v serde.Value) ([]byte, cell.Refusal) {
	switch t.Kind {
	case table.Bool:
		b, why := cell.Bool(v)
		return strconv.AppendBool(dst, b), why
	case table.Float32:
		f, why := cell.Float32(v)
		return appendFloat(dst, float64(f), 32), why
	case table.Float64:
		f, why := cell.Float64(v)
		return appendFloat(dst, f, 64), why
	case table.Decimal:
		var u cell.Unscaled
		why := u.Set(v, t.Precision, t.Scale, &w.scratch)
		if why != cell.Taken {
			return dst, why
		}
		return u.AppendText(dst, t.Scale), why
	case table.String:
		text, why := cell.Text(v, &w.scratch)
		return append(dst, text...), why
	case table.Bytes:
		b, why := cell.Bytes(v, &w.scratch)
		return base64.StdEncoding.AppendEncode(dst, b), why
	case table.Fixed:
		b, why := cell.Fixed(v, t.Size, &w.scratch)
		return base64.StdEncoding.AppendEncode(dst, b), why
	case table.UUID:
		u, why := cell.UUID(v)
		return serde.AppendUUID(dst, u), why
	}
	n, why := cell.Integer(t.Kind, v)
	if why != cell.Taken {
		return dst, why
	}
	return appendInteger(dst, t, n)
}

// appendInteger appends an integer, a date or a time by RFC 3339; a local time has no zone.
func appendInteger(dst []byte, t *table.Type, n int64) ([]byte, cell.Refusal) {
	var err error
	switch t.Kind {
	case table.Date:
		dst, err = serde.AppendDate(dst, n)
	case table.TimeMillis:
		dst, err = serde.AppendTimeOfDay(dst, n*1000)
	case table.TimeMicros:
		dst, err = serde.AppendTimeOfDay(dst, n)
	case table.TimestampMillis:
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return dst, cell.NoText
		}
		dst, err = serde.AppendTimestamp(dst, n*1000)
	case table.TimestampMicros:
		dst, err = serde.AppendTimestamp(dst, n)
	default:
		return strconv.AppendInt(dst, n, 10), cell.Taken
	}
	switch {
	case err != nil:
		return dst, cell.NoText
	case t.Local:
		dst = dst[:len(dst)-1] // Z
	}
	return dst, cell.Taken
}

func appendFloat(dst []byte, f float64, bits int) []byte {
	var err error
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case bits == 32:
		dst, err = serde.AppendFloat32(dst, float32(f))
	default:
		dst, err = serde.AppendFloat64(dst, f)
	}
	_ = err // of NaN and infinities alone
	return dst
}
