package staging

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
	"github.com/millrace/millrace/internal/lines"
)

// TestChildrenStayTogether: what one record gives for a path is in one file, however full that is.
func TestChildrenStayTogether(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	o := options(t, m, "data/{key}/")
	o.Rotation.Records, o.MaxOpen = 2, 2
	g := begin(t, New(o), assignment())
	b := connectortest.Batch(t, "cars", 0, connectortest.R{Key: "a", Value: "0"}, connectortest.R{Key: "a", Value: "1"})
	// Offset 0 gives nine rows, among paths of which two may be open; offset 1 gives one.
	for i, key := range []string{"a", "b", "c", "a", "b", "c", "a", "a"} {
		b.Emit(0, connector.Record{Key: b.Tape().String(key), Value: b.Tape().String(fmt.Sprint("child", i))})
	}
	parent, last := *b.At(0), *b.At(1)
	records := []connector.Record{parent}
	for i, key := range []string{"a", "b", "c", "a", "b", "c", "a", "a"} {
		child := parent
		child.Key, child.Value, child.Index = b.Tape().String(key), b.Tape().String(fmt.Sprint("child", i)), int32(i+1)
		records = append(records, child)
	}
	records = append(records, last)
	size, err := g.Add(t.Context(), connector.NewBatch(*b.Source(), records, nil))
	if err != nil || size.Note == "" {
		t.Fatalf("%+v, %v", size, err)
	}
	g.commit(t, 2)
	for _, o := range link(t, m, 1).Objects {
		if o.First == 0 && o.Last != 0 {
			t.Errorf("%+v", o)
		}
	}
	for path, want := range map[string]int{"a": 2, "b": 1, "c": 1} {
		n := 0
		for name := range data(t, m) {
			if strings.HasPrefix(name, "data/"+path+"/") {
				n++
			}
		}
		if n != want {
			t.Errorf("path %s has %d files, want %d", path, n, want)
		}
	}
}

func TestMaxOpen(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	o := options(t, m, "data/{key}/")
	o.MaxOpen = 3
	s := New(o)
	g := begin(t, s, assignment())
	if size := g.add(t, numbered(0, 9, "a", "b", "c")...); size.Open != 3 || size.Note != "" || size.Due {
		t.Errorf("%+v", size)
	}
	size := g.add(t, connectortest.R{Key: "d", Value: "9", Offset: 9})
	if size.Open > 3 || size.Open+size.Full != 4 || !strings.Contains(size.Note, "more than 3 files") || !strings.Contains(size.Note, "max_open_files") {
		t.Errorf("%+v", size)
	}
	g.commit(t, 10)
	if n := s.open.Load(); n != 0 {
		t.Errorf("%d files are counted as open", n)
	}
}

// TestDue: a link names about a thousand files, because whoever finds it has to complete them all.
func TestDue(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	o := options(t, m, "data/{key}/")
	o.Rotation.Records = 1
	g := begin(t, New(o), assignment())
	if size := g.add(t, numbered(0, maxObjects, "a")...); size.Due || size.Full != maxObjects {
		t.Errorf("%+v", size)
	}
	if size := g.add(t, numbered(maxObjects, maxObjects+1, "a")...); !size.Due {
		t.Errorf("%+v", size)
	}
	if err := g.Abort(t.Context()); err != nil || len(m.Open()) > 0 {
		t.Errorf("%v; %d uploads are left", err, len(m.Open()))
	}
}

// TestSmallFilesWait: the rest of a small file is sent by the commit; what is long leaves when the file is closed, and
// full parts leave at once.
func TestSmallFilesWait(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	o := options(t, m, "data/{key}/")
	codec, err := lines.NewCodec(lines.None, 0)
	if err != nil {
		t.Fatal(err)
	}
	o.PartSize, o.Rotation.Records, o.Format = 1<<20, 100, EncodeLines(lines.JSON, codec)
	g := begin(t, New(o), assignment())
	writes := func() int { return m.Calls()["Write"] }
	row := func(n int) string { return `"` + strings.Repeat("x", n-3) + `"` }
	fill := func(key string, rows, n int) (size connector.Size) {
		for range rows {
			size = g.add(t, connectortest.R{Key: key, Value: row(n)})
		}
		return size
	}
	if size := fill("small", 100, 100); writes() != 0 || size.Full != 1 || size.Buffered < 10_000 || size.Buffered > 10_000+2*fileCost {
		t.Errorf("%d writes, %+v", writes(), size)
	}
	if size := fill("middle", 100, 1000); writes() != 1 || size.Full != 2 || size.Buffered > 10_000+3*fileCost {
		t.Errorf("%d writes, %+v", writes(), size)
	}
	if size := fill("large", 99, 20_000); writes() != 2 || size.Open != 1 || size.Buffered > 1<<20+2*lineBlocks().Size {
		t.Errorf("%d writes, %+v", writes(), size)
	}
	g.commit(t, 1000)
	if writes() != 4 {
		t.Errorf("%d writes", writes())
	}
	checkObjects(t, m, link(t, m, 1))
}

