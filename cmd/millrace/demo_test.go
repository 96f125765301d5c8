//go:build !no_redis_geo

package main

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestDemoSummary: the numbers of a short demo add up.
func TestDemoSummary(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off") // the limit is the process's, which goes on testing
	dir := t.TempDir()
	code, out, errs := millrace(t, plugins(), "", "demo", "--for", "2s", "--rate", "5000", "--cars", "1000", "--dir", dir, "--json")
	if code != exitDone || errs != "" {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	if strings.Count(out, "\n") != 1 {
		t.Errorf("not one line: %q", out)
	}
	var s summary
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		t.Fatal(err)
	}
	// On a busy machine fewer may be sent than were asked for.
	if s.Produced <= int64(len(broken)) || s.Produced > 4*5000 {
		t.Errorf("produced %d", s.Produced)
	}
	if s.DeadLetters != int64(len(broken)) || s.Lag != 0 {
		t.Errorf("dead letters %d, lag %d", s.DeadLetters, s.Lag)
	}
	if len(s.Written) != 2 {
		t.Errorf("written %v", s.Written)
	}
	for _, sink := range []string{"redis_geo", "file"} {
		if s.Written[sink]+s.DeadLetters != s.Produced {
			t.Errorf("%s: written %d, dead letters %d, produced %d", sink, s.Written[sink], s.DeadLetters, s.Produced)
		}
	}
	files, size, err := folderSize(dir)
	if err != nil || s.Files == 0 || s.Files != files || s.FileBytes != size || s.FileBytes >= s.Bytes {
		t.Errorf("files %d of %d bytes, in the folder %d of %d bytes, produced %d bytes, %v", s.Files, s.FileBytes, files, size, s.Bytes, err)
	}
	if s.Seconds < 2 || s.Bytes < s.Produced*50 {
		t.Errorf("%.1f seconds, %d bytes", s.Seconds, s.Bytes)
	}
}

// TestDemoText: without --json a person is told what came of it.
func TestDemoText(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	dir := t.TempDir()
	code, out, errs := millrace(t, plugins(), "", "demo", "--for", "1s", "--rate", "5000", "--cars", "1000", "--dir", dir)
	if code != exitDone {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	for _, want := range []string{
		`\d+ positions of 1000 cars in \d+\.\d s; lag 0\.`,
		`Which cars are within 1 km of Seoul City Hall\?\n  GEOSEARCH cars#gps FROMLONLAT 126\.978 37\.5665 BYRADIUS 1 km ASC\n  car-\d{5} +\d+ m\n`,
		`[1-9]\d* files, .* compressed from .*:\n  ` + regexp.QuoteMeta(dir) + "\n",
		`2 broken records in the dead letter, topic cars\.gps\.dlq:\n`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no match of %s in\n%s", want, out)
		}
	}
	_, letters, _ := strings.Cut(out, "topic cars.gps.dlq:\n")
	letters = strings.Join(strings.Fields(letters), " ")
	for i, want := range []string{"JSON ends early at byte 27", "invalid JSON at byte 0: expected a value, found 'p'"} {
		if quoted := strconv.Quote(broken[i]); strings.Count(letters, quoted) != 1 || strings.Count(letters, want) != 1 {
			t.Errorf("not once %s with %q in\n%s", quoted, want, letters)
		}
	}
	if strings.Contains(out+errs, "\x1b") {
		t.Errorf("colours where no terminal is: %q", errs)
	}
	for _, want := range []string{"records/s", "gps-to-redis", "gps-to-files", "memory"} {
		if !strings.Contains(errs, want) {
			t.Errorf("no %q in the table\n%s", want, errs)
		}
	}
}
