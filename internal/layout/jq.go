package layout

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A query is a jq expression that a template can write: a field, or with format the time that a field says, in UTC.
type query struct {
	names  []string
	format []element
	unit   string // of a number: "s" or "ms"
}

// parseQuery reads .a.b, .a."odd name", .a["b"], and with a time .at | strftime("%Y"), .at / 1000 | strftime("%Y") or
// .at | fromdateiso8601 | strftime("%Y"). jq's strftime counts seconds since 1970, and is in UTC (jq 1.6 manual, "Dates").
func parseQuery(text string) (query, error) {
	text = strings.TrimSpace(text)
	for strings.HasPrefix(text, "(") && closes(text) == len(text)-1 {
		text = strings.TrimSpace(text[1 : len(text)-1])
	}
	steps := split(text, '|')
	q := query{unit: "s"}
	first := strings.TrimSpace(steps[0])
	for strings.HasPrefix(first, "(") && closes(first) == len(first)-1 {
		first = strings.TrimSpace(first[1 : len(first)-1])
	}
	if before, by, ok := strings.Cut(first, "/"); ok && strings.TrimSpace(by) == "1000" && len(steps) > 1 {
		first, q.unit = strings.TrimSpace(before), "ms"
	}
	var err error
	if q.names, err = jqPath(first); err != nil {
		return q, err
	}
	steps = steps[1:]
	if len(steps) == 0 || len(steps) == 1 && strings.TrimSpace(steps[0]) == "tostring" {
		return q, nil
	}
	switch strings.TrimSpace(steps[0]) {
	case "fromdateiso8601", "fromdate", "tonumber", "floor": // which texts and fractions don't need here
		if len(steps) > 1 {
			steps = steps[1:]
		}
	}
	call := strings.TrimSpace(steps[0])
	argument, isTime := strings.CutPrefix(call, "strftime(")
	argument, closed := strings.CutSuffix(argument, ")")
	var pattern string
	if len(steps) > 1 || !isTime || !closed || json.Unmarshal([]byte(strings.TrimSpace(argument)), &pattern) != nil {
		return q, fmt.Errorf("jq %s has no counterpart in a path: a path has fields, and a field as a time by strftime; a rule can make a field of the rest", text)
	}
	q.format, err = strftime(pattern)
	return q, err
}

// jqPath reads .a.b, ."a b".c, .a["b"].
func jqPath(text string) ([]string, error) {
	wrong := fmt.Errorf("jq %s has no counterpart in a path: it isn't a field such as .a.b; a rule can make a field of it", text)
	var names []string
	rest, ok := strings.CutPrefix(text, ".")
	if !ok || rest == "" {
		return nil, wrong
	}
	for {
		var name string
		bracket := strings.HasPrefix(rest, "[\"")
		if bracket {
			rest = rest[1:]
		}
		if strings.HasPrefix(rest, `"`) {
			d := json.NewDecoder(strings.NewReader(rest))
			if d.Decode(&name) != nil || name == "" {
				return nil, wrong
			}
			rest = rest[d.InputOffset():]
			if bracket {
				if rest, ok = strings.CutPrefix(rest, "]"); !ok {
					return nil, wrong
				}
			}
		} else {
			n := 0
			for n < len(rest) && (letter(rest[n]) || rest[n] == '_' || n > 0 && rest[n] >= '0' && rest[n] <= '9') {
				n++
			}
			if name, rest = rest[:n], rest[n:]; n == 0 {
				return nil, wrong
			}
		}
		names = append(names, name)
		switch {
		case rest == "":
			return names, nil
		case strings.HasPrefix(rest, `["`):
		case strings.HasPrefix(rest, ".") && len(rest) > 1:
			rest = rest[1:]
		default:
			return nil, wrong
		}
	}
}

// strftime reads a pattern of C's strftime.
func strftime(pattern string) ([]element, error) {
	var es []element
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			es = append(es, element{text: string(pattern[i])})
			continue
		}
		i++
		if i == len(pattern) {
			return nil, fmt.Errorf("strftime(%q) ends in %%", pattern)
		}
		letters := map[byte]string{'Y': "yyyy", 'y': "yy", 'm': "MM", 'd': "dd", 'H': "HH", 'M': "mm", 'S': "ss", 'j': "DDD", 'F': "yyyy-MM-dd", 'T': "HH:mm:ss"}[pattern[i]]
		switch {
		case pattern[i] == '%':
			es = append(es, element{text: "%"})
			continue
		case letters == "":
			return nil, fmt.Errorf("strftime(%q): %%%c has no counterpart in a path", pattern, pattern[i])
		}
		more, _, err := java.elements(letters)
		if err != nil {
			return nil, err
		}
		es = append(es, more...)
	}
	return es, nil
}

// Queries reads a stream's MetadataExtractionQuery, {customer: .customer_id, year: (.at|strftime("%Y"))}, into jq expressions by id.
func Queries(text string) (map[string]string, error) {
	inside := strings.TrimSpace(text)
	if !strings.HasPrefix(inside, "{") || closes(inside) != len(inside)-1 {
		return nil, fmt.Errorf("the query %q isn't a jq object such as {customer: .customer_id}", text)
	}
	queries := map[string]string{}
	for _, entry := range split(inside[1:len(inside)-1], ',') {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		pair := split(entry, ':')
		key := strings.Trim(strings.TrimSpace(pair[0]), `"`)
		switch {
		case len(pair) == 1 && bare(key):
			queries[key] = "." + key
		case len(pair) == 2 && key != "":
			queries[key] = strings.TrimSpace(pair[1])
		default:
			return nil, fmt.Errorf("%q in the query isn't KEY: EXPRESSION", entry)
		}
	}
	return queries, nil
}

// split splits at a separator that stands in no quotes and no brackets.
func split(text string, separator byte) []string {
	var parts []string
	depth, from := 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			i = quoteEnd(text, i)
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		case c == separator && depth == 0:
			parts = append(parts, text[from:i])
			from = i + 1
		}
	}
	return append(parts, text[from:])
}

// closes is the index of the bracket that closes the one at the beginning of text, -1 if there is none.
func closes(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			i = quoteEnd(text, i)
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// quoteEnd is the index of the quote that closes the one at i, or the text's last.
func quoteEnd(text string, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(text) - 1
}