// TestUploadGone: somebody aborted an upload that grows. Its range is read again.
func TestUploadGone(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	o := options(t, m, "data/{key}/")
	o.Rotation.Records = 2
	g := begin(t, New(o), assignment())
	g.add(t, numbered(0, 2, "a")...)
	if !m.DropUpload(m.Open()[0].Upload) {
		t.Fatal("there is no upload")
	}
	if _, err := g.Commit(t.Context(), g.to(2)); connector.ClassOf(err) != connector.Lost {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	g = begin(t, New(options(t, m.View(func(call, _ string) chaintest.Fault {
		if call == "Write" {
			for _, u := range m.Open() {
				m.DropUpload(u.Upload)
			}
		}
		return chaintest.Fault{}
	}), "data/{key}/")), assignment())
	g.add(t, numbered(0, 2, "a")...)
	if _, err := g.Commit(t.Context(), g.to(2)); connector.ClassOf(err) != connector.Lost {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
}

// TestAbort: nobody else knows uploads that no link was sent for. Once one may have been put, they are left alone.
func TestAbort(t *testing.T) {
	for _, fate := range []chaintest.Fate{chaintest.Done, chaintest.Silent, chaintest.Late} {
		m := chaintest.NewMemory(chaintest.Options{})
		sent := false
		s := New(options(t, m.View(func(call, key string) chaintest.Fault {
			if call == "Put" && strings.HasSuffix(key, "1.json") {
				sent = true
				return chaintest.Fault{Fate: fate}
			}
			return chaintest.Fault{}
		}), "data/{key}/"))
		g := begin(t, s, assignment())
		g.add(t, numbered(0, 10, "a", "b")...)
		if fate != chaintest.Done {
			if _, err := g.Commit(t.Context(), g.to(10)); err == nil || !sent {
				t.Fatal("the link arrived")
			}
		}
		if err := g.Abort(t.Context()); err != nil {
			t.Error(err)
		}
		if fate == chaintest.Done {
			if len(m.Open()) > 0 || len(data(t, m)) > 0 {
				t.Errorf("%v: %v is left", fate, m.Open())
			}
			continue
		}
		m.Land()
		if g := begin(t, New(options(t, m, "data/{key}/")), assignment()); g.at.ReadFrom != 10 {
			t.Errorf("%v: %+v", fate, g.at)
		}
		if got := rows(t, m); !slices.Equal(got, counted(0, 10)) {
			t.Errorf("%v: %q", fate, got)
		}
	}
}

// TestCleaning: uploads of a process that was killed are dropped as soon as no link can name them any more.
func TestCleaning(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	o := options(t, m, "data/{key}/")
	o.Rotation.Records = 1
	killed := begin(t, New(o), assignment())
	killed.add(t, numbered(0, 3, "a")...)
	n := len(m.Open())
	s := New(o)
	g := begin(t, s, assignment())
	if n == 0 || len(m.Open()) != n {
		t.Errorf("%d uploads are left of %d: they may be completed yet", len(m.Open()), n)
	}
	g.add(t, numbered(0, 3, "a")...)
	g.commit(t, 3)
	begin(t, s, assignment())
	if len(m.Open()) > 0 {
		t.Errorf("%v is left", m.Open())
	}
}

func TestNames(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	o := options(t, m, "data/{key}/x")
	o.MaxName = 40
	g := begin(t, New(o), assignment())
	b := connectortest.Batch(t, "cars", 0, connectortest.R{Key: "a", Value: "1"}, connectortest.R{Key: chain.Folder, Value: "2"},
		connectortest.R{Key: strings.Repeat("k", 190), Value: "3"}, connectortest.R{Key: "_millrace2", Value: "4"})
	if _, err := g.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "kept for links", "", ""} {
		if err := b.Err(i); (err != nil) != (want != "") || err != nil && (connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), want)) {
			t.Errorf("record %d: %v", i, err)
		}
	}
	o.MaxName = 28 // x, the tail of 20, and .json.gz are 29
	g = begin(t, New(o), assignment())
	b = connectortest.Batch(t, "cars", 0, connectortest.R{Key: "a", Value: "1"})
	if _, err := g.Add(t.Context(), b); err != nil || !strings.Contains(fmt.Sprint(b.Err(0)), "the file's name would have 29 bytes, more than 28") {
		t.Errorf("%v, %v", b.Err(0), err)
	}
	o.MaxName, o.MaxKey = 0, 35
	g = begin(t, New(o), assignment())
	if _, err := g.Add(t.Context(), b); err != nil || !strings.Contains(fmt.Sprint(b.Err(0)), "29 bytes") {
		t.Errorf("%v, %v", b.Err(0), err)
	}
}

