package table

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ParseHiveType reads a type. It knows how types are written, but not which there are. Texts that are too long or nested too deep are errors.
func ParseHiveType(text string) (HiveType, error) {
	if len(text) > maxHiveType {
		return HiveType{}, fmt.Errorf("hive type: it has %d bytes, at most %d are allowed", len(text), maxHiveType)
	}
	p := hiveParser{text: text}
	t, err := p.parse(0)
	if err == nil && p.skip() < len(text) {
		err = p.unexpected("the end")
	}
	if err != nil {
		return HiveType{}, fmt.Errorf("hive type %.100q: %w", text, err)
	}
	return t, nil
}

// A hiveParser reads a type from left to right.
type hiveParser struct {
	text string
	at   int
}

func (p *hiveParser) parse(depth int) (HiveType, error) {
	if depth > maxTypeDepth {
		return HiveType{}, fmt.Errorf("types are nested more than %d deep", maxTypeDepth)
	}
	t := HiveType{Name: p.name()}
	if t.Name == "" {
		return t, p.unexpected("the name of a type")
	}
	switch {
	case p.next('('):
		for {
			n, err := p.number()
			if err != nil {
				return t, err
			}
			t.Args = append(t.Args, n)
			if !p.next(',') {
				return t, p.expect(')')
			}
		}
	case p.next('<'):
		for {
			m, err := p.member(t.Name == hiveStruct, depth)
			if err != nil {
				return t, err
			}
			t.Members = append(t.Members, m)
			if !p.next(',') {
				return t, p.expect('>')
			}
		}
	}
	return t, nil
}

func (p *hiveParser) member(named bool, depth int) (m HiveMember, err error) {
	if named {
		if m.Name, err = p.memberName(); err != nil {
			return m, err
		}
		if err = p.expect(':'); err != nil {
			return m, err
		}
	}
	if m.Type, err = p.parse(depth + 1); err != nil {
		return m, err
	}
	if named && p.atComment() {
		p.at += len(comment)
		p.skip()
		m.Comment, err = p.quoted()
	}
	return m, err
}

const (
	spaces     = " \t\r\n"
	endsOfName = ":<>,"    // of a struct's member
	comment    = "comment" // stands before a text in quotes
)

// skip goes to the next character that isn't a space.
func (p *hiveParser) skip() int {
	for p.at < len(p.text) && strings.IndexByte(spaces, p.text[p.at]) >= 0 {
		p.at++
	}
	return p.at
}

// next reports whether c is next, and takes it.
func (p *hiveParser) next(c byte) bool {
	if p.skip() == len(p.text) || p.text[p.at] != c {
		return false
	}
	p.at++
	return true
}

func (p *hiveParser) expect(c byte) error {
	if !p.next(c) {
		return p.unexpected(fmt.Sprintf("%q", string(c)))
	}
	return nil
}

// unexpected is the error of what stands at p.at.
func (p *hiveParser) unexpected(want string) error {
	if p.skip() == len(p.text) {
		return fmt.Errorf("%s is missing at its end", want)
	}
	return fmt.Errorf("%s belongs at byte %d, not %.20q", want, p.at, p.text[p.at:])
}

// name is that of a type in lower case, of one or more words: "double precision".
func (p *hiveParser) name() string {
	var words []string
	for p.skip(); len(words) == 0 || !p.atComment(); p.skip() {
		start := p.at
		for p.at < len(p.text) && (p.text[p.at]|0x20-'a' < 26 || p.text[p.at] == '_' || p.text[p.at]-'0' <= 9) {
			p.at++
		}
		if p.at == start {
			break
		}
		words = append(words, strings.ToLower(p.text[start:p.at]))
	}
	return strings.Join(words, " ")
}

// atComment reports whether a comment is next.
func (p *hiveParser) atComment() bool {
	rest := p.text[p.skip():]
	if len(rest) < len(comment) || !strings.EqualFold(rest[:len(comment)], comment) {
		return false
	}
	rest = strings.TrimLeft(rest[len(comment):], spaces)
	return rest != "" && (rest[0] == '\'' || rest[0] == '"')
}

func (p *hiveParser) number() (int, error) {
	start := p.skip()
	for p.at < len(p.text) && p.text[p.at]-'0' <= 9 {
		p.at++
	}
	n, err := strconv.Atoi(p.text[start:p.at])
	if err != nil {
		return 0, fmt.Errorf("a number belongs at byte %d, not %.20q", start, p.text[start:])
	}
	return n, nil
}

// memberName reads the name of a struct's member: in backquotes, of which one inside is written twice, or up to the colon. Hive has letters,
// digits, underscores and points there; crawlers of AWS Glue write what they found.
func (p *hiveParser) memberName() (string, error) {
	start := p.skip()
	if start < len(p.text) && p.text[start] == '`' {
		name, err := p.quoted()
		if err == nil && name == "" {
			err = fmt.Errorf("the name at byte %d is empty", start)
		}
		return name, err
	}
	end := strings.IndexAny(p.text[start:], endsOfName)
	if end <= 0 || p.text[start+end] != ':' {
		return "", p.unexpected("the name of a field and a colon")
	}
	name := strings.TrimRight(p.text[start:start+end], spaces)
	if !utf8.ValidString(name) {
		return "", fmt.Errorf("the name at byte %d isn't UTF-8", start)
	}
	p.at = start + end
	return name, nil
}

// quoted reads a text between quotes, the first of which is next; two of them inside stand for one.
func (p *hiveParser) quoted() (string, error) {
	start := p.at
	quote := p.text[start]
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		c := p.text[p.at]
		if c == quote {
			if p.at+1 == len(p.text) || p.text[p.at+1] != quote {
				p.at++
				if !utf8.ValidString(b.String()) {
					return "", fmt.Errorf("the text at byte %d isn't UTF-8", start)
				}
				return b.String(), nil
			}
			p.at++
		}
		b.WriteByte(c)
	}
	return "", fmt.Errorf("the quote at byte %d has no end", start)
}
