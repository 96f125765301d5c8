package main

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/connector"
)

// metricPrefix begins the name of every metric.
const metricPrefix = "millrace_"

// A family is one metric with all its label values. Names and labels are a promise: dashboards and alerts hold them.
type family struct {
	name    string // without the prefix
	kind    string // counter or gauge
	labels  []string
	help    string
	of      []connector.Metric // the counts that it shows, if any
	collect func(v *view, add emit)
}

// emit takes one value, with the values of the family's labels in their order.
type emit func(value int64, labels ...string)

// families are all metrics, in the order of the page.
func families() []family {
	return slices.Concat(processFamilies(), connectorFamilies(), partitionFamilies(), countFamilies())
}

// processFamilies are about the process.
func processFamilies() []family {
	return []family{
		{name: "ready", kind: "gauge", help: "1 if /readyz says 200.",
			collect: func(v *view, add emit) { add(oneIf(v.Ready)) }},
		{name: "build_info", kind: "gauge", labels: []string{"version"}, help: "Always 1, with the version.",
			collect: func(v *view, add emit) { add(1, v.Version) }},
		{name: "budget_bytes", kind: "gauge", help: "Memory for records of all connectors together (--budget).",
			collect: func(v *view, add emit) { add(v.Budget) }},
	}
}

// connectorFamilies are about connectors as they are now.
func connectorFamilies() []family {
	gauge := func(name, help string, value func(*connectorView) int64) family {
		return family{name: name, kind: "gauge", labels: []string{"connector"}, help: help, collect: perConnector(value)}
	}
	return []family{
		gauge("up", "1 while the connector runs; 0 while it is being opened, and when it has ended.",
			func(c *connectorView) int64 { return oneIf(c.Phase == phaseRunning) }),
		gauge("read_failing", "1 while reading fails for all partitions: the brokers don't answer, or refuse.",
			func(c *connectorView) int64 { return oneIf(c.Error != "") }),
		gauge("held_bytes", "Memory that the connector charges to the budget.",
			func(c *connectorView) int64 { return c.Held }),
		gauge("assigned_partitions", "Partitions that this process has now.",
			func(c *connectorView) int64 { return int64(len(c.Partitions)) }),
	}
}

// partitionFamilies are about partitions while they are assigned to this process.
func partitionFamilies() []family {
	labels := []string{"connector", "topic", "partition"}
	gauge := func(name, help string, value func(*partitionView) int64) family {
		return family{name: name, kind: "gauge", labels: labels, help: help, collect: perPartition(value)}
	}
	return []family{
		gauge("partition_lag", "Offsets between what is committed, or being read if nothing is, and the end.",
			func(p *partitionView) int64 { return p.Lag }),
		gauge("partition_position", "Offset to be processed next.",
			func(p *partitionView) int64 { return p.Position }),
		gauge("partition_committed", "Offset committed for the group, -1 if there is none.",
			func(p *partitionView) int64 { return p.Committed }),
		gauge("partition_end", "End offset when last seen.",
			func(p *partitionView) int64 { return p.End }),
		gauge("partition_staged_records", "Records read into files that aren't committed yet.",
			func(p *partitionView) int64 { return p.Staged }),
		{name: "partition_state", kind: "gauge", labels: append(labels, "state"), collect: collectStates,
			help: "1 for the state that the partition is in, 0 for the others: recovering, running, retrying, blocked, halted."},
	}
}

