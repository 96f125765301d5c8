package config

import (
	"encoding/json"
	"strings"
)

// appendJSON appends a node as JSON, for settings with kind:"json", which may be written as a map: JSON is YAML. A scalar without quotes is a number, true or false
// where JSON has it so, and a text otherwise. Texts take the environment.
func (d *decoder) appendJSON(dst []byte, n *node, what string) ([]byte, bool) {
	switch n.kind {
	case null:
		return append(dst, "null"...), true
	case list:
		ok := true
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			var done bool
			dst, done = d.appendJSON(dst, item, what)
			ok = ok && done
		}
		return append(dst, ']'), ok
	case mapping:
		ok := true
		dst = append(dst, '{')
		for i, f := range n.fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			var done bool
			dst, done = d.appendJSON(append(appendQuoted(dst, f.name), ':'), f.value, what)
			ok = ok && done
		}
		return append(dst, '}'), ok
	}
	if !strings.HasPrefix(n.raw, `"`) && !strings.HasPrefix(n.raw, "'") && json.Valid([]byte(n.text)) {
		return append(dst, n.text...), true
	}
	text, err := d.env.expand(n.text)
	if err != nil {
		d.problems.add(n.at, "%s: %v", what, err)
	}
	return appendQuoted(dst, text), err == nil
}

func appendQuoted(dst []byte, text string) []byte {
	quoted, _ := json.Marshal(text) // a string can be marshaled
	return append(dst, quoted...)
}
