//go:build testbed

package behaviour

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// everyTopic is a topic with the records 0 to n-1 of everySchema.
func everyTopic(t *testing.T, bed *testbed.Brokers, n int64) string {
	t.Helper()
	topic := bed.Topic(t, 4)
	client := bed.Client(t, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	defer client.Close()
	failed := make(chan error, 1)
	for seq := range n {
		client.Produce(t.Context(), &kgo.Record{Value: everyRecord(nil, seq)}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	return topic
}

// What pyarrow, DuckDB and fastavro read is what was written, field by field, for every logical type of Avro, nested; columns keep their order, and
// files and row groups have the sizes that were set. MILLRACE_RECORDS makes it longer.
func TestReadersAgree(t *testing.T) {
	records := int64(testbed.FromEnv(t, "MILLRACE_RECORDS", 30_000))
	bed := testbed.Kafka(t)
	topic := everyTopic(t, bed, records)
	schema := filepath.Join(t.TempDir(), "every.avsc")
	if err := os.WriteFile(schema, []byte(everySchema), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, format string
		readers      []string
		fileSize     int64
		rowGroup     int64
	}{
		{"parquet", "parquet", []string{"pyarrow", "duckdb"}, 128 << 20, 16 << 20}, // four open row groups hold 64 MiB
		{"parquet, small groups", "{parquet: {compression: zstd, row_group: 128KiB, bloom: [text]}}", []string{"duckdb"}, 2 << 20, 128 << 10},
		{"avro", "{avro: {compression: deflate}}", []string{"fastavro"}, 128 << 20, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			group := testbed.Name(t)
			p := startMillrace(t, fmt.Sprintf(`
name: %s
source: {kafka: {brokers: %q, topics: [%s]}}
decode: {value: {avro: {schema: {file: %q}}}}
sink: {file: {dir: %q, path: "data/", format: %s, rotate: {size: %dKiB, age: 10m}}}
`, group, strings.Join(bed.Addrs, ","), topic, schema, dir, c.format, c.fileSize>>10))
			testbed.WaitUntil(t, 10*time.Minute, "all records to be read", func() bool { return staged(p.log.String()) >= records })
			p.stop()
			for _, reader := range c.readers {
				var found struct {
					Rows, Columns, Different, Lost, Repeated int64
					Examples                                 []string
				}
				if !testbed.ReadLake(t, &found, "every", reader, dir, fmt.Sprint(records)) {
					t.Errorf("%s: %+v", reader, found)
				}
				t.Logf("%s read %d rows of %d columns: %d different, %d lost, %d repeated", reader, found.Rows, found.Columns, found.Different, found.Lost, found.Repeated)
			}
			if c.rowGroup > 0 {
				checkShape(t, dir, c.fileSize, c.rowGroup)
			}
		})
	}
}

// staged is how many records a process has read, by its status lines, one a second.
func staged(log string) (n int64) {
	for line := range strings.Lines(log) {
		if _, rest, ok := strings.Cut(line, "records_per_s="); ok {
			read, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			n += read
		}
	}
	return n
}

// A parquetShape is what pyarrow says of a file.
type parquetShape struct {
	Name      string
	Size      int64
	Rows      int64
	Columns   []string
	RowGroups []int64 `json:"row_groups"` // their compressed bytes
	Codec     string
}

func shapes(t *testing.T, dir string) []parquetShape {
	t.Helper()
	var found struct{ Files []parquetShape }
	testbed.ReadLake(t, &found, "shape", dir)
	if len(found.Files) == 0 {
		t.Fatal("there are no files")
	}
	return found.Files
}

// checkShape: all files but the last of each partition are full, and all of their row groups but the last. The first one may be smaller: while it has no page,
// nobody knows how well its columns compress.
func checkShape(t *testing.T, dir string, fileSize, rowGroup int64) {
	t.Helper()
	files := shapes(t, dir)
	var small, groups int
	for _, f := range files {
		if f.Size < fileSize*9/10 {
			small++
		}
		if f.Size > fileSize*5/4 {
			t.Errorf("%s has %d bytes, more than the %d that were set", f.Name, f.Size, fileSize)
		}
		for i, size := range f.RowGroups[:len(f.RowGroups)-1] {
			if i > 0 && size < rowGroup*7/10 || size > rowGroup*13/10 {
				t.Errorf("%s has a row group of %d bytes, want about %d", f.Name, size, rowGroup)
			}
		}
		groups += len(f.RowGroups)
	}
	if small > 4 { // partitions
		t.Errorf("%d of %d files are smaller than was set", small, len(files))
	}
	t.Logf("%d files, %d of them the last of their partitions; %d row groups; %s; first file %d bytes, row groups %v",
		len(files), small, groups, files[0].Codec, files[0].Size, files[0].RowGroups)
}
