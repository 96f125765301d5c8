package layout_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/layout"
	"github.com/millrace/millrace/internal/template"
)

// section is what stands in docs/layouts.md between the comments of a name.
func section(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("../../docs/layouts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(data), "<!-- "+name+" -->\n")
	text, _, ok := strings.Cut(text, "<!-- /"+name+" -->")
	if !ok {
		t.Fatalf("there is no section %s", name)
	}
	return text
}

// rows are the rows of a table, without its first two, as cells without backquotes.
func rows(text string) [][]string {
	var all [][]string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		all = append(all, cells)
	}
	return all[1:]
}

// timeSettings are the settings of a path as a file has them.
type timeSettings struct {
	Path string
	Time struct {
		From, Zone, Unit string
		Floor            connector.Duration
	}
	Null    string `yaml:"if_null"`
	Missing string `yaml:"if_missing"`
	Late    template.Late
}

func (s *timeSettings) layout() layout.Settings {
	return layout.Settings{
		Path: s.Path, Null: s.Null, Missing: s.Missing, Extension: ".json",
		Time: layout.Time{From: s.Time.From, Zone: s.Time.Zone, Unit: s.Time.Unit, Floor: s.Time.Floor},
	}
}

// TestDocumentedLayouts: every example of docs/layouts.md is what the template gives.
func TestDocumentedLayouts(t *testing.T) {
	at := time.Date(2026, 11, 20, 13, 34, 5, 0, time.UTC).UnixMilli()
	b := connectortest.Batch(t, "cars", 7, connectortest.R{
		Key: "car-1", Offset: 4711, Timestamp: at, Value: `{"city": "Bern", "country": null, "event_time": "2026-11-20T12:59:59Z", "id": "a"}`})
	examples := rows(section(t, "examples"))
	if len(examples) < 15 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, cells := range examples {
		var s timeSettings
		if err := yaml.Unmarshal([]byte(cells[2]), &s); err != nil && cells[2] != "" {
			t.Errorf("%s: %v", cells[0], err)
		}
		s.Path = cells[1]
		made := s.layout()
		if got, err := made.Name(b, 0, tail); err != nil || got != cells[3] {
			t.Errorf("%s: %s, %v\nwant %s", cells[0], got, err, cells[3])
		}
	}
}

// TestDocumentedLateData: so is the example of late data.
func TestDocumentedLateData(t *testing.T) {
	text := section(t, "late")
	_, code, _ := strings.Cut(text, "```yaml\n")
	code, table, _ := strings.Cut(code, "```")
	var s timeSettings
	if err := yaml.Unmarshal([]byte(code), &s); err != nil {
		t.Fatal(err)
	}
	made := s.layout()
	path, err := template.Compile(strings.TrimSuffix(s.Path, "/"), made.Options())
	if err != nil {
		t.Fatal(err)
	}
	setting := s.Late
	setting.Path = strings.TrimSuffix(setting.Path, "/")
	late, err := setting.Compile(made.Options())
	if err != nil {
		t.Fatal(err)
	}
	all := rows(table)
	if len(all) != 4 {
		t.Fatalf("%d rows", len(all))
	}
	for _, cells := range all {
		at, err := time.Parse(time.RFC3339, cells[1])
		if err != nil {
			t.Fatal(err)
		}
		b := connectortest.Batch(t, "cars", 0, connectortest.R{Timestamp: at.UnixMilli(), Value: `{"event_time":"` + cells[0] + `"}`})
		is, err := late.Is(b, 0)
		if err != nil {
			t.Fatal(err)
		}
		to := path
		if is {
			to = late.Path()
		}
		if got, err := to.Append(nil, b, 0, 0); err != nil || string(got)+"/" != cells[2] {
			t.Errorf("%v: %s, %v", cells, got, err)
		}
	}
}
