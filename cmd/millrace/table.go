package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// lineWidth is what tables fit in.
const lineWidth = 80

// printTable prints rows in columns. The last column is wrapped at the line's end; where that leaves too
// little of it, it goes below the others, indented.
func printTable(w io.Writer, header []string, rows [][]string) {
	last := len(header) - 1
	widths := make([]int, last)
	for _, r := range append([][]string{header}, rows...) {
		for i := range last {
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i]))
		}
	}
	indent := 0
	for _, n := range widths {
		indent += n + 2
	}
	below := lineWidth-indent < 30
	if below {
		indent = 4
		for i := range widths { // what is longer moves the rest of its line
			widths[i] = min(widths[i], lineWidth/(last+1))
		}
	}
	for _, r := range append([][]string{header}, rows...) {
		var b strings.Builder
		for i := range last {
			b.WriteString(r[i] + strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(r[i]))+2))
		}
		lines := wrap(r[last], lineWidth-indent)
		if below {
			fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
		} else {
			first := ""
			if len(lines) > 0 {
				first, lines = lines[0], lines[1:]
			}
			fmt.Fprintln(w, strings.TrimRight(b.String()+first, " "))
		}
		for _, l := range lines {
			fmt.Fprintln(w, strings.Repeat(" ", indent)+l)
		}
	}
}

// wrap breaks text between words into lines of at most width characters. A longer word gets a line of its own.
func wrap(text string, width int) []string {
	var lines []string
	line, n := "", 0
	for word := range strings.FieldsSeq(text) {
		k := utf8.RuneCountInString(word)
		if n > 0 && n+1+k > width {
			lines, line, n = append(lines, line), "", 0
		}
		if n > 0 {
			line, n = line+" ", n+1
		}
		line, n = line+word, n+k
	}
	if n > 0 {
		lines = append(lines, line)
	}
	return lines
}
