package template

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
)

// An Error says what is wrong with the text of a template, and where.
type Error struct {
	Text   string // the template
	At     int    // byte in Text
	Reason string
}

// Error is the reason, and under it the text with a caret at the place.
func (e *Error) Error() string {
	column := utf8.RuneCountInString(e.Text[:min(e.At, len(e.Text))])
	return e.Reason + "\n  " + e.Text + "\n  " + strings.Repeat(" ", column) + "^"
}

// maxText bounds a template's text: it is a setting, not data.
const maxText = 4096

// Compile reads a template. Its errors are of type *Error.
func Compile(text string, o Options) (*Template, error) {
	if o.Path {
		if o.Null == "" {
			o.Null = NullSegment
		}
		if err := checkNull(o.Null); err != nil {
			return nil, err
		}
		if o.Escape == nil {
			o.Escape = escapeBut(o.Null)
		}
	}
	t := &Template{text: text, opts: o}
	if len(text) > maxText {
		return nil, &Error{Text: text[:40] + "...", At: 40, Reason: fmt.Sprintf("a template of %d bytes is too long: at most %d", len(text), maxText)}
	}
	if o.Time != nil {
		c, err := newClock(*o.Time)
		if err != nil {
			return nil, err
		}
		t.clock = c
	}
	if err := t.parse(); err != nil {
		return nil, err
	}
	if o.Path {
		if err := t.checkPath(); err != nil {
			return nil, err
		}
	}
	t.static, t.timed, t.unit = true, true, time.Hour
	for i := range t.parts {
		p := &t.parts[i]
		kind := p.kind
		if kind == hash && p.of != nil {
			kind = p.of.parts[0].kind
		}
		switch kind {
		case literal, topic, partition, connectorName, position, hash:
		case timeOf:
			t.static, t.unit = false, min(t.unit, p.pattern.unit())
		default:
			t.static, t.timed = false, false
		}
	}
	t.unit = t.clock.steps(t.unit)
	return t, nil
}

func (t *Template) parse() error {
	var text []byte
	flush := func() {
		if len(text) > 0 {
			t.parts = append(t.parts, part{kind: literal, text: text})
			text = nil
		}
	}
	s := t.text
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(s) && s[i+1] == c:
			text = append(text, c)
			i += 2
		case c == '}':
			return t.errorAt(i, "this brace closes nothing; write }} for a brace")
		case c == '{':
			end := closing(s, i+1)
			if end < 0 {
				return t.errorAt(i, "this brace isn't closed; write {{ for a brace")
			}
			flush()
			p, err := t.parseField(s[i+1:end], i+1)
			if err != nil {
				return err
			}
			t.parts = append(t.parts, p)
			i = end + 1
		default:
			text = append(text, c)
			i++
		}
	}
	flush()
	return nil
}

// closing is the index of the brace that closes a field whose text begins at i, or -1. Braces
// between quotes (double ones in a path, single ones in a time pattern) do not count.
func closing(s string, i int) int {
	var quote byte
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == '\\' && quote == '"':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '}':
			return i
		case c == '{':
			return -1
		}
	}
	return -1
}

