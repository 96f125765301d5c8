package serde

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Path leads from a value to one inside it: lat, pos.lat, tags[0], tags[-1],
// ["odd name"].x. It is safe for concurrent use.
type Path struct {
	text  string
	steps []step
}

// A step goes to a member, or with indexed to an element.
type step struct {
	name       string
	word, mask uint64 // the name's first 8 bytes
	index      int
	indexed    bool
}

// CompilePath reads a path: names of members, separated by dots, and in brackets indexes of
// elements, counted from 0 or, if negative, from the end. A bare name has letters, digits, '_', '-', '$'
// and '@'; any other stands in brackets and in quotes, double ones with JSON's escapes
// or single ones without any. The empty path leads to the value itself.
func CompilePath(s string) (*Path, error) {
	p := &Path{text: s}
	for i := 0; i < len(s); {
		var (
			st  step
			err error
		)
		switch {
		case s[i] == '[':
			st, i, err = bracket(s, i)
		case s[i] == '.' && i > 0:
			st, i, err = bareName(s, i+1)
		case i == 0:
			st, i, err = bareName(s, i)
		default:
			err = fmt.Errorf("expected '.' or '[' at position %d", i)
		}
		if err != nil {
			return nil, fmt.Errorf("path %q: %w", s, err)
		}
		p.steps = append(p.steps, st)
	}
	return p, nil
}

// String is the text that p was compiled from.
func (p *Path) String() string { return p.text }

func nameStep(name string) (step, error) {
	if len(name) > maxNameLen {
		return step{}, fmt.Errorf("a name has more than %d bytes", maxNameLen)
	}
	var room [8]byte
	n := copy(room[:], name)
	return step{name: strings.Clone(name), word: binary.LittleEndian.Uint64(room[:]), mask: lowBytes(n)}, nil
}

func bareName(s string, i int) (step, int, error) {
	end := i
	for end < len(s) {
		r, n := utf8.DecodeRuneInString(s[end:])
		if r == utf8.RuneError && n <= 1 || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !strings.ContainsRune("_-$@", r) {
			break
		}
		end += n
	}
	if end == i {
		return step{}, 0, fmt.Errorf(`expected a name at position %d; a name with other characters than letters, digits and _-$@ is written as ["name"]`, i)
	}
	st, err := nameStep(s[i:end])
	return st, end, err
}

// bracket reads [index] or ["name"] or ['name'] at i.
func bracket(s string, i int) (st step, end int, err error) {
	i++
	switch {
	case i < len(s) && s[i] == '\'':
		n := strings.IndexByte(s[i+1:], '\'')
		if n < 0 {
			return st, 0, fmt.Errorf("the quote at position %d isn't closed", i)
		}
		end = i + n + 2
		if !utf8.ValidString(s[i:end]) {
			return st, 0, fmt.Errorf("the name at position %d isn't UTF-8", i)
		}
		st, err = nameStep(s[i+1 : end-1])
	case i < len(s) && s[i] == '"':
		var t Tape
		var k memberName
		k, err = t.memberName([]byte(s), i, &Limits{NameLen: maxNameLen})
		if err != nil {
			return st, 0, fmt.Errorf("the quoted name at position %d: %w", i, err)
		}
		end = k.end
		st, err = nameStep(string(k.text))
	default:
		n := strings.IndexByte(s[i:], ']')
		if n < 0 {
			return st, 0, fmt.Errorf("the bracket at position %d isn't closed", i-1)
		}
		end = i + n
		st.indexed = true
		st.index, err = strconv.Atoi(s[i:end])
		if err != nil || st.index > math.MaxInt32 || st.index < -math.MaxInt32 || s[i] == '+' {
			return st, 0, fmt.Errorf("%q at position %d is neither an index nor a quoted name", s[i:end], i)
		}
	}
	if err == nil && (end >= len(s) || s[end] != ']') {
		err = fmt.Errorf("expected ']' at position %d", end)
	}
	return st, end + 1, err
}

// Get is the value that p leads to from v, Missing if there is none.
func (v Value) Get(p *Path) Value {
	if v.d == nil {
		return Value{}
	}
	v.node()
	d, i := v.d, v.i
	for k := range p.steps {
		if st := &p.steps[k]; st.indexed {
			i = d.element(i, st.index)
		} else {
			i = d.member(i, st)
		}
		if i == 0 {
			return Value{}
		}
		if n := &d.nodes[i]; n.kind == Missing {
			d, i = d.t.doc(uint32(n.x>>32)), uint32(n.x)
		}
	}
	return Value{d: d, i: i, gen: v.gen}
}

// member is the node of object that st names, 0 if there is none.
func (d *doc) member(object uint32, st *step) uint32 {
	nodes := d.nodes
	n := &nodes[object]
	if n.kind != Object {
		return 0
	}
	src, size := d.src, uint16(len(st.name))
	end := min(int(uint32(n.x)), len(nodes))
	for j := int(object) + 1; j < end; {
		m := &nodes[j]
		if m.nameLen == size {
			if m.flag&(flagNameBuf|flagNameThere) != 0 || int(m.name)+8 > len(src) {
				if string(d.name(m)) == st.name {
					return uint32(j)
				}
			} else if (binary.LittleEndian.Uint64(src[m.name:])^st.word)&st.mask == 0 &&
				(size <= 8 || string(src[m.name:m.name+uint32(size)]) == st.name) {
				return uint32(j)
			}
		}
		if m.kind >= Array {
			j = int(uint32(m.x))
		} else {
			j++
		}
	}
	return 0
}
