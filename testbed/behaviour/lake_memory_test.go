//go:build testbed

package behaviour

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// A topic of 12 partitions leads to 1,000 paths, each from some of the partitions: 4,000 Parquet files are open at once, within 512 MiB.
func TestThousandPathsParquetInMemory(t *testing.T) {
	records := int64(testbed.FromEnv(t, "MILLRACE_RECORDS", 200_000))
	l := newLake(t, 12)
	if err := l.produce(0, records, 0); err != nil {
		t.Fatal(err)
	}
	l.file = l.config(`path: "{topic}/kind={value.kind}/", format: parquet, rotate: {age: 20s}`, `handlers: [{set: {kind: value.seq % 1000}}]`)
	p := startMillrace(t, l.file, "--budget", "256MiB")
	l.written(records)
	peak := p.peak()
	p.stop()
	t.Logf("peak %d MiB resident, %d MiB held by records; %s; %s", peak, held(p.log.String()), l.sizes(), reasons(p.log.String()))
	if peak > 512 {
		t.Errorf("peak of %d MiB resident, more than 512", peak)
	}
	folders := map[string]bool{}
	for _, key := range l.objects() {
		folders[key[:strings.LastIndexByte(key, '/')]] = true
	}
	if len(folders) != 1000 {
		t.Errorf("%d paths, want 1,000", len(folders))
	}
	l.verify()
}

// 12 partitions of one path each, with the default settings: row groups share their memory, and leave as parts before the file ends. All of it
// takes less than 256 MiB.
func TestTwelvePartitionsParquetInMemory(t *testing.T) {
	records := int64(testbed.FromEnv(t, "MILLRACE_RECORDS", 600_000))
	l := newLake(t, 12)
	l.produceInTurn(records, dense())
	p := l.start(l.config(`path: "{topic}/kind={value.kind}/", format: parquet, rotate: {}`, `handlers: [{set: {kind: value.seq % 1}}]`))
	testbed.WaitUntil(t, 4*time.Minute, "all records to be read", func() bool { return staged(p.log.String()) >= records })
	reading := p.peak()
	p.stop()
	l.written(records)
	groups, least := 0, int64(1<<62)
	files := shapes(t, l.download())
	for _, f := range files {
		groups += len(f.RowGroups)
		for _, size := range f.RowGroups[:len(f.RowGroups)-1] {
			least = min(least, size)
		}
	}
	t.Logf("peak %d MiB resident, %d MiB held by records; %s; %d row groups, those before the last one of a file have %d KiB at least; %s",
		reading, held(p.log.String()), l.sizes(), groups, least>>10, reasons(p.log.String()))
	if reading > 256 {
		t.Errorf("peak of %d MiB resident, more than 256", reading)
	}
	if groups <= len(files) {
		t.Errorf("%d row groups in %d files: there was too little to show anything", groups, len(files))
	}
	if least < 4<<20 {
		t.Errorf("a row group has %d KiB, less than 4 MiB", least>>10)
	}
	l.verify()
	l.countParquet(records)
}

// dense is a record for which Parquet needs some 300 bytes.
func dense() func(i int64) []byte {
	random := rand.NewChaCha8([32]byte{8})
	raw := make([]byte, 150)
	return func(i int64) []byte {
		random.Read(raw) //nolint:errcheck // never fails
		p := flowPosition(i)
		return fmt.Appendf(nil, `{"seq":%d,"car":%q,"pos":{"lng":%.5f,"lat":%.5f},"tags":["a","b%d"],"noise":%q}`, i, p.Car, p.Lng, p.Lat, i%100, hex.EncodeToString(raw))
	}
}

// produceInTurn writes n records to the partitions in turn.
func (l *lake) produceInTurn(n int64, value func(i int64) []byte) {
	l.t.Helper()
	client := l.kafka.Client(l.t, kgo.DefaultProduceTopic(l.topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	defer client.Close()
	var failed atomic.Pointer[error]
	for i := range n {
		client.Produce(l.t.Context(), &kgo.Record{Value: value(i)}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	if err := client.Flush(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	if err := failed.Load(); err != nil {
		l.t.Fatal(*err)
	}
}
