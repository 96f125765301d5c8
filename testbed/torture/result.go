package torture

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// A Result is what one fault did to one sink: one line of JSON.
type Result struct {
	Fault string `json:"fault"`
	Sink  string `json:"sink"`
	Runs  int64  `json:"runs"` // how often the fault happened
	Counts
	OffsetRegressions int64   `json:"offset_regressions"`  // times that a committed offset moved back
	LateAcks          int64   `json:"late_acks,omitempty"` // records that a sink took from a process which didn't own their partition any more
	Seconds           float64 `json:"seconds"`
	Seed              uint64  `json:"seed"`

	// Of single faults.
	Faults   string  `json:"faults,omitempty"`   // how often requests failed
	Recovery float64 `json:"recovery,omitempty"` // seconds from the end of the fault until the sink wrote again
	Memory   float64 `json:"memory,omitempty"`   // resident memory during the fault, by that before it
	Progress float64 `json:"progress,omitempty"` // records a second during the fault, by those before it
}

// Bad is the number of what has to be 0.
func (r *Result) Bad() int64 { return r.Counts.Bad() + r.OffsetRegressions }

// WriteLine writes the line.
func (r *Result) WriteLine(w io.Writer) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// PrintTable reads lines and prints a table of 80 columns. ok is false where a number isn't 0 that has to be, and where there is no line.
func PrintTable(w io.Writer, lines io.Reader) (ok bool, err error) {
	const row = "%-17s %-11s %6v %8v %4v %4v %4v %5v %4v %6v\n"
	if _, err := fmt.Fprintf(w, row, "FAULT", "SINK", "RUNS", "RECORDS", "LOST", "DUP", "BAD", "ORDER", "BACK", "REPEAT"); err != nil {
		return false, err
	}
	ok = true
	n := 0
	for in := bufio.NewScanner(lines); in.Scan(); n++ {
		var r Result
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			return false, fmt.Errorf("line %d: %w", n+1, err)
		}
		ok = ok && r.Bad() == 0
		_, err := fmt.Fprintf(w, row, r.Fault, r.Sink, r.Runs, r.Records, r.Lost, r.Duplicated, r.Corrupt+r.Phantom+r.Stale+r.Unproven,
			r.Reordered, r.OffsetRegressions, r.Repeated)
		if err != nil {
			return false, err
		}
	}
	return ok && n > 0, nil
}
