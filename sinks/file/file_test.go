package file

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/sinks/sinktest"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashDir) != "" {
		crash()
		return
	}
	goleak.VerifyTestMain(m)
}

// faults is a disk whose next calls fail.
type faults struct {
	systemDisk
	mu     sync.Mutex
	writes []error // of the next writes; nil = succeeds
	syncs  []error
	links  []func(root *os.Root, from, to string) error // instead of the next links
	half   bool                                         // a write that fails has written half
	once   error                                        // of the next write or link
	calls  []string                                     // links and syncs of folders
	dirs   []error                                      // of the next syncs of folders
}

func pop[T any](list *[]T) (T, bool) {
	var none T
	if len(*list) == 0 {
		return none, false
	}
	v := (*list)[0]
	*list = (*list)[1:]
	return v, true
}

func (d *faults) write(f *os.File, p []byte, at int64) error {
	d.mu.Lock()
	err, _ := pop(&d.writes)
	if d.once != nil {
		err, d.once = d.once, nil
	}
	half := d.half
	d.mu.Unlock()
	if err == nil {
		return d.systemDisk.write(f, p, at)
	}
	if half {
		if err := d.systemDisk.write(f, append(bytes.Clone(p[:len(p)/2]), "garbage beyond the end"...), at); err != nil {
			return err
		}
	}
	return &fs.PathError{Op: "write", Path: f.Name(), Err: err}
}

func (d *faults) sync(f *os.File) error {
	d.mu.Lock()
	err, _ := pop(&d.syncs)
	d.mu.Unlock()
	if err != nil {
		return &fs.PathError{Op: "sync", Path: f.Name(), Err: err}
	}
	return d.systemDisk.sync(f)
}

func (d *faults) syncDir(f *os.File) error {
	d.mu.Lock()
	err, _ := pop(&d.dirs)
	d.calls = append(d.calls, "sync "+filepath.Base(f.Name()))
	d.mu.Unlock()
	if err != nil {
		return &fs.PathError{Op: "sync", Path: f.Name(), Err: err}
	}
	return d.systemDisk.syncDir(f)
}

func (d *faults) link(root *os.Root, from, to string) error {
	d.mu.Lock()
	instead, ok := pop(&d.links)
	d.calls = append(d.calls, "link "+path.Dir(to))
	once := d.once
	d.once = nil
	d.mu.Unlock()
	if once != nil {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: once}
	}
	if ok && instead != nil {
		return instead(root, from, to)
	}
	return d.systemDisk.link(root, from, to)
}

// config is the defaults with a folder of its own.
func config(t testing.TB) Config {
	c := DefaultConfig()
	c.Dir = t.TempDir()
	return c
}