// TestMemory: many small files cost little beside their bytes.
func TestMemory(t *testing.T) {
	for _, c := range []struct{ partitions, paths int }{{12, 1000}, {300, 1}} {
		o := options(t, chaintest.NewMemory(chaintest.Options{}), "data/{topic}/{key}/{time:yyyy-MM-dd}/")
		o.PartSize = 5 << 20
		s := New(o)
		var held []ranging
		var buffered int64
		before := heap()
		for p := range c.partitions {
			a := assignment()
			a.ID = int32(p)
			at, err := s.Recover(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			g, err := s.Stage(t.Context(), a.Partition, at, again)
			if err != nil {
				t.Fatal(err)
			}
			r := ranging{g, at}
			size := r.add(t, numbered(0, c.paths, keys(c.paths)...)...)
			buffered += size.Buffered
			held = append(held, r)
		}
		files := int64(c.partitions * c.paths)
		used := (heap() - before) / files
		t.Logf("%d partitions with %d files: %d bytes for each, %d of them said", c.partitions, c.paths, used, buffered/files)
		if used > 4<<10 || c.paths > 1 && used > 2<<10 {
			t.Errorf("%d partitions with %d files: %d bytes for each", c.partitions, c.paths, used)
		}
		runtime.KeepAlive(held)
	}
}

func keys(n int) []string {
	var keys []string
	for i := range n {
		keys = append(keys, fmt.Sprintf("car-%06d", i))
	}
	return keys
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestBlocksShrink: the open blocks of all partitions together stay within their budget.
func TestBlocksShrink(t *testing.T) {
	o := options(t, chaintest.NewMemory(chaintest.Options{}), "data/{key}/")
	s := New(o)
	const partitions, paths = 4, 200
	value := `"` + strings.Repeat("x", 1000) + `"`
	var held []*staged
	for p := range int32(partitions) {
		a := assignment()
		a.ID = p
		at, err := s.Recover(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		g, err := s.Stage(t.Context(), a.Partition, at, again)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, g.(*staged))
	}
	names := keys(paths)
	offset := int64(0)
	for range 60 {
		for _, g := range held {
			var rs []connectortest.R
			for _, key := range names {
				rs = append(rs, connectortest.R{Key: key, Value: value, Offset: offset})
				offset++
			}
			if _, err := g.Add(t.Context(), connectortest.Batch(t, "cars", 0, rs...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var raw int64
	for _, g := range held {
		var sum int64
		for _, f := range g.paths {
			sum += f.raw()
		}
		if sum != g.raw {
			t.Errorf("%d bytes in open blocks are counted as %d", sum, g.raw)
		}
		raw += sum
	}
	if raw > 2*lineBlocks().Budget {
		t.Errorf("open blocks hold %d bytes", raw)
	}
	for _, g := range held {
		if err := g.Abort(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := s.open.Load(); n != 0 {
		t.Errorf("%d files are counted as open", n)
	}
}

// TestBlocksShrinkLate: a partition gives memory back because files were opened in others.
func TestBlocksShrinkLate(t *testing.T) {
	o := options(t, chaintest.NewMemory(chaintest.Options{}), "data/{key}/")
	s := New(o)
	few, ok := begin(t, s, assignment()).Staged.(*staged)
	if !ok {
		t.Fatal("no range")
	}
	value := `"` + strings.Repeat("x", 200<<10) + `"`
	for i, key := range keys(20) {
		if _, err := few.Add(t.Context(), connectortest.Batch(t, "cars", 0, connectortest.R{Key: key, Value: value, Offset: int64(i)})); err != nil {
			t.Fatal(err)
		}
	}
	if few.raw < 4<<20 {
		t.Fatalf("open blocks hold %d bytes", few.raw)
	}
	a := assignment()
	a.ID = 1
	at, err := s.Recover(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	many, err := s.Stage(t.Context(), a.Partition, at, again)
	if err != nil {
		t.Fatal(err)
	}
	s.o.MaxOpen = 4000
	ranging{many, at}.add(t, numbered(0, 4000, keys(4000)...)...)
	if _, err := few.Add(t.Context(), connectortest.Batch(t, "cars", 0, connectortest.R{Key: "car-000000", Value: "1", Offset: 20})); err != nil {
		t.Fatal(err)
	}
	if few.raw > 20*2*(lineBlocks().Budget/4000) {
		t.Errorf("open blocks hold %d bytes", few.raw)
	}
}
