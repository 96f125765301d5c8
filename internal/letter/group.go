package letter

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Group is letters that are alike: of one topic and stage, with errors that differ in numbers and quoted parts only.
type Group struct {
	Topic   string `json:"topic"`
	Stage   string `json:"stage"`
	Kind    string `json:"error"` // the error's text, see Kind
	Count   int64  `json:"count"`
	First   int64  `json:"first"` // the lowest and the highest timestamp of its records, milliseconds since 1970
	Last    int64  `json:"last"`
	Example string `json:"example"` // id of one of them
}

// Groups sum letters up. The zero value is empty. Memory is bounded: behind mostGroups groups, errors aren't told apart any more.
type Groups struct {
	all   []*Group
	index map[groupKey]int
}

type groupKey struct{ topic, stage, kind string }

// mostGroups bounds the groups that are told apart by their errors.
const mostGroups = 1000

// Other is the kind of what isn't told apart any more.
const Other = "(other errors)"

// Add counts a letter, and returns the number of its group.
func (g *Groups) Add(l *Letter) int {
	k := groupKey{l.Topic, l.Stage, Kind(l.Error)}
	i, ok := g.index[k]
	if !ok && len(g.all) >= mostGroups {
		k = groupKey{"", "", Other}
		i, ok = g.index[k]
	}
	if !ok {
		if g.index == nil {
			g.index = map[groupKey]int{}
		}
		i = len(g.all)
		g.index[k] = i
		g.all = append(g.all, &Group{Topic: k.topic, Stage: k.stage, Kind: k.kind, First: l.Timestamp, Last: l.Timestamp, Example: l.Name()})
	}
	group := g.all[i]
	group.Count++
	group.First, group.Last = min(group.First, l.Timestamp), max(group.Last, l.Timestamp)
	return i
}

// Len is the number of groups.
func (g *Groups) Len() int { return len(g.all) }

// At is a group by its number.
func (g *Groups) At(i int) *Group { return g.all[i] }

// Sorted are the groups in the order of CompareGroups.
func (g *Groups) Sorted() []*Group {
	out := slices.Clone(g.all)
	slices.SortStableFunc(out, CompareGroups)
	return out
}

// CompareGroups orders groups by topic, stage and count, the largest first.
func CompareGroups(a, b *Group) int {
	return cmp.Or(strings.Compare(a.Topic, b.Topic), strings.Compare(a.Stage, b.Stage), cmp.Compare(b.Count, a.Count), strings.Compare(a.Kind, b.Kind))
}

// mostKind bounds a Kind, in bytes.
const mostKind = 300

// Kind is an error's text without what differs from record to record: numbers are N, what is quoted is "...", but for the rules of handlers.
func Kind(text string) string {
	var b strings.Builder
	for len(text) > 0 && b.Len() < mostKind {
		c := text[0]
		if end := quoted(text); end > 0 {
			part := string(c) + "..." + string(c)
			if strings.HasSuffix(b.String(), "rule ") { // the text of a setting: the same for all records
				part = text[:end]
			}
			b.WriteString(part)
			text = text[end:]
			continue
		}
		if word := wordOf(text); word != "" {
			text = text[len(word):]
			if numeric(word) {
				word = "N"
			}
			b.WriteString(word)
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
		text = text[n:]
	}
	return b.String()
}

// quoted is the length of the quoted part that a text begins with, 0 if it doesn't.
func quoted(text string) int {
	q := text[0]
	if q != '"' && q != '`' {
		return 0
	}
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && q == '"':
			i++
		case text[i] == q:
			return i + 1
		}
	}
	return 0
}

// wordOf is the letters and digits that a text begins with.
func wordOf(text string) string {
	for i := range len(text) {
		c := text[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return text[:i]
		}
	}
	return text
}

// numeric reports whether a word is a number, or a part of an id: digits, or hexadecimal ones with a digit among them.
func numeric(word string) bool {
	digits, hex := 0, len(strings.TrimLeft(strings.ToLower(word), "0123456789abcdef")) == 0
	for i := range len(word) {
		if word[i] >= '0' && word[i] <= '9' {
			digits++
		}
	}
	return digits == len(word) || digits > 0 && hex && len(word) >= 4
}
