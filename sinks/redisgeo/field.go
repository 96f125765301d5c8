package redisgeo

import (
	"fmt"
	"math"
	"strconv"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/rule"
	"github.com/millrace/millrace/serde"
)

// Redis refuses positions outside of these degrees (EPSG:3857; GEOADD's reference page).
const (
	maxLongitude = 180
	maxLatitude  = 85.05112878
)

// A field is a setting that takes its value from each record by an expression.
type field struct {
	name string
	expr *rule.Expr
}

func newField(name, text string) (*field, error) {
	expr, err := rule.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &field{name, expr}, nil
}

// of is the field's value in the i-th record.
func (f *field) of(b *connector.Batch, i int) (serde.Value, error) {
	v, err := f.expr.Value(b, i)
	if err != nil {
		err = fmt.Errorf("%s: %w", f.name, err)
	}
	return v, err
}

// appendName appends a member's name.
func (f *field) appendName(dst []byte, b *connector.Batch, i int) ([]byte, error) {
	v, err := f.of(b, i)
	if err != nil {
		return dst, err
	}
	if text, ok := v.Text(); ok {
		if len(text) == 0 {
			return dst, f.problem("is empty")
		}
		return append(dst, text...), nil
	}
	switch v.Kind() {
	case serde.Int64, serde.UUID:
		return v.AppendText(dst)
	}
	return dst, f.unusable(v, "a text or an integer")
}

// appendDegrees appends a longitude or latitude as Redis reads it: the text of the JSON number, as it came.
func (f *field) appendDegrees(dst []byte, limit float64, b *connector.Batch, i int) ([]byte, error) {
	v, err := f.of(b, i)
	if err != nil {
		return dst, err
	}
	degrees, ok := v.Float64()
	switch {
	case !ok && v.Kind() == serde.String:
		return dst, f.unusable(v, "a number without quotes; a map rule can convert it")
	case !ok && v.Kind() != serde.Decimal:
		return dst, f.unusable(v, "a number")
	case !ok || !(degrees >= -limit && degrees <= limit): // NaN is neither
		return dst, f.problem("is %s; Redis takes %s to %s", show(v), number(-limit), number(limit))
	case degrees == 0:
		return append(dst, '0'), nil // what underflows to 0, such as 1e-400, isn't a number to Redis
	}
	out, err := v.AppendJSON(dst)
	if err != nil || len(out)-len(dst) > maxNumber {
		out = strconv.AppendFloat(dst, degrees, 'g', -1, 64)
	}
	return out, nil
}

// maxNumber is the length of a number's text up to which it goes to Redis as it is: 17 digits are all that count.
const maxNumber = 40

// order is the version of a record, for records that other partitions hold too.
func (f *field) order(b *connector.Batch, i int) (int64, error) {
	v, err := f.of(b, i)
	if err != nil {
		return 0, err
	}
	if n, ok := v.Int64(); ok {
		return n, nil
	}
	if v.Kind() == serde.Timestamp {
		t, _ := v.Time()
		return t.UnixMicro(), nil
	}
	return 0, f.unusable(v, "an integer or a timestamp")
}

func (f *field) problem(format string, args ...any) error {
	return fmt.Errorf("%s (%s) %s", f.name, f.expr, fmt.Sprintf(format, args...))
}

func (f *field) unusable(v serde.Value, want string) error {
	switch v.Kind() {
	case serde.Missing:
		return f.problem("is missing")
	case serde.Null:
		return f.problem("is null")
	}
	return f.problem("is %s; want %s", show(v), want)
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// maxShown bounds what of a value stands in a message.
const maxShown = 64

// show describes a value that can't be used.
func show(v serde.Value) string {
	switch v.Kind() {
	case serde.Array, serde.Object, serde.Bytes:
		return "of kind " + v.Kind().String()
	}
	if f, ok := v.Float64(); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return number(f)
	}
	text, err := v.AppendJSON(nil)
	if err != nil {
		return "of kind " + v.Kind().String()
	}
	if len(text) > maxShown {
		text = append(text[:maxShown:maxShown], "..."...)
	}
	if v.Kind() == serde.String {
		return "the text " + string(text)
	}
	return string(text)
}
