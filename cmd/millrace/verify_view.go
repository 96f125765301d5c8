package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/chain"
)

// print prints a table of partitions for each topic, what is special about them, and every problem.
func (v *verification) print(w io.Writer) {
	title := v.Place + ", chain " + v.Chain
	if v.Prefix != "" {
		title = strings.TrimSuffix(v.Place, "/") + "/" + v.Prefix + ", chain " + v.Chain
	}
	if v.Owner != nil {
		title += ", connector " + v.Owner.Connector
	}
	fmt.Fprintln(w, title)
	for i := 0; i < len(v.Partitions); {
		first, n := v.Partitions[i], 1
		for i+n < len(v.Partitions) && v.Partitions[i+n].TopicID == first.TopicID && v.Partitions[i+n].Cluster == first.Cluster {
			n++
		}
		name := "topic " + first.Topic
		switch {
		case first.Topic == "":
			name = "topic id " + first.TopicID
		case v.several(first.Topic):
			name += fmt.Sprintf(" (id %s in cluster %s)", first.TopicID[:8], first.Cluster)
		}
		printTopic(w, name, v.Partitions[i:i+n])
		i += n
	}
	fmt.Fprintln(w)
	for _, note := range v.Notes {
		printWrapped(w, "note: "+note)
	}
	for i := range v.Problems {
		printWrapped(w, string(v.Problems[i].Fault)+": "+v.Problems[i].Text)
	}
	if len(v.Notes)+len(v.Problems) > 0 {
		fmt.Fprintln(w)
	}
}

// several reports whether topics of several ids had this name: it was created again, or the connector moved to another cluster.
func (v *verification) several(topic string) bool {
	ids := map[string]bool{}
	for _, p := range v.Partitions {
		if p.Topic == topic {
			ids[p.Cluster+"/"+p.TopicID] = true
		}
	}
	return len(ids) > 1
}

// printTopic prints the partitions of a topic.
func printTopic(w io.Writer, name string, ps []*chain.PartitionReport) {
	fmt.Fprintln(w)
	printWrapped(w, name)
	header := []string{"PARTITION", "OFFSETS", "LINKS", "OBJECTS", "WRITTEN", "FILTERED", "BURIED", "EMPTY"}
	lag := slices.ContainsFunc(ps, func(p *chain.PartitionReport) bool { return p.Log != nil })
	if lag {
		header = append(header, "LAG")
	}
	var rows [][]string
	var notes []string
	for _, p := range ps {
		row := []string{strconv.Itoa(int(p.Partition)), offsets(p)}
		for _, n := range []int64{p.Links, p.Objects, p.Counts.Written, p.Counts.Filtered, p.Counts.Buried, p.NoRecord} {
			row = append(row, strconv.FormatInt(n, 10))
		}
		if lag {
			row = append(row, strconv.FormatInt(p.Lag, 10))
		}
		rows = append(rows, row)
		if s := specials(p); len(s) > 0 {
			notes = append(notes, fmt.Sprintf("%d: %s", p.Partition, strings.Join(s, "; ")))
		}
	}
	printNumbers(w, header, rows)
	for _, n := range notes {
		printWrapped(w, n)
	}
}

func offsets(p *chain.PartitionReport) string {
	if p.Next <= p.First || p.First < 0 {
		return "-"
	}
	return fmt.Sprintf("%d-%d", p.First, p.Next-1)
}

// specials is what the table has no column for.
func specials(p *chain.PartitionReport) (texts []string) {
	for _, g := range p.Gaps {
		texts = append(texts, fmt.Sprintf("offsets %d to %d were gone from Kafka (gap)", g.From, g.To-1))
	}
	for _, r := range p.Rewinds {
		texts = append(texts, fmt.Sprintf("rewound from %d to %d", r.To, r.From))
	}
	for _, s := range []struct {
		n         int64
		one, many string
	}{
		{p.Counts.Emitted, "record was emitted by handlers", "records were emitted by handlers"},
		{p.Expired, "object has expired", "objects have expired"},
		{p.Mended, "object was lost and written again", "objects were lost and written again"},
		{p.Unfinished, "object of the newest link isn't visible yet", "objects of the newest link aren't visible yet"},
		{p.Uncounted, "object has no lines to count", "objects have no lines to count"},
	} {
		switch {
		case s.n == 1:
			texts = append(texts, "1 "+s.one)
		case s.n > 1:
			texts = append(texts, fmt.Sprintf("%d %s", s.n, s.many))
		}
	}
	return texts
}

// printWrapped prints a text in lines, those after the first one indented.
func printWrapped(w io.Writer, text string) {
	for i, line := range wrap(text, lineWidth-2) {
		if i > 0 {
			line = "  " + line
		}
		fmt.Fprintln(w, line)
	}
}

// printNumbers prints a table whose columns are aligned to the right. One that is too wide becomes a text per row.
func printNumbers(w io.Writer, header []string, rows [][]string) {
	widths := make([]int, len(header))
	sum := -2
	for i := range header {
		for _, r := range append([][]string{header}, rows...) {
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i]))
		}
		sum += widths[i] + 2
	}
	if sum > lineWidth {
		for _, r := range rows {
			var cells []string
			for i := range header {
				cells = append(cells, strings.ToLower(header[i])+" "+r[i])
			}
			printWrapped(w, strings.Join(cells, ", "))
		}
		return
	}
	for _, r := range append([][]string{header}, rows...) {
		var cells []string
		for i, cell := range r {
			cells = append(cells, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))+cell)
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "  "), " "))
	}
}
