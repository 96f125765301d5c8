package catalog

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/table"
)

func days(from, to int) (list []Partition) {
	for i := from; i < to; i++ {
		folder := fmt.Sprintf("web/dt=%d/city=x/", i)
		list = append(list, Partition{Values: []string{fmt.Sprint(i), "x"}, Location: "s3://lake/" + folder})
	}
	return list
}

func register(t testing.TB, c *Catalog, want Table, list []Partition) {
	t.Helper()
	if err := c.Partitions(t.Context(), want, list); err != nil {
		t.Fatal(err)
	}
}

func (d *double) partition(t testing.TB, key string) (s stored) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.databases["web"]["clicks"].partitions[key]
	if p == nil {
		t.Fatalf("there is no partition %s", key)
	}
	p.decode("StorageDescriptor", &s.storage)
	s.readStorage()
	return s
}

// Partitions are created 100 at a time, once, with the table's columns and library, and then cost no call.
func TestPartitions(t *testing.T) {
	d := newDouble(t, "web")
	c := connect(t, config(d.URL))
	want := clicks(field("a", table.Int32))
	register(t, c, want, append(days(0, 250), days(3, 5)...))
	if diff := cmp.Diff([]string{opGetTable, opCreateTable, opCreatePartitions, opCreatePartitions, opCreatePartitions}, d.took()); diff != "" {
		t.Errorf("calls (want -, got +):\n%s", diff)
	}
	if n := len(d.databases["web"]["clicks"].partitions); n != 250 {
		t.Errorf("%d partitions", n)
	}
	got := d.partition(t, "249/x")
	if got.location != "s3://lake/web/dt=249/city=x/" || !slices.Equal(columnsOf(&got), []string{"a int"}) || !serdes[Parquet].reads(got.library) {
		t.Errorf("partition %s", got.storage)
	}
	ensure(t, c, want)
	register(t, c, want, days(100, 200))
	register(t, c, want, nil)
	if calls := d.took(); !slices.Equal(calls, []string{opGetTable}) {
		t.Errorf("calls %v", calls)
	}
	register(t, c, want, days(249, 251))
	if diff := cmp.Diff([]string{opCreatePartitions}, d.took()); diff != "" {
		t.Errorf("calls (want -, got +):\n%s", diff)
	}
}

// Partitions that another process made are looked at once; those that lack columns of the table get them, and keep what else they have.
func TestPartitionsFollowTheTable(t *testing.T) {
	d := newDouble(t, "web")
	first, second := connect(t, config(d.URL)), connect(t, config(d.URL))
	register(t, first, clicks(field("a", table.Int32)), days(0, 3))
	d.mu.Lock()
	p := d.databases["web"]["clicks"].partitions["1/x"]
	p["Parameters"] = encoded(map[string]string{"numRows": "5"})
	var storage record
	p.decode("StorageDescriptor", &storage)
	storage["Columns"] = []byte(`[{"Name":"theirs","Type":"int"},{"Name":"a","Type":"int"}]`)
	p["StorageDescriptor"] = encoded(storage)
	d.mu.Unlock()
	d.took()
	wider := clicks(field("a", table.Int64), field("b", table.String))
	ensure(t, second, wider)
	register(t, second, wider, days(1, 4))
	if diff := cmp.Diff([]string{opGetTable, opUpdateTable, opCreatePartitions, opGetPartitions, opUpdatePartitions}, d.took()); diff != "" {
		t.Errorf("calls (want -, got +):\n%s", diff)
	}
	for key, columns := range map[string][]string{
		"0/x": {"a int"}, "1/x": {"a bigint", "b string", "theirs int"}, "2/x": {"a bigint", "b string"}, "3/x": {"a bigint", "b string"},
	} {
		got := d.partition(t, key)
		if diff := cmp.Diff(columns, columnsOf(&got)); diff != "" || got.location != "s3://lake/web/dt="+key[:1]+"/city=x/" {
			t.Errorf("%s at %s (want -, got +):\n%s", key, got.location, diff)
		}
	}
	if p := d.databases["web"]["clicks"].partitions["1/x"]; string(p["Parameters"]) != `{"numRows":"5"}` {
		t.Errorf("partition %s", p)
	}
	register(t, second, wider, days(1, 4))
	if calls := d.took(); calls != nil {
		t.Errorf("calls %v", calls)
	}
	// The first process learns of b, and gives it to the partition that it goes on writing to.
	ensure(t, first, wider)
	register(t, first, wider, days(0, 1))
	if got := d.partition(t, "0/x"); !slices.Equal(columnsOf(&got), []string{"a bigint", "b string"}) {
		t.Errorf("columns %v", columnsOf(&got))
	}
}

