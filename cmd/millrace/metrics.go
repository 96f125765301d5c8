package main

import (
	"bytes"
	"maps"
	"math"
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
type emit func(value float64, labels ...string)

// families are all metrics, in the order of the page.
func families() []family {
	return slices.Concat(processFamilies(), connectorFamilies(), brokerFamilies(), partitionFamilies(), countFamilies())
}

// processFamilies are about the process.
func processFamilies() []family {
	return []family{
		{name: "ready", kind: "gauge", help: "1 if /readyz says 200.",
			collect: func(v *view, add emit) { add(oneIf(v.Ready)) }},
		{name: "build_info", kind: "gauge", labels: []string{"version"}, help: "Always 1, with the version.",
			collect: func(v *view, add emit) { add(1, v.Version) }},
		{name: "budget_bytes", kind: "gauge", help: "Memory for records of all connectors together (--budget).",
			collect: func(v *view, add emit) { add(float64(v.Budget)) }},
	}
}

// connectorFamilies are about connectors as they are now.
func connectorFamilies() []family {
	gauge := func(name, help string, value func(*connectorView) float64) family {
		return family{name: name, kind: "gauge", labels: []string{"connector"}, help: help, collect: perConnector(value)}
	}
	return []family{
		gauge("up", "1 while the connector runs; 0 while it is being opened, and when it has ended.",
			func(c *connectorView) float64 { return oneIf(c.Phase == phaseRunning) }),
		gauge("read_failing", "1 while reading fails for all partitions: the brokers don't answer, or refuse.",
			func(c *connectorView) float64 { return oneIf(c.Error != "") }),
		gauge("held_bytes", "Memory that the connector charges to the budget.",
			func(c *connectorView) float64 { return float64(c.Held) }),
		gauge("assigned_partitions", "Partitions that this process has now.",
			func(c *connectorView) float64 { return float64(len(c.Partitions)) }),
	}
}

// brokerFamilies are about how brokers treat a consumer and its dead letter, as far as these are in Kafka.
func brokerFamilies() []family {
	all := []family{{name: "rebalances_total", kind: "counter", labels: []string{"connector"},
		help:    "Times that the group's rebalances changed what this process has, the first assignment included.",
		collect: perReport(consumerOf, func(r *connector.Report) float64 { return float64(r.Rebalances) })}}
	for _, of := range []struct {
		name, what string
		report     func(*connectorView) *connector.Report
	}{{"fetch", "fetches", consumerOf}, {"produce", "requests that write to the dead letter", deadLetterOf}} {
		add := func(name, kind, help string, value func(*connector.Throttle) float64) {
			all = append(all, family{name: of.name + name, kind: kind, labels: []string{"connector"}, help: help,
				collect: perReport(of.report, func(r *connector.Report) float64 { return value(&r.Throttle) })})
		}
		add("_responses_total", "counter", "Answers of brokers to "+of.what+".", func(t *connector.Throttle) float64 { return float64(t.Requests) })
		add("_throttle_seconds_total", "counter", "Time that brokers made "+of.what+" wait because of a quota.", func(t *connector.Throttle) float64 { return t.Total.Seconds() })
		add("_throttle_avg_seconds", "gauge", "Its average per answer since the start.", averageWait)
		add("_throttle_max_seconds", "gauge", "The longest wait since the start.", func(t *connector.Throttle) float64 { return t.Max.Seconds() })
	}
	return all
}

func consumerOf(c *connectorView) *connector.Report   { return c.Consumer }
func deadLetterOf(c *connectorView) *connector.Report { return c.DeadLetter }

func averageWait(t *connector.Throttle) float64 {
	return t.Total.Seconds() / float64(max(t.Requests, 1))
}

// partitionFamilies are about partitions while they are assigned to this process.
func partitionFamilies() []family {
	labels := []string{"connector", "topic", "partition"}
	gauge := func(name, help string, value func(*connector.PartitionStatus) float64) family {
		return family{name: name, kind: "gauge", labels: labels, help: help, collect: perPartition(value)}
	}
	return []family{
		gauge("partition_lag", "Offsets between what is committed, or being read if nothing is, and the end.",
			func(p *connector.PartitionStatus) float64 { return float64(p.Lag) }),
		gauge("partition_lag_seconds", "Age of the first record that isn't committed, by its timestamp, 0 without lag. Before anything was read: seconds since the assignment.",
			func(p *connector.PartitionStatus) float64 { return p.LagSeconds }),
		gauge("partition_catch_up_seconds", "Time until all up to the end is processed, at the pace of the last minute; +Inf if that isn't shrinking.",
			func(p *connector.PartitionStatus) float64 { return secondsOrNever(p.CatchUp) }),
		gauge("partition_position", "Offset to be processed next.",
			func(p *connector.PartitionStatus) float64 { return float64(p.Position) }),
		gauge("partition_committed", "Offset committed for the group, -1 if there is none.",
			func(p *connector.PartitionStatus) float64 { return float64(p.Committed) }),
		gauge("partition_end", "End offset when last seen.",
			func(p *connector.PartitionStatus) float64 { return float64(p.End) }),
		gauge("partition_staged_records", "Records read into files that aren't committed yet.",
			func(p *connector.PartitionStatus) float64 { return float64(p.Staged) }),
		{name: "partition_state", kind: "gauge", labels: append(labels, "state"), collect: collectStates,
			help: "1 for the state that the partition is in, 0 for the others: recovering, running, retrying, blocked, halted, paused."},
	}
}

// countFamilies are about what happened since the start, in all partitions that the process ever had.
func countFamilies() []family {
	counter := func(name string, m connector.Metric, help string) family {
		return family{name: name + "_total", kind: "counter", labels: []string{"connector"}, help: help, of: []connector.Metric{m},
			collect: perConnector(func(c *connectorView) float64 { return float64(c.Totals[m]) })}
	}
	kinds := func(name string, m connector.Metric, label string, known []string, help string) family {
		return family{name: name + "_total", kind: "counter", labels: []string{"connector", label}, help: help, of: []connector.Metric{m},
			collect: perKind(m, known)}
	}
	classes := []string{connector.Retryable.String(), connector.Systemic.String(), connector.Lost.String()}
	stages := texts(connector.StageKey, connector.StageValue, connector.StageHandle, connector.StageLoad)
	reasons := texts(connector.RotateSize, connector.RotateAge, connector.RotateMemory, connector.RotateDrain,
		connector.RotateGap, connector.RotateSeal, connector.RotateMend)
	sizes := []string{"1MiB", "16MiB", "64MiB", "128MiB", "256MiB", "512MiB", "more"}
	return []family{
		counter("records_read", connector.MetricRead, "Records fetched."),
		counter("read_bytes", connector.MetricReadBytes, "Raw bytes of their keys and values."),
		counter("records_written", connector.MetricWritten, "Records durable in the sink."),
		counter("records_filtered", connector.MetricFiltered, "Records that a handler dropped."),
		counter("records_emitted", connector.MetricEmitted, "Records that handlers emitted."),
		kinds("records_buried", connector.MetricBuried, "stage", stages, "Records durable in the dead letter, by what failed: "+strings.Join(stages, ", ")+"."),
		counter("loads", connector.MetricLoads, "Calls of the sink."),
		kinds("retries", connector.MetricRetries, "class", classes, "Attempts repeated, by the class of the error: "+strings.Join(classes, ", ")+". A call of the sink counts once per record."),
		counter("gaps", connector.MetricGaps, "Times that reading went on behind offsets that were gone from Kafka."),
		counter("records_skipped", connector.MetricSkipped, "Records that operators passed over by millrace skip."),
		counter("commits", connector.MetricCommits, "Offsets committed for the group."),
		counter("late_acks", connector.MetricLateAcks, "Records whose write succeeded after their partition had gone."),
		kinds("rotations", connector.MetricRotations, "reason", reasons, "Ranges of files committed: "+strings.Join(reasons, ", ")+"."),
		kinds("files", connector.MetricFiles, "reason", reasons, "Files in them, by the same reasons."),
		kinds("file_bytes", connector.MetricFileBytes, "reason", reasons, "Bytes of these files, by the same reasons."),
		kinds("files_by_size", connector.MetricFileSizes, "most", sizes, "Files by their size: each counts for the least that isn't below it."),
		counter("rows_rested", connector.MetricRested, "Rows of files with columns that had members without a column of their own: they are in the column for the rest."),
		counter("rows_dropped", connector.MetricDropped, "Rows of which such members were left out (rest: none)."),
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// secondsOrNever is a time, for which the core writes -1 if it has no end.
func secondsOrNever(s float64) float64 {
	if s < 0 {
		return math.Inf(1)
	}
	return s
}

func texts[T ~string](values ...T) (out []string) {
	for _, v := range values {
		out = append(out, string(v))
	}
	return out
}

// perReport shows what a consumer or a dead letter reports, if it does.
func perReport(of func(*connectorView) *connector.Report, value func(*connector.Report) float64) func(*view, emit) {
	return func(v *view, add emit) {
		for i := range v.Connectors {
			c := &v.Connectors[i]
			if r := of(c); r != nil {
				add(value(r), c.Name)
			}
		}
	}
}

func perConnector(value func(*connectorView) float64) func(*view, emit) {
	return func(v *view, add emit) {
		for i := range v.Connectors {
			c := &v.Connectors[i]
			add(value(c), c.Name)
		}
	}
}

func perPartition(value func(*connector.PartitionStatus) float64) func(*view, emit) {
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
	states := []connector.State{connector.StateRecovering, connector.StateRunning, connector.StateRetrying, connector.StateBlocked, connector.StateHalted, connector.StatePaused}
	for _, s := range states {
		perPartition(func(p *connector.PartitionStatus) float64 { return oneIf(p.State == s) })(v, func(value float64, labels ...string) {
			add(value, append(labels, string(s))...)
		})
	}
}

// perKind shows a count by its kinds: reasons, classes, stages. Those that are known are there from the start, because a
// rate needs the 0 before the first; the sum of all is what the count itself holds.
func perKind(m connector.Metric, known []string) func(*view, emit) {
	return func(v *view, add emit) {
		for i := range v.Connectors {
			c := &v.Connectors[i]
			counts := make(map[string]int64)
			for _, kind := range known {
				counts[kind] = 0
			}
			for name, n := range c.Totals {
				if kind, ok := strings.CutPrefix(string(name), string(m)+"_"); ok {
					counts[kind] = n
				}
			}
			for _, kind := range slices.Sorted(maps.Keys(counts)) {
				add(float64(counts[kind]), c.Name, kind)
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
		f.collect(v, func(value float64, labels ...string) {
			w.WriteString(name)
			writeLabels(w, f.labels, labels)
			w.WriteString(" " + strconv.FormatFloat(value, 'f', -1, 64) + "\n")
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