// countFamilies are about what happened since the start, in all partitions that the process ever had.
func countFamilies() []family {
	counter := func(name string, m connector.Metric, help string) family {
		return family{name: name + "_total", kind: "counter", labels: []string{"connector"}, help: help, of: []connector.Metric{m},
			collect: perConnector(func(c *connectorView) int64 { return c.Totals[m] })}
	}
	reasons := func(name string, m connector.Metric, help string) family {
		return family{name: name + "_total", kind: "counter", labels: []string{"connector", "reason"}, help: help, of: []connector.Metric{m},
			collect: perReason(m)}
	}
	return []family{
		counter("records_read", connector.MetricRead, "Records fetched."),
		counter("read_bytes", connector.MetricReadBytes, "Raw bytes of their keys and values."),
		counter("records_written", connector.MetricWritten, "Records durable in the sink."),
		counter("records_filtered", connector.MetricFiltered, "Records that a handler dropped."),
		counter("records_emitted", connector.MetricEmitted, "Records that handlers emitted."),
		counter("records_buried", connector.MetricBuried, "Records durable in the dead letter."),
		counter("loads", connector.MetricLoads, "Calls of the sink."),
		counter("retries", connector.MetricRetries, "Attempts repeated; a call of the sink counts once per record."),
		counter("gaps", connector.MetricGaps, "Times that reading went on behind offsets that were gone from Kafka."),
		counter("commits", connector.MetricCommits, "Offsets committed for the group."),
		counter("late_acks", connector.MetricLateAcks, "Records whose write succeeded after their partition had gone."),
		reasons("rotations", connector.MetricRotations, "Ranges of files committed: size, age, memory, drain, gap, seal, mend."),
		reasons("files", connector.MetricFiles, "Files in them, by the same reasons."),
	}
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func perConnector(value func(*connectorView) int64) func(*view, emit) {
	return func(v *view, add emit) {
		for i := range v.Connectors {
			c := &v.Connectors[i]
			add(value(c), c.Name)
		}
	}
}

func perPartition(value func(*partitionView) int64) func(*view, emit) {
	return func(v *view, add emit) {
		for i := range v.Connectors {
			c := &v.Connectors[i]
			for j := range c.Partitions {
				p := &c.Partitions[j]
				add(value(p), c.Name, p.Topic, strconv.Itoa(int(p.ID)))
			}
		}
	}
}

// collectStates shows each state, also as 0: an alert ends at once, and not when the series goes stale.
func collectStates(v *view, add emit) {
	states := []connector.State{connector.StateRecovering, connector.StateRunning, connector.StateRetrying, connector.StateBlocked, connector.StateHalted}
	for _, s := range states {
		perPartition(func(p *partitionView) int64 { return oneIf(p.State == s) })(v, func(value int64, labels ...string) {
			add(value, append(labels, string(s))...)
		})
	}
}

// perReason shows a count by reasons. Those that are known are there from the start, because a rate needs the 0
// before the first; the sum of all is what the count itself holds.
func perReason(m connector.Metric) func(*view, emit) {
	known := []connector.RotateReason{connector.RotateSize, connector.RotateAge, connector.RotateMemory, connector.RotateDrain,
		connector.RotateGap, connector.RotateSeal, connector.RotateMend}
	return func(v *view, add emit) {
		for i := range v.Connectors {
			c := &v.Connectors[i]
			counts := make(map[string]int64)
			for _, r := range known {
				counts[string(r)] = 0
			}
			for name, n := range c.Totals {
				if reason, ok := strings.CutPrefix(string(name), string(m)+"_"); ok {
					counts[reason] = n
				}
			}
			for _, reason := range slices.Sorted(maps.Keys(counts)) {
				add(counts[reason], c.Name, reason)
			}
		}
	}
}

// writeMetrics writes all metrics in Prometheus' text exposition format 0.0.4.
func writeMetrics(w *bytes.Buffer, v *view) {
	for _, f := range families() {
		name := metricPrefix + f.name
		w.WriteString("# HELP " + name + " " + strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(f.help) + "\n")
		w.WriteString("# TYPE " + name + " " + f.kind + "\n")
		f.collect(v, func(value int64, labels ...string) {
			w.WriteString(name)
			writeLabels(w, f.labels, labels)
			w.WriteString(" " + strconv.FormatInt(value, 10) + "\n")
		})
	}
}

func writeLabels(w *bytes.Buffer, names, values []string) {
	if len(names) == 0 {
		return
	}
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	for i, n := range names {
		w.WriteByte("{,"[min(i, 1)])
		w.WriteString(n + `="` + escape.Replace(strings.ToValidUTF8(values[i], "\uFFFD")) + `"`)
	}
	w.WriteByte('}')
}
