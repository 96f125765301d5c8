//go:build testbed

package behaviour

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
	"github.com/millrace/millrace/serde/glue"
	"github.com/millrace/millrace/testbed"
)

// evolution is the fields of five versions of a schema: the second adds city with a default, the third widens count and ratio, the fourth renames
// name to label, the fifth removes gone. The sixth fits none of them: its count is a text.
var evolution = [6]string{
	`{"name":"seq","type":"long"},{"name":"name","type":"string"},{"name":"count","type":"int"},{"name":"ratio","type":"float"},{"name":"gone","type":"string"}`,
	`{"name":"seq","type":"long"},{"name":"name","type":"string"},{"name":"count","type":"int"},{"name":"ratio","type":"float"},{"name":"gone","type":"string"},{"name":"city","type":"string","default":"none"}`,
	`{"name":"seq","type":"long"},{"name":"name","type":"string"},{"name":"count","type":"long"},{"name":"ratio","type":"double"},{"name":"gone","type":"string"},{"name":"city","type":"string","default":"none"}`,
	`{"name":"seq","type":"long"},{"name":"label","aliases":["name"],"type":"string"},{"name":"count","type":"long"},{"name":"ratio","type":"double"},{"name":"gone","type":"string"},{"name":"city","type":"string","default":"none"}`,
	`{"name":"seq","type":"long"},{"name":"label","aliases":["name"],"type":"string"},{"name":"count","type":"long"},{"name":"ratio","type":"double"},{"name":"city","type":"string","default":"none"}`,
	`{"name":"seq","type":"long"},{"name":"label","aliases":["name"],"type":"string"},{"name":"count","type":"string"},{"name":"ratio","type":"double"},{"name":"city","type":"string","default":"none"}`,
}

const (
	evolvingPartitions = 3
	evolvingFile       = 2 << 20 // a batch that fills it is less than the eighth more that it may have
	evolvingRowGroup   = 512 << 10
)

// A changing topic gets records of many versions of one schema.
type changing struct {
	t        *testing.T
	lake     *lake
	registry *testbed.GlueRegistry
	version  []int // of each record, from 1, by its seq
	encoders map[int]*avro.Encoder
	headers  map[int][]byte
}

func newChanging(t *testing.T) *changing {
	c := &changing{t: t, lake: newLake(t, evolvingPartitions), registry: testbed.Moto(t).Registry(t)}
	c.encoders, c.headers = make(map[int]*avro.Encoder), make(map[int][]byte)
	return c
}

// start runs a process. Nothing is committed because of its age.
func (c *changing) start() *millraceProcess {
	return c.lake.start(c.lake.config(
		fmt.Sprintf(`path: "{topic}/", format: {parquet: {row_group: %dKiB}}, rotate: {size: %dKiB, age: 10m}`, evolvingRowGroup>>10, evolvingFile>>10),
		fmt.Sprintf("decode: {value: {glue: {region: %s, endpoint: %q, registry: %s, access_key: a, secret_key: b}}}", c.registry.Region, c.registry.Endpoint, c.registry.Name)))
}

// register makes sure of a version, from 1. The first one that is asked for is the schema's first.
func (c *changing) register(version int) {
	c.t.Helper()
	if c.encoders[version] != nil {
		return
	}
	text := `{"type":"record","name":"R","fields":[` + evolution[version-1] + `]}`
	var id string
	if len(c.encoders) == 0 {
		id = c.registry.CreateSchema(c.t, "r", testbed.GlueAvro, "NONE", text)
	} else {
		id = c.registry.AddVersion(c.t, "r", text)
	}
	parsed, err := glue.ParseID(id)
	if err != nil {
		c.t.Fatal(err)
	}
	s, err := avro.Parse(text)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.encoders[version], err = avro.NewEncoder(s); err != nil {
		c.t.Fatal(err)
	}
	c.headers[version] = glue.AppendHeader(nil, parsed, false)
}

