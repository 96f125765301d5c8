package jsonschema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	lib "github.com/santhosh-tekuri/jsonschema/v6"
)

// fewMembers is the size of an enum from which on it is a set: the library compares with one member after the other.
const fewMembers = 16

// members are an enum's members.
type members struct {
	scalars map[any]bool // strings, bools, nil, and numbers as fraction
	others  []any        // arrays and objects
}

// fraction is a number's exact value in lowest terms. Equal numbers have equal fractions.
type fraction string

var errNotInEnum = errors.New("not in enum")

// newMembers is nil for an enum that the library may check itself.
func newMembers(e *lib.Enum) *members {
	if e == nil || len(e.Values) < fewMembers {
		return nil
	}
	m := &members{scalars: make(map[any]bool, len(e.Values))}
	for _, v := range e.Values {
		switch v.(type) {
		case []any, map[string]any:
			m.others = append(m.others, v)
		default:
			m.scalars[scalar(v)] = true
		}
	}
	return m
}

func scalar(v any) any {
	switch v.(type) {
	case int64, json.Number:
		r, ok := new(big.Rat).SetString(fmt.Sprint(v))
		if !ok {
			return nil
		}
		return fraction(r.RatString())
	}
	return v
}

func (m *members) has(v any) bool {
	switch v.(type) {
	case []any, map[string]any:
		for _, x := range m.others {
			if equal(v, x) {
				return true
			}
		}
		return false
	}
	return m.scalars[scalar(v)]
}

// equal compares by value: 1 and 1.0 are the same.
func equal(a, b any) bool {
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, x := range a {
			if y, ok := b[k]; !ok || !equal(x, y) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case []any, map[string]any:
		return false
	}
	return scalar(a) == scalar(b)
}
