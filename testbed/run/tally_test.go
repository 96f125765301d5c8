package main

import (
	"bytes"
	"strings"
	"testing"
)

// A tally counts what go test -json says, whatever way a package fails.
func TestTally(t *testing.T) {
	const pkg = `"Package":"github.com/millrace/millrace/serde"`
	tests := []struct {
		name   string
		events []string
		last   string // line of the table's end
		ok     bool
		says   []string // besides
	}{
		{"passed", []string{
			`{"Action":"start",` + pkg + `}`,
			`{"Action":"run",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"run",` + pkg + `,"Test":"TestA/sub"}`,
			`{"Action":"pass",` + pkg + `,"Test":"TestA/sub"}`,
			`{"Action":"pass",` + pkg + `,"Test":"TestA","Elapsed":1.2}`,
			`{"Action":"pass",` + pkg + `,"Elapsed":1.5}`,
		}, "2 passed, 0 failed, 0 skipped", true, []string{"serde", "2 tests", "1.5 s", "serde TestA", "1.2 s"}},
		{"failed", []string{
			`{"Action":"run",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"=== RUN   TestA\n"}`,
			`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"    a_test.go:5: got 1\n"}`,
			`{"Action":"fail",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"fail",` + pkg + `}`,
		}, "0 passed, 1 failed, 0 skipped", false, []string{"a_test.go:5: got 1", "failed   serde TestA"}},
		{"failed in a subtest", []string{
			`{"Action":"run",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"run",` + pkg + `,"Test":"TestA/sub"}`,
			`{"Action":"output",` + pkg + `,"Test":"TestA/sub","Output":"    a_test.go:5: got 1\n"}`,
			`{"Action":"fail",` + pkg + `,"Test":"TestA/sub"}`,
			`{"Action":"fail",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"fail",` + pkg + `}`,
		}, "0 passed, 2 failed, 0 skipped", false, []string{"a_test.go:5: got 1", "failed   serde TestA/sub\n\n"}},
		{"failed, then timed out in another test", []string{
			`{"Action":"run",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"    a_test.go:5: got 1\n"}`,
			`{"Action":"fail",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"run",` + pkg + `,"Test":"TestB"}`,
			`{"Action":"output",` + pkg + `,"Test":"TestB","Output":"panic: test timed out after 5m0s\n"}`,
			`{"Action":"fail",` + pkg + `}`,
		}, "0 passed, 2 failed, 0 skipped", false, []string{"a_test.go:5: got 1", "timed out after 5m0s"}},
		{"skipped", []string{
			`{"Action":"run",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"    a_test.go:5: no Kafka\n"}`,
			`{"Action":"skip",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"run",` + pkg + `,"Test":"TestB"}`,
			`{"Action":"pass",` + pkg + `,"Test":"TestB"}`,
			`{"Action":"pass",` + pkg + `}`,
		}, "1 passed, 0 failed, 1 skipped", false, []string{"a_test.go:5: no Kafka", "skipped  serde TestA"}},
		{"not built", []string{
			`{"ImportPath":"github.com/millrace/millrace/serde","Action":"build-output","Output":"serde/x.go:1:1: undefined: y\n"}`,
			`{"ImportPath":"github.com/millrace/millrace/serde","Action":"build-fail"}`,
			`{"Action":"start",` + pkg + `}`,
			`{"Action":"fail",` + pkg + `,"FailedBuild":"github.com/millrace/millrace/serde"}`,
		}, "0 passed, 1 failed, 0 skipped", false, []string{"undefined: y", "failed   serde"}},
		{"panic in the middle of a test", []string{
			`{"Action":"run",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"panic: boom\n"}`,
			`{"Action":"fail",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"fail",` + pkg + `}`,
		}, "0 passed, 1 failed, 0 skipped", false, []string{"panic: boom"}},
		{"a leak found after all tests passed", []string{
			`{"Action":"run",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"pass",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"output",` + pkg + `,"Output":"goleak: Errors on successful test run\n"}`,
			`{"Action":"fail",` + pkg + `}`,
		}, "1 passed, 1 failed, 0 skipped", false, []string{"goleak: Errors", "failed   serde"}},
		{"killed while a test ran", []string{
			`{"Action":"run",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"almost there\n"}`,
			`{"Action":"output",` + pkg + `,"Output":"signal: killed\n"}`,
			`{"Action":"fail",` + pkg + `}`,
		}, "0 passed, 1 failed, 0 skipped", false, []string{"almost there", "signal: killed"}},
		{"failed with much to say", []string{
			`{"Action":"run",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"first\n` + strings.Repeat(`x\n`, 200) + `last\n"}`,
			`{"Action":"fail",` + pkg + `,"Test":"TestA"}`,
			`{"Action":"fail",` + pkg + `}`,
		}, "0 passed, 1 failed, 0 skipped", false, []string{"first", "(102 lines are left out", "last"}},
		{"a package without tests", []string{
			`{"Action":"start",` + pkg + `}`,
			`{"Action":"output",` + pkg + `,"Output":"?   \tserde\t[no test files]\n"}`,
			`{"Action":"skip",` + pkg + `}`,
		}, "0 passed, 0 failed, 0 skipped", false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var printed bytes.Buffer
			out, total := &screen{out: &printed}, newTally()
			err := readEvents(strings.NewReader(strings.Join(tt.events, "\n")), func(e event) { total.add(out, unit, e) })
			if err != nil {
				t.Fatal(err)
			}
			if ok := total.print(out); ok != tt.ok {
				t.Errorf("all well: %v, want %v", ok, tt.ok)
			}
			lines := strings.Split(strings.TrimRight(printed.String(), "\n"), "\n")
			if last := lines[len(lines)-1]; last != tt.last {
				t.Errorf("last line %q, want %q", last, tt.last)
			}
			for _, want := range tt.says {
				if !strings.Contains(printed.String(), want) {
					t.Errorf("doesn't say %q:\n%s", want, &printed)
				}
			}
			for _, line := range lines {
				if len(line) > 80 {
					t.Errorf("%d columns: %s", len(line), line)
				}
			}
		})
	}
}

func TestReadEventsRefusesOtherText(t *testing.T) {
	err := readEvents(strings.NewReader("no json\n"), func(event) {})
	if err == nil || !strings.Contains(err.Error(), "no json") {
		t.Errorf("error %v", err)
	}
}

// A missing part is a failure, and named.
func TestMissingPart(t *testing.T) {
	var printed bytes.Buffer
	out, total := &screen{out: &printed}, newTally()
	total.broken("missing", "redis-server isn't installed")
	if total.print(out) {
		t.Error("all well")
	}
	if got := printed.String(); !strings.Contains(got, "missing: redis-server isn't installed\n") ||
		!strings.HasSuffix(got, "\n0 passed, 1 failed, 0 skipped\n") {
		t.Errorf("printed %s", got)
	}
}

// A test that waits for others isn't what takes so long.
func TestRunning(t *testing.T) {
	total := newTally()
	see := func(action, name string) {
		total.add(&screen{out: new(bytes.Buffer)}, unit, event{Action: action, Package: module + "/serde", Test: name})
	}
	see("run", "TestParallel")
	see("pause", "TestParallel")
	see("run", "TestNow")
	if got := total.running(); !strings.Contains(got, "TestNow") {
		t.Errorf("running: %q", got)
	}
	see("pass", "TestNow")
	if got := total.running(); !strings.Contains(got, "building") {
		t.Errorf("running: %q", got)
	}
	see("cont", "TestParallel")
	if got := total.running(); !strings.Contains(got, "TestParallel") {
		t.Errorf("running: %q", got)
	}
}
