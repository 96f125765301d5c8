package jsonschema

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/millrace/millrace/serde"
)

// maxExponent bounds the exponents of numbers: numbers are compared as exact fractions, which
// for 1e1000000 would take 400 kB. No float64 has an exponent beyond 400.
const maxExponent = 400

// counts are what a document is made of.
type counts struct{ values, objects, bytes int }

// plain is v as the library takes it: numbers exact, everything that JSON has no type for as the string that AppendJSON writes.
// Names are borrowed from v.
func (n *counts) plain(v serde.Value) (any, error) {
	n.values++
	switch v.Kind() {
	case serde.Null:
		return nil, nil
	case serde.Bool:
		n.objects++
		b, _ := v.Bool()
		return b, nil
	case serde.Int64:
		i, _ := v.Int64()
		return i, nil
	case serde.Float64, serde.Decimal:
		return number(v)
	case serde.String:
		s, _ := v.Text()
		n.bytes += len(s)
		return string(s), nil
	case serde.Bytes:
		s, _ := v.Text()
		n.bytes += len(s)
		return base64.StdEncoding.EncodeToString(s), nil
	case serde.Array:
		out := make([]any, 0, v.Len())
		for e := range v.Elements() {
			x, err := n.plain(e)
			if err != nil {
				return nil, err
			}
			out = append(out, x)
		}
		return out, nil
	case serde.Object:
		n.objects++
		out := make(map[string]any, v.Len())
		for name, m := range v.Members() {
			x, err := n.plain(m)
			if err != nil {
				return nil, err
			}
			out[name] = x
			n.bytes += len(name)
		}
		return out, nil
	case serde.Missing:
		return nil, fmt.Errorf("there is no value")
	}
	s, err := v.AppendText(nil)
	return string(s), err
}

// number is a number that isn't an Int64.
func number(v serde.Value) (any, error) {
	text, ok := v.Number()
	if !ok {
		var err error
		if text, err = v.AppendJSON(nil); err != nil {
			return nil, err
		}
	}
	for i, c := range text {
		if c|0x20 != 'e' {
			continue
		}
		if e, err := strconv.Atoi(string(text[i+1:])); err != nil || e > maxExponent || e < -maxExponent {
			return nil, fmt.Errorf("a number has an exponent beyond %d", maxExponent)
		}
	}
	return json.Number(text), nil
}
