package serde_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"testing"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
)

// A tree is a value as the oracle sees it: nil, bool, json.Number, string, []tree or []field.
type tree any

type field struct {
	name  string
	value tree
}

// oracle parses src by encoding/json, which is lax about invalid UTF-8, lone surrogates
// and names that come twice: those are refused here.
func oracle(src []byte) (tree, error) {
	switch {
	case !json.Valid(src):
		return nil, errors.New("not JSON")
	case !utf8.Valid(src):
		return nil, errors.New("not UTF-8")
	case loneSurrogate(src):
		return nil, errors.New("lone surrogate")
	}
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	v, err := oracleValue(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

func oracleValue(d *json.Decoder) (tree, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		elements := []tree{}
		for d.More() {
			v, err := oracleValue(d)
			if err != nil {
				return nil, err
			}
			elements = append(elements, v)
		}
		_, err := d.Token()
		return elements, err
	case json.Delim('{'):
		fields, seen := []field{}, map[string]bool{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			if seen[name.(string)] {
				return nil, fmt.Errorf("%q comes twice", name)
			}
			seen[name.(string)] = true
			v, err := oracleValue(d)
			if err != nil {
				return nil, err
			}
			fields = append(fields, field{name.(string), v})
		}
		_, err := d.Token()
		return fields, err
	}
	return token, nil
}

// loneSurrogate looks through valid JSON.
func loneSurrogate(src []byte) bool {
	high := false // an escape of a high surrogate ended right before i
	for i := 0; i < len(src); i++ {
		if src[i] != '\\' {
			if high {
				return true
			}
			continue
		}
		i++
		if src[i] != 'u' {
			if high {
				return true
			}
			continue
		}
		u, err := strconv.ParseUint(string(src[i+1:i+5]), 16, 16)
		if err != nil {
			return true
		}
		i += 4
		switch low := u >= 0xDC00 && u <= 0xDFFF; {
		case high != low:
			return true
		case high:
			high = false
		default:
			high = u >= 0xD800 && u <= 0xDBFF
		}
	}
	return high
}

// same says in which way v isn't want, "" if it is.
func same(v serde.Value, want tree) string {
	switch want := want.(type) {
	case nil:
		if v.Kind() != serde.Null {
			return fmt.Sprintf("got %s, want null", v.Kind())
		}
	case bool:
		if b, ok := v.Bool(); !ok || b != want {
			return fmt.Sprintf("got %s %v, want %v", v.Kind(), b, want)
		}
	case string:
		if s, ok := v.Text(); !ok || string(s) != want || v.Len() != len(want) {
			return fmt.Sprintf("got %s %q, want %q", v.Kind(), s, want)
		}
	case json.Number:
		return sameNumber(v, want)
	case []tree:
		if v.Kind() != serde.Array || v.Len() != len(want) {
			return fmt.Sprintf("got %s of %d, want an array of %d", v.Kind(), v.Len(), len(want))
		}
		i := 0
		for e := range v.Elements() {
			if s := same(e, want[i]); s != "" {
				return fmt.Sprintf("[%d]: %s", i, s)
			}
			i++
		}
		if i != len(want) {
			return fmt.Sprintf("%d elements visited, want %d", i, len(want))
		}
		if i > 0 && (same(v.Index(-1), want[i-1]) != "" || same(v.Index(0), want[0]) != "") {
			return "Index gives another element than Elements"
		}
		if v.Index(i).Exists() || v.Index(-i-1).Exists() {
			return "an element beyond the end"
		}
	case []field:
		if v.Kind() != serde.Object || v.Len() != len(want) {
			return fmt.Sprintf("got %s of %d, want an object of %d", v.Kind(), v.Len(), len(want))
		}
		i := 0
		for name, m := range v.Members() {
			if name != want[i].name {
				return fmt.Sprintf("member %d is %q, want %q", i, name, want[i].name)
			}
			if s := same(m, want[i].value); s != "" {
				return fmt.Sprintf(".%s: %s", name, s)
			}
			if i < 50 && v.Field(name) != m {
				return fmt.Sprintf("Field(%q) isn't the member", name)
			}
			i++
		}
		if i != len(want) {
			return fmt.Sprintf("%d members visited, want %d", i, len(want))
		}
	}
	return ""
}

func sameNumber(v serde.Value, want json.Number) string {
	f, ok := v.Float64()
	wantF, err := want.Float64()
	if ok != (err == nil) || ok && f != wantF {
		return fmt.Sprintf("%s: Float64 is %v %v, want %v %v", want, f, ok, wantF, err)
	}
	n, isInt := v.Int64()
	wantN, err := want.Int64()
	if err == nil && (!isInt || n != wantN) {
		return fmt.Sprintf("%s: Int64 is %v %v, want %v", want, n, isInt, wantN)
	}
	if text, ok := v.Number(); ok && string(text) != want.String() {
		return fmt.Sprintf("Number is %s, want %s", text, want)
	}
	switch exact, isDecimal := rational(want.String()); v.Kind() {
	case serde.Int64:
		if err != nil {
			return fmt.Sprintf("%s is an Int64", want)
		}
	case serde.Float64:
		if isDecimal && !shortest(exact, f) {
			return fmt.Sprintf("%s is a Float64, but %v isn't the same number", want, f)
		}
	case serde.Decimal:
		if isDecimal && err == nil {
			return fmt.Sprintf("%s is a Decimal, want an Int64", want)
		}
	default:
		return fmt.Sprintf("%s is a %s", want, v.Kind())
	}
	return ""
}

// check parses src on t and compares the result with the oracle's; then it writes, rebuilds and
// clones the value, and compares those.
func check(t *testing.T, tape *serde.Tape, src []byte) {
	t.Helper()
	want, wantErr := oracle(src)
	v, err := tape.JSON(src, serde.Limits{Depth: 10_000, NumberLen: 1 << 20})
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%.300q: error %v, the oracle says %v", src, err, wantErr)
	}
	if err != nil {
		var syntax *serde.SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(src) || v.Exists() {
			t.Fatalf("%.300q: bad error %#v", src, err)
		}
		return
	}
	if s := same(v, want); s != "" {
		t.Fatalf("%.300q: %s", src, s)
	}
	other := serde.NewTape()
	for what, w := range map[string]serde.Value{
		"clone": tape.Clone(v), "clone elsewhere": other.Clone(v),
		"rebuilt": rebuild(tape, v), "rebuilt elsewhere": rebuild(other, v), "clone of rebuilt": other.Clone(rebuild(tape, v)),
	} {
		if s := same(w, want); s != "" {
			t.Fatalf("%.300q, %s: %s", src, what, s)
		}
		checkWritten(t, what, w, want)
	}
	checkWritten(t, "parsed", v, want)
}

func checkWritten(t *testing.T, what string, v serde.Value, want tree) {
	t.Helper()
	out, err := v.AppendJSON([]byte("before"))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	out, ok := bytes.CutPrefix(out, []byte("before"))
	if !ok || bytes.ContainsAny(out, "\n\r") {
		t.Fatalf("%s: written as %.300q", what, out)
	}
	back, err := serde.NewTape().JSON(out, serde.Limits{Depth: 10_000, NumberLen: 1 << 20})
	if err != nil {
		t.Fatalf("%s: written as %.300q: %v", what, out, err)
	}
	if s := same(back, want); s != "" {
		t.Fatalf("%s: written as %.300q: %s", what, out, s)
	}
}

// rebuild makes containers like v's of v's leaves, level by level.
func rebuild(t *serde.Tape, v serde.Value) serde.Value {
	switch v.Kind() {
	case serde.Array:
		var values []serde.Value
		for e := range v.Elements() {
			values = append(values, rebuild(t, e))
		}
		return t.Array(values)
	case serde.Object:
		var names []string
		var values []serde.Value
		for name, m := range v.Members() {
			names, values = append(names, name), append(values, rebuild(t, m))
		}
		return t.Object(names, values)
	}
	return v
}