func open(t testing.TB, c Config) (*Sink, *faults) {
	t.Helper()
	d := &faults{}
	s, err := c.open(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, d
}

// attempts is a Retrier that repeats at once and notes what failed. After limit failures it gives up.
type attempts struct {
	limit  int
	failed []error
}

func (a *attempts) retry(ctx context.Context, _ string, try func(context.Context) error) error {
	for {
		err := try(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		a.failed = append(a.failed, err)
		if c := connector.ClassOf(err); c == connector.Lost || c == connector.Permanent || c == connector.Fatal || len(a.failed) > a.limit {
			return err
		}
	}
}

// ranging is a range of partition 0 of the topic cars, with what a Connector knows of it.
type ranging struct {
	connector.Staged
	at connector.Position
}

func assignment() connector.Assignment {
	return connector.Assignment{
		Partition: connector.Partition{Topic: "cars"}, ClusterID: "file-test", TopicID: connectortest.TopicID(),
		Group: "cars-files", Connector: "cars-files", Committed: -1,
	}
}

// stage recovers the partition and begins a range where it stands.
func stage(t testing.TB, s *Sink, a *attempts) ranging {
	t.Helper()
	if a == nil {
		a = &attempts{}
	}
	return stageWith(t, s, a.retry)
}

func stageWith(t testing.TB, s *Sink, retry connector.Retrier) ranging {
	t.Helper()
	at, err := s.Recover(t.Context(), assignment())
	if err != nil {
		t.Fatal(err)
	}
	g, err := s.Stage(t.Context(), connector.Partition{Topic: "cars"}, at, retry)
	if err != nil {
		t.Fatal(err)
	}
	return ranging{g, at}
}

func add(t testing.TB, g ranging, rs ...connectortest.R) (connector.Size, *connector.Batch) {
	t.Helper()
	b := connectortest.Batch(t, "cars", 0, rs...)
	size, err := g.Add(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return size, b
}

// to is the range up to an offset.
func (g ranging) to(next int64) connector.Range {
	return connector.Range{From: g.at.ReadFrom, Next: next, Reason: connector.RotateAge}
}

func commit(t testing.TB, g ranging, next int64) {
	t.Helper()
	pos, err := g.Commit(t.Context(), g.to(next))
	if err != nil {
		t.Fatal(err)
	}
	if pos.At != g.at.At+1 || pos.ReadFrom != next {
		t.Errorf("Commit returned %+v behind %+v, want number %d from offset %d", pos, g.at, g.at.At+1, next)
	}
}

// expand is the text of a file.
func expand(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var r io.Reader = bytes.NewReader(data)
	switch filepath.Ext(name) {
	case ".gz":
		if r, err = gzip.NewReader(r); err != nil {
			t.Fatal(err)
		}
	case ".zst":
		z, err := zstd.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return out
}

// TestReadByOthers reads files of many blocks with the programs that people read them with, and without them by
// the decoders of expand.
func TestReadByOthers(t *testing.T) {
	for compression, program := range map[string]string{"gzip": "gzip", "zstd": "zstd", "none": "cat"} {
		c := config(t)
		c.Compression, c.Rotate.Size = compression, 150<<10
		s, _ := open(t, c)
		g := stage(t, s, nil)
		var want []byte
		for i := range 20 {
			var rs []connectortest.R
			for n := range 1000 {
				row := fmt.Sprintf(`{"n":%d,"x":"%x"}`, i*1000+n, sha256.Sum256([]byte{byte(i), byte(n), byte(n >> 8)}))
				want = append(append(want, row...), '\n')
				rs = append(rs, connectortest.R{Value: row, Offset: int64(i*1000 + n)})
			}
			add(t, g, rs...)
		}
		commit(t, g, 20000)
		var got []byte
		names := visible(t, c.Dir)
		for _, name := range names {
			got = append(got, expand(t, filepath.Join(c.Dir, name))...)
		}
		if !bytes.Equal(got, want) || len(names) < 3 {
			t.Errorf("%s: %d files of %d bytes, want %d", compression, len(names), len(got), len(want))
		}
		if _, err := exec.LookPath(program); err != nil {
			t.Logf("%s isn't installed", program)
			continue
		}
		args := []string{"-dc"}
		if program == "cat" {
			args = nil
		}
		for _, name := range names {
			args = append(args, filepath.Join(c.Dir, name))
		}
		if got, err := exec.Command(program, args...).Output(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s reads %d bytes, want %d: %v", program, len(got), len(want), err)
		}
	}
}

// visible is the names below dir that a reader sees, sorted.
func visible(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == tempDir || d.Name() == chain.Folder) {
			return filepath.SkipDir
		}
		if !d.IsDir() {
			rel, err := filepath.Rel(dir, name)
			names = append(names, filepath.ToSlash(rel))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// temporary is what lies in the folder of temporary files.
func temporary(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, tempDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// contents is the lines of all visible files, by their names without the random part.
func contents(t testing.TB, dir string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, name := range visible(t, dir) {
		key := random.ReplaceAllString(name, "-X.")
		s := bufio.NewScanner(bytes.NewReader(expand(t, filepath.Join(dir, name))))
		s.Buffer(nil, 64<<20)
		for s.Scan() {
			out[key] = append(out[key], s.Text())
		}
	}
	return out
}

var random = regexp.MustCompile(`-[0-9]{10}-[0-9a-f]{8}\.`)

func TestConformance(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"gzip":          func(*Config) {},
		"zstd":          func(c *Config) { c.Compression, c.Path = "zstd", "{topic}/{key}" },
		"few":           func(c *Config) { c.Compression, c.Rotate.Records, c.MaxOpenFiles = "none", 3, 2 },
		"raw, one path": func(c *Config) { c.Format.Raw, c.Path = new(Raw), "{topic}/" },
		"time":          func(c *Config) { c.Path, c.Time.From = "{time:yyyy}/{value.key}/", "value.seq" },
	} {
		var bad map[string]sinktest.Raw
		if name == "time" {
			bad = map[string]sinktest.Raw{
				"without time":  {Key: []byte("x"), Value: []byte(`{"key":"x"}`)},
				"no time":       {Key: []byte("x"), Value: []byte(`{"key":"x","seq":"soon"}`)},
				"year 300,000":  {Key: []byte("x"), Value: []byte(`{"key":"x","seq":9435000000000000}`)},
				"tombstone":     {Key: []byte("x")},
				"key of arrays": {Key: []byte("x"), Value: []byte(`{"key":[` + strings.Repeat("[],", 300) + `1],"seq":[1]}`)},
			}
		}
		t.Run(name, func(t *testing.T) {
			sinktest.RunStager(t, sinktest.StagerHarness{
				Open: func(t testing.TB) sinktest.Store {
					c := config(t)
					c.Path = "{topic}/{value.key}/{partition}/"
					change(&c)
					s, d := open(t, c)
					return sinktest.Store{
						Stager: s,
						Reopen: func(t testing.TB) connector.Stager { s, _ := open(t, c); return s },
						Read:   func() ([]sinktest.File, error) { return parse(t, c.Dir) },
						Fail: func(class connector.Class) bool {
							d.mu.Lock()
							defer d.mu.Unlock()
							d.once = map[connector.Class]error{connector.Retryable: syscall.EIO, connector.Systemic: syscall.ENOSPC}[class]
							return true
						},
					}
				},
				ExactlyOnce: true,
				Bad:         bad,
			})
		})
	}
}

func parse(t testing.TB, dir string) ([]sinktest.File, error) {
	var files []sinktest.File
	for _, name := range visible(t, dir) {
		f := sinktest.File{Name: name}
		for row := range bytes.Lines(expand(t, filepath.Join(dir, name))) {
			d, err := sinktest.Parse(row)
			if err != nil {
				return nil, err
			}
			f.Records = append(f.Records, d)
		}
		files = append(files, f)
	}
	return files, nil
}

func TestNames(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 4, 5, 0, time.UTC).UnixMilli()
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) {}, "cars/partition=0/cars+0+0000000012-X.json.gz"},
		{func(c *Config) { c.Path = "" }, "cars+0+0000000012-X.json.gz"},
		{func(c *Config) { c.Path, c.Compression = "{topic}", "zstd" }, "cars-X.json.zst"},
		{func(c *Config) { c.Path, c.Compression, c.Format.Raw = "a/{position}/b", "none", new(Raw) }, "a/12/b.txt"},
		{func(c *Config) { c.Path = "dt={time:yyyy-MM-dd}/hour={time:HH}/" }, "dt=2026-03-01/hour=09/cars+0+0000000012-X.json.gz"},
		{func(c *Config) { c.Path, c.Time = "{time:yyyy/MM}/", Time{From: "value.at", Zone: "Asia/Seoul"} }, "2024/01/cars+0+0000000012-X.json.gz"},
		{func(c *Config) { c.Path = "{value.city}/{header.none}/{key}/" }, "__null__/__null__/k/cars+0+0000000012-X.json.gz"},
	} {
		cfg := config(t)
		c.change(&cfg)
		s, _ := open(t, cfg)
		g := stage(t, s, nil)
		add(t, g, connectortest.R{Key: "k", Value: `{"at":"2023-12-31T23:00:00Z"}`, Offset: 12, Timestamp: at})
		commit(t, g, 13)
		var got []string
		for name := range contents(t, cfg.Dir) {
			got = append(got, name)
		}
		if !slices.Equal(got, []string{c.want}) {
			t.Errorf("path %q: %q, want %q", cfg.Path, got, c.want)
		}
	}
}

func TestPermissions(t *testing.T) {
	c := config(t)
	s, _ := open(t, c)
	g := stage(t, s, nil)
	add(t, g, connectortest.R{Value: `1`})
	commit(t, g, 1)
	old := syscall.Umask(0)
	syscall.Umask(old)
	for _, name := range visible(t, c.Dir) {
		f, err := os.Stat(filepath.Join(c.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		d, err := os.Stat(filepath.Dir(filepath.Join(c.Dir, name)))
		if err != nil {
			t.Fatal(err)
		}
		if want := fs.FileMode(0o644 &^ old); f.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", name, f.Mode(), want)
		}
		if want := fs.FileMode(0o755 &^ old); d.Mode().Perm() != want {
			t.Errorf("the folder of %s has mode %v, want %v", name, d.Mode(), want)
		}
	}
}

func TestLines(t *testing.T) {
	c := config(t)
	s, _ := open(t, c)
	g := stage(t, s, nil)
	add(t, g, connectortest.R{Value: `{"n": 9007199254740993}`}, connectortest.R{NullValue: true, NullKey: true}, connectortest.R{Value: "{\n\"a\":\t1\n}"})
	commit(t, g, 3)
	want := []string{`{"n": 9007199254740993}`, `null`, `{"a":1}`}
	for _, got := range contents(t, c.Dir) {
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestBadFirstRecord: a record that can't be written neither names a file nor makes one.
func TestBadFirstRecord(t *testing.T) {
	c := config(t)
	s, _ := open(t, c)
	g := stage(t, s, nil)
	b := connectortest.Batch(t, "cars", 0, connectortest.R{Value: `1`, Offset: 5}, connectortest.R{Value: `2`}, connectortest.R{Value: `3`})
	b.At(0).Value = b.Tape().BorrowString([]byte("\xff"))
	if _, err := g.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := b.Err(0); connector.ClassOf(err) != connector.Permanent || !strings.Contains(fmt.Sprint(err), "write the value as a row of format json") {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	commit(t, g, 8)
	got := contents(t, c.Dir)
	if rows := got["cars/partition=0/cars+0+0000000006-X.json.gz"]; len(got) != 1 || !slices.Equal(rows, []string{"2", "3"}) {
		t.Errorf("%q", got)
	}

	g = stage(t, s, nil)
	b = connectortest.Batch(t, "cars", 0, connectortest.R{Value: `1`, Offset: 9})
	b.At(0).Value = b.Tape().BorrowString([]byte("\xff"))
	size, err := g.Add(t.Context(), b)
	if err != nil || size.Open != 0 || size.Full != 0 {
		t.Errorf("a range of bad records only: %+v, %v", size, err)
	}
	commit(t, g, 10)
	if n := len(visible(t, c.Dir)); n != 1 {
		t.Errorf("%d files", n)
	}
}

// TestBadRecordBetweenHours: the first record of an hour can't be written; the next one isn't put into the hour before.
func TestBadRecordBetweenHours(t *testing.T) {
	c := config(t)
	c.Path = "{time:HH}"
	s, _ := open(t, c)
	g := stage(t, s, nil)
	const hour = 3_600_000
	b := connectortest.Batch(t, "cars", 0, connectortest.R{Value: `1`, Timestamp: 9 * hour}, connectortest.R{Value: `2`, Timestamp: 10 * hour},
		connectortest.R{Value: `3`, Timestamp: 10*hour + 1}, connectortest.R{Value: `4`, Timestamp: 9*hour + 1})
	b.At(1).Value = b.Tape().BorrowString([]byte("\xff"))
	if _, err := g.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	commit(t, g, 4)
	got := contents(t, c.Dir)
	if len(got) != 2 || !slices.Equal(got["09-X.json.gz"], []string{"1", "4"}) || !slices.Equal(got["10-X.json.gz"], []string{"3"}) {
		t.Errorf("%q", got)
	}
}

func TestRotation(t *testing.T) {
	c := config(t)
	c.Compression = "none"
	c.Rotate.Size = 100 << 10
	c.Rotate.Records = 1000
	c.Path = "{key}/"
	s, _ := open(t, c)
	if r := s.Rotation("cars"); r != (connector.Rotation{Size: 100 << 10, Records: 1000, Age: 5 * time.Minute, Adaptive: true, Seal: time.Hour}) {
		t.Errorf("rotation %+v", r)
	}
	g := stage(t, s, nil)
	var size connector.Size
	for i := range 10 {
		var rs []connectortest.R
		for range 500 {
			rs = append(rs, connectortest.R{Key: "long", Value: fmt.Sprintf(`"%0998d"`, i)}, connectortest.R{Key: "short", Value: `1`})
		}
		size, _ = add(t, g, rs...)
		if len(visible(t, c.Dir)) > 0 {
			t.Fatal("a full file is visible before the commit")
		}
	}
	// 5,000 rows of 1,001 bytes, of which a file takes up to 100 KiB, an eighth and a block; 5,000 of 2 bytes, 1,000 to a file.
	if size.Open > 1 || size.Full < 5+5005000/(113<<10+26<<10) || size.Full > 5+5005000/(100<<10) {
		t.Errorf("size %+v", size)
	}
	commit(t, g, 10000)
	full, rows := 0, 0
	for _, name := range visible(t, c.Dir) {
		info, err := os.Stat(filepath.Join(c.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.Count(expand(t, filepath.Join(c.Dir, name)), []byte("\n"))
		rows += lines
		switch {
		case strings.HasPrefix(name, "short"):
			if lines != 1000 {
				t.Errorf("%s has %d lines", name, lines)
			}
		case info.Size() >= 100<<10 && info.Size() <= 139<<10:
			full++
		case info.Size() > 139<<10:
			t.Errorf("%s has %d bytes", name, info.Size())
		}
	}
	if rows != 10000 || full != size.Full-5 {
		t.Errorf("%d rows, %d full files of size %+v", rows, full, size)
	}
}

// TestManyPaths: each path has its own file, however many grow.
func TestManyPaths(t *testing.T) {
	c := config(t)
	c.Compression = "none"
	c.Path = "{key}"
	s, _ := open(t, c)
	g := stage(t, s, nil)
	const paths = 400
	value := `"` + strings.Repeat("x", 8<<10) + `"`
	for round := range 5 {
		var rs []connectortest.R
		for i := range paths {
			rs = append(rs, connectortest.R{Key: fmt.Sprint(i), Value: value, Offset: int64(paths*round + i)})
		}
		if size, _ := add(t, g, rs...); size.Open != paths || size.Full != 0 {
			t.Fatalf("round %d: %+v", round, size)
		}
	}
	commit(t, g, 5*paths)
	got := contents(t, c.Dir)
	for name, rows := range got {
		if len(rows) != 5 {
			t.Errorf("%s has %d rows", name, len(rows))
		}
	}
	if len(got) != paths {
		t.Errorf("%d files", len(got))
	}
}

func TestMaxOpenFiles(t *testing.T) {
	c := config(t)
	c.MaxOpenFiles, c.Path = 4, "{key}/"
	s, _ := open(t, c)
	g := stage(t, s, nil)
	add(t, g, connectortest.R{Key: "idle", Value: "0"})
	for i := range 20 {
		size, _ := add(t, g, connectortest.R{Key: "busy", Value: "0", Offset: int64(2*i + 1)}, connectortest.R{Key: fmt.Sprint(i), Value: "1"})
		if size.Open > 4 {
			t.Fatalf("after %d paths: %+v", i, size)
		}
	}
	commit(t, g, 41)
	got := contents(t, c.Dir)
	if len(got) != 22 || len(got["busy/cars+0+0000000001-X.json.gz"]) != 20 {
		t.Errorf("the busy file was closed, or files are missing: %q", got)
	}
}

func TestPathTricks(t *testing.T) {
	parent := t.TempDir()
	c := DefaultConfig()
	c.Dir, c.Path = filepath.Join(parent, "data"), "{value.p}/{key}/{header.h}"
	s, _ := open(t, c)
	g := stage(t, s, nil)
	tricks := []string{"..", ".", "", "/", "/etc/passwd", "../../../../tmp/x", "a/../../b", "\x00", "a\x00b", "-rf", "~", "~root", "C:\\x",
		"..\\..\\x", tempDir, ".millrace-tmp/x", "\n", strings.Repeat("n", 300), strings.Repeat("../", 100), "\u202e", "%2e%2e", "con", chain.Folder}
	var rs []connectortest.R
	for _, v := range tricks {
		quoted := strings.NewReplacer("\\", "\\\\", "\x00", "\\u0000", "\n", "\\n").Replace(v)
		rs = append(rs, connectortest.R{Key: v, Value: fmt.Sprintf(`{"p":"%s"}`, quoted), Headers: []connector.Header{{Name: "h", Value: []byte(v)}}})
	}
	_, b := add(t, g, rs...)
	for i := range b.Len() {
		if err := b.Err(i); err != nil && connector.ClassOf(err) != connector.Permanent {
			t.Errorf("%.20q: %v", tricks[i], err)
		}
		if err := b.Err(i); err != nil != (tricks[i] == chain.Folder) && len(tricks[i]) < 200 {
			t.Errorf("%.20q: %v", tricks[i], err)
		}
	}
	commit(t, g, int64(len(tricks)))
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 1 {
		t.Fatalf("beside the folder lies something: %v, %v", entries, err)
	}
	rows := 0
	for name, lines := range contents(t, c.Dir) {
		rows += len(lines)
		if strings.Count(name, "/") != 2 {
			t.Errorf("%q isn't two folders deep", name)
		}
	}
	if n := len(tricks) - 3; rows != n && rows != n+2 {
		t.Errorf("%d rows of %d", rows, len(tricks))
	}
	if n := len(temporary(t, c.Dir)); n != 0 {
		t.Errorf("%d temporary files are left", n)
	}
}

// TestSymbolicLink: a link in the folder leads nowhere outside.
func TestSymbolicLink(t *testing.T) {
	c := config(t)
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(c.Dir, "evil")); err != nil {
		t.Fatal(err)
	}
	c.Path = "{key}/x"
	s, _ := open(t, c)
	g := stage(t, s, nil)
	add(t, g, connectortest.R{Key: "evil", Value: "1"})
	if _, err := g.Commit(t.Context(), g.to(1)); err == nil || !strings.Contains(err.Error(), filepath.Join(c.Dir, "evil")) {
		t.Errorf("Commit: %v", err)
	}
	if names := visible(t, outside); len(names) > 0 {
		t.Errorf("outside lies %q", names)
	}
	if err := g.Abort(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestNothingIsOverwritten: somebody else has the name of a file whose path is taken as it is.
func TestNothingIsOverwritten(t *testing.T) {
	c := config(t)
	c.Path = "{topic}/{position}"
	s, _ := open(t, c)
	g := stage(t, s, nil)
	add(t, g, connectortest.R{Value: "1"})
	name := filepath.Join(c.Dir, "cars", "0.json.gz")
	if err := errors.Join(os.Mkdir(filepath.Dir(name), 0o755), os.WriteFile(name, []byte("somebody else's"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Commit(t.Context(), g.to(1)); connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), "cars/0.json.gz") {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	if err := g.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(name); err != nil || string(data) != "somebody else's" {
		t.Errorf("%q, %v", data, err)
	}
	// It is moved away, and the partition recovers.
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if g := stage(t, s, nil); g.at.ReadFrom != 1 {
		t.Errorf("reads from %d", g.at.ReadFrom)
	}
	if got := contents(t, c.Dir); len(got) != 1 || !slices.Equal(got["cars/0.json.gz"], []string{"1"}) {
		t.Errorf("%q", got)
	}
}

// TestLostReplyOfLink: over a network a name may be there although the call that gave it failed with EEXIST: that of a file, and that of a link.
func TestLostReplyOfLink(t *testing.T) {
	lost := func(root *os.Root, from, to string) error {
		return errors.Join(root.Link(from, to), syscall.EEXIST)
	}
	for _, links := range [][]func(*os.Root, string, string) error{{lost}, {nil, lost}} {
		c := config(t)
		c.Path = ""
		s, d := open(t, c)
		g := stage(t, s, nil)
		add(t, g, connectortest.R{Value: "1"})
		d.links = links
		commit(t, g, 1)
		if names := visible(t, c.Dir); len(names) != 1 || len(d.links) != 0 {
			t.Errorf("%q", names)
		}
	}
}

func TestCommitAgain(t *testing.T) {
	c := config(t)
	c.Path = "{key}"
	s, d := open(t, c)
	g := stage(t, s, nil)
	var rs []connectortest.R
	for i := range 6 {
		rs = append(rs, connectortest.R{Key: fmt.Sprint(i), Value: "1"})
	}
	add(t, g, rs...)
	d.half = true
	d.writes = []error{nil, nil, syscall.ENOSPC}
	refuse := func(*os.Root, string, string) error { return &os.LinkError{Op: "link", Err: syscall.EIO} }
	d.links = []func(*os.Root, string, string) error{refuse, nil, nil, refuse, nil, refuse, nil, nil, refuse}
	var classes []connector.Class
	for {
		_, err := g.Commit(t.Context(), g.to(6))
		if err == nil {
			break
		}
		classes = append(classes, connector.ClassOf(err))
		if len(classes) > 10 {
			t.Fatal(err)
		}
	}
	// A write, the link, and files twice.
	if want := []connector.Class{connector.Systemic, connector.Retryable, connector.Retryable, connector.Retryable}; !slices.Equal(classes, want) {
		t.Errorf("classes %v, want %v", classes, want)
	}
	got := contents(t, c.Dir)
	for name, rows := range got {
		if !slices.Equal(rows, []string{"1"}) {
			t.Errorf("%s holds %q", name, rows)
		}
	}
	if len(got) != 6 || len(visible(t, c.Dir)) != 6 {
		t.Errorf("%d files, %d names", len(got), len(visible(t, c.Dir)))
	}
	if n := len(temporary(t, c.Dir)); n != 0 {
		t.Errorf("%d temporary files are left", n)
	}
}

// TestRetriedWrite: what a failed write left behind is overwritten, once.
func TestRetriedWrite(t *testing.T) {
	for _, compression := range []string{"none", "gzip", "zstd"} {
		c := config(t)
		c.Compression, c.Rotate.Records = compression, 100
		s, d := open(t, c)
		a := &attempts{limit: 10}
		g := stage(t, s, a)
		d.half = true
		d.writes = []error{syscall.ENOSPC, syscall.EINTR, nil, syscall.ENOSPC, nil, syscall.EIO}
		var rs []connectortest.R
		for i := range 250 {
			rs = append(rs, connectortest.R{Value: fmt.Sprint(i)})
		}
		add(t, g, rs...)
		for {
			if _, err := g.Commit(t.Context(), g.to(250)); err == nil {
				break
			} else if connector.ClassOf(err) != connector.Retryable {
				t.Fatal(err)
			}
		}
		var rows []string
		for _, name := range visible(t, c.Dir) {
			rows = append(rows, strings.Fields(string(expand(t, filepath.Join(c.Dir, name))))...)
		}
		for i, row := range rows {
			if row != fmt.Sprint(i) {
				t.Fatalf("%s: row %d is %q", compression, i, row)
			}
		}
		if len(rows) != 250 || len(a.failed) != 3 || connector.ClassOf(a.failed[0]) != connector.Systemic {
			t.Errorf("%s: %d rows, failures %v", compression, len(rows), a.failed)
		}
	}
}

// TestFailedSync: after a failed sync nobody knows what is on disk, and a second sync would succeed.
func TestFailedSync(t *testing.T) {
	for _, errno := range []error{syscall.EIO, syscall.ENOSPC} {
		c := config(t)
		s, d := open(t, c)
		g := stage(t, s, nil)
		add(t, g, connectortest.R{Value: "1"})
		d.syncs = []error{errno}
		_, err := g.Commit(t.Context(), g.to(1))
		if connector.ClassOf(err) != connector.Lost || !errors.Is(err, errno) {
			t.Errorf("class %v: %v", connector.ClassOf(err), err)
		}
		if err := g.Abort(t.Context()); err != nil {
			t.Error(err)
		}
		if len(visible(t, c.Dir)) != 0 || len(temporary(t, c.Dir)) != 0 {
			t.Errorf("%q, %q", visible(t, c.Dir), temporary(t, c.Dir))
		}
	}
}

// TestFoldersAreSynced: a name is on disk only when its folder is, and that folder's name in turn. Links come before files.
func TestFoldersAreSynced(t *testing.T) {
	c := config(t)
	c.Path = "{topic}/{key}/"
	s, d := open(t, c)
	g := stage(t, s, nil)
	add(t, g, connectortest.R{Key: "a", Value: "1"})
	d.calls = nil
	d.dirs = []error{nil, nil, syscall.EIO} // of temporary files, of the link, of the file
	if _, err := g.Commit(t.Context(), g.to(1)); connector.ClassOf(err) != connector.Retryable || !errors.Is(err, syscall.EIO) {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	commit(t, g, 1)
	links := path.Join(chain.Folder, "main", "file-test", hex.EncodeToString(topicID()), "0")
	want := []string{
		"sync " + tempDir, "link " + links, "sync 0",
		"link cars/a", "link cars/a", "sync a", // the folder is missing at first; the sync fails
		"link cars/a", "sync a", "sync cars", "sync .",
	}
	if !slices.Equal(d.calls, want) {
		t.Errorf("%q, want %q", d.calls, want)
	}

	d.calls = nil
	g = stage(t, s, nil)
	add(t, g, connectortest.R{Key: "a", Value: "1", Offset: 1}, connectortest.R{Key: "b", Value: "1"})
	commit(t, g, 3)
	if n := len(d.calls); n == 0 || !slices.Contains(d.calls, "sync b") || slices.Index(d.calls, "sync b") < slices.Index(d.calls, "link cars/b") {
		t.Errorf("%q", d.calls)
	}
}

func topicID() []byte {
	id := connectortest.TopicID()
	return id[:]
}

// TestTemporaryFileGone: somebody cleaned up too much. Nothing is lost: the range is read again.
func TestTemporaryFileGone(t *testing.T) {
	c := config(t)
	c.Rotate.Records = 1
	s, _ := open(t, c)
	g := stage(t, s, nil)
	add(t, g, connectortest.R{Value: "1"})
	for _, name := range temporary(t, c.Dir) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.Commit(t.Context(), g.to(1)); connector.ClassOf(err) != connector.Lost {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
}

func TestContextEnds(t *testing.T) {
	c := config(t)
	s, _ := open(t, c)
	g := stage(t, s, nil)
	add(t, g, connectortest.R{Value: "1"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Commit(ctx, g.to(1)); !errors.Is(err, context.Canceled) || connector.ClassOf(err) != connector.Retryable {
		t.Errorf("Commit: %v", err)
	}
	commit(t, g, 1)
	if n := len(visible(t, c.Dir)); n != 1 {
		t.Errorf("%d files", n)
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"dir is missing":                     func(c *Config) { c.Dir = "" },
		"NUL":                                func(c *Config) { c.Dir = "a\x00b" },
		"path: there is no {tipoc}":          func(c *Config) { c.Path = "{tipoc}" },
		"path: a path can't hold ..":         func(c *Config) { c.Path = "../{topic}" },
		"path: a path begins with a name":    func(c *Config) { c.Path = "/{topic}" },
		"path can't begin with .millrace":    func(c *Config) { c.Path = ".millrace-{key}/" },
		"path: it can't hold a folder _mill": func(c *Config) { c.Path = "a/_millrace/{key}" },
		"prefix can't begin with .millrace":  func(c *Config) { c.Prefix = ".millrace-tmp" },
		`prefix "a/../b": it can't hold ..`:  func(c *Config) { c.Prefix = "a/../b" },
		"chain is empty":                     func(c *Config) { c.Chain = "" },
		`chain is "a/b"`:                     func(c *Config) { c.Chain = "a/b" },
		"rotate.seal_after is -1s":           func(c *Config) { c.Rotate.SealAfter = connector.Duration(-time.Second) },
		"no time zone":                       func(c *Config) { c.Time.Zone = "Nowhere" },
		"a time comes from timestamp, wall":  func(c *Config) { c.Time.From = "yesterday" },
		"separator is for format raw":        func(c *Config) { c.Separator = "|" },
		"none, gzip, zstd":                   func(c *Config) { c.Compression = "lz4" },
		"no level 12":                        func(c *Config) { c.CompressionLevel = 12 },
		"rotate.size is 0B":                  func(c *Config) { c.Rotate.Size = 0 },
		"rotate.age is 0s":                   func(c *Config) { c.Rotate.Age = 0 },
		"rotate.records is -1":               func(c *Config) { c.Rotate.Records = -1 },
		"max_open_files is 0":                func(c *Config) { c.MaxOpenFiles = 0 },
	} {
		c := DefaultConfig()
		c.Dir = "/somewhere"
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
		if _, err := c.Open(t.Context()); connector.ClassOf(err) != connector.Fatal {
			t.Errorf("Open: class %v of %v", connector.ClassOf(err), err)
		}
	}
}

// TestRecover: the chain says where a partition stands, whatever the group says.
func TestRecover(t *testing.T) {
	c := config(t)
	s, _ := open(t, c)
	a := assignment()
	a.Start, a.Initial, a.LogEnd = 17, 17, 100
	pos, err := s.Recover(t.Context(), a)
	if err != nil || pos.ReadFrom != 17 || pos.At != 1 || pos.Meta == "" {
		t.Errorf("%+v, %v", pos, err)
	}
	g, err := s.Stage(t.Context(), a.Partition, pos, (&attempts{}).retry)
	if err != nil {
		t.Fatal(err)
	}
	r := ranging{g, pos}
	add(t, r, connectortest.R{Value: "1", Offset: 17})
	commit(t, r, 18)
	a.Committed, a.Start = 3, 3
	other, _ := open(t, c)
	pos, err = other.Recover(t.Context(), a)
	if err != nil || pos.ReadFrom != 18 || pos.At != 2 || len(pos.Notes) != 1 || !strings.Contains(pos.Notes[0], "below the end of the chain, 18") {
		t.Errorf("%+v, %v", pos, err)
	}
	a.Connector = "another"
	third, _ := open(t, c)
	if _, err := third.Recover(t.Context(), a); connector.ClassOf(err) != connector.Fatal || !strings.Contains(err.Error(), c.Dir) {
		t.Errorf("another connector may write there: %v", err)
	}
}
