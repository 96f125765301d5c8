package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
)

// A scrape is what was parsed of a page of metrics: values by "name{labels}" as it was written.
type scrape map[string]float64

var (
	nameForm   = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelForm  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	sampleForm = regexp.MustCompile(`^([a-zA-Z0-9_:]+)(\{.*\})? (-?[0-9]+(?:\.[0-9]+)?|\+Inf|-Inf|NaN)$`)
)

// parseMetrics is strict: HELP and TYPE once before the samples of each metric, which stand together; counters end in
// _total and aren't negative; labels are well formed, each once; no series comes twice; each line is ended.
func parseMetrics(page string) (scrape, error) {
	if !strings.HasSuffix(page, "\n") {
		return nil, fmt.Errorf("the last line isn't ended")
	}
	s, seen := scrape{}, map[string]bool{}
	var name, kind string
	for i, line := range strings.Split(strings.TrimSuffix(page, "\n"), "\n") {
		fail := func(what string) (scrape, error) { return nil, fmt.Errorf("line %d: %s: %s", i+1, what, line) }
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			var help string
			if name, help, _ = strings.Cut(rest, " "); seen[name] || help == "" || !nameForm.MatchString(name) || !strings.HasPrefix(name, "millrace_") {
				return fail("bad help")
			}
			seen[name], kind = true, ""
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			var of string
			if of, kind, _ = strings.Cut(rest, " "); of != name || kind != "gauge" && kind != "counter" || (kind == "counter") != strings.HasSuffix(name, "_total") {
				return fail("bad type")
			}
			continue
		}
		m := sampleForm.FindStringSubmatch(line)
		if m == nil || m[1] != name || kind == "" {
			return fail("bad sample")
		}
		if _, err := parseLabels(m[2]); err != nil {
			return fail(err.Error())
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if _, twice := s[m[1]+m[2]]; err != nil || twice || kind == "counter" && value < 0 {
			return fail("bad value, or a series that comes twice")
		}
		s[m[1]+m[2]] = value
	}
	return s, nil
}

// parseLabels parses {a="b",c="d"}, or nothing.
func parseLabels(text string) (map[string]string, error) {
	labels := map[string]string{}
	if text == "" {
		return labels, nil
	}
	for rest := text[1:]; ; {
		name, after, ok := strings.Cut(rest, `="`)
		if _, twice := labels[name]; !ok || twice || !labelForm.MatchString(name) {
			return nil, fmt.Errorf("bad label %q", name)
		}
		value, n, err := unescape(after)
		if err != nil {
			return nil, err
		}
		labels[name] = value
		switch rest = after[n:]; {
		case rest == "}":
			return labels, nil
		case !strings.HasPrefix(rest, ","):
			return nil, fmt.Errorf("bad end of label %s", name)
		}
		rest = rest[1:]
	}
}

// unescape reads up to the closing quote, and tells how many bytes that were.
func unescape(text string) (string, int, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return b.String(), i + 1, nil
		case text[i] != '\\':
			b.WriteByte(text[i])
			continue
		}
		i++
		if i == len(text) || !strings.ContainsRune(`\"n`, rune(text[i])) {
			return "", 0, fmt.Errorf("bad escape")
		}
		b.WriteByte(map[byte]byte{'\\': '\\', '"': '"', 'n': '\n'}[text[i]])
	}
	return "", 0, fmt.Errorf("a label without an end")
}