// produce writes n records with the versions in turn, so that each partition gets all of them.
func (c *changing) produce(n int, versions ...int) {
	c.t.Helper()
	for _, v := range versions {
		c.register(v)
	}
	client := c.lake.kafka.Client(c.t, kgo.DefaultProduceTopic(c.lake.topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer client.Close()
	tape := serde.NewTape()
	for i := range n {
		seq, version := int64(len(c.version)), versions[i/evolvingPartitions%len(versions)]
		c.version = append(c.version, version)
		tape.Reset()
		value, err := c.encoders[version].Append(slices.Clone(c.headers[version]), changingValue(tape, seq, version))
		if err != nil {
			c.t.Fatal(err)
		}
		client.Produce(c.t.Context(), &kgo.Record{Partition: int32(i % evolvingPartitions), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				c.t.Error(err)
			}
		})
	}
	if err := client.Flush(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

// changingName is a text that doesn't compress well.
func changingName(seq int64) string {
	random := rand.New(rand.NewPCG(8, uint64(seq)))
	raw := make([]byte, 100)
	for i := range raw {
		raw[i] = byte(random.Uint32())
	}
	return hex.EncodeToString(raw)
}

func changingCount(seq int64, version int) int64 {
	if version < 3 {
		return seq
	}
	return seq * 3_000_000_000 // more than an int
}

func changingRatio(seq int64, version int) float64 {
	if version < 3 {
		return float64(seq) / 8 // as a float has it
	}
	return float64(seq) / 7
}

// changingValue is the record of a number, as a version has it.
func changingValue(tape *serde.Tape, seq int64, version int) serde.Value {
	name := "name"
	if version >= 4 {
		name = "label"
	}
	count := tape.Int64(changingCount(seq, version))
	if version == 6 {
		count = tape.String(fmt.Sprint(seq))
	}
	names := []string{"seq", name, "count", "ratio"}
	values := []serde.Value{tape.Int64(seq), tape.String(changingName(seq)), count, tape.Float64(changingRatio(seq, version))}
	if version < 5 {
		names, values = append(names, "gone"), append(values, tape.String(fmt.Sprintf("g%d", seq)))
	}
	if version > 1 {
		names, values = append(names, "city"), append(values, tape.String(fmt.Sprintf("c%d", seq)))
	}
	return tape.Object(names, values)
}

// read waits until the process has read all records, ends it and downloads its files.
func (c *changing) read(p *millraceProcess) (dir string) {
	c.t.Helper()
	c.wait(p)
	p.stop()
	c.lake.verify()
	return c.lake.download()
}

func (c *changing) wait(p *millraceProcess) {
	c.t.Helper()
	testbed.WaitUntil(c.t, time.Minute, "all records to be read", func() bool { return staged(p.log.String()) >= int64(len(c.version)) })
}

// filesOfSize: there are no more files than the size needs, and one for each of changes in each partition, and each partition's last.
func (c *changing) filesOfSize(dir string, changes int) {
	c.t.Helper()
	var bytes, rows int64
	var full, small int
	files := shapes(c.t, dir)
	for _, f := range files {
		bytes += f.Size
		rows += f.Rows
		if f.Size >= evolvingFile*9/10 {
			full++
		} else {
			small++
		}
		if f.Size > evolvingFile*5/4 {
			c.t.Errorf("%s has %d bytes, more than the %d that were set", f.Name, f.Size, evolvingFile)
		}
	}
	if rows != int64(len(c.version)) {
		c.t.Errorf("the files hold %d rows, want %d", rows, len(c.version))
	}
	c.t.Logf("%d rows in %d files of %d KiB in all, %d of them as large as was set", rows, len(files), bytes>>10, full)
	if most := evolvingPartitions * (1 + changes); small > most {
		for _, f := range files {
			c.t.Logf("%s: %d bytes, %d rows, %s", f.Name, f.Size, f.Rows, strings.Join(f.Columns, ", "))
		}
		c.t.Errorf("%d files are smaller than was set, want %d at most", small, most)
	}
}

// A changedRow is a row as readers give it.
type changedRow struct {
	Seq         int64
	Name, Label *string
	Count       int64
	Ratio       float64
	Gone, City  *string
}

// table reads all files as one table.
func (c *changing) table(reader, dir string) (columns []string, rows []changedRow) {
	c.t.Helper()
	var found struct {
		Columns []string
		Rows    []changedRow
	}
	testbed.ReadLake(c.t, &found, "rows", reader, dir)
	if len(found.Rows) != len(c.version) {
		c.t.Fatalf("%s reads %d rows, want %d", reader, len(found.Rows), len(c.version))
	}
	return found.Columns, found.Rows
}

// holds checks a row, but for what its version doesn't have.
func (r *changedRow) holds(seq int64, version int) bool {
	name := r.Label
	if name == nil {
		name = r.Name
	}
	gone, city := (*string)(nil), r.City
	if version < 5 {
		text := fmt.Sprintf("g%d", seq)
		gone = &text
	}
	if version > 1 {
		text := fmt.Sprintf("c%d", seq)
		city = &text
	}
	return r.Seq == seq && is(name, changingName(seq)) && (r.Name == nil || r.Label == nil) && r.Count == changingCount(seq, version) &&
		r.Ratio == changingRatio(seq, version) && sameText(r.Gone, gone) && sameText(r.City, city)
}

func is(p *string, text string) bool { return p != nil && *p == text }

func sameText(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// Every record is of another version than the one before. Files stay at their size, and for readers it is one table: that of the newest version, with the
// default where a version is too old for a column, the renamed column once, and null in the removed one where a version is too new.
func TestSchemaVersionsAlternate(t *testing.T) {
	c := newChanging(t)
	c.produce(90_000, 1, 2, 3, 4, 5)
	p := c.start()
	dir := c.read(p)
	c.filesOfSize(dir, 0)
	for _, reader := range []string{"pyarrow", "duckdb"} {
		columns, rows := c.table(reader, dir)
		if got := strings.Join(columns, " "); got != "seq label count ratio gone city" {
			t.Errorf("%s reads the columns %s", reader, got)
		}
		for i := range rows {
			if version := c.version[i]; !rows[i].holds(int64(i), version) || version == 1 && !is(rows[i].City, "none") {
				t.Fatalf("%s reads %+v of version %d", reader, rows[i], version)
			}
		}
	}
}

// Versions come one after the other, while records of older ones go on. Each new version costs one file of each partition; a file has the columns of the
// newest version so far, and readers that unite columns by name see each value once.
func TestSchemaEvolves(t *testing.T) {
	c := newChanging(t)
	p := c.start()
	const perVersion = 30_000
	for newest := 1; newest <= 5; newest++ {
		c.produce(perVersion, []int{1, 2, 3, 4, 5}[:newest]...)
		c.wait(p)
	}
	dir := c.read(p)
	c.filesOfSize(dir, 4)
	for _, reader := range []string{"pyarrow", "duckdb"} {
		columns, rows := c.table(reader, dir)
		for _, name := range []string{"seq", "name", "label", "count", "ratio", "gone", "city"} {
			if !slices.Contains(columns, name) {
				t.Errorf("%s reads no column %s: %s", reader, name, columns)
			}
		}
		for i := range rows {
			r, version, newest := &rows[i], c.version[i], i/perVersion+1
			before, after := newest < 2, newest > 2 // the second version; in its own wave some rows were written before it was seen
			if !r.holds(int64(i), version) || version == 1 && (before && r.City != nil || after && !is(r.City, "none")) || newest > 4 && r.Label == nil || newest < 4 && r.Name == nil {
				t.Fatalf("%s reads %+v of version %d, when the newest was %d", reader, *r, version, newest)
			}
		}
	}
}

// A version that doesn't fit the others has files of its own, which grow beside theirs.
func TestIncompatibleVersionApart(t *testing.T) {
	c := newChanging(t)
	c.produce(150_000, 5, 6)
	p := c.start()
	dir := c.read(p)
	c.filesOfSize(dir, 1)
	of := map[string]int64{}
	for _, f := range shapes(t, dir) {
		of[strings.Join(f.Columns, ", ")] += f.Rows
	}
	want := map[string]int64{
		"seq int64, label string, count int64, ratio double, city string":  75_000,
		"seq int64, label string, count string, ratio double, city string": 75_000,
	}
	if fmt.Sprint(of) != fmt.Sprint(want) {
		t.Errorf("rows by columns: %v, want %v", of, want)
	}
}
