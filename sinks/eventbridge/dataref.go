package eventbridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// A part is the place in the detail whose content can be kept in S3: oversize.s3.field.
type part struct {
	field string      // as it is set
	path  *serde.Path // below the record's value
	names []string    // the members that path leads through; none: the value itself
	json  string      // its JSONPath in the event, as JSON
}

func (c Config) part() (part, error) {
	p := part{field: c.Oversize.S3.Field}
	err := p.compile(c.Detail == detailRecord)
	if err != nil {
		return p, fmt.Errorf("oversize.s3.field: %w", err)
	}
	return p, nil
}

func (p *part) compile(record bool) error {
	rest, ok := strings.CutPrefix(p.field, "value")
	if !ok || rest != "" && rest[0] != '.' && rest[0] != '[' {
		return fmt.Errorf("%q isn't in the value; write value or value.NAME", p.field)
	}
	var err error
	if p.path, err = serde.CompilePath(strings.TrimPrefix(rest, ".")); err != nil {
		return err
	}
	where := "$.detail"
	if record {
		where += ".value"
	}
	for rest != "" {
		var name string
		if rest[0] == '[' {
			if name, rest, err = quotedName(rest); err != nil {
				return err
			}
			where += "['" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(name) + "']"
		} else {
			name, rest = dottedName(rest)
			where += "." + name
		}
		p.names = append(p.names, name)
	}
	text, err := serde.AppendString(nil, []byte(where))
	p.json = string(text)
	return err
}

// dottedName takes the first step from a path that CompilePath took, .a from .a.b.
func dottedName(path string) (name, rest string) {
	path = path[1:]
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// quotedName takes the first step from a path that CompilePath took, ["a b"] or ['a b'].
func quotedName(path string) (name, rest string, err error) {
	switch path[1] {
	case '\'':
		name, rest, _ = strings.Cut(path[2:], "'")
		return name, rest[1:], nil
	case '"':
		d := json.NewDecoder(strings.NewReader(path[1:]))
		if err = d.Decode(&name); err != nil {
			return "", "", err
		}
		return name, path[1+d.InputOffset()+1:], nil
	}
	return "", "", errors.New("an element of an array can't be kept in S3: the elements behind it would move; name the array")
}

// of is the i-th record's part, Missing where there is none.
func (p *part) of(b *connector.Batch, i int) serde.Value { return b.At(i).Value.Get(p.path) }

// in reports whether the i-th record has a part to be kept in S3.
func (p *part) in(b *connector.Batch, i int) bool { return !p.of(b, i).IsNull() }

// appendRef appends the members that stand for the part, as the open-source connector has them.
func (p *part) appendRef(dst []byte, arn string) ([]byte, error) {
	dst, err := serde.AppendString(append(dst, `"dataref":`...), []byte(arn))
	if err != nil {
		return nil, fmt.Errorf("oversize.s3.prefix: %w", err)
	}
	return append(append(dst, `,"datarefJsonPath":`...), p.json...), nil
}

// appendWithout appends an object without the member that names lead to, which is there.
func appendWithout(dst []byte, v serde.Value, names []string) ([]byte, error) {
	dst = append(dst, '{')
	for name, m := range v.Members() {
		if name == names[0] && len(names) == 1 {
			continue
		}
		var err error
		if dst, err = serde.AppendString(separated(dst), []byte(name)); err != nil {
			return nil, err
		}
		dst = append(dst, ':')
		if name == names[0] {
			dst, err = appendWithout(dst, m, names[1:])
		} else {
			dst, err = m.AppendJSON(dst)
		}
		if err != nil {
			return nil, fmt.Errorf("member %.100q: %w", name, err)
		}
	}
	return append(dst, '}'), nil
}
