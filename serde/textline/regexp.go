package textline

import (
	"fmt"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/millrace/millrace/serde/column"
)

// An expression is a regular expression with named groups, each of which is a member.
type expression struct {
	compiled *regexp.Regexp
	groups   []column.Column
	nulls    []string
}

func newExpression(text string, nulls []string) (*expression, error) {
	if n := utf8.RuneCountInString(text); n > maxRegexp {
		return nil, fmt.Errorf("it has %d characters; at most %d are possible", n, maxRegexp)
	}
	if _, err := regexp.Compile(text); err != nil { // as it was written: it may close the group around it below
		return nil, err
	}
	compiled, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		return nil, err
	}
	e := &expression{compiled: compiled, nulls: slices.Clone(nulls)}
	for i, name := range compiled.SubexpNames()[1:] {
		if name == "" {
			return nil, fmt.Errorf("group %d has no name; write (?P<name>...) for a member, or (?:...) to group only", i+1)
		}
		if compiled.SubexpIndex(name) != i+1 {
			return nil, fmt.Errorf("two groups have the name %s", name)
		}
		e.groups = append(e.groups, column.Column{Name: name})
	}
	if len(e.groups) == 0 {
		return nil, fmt.Errorf(`%q has no groups; a member is written (?P<name>\S+)`, text)
	}
	return e, nil
}

func (e *expression) columns() []column.Column { return e.groups }
func (e *expression) members(int) int          { return 0 }

func (e *expression) read(l *line) error {
	at := e.compiled.FindSubmatchIndex(l.text)
	if at == nil {
		return fmt.Errorf("the line doesn't match; it begins with %s", column.Shape(l.text))
	}
	for i := range e.groups {
		from, to := at[2*i+2], at[2*i+3]
		if from < 0 || slices.Contains(e.nulls, string(l.text[from:to])) {
			l.row.Null(i)
			continue
		}
		if err := l.field(i, from, to); err != nil {
			return err
		}
	}
	return nil
}
