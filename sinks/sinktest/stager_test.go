package sinktest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/connector"
)

// A shelf is a destination in memory that holds files, and for each partition the number and end of its last range.
type shelf struct {
	mu      sync.Mutex
	files   map[string][][]byte
	ends    map[connector.Partition]connector.Position
	failure error
}

func (s *shelf) fail(c connector.Class) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = c.Wrap(errors.New("refused"))
	return true
}

func (s *shelf) read() ([]File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var files []File
	for name, rows := range s.files {
		f := File{Name: name}
		for _, row := range rows {
			d, err := Parse(row)
			if err != nil {
				return nil, err
			}
			f.Records = append(f.Records, d)
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return files, nil
}

// put publishes the files of a range, once.
func (s *shelf) put(ctx context.Context, p connector.Partition, at connector.Position, next int64, files map[string][][]byte) (connector.Position, error) {
	if err := ctx.Err(); err != nil {
		return connector.Position{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failure; err != nil {
		s.failure = nil
		return connector.Position{}, err
	}
	if s.ends[p].At != at.At {
		return connector.Position{}, connector.Lost.Errorf("range %d of %v was written by another process", at.At, p)
	}
	for path, rows := range files {
		s.files[fmt.Sprintf("%s/%v+%d", path, p, at.At)] = rows
	}
	s.ends[p] = connector.Position{At: at.At + 1, ReadFrom: next}
	return s.ends[p], nil
}

// shelfStager is the reference: an exactly-once Stager with one path per key. Its fields break it.
type shelfStager struct {
	*shelf
	keeps    func([]byte) []byte
	broken   string
	rotation connector.Rotation
}

func (s *shelfStager) Rotation(string) connector.Rotation { return s.rotation }

func (s *shelfStager) Recover(_ context.Context, a connector.Assignment) (connector.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == "ignores the group's offset" {
		return connector.Position{At: s.ends[a.Partition].At}, nil
	}
	end, ok := s.ends[a.Partition]
	if !ok || s.broken == "forgets its ranges" {
		return connector.Position{At: end.At, ReadFrom: a.Start}, nil
	}
	return end, nil
}

func (s *shelfStager) Stage(_ context.Context, p connector.Partition, at connector.Position, r connector.Retrier) (connector.Staged, error) {
	return &shelfStaged{shelfStager: s, p: p, at: at, retry: r, files: map[string][][]byte{}}, nil
}

type shelfStaged struct {
	*shelfStager
	p     connector.Partition
	at    connector.Position
	retry connector.Retrier
	files map[string][][]byte
	bytes int64
}

func (s *shelfStaged) Add(_ context.Context, b *connector.Batch) (connector.Size, error) {
	for i, r := range b.Records() {
		if !bytes.HasPrefix(r.RawValue, []byte("{")) {
			if s.broken == "drops bad records" {
				continue
			}
			b.Fail(i, errNoObject)
			continue
		}
		path := string(r.RawKey)
		if s.broken == "keeps ten files" && len(s.files) >= 10 && s.files[path] == nil {
			continue
		}
		row := s.keeps(r.RawValue)
		s.bytes += int64(len(row))
		if s.broken == "adds at the front" {
			s.files[path] = append([][]byte{row}, s.files[path]...)
			continue
		}
		s.files[path] = append(s.files[path], row)
	}
	switch s.broken {
	case "shows what isn't committed":
		s.show("early")
	case "reports no size":
		return connector.Size{}, nil
	case "writes filtered records":
		for i := range b.Len() {
			if b.Filtered(i) {
				s.files["filtered"] = append(s.files["filtered"], s.keeps(b.At(i).RawValue))
			}
		}
	}
	return connector.Size{Buffered: s.bytes, Open: len(s.files)}, nil
}

// show makes the files visible outside of a commit.
func (s *shelfStaged) show(suffix string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, rows := range s.files {
		s.shelf.files[path+suffix] = rows
	}
}

func (s *shelfStaged) Commit(ctx context.Context, r connector.Range) (connector.Position, error) {
	at, files := s.at, s.files
	switch s.broken {
	case "refuses a range without records":
		if r.Read == 0 {
			return connector.Position{}, connector.Fatal.Errorf("nothing to commit")
		}
	case "overwrites":
		s.mu.Lock()
		s.ends[s.p] = connector.Position{}
		s.mu.Unlock()
		at.At = 0
	case "writes twice":
		s.show("again")
	case "doesn't see the other writer":
		s.mu.Lock()
		at.At = s.ends[s.p].At
		s.mu.Unlock()
	}
	pos, err := s.put(ctx, s.p, at, r.Next, files)
	switch {
	case err == nil && s.broken == "counts from the last record":
		pos.ReadFrom = r.Last + 1
	case err != nil && s.broken == "shows a part when a commit fails":
		s.show(strings.Repeat("x", len(err.Error())))
	case err != nil && s.broken == "drops what failed":
		return connector.Position{At: s.at.At + 1, ReadFrom: r.Next}, nil
	case err != nil && s.broken == "retries by itself" && ctx.Err() == nil:
		return s.put(ctx, s.p, at, r.Next, files)
	case err != nil && s.broken == "can't commit again":
		clear(s.files)
	case err != nil && s.broken == "takes every failure for a lost range":
		return pos, connector.Lost.Wrap(err)
	}
	return pos, err
}

func (s *shelfStaged) Abort(context.Context) error {
	if s.broken == "shows what was aborted" {
		s.show("aborted")
	}
	return nil
}

func shelfHarness(broken string, keeps func([]byte) []byte) StagerHarness {
	return StagerHarness{
		ExactlyOnce: true,
		Open: func(testing.TB) Store {
			s := &shelf{files: map[string][][]byte{}, ends: map[connector.Partition]connector.Position{}}
			stager := &shelfStager{shelf: s, keeps: keeps, broken: broken}
			if broken == "has a negative rotation" {
				stager.rotation.Age = -1
			}
			return Store{
				Stager: stager,
				Reopen: func(testing.TB) connector.Stager { return stager },
				Read:   s.read,
				Fail:   s.fail,
			}
		},
		Bad: map[string]Raw{"not an object": {Key: []byte("k"), Value: []byte(`[1]`)}},
	}
}

func TestReferenceStagerPasses(t *testing.T) { RunStager(t, shelfHarness("", bytes.Clone)) }

// TestBrokenStagers breaks the reference in one way each and expects the check that is there for it to complain.
func TestBrokenStagers(t *testing.T) {
	borrow := func(b []byte) []byte { return b }
	for _, tc := range []struct {
		broken, caughtBy string
		keeps            func([]byte) []byte
	}{
		{"keeps borrowed bytes", "visible after commit only", borrow},
		{"shows what isn't committed", "visible after commit only", bytes.Clone},
		{"writes twice", "visible after commit only", bytes.Clone},
		{"adds at the front", "visible after commit only", bytes.Clone},
		{"overwrites", "ranges follow each other", bytes.Clone},
		{"refuses a range without records", "range without records", bytes.Clone},
		{"counts from the last record", "range without records", bytes.Clone},
		{"writes filtered records", "filtered and failed records", bytes.Clone},
		{"shows what was aborted", "abort", bytes.Clone},
		{"drops what failed", "commit again after a failure", bytes.Clone},
		{"retries by itself", "commit again after a failure", bytes.Clone},
		{"can't commit again", "commit again after a failure", bytes.Clone},
		{"shows a part when a commit fails", "commit again after a failure", bytes.Clone},
		{"takes every failure for a lost range", "commit again after a failure", bytes.Clone},
		{"drops what failed", "commit again after its context ended", bytes.Clone},
		{"takes every failure for a lost range", "commit again after its context ended", bytes.Clone},
		{"can't commit again", "failure while adding", bytes.Clone},
		{"reports no size", "size", bytes.Clone},
		{"keeps ten files", "many paths", bytes.Clone},
		{"adds at the front", "concurrent partitions", bytes.Clone},
		{"ignores the group's offset", "crash before the commit", bytes.Clone},
		{"forgets its ranges", "crash after the commit", bytes.Clone},
		{"doesn't see the other writer", "two writers of one range", bytes.Clone},
		{"has a negative rotation", "rotation", bytes.Clone},
		{"drops bad records", "bad record", bytes.Clone},
	} {
		t.Run(tc.caughtBy+"/"+tc.broken, func(t *testing.T) {
			h := shelfHarness(tc.broken, tc.keeps)
			caught(t, tc.caughtBy, func(name string, w testing.TB) bool {
				for _, c := range stagerChecks {
					if c.name == name {
						c.run(w, h)
						return true
					}
				}
				for _, bad := range h.Bad {
					checkStageBadRecord(w, h, bad)
				}
				return name == "bad record"
			})
		})
	}
}
