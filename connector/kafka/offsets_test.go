package kafka

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/millrace/millrace/connector"
)

func TestParseOffsets(t *testing.T) {
	for text, want := range map[string]string{
		"t,0,3\nt,1,0\n": "",
		"\ufeffTopic,Partition,Offset\r\nt,0,3\r\nt,1,0\r\n": "",
		"\"t\",0,3\n\"t\", 1, 0":                             "",
		"":                                                   "no offset is in it",
		"topic,partition,offset\n":                           "no offset is in it",
		"t,0,3\ntopic,partition,offset\n":                    "line 2",
		"t,0,3\n# all the rest\n":                            "line 2: a line has to be topic,partition,offset, and this one has 1 fields",
		"g,t,0,3\n":                                          "several groups",
		"t,0,3\nt,0,4\n":                                     "line 2: partition t/0 is in it twice",
		"t,-1,3\n":                                           "no topic and partition",
		"t,4294967296,3\n":                                   "no topic and partition",
		",0,3\n":                                             "no topic and partition",
		"t,0,-1\n":                                           "is no offset",
		"t,0,1.5\n":                                          "is no offset",
		"t,0,99999999999999999999\n":                         "is no offset",
		"\"t,0,3\n":                                          "quote",
		strings.Repeat("t,0,3,\n", mostOffsets/7) + "t,0,3\n": "line 1",
	} {
		got, err := parseOffsets(strings.NewReader(text))
		name := text[:min(len(text), 40)]
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", name, err, want)
		case want == "" && (err != nil || len(got) != 2 || got[t0] != 3 || got[connector.Partition{Topic: "t", ID: 1}] != 0):
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	if _, err := parseOffsets(strings.NewReader("t,0,3\n" + strings.Repeat(" ", mostOffsets))); err == nil || !strings.Contains(err.Error(), "larger than 16MiB") {
		t.Errorf("a file without an end: %v", err)
	}
}

func offsetsIn(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "offsets.csv")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestOffsetsFile: where the group has no offset, the file says where to start, and that is pinned; elsewhere start does.
func TestOffsetsFile(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(4, "t"))
	at := func(id int32) connector.Partition { return connector.Partition{Topic: "t", ID: id} }
	for id := range int32(4) {
		f.produce(t, "t", id, numbers(10)...)
	}
	before := read(t, f.config("t")) // the group has an offset of partition 1
	before.until("an assignment", func() bool { return len(before.assigned) == 4 })
	before.close()
	f.admin.DeleteOffsets(t.Context(), "g", map[string]map[int32]struct{}{"t": {0: {}, 2: {}, 3: {}}}) //nolint:errcheck // seen below
	c := f.config("t")
	c.Start = Latest
	c.Offsets = offsetsIn(t, "t,0,7\nt,1,8\nt,3,99\nother,0,5\n")
	r := read(t, c)
	r.until("an assignment", func() bool { return len(r.assigned) == 4 })
	for id, want := range map[int32]struct {
		start, committed int64
		note             string
	}{
		0: {7, -1, "begins at offset 7, as "}, 1: {0, 0, "is ignored: group g has committed offset 0 already"}, 2: {0, -1, ""}, 3: {99, -1, "begins at offset 99"},
	} {
		a := r.now().assigned[at(id)]
		if id == 2 {
			want.start = a.Start // what start says: the group's birth was before
		}
		if a.Start != want.start || a.Committed != want.committed || !strings.Contains(a.Note, want.note) || want.note == "" && a.Note != "" {
			t.Errorf("partition %d: %+v", id, a)
		}
	}
	if a := r.now().assigned[at(0)]; a.Initial != 7 {
		t.Errorf("a new chain would begin at %d", a.Initial)
	}
	r.reads(at(0), "7", "8", "9")
	gap := func() *connector.PartitionError {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, err := range r.errs {
			var p *connector.PartitionError
			if errors.As(err, &p) && p.Partition == at(3) && p.Gap {
				return p
			}
		}
		return nil
	}
	if !eventually(func() bool { return gap() != nil }) {
		t.Error("nobody hears of an offset that isn't in the log")
	}
	r.close()
	// Pinned: without the file, and before anything else was committed.
	r = read(t, f.config("t"))
	r.until("an assignment", func() bool { return len(r.assigned) == 4 })
	if a := r.now().assigned[at(0)]; a.Start != 7 || a.Committed != 7 || a.Note != "" {
		t.Errorf("behind a restart: %+v", a)
	}
}

func TestOffsetsFileIsMissing(t *testing.T) {
	c := newFake(t, kfake.SeedTopics(1, "t")).config("t")
	c.Offsets = filepath.Join(t.TempDir(), "none.csv")
	if _, err := c.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "offsets: open") {
		t.Errorf("%v", err)
	}
}
