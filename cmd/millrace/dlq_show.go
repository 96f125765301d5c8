package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/letter"
)

// dlqShowOptions are the flags of dlq show.
type dlqShowOptions struct {
	dlqFilter
	offset string
	raw    bool
	json   bool
}

func (c *command) dlqShowCommand() *cobra.Command {
	var o dlqShowOptions
	cmd := &cobra.Command{
		Use:   "show FILE ID",
		Short: "Show one dead letter whole",
		Long: `Show one dead letter whole: where and when it failed and why, its headers, its key and its
value. JSON is indented, other text is shown as it is, and what is no text as hexadecimal
digits; control characters are escaped. --raw writes nothing but the value's bytes, for
tools such as millrace preview --base64 or jq.

Of several letters with this id the newest is shown.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return c.dlqShow(cmd.Context(), args, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.connector, "connector", "", "name of the connector, where the file holds several")
	f.StringVar(&o.offset, "offset", "", "the letter of the record `TOPIC/PARTITION/OFFSET`")
	f.BoolVar(&o.raw, "raw", false, "write the value's bytes only")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	return cmd
}

func (c *command) dlqShow(ctx context.Context, args []string, o dlqShowOptions) error {
	name, err := parseLetterName(args, o.offset)
	if err != nil {
		return err
	}
	if o.raw && o.json {
		return errors.New("--raw excludes --json")
	}
	o.of = "*" // an id says enough
	s, err := c.newScan(ctx, args[0], &o.dlqFilter)
	if err != nil {
		return err
	}
	ctx, stop := c.interruptible(ctx)
	defer stop()
	shown := struct {
		Place string `json:"place"`
		*letter.Letter
	}{}
	found := 0
	err = s.read(ctx, func(place string, l *letter.Letter) error {
		if name.means(l) {
			found++
			shown.Place, shown.Letter = place, l
		}
		return nil
	}, nil)
	switch {
	case err != nil:
		return interrupted(ctx, err)
	case found == 0:
		return failure{fmt.Errorf("none of %s in %s is that one", count(int(s.all), "letter"), s.place)}
	case o.raw:
		_, err = c.out.Write(shown.RawValue())
	case o.json:
		err = printJSON(c.out, shown)
	default:
		err = printLetter(c.out, shown.Place, shown.Letter)
		if found > 1 && err == nil {
			_, err = fmt.Fprintf(c.out, "\nnote: the newest of %s\n", count(found, "letter"))
		}
	}
	if err != nil {
		return failure{err}
	}
	return nil
}

// printLetter prints a letter for people.
func printLetter(w io.Writer, place string, l *letter.Letter) error {
	var b strings.Builder
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-10s %s\n", name, visible(text))
		}
	}
	line("id", l.ID)
	line("connector", l.Connector)
	line("record", fmt.Sprintf("%s, offset %d", connector.Partition{Topic: l.Topic, ID: l.Partition}, l.Offset))
	if l.Timestamp != connector.NoTimestamp {
		line("time", time.UnixMilli(l.Timestamp).UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	}
	line("stage", l.Stage)
	line("error", l.Error)
	if from, to, ok := l.Gap(); ok {
		line("gone", fmt.Sprintf("offsets %d to %d", from, to-1))
	}
	if n := l.Replays(); n > 0 {
		line("replays", fmt.Sprintf("%d, which failed again", n))
	}
	line("place", place)
	for _, h := range l.RecordHeaders() {
		fmt.Fprintf(&b, "%-10s %s: %s\n", "header", visible(h.Name), inLine(h.Value))
	}
	fmt.Fprintf(&b, "%-10s %s\n", "key", inLine(l.RawKey()))
	b.WriteString(valueBlock(l.RawValue()))
	_, err := io.WriteString(w, b.String())
	return err
}

// inLine is bytes on one line.
func inLine(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case utf8.Valid(b):
		return `"` + visible(string(b)) + `"`
	}
	return "0x" + hex.EncodeToString(b)
}

// valueBlock is a value below its name.
func valueBlock(value []byte) string {
	if value == nil {
		return "value      null (a tombstone)\n"
	}
	size := count(len(value), "byte")
	var indented bytes.Buffer
	switch {
	case len(value) == 0:
		return "value      empty\n"
	case utf8.Valid(value) && json.Indent(&indented, value, "", "  ") == nil:
		return fmt.Sprintf("value      %s of JSON\n%s\n", size, visibleLines(indented.String()))
	case utf8.Valid(value):
		return fmt.Sprintf("value      %s of text\n%s\n", size, visibleLines(string(value)))
	}
	return fmt.Sprintf("value      %s\n%s", size, hex.Dump(value))
}

// visible is text on one line, in which nothing controls a terminal.
func visible(text string) string {
	return escape(text, func(r rune) bool { return unicode.IsPrint(r) })
}

// visibleLines is visible, with the lines as they are.
func visibleLines(text string) string {
	return escape(text, func(r rune) bool { return unicode.IsPrint(r) || r == '\n' })
}

func escape(text string, plain func(rune) bool) string {
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case plain(r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		text = text[n:]
	}
	return b.String()
}
