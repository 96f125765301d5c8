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
	masks []string // secrets written in the file, never shown
}

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

// secretSetting finds what is written behind a setting whose name says that it is secret.
var secretSetting = regexp.MustCompile(`(?i)((?:password|passwd|secret|token|credential)\w*["']?\s*:\s*)([^\s{].*)`)

// mask keeps each line of a secret from being shown.
func (t *text) mask(secret string) {
	for line := range strings.Lines(secret) {
		if line = strings.TrimSpace(line); line != "" {
			t.masks = append(t.masks, line)
		}
	}
}

// show is a line as a frame shows it: without secrets, cut where nobody reads on.
func (t *text) show(n int) string {
	line := strings.TrimRight(t.lines[n-1], "\r")
	for _, m := range t.masks {
		line = strings.ReplaceAll(line, m, "******")
	}
	line = secretSetting.ReplaceAllString(line, "${1}******")
	if utf8.RuneCountInString(line) > 200 {
		line = string([]rune(line)[:200]) + "..."
	}
	return strings.ToValidUTF8(line, "\uFFFD")
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
