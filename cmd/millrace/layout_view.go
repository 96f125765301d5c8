package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/layout"
)

// layoutReport is what layout prints as JSON.
type layoutReport struct {
	*layout.Settings
	Example string `json:"example,omitempty"`
}

// printLayout prints settings as YAML or JSON. topic is that of the example, unless one is given.
func (c *command) printLayout(s *layout.Settings, o *layoutOptions, topic string) error {
	switch {
	case o.topic != "":
		topic = o.topic
	case topic == "":
		topic = "cars"
	}
	r := layoutReport{s, s.Example(topic)}
	if o.json {
		return printJSON(c.out, r)
	}
	r.print(c.out)
	return nil
}

// print prints the settings as a part of a configuration file.
func (r layoutReport) print(w io.Writer) {
	s := r.Settings
	fmt.Fprint(w, "sink:\n  s3:\n")
	set := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "    %s: %s\n", name, plainText(value))
		}
	}
	for _, setting := range s.Sink {
		set(setting.Name, setting.Value)
	}
	set("path", quoted(s.Path))
	set("time", flow([][2]string{
		{"from", s.Time.From}, {"zone", s.Time.Zone}, {"unit", s.Time.Unit}, {"floor", zero(s.Time.Floor.String(), s.Time.Floor == 0)},
	}))
	set("if_null", quotedIf(s.Null))
	set("if_missing", s.Missing)
	switch s.Format {
	case "parquet", "avro":
		set("format", "{"+s.Format+": "+flow([][2]string{{"compression", s.Compression}})+"}")
	default:
		set("format", s.Format)
		set("compression", s.Compression)
	}
	set("rotate", flow([][2]string{
		{"size", zero(s.Rotate.Size.String(), s.Rotate.Size == 0)}, {"age", zero(s.Rotate.Age.String(), s.Rotate.Age == 0)},
		{"records", zero(strconv.FormatInt(s.Rotate.Records, 10), s.Rotate.Records == 0)},
	}))
	if s.DeadLetter != "" {
		fmt.Fprintf(w, "dead_letter:\n  s3: {%spath: %s}\n", plainText(bucketOf(s)), plainText(quoted(s.DeadLetter)))
	}
	if r.Example != "" {
		fmt.Fprintf(w, "# An object: %s\n", r.Example)
	}
	for _, note := range s.Notes {
		for i, line := range wrap(note, lineWidth-2) {
			if i == 0 {
				fmt.Fprintln(w, "#")
			}
			fmt.Fprintln(w, "# "+line)
		}
	}
}

// plainText keeps a configuration file from taking what is between ${ and } for the name of a variable.
func plainText(value string) string { return strings.ReplaceAll(value, "${", "$${") }

// bucketOf are bucket and region, as the dead letter has them too.
func bucketOf(s *layout.Settings) string {
	var b strings.Builder
	for _, setting := range s.Sink {
		if setting.Name == "bucket" || setting.Name == "region" {
			b.WriteString(setting.Name + ": " + setting.Value + ", ")
		}
	}
	return b.String()
}

// flow is a map of those that have a value, as YAML in one line; nothing if none has.
func flow(pairs [][2]string) string {
	var set []string
	for _, p := range pairs {
		if p[1] != "" {
			set = append(set, p[0]+": "+flowText(p[1]))
		}
	}
	if len(set) == 0 {
		return ""
	}
	return "{" + strings.Join(set, ", ") + "}"
}

// flowText is a text in such a map, in quotes where it has what ends it.
func flowText(s string) string {
	if strings.ContainsAny(s, `,{}[]"'#`) || strings.Contains(s, ": ") {
		return quoted(s)
	}
	return s
}

func zero(text string, isZero bool) string {
	if isZero {
		return ""
	}
	return text
}

func quotedIf(s string) string {
	if s == "" {
		return ""
	}
	return quoted(s)
}

// quoted is a text in single quotes, in which YAML knows no escapes, or where it has control characters in double ones.
func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return strconv.Quote(s)
	}
	if !strings.ContainsAny(s, `"\`) {
		return `"` + s + `"`
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
