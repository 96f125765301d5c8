package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/connector"
)

// shortStatus is how many partitions of a connector are shown if nothing is wrong with them: more scroll away.
const shortStatus = 40

// A statusPrinter prints a view for people.
type statusPrinter struct {
	out        io.Writer
	all, color bool
}

func (s *statusPrinter) print(v *view) {
	ready := "ready"
	if !v.Ready {
		ready = "not ready"
	}
	fmt.Fprintf(s.out, "millrace %s, %s\n", visible(v.Version), ready)
	for _, r := range v.Reasons {
		printPlain(s.out, "note: "+r)
	}
	for i := range v.Connectors {
		fmt.Fprintln(s.out)
		s.connector(&v.Connectors[i])
	}
}

func (s *statusPrinter) connector(c *connectorView) {
	printPlain(s.out, c.headline())
	for _, e := range []string{c.Failure, c.Error} {
		if e != "" {
			printPlain(s.out, "error: "+e)
		}
	}
	short := len(c.Partitions) > shortStatus && !s.all
	hidden := 0
	for i := 0; i < len(c.Partitions); {
		n := i + 1
		for n < len(c.Partitions) && c.Partitions[n].Topic == c.Partitions[i].Topic {
			n++
		}
		hidden += s.topic(c.Partitions[i:n], short)
		i = n
	}
	if hidden > 0 {
		fmt.Fprintf(s.out, "\n%s that run aren't shown; --all shows them.\n", count(hidden, "partition"))
	}
}

// headline sums a connector up.
func (c *connectorView) headline() string {
	parts := []string{string(c.Phase)}
	if c.Draining {
		parts = append(parts, "draining")
	}
	lag, _, _ := sums(c.Partitions)
	parts = append(parts, count(len(c.Partitions), "partition"), fmt.Sprintf("lag %d", lag),
		fmt.Sprintf("%d written", c.Totals[connector.MetricWritten]), count(int(c.Totals[connector.MetricBuried]), "dead letter"))
	if n := c.Totals[connector.MetricSkipped]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d skipped", n))
	}
	return "connector " + c.Name + ": " + strings.Join(parts, ", ")
}

// sums are the lag, the age of the oldest record in it in seconds, and the dead letters of partitions.
func sums(ps []connector.PartitionStatus) (lag int64, seconds float64, dead int64) {
	for i := range ps {
		lag, seconds, dead = lag+ps[i].Lag, max(seconds, ps[i].LagSeconds), dead+ps[i].Buried
	}
	return lag, seconds, dead
}

// topic prints the partitions of a topic; a short one sums up, and prints those that don't run well. It returns how many it left out.
func (s *statusPrinter) topic(ps []connector.PartitionStatus, short bool) (hidden int) {
	fmt.Fprintf(s.out, "\ntopic %s\n", visible(ps[0].Topic))
	if short {
		lag, seconds, dead := sums(ps)
		printWrapped(s.out, fmt.Sprintf("%s: %s; lag %d, %s s; %s", count(len(ps), "partition"), stateCounts(ps), lag, secondsText(seconds), count(int(dead), "dead letter")))
		well := func(p connector.PartitionStatus) bool { return p.State == connector.StateRunning && p.Error == "" }
		left := slices.DeleteFunc(slices.Clone(ps), well)
		hidden, ps = len(ps)-len(left), left
	}
	s.table(ps)
	wrong := slices.DeleteFunc(slices.Clone(ps), func(p connector.PartitionStatus) bool { return p.Error == "" })
	for _, g := range groups(wrong, func(p *connector.PartitionStatus) string { return p.Error }) {
		printPlain(s.out, g.ids+": "+g.Error)
	}
	return hidden
}

// stateCounts says how many partitions are in which state.
func stateCounts(ps []connector.PartitionStatus) string {
	n := map[connector.State]int{}
	for i := range ps {
		n[ps[i].State]++
	}
	var parts []string
	for _, state := range []connector.State{connector.StateRunning, connector.StateRecovering, connector.StatePaused,
		connector.StateRetrying, connector.StateBlocked, connector.StateHalted} {
		if n[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[state], state))
		}
	}
	return strings.Join(parts, ", ")
}

