//go:build !no_redis_geo

package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
)

// A demoView shows how the demo goes: a table that is drawn anew on a terminal, a line now and then elsewhere.
type demoView struct {
	out      io.Writer
	terminal bool
	silent   bool
	started  time.Time
	drawn    int // lines of the table on the terminal
	last     time.Time
	produced int64
	read     []int64
}

func (c *command) newDemoView(silent bool) *demoView {
	return &demoView{out: c.err, terminal: c.color, silent: silent, started: time.Now(), last: time.Now()}
}

func (v *demoView) interval() time.Duration {
	if v.terminal {
		return 250 * time.Millisecond
	}
	return 2 * time.Second
}

// show draws the state of things.
func (v *demoView) show(f *fleet, conns []*connector.Connector) {
	now := time.Now()
	seconds := now.Sub(v.last).Seconds()
	if v.silent || !v.terminal && seconds < 1 {
		return
	}
	if v.read == nil {
		v.read = make([]int64, len(conns))
	}
	produced := f.produced.Load()
	lines := []string{
		fmt.Sprintf("%-16s %12s %10s %12s %9s", "", "records/s", "lag", "written", "dead"),
		fmt.Sprintf("%-16s %12s", "cars", perSecond(produced-v.produced, seconds)),
	}
	for i, conn := range conns {
		st := conn.Status()
		t := st.Totals
		done := t[connector.MetricWritten] + t[connector.MetricFiltered] + t[connector.MetricBuried]
		lines = append(lines, fmt.Sprintf("%-16s %12s %10d %12d %9d", st.Name,
			perSecond(t[connector.MetricRead]-v.read[i], seconds), max(0, produced-done), t[connector.MetricWritten], t[connector.MetricBuried]))
		v.read[i] = t[connector.MetricRead]
	}
	lines = append(lines, fmt.Sprintf("%-16s %12s   after %.0f s", "memory", size(memory()), now.Sub(v.started).Seconds()))
	v.produced, v.last = produced, now
	v.draw(lines)
}

func perSecond(n int64, seconds float64) string { return fmt.Sprintf("%.0f", float64(n)/seconds) }

func (v *demoView) draw(lines []string) {
	var b strings.Builder
	if v.terminal && v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn)
	}
	for _, l := range lines {
		if v.terminal {
			b.WriteString("\x1b[2K")
		}
		b.WriteString(l + "\n")
	}
	if !v.terminal {
		b.WriteString("\n")
	}
	v.drawn = len(lines)
	io.WriteString(v.out, b.String())
}

// end leaves the table where it is.
func (v *demoView) end() { v.drawn = 0 }
