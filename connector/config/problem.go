package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A text is a file's contents, to show places of.
type text struct {
	name  string
	lines []string
	masks []string       // secrets written in the file, never shown
	hides []spot         // what stands there may be secret
	named *regexp.Regexp // finds the values of settings whose names are those of secrets; nil unless the syntax is wrong

	secrets func() []string // those names
}

// A spot is a line and a column, both from 1.
type spot struct{ line, column int }

const masked = "******"

// A place is where something stands in a text. Lines and columns count from 1, columns in characters.
type place struct {
	text         *text
	line, column int
}

// A Problem is one mistake in a configuration file.
type Problem struct {
	File         string
	Line, Column int // from 1; 0 where the file as a whole is meant
	Message      string
	text         *text
}

// Error is "FILE:LINE:COLUMN: MESSAGE" and the lines around the place.
func (p *Problem) Error() string { return p.Place() + ": " + p.Message + "\n" + p.Frame() }

// Place is "FILE:LINE:COLUMN", or "FILE" where the file as a whole is meant.
func (p *Problem) Place() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Frame is the line of the mistake, the one before it, and a mark below the place. Secrets are masked.
func (p *Problem) Frame() string {
	if p.text == nil || p.Line < 1 || p.Line > len(p.text.lines) {
		return ""
	}
	width := len(strconv.Itoa(p.Line))
	var b strings.Builder
	if p.Line > 1 && strings.TrimSpace(p.text.lines[p.Line-2]) != "" {
		fmt.Fprintf(&b, "  %*d | %s\n", width, p.Line-1, p.text.show(p.Line-1))
	}
	line := p.text.show(p.Line)
	fmt.Fprintf(&b, "> %*d | %s\n", width, p.Line, line)
	fmt.Fprintf(&b, "  %*s | %s^\n", width, "", pad(line, p.Column-1))
	return b.String()
}

// secretSetting finds a setting whose name says that it is secret, and what is written behind it.
var secretSetting = regexp.MustCompile(`(?i)(\w*(?:password|passwd|secret|token|credential)\w*)["']?\s*:\s*(\S.*)`)

// aReference is where a text is kept, which is no secret.
var aReference = regexp.MustCompile(`^\{\s*["']?(?:file|secret)["']?\s*:`)

// maskNamed masks what expr finds, unless it is a reference.
func maskNamed(expr *regexp.Regexp, line string) string {
	for from := 0; ; {
		at := expr.FindStringSubmatchIndex(line[from:])
		if at == nil {
			return line
		}
		if value := from + at[4]; line[from+at[2]:from+at[3]] == "secret" || aReference.MatchString(line[value:]) {
			from = value
		} else {
			return line[:value] + masked
		}
	}
}

// mask keeps each line of a secret from being shown.
func (t *text) mask(secret string) {
	for line := range strings.Lines(secret) {
		line = strings.TrimSpace(line)
		if line == "" || slices.Contains(t.masks, line) {
			continue // a file that is read again isn't changed
		}
		t.masks = append(t.masks, line)
		slices.SortFunc(t.masks, func(a, b string) int { return len(b) - len(a) }) // a short one may be part of a longer
	}
}

// hide keeps from being shown what stands where a secret may have been meant.
func (d *decoder) hide(n *node) {
	if n.kind == scalar {
		n.at.text.hides = append(n.at.text.hides, spot{n.at.line, n.at.column})
		if strings.Contains(strings.TrimSpace(n.raw), "\n") {
			n.at.text.mask(n.raw)
		}
	}
	for _, item := range n.items {
		d.hide(item)
	}
	for _, f := range n.fields {
		d.hide(f.value)
	}
}

// hideSecrets hides below n what is named like a secret of this build.
func (d *decoder) hideSecrets(n *node) {
	for _, item := range n.items {
		d.hideSecrets(item)
	}
	for _, f := range n.fields {
		if _, ok := slices.BinarySearch(d.registry.secretNames(), f.name); ok && !isReference(f.value) {
			d.hide(f.value)
			continue
		}
		d.hideSecrets(f.value)
	}
}

// hideNamed hides what stands behind the names of secrets, also in the lines below. It is for a file whose structure isn't known.
func (t *text) hideNamed() {
	names := t.secrets()
	if t.named != nil || len(names) == 0 {
		return
	}
	for i, name := range names {
		names[i] = regexp.QuoteMeta(name)
	}
	t.named = regexp.MustCompile(`(?i)\b(` + strings.Join(names, "|") + `)["']?\s*:\s*(\S.*)`)
	alone := regexp.MustCompile(`(?i)^[\s-]*(?:\w*(?:password|passwd|secret|token|credential)\w*|` + strings.Join(names, "|") + `)["']?\s*:\s*([|>"'].*)?$`)
	indent := func(line string) int { return len(line) - len(strings.TrimLeft(line, " -")) }
	for i := 0; i < len(t.lines); i++ {
		if !alone.MatchString(strings.TrimRight(t.lines[i], "\r")) {
			continue
		}
		for own := indent(t.lines[i]); i+1 < len(t.lines) && (indent(t.lines[i+1]) > own || strings.TrimSpace(t.lines[i+1]) == ""); i++ {
			t.hides = append(t.hides, spot{i + 2, 1 + indent(t.lines[i+1])})
		}
	}
}

// show is a line as a frame shows it: without secrets, cut where nobody reads on.
func (t *text) show(n int) string {
	line := strings.TrimRight(t.lines[n-1], "\r")
	for _, h := range t.hides {
		if runes := []rune(line); h.line == n && h.column <= len(runes) {
			line = string(runes[:h.column-1]) + masked
		}
	}
	for _, m := range t.masks {
		if len(m) > 3 || strings.TrimSpace(line) == m { // a short one stands in many words
			line = strings.ReplaceAll(line, m, masked)
		}
	}
	line = maskNamed(secretSetting, line)
	if t.named != nil {
		line = maskNamed(t.named, line)
	}
	if utf8.RuneCountInString(line) > 200 {
		line = string([]rune(line)[:200]) + "..."
	}
	return strings.ToValidUTF8(line, "\uFFFD")
}

// holdsSecret reports whether what stands at a place is masked, by the name of its setting.
func (t *text) holdsSecret(at place) bool {
	named, hides := t.named, t.hides
	t.hideNamed()
	runes := []rune(t.lines[at.line-1])
	shown := strings.HasPrefix(t.show(at.line), string(runes[:min(at.column, len(runes))]))
	if shown {
		t.named, t.hides = named, hides
	}
	return !shown
}

// pad is white space as wide as the first n characters of line.
func pad(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n--; n < 0 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	if n > 0 && n < 1<<10 {
		b.WriteString(strings.Repeat(" ", n))
	}
	return b.String()
}

// Problems are all mistakes of one file, by place.
type Problems []*Problem

// Error joins the problems, an empty line between two.
func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap gives errors.Is and errors.As the single problems.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// maxProblems is the largest number of mistakes that are reported. Nobody reads on.
const maxProblems = 50

// add notes a problem, once.
func (ps *Problems) add(at place, format string, args ...any) {
	if len(*ps) == maxProblems {
		return
	}
	p := &Problem{File: at.text.name, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...), text: at.text}
	for _, q := range *ps {
		if q.Line == p.Line && q.Column == p.Column && q.Message == p.Message {
			return
		}
	}
	*ps = append(*ps, p)
}

// err is the sorted problems, nil if there are none.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return ps
}
