//go:build testbed

package torture

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/testbed"
)

// The wall clock of the processes jumps a day back, then two days ahead, and is right again; the monotonic one goes on. Nothing is lost or twice, and files are
// closed by how much time passes, not by what the clock says.
func TestClockSteps(t *testing.T) {
	const step = 6 * time.Second
	lines, parquet, files, redis := newLines(), newParquet(), newFiles(), newRedis()
	r := newRig(t, options{
		fault: "ClockSteps", sinks: []sink{lines, parquet, files, redis}, processes: 2, produceFor: 4 * step, build: steppingClock(t),
		env: func(int) []string { return []string{"MILLRACE_TEST_CLOCK_STEP=" + step.String()} },
	})
	began := time.Now() // building everything anew takes minutes
	r.startAll()
	time.Sleep(4 * step)
	if missing := r.settle(); missing != "" {
		t.Fatal(missing)
	}
	seconds := time.Since(began).Seconds()
	results := r.results(3)
	r.report(results)
	// Each partition closes a file each second, of one folder.
	if n, most := len(lines.keys(r, lines.s3.Client(t))), int(seconds+5)*int(r.partitions); n > most {
		t.Errorf("%d objects in %.0f s, more than %d: a storm of small files", n, seconds, most)
	} else {
		t.Logf("%d objects in %.0f s", n, seconds)
	}
	for i := range r.runs {
		log, err := os.ReadFile(r.runs[i].Log)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("process %d: %d lines speak of a skewed clock", i, strings.Count(string(log), "RequestTimeTooSkewed"))
	}
}

// steppingClock is a build whose time.Now is a day behind from one step after the start on, a day ahead from two steps on, and right from three.
func steppingClock(t *testing.T) testbed.MillraceBuild {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(strings.TrimSpace(string(out)), "src", "time", "time.go")
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	for _, c := range []change{
		{file, "	mono -= startNano\n	sec += unixToInternal - minWall\n", "	mono -= startNano\n	sec += steps(mono)\n	sec += unixToInternal - minWall\n"},
		{file, "// Now returns the current local time.\n", `// steps is how far the clock is off, in seconds.
func steps(mono int64) int64 {
	step, ok := syscall.Getenv("MILLRACE_TEST_CLOCK_STEP")
	if !ok {
		return 0
	}
	d, err := ParseDuration(step)
	if err != nil {
		panic(err)
	}
	return [...]int64{0, -86400, 86400, 0}[min(mono/int64(d), 3)]
}

// Now returns the current local time.
`},
		{file, "	\"math/bits\"\n", "	\"math/bits\"\n	\"syscall\"\n"},
	} {
		if n := strings.Count(text, c.old); n != 1 {
			t.Fatalf("%s holds %q %d times, not once: the test has to be adapted to this version of Go", c.file, c.old, n)
		}
		text = strings.Replace(text, c.old, c.new, 1)
	}
	root, err := testbed.ModuleDir()
	if err != nil {
		t.Fatal(err)
	}
	below, err := filepath.Rel(root, file)
	if err != nil {
		t.Fatal(err)
	}
	return testbed.MillraceBuild{Overlay: map[string]string{below: text}}
}
