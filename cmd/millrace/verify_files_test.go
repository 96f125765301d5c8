package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The whole way, on real files: written, proven, damaged, written again on purpose.
func TestVerifyFiles(t *testing.T) {
	brokers, dir := cars(t), t.TempDir()
	config := write(t, fmt.Sprintf(`name: files
source: {kafka: {brokers: "%s", topics: [cars.gps.json]}}
sink: {file: {dir: %q, path: "{topic}/{time:yyyy-MM-dd}/", rotate: {age: 100ms}}}
dead_letter: {kafka: {topic: cars.gps.dlq}}
`, brokers, dir))
	files := func() []string {
		found, err := filepath.Glob(filepath.Join(dir, "cars.gps.json", "2026-01-31", "*.gz"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	lines := func() (n int) {
		for _, f := range files() {
			n += countLines(t, f)
		}
		return n
	}
	check := func(code int, part string, args ...string) {
		t.Helper()
		got, out, errs := millrace(t, plugins(), "", args...)
		if got != code || !strings.Contains(out, part) {
			t.Errorf("%v: exit code %d, want %d and %q\n%s%s", args, got, code, part, out, errs)
		}
	}
	runExample(t, config, func() bool { return lines() == 99 })
	const proven = "\n2 partitions, 100 records: 0 lost, 0 repeated, 0 corrupt\n"
	check(exitDone, proven, "verify", "--deep", config)
	check(exitDone, proven, "verify", dir)

	name := files()[0]
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for damaged, part := range map[string]string{"": "corrupt:", string(body[:len(body)/2]): "corrupt:"} {
		if err := os.WriteFile(name, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		check(exitFailed, part, "verify", config)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	check(exitFailed, "lost:", "verify", config)
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
	check(exitDone, proven, "verify", "--deep", config)

	check(exitDone, "2 partitions rewound", "rewind", "--to", "earliest", "--yes", config)
	check(exitDone, "is rewound there already", "rewind", "--to", "earliest", "--yes", config)
	runExample(t, config, func() bool { return lines() == 198 })
	check(exitDone, "\n2 partitions, 200 records: 0 lost, 0 repeated, 0 corrupt\n", "verify", "--deep", config)
}
