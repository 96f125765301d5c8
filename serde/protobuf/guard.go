package protobuf

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of a schema's text. The compiler has none of its own, and hostile texts make it recurse and multiply names.
const (
	maxNesting = 64        // brackets inside each other
	maxChain   = 1024      // letters, digits and dots of a statement up to its first other character
	maxWork    = 100 << 20 // bytes of names that the compiler puts together, estimated
	maxOneofs  = 100 << 20 // fields that the compiler looks at, for each oneof all of its message
)

// A guard reads a schema's text before the compiler does: it skips comments and strings, counts brackets, and estimates how much the
// compiler has to do. Names inside a scope are that long with all that encloses them, and a type is looked for in each scope.
type guard struct {
	text   string
	i      int
	scopes []scope // that are open; the first is the file with its package
	chain  int     // letters, digits and dots since the last other character
	dots   int     // among them
	first  int     // where the first of them is
	work   int
	oneofs int // oneofs times fields of the messages that are closed
}

type scope struct {
	length, parts  int // of the names that enclose what is in it
	fields, oneofs int // an optional field of proto3 has a oneof of its own
}

func checkText(text string) error {
	if len(text) > maxText {
		return fmt.Errorf("the schema has %d bytes, at most %d are possible", len(text), maxText)
	}
	g := guard{text: text, scopes: []scope{{parts: 1}}}
	for g.i < len(text) {
		if err := g.step(); err != nil {
			return fmt.Errorf("%w (byte %d of the schema)", err, g.i)
		}
	}
	return nil
}

func (g *guard) step() error {
	c := g.text[g.i]
	g.i++
	switch {
	case c == '"' || c == '\'':
		g.skipString(c)
	case c == '/' && g.i < len(g.text) && (g.text[g.i] == '/' || g.text[g.i] == '*'):
		g.skipComment()
	case c <= ' ':
	case c == '.' || c == '_' || c-'0' <= 9 || c|0x20-'a' <= 'z'-'a' || c >= 0x80:
		if g.chain++; g.chain == 1 {
			g.first = g.i - 1
		}
		if c == '.' {
			g.dots++
		}
		if g.chain > maxChain {
			return fmt.Errorf("a name has more than %d characters", maxChain)
		}
	default:
		return g.punctuation(c)
	}
	return nil
}

func (g *guard) punctuation(c byte) error {
	now := &g.scopes[len(g.scopes)-1]
	g.work += (now.length + g.chain + 1) * (now.parts + g.dots)
	if g.work > maxWork {
		return errors.New("the schema has too many long names inside each other")
	}
	if rest := g.text[g.first:]; g.chain > 0 && (strings.HasPrefix(rest, "optional") || strings.HasPrefix(rest, "oneof")) {
		now.oneofs++
	}
	switch c {
	case '{', '[', '(', '<':
		if len(g.scopes) > maxNesting {
			return fmt.Errorf("the schema nests more than %d deep", maxNesting)
		}
		g.scopes = append(g.scopes, scope{length: now.length + g.chain, parts: now.parts + 1})
	case '}', ']', ')', '>':
		if err := g.close(*now); err != nil {
			return err
		}
	case ';':
		now.fields++
		if len(g.scopes) == 1 { // it may be the package
			now.length, now.parts = max(now.length, g.chain), max(now.parts, g.dots+2)
		}
	}
	g.chain, g.dots = 0, 0
	return nil
}

// close ends a scope. The fields of a oneof are those of its message too.
func (g *guard) close(ended scope) error {
	if len(g.scopes) == 1 {
		return nil // the compiler will refuse it
	}
	if g.oneofs += ended.oneofs * ended.fields; g.oneofs > maxOneofs {
		return errors.New("a message of the schema has too many oneofs and optional fields")
	}
	g.scopes = g.scopes[:len(g.scopes)-1]
	g.scopes[len(g.scopes)-1].fields += ended.fields
	return nil
}

// skipString ends behind the quote or, since strings have one line, before the line's end.
func (g *guard) skipString(quote byte) {
	for ; g.i < len(g.text); g.i++ {
		switch g.text[g.i] {
		case quote:
			g.i++
			return
		case '\n':
			return
		case '\\':
			if g.i+1 < len(g.text) && g.text[g.i+1] != '\n' {
				g.i++
			}
		}
	}
}

func (g *guard) skipComment() {
	line := g.text[g.i] == '/'
	for g.i++; g.i < len(g.text); g.i++ {
		switch {
		case line && g.text[g.i] == '\n':
			return
		case !line && g.text[g.i] == '*' && g.i+1 < len(g.text) && g.text[g.i+1] == '/':
			g.i += 2
			return
		}
	}
}
