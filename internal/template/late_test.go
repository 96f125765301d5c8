package template_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/template"
)

func TestLate(t *testing.T) {
	hour := connector.Duration(time.Hour)
	for _, c := range []struct {
		at        int64 // when it happened, ms from its timestamp
		timestamp int64
		late      template.Late
		want      string
	}{
		{0, when, template.Late{After: hour}, ""},
		{-3_600_000, when, template.Late{After: hour}, ""},
		{-3_600_001, when, template.Late{After: hour}, "value.at is 2026-03-01T08:04:05Z, the record's timestamp 2026-03-01T09:04:05Z: more than late.after (1h) apart"},
		{3_600_001, when, template.Late{After: hour}, ""},
		{3_600_000, when, template.Late{Ahead: hour}, ""},
		{3_600_001, when, template.Late{Ahead: hour}, "late.ahead (1h)"},
		{-3_600_001, when, template.Late{Ahead: hour}, ""},
		{-3_600_001, when, template.Late{After: hour, Ahead: hour}, "late.after"},
		{1 << 60, when, template.Late{After: hour, Ahead: hour}, "late.ahead"},
		{-1 << 60, when, template.Late{After: hour, Ahead: hour}, "late.after"},
		{-1 << 60, -1, template.Late{After: hour}, ""}, // no timestamp
	} {
		l, err := c.late.Compile(template.Options{Path: true, Position: true, Time: &template.Time{From: "value.at", Floor: 24 * time.Hour}})
		if err != nil {
			t.Fatal(err)
		}
		b := one(t, connectortest.R{Timestamp: c.timestamp, Value: fmt.Sprintf(`{"at":%d}`, when+c.at)})
		late, err := l.Is(b, 0)
		reason := l.Reason(b, 0)
		if err != nil || late != (c.want != "") || late != (reason != nil) || late && !strings.Contains(reason.Error(), c.want) {
			t.Errorf("%+v: %v, %v, %v", c, late, err, reason)
		}
		if reason != nil && connector.ClassOf(reason) != connector.Permanent {
			t.Errorf("%+v: class %v", c, connector.ClassOf(reason))
		}
		if l.Path() != nil {
			t.Error("the dead letter has a path")
		}
	}
}

func TestLatePath(t *testing.T) {
	o := template.Options{Path: true, Position: true, Null: "none", Time: &template.Time{From: "value.at"}}
	l, err := template.Late{After: connector.Duration(time.Hour), Path: "late/dt={time:yyyy-MM-dd}/{value.x}/{position:%010d}"}.Compile(o)
	if err != nil {
		t.Fatal(err)
	}
	b := one(t, connectortest.R{Value: `{"at":"2026-01-31T08:00:00Z"}`})
	if late, err := l.Is(b, 0); !late || err != nil {
		t.Fatal(late, err)
	}
	if got, err := l.Path().Append(nil, b, 0, 7); err != nil || string(got) != "late/dt=2026-01-31/none/0000000007" {
		t.Errorf("%s, %v", got, err)
	}
	b = one(t, connectortest.R{Value: `{"at":"soon"}`})
	if _, err := l.Is(b, 0); err == nil || connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), `late: value.at: "soon" is no time`) {
		t.Error(err)
	}
	if err := l.Reason(b, 0); err != nil {
		t.Error(err)
	}
}

func TestLateErrors(t *testing.T) {
	hour := connector.Duration(time.Hour)
	for _, c := range []struct {
		late template.Late
		from string
		want string
	}{
		{template.Late{After: -1}, "value.at", "late.after is "},
		{template.Late{Ahead: -1}, "value.at", "late.ahead is "},
		{template.Late{Path: "late/"}, "value.at", "late.path needs late.after"},
		{template.Late{After: hour}, "", "time.from to be a field"},
		{template.Late{After: hour}, "timestamp", "time.from to be a field"},
		{template.Late{Ahead: hour}, "wall", "time.from to be a field"},
		{template.Late{Ahead: hour, Path: "late/{x}"}, "value.at", "late.path: there is no {x}"},
		{template.Late{Ahead: hour}, "value.", "a name is missing"},
	} {
		if l, err := c.late.Compile(template.Options{Path: true, Time: &template.Time{From: c.from}}); err == nil || !strings.Contains(err.Error(), c.want) || l != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if l, err := (template.Late{}).Compile(template.Options{}); l != nil || err != nil {
		t.Error(l, err)
	}
	if _, err := (template.Late{After: hour}).Compile(template.Options{}); err == nil {
		t.Error("late without a time")
	}
}
