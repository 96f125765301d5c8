package dynamodb

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A setPath is a name in the setting sets, with what is below it. nil has nothing below it.
type setPath struct {
	name  string
	set   bool // the path ends here
	below []*setPath
}

// setPaths reads the setting sets. The result stands for the item itself; it is nil without sets.
func setPaths(paths []string) (*setPath, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	root := &setPath{}
	for _, text := range paths {
		names, err := splitPath(text)
		if err != nil {
			return nil, fmt.Errorf("sets: the path %q: %w", text, err)
		}
		if err := root.add(names); err != nil {
			return nil, fmt.Errorf("sets: the path %q: %w", text, err)
		}
	}
	return root, nil
}

func (p *setPath) add(names []string) error {
	for _, name := range names {
		next := p.at(name)
		if next == nil {
			next = &setPath{name: name}
			p.below = append(p.below, next)
		}
		if next.set {
			return errors.New("stands in the list twice, or is inside of a set")
		}
		p = next
	}
	if len(p.below) > 0 {
		return errors.New("leads to a set, but another path leads inside of it")
	}
	p.set = true
	return nil
}

// at is what lies below a name, nil if nothing does.
func (p *setPath) at(name string) *setPath {
	if p == nil {
		return nil
	}
	for _, b := range p.below {
		if b.name == name {
			return b
		}
	}
	return nil
}

// splitPath reads a path of names: tags, meta.tags, meta["odd name"].tags.
func splitPath(text string) ([]string, error) {
	var names []string
	for rest := text; ; {
		var name string
		var err error
		if name, rest, err = nextName(rest); err != nil {
			return nil, err
		}
		names = append(names, name)
		switch {
		case rest == "":
			return names, nil
		case rest[0] == '.':
			rest = rest[1:]
		case rest[0] != '[':
			return nil, fmt.Errorf("expected . or [ before %q", rest)
		}
	}
}

func nextName(s string) (name, rest string, err error) {
	if quoted, ok := strings.CutPrefix(s, "["); ok {
		text, err := strconv.QuotedPrefix(quoted)
		if err != nil {
			return "", "", errors.New(`expected a name in quotes, such as ["odd name"]; lists are passed through without an index`)
		}
		if rest, ok = strings.CutPrefix(quoted[len(text):], "]"); !ok {
			return "", "", errors.New("a bracket isn't closed")
		}
		if name, err = strconv.Unquote(text); err != nil || name == "" {
			return "", "", errors.New("a name in brackets is empty or no text")
		}
		return name, rest, nil
	}
	end := strings.IndexAny(s, ".[")
	if end < 0 {
		end = len(s)
	}
	if end == 0 {
		return "", "", errors.New("a name is empty")
	}
	return s[:end], s[end:], nil
}

// A pathError is what is wrong with a value inside of an item. Its steps lead there, the last one first.
type pathError struct {
	steps []string
	err   error
}

func (e *pathError) Error() string {
	steps := slices.Clone(e.steps)
	slices.Reverse(steps)
	return "attribute " + strings.TrimPrefix(strings.Join(steps, ""), ".") + " " + e.err.Error()
}

func (e *pathError) Unwrap() error { return e.err }

// inMember says that an error is of the member of that name. The name is cloned.
func inMember(name string, err error) error { return within(memberStep(name), err) }

func inElement(i int, err error) error { return within("["+strconv.Itoa(i)+"]", err) }

func within(step string, err error) error {
	if p, ok := errors.AsType[*pathError](err); ok {
		p.steps = append(p.steps, step)
		return p
	}
	return &pathError{steps: []string{step}, err: err}
}

// memberStep is a name as paths show it: .name, or ["odd name"].
func memberStep(name string) string {
	const most = 64
	bare := name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-' })
	if len(name) > most {
		name, bare = strings.ToValidUTF8(name[:most], "")+"...", false
	}
	if bare {
		return "." + name
	}
	return "[" + strconv.Quote(name) + "]"
}

// problem is what is wrong with a value, as a message goes on behind its path: "attribute a.b is ...".
func problem(format string, args ...any) error { return fmt.Errorf(format, args...) }
