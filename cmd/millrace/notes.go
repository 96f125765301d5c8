package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/internal/rule"
	"github.com/millrace/millrace/internal/template"
	"github.com/millrace/millrace/serde"
)

// Notes are what a preview's sink and dead letter were given, by record.
type notes struct {
	dead    string // name of the connector's dead letter
	mu      sync.Mutex
	results []*result // in the order of the samples
	index   map[recordID]*result
}

type recordID struct {
	connector.Partition
	offset int64
}

// The outcomes of a record.
const (
	outcomeWritten  = "written"
	outcomeFiltered = "filtered"
	outcomeDead     = "dead_letter"
	outcomeStop     = "stop" // there is no dead letter: the partition stops here
)

// A result is what would become of a record.
type result struct {
	Topic     string          `json:"topic"`
	Partition int32           `json:"partition"`
	Offset    int64           `json:"offset"`
	Outcome   string          `json:"outcome"`
	Outputs   []output        `json:"outputs,omitempty"`
	Stage     connector.Stage `json:"stage,omitempty"`
	Error     string          `json:"error,omitempty"`
}

// An output is a record as a sink would get it.
type output struct {
	Sink     string         `json:"sink"`
	Index    int32          `json:"index"`
	Key      show           `json:"key"`
	Value    show           `json:"value"`
	Headers  []shownHeader  `json:"headers,omitempty"`
	Settings []shownSetting `json:"settings,omitempty"` // what the sink's rules and templates say of it
}

type shownHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type shownSetting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func newNotes(dead string, samples []sample) *notes {
	n := &notes{dead: dead, index: map[recordID]*result{}}
	for _, s := range samples {
		r := &result{Topic: s.Topic, Partition: s.ID, Offset: s.record.Offset, Outcome: outcomeFiltered}
		n.results = append(n.results, r)
		n.index[recordID{s.Partition, s.record.Offset}] = r
	}
	return n
}

// Bury notes why records can't be processed.
func (n *notes) Bury(_ context.Context, fs []connector.Failure) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range fs {
		r := n.index[recordID{f.Source.Partition, f.Record.Offset}]
		r.Outcome, r.Stage, r.Error = outcomeDead, f.Stage, f.Err.Error()
		if n.dead == "none" {
			r.Outcome = outcomeStop
		}
	}
	return nil
}

// A dryRunner is a sink's Config that can check records without writing them: its Loader
// marks those failed that the sink would refuse.
type dryRunner interface {
	DryRun() (connector.Loader, error)
}

// loader makes the Loader that stands for a sink.
func (n *notes) loader(sink config.Choice) (connector.Loader, error) {
	l := &noteLoader{notes: n, sink: sink.Name}
	if d, ok := sink.Config.(dryRunner); ok {
		check, err := d.DryRun()
		if err != nil {
			return nil, err
		}
		l.check = check
	}
	for _, e := range config.Expressions(sink.Config) {
		if err := l.add(e); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	return l, nil
}

// A noteLoader notes what a sink would get. Its rules and templates are the sink's.
type noteLoader struct {
	notes *notes
	sink  string
	check connector.Loader // nil if the sink can't
	rules []named
}

// A named evaluates one of the sink's settings for a record.
type named struct {
	name   string
	append func(dst []byte, b *connector.Batch, i int) ([]byte, error)
}

func (l *noteLoader) add(e config.Expression) error {
	if !e.Template {
		expr, err := rule.Compile(e.Text)
		if err != nil {
			return err
		}
		l.rules = append(l.rules, named{e.Name, func(dst []byte, b *connector.Batch, i int) ([]byte, error) {
			v, err := expr.Eval(b, i)
			if err != nil {
				return dst, err
			}
			return v.AppendText(dst)
		}})
		return nil
	}
	t, err := template.Compile(e.Text, template.Options{Position: true, Time: &template.Time{}})
	if err != nil {
		return err
	}
	l.rules = append(l.rules, named{e.Name, func(dst []byte, b *connector.Batch, i int) ([]byte, error) {
		return t.Append(dst, b, i, b.At(i).Offset)
	}})
	return nil
}

func (l *noteLoader) Load(ctx context.Context, b *connector.Batch) error {
	if l.check != nil {
		if err := l.check.Load(ctx, b); err != nil {
			return err
		}
	}
	outputs := make([]output, b.Len())
	for i, r := range b.Records() {
		o, err := l.output(b, i, r)
		if err != nil {
			b.Fail(i, connector.Permanent.Wrap(err))
		}
		outputs[i] = o
	}
	l.notes.mu.Lock()
	defer l.notes.mu.Unlock()
	for i, r := range b.Records() {
		to := l.notes.index[recordID{b.Source().Partition, r.Offset}]
		if to.Outcome == outcomeFiltered {
			to.Outcome = outcomeWritten
		}
		to.Outputs = append(to.Outputs, outputs[i])
	}
	return nil
}

func (l *noteLoader) output(b *connector.Batch, i int, r *connector.Record) (output, error) {
	o := output{Sink: l.sink, Index: r.Index, Key: shown(r.Key), Value: shown(r.Value)}
	for _, h := range r.Headers {
		o.Headers = append(o.Headers, shownHeader{h.Name, strings.ToValidUTF8(string(h.Value), "\uFFFD")})
	}
	for _, e := range l.rules {
		text, err := e.append(nil, b, i)
		if err != nil {
			return o, fmt.Errorf("%s: %w", e.name, err)
		}
		o.Settings = append(o.Settings, shownSetting{e.name, strings.ToValidUTF8(string(text), "\uFFFD")})
	}
	return o, nil
}

// A show is a value as JSON.
type show json.RawMessage

func (s show) MarshalJSON() ([]byte, error) { return s, nil }

// shown is a value as JSON; what has none, such as bytes that aren't UTF-8, is quoted.
func shown(v serde.Value) show {
	if text, err := v.AppendJSON(nil); err == nil && json.Valid(text) {
		return text
	}
	text, err := v.AppendText(nil)
	if err != nil {
		text = []byte(err.Error())
	}
	quoted, _ := json.Marshal(strconv.Quote(string(text)))
	return quoted
}

// printJSON writes v as one line, with < and > as they are.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// print writes the result as text, or as one line of JSON.
func (r *result) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%d@%d: ", r.Topic, r.Partition, r.Offset)
	switch r.Outcome {
	case outcomeFiltered:
		b.WriteString("dropped by the handlers\n")
	case outcomeDead:
		fmt.Fprintf(&b, "dead letter, at %s: %s\n", r.Stage, r.Error)
	case outcomeStop:
		fmt.Fprintf(&b, "the partition would stop here, there is no dead letter; at %s: %s\n", r.Stage, r.Error)
	default:
		fmt.Fprintf(&b, "%s for %s\n", count(len(r.Outputs), "record"), r.Outputs[0].Sink)
	}
	for _, o := range r.Outputs {
		o.print(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (o *output) print(b *strings.Builder) {
	fmt.Fprintf(b, "  key        %s\n  value      %s\n", o.Key, o.Value)
	for _, h := range o.Headers {
		fmt.Fprintf(b, "  header     %s: %q\n", h.Name, h.Value)
	}
	for _, s := range o.Settings {
		fmt.Fprintf(b, "  %-10s %s\n", s.Name, s.Value)
	}
}
