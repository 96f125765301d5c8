package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// millrace runs a command line in this process.
func millrace(t *testing.T, plugins *config.Registry, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := &command{in: strings.NewReader(in), out: &stdout, err: &stderr, plugins: plugins}
	code = c.execute(context.Background(), args)
	return code, stdout.String(), stderr.String()
}

// write writes a configuration file.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "millrace.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	kafkaToStdout = "source: {kafka: {brokers: localhost:1, topics: [cars]}}\nsink: stdout\n"
	twoConnectors = "name: a\n" + kafkaToStdout + "---\nname: b\n" + kafkaToStdout
)

func TestUsage(t *testing.T) {
	good, two := write(t, "name: a\n"+kafkaToStdout), write(t, twoConnectors)
	bad := write(t, "name: a\nsource: kafka\nsnik: stdout\n")
	for _, test := range []struct {
		args      string
		code      int
		out, errs string // parts
	}{
		{"", exitDone, "Available Commands", ""},
		{"nope", exitUsage, "", `unknown command "nope"`},
		{"run", exitUsage, "", "requires at least 1 arg"},
		{"run --nope x", exitUsage, "", "unknown flag: --nope"},
		{"run --budget 12 " + good, exitUsage, "", "a size needs a unit"},
		{"run --budget 0B " + good, exitUsage, "", "--budget must be above 0"},
		{"run --log xml " + good, exitUsage, "", "--log is text or json"},
		{"run " + bad, exitUsage, "", `did you mean "sink"?`},
		{"run none.yaml", exitUsage, "", "none.yaml: no such file or directory"},
		{"validate", exitUsage, "", "requires at least 1 arg"},
		{"validate " + good, exitDone, good + ": 1 connector, ok\n", ""},
		{"validate " + two + " " + bad, exitUsage, two + ": 2 connectors, ok\n", bad + ":2:9: kafka: brokers: at least one address"},
		{"validate " + good + " " + two, exitUsage, "", `a connector "a" stands in ` + good + " already"},
		{"preview " + two, exitUsage, "", "holds 2 connectors; choose one by --connector: a, b"},
		{"preview --connector c " + two, exitUsage, "", `holds no connector "c"; there are a, b`},
		{"preview --connector b " + two, exitFailed, "", "there are no records to preview"},
		{"preview --live -1 " + good, exitUsage, "", "--live at most 10000"},
		{"preview --timeout 5s --live 1 " + good, exitFailed, "", "brokers localhost:1"},
		{"sinks", exitDone, "redis_geo", ""},
		{"sinks nope", exitUsage, "", `this build has no sink "nope"; it has `},
		{"sinks file", exitDone, "rotate.size", ""},
		{"version", exitDone, "millrace ", ""},
		{"version x", exitUsage, "", `unknown command "x"`},
	} {
		t.Run(test.args, func(t *testing.T) {
			code, out, errs := millrace(t, plugins(), "", strings.Fields(test.args)...)
			if code != test.code || !strings.Contains(out, test.out) || !strings.Contains(errs, test.errs) {
				t.Errorf("exit code %d, want %d\n%s\n%s", code, test.code, out, errs)
			}
			if test.errs == "" && errs != "" || strings.Contains(errs, "\x1b") {
				t.Errorf("standard error: %q", errs)
			}
		})
	}
}

func TestTablesFit(t *testing.T) {
	for _, args := range [][]string{{"sinks"}, {"sinks", "file"}, {"sinks", "redis_geo"}, {"sinks", "stdout"}} {
		_, out, _ := millrace(t, plugins(), "", args...)
		for line := range strings.Lines(out) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > lineWidth {
				t.Errorf("%v: %d characters: %s", args, n, line)
			}
		}
	}
}

func TestJSONOutput(t *testing.T) {
	good, bad := write(t, twoConnectors), write(t, "name: a\nsource: kafka\nsnik: stdout\n")
	_, out, _ := millrace(t, plugins(), "", "validate", "--json", good, bad, "none.yaml")
	var reports []fileReport
	d := json.NewDecoder(strings.NewReader(out))
	for d.More() {
		var r fileReport
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
	}
	if len(reports) != 3 || !reports[0].OK || len(reports[0].Connectors) != 2 || reports[1].OK || reports[2].OK {
		t.Errorf("%s", out)
	} else if p := reports[1].Problems; len(p) < 2 || p[len(p)-1].Line != 3 || p[len(p)-1].Column != 1 {
		t.Errorf("%+v", p)
	}
	_, out, _ = millrace(t, plugins(), "", "sinks", "--json")
	var sinks []sinkReport
	if err := json.Unmarshal([]byte(out), &sinks); err != nil || len(sinks) < 3 || sinks[0].Doc == "" {
		t.Errorf("%v %s", err, out)
	}
	_, out, _ = millrace(t, plugins(), "", "sinks", "file", "--json")
	var sink sinkReport
	if err := json.Unmarshal([]byte(out), &sink); err != nil || sink.Guarantee == "" || len(sink.Settings) < 5 {
		t.Errorf("%v %s", err, out)
	}
	_, out, _ = millrace(t, plugins(), "", "version", "--json")
	var v buildInfo
	if err := json.Unmarshal([]byte(out), &v); err != nil || v.Go == "" {
		t.Errorf("%v %s", err, out)
	}
}

func TestColor(t *testing.T) {
	var stderr bytes.Buffer
	c := &command{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &stderr, color: true, plugins: plugins()}
	if c.execute(context.Background(), []string{"nope"}); !strings.HasPrefix(stderr.String(), "\x1b[31;1merror:\x1b[0m") {
		t.Errorf("%q", stderr.String())
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if isTerminal(f) {
		t.Error("a file is no terminal")
	}
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  string
	}{
		{"", 10, ""},
		{"a bc  def", 4, "a bc|def"},
		{"abcdefgh ij", 4, "abcdefgh|ij"},
		{"äöü äöü", 7, "äöü äöü"},
	} {
		if got := strings.Join(wrap(test.text, test.width), "|"); got != test.want {
			t.Errorf("%q: %q, want %q", test.text, got, test.want)
		}
	}
}
