package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/millrace/millrace/connector"
)

func openDeadLetter(t *testing.T, c DeadLetterConfig) (*DeadLetter, *faults) {
	t.Helper()
	d, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &faults{}
	d.disk = f
	return d, f
}

func deadLetterConfig(t *testing.T) DeadLetterConfig {
	c := DefaultDeadLetterConfig()
	c.Dir = filepath.Join(t.TempDir(), "dead", "letters")
	return c
}

func failed(connectorName string, offset int64, key, value []byte) connector.Failure {
	return connector.Failure{
		Source: &connector.Source{Partition: connector.Partition{Topic: "cars", ID: 3}, Connector: connectorName},
		Record: &connector.Record{Offset: offset, RawKey: key, RawValue: value, Timestamp: 1772355845123,
			Headers: []connector.Header{{Name: "h", Value: []byte("v")}, {Name: "h", Value: []byte{0xff}}, {Name: "n"}}},
		Stage: connector.StageValue, Err: errors.New("value: <not> JSON"), ID: fmt.Sprintf("00-3-%d-0", offset),
	}
}

func letterLines(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	for _, name := range visible(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if !strings.HasSuffix(line, "\n") || !json.Valid([]byte(line)) {
				t.Errorf("%s holds %q", name, line)
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func TestBury(t *testing.T) {
	c := deadLetterConfig(t)
	d, _ := openDeadLetter(t, c)
	if names := visible(t, c.Dir); len(names) > 0 {
		t.Errorf("before the first failure: %q", names)
	}
	err := d.Bury(t.Context(), []connector.Failure{failed("gps/1", 7, []byte("k"), []byte("{x\n")), failed("gps/1", 8, nil, []byte{0xff, 0})})
	if err != nil {
		t.Fatal(err)
	}
	head := `"connector":"gps/1","topic":"cars","partition":3,"offset":`
	rest := `"timestamp":1772355845123,"stage":"VALUE_CONVERTER","error":"value: <not> JSON",`
	headers := `"headers":[{"name":"h","value":"v"},{"name":"h","value":null,"value_base64":"/w=="},{"name":"n","value":null}]}` + "\n"
	want := `{"id":"00-3-7-0",` + head + `7,` + rest + `"key":"k","value":"{x\n",` + headers +
		`{"id":"00-3-8-0",` + head + `8,` + rest + `"key":null,"value":null,"value_base64":"/wA=",` + headers
	if got := strings.Join(letterLines(t, c.Dir), ""); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	name := regexp.MustCompile(`^gps%2F1-\d{8}T\d{6}Z-[0-9a-f]{8}\.jsonl$`)
	if names := visible(t, c.Dir); len(names) != 1 || !name.MatchString(names[0]) {
		t.Errorf("names %q", names)
	}
}

func TestBuryManyAtOnce(t *testing.T) {
	c := deadLetterConfig(t)
	c.Size = 2 << 10
	var wg sync.WaitGroup
	for range 2 { // two processes
		d, _ := openDeadLetter(t, c)
		for p := range 4 {
			wg.Go(func() {
				for i := range 10 {
					f := failed("gps", int64(i), nil, []byte(fmt.Sprint(p)))
					if err := d.Bury(t.Context(), []connector.Failure{f, failed("other", int64(i), nil, nil), f}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	if n := len(letterLines(t, c.Dir)); n != 2*4*10*3 {
		t.Errorf("%d lines", n)
	}
	for _, name := range visible(t, c.Dir) {
		info, err := os.Stat(filepath.Join(c.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() >= 3<<10 {
			t.Errorf("%s has %d bytes", name, info.Size())
		}
		data, err := os.ReadFile(filepath.Join(c.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "gps-") && bytes.Contains(data, []byte(`"connector":"other"`)) {
			t.Errorf("%s holds another connector's letters", name)
		}
	}
}

func TestBuryFaults(t *testing.T) {
	c := deadLetterConfig(t)
	d, f := openDeadLetter(t, c)
	bury := func(offset int64) error {
		return d.Bury(t.Context(), []connector.Failure{failed("gps", offset, nil, nil)})
	}
	if err := bury(1); err != nil {
		t.Fatal(err)
	}
	f.half = true
	f.writes = []error{syscall.ENOSPC}
	if err := bury(2); connector.ClassOf(err) != connector.Systemic || !strings.Contains(err.Error(), "the file system of dir is full; dir: "+c.Dir) {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	if n := len(letterLines(t, c.Dir)); n != 1 {
		t.Errorf("a failed write left %d lines", n)
	}
	if err := bury(2); err != nil {
		t.Fatal(err)
	}
	f.syncs = []error{syscall.EIO}
	if err := bury(3); connector.ClassOf(err) != connector.Retryable {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	if err := bury(3); err != nil {
		t.Fatal(err)
	}
	if names := visible(t, c.Dir); len(names) != 2 {
		t.Errorf("after a failed sync the next letter goes to another file: %q", names)
	}
	all := strings.Join(letterLines(t, c.Dir), "")
	for offset := 1; offset <= 3; offset++ {
		if !strings.Contains(all, fmt.Sprintf(`"offset":%d,`, offset)) {
			t.Errorf("offset %d is missing", offset)
		}
	}
}

func TestDeadLetterValidate(t *testing.T) {
	for want, c := range map[string]DeadLetterConfig{"dir is missing": {Size: 1}, "size is 0B": {Dir: "x"}} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
		if _, err := c.Open(t.Context()); connector.ClassOf(err) != connector.Fatal {
			t.Errorf("class %v of %v", connector.ClassOf(err), err)
		}
	}
}