var statusHeader = []string{"PARTITION", "STATE", "POSITION", "COMMITTED", "LAG", "SECONDS", "DEAD"}

// table prints a line for each partition. Where a number is so long that a line wouldn't fit, it prints texts.
func (s *statusPrinter) table(ps []connector.PartitionStatus) {
	if len(ps) == 0 {
		return
	}
	rows := [][]string{statusHeader}
	for i := range ps {
		rows = append(rows, statusRow(&ps[i]))
	}
	widths, sum := make([]int, len(statusHeader)), -2
	for i := range widths {
		for _, r := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i]))
		}
		sum += widths[i] + 2
	}
	if sum <= lineWidth {
		fmt.Fprintln(s.out, aligned(statusHeader, widths))
	}
	for i := range ps {
		lines := []string{aligned(rows[i+1], widths)}
		if sum > lineWidth {
			lines = wrap(listed(rows[i+1]), lineWidth)
		}
		for _, l := range lines {
			fmt.Fprintln(s.out, s.paint(ps[i].State, l))
		}
	}
}

func statusRow(p *connector.PartitionStatus) []string {
	committed := "-"
	if p.Committed >= 0 {
		committed = strconv.FormatInt(p.Committed, 10)
	}
	return []string{strconv.Itoa(int(p.ID)), visible(string(p.State)), strconv.FormatInt(p.Position, 10), committed,
		strconv.FormatInt(p.Lag, 10), secondsText(p.LagSeconds), strconv.FormatInt(p.Buried, 10)}
}

func secondsText(s float64) string { return strconv.FormatFloat(s, 'f', 1, 64) }

// aligned is a line of a table: numbers to the right, the state to the left.
func aligned(cells []string, widths []int) string {
	var b strings.Builder
	for i, cell := range cells {
		space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if i == 1 {
			b.WriteString("  " + cell + space)
			continue
		}
		if i > 0 {
			b.WriteString("  ")
		}
		b.WriteString(space + cell)
	}
	return b.String()
}

func listed(cells []string) string {
	var all []string
	for i, cell := range cells {
		all = append(all, strings.ToLower(statusHeader[i])+" "+cell)
	}
	return strings.Join(all, ", ")
}

// paint colours what doesn't run: red where somebody is needed.
func (s *statusPrinter) paint(state connector.State, line string) string {
	code := "33"
	switch state {
	case connector.StateRunning:
		return line
	case connector.StateBlocked, connector.StateHalted:
		code = "31"
	}
	return painted(s.color, code, line)
}

// A group are partitions of a topic that have something in common.
type group struct {
	*connector.PartitionStatus // the first
	ids                        string
}

// groups puts partitions with the same key together, in the order of the first of each.
func groups(ps []connector.PartitionStatus, key func(*connector.PartitionStatus) string) (all []group) {
	at := map[string]int{}
	var ids [][]int32
	for i := range ps {
		k := key(&ps[i])
		n, ok := at[k]
		if !ok {
			n = len(all)
			at[k], all, ids = n, append(all, group{PartitionStatus: &ps[i]}), append(ids, nil)
		}
		ids[n] = append(ids[n], ps[i].ID)
	}
	for n := range all {
		all[n].ids = ranges(ids[n])
	}
	return all
}

// ranges writes ascending numbers as "0-3, 7".
func ranges(ids []int32) string {
	var parts []string
	for i := 0; i < len(ids); {
		n := i
		for n+1 < len(ids) && ids[n+1] == ids[n]+1 {
			n++
		}
		text := strconv.Itoa(int(ids[i]))
		if n > i {
			text += "-" + strconv.Itoa(int(ids[n]))
		}
		parts, i = append(parts, text), n+1
	}
	return strings.Join(parts, ", ")
}
