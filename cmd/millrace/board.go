package main

import (
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
	Partitions []partitionView `json:"partitions"` // instead of those of Status

	opened bool
}

// A partitionView is a PartitionStatus with the names of JSON and the lag.
type partitionView struct {
	Topic string `json:"topic"`
	ID    int32  `json:"partition"`
	Lag   int64  `json:"lag"` // offsets
	connector.PartitionStatus
	// These hide the names that the fields of a Partition have by themselves.
	NoTopic *struct{} `json:"Topic,omitempty"`
	NoID    *struct{} `json:"ID,omitempty"`
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
// partitions and reaches the sink, once: what breaks afterwards is no reason, because a restart or a rollout that
// stops wouldn't mend it. A member of a group that got no partition is ready as well.
func (c *connectorView) missing() string {
	if c.opened {
		return ""
	}
	reason := "connector " + c.Name + ": not opened yet"
	if c.Phase == phaseEnded {
		reason = "connector " + c.Name + ": ended before it was opened"
	}
	if c.Failure != "" {
		reason += ": " + c.Failure
	}
	return reason
}

func (r *runner) view() connectorView {
	c := connectorView{Phase: phaseOpening, Status: connector.Status{Name: r.config.Name}, Partitions: []partitionView{}}
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
	for i := range c.Status.Partitions {
		s := c.Status.Partitions[i]
		c.Partitions = append(c.Partitions, partitionView{Topic: s.Topic, ID: s.ID, Lag: s.Lag(), PartitionStatus: s})
	}
	return c
}
