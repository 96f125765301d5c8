package main

import (
	"cmp"
	"sync/atomic"

	"github.com/millrace/millrace/connector"
)

// A board shows how the process is doing: it is what all endpoints read. The list of runners is complete before
// anybody looks; all methods may be called by any goroutine at any time.
type board struct {
	runners  []*runner
	budget   int64 // bytes
	draining atomic.Bool
}

// A phase says how far a connector has come.
type phase string

const (
	phaseOpening phase = "opening" // services are looked up; what refuses is tried again
	phaseRunning phase = "running"
	phaseEnded   phase = "ended" // drained or failed
)

// A progress is how far a runner has come. It isn't changed once it is shown.
type progress struct {
	phase phase
	conn  *connector.Connector // nil until it was opened; kept after the end, so that counts don't go back
	err   error                // why it couldn't be opened yet, or why it ended
}

// A connectorView is what one connector is doing.
type connectorView struct {
	Phase   phase  `json:"phase"`
	Failure string `json:"failure,omitempty"` // why it couldn't be opened yet, or why it ended
	connector.Status

	opened bool
}

// A view is what the whole process is doing at one moment.
type view struct {
	Ready      bool            `json:"ready"`
	Reasons    []string        `json:"reasons"` // why it isn't ready
	Draining   bool            `json:"draining"`
	Version    string          `json:"version"`
	Budget     int64           `json:"budget_bytes"`
	Connectors []connectorView `json:"connectors"`
}

// look takes a view. It waits for nothing outside the process.
func (b *board) look() *view {
	v := &view{Reasons: []string{}, Draining: b.draining.Load(), Version: build().Version, Budget: b.budget, Connectors: []connectorView{}}
	if v.Draining {
		v.Reasons = append(v.Reasons, "the process was told to end, and finishes what has begun")
	}
	for _, r := range b.runners {
		c := r.view()
		if reason := c.missing(); reason != "" {
			v.Reasons = append(v.Reasons, reason)
		}
		v.Connectors = append(v.Connectors, c)
	}
	v.Ready = len(v.Reasons) == 0
	return v
}

// missing is why a connector keeps the process from being ready, "" if it doesn't. Opening looks up its topics'
// partitions and reaches the sink, once, and then the group is joined, once: what breaks afterwards is no reason, because a
// restart or a rollout that stops wouldn't mend it. A member of a group that got no partition is ready as well.
func (c *connectorView) missing() string {
	reason := ""
	switch {
	case c.opened && c.Consumer != nil && !c.Consumer.Joined && c.Phase == phaseEnded:
		reason = "ended before it joined its group"
	case c.opened && c.Consumer != nil && !c.Consumer.Joined:
		reason = "hasn't joined its group yet"
	case c.opened:
		return ""
	case c.Phase == phaseEnded:
		reason = "ended before it was opened"
	default:
		reason = "not opened yet"
	}
	reason = "connector " + c.Name + ": " + reason
	if why := cmp.Or(c.Failure, c.Error); why != "" {
		reason += ": " + why
	}
	return reason
}

func (r *runner) view() connectorView {
	c := connectorView{Phase: phaseOpening, Status: connector.Status{Name: r.config.Name, Partitions: []connector.PartitionStatus{}}}
	p := r.progress.Load()
	if p == nil {
		return c
	}
	c.Phase, c.opened = p.phase, p.conn != nil
	if p.err != nil {
		c.Failure = p.err.Error()
	}
	if p.conn != nil {
		c.Status = p.conn.Status()
	}
	return c
}