// What goes wrong with one partition is an error, and is tried again; the others count as registered.
func TestPartitionErrors(t *testing.T) {
	d := newDouble(t, "web")
	c := connect(t, config(d.URL))
	want := clicks(field("a", table.Int32))
	for code, class := range map[string]connector.Class{
		"InternalServiceException": transient, "ResourceNumberLimitExceededException": blocking, "AccessDeniedException": blocking, "Weird": blocking,
	} {
		d.partFails["1"] = code
		err := c.Partitions(t.Context(), want, days(0, 2))
		if connector.ClassOf(err) != class || err == nil || !strings.Contains(err.Error(), code) || !strings.Contains(err.Error(), `["1" "x"]`) {
			t.Errorf("%s: %v: %v", code, connector.ClassOf(err), err)
		}
	}
	delete(d.partFails, "1")
	d.took()
	register(t, c, want, days(0, 2))
	var sent []record
	d.last[opCreatePartitions].decode("PartitionInputList", &sent)
	if calls := d.took(); len(calls) != 1 || len(sent) != 1 {
		t.Errorf("calls %v with %d partitions", calls, len(sent))
	}

	few := days(5, 6)
	few[0].Values = few[0].Values[:1]
	if err := c.Partitions(t.Context(), want, few); connector.ClassOf(err) != blocking || err == nil || !strings.Contains(err.Error(), "has 1 values") {
		t.Errorf("%v", err)
	}
}

// A partition elsewhere is an error, or left where it is.
func TestPartitionElsewhere(t *testing.T) {
	d := newDouble(t, "web")
	want := clicks(field("a", table.Int32))
	register(t, connect(t, config(d.URL)), want, days(0, 1))
	moved := days(0, 1)
	moved[0].Location = "s3://lake/new/"
	c := connect(t, config(d.URL))
	if err := c.Partitions(t.Context(), want, moved); connector.ClassOf(err) != blocking || err == nil || !strings.Contains(err.Error(), "is in s3://lake/web/dt=0/city=x/") {
		t.Errorf("%v", err)
	}
	register(t, connect(t, config(d.URL, func(c *Config) { c.OnIncompatible = incompatibleIgnore })), want, moved)
}

// A table that was removed meanwhile is made again by the next try.
func TestTableIsRemoved(t *testing.T) {
	d := newDouble(t, "web")
	c := connect(t, config(d.URL))
	want := clicks(field("a", table.Int32))
	register(t, c, want, days(0, 1))
	delete(d.databases["web"], "clicks")
	if err := c.Partitions(t.Context(), want, days(0, 2)); connector.ClassOf(err) != transient || err == nil {
		t.Errorf("%v: %v", connector.ClassOf(err), err)
	}
	register(t, c, want, days(0, 2))
	if n := len(d.databases["web"]["clicks"].partitions); n != 2 {
		t.Errorf("%d partitions", n)
	}
}

// Nothing is registered where partitions are projected or left to others.
func TestNoPartitions(t *testing.T) {
	d := newDouble(t, "web")
	for _, kind := range []string{PartitionsProjection, PartitionsNone} {
		register(t, connect(t, config(d.URL, func(c *Config) { c.Partitions = kind })), clicks(field("a", table.Int32)), days(0, 1))
	}
	flat := clicks(field("a", table.Int32))
	flat.Keys = nil
	register(t, connect(t, config(d.URL)), flat, days(0, 1))
	if calls := d.took(); calls != nil {
		t.Errorf("calls %v", calls)
	}
}

// Memory is bounded, and what is asked for again stays.
func TestRecent(t *testing.T) {
	var r recent
	state := &tableState{}
	r.put("kept", state)
	for i := range 3 * recentKept {
		r.put(fmt.Sprint(i), state)
		if r.get("kept") != state {
			t.Fatalf("forgotten after %d", i)
		}
	}
	if n := len(r.young) + len(r.old); n > 2*recentKept || r.get("1") != nil {
		t.Errorf("%d are kept", n)
	}
}

// Many goroutines register the same partitions, while columns come.
func TestPartitionsAtATime(t *testing.T) {
	d := newDouble(t, "web")
	c := connect(t, config(d.URL))
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			want := clicks(field("a", table.Int32), field(fmt.Sprintf("c%d", i), table.Int32))
			insist(t, func() error {
				if _, err := c.Ensure(t.Context(), want); err != nil {
					return err
				}
				return c.Partitions(t.Context(), want, days(0, 10+i))
			})
		})
	}
	group.Wait()
	if n := len(d.databases["web"]["clicks"].partitions); n != 17 {
		t.Errorf("%d partitions", n)
	}
	register(t, c, clicks(field("a", table.Int32)), days(0, 17))
	if got := d.partition(t, "3/x"); len(got.columns) != 9 {
		t.Errorf("columns %v", columnsOf(&got))
	}
}