// page is what /metrics says of a view, parsed.
func page(t *testing.T, v *view) (string, scrape) {
	t.Helper()
	var b bytes.Buffer
	writeMetrics(&b, v)
	s, err := parseMetrics(b.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	return b.String(), s
}

// fullView has a value for everything.
func fullView() *view {
	p := connector.PartitionStatus{Partition: connector.Partition{Topic: "cars", ID: 3}, State: connector.StateBlocked, Position: 11, Committed: -1, End: 20, Staged: 4,
		Lag: 9, LagSeconds: 12.5, CatchUp: -1}
	return &view{Ready: true, Version: "1.2.3", Budget: 1000, Connectors: []connectorView{
		{Phase: phaseRunning, opened: true, Status: connector.Status{Name: "a", Held: 77, Error: "no broker", Totals: map[connector.Metric]int64{
			"records_read": 1, "bytes_read": 2, "records_written": 3, "records_filtered": 4, "records_emitted": 5, "records_buried": 6,
			"records_buried_TASK_PUT": 4, "records_buried_KEY_CONVERTER": 2, "retries_systemic": 3, "retries_retryable": 5,
			"loads": 7, "retries": 8, "gaps": 9, "commits": 10, "late_acks": 11, "rotations": 5, "rotations_age": 3, "rotations_new": 2, "files": 6, "files_memory": 6,
		}, Partitions: []connector.PartitionStatus{p},
			Consumer:   &connector.Report{Joined: true, Rebalances: 3, Throttle: connector.Throttle{Requests: 8, Times: 2, Total: 2 * time.Second, Max: 1500 * time.Millisecond}},
			DeadLetter: &connector.Report{Throttle: connector.Throttle{Total: time.Second, Max: time.Second}},
		}},
		{Phase: phaseOpening, Status: connector.Status{Name: "b"}},
	}}
}

func TestMetricsShowEverything(t *testing.T) {
	text, got := page(t, fullView())
	for series, want := range map[string]float64{
		`ready`: 1, `build_info{version="1.2.3"}`: 1, `budget_bytes`: 1000,
		`up{connector="a"}`: 1, `up{connector="b"}`: 0, `read_failing{connector="a"}`: 1, `read_failing{connector="b"}`: 0,
		`held_bytes{connector="a"}`: 77, `assigned_partitions{connector="a"}`: 1, `assigned_partitions{connector="b"}`: 0,
		`partition_lag{connector="a",topic="cars",partition="3"}`: 9, `partition_position{connector="a",topic="cars",partition="3"}`: 11,
		`partition_committed{connector="a",topic="cars",partition="3"}`: -1, `partition_end{connector="a",topic="cars",partition="3"}`: 20,
		`partition_staged_records{connector="a",topic="cars",partition="3"}`:         4,
		`partition_state{connector="a",topic="cars",partition="3",state="blocked"}`:  1,
		`partition_state{connector="a",topic="cars",partition="3",state="running"}`:  0,
		`partition_state{connector="a",topic="cars",partition="3",state="retrying"}`: 0,
		`records_read_total{connector="a"}`:                                          1, `records_read_total{connector="b"}`: 0, `read_bytes_total{connector="a"}`: 2,
		`records_written_total{connector="a"}`: 3, `records_filtered_total{connector="a"}`: 4, `records_emitted_total{connector="a"}`: 5,
		`records_buried_total{connector="a",stage="TASK_PUT"}`: 4, `records_buried_total{connector="a",stage="KEY_CONVERTER"}`: 2,
		`records_buried_total{connector="a",stage="TRANSFORMATION"}`: 0, `retries_total{connector="a",class="systemic"}`: 3,
		`retries_total{connector="a",class="retryable"}`: 5, `retries_total{connector="b",class="lost"}`: 0, `loads_total{connector="a"}`: 7,
		`partition_lag_seconds{connector="a",topic="cars",partition="3"}`: 12.5, `partition_catch_up_seconds{connector="a",topic="cars",partition="3"}`: math.Inf(1),
		`rebalances_total{connector="a"}`: 3, `fetch_responses_total{connector="a"}`: 8, `fetch_throttle_seconds_total{connector="a"}`: 2,
		`fetch_throttle_avg_seconds{connector="a"}`: .25, `fetch_throttle_max_seconds{connector="a"}`: 1.5, `produce_responses_total{connector="a"}`: 0,
		`produce_throttle_seconds_total{connector="a"}`: 1, `produce_throttle_avg_seconds{connector="a"}`: 1, `produce_throttle_max_seconds{connector="a"}`: 1, `gaps_total{connector="a"}`: 9,
		`commits_total{connector="a"}`: 10, `late_acks_total{connector="a"}`: 11,
		`rotations_total{connector="a",reason="age"}`: 3, `rotations_total{connector="a",reason="new"}`: 2, `rotations_total{connector="a",reason="size"}`: 0,
		`files_total{connector="a",reason="memory"}`: 6, `files_total{connector="b",reason="mend"}`: 0,
	} {
		if n, ok := got["millrace_"+series]; !ok || n != want {
			t.Errorf("%s is %v (%t), want %v\n%s", series, n, ok, want, text)
		}
	}
	for _, absent := range []string{`millrace_rebalances_total{connector="b"}`, `millrace_fetch_throttle_max_seconds{connector="b"}`, `millrace_produce_responses_total{connector="b"}`} {
		if _, ok := got[absent]; ok {
			t.Errorf("%s of a connector that reports nothing", absent)
		}
	}
	if n := strings.Count(text, "millrace_partition_state{"); n != 6 {
		t.Errorf("%d states", n)
	}
}

func TestMetricsEscapeLabels(t *testing.T) {
	v := fullView()
	v.Connectors[0].Name, v.Version = "a\"b\\c\nd", "bad \xff"
	text, got := page(t, v)
	for _, series := range []string{`millrace_up{connector="a\"b\\c\nd"}`, "millrace_build_info{version=\"bad \uFFFD\"}"} {
		if _, ok := got[series]; !ok {
			t.Errorf("no %s in\n%s", series, text)
		}
	}
	labels, err := parseLabels(`{connector="a\"b\\c\nd",x=""}`)
	if err != nil || labels["connector"] != v.Connectors[0].Name {
		t.Errorf("%q, %v", labels, err)
	}
}

// TestParserIsStrict lets no page pass that Prometheus wouldn't take.
func TestParserIsStrict(t *testing.T) {
	const head = "# HELP millrace_a_total x\n# TYPE millrace_a_total counter\n"
	if _, err := parseMetrics(head + "millrace_a_total{b=\"c\"} 1\n"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		"", "millrace_a_total 1\n", head + "millrace_a_total 1", head + "millrace_b_total 1\n", head + "millrace_a_total -1\n", head + "millrace_a_total 1\nmillrace_a_total 1\n",
		head + head, head + "millrace_a_total{b=\"c} 1\n", head + "millrace_a_total{b=\"c\",b=\"d\"} 1\n", head + "millrace_a_total{b=\"\\x\"} 1\n",
		head + "millrace_a_total{b=\"c\",} 1\n", head + "millrace_a_total{} 1\n", head + "millrace_a_total{1b=\"c\"} 1\n", head + "\n", head + "millrace_a_total x\n", head + "millrace_a_total 1e3\n", head + "millrace_a_total .5\n",
		"# HELP millrace_a x\n# TYPE millrace_a counter\n", "# HELP a_total x\n# TYPE a_total counter\n",
	} {
		if _, err := parseMetrics(bad); err == nil {
			t.Errorf("taken: %q", bad)
		}
	}
}

// TestEveryCountHasAMetric finds counts of the core that no metric shows.
func TestEveryCountHasAMetric(t *testing.T) {
	var shown []string
	for _, f := range families() {
		for _, m := range f.of {
			shown = append(shown, string(m))
		}
	}
	var counted []string
	for _, typ := range parsePackage(t, filepath.Join(root, "connector"), module+"/connector").Types {
		if typ.Name != "Metric" {
			continue
		}
		for _, c := range typ.Consts {
			for _, spec := range c.Decl.Specs {
				for _, v := range spec.(*ast.ValueSpec).Values {
					name, err := strconv.Unquote(v.(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					counted = append(counted, name)
				}
			}
		}
	}
	slices.Sort(shown)
	slices.Sort(counted)
	if len(counted) < 13 || !slices.Equal(shown, counted) {
		t.Errorf("shown   %v\ncounted %v", shown, counted)
	}
}

// TestReferenceOfMetrics compares the table of docs/observe.md with the metrics, and looks for names that aren't any in the
// queries and alerts there. After a change: go generate ./cmd/millrace
func TestReferenceOfMetrics(t *testing.T) {
	path := filepath.Join(root, "docs/observe.md")
	var b strings.Builder
	names := map[string]bool{}
	b.WriteString("\n| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n")
	for _, f := range families() {
		labels := ""
		for i, l := range f.labels {
			labels += strings.Repeat(", ", min(i, 1)) + "`" + l + "`"
		}
		fmt.Fprintf(&b, "| `millrace_%s` | %s | %s | %s |\n", f.name, f.kind, labels, f.help)
		names["millrace_"+f.name] = true
	}
	checkPart(t, path, b.String()+"\n")
	text := readFile(t, path)
	for _, name := range regexp.MustCompile(`\bmillrace_[a-z_]+`).FindAllString(text, -1) {
		if !names[name] && name != metricPrefix {
			t.Errorf("%s speaks of %s, which is no metric", path, name)
		}
	}
}