func (t *Template) parseField(field string, pos int) (part, error) {
	name, format, formatted := cutFormat(field)
	root, rest := cutRoot(name)
	p := part{field: field}
	var err error
	switch root {
	case "topic":
		p.kind = topic
	case "connector":
		p.kind = connectorName
	case "id":
		p.kind = id
	case "partition":
		p.kind = partition
	case "offset":
		p.kind = offset
	case "timestamp":
		p.kind = timestamp
	case "key", "value":
		p.kind = key
		if root == "value" {
			p.kind = value
		}
		if rest != "" {
			p.path, err = compilePath(rest)
			if err != nil {
				return p, t.errorAt(pos, "{%s}: %v", field, err)
			}
		}
	case "header":
		p.kind = header
		p.header, err = headerName(rest)
		if err != nil {
			return p, t.errorAt(pos, "{%s}: %v", field, err)
		}
	case "time":
		if t.opts.Time == nil {
			return p, t.errorAt(pos, "{time} can't stand here: %s", t.allowed())
		}
		p.kind = timeOf
		p.pattern, err = compilePattern(format)
		if err != nil {
			return p, t.errorAt(pos+len("time:"), "{%s}: %v", field, err)
		}
	case "position":
		if !t.opts.Position {
			return p, t.errorAt(pos, "{position} can't stand here: %s", t.allowed())
		}
		p.kind = position
	case "hash":
		p.kind = hash
		if err := t.parseHash(&p, format); err != nil {
			return p, t.errorAt(pos, "{%s}: %v", field, err)
		}
	default:
		return p, t.errorAt(pos, "there is no {%s}: %s", name, t.allowed())
	}
	switch p.kind {
	case key, value, header:
	default:
		if rest != "" {
			return p, t.errorAt(pos+len(root), "{%s}: %s has no fields", field, root)
		}
	}
	switch p.kind {
	case timeOf, hash:
	case partition, offset, timestamp, position:
		if formatted {
			p.width, err = parseWidth(format)
		}
	default:
		if formatted {
			err = fmt.Errorf("%s takes no format", root)
		}
	}
	if err != nil {
		return p, t.errorAt(pos+len(name), "{%s}: %v", field, err)
	}
	return p, nil
}

// allowed lists what a template with these options can hold.
func (t *Template) allowed() string {
	list := `it can hold {topic}, {partition}, {offset}, {key}, {value}, {value.NAME}, {header.NAME}, {timestamp}, {connector}, {id}`
	if t.opts.Time != nil {
		list += `, {time:yyyy-MM-dd}`
	}
	if t.opts.Position {
		list += `, {position:%010d}, {hash:2}`
	}
	return list
}

func (t *Template) errorAt(at int, format string, args ...any) error {
	return &Error{Text: t.text, At: at, Reason: fmt.Sprintf(format, args...)}
}

// cutFormat cuts a field at its first colon that isn't quoted.
func cutFormat(field string) (name, format string, found bool) {
	quoted := false
	for i := 0; i < len(field); i++ {
		switch field[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case ':':
			if !quoted {
				return field[:i], field[i+1:], true
			}
		}
	}
	return field, "", false
}

// cutRoot cuts value.a.b into value and .a.b.
func cutRoot(name string) (root, rest string) {
	if i := strings.IndexAny(name, ".["); i >= 0 {
		return name[:i], name[i:]
	}
	return name, ""
}

// compilePath reads what follows a root: .a.b or [0].c or ["odd name"].
func compilePath(rest string) (*serde.Path, error) {
	if rest == "." {
		return nil, fmt.Errorf("a name is missing after the dot")
	}
	return serde.CompilePath(strings.TrimPrefix(rest, "."))
}

// headerName reads what follows header: .NAME or ["NAME"].
func headerName(rest string) (string, error) {
	if name, ok := strings.CutPrefix(rest, "."); ok && name != "" {
		return name, nil
	}
	if strings.HasPrefix(rest, "[") && strings.HasSuffix(rest, "]") {
		if name, err := strconv.Unquote(rest[1 : len(rest)-1]); err == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf(`a header is written {header.NAME} or {header["odd name"]}`)
}

// parseWidth reads %d or %0Nd.
func parseWidth(format string) (int, error) {
	digits, ok := strings.CutPrefix(format, "%")
	if ok {
		digits, ok = strings.CutSuffix(digits, "d")
	}
	if ok && digits == "" {
		return 0, nil
	}
	if ok && digits[0] == '0' {
		if n, err := strconv.ParseUint(digits, 10, 8); err == nil && n <= 40 {
			return int(n), nil
		}
	}
	return 0, fmt.Errorf("a number's format is %%d or a width such as %%010d, at most %%040d")
}
